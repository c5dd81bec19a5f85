"""max_stream_duration of clusters, and x-envoy-upstream-stream-duration-ms."""

import time

import pytest

from harness import config as k
from harness.client import Client, Malformed
from harness.logs import FLUSH, LogFile
from harness.upstream import OK, ok

RETRY = {"retry_policy": {"retry_on": "5xx", "retry_back_off": {"base_interval": "0.001s", "max_interval": "0.002s"}}}
INSIDE = {"use_remote_address": True, "internal_address_config": {"cidr_ranges": [{"address_prefix": "127.0.0.0", "prefix_len": 8}]}}
REACHED = "upstream max stream duration reached"


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    return LogFile(tmp_path_factory.mktemp("logs") / "access")


@pytest.fixture(scope="module")
def proxy(launch, upstream, log):
    routes = [k.route("short", {"path": "/short"}), k.route("short", {"path": "/retry"}, **RETRY), k.route("up")]
    logs = {"access_log": [k.access_log(log.path, "%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%\n")]}
    listeners = [k.listener("main", k.hcm(routes, **logs)), k.listener("inside", k.hcm(routes, stat_prefix="inside", **INSIDE))]
    clusters = [k.cluster("up", [upstream]), k.cluster("short", [upstream], common_http_protocol_options={"max_stream_duration": "0.4s"})]
    return launch(k.bootstrap(listeners, clusters), args=FLUSH)


@pytest.fixture(autouse=True)
def forget(upstream):
    yield
    upstream.respond = OK


def script(upstream, *answers):
    left = list(answers)
    upstream.respond = lambda request: left.pop(0) if len(left) > 1 else left[0]


def timed(proxy, path, headers=(), listener="main"):
    began = time.monotonic()
    with Client(proxy.address(listener)) as client:
        answer = client.request(path=path, headers=headers)
    return answer, time.monotonic() - began


def test_in_time(proxy, upstream):
    upstream.respond = [0.1, OK]
    assert timed(proxy, "/short")[0].status == 200


def test_too_late(proxy, upstream, log):
    before = proxy.stat("cluster.short.upstream_rq_max_duration_reached")
    script(upstream, [1.0, OK])
    answer, took = timed(proxy, "/short")
    assert (answer.status, answer.text) == (504, REACHED) and 0.3 < took < 0.9
    assert proxy.stat("cluster.short.upstream_rq_max_duration_reached") == before + 1
    assert proxy.stat("cluster.short.upstream_rq_active") == 0
    assert log.wait(2)[-1] == "504 UMSDR upstream_max_stream_duration_reached"


def test_the_request_is_late(proxy, upstream):
    upstream.wait_for_body = False
    try:
        script(upstream, [1.0, OK])
        with Client(proxy.address()) as client:
            client.send("POST /short HTTP/1.1\r\nhost: h\r\ncontent-length: 10\r\n\r\nabc")
            answer = client.response()
            assert (answer.status, answer.text) == (408, REACHED) and client.closed()
    finally:
        upstream.wait_for_body = True


def test_the_body_is_late(proxy, upstream):
    upstream.respond = [b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n", 1.0, b"body"]
    began = time.monotonic()
    with Client(proxy.address()) as client:
        client.send("GET /short HTTP/1.1\r\nhost: h\r\n\r\n")
        with pytest.raises(Malformed):
            client.response()
        assert time.monotonic() - began < 3


def test_another_attempt_has_its_own_time(proxy, upstream):
    script(upstream, [1.0, OK], [0.2, ok(b"soon")])
    answer, took = timed(proxy, "/retry")
    assert answer.text == "soon" and 0.5 < took < 1


@pytest.mark.parametrize("path,milliseconds,status", [("/", "300", 504), ("/", "0", 200), ("/", "x", 200), ("/short", "2000", 200),
                                                      ("/short", "0", 200), ("/short", "300", 504)])
def test_the_requests_header(proxy, upstream, path, milliseconds, status):
    upstream.respond = [0.7, OK]
    answer, _ = timed(proxy, path, [("x-envoy-upstream-stream-duration-ms", milliseconds)], "inside")
    assert answer.status == status
    assert upstream.last.get("x-envoy-upstream-stream-duration-ms") is None


def test_strangers_have_no_say(proxy, upstream):
    upstream.respond = [0.7, OK]
    assert timed(proxy, "/", [("x-envoy-upstream-stream-duration-ms", "100")], "main")[0].status == 200
