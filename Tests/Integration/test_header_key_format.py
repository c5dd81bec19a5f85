"""header_key_format: lower case, proper case, and names as they came, of both sides."""

import pytest

from harness import config as k
from harness.client import Client

FORMATTER = "type.googleapis.com/envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig"
OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def preserve(**fields):
    return {"header_key_format": {"stateful_formatter": {"name": "preserve_case", "typed_config": {"@type": FORMATTER, **fields}}}}


PROPER = {"header_key_format": {"proper_case_words": {}}}
FORMS = {"lower": {}, "proper": PROPER, "preserve": preserve(), "preserve-proper": preserve(formatter_type_on_envoy_headers="PROPER_CASE"),
         "reason": preserve(forward_reason_phrase=True)}


@pytest.fixture(scope="module")
def proxy(launch, upstream):
    routes = [k.direct("d", match={"path": "/direct"})] + [k.route(name, match={"path": "/" + name}) for name in FORMS]
    clusters = [k.cluster(name, [upstream], typed_extension_protocol_options={OPTIONS: {
        "@type": "type.googleapis.com/" + OPTIONS, "explicit_http_config": {"http_protocol_options": form}}}) for name, form in FORMS.items()]
    return launch(k.bootstrap([k.listener(name, k.hcm(routes, stat_prefix=name, http_protocol_options=form, server_header_transformation="PASS_THROUGH"))
                               for name, form in FORMS.items()], clusters))


REQUEST = ("POST /%s HTTP/1.1\r\nhOST: h\r\nX-foo-BAR: 1\r\nx_y.z: 2\r\n2a-b3c: 4\r\nCoNTent-Length: 2\r\n\r\nok")
RESPONSE = b"HTTP/1.1 200 Fine Then\r\nX-MiXed: 1\r\nset-COOKIE: a\r\nContent-LENGTH: 2\r\nSERVER: x\r\n\r\nok"
SENT = ["hOST", "X-foo-BAR", "x_y.z", "2a-b3c", "CoNTent-Length"]
ANSWERED = ["X-MiXed", "set-COOKIE", "Content-LENGTH", "SERVER"]
PROPER_SENT = ["Host", "X-Foo-Bar", "X_Y.Z", "2a-B3c", "Content-Length"]
PROPER_ANSWERED = ["X-Mixed", "Set-Cookie", "Content-Length", "Server"]


@pytest.mark.parametrize("listener", FORMS)
@pytest.mark.parametrize("cluster", FORMS)
def test_names(proxy, upstream, listener, cluster):
    upstream.respond = RESPONSE
    with Client(proxy.address(listener)) as client:
        client.send(REQUEST % cluster)
        answer = client.response()
    keeps, others = listener not in ("lower", "proper"), listener == "preserve-proper" or (listener in ("lower", "proper") and cluster == "proper")
    names = [n for n, _ in upstream.last.headers]
    expected = SENT if keeps else PROPER_SENT if cluster == "proper" else [n.lower() for n in SENT]
    assert sorted(names[:5]) == sorted(expected)
    assert ("X-Request-Id" in names, "x-request-id" in names) == (others, not others)
    keeps, others = cluster not in ("lower", "proper"), cluster == "preserve-proper" or (cluster in ("lower", "proper") and listener == "proper")
    names = [n for n, _ in answer.headers]
    expected = ANSWERED if keeps else PROPER_ANSWERED if listener == "proper" else [n.lower() for n in ANSWERED]
    assert names[:4] == expected
    assert ("Date" in names, "date" in names) == (others, not others)
    assert answer.reason == ("Fine Then" if cluster == "reason" else "OK")


@pytest.mark.parametrize("listener", FORMS)
def test_local_answers(proxy, listener):
    with Client(proxy.address(listener)) as client:
        client.send("GET /direct HTTP/1.1\r\nHost: h\r\n\r\n")
        names = [n for n, _ in client.response().headers]
    proper = listener == "proper"
    assert ("Content-Type" in names, "content-type" in names) == (proper, not proper)


def test_several_requests_of_one_connection(proxy, upstream):
    with Client(proxy.address("preserve")) as client:
        for name in ("X-one-A", "x-ONE-a", "X-ONE-A"):
            client.send(f"GET /preserve HTTP/1.1\r\nHost: h\r\n{name}: 1\r\n\r\n")
            assert client.response().status == 200
            assert (name, "1") in upstream.last.headers


def test_heads_in_pieces(proxy, upstream):
    with Client(proxy.address("preserve")) as client:
        client.send_slowly(b"GET /preserve HTTP/1.1\r\nHoSt: h\r\nX-MiXeD: 1\r\n\r\n", 0.002)
        assert client.response().status == 200
    assert [n for n, _ in upstream.last.headers][:2] == ["HoSt", "X-MiXeD"]


def test_pipelined_heads(proxy, upstream):
    one = "GET /preserve HTTP/1.1\r\nHost: h\r\n%s: 1\r\n\r\n"
    with Client(proxy.address("preserve")) as client:
        client.send("".join(one % name for name in ("X-A", "x-A", "X-a")))
        for _ in range(3):
            assert client.response().status == 200
    assert [r.headers[1][0] for r in upstream.requests] == ["X-A", "x-A", "X-a"]


def test_chunked(proxy, upstream):
    upstream.respond = b"HTTP/1.1 200 OK\r\nTransfer-ENCODING: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    for listener, cluster, sent, got in (("preserve", "preserve", "Transfer-ENCODING", "Transfer-ENCODING"),
                                         ("proper", "proper", "Transfer-Encoding", "Transfer-Encoding")):
        with Client(proxy.address(listener)) as client:
            client.send(f"POST /{cluster} HTTP/1.1\r\nHost: h\r\nTransfer-ENCODING: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")
            answer = client.response()
        assert got in [n for n, _ in answer.headers] and answer.body == b"ok"
        assert sent in [n for n, _ in upstream.last.headers]


def test_a_name_twice(proxy, upstream):
    with Client(proxy.address("preserve")) as client:
        client.send("GET /preserve HTTP/1.1\r\nHost: h\r\nX-a: 1\r\nx-A: 2\r\n\r\n")
        assert client.response().status == 200
    assert [n for n, _ in upstream.last.headers][1:3] == ["X-a", "X-a"]
