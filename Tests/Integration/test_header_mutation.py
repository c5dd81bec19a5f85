"""envoy.filters.http.header_mutation: actions, query parameters, trailers, levels, what is refused.

Martlet's filter is a plugin (Plugins/HeaderMutation); `Scripts/plugins.sh` builds it."""

import pytest

from harness import config as k
from harness.client import Client
from harness.differs import differs
from harness.process import StartFailed
from harness.upstream import ok

TYPE = "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3."
OWN = "type.googleapis.com/martlet.filters.http.header_mutation.v1."
NAME = "envoy.filters.http.header_mutation"
OVERWRITE, ABSENT, EXISTS = "OVERWRITE_IF_EXISTS_OR_ADD", "ADD_IF_ABSENT", "OVERWRITE_IF_EXISTS"
SENT = [("x-in", "1"), ("x-in", "2"), ("user-agent", "ua"), ("cookie", "a=1"), ("x-secret-a", "s"), ("x-secret-b", "s")]

QUERY = differs("the query of a path that a header mutation changes", envoy="decoded, sorted by name", martlet="as it came but for what is named",
                why="Decoding `a%2Fb%26c` without encoding it again makes another query of it")


def put(name, value, action=None, **fields):
    return {"append": k.header(name, value, action, **fields)}


def matching(**matcher):
    return {"remove_on_match": {"key_matcher": matcher}}


def filter_of(mutations, kind="HeaderMutation", prefix=TYPE, **fields):
    return {"name": NAME, "typed_config": {"@type": prefix + kind, "mutations": mutations, **fields}}


def manager(filters, routes=None, **fields):
    hcm = k.hcm(routes, stat_prefix="m", **fields)
    hcm["typed_config"]["http_filters"] = filters + hcm["typed_config"]["http_filters"]
    return hcm


def per_route(mutations):
    return {"typed_per_filter_config": {NAME: {"@type": TYPE + "HeaderMutationPerRoute", "mutations": mutations}}}


# (name, request mutations, {header: values at the upstream})
REQUEST = [
    ("add", [put("x-new", "v")], {"x-new": ["v"]}),
    ("append", [put("x-in", "3")], {"x-in": ["1", "2", "3"]}),
    ("append to a list", [put("user-agent", "more")], {"user-agent": ["ua,more"]}),
    ("append a cookie", [put("cookie", "b=2")], {"cookie": ["a=1", "b=2"]}),
    ("upper case", [put("X-Upper", "V"), {"remove": "X-In"}], {"x-upper": ["V"], "x-in": []}),
    ("absent, there", [put("x-in", "v", ABSENT)], {"x-in": ["1", "2"]}),
    ("absent, not there", [put("x-b", "v", ABSENT)], {"x-b": ["v"]}),
    ("absent, twice", [put("x-b", "v", ABSENT), put("x-b", "w", ABSENT)], {"x-b": ["v"]}),
    ("overwrite, there", [put("x-in", "v", OVERWRITE)], {"x-in": ["v"]}),
    ("overwrite, not there", [put("x-b", "v", OVERWRITE)], {"x-b": ["v"]}),
    ("overwrite existing, there", [put("user-agent", "v", EXISTS)], {"user-agent": ["v"]}),
    ("overwrite existing, not there", [put("x-b", "v", EXISTS)], {"x-b": []}),
    ("append: false", [put("x-in", "v", append=False)], {"x-in": ["v"]}),
    ("append: true", [put("x-in", "v", append=True)], {"x-in": ["1", "2", "v"]}),
    ("remove", [{"remove": "x-in"}], {"x-in": []}),
    ("remove what is not there", [{"remove": "x-none"}], {"x-in": ["1", "2"]}),
    ("remove, then add", [{"remove": "x-in"}, put("x-in", "v")], {"x-in": ["v"]}),
    ("empty value", [put("x-e", "%REQ(no)%"), put("x-f", "")], {"x-e": [], "x-f": []}),
    ("empty value kept", [put("x-e", "%REQ(no)%", keep_empty_value=True)], {"x-e": [""]}),
    ("empty overwrite", [put("x-in", "", OVERWRITE)], {"x-in": ["1", "2"]}),
    ("empty overwrite kept", [put("x-in", "", OVERWRITE, keep_empty_value=True)], {"x-in": [""]}),
    ("operators", [put("x-o", "a %REQ(x-in)% b%%"), put("x-p", "%REQ(:path)%")], {"x-o": ["a 1 b%"], "x-p": ["/p?b=2"]}),
    ("address", [put("x-a", "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%|%PROTOCOL%")], {"x-a": ["127.0.0.1|HTTP/1.1"]}),
    ("in order", [put("x-s", "1"), put("x-t", "<%REQ(x-s)%>"), {"remove": "x-s"}, put("x-u", "<%REQ(x-s)%>")],
     {"x-s": [], "x-t": ["<1>"], "x-u": ["<>"]}),
    ("on match: prefix", [matching(prefix="x-secret")], {"x-secret-a": [], "x-secret-b": [], "x-in": ["1", "2"]}),
    ("on match: exact", [matching(exact="x-secret-a")], {"x-secret-a": [], "x-secret-b": ["s"]}),
    ("on match: suffix", [matching(suffix="-b")], {"x-secret-a": ["s"], "x-secret-b": []}),
    ("on match: contains", [matching(contains="ecr")], {"x-secret-a": [], "x-in": ["1", "2"]}),
    ("on match: upper case", [matching(prefix="X-SECRET")], {"x-secret-a": ["s"]}),
    ("on match: any case", [matching(prefix="X-SECRET", ignore_case=True)], {"x-secret-a": [], "x-secret-b": []}),
    ("on match: expression", [matching(safe_regex={"regex": "x-(secret|none)-[a]"})], {"x-secret-a": [], "x-secret-b": ["s"]}),
    ("on match: part of it", [matching(safe_regex={"regex": "x-secret"})], {"x-secret-a": ["s"]}),
]


