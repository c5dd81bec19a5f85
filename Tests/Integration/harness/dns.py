"""A small DNS server for tests: UDP and TCP on one port of the kernel's choice.

`server.zone` maps a name (lower case, no dot at the end) to a list of answers:

    "127.0.0.1", "::1"    an address
    ("cname", "other")    an alias; the records of the other name follow in the same answer
    "nxdomain"            there is no such name
    "servfail", "refused" the server fails
    "silence"             no answer at all

Names that are not in the zone do not exist. `server.ttl` is the time to live of every record;
`server.queries` records (name, type, protocol, time) of each question.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
import threading
import time

A, CNAME, AAAA = 1, 5, 28
NAMES = {A: "A", AAAA: "AAAA"}


def _encode(name: str) -> bytes:
    return b"".join(bytes([len(part)]) + part.encode() for part in name.split(".") if part) + b"\0"


def _decode(data: bytes, offset: int) -> tuple[str, int]:
    parts = []
    while data[offset]:
        length = data[offset]
        parts.append(data[offset + 1:offset + 1 + length].decode())
        offset += 1 + length
    return ".".join(parts).lower(), offset + 1


class DNSServer:
    def __init__(self, host="127.0.0.1"):
        self.zone: dict[str, list] = {}
        self.ttl = 60
        self.delay = 0.0
        self.truncate = False  # UDP answers say that they are cut short
        self.queries: list[tuple[str, str, str, float]] = []
        self.clients: list[tuple[str, int]] = []  # where UDP questions came from
        self.lock = threading.Lock()
        while True:  # the same port must be free for both
            self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.udp.bind((host, 0))
            self.address = (host, self.udp.getsockname()[1])
            self.tcp = socket.socket()
            self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                self.tcp.bind(self.address)
                break
            except OSError:
                self.udp.close()
                self.tcp.close()
        self.tcp.listen(64)
        for target in (self._serve_udp, self._serve_tcp):
            threading.Thread(target=target, daemon=True).start()

    def count(self, name=None, kind=None, protocol=None) -> int:
        with self.lock:
            return sum((name in (None, n)) and (kind in (None, t)) and (protocol in (None, p)) for n, t, p, _ in self.queries)

    def wait(self, condition, timeout=5.0) -> bool:
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if condition():
                return True
            time.sleep(0.01)
        return bool(condition())

    def stop(self):
        for s in (self.udp, self.tcp):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            s.close()

    # Serving

    def _serve_udp(self):
        while True:
            try:
                data, peer = self.udp.recvfrom(4096)
            except OSError:
                return
            if len(data) < 12:  # no question: a datagram of another test on a port it had before us
                continue
            self.clients.append(peer)
            threading.Thread(target=self._reply_udp, args=(data, peer), daemon=True).start()

    def _reply_udp(self, data, peer):
        answer = self._answer(data, "udp")
        if answer is not None:
            try:
                self.udp.sendto(answer, peer)
            except OSError:
                pass

    def _serve_tcp(self):
        while True:
            try:
                client, _ = self.tcp.accept()
            except OSError:
                return
            threading.Thread(target=self._serve_client, args=(client,), daemon=True).start()

    def _serve_client(self, client):
        with client:
            buffer = b""
            while True:
                try:
                    data = client.recv(4096)
                except OSError:
                    return
                if not data:
                    return
                buffer += data
                while len(buffer) >= 2 and len(buffer) >= 2 + struct.unpack("!H", buffer[:2])[0]:
                    length = struct.unpack("!H", buffer[:2])[0]
                    answer = self._answer(buffer[2:2 + length], "tcp")
                    buffer = buffer[2 + length:]
                    if answer is not None:
                        client.sendall(struct.pack("!H", len(answer)) + answer)

    def _answer(self, data: bytes, protocol: str) -> bytes | None:
        identity, flags, questions = struct.unpack("!HHH", data[:6])
        name, end = _decode(data, 12)
        kind = struct.unpack("!H", data[end:end + 2])[0]
        with self.lock:
            self.queries.append((name, NAMES.get(kind, str(kind)), protocol, time.monotonic()))
        if self.delay:
            time.sleep(self.delay)
        answers = self.zone.get(name, ["nxdomain"])
        question = data[12:end + 4]
        if "silence" in answers:
            return None
        code = 2 if "servfail" in answers else 5 if "refused" in answers else 3 if "nxdomain" in answers else 0
        cut = self.truncate and protocol == "udp"
        records = [] if code or cut else self._records(name, answers, kind)
        head = struct.pack("!HHHHHH", identity, 0x8180 | (0x0200 if cut else 0) | code, 1, len(records), 0, 0)
        return head + question + b"".join(records)

    def _records(self, name, answers, kind, depth=0) -> list[bytes]:
        records = []

        def add(record_type, value):
            records.append(_encode(name) + struct.pack("!HHIH", record_type, 1, self.ttl, len(value)) + value)

        for answer in answers:
            if isinstance(answer, tuple):
                add(CNAME, _encode(answer[1]))
                if depth < 8:
                    records += self._records(answer[1], self.zone.get(answer[1], []), kind, depth + 1)
            else:
                ip = ipaddress.ip_address(answer)
                if (ip.version == 4) == (kind == A) and kind in (A, AAAA):
                    add(kind, ip.packed)
        return records
