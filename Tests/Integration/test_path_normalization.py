"""normalize_path, merge_slashes, path_with_escaped_slashes_action, headers_with_underscores_action."""

import pytest

from harness import config as k
from harness.client import Client, exchange, make_request
from harness.differs import differs

KEEP, REJECT, REDIRECT, FORWARD = "KEEP_UNCHANGED", "REJECT_REQUEST", "UNESCAPE_AND_REDIRECT", "UNESCAPE_AND_FORWARD"
LISTENERS = {
    "plain": {}, "normalize": {"normalize_path": True}, "merge": {"merge_slashes": True},
    "both": {"normalize_path": True, "merge_slashes": True},
    **{action: {"path_with_escaped_slashes_action": action} for action in (KEEP, REJECT, REDIRECT, FORWARD)},
    **{action + "+": {"path_with_escaped_slashes_action": action, "normalize_path": True, "merge_slashes": True}
       for action in (KEEP, REJECT, REDIRECT, FORWARD)},
    **{name: {"common_http_protocol_options": {"headers_with_underscores_action": name}, "http_protocol_options": {"enable_trailers": True}}
       for name in ("ALLOW", "DROP_HEADER")},
    "REJECT": {"common_http_protocol_options": {"headers_with_underscores_action": "REJECT_REQUEST"},
               "http_protocol_options": {"enable_trailers": True}},
}


@pytest.fixture(scope="module")
def proxy(launch, upstream):
    routes = [k.direct("guarded", match={"prefix": "/guarded"}), k.route()]
    trailers = {"typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http_protocol_options": {"enable_trailers": True}}}}}
    return launch(k.bootstrap([k.listener(name, k.hcm(routes, stat_prefix=name, **fields)) for name, fields in LISTENERS.items()],
                              [k.cluster("up", [upstream], **trailers)]))


@pytest.fixture
def ask(proxy, upstream):
    """The path that goes upstream, or (status, location)."""
    def send(listener, path):
        before = len(upstream.requests)
        with Client(proxy.address(listener)) as client:
            client.send(f"GET {path} HTTP/1.1\r\nhost: h\r\n\r\n")
            answer = client.response()
        if len(upstream.requests) > before:
            return upstream.requests[before].target
        return answer.status, answer.text or answer.get("location")
    return send


NORMALIZE = {
    "/": "/", "/.": "/", "/..": "/", "/./": "/", "/../": "/", "/a/.": "/a/", "/a/..": "/", "/a/./b": "/a/b", "/a/../b": "/b",
    "/a/b/../../..": "/", "/a/b/../../../c": "/c", "/a//b": "/a//b", "//a": "//a", "//": "//", "//..": "/", "/a//..": "/a/",
    "/a//../b": "/a/b", "/a/%2e/b": "/a/b", "/a/%2E%2e/b": "/b", "/a/.%2e": "/", "/a/%2e": "/a/", "/a/%2e./": "/", "/a/...": "/a/...",
    "/a/....": "/a/....", "/a/.b": "/a/.b", "/a/b.": "/a/b.", "/a/..b": "/a/..b", "/.a": "/.a", "/%2e%2e": "/", "/%2e%2e%2f": "/..%2f",
    "/a/..%2fb": "/a/..%2fb", "/a\\b": "/a/b", "/a\\..\\b": "/b", "/a/..\\b": "/b", "/a/.\\..": "/", "/a?b/../c": "/a?b/../c",
    "/a/../b?x=/../y": "/b?x=/../y", "/a?%2e": "/a?%2e", "/a/..?q": "/?q", "/a/.?q": "/a/?q", "/%": "/%", "/%1": "/%1", "/%zz": "/%zz",
    "/a%2": "/a%2", "/a%25": "/a%25", "/a%252e/b": "/a%252e/b", "/%252e%252e/": "/%252e%252e/", "/a/%2e%2e%2e": "/a/...",
    "/a;b/../c": "/c", "/a/;/../b": "/a/b", "/a/..;/b": "/b", "/a/.;/b": "/a/b", "/a/..;x/b": "/b", "/a/..;": "/", "/a/...;/b": "/a/...;/b",
    "/a/..;x=1?y": "/?y",
    "/a/.;": "/a/", "/a/..;a;b/c": "/c", "/..;/": "/", "/a/..;\\b": "/", "/a/..%3b/b": "/a/..%3b/b", "/a;x/b": "/a;x/b", "/a/b;..": "/a/b;..",
    "/a/.;/../b": "/b", "/a/..;//b": "//b", "/a/..;x%2fb/c": "/c", "/.;": "/", "/a/b/..;": "/a/", "/%00": (400, None), "/a%00b": (400, None),
    "/a%7f": "/a%7f", "/a%80": "/a%80", "/caf%C3%A9": "/caf%C3%A9", "/a+b": "/a+b", "/a|b": "/a%7Cb", "/a^b": "/a%5Eb", "/a`b": "/a%60b",
    "/a{b}": "/a%7Bb%7D", '/a"b': "/a%22b", "/a<b>": "/a%3Cb%3E", "/a[b]": "/a[b]", "/a'b": "/a'b", "/a:b@c!d$e&f*g=h,i": "/a:b@c!d$e&f*g=h,i",
    "/%41%5a%61%7a%30%2d%5f%7e%2e%2E": "/AZaz0-_~..", "/%2F%2f%5C%5c": "/%2F%2f%5C%5c", "/.//": "//", "/..//a": "//a", "/a/../": "/",
    "/a/./": "/a/", "/a/.../..": "/a/", "/a/b/c/./../../g": "/a/g", "/mid/content=5/../6": "/mid/6", "/a/%2e%2e/%2e%2e/b": "/b",
    "/a/%2e%2e?%2e%2e/": "/?%2e%2e/", "/a//b//../c": "/a//b/c", "/a/\\/b": "/a///b", "/\\": "//", "/\\\\a": "///a",
    "/a%2f%2e%2e%2fb": "/a%2f..%2fb", "/a/%2f/../b": "/a/b", "/%2f%2e%2e": "/%2f..", "/a/%2e%2": "/a/.%2", "/a/..%": "/a/..%",
    "/a?|": "/a?|", "/./a": "/a", "/.../a": "/.../a", "/a/.%2E%2e/b": "/a/.../b", "/%61/%2E./%62": "/b",
}