def parameter(key, value, action="APPEND_IF_EXISTS_OR_ADD"):
    return {"append": {"record": {"key": key, "value": value}, "action": action}}


# (name, query mutations, path, path at the upstream)
QUERIES = [
    ("add", [parameter("c", "9")], "/p?a=1&b=2", "/p?a=1&b=2&c=9"),
    ("add to none", [parameter("c", "9")], "/p", "/p?c=9"),
    ("add to an empty one", [parameter("c", "9")], "/p?", "/p?c=9"),
    ("add again", [parameter("b", "9")], "/p?a=1&b=2", "/p?a=1&b=2&b=9"),
    ("absent, there", [parameter("a", "9", ABSENT)], "/p?a=1", "/p?a=1"),
    ("absent, not there", [parameter("z", "9", ABSENT)], "/p?a=1", "/p?a=1&z=9"),
    ("overwrite", [parameter("b", "9", OVERWRITE)], "/p?a=1&b=2&b=3", "/p?a=1&b=9"),
    ("overwrite, not there", [parameter("c", "9", OVERWRITE)], "/p?a=1", "/p?a=1&c=9"),
    ("overwrite existing", [parameter("a", "9", EXISTS), parameter("q", "9", EXISTS)], "/p?a=1", "/p?a=9"),
    ("remove", [{"remove": "b"}], "/p?a=1&b=2&b=3", "/p?a=1"),
    ("remove the last", [{"remove": "b"}], "/p?b=2", "/p"),
    ("format", [parameter("u", "%REQ(x-in)%-%REQ(:method)%")], "/p", "/p?u=1-GET"),
    ("empty", [parameter("e", "%REQ(no)%")], "/p", "/p?e="),
    ("encoded", [parameter("k", "!\"#$&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~ %%")], "/p",
     "/p?k=%21%22%23%24%26%27%28%29*%2B%2C-.%2F09%3A%3B%3C%3D%3E%3F%40AZ%5B%5C%5D%5E_%60az%7B%7C%7D%7E%20%25"),
    ("the others", [parameter("zz", "1")], "/p?x=a%2Fb%26c",
     differs("`/p?x=a%2Fb%26c`, one parameter added", envoy="/p?x=a/b&c&zz=1", martlet="/p?x=a%2Fb%26c&zz=1", why=QUERY.why)),
    ("their order", [parameter("zz", "1")], "/p?b=1&&a=2",
     differs("`/p?b=1&&a=2`, one parameter added", envoy="/p?=&a=2&b=1&zz=1", martlet="/p?b=1&&a=2&zz=1", why=QUERY.why)),
]

