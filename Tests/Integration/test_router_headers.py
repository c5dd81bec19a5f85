"""Headers of weighted clusters, rewrites by format strings, and what copies of requests carry."""

import re

import pytest

from harness import config as k
from harness.client import Client
from harness.differs import differs
from harness.upstream import OK

SET = "OVERWRITE_IF_EXISTS_OR_ADD"


def rules(tag):
    return {"request_headers_to_add": [k.header("x-who", tag, SET), k.header("x-list", tag)],
            "response_headers_to_add": [k.header("x-who", tag, SET), k.header("x-list", tag)]}


def weighted(path, clusters, **action):
    return {**k.route(None, {"path": path}, weighted_clusters={"clusters": clusters}, **action), **rules("route")}


def mirrored(path, **policy):
    return k.route(match={"path": path}, request_mirror_policies=[{"cluster": "copy", **policy}])


@pytest.fixture(scope="module")
def copy(upstreams):
    return upstreams()


@pytest.fixture(scope="module")
def proxy(launch, upstream, copy):
    own = {"name": "up", "weight": 1, **rules("entry")}
    bare = [
        weighted("/own", [own]), weighted("/none", [{"name": "up", "weight": 1}]),
        weighted("/empty", [{"name": "empty", "weight": 1, **rules("entry")}]),
        weighted("/removes", [{"name": "up", "weight": 1, "request_headers_to_remove": ["x-a"], "response_headers_to_remove": ["x-b"]}]),
        weighted("/host", [{"name": "up", "weight": 1, "host_rewrite_literal": "entry.example"}], host_rewrite_literal="route.example"),
        weighted("/host-auto", [{"name": "up", "weight": 1, "host_rewrite_literal": "entry.example"}], auto_host_rewrite=True),
        weighted("/host-route", [{"name": "up", "weight": 1}], host_rewrite_literal="route.example"),
    ]
    formats = [
        k.route(match={"prefix": "/path"}, path_rewrite="/new%REQ(x-a)%"), k.route(match={"prefix": "/query"}, path_rewrite="/q?a=%REQ(x-a)%"),
        k.route(match={"prefix": "/nothing"}, path_rewrite="%REQ(x-none)%"), k.route(match={"prefix": "/fixed"}, path_rewrite="/other"),
        k.route(match={"prefix": "/host"}, host_rewrite="%REQ(x-a)%.example", append_x_forwarded_host=True),
        k.route(match={"prefix": "/both"}, host_rewrite="h-%REQ(x-a)%", path_rewrite="/%REQ(:authority)%"),
        k.route(match={"prefix": "/dash"}, host_rewrite="%REQ(x-none)%"), k.route(match={"prefix": "/name"}, path_rewrite="/%ROUTE_NAME%/%PROTOCOL%"),
    ]
    formats[-1]["name"] = "named"
    mutations = [{"append": k.header("x-m", "%REQ(:path)%-%REQ(x-a)%")}, {"remove": "x-b"},
                 {"remove_on_match": {"key_matcher": {"prefix": "x-c"}}}, {"append": k.header("x-a", "over", "OVERWRITE_IF_EXISTS")},
                 {"append": k.header("x-none", "over", "OVERWRITE_IF_EXISTS")}, {"append": k.header("x-d", "new", "ADD_IF_ABSENT")},
                 {"append": k.header("x-e", "more")}, {"append": k.header("x-after", "%REQ(x-a)%|%REQ(x-b)%")}]
    copies = [mirrored("/copy"), mirrored("/changed", request_headers_mutations=mutations)]
    hosts = [k.virtual_host("weighted", ["weighted"], bare, **rules("host")), k.virtual_host("formats", ["formats"], formats),
             k.virtual_host("copies", ["*"], copies)]

    def manager(name, wins, **fields):
        return k.hcm(hosts=hosts, stat_prefix=name, **fields, route_config={"most_specific_header_mutations_wins": wins, **rules("table")})
    inside = {"use_remote_address": True, "internal_address_config": {"cidr_ranges": [{"address_prefix": "127.0.0.0", "prefix_len": 8}]}}
    return launch(k.bootstrap([k.listener("last", manager("last", False)), k.listener("first", manager("first", True)),
                               k.listener("inside", manager("inside", False, **inside))],
                              [k.cluster("up", [upstream]), k.cluster("copy", [copy]), k.cluster("empty")]))


def ask(proxy, host, path, headers=(), listener="last", **fields):
    with Client(proxy.address(listener)) as client:
        return client.request(fields.pop("method", "GET"), path, headers, host=host, **fields)


@pytest.mark.parametrize("listener,path,who,names", [
    ("last", "/own", "table", ["entry", "route", "host", "table"]), ("first", "/own", "route", ["entry", "table", "host", "route"]),
    ("last", "/none", "table", ["route", "host", "table"]), ("first", "/none", "route", ["table", "host", "route"])])
def test_the_rules_of_an_entry_come_first(proxy, upstream, listener, path, who, names):
    answer = ask(proxy, "weighted", path, listener=listener)
    assert (upstream.last.all("x-who"), upstream.last.all("x-list")) == ([who], names)
    assert (answer.all("x-who"), answer.all("x-list")) == ([who], names)


