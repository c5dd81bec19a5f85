"""max_stream_duration of the connection manager and of routes, http1_safe_max_connection_duration,
proxy_100_continue."""

import time

import pytest

from harness import config as k
from harness.client import Client, make_request
from harness.upstream import OK


def limited(path, **durations):
    return k.route(match={"path": path}, max_stream_duration=durations, timeout="0s")


@pytest.fixture(scope="module")
def proxy(launch, upstream):
    routes = [
        limited("/short", max_stream_duration="0.3s"), limited("/none", max_stream_duration="0s"),
        limited("/long", max_stream_duration="5s"), limited("/empty"),
        limited("/grpc", grpc_timeout_header_max="0s"), limited("/grpc-max", grpc_timeout_header_max="0.3s"),
        limited("/grpc-offset", grpc_timeout_header_max="0s", grpc_timeout_header_offset="4.8s"),
        limited("/grpc-both", max_stream_duration="0.3s", grpc_timeout_header_max="0s"), k.route(timeout="0s")]
    limit = {"common_http_protocol_options": {"max_stream_duration": "0.6s"}}
    connection = {"max_connection_duration": "0.3s"}
    listeners = {
        "none": {}, "limit": limit, "continue": {"proxy_100_continue": True},
        "duration": {"common_http_protocol_options": connection, "drain_timeout": "0.2s"},
        "safe": {"common_http_protocol_options": connection, "drain_timeout": "0.2s", "http1_safe_max_connection_duration": True}}
    return launch(k.bootstrap([k.listener(n, k.hcm(routes, stat_prefix=n, **f)) for n, f in listeners.items()],
                              [k.cluster("up", [upstream])]))


def ask(proxy, upstream, listener, path, grpc=None, wait=1.2):
    """(status, seconds, body) of a request whose answer takes 1.2 s."""
    upstream.respond = [wait, OK]
    with Client(proxy.address(listener)) as client:
        began = time.monotonic()
        client.send(make_request(path=path, headers=[("grpc-timeout", grpc)] if grpc else []))
        answer = client.response()
        return answer.status, time.monotonic() - began, answer.text


@pytest.mark.parametrize("listener,path,grpc,limit", [
    ("none", "/", None, None), ("none", "/short", None, 0.3), ("none", "/none", None, None), ("none", "/empty", None, None),
    ("limit", "/", None, 0.6), ("limit", "/short", None, 0.3), ("limit", "/none", None, None), ("limit", "/long", None, None),
    ("limit", "/empty", None, 0.6), ("none", "/", "300m", None), ("none", "/short", "5S", 0.3),
    ("none", "/grpc", "300m", 0.3), ("none", "/grpc", None, None), ("none", "/grpc-max", "5S", 0.3), ("none", "/grpc-max", "200m", 0.2),
    ("none", "/grpc-offset", "5S", 0.2), ("none", "/grpc-both", "700m", 0.7), ("none", "/grpc-both", None, 0.3),
    ("limit", "/grpc", "900m", 0.9), ("limit", "/grpc", None, 0.6), ("none", "/grpc-both", "junk", 0.3)])
def test_max_stream_duration(proxy, upstream, listener, path, grpc, limit):
    status, seconds, body = ask(proxy, upstream, listener, path, grpc)
    if limit is None:
        assert status == 200
    else:
        assert (status, body) == (504, "downstream duration timeout")
        assert limit - 0.05 < seconds < limit + 0.35


def test_a_zero_grpc_timeout_ends_at_once(proxy, upstream):
    status, seconds, _ = ask(proxy, upstream, "none", "/grpc", "0m")
    assert status == 504 and seconds < 0.4


def test_a_response_that_has_begun_is_reset(proxy, upstream):
    upstream.respond = [b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc", 2]
    with Client(proxy.address("none")) as client:
        client.send(make_request(path="/short"))
        assert client.head().status == 200
        began = time.monotonic()
        assert client.read_all(3) == b"abc" and client.ended
        assert time.monotonic() - began < 1.8


def test_a_request_that_does_not_end(proxy):
    with Client(proxy.address("limit")) as client:
        client.send(b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 10\r\n\r\nabc")
        answer = client.response()
        assert (answer.status, answer.text) == (408, "downstream duration timeout") and client.closed()


def test_counter(proxy, upstream):
    def stat():
        name = "http.limit.downstream_rq_max_duration_reached:"
        return int([line for line in proxy.admin("/stats")[1].splitlines() if line.startswith(name)][0].split()[-1])
    before = stat()
    ask(proxy, upstream, "limit", "/")
    assert stat() == before + 1


def test_an_idle_connection_ends_after_its_duration(proxy):
    with Client(proxy.address("duration")) as client:
        assert client.request().status == 200
        began = time.monotonic()
        assert client.closed() and time.monotonic() - began < 2


def test_a_safe_connection_waits_for_its_last_request(proxy):
    with Client(proxy.address("safe")) as client:
        assert client.request().get("connection") is None
        assert client.quiet(1.0)
        answer = client.request()
        assert (answer.status, answer.get("connection")) == (200, "close") and client.closed()


EXPECT = [("Expect", "100-continue"), ("Content-Length", "2")]


@pytest.fixture
def late(upstream):
    upstream.wait_for_body = False
    yield
    upstream.wait_for_body = True


def test_the_upstream_says_continue(proxy, upstream, late):
    bodies = []
    upstream.respond = [0.1, b"HTTP/1.1 100 Continue\r\n\r\n", lambda c: bodies.append(c.take(2)) or True, OK]
    with Client(proxy.address("continue")) as client:
        began = time.monotonic()
        client.send(make_request("POST", headers=EXPECT))
        assert client.response(interim=True).status == 100 and time.monotonic() - began > 0.08
        assert upstream.last.get("expect") == "100-continue"
        client.send(b"ok")
        assert client.response().status == 200 and bodies == [b"ok"]


def test_the_upstream_refuses(proxy, upstream, late):
    upstream.respond = [b"HTTP/1.1 417 No\r\ncontent-length: 0\r\n\r\n"]
    with Client(proxy.address("continue")) as client:
        client.send(make_request("POST", headers=EXPECT))
        assert client.response(interim=True).status == 417


def test_the_proxy_says_continue_without_the_option(proxy, upstream, late):
    upstream.respond = [lambda c: c.take(2) and True, OK]
    with Client(proxy.address("none")) as client:
        client.send(make_request("POST", headers=EXPECT))
        assert client.response(interim=True).status == 100
        client.send(b"ok")
        assert client.response().status == 200
    assert upstream.last.get("expect") is None
