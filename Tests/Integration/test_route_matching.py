"""What a route can ask of a request: path forms, headers, query, runtime shares; and which comes first."""

import pytest

from harness import config as k
from harness.client import Client
from harness.differs import differs
from harness.process import StartFailed


def header(name, **how):
    return {"prefix": "/", "headers": [{"name": name, **how}]}


def string(name, **how):
    return header(name, string_match=how)


def regex(text):
    return {"safe_regex": {"regex": text}}


def query(name, **how):
    return {"prefix": "/", "query_parameters": [{"name": name, **how}]}


def template(text):
    return {"path_match_policy": {"name": "template", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig",
        "path_template": text}}}


def tagged(tag, match):
    return k.direct(tag, match=match)


PATHS = [
    tagged("regex", regex("/re/[0-9]+")),
    tagged("regex dot", regex("/dot/.*x")),
    tagged("regex without case", regex("(?i)/fold/[a-z]+")),
    tagged("regex case flag", {**regex("/flag/abc"), "case_sensitive": False}),
    tagged("regex alternatives", regex("/alt/a|/alt/b")),
    tagged("separated", {"path_separated_prefix": "/sep"}),
    tagged("separated deep", {"path_separated_prefix": "/deep/er"}),
    tagged("separated fold", {"path_separated_prefix": "/SepFold", "case_sensitive": False}),
    tagged("separated escape", {"path_separated_prefix": "/se%2Fp"}),
    k.route(match={"prefix": "/grpc", "grpc": {}}),
    tagged("no certificate", {"prefix": "/tls/none", "tls_context": {"presented": False}}),
    tagged("certificate", {"prefix": "/tls/some", "tls_context": {"presented": True}}),
    tagged("not validated", {"prefix": "/tls/invalid", "tls_context": {"validated": False}}),
    tagged("validated", {"prefix": "/tls/valid", "tls_context": {"validated": True}}),
    tagged("any tls", {"prefix": "/tls/any", "tls_context": {}}),
    tagged("connect", {"connect_matcher": {}}),
]

TEMPLATES = ["/s/*", "/d/**", "/v/{x}", "/w/{x=**}", "/sl/*/", "/sfx/*.m3u8", "/mix/a{f}b", "/vs/{f}.vtt/x", "/dd/**/x",
             "/ds/**.mpd", "/vv/{x=a/*}/z", "/lit/a.b", "/star/a*"]

HEADERS = [
    tagged("regex", string("x-regex", safe_regex={"regex": "a+b"})),
    tagged("old regex", header("x-old-regex", safe_regex_match={"regex": "[0-9]{2}"})),
    tagged("list", string("x-joined", exact="a,b")),
    tagged("one of them", string("x-joined", exact="c")),
    tagged("one by regex", string("x-list", safe_regex={"regex": "[ab]"})),
    tagged("one by range", header("x-number", range_match={"start": 1, "end": 100})),
    tagged("none of them", {"prefix": "/none-of", "headers": [
        {"name": "x-none", "string_match": {"exact": "a"}, "invert_match": True}]}),
    tagged("contains fold", string("x-fold", contains="MiD", ignore_case=True)),
    tagged("prefix fold", string("x-fold", prefix="PrE", ignore_case=True)),
    tagged("suffix fold", string("x-fold", suffix="SuF", ignore_case=True)),
    tagged("exact fold", string("x-fold", exact="ExAct", ignore_case=True)),
    tagged("not regex", {"prefix": "/inv/regex", "headers": [
        {"name": "x-i", "string_match": {"safe_regex": {"regex": "a.*"}}, "invert_match": True}]}),
    tagged("not range", {"prefix": "/inv/range", "headers": [
        {"name": "x-i", "range_match": {"start": 1, "end": 10}, "invert_match": True}]}),
    tagged("not present", {"prefix": "/inv/present", "headers": [
        {"name": "x-i", "present_match": True, "invert_match": True}]}),
    tagged("not absent", {"prefix": "/inv/absent", "headers": [
        {"name": "x-i", "present_match": False, "invert_match": True}]}),
    tagged("missing is empty, not a", {"prefix": "/miss/not-a", "headers": [
        {"name": "x-i", "string_match": {"exact": "a"}, "invert_match": True, "treat_missing_header_as_empty": True}]}),
    tagged("missing is empty, regex", {"prefix": "/miss/regex", "headers": [
        {"name": "x-i", "string_match": {"safe_regex": {"regex": "a*"}}, "treat_missing_header_as_empty": True}]}),
    tagged("missing is empty, present", {"prefix": "/miss/present", "headers": [
        {"name": "x-i", "present_match": True, "treat_missing_header_as_empty": True}]}),
    tagged("missing is empty, range", {"prefix": "/miss/range", "headers": [
        {"name": "x-i", "range_match": {"start": 0, "end": 10}, "treat_missing_header_as_empty": True}]}),
    tagged("method regex", header(":method", string_match={"safe_regex": {"regex": "P(UT|ATCH)"}})),
    tagged("path with query", header(":path", string_match={"suffix": "?tail"})),
    tagged("host", header("host", string_match={"exact": "by-host.example"})),
    tagged("scheme", {"prefix": "/scheme", "headers": [{"name": ":scheme", "string_match": {"exact": "http"}}]}),
    tagged("forwarded proto", {"prefix": "/proto", "headers": [{"name": "x-forwarded-proto", "string_match": {"exact": "http"}}]}),
    tagged("request id", {"prefix": "/id", "headers": [{"name": "x-request-id", "present_match": True}]}),
    tagged("user agent", string("user-agent", contains="curl")),
    tagged("cookie", string("cookie", contains="a=1")),
]

