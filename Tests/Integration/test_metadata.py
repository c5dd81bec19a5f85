"""Metadata of the configuration, dynamic metadata and filter state: in formats, matchers and log filters.

What sets dynamic metadata and filter state here is the PROXY protocol: its TLVs are kept by `rules`.
"""

import json
import socket
import struct
import time

import pytest

from harness import config as k
from harness.client import Client
from harness.differs import differs
from harness.logs import FLUSH, LogFile
from harness.process import StartFailed
from harness.upstream import ok

NS = "envoy.filters.listener.proxy_protocol"
STATE = "envoy.network.proxy_protocol.tlv"
V4 = socket.inet_aton("1.2.3.4") + socket.inet_aton("5.6.7.8") + struct.pack("!HH", 1111, 2222)
YAML_NUMBER = differs("%METADATA% of a number with a fraction in a YAML file, in a JSON line", envoy='"1.5"', martlet="1.5",
                      why="Envoy's YAML reader makes a text of such a number in free-form values; its JSON reader does not, and ours never")
INVERTED = differs("`metadata_filter` of an access log whose matcher has `invert`", envoy="is passed over", martlet="holds",
                   why="Envoy heeds the field in routes and passes it over in access logs")


def hello(*tlvs):
    """A PROXY header, version 2."""
    body = V4 + b"".join(struct.pack("!BH", kind, len(value)) + value for kind, value in tlvs)
    return b"\r\n\r\n\0\r\nQUIT\n" + struct.pack("!BBH", 0x21, 0x11, len(body)) + body


REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
RULES = [{"tlv_type": 1, "on_tlv_present": {"key": "one"}}, {"tlv_type": 2, "on_tlv_present": {"key": "two", "metadata_namespace": "ns"}},
         {"tlv_type": 3}]
SENT = hello((1, b"va\xffl\xe9\xc3\xa9\xc3"), (2, b"second"), (9, b"not asked for"), (2, b"again"))


def of(name):
    return {"filter_metadata": {"m": {"a": name, "n": 12, "f": 1.5, "l": [1, "x", None, True], "z": None, "b": False,
                                      "o": {"q": 'r"\té', "aa": {}}, "s": "abcdefgh"}}}


def whole(name, fraction="1.5"):
    return '{"a":"%s","b":false,"f":%s,"l":[1,"x",null,true],"n":12,"o":{"aa":{},"q":"r\\"\\té"},"s":"abcdefgh","z":null}' % (name, fraction)


# Of the configuration: what each operator says in a log of requests and of TCP connections.
STATIC = {
    "METADATA(LISTENER:m)": ("whole listener", "whole listener"),
    "METADATA(LISTENER:m:a)": ("listener", "listener"), "METADATA(LISTENER:m:n)": ("12", "12"), "METADATA(LISTENER:m:f)": ("1.5", "1.5"),
    "METADATA(LISTENER:m:l)": ('[1,"x",null,true]',) * 2, "METADATA(LISTENER:m:z)": ("-", "-"), "METADATA(LISTENER:m:b)": ("false", "false"),
    "METADATA(LISTENER:m:o:q)": ('r"\té',) * 2, "METADATA(LISTENER:m:o:aa)": ("{}", "{}"), "METADATA(LISTENER:m:o:q:deep)": ("-", "-"),
    "METADATA(LISTENER:m:s):4": ("abcd", "abcd"), "METADATA(LISTENER:m:l):4": ('[1,"',) * 2, "METADATA(LISTENER:x:a)": ("-", "-"),
    "METADATA(LISTENER_FILTER_CHAIN:m:a)": ("chain", "chain"), "METADATA(VIRTUAL_HOST:m:a)": ("vhost", "-"),
    "METADATA(ROUTE:m:a)": ("route", "-"), "METADATA(CLUSTER:m:a)": ("cluster", "cluster"), "METADATA(UPSTREAM_HOST:m:a)": ("host", "host"),
    "CLUSTER_METADATA(m:a)": ("cluster", "cluster"), "UPSTREAM_METADATA(m:a)": ("host", "host"), "UPSTREAM_METADATA(m:x)": ("-", "-"),
}
# Of the connection: in a log of TCP, and in one of requests, which have their own dynamic metadata.
DYNAMIC = {
    f"DYNAMIC_METADATA({NS}:one)": "va!l!é!", f"DYNAMIC_METADATA({NS})": '{"one":"va!l!é!"}', "DYNAMIC_METADATA(ns:two)": "second",
    "DYNAMIC_METADATA(ns:two):3": "sec", "DYNAMIC_METADATA(ns):5": '{"two', "DYNAMIC_METADATA(nope:x)": "-",
    "METADATA(DYNAMIC:ns:two)": "second", f"FILTER_STATE({STATE})": "-", f"FILTER_STATE({STATE}:FIELD:one)": "-",
}
STATES = {
    f"FILTER_STATE({STATE})": '{"one":"abc"}', f"FILTER_STATE({STATE}:PLAIN)": '{"one":"abc"}', f"FILTER_STATE({STATE}:TYPED)": '{"one":"abc"}',
    f"FILTER_STATE({STATE}:FIELD:one)": "abc", f"FILTER_STATE({STATE}:FIELD:one):2": "ab", f"FILTER_STATE({STATE}:FIELD:two)": "-",
    "FILTER_STATE(nope)": "-", f"FILTER_STATE({STATE}:PLAIN):4": '{"on', f"DYNAMIC_METADATA({NS}:one)": "-", f"UPSTREAM_FILTER_STATE({STATE})": "-",
}


