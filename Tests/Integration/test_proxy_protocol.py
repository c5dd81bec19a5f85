"""PROXY protocol, versions 1 and 2, in front of HTTP and of plain TCP."""

import socket
import struct
import time

import pytest

from harness import config as k
from harness.client import Client
from harness.differs import differs

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
V4 = socket.inet_aton("1.2.3.4") + socket.inet_aton("5.6.7.8") + struct.pack("!HH", 1111, 2222)
V6 = socket.inet_pton(socket.AF_INET6, "2001:db8::1") + socket.inet_pton(socket.AF_INET6, "2001:db8::2") + struct.pack("!HH", 1111, 2222)


def v2(command=0x21, family=0x11, body=V4, length=None):
    return SIGNATURE + struct.pack("!BBH", command, family, len(body) if length is None else length) + body


def tlv(kind, value):
    return struct.pack("!BH", kind, len(value)) + value


def ranges(*prefixes):
    return [{"address_prefix": p.split("/")[0], "prefix_len": int(p.split("/")[1])} for p in prefixes]


def chain(text, *prefixes):
    return {"name": text, "filters": [k.network_direct_response(text)],
            "filter_chain_match": {"source_prefix_ranges": ranges(*prefixes)}}


@pytest.fixture(scope="module")
def proxy(launch, upstream):
    def one(name, **fields):
        http = k.hcm([k.route()], stat_prefix=name)
        return k.listener(name, http, listener_filters=[k.proxy_protocol(stat_prefix=name, **fields)], listener_filters_timeout="0.3s")

    return launch(k.bootstrap([
        one("main"),
        one("optional", allow_requests_without_proxy_protocol=True),
        one("no-v1", disallowed_versions=["V1"]),
        one("no-v2", disallowed_versions=["V2"]),
        k.listener("late", k.echo(), listener_filters=[k.proxy_protocol()], listener_filters_timeout="0.3s",
                   continue_on_listener_filters_timeout=True),
        k.listener("chains", chains=[chain("v4", "1.2.3.4/32"), chain("v6", "2001:db8::1/128"), chain("local", "127.0.0.0/8")],
                   listener_filters=[k.proxy_protocol()]),
        k.listener("echo", k.echo(), listener_filters=[k.proxy_protocol()]),
    ], [k.cluster("up", [upstream])]))


REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"

