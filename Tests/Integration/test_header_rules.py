"""Headers to add and to remove: actions, levels, operators, what may not be changed."""

import pytest

from harness import config as k
from harness.client import Client
from harness.differs import differs
from harness.process import StartFailed
from harness.upstream import ok, refused_port

OVERWRITE, ABSENT, EXISTS = "OVERWRITE_IF_EXISTS_OR_ADD", "ADD_IF_ABSENT", "OVERWRITE_IF_EXISTS"
FRAMING = differs("adding `content-length` or `transfer-encoding` by a header rule", envoy="taken", martlet="refused",
                  why="A second length would let two readers of a message disagree about where it ends")
SPLIT = differs("a header rule whose value holds a line end (`%QUERY_PARAM%` of a request with `%0d%0a`)",
                envoy="a field of the client's own", martlet="the field is left out",
                why="What a client sends must not become fields of a message")
SENT = [("x-in", "1"), ("x-in", "2"), ("x-gone", "z"), ("user-agent", "ua"), ("x-forwarded-for", "1.2.3.4")]


def level(tag):
    """Rules that say which level had the last word."""
    added = [k.header("x-last", tag, OVERWRITE), k.header("x-list", tag)]
    return {"request_headers_to_add": added, "response_headers_to_add": added}


RESPONSE = {"response_headers_to_add": [
    k.header("x-r", "%RESPONSE_CODE% %RESP(x-up)%"), k.header("x-up", "more"), k.header("x-flags", "%RESPONSE_FLAGS%"), k.header("x-req", "%REQ(:path)%"),
    k.header("x-cluster", "%UPSTREAM_CLUSTER%"), k.header("x-route", "%ROUTE_NAME%"), k.header("content-type", "a/b", ABSENT)],
    "response_headers_to_remove": ["x-envoy-upstream-service-time", "X-UP-GONE"]}

# (name, request rules of a route, {header: values at the upstream})
REQUEST = [
    ("add", {"add": [k.header("x-new", "v")]}, {"x-new": ["v"]}),
    ("append", {"add": [k.header("x-in", "3")]}, {"x-in": ["1", "2", "3"]}),
    ("append to a list", {"add": [k.header("user-agent", "more"), k.header("x-forwarded-for", "9.9.9.9")]},
     {"user-agent": ["ua,more"], "x-forwarded-for": ["1.2.3.4,9.9.9.9"]}),
    ("upper case", {"add": [k.header("X-Upper", "V")]}, {"x-upper": ["V"]}),
    ("absent, there", {"add": [k.header("x-in", "v", ABSENT)]}, {"x-in": ["1", "2"]}),
    ("absent, not there", {"add": [k.header("x-b", "v", ABSENT)]}, {"x-b": ["v"]}),
    ("absent, twice", {"add": [k.header("x-b", "v", ABSENT), k.header("x-b", "w", ABSENT)]}, {"x-b": ["v", "w"]}),
    ("overwrite, there", {"add": [k.header("x-in", "v", OVERWRITE)]}, {"x-in": ["v"]}),
    ("overwrite, not there", {"add": [k.header("x-b", "v", OVERWRITE)]}, {"x-b": ["v"]}),
    ("overwrite existing, there", {"add": [k.header("user-agent", "v", EXISTS)]}, {"user-agent": ["v"]}),
    ("overwrite existing, not there", {"add": [k.header("x-b", "v", EXISTS)]}, {"x-b": []}),
    ("append: false", {"add": [k.header("x-in", "v", append=False)]}, {"x-in": ["v"]}),
    ("append: true", {"add": [k.header("x-in", "v", append=True)]}, {"x-in": ["1", "2", "v"]}),
    ("remove", {"remove": ["x-gone", "X-IN"]}, {"x-gone": [], "x-in": []}),
    ("remove, then add", {"add": [k.header("x-in", "v")], "remove": ["x-in"]}, {"x-in": ["v"]}),
    ("empty value", {"add": [k.header("x-e", "%REQ(no)%"), k.header("x-e2", "")]}, {"x-e": [], "x-e2": []}),
    ("empty value kept", {"add": [k.header("x-e", "%REQ(no)%", keep_empty_value=True)]}, {"x-e": [""]}),
    ("empty overwrite", {"add": [k.header("x-in", "%REQ(no)%", OVERWRITE)]}, {"x-in": ["1", "2"]}),
    ("operators", {"add": [k.header("x-o", "a %REQ(x-in)% b%%"), k.header("x-p", "%REQ(:path)%"), k.header("x-m", "%REQ(no)%-%REQ(x-in)%")]},
     {"x-o": ["a 1 b%"], "x-p": ["/p?q=1"], "x-m": ["-1"]}),
    ("values are made first", {"add": [k.header("x-in", "new", OVERWRITE), k.header("x-seen", "%REQ(x-in)%")]}, {"x-in": ["new"], "x-seen": ["1"]}),
    ("no upstream yet", {"add": [k.header("x-u", "%UPSTREAM_CLUSTER%|%UPSTREAM_HOST%|%ROUTE_NAME%")]}, {"x-u": ["up||the-route"]}),
    ("client address", {"add": [k.header("x-a", "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%")]}, {"x-a": ["127.0.0.1"]}),
    ("protocol", {"add": [k.header("x-a", "%PROTOCOL%")]}, {"x-a": ["HTTP/1.1"]}),
    ("old metadata forms", {"add": [k.header("x-a", '%DYNAMIC_METADATA(["a", "b"])%|%PER_REQUEST_STATE(c)%')]}, {"x-a": ["|"]}),
]


