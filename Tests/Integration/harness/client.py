"""Raw downstream clients.

A client sends exactly the bytes it is given and reads with a deadline, always. Parsing of
answers is strict: a body that ends early, or bytes that are no HTTP, raise `Malformed`, so
a test that reads a whole answer has also proved its framing.
"""

from __future__ import annotations

import select
import socket
import struct
import time
from dataclasses import dataclass, field

PATIENCE = 5.0  # seconds a read that must succeed may take


class Malformed(Exception):
    """The peer sent something that is no complete HTTP message."""


@dataclass
class Response:
    status: int
    reason: str
    version: str
    headers: list[tuple[str, str]]  # names as sent
    body: bytes = b""
    trailers: list[tuple[str, str]] = field(default_factory=list)
    complete: bool = True  # False: the connection ended before the body did

    def get(self, name: str) -> str | None:
        values = self.all(name)
        return values[0] if values else None

    def all(self, name: str) -> list[str]:
        return [v for n, v in self.headers if n.lower() == name.lower()]

    @property
    def text(self) -> str:
        return self.body.decode("latin-1")


def parse_address(address) -> tuple[int, object]:
    """("127.0.0.1", 80), ("::1", 80), "/path" or "@abstract" to family and sockaddr."""
    if isinstance(address, str):
        return socket.AF_UNIX, ("\0" + address[1:] if address.startswith("@") else address)
    return (socket.AF_INET6 if ":" in address[0] else socket.AF_INET), address


class Client:
    def __init__(self, address, *, source=None, timeout=PATIENCE, receive_buffer=None):
        family, target = parse_address(address)
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if family != socket.AF_UNIX:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if source:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.socket.bind(source)
        self.socket.settimeout(timeout)
        self.socket.connect(target)
        self.buffer = bytearray()
        self.ended: str | None = None  # "close" or "reset" once seen

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # Writing

    def send(self, data: bytes | str, *, ignore_errors=False) -> "Client":
        data = data.encode("latin-1") if isinstance(data, str) else data
        try:
            self.socket.sendall(data)
        except OSError:
            if not ignore_errors:
                raise
        return self

    def send_slowly(self, data: bytes, pause=0.0) -> "Client":
        for i in range(len(data)):
            self.socket.sendall(data[i : i + 1])
            if pause:
                time.sleep(pause)
        return self

    def request(self, method="GET", path="/", headers=(), body=b"", host="example.com") -> "Response":
        """Sends one plain HTTP/1.1 request and reads its answer."""
        self.send(make_request(method, path, headers, body, host))
        return self.response(method)

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self):
        self.socket.close()

    # Reading

    def _fill(self, deadline: float) -> bool:
        """Reads once into the buffer; False at the deadline or at the end of the stream."""
        if self.ended:
            return False
        poll = select.poll()  # select() knows no descriptor above 1023
        poll.register(self.socket, select.POLLIN)
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            return False
        try:
            data = self.socket.recv(262144)
        except ConnectionResetError:
            self.ended = "reset"
            return False
        if not data:
            self.ended = "close"
            return False
        self.buffer += data
        return True

    def read(self, count: int, timeout=PATIENCE) -> bytes:
        """Exactly `count` bytes, or fewer if the stream ended or time ran out."""
        deadline = time.monotonic() + timeout
        while len(self.buffer) < count and self._fill(deadline):
            pass
        data = bytes(self.buffer[:count])
        del self.buffer[:count]
        return data

    def read_until(self, mark: bytes, timeout=PATIENCE) -> bytes:
        deadline = time.monotonic() + timeout
        while mark not in self.buffer:
            if not self._fill(deadline):
                raise Malformed(f"no {mark!r}, {self.ended or 'still open'}, have {bytes(self.buffer[:400])!r}")
        end = self.buffer.index(mark) + len(mark)
        data = bytes(self.buffer[:end])
        del self.buffer[:end]
        return data

    def read_all(self, timeout=PATIENCE) -> bytes:
        """Everything until the peer ends the stream or `timeout` passed; see `ended`."""
        deadline = time.monotonic() + timeout
        while self._fill(deadline):
            pass
        data = bytes(self.buffer)
        self.buffer.clear()
        return data

    def quiet(self, seconds: float) -> bool:
        """True if nothing arrives and nothing ends for that long."""
        return not self.buffer and not self._fill(time.monotonic() + seconds) and not self.ended

    def closed(self, timeout=PATIENCE) -> bool:
        """True if the peer ends the stream in time without sending anything more."""
        self._fill(time.monotonic() + timeout)
        return self.ended is not None and not self.buffer

    def head(self, timeout=PATIENCE) -> Response:
        return parse_head(self.read_until(b"\r\n\r\n", timeout))

    def response(self, method="GET", timeout=PATIENCE, interim=False) -> Response:
        """One whole answer; 1xx answers are skipped unless `interim`."""
        while True:
            response = self.head(timeout)
            if interim or response.status >= 200 or response.status == 101:
                break
        if method == "HEAD" or response.status in (204, 304) or response.status < 200:
            return response
        encoding = response.get("transfer-encoding")
        length = response.get("content-length")
        if encoding is not None:
            if encoding.lower() != "chunked" or length is not None:
                raise Malformed(f"bad framing {response.headers}")
            response.body, response.trailers = self.chunked(timeout)
        elif length is not None:
            response.body = self.read(int(length), timeout)
            if len(response.body) != int(length):
                raise Malformed(f"body ends at {len(response.body)} of {length}, {self.ended}")
        elif method == "CONNECT" and response.status < 300:
            pass
        else:
            response.body = self.read_all(timeout)
            if self.ended != "close":
                raise Malformed(f"close-delimited body ended by {self.ended}")
        return response

    def chunked(self, timeout=PATIENCE):
        body = bytearray()
        while True:
            size = int(self.read_until(b"\r\n", timeout)[:-2].split(b";")[0], 16)
            if size == 0:
                break
            data = self.read(size + 2, timeout)
            if len(data) != size + 2 or data[-2:] != b"\r\n":
                raise Malformed(f"chunk of {size} broken off, {self.ended}")
            body += data[:-2]
        trailers = []
        while True:
            line = self.read_until(b"\r\n", timeout)[:-2]
            if not line:
                return bytes(body), trailers
            name, _, value = line.decode("latin-1").partition(":")
            trailers.append((name, value.strip()))