def formats(table):
    return "\x1f".join(f"%{name}%" for name in table) + "\n"


def line(log, table):
    text = log.wait(1)[0].encode("latin-1").decode()
    return dict(zip(table, text.split("\x1f")))


@pytest.fixture(scope="module")
def proxy(launch, upstreams, tmp_path_factory):
    folder = tmp_path_factory.mktemp("metadata")
    upstream = upstreams()
    upstream.respond = ok(b"hello")
    logs = {name: LogFile(folder / name) for name in ("http", "tcp", "json", "omit", "dynamic-http", "dynamic-tcp", "state-http", "state-tcp", "listener")}
    route = {**k.route(), "metadata": of("route")}
    hosts = [{**k.virtual_host("all", ["*"], [route]), "metadata": of("vhost")}]

    def listener(name, filters, **fields):
        made = k.listener(name, filters, listener_filters=[k.proxy_protocol(rules=RULES, **fields)], metadata=of("listener"))
        made["filter_chains"][0]["metadata"] = of("chain")
        return made

    def log(name, table):
        return k.access_log(logs[name].path, formats(table))
    members = {"json_format": {name: f"%{name}%" for name in [*STATIC, *DYNAMIC]}}
    listeners = [
        listener("http", k.hcm(hosts=hosts, access_log=[
            log("http", STATIC), log("dynamic-http", DYNAMIC), k.access_log(logs["json"].path, members),
            k.access_log(logs["omit"].path, {**members, "omit_empty_values": True})])),
        {**listener("tcp", k.tcp_proxy("up", access_log=[log("tcp", STATIC), log("dynamic-tcp", DYNAMIC)])), "access_log": [log("listener", DYNAMIC)]},
        listener("state-http", k.hcm(hosts=hosts, access_log=[log("state-http", STATES)]), tlv_location="FILTER_STATE"),
        listener("state-tcp", k.tcp_proxy("up", access_log=[log("state-tcp", STATES)]), tlv_location="FILTER_STATE")]
    cluster = k.cluster("up", [upstream], metadata=of("cluster"))
    cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["metadata"] = of("host")
    proxy = launch(k.bootstrap(listeners, [cluster]), args=FLUSH)
    for name in ("http", "tcp", "state-http", "state-tcp"):
        with Client(proxy.address(name)) as client:
            client.send((SENT if "state" not in name else hello((1, b"abc"))) + REQUEST)
            assert client.response().body == b"hello"
    return logs


@pytest.mark.parametrize("name", STATIC)
@pytest.mark.parametrize("where", ["http", "tcp"])
def test_configuration_in_text(proxy, settle, name, where):
    expected = STATIC[name][0 if where == "http" else 1]
    if expected.startswith("whole "):
        expected = whole(expected[6:], settle(YAML_NUMBER))
    assert line(proxy[where], STATIC)[name] == expected


def test_configuration_in_json(proxy, settle):
    text = proxy["json"].wait(1)[0].encode("latin-1").decode()
    found = json.loads(text)
    assert f'"METADATA(LISTENER:m)":{whole("listener", settle(YAML_NUMBER))}' in text
    assert (found["METADATA(LISTENER:m:n)"], found["METADATA(LISTENER:m:b)"], found["METADATA(LISTENER:m:z)"]) == (12, False, None)
    assert found["METADATA(LISTENER:m:l)"] == [1, "x", None, True]
    assert found["METADATA(ROUTE:m:a)"] == "route" and found["METADATA(LISTENER:x:a)"] is None
    assert found[f"DYNAMIC_METADATA({NS}:one)"] is None


