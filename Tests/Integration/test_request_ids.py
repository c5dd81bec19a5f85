"""x-request-id, via, user-agent and node headers, x-forwarded-proto and the scheme."""

import re

import pytest

from harness import config as k
from harness.client import Client, make_request
from harness.upstream import ok

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89a-f][0-9a-f]{3}-[0-9a-f]{12}$")
INTERNAL = {"internal_address_config": {"cidr_ranges": [{"address_prefix": "10.0.0.0", "prefix_len": 8}]}}
EDGE = {"use_remote_address": True, **INTERNAL}


def uuid(**fields):
    return {"request_id_extension": {"typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig", **fields}}}


LISTENERS = {
    "plain": {},
    "none": {"generate_request_id": False},
    "edge": EDGE,
    "preserve": {**EDGE, "preserve_external_request_id": True},
    "preserve-none": {**EDGE, "preserve_external_request_id": True, "generate_request_id": False},
    "preserve-unpacked": {**EDGE, "preserve_external_request_id": True, **uuid(pack_trace_reason=False)},
    "preserve-behind": {"preserve_external_request_id": True},
    "unsampled": uuid(use_request_id_for_trace_sampling=False),
    "return": {**EDGE, "always_set_request_id_in_response": True},
    "return-plain": {"always_set_request_id_in_response": True},
    "return-none": {"always_set_request_id_in_response": True, "generate_request_id": False},
    "via": {"via": "mine"},
    "agent": {"add_user_agent": True},
    "agent-edge": {**EDGE, "add_user_agent": True},
    "http": {"scheme_header_transformation": {"scheme_to_overwrite": "http"}},
    "https": {"scheme_header_transformation": {"scheme_to_overwrite": "https"}},
    "match": {"scheme_header_transformation": {"match_upstream": True}},
}


@pytest.fixture(scope="module")
def proxy(launch, upstream):
    routes = [k.direct("d", match={"path": "/direct"}), k.redirect({"path": "/redirect"}, path_redirect="/x"), k.route()]
    return launch(k.bootstrap(
        [k.listener(name, k.hcm(routes, stat_prefix=name, **fields),
                    listener_filters=[k.proxy_protocol(allow_requests_without_proxy_protocol=True)])
         for name, fields in LISTENERS.items()],
        [k.cluster("up", [upstream])], node={"id": "node-1", "cluster": "cluster-1"}))


@pytest.fixture
def ask(proxy, upstream):
    def send(listener, peer=None, headers=(), path="/", raw=None):
        head = f"PROXY TCP4 {peer} 5.6.7.8 1111 2222\r\n".encode() if peer else b""
        before = len(upstream.requests)
        with Client(proxy.address(listener)) as client:
            client.send(head + (raw or make_request(path=path, headers=headers)))
            answer = client.response()
        return answer, upstream.requests[before] if len(upstream.requests) > before else None
    return send


LONG = "11111111-2222-9333-a444-555555555555"
PACKED = "11111111-2222-4333-a444-555555555555"
INSIDE, OUTSIDE = "10.1.2.3", "8.8.8.8"


@pytest.mark.parametrize("listener,peer,sent,got", [
    ("plain", OUTSIDE, None, "new"), ("plain", OUTSIDE, "", "new"), ("plain", OUTSIDE, LONG, LONG), ("plain", OUTSIDE, "short", "short"),
    ("none", OUTSIDE, None, None), ("none", OUTSIDE, "", ""), ("none", OUTSIDE, "short", "short"),
    ("edge", OUTSIDE, None, "new"), ("edge", OUTSIDE, LONG, "new"), ("edge", OUTSIDE, "short", "new"),
    ("edge", INSIDE, None, "new"), ("edge", INSIDE, LONG, LONG), ("edge", INSIDE, "short", "short"), ("edge", INSIDE, "", "new"),
    ("preserve", OUTSIDE, None, "new"), ("preserve", OUTSIDE, "", "new"), ("preserve", OUTSIDE, "short", "short"),
    ("preserve", OUTSIDE, LONG, PACKED), ("preserve", OUTSIDE, "x" * 36, "x" * 14 + "4" + "x" * 21), ("preserve", OUTSIDE, "x" * 37, "x" * 37),
    ("preserve", INSIDE, LONG, LONG), ("preserve-unpacked", OUTSIDE, LONG, LONG), ("preserve-none", OUTSIDE, LONG, LONG),
    ("preserve-behind", OUTSIDE, LONG, LONG), ("unsampled", OUTSIDE, None, "new"), ("unsampled", OUTSIDE, LONG, LONG)])
def test_request_id(ask, listener, peer, sent, got):
    request = ask(listener, peer, [] if sent is None else [("x-request-id", sent)])[1]
    values = request.all("x-request-id")
    if got == "new":
        assert len(values) == 1 and UUID.match(values[0]) and values[0] != sent
    else:
        assert values == ([] if got is None else [got])


def test_several_ids_are_one(ask):
    assert ask("plain", None, [("x-request-id", "a"), ("x-request-id", "b")])[1].all("x-request-id") == ["a,b"]


@pytest.mark.parametrize("path", ["/", "/direct", "/redirect"])
@pytest.mark.parametrize("listener,peer,sent,got", [
    ("return", INSIDE, "abc", "abc"), ("return", OUTSIDE, "abc", "new"), ("return-plain", None, "abc", "abc"), ("return-plain", None, None, "new"),
    ("return-none", None, None, None), ("return-none", None, "abc", "abc"), ("return-none", None, "", ""), ("plain", None, "abc", None)])