def test_answers_of_the_proxy_have_an_entrys_headers(proxy):
    answer = ask(proxy, "weighted", "/empty")
    assert answer.status == 503 and answer.all("x-list") == ["entry", "route", "host", "table"]


def test_entries_remove(proxy, upstream):
    upstream.respond = b"HTTP/1.1 200 OK\r\nx-b: 1\r\nx-c: 1\r\ncontent-length: 0\r\n\r\n"
    answer = ask(proxy, "weighted", "/removes", {"x-a": "1", "x-b": "2"})
    assert (upstream.last.get("x-a"), upstream.last.get("x-b")) == (None, "2")
    assert (answer.get("x-b"), answer.get("x-c")) == (None, "1")


@pytest.mark.parametrize("path,host", [("/host", "route.example"), ("/host-auto", "entry.example"), ("/host-route", "route.example")])
def test_the_host_of_an_entry_stands_where_the_route_gives_none(proxy, upstream, path, host):
    ask(proxy, "weighted", path)
    assert upstream.last.get("host") == host


# Rewrites by format strings

@pytest.mark.parametrize("path,headers,target,original", [
    ("/path", {"x-a": "/1"}, "/new/1", "/path"), ("/path?q=1&r", {"x-a": "/1"}, "/new/1?q=1&r", "/path?q=1&r"),
    ("/path", {}, "/new", "/path"), ("/query?z=1", {"x-a": "b"}, "/q?a=b?z=1", "/query?z=1"), ("/nothing?a", {}, "/nothing?a", None),
    ("/fixed/x?y", {}, "/other?y", "/fixed/x?y"), ("/name", {}, "/named/HTTP/1.1", "/name")])
def test_paths(proxy, upstream, path, headers, target, original):
    assert ask(proxy, "formats", path, headers).status == 200
    assert (upstream.last.target, upstream.last.get("x-envoy-original-path")) == (target, original)


@pytest.mark.parametrize("path,headers,host", [
    ("/host", {"x-a": "one"}, "one.example"), ("/host", {"x-a": "a.b"}, "a.b.example"), ("/dash", {}, "-"), ("/host", {}, "-.example")])
def test_hosts(proxy, upstream, path, headers, host):
    ask(proxy, "formats", path, headers)
    assert (upstream.last.get("host"), upstream.last.get("x-envoy-original-host")) == (host, "formats")
    assert upstream.last.get("x-forwarded-host") == ("formats" if path == "/host" else None)


def test_the_path_sees_the_new_host(proxy, upstream):
    ask(proxy, "formats", "/both", {"x-a": "1"})
    assert (upstream.last.get("host"), upstream.last.target) == ("h-1", "/h-1")


BAD = "What a header brings into a host or path is checked before it is written"
BAD_HOST = differs("a slash in a header that `host_rewrite` takes over", envoy="a/b.example", martlet="formats", why=BAD)


def test_what_is_no_host(proxy, upstream, settle):
    ask(proxy, "formats", "/host", {"x-a": "a/b"})
    assert upstream.last.get("host") == settle(BAD_HOST)


# Copies

def seen(copy):
    assert copy.wait(lambda: copy.requests and copy.requests[-1].complete)
    return copy.last


@pytest.fixture(autouse=True)
def fresh(copy, upstream):
    copy.reset()
    yield
    upstream.respond = OK


def test_copies_are_the_proxys_own_requests(proxy, upstream, copy):
    ask(proxy, "h", "/copy")
    request = seen(copy)
    assert request.all("x-envoy-internal") == ["true"] and upstream.last.get("x-envoy-internal") is None
    assert re.fullmatch(r"\d+\.\d+\.\d+\.\d+", request.get("x-forwarded-for")) and upstream.last.get("x-forwarded-for") is None


def test_forwarded_addresses_of_copies(proxy, upstream, copy):
    ask(proxy, "h", "/copy", {"x-forwarded-for": "1.2.3.4"})
    request = seen(copy)
    assert len(request.all("x-forwarded-for")) == 1
    assert re.fullmatch(r"1\.2\.3\.4,\d+\.\d+\.\d+\.\d+", request.get("x-forwarded-for"))
    assert upstream.last.get("x-forwarded-for") == "1.2.3.4"


def test_copies_of_internal_requests(proxy, upstream, copy):
    ask(proxy, "h", "/copy", listener="inside")
    assert seen(copy).all("x-envoy-internal") == ["true"] == upstream.last.all("x-envoy-internal")
    assert copy.last.get("x-forwarded-for").split(",")[0] == upstream.last.get("x-forwarded-for")


def test_changes_are_made_one_after_the_other(proxy, upstream, copy):
    sent = {"x-a": "1", "x-b": "2", "x-c1": "3", "x-c2": "4", "x-d": "5", "x-e": "6"}
    ask(proxy, "h", "/changed", sent, method="POST", body=b"body")
    request = seen(copy)
    got = {name: request.all(name) for name in ("x-m", "x-a", "x-b", "x-c1", "x-c2", "x-none", "x-d", "x-e", "x-after")}
    assert got == {"x-m": ["/changed-1"], "x-a": ["over"], "x-b": [], "x-c1": [], "x-c2": [], "x-none": [], "x-d": ["5"],
                   "x-e": ["6", "more"], "x-after": ["over|"]}
    assert request.body == b"body" and {name: upstream.last.get(name) for name in sent} == sent
    assert upstream.last.get("x-m") is None