@pytest.mark.parametrize("path,expected", NORMALIZE.items())
def test_normalize(ask, path, expected):
    assert ask("normalize", path) == expected


@pytest.mark.parametrize("code", range(256))
def test_every_escape(ask, code):
    byte = chr(code)
    expected = "/a" + byte + "b" if byte.isascii() and (byte.isalnum() or byte in "-._~") else None
    for form in (f"%{code:02X}", f"%{code:02x}"):
        got = ask("normalize", f"/a{form}b")
        assert got == ((400, None) if code == 0 else expected or f"/a{form}b")


@pytest.mark.parametrize("code", [c for c in range(0x21, 0x7f) if chr(c) not in "#?%"])
def test_every_byte(ask, code):
    byte = chr(code)
    expected = "/" if byte == "\\" else f"%{code:02X}" if byte in '"<>^`{|}' else byte
    assert ask("normalize", f"/a{byte}b") == f"/a{expected}b"


@pytest.mark.parametrize("path,expected", {
    "/": "/", "//": "//", "///": "//", "////": "//", "/a//b": "/a/b", "//a": "/a", "/a//": "/a/", "/a///": "/a/", "//a//b//": "/a/b/", "//..": "/..",
    "/a//../b": "/a/../b", "/a//?b//c": "/a/?b//c", "/?//": "/?//", "/a/b": "/a/b", "/a/%2f/b": "/a/%2f/b", "/a\\\\b": "/a\\\\b",
    "/.//": "/./"}.items())
def test_merge_slashes(ask, path, expected):
    assert ask("merge", path) == expected


@pytest.mark.parametrize("path,expected", {
    "///": "//", "//..": "/", "/..//a": "/a", "/a//b//../c": "/a/b/c", "/a/\\/b": "/a/b", "/\\": "//", "/\\\\a": "/a", "//a//b//": "/a/b/"}.items())
def test_normalize_and_merge(ask, path, expected):
    assert ask("both", path) == expected


# path: unescaped, and with normalization behind it
SLASHES = {
    "/%2e%2e%2f": ("/%2e%2e/", "/"), "/a/..%2fb": ("/a/../b", "/b"), "/a%2f..%2fb": ("/a/../b", "/b"), "/a/%5c../b": ("/a/\\../b", "/a/b"),
    "/%2F%2f%5C%5c": ("///\\\\", "//"), "/a/..%5cb": ("/a/..\\b", "/b"), "/a%5cb?x%5cy%2fz": ("/a\\b?x%5cy%2fz", "/a/b?x%5cy%2fz"),
    "/%2f": ("//", "//"), "/%2F%2Fa": ("///a", "/a"), "/a%2fb%2Fc": ("/a/b/c", "/a/b/c"), "/a%5cb": ("/a\\b", "/a/b"),
    "/a%2f%2e%2e%2fb": ("/a/%2e%2e/b", "/b"), "/a/%2f/../b": ("/a///../b", "/a/b"), "/%2f..": ("//..", "/"), "/a/b%2f..": ("/a/b/..", "/a/"),
    "/%2f%2e%2e": ("//%2e%2e", "/"),
}


@pytest.mark.parametrize("path", SLASHES)
@pytest.mark.parametrize("listener", [KEEP, REJECT, REDIRECT, FORWARD, REDIRECT + "+", FORWARD + "+", REJECT + "+"])
def test_escaped_slashes(ask, path, listener):
    changed = SLASHES[path][listener.endswith("+")]
    expected = {KEEP: path, REJECT: (400, None), REDIRECT: (307, changed), FORWARD: changed}[listener.rstrip("+")]
    assert ask(listener, path) == expected


