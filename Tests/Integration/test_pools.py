"""Upstream connections: how long they live, where they come from, which address of several is used."""

import collections
import socket
import time

import pytest

from harness import config as k
from harness.client import Client
from harness.upstream import OK, Upstream, ok, refused_port

OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def http(**common):
    return {"typed_extension_protocol_options": {OPTIONS: {
        "@type": "type.googleapis.com/" + OPTIONS, "common_http_protocol_options": common,
        "explicit_http_config": {"http_protocol_options": {}}}}}


@pytest.fixture(scope="module")
def dual(upstreams):
    """Upstreams on both families."""
    four, six = upstreams(name="four"), upstreams(name="six", host="::1")
    for upstream in (four, six):
        upstream.respond = ok(upstream.name.encode())
    return four, six


@pytest.fixture(scope="module")
def hole():
    """An address that takes no connection: a listener with a full backlog."""
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


def several(name, *addresses, **extra):
    """One endpoint with several addresses."""
    first, *rest = [getattr(a, "address", a) for a in addresses]
    endpoint = {"address": k.address(first), "additional_addresses": [{"address": k.address(a)} for a in rest]}
    return k.cluster(name, load_assignment={"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": endpoint}]}]}, **extra)


@pytest.fixture(scope="module")
def proxy(launch, upstream, dual, hole):
    four, six = dual
    dead, dead2 = ("127.0.0.1", refused_port()), ("127.0.0.1", refused_port())
    eyes = {"upstream_connection_options": {"happy_eyeballs_config": {"first_address_family_version": "V4", "first_address_family_count": 1}}}
    clusters = [
        k.cluster("plain", [upstream]),
        k.cluster("idle", [upstream], **http(idle_timeout="0.3s")),
        k.cluster("duration", [upstream], **http(max_connection_duration="0.4s")),
        k.cluster("two-requests", [upstream], **http(max_requests_per_connection=2)),
        k.cluster("two-old", [upstream], max_requests_per_connection=2),
        k.cluster("bound", [upstream], upstream_bind_config={"source_address": {"address": "127.0.0.9", "port_value": 0}}),
        k.cluster("bound-both", [upstream, six], upstream_bind_config={
            "source_address": {"address": "127.0.0.8", "port_value": 0},
            "extra_source_addresses": [{"address": {"address": "::1", "port_value": 0}}]}),
        k.cluster("bound-wrong", [upstream], upstream_bind_config={"source_address": {"address": "192.0.2.1", "port_value": 0}}),
        k.cluster("freebind", [upstream], upstream_bind_config={
            "source_address": {"address": "127.0.0.7", "port_value": 0}, "freebind": True,
            "socket_options": [{"level": 1, "name": 9, "int_value": 1, "state": "STATE_PREBIND"}]}),
        k.cluster("probes", [upstream], upstream_connection_options={
            "tcp_keepalive": {"keepalive_probes": 3, "keepalive_time": 7, "keepalive_interval": 5}}),
        k.cluster("preconnect", [upstream], preconnect_policy={"per_upstream_preconnect_ratio": 3}),
        several("first", four, six), several("second", dead, six), several("third", dead, dead2, four),
        several("slow-first", hole, six, connect_timeout="3s"), several("none", dead, dead2),
        several("hole-only", hole, hole, connect_timeout="0.7s"),
        several("prefer-four", six, four, **eyes),
        k.cluster("tcp-second", [], load_assignment={"cluster_name": "tcp-second", "endpoints": [{"lb_endpoints": [{"endpoint": {
            "address": k.address(dead), "additional_addresses": [{"address": k.address(four.address)}]}}]}]}),
    ]
    routes = [k.route(c["name"], {"path": "/" + c["name"]}) for c in clusters]
    return launch(k.bootstrap([k.listener("main", k.hcm(routes)), k.listener("tcp", k.tcp_proxy("tcp-second"))], clusters))


def ask(proxy, path):
    with Client(proxy.address()) as client:
        return client.request(path="/" + path)


def stat(proxy, cluster, name):
    return proxy.stat(f"cluster.{cluster}.{name}")


