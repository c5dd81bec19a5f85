"""`local_reply_config`: formats and mappers over every answer that is the proxy's own."""

import json

import pytest

from harness import config as k
from harness.client import Client, exchange
from harness.differs import differs
from harness.upstream import refused_port

BODILESS = differs("`content-length` of a local reply whose status a mapper makes 204", envoy="98", martlet="none",
                   why="RFC 9110 section 8.6: a 204 carries no Content-Length")
FLAG = differs("%RESPONSE_FLAGS% in the body of the answer to a request that is no HTTP", envoy="-", martlet="DPE",
               why="Envoy sets the flag when the answer is made already; its access log has it")
CONNECT_FAILURE = "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure"


def status_is(value, op="EQ"):
    return {"status_code_filter": {"comparison": {"op": op, "value": {"default_value": value, "runtime_key": "no.such.key"}}}}


def header_is(name, value):
    return {"header_filter": {"header": {"name": name, "string_match": {"exact": value}}}}


MARK = k.header("x-mark", "1")
LISTENERS = {
    "text": {"body_format": k.text_format("%LOCAL_REPLY_BODY%:%RESPONSE_CODE%:path=%REQ(:path)%:%RESPONSE_CODE_DETAILS%:%RESPONSE_FLAGS%\n")},
    "json": {"body_format": {"json_format": {"b": "%LOCAL_REPLY_BODY%", "s": "%RESPONSE_CODE%", "f": "%RESPONSE_FLAGS%"}}},
    "typed": {"body_format": {"json_format": {"s": "%RESPONSE_CODE%"}, "content_type": "application/problem+json"}},
    "mappers": {
        "mappers": [
            {"filter": status_is(404), "status_code": 402, "body": {"inline_string": "not here"},
             "headers_to_add": [k.header("x-mark", "1 %RESPONSE_CODE%"), k.header("content-type", "foo/bar")],
             "body_format_override": k.text_format("<%LOCAL_REPLY_BODY%|%RESPONSE_CODE%|%RESP(x-mark)%>", content_type="text/html")},
            {"filter": status_is(503), "status_code": 500},
            {"filter": status_is(202), "body": {"inline_string": ""}},
            {"filter": status_is(200), "headers_to_add": [k.header("content-type", "a/b", "OVERWRITE_IF_EXISTS_OR_ADD")]}],
        "body_format": k.text_format("default %LOCAL_REPLY_BODY%", content_type="text/x")},
    "plain-mapper": {"mappers": [{"filter": status_is(404), "body": {"inline_string": "<b>"}, "headers_to_add": [MARK]},
                                 {"filter": {"response_flag_filter": {"flags": ["UF"]}}, "status_code": 204}]},
}
# A filter each, and for which paths it holds.
PATHS = ["/direct", "/redirect", "/refused", "/none", "/202"]
FILTERS = {
    "status-ge": (status_is(404, "GE"), ["/refused", "/none"]),
    "status-le": (status_is(301, "LE"), ["/direct", "/redirect", "/202"]),
    "status-ne": (status_is(200, "NE"), ["/redirect", "/refused", "/none", "/202"]),
    "flag": ({"response_flag_filter": {"flags": ["NR", "UF"]}}, ["/refused", "/none"]),
    "any-flag": ({"response_flag_filter": {}}, ["/refused", "/none"]),
    "header": (header_is(":path", "/none"), ["/none"]),
    "and": ({"and_filter": {"filters": [status_is(404, "GE"), header_is("x-ask", "yes")]}}, ["/refused", "/none"]),
    "and-not": ({"and_filter": {"filters": [status_is(404, "GE"), header_is("x-ask", "no")]}}, []),
    "or": ({"or_filter": {"filters": [status_is(202), status_is(404)]}}, ["/none", "/202"]),
    "duration": ({"duration_filter": {"comparison": {"op": "GE", "value": {"default_value": 60000, "runtime_key": "k"}}}}, []),
    "runtime-all": ({"runtime_filter": {"runtime_key": "k", "percent_sampled": {"numerator": 100}}}, PATHS),
    "runtime-none": ({"runtime_filter": {"runtime_key": "k", "percent_sampled": {"numerator": 0}}}, []),
    "not-health-check": ({"not_health_check_filter": {}}, PATHS),
    "traceable": ({"traceable_filter": {}}, []),
    "grpc": ({"grpc_status_filter": {"statuses": ["UNAVAILABLE"]}}, ["/refused"]),
}


