"""Which route a request takes, and what a route can do to it."""

import collections

import pytest

from harness import config as k
from harness.client import Client
from harness.upstream import ok, refused_port


def header(name, **how):
    return {"prefix": "/", "headers": [{"name": name, **how}]}


def string(name, **how):
    return header(name, string_match=how)


def tagged(tag, match):
    return k.direct(tag, match=match)


def only(tag):
    return [k.direct(tag)]


DOMAINS = [
    k.virtual_host("exact", ["www.example.com", "www.other.com"], only("exact")),
    k.virtual_host("suffix", ["*.example.com"], only("suffix")),
    k.virtual_host("long suffix", ["*.sub.example.com"], only("long suffix")),
    k.virtual_host("dash suffix", ["*-bar.foo.com"], only("dash suffix")),
    k.virtual_host("prefix", ["foo.*"], only("prefix")),
    k.virtual_host("long prefix", ["foo.bar.*"], only("long prefix")),
    k.virtual_host("port", ["ported.com:8080"], only("port")),
    k.virtual_host("wild port", ["*.wildport.com:8080"], only("wild port")),
    k.virtual_host("ipv6", ["[::1]:80"], only("ipv6")),
    k.virtual_host("any", ["*"], only("any")),
]

MATCHES = [
    tagged("exact path", {"path": "/exact"}),
    tagged("insensitive path", {"path": "/Insensitive", "case_sensitive": False}),
    tagged("insensitive prefix", {"prefix": "/Loose/", "case_sensitive": False}),
    tagged("prefix a/b", {"prefix": "/a/b"}),
    tagged("prefix a", {"prefix": "/a"}),
    tagged("method", {"prefix": "/", "headers": [{"name": ":method", "string_match": {"exact": "PUT"}}]}),
    tagged("authority", {"prefix": "/", "headers": [{"name": ":authority", "string_match": {"exact": "special.example"}}]}),
    tagged("exact", string("x-exact", exact="value")),
    tagged("exact ignore case", string("x-case", exact="VaLue", ignore_case=True)),
    tagged("prefix", string("x-prefix", prefix="pre")),
    tagged("suffix", string("x-suffix", suffix="suf")),
    tagged("contains", string("x-contains", contains="mid")),
    tagged("old exact", header("x-old-exact", exact_match="value")),
    tagged("old prefix", header("x-old-prefix", prefix_match="pre")),
    tagged("old suffix", header("x-old-suffix", suffix_match="suf")),
    tagged("old contains", header("x-old-contains", contains_match="mid")),
    tagged("range", header("x-range", range_match={"start": -5, "end": 10})),
    tagged("present", header("x-present", present_match=True)),
    tagged("inverted exact", {"prefix": "/inverted", "headers": [
        {"name": "x-inv", "string_match": {"exact": "no"}, "invert_match": True}]}),
    tagged("absent", {"prefix": "/without", "headers": [{"name": "x-absent", "present_match": False}]}),
    tagged("missing as empty", {"prefix": "/empty", "headers": [
        {"name": "x-missing", "string_match": {"exact": ""}, "treat_missing_header_as_empty": True}]}),
    tagged("both", {"prefix": "/both", "headers": [{"name": "x-1", "present_match": True},
                                                 {"name": "x-2", "present_match": True}]}),
    tagged("deep", {"prefix": "/first/second"}),
]


@pytest.fixture(scope="module")
def versions(upstreams):
    a, b = upstreams(name="a"), upstreams(name="b")
    a.respond, b.respond = ok(b"a"), ok(b"b")
    return a, b


