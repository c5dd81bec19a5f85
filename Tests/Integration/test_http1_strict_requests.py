"""Requests as bytes, and what must become of them.

RFC 9112 and Envoy 1.40 where both agree; where Envoy is laxer, Martlet is strict and the
case says why. The second word of an expectation is the connection's fate: after an answer
to bytes that are no request the connection ends, and nothing behind them is ever served.
"""

import pytest

from harness import config as k
from harness.differs import Difference, differs
from harness.lanes import Case, alternatives, run_table, selected

OK, BAD, TOO_LARGE, UPGRADE = "200 open", "400 close", "431 close", "426 close"
# An unknown transfer coding may be called 501 (RFC 9112 6.1, Envoy) or 400 (6.3).
CODING = ("501 close", "400 close")
EITHER = (OK, BAD)

CASES: list[Case] = []


def case(name, raw, expect):
    CASES.append(Case(name, raw if isinstance(raw, bytes) else raw.encode("latin-1"), expect))


def stricter(name, raw, why, envoy=OK):
    """Envoy lets it pass, Martlet answers 400 and closes."""
    case(name, raw, differs("request: " + name, envoy=envoy, martlet=BAD, why=why))


HOST = "Host: a.example\r\n"
GET = "GET / HTTP/1.1\r\n" + HOST
POST = "POST / HTTP/1.1\r\n" + HOST
CHUNKED = POST + "Transfer-Encoding: chunked\r\n\r\n"
NEXT = "GET /smuggled HTTP/1.1\r\nHost: a.example\r\n\r\n"

# Content-Length and Transfer-Encoding (RFC 9112 6.1-6.3)

for name, headers in {
    "both length and coding": "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
    "both, other order": "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    "both, length 0": "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
    "length twice, equal": "Content-Length: 5\r\nContent-Length: 5\r\n",
    "length twice, unequal": "Content-Length: 5\r\nContent-Length: 6\r\n",
    "length as list, equal": "Content-Length: 5, 5\r\n",
    "length as list, unequal": "Content-Length: 5, 6\r\n",
    "length without colon": "Content-Length\r\n",
    "length, space before colon": "Content-Length : 5\r\n",
    "coding, space before colon": "Transfer-Encoding : chunked\r\n",
}.items():
    case(name, POST + headers + "\r\n0\r\n\r\n" + NEXT, BAD)

for value in ["", "-1", "+2", "2 2", "0x2", "2;", "2.0", "1e1", "abc", "'2'", "2,", ",2", "\xb2", "\xd9\xa2",
              "99999999999999999999999", "18446744073709551616"]:
    case(f"length {value!r}", POST + f"Content-Length: {value}\r\n\r\nok", BAD)
OVERFLOW = "Lengths beyond 2^63-1 are refused rather than waited for"
stricter("length 2^64-1", POST + "Content-Length: 18446744073709551615\r\n\r\nok", OVERFLOW, (" open",))
stricter("length 2^63", POST + "Content-Length: 9223372036854775808\r\n\r\nok", OVERFLOW, (" open",))
for value in ["2", "2\t", "\t2", "002"]:
    case(f"length {value!r}", POST + f"Content-Length: {value}\r\n\r\nok", OK)

for value in ["identity", "gzip", "gzip, chunked", "chunked, chunked", "chunked, gzip", "chunked, identity",
              "identity, chunked", "xchunked", "chunkedx", "chunked,", ",chunked", '"chunked"', "chunked;q=1",
              "", "chu nked", "trailers"]:
    case(f"coding {value!r}", POST + f"Transfer-Encoding: {value}\r\n\r\n0\r\n\r\n" + NEXT, CODING)
case("coding with control byte", POST + "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", BAD)
for name, headers in {
    "coding twice": "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    "coding twice, identity first": "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
    "coding twice, identity last": "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
}.items():
    case(name, POST + headers + "\r\n0\r\n\r\n" + NEXT, CODING)
for value in ["chunked", "CHUNKED", "Chunked"]:
    case(f"coding {value!r}", POST + f"Transfer-Encoding: {value}\r\n\r\n0\r\n\r\n", OK)
