"""Retries: which answers and failures are sent again, how often, with what body, and how long an attempt may take."""

import time

import pytest

from harness import config as k
from harness.client import Client
from harness.upstream import OK, refused_port

S503 = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nbusy"


def status(code: int, headers: str = "") -> bytes:
    return b"HTTP/1.1 %d X\r\n%scontent-length: 0\r\n\r\n" % (code, headers.encode())


FAST = {"base_interval": "0.001s", "max_interval": "0.002s"}


def policy(on, **fields):
    return {"retry_policy": {"retry_on": on, "retry_back_off": FAST, **fields}}


# name, policy, first answer of the upstream, whether it is asked again
CASES = [
    ("five", policy("5xx"), [status(500)], True),
    ("five-503", policy("5xx"), [S503], True),
    ("five-404", policy("5xx"), [status(404)], False),
    ("five-close", policy("5xx"), ["close"], True),
    ("five-reset", policy("5xx"), ["reset"], True),
    ("gateway-500", policy("gateway-error"), [status(500)], False),
    ("gateway-502", policy("gateway-error"), [status(502)], True),
    ("gateway-504", policy("gateway-error"), [status(504)], True),
    ("gateway-close", policy("gateway-error"), ["close"], True),
    ("reset-close", policy("reset"), ["close"], True),
    ("reset-503", policy("reset"), [S503], False),
    ("connect-close", policy("connect-failure"), ["close"], False),
    ("refused-close", policy("refused-stream"), ["close"], False),
    ("before-close", policy("reset-before-request"), ["close"], False),
    ("conflict", policy("retriable-4xx"), [status(409)], True),
    ("conflict-404", policy("retriable-4xx"), [status(404)], False),
    ("codes", policy("retriable-status-codes", retriable_status_codes=[418]), [status(418)], True),
    ("codes-other", policy("retriable-status-codes", retriable_status_codes=[418]), [status(419)], False),
    ("codes-unnamed", policy("5xx", retriable_status_codes=[418]), [status(418)], False),
    ("headers", policy("retriable-headers", retriable_headers=[{"name": "x-again"}]), [status(200, "x-again: 1\r\n")], True),
    ("headers-without", policy("retriable-headers", retriable_headers=[{"name": "x-again"}]), [status(200)], False),
    ("limited", policy("envoy-ratelimited"), [status(429, "x-envoy-ratelimited: true\r\n")], True),
    ("limited-5xx", policy("5xx"), [status(503, "x-envoy-ratelimited: true\r\n")], False),
    ("request-headers", policy("5xx", retriable_request_headers=[{"name": "x-try"}]), [S503], False),
    ("several", policy("connect-failure,retriable-4xx, 5xx"), [status(500)], True),
    ("grpc", policy("unavailable"), [status(200, "grpc-status: 14\r\n")], True),
    ("grpc-other", policy("unavailable"), [status(200, "grpc-status: 5\r\n")], False),
    ("none", policy("5xx", num_retries=0), [S503], False),
    ("partial", policy("5xx"), [b"HTTP/1.1 200 OK\r\ncontent-le", "close"], True),
]


@pytest.fixture(scope="module")
def proxy(launch, upstream):
    routes = [k.route("up", {"path": "/" + name}, **action) for name, action, _, _ in CASES]
    routes += [
        k.route("up", {"path": "/plain"}),
        k.route("up", {"path": "/three"}, **policy("5xx", num_retries=3)),
        k.route("up", {"path": "/try"}, timeout="2s", **policy("5xx", per_try_timeout="0.15s")),
        k.route("up", {"path": "/try-never"}, timeout="2s", **policy("connect-failure", per_try_timeout="0.15s")),
        k.route("up", {"path": "/idle"}, timeout="2s", **policy("connect-failure", per_try_idle_timeout="0.15s")),
        k.route("up", {"path": "/all"}, timeout="0.3s", **policy("5xx", num_retries=50, retry_back_off={
            "base_interval": "0.05s", "max_interval": "0.05s"})),
        k.route("mixed", {"path": "/mixed"}, **policy("connect-failure", num_retries=5)),
        k.route("mixed", {"path": "/other"}, **policy("connect-failure", num_retries=1, host_selection_retry_max_attempts=5,
                retry_host_predicate=[{"name": "envoy.retry_host_predicates.previous_hosts", "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"}}])),
        k.route("up", {"path": "/after"}, **policy("retriable-status-codes", retriable_status_codes=[429],
                rate_limited_retry_back_off={"reset_headers": [{"name": "retry-after", "format": "SECONDS"}], "max_interval": "5s"})),
    ]
    inherits = k.virtual_host("inherits", ["inherits.example"], [
        k.route("up", {"path": "/host"}), k.route("up", {"path": "/own"}, **policy("retriable-4xx"))], **policy("5xx"))
    rest = k.virtual_host("rest", ["*"], routes)
    clusters = [k.cluster("up", [upstream]), k.cluster("mixed", [("127.0.0.1", refused_port()), upstream])]
    return launch(k.bootstrap([k.listener("main", k.hcm(hosts=[inherits, rest]), per_connection_buffer_limit_bytes=20000)],
                              clusters))


@pytest.fixture(autouse=True)
def forget(upstream):
    upstream.requests.clear()
    yield
    upstream.respond = OK


def script(upstream, *answers):
    """The answers in turn, the last for ever."""
    left = list(answers)
    upstream.respond = lambda request: left.pop(0) if len(left) > 1 else left[0]