@pytest.mark.parametrize("path", ["/a", "/a%2g", "/a%5", "/a%2", "/a?%2f", "/%", "/a%252f", "/a\\b"])
@pytest.mark.parametrize("listener", [KEEP, REJECT, REDIRECT, FORWARD])
def test_no_escaped_slashes(ask, path, listener):
    assert ask(listener, path) == path


@pytest.mark.parametrize("listener,path,expected", [
    ("plain", "/x/../guarded", "/x/../guarded"), ("normalize", "/x/../guarded", (200, "guarded")), ("normalize", "/%67uarded", (200, "guarded")),
    ("plain", "//guarded", "//guarded"), ("merge", "//guarded", (200, "guarded")), (FORWARD + "+", "/x%2f..%2fguarded", (200, "guarded"))])
def test_routes_see_the_result(ask, listener, path, expected):
    assert ask(listener, path) == expected


@pytest.mark.parametrize("target,expected", [("http://h/a/../b%2fc", "/b%2fc"), ("http://h", "/")])
def test_absolute_form(ask, target, expected):
    assert ask("normalize", target) == expected


def test_counters(proxy):
    before = [proxy.admin("/stats?filter=normaliz")[1]]
    assert f"http.{REJECT}.downstream_rq_failed_path_normalization" in before[0]
    stat = lambda name: int([line for line in proxy.admin("/stats")[1].splitlines() if line.startswith(name + ":")][0].split()[-1])  # noqa: E731
    names = [f"http.{REJECT}.downstream_rq_failed_path_normalization", f"http.{REDIRECT}.downstream_rq_redirected_with_normalized_path"]
    first = [stat(n) for n in names]
    exchange(proxy.address(REJECT), b"GET /%2f HTTP/1.1\r\nhost: h\r\n\r\n")
    exchange(proxy.address(REDIRECT), b"GET /%2f HTTP/1.1\r\nhost: h\r\n\r\n")
    assert [stat(n) for n in names] == [first[0] + 1, first[1] + 1]


ESCAPED = differs("`normalize_path` and `/a/%2e%2e;x/b`", envoy="/a/..;x/b", martlet="/b",
                  why="What normalization makes of a path is normal: Envoy would make `/b` of its own result")


@pytest.mark.parametrize("path", ["/a/%2e%2e;x/b", "/a/.%2e;x/b", "/a/%2e.;x/b"])
def test_escaped_dots_with_parameters(ask, settle, path):
    assert ask("normalize", path) == settle(ESCAPED)


def test_rejections_close_and_redirections_do_not(proxy):
    with Client(proxy.address(REDIRECT)) as client:
        assert [client.request(path=p).status for p in ("/%2f", "/a", "/%5C", "/b")] == [307, 200, 307, 200]
    with Client(proxy.address(REJECT)) as client:
        answer = client.request(path="/%2f")
        assert (answer.status, answer.get("connection")) == (400, "close") and client.closed()


@pytest.mark.parametrize("listener,name,status,passes", [
    ("ALLOW", "a_b", 200, True), ("ALLOW", "_", 200, True), ("DROP_HEADER", "a_b", 200, False), ("DROP_HEADER", "_", 200, False),
    ("DROP_HEADER", "A_B", 200, False), ("DROP_HEADER", "a-b", 200, True), ("REJECT", "a_b", 400, False), ("REJECT", "_", 400, False),
    ("REJECT", "x_", 400, False), ("REJECT", "a-b", 200, True)])
def test_underscores(proxy, upstream, listener, name, status, passes):
    with Client(proxy.address(listener)) as client:
        client.send(make_request(headers=[(name, "1"), ("ok", "1_2")]))
        answer = client.response()
        assert answer.status == status
        if status == 400:
            assert answer.text == "Bad Request" and client.closed()
        else:
            assert upstream.last.get("ok") == "1_2"
            assert (upstream.last.get(name) == "1") == passes


@pytest.mark.parametrize("listener,expected", [("ALLOW", [("t_x", "1"), ("t-y", "2")]), ("DROP_HEADER", [("t-y", "2")])])
def test_underscores_in_trailers(proxy, upstream, listener, expected):
    with Client(proxy.address(listener)) as client:
        client.send(b"POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nt_x: 1\r\nt-y: 2\r\n\r\n")
        assert client.response().status == 200
    assert upstream.last.trailers == expected


def test_underscore_counters(proxy):
    def stat(name):
        lines = [line for line in proxy.admin("/stats")[1].splitlines() if line.startswith(f"http1.{name}:")]
        return int(lines[0].split()[-1]) if lines else 0
    names = ["dropped_headers_with_underscores", "requests_rejected_with_underscores_in_headers"]
    first = [stat(n) for n in names]
    exchange(proxy.address("DROP_HEADER"), b"GET / HTTP/1.1\r\nhost: h\r\na_b: 1\r\nc_d: 1\r\n\r\n")
    exchange(proxy.address("REJECT"), b"GET / HTTP/1.1\r\nhost: h\r\na_b: 1\r\nc_d: 1\r\n\r\n")
    assert [stat(n) for n in names] == [first[0] + 2, first[1] + 1]
