"""A real S3 server on loopback, and a proxy before it that fails the way object stores fail."""

from __future__ import annotations

import http.client
import json
import logging
import random
import socket
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

LOOPBACK = "127.0.0.1"
BUCKET = "faults"
SECONDS_TO_TIMEOUT = 3.0
"""After so long without an answer a client tries again; a minute by default."""
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "FSSPEC_S3": json.dumps({"config_kwargs": {"read_timeout": SECONDS_TO_TIMEOUT}}),
}


class ObjectStore:
    """moto's S3 server, one request at a time: a conditional PUT is then as atomic as it is at S3."""

    def __init__(self) -> None:
        import boto3
        from moto.server import DomainDispatcherApplication, create_backend_app
        from werkzeug.serving import make_server

        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        app = DomainDispatcherApplication(create_backend_app)
        self._server = make_server(LOOPBACK, 0, app, threaded=False)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self._forget_other_stores()
        self.client = boto3.client(
            "s3",
            endpoint_url=f"http://{LOOPBACK}:{self.port}",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            region_name="us-east-1",
        )
        self.client.create_bucket(Bucket=BUCKET)

    def names(self, prefix: str = "") -> list[str]:
        """Keys of all objects under a prefix, sorted."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return sorted(entry["Key"] for page in pages for entry in page.get("Contents", []))

    def read(self, name: str) -> bytes:
        """An object's content."""
        return self.client.get_object(Bucket=BUCKET, Key=name)["Body"].read()

    def uploads(self) -> int:
        """Multipart uploads that were neither completed nor aborted."""
        return len(self.client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []))

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _forget_other_stores(self) -> None:
        """moto keeps the objects of all its servers in one place of the process."""
        connection = http.client.HTTPConnection(LOOPBACK, self.port)
        connection.request("POST", "/moto-api/reset")
        assert connection.getresponse().status == 200
        connection.close()


@dataclass
class Faults:
    """Shares of requests, 0..1, that go wrong, and in which way; drawn from a seed, request by request."""

    error_500: float = 0.0
    slow_down: float = 0.0
    """503, as S3 answers to too many requests."""
    refused: float = 0.0
    """The connection ends before the request is passed on."""
    lost_answer: float = 0.0
    """The request is carried out, and the connection ends before the answer."""
    cut_answer: float = 0.0
    """The answer ends half-way."""
    hangs: float = 0.0
    """The request is not passed on, and there is no answer until its client has given up."""
    slow: float = 0.0
    seconds: float = 0.5
    """How late a slow answer is."""
    seed: int = 0

    def draw(self, generator: random.Random) -> str:
        kinds = ("error_500", "slow_down", "refused", "lost_answer", "cut_answer", "hangs", "slow")
        shares = [getattr(self, kind) for kind in kinds]
        return generator.choices([*kinds, "none"], [*shares, 1 - sum(shares)])[0]


@dataclass
class FaultyProxy:
    """Passes requests on to a server, but for faults."""

    target: int
    faults: Faults = field(default_factory=Faults)
    happened: Counter[str] = field(default_factory=Counter)
    """How often each fault came."""

    def __post_init__(self) -> None:
        self._generator = random.Random(self.faults.seed)
        self._lock = threading.Lock()
        self._down_until = 0.0
        handler = type("Handler", (_Handler,), {"proxy": self})
        self._server = _Server((LOOPBACK, 0), handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs in its environment to use the store through this proxy."""
        return {**ENVIRONMENT, "AWS_ENDPOINT_URL": f"http://{LOOPBACK}:{self.port}"}

    def outage(self, seconds: float) -> None:
        """Answer no request for so long: every connection is closed as soon as it is made."""
        self._down_until = time.monotonic() + seconds

    def next_fault(self) -> str:
        with self._lock:
            kind = "outage" if time.monotonic() < self._down_until else self.faults.draw(self._generator)
            self.happened[kind] += 1
            return kind

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    proxy: FaultyProxy
    protocol_version = "HTTP/1.1"

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.proxy.next_fault()
        if fault == "hangs":
            time.sleep(2 * SECONDS_TO_TIMEOUT)
        if fault in ("refused", "outage", "hangs"):
            return self._hang_up()
        if fault in ("error_500", "slow_down"):
            code, status = ("InternalError", 500) if fault == "error_500" else ("SlowDown", 503)
            error = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>injected</Message></Error>"
            return self._answer(status, [("Content-Type", "application/xml")], error.encode())
        if fault == "slow":
            time.sleep(self.proxy.faults.seconds)
        status, headers, content = self._carried_out(body)
        if fault == "lost_answer":
            return self._hang_up()
        return self._answer(status, headers, content, cut=fault == "cut_answer")

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _pass_on  # noqa: N815 - http.server calls them so

    def _carried_out(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection(LOOPBACK, self.proxy.target, timeout=60)
        try:
            connection.request(self.command, self.path, body=body, headers=dict(self.headers))
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()

    def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes, cut: bool = False) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                self.send_header(name, value)
        length = next((v for n, v in headers if n.lower() == "content-length"), str(len(content)))
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[: len(content) // 2] if cut else content)
        if cut:
            self._hang_up()

    def _hang_up(self) -> None:
        self.close_connection = True
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_: Any) -> None:
        """Nothing: thousands of requests."""
