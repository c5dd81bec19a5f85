"""Clusters: balancing, pools, connect failures, endpoints of every address family."""

import collections
import os
import socket
import time

import pytest

from harness import config as k
from harness.client import Client
from harness.upstream import OK, Upstream, ok, refused_port

CONNECT_FAILURE = "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure"
CONNECT_TIMEOUT = "upstream connect error or disconnect/reset before headers. reset reason: connection timeout"
TERMINATION = "upstream connect error or disconnect/reset before headers. reset reason: connection termination"


@pytest.fixture(scope="module")
def three(upstreams):
    made = [upstreams(name=name) for name in "abc"]
    for upstream in made:
        upstream.respond = ok(upstream.name.encode())
    return made


@pytest.fixture(scope="module")
def black_hole():
    """Endpoints that never complete a handshake: listeners with full backlogs."""
    sockets = []
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    for _ in range(3):
        filler = socket.socket()
        filler.setblocking(False)
        try:
            filler.connect(listener.getsockname())
        except BlockingIOError:
            pass
        sockets.append(filler)
    yield listener.getsockname()
    for s in sockets + [listener]:
        s.close()


@pytest.fixture(scope="module")
def proxy(launch, upstream, upstreams, three, black_hole, tmp_path_factory):
    path = str(tmp_path_factory.mktemp("s") / "up.sock")
    unix = upstreams(path=path)
    abstract = upstreams(path=f"@martlet-up-{os.getpid()}")
    six = upstreams(host="::1")
    for u, body in ((unix, b"unix"), (abstract, b"abstract"), (six, b"six")):
        u.respond = ok(body)
    clusters = [
        k.cluster("up", [upstream]),
        k.cluster("three", three),
        k.cluster("weighted", three, weights=[3, 2, 1]),
        k.cluster("half-down", [three[0], ("127.0.0.1", refused_port())]),
        k.cluster("hole", [black_hole], connect_timeout="0.25s"),
        k.cluster("unix", [unix]), k.cluster("abstract", [abstract]), k.cluster("six", [six]),
        k.cluster("once", [upstream], typed_extension_protocol_options={
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "common_http_protocol_options": {"max_requests_per_connection": 1},
                "explicit_http_config": {"http_protocol_options": {}}}}),
    ]
    routes = [k.route(c["name"], {"path": "/" + c["name"]}) for c in clusters]
    return launch(k.bootstrap([k.listener("main", k.hcm(routes))], clusters))


def ask(proxy, path):
    with Client(proxy.address()) as client:
        return client.request(path=path)


def test_round_robin_is_even(proxy):
    with Client(proxy.address()) as client:
        seen = [client.request(path="/three").text for _ in range(30)]
    assert collections.Counter(seen) == {"a": 10, "b": 10, "c": 10}
    assert all(set(seen[i:i + 3]) == set("abc") for i in range(0, 30, 3))


def test_weights_are_exact(proxy):
    with Client(proxy.address()) as client:
        seen = [client.request(path="/weighted").text for _ in range(60)]
    assert collections.Counter(seen) == {"a": 30, "b": 20, "c": 10}
    assert "aaa" not in "".join(seen)[6:]  # interleaved, not in runs


@pytest.mark.parametrize("path,body", [("/unix", "unix"), ("/abstract", "abstract"), ("/six", "six")])
def test_address_families(proxy, path, body):
    for _ in range(3):
        assert ask(proxy, path).text == body


def test_refused_endpoint(proxy):
    answers = [ask(proxy, "/half-down") for _ in range(6)]
    assert collections.Counter(a.status for a in answers) == {200: 3, 503: 3}
    assert {a.text for a in answers if a.status == 503} == {CONNECT_FAILURE}
    assert proxy.stat("cluster.half-down.upstream_cx_connect_fail") >= 3
    assert proxy.stat("cluster.half-down.upstream_rq_pending_failure_eject") >= 3


def test_connect_timeout(proxy):
    started = time.monotonic()
    answer = ask(proxy, "/hole")
    assert 0.2 < time.monotonic() - started < 1.5
    assert (answer.status, answer.text) == (503, CONNECT_TIMEOUT)
    assert proxy.stat("cluster.hole.upstream_cx_connect_timeout") == 1
    assert proxy.stat("cluster.hole.upstream_cx_connect_fail") == 1


