"""Timeouts: of headers, requests, idle connections, idle streams and routes.

Every timeout here is a few tenths of a second; a test passes when the event happens after
its time and well before two seconds more.
"""

import time

import pytest

from harness import config as k
from harness.client import Client, make_request
from harness.upstream import OK

LATE = 2.0


@pytest.fixture(scope="module")
def proxy(launch, upstream):
    def one(name, routes=None, common=None, **fields):
        if common:
            fields["common_http_protocol_options"] = common
        return k.listener(name, k.hcm(routes or [k.route()], stat_prefix=name, **fields))

    slow = {"exact_match": "x"}
    routes = [
        k.route(match={"prefix": "/short"}, timeout="0.2s"),
        k.route(match={"prefix": "/never"}, timeout="0s"),
        k.route(match={"prefix": "/idle"}, timeout="0s", idle_timeout="0.25s"),
        k.route(match={"prefix": "/long"}, timeout="5s"),
        k.route(),
    ]
    del slow
    return launch(k.bootstrap([
        one("headers", request_headers_timeout="0.3s"),
        one("request", request_timeout="0.3s"),
        one("idle", common={"idle_timeout": "0.3s"}, drain_timeout="0.1s"),
        one("stream", stream_idle_timeout="0.3s"),
        one("lifetime", common={"max_connection_duration": "0.4s"}, drain_timeout="0.1s"),
        one("count", common={"max_requests_per_connection": 2}),
        one("routes", routes),
        one("delayed", delayed_close_timeout="0.3s"),
        one("undelayed", delayed_close_timeout="0s"),
    ], [k.cluster("up", [upstream], common_http_protocol_options={"idle_timeout": "0.3s"})]))


def ends_after(client, seconds):
    started = time.monotonic()
    client.read_all(seconds + LATE)
    elapsed = time.monotonic() - started
    return client.ended and seconds - 0.1 <= elapsed


# Downstream