QUERIES = [
    tagged("exact", query("exact", string_match={"exact": "v"})),
    tagged("prefix", query("prefix", string_match={"prefix": "pre"})),
    tagged("fold", query("fold", string_match={"exact": "YES", "ignore_case": True})),
    tagged("regex", query("regex", string_match={"safe_regex": {"regex": "[a-f]+"}})),
    tagged("present", query("present", present_match=True)),
    tagged("bare", query("bare")),
    tagged("two", {"prefix": "/", "query_parameters": [
        {"name": "one", "present_match": True}, {"name": "two", "string_match": {"exact": "2"}}]}),
    tagged("empty value", query("empty", string_match={"exact": ""})),
    tagged("odd name", query("a b", present_match=True)),
    tagged("escaped name", query("a%20b", present_match=True)),
    tagged("absent", {"prefix": "/absent", "query_parameters": [{"name": "gone", "present_match": False}]}),
]

SHARES = [
    tagged("none", {"prefix": "/none", "runtime_fraction": {"default_value": {"numerator": 0}}}),
    tagged("all", {"prefix": "/all", "runtime_fraction": {"default_value": {"numerator": 100}}}),
    tagged("more", {"prefix": "/more", "runtime_fraction": {"default_value": {"numerator": 1000}}}),
    tagged("half", {"prefix": "/half", "runtime_fraction": {"default_value": {"numerator": 5000, "denominator": "TEN_THOUSAND"}}}),
    tagged("other half", {"prefix": "/half", "runtime_fraction": {"default_value": {"numerator": 50}}}),
    tagged("keyed", {"prefix": "/key/number", "runtime_fraction": {"default_value": {"numerator": 0}, "runtime_key": "share.number"}}),
    tagged("keyed", {"prefix": "/key/share", "runtime_fraction": {"default_value": {"numerator": 0}, "runtime_key": "share.share"}}),
    tagged("keyed", {"prefix": "/key/zero", "runtime_fraction": {"default_value": {"numerator": 100}, "runtime_key": "share.zero"}}),
    tagged("keyed", {"prefix": "/key/over", "runtime_fraction": {"default_value": {"numerator": 0}, "runtime_key": "share.over"}}),
    tagged("keyed", {"prefix": "/key/text", "runtime_fraction": {"default_value": {"numerator": 0}, "runtime_key": "share.text"}}),
    tagged("keyed", {"prefix": "/key/gone", "runtime_fraction": {"default_value": {"numerator": 100}, "runtime_key": "share.gone"}}),
    tagged("rest", {"prefix": "/"}),
]
RUNTIME = {"share": {"number": 100, "share": {"numerator": 1000000, "denominator": "MILLION"}, "zero": 0, "over": 101, "text": "100"}}

