"""What a cluster and its endpoints count of attempts, answers and failures, and what the access log says of them."""

import time

import pytest

from harness import config as k
from harness.client import Client, Malformed, make_request
from harness.logs import FLUSH, LogFile
from harness.upstream import OK, refused_port

S503 = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nbusy"
EARLY = b"HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n"
BROKEN = [b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\na", 1.0]
FAST = {"base_interval": "0.001s", "max_interval": "0.002s"}
RESET = "upstream connect error or disconnect/reset before headers. "
AGAIN = RESET + "retried and the latest reset reason: "


def status(code: int, headers="") -> bytes:
    return b"HTTP/1.1 %d X\r\n%scontent-length: 0\r\n\r\n" % (code, headers.encode())


def policy(on, **fields):
    return {"retry_policy": {"retry_on": on, "retry_back_off": FAST, **fields}}


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    return LogFile(tmp_path_factory.mktemp("logs") / "access")


@pytest.fixture(scope="module")
def proxy(launch, upstream, log):
    slow = {"retry_on": "5xx", "num_retries": 3, "retry_back_off": {"base_interval": "600s", "max_interval": "600s"}}
    rate = {"reset_headers": [{"name": "retry-after"}], "max_interval": "5s"}
    routes = [
        k.route("up", {"path": "/retry"}, timeout="1s", **policy("5xx,connect-failure")), k.route("up", {"path": "/plain"}, timeout="0.5s"),
        k.route("up", {"path": "/waits"}, timeout="0.5s", retry_policy=slow),
        k.route("up", {"path": "/rate"}, timeout="3s", **policy("retriable-status-codes", retriable_status_codes=[429],
                                                               rate_limited_retry_back_off=rate)),
        k.route("up", {"path": "/try"}, timeout="2s", **policy("5xx", per_try_timeout="0.2s")),
        k.route("up", {"path": "/idle"}, timeout="2s", **policy("5xx", per_try_idle_timeout="0.2s")),
        k.route("up", {"path": "/try-once"}, timeout="2s", **policy("connect-failure", per_try_timeout="0.2s")),
        k.route("dead", {"path": "/dead"}, **policy("connect-failure", num_retries=2)), k.route("dead", {"path": "/dead-once"}),
        k.route("tight", {"path": "/tight"}, **policy("5xx")), k.route("budget", {"path": "/budget"}, **policy("5xx")),
        k.route("none", {"path": "/none"}, **policy("5xx,connect-failure")),
    ]
    thresholds = {"tight": {"max_retries": 0}, "budget": {"retry_budget": {"budget_percent": {"value": 1}, "min_retry_concurrency": 0}}}
    clusters = [k.cluster("up", [upstream]), k.cluster("dead", [("127.0.0.1", refused_port())]), k.cluster("none")]
    clusters += [k.cluster(name, [upstream], circuit_breakers={"thresholds": [limits]}) for name, limits in thresholds.items()]
    manager = k.hcm(routes, use_remote_address=True, access_log=[k.access_log(
        log.path, "%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %UPSTREAM_REQUEST_ATTEMPT_COUNT%\n")],
        internal_address_config={"cidr_ranges": [{"address_prefix": "127.0.0.0", "prefix_len": 8}]})
    return launch(k.bootstrap([k.listener("main", manager)], clusters), args=FLUSH)


def codes(code, scope=""):
    return {f"{scope}upstream_rq_{code}": 1, f"{scope}upstream_rq_{code // 100}xx": 1, f"{scope}upstream_rq_completed": 1}


RETRIED = {"upstream_rq_retry": 1, "upstream_rq_retry_backoff_exponential": 1}
WON = {**RETRIED, "upstream_rq_retry_success": 1}
LOST = {**RETRIED, "upstream_rq_retry_limit_exceeded": 1}
BEFORE = "upstream_reset_before_response_started"

# name, route, the upstream's answers, the answer's status and text, statistics of the cluster, of the endpoint, the access log
CASES = [
    ("a retry", "retry", [[S503], [OK]], (200, "ok"), {**codes(503, "retry."), **codes(200), **WON, "upstream_rq_total": 2},
     {"rq_error": 1, "rq_success": 1, "rq_total": 2}, "200 - via_upstream 2"),
    ("a retry too many", "retry", [[S503]], (503, "busy"), {**codes(503, "retry."), **codes(503), **LOST, "upstream_rq_total": 2},
     {"rq_error": 2, "rq_total": 2}, "503 URX via_upstream 2"),
    ("closed", "retry", [["close"], [OK]], (200, "ok"), {**codes(200), **WON, "upstream_rq_total": 2},
     {"rq_error": 1, "rq_success": 1, "rq_total": 2}, "200 - via_upstream 2"),
    ("closed twice", "retry", [["close"]], (503, AGAIN + "connection termination"), {**codes(503), **LOST, "upstream_rq_total": 2},
     {"rq_error": 2, "rq_total": 2}, f"503 URX,UC {BEFORE}{{connection_termination}} 2"),
    ("closed once", "plain", [["close"]], (503, RESET + "reset reason: connection termination"), {**codes(503), "upstream_rq_total": 1},
     {"rq_error": 1, "rq_total": 1}, f"503 UC {BEFORE}{{connection_termination}} 1"),
    ("rubbish twice", "retry", [[b"garbage\r\n\r\n"]], (502, AGAIN + "protocol error"), {**codes(502), **LOST, "upstream_rq_total": 2},
     {"rq_error": 2, "rq_total": 2}, f"502 URX,UPE {BEFORE}{{protocol_error}} 2"),
    ("an interim answer", "plain", [[EARLY, OK]], (200, "ok"),
     {**codes(103), **codes(200), "upstream_rq_completed": 2, "upstream_rq_total": 1}, {"rq_success": 1, "rq_total": 1}, "200 - via_upstream 1"),
    ("nothing is retried behind it", "retry", [[EARLY, S503], [OK]], (503, "busy"),
     {**codes(103), **codes(503), "upstream_rq_completed": 2, "upstream_rq_total": 1}, {"rq_error": 1, "rq_total": 1}, "503 - via_upstream 1"),
    ("the timeout", "plain", [[1.0, OK]], (504, "upstream request timeout"), {**codes(504), "upstream_rq_timeout": 1, "upstream_rq_total": 1},
     {"rq_error": 1, "rq_timeout": 1, "rq_total": 1}, "504 UT response_timeout 1"),
    ("the timeout between attempts", "waits", [[S503]], (504, "upstream request timeout"), {**codes(503, "retry."), "upstream_rq_total": 1},
     {"rq_error": 1, "rq_total": 1}, "504 UT response_timeout 1"),
    ("the timeout in the body", "plain", [BROKEN], None, {**codes(200), "upstream_rq_timeout": 1, "upstream_rq_total": 1},
     {"rq_success": 1, "rq_timeout": 1, "rq_total": 1}, "200 UT response_timeout 1"),
    ("a wait that was asked for", "rate", [[status(429, "retry-after: 1\r\n")], [OK]], (200, "ok"),
     {**codes(429, "retry."), **codes(200), "upstream_rq_retry": 1, "upstream_rq_retry_backoff_ratelimited": 1,
      "upstream_rq_retry_success": 1, "upstream_rq_total": 2}, {"rq_error": 1, "rq_success": 1, "rq_total": 2}, "200 - via_upstream 2"),
    ("a wait that was not", "rate", [[status(429)], [OK]], (200, "ok"), {**codes(429, "retry."), **codes(200), **WON, "upstream_rq_total": 2},
     {"rq_error": 1, "rq_success": 1, "rq_total": 2}, "200 - via_upstream 2"),
    ("an attempt's timeout", "try", [[0.5, OK], [OK]], (200, "ok"),
     {**codes(200), **WON, "upstream_rq_per_try_timeout": 1, "upstream_rq_total": 2},
     {"rq_error": 1, "rq_success": 1, "rq_timeout": 1, "rq_total": 2}, "200 - via_upstream 2"),
    ("two attempts' timeouts", "try", [[0.5, OK]], (504, "upstream request timeout"),
     {**codes(504), **LOST, "upstream_rq_per_try_timeout": 2, "upstream_rq_total": 2}, {"rq_error": 2, "rq_timeout": 2, "rq_total": 2},
     "504 URX,UT upstream_per_try_timeout 2"),
    ("an only attempt's timeout", "try-once", [[0.5, OK]], (504, "upstream request timeout"),
     {**codes(504), "upstream_rq_per_try_timeout": 1, "upstream_rq_total": 1}, {"rq_error": 1, "rq_timeout": 1, "rq_total": 1},
     "504 UT upstream_per_try_timeout 1"),
    ("two idle attempts", "idle", [[0.5, OK]], (504, "upstream request timeout"),
     {**codes(504), **LOST, "upstream_rq_per_try_idle_timeout": 2, "upstream_rq_total": 2}, {"rq_error": 2, "rq_timeout": 2, "rq_total": 2},
     "504 URX,UT upstream_per_try_idle_timeout 2"),
    ("an idle body", "idle", [BROKEN], None, {**codes(200), "upstream_rq_per_try_idle_timeout": 1, "upstream_rq_total": 1},
     {"rq_success": 1, "rq_timeout": 1, "rq_total": 1}, "200 UT upstream_per_try_idle_timeout 1"),
    ("nobody there", "dead-once", [[OK]], (503, RESET + "reset reason: remote connection failure"),
     {**codes(503), "upstream_rq_pending_failure_eject": 1}, {"rq_error": 1},
     f"503 UF {BEFORE}{{remote_connection_failure|delayed_connect_error:_Connection_refused}} 1"),
    ("nobody there thrice", "dead", [[OK]], (503, AGAIN + "remote connection failure"),
     {**codes(503), **LOST, "upstream_rq_retry": 2, "upstream_rq_retry_backoff_exponential": 2, "upstream_rq_pending_failure_eject": 3},
     {"rq_error": 3}, f"503 URX,UF {BEFORE}{{remote_connection_failure|delayed_connect_error:_Connection_refused}} 3"),
    ("no retry allowed", "tight", [[S503], [OK]], (503, "busy"), {**codes(503), "upstream_rq_retry_overflow": 1, "upstream_rq_total": 1},
     {"rq_error": 1, "rq_total": 1}, "503 UO via_upstream 1"),
    ("no retry allowed of a failure", "tight", [["close"], [OK]], (503, RESET + "reset reason: connection termination"),
     {**codes(503), "upstream_rq_retry_overflow": 1, "upstream_rq_total": 1}, {"rq_error": 1, "rq_total": 1},
     f"503 UO,UC {BEFORE}{{connection_termination}} 1"),
    ("no budget", "budget", [[S503], [OK]], (503, "busy"), {**codes(503), "upstream_rq_retry_overflow": 1, "upstream_rq_total": 1},
     {"rq_error": 1, "rq_total": 1}, "503 UO via_upstream 1"),
    ("no endpoint", "none", [[OK]], (503, "no healthy upstream"), codes(503), {}, "503 UH no_healthy_upstream 1"),
    ("204 instead", "plain", [[1.0, OK]], (204, ""), {**codes(204), "upstream_rq_timeout": 1, "upstream_rq_total": 1},
     {"rq_error": 1, "rq_timeout": 1, "rq_total": 1}, "204 UT response_timeout 1"),
    ("204 instead, of an attempt", "try-once", [[1.0, OK]], (204, ""), {**codes(204), "upstream_rq_per_try_timeout": 1, "upstream_rq_total": 1},
     {"rq_error": 1, "rq_timeout": 1, "rq_total": 1}, "204 UT upstream_per_try_timeout 1"),
]
CLUSTERS = {"dead": "dead", "dead-once": "dead", "tight": "tight", "budget": "budget", "none": "none"}


def of_cluster(proxy, cluster):
    prefix = f"cluster.{cluster}."
    return {name[len(prefix):]: value for name, value in proxy.stats("^" + prefix).items()
            if "upstream_rq_" in name and "pending_total" not in name and not name.startswith(prefix + "internal.")}


def of_endpoint(proxy, cluster):
    result = {}
    for line in proxy.admin("/clusters")[1].splitlines():
        parts = line.split("::")
        if parts[0] == cluster and len(parts) == 4 and parts[2].startswith("rq_"):
            result[parts[2]] = int(parts[3])
    return result


def grown(before, after):
    return {name: value - before.get(name, 0) for name, value in after.items() if value != before.get(name, 0)}


def script(upstream, *answers):
    left = list(answers)
    upstream.respond = lambda request: left.pop(0) if len(left) > 1 else left[0]


@pytest.mark.parametrize("case", CASES, ids=[case[0] for case in CASES])
def test_what_is_counted(proxy, upstream, log, case):
    name, path, answers, expected, statistics, endpoint, line = case
    cluster = CLUSTERS.get(path, "up")
    script(upstream, *answers)
    before, endpoint_before, lines = of_cluster(proxy, cluster), of_endpoint(proxy, cluster), len(log.lines())
    headers = [("x-envoy-upstream-rq-timeout-alt-response", "204")] if name.startswith("204") else []
    with Client(proxy.address()) as client:
        client.send(make_request(path="/" + path, headers=headers))
        if expected:
            answer = client.response()
            assert (answer.status, answer.text) == expected
        else:
            with pytest.raises(Malformed):
                client.response()
    assert log.wait(lines + 1)[-1] == line
    assert proxy.wait_stat(f"cluster.{cluster}.upstream_rq_active", 0) == 0
    assert grown(before, of_cluster(proxy, cluster)) == statistics
    assert grown(endpoint_before, of_endpoint(proxy, cluster)) == endpoint
    upstream.respond = OK


@pytest.mark.parametrize("path,answers,statistics,endpoint", [
    ("plain", [[0.5, OK]], {"upstream_rq_total": 1}, {"rq_total": 1}),
    ("waits", [[S503]], {**codes(503, "retry."), "upstream_rq_total": 1}, {"rq_error": 1, "rq_total": 1})])
def test_a_client_that_goes(proxy, upstream, log, path, answers, statistics, endpoint):
    script(upstream, *answers)
    before, endpoint_before, lines = of_cluster(proxy, "up"), of_endpoint(proxy, "up"), len(log.lines())
    with Client(proxy.address()) as client:
        client.send(make_request(path="/" + path))
        upstream.wait_requests(1)
        time.sleep(0.1)
    assert log.wait(lines + 1)[-1] == "0 DC downstream_remote_disconnect 1"
    assert grown(before, of_cluster(proxy, "up")) == statistics
    assert grown(endpoint_before, of_endpoint(proxy, "up")) == endpoint
    upstream.respond = OK
