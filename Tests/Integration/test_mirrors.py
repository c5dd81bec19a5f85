"""Copies of requests for other clusters, which the request itself must not feel."""

import time

import pytest

from harness import config as k
from harness.client import Client, make_request
from harness.differs import differs
from harness.process import StartFailed
from harness.upstream import OK, ok, refused_port


def mirrored(prefix, *policies, **action):
    return k.route(match={"prefix": prefix}, request_mirror_policies=list(policies), **action)


def share(numerator, key=None):
    return {"default_value": {"numerator": numerator}, **({"runtime_key": key} if key else {})}


@pytest.fixture(scope="module")
def shadows(upstreams):
    return upstreams(name="one"), upstreams(name="two")


@pytest.fixture(autouse=True)
def fresh(shadows):
    for shadow in shadows:
        shadow.reset()


@pytest.fixture(scope="module")
def proxy(launch, upstream, shadows):
    routes = [
        mirrored("/one", {"cluster": "one"}),
        mirrored("/both", {"cluster": "one"}, {"cluster": "two"}),
        mirrored("/header", {"cluster_header": "x-mirror"}),
        mirrored("/plain", {"cluster": "one", "disable_shadow_host_suffix_append": True}),
        mirrored("/host", {"cluster": "one", "host_rewrite_literal": "mirror.example"}),
        mirrored("/never", {"cluster": "one", "runtime_fraction": share(0)}),
        mirrored("/half", {"cluster": "one", "runtime_fraction": share(50)}),
        mirrored("/keyed", {"cluster": "one", "runtime_fraction": share(0, "mirror.share")}),
        mirrored("/rewritten", {"cluster": "one"}, prefix_rewrite="/new", host_rewrite_literal="h.example"),
        mirrored("/dead", {"cluster": "dead"}),
        mirrored("/empty", {"cluster": "nobody"}),
    ]
    inherited = [k.route(match={"prefix": "/inherits"}), mirrored("/own", {"cluster": "two"})]
    return launch(k.bootstrap([
        k.listener("routes", k.hcm(routes, stat_prefix="routes")),
        k.listener("host", k.hcm(hosts=[k.virtual_host("all", ["*"], inherited, request_mirror_policies=[{"cluster": "one"}])],
                                 stat_prefix="host", route_config={"request_mirror_policies": [{"cluster": "two"}]})),
        k.listener("table", k.hcm(inherited, stat_prefix="table", route_config={"request_mirror_policies": [{"cluster": "one"}]})),
    ], [k.cluster("up", [upstream]), k.cluster("one", [shadows[0]], per_connection_buffer_limit_bytes=65536), k.cluster("two", [shadows[1]]),
        k.cluster("dead", [("127.0.0.1", refused_port())]), k.cluster("nobody", [])], runtime={"mirror": {"share": 100}}))


def ask(proxy, path, headers=(), listener="routes", **options):
    with Client(proxy.address(listener)) as client:
        return client.request(options.pop("method", "GET"), path, headers, **options)


def arrived(shadow, count=1, patience=2.0):
    deadline = time.monotonic() + patience
    while len([r for r in shadow.requests if r.complete]) < count and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05 if count else 0.2)
    return [(r.method, r.target, r.get("host"), r.body) for r in shadow.requests]


@pytest.mark.parametrize("path,headers,host,seen", [
    ("/one/a?b", {}, "example.com", [("GET", "/one/a?b", "example.com-shadow", b"")]),
    ("/one", {}, "a.b:99", [("GET", "/one", "a.b-shadow:99", b"")]),
    ("/header", {"x-mirror": "one"}, "example.com", [("GET", "/header", "example.com-shadow", b"")]),
    ("/header", {"x-mirror": "none"}, "example.com", []), ("/header", {}, "example.com", []),
    ("/plain", {}, "example.com", [("GET", "/plain", "example.com", b"")]),
    ("/host", {}, "example.com", [("GET", "/host", "mirror.example", b"")]),
    ("/never", {}, "example.com", []), ("/keyed", {}, "example.com", [("GET", "/keyed", "example.com-shadow", b"")]),
    ("/rewritten/x", {}, "example.com", [("GET", "/new/x", "h.example-shadow", b"")]),
])
def test_copy(proxy, upstream, shadows, path, headers, host, seen):
    answer = ask(proxy, path, headers, host=host)
    assert (answer.status, answer.text) == (200, "ok")
    assert arrived(shadows[0], len(seen)) == seen


def test_the_copy_has_the_requests_headers(proxy, shadows):
    ask(proxy, "/one", {"x-mine": "1", "cookie": "a=b"})
    arrived(shadows[0])
    seen = shadows[0].last
    assert (seen.get("x-mine"), seen.get("cookie"), seen.get("x-forwarded-proto")) == ("1", "a=b", "http")
    assert seen.get("x-request-id")


