#!/usr/bin/env python3
"""Ten thousand idle connections: opened, served, left alone, and served again.

    MARTLET=path python3 Tests/Soak/idle.py [--connections 10000] [--seconds 5] [--proxy martlet|envoy]

Prints the memory each connection costs and the processor time spent while all are idle.
Exit status 0 if every connection was served before and after.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "Integration"))

from harness import config as k  # noqa: E402
from harness import process  # noqa: E402
from harness.client import Client, Malformed, make_request  # noqa: E402


def round_of_requests(clients) -> int:
    """All requests are sent in batches before the answers are read; how many were right."""
    right = 0
    for start in range(0, len(clients), 500):
        batch = clients[start:start + 500]
        for client in batch:
            client.send(make_request(), ignore_errors=True)
        for client in batch:
            try:
                right += client.response(timeout=10).text == "served"
            except (OSError, Malformed):
                pass  # counted by its absence
    return right


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--connections", type=int, default=10000)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--proxy", default="martlet", choices=["martlet", "envoy"])
    options = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard < options.connections + 100:
        print(f"idle: only {hard} descriptors are allowed")
        return 2
    process.START_PATIENCE = 60
    proxy = process.Proxy(options.proxy, k.bootstrap([k.listener("main", k.hcm([k.direct("served")]))]))
    clients: list[Client] = []
    try:
        base = proxy.rss_bytes()
        started = time.monotonic()
        for _ in range(options.connections):
            clients.append(Client(proxy.address()))
        right = round_of_requests(clients)
        opened = time.monotonic() - started
        active = proxy.wait_stat("listener.main.downstream_cx_active", options.connections)
        memory = proxy.rss_bytes() - base
        before = proxy.cpu_seconds()
        time.sleep(options.seconds)
        spent = proxy.cpu_seconds() - before
        again = round_of_requests(clients)
        print(f"idle: {options.connections} connections open, {active} active, served {right} and {again}, {opened:.1f} s to open and serve")
        print(f"idle: {memory / options.connections:.0f} bytes a connection, {spent:.2f} s of processor time in {options.seconds:.0f} s of idling")
        for client in clients:
            client.close()
        left = proxy.wait_stat("listener.main.downstream_cx_active", 0, timeout=20)
        print(f"idle: {left} left after closing, {proxy.rss_bytes() >> 20} MiB")
        passed = right == again == active == options.connections and left == 0 and spent < 0.05 * options.seconds + 0.05
    finally:
        proxy.stop()
    print("idle: passed" if passed else "idle: failed")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