@pytest.mark.parametrize("sent", ["", "GET", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: a\r\nX"], ids=repr)
def test_request_headers_timeout(proxy, upstream, sent):
    with Client(proxy.address("headers")) as client:
        if not sent:
            # The timer starts with the first byte: a silent connection is none of its business.
            assert client.quiet(0.6)
            return
        client.send(sent)
        started = time.monotonic()
        answer = client.response(timeout=LATE)
        assert time.monotonic() - started >= 0.2
        assert (answer.status, answer.text) == (408, "request header timeout")
        assert client.closed(LATE)
    assert not upstream.requests


def test_request_headers_timeout_spares_the_body(proxy):
    with Client(proxy.address("headers")) as client:
        client.send(make_request("POST", headers=[("Content-Length", "2")]))
        time.sleep(0.6)
        client.send("ok")
        assert client.response().status == 200


def test_request_headers_timeout_of_the_second_request(proxy):
    with Client(proxy.address("headers")) as client:
        assert client.request().status == 200
        time.sleep(0.6)
        client.send("GET / HT")
        assert client.response().status == 408


def test_slow_headers_do_not_buy_time(proxy):
    with Client(proxy.address("headers")) as client:
        started = time.monotonic()
        for i in range(40):
            try:
                client.socket.sendall(b"G"[:1] if i else b"GET / HTTP/1.1\r\nX: ")
            except OSError:
                break
            if client._fill(time.monotonic() + 0.05):
                break
        assert time.monotonic() - started < 1.5


def test_request_timeout(proxy):
    with Client(proxy.address("request")) as client:
        client.send(make_request("POST", headers=[("Content-Length", "10")]) + b"12345")
        answer = client.response(timeout=LATE)
        assert (answer.status, answer.text) == (408, "request timeout")
    assert proxy.wait_stat("http.request.downstream_rq_timeout", 1) == 1


def test_request_timeout_ends_with_the_request(proxy, upstream):
    upstream.respond = [0.6, OK]
    with Client(proxy.address("request")) as client:
        assert client.request().status == 200


def test_idle_timeout(proxy):
    with Client(proxy.address("idle")) as client:
        assert ends_after(client, 0.3)
    with Client(proxy.address("idle")) as client:
        assert client.request().status == 200
        assert ends_after(client, 0.3)
    assert proxy.wait_stat("http.idle.downstream_cx_idle_timeout", 2) == 2


def test_idle_timeout_restarts_with_every_request(proxy):
    with Client(proxy.address("idle")) as client:
        for _ in range(5):
            assert client.request().status == 200
            time.sleep(0.15)


def test_idle_timeout_spares_a_slow_answer(proxy, upstream):
    upstream.respond = [0.7, OK]
    with Client(proxy.address("idle")) as client:
        assert client.request().status == 200


def test_stream_idle_timeout_before_the_answer(proxy, upstream):
    upstream.respond = [1.0, OK]
    with Client(proxy.address("stream")) as client:
        answer = client.request()
        assert (answer.status, answer.text) == (504, "stream timeout")


def test_stream_idle_timeout_in_the_request_body(proxy):
    with Client(proxy.address("stream")) as client:
        client.send(make_request("POST", headers=[("Content-Length", "10")]) + b"12345")
        answer = client.response(timeout=LATE)
        assert (answer.status, answer.text) == (408, "stream timeout")


def test_stream_idle_timeout_in_the_answer(proxy, upstream):
    upstream.respond = [b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345", 1.0, b"67890"]
    with Client(proxy.address("stream")) as client:
        client.send(make_request())
        client.head()
        assert client.read_all(LATE) == b"12345"
        assert client.ended


def test_stream_idle_timeout_restarts_with_every_byte(proxy, upstream):
    upstream.respond = [b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n"] + [s for b in b"abcdef" for s in (bytes([b]), 0.15)]
    with Client(proxy.address("stream")) as client:
        assert client.request().body == b"abcdef"


def test_route_idle_timeout_overrides(proxy, upstream):
    upstream.respond = [1.0, OK]
    with Client(proxy.address("routes")) as client:
        answer = client.request(path="/idle")
        assert (answer.status, answer.text) == (504, "stream timeout")


def test_max_connection_duration(proxy):
    with Client(proxy.address("lifetime")) as client:
        assert client.request().status == 200
        assert ends_after(client, 0.3)


def test_max_requests_per_connection(proxy):
    with Client(proxy.address("count")) as client:
        assert client.request().get("connection") is None
        assert client.request().get("connection").lower() == "close"
        assert client.closed(LATE)


def test_delayed_close(proxy):
    with Client(proxy.address("delayed")) as client:
        client.send("BAD\r\n\r\n")
        assert client.response().status == 400
        assert client.closed(LATE)
    with Client(proxy.address("undelayed")) as client:
        client.send("BAD\r\n\r\n")
        assert client.response().status == 400
        assert client.closed(0.2)


# Routes

def test_route_timeout(proxy, upstream):
    upstream.respond = [1.0, OK]
    with Client(proxy.address("routes")) as client:
        started = time.monotonic()
        answer = client.request(path="/short")
        assert 0.15 < time.monotonic() - started < 1.0
        assert (answer.status, answer.text) == (504, "upstream request timeout")
        assert answer.get("content-type") == "text/plain"
        upstream.respond = OK
        assert client.request(path="/short").status == 200  # the client's connection lives on
    assert proxy.stat("cluster.up.upstream_rq_timeout") >= 1


def test_route_timeout_counts_from_the_end_of_the_request(proxy, upstream):
    with Client(proxy.address("routes")) as client:
        client.send(make_request("POST", "/short", [("Content-Length", "2")]))
        time.sleep(0.4)
        client.send("ok")
        assert client.response().status == 200


def test_route_timeout_after_headers_breaks_the_body(proxy, upstream):
    upstream.respond = [b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345", 0.8, b"67890"]
    with Client(proxy.address("routes")) as client:
        client.send(make_request(path="/short"))
        assert client.head().status == 200
        assert client.read_all(LATE) == b"12345"
        assert client.ended


def test_route_timeout_zero_is_none(proxy, upstream):
    upstream.respond = [0.5, OK]
    with Client(proxy.address("routes")) as client:
        assert client.request(path="/never").status == 200
    assert upstream.last.get("x-envoy-expected-rq-timeout-ms") is None


@pytest.mark.parametrize("path,milliseconds", [("/short", "200"), ("/long", "5000"), ("/default", "15000")])
def test_expected_timeout_header(proxy, upstream, path, milliseconds):
    with Client(proxy.address("routes")) as client:
        client.request(path=path)
    assert upstream.last.get("x-envoy-expected-rq-timeout-ms") == milliseconds


def test_idle_upstream_connection_is_closed(proxy, upstream):
    with Client(proxy.address("routes")) as client:
        client.request()
        connection = upstream.connections[upstream.last.connection]
        assert upstream.wait(lambda: connection.end, LATE)
        assert client.request().status == 200