@pytest.fixture(scope="module")
def proxy(launch, upstream):
    listeners = []
    for i, (_, rules, _) in enumerate(REQUEST):
        fields = {f"request_headers_to_{name}": value for name, value in rules.items()}
        listeners.append(k.listener(f"request-{i}", k.hcm([{**k.route(), "name": "the-route", **fields}], stat_prefix="r")))
    kinds = {"upstream": {**k.route(), "name": "the-route"}, "direct": k.direct(), "redirect": k.redirect(path_redirect="/z"), "refused": k.route("refused")}
    for name, route in kinds.items():
        listeners.append(k.listener(f"response-{name}", k.hcm([{**route, **RESPONSE}], stat_prefix="r")))
    listeners.append(k.listener("no-route", k.hcm(hosts=[k.virtual_host("v", ["*"], [], **RESPONSE)], route_config=RESPONSE, stat_prefix="r")))
    for wins in (False, True):
        host = k.virtual_host("v", ["*"], [{**k.route(), **level("route")}], **level("vhost"))
        table = {**level("table"), "most_specific_header_mutations_wins": wins}
        listeners.append(k.listener(f"levels-{wins}", k.hcm(hosts=[host], route_config=table, stat_prefix="r")))
    for name, added in {"type-overwrite": k.header("content-type", "text/html", OVERWRITE), "type-append": k.header("content-type", "text/html")}.items():
        listeners.append(k.listener(name, k.hcm([{**k.direct(), "response_headers_to_add": [added]}], stat_prefix="r")))
    formats = {"text": k.text_format("[%LOCAL_REPLY_BODY%] %REQ(:path)%\n"),
               "json": {"json_format": {"p": "%REQ(:path)%", "b": "%LOCAL_REPLY_BODY%"}, "content_type": "x/y"}}
    for name, body_format in formats.items():
        route = k.direct("B")
        route["direct_response"]["body_format"] = body_format
        listeners.append(k.listener(f"format-{name}", k.hcm([route], stat_prefix="r")))
    listeners.append(k.listener("lengthless", k.hcm([{**k.route(), "request_headers_to_remove": ["content-length"],
                                                      "response_headers_to_remove": ["content-length"]}], stat_prefix="r")))
    return launch(k.bootstrap(listeners, [k.cluster("up", [upstream]), k.cluster("refused", [("127.0.0.1", refused_port())])]))


def ask(proxy, listener, method="GET", body=b""):
    with Client(proxy.address(listener)) as client:
        return client.request(method, "/p?q=1", SENT, body)


@pytest.mark.parametrize("index", range(len(REQUEST)), ids=[c[0] for c in REQUEST])
def test_request(proxy, upstream, index):
    ask(proxy, f"request-{index}")
    for name, values in REQUEST[index][2].items():
        assert upstream.last.all(name) == values, name


def test_response_of_the_upstream(proxy, upstream):
    upstream.respond = ok(b"hello", "x-up: u1\r\nx-up: u2\r\nx-up-gone: 1\r\n")
    answer = ask(proxy, "response-upstream")
    assert answer.all("x-r") == ["200 u1"]
    assert answer.all("x-up") == ["u1", "u2", "more"]
    assert (answer.all("x-flags"), answer.all("x-req")) == (["-"], ["/p?q=1"])
    assert (answer.all("x-cluster"), answer.all("x-route")) == (["up"], ["the-route"])
    assert answer.all("content-type") == ["a/b"]
    assert answer.all("x-envoy-upstream-service-time") == [] and answer.all("x-up-gone") == []


