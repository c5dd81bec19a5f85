"""Configuration that Martlet refuses today and other issues bring.

Each test starts its own proxy, so that what is refused here spoils nothing else. For Martlet
they are expected to fail, strictly: the day one passes, its mark has to go.
"""

import re

import pytest

from harness import config as k
from harness.client import Client, make_request
from harness.upstream import OK


def ask(proxy, path="/", headers=(), host="example.com"):
    with Client(proxy.address()) as client:
        return client.request("GET", path, headers, host=host)


@pytest.fixture
def serve(launch_once, upstream):
    def start(routes=None, clusters=(), **fields):
        manager = k.hcm(routes or [k.route()], **fields)
        return launch_once(k.bootstrap([k.listener("main", manager)], [k.cluster("up", [upstream]), *clusters]))
    return start


def tagged(tag, match):
    return k.direct(tag, match=match)


ROUTES = pytest.mark.later("routes in full")


def test_response_headers_to_add(serve):
    proxy = serve([{**k.direct("x"), "response_headers_to_add": [{"header": {"key": "x-added", "value": "yes"}}]}])
    assert ask(proxy).get("x-added") == "yes"


def test_forwarded_headers_with_remote_address(serve, upstream):
    proxy = serve(use_remote_address=True)
    ask(proxy)
    # For a client on loopback Envoy names the machine's own address; the client's is as good.
    own = upstream.last.get("x-forwarded-for")
    assert re.fullmatch(r"\d+\.\d+\.\d+\.\d+", own)
    ask(proxy, headers={"x-forwarded-for": "1.2.3.4", "x-forwarded-proto": "https"})
    assert upstream.last.all("x-forwarded-for") == [f"1.2.3.4,{own}"]
    assert upstream.last.get("x-forwarded-proto") == "http"


def test_skip_xff_append(serve, upstream):
    ask(serve(use_remote_address=True, skip_xff_append=True), headers={"x-forwarded-for": "1.2.3.4"})
    assert upstream.last.all("x-forwarded-for") == ["1.2.3.4"]


def test_preserve_external_request_id(serve, upstream):
    ask(serve(use_remote_address=True, preserve_external_request_id=True), headers={"x-request-id": "mine"})
    assert upstream.last.all("x-request-id") == ["mine"]


def test_via(serve, upstream):
    answer = ask(serve(via="mine"))
    assert upstream.last.get("via") == "mine" and answer.get("via") == "mine"


@pytest.mark.parametrize("header,source", [(b"PROXY TCP4 1.2.3.4 5.6.7.8 1111 2222\r\n", "1.2.3.4"),
                                           (b"PROXY TCP6 2001:db8::1 2001:db8::2 1111 2222\r\n", "2001:db8::1")])
def test_proxy_protocol_reaches_the_forwarding_headers(launch_once, upstream, header, source):
    manager = k.hcm([k.route()], use_remote_address=True)
    proxy = launch_once(k.bootstrap([k.listener("main", manager, listener_filters=[k.proxy_protocol()])], [k.cluster("up", [upstream])]))
    with Client(proxy.address()) as client:
        client.send(header + make_request())
        assert client.response().status == 200
    assert upstream.last.get("x-forwarded-for") == source


EXPECT = [("Expect", "100-continue"), ("Content-Length", "2")]


def test_expect_passes_with_proxy_100_continue(serve, upstream):
    proxy = serve(proxy_100_continue=True)
    bodies = []
    upstream.wait_for_body = False
    try:
        upstream.respond = [b"HTTP/1.1 100 Continue\r\n\r\n", lambda c: bodies.append(c.take(2)) or True, OK]
        with Client(proxy.address()) as client:
            client.send(make_request("POST", headers=EXPECT))
            assert client.response(interim=True).status == 100
            assert upstream.last.get("expect") == "100-continue"
            client.send(b"ok")
            assert client.response().status == 200
            assert bodies == [b"ok"]
            upstream.respond = [b"HTTP/1.1 417 No\r\ncontent-length: 0\r\n\r\n"]
        with Client(proxy.address()) as client:
            client.send(make_request("POST", headers=EXPECT))
            assert client.response(interim=True).status == 417
    finally:
        upstream.wait_for_body = True
