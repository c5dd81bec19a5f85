"""Responses as bytes, and what must become of them.

An upstream is parsed as strictly as a client. A response that cannot be trusted becomes
502 while nothing was sent yet; later the client's connection ends with the message visibly
incomplete ("-1": no whole response could be parsed), because a truncated body must never
look whole.
"""

import pytest

from harness import config as k
from harness.differs import differs
from harness.lanes import Case, alternatives, run_table, selected
from harness.upstream import OK as PLAIN

OK, BAD_GATEWAY = "200 open", ("502 open", "502 close")
# Broken off: no whole response reached the client, or nothing did. A proxy that has seen the
# fault before it sent the head may still say 502.
BROKEN = ("-1 close", "-1 reset", " close", " reset", "502 open", "502 close")

GET = b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"
HEAD = b"HEAD / HTTP/1.1\r\nHost: a.example\r\n\r\n"
TOP = b"HTTP/1.1 200 OK\r\n"
CHUNKED = TOP + b"transfer-encoding: chunked\r\n\r\n"

CASES: list[Case] = []


def case(name, respond, expect=BAD_GATEWAY, raw=GET, methods=()):
    CASES.append(Case(name, raw, expect, respond, methods))


def stricter(name, respond, why, envoy=OK, martlet=BAD_GATEWAY):
    case(name, respond, differs("response: " + name, envoy=envoy, martlet=martlet, why=why))


# Framing

case("plain", PLAIN, OK)
for name, lines in {
    "length and coding": b"content-length: 5\r\ntransfer-encoding: chunked",
    "coding and length": b"transfer-encoding: chunked\r\ncontent-length: 5",
    "length twice, equal": b"content-length: 2\r\ncontent-length: 2",
    "length twice, unequal": b"content-length: 2\r\ncontent-length: 3",
    "coding twice": b"transfer-encoding: chunked\r\ntransfer-encoding: chunked",
}.items():
    case(name, TOP + lines + b"\r\n\r\n0\r\n\r\n")
for value in ["2, 2", "2, 3", "-1", "+2", "abc", "", "99999999999999999999999", "0x2"]:
    case(f"length {value!r}", TOP + f"content-length: {value}\r\n\r\nok".encode())
OVERFLOW = "Lengths beyond 2^63-1 are refused rather than waited for"
for value in ["18446744073709551615", "9223372036854775808"]:
    stricter(f"length {value}", TOP + f"content-length: {value}\r\n\r\nok".encode(), OVERFLOW, "-1 open")
for value in ["gzip", "identity", "chunked, chunked", "gzip, chunked", ""]:
    case(f"coding {value!r}", TOP + f"transfer-encoding: {value}\r\n\r\n2\r\nok\r\n0\r\n\r\n".encode())
case("coding 'Chunked'", TOP + b"transfer-encoding: Chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", OK)
VERSION = "An HTTP/1.0 message has no transfer coding (RFC 9112 6.1)"
stricter("coding in HTTP/1.0", b"HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", VERSION)

# Status line

for line in ["HTTP/1.1 200", "HTTP/1.1 200 "]:
    case(f"status line {line!r}", f"{line}\r\ncontent-length: 2\r\n\r\nok".encode(), OK)
case("status line with bytes above 0x7f", b"HTTP/1.1 200 \xff\r\ncontent-length: 2\r\n\r\nok", OK)
for line in ["HTTP/1.1 20 OK", "HTTP/1.1 abc OK", "HTTP/1.1 099 OK", "HTTP/1.1 000 OK", "HTTP/1.1 -200 OK",
             "HTTP/1.1 +20 OK", "HTTP/1.1 0x1 OK", "http/1.1 200 OK", "ICY 200 OK", "garbage", "",
             " HTTP/1.1 200 OK", "HTTP/1.1 200 O\0K"]:
    case(f"status line {line!r}", f"{line}\r\ncontent-length: 2\r\n\r\nok".encode())
STATUS = "A status line has the form of RFC 9112 4"
stricter("status of four digits", b"HTTP/1.1 2000 OK\r\ncontent-length: 2\r\n\r\nok", STATUS, "-1 open")
for line in ["HTTP/1.1  200 OK", "HTTP/1.1\t200 OK", "HTTP/1.1 200\tOK", "HTTP/1.1 200 O\rK"]:
    stricter(f"status line {line!r}", f"{line}\r\ncontent-length: 2\r\n\r\nok".encode(), STATUS)
for line in ["HTTP/2.0 200 OK", "HTTP/0.9 200 OK"]:
    stricter(f"status line {line!r}", f"{line}\r\ncontent-length: 2\r\n\r\nok".encode(), STATUS)
