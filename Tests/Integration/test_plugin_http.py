"""Every function of `martlet.host.http/1`, driven through the probe: each request brings its script."""

import re
import time

import pytest

from harness import config as k
from harness import plugins as p
from harness.client import Client, Malformed
from harness.plugins import do, script_header
from harness.upstream import OK, ok

pytestmark = pytest.mark.only("martlet", "Envoy has no such plugins")

CHUNKED = [("transfer-encoding", "chunked")]


class Probed:
    """A proxy with the probes a, b and c before its router."""

    def __init__(self, proxy, upstream):
        self.proxy, self.upstream = proxy, upstream

    def ask(self, a=None, *, b=None, c=None, raw=None, **fields):
        with Client(self.proxy.address()) as client:
            headers = list(fields.pop("headers", []))
            headers += [script_header(label, script) for label, script in (("a", a), ("b", b), ("c", c)) if script]
            if raw is None:
                return client.request(headers=headers, **fields)
            client.send(head(headers, **fields) + raw)
            return client.response(fields.get("method", "POST"))

    @property
    def seen(self):
        return self.upstream.requests[-1]


def head(headers, method="POST", path="/", host="example.com"):
    lines = [f"{method} {path} HTTP/1.1", f"host: {host}", *[f"{name}: {value}" for name, value in headers]]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def chunks(*pieces, trailers=()):
    text = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n"
    return text + b"".join(f"{name}: {value}\r\n".encode() for name, value in trailers) + b"\r\n"


DEFINE = [{"header": "x-known"}, {"header": ":path"}, {"header": "x-other"}]