@pytest.fixture(scope="module")
def proxy(launch, upstream, versions):
    actions = [
        k.direct("teapot", 418, {"path": "/direct"}),
        k.direct(None, 204, {"path": "/direct-empty"}),
        k.direct("x" * 4000, 503, {"path": "/direct-long"}),
        k.redirect({"path": "/r/host"}, host_redirect="new.example"),
        k.redirect({"path": "/r/path"}, path_redirect="/new"),
        k.redirect({"path": "/r/path-query"}, path_redirect="/new?own=1"),
        k.redirect({"prefix": "/r/prefix"}, prefix_rewrite="/moved"),
        k.redirect({"path": "/r/https"}, https_redirect=True),
        k.redirect({"path": "/r/scheme"}, scheme_redirect="ftp"),
        k.redirect({"path": "/r/port"}, port_redirect=8443),
        k.redirect({"path": "/r/strip"}, path_redirect="/new", strip_query=True),
        k.redirect({"path": "/r/all"}, https_redirect=True, host_redirect="new.example", port_redirect=8443, path_redirect="/x"),
        *[k.redirect({"path": f"/r/{code}"}, path_redirect="/new", response_code=name) for code, name in {
            301: "MOVED_PERMANENTLY", 302: "FOUND", 303: "SEE_OTHER", 307: "TEMPORARY_REDIRECT", 308: "PERMANENT_REDIRECT"}.items()],
        k.route(match={"prefix": "/pw/"}, prefix_rewrite="/"),
        k.route(match={"prefix": "/pw-noslash"}, prefix_rewrite="/"),
        k.route(match={"prefix": "/pw-longer"}, prefix_rewrite="/a/very/long/prefix"),
        k.route(match={"path": "/pw-exact"}, prefix_rewrite="/exactly"),
        k.route(match={"prefix": "/PW-Case", "case_sensitive": False}, prefix_rewrite="/lower"),
        k.route("nowhere", {"prefix": "/none"}),
        k.route("refusing", {"prefix": "/refused"}),
        k.route("missing", {"prefix": "/unknown404"}, cluster_not_found_response_code="NOT_FOUND"),
        k.route("missing", {"prefix": "/unknown500"}, cluster_not_found_response_code="INTERNAL_SERVER_ERROR"),
        k.route("missing", {"prefix": "/unknown"}),
        {"match": {"prefix": "/weighted"}, "route": {"weighted_clusters": {"clusters": [
            {"name": "a", "weight": 90}, {"name": "b", "weight": 10}]}}},
        {"match": {"prefix": "/all-b"}, "route": {"weighted_clusters": {"clusters": [
            {"name": "a", "weight": 0}, {"name": "b", "weight": 1}]}}},
        {"match": {"prefix": "/thousand"}, "route": {"weighted_clusters": {"clusters": [
            {"name": "a", "weight": 1}, {"name": "b", "weight": 1999}]}}},
        k.route(match={"prefix": "/up"}),
    ]
    return launch(k.bootstrap([
        k.listener("domains", k.hcm(hosts=DOMAINS, stat_prefix="domains")),
        k.listener("no-any", k.hcm(hosts=DOMAINS[:1], stat_prefix="no_any")),
        k.listener("matches", k.hcm(MATCHES, stat_prefix="matches")),
        k.listener("actions", k.hcm(actions, stat_prefix="actions", route_config={"validate_clusters": False})),
    ], [
        k.cluster("up", [upstream]), k.cluster("nowhere", []), k.cluster("a", [versions[0]]), k.cluster("b", [versions[1]]),
        k.cluster("refusing", [("127.0.0.1", refused_port())]),
    ]))


def ask(proxy, listener, path="/", headers=(), host="example.com", method="GET"):
    with Client(proxy.address(listener)) as client:
        return client.request(method, path, headers, host=host)


# Domains

@pytest.mark.parametrize("host,tag", [
    ("www.example.com", "exact"), ("www.other.com", "exact"), ("WWW.Example.COM", "exact"),
    ("a.example.com", "suffix"), ("a.b.example.com", "suffix"), ("A.EXAMPLE.com", "suffix"),
    ("x.sub.example.com", "long suffix"), ("sub.example.com", "suffix"),
    ("example.com", "any"), (".example.com", "any"), ("notexample.com", "any"),
    ("baz-bar.foo.com", "dash suffix"), ("-bar.foo.com", "any"),
    ("foo.com", "prefix"), ("foo.bar.com", "long prefix"), ("foo.", "any"), ("foo", "any"), ("FOO.org", "prefix"),
    ("ported.com:8080", "port"), ("ported.com", "any"), ("ported.com:80", "any"), ("PORTED.com:8080", "port"),
    ("www.example.com:80", "any"), ("a.wildport.com:8080", "wild port"), ("a.wildport.com", "any"),
    ("[::1]:80", "ipv6"), ("[::1]", "any"), ("foo.example.com", "suffix"),
])
def test_domain(proxy, host, tag):
    assert ask(proxy, "domains", host=host).text == tag


def test_no_virtual_host_is_404(proxy):
    answer = ask(proxy, "no-any", host="unknown.example")
    assert (answer.status, answer.body) == (404, b"")
    assert answer.get("content-length") == "0"


# Matches