# Many routes, so that the index is used and not the scan; the order of the file decides.
ORDER = (
    [tagged("method first", {"prefix": "/", "headers": [{"name": ":method", "string_match": {"exact": "DELETE"}}]})]
    + [tagged(f"e{n}", {"path": f"/e/{n}"}) for n in range(40)]
    + [tagged("regex before", regex("/mixed/[a-z]+")), tagged("exact behind", {"path": "/mixed/abc"}),
       tagged("exact before", {"path": "/mixed/123"}), tagged("regex behind", regex("/mixed/[0-9]+")),
       tagged("short before", {"prefix": "/p/a"}), tagged("long behind", {"prefix": "/p/a/b"}),
       tagged("long before", {"prefix": "/q/a/b"}), tagged("short behind", {"prefix": "/q/a"}),
       tagged("fold before", {"prefix": "/Fold/x", "case_sensitive": False}), tagged("case behind", {"prefix": "/Fold/x"}),
       tagged("conditional", {"path": "/cond", "headers": [{"name": "x-cond", "present_match": True}]}),
       tagged("unconditional", {"path": "/cond"}), tagged("third", {"path": "/cond"}),
       tagged("separated first", {"path_separated_prefix": "/s/t"}), tagged("prefix second", {"prefix": "/s/t"}),
       tagged("template", template("/tpl/{x}")), tagged("prefix after template", {"prefix": "/tpl"}),
       tagged("empty path", {"path": ""}), tagged("rest", {"prefix": "/rest"})])


@pytest.fixture(scope="module")
def proxy(launch, upstream):
    return launch(k.bootstrap([
        k.listener("paths", k.hcm(PATHS, stat_prefix="paths")),
        k.listener("templates", k.hcm([tagged(t, template(t)) for t in TEMPLATES], stat_prefix="templates")),
        k.listener("headers", k.hcm(HEADERS, stat_prefix="headers")),
        k.listener("queries", k.hcm(QUERIES, stat_prefix="queries")),
        k.listener("shares", k.hcm(SHARES, stat_prefix="shares")),
        k.listener("order", k.hcm(ORDER, stat_prefix="order")),
        k.listener("parameters", k.hcm(
            [tagged("a", {"path": "/a"}), tagged("b", {"prefix": "/b/"}), tagged("re", regex("/c/[a-z]+")), tagged("sep", {
                "path_separated_prefix": "/sep"})],
            stat_prefix="parameters", route_config={"ignore_path_parameters_in_path_matching": True})),
        k.listener("ports", k.hcm(
            hosts=[k.virtual_host("one", ["one.example"], [k.direct("one")]), k.virtual_host("v6", ["[::1]"], [k.direct("v6")]),
                   k.virtual_host("wild", ["*.wild.example"], [k.direct("wild")]), k.virtual_host("pre", ["pre.*"], [k.direct("pre")]),
                   k.virtual_host("ported", ["ported.example:8080"], [k.direct("ported")]),
                   k.virtual_host("any", ["*"], [k.direct("any")])],
            stat_prefix="ports", route_config={"ignore_port_in_host_matching": True})),
        k.listener("by-header", k.hcm(
            hosts=[k.virtual_host("one", ["one"], [k.direct("one")]), k.virtual_host("wild", ["*.x"], [k.direct("wild")]),
                   k.virtual_host("any", ["*"], [k.direct("any")])],
            stat_prefix="by_header", route_config={"vhost_header": "X-Tenant"})),
    ], [k.cluster("up", [upstream])], runtime=RUNTIME))


def ask(proxy, listener, path="/", headers=(), host="example.com", method="GET"):
    with Client(proxy.address(listener)) as client:
        answer = client.request(method, path, headers, host=host)
    return answer.text if answer.status == 200 else answer.status


