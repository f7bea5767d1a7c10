"""A server that answers as OpenAI's chat completions do, with what the test says."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Reply:
    """An answer that is no chat completion."""

    status: int = 200
    body: bytes = b""


Answer = Callable[[dict[str, Any]], "str | Reply"]
"""What is answered to a request, whose body it is given."""


@dataclass
class ChatServer:
    """Where it is, and what it was asked, in the order in which it came."""

    url: str
    requests: list[dict[str, Any]] = field(default_factory=list)
    authorizations: list[str | None] = field(default_factory=list)


@contextmanager
def chat_server(answer: Answer) -> Iterator[ChatServer]:
    """A running server."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                server.requests.append(body)
                server.authorizations.append(self.headers["Authorization"])
            reply = answer(body) if self.path == "/v1/chat/completions" else Reply(404)
            if isinstance(reply, str):
                completion = {"choices": [{"message": {"role": "assistant", "content": reply}}]}
                reply = Reply(body=json.dumps(completion).encode())
            self.send_response(reply.status)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        def log_message(self, *_: Any) -> None:
            pass

    lock = threading.Lock()
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        server = ChatServer(f"http://127.0.0.1:{listening.server_address[1]}/v1")
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            listening.shutdown()
            thread.join()


def words_asked(request: dict[str, Any]) -> str:
    """The first question of a conversation, if it is text."""
    return str(request["messages"][0]["content"])


def phrases(*texts: str, speech: tuple[str, ...] = ()) -> str:
    """An answer of the right form."""
    return json.dumps({"phrases": [{"text": text, "speech": text in speech} for text in texts]})