case("status line HTTP/1.2", b"HTTP/1.2 200 OK\r\ncontent-length: 2\r\n\r\nok", (OK, *BAD_GATEWAY))
for status in [600, 999]:
    case(f"status {status}", f"HTTP/1.1 {status} X\r\ncontent-length: 2\r\n\r\nok".encode(),
         (f"{status} open", *BAD_GATEWAY))
case("empty line first", b"\r\n" + PLAIN, (OK, *BAD_GATEWAY))

# Header lines

for name, line in {
    "blank in name": b"x y: 1", "no colon": b"xy", "empty name": b": a", "space before colon": b"x : a",
    "NUL": b"x: a\0b", "control byte": b"x: a\1b", "DEL": b"x: a\x7fb",
}.items():
    case("header, " + name, TOP + line + b"\r\ncontent-length: 2\r\n\r\nok")
case("header, byte above 0x7f", TOP + b"x: \xff\r\ncontent-length: 2\r\n\r\nok", OK)
LINES = "A line ends with CRLF and nothing else (RFC 9112 2.2)"
stricter("CR in a value", TOP + b"x: a\rb\r\ncontent-length: 2\r\n\r\nok", LINES)
stricter("LF ends a header", TOP + b"x: a\ny: b\r\ncontent-length: 2\r\n\r\nok", LINES)
stricter("LF ends every line", b"HTTP/1.1 200 OK\ncontent-length: 2\n\nok", LINES)
stricter("folded", TOP + b"x: a\r\n b\r\ncontent-length: 2\r\n\r\nok",
         "Obsolete line folding is refused (RFC 9112 5.2)")
case("head of 59000 bytes", TOP + b"x: " + b"a" * 59000 + b"\r\ncontent-length: 2\r\n\r\nok", OK)
case("head of 61500 bytes", TOP + b"x: " + b"a" * 61500 + b"\r\ncontent-length: 2\r\n\r\nok", (OK, *BAD_GATEWAY, "503 open"))
case("102 headers", TOP + b"".join(b"x%d: a\r\n" % i for i in range(101)) + b"content-length: 2\r\n\r\nok")

# Chunks

for name, body in {
    "plain": b"2\r\nok\r\n0\r\n\r\n", "extension": b"2;a=b\r\nok\r\n0\r\n\r\n", "trailer": b"2\r\nok\r\n0\r\nx: 1\r\n\r\n",
}.items():
    case("chunk, " + name, CHUNKED + body, OK)
for name, body in {
    "negative": b"-2\r\nok\r\n0\r\n\r\n", "not hex": b"g\r\nok\r\n0\r\n\r\n", "17 digits": b"FFFFFFFFFFFFFFFFF\r\nok\r\n",
    "0x": b"0x2\r\nok\r\n0\r\n\r\n", "empty size": b"\r\nok\r\n0\r\n\r\n", "no CRLF after data": b"2\r\nok0\r\n\r\n",
    "LF after size": b"2\nok\r\n0\r\n\r\n", "second one bad": b"2\r\nok\r\nzz\r\n", "bad trailer": b"2\r\nok\r\n0\r\nx y: 1\r\n\r\n",
}.items():
    case("chunk, " + name, CHUNKED + body, BROKEN)
FRAMING = "Chunk framing is read by the letter of RFC 9112 7.1"
for name, body in {
    "LF after data": b"2\r\nok\n0\r\n\r\n", "trailing space": b"2 \r\nok\r\n0\r\n\r\n", "data longer than size": b"2\r\nokk\r\n0\r\n\r\n",
}.items():
    stricter("chunk, " + name, CHUNKED + body, FRAMING, martlet=BROKEN)
case("chunk, forbidden trailer", CHUNKED + b"2\r\nok\r\n0\r\ncontent-length: 7\r\n\r\n", (OK, *BROKEN))

# Broken off