@pytest.mark.parametrize("path,tag", [
    ("/re/1", "regex"), ("/re/123?x", "regex"), ("/re/", 404), ("/re/1a", 404), ("/x/re/1", 404), ("/RE/1", 404),
    ("/dot/x", "regex dot"), ("/dot/a/b/x", "regex dot"), ("/dot/x/y", 404), ("/dot/?x", 404),
    ("/fold/ABC", "regex without case"), ("/FOLD/abc", "regex without case"), ("/fold/1", 404),
    ("/flag/abc", "regex case flag"), ("/flag/ABC", 404),
    ("/alt/a", "regex alternatives"), ("/alt/b", "regex alternatives"), ("/alt/ab", 404),
    ("/sep", "separated"), ("/sep/", "separated"), ("/sep/x", "separated"), ("/sep?x", "separated"), ("/separate", 404),
    ("/Sep", 404), ("/se", 404), ("/sep;p", 404), ("/deep/er", "separated deep"), ("/deep/er/est", "separated deep"),
    ("/deep", 404), ("/deep/erx", 404), ("/sepfold", "separated fold"), ("/SEPFOLD/X", "separated fold"), ("/sepfoldx", 404),
    ("/se%2Fp/x", "separated escape"), ("/se/p/x", 404),
    ("/tls/none", "no certificate"), ("/tls/some", 404), ("/tls/invalid", "not validated"), ("/tls/valid", 404),
    ("/tls/any", "any tls"), ("/connect", 404),
])
def test_path(proxy, path, tag):
    assert ask(proxy, "paths", path) == tag


@pytest.mark.parametrize("type,taken", [
    ("application/grpc", True), ("application/grpc+proto", True), ("application/grpc-web", False), ("application/json", False),
    ("application/grpc;charset=x", False), ("Application/grpc", False), (None, False),
])
def test_grpc(proxy, upstream, type, taken):
    assert ask(proxy, "paths", "/grpc.Service/Call", {"content-type": type} if type else ()) == ("ok" if taken else 404)


@pytest.mark.parametrize("path,tag", [
    ("/s/a", "/s/*"), ("/s/", 404), ("/s", 404), ("/s/a/", 404), ("/s/a/b", 404), ("/s/a?q=/", "/s/*"),
    ("/s/-._~%!$&'()*+,;:@=", "/s/*"), ('/s/"', 404), ("/s/a|b", 404), ("/s/a[b]", 404), ("/s/a^b", 404), ("/s/{a}", 404),
    ("/d/", "/d/**"), ("/d", 404), ("/d/a/b/", "/d/**"), ("/d//", "/d/**"), ("/d/a|b", 404),
    ("/v/", 404), ("/v/a", "/v/{x}"), ("/v/a/b", 404), ("/w/", "/w/{x=**}"), ("/w/a/b", "/w/{x=**}"), ("/w", 404),
    ("/sl/a/", "/sl/*/"), ("/sl/a", 404),
    ("/sfx/a.m3u8", "/sfx/*.m3u8"), ("/sfx/.m3u8", 404), ("/sfx/aXm3u8", 404), ("/sfx/a.m3u8.m3u8", "/sfx/*.m3u8"),
    ("/mix/ab", 404), ("/mix/axb", "/mix/a{f}b"), ("/mix/ax/b", 404), ("/vs/a.vtt/x", "/vs/{f}.vtt/x"), ("/vs/.vtt/x", 404),
    ("/dd/x", 404), ("/dd//x", "/dd/**/x"), ("/dd/a/b/x", "/dd/**/x"), ("/dd/a/b/y", 404),
    ("/ds/a/b.mpd", "/ds/**.mpd"), ("/ds/.mpd", "/ds/**.mpd"), ("/vv/a/q/z", "/vv/{x=a/*}/z"), ("/vv/a/z", 404),
    ("/lit/a.b", "/lit/a.b"), ("/lit/axb", 404),
])
def test_template(proxy, path, tag):
    assert ask(proxy, "templates", path) == tag


STAR = [differs("a path template with a literal star, `/star/a*`, and the path " + path, envoy=e, martlet=m, why="A star in a literal is a star")
        for path, e, m in [("/star/a*", "404", "taken"), ("/star/aa", "taken", "404")]]


@pytest.mark.parametrize("path,difference", list(zip(["/star/a*", "/star/aa"], STAR)), ids=["/star/a*", "/star/aa"])
def test_star_in_a_literal(proxy, settle, path, difference):
    assert ask(proxy, "templates", path) == ("/star/a*" if settle(difference) == "taken" else 404)