def ask(proxy, path, **fields):
    with Client(proxy.address()) as client:
        return client.request(path=path, **fields)


@pytest.mark.parametrize("name,first,again", [(name, first, again) for name, _, first, again in CASES], ids=[c[0] for c in CASES])
def test_whether_it_is_sent_again(proxy, upstream, name, first, again):
    script(upstream, first, [OK])
    answer = ask(proxy, "/" + name)
    assert len(upstream.requests) == (2 if again else 1)
    if again:
        assert (answer.status, answer.text) == (200, "ok")
    elif isinstance(first[0], bytes):
        assert answer.status == int(first[0].split()[1])
    else:
        assert answer.status == 503


def test_request_headers_choose(proxy, upstream):
    script(upstream, [S503], [OK])
    assert ask(proxy, "/request-headers", headers=[("x-try", "1")]).status == 200


def test_the_number_of_retries(proxy, upstream):
    before = proxy.stats("cluster.up.upstream_rq_retry")
    upstream.respond = S503
    answer = ask(proxy, "/three")
    assert (answer.status, answer.text, len(upstream.requests)) == (503, "busy", 4)
    after = proxy.stats("cluster.up.upstream_rq_retry")
    grown = {name.rpartition(".")[2]: after[name] - before.get(name, 0) for name in after}
    assert grown["upstream_rq_retry"] == 3 and grown["upstream_rq_retry_limit_exceeded"] == 1
    assert grown["upstream_rq_retry_success"] == 0 and grown["upstream_rq_retry_backoff_exponential"] == 3


def test_success_is_counted(proxy, upstream):
    before = proxy.stat("cluster.up.upstream_rq_retry_success")
    script(upstream, [S503], [S503], [OK])
    assert ask(proxy, "/three").status == 200
    assert proxy.stat("cluster.up.upstream_rq_retry_success") == before + 1
    assert proxy.wait_stat("cluster.up.upstream_rq_active", 0) == 0


def test_without_a_policy_nothing_is_sent_again(proxy, upstream):
    upstream.respond = S503
    assert ask(proxy, "/plain").status == 503
    assert len(upstream.requests) == 1


def test_bodies_are_sent_again(proxy, upstream):
    script(upstream, [S503], [OK])
    body = bytes(range(256)) * 40
    answer = ask(proxy, "/five", method="POST", body=body)
    assert answer.status == 200
    assert [request.body for request in upstream.requests] == [body, body]


def test_a_body_over_the_buffer_limit_is_sent_once(proxy, upstream):
    before = proxy.stat("cluster.up.retry_or_shadow_abandoned")
    script(upstream, [S503], [OK])
    answer = ask(proxy, "/five", method="POST", body=b"x" * 100_000)
    assert answer.status == 503
    assert [len(request.body) for request in upstream.requests] == [100_000]
    assert proxy.stat("cluster.up.retry_or_shadow_abandoned") == before + 1


def test_a_virtual_hosts_policy_is_its_routes(proxy, upstream):
    script(upstream, [S503], [OK])
    assert ask(proxy, "/host", host="inherits.example").status == 200
    upstream.requests.clear()
    script(upstream, [S503], [OK])
    assert ask(proxy, "/own", host="inherits.example").status == 503


def test_a_dead_endpoint_costs_nobody_an_answer(proxy, upstream):
    assert {ask(proxy, "/mixed").status for _ in range(10)} == {200}


def test_another_endpoint_is_tried(proxy, upstream):
    assert {ask(proxy, "/other").status for _ in range(10)} == {200}


def test_an_attempt_that_takes_too_long_is_given_up(proxy, upstream):
    before = proxy.stat("cluster.up.upstream_rq_per_try_timeout")
    script(upstream, [1.0, OK], [OK])
    began = time.monotonic()
    assert ask(proxy, "/try").status == 200
    assert 0.1 < time.monotonic() - began < 0.9
    assert proxy.stat("cluster.up.upstream_rq_per_try_timeout") == before + 1


def test_a_timeout_without_a_retry_is_504(proxy, upstream):
    script(upstream, [1.0, OK])
    answer = ask(proxy, "/try-never")
    assert (answer.status, answer.text) == (504, "upstream request timeout")


def test_an_idle_attempt_is_504(proxy, upstream):
    script(upstream, [1.0, OK])
    began = time.monotonic()
    assert ask(proxy, "/idle").status == 504
    assert time.monotonic() - began < 0.9


def test_all_attempts_together_have_the_routes_timeout(proxy, upstream):
    upstream.respond = S503
    began = time.monotonic()
    answer = ask(proxy, "/all")
    assert answer.status in (503, 504)
    assert time.monotonic() - began < 1.5


def test_the_upstream_says_when(proxy, upstream):
    script(upstream, [status(429, "retry-after: 1\r\n")], [OK])
    began = time.monotonic()
    assert ask(proxy, "/after").status == 200
    assert 0.9 < time.monotonic() - began < 2.5


def test_a_wait_that_is_too_long_is_not_followed(proxy, upstream):
    script(upstream, [status(429, "retry-after: 50\r\n")], [OK])
    began = time.monotonic()
    assert ask(proxy, "/after").status == 200
    assert time.monotonic() - began < 1


def test_strangers_do_not_ask_for_retries(proxy, upstream):
    upstream.respond = S503
    answer = ask(proxy, "/plain", headers=[("x-envoy-retry-on", "5xx"), ("x-envoy-max-retries", "5")])
    assert (answer.status, len(upstream.requests)) == (503, 1)
    assert upstream.requests[0].get("x-envoy-retry-on") is None
