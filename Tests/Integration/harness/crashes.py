"""Load on a proxy that crashes: how many requests fail, and why.

Run as a program it shows what `--supervise` is worth: a filter that crashes the process is loaded again until it
is quarantined, while clients go on asking.

    .venv/bin/python -m harness.crashes            # from Tests/Integration
"""

from __future__ import annotations

import argparse
import collections
import os
import socket
import sys
import tempfile
import threading
import time

REQUEST = "GET {path} HTTP/1.1\r\nhost: a\r\n\r\n"


class Load:
    """Clients with a keep-alive connection each, that connect again when theirs is broken. Each request's outcome is
    counted: its status, `broken` (the connection ended before an answer) or `refused` (nobody listened)."""

    def __init__(self, address, connections: int, path="/"):
        self.address = address
        self.request = REQUEST.format(path=path).encode()
        self.outcomes: collections.Counter = collections.Counter()
        self.longest = 0.0
        self.stopping = False
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.client) for _ in range(connections)]
        for thread in self.threads:
            thread.start()

    def note(self, outcome, took):
        with self.lock:
            self.outcomes[outcome] += 1
            self.longest = max(self.longest, took)

    def client(self):
        sock = None
        while not self.stopping:
            began = time.monotonic()
            try:
                if sock is None:
                    sock = socket.create_connection(self.address, timeout=20)
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.sendall(self.request)
                outcome = self.answer(sock)
            except ConnectionRefusedError:
                outcome = "refused"
            except TimeoutError:
                outcome = "no answer in 20 s"
            except OSError:
                outcome = "broken"
            if outcome not in ("200", "503"):
                if sock:
                    sock.close()
                sock = None
            self.note(outcome, time.monotonic() - began)
        if sock:
            sock.close()

    @staticmethod
    def answer(sock) -> str:
        data = b""
        while b"\r\n\r\n" not in data:
            more = sock.recv(65536)
            if not more:
                return "broken"
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        while len(body) < length:
            more = sock.recv(65536)
            if not more:
                return "broken"
            body += more
        return head.split(b" ", 2)[1].decode()

    def stop(self) -> collections.Counter:
        self.stopping = True
        for thread in self.threads:
            thread.join(30)
        return self.outcomes

    @property
    def failed(self) -> int:
        return sum(count for outcome, count in self.outcomes.items() if outcome not in ("200", "503"))


def main():
    from . import config as k
    from . import plugins as p
    from .client import Client
    from .process import Proxy

    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--then", default="FAIL_CLOSED", choices=["FAIL_CLOSED", "FAIL_OPEN"])
    options = parser.parse_args()
    workshop = p.Workshop()
    folder = tempfile.mkdtemp(prefix="martlet-crashes-")
    p.put(workshop.build("faulty"), folder, "faulty.so")
    filters = [p.http_filter("com.example.faulty", "Faulty", at="on_request_headers", how="null", path="/crash")]
    config = {**k.bootstrap([k.listener(filters=p.hcm(filters, [k.direct()]))]),
              "bootstrap_extensions": [{"name": "martlet.plugins", "typed_config": {
                  "@type": "type.googleapis.com/martlet.bootstrap.v1.Plugins",
                  "default_policy": {"on_crash": {"retries": 3, "then": options.then}}}}]}
    proxy = Proxy("martlet", config, args=["--supervise", "--plugin-path", folder], concurrency=2)
    try:
        load = Load(proxy.address(), options.connections)
        print(f"{options.connections} keep-alive connections ask for /; another asks for /crash until the plugin is quarantined")
        crashes = 0
        for _ in range(4):
            time.sleep(0.5)
            try:
                with Client(proxy.address()) as client:
                    client.send(REQUEST.format(path="/crash"))
                    client._fill(time.monotonic() + 5)
                    crashes += client.ended is not None
            except OSError:
                pass
            time.sleep(1.0)
        time.sleep(1.0)
        outcomes = load.stop()
        state = [line for line in proxy.output().splitlines() if "quarantined" in line]
        print("\n".join(line for line in proxy.output().splitlines() if "died by signal" in line))
        print(state[-1] if state else "not quarantined")
        total = sum(outcomes.values())
        print(f"crashes: {crashes}; requests: {total}; " + ", ".join(f"{name}: {count}" for name, count in sorted(outcomes.items())))
        print(f"failed: {load.failed} ({100 * load.failed / total:.4f} %), {load.failed / max(1, crashes):.1f} a crash; "
              f"the longest answer took {load.longest * 1000:.0f} ms")
    finally:
        proxy.stop()
        workshop.stop()


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.dirname(__file__)))
    main()