case("coding in HTTP/1.0", "POST / HTTP/1.0\r\n" + HOST + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", (UPGRADE, BAD))
case("chunked GET", GET + "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", OK)
case("GET with body", GET + "Content-Length: 2\r\n\r\nok", OK)
case("POST without length", POST + "\r\n", OK)
case("POST without length but bytes", POST + "\r\nhello=1\r\n\r\n", "200,400 close")
case("bytes behind the body", POST + "Content-Length: 2\r\n\r\nokEXTRA\r\n\r\n", "200,400 close")

# Chunked bodies (RFC 9112 7.1)

for name, body in {
    "plain": "2\r\nok\r\n0\r\n\r\n",
    "upper hex": "A\r\n0123456789\r\n0\r\n\r\n",
    "lower hex": "a\r\n0123456789\r\n0\r\n\r\n",
    "leading zeros": "0002\r\nok\r\n0\r\n\r\n",
    "extension": "2;a=b\r\nok\r\n0\r\n\r\n",
    "extension without value": "2;a\r\nok\r\n0\r\n\r\n",
    "extension quoted": '2;a="b;c"\r\nok\r\n0\r\n\r\n',
    "extension on the last": "2\r\nok\r\n0;a=b\r\n\r\n",
    "trailer": "2\r\nok\r\n0\r\nx-t: 1\r\n\r\n",
}.items():
    case("chunk " + name, CHUNKED + body, OK)
for name, body in {
    "forty leading zeros": "0" * 40 + "2\r\nok\r\n0\r\n\r\n",
    "extension with blanks": "2 ; a = b\r\nok\r\n0\r\n\r\n",
    "extension empty": "2;\r\nok\r\n0\r\n\r\n",
    "extension of 20000 bytes": "2;" + "a" * 20000 + "\r\nok\r\n0\r\n\r\n",
}.items():
    case("chunk " + name, CHUNKED + body, EITHER)
for name, body in {
    "17 digits": "FFFFFFFFFFFFFFFFF\r\nok\r\n",
    "wraps 64 bits": "10000000000000002\r\nok\r\n0\r\n\r\n",
    "negative": "-2\r\nok\r\n0\r\n\r\n",
    "plus": "+2\r\nok\r\n0\r\n\r\n",
    "empty size": "\r\nok\r\n0\r\n\r\n",
    "0x": "0x2\r\nok\r\n0\r\n\r\n",
    "leading space": " 2\r\nok\r\n0\r\n\r\n",
    "not hex": "g\r\nok\r\n0\r\n\r\n",
    "underscore": "1_0\r\n0123456789abcdef\r\n0\r\n\r\n",
    "extension with LF": "2;a\nb\r\nok\r\n0\r\n\r\n",
    "extension with CR": "2;a\rb\r\nok\r\n0\r\n\r\n",
    "no CRLF after data": "2\r\nok0\r\n\r\n",
    "CR after data": "2\r\nok\r0\r\n\r\n",
    "LF after size": "2\nok\r\n0\r\n\r\n",
    "CR after size": "2\rok\r\n0\r\n\r\n",
    "LF after last": "2\r\nok\r\n0\n\r\n",
    "trailer with blank name": "0\r\nx t: 1\r\n\r\n",
    "trailer without colon": "0\r\nxt\r\n\r\n",
    "trailer with NUL": "0\r\nx: a\0b\r\n\r\n",
}.items():
    case("chunk " + name, CHUNKED + body, BAD)
FRAMING = "Chunk framing is read by the letter of RFC 9112 7.1"
for name, body in {
    "trailing space": "2 \r\nok\r\n0\r\n\r\n",
    "trailing tab": "2\t\r\nok\r\n0\r\n\r\n",
    "two sizes": "2 2\r\nok\r\n0\r\n\r\n",
    "extension with NUL": "2;a\0b\r\nok\r\n0\r\n\r\n",
    "LF after data": "2\r\nok\n0\r\n\r\n",
    "LF at the end": "2\r\nok\r\n0\r\n\n",
    "data longer than size": "2\r\nokk\r\n0\r\n\r\n",
    "data shorter than size": "3\r\nok\r\n0\r\n\r\n",
    "trailer folded": "0\r\nx: a\r\n b\r\n\r\n",
    "trailer ended by LF": "0\r\nx: a\n\r\n",
}.items():
    stricter("chunk " + name, CHUNKED + body, FRAMING)
stricter("chunk of 2^64-1 bytes", CHUNKED + "FFFFFFFFFFFFFFFF\r\nok\r\n", OVERFLOW, (" open",))
# Forbidden in trailers (RFC 9110 6.5.1); trailers are dropped here, or the request is.
for name, line in {"length": "content-length: 5", "coding": "transfer-encoding: chunked", "host": "host: evil"}.items():
    case("chunk trailer " + name, CHUNKED + f"0\r\n{line}\r\n\r\n", EITHER)
case("chunk trailer of 70000 bytes", CHUNKED + "0\r\nx: " + "a" * 70000 + "\r\n\r\n", TOO_LARGE)
case("chunk 120 trailers", CHUNKED + "0\r\n" + "".join(f"x{i}: a\r\n" for i in range(120)) + "\r\n", (OK, TOO_LARGE))
case("chunked, then another", CHUNKED + "2\r\nok\r\n0\r\n\r\n" + GET + "\r\n", "200,200 open")
case("bad chunk, then another", CHUNKED + "zz\r\nok\r\n0\r\n\r\n" + NEXT, BAD)

# Line ends and forbidden bytes (RFC 9112 2.2, RFC 9110 5.5)

LINES = "A line ends with CRLF and nothing else (RFC 9112 2.2)"
stricter("LF ends every line", "GET / HTTP/1.1\nHost: a.example\n\n", LINES)
stricter("LF ends the request line", "GET / HTTP/1.1\nHost: a.example\r\n\r\n", LINES)
stricter("LF ends a header", "GET / HTTP/1.1\r\nHost: a.example\nX: y\r\n\r\n", LINES)
stricter("LF ends the head", "GET / HTTP/1.1\r\nHost: a.example\r\n\n", LINES)
stricter("CR in a value", GET + "X: a\rb\r\n\r\n", LINES)
stricter("CR in the request line", "GET /\r HTTP/1.1\r\n" + HOST + "\r\n", LINES)
stricter("CR CR LF ends the request line", "GET / HTTP/1.1\r\r\n" + HOST + "\r\n", LINES)
stricter("CR CR LF ends a header", GET + "X: a\r\r\n\r\n", LINES)
case("CR in a name", GET + "X\ra: b\r\n\r\n", BAD)
case("CR ends a header", "GET / HTTP/1.1\r\nHost: a.example\rX: y\r\n\r\n", BAD)
case("NUL in a value", GET + "X: a\0b\r\n\r\n", BAD)
case("NUL in a name", GET + "X\0a: b\r\n\r\n", BAD)
case("NUL in the target", "GET /\0 HTTP/1.1\r\n" + HOST + "\r\n", BAD)
case("NUL in the method", "GE\0T / HTTP/1.1\r\n" + HOST + "\r\n", BAD)
case("NUL first", "\0GET / HTTP/1.1\r\n" + HOST + "\r\n", BAD)
for byte in [0x01, 0x07, 0x08, 0x0B, 0x0C, 0x1B, 0x1F, 0x7F]:
    case(f"value with {byte:#04x}", GET + f"X: a{chr(byte)}b\r\n\r\n", BAD)
for byte in [0x09, 0x20, 0x80, 0xFF]:
    case(f"value with {byte:#04x}", GET + f"X: a{chr(byte)}b\r\n\r\n", OK)
for byte in ' \t"(),/;<=>?@[\\]{}\x7f\x80\xff\x01':
    case(f"name with {byte!r}", GET + f"X{byte}a: b\r\n\r\n", BAD)
case("name of every token byte", GET + "!#$%&'*+-.^_`|~09azAZ: b\r\n\r\n", OK)
case("name with underscore", GET + "x_a: b\r\n\r\n", OK)
case("value with colon", GET + "x::a: b\r\n\r\n", OK)
case("name empty", GET + ": b\r\n\r\n", BAD)
case("space before colon", GET + "X : b\r\n\r\n", BAD)
case("tab before colon", GET + "X\t: b\r\n\r\n", BAD)
case("host, space before colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", BAD)
FOLDING = "Obsolete line folding is refused (RFC 9112 5.2)"
stricter("folded with space", GET + "X: a\r\n b\r\n\r\n", FOLDING)
stricter("folded with tab", GET + "X: a\r\n\tb\r\n\r\n", FOLDING)
stricter("folded transfer coding", POST + "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", FOLDING)
case("fold on the first line", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", BAD)
case("header without colon", GET + "X\r\n\r\n", BAD)
case("value empty", GET + "X:\r\n\r\n", OK)
case("value blank", GET + "X:  \t \r\n\r\n", OK)

# Request line (RFC 9112 3)

case("an empty line first", "\r\n" + GET + "\r\n", OK)
case("three empty lines first", "\r\n\r\n\r\n" + GET + "\r\n", EITHER)
case("a thousand empty lines first", "\r\n" * 1000 + GET + "\r\n", EITHER)
stricter("LF first", "\n" + GET + "\r\n", LINES)
stricter("CR first", "\r" + GET + "\r\n", LINES)
case("space first", " " + GET + "\r\n", BAD)
for version in ["HTTP/1.2", "HTTP/1.3", "HTTP/2.0", "HTTP/3.0", "HTTP/0.9", "HTTP/1.0", "HTTP/1.9", "HTTP/9.9"]:
    case(f"version {version}", f"GET / {version}\r\n{HOST}\r\n", UPGRADE)
for version in ["http/1.1", "HTTP/1", "HTTP/1.", "HTTP/.1", "HTTP/11", "HTTP/1.10", "HTTP/01.1", "HTTP /1.1", "HTTP",
                "HTTPS/1.1", "XTTP/1.1", "HTTP/1.1x", "HTTP/1,1", "ICE/1.1"]:
    case(f"version {version!r}", f"GET / {version}\r\n{HOST}\r\n", BAD)
BLANKS = "The request line has single spaces (RFC 9112 3)"
for version in [" HTTP/1.1", "HTTP/1.1 ", "\tHTTP/1.1"]:
    stricter(f"version {version!r}", f"GET / {version}\r\n{HOST}\r\n", BLANKS)
stricter("tab after the method", "GET\t / HTTP/1.1\r\n" + HOST + "\r\n", BLANKS)
for name, raw in {"HTTP/0.9 alone": "GET /\r\n\r\n", "HTTP/0.9 with header": "GET /\r\n" + HOST + "\r\n",
                  "HTTP/0.9 with space": "GET / \r\n" + HOST + "\r\n"}.items():
    case(name, raw, (UPGRADE, BAD))
case("method alone", "GET\r\n" + HOST + "\r\n", BAD)
for method in ["get", "Get", "FOO", "G@T", "GE(T", "G\xc9T", "X" * 300, "", "PRI", "BREW", "A", "foo"]:
    case(f"method {method[:9]!r}", f"{method} / HTTP/1.1\r\n{HOST}\r\n", BAD)
case("method M-SEARCH", f"M-SEARCH / HTTP/1.1\r\n{HOST}\r\n", BAD)
for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PURGE", "MKCOL", "PROPFIND", "SOURCE"]:
    case(f"method {method}", f"{method} / HTTP/1.1\r\n{HOST}\r\n", OK)
for target in ["/%", "/%zz", "//a", "/../x", "/a//b", '/<>"{}|\\^`', "/?", "/?a=b?c", "/;x", "/" + "a" * 8000]:
    case(f"target {target[:16]!r}", f"GET {target} HTTP/1.1\r\n{HOST}\r\n", OK)
for target in ["/a b", "/a\tb", "/\xff", "/\x7f", "/\x01", "#", "?x", "*", "a", "a.example:80", "a.example", "",
               "http:/x", "http://", "http:///x", "ftp://a.example/x",
               "/a#b", "/#", "/a?b#c"]:
    case(f"target {target!r}", f"GET {target} HTTP/1.1\r\n{HOST}\r\n", BAD)
case("target of 70000 bytes", f"GET /{'a' * 70000} HTTP/1.1\r\n{HOST}\r\n", TOO_LARGE)
for target in ["http://a.example/", "http://a.example", "http://b.example/x", "https://a.example/x", "HTTP://a.example/x"]:
    case(f"target {target}", f"GET {target} HTTP/1.1\r\n{HOST}\r\n", OK)
case("absolute target, empty path with query", f"GET http://a.example?x HTTP/1.1\r\n{HOST}\r\n",
     differs("absolute target `http://host?query`", envoy="404 open", martlet=("200 open", "404 open", "400 close"),
             why="Envoy routes this target with the path `?query`, which no prefix matches"))
case("OPTIONS *", f"OPTIONS * HTTP/1.1\r\n{HOST}\r\n", "404 open")
case("CONNECT without a route for it", "CONNECT a.example:80 HTTP/1.1\r\nHost: a.example:80\r\n\r\n", "404 close")
case("CONNECT with path", "CONNECT / HTTP/1.1\r\n" + HOST + "\r\n", BAD)
case("CONNECT without port", "CONNECT a.example HTTP/1.1\r\n" + HOST + "\r\n", BAD)
case("CONNECT with length", "CONNECT a.example:80 HTTP/1.1\r\nHost: a.example:80\r\nContent-Length: 2\r\n\r\nok", (BAD, "404 close"))

# Host (RFC 9112 3.2, RFC 3986 3.2.2)

case("no host", "GET / HTTP/1.1\r\n\r\n", BAD)
case("no host, absolute target", "GET http://a.example/ HTTP/1.1\r\n\r\n", EITHER)
HOSTS = "Exactly one valid Host is required (RFC 9112 3.2)"
stricter("two hosts", GET + "Host: b.example\r\n\r\n", HOSTS)
stricter("two equal hosts", GET + HOST + "\r\n", HOSTS)
for host in ["a b", "a\tb", "a/b", "a?b", "a#b", "a\\b", "\xff", "a<b", 'a"b']:
    case(f"host {host!r}", f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n", BAD)
for host in ["a", "a.example:80", "[::1]", "[::1]:80", "a_b", "a%20b", "-", "A.EXAMPLE"]:
    case(f"host {host!r}", f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n", OK)
for host in ["a@b", "u:p@a", "a:80:80", "a:x", "[::1"]:
    stricter(f"host {host!r}", f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n", HOSTS)
stricter("userinfo in the target", f"GET http://u:p@a.example/ HTTP/1.1\r\n{HOST}\r\n", HOSTS)
# A port is any digits and a name may have commas (RFC 3986 3.2.2, 3.2.3): valid, if odd.
case("port 99999 in the target", f"GET http://a.example:99999/ HTTP/1.1\r\n{HOST}\r\n", EITHER)
for host in ["", "a:", ":80", "a;b", "a'b", ".", "a,b", "a:99999"]:
    case(f"host {host!r}", f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n", EITHER)

# Sizes

case("head of 59000 bytes", GET + "X: " + "a" * 59000 + "\r\n\r\n", OK)
case("head of 61500 bytes", GET + "X: " + "a" * 61500 + "\r\n\r\n", TOO_LARGE)
case("head without end", GET + "X: " + "a" * 100000, TOO_LARGE)
case("name of 61500 bytes", GET + "a" * 61500 + ": b\r\n\r\n", TOO_LARGE)
case("100 headers", GET + "".join(f"x{i}: a\r\n" for i in range(99)) + "\r\n", OK)
case("101 headers", GET + "".join(f"x{i}: a\r\n" for i in range(100)) + "\r\n", TOO_LARGE)

# Meaning

case("upgrade to websocket", GET + "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n", "403 close")
case("upgrade to TLS", GET + "Connection: upgrade\r\nUpgrade: TLS/1.0\r\n\r\n", "403 close")
case("upgrade to h2c", GET + "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n", OK)
case("upgrade without connection", GET + "Upgrade: websocket\r\n\r\n", OK)
case("HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (BAD, UPGRADE))
case("TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"a" * 200, BAD)
case("garbage", "\r\r\r\n\n\nhello world\r\n\r\n", BAD)
case("unknown expectation", POST + "Content-Length: 2\r\nExpect: 200-ok\r\n\r\nok", (OK, "417 open", "417 close"))
case("connection close, then another", GET + "Connection: close\r\n\r\n" + NEXT, "200 close")
case("connection close in a list", GET + "Connection: keep-alive, close\r\n\r\n" + NEXT, "200 close")
case("connection names host", GET + "Connection: host\r\n\r\n", (BAD, OK))
case("connection names a header", GET + "Connection: x-foo\r\nX-Foo: a\r\n\r\n", OK)
case("TE trailers", GET + "TE: trailers\r\n\r\n", OK)
case("TE gzip", GET + "TE: gzip\r\n\r\n", OK)
case("bad, then another", "GET / HTTP/1.1\r\nBad Header: x\r\n\r\n" + NEXT, BAD)
case("good, then bad", GET + "\r\nBAD\r\n\r\n" + NEXT, "200,400 close")


def configuration(upstream):
    manager = k.hcm([k.route()], codec_type="HTTP1", delayed_close_timeout="0.05s")
    return k.bootstrap([k.listener("main", manager)], [k.cluster("up", [upstream])])


@pytest.fixture(scope="module")
def outcomes(request, kind):
    return run_table(kind, selected(request, CASES), configuration)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_request(case, outcomes, settle):
    outcome = outcomes[case.name]
    assert outcome.summary in alternatives(settle(case.expect)), (
        f"sent {case.raw[:300]!r}\ngot {outcome.exchange and outcome.exchange.raw[:600]!r} {outcome.crashed}")
    answered = outcome.exchange.statuses.count(200)
    assert len(outcome.requests) == answered, "the upstream saw other requests than were answered"
    if "smuggled" in case.raw.decode("latin-1") and "200,200" not in str(case.expect):
        assert all(r.target != "/smuggled" for r in outcome.requests)
    for response in outcome.exchange.responses:
        if response.status in (400, 426, 431, 501) and outcome.exchange.fate == "close":
            assert (response.get("connection") or "").lower() == "close"


def test_names_are_unique():
    assert len({c.name for c in CASES}) == len(CASES)


assert all(isinstance(c.expect, (str, tuple, Difference)) for c in CASES)
