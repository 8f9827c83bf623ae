"""A web server on this machine that misbehaves as it is told to."""

import dataclasses
import http
import http.server
import re
import threading

import pytest


@dataclasses.dataclass
class Server:
    """Serves `content` at any path; each request uses up one entry of `faults`, and without one all goes well.

    A fault is a number (the body is cut after so many bytes), "stall" (the connection stays open, but nothing more
    comes after half of the body) or an HTTP status. `later` is the content and its ETag from the second request on.
    """

    content: bytes = b""
    faults: list = dataclasses.field(default_factory=list)
    ranges: bool = True  # whether it answers requests for a part
    etag: str | None = None
    later: tuple[bytes, str] | None = None
    url: str = ""
    requests: list = dataclasses.field(default_factory=list)  # the Range header of each, or None
    released: threading.Event = dataclasses.field(default_factory=threading.Event)  # ends all stalls


def handler(server):
    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_GET(self):
            asked = self.headers.get("Range")
            server.requests.append(asked)
            if server.later and len(server.requests) > 1:
                server.content, server.etag = server.later
            fault = server.faults.pop(0) if server.faults else None
            if isinstance(fault, http.HTTPStatus):
                self.send_error(fault)
                return
            same = self.headers.get("If-Range") in (None, server.etag)
            start = int(re.match(r"bytes=(\d+)-", asked)[1]) if asked and server.ranges and same else 0
            if start and start >= len(server.content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(server.content)}")
                self.end_headers()
                return
            body = server.content[start:]
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(server.content) - 1}/{len(server.content)}")
            if server.etag:
                self.send_header("ETag", server.etag)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if fault == "stall":
                self.wfile.write(body[: len(body) // 2])
                self.wfile.flush()
                server.released.wait(30)
                return
            self.wfile.write(body if fault is None else body[:fault])

    return Handler


@pytest.fixture
def server():
    state = Server()
    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler(state))
    web.daemon_threads = True
    thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.url = f"http://127.0.0.1:{web.server_address[1]}"
    yield state
    state.released.set()
    web.shutdown()
    web.server_close()
    thread.join()