@pytest.fixture(scope="module")
def proxy(launch, workshop, upstream, upstreams, tmp_path_factory):
    folder = tmp_path_factory.mktemp("plugins")
    p.put(workshop.build("probe"), folder, "probe.so")
    other = upstreams()
    other.respond = ok(b"other")
    routes = [k.route(match={"prefix": "/moved"}, prefix_rewrite="/rewritten"), k.direct("direct", match={"path": "/direct"}), k.route()]
    trailers = {"http_protocol_options": {"enable_trailers": True}}
    web = p.hcm([p.probe(label, name=f"probe-{label}", define=DEFINE) for label in "abc"], routes, upgrade_configs=[{"upgrade_type": "websocket"}], **trailers)
    upstream_options = {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions", "explicit_http_config": trailers}}
    return launch(k.bootstrap(
        [k.listener(filters=web, per_connection_buffer_limit_bytes=20000)],
        [k.cluster(endpoints=[upstream], typed_extension_protocol_options=upstream_options), k.cluster("other", endpoints=[other])]),
        args=["--plugin-path", str(folder)])


@pytest.fixture
def probed(proxy, upstream):
    before = len(proxy.output())
    yield Probed(proxy, upstream)
    time.sleep(0.02)
    wrong = [line for line in proxy.output()[before:].splitlines() if "WRONG" in line]
    assert wrong == []


def traces(proxy, label, before=0):
    return [line.split("trace ")[1] for line in proxy.output()[before:].splitlines() if f"probe {label}: trace" in line]


def show(name, value):
    """Puts a text on the response."""
    return do("header_set", map="response", name=name, value=value)


# ---- Order of hooks

@pytest.mark.parametrize("fields, expected", [
    ({}, "create:0 request_headers:1 response_headers:0 response_body:1 complete:0"),
    ({"method": "POST", "body": b"x"}, "create:0 request_headers:0 request_body:1 response_headers:0 response_body:1 complete:0"),
    ({"method": "HEAD"}, "create:0 request_headers:1 response_headers:1 complete:0"),
    ({"path": "/direct"}, "create:0 request_headers:1 response_headers:0 response_body:1 complete:0"),
    ({"raw": chunks(b"x", trailers=[("x-t", "1")]), "headers": CHUNKED},
     "create:0 request_headers:0 request_body:0 request_trailers:1 response_headers:0 response_body:1 complete:0")])
def test_hooks_come_in_their_order(probed, fields, expected):
    before = len(probed.proxy.output())
    assert probed.ask({"none": []}, **fields).status == 200
    deadline = time.monotonic() + 2
    while not traces(probed.proxy, "a", before) and time.monotonic() < deadline:
        time.sleep(0.01)
    # The end of a body may come with its last bytes or after them.
    (seen,) = traces(probed.proxy, "a", before)
    assert re.sub(r"(request|response)_body:0 (?=\1_body:1)", "", seen) == expected


def test_response_trailers(probed):
    probed.upstream.respond = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-t: 1\r\n\r\n"
    response = probed.ask({"response_trailers": [
        do("header_get", map="response_trailers", name="x-t", **{"as": "t"}),
        do("header_set", map="response_trailers", name="x-t", value="${t}2"),
        do("header_add", map="response_trailers", name="x-u", value="${trace}")]}, headers=[("te", "trailers")])
    assert response.body == b"ok" and dict(response.trailers)["x-t"] == "12"
    assert "response_body:0" in dict(response.trailers)["x-u"]


# ---- Headers

HEADERS = [
    # name, steps of request_headers, request headers, what the upstream must see
    ("set", [do("header_set", name="x-a", value="new")], [("x-a", "1"), ("x-a", "2")], ["new"]),
    ("set where none was", [do("header_set", name="x-a", value="new")], [], ["new"]),
    ("set to nothing", [do("header_set", name="x-a", value="")], [("x-a", "1")], [""]),
    ("add", [do("header_add", name="x-a", value="2")], [("x-a", "1")], ["1", "2"]),
    ("append", [do("header_append", name="x-a", value="3")], [("x-a", "1"), ("x-a", "2")], ["1,3", "2"]),
    ("append where none was", [do("header_append", name="x-a", value="3")], [], ["3"]),
    ("remove", [do("header_remove", name="x-a")], [("x-a", "1"), ("x-a", "2")], []),
    ("remove what is not there", [do("header_remove", name="x-a", expect="NOT_FOUND")], [], []),
    ("remove and add", [do("header_remove", name="x-a"), do("header_add", name="x-a", value="9")], [("x-a", "1")], ["9"]),
    ("get nth", [do("header_get", name="x-a", nth=1, **{"as": "v"}), do("header_set", name="x-a", value="${v}")],
     [("x-a", "1"), ("x-a", "2")], ["2"]),
    ("get beyond", [do("header_get", name="x-a", nth=2, expect="NOT_FOUND")], [("x-a", "1"), ("x-a", "2")], ["1", "2"]),
    ("big", [do("header_set", name="x-a", value="v", repeat=1)] * 3, [], ["v"]),
    ("borrowed", [do("header_borrowed", name="x-a", **{"as": "v"}), do("header_set", name="x-a", value="${v}")], [("x-a", "first")], ["first"]),
    ("bytes", [do("header_get", name="x-b", **{"as": "v"}), do("header_set", name="x-a", value="${v}")], [("x-b", "\xe9\xff\x80")], ["\xe9\xff\x80"]),
    ("many", [do("header_add", name="x-a", value=str(i)) for i in range(60)], [], [str(i) for i in range(60)]),
]


@pytest.mark.parametrize("steps, headers, expected", [h[1:] for h in HEADERS], ids=[h[0] for h in HEADERS])
def test_request_headers(probed, steps, headers, expected):
    assert probed.ask({"request_headers": steps}, headers=headers).status == 200
    assert probed.seen.all("x-a") == expected


@pytest.mark.parametrize("steps, headers, expected", [h[1:] for h in HEADERS], ids=[h[0] for h in HEADERS])
def test_response_headers(probed, steps, headers, expected):
    steps = [{**step, "map": "response"} for step in steps]
    fields = "".join(f"{name}: {value}\r\n" for name, value in headers)
    probed.upstream.respond = b"HTTP/1.1 200 OK\r\n" + fields.encode("latin-1") + b"content-length: 2\r\n\r\nok"
    response = probed.ask({"response_headers": steps})
    assert response.all("x-a") == expected and response.body == b"ok"


BY_ID = [
    ("set", [do("header_set_by_id", name="x-known", value="new")], [("x-known", "1"), ("x-known", "2")], ["new"]),
    ("get", [do("header_get_by_id", name="x-known", nth=1, **{"as": "v"}), do("header_set_by_id", name="x-known", value="${v}!")],
     [("x-known", "1"), ("X-Known", "2")], ["2!"]),
    ("get what is not there", [do("header_get_by_id", name="x-other", expect="NOT_FOUND")], [], []),
    ("remove", [do("header_remove_by_id", name="x-known")], [("x-known", "1"), ("x-known", "2")], []),
    ("remove what is not there", [do("header_remove_by_id", name="x-other", expect="NOT_FOUND")], [("x-known", "1")], ["1"]),
    ("a number that nobody has", [do(f"header_{what}_by_id", name=4711, value="x", expect="ARGUMENT") for what in ("get", "set", "remove")],
     [], []),
    ("seen by text and by number", [do("header_set_by_id", name="x-known", value="n"), do("header_get", name="x-known", **{"as": "v"}),
                                    do("check", **{"is": "${v}", "should": "n"}), do("header_set", name="x-known", value="t"),
                                    do("header_get_by_id", name="x-known", **{"as": "v"}), do("check", **{"is": "${v}", "should": "t"})], [], ["t"]),
]


@pytest.mark.parametrize("steps, headers, expected", [h[1:] for h in BY_ID], ids=[h[0] for h in BY_ID])
def test_headers_by_number(probed, steps, headers, expected):
    assert probed.ask({"request_headers": steps}, headers=headers).status == 200
    assert probed.seen.all("x-known") == expected


def test_counting_and_walking(probed):
    response = probed.ask({"request_headers": [
        do("headers", **{"as": "names"}), do("header_count", **{"as": "n"}), do("check", **{"is": "${n}", "should": "${count}"}),
        do("header_at", index=0, **{"as": "first"}), do("header_at", index=999, expect="NOT_FOUND"),
        do("headers", capacity=1, **{"as": "one"})],
        "response_headers": [show("x-names", "${names}"), show("x-first", "${first}"), show("x-one", "${one}"), show("x-count", "${count}")]},
        headers=[("X-One", "1"), ("x-two", "2")])
    names = response.get("x-names").split(",")
    assert "x-one" in names and "x-two" in names and not [name for name in names if name.startswith(":") or name == "host"]
    assert response.get("x-first").split("=")[0] == names[0] == response.get("x-one")
    assert int(response.get("x-count")) == len(names)


PSEUDO = [
    ("path", [do("header_set", name=":path", value="/new?q=1")], lambda seen: seen.target == "/new?q=1"),
    ("path by number", [do("header_set_by_id", name=":path", value="/new")], lambda seen: seen.target == "/new"),
    ("method", [do("header_set", name=":method", value="PUT")], lambda seen: seen.method == "PUT"),
    ("authority", [do("header_set", name=":authority", value="b.example")], lambda seen: seen.get("host") == "b.example"),
    ("host", [do("header_set", name="host", value="b.example")], lambda seen: seen.get("host") == "b.example"),
    ("read", [do("header_get", name=name, **{"as": name[1:]}) for name in (":method", ":path", ":authority", ":scheme")] + [
        do("header_set", name="x-read", value="${method} ${path} ${authority} ${scheme}")],
     lambda seen: seen.get("x-read") == "GET / example.com http"),
    ("host is read", [do("header_get", name="host", **{"as": "h"}),
                      do("header_set", name="x-read", value="${h}")], lambda seen: seen.get("x-read") == "example.com"),
    ("not removed", [do("header_remove", name=name, expect="ARGUMENT") for name in (":path", ":method", ":authority", "host")],
     lambda seen: seen.target == "/" and seen.get("host") == "example.com"),
    ("framing", [do(what, name=name, value="chunked", expect="ARGUMENT") for what in ("header_set", "header_add", "header_append")
                 for name in ("transfer-encoding", "connection", "keep-alive", "upgrade", "proxy-connection")],
     lambda seen: seen.get("transfer-encoding") is None),
    ("no names", [do("header_set", name=name, value="x", expect="ARGUMENT") for name in ("", "a b", "x:y", "x\r\ny", ":nope", "\u00e9")],
     lambda seen: True),
    ("no values", [do("header_set", name="x-a", value=value, expect="ARGUMENT") for value in ("a\r\nb: c", "a\nb", "a\u0000b")],
     lambda seen: seen.get("x-a") is None and seen.get("b") is None),
    ("no map", [do("header_set", map="nothing", name="x", value="y", expect="ARGUMENT"), do("header_get", map="nothing", name="x", expect="ARGUMENT")],
     lambda seen: True),
]


@pytest.mark.parametrize("steps, right", [h[1:] for h in PSEUDO], ids=[h[0] for h in PSEUDO])
def test_pseudo_headers_and_framing(probed, steps, right):
    assert probed.ask({"request_headers": steps}).status == 200
    assert right(probed.seen), (probed.seen.target, probed.seen.headers)


@pytest.mark.parametrize("status, expected", [("201", 201), ("599", 599)])
def test_the_status_can_be_set(probed, status, expected):
    assert probed.ask({"response_headers": [do("header_get", map="response", name=":status", **{"as": "s"}), show("x-s", "${s}"),
                                            show(":status", status)]}).status == expected


def test_a_status_that_is_none(probed):
    assert probed.ask({"response_headers": [do("header_set", map="response", name=":status", value=value, expect="ARGUMENT")
                                            for value in ("", "20", "abc", "1000", "100")]}).status == 200


def test_messages_that_are_not_there_yet(probed):
    steps = [do(what, map=which, name="x", value="y", expect="STATE") for which in ("response", "request_trailers", "response_trailers")
             for what in ("header_get", "header_set", "header_count", "header_at", "headers", "header_remove")]
    assert probed.ask({"request_headers": steps}).status == 200


def test_a_head_that_has_gone_can_be_read_and_not_changed(probed):
    response = probed.ask({"response_headers": [
        do("header_get", map="request", name="x-a", **{"as": "v"}), show("x-read", "${v}"),
        do("header_set", map="request", name="x-a", value="2", expect="STATE"),
        do("header_remove", map="request", name="x-a", expect="STATE")]}, headers=[("x-a", "1")])
    assert response.get("x-read") == "1" and probed.seen.get("x-a") == "1"


def test_filters_see_what_those_before_them_did(probed):
    response = probed.ask(
        {"request_headers": [do("header_set", name="x-a", value="a")], "response_headers": [
            do("header_get", map="response", name="x-b", **{"as": "v"}), show("x-b", "${v}a")]},
        b={"request_headers": [do("header_get", name="x-a", **{"as": "v"}), do("header_set", name="x-a", value="${v}b")],
           "response_headers": [show("x-b", "b")]})
    assert probed.seen.get("x-a") == "ab" and response.get("x-b") == "ba"


# ---- Request bodies

BIG = b"0123456789" * 1000


def held(*steps, trailers=False):
    """Holds the request until all of it is there, then does this."""
    script = {"request_headers": [do("stop", when={"end": False})],
              "request_body": [do("stop", when={"end": False}), *[{**step, "if": {"end": True}} for step in steps]]}
    if trailers:
        script["request_trailers"] = list(steps)
    return script


BODIES = [
    ("nothing", {}, b"hello", b"hello"),
    ("held", held(), b"hello", b"hello"),
    ("held, big", held(), BIG, BIG),
    ("append", held(do("body_append", body=" world")), b"hello", b"hello world"),
    ("drain", held(do("body_drain", count=2)), b"hello", b"llo"),
    ("drain all", held(do("body_drain", count=5)), b"hello", b""),
    ("drain too much", held(do("body_drain", count=6, expect="ARGUMENT")), b"hello", b"hello"),
    ("replace", held(do("body_replace", body="other")), b"hello", b"other"),
    ("replace by more", held(do("body_replace", body="0123456789", repeat=1500)), b"hello", BIG + BIG[:5000]),
    ("replace by nothing", held(do("body_replace", body="")), b"hello", b""),
    ("drain and append", held(do("body_drain", count=3), do("body_append", body="!")), b"hello", b"lo!"),
    ("read and replace", held(do("body", **{"as": "b"}), do("body_replace", body="<${b}>")), b"hello", b"<hello>"),
    ("stop all", {"request_headers": [do("set_timer", timer=0, milliseconds=30), "stop_all"], "timer": [do("continue", on="request")]},
     b"hello", b"hello"),
    ("size of nothing", {"request_headers": [do("body_size", **{"as": "n"}), do("check", **{"is": "${n}", "should": "0"}),
                                             do("body_piece", index=0, expect="NOT_FOUND")]}, b"hello", b"hello"),
    ("no direction", {"request_headers": [do("body_size", on="nowhere", expect="ARGUMENT"), do("continue", on="nowhere", expect="ARGUMENT")]},
     b"hello", b"hello"),
]


@pytest.mark.parametrize("script, sent, expected", [b[1:] for b in BODIES], ids=[b[0] for b in BODIES])
def test_request_bodies_with_a_length(probed, script, sent, expected):
    assert probed.ask(script, method="POST", body=sent).status == 200
    assert probed.seen.body == expected
    assert probed.seen.get("content-length") in (str(len(expected)), None)


@pytest.mark.parametrize("script, sent, expected", [b[1:] for b in BODIES], ids=[b[0] for b in BODIES])
def test_request_bodies_in_chunks(probed, script, sent, expected):
    cuts = sorted({1, len(sent) // 2, len(sent) - 1, len(sent)})
    pieces = [sent[start:end] for start, end in zip([0, *cuts], cuts) if end > start]
    assert probed.ask(script, headers=CHUNKED, raw=chunks(*pieces)).status == 200
    assert probed.seen.body == expected


STREAMED = [
    ("append", {"request_body": [do("body_append", body="!", when={"end": True})]}, b"hello!"),
    ("drain each first byte", {"request_body": [do("body_drain", count=1, when={"end": False})]}, b"elo"),
    ("seen after stop all", {
        "request_headers": [do("set_timer", milliseconds=30), "stop_all"], "timer": [do("continue", on="request")],
        "request_body": [do("stop", when={"end": False}), do("body", **{"as": "b"}), do("body_replace", body="[${b}]", when={"end": True})]},
     b"[hello]"),
]


@pytest.mark.parametrize("script, expected", [s[1:] for s in STREAMED], ids=[s[0] for s in STREAMED])
def test_bodies_that_change_their_length_as_they_stream(probed, script, expected):
    """Possible where no length was announced; each piece comes when the one before has gone on."""
    with Client(probed.proxy.address()) as client:
        client.send(head([*CHUNKED, script_header("a", script)]))
        for piece in (b"3\r\nhel\r\n", b"2\r\nlo\r\n", b"0\r\n\r\n"):
            time.sleep(0.03)
            client.send(piece)
        assert client.response("POST").status == 200
    assert probed.seen.body == expected


@pytest.mark.parametrize("step", [do("body_append", body="!"), do("body_drain", count=1)], ids=lambda step: step["do"])
def test_a_length_that_has_gone_out_is_not_broken(probed, step):
    """Other bytes than announced would move the border of the next message: the stream is broken off."""
    with Client(probed.proxy.address()) as client:
        client.send(head([("content-length", "5"), script_header("a", {"request_body": [{**step, "if": {"visit": 1}}]})]))
        for piece in (b"hel", b"lo"):
            time.sleep(0.03)
            client.send(piece)
        client.read(1000, timeout=2)
    assert not [seen for seen in probed.upstream.requests if seen.complete and seen.body != b"hello"]


@pytest.mark.parametrize("script, sent, expected", [b[1:] for b in BODIES if "held" in b[0] or "stop" in b[0]],
                         ids=[b[0] for b in BODIES if "held" in b[0] or "stop" in b[0]])
def test_request_bodies_that_come_slowly(probed, script, sent, expected):
    with Client(probed.proxy.address()) as client:
        client.send(head([("content-length", str(len(sent))), script_header("a", script)]))
        for start in range(0, len(sent), max(1, len(sent) // 4)):
            time.sleep(0.02)
            client.send(sent[start : start + max(1, len(sent) // 4)])
        assert client.response("POST").status == 200
    assert probed.seen.body == expected


def test_a_get_can_be_given_a_body(probed):
    assert probed.ask({"request_headers": [do("body_append", body="hello"), do("body_append", body="!")]}).status == 200
    assert probed.seen.body == b"hello!"


def test_two_filters_change_one_body(probed):
    read = [do("body", **{"as": "b"})]
    wrap = lambda mark: held(*read, do("body_replace", body=mark + "${b}" + mark))  # noqa: E731
    assert probed.ask(wrap("1"), b=wrap("2"), c=wrap("3"), method="POST", body=b"x").status == 200
    assert probed.seen.body == b"321x123"


def test_bodies_are_changed_in_hooks_of_their_direction_only(probed):
    steps = [do(what, on="response", body="x", count=0, expect="STATE") for what in ("body_append", "body_replace", "body_drain", "trailers_create")]
    assert probed.ask({"request_headers": steps, "request_body": steps}, method="POST", body=b"x").status == 200


def test_create_is_too_early_for_acts(probed):
    steps = [do("reply", status=403, expect="STATE"), do("reply_start", status=403, expect="STATE"), do("reset", expect="STATE"),
             do("continue", on="request", expect="STATE"), do("header_get", name=":path", **{"as": "p"})]
    response = probed.ask({"create": steps, "response_headers": [show("x-p", "${p}")]}, path="/early")
    assert response.status == 200 and response.get("x-p") == "/early"


def test_the_end_is_too_late_for_acts(probed):
    steps = [do("reply", status=403, expect="STATE"), do("reset", expect="STATE"), do("continue", on="response", expect="STATE"),
             do("header_set", map="response", name="x", value="y", expect="STATE"), do("set_timer", milliseconds=1, expect="STATE"),
             do("set_buffer_limit", bytes=1, expect="STATE"), do("clear_route", expect="STATE"), do("set_cluster", cluster="up", expect="STATE"),
             do("header_get", map="request", name=":path"), do("header_get", map="response", name=":status")]
    assert probed.ask({"complete": steps}).status == 200


# ---- Passing bit by bit

def test_body_pass(probed):
    """Three bytes now, the rest later, while the filter stays stopped."""
    script = {"request_headers": ["stop"], "request_body": [do("set_timer", timer=0, milliseconds=20, when={"end": True}), "stop"],
              "timer": [do("body_pass", count=3, when={"number": 0}), do("body_pass", count=100, expect="ARGUMENT"),
                        do("set_timer", timer=1, milliseconds=20, when={"number": 0}), do("continue", on="request", when={"number": 1})]}
    assert probed.ask(script, method="POST", body=b"hello").status == 200
    assert probed.seen.body == b"hello"


def test_body_pass_in_its_own_hook(probed):
    script = {"request_body": [do("body_pass", count=1, expect="STATE")]}
    assert probed.ask(script, method="POST", body=b"hello").status == 200


def test_response_body_pass(probed):
    """A rate limit: ten bytes every five milliseconds."""
    body = b"0123456789" * 20
    probed.upstream.respond = ok(body)
    script = {"response_headers": [do("set_timer", timer=0, milliseconds=5), "stop"], "response_body": ["stop_slow"],
              "timer": [do("body_size", on="response", status_as="s", **{"as": "n"}), do("body_pass", on="response", count=10, status_as="s"),
                        do("set_timer", timer=0, milliseconds=5)]}
    start = time.monotonic()
    response = probed.ask(script)
    assert response.body == body and time.monotonic() - start > 0.08


# ---- Responses

def answered(*steps):
    return {"response_headers": [do("stop", when={"end": False})],
            "response_body": [do("stop", when={"end": False}), *[{**step, "if": {"end": True}} for step in steps]]}


RESPONSES = [
    ("nothing", {}, b"ok"),
    ("append", answered(do("body_append", on="response", body="!")), b"ok!"),
    ("replace", answered(do("body_replace", on="response", body="other")), b"other"),
    ("replace by nothing", answered(do("body_replace", on="response", body="")), b""),
    ("drain", answered(do("body_drain", on="response", count=1)), b"k"),
    ("read", answered(do("body", on="response", **{"as": "b"}), do("body_replace", on="response", body="<${b}>")), b"<ok>"),
    ("stop all", {"response_headers": [do("set_timer", milliseconds=20), "stop_all"], "timer": [do("continue", on="response")]}, b"ok"),
    ("big", answered(do("body_replace", on="response", body="0123456789", repeat=1500)), BIG + BIG[:5000]),
]


@pytest.mark.parametrize("script, expected", [r[1:] for r in RESPONSES], ids=[r[0] for r in RESPONSES])
@pytest.mark.parametrize("form", ["length", "chunked", "close", "slow"])
def test_response_bodies(probed, script, expected, form):
    probed.upstream.respond = {
        "length": OK,
        "chunked": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n",
        "close": [b"HTTP/1.1 200 OK\r\n\r\nok", "close"],
        "slow": [b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\no", 0.03, b"k"]}[form]
    response = probed.ask(script)
    assert response.status == 200 and response.body == expected and response.complete


def test_a_head_gets_no_body(probed):
    response = probed.ask({"response_headers": [do("body_append", on="response", body="hello")]}, method="HEAD")
    assert response.status == 200 and response.body == b""


def test_a_response_of_nothing_can_be_given_a_body(probed):
    probed.upstream.respond = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
    response = probed.ask({"response_headers": [do("body_append", on="response", body="hello")]})
    assert response.body == b"hello"


@pytest.mark.parametrize("on, hooks", [("request", {"request_headers"}), ("response", {"response_body"})])
def test_trailers_can_be_created(probed, on, hooks):
    steps = [do("trailers_create", on=on, when={"end": True}), do("header_set", map=f"{on}_trailers", name="x-t", value="made", when={"end": True})]
    fields = {"headers": CHUNKED, "raw": chunks(b"hello")} if on == "request" else {"headers": [("te", "trailers")]}
    probed.upstream.respond = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    response = probed.ask({f"{on}_headers": steps, f"{on}_body": steps}, **fields)
    assert response.status == 200
    assert dict((probed.seen if on == "request" else response).trailers) == {"x-t": "made"}


def test_a_body_that_was_held_back_goes_before_the_trailers(probed):
    script = {"request_body": [do("body", **{"as": "b"}), do("body_drain", count=5)], "request_trailers": [do("body_append", body="[${b}]")]}
    assert probed.ask(script, headers=CHUNKED, raw=chunks(b"hello", trailers=[("x-t", "1")])).status == 200
    assert probed.seen.body == b"[hello]" and dict(probed.seen.trailers) == {"x-t": "1"}


def test_trailers_are_not_created_before_the_end(probed):
    script = {"request_headers": [do("trailers_create", on="request", expect="STATE", when={"end": False})]}
    assert probed.ask(script, method="POST", body=b"x").status == 200


# ---- Tunnels

SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n"


def tunnel_echo(connection):
    """After the switch: what comes is sent back."""
    while connection.buffer or connection.fill():
        connection.socket.sendall(connection.buffer)
        connection.buffer.clear()
    return False


@pytest.mark.parametrize("script, expected", [
    ({}, b"hello"),
    ({"request_body": [do("body", **{"as": "b"}), do("body_replace", body="<${b}>", when={"end": False})]}, b"<hello>"),
    ({"response_body": [do("body", on="response", **{"as": "b"}), do("body_replace", on="response", body="(${b})", when={"end": False})]}, b"(hello)"),
    ({"request_headers": [do("set_timer", milliseconds=30), "stop_all"], "timer": [do("continue", on="request")]}, b"hello"),
], ids=["untouched", "up", "down", "delayed"])
def test_bytes_of_an_upgrade_are_bodies(probed, script, expected):
    probed.upstream.respond = [SWITCH, tunnel_echo]
    upgrade = [("connection", "upgrade"), ("upgrade", "websocket"), script_header("a", script)]
    with Client(probed.proxy.address()) as client:
        client.send(head(upgrade, method="GET"))
        assert client.head().status == 101
        for _ in range(2):
            assert client.send("hello").read(len(expected)) == expected
        client.half_close()
        assert client.read(1) == b""


# ---- Limits

def test_a_request_over_the_limit_is_answered_413(probed):
    with Client(probed.proxy.address()) as client:
        client.send(head([("content-length", "100000"), script_header("a", held())]) + b"x" * 100000, ignore_errors=True)
        assert client.response("POST").status == 413


def test_a_response_over_the_limit_is_answered_500(probed):
    probed.upstream.respond = ok(b"x" * 100000)
    assert probed.ask(answered()).status == 500


@pytest.mark.parametrize("size", [100, 200000])
def test_the_limit_can_be_set(probed, size):
    script = held()
    script["request_headers"] = [do("buffer_limit", **{"as": "n"}), do("check", **{"is": "${n}", "should": "20000"}),
                                 do("set_buffer_limit", bytes=size), do("buffer_limit", **{"as": "n"}),
                                 do("check", **{"is": "${n}", "should": str(size)}), "stop"]
    response = probed.ask(script, method="POST", body=b"x" * 19000)
    assert response.status == (413 if size == 100 else 200)


def test_a_held_body_can_be_larger_with_another_limit(probed):
    script = held()
    script["request_headers"] = [do("set_buffer_limit", bytes=200000), "stop"]
    assert probed.ask(script, method="POST", body=b"x" * 150000).status == 200
    assert probed.seen.body == b"x" * 150000


def test_stop_slow_slows_the_sender(probed):
    """More than the limit, and no 413: what is passed on makes room for more."""
    script = {"request_headers": [do("set_timer", timer=0, milliseconds=5), "stop_slow"], "request_body": ["stop_slow"],
              "timer": [*[do("body_pass", count=count, status_as="s") for count in (15000, 4000, 1000, 100, 10, 1)],
                        do("set_timer", timer=0, milliseconds=5)]}
    body = b"x" * 200000
    assert probed.ask(script, method="POST", body=body).status == 200
    assert probed.seen.body == body


# ---- Answers

@pytest.mark.parametrize("hook", ["request_headers", "request_body", "request_trailers", "response_headers", "response_body"])
def test_a_reply_in_each_hook(probed, hook):
    script = {"request_headers": ["stop"], "request_body": ["stop"]} if hook.startswith("request_") else {}
    script[hook] = [do("reply", status=418, body="no", headers={"x-by": "probe"}), "stop"]
    if hook == "response_body":
        with pytest.raises(Malformed):  # its head had gone
            probed.ask(script, headers=CHUNKED, raw=chunks(b"x"))
        return
    response = probed.ask(script, headers=CHUNKED, raw=chunks(b"x", trailers=[("x-t", "1")]))
    assert response.status == 418 and response.body == b"no" and response.get("x-by") == "probe"
    assert len(probed.upstream.requests) == (1 if hook.startswith("response") else 0)


@pytest.mark.parametrize("hook", ["timer", "wake"])
def test_a_reply_from_outside(probed, hook):
    begin = do("set_timer", milliseconds=20) if hook == "timer" else do("wake_from_thread", token=9, milliseconds=20)
    response = probed.ask({"request_headers": [begin, "stop_all"], hook: [do("reply", status=503, body=hook)]})
    assert response.status == 503 and response.text == hook and probed.upstream.requests == []


@pytest.mark.parametrize("returns", ["continue", "stop", "stop_all"])
def test_what_a_hook_returns_after_a_reply_does_not_count(probed, returns):
    response = probed.ask({"request_headers": [do("reply", status=403, body="no"), *([returns] if returns != "continue" else [])]},
                          b={"request_headers": [do("say", text="b was called")]})
    assert response.status == 403 and "b was called" not in probed.proxy.output()


def test_a_second_reply_is_refused(probed):
    response = probed.ask({"request_headers": [do("reply", status=403, body="first"), do("reply", status=404, body="second", expect="STATE"),
                                               do("reply_start", status=404, expect="STATE"), "stop"]})
    assert response.status == 403 and response.text == "first"


@pytest.mark.parametrize("status", [0, 100, 199, 600, -1])
def test_a_reply_with_a_wrong_status_is_refused(probed, status):
    response = probed.ask({"request_headers": [do("reply", status=status, body="x", expect="ARGUMENT")]})
    assert response.status == 200


def test_others_see_a_reply_and_whose_it_is(probed):
    seen = {"response_headers": [do("number", attribute=17, **{"as": "source"}), do("number", attribute=16, **{"as": "code"}),
                                 do("text", attribute=20, **{"as": "details"}), show("x-seen", "${source} ${code} ${details}")]}
    response = probed.ask(seen, b={"request_headers": [do("reply", status=429, body="slow down", details="too_many"), "stop"]})
    assert response.status == 429 and response.get("x-seen") == "2 429 too_many"


def test_a_reply_without_details_says_the_filter(probed):
    seen = {"response_headers": [do("text", attribute=20, **{"as": "details"}), show("x-seen", "${details}")]}
    response = probed.ask(seen, b={"request_headers": [do("reply", status=429), "stop"]})
    assert "probe" in response.get("x-seen")


def test_the_upstreams_response_and_its_source(probed):
    response = probed.ask({"response_headers": [do("number", attribute=17, **{"as": "s"}), show("x-s", "${s}")]})
    assert response.get("x-s") == "1"


@pytest.mark.parametrize("grpc_status, expected", [(-1, "14"), (5, "5"), (16, "16")])
def test_a_reply_to_grpc(probed, grpc_status, expected):
    response = probed.ask({"request_headers": [do("reply", status=503, body="away", grpc_status=grpc_status), "stop"]},
                          method="POST", headers=[("content-type", "application/grpc")], body=b"x")
    assert response.status == 200 and response.get("grpc-status") == expected and response.body == b""


def test_a_streamed_reply(probed):
    script = {"request_headers": [do("reply_start", status=200, headers={"x-kind": "stream"}), do("reply_body", body="one "),
                                  do("set_timer", timer=0, milliseconds=20), "stop"],
              "timer": [do("reply_body", body="two ", when={"visit": 1}), do("set_timer", timer=0, milliseconds=20, when={"visit": 1}),
                        do("reply_body", body="three", end=True, when={"visit": 2}),
                        do("reply_body", body="four", expect="STATE", when={"visit": 2})]}
    response = probed.ask(script)
    assert response.status == 200 and response.text == "one two three" and response.get("x-kind") == "stream" and response.complete


def test_a_streamed_reply_passes_the_response_hooks(probed):
    response = probed.ask({"response_headers": [show("x-a", "seen")], "response_body": [do("body_append", on="response", body="!")]},
                          b={"request_headers": [do("reply_start", status=200), do("reply_body", body="one", end=True), "stop"]})
    assert response.get("x-a") == "seen" and response.text.startswith("one") and response.text.endswith("!")


def test_reply_body_without_a_start(probed):
    assert probed.ask({"request_headers": [do("reply_body", body="x", expect="STATE")]}).status == 200


def test_back_pressure_of_a_streamed_reply(probed):
    """A client that does not read: the filter is told, and again when there is room."""
    script = {"request_headers": [do("reply_start", status=200), do("set_timer", timer=0, milliseconds=1), "stop"],
              "timer": [do("reply_body", body="0123456789abcdef", repeat=4096, status_as="s"),
                        do("set_timer", timer=0, milliseconds=1), do("set_timer", timer=0, milliseconds=0, when={"visit": 200}),
                        do("reply_body", body="", end=True, when={"visit": 200})],
              "back_pressure": [do("say", text="pressure", when={"number": 1}), do("say", text="relief", when={"number": 0})]}
    before = len(probed.proxy.output())
    with Client(probed.proxy.address(), receive_buffer=4096) as client:
        client.send(head([script_header("a", script)], method="GET"))
        deadline = time.monotonic() + 5
        while "said pressure" not in probed.proxy.output()[before:] and time.monotonic() < deadline:
            time.sleep(0.02)
        assert "said pressure" in probed.proxy.output()[before:]
        response = client.response("GET")
        assert len(response.body) == 200 * 65536
    assert "said relief" in probed.proxy.output()[before:]


@pytest.mark.parametrize("hook", ["request_headers", "request_body", "response_headers", "response_body"])
def test_reset(probed, hook):
    before = len(probed.proxy.output())
    with Client(probed.proxy.address()) as client:
        client.send(head([("content-length", "1"), script_header("a", {hook: [do("reset"), "stop"]})]) + b"x")
        client.read(1000, timeout=2)
        assert client.ended
    time.sleep(0.05)
    assert traces(probed.proxy, "a", before)[0].endswith("complete:2")


def test_a_client_that_goes_away(probed):
    before = len(probed.proxy.output())
    script = {"request_headers": [do("set_timer", timer=0, milliseconds=60000), "stop_all"]}
    client = Client(probed.proxy.address())
    client.send(head([script_header("a", script)], method="GET"))
    time.sleep(0.1)
    client.close()
    deadline = time.monotonic() + 3
    while not traces(probed.proxy, "a", before) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert traces(probed.proxy, "a", before) == ["create:0 request_headers:1 complete:1"]


# ---- Routes

def test_the_route_is_found_again(probed):
    response = probed.ask({"request_headers": [do("header_set", name=":path", value="/moved/x"), do("clear_route")]}, path="/direct")
    assert response.status == 200 and probed.seen.target == "/rewritten/x"


def test_the_route_stays_without_clear_route(probed):
    response = probed.ask({"request_headers": [do("header_set", name=":path", value="/moved/x")]}, path="/direct")
    assert response.text == "direct" and probed.upstream.requests == []


def test_clear_route_is_too_late_in_the_response(probed):
    assert probed.ask({"response_headers": [do("clear_route", expect="STATE")]}).status == 200


def test_the_cluster_can_be_set(probed):
    response = probed.ask({"request_headers": [do("set_cluster", cluster="other")],
                           "response_headers": [do("text", attribute=18, **{"as": "c"}), show("x-c", "${c}")]})
    assert response.text == "other" and response.get("x-c") == "other" and probed.upstream.requests == []


def test_a_cluster_that_is_not_there(probed):
    assert probed.ask({"request_headers": [do("set_cluster", cluster="nobody", expect="NOT_FOUND")]}).text == "ok"


def test_a_cluster_for_a_route_that_does_not_forward(probed):
    assert probed.ask({"request_headers": [do("set_cluster", cluster="other", expect="STATE")]}, path="/direct").text == "direct"


def test_a_cluster_too_late(probed):
    assert probed.ask({"response_headers": [do("set_cluster", cluster="other", expect="STATE")]}).text == "ok"


def test_a_route_without_configuration(probed):
    assert probed.ask({"request_headers": [do("route_config", level=0, expect="NOT_FOUND")]}).status == 200


# ---- Objects that are not there

EVERYTHING = [
    do("header_get", name="x"), do("header_set", name="x", value="y"), do("header_count"), do("header_at"), do("headers"),
    do("header_add", name="x", value="y"), do("header_append", name="x", value="y"), do("header_remove", name="x"),
    do("header_get_by_id", name="x-known"), do("header_set_by_id", name="x-known", value="y"), do("header_remove_by_id", name="x-known"),
    do("body_size"), do("body_piece"), do("body_drain"), do("body_append", body="x"), do("body_replace", body="x"), do("body_pass"),
    do("trailers_create"), do("continue"), do("buffer_limit"), do("set_buffer_limit", bytes=1), do("reply", status=200),
    do("reply_start", status=200), do("reply_body", body="x"), do("reset"), do("route_config"), do("clear_route"),
    do("set_cluster", cluster="up")]


@pytest.mark.parametrize("what", EVERYTHING, ids=lambda step: step["do"])
def test_a_handle_of_nothing(probed, what):
    """Of a stream that has ended, of no stream, and of something else."""
    assert probed.ask({"request_headers": [do("remember")]}).status == 200
    time.sleep(0.02)
    steps = [{**what, "handle": handle, "expect": "GONE"} for handle in ("remembered", "zero", "worker", "config", "plugin")]
    assert probed.ask({"request_headers": steps, "timer": steps}).status == 200


def test_create_that_gives_nothing_is_answered_500(launch_once, workshop, tmp_path):
    p.put(workshop.build("probe"), tmp_path, "probe.so")
    for what in ("create", "worker_create"):
        web = p.hcm([p.probe(null=[what])], [k.direct()])
        proxy = launch_once(k.bootstrap([k.listener(filters=web)]), args=["--plugin-path", str(tmp_path)])
        with Client(proxy.address()) as client:
            assert client.request().status == 500
        assert not re.search(r"WRONG", proxy.output())