RESPONSE = [put("x-r", "%RESPONSE_CODE% %RESP(x-up)% %REQ(:path)%"), put("x-up", "more"), {"remove": "x-gone"},
            put("content-type", "a/b", OVERWRITE), matching(prefix="x-secret")]


def level(tag):
    return {"request_mutations": [put("x-level", tag)], "response_mutations": [put("x-level", tag)]}


@pytest.fixture(scope="module")
def proxy(launch, upstream):
    listeners = []
    for i, (_, mutations, _) in enumerate(REQUEST):
        listeners.append(k.listener(f"request-{i}", manager([filter_of({"request_mutations": mutations})], [k.route()])))
    for i, (_, mutations, _, _) in enumerate(QUERIES):
        listeners.append(k.listener(f"query-{i}", manager([filter_of({"query_parameter_mutations": mutations})], [k.route()])))
    for name, route in {"upstream": k.route(), "direct": k.direct(), "redirect": k.redirect(path_redirect="/z")}.items():
        listeners.append(k.listener(f"response-{name}", manager([filter_of({"response_mutations": RESPONSE})], [route])))
    trailers = filter_of({"request_trailers_mutations": [put("x-t", "%REQ(x-in)%"), {"remove": "x-gone"}],
                          "response_trailers_mutations": [put("x-t", "v", OVERWRITE), {"remove": "x-gone"}]})
    options = {"http_protocol_options": {"enable_trailers": True}}
    listeners.append(k.listener("trailers", manager([trailers], [k.route("trailers")], **options)))
    for wins in (False, True):
        host = k.virtual_host("v", ["*"], [{**k.route(), **per_route(level("route"))}], **per_route(level("vhost")))
        listeners.append(k.listener(f"levels-{wins}", manager(
            [filter_of(level("filter"), most_specific_header_mutations_wins=wins)], hosts=[host], route_config=per_route(level("table")))))
    weighted = {"match": {"prefix": "/"}, "route": {"weighted_clusters": {"clusters": [
        {"name": "up", "weight": 1, **per_route(level("weighted"))}]}}, **per_route(level("route"))}
    listeners.append(k.listener("weighted", manager([filter_of(level("filter"))], [weighted])))
    listeners.append(k.listener("route-only", manager([filter_of({})], [{**k.route(), **per_route(level("route"))}])))
    twice = [filter_of({"request_mutations": [put("x-a", "1"), put("x-b", "1")]}),
             filter_of({"request_mutations": [{"remove": "x-a"}, put("x-b", "%REQ(x-b)%2")]})]
    listeners.append(k.listener("twice", manager(twice, [k.route()])))
    protocol = {"typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http_protocol_options": {"enable_trailers": True}}}}}
    return launch(k.bootstrap(listeners, [k.cluster("up", [upstream]), k.cluster("trailers", [upstream], **protocol)]))


def ask(proxy, listener, path="/p?b=2"):
    with Client(proxy.address(listener)) as client:
        return client.request("GET", path, SENT)


@pytest.mark.parametrize("index", range(len(REQUEST)), ids=[c[0] for c in REQUEST])
def test_request(proxy, upstream, index):
    assert ask(proxy, f"request-{index}").status == 200
    for name, values in REQUEST[index][2].items():
        assert upstream.last.all(name) == values, name


@pytest.mark.parametrize("index", range(len(QUERIES)), ids=[c[0] for c in QUERIES])
def test_query(proxy, upstream, settle, index):
    _, _, path, expected = QUERIES[index]
    assert ask(proxy, f"query-{index}", path).status == 200
    assert upstream.last.target == settle(expected)