WELL_FORMED = ["/a", "/", "/a/", "/*", "/**", "/**/a", "/{x=*/a/*}", "/{x=**/a}", "/{x_1}", "/{abcdefghijklmnop}", "/{a}/{b}/{c}/{d}/{e}",
               "/a*", "/*a", "/a{f}", "/***", "/%20", "/a=b", "/~", "/{a=b*}", "/{a=b}", "/{a}/**/b", "/{a==}", "/*/", "/{a=**}.x",
               "/a{f=**}", "/{f=b/c}d", "/{f}.x/{g}", "/a{f}/"]
ILL_FORMED = ["a", "//", "/a//b", "/**/*", "/**/{x}", "/{x=}", "/{=*}", "/{}", "/{1x}", "/{_x}", "/{abcdefghijklmnopq}",
              "/{a}/{b}/{c}/{d}/{e}/{f}", "/{a}/{a}", "/*a/", "/a b", "/a?b", "/a#b", "/a\"b", "/a[b]", "/a|b", "/é", "/{a=*b}", "/{a=/b}",
              "/{a=b/}", "/{a=b//c}", "/{a=*}{b=*}", "/{a=**}/*", "/a}b", "/{a", "/*{a}", "/{a-b}", "/a{f}{g}", "/{f}b{g}", "/a{f=*/*}"]


@pytest.mark.parametrize("text", WELL_FORMED)
def test_template_is_taken(launch_once, text):
    launch_once(k.bootstrap([k.listener("main", k.hcm([tagged("x", template(text))]))]))


@pytest.mark.parametrize("text", ILL_FORMED)
def test_template_is_refused(launch_once, text):
    with pytest.raises(StartFailed):
        launch_once(k.bootstrap([k.listener("main", k.hcm([tagged("x", template(text))]))]))


@pytest.mark.parametrize("path,headers,tag", [
    ("/", {"x-regex": "aab"}, "regex"), ("/", {"x-regex": "aabc"}, 404), ("/", {"x-regex": "xaab"}, 404), ("/", {"x-regex": ""}, 404),
    ("/", {"x-old-regex": "12"}, "old regex"), ("/", {"x-old-regex": "123"}, 404),
    ("/", [("x-joined", "a"), ("x-joined", "b")], 404), ("/", {"x-joined": "a,b"}, "list"), ("/", {"x-joined": "a, b"}, 404),
    ("/", [("x-joined", "b"), ("X-Joined", "c")], "one of them"), ("/", [("x-joined", "c"), ("x-joined", "b")], "one of them"),
    ("/", [("x-list", "z"), ("X-List", "b"), ("x-list", "y")], "one by regex"), ("/", [("x-list", "y"), ("x-list", "z")], 404),
    ("/", {"x-number": "5"}, "one by range"), ("/", [("x-number", "500"), ("x-number", "6")], "one by range"), ("/", {"x-number": "100"}, 404),
    ("/none-of", [("x-none", "b"), ("x-none", "c")], "none of them"), ("/none-of", [("x-none", "b"), ("x-none", "a")], 404),
    ("/", {"x-fold": "a-mId-b"}, "contains fold"), ("/", {"x-fold": "PREx"}, "prefix fold"), ("/", {"x-fold": "xsuf"}, "suffix fold"),
    ("/", {"x-fold": "EXACT"}, "exact fold"), ("/", {"x-fold": "exacts"}, 404),
    ("/inv/regex", {"x-i": "b"}, "not regex"), ("/inv/regex", {"x-i": "ab"}, 404), ("/inv/regex", {}, 404),
    ("/inv/range", {"x-i": "10"}, "not range"), ("/inv/range", {"x-i": "5"}, 404), ("/inv/range", {"x-i": "no"}, "not range"),
    ("/inv/range", {}, 404),
    ("/inv/present", {}, "not present"), ("/inv/present", {"x-i": "1"}, 404),
    ("/inv/absent", {"x-i": "1"}, "not absent"), ("/inv/absent", {}, 404),
    ("/miss/not-a", {}, "missing is empty, not a"), ("/miss/not-a", {"x-i": "a"}, 404), ("/miss/not-a", {"x-i": "b"}, "missing is empty, not a"),
    ("/miss/regex", {}, "missing is empty, regex"), ("/miss/regex", {"x-i": "b"}, 404),
    ("/miss/present", {}, "missing is empty, present"), ("/miss/range", {}, 404), ("/miss/range", {"x-i": "3"}, "missing is empty, range"),
    ("/x?tail", {}, "path with query"), ("/x?tail=1", {}, 404), ("/scheme", {}, "scheme"), ("/proto", {}, "forwarded proto"),
    ("/id", {}, "request id"),
    ("/", {"user-agent": "curl/8"}, "user agent"), ("/", [("cookie", "b=2"), ("cookie", "a=1")], "cookie"),
])
def test_header(proxy, path, headers, tag):
    assert ask(proxy, "headers", path, headers) == tag