def test_two_copies(proxy, shadows):
    ask(proxy, "/both", method="POST", body=b"hello")
    for shadow in shadows:
        assert arrived(shadow) == [("POST", "/both", "example.com-shadow", b"hello")]


@pytest.mark.parametrize("size", [1, 1000, 30000])
def test_body(proxy, upstream, shadows, size):
    body = bytes(range(256)) * (size // 256 + 1)
    assert ask(proxy, "/one", method="PUT", body=body[:size]).status == 200
    assert arrived(shadows[0])[0][3] == body[:size] == upstream.last.body


def test_chunked_body_in_pieces(proxy, upstream, shadows):
    with Client(proxy.address("routes")) as client:
        client.send(b"POST /one HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        for piece in (b"5\r\nhello\r\n", b"1\r\n \r\n", b"5\r\nworld\r\n", b"0\r\n\r\n"):
            time.sleep(0.03)
            client.send(piece)
        assert client.response().status == 200
    assert arrived(shadows[0])[0][3] == b"hello world" == upstream.last.body


@pytest.mark.parametrize("listener,path,first,second", [
    ("host", "/inherits", 1, 0), ("host", "/own", 0, 1), ("table", "/inherits", 1, 0), ("table", "/own", 0, 1)])
def test_the_nearest_policies_count(proxy, shadows, listener, path, first, second):
    ask(proxy, path, listener=listener)
    assert (len(arrived(shadows[0], first)), len(arrived(shadows[1], second))) == (first, second)


@pytest.mark.parametrize("path", ["/dead", "/empty"])
def test_a_copy_that_goes_nowhere(proxy, path):
    for _ in range(3):
        answer = ask(proxy, path, method="POST", body=b"x" * 1000)
        assert (answer.status, answer.text) == (200, "ok")


@pytest.mark.parametrize("answer", [
    b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n", b"rubbish\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf"],
    ids=["500", "no HTTP", "half a body"])
def test_what_the_copy_is_answered_does_not_matter(proxy, shadows, answer):
    shadows[0].respond = [answer, "close"]
    for _ in range(3):
        assert ask(proxy, "/one").text == "ok"
    arrived(shadows[0], 3)


def test_a_slow_copy_delays_nothing(proxy, shadows):
    shadows[0].respond = [1.0, OK]
    began = time.monotonic()
    for _ in range(5):
        assert ask(proxy, "/one").text == "ok"
    assert time.monotonic() - began < 0.8


def test_a_copy_that_is_not_read_is_given_up(proxy, upstream, shadows, settle):
    """More than a socket's buffers hold: the request goes through all the same."""
    waits = settle(differs("a mirror that does not read the copy of a large body: the request", envoy="waits for it", martlet="goes on",
                           why="A mirror is never felt by the request"))
    shadows[0].wait_for_body = False
    shadows[0].respond = [3.0, OK]
    try:
        body = b"x" * (24 << 20)
        began = time.monotonic()
        with Client(proxy.address("routes"), timeout=20) as client:
            client.send(make_request("POST", "/one", body=body))
            assert client.response(timeout=20).status == 200
        assert (time.monotonic() - began > 2.5) == (waits == "waits for it")
        assert len(upstream.last.body) == len(body)
    finally:
        shadows[0].wait_for_body = True
        shadows[0].drop_connections()


def test_half(proxy, shadows):
    with Client(proxy.address("routes")) as client:
        for _ in range(100):
            client.request("GET", "/half")
    time.sleep(0.3)
    assert 25 <= len(shadows[0].requests) <= 75


def test_a_client_that_leaves_in_the_middle(proxy, upstream, shadows):
    with Client(proxy.address("routes")) as client:
        client.send(b"POST /one HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf")
        time.sleep(0.1)
        client.reset()
    time.sleep(0.1)
    assert ask(proxy, "/one").text == "ok"
    assert proxy.wait_stat("cluster.one.upstream_rq_active", 0) == 0


def test_counted_as_the_clusters_requests(proxy, shadows):
    before = proxy.stat("cluster.two.upstream_rq_total") or 0
    shadows[1].respond = ok(b"x")
    ask(proxy, "/both")
    assert proxy.wait_stat("cluster.two.upstream_rq_total", before + 1) == before + 1
    assert proxy.wait_stat("cluster.two.upstream_rq_active", 0) == 0


@pytest.mark.parametrize("policy", [{}, {"cluster": "up", "cluster_header": "x"}, {"cluster": "gone"}])
def test_refused(launch_once, policy):
    with pytest.raises(StartFailed):
        launch_once(k.bootstrap([k.listener("main", k.hcm([mirrored("/", policy)]))], [k.cluster("up", [("127.0.0.1", 1)])]))