def test_configuration_in_json_without_empty_values(proxy):
    found = json.loads(proxy["omit"].wait(1)[0])
    assert "METADATA(LISTENER:m:z)" not in found and "METADATA(LISTENER:x:a)" not in found and "METADATA(DYNAMIC:ns:two)" not in found
    assert found["METADATA(LISTENER:m:b)"] is False and found["CLUSTER_METADATA(m:a)"] == "cluster"


@pytest.mark.parametrize("name", DYNAMIC)
@pytest.mark.parametrize("where", ["dynamic-tcp", "listener", "dynamic-http"])
def test_dynamic_metadata(proxy, name, where):
    """A request's metadata is its own: it does not have the connection's."""
    assert line(proxy[where], DYNAMIC)[name] == ("-" if where == "dynamic-http" else DYNAMIC[name])


@pytest.mark.parametrize("name", STATES)
@pytest.mark.parametrize("where", ["state-tcp", "state-http"])
def test_filter_state(proxy, name, where):
    assert line(proxy[where], STATES)[name] == STATES[name]


# Matchers

def text(value):
    return {"string_match": {"exact": value}}


def matcher(value, path=("one",), namespace=NS, **fields):
    return {"filter": namespace, "path": [{"key": key} for key in path], "value": value, **fields}


ANY = {"or_match": {"value_matchers": [text("x"), text("abc")]}}
# What an access log's filter takes where the value is "abc".
FILTERS = {
    "exact": ({"matcher": matcher(text("abc"))}, True), "other": ({"matcher": matcher(text("abd"))}, False),
    "prefix": ({"matcher": matcher({"string_match": {"prefix": "a"}})}, True),
    "regex": ({"matcher": matcher({"string_match": {"safe_regex": {"regex": "a.c"}}})}, True),
    "present": ({"matcher": matcher({"present_match": True})}, True), "present false": ({"matcher": matcher({"present_match": False})}, False),
    "missing": ({"matcher": matcher(text("abc"), ("nope",))}, True),
    "missing, false": ({"matcher": matcher(text("abc"), ("nope",)), "match_if_key_not_found": False}, False),
    "missing, present false": ({"matcher": matcher({"present_match": False}, ("nope",)), "match_if_key_not_found": False}, False),
    "through a text": ({"matcher": matcher(text("abc"), ("one", "deep")), "match_if_key_not_found": False}, False),
    "null": ({"matcher": matcher({"null_match": {}})}, False), "number": ({"matcher": matcher({"double_match": {"exact": 1}})}, False),
    "range": ({"matcher": matcher({"double_match": {"range": {"start": 0, "end": 9}}})}, False),
    "bool": ({"matcher": matcher({"bool_match": True})}, False), "list": ({"matcher": matcher({"list_match": {"one_of": text("abc")}})}, False),
    "any": ({"matcher": matcher(ANY)}, True), "none of any": ({"matcher": matcher({"or_match": {"value_matchers": [text("x"), text("z")]}})}, False),
    "no matcher": ({}, True), "no matcher, false": ({"match_if_key_not_found": False}, False),
    "another namespace": ({"matcher": matcher(text("abc"), namespace="nope"), "match_if_key_not_found": False}, False),
    "inverted": ({"matcher": matcher(text("abc"), invert=True)}, INVERTED),
    "inverted other": ({"matcher": matcher(text("abd"), invert=True)}, INVERTED),
}
# Which routes take a request whose connection has the value: by its filter state, by its own metadata.
MATCHES = {
    "state exact": ({"filter_state": [{"key": STATE, "string_match": {"exact": '{"one":"abc"}'}}]}, True),
    "state contains": ({"filter_state": [{"key": STATE, "string_match": {"contains": "abc"}}]}, True),
    "state other": ({"filter_state": [{"key": STATE, "string_match": {"exact": "abc"}}]}, False),
    "state nowhere": ({"filter_state": [{"key": "nope", "string_match": {"prefix": "a"}}]}, False),
    "both states": ({"filter_state": [{"key": STATE, "string_match": {"contains": "abc"}}, {"key": STATE, "string_match": {"contains": "x"}}]}, False),
    "metadata": ({"dynamic_metadata": [matcher(text("abc"))]}, False), "metadata, inverted": ({"dynamic_metadata": [matcher(text("abc"), invert=True)]}, True),
    "metadata present": ({"dynamic_metadata": [matcher({"present_match": True})]}, False),
    "metadata absent": ({"dynamic_metadata": [matcher({"present_match": False})]}, False),
    "metadata not present": ({"dynamic_metadata": [matcher({"present_match": True}, invert=True)]}, True),
    "metadata null": ({"dynamic_metadata": [matcher({"null_match": {}})]}, False),
}