GOOD = {
    "v1 tcp4": (b"PROXY TCP4 1.2.3.4 5.6.7.8 1111 2222\r\n", "1.2.3.4"),
    "v1 tcp6": (b"PROXY TCP6 2001:db8::1 2001:db8::2 1111 2222\r\n", "2001:db8::1"),
    "v1 unknown": (b"PROXY UNKNOWN\r\n", None),
    "v1 unknown with text": (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", None),
    "v1 port 65535": (b"PROXY TCP4 1.2.3.4 5.6.7.8 65535 1\r\n", "1.2.3.4"),
    "v2 tcp4": (v2(), "1.2.3.4"),
    "v2 tcp6": (v2(0x21, 0x21, V6), "2001:db8::1"),
    "v2 local": (v2(0x20, 0x00, b""), None),
    "v2 local with addresses": (v2(0x20, 0x11, V4), None),
    "v2 with a TLV": (v2(body=V4 + tlv(0x02, b"authority.example")), "1.2.3.4"),
    "v2 with many TLVs": (v2(body=V4 + tlv(0x01, b"h2") + tlv(0xE0, b"x" * 300) + tlv(0x04, b"")), "1.2.3.4"),
    "v2 local with TLV": (v2(0x20, 0x00, tlv(0xE0, b"x")), None),
}


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("how", ["whole", "bytes"])
def test_good_header(proxy, upstream, name, how):
    header, source = GOOD[name]
    with Client(proxy.address()) as client:
        if how == "whole":
            client.send(header + REQUEST)
        else:
            client.send_slowly(header)
            time.sleep(0.02)
            client.send(REQUEST)
        assert client.response().status == 200
        assert client.request().status == 200  # the header is read once


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("how", ["whole", "bytes"])
def test_source_of_a_good_header(proxy, name, how):
    """A chain per source address says which one the proxy understood."""
    header, source = GOOD[name]
    with Client(proxy.address("chains")) as client:
        client.send(header) if how == "whole" else client.send_slowly(header)
        assert client.read_all(2) == {"1.2.3.4": b"v4", "2001:db8::1": b"v6", None: b"local"}[source]


BAD = {
    "no header": REQUEST,
    "v1 lower case": b"proxy TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
    "v1 bad family": b"PROXY TCP5 1.2.3.4 5.6.7.8 1 2\r\n",
    "v1 bad address": b"PROXY TCP4 1.2.3.400 5.6.7.8 1 2\r\n",
    "v1 v6 address in tcp4": b"PROXY TCP4 ::1 ::2 1 2\r\n",
    "v1 v4 address in tcp6": b"PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n",
    "v1 too few": b"PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n",
    "v1 too many": b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n",
    "v1 port above 65535": b"PROXY TCP4 1.2.3.4 5.6.7.8 65536 2\r\n",
    "v1 negative port": b"PROXY TCP4 1.2.3.4 5.6.7.8 -1 2\r\n",
    "v1 port no number": b"PROXY TCP4 1.2.3.4 5.6.7.8 a 2\r\n",
    "v1 no family": b"PROXY \r\n",
    "v1 over 107 bytes": b"PROXY UNKNOWN " + b"a" * 100 + b"\r\n",
    "v1 without end": b"PROXY TCP4 " + b"1" * 200,
    "v2 version 1": v2(0x11),
    "v2 version 3": v2(0x31),
    "v2 command 2": v2(0x22),
    "v2 family 4": v2(family=0x41),
    "v2 too short": v2(body=V4[:11]),
    "v2 v6 too short": v2(family=0x21, body=V6[:35]),
    "v2 bad signature": SIGNATURE[:-1] + b"X" + struct.pack("!BBH", 0x21, 0x11, 12) + V4,
    "garbage": b"\x16\x03\x01\x02\x00",
}


@pytest.mark.parametrize("name", BAD)
def test_bad_header(proxy, upstream, name):
    with Client(proxy.address()) as client:
        client.send(BAD[name] + (REQUEST if name != "v1 without end" else b""), ignore_errors=True)
        assert client.read_all(2) == b""
        assert client.ended
    assert not upstream.requests


STRICT = "The PROXY header is read by the letter of its specification"
DOUBTFUL = {
    "v1 leading zero in the port": (b"PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n",
                                    differs("PROXY v1 port `01`", envoy=200, martlet=(200, None), why=STRICT)),
    "v2 TLV longer than the header": (v2(body=V4 + b"\xe0\x00\xff" + b"x"),
                                      differs("PROXY v2 with a TLV longer than the header", envoy=None, martlet=(200, None), why=STRICT)),
    # "The receiver is free to accept the connection anyway or to reject it."
    "v2 unspec": (v2(0x21, 0x00, b""), (200, None)),
    "v2 udp": (v2(family=0x12), (200, None)),
    "v1 ended by LF": (b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n", None),
}


@pytest.mark.parametrize("name", DOUBTFUL)
def test_doubtful_header(proxy, settle, name):
    header, expect = DOUBTFUL[name]
    expect = settle(expect)
    with Client(proxy.address()) as client:
        client.send(header + REQUEST, ignore_errors=True)
        raw = client.read_all(0.6)
        seen = int(raw[9:12]) if raw else None
        assert seen in (expect if isinstance(expect, tuple) else (expect,))


def test_half_a_header_times_out(proxy):
    for part in (b"", b"PROXY TC", SIGNATURE[:7], v2()[:20]):
        with Client(proxy.address()) as client:
            client.send(part)
            started = time.monotonic()
            assert client.closed(2)
            assert time.monotonic() - started > 0.2
    assert proxy.stat("listener.main.downstream_pre_cx_timeout") == 4
    assert proxy.stat("listener.main.downstream_pre_cx_active") == 0


def test_timeout_may_continue(proxy):
    with Client(proxy.address("late")) as client:
        time.sleep(0.5)
        assert client.send("hello").read(5) == b"hello"


def test_optional_header(proxy, upstream):
    with Client(proxy.address("optional")) as client:
        assert client.request().status == 200
    with Client(proxy.address("optional")) as client:
        client.send(GOOD["v1 tcp4"][0] + REQUEST)
        assert client.response().status == 200
    with Client(proxy.address("optional")) as client:
        client.send(GOOD["v2 tcp4"][0])
        time.sleep(0.02)
        client.send(REQUEST)
        assert client.response().status == 200
    with Client(proxy.address("optional")) as client:
        client.send_slowly(b"P", 0.05).send(b"OST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
        assert client.response().status == 200
        assert upstream.last.method == "POST"


@pytest.mark.parametrize("listener,good,bad", [("no-v1", "v2 tcp4", "v1 tcp4"), ("no-v2", "v1 tcp4", "v2 tcp4")])
def test_disallowed_versions(proxy, listener, good, bad):
    with Client(proxy.address(listener)) as client:
        client.send(GOOD[good][0] + REQUEST)
        assert client.response().status == 200
    with Client(proxy.address(listener)) as client:
        client.send(GOOD[bad][0] + REQUEST, ignore_errors=True)
        assert client.read_all(2) == b"" and client.ended


def test_bytes_behind_the_header_are_the_stream(proxy):
    with Client(proxy.address("echo")) as client:
        client.send(v2(body=V4 + tlv(0xE0, b"x" * 5000)) + b"first")
        assert client.read(5) == b"first"
        assert client.send(b"PROXY TCP4 no header now\r\n").read(26) == b"PROXY TCP4 no header now\r\n"
