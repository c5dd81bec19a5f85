"""The proxy's own answers to gRPC requests, which are told 200 and the rest in fields; and where direct
responses say that they are."""

import time

import pytest

from harness import config as k
from harness.client import Client
from harness.logs import FLUSH, LogFile
from harness.upstream import ok, refused_port

UNAVAILABLE, UNKNOWN, UNIMPLEMENTED, INTERNAL = 14, 2, 12, 13
CODES = {200: UNKNOWN, 201: UNKNOWN, 204: UNKNOWN, 301: UNKNOWN, 304: UNKNOWN, 307: UNKNOWN, 400: INTERNAL, 401: 16, 403: 7, 404: UNIMPLEMENTED,
         405: UNKNOWN, 408: UNKNOWN, 409: UNKNOWN, 412: UNKNOWN, 413: UNKNOWN, 418: UNKNOWN, 429: UNAVAILABLE, 431: UNKNOWN, 499: UNKNOWN,
         500: UNKNOWN, 501: UNKNOWN, 502: UNAVAILABLE, 503: UNAVAILABLE, 504: UNAVAILABLE, 505: UNKNOWN}
NAMES = {UNAVAILABLE: "Unavailable", UNKNOWN: "Unknown", UNIMPLEMENTED: "Unimplemented", INTERNAL: "Internal", 16: "Unauthenticated", 7: "PermissionDenied"}
CONNECT_FAILURE = "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure"
LINE = "%REQ(:path)% %RESPONSE_CODE% %GRPC_STATUS% %GRPC_STATUS(SNAKE_STRING)% %GRPC_STATUS_NUMBER% %RESP(grpc-status)% %RESP(grpc-message)% %BYTES_SENT%\n"


def status_is(code):
    return {"status_code_filter": {"comparison": {"op": "EQ", "value": {"default_value": code, "runtime_key": "no.such.key"}}}}


REPLIES = {
    "mappers": [
        {"filter": {"grpc_status_filter": {"statuses": ["UNIMPLEMENTED"]}}, "status_code": 504,
         "headers_to_add": [k.header("x-mapped", "%GRPC_STATUS% %RESPONSE_CODE%")]},
        {"filter": status_is(429), "body": {"inline_string": "mapped"},
         "headers_to_add": [k.header("grpc-status", "9"), k.header("content-type", "foo/bar")]}],
    "body_format": {"json_format": {"m": "%LOCAL_REPLY_BODY%", "g": "%GRPC_STATUS%"}}}


@pytest.fixture(scope="module")
def proxy(launch, upstreams, tmp_path_factory):
    folder = tmp_path_factory.mktemp("grpc")
    up, slow = upstreams(), upstreams()
    up.respond = ok(b"hello")
    slow.respond = [2, ok(b"late")]
    routes = [k.direct(f"b{c} y\u00e9\n", c, {"path": f"/{c}"}) for c in CODES]
    routes += [
        k.direct(None, 503, {"path": "/empty"}), k.direct("a%b\x01c d\x7f", 400, {"path": "/encoded"}), k.redirect({"path": "/redirect"}, path_redirect="/new"),
        {**k.direct("text", 503, {"path": "/own"}), "response_headers_to_add": [k.header("grpc-status", "5")]},
        k.route("refused", {"path": "/refused"}), k.route("empty", {"path": "/nohost"}), k.route("slow", {"path": "/slow"}, timeout="0.05s"),
        k.route("slow", {"path": "/duration"}, timeout="0s", max_stream_duration={"max_stream_duration": "0.05s"}),
        k.route("slow", {"path": "/idle"}, timeout="0s", idle_timeout="0.05s"), k.route("nosuch", {"path": "/nocluster"}), k.route("up", {"path": "/up"})]

    def filtered(name, statuses, exclude=False):
        return k.access_log(str(folder / name), "%REQ(:path)%\n", {"grpc_status_filter": {"statuses": statuses, "exclude": exclude}})
    logs = [k.access_log(str(folder / "log"), LINE), filtered("unavailable", ["UNAVAILABLE"]), filtered("not-internal", ["INTERNAL", "UNAVAILABLE"], True)]
    table = {"validate_clusters": False}
    proxy = launch(k.bootstrap(
        [k.listener("main", k.hcm(routes, access_log=logs, route_config=table)),
         k.listener("replies", k.hcm(routes, local_reply_config=REPLIES, route_config=table))],
        [k.cluster("up", [up]), k.cluster("slow", [slow]), k.cluster("refused", [("127.0.0.1", refused_port())]), k.cluster("empty", [])]), args=FLUSH)
    proxy.folder = folder
    return proxy


def ask(proxy, path, listener="main", kind="application/grpc", method="POST"):
    with Client(proxy.address(listener)) as client:
        return client.request(method, path, [("content-type", kind)] if kind else [])


def told(answer):
    return answer.status, answer.get("grpc-status"), answer.get("grpc-message"), answer.get("content-type"), answer.body


@pytest.mark.parametrize("code", CODES)
def test_direct_responses(proxy, code):
    answer = ask(proxy, f"/{code}")
    assert told(answer) == (200, str(CODES[code]), f"b{code} y%C3%A9%0A", "application/grpc", b"")
    assert answer.get("content-length") == "0"
    assert (answer.get("connection") == "close") == (code == 400)


