"""Format strings: every operator in an access log, over requests that end in every way."""

import json
import re
import time

import pytest

from harness import config as k
from harness.client import Client, exchange, make_request
from harness.differs import differs
from harness.logs import FLUSH, LogFile
from harness.upstream import ok, refused_port

SENT = [("x-case", "plain"), ("x-a", 'q"uo\\te\ttab'), ("x-b", "1"), ("x-b", "2"), ("user-agent", "ua"),
        ("x-request-id", "7f000001-0000-4000-8000-000000000001")]


def answer(request):
    case = request.get("x-case")
    return {
        "close": ["close"],
        "reset": ["reset"],
        "midbody": [b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc", "close"],
        "garbage": [b"rubbish\r\n\r\n"],
        "slow": [0.6, ok(b"late")],
        "gone": [0.6, ok(b"late")],
        "chunk": [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"],
        "trailers": [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-t: one\r\ngrpc-status: 5\r\n\r\n"],
        "grpc-error": [b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n"],
        "grpc-head": [b"HTTP/1.1 200 OK\r\ngrpc-status: 3\r\ncontent-length: 0\r\n\r\n"],
        "grpc-odd": [b"HTTP/1.1 200 OK\r\ngrpc-status: 77\r\ncontent-length: 0\r\n\r\n"],
        "wait": [0.12, ok(b"hello")],
    }.get(case, [ok(b"hello", "x-resp: one\r\nx-resp: two\r\n")])


MS = r"\d{1,2}"  # a time that is short
# (operators, request, expected); a pattern where it begins with `~`.
CASES = [
    ("%REQ(x-a)%", "plain", 'q"uo\\te\ttab'),
    ("%REQ(X-A)%", "plain", 'q"uo\\te\ttab'),
    ("%REQUEST_HEADER(x-b)%", "plain", "1"),
    ("%REQ(no)%", "plain", "-"),
    ("%REQ(no?x-b)%", "plain", "1"),
    ("%REQ(x-a?x-b):3%", "plain", 'q"u'),
    ("%REQ(x-a):0%", "plain", ""),
    ("%REQ(?x-b)%", "plain", "1"),
    ("%REQ(:method)% %REQ(:path)% %REQ(:authority)% %REQ(host)% %REQ(:scheme)%", "plain", "GET /up?a=1&b=%41+c&c example.com example.com http"),
    ("%RESP(x-resp)%|%RESPONSE_HEADER(no?x-resp):2%|%RESP(:status)%|%RESP(no)%", "plain", "one|on|200|-"),
    ("%RESP(x-resp)%|%RESP(:status)%", "none", "-|404"),
    ("%TRAILER(x-t)%|%RESPONSE_TRAILER(no?x-t):2%|%TRAILER(no)%", "plain", "-|-|-"),
    ("%TRAILER(x-t)%|%RESPONSE_TRAILER(no?x-t):2%|%TRAILER(no)%", "trailers", "one|on|-"),
    ("%PATH%|%PATH(NQ)%|%PATH(WQ:ORIG)%|%PATH(NQ:PATH)%|%PATH(NQ:ORIG_OR_PATH)%|%PATH(NQ):1%", "plain", "/up?a=1&b=%41+c&c|/up|-|/up|/up|/"),
    ("%PATH%|%PATH(NQ)%|%PATH(WQ:ORIG)%|%PATH(WQ:PATH)%", "rewritten", "/pre?x=1|/pre|/pre?x=1|/new?x=1"),
    ("%QUERY_PARAM(a)%|%QUERY_PARAM(b)%|%QUERY_PARAM(c)%|%QUERY_PARAM(d)%|%QUERY_PARAM(b):1%", "plain", "1|A+c||-|A"),
    ("%QUERY_PARAMS%|%QUERY_PARAMS(ORIG)%|%QUERY_PARAMS(DECODED)%|%QUERY_PARAMS:3%", "plain", "a=1&b=%41+c&c|a=1&b=%41+c&c|a=1&b=A+c&c|a=1"),
    ("%QUERY_PARAM(a)%|%QUERY_PARAMS%", "direct", "-|-"),
    ("%START_TIME%", "plain", r"~\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"),
    ("%START_TIME(%s)%|%START_TIME(%s.%3f)%|%START_TIME(%f)%|%START_TIME(%1f)%|%START_TIME(%9f)%", "plain", r"~\d{10}\|\d{10}\.\d{3}\|\d{9}\|\d\|\d{9}"),
    ("%START_TIME(%E3S)%|%START_TIME(%E*S)%|%START_TIME(%E2f)%|%START_TIME(%E4Y)%|%START_TIME(%Ez)%|%START_TIME(%z %Z)%", "plain",
     r"~\d\d\.\d{3}\|\d\d(\.\d+)?\|\d\d\|20\d\d\|\+00:00\|\+0000 UTC"),
    ("%START_TIME(%Y/%m/%dT%H:%M:%S%z)%|%START_TIME(%%)%|%START_TIME(text)%|%START_TIME(%j)%",
     "plain", r"~20\d\d/\d\d/\d\dT\d\d:\d\d:\d\d\+0000\|%\|text\|\d{3}"),
    ("%START_TIME()%", "plain", r"~20\d\d-.*Z"),
    ("%EMIT_TIME(%s)%|%EMIT_TIME_LOCAL(%Y)%|%START_TIME_LOCAL(%Ez)%", "plain", r"~\d{10}\|20\d\d\|[+-]\d\d:\d\d"),
    ("%DURATION%", "plain", "~" + MS),
    ("%DURATION%|%RESPONSE_DURATION%|%RESPONSE_TX_DURATION%", "wait", rf"~1[12]\d\|1[12]\d\|{MS}"),
    ("%REQUEST_DURATION%|%REQUEST_TX_DURATION%|%RESPONSE_DURATION%|%RESPONSE_TX_DURATION%", "plain", rf"~{MS}\|{MS}\|{MS}\|{MS}"),
    ("%REQUEST_DURATION%|%REQUEST_TX_DURATION%|%RESPONSE_DURATION%|%RESPONSE_TX_DURATION%", "direct", rf"~{MS}\|-\|-\|-"),
    ("%REQUEST_DURATION%|%REQUEST_TX_DURATION%|%RESPONSE_DURATION%|%RESPONSE_TX_DURATION%", "midbody", rf"~{MS}\|{MS}\|{MS}\|-"),
    ("%ROUNDTRIP_DURATION%|%DOWNSTREAM_HANDSHAKE_DURATION%", "plain", "-|-"),
    ("%UPSTREAM_CONNECTION_POOL_READY_DURATION%", "plain", "~" + MS),
    ("%UPSTREAM_CONNECTION_POOL_READY_DURATION%", "refused", "~" + MS),
    ("%UPSTREAM_CONNECTION_POOL_READY_DURATION%", "direct", "-"),
    ("%COMMON_DURATION(DS_RX_BEG:DS_TX_END)%|%COMMON_DURATION(DS_RX_BEG:US_RX_BEG:us)%", "wait", r"~1[12]\d\|1[12]\d{4}"),
    ("%COMMON_DURATION(DS_RX_BEG:DS_RX_END:ns)%|%COMMON_DURATION(US_TX_BEG:US_TX_END:us)%|%COMMON_DURATION(DS_TX_BEG:DS_TX_END)%", "plain", r"~\d+\|\d+\|\d+"),
    ("%COMMON_DURATION(US_RX_BEG:US_RX_END)%|%COMMON_DURATION(US_RX_BEG:US_RX_BODY_BEG)%", "plain", rf"~{MS}\|{MS}"),
    ("%COMMON_DURATION(a:b:ns)%|%COMMON_DURATION(US_HS_END:DS_TX_END)%", "plain", "-|-"),
    ("%BYTES_RECEIVED%|%BYTES_SENT%", "plain", "0|5"),
    ("%BYTES_RECEIVED%|%BYTES_SENT%", "post", "7|5"),
    ("%BYTES_RECEIVED%|%BYTES_SENT%", "posted-chunks", "5|5"),
    ("%BYTES_SENT%", "midbody", "3"),
    ("%BYTES_RETRANSMITTED%|%PACKETS_RETRANSMITTED%", "plain", "0|0"),
    ("%UPSTREAM_WIRE_BYTES_RECEIVED%|%UPSTREAM_HEADER_BYTES_RECEIVED%", "chunk", "60|27"),
    ("%DOWNSTREAM_WIRE_BYTES_RECEIVED%",
     "posted-chunks", f"~{len(make_request('POST', '/up', [('x-case', 'posted-chunks'), ('transfer-encoding', 'chunked')])) + 20}"),
    ("%DOWNSTREAM_HEADER_BYTES_RECEIVED%", "direct", str(len("hostexample.com") + 3 + len("x-casedirect") + 3)),
    ("%PROTOCOL%|%UPSTREAM_PROTOCOL%", "plain", "HTTP/1.1|HTTP/1.1"),
    ("%PROTOCOL%|%UPSTREAM_PROTOCOL%", "direct", "HTTP/1.1|-"),
    ("%RESPONSE_CODE%|%RESPONSE_CODE_DETAILS%|%RESPONSE_FLAGS%|%RESPONSE_FLAGS_LONG%", "plain", "200|via_upstream|-|-"),
    ("%RESPONSE_CODE%|%RESPONSE_CODE_DETAILS%|%RESPONSE_FLAGS%|%RESPONSE_FLAGS_LONG%", "direct", "200|direct_response|-|-"),
    ("%RESPONSE_CODE%|%RESPONSE_CODE_DETAILS%|%RESPONSE_FLAGS%|%RESPONSE_FLAGS_LONG%", "redirect", "301|direct_response|-|-"),
    ("%RESPONSE_CODE%|%RESPONSE_CODE_DETAILS%|%RESPONSE_FLAGS%|%RESPONSE_FLAGS_LONG%", "none", "404|route_not_found|NR|NoRouteFound"),
    ("%RESPONSE_CODE%|%RESPONSE_CODE_DETAILS%|%RESPONSE_FLAGS%|%RESPONSE_FLAGS_LONG%", "refused",
     "503|upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}|UF|UpstreamConnectionFailure"),
    ("%RESPONSE_CODE%|%RESPONSE_CODE_DETAILS%|%RESPONSE_FLAGS%|%RESPONSE_FLAGS_LONG%", "empty", "503|no_healthy_upstream|UH|NoHealthyUpstream"),
    ("%RESPONSE_CODE%|%RESPONSE_CODE_DETAILS%|%RESPONSE_FLAGS%|%RESPONSE_FLAGS_LONG%", "nocluster", "503|cluster_not_found|NC|NoClusterFound"),
    ("%RESPONSE_CODE%|%RESPONSE_CODE_DETAILS%|%RESPONSE_FLAGS%|%RESPONSE_FLAGS_LONG%", "slow", "504|response_timeout|UT|UpstreamRequestTimeout"),
    ("%RESPONSE_CODE%|%RESPONSE_CODE_DETAILS%|%RESPONSE_FLAGS%", "close", "503|upstream_reset_before_response_started{connection_termination}|UC"),
    ("%RESPONSE_CODE%|%RESPONSE_CODE_DETAILS%|%RESPONSE_FLAGS%", "reset", "503|upstream_reset_before_response_started{connection_termination}|UC"),
    ("%RESPONSE_CODE%|%RESPONSE_CODE_DETAILS%|%RESPONSE_FLAGS%", "garbage", "502|upstream_reset_before_response_started{protocol_error}|UPE"),
    ("%RESPONSE_CODE%|%RESPONSE_CODE_DETAILS%|%RESPONSE_FLAGS%", "midbody", "200|upstream_reset_after_response_started{protocol_error}|UPE"),
    ("%RESPONSE_CODE%|%RESPONSE_CODE_DETAILS%|%RESPONSE_FLAGS%|%BYTES_SENT%", "gone", "0|downstream_remote_disconnect|DC|0"),
    ("%RESPONSE_CODE_DETAILS(ALLOW_WHITESPACES)%", "plain", "via_upstream"),
    ("%CONNECTION_TERMINATION_DETAILS%", "plain", "-"),
    ("%UPSTREAM_TRANSPORT_FAILURE_REASON%", "refused", "delayed_connect_error:_Connection_refused"),
    ("%UPSTREAM_TRANSPORT_FAILURE_REASON%|%DOWNSTREAM_TRANSPORT_FAILURE_REASON%", "plain", "-|-"),
    ("%DOWNSTREAM_REMOTE_ADDRESS%|%DOWNSTREAM_REMOTE_PORT%", "plain", r"~127\.0\.0\.1:(\d+)\|\1"),
    ("%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%|%DOWNSTREAM_DIRECT_REMOTE_PORT%", "plain", r"~127\.0\.0\.1:(\d+)\|\1"),
    ("%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%|%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(8)%|%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(0)%",
     "plain", "127.0.0.1|127.0.0.0/8|0.0.0.0/0"),
    ("%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%|%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT(16)%", "plain", "127.0.0.1|127.0.0.0/16"),
    ("%DOWNSTREAM_LOCAL_ADDRESS%|%DOWNSTREAM_LOCAL_PORT%|%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%", "plain", r"~127\.0\.0\.1:(\d+)\|\1\|127\.0\.0\.1"),
    ("%DOWNSTREAM_DIRECT_LOCAL_ADDRESS%|%DOWNSTREAM_DIRECT_LOCAL_PORT%|%DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT(24)%",
     "plain", r"~127\.0\.0\.1:(\d+)\|\1\|127\.0\.0\.0/24"),
    ("%UPSTREAM_HOST%|%UPSTREAM_REMOTE_ADDRESS%|%UPSTREAM_REMOTE_PORT%|%UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
     "plain", r"~127\.0\.0\.1:(\d+)\|127\.0\.0\.1:\1\|\1\|127\.0\.0\.1"),
    ("%UPSTREAM_HOST%|%UPSTREAM_REMOTE_ADDRESS%", "direct", "-|-"),
    ("%UPSTREAM_HOST%|%UPSTREAM_REMOTE_ADDRESS%|%UPSTREAM_LOCAL_ADDRESS%", "refused", r"~127\.0\.0\.1:\d+\|-\|-"),
    ("%UPSTREAM_HOST_NAME%|%UPSTREAM_HOST_NAME_WITHOUT_PORT%", "plain", r"~127\.0\.0\.1:\d+\|127\.0\.0\.1"),
    ("%UPSTREAM_HOST_NAME%|%UPSTREAM_HOST_NAME_WITHOUT_PORT%", "named", "some.host|some.host"),
    ("%UPSTREAM_LOCAL_ADDRESS%|%UPSTREAM_LOCAL_PORT%|%UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT(8)%", "plain", r"~127\.0\.0\.1:(\d+)\|\1\|127\.0\.0\.0/8"),
    ("%UPSTREAM_CLUSTER%|%UPSTREAM_CLUSTER_RAW%", "plain", "up|up"),
    ("%UPSTREAM_CLUSTER%|%UPSTREAM_CLUSTER_RAW%", "named", "other_stats|named"),
    ("%UPSTREAM_CLUSTER%|%UPSTREAM_REQUEST_ATTEMPT_COUNT%", "direct", "-|0"),
    ("%UPSTREAM_CLUSTER%|%UPSTREAM_REQUEST_ATTEMPT_COUNT%", "empty", "empty|1"),
    ("%UPSTREAM_REQUEST_ATTEMPT_COUNT%", "plain", "1"),
    ("%ROUTE_NAME%", "plain", "the-route"),
    ("%ROUTE_NAME%", "redirect", "-"),
    ("%FILTER_CHAIN_NAME%", "plain", "the-chain"),
    ("%CONNECTION_ID%|%UPSTREAM_CONNECTION_ID%", "plain", r"~\d+\|[1-9]\d*"),
    ("%UPSTREAM_CONNECTION_ID%", "direct", "0"),
    ("%STREAM_ID%|%REQ(x-request-id)%", "plain", "7f000001-0000-4000-8000-000000000001|7f000001-0000-4000-8000-000000000001"),
    ("%UNIQUE_ID%", "plain", r"~[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"),
    ("%HOSTNAME%", "plain", r"~.+"),
    ("%ENVIRONMENT(HOME)%|%ENVIRONMENT(HOME):2%|%ENVIRONMENT(NO_SUCH)%", "plain", r"~(..).*\|\1\|-"),
    ("%ACCESS_LOG_TYPE%", "plain", "DownstreamEnd"),
    ("[%LOCAL_REPLY_BODY%][%CUSTOM_FLAGS%]", "plain", "[][]"),
    ("%TRACE_ID%|%SPAN_ID%|%VIRTUAL_CLUSTER_NAME%|%REQUESTED_SERVER_NAME%|%UPSTREAM_SERVER_NAME%", "plain", "-|-|-|-|-"),
    ("%DOWNSTREAM_TLS_VERSION%|%DOWNSTREAM_PEER_SUBJECT%|%UPSTREAM_TLS_CIPHER%|%DOWNSTREAM_PEER_CERT_V_START(%Y)%|%TLS_JA3_FINGERPRINT%", "plain", "-|-|-|-|-"),
    ("%DYNAMIC_METADATA(a:b)%|%CLUSTER_METADATA(a)%|%UPSTREAM_METADATA(a:b:c)%|%METADATA(ROUTE:a)%|%FILTER_STATE(a:PLAIN)%|%UPSTREAM_FILTER_STATE(a)%",
     "plain", "-|-|-|-|-|-"),
    ("%GRPC_STATUS%|%GRPC_STATUS_NUMBER%", "plain", "-|-"),
    ("%GRPC_STATUS%|%GRPC_STATUS(CAMEL_STRING)%|%GRPC_STATUS(SNAKE_STRING)%|%GRPC_STATUS(NUMBER)%|%GRPC_STATUS_NUMBER%",
     "grpc-head", "InvalidArgument|InvalidArgument|INVALID_ARGUMENT|3|3"),
    ("%GRPC_STATUS%|%GRPC_STATUS(SNAKE_STRING)%|%GRPC_STATUS_NUMBER%", "grpc-error", "Unavailable|UNAVAILABLE|14"),
    ("%GRPC_STATUS%|%GRPC_STATUS_NUMBER%", "grpc-odd", "77|77"),
    ('%COALESCE({"operators": ["REQUESTED_SERVER_NAME", {"command": "REQ", "param": "no"}, {"command": "REQ", "param": "x-a", "max_length": 2}]})%',
     "plain", 'q"'),
    ('%COALESCE({"operators": ["REQUESTED_SERVER_NAME"]})%|%COALESCE({"operators": [{"command": "REQ", "param": "x-a"}]}):1%', "plain", "-|q"),
    ("100%% %PROTOCOL%%%", "plain", "100% HTTP/1.1%"),
    ("%REQUEST_HEADERS_BYTES%|%RESPONSE_HEADERS_BYTES%|%RESPONSE_TRAILERS_BYTES%", "plain", r"~\d{3}\|\d{2,3}\|0"),
]

JSON = {
    "b": "%PROTOCOL%", "a": "%RESPONSE_CODE%", "i": 3, "t": True, "z": None, "s": "plain", "none": "%REQ(no)%",
    "mix": "%REQ(no)%-%RESPONSE_CODE%",
    "o": {"k": ["%REQ(x-a)%", {"q": "%BYTES_SENT%"}, 1], "e": {}}, "lit": 'é"\n', "bytes": "%BYTES_SENT%", "l": ["%REQ(no)%"], "empty": "",
    "only": {"none": "%REQ(no)%"}, "up": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%", "grpc": "%GRPC_STATUS_NUMBER%", "port": "%DOWNSTREAM_LOCAL_PORT%",
}
TYPED = {"a": 200, "b": "HTTP/1.1", "bytes": 5, "empty": "", "grpc": None, "i": 3, "l": [None], "lit": 'é"\n', "mix": "--200", "none": None,
         "o": {"e": {}, "k": ['q"uo\\te\ttab', {"q": 5}, 1]}, "only": {"none": None}, "s": "plain", "t": True, "up": 1, "z": None}
OMITTED = {"a": 200, "b": "HTTP/1.1", "bytes": 5, "empty": "", "i": 3, "l": [], "lit": 'é"\n', "mix": "-200",
           "o": {"k": ['q"uo\\te\ttab', {"q": 5}, 1]}, "s": "plain", "t": True, "up": 1}


@pytest.fixture(scope="module")
def lines(launch, upstreams, tmp_path_factory):
    """What each format wrote for each request: {format: {case: text}}."""
    folder = tmp_path_factory.mktemp("logs")
    upstream = upstreams()
    upstream.respond = answer
    formats = list(dict.fromkeys(c[0] for c in CASES))
    logs = [k.access_log(str(folder / f"{i}.log"), f"%REQ(x-case)%>{text}\n") for i, text in enumerate(formats)]
    for name, omit in (("json", False), ("omit", True)):
        members = {**JSON, "case": "%REQ(x-case)%"}
        logs.append(k.access_log(str(folder / f"{name}.log"), {"json_format": members, "omit_empty_values": omit}))
    logs.append(k.access_log(str(folder / "omit-text.log"), k.text_format("%REQ(x-case)%>[%REQ(no)%][%RESPONSE_FLAGS%]\n", omit_empty_values=True)))
    logs.append(k.access_log(str(folder / "default.log")))
    logs.append(k.access_log(str(folder / "old.log"), {"text_format": "%REQ(x-case)%>old %PROTOCOL%\n"}))
    routes = [
        k.direct(match={"path": "/direct"}), k.redirect({"path": "/redirect"}, path_redirect="/x"),
        k.route("refused", match={"path": "/refused"}), k.route("empty", match={"path": "/empty"}), k.route("nosuch", match={"path": "/nocluster"}),
        k.route("named", match={"path": "/named"}), k.route(match={"path": "/slow"}, timeout="0.2s"), k.route(match={"path": "/patient"}),
        k.route(match={"prefix": "/pre"}, prefix_rewrite="/new"), {**k.route(match={"prefix": "/up"}), "name": "the-route"},
    ]
    named = k.cluster("named", [upstream], alt_stat_name="other_stats")
    named["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["hostname"] = "some.host"
    chain = {"name": "the-chain", "filters": [k.hcm(routes, access_log=logs, route_config={"validate_clusters": False},
                                                    http_protocol_options={"enable_trailers": True})]}
    h1 = {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http_protocol_options": {"enable_trailers": True}}}}
    proxy = launch(k.bootstrap([k.listener("main", chains=[chain])], [
        k.cluster("up", [upstream], typed_extension_protocol_options=h1), k.cluster("refused", [("127.0.0.1", refused_port())]),
        k.cluster("empty", []), named]),
        args=FLUSH)
    address = proxy.address()
    with Client(address) as client:
        client.request("GET", "/up?a=1&b=%41+c&c", SENT)
    grpc = [("content-type", "application/grpc")]
    for case, (method, path, headers, body) in {
        "direct": ("GET", "/direct", [], b""), "redirect": ("GET", "/redirect", [], b""), "none": ("GET", "/none", [], b""),
        "refused": ("GET", "/refused", [], b""), "empty": ("GET", "/empty", [], b""), "nocluster": ("GET", "/nocluster", [], b""),
        "named": ("GET", "/named", [], b""), "slow": ("GET", "/slow", [], b""), "rewritten": ("GET", "/pre?x=1", [], b""),
        "close": ("GET", "/up", [], b""), "reset": ("GET", "/up", [], b""), "garbage": ("GET", "/up", [], b""), "chunk": ("GET", "/up", [], b""),
        "trailers": ("GET", "/up", [], b""), "wait": ("GET", "/up", [], b""), "post": ("POST", "/up", [], b"1234567"),
        "grpc-head": ("POST", "/up", grpc, b""), "grpc-error": ("POST", "/up", grpc, b""), "grpc-odd": ("POST", "/up", grpc, b""),
    }.items():
        with Client(address) as client:
            client.request(method, path, [("x-case", case), *headers], body)
    exchange(address, make_request("GET", "/up", [("x-case", "midbody")]))
    chunked = make_request("POST", "/up", [("x-case", "posted-chunks"), ("transfer-encoding", "chunked")]) + b"2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n"
    exchange(address, chunked)
    with Client(address) as client:
        client.send(make_request("GET", "/up", [("x-case", "wait")]))
        time.sleep(0.03)
    # The last one: what its log has, all have.
    with Client(address) as client:
        client.send(make_request("GET", "/patient", [("x-case", "gone")]))
        time.sleep(0.05)
    time.sleep(0.3)
    result = {}
    for i, text in enumerate(formats):
        found = {}
        for line in LogFile(folder / f"{i}.log").wait(23):
            case, _, rest = line.partition(">")
            found.setdefault(case, rest)
        result[text] = found
    result.update({name: LogFile(folder / f"{name}.log").lines() for name in ("json", "omit", "omit-text", "default", "old")})
    return result


@pytest.mark.parametrize("text,case,expected", CASES, ids=[f"{c[1]}:{c[0][:50]}" for c in CASES])
def test_operator(lines, text, case, expected):
    seen = lines[text].get(case)
    assert seen is not None, f"no line for {case}: {lines[text]}"
    if expected.startswith("~"):
        assert re.fullmatch(expected[1:], seen), seen
    else:
        assert seen == expected


def read_json(lines):
    values = [json.loads(line) for line in lines]
    return next(v for v in values if v["case"] == "plain")


def test_json_keeps_types(lines):
    value = read_json(lines["json"])
    port = value.pop("port")
    assert isinstance(port, int) and value.pop("case") == "plain"
    value["lit"] = value["lit"].encode("latin-1").decode() if "Ã" in value["lit"] else value["lit"]
    assert value == TYPED


def test_json_without_empty_values(lines):
    value = read_json(lines["omit"])
    assert isinstance(value.pop("port"), int) and value.pop("case") == "plain"
    value["lit"] = value["lit"].encode("latin-1").decode() if "Ã" in value["lit"] else value["lit"]
    assert value == OMITTED


def test_json_members_are_in_order(lines):
    line = next(line for line in lines["json"] if '"plain"' in line)
    keys = list(json.loads(line))
    assert keys == sorted(keys)


def test_text_without_empty_values(lines):
    assert "plain>[][-]" in lines["omit-text"]


def test_old_text_format(lines):
    assert "plain>old HTTP/1.1" in lines["old"]


def test_default_line(lines):
    line = next(line for line in lines["default"] if "/up?a=1" in line)
    assert re.fullmatch(
        r'\[20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\] "GET /up\?a=1&b=%41\+c&c HTTP/1\.1" 200 - 0 5 \d+ \d+ "-" "ua" '
        r'"7f000001-0000-4000-8000-000000000001" "example\.com" "127\.0\.0\.1:\d+"', line)


WRONG = ["%REQ%", "%REQ()%", "%REQ(a?b?c)%", "%REQ(a):x%", "%REQ(a):-1%", "%REQ(a):10x%", "%REQ(a)x%", "%REQ(a", "%FOO%", "%", "100%", "%PROTOCOL(x)%",
         "%PROTOCOL:5%", "%START_TIME(%n)%", "%START_TIME:5%", "%DURATION(x)%", "%COMMON_DURATION(DS_RX_BEG:US_TX_END:s)%", "%COMMON_DURATION%",
         "%DOWNSTREAM_REMOTE_ADDRESS(8)%", "%DYNAMIC_METADATA()%", "%DYNAMIC_METADATA%", "%METADATA(FOO:a)%", "%FILTER_STATE(a:FIELD)%",
         "%FILTER_STATE(a:FOO)%", "%ENVIRONMENT%", "%GRPC_STATUS(X)%", "%QUERY_PARAM%", "%QUERY_PARAMS(X)%", "%PATH(X)%", "%PATH(NQ:X)%",
         "%COALESCE({})%", "%COALESCE(x)%", "%LOCAL_REPLY_BODY(x)%", "%req(a)%", "%REQ (a)%", "%FILE_CONTENT(x)%", "%SECRET(x)%", "%VIRTUAL_HOST_NAME%"]
STRICT = differs("a format's parameter that means nothing: `%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(x)%`, `..._WITHOUT_PORT(129)%`, "
                 "`%RESPONSE_CODE_DETAILS(X)%`", envoy="taken", martlet="refused", why="A mistake in a configuration is an error at once")


def refused(launch_once, log_format):
    from harness.process import StartFailed
    try:
        launch_once(k.bootstrap([k.listener("main", k.hcm([k.direct()], access_log=[k.access_log("/dev/null", log_format)]))]))
    except StartFailed as failure:
        return str(failure)
    return None


@pytest.mark.parametrize("text", WRONG)
def test_wrong_formats_are_refused(launch_once, kind, text):
    message = refused(launch_once, text)
    assert message is not None
    if kind == "martlet":
        assert "access_log[0].typed_config.log_format.text_format_source" in message


@pytest.mark.parametrize("text", ["%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(x)%", "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(129)%", "%RESPONSE_CODE_DETAILS(X)%"])
def test_parameters_that_mean_nothing(launch_once, settle, text):
    assert ("taken" if refused(launch_once, text) is None else "refused") == settle(STRICT)


@pytest.mark.only("martlet", "the words are Martlet's")
@pytest.mark.parametrize("log_format,place,words", [
    (k.text_format("%PROTOCL%"), "text_format_source", "did you mean %PROTOCOL%?"),
    (k.text_format("%REQ(a)"), "text_format_source", "expected `%`"),
    (k.text_format("%CEL(request.path)%"), "text_format_source", "CEL expressions are not in this version"),
    ({"json_format": {"a": {"b": ["x", "%NO%"]}}}, 'json_format["a"]["b"][1]', "`%NO%`"),
    ({**k.text_format("x"), "formatters": [{"name": "envoy.formatter.cel", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.formatter.cel.v3.Cel"}}]}, "formatters[0].typed_config", "is not supported"),
])
def test_errors_name_the_place(launch_once, log_format, place, words):
    message = refused(launch_once, log_format)
    assert place in message and words in message
