"""Headers the proxy adds, overwrites and removes by default."""

import re
import time
from email.utils import parsedate_to_datetime

import pytest

from harness import config as k
from harness.client import Client
from harness.differs import differs
from harness.upstream import ok

SERVER = differs("`server` response header without `server_name`", envoy="envoy", martlet="martlet",
                 why="The default of `server_name` is the program's own name")


@pytest.fixture(scope="module")
def proxy(launch, upstream):
    routes = [k.direct("d", match={"path": "/direct"}), k.redirect({"path": "/redirect"}, path_redirect="/x"), k.route()]

    def one(name, **fields):
        return k.listener(name, k.hcm(routes, stat_prefix=name, **fields))

    return launch(k.bootstrap([
        one("main"),
        one("named", server_name="mine"),
        one("absent", server_header_transformation="APPEND_IF_ABSENT"),
        one("through", server_header_transformation="PASS_THROUGH"),
        one("no-id", generate_request_id=False),
    ], [k.cluster("up", [upstream])]))


def ask(proxy, listener="main", headers=(), path="/", method="GET"):
    with Client(proxy.address(listener)) as client:
        return client.request(method, path, headers)


@pytest.mark.parametrize("path", ["/", "/direct", "/redirect"])
def test_server_and_date(proxy, settle, path):
    answer = ask(proxy, path=path)
    assert answer.all("server") == [settle(SERVER)]
    assert abs(parsedate_to_datetime(answer.get("date")).timestamp() - time.time()) < 3
    assert answer.get("date").endswith(" GMT")


def test_server_name(proxy, upstream):
    upstream.respond = ok(b"", "server: theirs\r\n")
    assert ask(proxy, "named").all("server") == ["mine"]
    assert ask(proxy, "absent").all("server") == ["theirs"]
    assert ask(proxy, "through").all("server") == ["theirs"]


def test_server_absent_upstream(proxy, settle):
    assert ask(proxy, "absent").all("server") == [settle(SERVER)]
    assert ask(proxy, "through").all("server") == []


def test_server_of_the_upstream_is_overwritten(proxy, upstream, settle):
    upstream.respond = ok(b"", "server: theirs\r\n")
    assert ask(proxy).all("server") == [settle(SERVER)]


def test_date_of_the_upstream_is_kept(proxy, upstream):
    upstream.respond = ok(b"", "date: Mon, 01 Jan 2001 00:00:00 GMT\r\n")
    assert ask(proxy).all("date") == ["Mon, 01 Jan 2001 00:00:00 GMT"]


def test_service_time(proxy, upstream):
    upstream.respond = [0.12, ok(b"", "x-envoy-upstream-service-time: 99999\r\n")]
    times = ask(proxy).all("x-envoy-upstream-service-time")
    assert len(times) == 1 and 100 <= int(times[0]) < 1000
    assert ask(proxy, path="/direct").get("x-envoy-upstream-service-time") is None


def test_request_id(proxy, upstream):
    ids = set()
    for _ in range(3):
        ask(proxy)
        ids.add(upstream.last.get("x-request-id"))
    assert len(ids) == 3
    for value in ids:
        assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89a-f][0-9a-f]{3}-[0-9a-f]{12}", value)


def test_request_id_of_the_client(proxy, upstream):
    ask(proxy, headers={"x-request-id": "mine"})
    assert upstream.last.all("x-request-id") == ["mine"]


def test_no_request_id(proxy, upstream):
    ask(proxy, "no-id")
    assert upstream.last.get("x-request-id") is None


def test_forwarded_headers(proxy, upstream):
    ask(proxy)
    assert upstream.last.get("x-forwarded-for") is None
    assert upstream.last.get("x-forwarded-proto") == "http"
    ask(proxy, headers={"x-forwarded-for": "1.2.3.4", "x-forwarded-proto": "https"})
    assert upstream.last.all("x-forwarded-for") == ["1.2.3.4"]
    assert upstream.last.all("x-forwarded-proto") == ["https"]


def test_expected_timeout(proxy, upstream):
    ask(proxy)
    assert upstream.last.get("x-envoy-expected-rq-timeout-ms") == "15000"
    assert upstream.last.get("x-envoy-attempt-count") is None


def test_internal_headers_of_a_client_are_removed(proxy, upstream):
    ask(proxy, headers={"x-forwarded-for": "1.2.3.4", "x-envoy-internal": "true", "x-envoy-upstream-rq-timeout-ms": "1",
                        "x-envoy-force-trace": "true", "x-envoy-original-path": "/evil"})
    assert upstream.last.get("x-envoy-internal") is None
    assert upstream.last.get("x-envoy-upstream-rq-timeout-ms") is None


def test_everything_else_passes(proxy, upstream):
    sent = [("accept", "*/*"), ("user-agent", "test"), ("x-custom", "1"), ("authorization", "Basic eA=="), ("cookie", "a=b")]
    ask(proxy, headers=sent)
    for pair in sent:
        assert pair in upstream.last.headers
    answer_headers = {n for n, _ in ask(proxy).headers}
    assert answer_headers == {"content-length", "x-envoy-upstream-service-time", "date", "server"}


def test_nothing_unknown_is_added_upstream(proxy, upstream):
    ask(proxy)
    assert {n for n, _ in upstream.last.headers} == {"host", "x-forwarded-proto", "x-request-id", "x-envoy-expected-rq-timeout-ms"}


def test_local_answers_have_these_headers(proxy):
    assert {n for n, _ in ask(proxy, path="/direct").headers} == {"content-length", "content-type", "date", "server"}
    assert {n for n, _ in ask(proxy, path="/redirect").headers} == {"location", "date", "server", "content-length"}