@pytest.mark.parametrize("path,tag", [
    ("/exact", "exact path"), ("/exact?x=1", "exact path"), ("/exact/", None), ("/Exact", None), ("/exactly", None),
    ("/insensitive", "insensitive path"), ("/INSENSITIVE?q", "insensitive path"), ("/insensitive/", None),
    ("/loose/x", "insensitive prefix"), ("/LOOSE/", "insensitive prefix"), ("/loose", None),
    ("/a/b", "prefix a/b"), ("/a/bc", "prefix a/b"), ("/a/c", "prefix a"), ("/abc", "prefix a"), ("/a", "prefix a"), ("/A", None),
    ("/first/second?x", "deep"), ("/first?/second", None), ("/first/./second", None), ("/first%2fsecond", None),
    ("/none", None), ("/", None),
])
def test_path(proxy, path, tag):
    answer = ask(proxy, "matches", path)
    assert (answer.status, answer.text) == ((200, tag) if tag else (404, ""))


@pytest.mark.parametrize("headers,tag", [
    ({"x-exact": "value"}, "exact"), ({"X-EXACT": "value"}, "exact"), ({"x-exact": "Value"}, None), ({"x-exact": "value2"}, None),
    ({"x-case": "value"}, "exact ignore case"), ({"x-case": "VALUE"}, "exact ignore case"),
    ({"x-prefix": "prefix"}, "prefix"), ({"x-prefix": "pre"}, "prefix"), ({"x-prefix": "apre"}, None),
    ({"x-suffix": "asuf"}, "suffix"), ({"x-suffix": "sufa"}, None),
    ({"x-contains": "amidst"}, "contains"), ({"x-contains": "mad"}, None),
    ({"x-old-exact": "value"}, "old exact"), ({"x-old-prefix": "prefix"}, "old prefix"),
    ({"x-old-suffix": "asuf"}, "old suffix"), ({"x-old-contains": "amidst"}, "old contains"),
    ({"x-range": "-5"}, "range"), ({"x-range": "0"}, "range"), ({"x-range": "9"}, "range"), ({"x-range": "10"}, None),
    ({"x-range": "-6"}, None), ({"x-range": "1.5"}, None), ({"x-range": "abc"}, None), ({"x-range": ""}, None),
    ({"x-range": "99999999999999999999"}, None), ({"x-range": "007"}, "range"), ({"x-range": "5 "}, "range"),
    ({"x-present": "1"}, "present"), ({"x-present": ""}, "present"),
])
def test_header_match(proxy, headers, tag):
    answer = ask(proxy, "matches", headers=headers)
    assert (answer.status, answer.text) == ((200, tag) if tag else (404, ""))


@pytest.mark.parametrize("path,headers,tag", [
    ("/inverted", {}, None), ("/inverted", {"x-inv": "yes"}, "inverted exact"), ("/inverted", {"x-inv": "no"}, None),
    ("/without", {}, "absent"), ("/without", {"x-absent": "1"}, None),
    ("/empty", {}, "missing as empty"), ("/empty", {"x-missing": "1"}, None),
    ("/both", {"x-1": "", "x-2": ""}, "both"), ("/both", {"x-1": ""}, None),
])
def test_header_match_inverted_and_absent(proxy, path, headers, tag):
    answer = ask(proxy, "matches", path, headers)
    assert (answer.status, answer.text) == ((200, tag) if tag else (404, ""))


@pytest.mark.parametrize("values,tag", [(["value", "other"], "exact"), (["other", "value"], "exact"), (["value,value"], None)])
def test_each_value_of_a_repeated_header_is_matched(proxy, values, tag):
    answer = ask(proxy, "matches", headers=[("x-exact", value) for value in values])
    assert (answer.status, answer.text) == ((200, tag) if tag else (404, ""))


def test_pseudo_headers(proxy):
    assert ask(proxy, "matches", method="PUT").text == "method"
    assert ask(proxy, "matches", host="special.example").text == "authority"


# Direct responses and redirects

@pytest.mark.parametrize("path,status,body", [("/direct", 418, "teapot"), ("/direct-empty", 204, ""), ("/direct-long", 503, "x" * 4000)])
def test_direct_response(proxy, path, status, body):
    answer = ask(proxy, "actions", path)
    assert (answer.status, answer.text) == (status, body)
    if body:
        assert answer.get("content-type") == "text/plain"
        assert answer.get("content-length") == str(len(body))


def test_direct_response_to_head(proxy):
    with Client(proxy.address("actions")) as client:
        answer = client.request("HEAD", "/direct")
        assert (answer.status, answer.get("content-length")) == (418, "6")
        assert client.request("GET", "/direct").text == "teapot"


def test_direct_response_with_a_request_body(proxy):
    """The answer comes before the body is read: Envoy closes, one may as well read on."""
    for size in (10, 100000):
        with Client(proxy.address("actions")) as client:
            answer = client.request("POST", "/direct", body=b"x" * size)
            assert answer.status == 418
            if answer.get("connection") != "close":
                assert client.request("GET", "/direct").status == 418