def test_idle_timeout(proxy, upstream):
    assert ask(proxy, "idle").status == 200
    first = upstream.last.connection
    assert not upstream.connections[first].end
    assert upstream.wait(lambda: upstream.connections[first].end, 2)
    assert stat(proxy, "idle", "upstream_cx_idle_timeout") >= 1
    assert ask(proxy, "idle").status == 200
    assert upstream.last.connection != first


def test_idle_timeout_starts_anew_with_each_request(proxy, upstream):
    with Client(proxy.address()) as client:
        for _ in range(5):
            client.request(path="/idle")
            time.sleep(0.15)
    assert len({r.connection for r in upstream.requests}) == 1


def test_connection_duration_ends_idle_connections(proxy, upstream):
    assert ask(proxy, "duration").status == 200
    first = upstream.last.connection
    assert upstream.wait(lambda: upstream.connections[first].end, 2)
    assert stat(proxy, "duration", "upstream_cx_max_duration_reached") >= 1


def test_connection_duration_spares_requests(proxy, upstream):
    upstream.respond = [0.7, OK]
    assert ask(proxy, "duration").status == 200
    first = upstream.last.connection
    assert upstream.wait(lambda: upstream.connections[first].end, 0.5), "the connection closes behind the response"
    upstream.respond = OK
    assert ask(proxy, "duration").status == 200
    assert upstream.last.connection != first


@pytest.mark.parametrize("name", ["two-requests", "two-old"])
def test_requests_of_a_connection(proxy, upstream, name):
    with Client(proxy.address()) as client:
        for _ in range(6):
            assert client.request(path="/" + name).status == 200
    assert sorted(collections.Counter(r.connection for r in upstream.requests).values()) == [2, 2, 2]
    assert stat(proxy, name, "upstream_cx_max_requests") == 3
    assert stat(proxy, name, "upstream_cx_total") == 3


@pytest.mark.parametrize("name,source", [("bound", "127.0.0.9"), ("freebind", "127.0.0.7")])
def test_source_address(proxy, upstream, name, source):
    assert ask(proxy, name).status == 200
    assert upstream.connections[upstream.last.connection].socket.getpeername()[0] == source


def test_source_address_of_each_family(proxy, upstream, dual):
    assert {ask(proxy, "bound-both").status for _ in range(2)} == {200}
    assert upstream.connections[upstream.last.connection].socket.getpeername()[0] == "127.0.0.8"


def test_source_address_that_is_not_ours(proxy):
    answer = ask(proxy, "bound-wrong")
    assert answer.status == 503
    assert stat(proxy, "bound-wrong", "upstream_cx_connect_fail") == 1


def socket_details(pid, port):
    """What the kernel says of the proxy's connections to a port: (timer, ...) by ss."""
    import subprocess
    return subprocess.run(["ss", "-tnopH", f"dport = :{port}"], capture_output=True, text=True).stdout


def test_keep_alive_probes(proxy, upstream):
    import shutil
    if not shutil.which("ss"):
        pytest.skip("ss is not installed")
    assert ask(proxy, "probes").status == 200
    peer = upstream.connections[upstream.last.connection].socket.getpeername()[1]
    lines = [line for line in socket_details(proxy.pid, upstream.address[1]).splitlines() if f":{peer} " in line]
    assert len(lines) == 1 and "timer:(keepalive," in lines[0], lines
    # Seven seconds at most until the first probe.
    assert float(lines[0].split("timer:(keepalive,")[1].split("sec")[0].split("ms")[0]) <= 7000


def test_preconnecting(proxy, upstream):
    before = len(upstream.connections)
    assert ask(proxy, "preconnect").status == 200
    assert upstream.wait(lambda: len(upstream.connections) == before + 3, 1), len(upstream.connections) - before
    time.sleep(0.1)
    assert stat(proxy, "preconnect", "upstream_cx_total") == 3
    assert stat(proxy, "preconnect", "upstream_cx_active") == 3