@pytest.mark.parametrize("name,status,flags,types", [("direct", 200, "-", ["a/b"]), ("redirect", 301, "-", []), ("refused", 503, "UF", ["a/b"])])
def test_response_of_the_proxy(proxy, name, status, flags, types):
    answer = ask(proxy, f"response-{name}")
    assert answer.status == status
    assert answer.all("x-r") == ["0"] and answer.all("x-up") == ["more"]
    assert answer.all("x-flags") == [flags] and answer.all("x-req") == ["/p?q=1"]
    assert answer.all("content-type") == types


def test_without_a_route_nothing_is_added(proxy):
    answer = ask(proxy, "no-route")
    assert answer.status == 404 and {n for n, _ in answer.headers} == {"content-length", "date", "server"}


@pytest.mark.parametrize("wins,order", [(False, ["route", "vhost", "table"]), (True, ["table", "vhost", "route"])])
def test_levels(proxy, upstream, wins, order):
    answer = ask(proxy, f"levels-{wins}")
    for message in (upstream.last, answer):
        assert message.all("x-list") == order and message.all("x-last") == [order[-1]]


@pytest.mark.parametrize("name", ["type-overwrite", "type-append"])
def test_content_type_of_a_direct_response(proxy, name):
    assert ask(proxy, name).all("content-type") == ["text/html"]


def test_direct_response_format(proxy):
    answer = ask(proxy, "format-text")
    assert (answer.text, answer.get("content-type")) == ("[B] /p?q=1\n", "text/plain")
    answer = ask(proxy, "format-json")
    assert (answer.text, answer.get("content-type")) == ('{"b":"B","p":"/p?q=1"}\n', "x/y")


def test_removed_length_leaves_chunks(proxy, upstream):
    upstream.respond = ok(b"hello")
    answer = ask(proxy, "lengthless", "POST", b"1234567")
    assert upstream.last.body == b"1234567" and answer.body == b"hello"
    assert upstream.last.get("transfer-encoding") == "chunked" and answer.get("transfer-encoding") == "chunked"


def starts(launch_once, upstream, rules):
    try:
        launch_once(k.bootstrap([k.listener("main", k.hcm([{**k.route(), **rules}]))], [k.cluster("up", [upstream])]))
    except StartFailed as failure:
        return str(failure)
    return None


@pytest.mark.parametrize("option", [
    k.header(":path", "/x"), k.header("host", "x"), k.header("Host", "x"), k.header(":authority", "x"), k.header("x", "%FOO%"), k.header("x", "50% a"),
    k.header("x", "a", ABSENT, append=False), k.header("x", "a", OVERWRITE, append=True), k.header("x", "a\nb"), k.header("a\nb", "x")],
    ids=lambda o: f"{o['header']['key']!r}={o['header']['value']!r}")
def test_wrong_additions_are_refused(launch_once, upstream, kind, option):
    message = starts(launch_once, upstream, {"response_headers_to_add": [option]})
    assert message is not None
    if kind == "martlet":
        assert "routes[0].response_headers_to_add[0]" in message


@pytest.mark.parametrize("name", [":path", "host", "HOST"])
def test_wrong_removals_are_refused(launch_once, upstream, kind, name):
    message = starts(launch_once, upstream, {"request_headers_to_remove": ["x", name]})
    assert message is not None
    if kind == "martlet":
        assert "routes[0].request_headers_to_remove[1]" in message


@pytest.mark.parametrize("name", ["content-length", "transfer-encoding"])
def test_framing_is_not_added(launch_once, upstream, settle, name):
    message = starts(launch_once, upstream, {"response_headers_to_add": [k.header(name, "1")]})
    assert ("taken" if message is None else "refused") == settle(FRAMING)


def test_a_value_that_is_no_field_is_left_out(launch_once, upstream, settle):
    upstream.respond = ok(b"ok")
    rules = [k.header("x-query", "%QUERY_PARAM(x)%")]
    route = {**k.route(), "request_headers_to_add": rules, "response_headers_to_add": rules}
    proxy = launch_once(k.bootstrap([k.listener(filters=k.hcm([route]))], [k.cluster("up", [upstream])]))
    with Client(proxy.address()) as client:
        response = client.request(path="/?x=a%0d%0ax-injected:%20yes")
    seen = [message.get(name) for message in [response, *upstream.requests] for name in ("x-query", "x-injected")]
    assert ("the field is left out" if seen == [None] * 4 and response.status == 200 else "a field of the client's own"
            if response.get("x-injected") else seen) == settle(SPLIT)
