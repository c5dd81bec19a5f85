"""Network filters: echo, direct_response, connection_limit and tcp_proxy."""

import collections
import hashlib
import os
import select
import socket
import threading
import time

import pytest

from harness import config as k
from harness.client import Client
from harness.differs import differs
from harness.upstream import refused_port


def echoing(connection):
    while connection.fill():
        connection.socket.sendall(bytes(connection.buffer))
        connection.buffer.clear()


def collecting(connection):
    """Reads to the end, then says how much it was, and what."""
    digest, count = hashlib.sha256(), 0
    while connection.fill():
        count += len(connection.buffer)
        digest.update(connection.buffer)
        connection.buffer.clear()
        connection.received.clear()
    if connection.end == "close":
        connection.socket.sendall(b"%d %s" % (count, digest.hexdigest().encode()))


def saying(text):
    def run(connection):
        connection.socket.sendall(text)
        while connection.fill():
            pass
    return run


STREAM = os.urandom(1 << 16)


def pouring(connection):
    """Sends 16 MiB and ends its side; then reads until the other side ends."""
    for _ in range(256):
        connection.socket.sendall(STREAM)
    connection.socket.shutdown(socket.SHUT_WR)
    while connection.fill():
        pass


def flooding(connection):
    """Sends without end, as fast as it is taken."""
    connection.sent = 0
    while True:
        connection.sent += connection.socket.send(STREAM)


HELD = threading.Event()


def holding(connection):
    """Reads nothing until it is told to, then everything."""
    HELD.wait(10)
    while connection.fill():
        pass


@pytest.fixture(scope="module")
def raw(upstreams):
    return {
        "echo": upstreams(raw=echoing), "collect": upstreams(raw=collecting), "pour": upstreams(raw=pouring),
        "flood": upstreams(raw=flooding), "a": upstreams(raw=saying(b"a")), "b": upstreams(raw=saying(b"b")),
        "end": upstreams(raw=lambda c: c.socket.sendall(b"bye")),
        "reset": upstreams(raw=lambda c: (c.fill(), c.perform(["reset"]))),
        "hold": upstreams(raw=holding),
        "silent": upstreams(raw=lambda c: c.take(1 << 40)),
    }


@pytest.fixture(scope="module")
def proxy(launch, raw):
    refused = ("127.0.0.1", refused_port())
    clusters = [k.cluster(name, [upstream]) for name, upstream in raw.items()]
    clusters += [k.cluster("refused", [refused]), k.cluster("none", []),
                 k.cluster("one-of-two", [refused, raw["a"]]), k.cluster("two-down", [refused, ("127.0.0.1", refused_port())])]

    def tcp(name, cluster, **fields):
        return k.listener(name, k.tcp_proxy(cluster, stat_prefix=name, **fields))

    return launch(k.bootstrap([
        k.listener("filter-echo", k.echo()),
        k.listener("filter-direct", k.network_direct_response("hello and goodbye\n")),
        k.listener("limit", [k.connection_limit(2, stat_prefix="two"), k.echo()]),
        k.listener("limit-delay", [k.connection_limit(1, delay="0.3s", stat_prefix="delayed"), k.echo()]),
        tcp("echo", "echo"), tcp("collect", "collect"), tcp("pour", "pour"), tcp("flood", "flood"), tcp("end", "end"),
        tcp("reset", "reset"), tcp("hold", "hold"), tcp("silent", "silent"), tcp("refused", "refused"), tcp("none", "none"),
        tcp("idle", "echo", idle_timeout="0.3s"), tcp("no-idle", "echo", idle_timeout="0s"),
        tcp("lifetime", "echo", max_downstream_connection_duration="0.3s"),
        tcp("once", "one-of-two"), tcp("twice", "one-of-two", max_connect_attempts=2), tcp("thrice", "two-down", max_connect_attempts=3),
        tcp("weighted", None, weighted_clusters={"clusters": [{"name": "a", "weight": 3}, {"name": "b", "weight": 1}]}),
        k.listener("small", k.tcp_proxy("flood", stat_prefix="small"), per_connection_buffer_limit_bytes=16384),
    ], clusters))


# The small ones

LAST = differs("`echo`: bytes that arrive together with the client's FIN", envoy=(b"last", b""), martlet=(b"last",),
               why="Bytes received before an orderly end are not dropped")


