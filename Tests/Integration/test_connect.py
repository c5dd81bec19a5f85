"""CONNECT: forwarded to an HTTP upstream, or ended here with plain bytes behind it; who may, what goes upstream, ends."""

import re
import threading
import time

import pytest

from harness import config as k
from harness.client import Client, exchange
from harness.differs import differs
from harness.process import StartFailed
from harness.upstream import OK, ok, refused_port

MATCH = {"connect_matcher": {}}
AGREED = b"HTTP/1.1 200 OK\r\n\r\n"


def connect(**fields):
    return [{"upgrade_type": "CONNECT", **fields}]


def echo(connection):
    """What comes is sent back; then a last word."""
    while True:
        if connection.buffer:
            connection.socket.sendall(bytes(connection.buffer))
            connection.buffer.clear()
        if not connection.fill():
            break
    try:
        connection.socket.sendall(b"END")
    except OSError:
        pass
    return False


@pytest.fixture(scope="module")
def raw(upstreams):
    return upstreams(raw=echo)


@pytest.fixture(scope="module")
def proxy(launch, upstream, raw):
    ended = connect(connect_config={})

    def host(name, *routes):
        return k.virtual_host(name, [name, name + ":80"], list(routes))
    hosts = [
        host("ended", k.route("raw", MATCH, upgrade_configs=ended), k.route()),
        host("forwarded", k.route("up", MATCH, upgrade_configs=connect()), k.route()),
        host("off", k.route("up", MATCH, upgrade_configs=connect(enabled=False)), k.route()),
        host("silent", k.route("up", MATCH), k.route()),
        host("unmatched", k.route("up", {"prefix": "/"}, upgrade_configs=connect())),
        host("direct", k.direct("d", match=MATCH)),
        host("dead", k.route("dead", MATCH, upgrade_configs=ended)),
        host("rewritten", k.route("up", MATCH, upgrade_configs=connect(), host_rewrite_literal="new:81")),
        host("portless", k.route("up", MATCH, upgrade_configs=connect(), host_rewrite_literal="new")),
        host("idle", k.route("raw", MATCH, upgrade_configs=ended, idle_timeout="0.5s", timeout="0.2s")),
        host("headers", k.route("raw", {**MATCH, "headers": [{"name": "x-let", "string_match": {"exact": "in"}}]}, upgrade_configs=ended)),
        host("post", k.route("raw", {"prefix": "/"}, upgrade_configs=connect(connect_config={"allow_post": True}))),
        host("nopost", k.route("up", {"prefix": "/"}, upgrade_configs=connect(connect_config={}))),
        host("retried", k.route("mixed", MATCH, upgrade_configs=ended, retry_policy={"retry_on": "connect-failure", "num_retries": 5})),
    ]
    listeners = {"plain": {}, "on": {"upgrade_configs": connect()}, "stripping": {"upgrade_configs": connect(), "strip_any_host_port": True},
                 "limited": {"request_timeout": "0.3s"}}
    return launch(k.bootstrap(
        [k.listener(name, k.hcm(hosts=hosts, stat_prefix=name, **fields)) for name, fields in listeners.items()],
        [k.cluster("up", [upstream]), k.cluster("raw", [raw]), k.cluster("dead", [("127.0.0.1", refused_port())]),
         k.cluster("mixed", [("127.0.0.1", refused_port()), raw])]))


@pytest.fixture
def tunnel(proxy, upstream):
    """An open tunnel."""
    clients = []

    def open_(host, listener="plain", more="", steps=None, behind=b""):
        upstream.respond = [AGREED, echo] if steps is None else steps
        client = Client(proxy.address(listener))
        clients.append(client)
        client.send(f"CONNECT {host}:80 HTTP/1.1\r\nhost: {host}:80\r\n{more}\r\n".encode() + behind)
        answer = client.head()
        assert answer.status == 200, answer
        return client, answer
    yield open_
    for client in clients:
        client.close()
    upstream.respond = OK


BOTH = pytest.mark.parametrize("host", ["ended", "forwarded"])


