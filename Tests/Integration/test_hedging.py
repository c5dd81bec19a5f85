"""Attempts beside each other (hedge_policy), and what requests, answers and statistics tell of attempts."""

import time

import pytest

from harness import config as k
from harness.client import Client
from harness.differs import differs
from harness.upstream import OK, ok

S503 = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nbusy"
FAST = {"base_interval": "0.001s", "max_interval": "0.002s"}
HEDGE = {"hedge_policy": {"hedge_on_per_try_timeout": True}}


def policy(on, **fields):
    return {"retry_policy": {"retry_on": on, "retry_back_off": FAST, **fields}}


def named(name, **action):
    return {**k.route(match={"path": "/" + name}, **action), "stat_prefix": name}


@pytest.fixture(scope="module")
def proxy(launch, upstream):
    slow = {"per_try_timeout": "0.25s"}
    routes = [
        named("two", timeout="3s", **HEDGE, **policy("5xx", num_retries=1, **slow)),
        named("three", timeout="3s", **HEDGE, **policy("5xx", num_retries=2, **slow)),
        named("short", timeout="0.8s", **HEDGE, **policy("5xx", num_retries=2, **slow)),
        named("connect", timeout="3s", **HEDGE, **policy("connect-failure", num_retries=1, **slow)),
        named("alone", timeout="0.5s", **HEDGE),
        named("plain", timeout="3s", **policy("5xx", **slow)),
        named("idle", timeout="3s", **HEDGE, **policy("5xx", per_try_idle_timeout="0.25s")),
        k.route("short", {"path": "/late"}, timeout="3s", **HEDGE, **policy("5xx", num_retries=1, **slow)),
        named("not", timeout="3s", hedge_policy={"hedge_on_per_try_timeout": False}, **policy("5xx", **slow)),
    ]
    counted = {"include_request_attempt_count": True, "include_attempt_count_in_response": True,
               "include_is_timeout_retry_header": True}
    hosts = [
        k.virtual_host("host", ["host.example"], [
            named("inherits", timeout="3s", **policy("5xx", **slow)),
            named("not", timeout="3s", hedge_policy={}, **policy("5xx", **slow)), 
            k.route(None, {"path": "/gone"}, cluster_header="x-cluster"),
            k.route("empty", {"path": "/empty"}), k.direct("d")], **HEDGE, **counted),
        k.virtual_host("rest", ["*"], routes),
    ]
    manager = k.hcm(hosts=hosts, use_remote_address=True,
                    internal_address_config={"cidr_ranges": [{"address_prefix": "127.0.0.0", "prefix_len": 8}]})
    return launch(k.bootstrap([k.listener("main", manager, per_connection_buffer_limit_bytes=20000)],
                              [k.cluster("up", [upstream]), k.cluster("empty"), k.cluster(
                                  "short", [upstream], common_http_protocol_options={"max_stream_duration": "0.5s"})]))


@pytest.fixture(autouse=True)
def forget(upstream):
    yield
    upstream.respond = OK


def script(upstream, *answers):
    left = list(answers)
    upstream.respond = lambda request: left.pop(0) if len(left) > 1 else left[0]


def ask(proxy, path, **fields):
    with Client(proxy.address()) as client:
        return client.request(path=path, **fields)


class Counted:
    """What statistics of the cluster grow by."""

    def __init__(self, proxy, scope="cluster.up"):
        self.proxy, self.scope = proxy, scope
        self.before = proxy.stats("^" + scope.replace(".", r"\."))

    def grown(self):
        after = self.proxy.stats("^" + self.scope.replace(".", r"\."))
        return {name[len(self.scope) + 1:]: value - self.before.get(name, 0) for name, value in after.items()
                if value != self.before.get(name, 0)}