@pytest.mark.parametrize("method,tag", [("PUT", "method regex"), ("PATCH", "method regex"), ("POST", 404), ("OPTIONS", 404)])
def test_method(proxy, method, tag):
    assert ask(proxy, "headers", method=method) == tag


def test_host_is_the_authority(proxy):
    assert ask(proxy, "headers", host="by-host.example") == "host"


@pytest.mark.parametrize("path,tag", [
    ("/?exact=v", "exact"), ("/?a=b&exact=v", "exact"), ("/?exact=v&exact=w", "exact"), ("/?exact=w&exact=v", 404), ("/?exact=w", 404),
    ("/?exact", 404), ("/?exact=%76", 404), ("/?Exact=v", 404), ("/?xexact=v", 404), ("/?exact=v=", 404), ("/exact=v", 404),
    ("/?prefix=prefix", "prefix"), ("/?prefix=p", 404), ("/?fold=yes", "fold"), ("/?fold=Yes&x", "fold"), ("/?regex=abc", "regex"),
    ("/?regex=abcg", 404), ("/?present", "present"), ("/?present=", "present"), ("/?x&present&y", "present"), ("/?presents", 404),
    ("/?bare", "bare"), ("/?bare=1", "bare"), ("/?one&two=2", "two"), ("/?two=2&one=", "two"), ("/?one&two=3", 404), ("/?one", 404),
    ("/?empty=", "empty value"), ("/?empty", "empty value"), ("/?empty=x", 404), ("/?a%20b", "escaped name"), ("/?a+b", 404),
    ("/absent", "absent"), ("/absent?gone", 404), ("/absent?x", "absent"), ("/?", 404), ("/?&&exact=v", "exact"), ("/?exact=v&", "exact"),
    ("/?;exact=v", 404), ("/?a=1;exact=v", 404), ("/?a=?exact=v", 404), ("/?a=?&exact=v", "exact"),
])
def test_query(proxy, path, tag):
    assert ask(proxy, "queries", path) == tag


@pytest.mark.parametrize("path,tag", [
    ("/none", "rest"), ("/all", "all"), ("/more", "more"), ("/key/number", "keyed"), ("/key/share", "keyed"), ("/key/zero", "rest"),
    ("/key/over", "keyed"), ("/key/text", "keyed"), ("/key/gone", "keyed"),
])
def test_share(proxy, path, tag):
    assert {ask(proxy, "shares", path) for _ in range(10)} == {tag}


def test_half_of_the_requests(proxy):
    """One draw a request: who is not in the first half of the range is not in another's either."""
    seen = [ask(proxy, "shares", "/half") for _ in range(200)]
    assert 60 <= seen.count("half") <= 140
    assert set(seen) <= {"half", "other half", "rest"}


@pytest.mark.parametrize("path,headers,tag", [
    ("/e/0", (), "e0"), ("/e/39", (), "e39"), ("/e/40", (), 404), ("/e/3", (), "e3"), ("/e/", (), 404),
    ("/mixed/abc", (), "regex before"), ("/mixed/123", (), "exact before"), ("/mixed/124", (), "regex behind"),
    ("/p/a", (), "short before"), ("/p/a/b", (), "short before"), ("/q/a/b", (), "long before"), ("/q/a/c", (), "short behind"),
    ("/Fold/x", (), "fold before"), ("/fold/xyz", (), "fold before"),
    ("/cond", {"x-cond": "1"}, "conditional"), ("/cond", (), "unconditional"),
    ("/s/t", (), "separated first"), ("/s/t/u", (), "separated first"), ("/s/tu", (), "prefix second"),
    ("/tpl/a", (), "template"), ("/tpl/a/b", (), "prefix after template"), ("/tpl", (), "prefix after template"),
    ("/rest", (), "rest"), ("/res", (), 404), ("/?x", (), 404),
])
def test_order(proxy, path, headers, tag):
    assert ask(proxy, "order", path, headers) == tag


