#!/usr/bin/env python3
"""Minutes of bad company: random disconnects, slow readers, slow writers, broken upstreams.

    MARTLET=path python3 Tests/Soak/soak.py [--seconds 120] [--seed N] [--proxy martlet|envoy]

Made for a build with the address sanitizer. Actors of many kinds misbehave at random, while
polite ones on the same listeners must be served without a single fault. At the end

* the process lives, and said nothing of a sanitizer, a fatal error or a broken precondition;
* its memory stopped growing after the first third;
* every connection and request is accounted for: nothing active, created equals destroyed;
* SIGTERM ends it with 0 (with the leak check of a sanitizer, if there is one).

Exit status 0 and a last line `soak: passed`, or 1 and what was wrong.
"""

from __future__ import annotations

import argparse
import collections
import os
import random
import socket
import sys
import threading
import time
import traceback

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "Integration"))

from harness import config as k  # noqa: E402
from harness import process  # noqa: E402
from harness.client import Client, Malformed, make_request  # noqa: E402
from harness.upstream import Upstream, ok  # noqa: E402

BIG = os.urandom(1 << 20)
DEADLINE = 0.0
faults: list[str] = []
done: collections.Counter = collections.Counter()
lock = threading.Lock()


def fault(text: str):
    with lock:
        faults.append(text)


# Upstreams

def polite_answer(request):
    if request.target.startswith("/big"):
        return ok(BIG)
    return ok(request.body or request.target.encode())


