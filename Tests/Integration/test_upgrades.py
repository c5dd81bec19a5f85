"""Upgrades: who may, what goes upstream, raw bytes both ways, ends and deadlines."""

import base64
import hashlib
import threading
import time

import pytest

from harness import config as k
from harness.client import Client, exchange
from harness.differs import differs

KEY = base64.b64encode(b"0123456789abcdef").decode()
ACCEPT = base64.b64encode(hashlib.sha1((KEY + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()
SWITCH = f"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: {ACCEPT}\r\n\r\n".encode()


def handshake(path="/", upgrade="websocket", connection="Upgrade", more="", method="GET"):
    return (f"{method} {path} HTTP/1.1\r\nhost: h\r\nupgrade: {upgrade}\r\nconnection: {connection}\r\n"
            f"sec-websocket-key: {KEY}\r\nsec-websocket-version: 13\r\n{more}\r\n").encode()


def ws(enabled=None, upgrade_type="websocket"):
    return {"upgrade_type": upgrade_type, **({} if enabled is None else {"enabled": enabled})}


def echo(connection):
    """After the switch: what comes is sent back."""
    if connection.buffer:
        connection.socket.sendall(connection.buffer)
        connection.buffer.clear()
    while connection.fill():
        connection.socket.sendall(connection.buffer)
        connection.buffer.clear()
    connection.seen_end = connection.end
    return False


@pytest.fixture(scope="module")
def proxy(launch, upstream):
    on, off = [ws(True)], [ws(False)]
    routes = [
        k.route(match={"prefix": "/on"}, upgrade_configs=on), k.route(match={"prefix": "/off"}, upgrade_configs=off),
        k.route(match={"prefix": "/other"}, upgrade_configs=[ws(upgrade_type="other")]),
        k.direct("d", match={"path": "/direct"}), k.route(match={"prefix": "/idle"}, idle_timeout="0.5s"),
        k.route(match={"prefix": "/short"}, timeout="0.3s"), k.route()]
    listeners = {
        "yes": {"upgrade_configs": [ws()]}, "no": {}, "off": {"upgrade_configs": off},
        "many": {"upgrade_configs": [ws(), ws(upgrade_type="Other")]},
        "limited": {"upgrade_configs": [ws()], "request_timeout": "0.4s"},
        "duration": {"upgrade_configs": [ws()], "common_http_protocol_options": {"max_stream_duration": "0.5s"}},
    }
    return launch(k.bootstrap([k.listener(n, k.hcm(routes, stat_prefix=n, **f)) for n, f in listeners.items()],
                              [k.cluster("up", [upstream])]))


@pytest.fixture
def tunnel(proxy, upstream):
    """An established tunnel to an upstream that echoes, or to one with `steps` of its own."""
    clients = []

    def open_(listener="yes", path="/", steps=None, **options):
        upstream.respond = [SWITCH, echo] if steps is None else steps
        client = Client(proxy.address(listener))
        clients.append(client)
        client.send(handshake(path, **options))
        answer = client.head()
        assert answer.status == 101, answer
        return client, answer
    yield open_
    for client in clients:
        client.close()


def stat(proxy, name):
    return int([line for line in proxy.admin("/stats")[1].splitlines() if line.startswith(name + ":")][0].split()[-1])


def eventually(condition, patience=3.0):
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("listener,path,upgrade,status", [
    ("yes", "/", "websocket", 101), ("yes", "/", "WebSocket", 101), ("yes", "/", "WEBSOCKET", 101), ("yes", "/on", "websocket", 101),
    ("yes", "/off", "websocket", 403), ("yes", "/", "other", 403), ("yes", "/other", "other", 101), ("yes", "/other", "OTHER", 101),
    ("no", "/", "websocket", 403), ("no", "/on", "websocket", 101), ("no", "/off", "websocket", 403), ("no", "/other", "websocket", 403),
    ("off", "/", "websocket", 403), ("off", "/on", "websocket", 101), ("many", "/", "other", 101), ("many", "/", "websocket", 101),
    ("many", "/other", "websocket", 101), ("yes", "/on", "third", 403)])
def test_who_may(proxy, upstream, listener, path, upgrade, status):
    upstream.respond = [SWITCH.replace(b"websocket", upgrade.encode(), 1), echo]
    with Client(proxy.address(listener)) as client:
        client.send(handshake(path, upgrade))
        answer = client.head()
        assert answer.status == status
        assert len(upstream.requests) == (1 if status == 101 else 0)
        if status == 101:
            client.send(b"ping")
            assert client.read(4) == b"ping"
        else:
            assert answer.get("connection") == "close" and client.closed()


@pytest.mark.parametrize("connection", ["Upgrade", "upgrade", "keep-alive, Upgrade", "Upgrade, keep-alive", "UPGRADE"])
def test_what_goes_upstream(tunnel, upstream, connection):
    _, answer = tunnel(connection=connection, more="sec-websocket-protocol: chat\r\n")
    request = upstream.last
    assert request.method == "GET" and request.get("upgrade") == "websocket"
    assert "upgrade" in request.get("connection").lower()
    assert request.get("sec-websocket-key") == KEY and request.get("sec-websocket-version") == "13"
    assert request.get("sec-websocket-protocol") == "chat"
    assert request.get("transfer-encoding") is None
    assert answer.get("upgrade") == "websocket" and answer.get("connection").lower() == "upgrade"
    assert answer.get("sec-websocket-accept") == ACCEPT
    assert answer.get("content-length") is None and answer.get("transfer-encoding") is None


@pytest.mark.parametrize("size", [1, 125, 4096, 65536, 1_000_000])
def test_bytes_both_ways(tunnel, size):
    client, _ = tunnel()
    sent = bytes(range(256)) * (size // 256) + bytes(range(size % 256))
    sender = threading.Thread(target=client.send, args=(sent,))
    sender.start()
    assert client.read(size, 10) == sent
    sender.join()


def test_bytes_that_look_like_http(tunnel, upstream):
    client, _ = tunnel()
    for data in (b"GET / HTTP/1.1\r\nhost: h\r\n\r\n", b"0\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"\x00\xff\r\n"):
        client.send(data)
        assert client.read(len(data)) == data
    assert len(upstream.requests) == 1


def test_bytes_behind_the_handshake(proxy, upstream):
    """A client that does not wait for the answer: its bytes wait, and are not lost."""
    upstream.respond = [0.2, SWITCH, echo]
    with Client(proxy.address("yes")) as client:
        client.send(handshake() + b"early")
        upstream.wait_requests(1)
        time.sleep(0.1)
        assert upstream.connections[-1].buffer == b""
        assert client.head().status == 101
        assert client.read(5) == b"early"


def test_bytes_behind_the_switch(tunnel):
    client, _ = tunnel(steps=[SWITCH + b"first", b"second", echo])
    assert client.read(11) == b"firstsecond"
    client.send(b"third")
    assert client.read(5) == b"third"


def test_a_byte_at_a_time(tunnel):
    client, _ = tunnel()
    client.send_slowly(b"one by one", 0.005)
    assert client.read(10) == b"one by one"


DECLINED = differs("a request for an upgrade that the upstream answers with 200 and a body", envoy=b"", martlet=b"no",
                   why="An upstream that does not upgrade answers like any other")


@pytest.mark.parametrize("answer,status,body", [
    (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nno", 200, DECLINED), (b"HTTP/1.1 403 No\r\ncontent-length: 0\r\n\r\n", 403, b""),
    (b"HTTP/1.1 426 Upgrade Required\r\ntransfer-encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n", 426, b"no"),
    (b"HTTP/1.1 503 No\r\ncontent-length: 3\r\n\r\nno!", 503, b"no!")])
def test_the_upstream_declines(proxy, upstream, settle, answer, status, body):
    upstream.respond = answer
    with Client(proxy.address("yes")) as client:
        client.send(handshake())
        got = client.response()
        assert (got.status, got.body) == (status, settle(body))
    assert stat(proxy, "http.yes.downstream_rq_active") == 0


def test_the_upstream_ends(tunnel):
    client, _ = tunnel(steps=[SWITCH, b"bye", "close"])
    assert client.read_all(3) == b"bye" and client.ended == "close"


def test_the_upstream_resets(tunnel):
    client, _ = tunnel(steps=[SWITCH, 0.1, "reset"])
    client.read_all(3)
    assert client.ended in ("close", "reset")


def test_the_client_ends(tunnel, upstream):
    client, _ = tunnel()
    client.send(b"bye")
    assert client.read(3) == b"bye"
    client.close()
    connection = upstream.connections[-1]
    assert upstream.wait(lambda: connection.end is not None)


def test_the_client_resets(tunnel, upstream):
    client, _ = tunnel()
    client.reset()
    connection = upstream.connections[-1]
    assert upstream.wait(lambda: connection.end is not None)


HALF = differs("the client of a tunnel ends its direction alone", envoy=b"", martlet=b"all 5",
               why="A tunnel passes an end on as it came: what the other side still has to say is delivered")


def test_half_close(tunnel, settle):
    def count(connection):
        while connection.fill():
            pass
        time.sleep(0.1)
        try:
            connection.socket.sendall(b"all %d" % len(connection.buffer))
        except OSError:
            pass
        return False
    client, _ = tunnel(steps=[SWITCH, count])
    client.send(b"12345")
    client.half_close()
    assert client.read_all(3) == settle(HALF)


def test_back_pressure_towards_the_upstream(tunnel, upstream):
    go = threading.Event()

    def slow(connection):
        go.wait(10)
        total = len(connection.buffer)
        while total < 30_000_000 and connection.fill():
            total += len(connection.buffer)
            connection.buffer.clear()
            connection.received.clear()
        connection.socket.sendall(b"%08d" % total)
        return False
    client, _ = tunnel(steps=[SWITCH, slow])
    client.socket.settimeout(0.5)
    sent = 0
    block = b"x" * 100_000
    try:
        while sent < 30_000_000:
            sent += client.socket.send(block[:30_000_000 - sent])
    except TimeoutError:
        pass
    assert sent < 25_000_000  # somebody has stopped us
    go.set()
    client.socket.settimeout(10)
    while sent < 30_000_000:
        sent += client.socket.send(block[:30_000_000 - sent])
    assert client.read(8, 10) == b"30000000"


def test_back_pressure_towards_the_client(tunnel, upstream):
    client, _ = tunnel(steps=[SWITCH, lambda c: c.socket.sendall(b"y" * 30_000_000) or False])
    time.sleep(0.5)
    total = 0
    while data := client.read(1_000_000, 5):
        total += len(data)
    assert total == 30_000_000


@pytest.mark.parametrize("path", ["/short", "/"])
def test_request_deadlines_mean_no_tunnels(tunnel, path):
    client, _ = tunnel("limited", path)
    time.sleep(0.8)
    client.send(b"still")
    assert client.read(5) == b"still"


def test_idle_tunnels_end(tunnel):
    client, _ = tunnel(path="/idle")
    for _ in range(4):
        time.sleep(0.25)
        client.send(b"x")
        assert client.read(1) == b"x"
    began = time.monotonic()
    client.read_all(3)
    assert client.ended and 0.3 < time.monotonic() - began < 2


def test_the_upstreams_bytes_keep_a_tunnel(tunnel):
    client, _ = tunnel(path="/idle", steps=[SWITCH] + [0.25, b"x"] * 4 + [echo])
    assert client.read(4) == b"xxxx"
    client.send(b"y")
    assert client.read(1) == b"y"


def test_max_stream_duration_ends_tunnels(tunnel):
    client, _ = tunnel("duration")
    began = time.monotonic()
    client.read_all(3)
    assert client.ended and time.monotonic() - began < 2


def test_counters(proxy, tunnel):
    total = stat(proxy, "http.yes.downstream_cx_upgrades_total")
    eventually(lambda: stat(proxy, "http.yes.downstream_cx_upgrades_active") == 0)
    client, _ = tunnel()
    assert stat(proxy, "http.yes.downstream_cx_upgrades_total") == total + 1
    assert stat(proxy, "http.yes.downstream_cx_upgrades_active") == 1
    client.close()
    eventually(lambda: stat(proxy, "http.yes.downstream_cx_upgrades_active") == 0)
    refused = stat(proxy, "http.no.downstream_rq_ws_on_non_ws_route")
    exchange(proxy.address("no"), handshake())
    assert stat(proxy, "http.no.downstream_rq_ws_on_non_ws_route") == refused + 1


@pytest.mark.parametrize("head", ["connection: upgrade\r\n", "upgrade: websocket\r\n", "upgrade: h2c\r\nconnection: upgrade\r\n"])
def test_no_upgrades(proxy, upstream, head):
    with Client(proxy.address("yes")) as client:
        client.send(f"GET / HTTP/1.1\r\nhost: h\r\n{head}\r\n")
        assert client.response().status == 200
    assert upstream.last.get("upgrade") is None


def test_a_connection_is_used_before_its_tunnel(proxy, upstream):
    with Client(proxy.address("yes")) as client:
        assert client.request().status == 200
        upstream.respond = [SWITCH, echo]
        client.send(handshake())
        assert client.head().status == 101
        client.send(b"hello")
        assert client.read(5) == b"hello"


def test_many_tunnels(tunnel):
    clients = [tunnel()[0] for _ in range(50)]
    for i, client in enumerate(clients):
        client.send(b"%02d" % i)
    for i, client in enumerate(clients):
        assert client.read(2) == b"%02d" % i