def test_echo(proxy, settle):
    with Client(proxy.address("filter-echo")) as client:
        for text in (b"x", b"hello", os.urandom(300000)):
            client.send(text)
            assert client.read(len(text)) == text
        client.send(b"last").half_close()
        assert client.read_all(2) in settle(LAST) and client.ended == "close"


def test_direct_response(proxy):
    with Client(proxy.address("filter-direct")) as client:
        assert client.read_all(2) == b"hello and goodbye\n" and client.ended == "close"


def test_connection_limit(proxy):
    kept = [Client(proxy.address("limit")) for _ in range(2)]
    for client in kept:
        assert client.send("x").read(1) == b"x"
    with Client(proxy.address("limit")) as client:
        assert client.closed(1)
    assert proxy.stat("connection_limit.two.limited_connections") == 1
    assert proxy.stat("connection_limit.two.active_connections") == 2
    for client in kept:
        client.close()
    assert proxy.wait_stat("connection_limit.two.active_connections", 0) == 0
    with Client(proxy.address("limit")) as client:
        assert client.send("x").read(1) == b"x"


def test_connection_limit_with_delay(proxy):
    with Client(proxy.address("limit-delay")) as kept, Client(proxy.address("limit-delay")) as over:
        assert kept.send("x").read(1) == b"x"
        started = time.monotonic()
        over.send("x", ignore_errors=True)
        assert over.read_all(2) == b"" and over.ended
        assert time.monotonic() - started > 0.2


# tcp_proxy: bytes

@pytest.mark.parametrize("size", [1, 16384, 65537, 1 << 20])
def test_both_ways(proxy, size):
    body = os.urandom(size)
    with Client(proxy.address("echo")) as client:
        threading.Thread(target=client.send, args=(body,), daemon=True).start()
        assert client.read(size, 10) == body


def test_upload_is_exact(proxy):
    body = os.urandom(1 << 20)
    digest = hashlib.sha256()
    with Client(proxy.address("collect"), timeout=20) as client:
        for _ in range(16):
            client.send(body)
            digest.update(body)
        client.half_close()
        assert client.read_all(10) == b"%d %s" % (16 << 20, digest.hexdigest().encode())


def test_download_is_exact(proxy):
    with Client(proxy.address("pour")) as client:
        assert hashlib.sha256(client.read_all(10)).digest() == hashlib.sha256(STREAM * 256).digest()
        assert client.ended == "close"


def test_many_at_once(proxy):
    clients = [Client(proxy.address("echo")) for _ in range(100)]
    for i, client in enumerate(clients):
        client.send(b"%d " % i * 100)
    for i, client in enumerate(clients):
        assert client.read(len(b"%d " % i * 100)) == b"%d " % i * 100
        client.close()
    assert proxy.wait_stat("cluster.echo.upstream_cx_active", 0) == 0


def test_server_speaks_first(proxy):
    with Client(proxy.address("weighted")) as client:
        assert client.read(1) in (b"a", b"b")


# tcp_proxy: ends

def test_client_half_close_passes(proxy):
    with Client(proxy.address("collect")) as client:
        client.send("hello").half_close()
        assert client.read_all(2).startswith(b"5 ")
        assert client.ended == "close"


def test_upstream_half_close_passes(proxy, raw):
    with Client(proxy.address("pour")) as client:
        assert len(client.read_all(10)) == 16 << 20
        assert client.ended == "close"
        connection = raw["pour"].connections[-1]
        client.send("still talking")  # our side is open still
        assert raw["pour"].wait(lambda: b"still talking" in connection.received, 2)
        client.half_close()
        assert raw["pour"].wait(lambda: connection.end == "close", 2)


def test_upstream_end_ends_the_client(proxy):
    with Client(proxy.address("end")) as client:
        assert client.read_all(2) == b"bye" and client.ended == "close"


def test_upstream_reset_ends_the_client(proxy):
    with Client(proxy.address("reset")) as client:
        client.send("x")
        assert client.closed(2)


def test_client_reset_ends_the_upstream(proxy, raw):
    client = Client(proxy.address("silent"))
    client.send("x")
    assert raw["silent"].wait(lambda: raw["silent"].connections and b"x" in raw["silent"].connections[-1].received, 2)
    connection = raw["silent"].connections[-1]
    client.reset()
    assert raw["silent"].wait(lambda: connection.end, 2)