def test_request_id_in_the_answer(ask, path, listener, peer, sent, got):
    answer, request = ask(listener, peer, [] if sent is None else [("x-request-id", sent)], path=path)
    values = answer.all("x-request-id")
    if got == "new":
        assert len(values) == 1 and UUID.match(values[0])
        if request:
            assert request.all("x-request-id") == values
    else:
        assert values == ([] if got is None else [got])


def test_the_upstreams_id_is_replaced(ask, upstream):
    upstream.respond = ok(b"", "x-request-id: theirs\r\n")
    assert ask("return-plain", None, [("x-request-id", "abc")])[0].all("x-request-id") == ["abc"]
    assert ask("plain", None, [("x-request-id", "abc")])[0].all("x-request-id") == ["theirs"]


@pytest.mark.parametrize("peer,sent,got", [(INSIDE, True, ["abc"]), (INSIDE, False, []), (OUTSIDE, True, [])])
def test_force_trace_returns_the_id(ask, peer, sent, got):
    headers = [("x-request-id", "abc")] + ([("x-envoy-force-trace", "true")] if sent else [])
    assert ask("edge", peer, headers)[0].all("x-request-id") == got


@pytest.mark.parametrize("sent,theirs,request_via,response_via", [
    ([], "", "mine", "mine"), (["1.1 a"], "via: 1.1 b\r\n", "1.1 a, mine", "1.1 b, mine"),
    (["1.1 a", "1.1 c"], "via: 1.1 b\r\nvia: z\r\n", "1.1 a,1.1 c, mine", "1.1 b,z, mine"), ([""], "via: \r\n", "mine", "mine")])
def test_via(ask, upstream, sent, theirs, request_via, response_via):
    upstream.respond = ok(b"", theirs)
    answer, request = ask("via", None, [("via", value) for value in sent])
    assert request.all("via") == [request_via] and answer.all("via") == [response_via]


@pytest.mark.parametrize("path", ["/direct", "/redirect"])
def test_via_of_local_answers(ask, path):
    assert ask("via", path=path)[0].all("via") == ["mine"]


def test_via_passes_without_the_option(ask, upstream):
    upstream.respond = ok(b"", "via: 1.1 b\r\n")
    answer, request = ask("plain", None, [("via", "1.1 a")])
    assert request.all("via") == ["1.1 a"] and answer.all("via") == ["1.1 b"]


@pytest.mark.parametrize("listener,peer,sent,agent,cluster,node", [
    ("plain", None, {}, None, None, None),
    ("agent", None, {}, "cluster-1", "cluster-1", "node-1"),
    ("agent", None, {"user-agent": "mine"}, "mine", "cluster-1", "node-1"),
    ("agent", None, {"user-agent": ""}, "cluster-1", "cluster-1", "node-1"),
    ("agent", None, {"x-envoy-downstream-service-cluster": "a", "x-envoy-downstream-service-node": "b"}, "cluster-1", "cluster-1", "node-1"),
    ("agent-edge", OUTSIDE, {"x-envoy-downstream-service-cluster": "a"}, "cluster-1", "cluster-1", "node-1"),
    ("plain", None, {"x-envoy-downstream-service-cluster": "a"}, None, "a", None),
    ("edge", OUTSIDE, {"x-envoy-downstream-service-cluster": "a"}, None, None, None)])
def test_user_agent(ask, listener, peer, sent, agent, cluster, node):
    request = ask(listener, peer, sent)[1]
    assert request.all("user-agent") == ([agent] if agent else [])
    assert request.all("x-envoy-downstream-service-cluster") == ([cluster] if cluster else [])
    assert request.all("x-envoy-downstream-service-node") == ([node] if node else [])


@pytest.mark.parametrize("listener,target,sent,proto,location", [
    ("http", "/redirect", None, "http", "http://h/x"), ("http", "/redirect", "https", "http", "http://h/x"),
    ("http", "https://h/redirect", None, "http", "http://h/x"), ("http", "https://h/redirect", "https", "http", "http://h/x"),
    ("https", "/redirect", None, "https", "https://h/x"), ("https", "/redirect", "http", "https", "https://h/x"),
    ("https", "http://h/redirect", "http", "https", "https://h/x"), ("match", "/redirect", None, "http", "http://h/x"),
    ("match", "/redirect", "https", "https", "https://h/x"), ("match", "https://h/redirect", "http", "http", "https://h/x"),
    ("plain", "/redirect", None, "http", "http://h/x"), ("plain", "/redirect", "https", "https", "https://h/x"),
    ("plain", "https://h/redirect", "http", "http", "https://h/x"), ("edge", "/redirect", "https", "http", "http://h/x")])
def test_scheme(ask, listener, target, sent, proto, location):
    def raw(to):
        extra = f"x-forwarded-proto: {sent}\r\n" if sent else ""
        return f"GET {to} HTTP/1.1\r\nhost: h\r\n{extra}\r\n".encode()
    assert ask(listener, OUTSIDE, raw=raw(target))[0].get("location") == location
    assert ask(listener, OUTSIDE, raw=raw(target.replace("redirect", "")))[1].all("x-forwarded-proto") == [proto]


@pytest.mark.parametrize("fields", [
    {"scheme_header_transformation": {"scheme_to_overwrite": "ftp"}}, {"via": "a\nb"},
    {"request_id_extension": {"typed_config": {"@type": "type.googleapis.com/envoy.extensions.nosuch.v3.X"}}}])
def test_refused(launch_once, upstream, fields):
    with pytest.raises(Exception, match="exit"):
        launch_once(k.bootstrap([k.listener("main", k.hcm([k.route()], **fields))], [k.cluster("up", [upstream])]))