def parse_head(raw: bytes) -> Response:
    lines = raw.decode("latin-1").split("\r\n")
    version, _, rest = lines[0].partition(" ")
    status, _, reason = rest.partition(" ")
    if version not in ("HTTP/1.1", "HTTP/1.0") or not (len(status) == 3 and status.isdigit()):
        raise Malformed(f"status line {lines[0]!r}")
    headers = []
    for line in lines[1:]:
        if line:
            name, colon, value = line.partition(":")
            if not colon or not name:
                raise Malformed(f"header line {line!r}")
            headers.append((name, value.strip()))
    return Response(int(status), reason, version, headers)


def make_request(method="GET", path="/", headers=(), body=b"", host="example.com") -> bytes:
    lines = [f"{method} {path} HTTP/1.1"]
    if host is not None:
        lines.append(f"Host: {host}")
    lines += [f"{n}: {v}" for n, v in (headers.items() if isinstance(headers, dict) else headers)]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def get(address, path="/", headers=(), *, method="GET", body=b"", host="example.com") -> Response:
    with Client(address) as client:
        return client.request(method, path, headers, body, host)


@dataclass
class Exchange:
    """What became of some raw bytes."""

    statuses: list[int]
    fate: str  # "open", "close" or "reset"
    responses: list[Response]
    raw: bytes

    def __str__(self):
        return f"{self.statuses} {self.fate}"


def exchange(address, raw: bytes, *, patience=0.25, methods=()) -> Exchange:
    """Sends raw bytes on a new connection, reads until it ends or is quiet for `patience`."""
    with Client(address) as client:
        client.send(raw, ignore_errors=True)
        while client._fill(time.monotonic() + (patience if client.buffer or not patience else max(patience, 0.25))):
            pass
        whole = bytes(client.buffer)
        responses = []
        fate = client.ended or "open"
        methods = list(methods)
        try:
            while client.buffer:
                method = methods.pop(0) if methods else "GET"
                client.ended = client.ended or "timeout"
                responses.append(client.response(method, interim=False))
        except Malformed:
            responses.append(Response(-1, "malformed", "", [], whole))
        return Exchange([r.status for r in responses], fate, responses, whole)
