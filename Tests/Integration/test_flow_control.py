"""Counters of flow control: who was held up because somebody else did not take his bytes."""

import socket
import threading
import time

import pytest

from harness import config as k
from harness.client import Client
from harness.upstream import ok

LIMIT = 32768
BODY = b"x" * (24 << 20)  # more than the kernel's buffers hold


class Sink:
    """A server that reads nothing before it is told to, then everything, and answers."""

    def __init__(self):
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen(8)
        self.address = self.socket.getsockname()

    def accept(self):
        return self.socket.accept()[0]


def drain(connection, size):
    got = 0
    connection.settimeout(5)
    while got < size:
        data = connection.recv(1 << 18)
        if not data:
            break
        got += len(data)
    return got


@pytest.fixture
def sink():
    made = Sink()
    yield made
    made.socket.close()


def start(launch_once, address):
    return launch_once(k.bootstrap(
        [k.listener("main", k.hcm([k.route()]), per_connection_buffer_limit_bytes=LIMIT),
         k.listener("tcp", k.tcp_proxy("up"), per_connection_buffer_limit_bytes=LIMIT)],
        [k.cluster("up", [address], per_connection_buffer_limit_bytes=LIMIT)]))


def counts(proxy, prefix):
    return [proxy.stat(f"{prefix}_flow_control_{name}") for name in ("paused_reading_total", "resumed_reading_total")]


def test_nobody_waits(launch_once, upstreams):
    upstream = upstreams()
    upstream.respond = ok(b"hello")
    proxy = start(launch_once, upstream.address)
    with Client(proxy.address()) as client:
        assert client.request("POST", body=b"y" * 1000).status == 200
    for prefix in ("http.main.downstream", "cluster.up.upstream", "tcp.tcp.downstream"):
        assert counts(proxy, prefix) == [0, 0]
    assert proxy.stat("cluster.up.upstream_flow_control_backed_up_total") == 0


def test_a_slow_upstream(launch_once, sink):
    proxy = start(launch_once, sink.address)
    client = Client(proxy.address())
    client.socket.setblocking(False)
    head = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % len(BODY)
    data = memoryview(head + BODY)
    sent = 0
    upstream = None
    deadline = time.monotonic() + 1.0
    while time.monotonic() < deadline:
        try:
            sent += client.socket.send(data[sent:sent + 65536])
        except BlockingIOError:
            time.sleep(0.01)
        if upstream is None and sent:
            upstream = sink.accept()
    assert sent < len(data)
    paused = proxy.stat("http.main.downstream_flow_control_paused_reading_total")
    assert paused >= 1 and proxy.stat("cluster.up.upstream_flow_control_backed_up_total") == paused
    client.socket.setblocking(True)
    client.socket.settimeout(5)
    rest = threading.Thread(target=lambda: client.socket.sendall(data[sent:]))
    rest.start()
    drain(upstream, len(BODY))
    rest.join(5)
    time.sleep(0.1)
    paused, resumed = counts(proxy, "http.main.downstream")
    assert paused == resumed >= 1
    assert proxy.stat("cluster.up.upstream_flow_control_drained_total") == resumed
    upstream.close()
    client.close()


@pytest.mark.parametrize("listener", ["main", "tcp"])
def test_a_slow_client(launch_once, upstreams, listener):
    upstream = upstreams()
    upstream.respond = ok(BODY)
    proxy = start(launch_once, upstream.address)
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    client.connect(proxy.address(listener))
    client.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    time.sleep(0.5)
    paused = proxy.stat("cluster.up.upstream_flow_control_paused_reading_total")
    assert paused >= 1
    assert drain(client, len(BODY)) >= len(BODY)
    time.sleep(0.1)
    paused, resumed = counts(proxy, "cluster.up.upstream")
    # The last pause may end with the stream.
    assert paused >= 1 and paused - resumed in (0, 1)
    client.close()