@BOTH
@pytest.mark.parametrize("size", [1, 4096, 65536, 1_000_000])
def test_bytes_both_ways(tunnel, host, size):
    client, answer = tunnel(host)
    assert answer.get("transfer-encoding") is None and answer.get("content-length") is None and answer.get("connection") is None
    sent = bytes(range(256)) * (size // 256) + bytes(range(size % 256))
    sender = threading.Thread(target=client.send, args=(sent,))
    sender.start()
    assert client.read(size, 10) == sent
    sender.join()


def test_what_goes_upstream(tunnel, upstream):
    tunnel("forwarded", more="x-a: b\r\n")
    request = upstream.last
    assert (request.method, request.target, request.get("host"), request.get("x-a")) == ("CONNECT", "forwarded:80", "forwarded:80", "b")
    assert request.get("transfer-encoding") is None and request.get("content-length") is None
    assert request.get("connection") is None


def test_nothing_but_the_bytes_reaches_the_end(tunnel, raw):
    client, _ = tunnel("ended", more="x-a: b\r\n")
    client.send(b"hello")
    assert client.read(5) == b"hello"
    assert bytes(raw.connections[-1].received) == b"hello"


PORTLESS = differs("the host of a CONNECT is rewritten to `new`", envoy="new", martlet="new:80",
                   why="RFC 9110 section 9.3.6: the target of CONNECT has a port")


@pytest.mark.parametrize("listener,host,target,seen", [
    ("plain", "rewritten", "new:81", "new:81"), ("plain", "portless", PORTLESS, PORTLESS), ("stripping", "forwarded", "forwarded:80", "forwarded:80")])
def test_the_target(tunnel, upstream, settle, listener, host, target, seen):
    tunnel(host, listener)
    assert (upstream.last.target, upstream.last.get("host")) == (settle(target), settle(seen))


@pytest.mark.parametrize("listener,host,more,status", [
    ("plain", "ended", "", 200), ("on", "ended", "", 200), ("plain", "forwarded", "", 200), ("plain", "silent", "", 403),
    ("on", "silent", "", 200), ("plain", "off", "", 403), ("on", "off", "", 403), ("plain", "unmatched", "", 404),
    ("on", "unmatched", "", 404), ("plain", "direct", "", 403), ("plain", "unknown", "", 404), ("on", "unknown", "", 404),
    ("plain", "headers", "", 404), ("plain", "headers", "x-let: in\r\n", 200)])
def test_who_may(proxy, upstream, listener, host, more, status):
    upstream.respond = [AGREED, echo]
    with Client(proxy.address(listener)) as client:
        client.send(f"CONNECT {host}:80 HTTP/1.1\r\nhost: {host}:80\r\n{more}\r\n")
        answer = client.head()
        assert answer.status == status
        if status != 200:
            assert answer.get("connection") == "close" and client.closed()


@pytest.mark.parametrize("raw_request,status", [
    (b"CONNECT /x HTTP/1.1\r\nhost: ended\r\n\r\n", 400), (b"CONNECT ended HTTP/1.1\r\nhost: ended\r\n\r\n", 400),
    (b"CONNECT http://ended:80/ HTTP/1.1\r\nhost: ended\r\n\r\n", 400), (b"CONNECT ended:80 HTTP/1.0\r\nhost: ended\r\n\r\n", 426),
    (b"CONNECT ended:80 HTTP/1.1\r\nhost: ended:80\r\ncontent-length: 4\r\n\r\nbody", 400),
    (b"CONNECT ended:80 HTTP/1.1\r\nhost: ended:80\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 501)])
def test_what_is_no_connect(proxy, raw_request, status):
    seen = exchange(proxy.address("plain"), raw_request)
    assert seen.statuses == [status]


NO_HOST = differs("CONNECT without Host", envoy=200, martlet=400, why="RFC 9112 section 3.2: a request without a Host is answered 400")


def test_without_host(proxy, settle):
    with Client(proxy.address("plain")) as client:
        client.send(b"CONNECT ended:80 HTTP/1.1\r\n\r\n")
        assert client.head().status == settle(NO_HOST)


def test_the_target_goes_before_the_host(proxy, raw):
    before = len(raw.connections)
    with Client(proxy.address("plain")) as client:
        client.send(b"CONNECT ended:80 HTTP/1.1\r\nhost: unknown\r\n\r\n")
        assert client.head().status == 200
    assert raw.wait(lambda: len(raw.connections) == before + 1)


@BOTH
def test_bytes_behind_the_head(tunnel, host):
    client, _ = tunnel(host, behind=b"early")
    assert client.read(5) == b"early"
    client.send(b"later")
    assert client.read(5) == b"later"


def test_bytes_wait_for_the_answer(proxy, upstream):
    upstream.respond = [0.3, AGREED, echo]
    with Client(proxy.address("plain")) as client:
        client.send(b"CONNECT forwarded:80 HTTP/1.1\r\nhost: forwarded:80\r\n\r\nearly")
        upstream.wait_requests(1)
        time.sleep(0.15)
        assert upstream.connections[-1].buffer == b""
        assert client.head().status == 200 and client.read(5) == b"early"


@pytest.mark.parametrize("answer,status,body", [
    (b"HTTP/1.1 403 No\r\ncontent-length: 2\r\n\r\nno", 403, b"no"),
    (b"HTTP/1.1 503 No\r\ntransfer-encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n", 503, b"no"),
    (b"HTTP/1.1 407 Who\r\nproxy-authenticate: Basic\r\ncontent-length: 0\r\n\r\n", 407, b"")])
def test_the_upstream_declines(proxy, upstream, answer, status, body):
    upstream.respond = answer
    with Client(proxy.address("plain")) as client:
        client.send(b"CONNECT forwarded:80 HTTP/1.1\r\nhost: forwarded:80\r\n\r\n")
        got = client.response()
        assert (got.status, got.body, got.get("connection")) == (status, body, "close") and client.closed()


def test_every_2xx_agrees(proxy, upstream):
    upstream.respond = [b"HTTP/1.1 201 OK\r\n\r\n", echo]
    with Client(proxy.address("plain")) as client:
        client.send(b"CONNECT forwarded:80 HTTP/1.1\r\nhost: forwarded:80\r\n\r\n")
        assert client.head().status == 201
        client.send(b"ping", ignore_errors=True)
        assert client.read(4) == b"ping"


@pytest.mark.parametrize("answer", [b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"])
def test_framing_of_an_agreement_means_nothing(proxy, upstream, answer):
    upstream.respond = [answer, echo]
    with Client(proxy.address("plain")) as client:
        client.send(b"CONNECT forwarded:80 HTTP/1.1\r\nhost: forwarded:80\r\n\r\n")
        head = client.head()
        assert head.status == 200 and head.get("transfer-encoding") is None
        client.send(b"more than four")
        assert client.read(14) == b"more than four"


@pytest.mark.parametrize("host,status", [("dead", 503)])
def test_nobody_is_there(proxy, host, status):
    with Client(proxy.address("plain")) as client:
        client.send(f"CONNECT {host}:80 HTTP/1.1\r\nhost: {host}:80\r\n\r\n")
        answer = client.response()
        assert answer.status == status and answer.text.endswith("remote connection failure") and client.closed()


def test_the_upstream_closes_first(proxy, upstream):
    upstream.respond = ["close"]
    with Client(proxy.address("plain")) as client:
        client.send(b"CONNECT forwarded:80 HTTP/1.1\r\nhost: forwarded:80\r\n\r\n")
        assert client.response().status == 503


def test_connect_failures_are_retried(tunnel):
    for _ in range(6):
        client, _ = tunnel("retried")
        client.send(b"x")
        assert client.read(1) == b"x"


def test_the_upstream_ends(tunnel):
    client, _ = tunnel("forwarded", steps=[AGREED + b"bye", "close"])
    assert client.read_all(3) == b"bye" and client.ended == "close"


@BOTH
def test_the_client_goes(tunnel, upstream, raw, host):
    client, _ = tunnel(host)
    client.send(b"x")
    assert client.read(1) == b"x"
    client.close()
    connection = (raw if host == "ended" else upstream).connections[-1]
    assert upstream.wait(lambda: connection.end is not None)


HALF = differs("the client of a CONNECT tunnel ends its direction alone", envoy=b"", martlet=b"END",
               why="A tunnel passes an end on as it came: what the other side still has to say is delivered")


@BOTH
def test_half_close(tunnel, settle, host):
    client, _ = tunnel(host)
    client.send(b"12345")
    assert client.read(5) == b"12345"
    client.half_close()
    assert client.read_all(3) == settle(HALF)


@pytest.mark.parametrize("listener", ["plain", "limited"])
def test_deadlines_of_requests_mean_no_tunnels(tunnel, listener):
    client, _ = tunnel("idle" if listener == "plain" else "ended", listener)
    time.sleep(0.4)
    client.send(b"still")
    assert client.read(5) == b"still"


def test_idle_tunnels_end(tunnel):
    client, _ = tunnel("idle")
    began = time.monotonic()
    client.read_all(3)
    assert client.ended and 0.3 < time.monotonic() - began < 2


def test_counters(proxy, tunnel):
    def grown(act):
        names = ("downstream_cx_upgrades_total", "downstream_rq_ws_on_non_ws_route")
        before = [proxy.stat("http.plain." + name) for name in names]
        act()
        return [proxy.stat("http.plain." + name) - value for name, value in zip(names, before)]
    assert grown(lambda: tunnel("ended")) == [1, 0]
    assert grown(lambda: exchange(proxy.address("plain"), b"CONNECT off:80 HTTP/1.1\r\nhost: off:80\r\n\r\n")) == [0, 1]
    assert proxy.wait_stat("http.plain.downstream_cx_upgrades_active", lambda count: count >= 1) >= 1


def test_statistics_of_the_cluster(proxy, tunnel):
    before = proxy.stats("^cluster.raw.")
    client, _ = tunnel("ended")
    client.close()
    assert proxy.wait_stat("cluster.raw.upstream_cx_active", 0) == 0
    after = proxy.stats("^cluster.raw.")
    grown = {name[12:]: after[name] - before.get(name, 0) for name in after if after[name] != before.get(name, 0)}
    assert {name: grown.get(name) for name in ("upstream_cx_total", "upstream_cx_http1_total", "upstream_rq_total", "upstream_rq_200")} == {
        "upstream_cx_total": 1, "upstream_cx_http1_total": None, "upstream_rq_total": 1, "upstream_rq_200": 1}


def test_a_connection_is_used_before_its_tunnel(proxy, upstream):
    with Client(proxy.address("plain")) as client:
        assert client.request(host="forwarded").status == 200
        upstream.respond = [AGREED, echo]
        client.send(b"CONNECT forwarded:80 HTTP/1.1\r\nhost: forwarded:80\r\n\r\nping")
        assert client.head().status == 200 and client.read(4) == b"ping"


def test_many(tunnel):
    clients = [tunnel("ended")[0] for _ in range(40)]
    for i, client in enumerate(clients):
        client.send(b"%02d" % i)
    for i, client in enumerate(clients):
        assert client.read(2) == b"%02d" % i


# POST in its place

@pytest.mark.parametrize("framing,body,sent", [
    ("content-length: 4\r\n", b"ping", b"ping"), ("transfer-encoding: chunked\r\n", b"4\r\nping\r\n0\r\n\r\n", b"ping")])
def test_post(proxy, raw, framing, body, sent):
    with Client(proxy.address("plain")) as client:
        client.send(f"POST / HTTP/1.1\r\nhost: post\r\n{framing}\r\n".encode() + body)
        answer = client.response()
        assert (answer.status, answer.get("transfer-encoding"), answer.body) == (200, "chunked", sent + b"END")
    assert bytes(raw.connections[-1].received) == sent


def test_post_without_leave(proxy, upstream):
    upstream.respond = ok(b"http")
    with Client(proxy.address("plain")) as client:
        assert client.request("POST", host="nopost", body=b"x").text == "http"


@pytest.mark.parametrize("action,message", [
    ({"upgrade_configs": [{"upgrade_type": "websocket", "connect_config": {}}]}, "(?i)connect"),
    ({"upgrade_configs": [{"upgrade_type": "CONNECT"}, {"upgrade_type": "connect"}]}, "(?i)connect")])
def test_refused(launch_once, upstream, action, message):
    with pytest.raises(StartFailed) as failure:
        launch_once(k.bootstrap([k.listener("main", k.hcm([k.route(**action)]))], [k.cluster("up", [upstream])]))
    assert re.search(message, str(failure.value))
