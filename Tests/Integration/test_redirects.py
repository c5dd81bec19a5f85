"""Redirects: those that the proxy answers with, and those of upstreams that it follows itself."""

import pytest

from harness import config as k
from harness.client import Client
from harness.differs import differs
from harness.process import StartFailed
from harness.upstream import OK, ok


def regex(pattern, substitution):
    return {"pattern": {"regex": pattern}, "substitution": substitution}


def follows(prefix, action=None, **policy):
    return k.route(match={"prefix": prefix}, internal_redirect_policy=policy, **(action or {}))


def predicate(name, message, **fields):
    return {"name": name, "typed_config": {
        "@type": f"type.googleapis.com/envoy.extensions.internal_redirect.{name}.v3.{message}", **fields}}


@pytest.fixture(scope="module")
def proxy(launch, upstream):
    answered = [
        k.redirect({"prefix": "/a"}, regex_rewrite=regex("/a/(.*)", r"/z/\1")),
        k.redirect({"prefix": "/b"}, regex_rewrite=regex("b", "c"), strip_query=True),
        k.redirect({"prefix": "/c"}, regex_rewrite=regex(".*", "")),
        k.redirect({"prefix": "/d"}, scheme_redirect="HTTPS"),
        k.redirect({"prefix": "/e"}, host_redirect="x.y:99", port_redirect=88),
        k.redirect({"prefix": "/f"}, port_redirect=80),
        k.redirect({"prefix": "/g"}, https_redirect=True, port_redirect=443),
        k.redirect({"prefix": "/h"}, https_redirect=False, path_redirect="/new"),
        k.redirect({"safe_regex": {"regex": "/i/.*"}}, prefix_rewrite="/new"),
        k.redirect({"path_separated_prefix": "/jj"}, prefix_rewrite="/new"),
        k.redirect({"prefix": "/k"}, path_redirect="/new?x=y", strip_query=True),
        k.redirect({"prefix": "/l"}, host_redirect="x.y"),
        k.redirect({"prefix": "/m"}, prefix_rewrite="/new?z"),
    ]
    followed = [
        follows("/once/"),
        follows("/codes/", redirect_response_codes=[301, 303, 307, 308], max_internal_redirects=3),
        follows("/copy/", response_headers_to_copy=["x-copy", "X-Gone"]),
        follows("/cross/", allow_cross_scheme_redirect=True),
        follows("/rewritten/", {"prefix_rewrite": "/other/"}),
        follows("/zero/", max_internal_redirects=0),
        follows("/listed/", predicates=[predicate("allow_listed_routes", "AllowListedRoutesConfig", allowed_route_names=["good"])]),
        follows("/previous/", max_internal_redirects=5, predicates=[predicate("previous_routes", "PreviousRoutesConfig")]),
        follows("/safe/", allow_cross_scheme_redirect=True, predicates=[predicate("safe_cross_scheme", "SafeCrossSchemeConfig")]),
        k.direct("direct", match={"prefix": "/direct"}),
        k.redirect({"prefix": "/answered"}, path_redirect="/else"),
        {"name": "good", **k.route(match={"prefix": "/good"})},
        {"name": "bad", **k.route(match={"prefix": "/bad"})},
        k.route(match={"prefix": "/up"}),
    ]

    def secure(requirement):
        return k.hcm(hosts=[k.virtual_host("all", ["*"], [k.route()], require_tls=requirement)], stat_prefix=requirement.lower())

    return launch(k.bootstrap([
        k.listener("answered", k.hcm(answered, stat_prefix="answered")),
        k.listener("followed", k.hcm(followed, stat_prefix="followed")),
        k.listener("all", secure("ALL")), k.listener("external", secure("EXTERNAL_ONLY")), k.listener("none", secure("NONE")),
    ], [k.cluster("up", [upstream])]))


def ask(proxy, listener, path, headers=(), host="example.com", method="GET", body=b""):
    with Client(proxy.address(listener)) as client:
        return client.request(method, path, headers, body, host)


@pytest.mark.parametrize("path,headers,host,location", [
    ("/a/b/c?q", {}, "example.com", "http://example.com/z/b/c?q"), ("/a", {}, "example.com", "http://example.com/a"),
    ("/b/b?q", {}, "example.com", "http://example.com/c/c"), ("/c?q", {}, "example.com", "http://example.com/c?q"),
    ("/d", {}, "example.com", "HTTPS://example.com/d"), ("/d", {}, "example.com:8080", "HTTPS://example.com:8080/d"),
    ("/d", {"x-forwarded-proto": "https"}, "example.com", "HTTPS://example.com/d"),
    ("/e/x", {}, "example.com:8080", "http://x.y:99:88/e/x"),
    ("/f", {}, "example.com:8080", "http://example.com:80/f"), ("/f", {"x-forwarded-proto": "https"}, "e.c:443", "https://e.c:80/f"),
    ("/g", {}, "example.com:8080", "https://example.com:443/g"), ("/h?q", {}, "example.com", "http://example.com/new?q"),
    ("/i/x?q", {}, "example.com", "http://example.com/new?q"), ("/jj/k?q", {}, "example.com", "http://example.com/new/k?q"),
    ("/jj", {}, "example.com", "http://example.com/new"), ("/k?q", {}, "example.com", "http://example.com/new?x=y"),
    ("/l", {"x-forwarded-proto": "https"}, "e.c:443", "https://x.y/l"), ("/l", {"x-forwarded-proto": "wss"}, "e.c", "http://x.y/l"),
    ("/m/1?q", {}, "example.com", "http://example.com/new?z/1?q"),
])
def test_location(proxy, path, headers, host, location):
    answer = ask(proxy, "answered", path, headers, host)
    assert (answer.status, answer.get("location"), answer.body) == (301, location, b"")