@pytest.mark.parametrize("path,status,message", [
    ("/empty", UNAVAILABLE, None), ("/encoded", INTERNAL, "a%25b%01c d%7F"), ("/redirect", UNKNOWN, None), ("/own", 5, "text"),
    ("/refused", UNAVAILABLE, CONNECT_FAILURE), ("/nohost", UNAVAILABLE, "no healthy upstream"), ("/slow", UNAVAILABLE, "upstream request timeout"),
    ("/duration", 4, "downstream duration timeout"), ("/idle", UNAVAILABLE, "stream timeout"), ("/nocluster", UNAVAILABLE, None),
    ("/none", UNIMPLEMENTED, None)])
def test_what_the_proxy_answers(proxy, path, status, message):
    answer = ask(proxy, path)
    assert told(answer) == (200, str(status), message, "application/grpc", b"")
    assert answer.get("location") == ("http://example.com/new" if path == "/redirect" else None)


@pytest.mark.parametrize("content,is_grpc", [
    ("application/grpc", True), ("application/grpc+proto", True), ("application/grpc+", True), ("application/grpc;x=y", False),
    ("application/grpc-web", False), ("application/grpcx", False), ("APPLICATION/GRPC", False), ("text/plain", False), (None, False)])
def test_which_requests_are_grpc(proxy, content, is_grpc):
    answer = ask(proxy, "/503", kind=content)
    assert (answer.status, answer.get("grpc-status")) == ((200, "14") if is_grpc else (503, None))


def test_head_has_no_message(proxy):
    answer = ask(proxy, "/503", method="HEAD")
    assert (answer.status, answer.get("grpc-status"), answer.get("grpc-message"), answer.body) == (200, "14", None, b"")


def test_what_an_upstream_answers_is_left_alone(proxy):
    answer = ask(proxy, "/up")
    assert told(answer) == (200, None, None, None, b"hello")


@pytest.mark.parametrize("path,content,expected", [
    ("/404", "application/grpc", (200, "14", '{"g":"Unavailable","m":"b404 y%C3%A9\\n"}', "application/grpc", "Unimplemented 404")),
    ("/429", "application/grpc", (200, "9", '{"g":"FailedPrecondition","m":"mapped"}', "application/grpc", None)),
    ("/503", "application/grpc", (200, "14", '{"g":"Unavailable","m":"b503 y%C3%A9\\n"}', "application/grpc", None)),
    ("/none", "application/grpc", (200, "14", '{"g":"Unavailable","m":""}', "application/grpc", "Unimplemented 404")),
    ("/200", "application/grpc", (200, "2", '{"g":"Unknown","m":"b200 y%C3%A9\\n"}', "application/grpc", None)),
    ("/404", None, (504, None, None, "application/json", "404")), ("/429", None, (429, "9", None, "foo/bar", None))])
def test_local_reply_config(proxy, path, content, expected):
    answer = ask(proxy, path, "replies", content)
    assert (answer.status, answer.get("grpc-status"), answer.get("grpc-message"), answer.get("content-type"), answer.get("x-mapped")) == expected


def test_a_request_without_host(proxy):
    with Client(proxy.address()) as client:
        answer = client.send(b"GET / HTTP/1.1\r\ncontent-type: application/grpc\r\n\r\n").response()
    assert (answer.status, answer.get("grpc-status"), answer.get("connection")) == (200, "13", "close")


def test_access_logs(proxy):
    for path in ("/404", "/400", "/503", "/own", "/duration"):
        ask(proxy, path + "?log")
    ask(proxy, "/503?log", kind=None)
    time.sleep(0.2)
    lines = [line for line in LogFile(proxy.folder / "log").lines() if "?log" in line]
    assert [line.replace("?log", "") for line in lines] == [
        "/404 200 Unimplemented UNIMPLEMENTED 12 12 b404 y%C3%A9%0A 0", "/400 200 Internal INTERNAL 13 13 b400 y%C3%A9%0A 0",
        "/503 200 Unavailable UNAVAILABLE 14 14 b503 y%C3%A9%0A 0", "/own 200 NotFound NOT_FOUND 5 5 text 0",
        "/duration 200 DeadlineExceeded DEADLINE_EXCEEDED 4 4 downstream duration timeout 0", "/503 503 - - - - - 9"]

    def taken(name):
        return [line for line in LogFile(proxy.folder / name).lines() if "?log" in line]
    assert taken("unavailable") == ["/503?log", "/503?log"]
    assert taken("not-internal") == ["/404?log", "/own?log", "/duration?log"]


# Where a direct response is

@pytest.mark.parametrize("code,content", [(c, kind) for c in CODES for kind in (None, "application/grpc")])
def test_location_of_direct_responses(proxy, code, content):
    answer = ask(proxy, f"/{code}?a=1", kind=content, method="GET")
    expected = f"http://example.com/{code}?a=1" if code in (201, 301, 304, 307) else None
    assert answer.get("location") == expected
    if content is None:
        assert answer.status == code




def test_location_names_the_request(launch_once):
    proxy = launch_once(k.bootstrap([k.listener("main", k.hcm([k.direct("made", 201)], use_remote_address=False))]))
    with Client(proxy.address()) as client:
        answer = client.request("POST", "/a/b?c", [("x-forwarded-proto", "https")], host="Example.com:81")
    assert answer.get("location") == "https://Example.com:81/a/b?c"
