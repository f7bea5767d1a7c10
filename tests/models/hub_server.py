"""A server that answers the hub's client as the Hugging Face hub does, with repositories made by the test."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"

Repositories = dict[str, dict[str, bytes]]


@contextmanager
def hub_server(repositories: Repositories) -> Iterator[str]:
    """The server's address; it serves each repository's files at one commit."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(with_body=True)

        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def log_message(self, *_: Any) -> None:
            pass

        def _answer(self, with_body: bool) -> None:
            path = self.path.partition("?")[0]
            if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(/tree/[^/]+|/revision/[^/]+)?", path):
                self._answer_about(found[1], path, with_body)
            elif found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/[^/]+/(.+)", path):
                self._send(
                    repositories.get(found[1], {}).get(found[2]), "application/octet-stream", with_body
                )
            else:
                self._send(None, "text/plain", with_body)

        def _answer_about(self, name: str, path: str, with_body: bool) -> None:
            files = repositories.get(name)
            if files is None:
                self._send(None, "application/json", with_body)
                return
            answer: Any = {"id": name, "sha": COMMIT, "siblings": [{"rfilename": each} for each in files]}
            if "/tree/" in path:
                answer = [
                    {"type": "file", "path": p, "size": len(c), "oid": "0" * 40} for p, c in files.items()
                ]
            self._send(json.dumps(answer).encode(), "application/json", with_body)

        def _send(self, body: bytes | None, kind: str, with_body: bool) -> None:
            self.send_response(404 if body is None else 200)
            if body is None:
                self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("ETag", f'"{hashlib.sha1(body or b"").hexdigest()}"')
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            if with_body:
                self.wfile.write(body or b"")

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