@pytest.mark.parametrize("name,body,attempts", [
    ("first", "four", 1), ("second", "six", 2), ("third", "four", 3), ("slow-first", "six", 2), ("prefer-four", "four", 1),
])
def test_addresses_of_one_endpoint(proxy, name, body, attempts):
    started = time.monotonic()
    assert ask(proxy, name).text == body
    assert time.monotonic() - started < 1.5
    assert stat(proxy, name, "membership_total") == 1
    assert stat(proxy, name, "upstream_cx_total") == attempts
    assert stat(proxy, name, "upstream_cx_connect_fail") == 0


def test_no_address_answers(proxy):
    answer = ask(proxy, "none")
    assert (answer.status, "remote connection failure" in answer.text) == (503, True)
    assert stat(proxy, "none", "upstream_cx_connect_fail") == 1


def test_no_address_answers_in_time(proxy):
    started = time.monotonic()
    answer = ask(proxy, "hole-only")
    assert (answer.status, "connection timeout" in answer.text) == (503, True)
    assert 0.6 < time.monotonic() - started < 1.5
    assert stat(proxy, "hole-only", "upstream_cx_connect_timeout") == 1
    assert proxy.wait_stat("cluster.hole-only.upstream_cx_active", 0) == 0


def test_tcp_proxy_tries_the_addresses(proxy):
    with Client(proxy.address("tcp")) as client:
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.response().text == "four"


def test_a_connection_that_cannot_be_made_fails_all_who_wait(launch_once, hole):
    proxy = launch_once(k.bootstrap([k.listener("main", k.hcm([k.route()]))], [k.cluster("up", [hole], connect_timeout="0.4s")]))
    clients = [Client(proxy.address()) for _ in range(3)]
    started = time.monotonic()
    for client in clients:
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert [c.response().status for c in clients] == [503] * 3
    assert time.monotonic() - started < 1.2
    assert proxy.wait_stat("cluster.up.upstream_rq_pending_active", 0) == 0
    assert proxy.stat("cluster.up.upstream_rq_pending_failure_eject") == 3


def test_a_dead_endpoint_stalls_nobody(launch_once, hole, upstream):
    """While connections to a black hole hang, requests to the others take what they took."""
    routes = [k.route("hole", {"path": "/hole"}), k.route("up")]
    clusters = [k.cluster("hole", [hole], connect_timeout="5s"), k.cluster("up", [upstream])]
    proxy = launch_once(k.bootstrap([k.listener("main", k.hcm(routes))], clusters))
    stuck = [Client(proxy.address()) for _ in range(50)]
    for client in stuck:
        client.send("GET /hole HTTP/1.1\r\nHost: a\r\n\r\n")
    with Client(proxy.address()) as client:
        for _ in range(100):
            started = time.monotonic()
            assert client.request().status == 200
            assert time.monotonic() - started < 0.3
    for client in stuck:
        client.close()
    assert proxy.wait_stat("cluster.hole.upstream_rq_pending_active", 0) == 0


def test_a_slow_endpoint_stalls_nobody(launch_once, upstreams, upstream):
    slow = upstreams()
    slow.respond = [3.0, OK]
    routes = [k.route("slow", {"path": "/slow"}), k.route("up")]
    proxy = launch_once(k.bootstrap([k.listener("main", k.hcm(routes))], [k.cluster("slow", [slow]), k.cluster("up", [upstream])]))
    stuck = [Client(proxy.address()) for _ in range(20)]
    for client in stuck:
        client.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
    with Client(proxy.address()) as client:
        started = time.monotonic()
        for _ in range(200):
            assert client.request().status == 200
        assert time.monotonic() - started < 2
    for client in stuck:
        client.close()


@pytest.mark.parametrize("fields", [
    {"preconnect_policy": {"per_upstream_preconnect_ratio": 4}},
    {"preconnect_policy": {"per_upstream_preconnect_ratio": 0.5}},
    {"upstream_bind_config": {"source_address": {"address": "name.example", "port_value": 0}}},
], ids=str)
def test_wrong_configuration_is_refused(launch_once, fields):
    from harness.process import StartFailed
    with pytest.raises(StartFailed):
        launch_once(k.bootstrap([], [k.cluster("up", [("127.0.0.1", 1)], **fields)]))
