"""Raw scripted upstream servers.

An `Upstream` listens on a kernel-chosen port, records every byte and every request, and
answers by a script: `upstream.respond` is a list of steps, or a function from the recorded
request to one. Steps:

    bytes        sent as they are
    float, int   seconds to sleep
    "close"      orderly end (FIN) and end of the connection
    "reset"      RST
    "half"       end our direction only
    callable     called with the connection

Without a script every request gets `200` with a small body and keep-alive.
"""

from __future__ import annotations

import os
import socket
import struct
import threading
import time
from dataclasses import dataclass, field

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


def ok(body: bytes = b"ok", headers: str = "") -> bytes:
    return b"HTTP/1.1 200 OK\r\n%scontent-length: %d\r\n\r\n" % (headers.encode(), len(body)) + body


@dataclass
class Request:
    method: str
    target: str
    version: str
    headers: list[tuple[str, str]]
    body: bytes = b""
    trailers: list[tuple[str, str]] = field(default_factory=list)
    raw_head: bytes = b""
    connection: int = 0  # number of the connection it came on, from 0
    complete: bool = True

    def get(self, name: str):
        values = self.all(name)
        return values[0] if values else None

    def all(self, name: str):
        return [v for n, v in self.headers if n.lower() == name.lower()]


class Connection:
    def __init__(self, upstream: "Upstream", sock: socket.socket, index: int):
        self.upstream, self.socket, self.index = upstream, sock, index
        self.received = bytearray()  # everything, ever
        self.buffer = bytearray()  # not yet parsed
        self.end: str | None = None

    def fill(self) -> bool:
        try:
            data = self.socket.recv(262144)
        except (ConnectionResetError, TimeoutError, OSError) as error:
            self.end = "reset" if isinstance(error, ConnectionResetError) else "error"
            return False
        if not data:
            self.end = "close"
            return False
        self.received += data
        self.buffer += data
        return True

    def line(self) -> bytes | None:
        while b"\r\n" not in self.buffer:
            if not self.fill():
                return None
        end = self.buffer.index(b"\r\n")
        data = bytes(self.buffer[:end])
        del self.buffer[: end + 2]
        return data

    def take(self, count: int) -> bytes:
        while len(self.buffer) < count:
            if not self.fill():
                break
        data = bytes(self.buffer[:count])
        del self.buffer[:count]
        return data

    def read_request(self) -> Request | None:
        first = self.line()
        if first is None:
            return None
        method, target, version = first.decode("latin-1").split(" ")
        raw, headers = [first], []
        while True:
            line = self.line()
            if line is None:
                return None
            if not line:
                break
            raw.append(line)
            name, _, value = line.decode("latin-1").partition(":")
            headers.append((name, value.strip()))
        request = Request(method, target, version, headers, connection=self.index)
        request.raw_head = b"\r\n".join(raw) + b"\r\n\r\n"
        if self.upstream.wait_for_body:  # asked late: a pooled connection waits here
            self.read_body(request)
        return request

    def read_body(self, request: Request):
        length = request.get("content-length")
        if request.get("transfer-encoding") == "chunked":
            while True:
                line = self.line()
                if line is None:
                    request.complete = False
                    return
                size = int(line.split(b";")[0], 16)
                if size == 0:
                    break
                request.body += self.take(size)
                self.take(2)
            while line := self.line():
                name, _, value = line.decode("latin-1").partition(":")
                request.trailers.append((name, value.strip()))
        elif length is not None:
            request.body = self.take(int(length))
            request.complete = len(request.body) == int(length)

    def perform(self, steps) -> bool:
        """False when the connection is over."""
        for step in [steps] if isinstance(steps, (bytes, str)) or callable(steps) else steps:
            if isinstance(step, (bytes, bytearray)):
                try:
                    self.socket.sendall(step)
                except OSError:
                    return False
            elif step == "close":
                return False
            elif step == "half":
                self.socket.shutdown(socket.SHUT_WR)
            elif step == "reset":
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return False
            elif callable(step):
                if step(self) is False:
                    return False
            else:
                time.sleep(step)
        return True


class Upstream:
    def __init__(self, *, host="127.0.0.1", path=None, name="", raw=None, wait_for_body=True):
        self.name = name
        self.respond = OK
        self.raw = raw  # function of a Connection instead of the HTTP loop
        self.wait_for_body = wait_for_body
        self.requests: list[Request] = []
        self.connections: list[Connection] = []
        self.lock = threading.Condition()
        if path:
            self.listener = socket.socket(socket.AF_UNIX)
            self.address = path
            if not path.startswith("@") and os.path.exists(path):
                os.unlink(path)
            self.listener.bind("\0" + path[1:] if path.startswith("@") else path)
        else:
            self.listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.listener.bind((host, 0))
            self.address = (host, self.listener.getsockname()[1])
        self.listener.listen(1024)
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            sock.settimeout(30)
            if sock.family != socket.AF_UNIX:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                connection = Connection(self, sock, len(self.connections))
                self.connections.append(connection)
                self.lock.notify_all()
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: Connection):
        try:
            if self.raw:
                self.raw(connection)
                return
            while True:
                request = connection.read_request()
                if request is None:
                    return
                with self.lock:
                    self.requests.append(request)
                    self.lock.notify_all()
                respond = self.respond
                steps = respond(request) if callable(respond) else respond
                if not connection.perform(steps):
                    return
        except OSError:
            pass
        finally:
            connection.socket.close()
            with self.lock:
                connection.end = connection.end or "ours"
                self.lock.notify_all()

    def reset(self):
        """Forgets what was recorded and the script; open connections stay."""
        with self.lock:
            self.respond = OK
            self.requests.clear()

    def wait(self, condition, timeout=3.0) -> bool:
        deadline = time.monotonic() + timeout
        while not condition():  # asked often: bytes arrive without a notification
            with self.lock:
                self.lock.wait(0.01)
            if time.monotonic() > deadline:
                return bool(condition())
        return True

    def wait_requests(self, count: int, timeout=3.0) -> list[Request]:
        assert self.wait(lambda: len(self.requests) >= count, timeout), (
            f"upstream saw {len(self.requests)} requests, not {count}")
        return self.requests

    @property
    def last(self) -> Request:
        return self.requests[-1]

    def drop_connections(self):
        """Ends every open connection, as a restarting server does."""
        for connection in list(self.connections):
            try:
                connection.socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def stop(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        self.drop_connections()


#: Bound and never listening, to the end of the run: nobody else gets their ports.
REFUSING: list[socket.socket] = []


def refused_port() -> int:
    """A port on 127.0.0.1 where connecting is refused."""
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    REFUSING.append(s)
    return s.getsockname()[1]