def wild_answer(request):
    """Anything an upstream ever did."""
    chance = random.random()
    if chance < 0.35:
        return ok(os.urandom(random.choice([0, 10, 3000, 100000])))
    if chance < 0.45:
        return [random.random() * 0.5, ok(b"late")]
    if chance < 0.50:
        return [4, ok(b"later than the route's timeout")]
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n"
    chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    return random.choice([
        [head + b"x" * random.randrange(5000), random.random() * 0.1, random.choice(["close", "reset"])],
        [chunked + b"5\r\nhello\r\n", random.random() * 0.1, random.choice(["close", "reset"])],
        [chunked] + [step for _ in range(20) for step in (b"1\r\nx\r\n", 0.02)] + [b"0\r\nt: u\r\n\r\n"],
        [chunked + b"zz\r\nhello\r\n"],
        ["close"], ["reset"], [b"garbage\r\n\r\n"], [b"HTTP/1.1 200"],
        [b"HTTP/1.1 200 OK\r\n\r\nuntil the end", "close"],
        [b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 X\r\nl: m\r\n\r\n", ok(b"after interim")],
        [ok(b"more than asked") + b"trailing bytes"],
        [ok(b"", "connection: close\r\n"), "close"],
        [b"HTTP/1.1 204 No\r\n\r\n"],
        [b"HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n"] + [s for _ in range(20) for s in (b"s", 0.05)],
        [b"HTTP/1.1 200 OK\r\nx: " + b"a" * 70000 + b"\r\n\r\n"],
    ])


def tcp_server(connection):
    """Echoes, and sometimes has enough of it."""
    limit = random.choice([1 << 40, 1 << 40, 10, 100000])
    count = 0
    while connection.fill():
        count += len(connection.buffer)
        connection.socket.sendall(bytes(connection.buffer))
        connection.buffer.clear()
        connection.received.clear()
        if count > limit:
            connection.perform([random.choice(["close", "reset"])])
            return


# Actors: each plays one short scene

def polite_gets(proxy):
    with Client(proxy.address("web")) as client:
        for i in range(random.randrange(1, 30)):
            path = f"/polite/{random.randrange(1 << 30)}"
            answer = client.request(path=path)
            if (answer.status, answer.text) != (200, path):
                fault(f"polite GET got {answer.status} {answer.body[:80]!r}")
            time.sleep(random.random() * 0.02)


def polite_posts(proxy):
    with Client(proxy.address("web")) as client:
        for _ in range(random.randrange(1, 6)):
            body = os.urandom(random.choice([1, 1000, 50000, 300000]))
            if random.random() < 0.5:
                client.send(make_request("POST", "/polite/post", body=body))
            else:
                client.send(make_request("POST", "/polite/post", [("Transfer-Encoding", "chunked")]))
                at = 0
                while at < len(body):
                    size = min(len(body) - at, random.choice([1, 100, 16384, 65536]) if len(body) - at < 2000 else 65536)
                    client.send(b"%x\r\n" % size + body[at:at + size] + b"\r\n")
                    at += size
                client.send(b"0\r\n\r\n")
            answer = client.response(timeout=20)
            if answer.status != 200 or answer.body != body:
                fault(f"polite POST of {len(body)} got {answer.status} and {len(answer.body)} bytes")


def polite_pipeline(proxy):
    with Client(proxy.address("web")) as client:
        paths = [f"/polite/{i}" for i in range(random.randrange(2, 40))]
        client.send(b"".join(make_request(path=p) for p in paths))
        if [client.response(timeout=20).text for _ in paths] != paths:
            fault("pipelined answers out of order")


def polite_tcp(proxy):
    with Client(proxy.address("tcp")) as client:
        body = os.urandom(random.choice([1, 5000, 200000]))
        threading.Thread(target=client.send, args=(body,), kwargs={"ignore_errors": True}, daemon=True).start()
        if client.read(len(body), 20) != body:
            fault(f"tcp echo of {len(body)} bytes was broken")
        client.half_close()
        client.read_all(5)


def disconnecting(proxy):
    client = Client(proxy.address("web"))
    request = random.choice([
        make_request(path=random.choice(["/wild", "/polite/big", "/direct"])),
        make_request("POST", "/wild", body=os.urandom(20000)),
        make_request("POST", "/wild", [("Transfer-Encoding", "chunked")]) + b"5\r\nhello\r\n",
    ])
    client.send(request[:random.randrange(len(request) + 1)], ignore_errors=True)
    time.sleep(random.choice([0, 0.001, 0.01, 0.2]))
    random.choice([client.close, client.reset])()


def wild(proxy):
    with Client(proxy.address("web")) as client:
        for _ in range(random.randrange(1, 10)):
            if random.random() < 0.3:
                client.send(make_request("POST", "/wild", body=os.urandom(random.randrange(1, 50000))), ignore_errors=True)
            else:
                client.send(make_request(path="/wild"), ignore_errors=True)
            try:
                client.response(timeout=8)
            except (Malformed, OSError):
                return


def slow_reader(proxy):
    with Client(proxy.address("web"), receive_buffer=4096) as client:
        client.send(make_request(path="/polite/big" if random.random() < 0.5 else "/big"))
        until = time.monotonic() + random.random() * 6
        while time.monotonic() < min(until, DEADLINE):
            client.read(random.choice([1, 100, 5000]), 0.5)
            time.sleep(0.05)
        if random.random() < 0.5:
            client.reset()


def slow_writer(proxy):
    """One byte a second."""
    request = random.choice([b"GET /polite/slow HTTP/1.1\r\nHost: a\r\n\r\n",
                             b"POST /wild HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\n01234567890123456789",
                             b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n"])
    with Client(proxy.address("pp" if request[:5] == b"PROXY" else "web")) as client:
        client.send(request[:-12])
        for i in range(len(request) - 12, len(request)):
            if time.monotonic() > DEADLINE:
                return
            client.send(request[i:i + 1], ignore_errors=True)
            time.sleep(1)
        client.read_all(1)


def truncated(proxy):
    request = random.choice([
        b"POST /wild HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nonly this",
        b"POST /wild HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nonly this",
        b"POST /wild HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nt: ",
        b"GET /polite/x HTTP/1.1\r\nHost", b"G"])
    with Client(proxy.address("web")) as client:
        client.send(request).half_close()
        client.read_all(3)


def garbage(proxy):
    raw = bytearray(make_request("POST", "/wild", [("X-A", "b"), ("Transfer-Encoding", "chunked")]) + b"5\r\nhello\r\n0\r\n\r\n")
    if random.random() < 0.2:
        raw = bytearray(os.urandom(random.randrange(1, 3000)))
    for _ in range(random.randrange(1, 6)):
        raw[random.randrange(len(raw))] = random.choice(b"\0\r\n :;0gX\x7f\xff")
    name = random.choice(["web", "web", "pp", "tcp"])
    with Client(proxy.address(name)) as client:
        client.send(bytes(raw), ignore_errors=True)
        client.read_all(random.random())


def wild_tcp(proxy):
    client = Client(proxy.address("wild-tcp"))
    for _ in range(random.randrange(5)):
        client.send(os.urandom(random.choice([1, 1000, 100000])), ignore_errors=True)
        client.read(random.randrange(1, 50000), 0.05)
    if random.random() < 0.3:
        try:
            client.half_close()
            client.read_all(0.3)
        except OSError:
            pass
    random.choice([client.close, client.reset])()


def proxy_protocol(proxy):
    header = random.choice([b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n", b"PROXY TCP4 1.2.3.4 5.6", b"PROXY UNKNOWN\r\n",
                            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c" + bytes(12), b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff" + bytes(200)])
    with Client(proxy.address("pp")) as client:
        client.send(header + make_request(path="/direct"), ignore_errors=True)
        client.read_all(random.random() * 0.5)


CAST = [(polite_gets, 4), (polite_posts, 2), (polite_pipeline, 2), (polite_tcp, 2), (disconnecting, 6), (wild, 5), (slow_reader, 4),
        (slow_writer, 5), (truncated, 3), (garbage, 3), (wild_tcp, 3), (proxy_protocol, 2)]


def actor(scene, proxy):
    polite = scene.__name__.startswith("polite")
    while time.monotonic() < DEADLINE and not faults:
        try:
            scene(proxy)
        except (OSError, Malformed) as error:
            if polite:
                fault(f"{scene.__name__}: {error!r}\n{traceback.format_exc()}")
        done[scene.__name__] += 1


def killer(upstreams):
    """Kills connections of the wild upstreams, and now and then the whole server."""
    while time.monotonic() < DEADLINE:
        time.sleep(random.random() * 3)
        upstream = random.choice(upstreams)
        upstream.drop_connections()
        done["kills"] += 1


def configuration(polite, wilds, tcp, wild_tcp_up):
    routes = [k.direct("d", match={"prefix": "/direct"}), k.direct("x" * 4000, match={"prefix": "/big"}),
              k.route("polite", {"prefix": "/polite/big"}, prefix_rewrite="/big"), k.route("polite", {"prefix": "/polite"}),
              k.route("wild", {"prefix": "/wild"}, timeout="3s"), k.route("nowhere")]
    manager = k.hcm(routes, stat_prefix="web", request_headers_timeout="5s", stream_idle_timeout="8s", delayed_close_timeout="0.5s",
                    common_http_protocol_options={"idle_timeout": "8s"})
    refused = ("127.0.0.1", process_free_port())
    return k.bootstrap([
        k.listener("web", manager, per_connection_buffer_limit_bytes=65536),
        k.listener("pp", manager, listener_filters=[k.proxy_protocol()], listener_filters_timeout="2s"),
        k.listener("tcp", k.tcp_proxy("tcp", stat_prefix="tcp", idle_timeout="10s")),
        k.listener("wild-tcp", k.tcp_proxy("wild-tcp", stat_prefix="wild", idle_timeout="5s", max_connect_attempts=2)),
    ], [k.cluster("polite", [polite]), k.cluster("wild", [*wilds, refused]), k.cluster("tcp", [tcp]),
        k.cluster("wild-tcp", [wild_tcp_up, refused]), k.cluster("nowhere", [])])


def process_free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def accounts(stats) -> list[str]:
    """What is still open, or was never closed, in these counters."""
    wrong = []
    for name, value in stats.items():
        if name.startswith(("listener.admin", "http.admin")):
            continue
        if name.endswith(("_cx_active", "_rq_active", "_rq_pending_active", "_pre_cx_active")) and value:
            wrong.append(f"{name} is {value}")
        if name.endswith("_cx_destroy") and name[:-7] + "total" in stats and stats[name[:-7] + "total"] != value:
            wrong.append(f"{name} is {value} of {stats[name[:-7] + 'total']}")
    return wrong


def main() -> int:
    global DEADLINE
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--proxy", default="martlet", choices=["martlet", "envoy"])
    parser.add_argument("--concurrency", type=int, default=2)
    options = parser.parse_args()
    random.seed(options.seed)
    print(f"soak: seed {options.seed}, {options.seconds:.0f} s, {process.binary(options.proxy)}", flush=True)

    polite, tcp, wild_tcp_up = Upstream(), Upstream(raw=lambda c: echo_forever(c)), Upstream(raw=tcp_server)
    wilds = [Upstream(), Upstream()]
    polite.respond = polite_answer
    for upstream in wilds:
        upstream.respond = wild_answer
    process.START_PATIENCE = 60
    proxy = process.Proxy(options.proxy, configuration(polite, wilds, tcp, wild_tcp_up), concurrency=options.concurrency,
                          args=["--drain-time-s", "3"])
    upstreams = [polite, tcp, wild_tcp_up, *wilds]
    memory = []
    try:
        started = time.monotonic()
        DEADLINE = started + options.seconds
        threads = [threading.Thread(target=actor, args=(scene, proxy), daemon=True) for scene, count in CAST for _ in range(count)]
        threads.append(threading.Thread(target=killer, args=([*wilds, wild_tcp_up],), daemon=True))
        for thread in threads:
            thread.start()
        while time.monotonic() < DEADLINE and not faults:
            time.sleep(1)
            if proxy.process.poll() is not None:
                fault(f"the proxy ended with {proxy.process.returncode}")
                break
            memory.append(proxy.rss_bytes())
            for upstream in upstreams:  # our own memory is not the subject
                upstream.requests.clear()
            if len(memory) % 10 == 0:
                print(f"soak: {len(memory)} s, {memory[-1] >> 20} MiB, {sum(done.values())} scenes", flush=True)
        for thread in threads:
            thread.join(30)
        if proxy.process.poll() is None:
            deadline = time.monotonic() + 20
            while True:
                for upstream in upstreams:
                    upstream.drop_connections()
                wrong = accounts(proxy.stats())
                if not wrong or time.monotonic() > deadline:
                    break
                time.sleep(0.5)
            faults.extend(wrong)
            third = max(1, len(memory) // 3)
            early, late = max(memory[:third]), max(memory[-third:])
            print(f"soak: memory {early >> 20} MiB in the first third, {late >> 20} MiB in the last, {proxy.rss_bytes() >> 20} MiB at the end")
            if options.seconds >= 30 and late > early * 1.25 + (24 << 20):
                fault(f"memory grew from {early >> 20} to {late >> 20} MiB")
            proxy.signal(process.SIGTERM)
            code = proxy.wait(20)
            if code != 0:
                fault(f"exit {code} after SIGTERM")
        log = proxy.output()
        for word in ("Sanitizer", "Fatal error", "runtime error", "Precondition failed"):
            if word in log:
                fault(f"{word} in the log:\n{log[-6000:]}")
                break
    finally:
        proxy.stop()
        for upstream in upstreams:
            upstream.stop()
    print("soak:", dict(done))
    for text in faults[:20]:
        print("soak: FAULT", text)
    print("soak: failed" if faults else "soak: passed")
    return 1 if faults else 0


def echo_forever(connection):
    while connection.fill():
        connection.socket.sendall(bytes(connection.buffer))
        connection.buffer.clear()
        connection.received.clear()


if __name__ == "__main__":
    sys.exit(main())
