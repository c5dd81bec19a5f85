"""What a route changes of a request on its way: path, host; and which cluster it chooses."""

import collections

import pytest

from harness import config as k
from harness.client import Client
from harness.differs import differs
from harness.process import StartFailed
from harness.upstream import ok


def regex(pattern, substitution):
    return {"pattern": {"regex": pattern}, "substitution": substitution}


def template(text):
    return {"path_match_policy": {"name": "template", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig",
        "path_template": text}}}


def template_rewrite(text):
    return {"path_rewrite_policy": {"name": "template", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.path.rewrite.uri_template.v3.UriTemplateRewriteConfig",
        "path_template_rewrite": text}}}


def by_template(match, rewrite):
    return k.route(match=template(match), **template_rewrite(rewrite))


def weighted(prefix, clusters, action=None, **fields):
    return {"match": {"prefix": prefix}, "route": {"weighted_clusters": {"clusters": clusters, **fields}, **(action or {})}}


HALVES = [{"name": "a", "weight": 50}, {"name": "b", "weight": 50}]


@pytest.fixture(scope="module")
def two(upstreams):
    a, b = upstreams(name="a"), upstreams(name="b")
    a.respond, b.respond = ok(b"a"), ok(b"b")
    return a, b


@pytest.fixture(scope="module")
def proxy(launch, upstream, two):
    paths = [
        k.route(match={"prefix": "/rr/"}, regex_rewrite=regex("/rr/([^/]+)/(.*)", r"/\2/\1")),
        k.route(match={"prefix": "/all"}, regex_rewrite=regex("a", "b")),
        k.route(match={"prefix": "/empty"}, regex_rewrite=regex(".*", "")),
        k.route(match={"prefix": "/star"}, regex_rewrite=regex("x*", "-")),
        k.route(match={"prefix": "/optional"}, regex_rewrite=regex("(b)?", r"[\1]")),
        k.route(match={"safe_regex": {"regex": "/pre/.*"}}, prefix_rewrite="/new"),
        k.route(match={"path_separated_prefix": "/sep"}, prefix_rewrite="/other"),
        k.route(match={"path_separated_prefix": "/root"}, prefix_rewrite="/"),
        k.route(match={"prefix": "/query"}, prefix_rewrite="/new?a=b"),
        by_template("/r1/{a}/{b}", "/{b}/{a}"), by_template("/r2/{a=**}", "/x/{a}"), by_template("/r3/{a=x/*}/{b}", "/{a}-{b}"),
        by_template("/r4/{a}.vtt", "/n/{a}"), by_template("/r5/*/{a}", "/{a}/{a}"), by_template("/r6/{a}", "/fixed"),
        k.route(match={"prefix": "/"}),
    ]
    hosts = [
        k.route(match={"prefix": "/literal"}, host_rewrite_literal="lit.example"),
        k.route(match={"prefix": "/header"}, host_rewrite_header="X-Host"),
        k.route(match={"prefix": "/regex"}, host_rewrite_path_regex=regex("^/regex/([^/]+).*", r"\1.example")),
        k.route("named", match={"prefix": "/auto"}, auto_host_rewrite=True, append_x_forwarded_host=True),
        k.route(match={"prefix": "/unnamed"}, auto_host_rewrite=True, append_x_forwarded_host=True),
        k.route(match={"prefix": "/off"}, auto_host_rewrite=False),
        k.route(match={"prefix": "/forwarded"}, host_rewrite_literal="lit.example", append_x_forwarded_host=True),
        k.route(match={"prefix": "/nothing"}, append_x_forwarded_host=True),
        k.route(match={"prefix": "/both"}, host_rewrite_literal="lit.example", prefix_rewrite="/p"),
        weighted("/weighted", [{"name": "up", "weight": 1, "host_rewrite_literal": "w.example"}]),
        weighted("/overruled", [{"name": "up", "weight": 1, "host_rewrite_literal": "w.example"}], {"host_rewrite_literal": "r.example"}),
    ]
    choices = [
        {"match": {"prefix": "/header"}, "route": {"cluster_header": "X-Cluster"}},
        {"match": {"prefix": "/gone"}, "route": {"cluster_header": "x-cluster", "cluster_not_found_response_code": "NOT_FOUND"}},
        {"match": {"prefix": "/authority"}, "route": {"cluster_header": ":authority"}},
        weighted("/number", HALVES, header_name="x-number"),
        weighted("/hash", HALVES, {"hash_policy": [{"header": {"header_name": "x-hash"}}]}, use_hash_policy=True),
        weighted("/rewritten", HALVES, {"hash_policy": [{"header": {
            "header_name": "x-hash", "regex_rewrite": regex("[^0-9]", "")}}]}, use_hash_policy=True),
        weighted("/query", HALVES, {"hash_policy": [{"query_parameter": {"name": "k"}}]}, use_hash_policy=True),
        weighted("/cookie", HALVES, {"hash_policy": [{"cookie": {"name": "s"}}]}, use_hash_policy=True),
        weighted("/address", HALVES, {"hash_policy": [{"connection_properties": {"source_ip": True}}]}, use_hash_policy=True),
        weighted("/two", HALVES, {"hash_policy": [{"header": {"header_name": "x-hash"}}, {"header": {"header_name": "x-more"}}]},
                 use_hash_policy=True),
        weighted("/terminal", HALVES, {"hash_policy": [{"header": {"header_name": "x-hash"}, "terminal": True},
                                                       {"header": {"header_name": "x-more"}}]}, use_hash_policy=True),
        weighted("/by-header", [{"cluster_header": "x-cluster", "weight": 1}]),
        weighted("/runtime", [{"name": "a", "weight": 100}, {"name": "b", "weight": 0}], runtime_key_prefix="weights"),
        weighted("/total", [{"name": "a", "weight": 1}, {"name": "b", "weight": 1}], total_weight=100),
        {"match": {"prefix": "/nowhere"}, "non_forwarding_action": {}},
    ]
    named = k.cluster("named", [upstream])
    named["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["hostname"] = "endpoint.example"
    return launch(k.bootstrap([
        k.listener("paths", k.hcm(paths, stat_prefix="paths")),
        k.listener("hosts", k.hcm(hosts, stat_prefix="hosts")),
        k.listener("choices", k.hcm(choices, stat_prefix="choices")),
    ], [k.cluster("up", [upstream]), named, k.cluster("a", [two[0]]), k.cluster("b", [two[1]])],
        runtime={"weights": {"a": 0, "b": 10}}))


def ask(proxy, listener, path, headers=(), **options):
    with Client(proxy.address(listener)) as client:
        return client.request("GET", path, headers, **options)


@pytest.mark.parametrize("path,target", [
    ("/rr/a/b/c?q=/rr/", "/b/c/a?q=/rr/"), ("/rr/a", "/rr/a"), ("/all/aa?a", "/bll/bb?a"), ("/star/xxa", "-/-s-t-a-r-/-a-"),
    ("/optional", "[]/[]o[]p[]t[]i[]o[]n[]a[]l[]"),
    ("/pre/x/y?z", "/new?z"), ("/sep", "/other"), ("/sep/a?b", "/other/a?b"), ("/root/a", "//a"), ("/root", "/"),
    ("/query/1?c=d", "/new?a=b/1?c=d"), ("/query", "/new?a=b"),
    ("/r1/x/y", "/y/x"), ("/r1/x/y?q=1", "/y/x?q=1"), ("/r2/", "/x/"), ("/r2/a/b/", "/x/a/b/"), ("/r3/x/y/z", "/x/y-z"),
    ("/r4/film.vtt", "/n/film"), ("/r5/q/w", "/w/w"), ("/r6/x?y", "/fixed?y"),
])
def test_path(proxy, upstream, path, target):
    assert ask(proxy, "paths", path).status == 200
    assert upstream.last.target == target
    assert upstream.last.get("x-envoy-original-path") == path


@pytest.mark.parametrize("path", ["/empty", "/empty?q", "/plain"])
def test_path_stays(proxy, upstream, path):
    assert ask(proxy, "paths", path).status == 200
    assert (upstream.last.target, upstream.last.get("x-envoy-original-path")) == (path, None)


@pytest.mark.parametrize("path,headers,host,original,forwarded", [
    ("/literal", {}, "lit.example", "example.com", None),
    ("/literal", {"x-envoy-original-host": "mine"}, "lit.example", "example.com", None),
    ("/header", {"x-host": "h.example"}, "h.example", "example.com", None),
    ("/header", {}, "example.com", None, None), ("/header", {"x-host": ""}, "example.com", None, None),
    ("/header", [("x-host", "a"), ("x-host", "b")], "a", "example.com", None),
    ("/regex/abc/d?x", {}, "abc.example", "example.com", None),
    ("/auto", {}, "endpoint.example", "example.com", "example.com"), ("/unnamed", {}, "example.com", None, None),
    ("/off", {}, "example.com", None, None),
    ("/forwarded", {}, "lit.example", "example.com", "example.com"),
    ("/forwarded", {"x-forwarded-host": "a.b"}, "lit.example", "example.com", "a.b,example.com"),
    ("/nothing", {}, "example.com", None, None), ("/both", {}, "lit.example", "example.com", None),
    ("/weighted", {}, "w.example", None, None), ("/overruled", {}, "r.example", "w.example", None),
])
def test_host(proxy, upstream, path, headers, host, original, forwarded):
    assert ask(proxy, "hosts", path, headers).status == 200
    seen = upstream.last
    assert (seen.get("host"), seen.get("x-envoy-original-host"), seen.get("x-forwarded-host")) == (host, original, forwarded)


def test_host_by_a_path_that_the_expression_does_not_meet(proxy, upstream, settle):
    ask(proxy, "hosts", "/regex")
    assert upstream.last.get("host") == settle(differs(
        "`host_rewrite_path_regex` whose expression the path `/regex` does not meet: the upstream's host", envoy="/regex",
        martlet="example.com", why="A path is no host"))


@pytest.mark.parametrize("path,headers,expected", [
    ("/header", {"x-cluster": "a"}, "a"), ("/header", {"x-cluster": "b"}, "b"), ("/header", {"x-cluster": "none"}, 503), ("/header", {}, 503),
    ("/header", {"x-cluster": ""}, 503), ("/header", [("x-cluster", "none"), ("x-cluster", "a")], 503), ("/header", {"x-cluster": "A"}, 503),
    ("/gone", {"x-cluster": "none"}, 404), ("/gone", {}, 404),
    ("/by-header", {"x-cluster": "b"}, "b"), ("/by-header", {"x-cluster": "none"}, 503), ("/by-header", {}, 503),
    ("/number", {"x-number": "0"}, "a"), ("/number", {"x-number": "49"}, "a"), ("/number", {"x-number": "50"}, "b"),
    ("/number", {"x-number": "99"}, "b"), ("/number", {"x-number": "100"}, "a"), ("/number", {"x-number": "150"}, "b"),
    ("/number", {"x-number": "18446744073709551615"}, "a"), ("/number", {"x-number": "007"}, "a"),
    ("/hash", {"x-hash": "1"}, "a"), ("/hash", {"x-hash": "2"}, "b"), ("/hash", {"x-hash": "3"}, "b"), ("/hash", {"x-hash": "6"}, "a"),
    ("/rewritten", {"x-hash": "a1b"}, "a"), ("/rewritten", {"x-hash": "x2"}, "b"),
    ("/query?k=1", {}, "a"), ("/query?x&k=2", {}, "b"), ("/cookie", {"cookie": "s=1"}, "a"), ("/cookie", {"cookie": "r=2; s=\"2\""}, "b"),
    ("/cookie", [("cookie", "r=1"), ("cookie", "s=2")], "b"), ("/cookie", {"cookie": "ss=1;s=6"}, "a"),
    ("/runtime", {}, "b"), ("/nowhere", {}, 503),
])
def test_cluster(proxy, path, headers, expected):
    answer = ask(proxy, "choices", path, headers)
    assert {answer.text if answer.status == 200 else answer.status} == {expected}


def test_cluster_by_authority(proxy):
    assert ask(proxy, "choices", "/authority", host="b").text == "b"


@pytest.mark.parametrize("path,headers", [
    ("/number", {}), ("/number", {"x-number": "abc"}), ("/number", {"x-number": "-1"}), ("/number", [("x-number", "0"), ("x-number", "99")]),
    ("/hash", {}), ("/query", {}), ("/cookie", {}), ("/total", {}),
])
def test_without_a_number_the_draw_is_random(proxy, path, headers):
    seen = collections.Counter()
    with Client(proxy.address("choices")) as client:
        for _ in range(200):
            seen[client.request("GET", path, headers).text] += 1
    assert 60 <= seen["a"] <= 140 and seen["a"] + seen["b"] == 200


def test_hashes_are_the_same_for_the_same_request(proxy):
    """Which cluster it is for two values or an address follows from the hash; that it stays is what is seen here."""
    def seen(path, headers=()):
        return {ask(proxy, "choices", path, headers).text for _ in range(5)}

    assert len(seen("/address")) == 1
    for value in "1234":
        assert len(seen("/two", {"x-hash": value, "x-more": "z"})) == 1
        assert seen("/terminal", {"x-hash": value, "x-more": "z"}) == seen("/hash", {"x-hash": value})
        # The order of fields does not count.
        both = [("x-hash", value), ("x-hash", "q")]
        assert seen("/hash", both) == seen("/hash", both[::-1])


def test_a_hundred_hashes(proxy, settle):
    """xxHash64 modulo the sum of the weights, as Envoy has it."""
    chosen = "".join(ask(proxy, "choices", "/hash", {"x-hash": f"value-{n}"}).text for n in range(100))
    assert chosen == HUNDRED
    assert "".join(ask(proxy, "choices", "/two", {"x-hash": f"v{n}", "x-more": f"w{n}"}).text for n in range(40)) == FORTY


HUNDRED = "babbbbaaabaabbaaabaabbbbabbbbbaaaabaaaabbbbabbbabababbbbbbbbaabbabbabbbababbaabaaaabbabababaaaabaabb"
FORTY = "aabbaabbbaabbaabababbaaabaababbaabbbbaba"


@pytest.mark.parametrize("route,field", [
    (k.route(prefix_rewrite="/", regex_rewrite=regex("a", "b")), "route"),
    (k.route(match=template("/{a}"), prefix_rewrite="/"), "prefix_rewrite"),
    (k.route(match=template("/{a}"), **template_rewrite("/{b}")), "path_rewrite_policy"),
    (k.route(match=template("/{a}"), **template_rewrite("{a}")), "path_rewrite_policy"),
    (k.route(match=template("/{a}"), **template_rewrite("/a//{a}")), "path_rewrite_policy"),
    (k.route(**template_rewrite("/x")), "path_rewrite_policy"),
    (k.route(host_rewrite_path_regex=regex("a(", "b")), "host_rewrite_path_regex.pattern.regex"),
    (weighted("/", [{"name": "up", "weight": 0}]), "clusters"), (weighted("/", [{"name": "up"}]), "weight"),
    (weighted("/", [{"name": "up", "cluster_header": "x", "weight": 1}]), "cluster_header"), (weighted("/", [{"weight": 1}]), "cluster_header"),
    (k.route(hash_policy=[{"terminal": True}]), "hash_policy"),
])
def test_refused(launch_once, kind, route, field):
    with pytest.raises(StartFailed) as failure:
        launch_once(k.bootstrap([k.listener("main", k.hcm([route]))], [k.cluster("up", [("127.0.0.1", 1)])]))
    if kind == "martlet":
        assert field in str(failure.value)


@pytest.mark.parametrize("substitution", [r"\1", r"\x", "a\\"])
def test_a_substitution_that_cannot_be(launch_once, settle, substitution):
    starts = settle(differs(
        f"`regex_rewrite` with the substitution `{substitution}` and an expression without groups", envoy=True, martlet=False,
        why="Configuration that Envoy takes and cannot carry out"))
    config = k.bootstrap([k.listener("main", k.hcm([k.route(regex_rewrite=regex("a", substitution))]))], [k.cluster("up", [("127.0.0.1", 1)])])
    if starts:
        launch_once(config)
    else:
        with pytest.raises(StartFailed):
            launch_once(config)
