"""HTTP/1.0: refused by default, served when `accept_http_10` says so."""

import pytest

from harness import config as k
from harness.client import Client
from harness.upstream import OK


@pytest.fixture(scope="module")
def proxy(launch, upstream):
    def manager(name, **options):
        return k.hcm([k.route()], stat_prefix=name, http_protocol_options=options, delayed_close_timeout="0.05s")

    return launch(k.bootstrap([
        k.listener("off", manager("off")),
        k.listener("on", manager("on", accept_http_10=True)),
        k.listener("host", manager("host", accept_http_10=True, default_host_for_http_10="default.example")),
    ], [k.cluster("up", [upstream])]))


def test_refused_by_default(proxy, upstream):
    with Client(proxy.address("off")) as client:
        client.send("GET / HTTP/1.0\r\nHost: a\r\n\r\n")
        answer = client.response()
        assert (answer.status, answer.text) == (426, "Upgrade Required")
        assert client.closed()
    assert not upstream.requests


def test_served_when_enabled(proxy, upstream):
    with Client(proxy.address("on")) as client:
        client.send("GET / HTTP/1.0\r\nHost: a\r\n\r\n")
        answer = client.response()
        assert (answer.status, answer.body) == (200, b"ok")
        assert client.closed()
    assert upstream.last.version == "HTTP/1.1"


def test_keep_alive_when_asked(proxy, upstream):
    with Client(proxy.address("on")) as client:
        for _ in range(2):
            client.send("GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n")
            answer = client.response()
            assert answer.status == 200
            assert answer.get("connection").lower() == "keep-alive"


def test_never_chunked(proxy, upstream):
    upstream.respond = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n3\r\nyes\r\n0\r\n\r\n"
    with Client(proxy.address("on")) as client:
        client.send("GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n")
        answer = client.response()
        assert answer.get("transfer-encoding") is None
        assert answer.body == b"okyes"
        assert client.ended == "close"


def test_post_with_length(proxy, upstream):
    with Client(proxy.address("on")) as client:
        client.send("POST / HTTP/1.0\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
        assert client.response().status == 200
    assert upstream.last.body == b"hello"


def test_default_host(proxy, upstream):
    with Client(proxy.address("host")) as client:
        client.send("GET / HTTP/1.0\r\n\r\n")
        assert client.response().status == 200
    assert upstream.last.get("host") == "default.example"


def test_own_host_wins(proxy, upstream):
    with Client(proxy.address("host")) as client:
        client.send("GET / HTTP/1.0\r\nHost: own.example\r\n\r\n")
        assert client.response().status == 200
    assert upstream.last.get("host") == "own.example"


def test_missing_host_without_default(proxy, upstream):
    with Client(proxy.address("on")) as client:
        client.send("GET / HTTP/1.0\r\n\r\n")
        assert client.response().status == 400
        assert client.closed()


def test_no_interim_answers(proxy, upstream):
    """An HTTP/1.0 client knows none (RFC 9110 15.2)."""
    upstream.respond = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" + OK
    with Client(proxy.address("on")) as client:
        client.send("GET / HTTP/1.0\r\nHost: a\r\n\r\n")
        assert client.response(interim=True).status == 200


def test_http11_beside_it(proxy, upstream):
    with Client(proxy.address("on")) as client:
        assert client.request().status == 200
        assert client.request().status == 200


def test_upstream_http10(proxy, upstream):
    upstream.respond = [b"HTTP/1.0 200 OK\r\n\r\nuntil close", "close"]
    with Client(proxy.address("on")) as client:
        answer = client.request()
        assert answer.body == b"until close"
        upstream.respond = OK
        assert client.request().status == 200