@pytest.fixture(scope="module")
def proxy(launch):
    def routes():
        return [k.direct("d", match={"path": "/direct"}), k.redirect({"path": "/redirect"}, path_redirect="/x"),
                k.route("refused", match={"path": "/refused"}), k.direct(None, match={"path": "/empty"}), k.direct("x", 202, match={"path": "/202"})]
    configs = dict(LISTENERS)
    for name, (chosen, _) in FILTERS.items():
        configs["filter-" + name] = {"mappers": [{"filter": chosen, "headers_to_add": [MARK]}]}
    listeners = [k.listener(name, k.hcm(routes(), stat_prefix="lr", local_reply_config=config, request_headers_timeout="0.2s"))
                 for name, config in configs.items()]
    return launch(k.bootstrap(listeners, [k.cluster("refused", [("127.0.0.1", refused_port())])]))


def ask(proxy, listener, path, method="GET"):
    with Client(proxy.address(listener)) as client:
        return client.request(method, path, [("x-ask", "yes")])


@pytest.mark.parametrize("path,status,body", [
    ("/direct", 200, "d:200:path=/direct:direct_response:-"),
    ("/redirect", 301, ":301:path=/redirect:direct_response:-"),
    ("/refused", 503, CONNECT_FAILURE + ":503:path=/refused:upstream_reset_before_response_started{remote_connection_failure|"
                                        "delayed_connect_error:_Connection_refused}:UF"),
    ("/none", 404, ":404:path=/none:route_not_found:NR"),
    ("/empty", 200, ":200:path=/empty:direct_response:-"),
    ("/202", 202, "x:202:path=/202:direct_response:-")])
def test_text_format(proxy, path, status, body):
    answer = ask(proxy, "text", path)
    assert (answer.status, answer.text, answer.get("content-type")) == (status, body + "\n", "text/plain")


def test_head_has_the_length_of_what_it_would_be(proxy):
    answer = ask(proxy, "text", "/none", "HEAD")
    assert answer.status == 404 and answer.get("content-length") == "35"


@pytest.mark.parametrize("path,value", [("/direct", {"b": "d", "s": 200, "f": "-"}), ("/none", {"b": "", "s": 404, "f": "NR"}),
                                        ("/refused", {"b": CONNECT_FAILURE, "s": 503, "f": "UF"})])
def test_json_format(proxy, path, value):
    answer = ask(proxy, "json", path)
    assert json.loads(answer.text) == value and answer.get("content-type") == "application/json"


def test_content_type_of_a_format(proxy):
    answer = ask(proxy, "typed", "/none")
    assert (answer.text, answer.get("content-type")) == ('{"s":404}\n', "application/problem+json")


def test_bad_requests_are_formatted(proxy, settle):
    answer = exchange(proxy.address("text"), b"rubbish\r\n\r\n").responses[0]
    assert (answer.status, answer.text) == (400, f"Bad Request:400:path=-:http1.codec_error:{settle(FLAG)}\n")
    answer = exchange(proxy.address("text"), b"GET / HTTP/1.1\r\nHo", patience=0.5).responses[0]
    assert (answer.status, answer.text) == (408, "request header timeout:408:path=-:request_header_timeout:-\n")


@pytest.mark.parametrize("path,status,body,kind_of_body", [
    ("/none", 402, "<not here|402|1 404>", "foo/bar"), ("/refused", 500, "default " + CONNECT_FAILURE, "text/x"), ("/202", 202, "default ", "text/x"),
    ("/direct", 200, "default d", "a/b"), ("/redirect", 301, "default ", "text/x"), ("/empty", 200, "default ", "a/b")])
def test_mappers(proxy, path, status, body, kind_of_body):
    answer = ask(proxy, "mappers", path)
    assert (answer.status, answer.text, answer.get("content-type")) == (status, body, kind_of_body)
    assert answer.all("x-mark") == (["1 404"] if path == "/none" else [])


def test_mapper_without_format(proxy, settle):
    answer = ask(proxy, "plain-mapper", "/none")
    assert (answer.status, answer.text, answer.get("content-type"), answer.get("x-mark")) == (404, "<b>", "text/plain", "1")
    answer = ask(proxy, "plain-mapper", "/direct")
    assert (answer.status, answer.text, answer.get("x-mark")) == (200, "d", None)
    answer = ask(proxy, "plain-mapper", "/refused")
    assert (answer.status, answer.body) == (204, b"")
    assert (answer.get("content-length") or "none") == settle(BODILESS)


def test_counters_have_the_status_that_is_sent(proxy):
    before = proxy.stats()
    ask(proxy, "mappers", "/refused")
    after = proxy.stats()
    assert after["http.lr.downstream_rq_5xx"] == before["http.lr.downstream_rq_5xx"] + 1


@pytest.mark.parametrize("name", FILTERS)
def test_filters(proxy, name):
    marked = [path for path in PATHS if ask(proxy, "filter-" + name, path).get("x-mark")]
    assert marked == FILTERS[name][1]