@pytest.mark.parametrize("listener", ["all", "external"])
@pytest.mark.parametrize("headers,host,method,location", [
    ({}, "example.com", "GET", "https://example.com/a?b"), ({}, "example.com:80", "GET", "https://example.com:80/a?b"),
    ({"x-forwarded-proto": "https"}, "example.com", "GET", None), ({"x-envoy-internal": "true"}, "e.c", "GET", "https://e.c/a?b"),
    ({}, "example.com", "POST", "https://example.com/a?b"),
])
def test_require_tls(proxy, listener, headers, host, method, location):
    answer = ask(proxy, listener, "/a?b", headers, host, method)
    assert (answer.status, answer.get("location")) == ((301, location) if location else (200, None))


def test_tls_not_required(proxy):
    assert ask(proxy, "none", "/").status == 200


# Redirects of upstreams

def redirect(status, location, extra="", body=b""):
    return (f"HTTP/1.1 {status} X\r\nlocation: {location}\r\n{extra}content-length: {len(body)}\r\n\r\n").encode() + body


def script(upstream, *answers):
    left = list(answers)
    upstream.respond = lambda request: [left.pop(0)] if left else [ok(b"final")]


def targets(upstream):
    return [(r.method, r.get("host"), r.target) for r in upstream.requests]


@pytest.mark.parametrize("location,host,target", [
    ("http://example.com/up/2?q", "example.com", "/up/2?q"), ("http://other.example/up/2", "other.example", "/up/2"),
    ("http://example.com:8080/up", "example.com:8080", "/up"), ("http://example.com/up/#part", "example.com", "/up/"),
    ("http://user:word@example.com/up", "example.com", "/up"), ("HTTP://example.com/up", "example.com", "/up"),
])
def test_followed(proxy, upstream, location, host, target):
    script(upstream, redirect(302, location))
    answer = ask(proxy, "followed", "/once/1")
    assert (answer.status, answer.text) == (200, "final")
    assert targets(upstream) == [("GET", "example.com", "/once/1"), ("GET", host, target)]
    assert upstream.last.get("x-envoy-original-url") == "http://example.com/once/1"


@pytest.mark.parametrize("path,status,location,counter", [
    ("/once/1", 302, "/up/2", "bad_location"), ("/once/1", 302, "up/2", "bad_location"), ("/once/1", 302, "//example.com/up", "bad_location"),
    ("/once/1", 302, "http://example.com/up/x y", "bad_location"),
    ("/once/1", 302, "https://example.com/up", "unsafe_scheme"), ("/once/1", 302, "ftp://example.com/up", "unsafe_scheme"),
    ("/once/1", 301, "http://example.com/up", None), ("/codes/1", 302, "http://example.com/up", None),
    ("/once/1", 302, "http://example.com", "no_route"), ("/once/1", 302, "http://example.com/../up", "no_route"),
    ("/once/1", 302, "http://example.com/nosuch", "no_route"), ("/zero/1", 302, "http://example.com/up", "too_many_redirects"),
    ("/listed/1", 302, "http://example.com/bad", "predicate"), ("/listed/1", 302, "http://example.com/up", "predicate"),
    ("/safe/1", 302, "https://example.com/up", "predicate"), ("/up", 302, "http://example.com/up", None),
])
def test_not_followed(proxy, upstream, path, status, location, counter):
    name = f"http.followed.passthrough_internal_redirect_{counter}"
    before = proxy.stats("followed")
    failed = proxy.stat("cluster.up.upstream_internal_redirect_failed_total") or 0
    script(upstream, redirect(status, location))
    answer = ask(proxy, "followed", path)
    assert (answer.status, answer.get("location")) == (status, location)
    assert len(upstream.requests) == 1
    if counter:
        assert proxy.stat(name) == before.get(name, 0) + 1
        assert proxy.stat("cluster.up.upstream_internal_redirect_failed_total") == failed + 1


def test_a_redirect_without_a_location(proxy, upstream):
    script(upstream, b"HTTP/1.1 302 X\r\ncontent-length: 0\r\n\r\n")
    assert ask(proxy, "followed", "/once/1").status == 302


def test_a_second_redirect_goes_to_the_client(proxy, upstream):
    script(upstream, redirect(302, "http://example.com/once/2"), redirect(302, "http://example.com/once/3"))
    answer = ask(proxy, "followed", "/once/1")
    assert (answer.status, answer.get("location")) == (302, "http://example.com/once/3")
    assert [t for _, _, t in targets(upstream)] == ["/once/1", "/once/2"]