@pytest.mark.parametrize("path,location", [
    ("/r/host?q=1", "http://new.example/r/host?q=1"),
    ("/r/path", "http://example.com/new"), ("/r/path?q=1", "http://example.com/new?q=1"),
    ("/r/path-query?q=1", "http://example.com/new?own=1"),
    ("/r/prefix/x?q=1", "http://example.com/moved/x?q=1"), ("/r/prefixed", "http://example.com/moveded"),
    ("/r/https?q=1", "https://example.com/r/https?q=1"),
    ("/r/scheme", "ftp://example.com/r/scheme"),
    ("/r/port?q=1", "http://example.com:8443/r/port?q=1"),
    ("/r/strip?q=1", "http://example.com/new"),
    ("/r/all?q=1", "https://new.example:8443/x?q=1"),
])
def test_redirect(proxy, path, location):
    answer = ask(proxy, "actions", path)
    assert (answer.status, answer.get("location"), answer.body) == (301, location, b"")


@pytest.mark.parametrize("host,path,location", [
    ("example.com:80", "/r/https", "https://example.com/r/https"),
    ("example.com:8080", "/r/https", "https://example.com:8080/r/https"),
    ("example.com:8080", "/r/port", "http://example.com:8443/r/port"),
    ("example.com:8080", "/r/host", "http://new.example/r/host"),
    ("example.com:8080", "/r/path", "http://example.com:8080/new"),
    ("[::1]:8080", "/r/port", "http://[::1]:8443/r/port"),
])
def test_redirect_ports(proxy, host, path, location):
    assert ask(proxy, "actions", path, host=host).get("location") == location


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_redirect_code(proxy, code):
    assert ask(proxy, "actions", f"/r/{code}").status == code


# Rewrites

@pytest.mark.parametrize("path,target", [
    ("/pw/x", "/x"), ("/pw/", "/"), ("/pw/?q=1", "/?q=1"), ("/pw/x/y?q=/pw/", "/x/y?q=/pw/"), ("/pw//x", "//x"),
    ("/pw-noslash", "/"), ("/pw-noslash/x", "//x"), ("/pw-noslashx", "/x"), ("/pw-noslash?q", "/?q"),
    ("/pw-longer/x?q", "/a/very/long/prefix/x?q"),
    ("/pw-exact", "/exactly"), ("/pw-exact?q=1", "/exactly?q=1"),
    ("/pw-case/x", "/lower/x"), ("/PW-CASE/x", "/lower/x"),
])
def test_prefix_rewrite(proxy, upstream, path, target):
    assert ask(proxy, "actions", path).status == 200
    assert upstream.last.target == target
    assert upstream.last.get("x-envoy-original-path") == path


@pytest.mark.parametrize("path", ["/up", "/up?", "/up?a=b?c#"[:-1], "/up/%2e%2e/x", "/up/../x", "/up//x", "/up;p=1", "/up?q=%00", "/up/" + "x" * 5000])
def test_path_is_forwarded_unchanged(proxy, upstream, path):
    ask(proxy, "actions", path)
    assert upstream.last.target == path


# Failures

@pytest.mark.parametrize("path,headers,status,body", [
    ("/none", {}, 503, "no healthy upstream"),
    ("/refused", {}, 503, "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure"),
    ("/unknown", {}, 503, ""),
    ("/unknown404", {}, 404, ""),
    ("/unknown500", {}, 500, ""),
    ("/nosuchroute", {}, 404, ""),
])
def test_failure(proxy, path, headers, status, body):
    with Client(proxy.address("actions")) as client:
        answer = client.request("GET", path, headers)
        assert (answer.status, answer.text) == (status, body)
        assert client.request("GET", "/direct").status == 418  # the connection lives on


# Weighted clusters

def spread(proxy, path, count):
    seen = collections.Counter()
    with Client(proxy.address("actions")) as client:
        for _ in range(count):
            seen[client.request(path=path).text] += 1
    return seen


def test_weights_are_met(proxy):
    seen = spread(proxy, "/weighted", 1000)
    # 90 to 10: a binomial of 1000 has a standard deviation of 9.5.
    assert 850 <= seen["a"] <= 950 and seen["a"] + seen["b"] == 1000


def test_weight_zero_gets_nothing(proxy):
    assert spread(proxy, "/all-b", 100) == {"b": 100}


def test_weights_need_not_sum_to_100(proxy):
    assert spread(proxy, "/thousand", 200)["b"] >= 190
