"""How much of a body is kept so that it can be sent again: for retries, redirects and copies."""

import pytest

from harness import config as k
from harness.client import Client
from harness.differs import differs
from harness.upstream import OK

S503 = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nbusy"
RETRY = {"retry_policy": {"retry_on": "5xx", "retry_back_off": {"base_interval": "0.001s", "max_interval": "0.002s"}}}
FOLLOW = {"internal_redirect_policy": {"redirect_response_codes": [301, 302, 303, 307, 308], "max_internal_redirects": 3}}

# name of the route, its limits; of the virtual hosts, theirs
ROUTES = {"old": {"per_request_buffer_limit_bytes": 1000}, "new": {"request_body_buffer_limit": 50000},
          "large": {"per_request_buffer_limit_bytes": 100000}, "none": {}, "zero": {"request_body_buffer_limit": 0},
          "both": {"per_request_buffer_limit_bytes": 1000, "request_body_buffer_limit": 3000}}
HOSTS = {"plain": {}, "old": {"per_request_buffer_limit_bytes": 2000}, "new": {"request_body_buffer_limit": 4000}}
# For each host: what the routes keep.
LIMITS = {
    "plain": {"old": 1000, "new": 50000, "large": 100000, "none": 10000, "zero": 0, "both": 3000},
    "old": {"old": 1000, "new": 50000, "large": 100000, "none": 2000, "zero": 0, "both": 3000},
    "new": {"old": 4000, "new": 50000, "large": 4000, "none": 4000, "zero": 0, "both": 3000},
}


@pytest.fixture(scope="module")
def shadow(upstreams):
    return upstreams()


@pytest.fixture(scope="module")
def proxy(launch, upstream, shadow):
    hosts = []
    for name, limits in HOSTS.items():
        routes = [{**k.route(match={"path": "/" + route}, **RETRY), **fields} for route, fields in ROUTES.items()]
        hosts.append(k.virtual_host(name, [name], routes, **limits))
    mirror = {"request_mirror_policies": [{"cluster": "shadow"}]}
    hosts.append(k.virtual_host("follow", ["follow"], [
        k.route(match={"path": "/go"}, **FOLLOW), k.route(match={"path": "/retry"}, **FOLLOW, **RETRY),
        k.route(match={"path": "/mirror"}, **mirror), k.route(match={"path": "/again"}, **FOLLOW), k.route()]))
    return launch(k.bootstrap([k.listener("main", k.hcm(hosts=hosts), per_connection_buffer_limit_bytes=10000)],
                              [k.cluster("up", [upstream]), k.cluster("shadow", [shadow])]))


def script(upstream, *answers):
    left = list(answers)
    upstream.respond = lambda request: left.pop(0) if len(left) > 1 else left[0]


def redirect(status, target):
    return [b"HTTP/1.1 %d X\r\nlocation: http://follow%s\r\ncontent-length: 0\r\n\r\n" % (status, target.encode())]


def ask(proxy, host, path, body=b"", method="POST", headers=()):
    with Client(proxy.address()) as client:
        return client.request(method, path, headers, body, host)


@pytest.mark.parametrize("host,route", [(host, route) for host in HOSTS for route in ROUTES])
def test_bodies_up_to_the_limit_are_sent_again(proxy, upstream, host, route):
    limit = LIMITS[host][route]
    for size, again in ((limit - 200, limit > 200), (limit + 200, False)):
        if size < 1:
            continue
        upstream.requests.clear()
        script(upstream, [S503], [OK])
        assert ask(proxy, host, "/" + route, b"x" * size).status == (200 if again else 503)
        assert [len(r.body) for r in upstream.requests] == [size] * (2 if again else 1)


def test_without_a_body_there_is_no_limit(proxy, upstream):
    script(upstream, [S503], [OK])
    assert ask(proxy, "plain", "/zero", method="GET").status == 200


def test_what_is_not_kept_is_counted(proxy, upstream):
    before = proxy.stat("cluster.up.retry_or_shadow_abandoned")
    ask(proxy, "plain", "/old", b"x" * 3000)
    assert proxy.stat("cluster.up.retry_or_shadow_abandoned") == before + 1


# Redirects that are followed

@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("size", [1, 500, 9000])
def test_the_body_goes_where_the_redirect_points(proxy, upstream, status, size):
    script(upstream, redirect(status, "/there"), [OK])
    body = bytes(range(256)) * (size // 256) + b"y" * (size % 256)
    assert ask(proxy, "follow", "/go", body).status == 200
    assert [(r.method, r.target, r.body, r.get("content-length")) for r in upstream.requests] == [
        ("POST", "/go", body, str(size)), ("POST", "/there", body, str(size))]


def test_chunked_and_with_trailers(proxy, upstream):
    script(upstream, redirect(307, "/there"), [OK])
    with Client(proxy.address()) as client:
        client.send(b"POST /go HTTP/1.1\r\nhost: follow\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n")
        client.send(b"4\r\ndefg\r\n0\r\nx-t: 1\r\n\r\n")
        assert client.response().status == 200
    assert [(r.body, r.get("transfer-encoding")) for r in upstream.requests] == [(b"abcdefg", "chunked")] * 2


def test_twice(proxy, upstream):
    script(upstream, redirect(307, "/again"), redirect(308, "/there"), [OK])
    assert ask(proxy, "follow", "/go", b"body").status == 200
    assert [(r.target, r.body) for r in upstream.requests] == [("/go", b"body"), ("/again", b"body"), ("/there", b"body")]


def test_a_retry_and_a_redirect(proxy, upstream):
    script(upstream, [S503], redirect(307, "/retry"), [S503], [OK])
    assert ask(proxy, "follow", "/retry", b"body").status == 200
    assert [r.body for r in upstream.requests] == [b"body"] * 4


def test_the_copy_of_a_redirected_request(proxy, upstream, shadow):
    shadow.reset()
    script(upstream, redirect(307, "/mirror"), [OK])
    assert ask(proxy, "follow", "/go", b"body" * 100).status == 200
    assert shadow.wait(lambda: shadow.requests and shadow.requests[0].complete)
    assert [(r.method, r.target, r.body) for r in shadow.requests] == [("POST", "/mirror", b"body" * 100)]


def test_303_drops_the_body(proxy, upstream):
    script(upstream, redirect(303, "/there"), [OK])
    assert ask(proxy, "follow", "/go", b"body").status == 200
    second = upstream.requests[1]
    assert (second.method, second.target, second.body, second.get("content-length")) == ("GET", "/there", b"", None)


def test_a_body_over_the_limit_stays(proxy, upstream):
    before = proxy.stat("cluster.up.upstream_internal_redirect_failed_total")
    script(upstream, redirect(307, "/there"), [OK])
    assert ask(proxy, "follow", "/go", b"x" * 50_000).status == 307
    assert len(upstream.requests) == 1
    assert proxy.stat("cluster.up.upstream_internal_redirect_failed_total") == before + 1


LONG_303 = differs("an upstream's 303 to a request whose body is longer than what is kept, with `internal_redirect_policy`",
                   envoy=303, martlet=200, why="A 303 drops the body, so that it need not be kept to be followed")


def test_303_with_a_body_over_the_limit(proxy, upstream, settle):
    script(upstream, redirect(303, "/there"), [OK])
    assert ask(proxy, "follow", "/go", b"x" * 50_000).status == settle(LONG_303)