def test_a_condition_ahead_of_all_paths(proxy):
    assert ask(proxy, "order", "/e/3", method="DELETE") == "method first"


@pytest.mark.parametrize("path,tag", [
    ("/a;x", "a"), ("/a;x?y", "a"), ("/a;", "a"), ("/a;/b", 404), ("/a", "a"), ("/;a", 404), ("/b/;x", "b"), ("/b;x/", "b"), ("/b;x", 404),
    ("/b;x/;y/z;", "b"), ("/;x/a", 404),
    ("/c/abc;v=1", "re"), ("/c/abc?;", "re"), ("/sep;x", "sep"), ("/sep/x;y/z", "sep"),
])
def test_path_parameters_ignored(proxy, path, tag):
    assert ask(proxy, "parameters", path) == tag


@pytest.mark.parametrize("host,tag", [
    ("one.example", "one"), ("one.example:81", "one"), ("ONE.example:99", "one"), ("two.example:1", "any"), ("[::1]:80", "v6"),
    ("[::1]", "v6"), ("a.wild.example:1", "wild"), ("pre.x:1", "pre"), ("ported.example:8080", "any"), ("ported.example", "any"),
])
def test_port_ignored(proxy, host, tag):
    assert ask(proxy, "ports", host=host) == tag


@pytest.mark.parametrize("headers,host,tag", [
    ({"x-tenant": "one"}, "a.x", "one"), ({"x-tenant": "ONE"}, "a.x", "one"), ({"x-tenant": "a.x"}, "one", "wild"),
    ({"x-tenant": "zzz"}, "one", "any"), ((), "one", 404), ({"x-tenant": ""}, "one", "any"),
])
def test_virtual_host_by_header(proxy, headers, host, tag):
    assert ask(proxy, "by-header", headers=headers, host=host) == tag


CHECKS = [
    ("an expression that does not compile", regex("a("), "safe_regex.regex"),
    ("case ignored in an expression", string("x", safe_regex={"regex": "a"}, ignore_case=True), "ignore_case"),
    ("a separated prefix that ends in a slash", {"path_separated_prefix": "/a/"}, "path_separated_prefix"),
    ("a separated prefix of one character", {"path_separated_prefix": "/"}, "path_separated_prefix"),
    ("a separated prefix with a query", {"path_separated_prefix": "/a?b"}, "path_separated_prefix"),
    ("an expression over its own limit", {"safe_regex": {"google_re2": {"max_program_size": 1}, "regex": "abcdef"}}, "safe_regex.regex"),
    ("a share without a default", {"prefix": "/", "runtime_fraction": {"runtime_key": "x"}}, "default_value"),
    ("an expression in a query matcher", query("x", string_match={"safe_regex": {"regex": "["}}), "safe_regex.regex"),
]


@pytest.mark.parametrize("match,field", [(m, f) for _, m, f in CHECKS], ids=[n for n, _, _ in CHECKS])
def test_refused(launch_once, kind, match, field):
    with pytest.raises(StartFailed) as failure:
        launch_once(k.bootstrap([k.listener("main", k.hcm([tagged("x", match)]))]))
    if kind == "martlet":
        assert field in str(failure.value)


def test_large_expressions(launch_once, settle):
    """RE2 takes time linear in the text whatever the expression, so that its size need not be bounded."""
    config = k.bootstrap([k.listener("main", k.hcm([tagged("x", regex("/(a{1,100}){1,10}"))]))])
    starts = settle(differs(
        "a regular expression with a program of more than 100 instructions, without a limit of its own", envoy=False, martlet=True,
        why="Configuration that Envoy refuses"))
    if starts:
        assert ask(launch_once(config), "main", "/aaa") == "x"
    else:
        with pytest.raises(StartFailed):
            launch_once(config)