@pytest.mark.parametrize("name", ["refused", "none"])
def test_no_upstream_closes_the_client(proxy, name):
    with Client(proxy.address(name)) as client:
        client.send("x", ignore_errors=True)
        assert client.read_all(2) == b"" and client.ended


def test_connect_attempts(proxy):
    seen = collections.Counter()
    for _ in range(4):
        with Client(proxy.address("twice")) as client:
            seen[client.read(1, 2)] += 1
    assert seen == {b"a": 4}
    for _ in range(4):
        with Client(proxy.address("once")) as client:
            seen[client.read(1, 2)] += 1
    assert seen[b""] == 2


def test_connect_attempts_are_limited(proxy):
    with Client(proxy.address("thrice")) as client:
        assert client.closed(3)
    assert proxy.stat("cluster.two-down.upstream_cx_connect_fail") == 3
    assert proxy.stat("cluster.two-down.upstream_cx_connect_attempts_exceeded") == 1


# tcp_proxy: time, weights, memory

def test_idle_timeout(proxy):
    with Client(proxy.address("idle")) as client:
        started = time.monotonic()
        for _ in range(4):
            assert client.send("x").read(1) == b"x"
            time.sleep(0.15)
        assert client.closed(2)
        assert time.monotonic() - started > 0.7
    assert proxy.stat("tcp.idle.idle_timeout") == 1


def test_no_idle_timeout(proxy):
    with Client(proxy.address("no-idle")) as client:
        assert client.quiet(0.6)


def test_max_connection_duration(proxy):
    with Client(proxy.address("lifetime")) as client:
        started = time.monotonic()
        while not client.ended and time.monotonic() - started < 2:
            client.send("x", ignore_errors=True)
            client._fill(time.monotonic() + 0.05)
        assert client.ended and 0.2 < time.monotonic() - started < 1.5


def test_weighted_clusters(proxy):
    seen = collections.Counter()
    for _ in range(200):
        with Client(proxy.address("weighted")) as client:
            seen[client.read(1)] += 1
    # 3 to 1: 150 expected, standard deviation 6.1
    assert 120 <= seen[b"a"] <= 180 and seen[b"a"] + seen[b"b"] == 200


@pytest.mark.parametrize("name", ["flood", "small"])
def test_a_slow_reader_stops_the_writer(proxy, raw, name):
    """16 readers that read nothing: what the upstream got rid of is in kernel buffers and in
    the proxy's bounded ones, not in its memory."""
    before = proxy.rss_bytes()
    first = len(raw["flood"].connections)
    clients = [Client(proxy.address(name), receive_buffer=16384) for _ in range(16)]
    raw["flood"].wait(lambda: len(raw["flood"].connections) >= first + 16, 3)
    time.sleep(0.7)
    sent = [c.sent for c in raw["flood"].connections[first:]]
    time.sleep(0.3)
    assert [c.sent for c in raw["flood"].connections[first:]] == sent, "the writer is still writing"
    grown = proxy.rss_bytes() - before
    assert grown < 16 * 3 * 1024 * 1024, f"{grown >> 20} MiB for 16 stalled connections"
    for client in clients:  # and all of it is still right
        assert client.read(1 << 18, 5) == (STREAM * 5)[: 1 << 18]
        client.close()


def test_a_slow_upstream_stops_the_client(proxy, raw):
    """Until the upstream reads, the client can only fill buffers; then nothing is missing."""
    HELD.clear()
    with Client(proxy.address("hold")) as client:
        client.socket.setblocking(False)
        sent, quiet_since = 0, time.monotonic()
        while time.monotonic() - quiet_since < 0.3:
            _, ready, _ = select.select([], [client.socket], [], 0.05)
            if ready:
                sent += client.socket.send(STREAM)
                quiet_since = time.monotonic()
            assert sent < 64 << 20, "64 MiB went in while the upstream read nothing"
        HELD.set()
        connection = raw["hold"].connections[-1]
        assert raw["hold"].wait(lambda: len(connection.received) == sent, 3)


def test_counters(proxy):
    stats = proxy.stats()
    assert stats["tcp.echo.downstream_cx_total"] >= 100
    assert stats["tcp.collect.downstream_cx_rx_bytes_total"] >= 16 << 20
    assert stats["tcp.pour.downstream_cx_tx_bytes_total"] >= 16 << 20
    assert stats["cluster.none.upstream_cx_none_healthy"] >= 1
    assert stats["cluster.refused.upstream_cx_connect_fail"] >= 1