@pytest.fixture(scope="module")
def matching(launch, upstreams, tmp_path_factory):
    folder = tmp_path_factory.mktemp("matchers")
    upstream = upstreams()
    logs = [k.access_log(str(folder / name), "x\n", {"metadata_filter": fields}) for name, (fields, _) in FILTERS.items()]
    routes = [k.direct(name, match={"path": "/" + name.replace(" ", "-").replace(",", ""), **match}) for name, (match, _) in MATCHES.items()]
    rules = [{"tlv_type": 1, "on_tlv_present": {"key": "one"}}]
    added = [k.header("x-field", f"%FILTER_STATE({STATE}:FIELD:one)%"), k.header("x-plain", f"%FILTER_STATE({STATE}:PLAIN):4%"),
             k.header("x-old", '%UPSTREAM_METADATA(["m", "a"])%'), k.header("x-none", f"%DYNAMIC_METADATA({NS}:one)%")]
    cluster = k.cluster("up", [upstream])
    cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["metadata"] = of("host")
    proxy = launch(k.bootstrap([
        k.listener("tcp", k.tcp_proxy("up", access_log=logs), listener_filters=[k.proxy_protocol(rules=rules)]),
        k.listener("http", k.hcm(routes + [{**k.route(), "response_headers_to_add": added}]),
                   listener_filters=[k.proxy_protocol(rules=rules, tlv_location="FILTER_STATE")])], [cluster]), args=FLUSH)
    with Client(proxy.address("tcp")) as client:
        client.send(hello((1, b"abc")) + REQUEST).response()
    with Client(proxy.address("http")) as client:
        client.send(hello((1, b"abc")))
        answers = {name: client.request(path="/" + name.replace(" ", "-").replace(",", "")) for name in MATCHES}
        answers["rest"] = client.request(path="/")
    time.sleep(0.2)
    return folder, answers


@pytest.mark.parametrize("name", FILTERS)
def test_access_log_filter(matching, settle, name):
    expected = FILTERS[name][1]
    if expected is INVERTED:
        expected = (name == "inverted") == (settle(INVERTED) == "is passed over")
    assert (matching[0] / name).exists()
    assert (len((matching[0] / name).read_text()) > 0) == expected


@pytest.mark.parametrize("name", MATCHES)
def test_route_match(matching, name):
    assert (matching[1][name].body == name.encode()) == MATCHES[name][1]


def test_in_headers(matching):
    answer = matching[1]["rest"]
    assert (answer.get("x-field"), answer.get("x-plain"), answer.get("x-old"), answer.get("x-none")) == ("abc", '{"on', "host", None)


@pytest.mark.parametrize("fields", [
    {"rules": [{"tlv_type": 256, "on_tlv_present": {"key": "k"}}]}, {"rules": [{"tlv_type": 1, "on_tlv_present": {"key": ""}}]},
    {"tlv_location": "NOWHERE"}])
def test_bad_rules(launch_once, fields):
    with pytest.raises(StartFailed):
        launch_once(k.bootstrap([k.listener("main", k.echo(), listener_filters=[k.proxy_protocol(**fields)])]))


@pytest.mark.parametrize("fields", [
    {"filter": "", "path": [{"key": "a"}], "value": text("a")}, {"filter": "f", "path": [], "value": text("a")},
    {"filter": "f", "path": [{"key": ""}], "value": text("a")}, {"filter": "f", "path": [{"key": "a"}]},
    {"filter": "f", "path": [{"key": "a"}], "value": {"or_match": {"value_matchers": [text("a")]}}},
    {"filter": "f", "path": [{"key": "a"}], "value": {"string_match": {"safe_regex": {"regex": "("}}}}])
def test_bad_matchers(launch_once, fields):
    with pytest.raises(StartFailed):
        launch_once(k.bootstrap([k.listener("main", k.hcm([k.direct(match={"prefix": "/", "dynamic_metadata": [fields]})]))]))


def test_a_keep_alive_connection_begins_anew(launch_once, upstream):
    """What one request's routes and logs see is not left for the next connection's."""
    route = k.direct("state", match={"prefix": "/", "filter_state": [{"key": STATE, "string_match": {"contains": "abc"}}]})
    proxy = launch_once(k.bootstrap([k.listener(
        "main", k.hcm([route, k.direct("none")]),
        listener_filters=[k.proxy_protocol(rules=[{"tlv_type": 1, "on_tlv_present": {"key": "one"}}], tlv_location="FILTER_STATE")])]))
    for value, expected in ((b"abc", b"state"), (b"x", b"none"), (None, b"none"), (b"1abc", b"state")):
        with Client(proxy.address()) as client:
            client.send(hello((1, value)) if value is not None else hello())
            assert [client.request().body for _ in range(3)] == [expected] * 3