def test_three_are_followed(proxy, upstream):
    codes = [307, 308, 301, 301]
    script(upstream, *[redirect(c, f"http://example.com/codes/{n + 2}") for n, c in enumerate(codes)])
    answer = ask(proxy, "followed", "/codes/1")
    assert (answer.status, answer.get("location")) == (301, "http://example.com/codes/5")
    assert [t for _, _, t in targets(upstream)] == [f"/codes/{n}" for n in (1, 2, 3, 4)]
    assert upstream.last.get("x-envoy-original-url") == "http://example.com/codes/3"


@pytest.mark.parametrize("method,then", [("POST", "GET"), ("PUT", "GET"), ("HEAD", "HEAD"), ("GET", "GET")])
def test_303_becomes_get(proxy, upstream, method, then):
    script(upstream, redirect(303, "http://example.com/up/2"))
    body = b"hello" if method in ("POST", "PUT") else b""
    assert ask(proxy, "followed", "/codes/1", {"content-type": "x/y"}, method=method, body=body).status == 200
    second = upstream.requests[1]
    assert (second.method, second.target, second.body, second.get("content-length")) == (then, "/up/2", b"", None)
    assert second.get("content-type") == "x/y"


def test_307_keeps_a_method_without_a_body(proxy, upstream):
    script(upstream, redirect(307, "http://example.com/up/2"))
    assert ask(proxy, "followed", "/codes/1", method="DELETE").status == 200
    assert targets(upstream)[1][0] == "DELETE"


@pytest.mark.parametrize("status", [307, 308, 301])
def test_the_body_is_sent_again(proxy, upstream, status):
    script(upstream, redirect(status, "http://example.com/up/2"))
    assert ask(proxy, "followed", "/codes/1", method="POST", body=b"hello").status == 200
    assert [(r.method, r.target, r.body) for r in upstream.requests] == [("POST", "/codes/1", b"hello"), ("POST", "/up/2", b"hello")]


def test_headers_are_copied(proxy, upstream):
    script(upstream, redirect(302, "http://example.com/up/2", "x-copy: yes\r\nx-other: no\r\n"))
    assert ask(proxy, "followed", "/copy/1", {"x-copy": "old", "x-gone": "will", "x-kept": "is"}).status == 200
    second = upstream.requests[1]
    assert [second.get(n) for n in ("x-copy", "x-gone", "x-kept", "x-other")] == ["yes", None, "is", None]


def test_across_schemes(proxy, upstream):
    script(upstream, redirect(302, "https://example.com/up/2"))
    assert ask(proxy, "followed", "/cross/1").text == "final"


def test_to_a_direct_response(proxy, upstream):
    script(upstream, redirect(302, "http://example.com/direct"))
    assert ask(proxy, "followed", "/once/1").text == "direct"


def test_to_a_redirect(proxy, upstream):
    script(upstream, redirect(302, "http://example.com/answered"))
    answer = ask(proxy, "followed", "/once/1")
    assert (answer.status, answer.get("location")) == (301, "http://example.com/else")


def test_a_redirect_with_a_body(proxy, upstream):
    script(upstream, redirect(302, "http://example.com/up", body=b"not for the client"))
    assert ask(proxy, "followed", "/once/1").text == "final"


def test_the_path_that_was_sent_is_the_original_url(proxy, upstream):
    script(upstream, redirect(302, "http://example.com/up/2"))
    ask(proxy, "followed", "/rewritten/1")
    assert [t for _, _, t in targets(upstream)] == ["/other/1", "/up/2"]
    assert upstream.last.get("x-envoy-original-url") == "http://example.com/other/1"
    assert upstream.last.get("x-envoy-original-path") == "/rewritten/1"


def test_to_a_listed_route(proxy, upstream):
    script(upstream, redirect(302, "http://example.com/good"))
    assert ask(proxy, "followed", "/listed/1").text == "final"


def test_not_to_a_route_twice(proxy, upstream):
    script(upstream, *[redirect(302, f"http://example.com/previous/{n}") for n in (2, 3, 4)])
    assert ask(proxy, "followed", "/previous/1").status == 302
    assert [t for _, _, t in targets(upstream)] == ["/previous/1", "/previous/2"]


def test_the_connection_lives_on(proxy, upstream):
    with Client(proxy.address("followed")) as client:
        for n in range(5):
            script(upstream, redirect(302, f"http://example.com/up/{n}"))
            assert client.request("GET", "/once/1").text == "final"
        upstream.respond = [OK]
        assert client.request("GET", "/up").text == "ok"


@pytest.mark.parametrize("policy", [{"response_headers_to_copy": [":status"]}, {"response_headers_to_copy": ["Host"]},
                                    {"predicates": [{"name": "x"}]}])
def test_policy_refused(launch_once, policy):
    with pytest.raises(StartFailed):
        launch_once(k.bootstrap([k.listener("main", k.hcm([follows("/", **policy)]))], [k.cluster("up", [("127.0.0.1", 1)])]))