case("ends inside a chunk", [CHUNKED + b"5\r\nok", 0.05, "close"], BROKEN)
case("ends between chunks", [CHUNKED + b"2\r\nok\r\n", 0.05, "close"], BROKEN)
case("ends before the last CRLF", [CHUNKED + b"2\r\nok\r\n0\r\n", 0.05, "close"], BROKEN)
case("reset between chunks", [CHUNKED + b"2\r\nok\r\n", 0.05, "reset"], BROKEN)
case("ends before its length", [TOP + b"content-length: 10\r\n\r\nok", 0.05, "close"], BROKEN)
case("reset before its length", [TOP + b"content-length: 10\r\n\r\nok", 0.05, "reset"], BROKEN)
case("ends inside the head", [TOP + b"content-length: 1", 0.05, "close"], ("502 open", "503 open"))
case("ends inside the status line", [b"HTTP/1.", 0.05, "close"], ("502 open", "503 open"))
case("ends before anything", ["close"], "503 open")
case("reset before anything", ["reset"], "503 open")
case("without length, until close", [TOP + b"\r\nhello", 0.05, b" world", "close"], OK)
case("HTTP/1.0 until close", [b"HTTP/1.0 200 OK\r\n\r\nhello", "close"], OK)
stricter("without length, until reset", [TOP + b"\r\nhello", 0.05, "reset"],
         "A body that ends by the connection's end is whole only after an orderly end (RFC 9112 8)",
         martlet=BROKEN)
case("HTTP/1.0 with length", b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", OK)
case("connection close", b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok", OK)

# Without body

case("204", b"HTTP/1.1 204 No\r\n\r\n", "204 open")
case("204 with length 0", b"HTTP/1.1 204 No\r\ncontent-length: 0\r\n\r\n", "204 open")
case("204 with length 2", b"HTTP/1.1 204 No\r\ncontent-length: 2\r\n\r\n", ("204 open", *BAD_GATEWAY))
case("204 with coding", b"HTTP/1.1 204 No\r\ntransfer-encoding: chunked\r\n\r\n", ("204 open", *BAD_GATEWAY))
case("204 with bytes", b"HTTP/1.1 204 No\r\n\r\nok", "204 open")
case("304", b"HTTP/1.1 304 NM\r\n\r\n", "304 open")
case("304 with length", b"HTTP/1.1 304 NM\r\ncontent-length: 20\r\n\r\n", "304 open")
case("304 with coding", b"HTTP/1.1 304 NM\r\ntransfer-encoding: chunked\r\n\r\n", "304 open")
for name, lines in {"length": b"content-length: 20\r\n", "coding": b"transfer-encoding: chunked\r\n", "nothing": b""}.items():
    case("HEAD with " + name, TOP + lines + b"\r\n", OK, HEAD, ("HEAD",))
case("HEAD with bytes", TOP + b"content-length: 2\r\n\r\nok", OK, HEAD, ("HEAD",))

# More than one

case("bytes behind", PLAIN + b"garbage", OK)
case("a second response", PLAIN + PLAIN, OK)
for status in [100, 102, 103, 150]:
    case(f"{status} before", b"HTTP/1.1 %d X\r\n\r\n" % status + PLAIN, OK)
case("103 twice before", b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" * 2 + PLAIN, OK)
case("100 with length", b"HTTP/1.1 100 Continue\r\ncontent-length: 2\r\n\r\nok" + PLAIN)
case("100, then the end", [b"HTTP/1.1 100 Continue\r\n\r\n", 0.05, "close"], ("503 open", "502 open"))
stricter("101 nobody asked for", b"HTTP/1.1 101 Switching Protocols\r\nupgrade: foo\r\nconnection: upgrade\r\n\r\n",
         "A server may switch protocols only when asked (RFC 9110 15.2.2)", "101 open",
         (*BAD_GATEWAY, "503 open", "503 close"))


def configuration(upstream):
    manager = k.hcm([k.route()], codec_type="HTTP1", delayed_close_timeout="0.05s")
    return k.bootstrap([k.listener("main", manager)], [k.cluster("up", [upstream])])


@pytest.fixture(scope="module")
def outcomes(request, kind):
    return run_table(kind, selected(request, CASES), configuration)


PROTOCOL_ERROR = "upstream connect error or disconnect/reset before headers. reset reason: protocol error"
TERMINATION = "upstream connect error or disconnect/reset before headers. reset reason: connection termination"


@pytest.mark.parametrize("case", CASES, ids=str)
def test_response(case, outcomes, settle):
    outcome = outcomes[case.name]
    assert outcome.summary in alternatives(settle(case.expect)), (
        f"upstream sent {str(case.respond)[:300]}\nclient got {outcome.exchange and outcome.exchange.raw[:600]!r} {outcome.crashed}")
    assert len(outcome.requests) == 1, "a request was sent again, or not at all"
    for response in outcome.exchange.responses:
        if response.status == 502:
            assert response.text == PROTOCOL_ERROR
        if response.status == 503:
            assert response.text in (TERMINATION, PROTOCOL_ERROR)


def test_names_are_unique():
    assert len({c.name for c in CASES}) == len(CASES)
