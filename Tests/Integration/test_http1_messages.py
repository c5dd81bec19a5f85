"""Messages as they pass: keep-alive, pipelining, HEAD, trailers, 1xx, bodies both ways."""

import os
import threading
import time

import pytest

from harness import config as k
from harness.client import Client, make_request
from harness.differs import differs
from harness.upstream import OK, ok


@pytest.fixture(scope="module")
def proxy(launch, upstream):
    manager = k.hcm([k.route()], codec_type="AUTO", delayed_close_timeout="0.05s")
    trailers = k.hcm([k.route("trailing")], stat_prefix="trailing", http_protocol_options={"enable_trailers": True})
    trailing = k.cluster("trailing", [upstream], typed_extension_protocol_options={
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http_protocol_options": {"enable_trailers": True}}}})
    return launch(k.bootstrap(
        [k.listener("main", manager), k.listener("trailing", trailers)],
        [k.cluster("up", [upstream]), trailing]))


@pytest.fixture
def client(proxy):
    with Client(proxy.address()) as client:
        yield client


# Keep-alive and pipelining

def test_many_requests_on_one_connection(client, upstream):
    for i in range(50):
        upstream.respond = ok(b"answer %d" % i)
        assert client.request(path=f"/{i}").body == b"answer %d" % i
    assert [r.target for r in upstream.requests] == [f"/{i}" for i in range(50)]


def test_upstream_connection_is_reused(client, upstream):
    client.request()
    first = upstream.last.connection
    client.request()
    assert upstream.last.connection == first


def test_pipelined_answers_come_in_order(client, upstream):
    upstream.respond = lambda request: [0.05 if request.target == "/0" else 0, ok(request.target.encode())]
    client.send(b"".join(make_request(path=f"/{i}") for i in range(20)))
    assert [client.response().text for _ in range(20)] == [f"/{i}" for i in range(20)]


def test_pipelined_with_bodies(client, upstream):
    upstream.respond = lambda request: ok(request.body)
    bodies = [b"x" * n for n in (1, 1000, 70000, 0, 5)]
    client.send(b"".join(make_request("POST", "/", [("Content-Length", "0")] if not b else [], b) for b in bodies))
    assert [client.response().body for _ in bodies] == bodies


def test_a_pipelined_bad_request_comes_after_the_good_ones(client, upstream):
    upstream.respond = [0.05, OK]
    client.send(make_request() + b"BAD\r\n\r\n" + make_request(path="/never"))
    assert client.response().status == 200
    assert client.response().status == 400
    assert client.closed()
    assert len(upstream.requests) == 1


def test_byte_by_byte(client, upstream):
    upstream.respond = lambda request: ok(request.body)
    client.send_slowly(make_request("POST", "/slow", [("X-A", "b")], b"hello"))
    assert client.response().body == b"hello"
    assert upstream.last.get("x-a") == "b"


def test_connection_close_is_answered(client):
    answer = client.request(headers=[("Connection", "close")])
    assert answer.get("connection").lower() == "close"
    assert client.closed()


def test_keep_alive_header_is_not_forwarded(client, upstream):
    client.request(headers=[("Connection", "keep-alive"), ("Keep-Alive", "timeout=5")])
    assert upstream.last.get("keep-alive") is None
    assert (upstream.last.get("connection") or "keep-alive").lower() == "keep-alive"
    client.request()  # still open


def test_hop_by_hop_request_headers(client, upstream):
    client.request(headers=[("Connection", "x-hop, keep-alive"), ("X-Hop", "1"), ("X-End", "2"), ("TE", "gzip"),
                            ("Proxy-Connection", "keep-alive")])
    assert upstream.last.get("x-end") == "2"
    assert upstream.last.get("proxy-connection") is None
    assert upstream.last.get("te") is None


def test_hop_by_hop_response_headers(client, upstream):
    upstream.respond = ok(b"ok", "connection: keep-alive\r\nkeep-alive: timeout=5\r\nproxy-connection: x\r\nx-end: 1\r\n")
    answer = client.request()
    assert answer.get("keep-alive") is None and answer.get("x-end") == "1"


def test_client_half_close_ends_the_stream_one_way_or_the_other(client, upstream):
    """Envoy and nginx drop the request of a client that ended its side, HAProxy answers it.
    Both are allowed, hanging is not."""
    upstream.respond = [0.1, OK]
    client.send(make_request())
    upstream.wait_requests(1)
    client.half_close()
    assert client.read_all(2)[-2:] in (b"", b"ok")
    assert client.ended


def test_client_gone_ends_the_upstream_request(proxy, upstream):
    gone = threading.Event()

    def wait_for_end(connection):
        gone.set() if not connection.fill() else None
        return False

    upstream.respond = [wait_for_end]
    client = Client(proxy.address())
    client.send(make_request())
    upstream.wait_requests(1)
    client.reset()
    assert gone.wait(2)


# Methods and statuses without bodies

@pytest.mark.parametrize("headers", ["content-length: 10\r\n", "transfer-encoding: chunked\r\n", ""])
def test_head(client, upstream, headers):
    upstream.respond = f"HTTP/1.1 200 OK\r\n{headers}\r\n".encode()
    answer = client.request("HEAD")
    assert upstream.last.method == "HEAD"
    if "length" in headers:
        assert answer.get("content-length") == "10"
    upstream.respond = OK
    assert client.request().body == b"ok"


@pytest.mark.parametrize("status", [204, 304])
def test_no_body(client, upstream, status):
    upstream.respond = f"HTTP/1.1 {status} X\r\netag: a\r\n\r\n".encode()
    answer = client.request()
    assert answer.status == status and answer.get("etag") == "a"
    assert answer.get("content-length") is None and answer.get("transfer-encoding") is None
    upstream.respond = OK
    assert client.request().body == b"ok"


@pytest.mark.parametrize("status,reason", [(200, "OK"), (201, "Created"), (206, "Partial Content"), (302, "Found"),
                                           (404, "Not Found"), (418, "I'm a teapot"), (429, "Too Many Requests"),
                                           (500, "Internal Server Error"), (599, None)])
def test_status_passes(client, upstream, settle, status, reason):
    upstream.respond = f"HTTP/1.1 {status} Whatever\r\ncontent-length: 0\r\n\r\n".encode()
    answer = client.request()
    assert answer.status == status and answer.body == b""
    if status in (200, 201, 404):
        assert answer.reason == reason


# Bodies

@pytest.mark.parametrize("size", [0, 1, 4095, 16384, 65536, 1 << 20, 5 << 20])
def test_body_both_ways_with_length(client, upstream, size):
    body = os.urandom(size)
    upstream.respond = lambda request: ok(request.body)
    client.send(make_request("POST", headers=[] if size else [("Content-Length", "0")], body=body))
    assert client.response().body == body
    assert upstream.last.get("content-length") == str(size)
    assert upstream.last.get("transfer-encoding") is None


@pytest.mark.parametrize("chunks", [[1], [1] * 50, [16384], [65536] * 8, [3, 70000, 1]])
def test_body_both_ways_chunked(client, upstream, chunks):
    parts = [os.urandom(n) for n in chunks]
    encoded = b"".join(b"%x\r\n" % len(p) + p + b"\r\n" for p in parts) + b"0\r\n\r\n"
    upstream.respond = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + encoded
    client.send(make_request("POST", headers=[("Transfer-Encoding", "chunked")]) + encoded)
    answer = client.response()
    assert answer.body == upstream.last.body == b"".join(parts)
    assert upstream.last.get("transfer-encoding") == "chunked" == answer.get("transfer-encoding")
    assert upstream.last.get("content-length") is None


def test_chunked_byte_by_byte(client, upstream):
    client.send_slowly(make_request("POST", headers=[("Transfer-Encoding", "chunked")]) + b"3;a=b\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
    assert client.response().status == 200
    assert upstream.last.body == b"abcde"


def test_response_byte_by_byte(client, upstream):
    raw = b"HTTP/1.1 200 OK\r\nx-a: b\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0\r\nt: u\r\n\r\n"
    upstream.respond = [step for i in range(len(raw)) for step in (raw[i:i + 1], 0.0005)]
    answer = client.request()
    assert answer.body == b"abcde" and answer.get("x-a") == "b"


def test_body_is_streamed(client, upstream):
    """A proxy that waits for the whole body before it forwards would never answer here."""
    go = threading.Event()
    upstream.respond = [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n", lambda c: go.wait(3), b"0\r\n\r\n"]
    client.send(make_request())
    client.head()
    assert client.read(8) == b"3\r\nabc\r\n"
    go.set()
    assert client.read(5) == b"0\r\n\r\n"


def test_request_body_is_streamed(proxy, upstream):
    upstream.wait_for_body = False
    try:
        upstream.respond = lambda request: [lambda c: c.take(3) == b"abc" and None, b"HTTP/1.1 200 OK\r\nx-part: seen\r\ncontent-length: 0\r\n\r\n"]
        with Client(proxy.address()) as client:
            client.send(make_request("POST", headers=[("Content-Length", "6")]) + b"abc")
            assert client.response().get("x-part") == "seen"  # before the request was finished
    finally:
        upstream.wait_for_body = True
        upstream.drop_connections()


def test_response_before_the_request_is_finished(proxy, upstream):
    """The rest of the request belongs to nobody and never becomes a request."""
    upstream.wait_for_body = False
    try:
        upstream.respond = [b"HTTP/1.1 413 X\r\ncontent-length: 0\r\n\r\n"]
        with Client(proxy.address()) as client:
            client.send(make_request("POST", headers=[("Content-Length", "40")]))
            assert client.response().status == 413
            client.send(b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n     ", ignore_errors=True)
            client.read_all(0.3)
        assert all(r.target != "/smuggled" for r in upstream.requests)
    finally:
        upstream.wait_for_body = True
        upstream.drop_connections()


def test_a_slow_reader_does_not_break_the_body(proxy, upstream):
    body = os.urandom(3 << 20)
    upstream.respond = ok(body)
    with Client(proxy.address(), receive_buffer=8192) as client:
        client.send(make_request())
        time.sleep(0.2)
        assert client.response(timeout=10).body == body


# Trailers

def test_trailers_are_dropped_by_default(client, upstream):
    upstream.respond = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-down: 1\r\n\r\n"
    client.send(make_request("POST", headers=[("Transfer-Encoding", "chunked")]) + b"2\r\nok\r\n0\r\nx-up: 1\r\n\r\n")
    assert client.response().trailers == []
    assert upstream.last.trailers == []


def test_trailers_pass_when_enabled(proxy, upstream):
    upstream.respond = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Down: 1\r\n\r\n"
    with Client(proxy.address("trailing")) as client:
        client.send(make_request("POST", headers=[("Transfer-Encoding", "chunked")]) + b"2\r\nok\r\n0\r\nX-Up: 1\r\nX-Two: 2\r\n\r\n")
        assert client.response().trailers == [("x-down", "1")]
        assert upstream.last.trailers == [("x-up", "1"), ("x-two", "2")]


# 1xx

EXPECT = [("Expect", "100-continue"), ("Content-Length", "2")]


def test_expect_is_answered_by_the_proxy(client, upstream):
    client.send(make_request("POST", headers=EXPECT))
    assert client.response(interim=True).status == 100
    client.send(b"ok")
    assert client.response().status == 200
    assert upstream.last.body == b"ok"
    assert upstream.last.get("expect") is None


def test_expect_with_the_body_at_once(client, upstream):
    client.send(make_request("POST", headers=EXPECT) + b"ok")
    assert client.response().status == 200
    assert upstream.last.body == b"ok"


HINTS = differs("103 Early Hints of an upstream", envoy=[200], martlet=[103, 200],
                why="A proxy forwards interim responses (RFC 9110 15.2)")


def test_interim_answers(client, upstream, settle):
    """100 belongs to the hop that expects it; 103 is meant for the client."""
    upstream.respond = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" + OK
    client.send(make_request())
    assert [client.response(interim=True).status for _ in settle(HINTS)] == settle(HINTS)
    upstream.respond = b"HTTP/1.1 100 Continue\r\n\r\n" + OK
    client.send(make_request())
    assert client.response(interim=True).status == 200


# Header text

def test_header_values_are_trimmed_and_kept(client, upstream):
    client.send("GET / HTTP/1.1\r\nHost: a\r\nX-One:   spaced \t \r\nX-Two:tight\r\nX-Two: again\r\nX-Empty:\r\n\r\n")
    client.response()
    assert upstream.last.all("x-two") == ["tight", "again"]
    assert b"x-one: spaced\r\n" in upstream.last.raw_head.lower()
    assert upstream.last.get("x-empty") == ""


def test_names_are_lower_case_upstream_and_downstream(client, upstream):
    upstream.respond = ok(b"", "X-Mixed-Case: A\r\n")
    answer = client.request(headers=[("X-UPPER", "Value")])
    assert ("x-upper", "Value") in upstream.last.headers
    assert ("x-mixed-case", "A") in answer.headers


def test_order_of_equal_names_is_kept(client, upstream):
    upstream.respond = ok(b"", "set-cookie: a=1\r\nx-between: 1\r\nset-cookie: b=2\r\n")
    answer = client.request(headers=[("Cookie", "a=1"), ("X-A", "1"), ("X-A", "2")])
    assert answer.all("set-cookie") == ["a=1", "b=2"]
    assert upstream.last.all("x-a") == ["1", "2"]


def test_absolute_form_decides_the_host(client, upstream):
    client.send("GET http://other.example:81/x?y=z HTTP/1.1\r\nHost: a.example\r\n\r\n")
    assert client.response().status == 200
    assert (upstream.last.target, upstream.last.get("host")) == ("/x?y=z", "other.example:81")


def test_absolute_form_without_path(client, upstream):
    client.send("GET http://other.example HTTP/1.1\r\nHost: a.example\r\n\r\n")
    assert client.response().status == 200
    assert (upstream.last.target, upstream.last.get("host")) == ("/", "other.example")


def test_sixty_kilobytes_of_headers_pass(client, upstream):
    client.request(headers=[(f"x-{i}", "v" * 1000) for i in range(55)])
    assert upstream.last.get("x-54") == "v" * 1000