def test_response_of_the_upstream(proxy, upstream):
    upstream.respond = ok(b"hello", "x-up: u1\r\nx-gone: 1\r\nx-secret-a: 1\r\ncontent-type: c/d\r\n")
    answer = ask(proxy, "response-upstream")
    assert answer.all("x-r") == ["200 u1 /p?b=2"] and answer.all("x-up") == ["u1", "more"]
    assert answer.all("content-type") == ["a/b"]
    assert answer.all("x-gone") == [] and answer.all("x-secret-a") == []


@pytest.mark.parametrize("name,status", [("direct", 200), ("redirect", 301)])
def test_response_of_the_proxy(proxy, name, status):
    answer = ask(proxy, f"response-{name}")
    assert answer.status == status
    assert answer.all("x-up") == ["more"] and answer.all("content-type") == ["a/b"]


def test_trailers(proxy, upstream):
    upstream.respond = (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-t\r\n\r\n2\r\nok\r\n0\r\nx-t: u\r\nx-gone: 1\r\n\r\n")
    with Client(proxy.address("trailers")) as client:
        client.send("POST / HTTP/1.1\r\nhost: a\r\nx-in: 7\r\nte: trailers\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\nx-gone: 1\r\nx-k: 1\r\n\r\n")
        answer = client.response("POST")
    assert dict(upstream.last.trailers) == {"x-t": "7", "x-k": "1"}
    assert dict(answer.trailers) == {"x-t": "v"}


@pytest.mark.parametrize("listener,order", [
    ("levels-False", ["filter", "route", "vhost", "table"]), ("levels-True", ["filter", "table", "vhost", "route"]),
    ("weighted", ["filter", "weighted", "route"]), ("route-only", ["route"])])
def test_levels(proxy, upstream, listener, order):
    answer = ask(proxy, listener)
    assert upstream.last.all("x-level") == order
    assert answer.all("x-level") == order


def test_the_same_filter_twice(proxy, upstream):
    ask(proxy, "twice")
    assert upstream.last.all("x-a") == [] and upstream.last.all("x-b") == ["1", "12"]


PSEUDO = differs("removing `:path`, `:method`, `:status` or `host` by a header mutation", envoy="taken", martlet="refused",
                 why="A message without them cannot be sent on")
FRAMING = differs("a header mutation of `connection`, `transfer-encoding` or `content-length`", envoy="taken", martlet="refused",
                  why="A second length would let two readers of a message disagree about where it ends")

# (mutations, whether they are taken, what Martlet's message names)
CONFIGURATIONS = [
    ({"request_mutations": [put(":method", "POST", OVERWRITE)]}, "refused", "request_mutations"),
    ({"request_mutations": [put(":path", "/x")]}, "refused", "request_mutations"),
    ({"request_mutations": [put("Host", "x")]}, "refused", "request_mutations"),
    ({"response_mutations": [put(":status", "404", OVERWRITE)]}, "refused", "response_mutations"),
    ({"request_mutations": [{"remove": ":path"}]}, PSEUDO, "request_mutations"),
    ({"request_mutations": [{"remove": "host"}]}, PSEUDO, "request_mutations"),
    ({"request_mutations": [put("content-length", "5", OVERWRITE)]}, FRAMING, "request_mutations"),
    ({"request_mutations": [put("transfer-encoding", "chunked")]}, FRAMING, "request_mutations"),
    ({"response_mutations": [put("connection", "close")]}, FRAMING, "response_mutations"),
    ({"request_mutations": [{}]}, "refused", "request_mutations"),
    ({"request_mutations": [put("x-a", "1", ABSENT, append=True)]}, "refused", "request_mutations"),
    ({"request_mutations": [put("x-a", "%REQ(x")]}, "refused", "value"),
    ({"request_mutations": [put("x-a", "%NOPE%")]}, "refused", "value"),
    ({"request_mutations": [put("", "1")]}, "refused", "key"),
    ({"request_mutations": [matching(safe_regex={"regex": "("})]}, "refused", "regex"),
    ({"request_mutations": [{"append": {"header": {"key": "x", "value": "1"}, "append_action": "NOPE"}}]}, "refused", "append_action"),
    ({"query_parameter_mutations": [parameter("a", 5)]}, "refused", "query_parameter_mutations"),
    ({"query_parameter_mutations": [{}]}, "refused", "query_parameter_mutations"),
    ({"query_parameter_mutations": [{**parameter("a", "b"), "remove": "c"}]}, "refused", "query_parameter_mutations"),
    ({"query_parameter_mutations": [parameter("", "b")]}, "refused", "key"),
    ({"no_such_field": 1}, "refused", "no_such_field"),
    ({}, "taken", ""),
]


@pytest.mark.parametrize("index", range(len(CONFIGURATIONS)))
def test_configuration(launch_once, upstream, settle, kind, index):
    mutations, verdict, named = CONFIGURATIONS[index]
    config = k.bootstrap([k.listener("main", manager([filter_of(mutations)], [k.route()]))], [k.cluster("up", [upstream])])
    try:
        launch_once(config)
        taken, message = "taken", ""
    except StartFailed as failure:
        taken, message = "refused", str(failure)
    assert taken == settle(verdict), message
    if kind == "martlet":
        assert named in message


def test_the_message_of_a_route_names_its_field(launch_once, upstream, kind):
    route = {**k.route(), **per_route({"request_mutations": [put("x-a", "1"), put(":x", "1")]})}
    config = k.bootstrap([k.listener("main", manager([filter_of({})], [route]))], [k.cluster("up", [upstream])])
    with pytest.raises(StartFailed) as failure:
        launch_once(config)
    if kind == "martlet":
        assert "request_mutations[1]" in str(failure.value) and "typed_per_filter_config" in str(failure.value)


@pytest.mark.only("martlet", "conditions and substitution go beyond Envoy")
def test_conditions_and_substitution(launch, upstream):
    mutations = {
        "request_mutations": [
            {"header": put("x-mobile", "1"), "when": {"request_headers": [{"name": "user-agent", "string_match": {"contains": "Mobile"}}]}},
            {"header": put("x-desktop", "1"), "when": {"invert": True, "request_headers": [{"name": "user-agent", "string_match": {"contains": "Mobile"}}]}},
            {"substitute": {"header": "x-card", "rewrite": {"pattern": {"regex": "[0-9]{4}-([0-9]{4})"}, "substitution": "****-\\1"}}},
            {"substitute": {"header": ":path", "rewrite": {"pattern": {"regex": "^/old/"}, "substitution": "/new/"}}},
            {"header": put("x-never", "1"), "when": {"runtime_fraction": {"default_value": {"numerator": 0}}}},
        ],
        "query_parameter_mutations": [{"parameter": {"remove": "debug"}, "when": {"request_headers": [{"name": "x-card"}]}}],
        "response_mutations": [{"header": put("x-error", "1"), "when": {"response_headers": [{"name": ":status", "range_match": {"start": 500, "end": 600}}]}}],
    }
    proxy = launch(k.bootstrap([k.listener("own", manager([filter_of(mutations, prefix=OWN)], [k.route()]))], [k.cluster("up", [upstream])]))
    upstream.respond = b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n"
    with Client(proxy.address("own")) as client:
        answer = client.request("GET", "/old/x?debug=1&a=2", [("user-agent", "A Mobile B"), ("x-card", "1234-5678"), ("x-card", "none")])
        seen = upstream.last
        assert seen.target == "/new/x?a=2" and seen.all("x-card") == ["****-5678", "none"]
        assert seen.all("x-mobile") == ["1"] and seen.all("x-desktop") == [] and seen.all("x-never") == []
        assert answer.all("x-error") == ["1"]
        upstream.respond = ok()
        answer = client.request("GET", "/x/old/?debug=1", [("user-agent", "B")])
        assert upstream.last.target == "/x/old/?debug=1" and upstream.last.all("x-desktop") == ["1"]
        assert answer.all("x-error") == []