# name, route, the upstream's answers, the answer, seconds (from, to), attempts, statistics of the cluster
CASES = [
    ("the first wins", "three", [[0.6, ok(b"first")], [2.0, ok(b"other")]], (200, "first"), (0.5, 1.2), 3,
     {"upstream_rq_retry": 2, "upstream_rq_total": 3, "upstream_rq_200": 1, "upstream_cx_destroy_local_with_active_rq": 2}),
    ("the second wins", "three", [[2.0, ok(b"first")], [ok(b"second")]], (200, "second"), (0.2, 0.8), 2,
     {"upstream_rq_retry": 1, "upstream_rq_retry_success": 1, "upstream_rq_total": 2, "upstream_rq_200": 1}),
    ("a bad first is dropped", "two", [[0.5, S503], [0.5, ok(b"second")]], (200, "second"), (0.6, 1.5), 2,
     {"upstream_rq_retry": 1, "upstream_rq_200": 1, "upstream_rq_503": 0, "retry.upstream_rq_503": 0}),
    ("a bad second is dropped", "two", [[0.7, ok(b"first")], [S503]], (200, "first"), (0.6, 1.2), 2,
     {"upstream_rq_retry": 1, "upstream_rq_retry_limit_exceeded": 1, "upstream_rq_503": 0, "upstream_rq_200": 1}),
    ("a bad second is retried", "three", [[0.7, ok(b"first")], [S503], [2.0, ok(b"third")]], (200, "first"), (0.6, 1.2), 3,
     {"upstream_rq_retry": 2, "retry.upstream_rq_503": 1, "upstream_rq_200": 1}),
    ("the second fails", "two", [[0.6, ok(b"first")], ["close"]], (200, "first"), (0.5, 1.2), 2,
     {"upstream_rq_retry": 1, "upstream_rq_503": 1, "upstream_rq_200": 1}),
    ("the first fails", "two", [[0.5, "close"], [0.6, ok(b"second")]], (200, "second"), (0.7, 1.5), 2,
     {"upstream_rq_retry": 1, "upstream_rq_503": 1, "upstream_rq_200": 1}),
    ("the first resets", "two", [[0.5, "reset"], [0.6, ok(b"second")]], (200, "second"), (0.7, 1.5), 2,
     {"upstream_rq_503": 1, "upstream_rq_200": 1}),
    ("all fail", "two", [[0.6, S503], ["close"]], (503, "busy"), (0.5, 1.2), 2, {"upstream_rq_retry": 1}),
    ("both close", "two", [[0.6, "close"], [0.1, "close"]], (503, None), (0.5, 1.2), 2, {"upstream_rq_503": 2}),
    ("all time out", "short", [[2.0, S503]], (504, "upstream request timeout"), (0.7, 1.3), 3,
     {"upstream_rq_timeout": 3, "upstream_rq_504": 3, "upstream_rq_retry": 2, "upstream_rq_retry_limit_exceeded": 1,
      "upstream_rq_per_try_timeout": 0}),
    ("whatever the conditions", "connect", [[0.5, S503], [1.0, ok(b"second")]], (503, "busy"), (0.4, 0.9), 2,
     {"upstream_rq_retry": 1, "upstream_rq_503": 1}),
    ("without a policy", "alone", [[1.0, ok(b"late")]], (504, "upstream request timeout"), (0.4, 0.9), 1,
     {"upstream_rq_timeout": 1, "upstream_rq_504": 1}),
    ("an idle attempt", "idle", [[0.6, ok(b"first")], [2.0, ok(b"other")]], (200, "first"), (0.5, 1.2), 2,
     {"upstream_rq_retry": 1, "upstream_rq_per_try_idle_timeout": 0}),
    ("not hedged", "plain", [[0.6, ok(b"first")], [ok(b"second")]], (200, "second"), (0.2, 0.6), 2,
     {"upstream_rq_per_try_timeout": 1, "upstream_rq_retry_success": 1}),
    ("switched off", "not", [[0.6, ok(b"first")], [ok(b"second")]], (200, "second"), (0.2, 0.6), 2,
     {"upstream_rq_per_try_timeout": 1}),
    ("a byte is no head", "two", [[b"HTTP/1.1 20", 0.7, b"0 OK\r\ncontent-length: 5\r\n\r\nfirst"], [2.0, ok(b"other")]],
     (200, "first"), (0.6, 1.2), 2, {"upstream_rq_200": 1}),
    ("a head is an answer", "plain", [[b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n", 0.6, b"body"]], (200, "body"), (0.5, 1.2), 1,
     {"upstream_rq_per_try_timeout": 0, "upstream_rq_total": 1}),
]


@pytest.mark.parametrize("case", CASES, ids=[case[0] for case in CASES])
def test_who_wins(proxy, upstream, case):
    _, path, answers, (status, text), (least, most), attempts, statistics = case
    script(upstream, *answers)
    counted = Counted(proxy)
    began = time.monotonic()
    answer = ask(proxy, "/" + path)
    took = time.monotonic() - began
    assert answer.status == status and text in (None, answer.text)
    assert least < took < most
    assert len(upstream.requests) == attempts
    assert proxy.wait_stat("cluster.up.upstream_rq_active", 0) == 0
    grown = counted.grown()
    assert {name: grown.get(name, 0) for name in statistics} == statistics


def test_the_body_goes_to_all(proxy, upstream):
    script(upstream, [1.0, ok(b"first")], [ok(b"second")])
    body = bytes(range(256)) * 60
    assert ask(proxy, "/two", method="POST", body=body).text == "second"
    assert [request.body for request in upstream.requests] == [body, body]


def test_a_body_that_is_not_kept_is_not_hedged(proxy, upstream):
    script(upstream, [0.6, ok(b"first")], [ok(b"second")])
    assert ask(proxy, "/two", method="POST", body=b"x" * 100_000).text == "first"
    assert len(upstream.requests) == 1


LATE = differs("a hedged attempt reaches `max_stream_duration` while another is on its way", envoy=504, martlet=200,
               why="The end of one attempt is not the end of the others")


def test_the_end_of_a_hedge(proxy, upstream, settle):
    before = proxy.stat("cluster.short.upstream_rq_max_duration_reached")
    script(upstream, [2.0, OK], [0.4, ok(b"second")])
    assert ask(proxy, "/late").status == settle(LATE)
    assert proxy.stat("cluster.short.upstream_rq_max_duration_reached") == before + 1
    assert proxy.wait_stat("cluster.short.upstream_rq_active", 0) == 0


def test_the_end_of_all(proxy, upstream):
    script(upstream, [2.0, OK])
    answer = ask(proxy, "/late")
    assert (answer.status, answer.text) == (504, "upstream max stream duration reached")


def test_the_client_goes(proxy, upstream):
    script(upstream, [2.0, OK])
    with Client(proxy.address()) as client:
        client.send("GET /three HTTP/1.1\r\nhost: h\r\n\r\n")
        upstream.wait_requests(3)
    assert proxy.wait_stat("cluster.up.upstream_rq_active", 0) == 0
    assert proxy.wait_stat("cluster.up.circuit_breakers.default.rq_retry_open", 0) == 0


def test_the_connection_of_the_winner_is_used_again(proxy, upstream):
    script(upstream, [0.5, ok(b"first")], [2.0, ok(b"second")], [OK])
    with Client(proxy.address()) as client:
        assert client.request(path="/two").text == "first"
        first = upstream.requests[0].connection
        assert client.request(path="/plain").text == "ok"
    assert upstream.requests[-1].connection == first


@pytest.mark.parametrize("path,value,attempts", [("/plain", "true", "first"), ("/plain", "false", "second"), ("/plain", "yes", "second"),
                                                 ("/two", "false", "second"), ("/two", "true", "first")])
def test_the_requests_header(proxy, upstream, path, value, attempts):
    script(upstream, [0.5, ok(b"first")], [2.0 if attempts == "first" else 0.1, ok(b"second")])
    answer = ask(proxy, path, headers=[("x-envoy-hedge-on-per-try-timeout", value)])
    assert answer.text == attempts
    assert upstream.requests[0].get("x-envoy-hedge-on-per-try-timeout") is None


@pytest.mark.parametrize("path,winner", [("/inherits", "first"), ("/not", "second")])
def test_a_virtual_hosts_policy_is_its_routes(proxy, upstream, path, winner):
    script(upstream, [0.5, ok(b"first")], [2.0 if winner == "first" else 0.1, ok(b"second")])
    assert ask(proxy, path, host="host.example").text == winner


# Headers

def tells(requests):
    return [(r.get("x-envoy-attempt-count"), r.get("x-envoy-is-timeout-retry")) for r in requests]


def test_attempts_are_counted(proxy, upstream):
    script(upstream, [S503], [OK])
    answer = ask(proxy, "/not", host="host.example")
    assert answer.all("x-envoy-attempt-count") == ["2"]
    assert tells(upstream.requests) == [("1", None), ("2", "false")]


def test_timeouts_are_told(proxy, upstream):
    script(upstream, [1.0, S503], [OK])
    answer = ask(proxy, "/not", host="host.example")
    assert answer.all("x-envoy-attempt-count") == ["2"]
    assert tells(upstream.requests) == [("1", None), ("2", "true")]


def test_hedges_are_told(proxy, upstream):
    script(upstream, [1.0, S503], [OK])
    assert ask(proxy, "/inherits", host="host.example").all("x-envoy-attempt-count") == ["2"]
    assert tells(upstream.requests) == [("1", None), ("2", "true")]


def test_what_the_client_says_of_attempts(proxy, upstream):
    script(upstream, [S503], [OK])
    ask(proxy, "/not", host="host.example", headers=[("x-envoy-attempt-count", "7"), ("x-envoy-is-timeout-retry", "maybe")])
    assert tells(upstream.requests) == [("1", "maybe"), ("2", "false")]


def test_what_the_upstream_says_of_attempts(proxy, upstream):
    upstream.respond = b"HTTP/1.1 200 OK\r\nx-envoy-attempt-count: 9\r\ncontent-length: 0\r\n\r\n"
    assert ask(proxy, "/not", host="host.example").all("x-envoy-attempt-count") == ["1"]


@pytest.mark.parametrize("path,status,count", [("/empty", 503, "1"), ("/gone", 503, None), ("/d", 200, None)])
def test_answers_of_the_proxy(proxy, path, status, count):
    answer = ask(proxy, path, host="host.example")
    assert (answer.status, answer.get("x-envoy-attempt-count")) == (status, count)


def test_without_being_asked_nothing_is_told(proxy, upstream):
    script(upstream, [S503], [OK])
    assert ask(proxy, "/plain").get("x-envoy-attempt-count") is None
    assert tells(upstream.requests) == [(None, None)] * 2


@pytest.mark.parametrize("path,first,second", [("/two", (3000, 3000), (2000, 2900)), ("/plain", (250, 250), (250, 250))])
def test_the_expected_time_of_attempts(proxy, upstream, path, first, second):
    script(upstream, [1.0, S503], [OK])
    assert ask(proxy, path).status == 200
    times = [int(r.get("x-envoy-expected-rq-timeout-ms")) for r in upstream.requests]
    assert len(times) == 2 and first[0] <= times[0] <= first[1] and second[0] <= times[1] <= second[1]