# Pools

def test_sequential_requests_use_one_connection(proxy, upstream):
    before = proxy.stat("cluster.up.upstream_cx_total")
    for _ in range(5):
        with Client(proxy.address()) as client:
            for _ in range(4):
                client.request(path="/up")
    assert proxy.stat("cluster.up.upstream_cx_total") - before <= 1
    assert len({r.connection for r in upstream.requests}) == 1


def test_parallel_requests_use_parallel_connections(proxy, upstream):
    upstream.respond = [0.15, OK]
    clients = [Client(proxy.address()) for _ in range(5)]
    started = time.monotonic()
    for client in clients:
        client.send("GET /up HTTP/1.1\r\nHost: a\r\n\r\n")
    for client in clients:
        assert client.response().status == 200
        client.close()
    assert time.monotonic() - started < 0.6
    assert len({r.connection for r in upstream.requests}) == 5
    assert proxy.wait_stat("cluster.up.upstream_rq_active", 0) == 0


def test_max_requests_per_connection(proxy, upstream):
    with Client(proxy.address()) as client:
        for _ in range(3):
            assert client.request(path="/once").status == 200
    assert len({r.connection for r in upstream.requests}) == 3


def test_connection_close_of_the_upstream_is_honoured(proxy, upstream):
    upstream.respond = ok(b"ok", "connection: close\r\n")  # says so, but leaves closing to us
    with Client(proxy.address()) as client:
        assert client.request(path="/up").status == 200
        first = upstream.last.connection
        assert upstream.wait(lambda: upstream.connections[first].end, 2)
        assert client.request(path="/up").status == 200
        assert upstream.last.connection != first


@pytest.mark.parametrize("tail", [b"garbage", OK])
def test_bytes_behind_a_response_poison_nobody(proxy, upstream, tail):
    upstream.respond = OK + tail
    with Client(proxy.address()) as client:
        assert client.request(path="/up").body == b"ok"
        first = upstream.last.connection
        upstream.respond = ok(b"clean")
        assert upstream.wait(lambda: upstream.connections[first].end, 2), "connection kept after stray bytes"
        assert client.request(path="/up").body == b"clean"
        assert upstream.last.connection != first


def test_unsolicited_response_on_an_idle_connection(proxy, upstream):
    with Client(proxy.address()) as client:
        client.request(path="/up")
        connection = upstream.connections[upstream.last.connection]
        connection.socket.sendall(ok(b"unsolicited"))
        assert upstream.wait(lambda: connection.end, 2)
        upstream.respond = ok(b"clean")
        assert client.request(path="/up").body == b"clean"


def test_pooled_connections_ended_by_the_upstream_are_noticed(proxy, upstream):
    with Client(proxy.address()) as client:
        for _ in range(5):
            assert client.request(path="/up").status == 200
            upstream.drop_connections()
            time.sleep(0.05)
    assert len({r.connection for r in upstream.requests}) == 5


@pytest.mark.parametrize("end", ["close", "reset"])
def test_upstream_ends_instead_of_answering(proxy, upstream, end):
    """No retry without a retry policy: the request was sent and may have had its effect."""
    with Client(proxy.address()) as client:
        client.request(path="/up")
        upstream.respond = [end]
        answer = client.request(path="/up")
        assert (answer.status, answer.text) == (503, TERMINATION)
        assert len(upstream.requests) == 2
        upstream.respond = OK
        assert client.request(path="/up").status == 200


def test_a_restarted_upstream_is_found_again(launch_once):
    first = Upstream()
    port = first.address[1]
    proxy = launch_once(k.bootstrap([k.listener("main", k.hcm([k.route()]))], [k.cluster("up", [first])]))
    assert ask(proxy, "/").status == 200
    first.stop()
    time.sleep(0.1)
    assert ask(proxy, "/").status == 503
    second = socket.socket()
    second.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    second.bind(("127.0.0.1", port))
    second.listen()
    with Client(proxy.address()) as client:
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        peer, _ = second.accept()
        peer.recv(4096)
        peer.sendall(OK)
        assert client.response().status == 200
        peer.close()
    second.close()
