"""Circuit breakers: what overflows, what waits, what is counted."""

import threading
import time

import pytest

from harness import config as k
from harness.client import Client
from harness.differs import differs
from harness.upstream import OK, Upstream, refused_port

OVERFLOW = "upstream connect error or disconnect/reset before headers. reset reason: overflow"


def breakers(*thresholds, **extra):
    return {"circuit_breakers": {"thresholds": list(thresholds), **extra}}


@pytest.fixture(scope="module")
def slow(upstreams):
    made = upstreams()
    made.respond = [0.4, OK]
    return made


@pytest.fixture(scope="module")
def clusters(slow, upstreams):
    two = upstreams()
    two.respond = [0.4, OK]
    return [
        k.cluster("none", [slow], **breakers({"max_pending_requests": 0})),
        k.cluster("pending", [slow], **breakers({"max_pending_requests": 1, "max_connections": 1})),
        k.cluster("requests", [slow], **breakers({"max_requests": 1})),
        k.cluster("connections", [slow], **breakers({"max_connections": 1})),
        k.cluster("spread", [slow, two], **breakers({"max_connections": 1})),
        k.cluster("pools", [slow], **breakers({"max_connection_pools": 0})),
        k.cluster("one-pool", [slow, two], **breakers({"max_connection_pools": 1})),
        k.cluster("per-host", [slow], **breakers(per_host_thresholds=[{"max_connections": 1}])),
        k.cluster("high", [slow], **breakers({"max_pending_requests": 0}, {"priority": "HIGH", "max_connections": 7})),
        k.cluster("track", [slow], **breakers({"max_connections": 2, "max_pending_requests": 3, "max_requests": 4, "max_retries": 5,
                                               "max_connection_pools": 6, "track_remaining": True})),
        k.cluster("untracked", [slow]),
        k.cluster("budget", [slow], **breakers({"retry_budget": {"budget_percent": {"value": 50}, "min_retry_concurrency": 7},
                                                "track_remaining": True})),
        k.cluster("first", [slow], **breakers({"max_pending_requests": 0}, {"max_pending_requests": 5})),
        k.cluster("runtime", [slow], **breakers({"max_pending_requests": 5})),
        k.cluster("down", [("127.0.0.1", refused_port())], **breakers({"max_connections": 1})),
        k.cluster("tcp", [slow], **breakers({"max_connections": 1})),
    ]


@pytest.fixture(scope="module")
def proxy(launch, clusters):
    routes = [k.route(c["name"], {"path": "/" + c["name"]}) for c in clusters]
    routes.append(k.route("high", {"path": "/high-route"}, priority="HIGH"))
    return launch(k.bootstrap(
        [k.listener("main", k.hcm(routes)), k.listener("tcp", k.tcp_proxy("tcp")),
         k.listener("quiet", k.hcm(routes, stat_prefix="quiet"))], clusters,
        runtime={"circuit_breakers": {"runtime": {"default": {"max_pending_requests": 0}}}}))


def together(proxy, path, count, gap=0.05):
    """Requests on connections of their own, begun in order. The answers in that order."""
    clients = [Client(proxy.address()) for _ in range(count)]
    for client in clients:
        client.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
        time.sleep(gap)
    answers = [client.response() for client in clients]
    for client in clients:
        client.close()
    return answers


def stat(proxy, cluster, name):
    return proxy.stat(f"cluster.{cluster}.{name}")


@pytest.mark.parametrize("path", ["/none", "/first", "/runtime", "/high"])
def test_no_pending_request_is_allowed(proxy, path):
    before = stat(proxy, path[1:], "upstream_rq_pending_overflow")
    answer = together(proxy, path, 1)[0]
    assert (answer.status, answer.text) == (503, OVERFLOW)
    assert answer.get("x-envoy-overloaded") == "true"
    assert stat(proxy, path[1:], "upstream_rq_pending_overflow") == before + 1
    assert stat(proxy, path[1:], "upstream_cx_total") == 0
    assert stat(proxy, path[1:], "upstream_rq_503") == before + 1


def test_priorities_have_their_own_limits(proxy):
    assert together(proxy, "/high-route", 1)[0].status == 200
    assert together(proxy, "/high", 1)[0].status == 503


def test_a_pending_request_waits_its_turn(proxy):
    started = time.monotonic()
    answers = together(proxy, "/pending", 3)
    assert [a.status for a in answers] == [200, 200, 503]
    assert time.monotonic() - started > 0.75  # one after the other, on one connection
    assert stat(proxy, "pending", "upstream_cx_total") == 1
    assert stat(proxy, "pending", "upstream_rq_pending_overflow") == 1
    assert stat(proxy, "pending", "upstream_cx_overflow") >= 1
    assert stat(proxy, "pending", "upstream_rq_total") == 2
    assert stat(proxy, "pending", "upstream_rq_pending_total") == 2
    assert stat(proxy, "pending", "upstream_rq_pending_active") == 0


def test_pending_requests_are_served_in_order(proxy, slow):
    clients = [Client(proxy.address()) for _ in range(4)]
    slow.requests.clear()
    slow.respond = [0.1, OK]
    try:
        for index, client in enumerate(clients):
            client.send(f"GET /connections HTTP/1.1\r\nHost: a\r\nx-turn: {index}\r\n\r\n")
            time.sleep(0.03)
        for client in clients:
            assert client.response().status == 200
            client.close()
    finally:
        slow.respond = [0.4, OK]
    assert [r.get("x-turn") for r in slow.requests] == ["0", "1", "2", "3"]
    assert stat(proxy, "connections", "upstream_cx_total") == 1
    assert stat(proxy, "connections", "upstream_cx_active") == 1


def test_requests_in_flight(proxy):
    before = stat(proxy, "requests", "upstream_rq_active_overflow")
    answers = together(proxy, "/requests", 3)
    assert [a.status for a in answers] == [200, 503, 503]
    assert answers[1].text == OVERFLOW and answers[1].get("x-envoy-overloaded") == "true"
    assert stat(proxy, "requests", "upstream_rq_active_overflow") == before + 2
    assert together(proxy, "/requests", 1)[0].status == 200


def test_every_endpoint_gets_a_connection(proxy):
    """The limit on connections must not make requests wait for an endpoint that has none."""
    answers = together(proxy, "/spread", 4)
    assert [a.status for a in answers] == [200] * 4
    assert stat(proxy, "spread", "upstream_cx_active") == 2


def test_connection_limit_of_each_endpoint(proxy):
    started = time.monotonic()
    assert [a.status for a in together(proxy, "/per-host", 2)] == [200, 200]
    assert time.monotonic() - started > 0.75
    assert stat(proxy, "per-host", "upstream_cx_total") == 1


def test_no_pool(proxy):
    answer = together(proxy, "/pools", 1)[0]
    assert (answer.status, answer.text) == (503, "no healthy upstream")
    assert answer.get("x-envoy-overloaded") is None
    assert stat(proxy, "pools", "upstream_cx_pool_overflow") == 1


def test_one_pool(proxy):
    assert sorted(a.status for a in together(proxy, "/one-pool", 2)) == [200, 503]
    assert stat(proxy, "one-pool", "circuit_breakers.default.cx_pool_open") == 1


def test_pending_requests_fail_with_the_connection(proxy):
    answers = together(proxy, "/down", 2, gap=0)
    assert [a.status for a in answers] == [503, 503]
    assert all("remote connection failure" in a.text for a in answers)
    assert stat(proxy, "down", "upstream_rq_pending_failure_eject") == 2
    assert stat(proxy, "down", "upstream_rq_pending_active") == 0
    assert stat(proxy, "down", "circuit_breakers.default.cx_open") == 0


def test_gauges(proxy):
    prefix = "cluster.track.circuit_breakers.default."

    def gauges():
        return {name[len(prefix):]: value for name, value in proxy.stats("cluster.track.circuit_breakers.default").items()}

    names = {"cx_open", "cx_pool_open", "rq_open", "rq_pending_open", "rq_retry_open", "remaining_cx", "remaining_cx_pools",
             "remaining_pending", "remaining_retries", "remaining_rq"}
    assert set(gauges()) == names
    assert gauges()["remaining_rq"] == 4
    clients = [Client(proxy.address()) for _ in range(4)]
    for client in clients:
        client.send("GET /track HTTP/1.1\r\nHost: a\r\n\r\n")
        time.sleep(0.05)
    assert gauges() == {"cx_open": 1, "cx_pool_open": 0, "rq_open": 0, "rq_pending_open": 0, "rq_retry_open": 0,
                        "remaining_cx": 0, "remaining_cx_pools": 5, "remaining_pending": 1, "remaining_retries": 5, "remaining_rq": 2}
    for client in clients:
        assert client.response().status == 200
        client.close()
    assert gauges()["remaining_rq"] == 4 and gauges()["remaining_pending"] == 3


@pytest.mark.parametrize("priority", ["default", "high"])
def test_gauges_without_tracking(proxy, priority):
    prefix = f"cluster.untracked.circuit_breakers.{priority}."
    assert {n[len(prefix):] for n in proxy.stats(prefix)} == {
        "cx_open", "cx_pool_open", "rq_open", "rq_pending_open", "rq_retry_open"}


def test_a_request_given_up_does_not_wait(proxy):
    before = stat(proxy, "connections", "upstream_rq_cancelled")
    first, second = Client(proxy.address()), Client(proxy.address())
    first.send("GET /connections HTTP/1.1\r\nHost: a\r\n\r\n")
    time.sleep(0.1)
    second.send("GET /connections HTTP/1.1\r\nHost: a\r\n\r\n")
    time.sleep(0.1)
    assert stat(proxy, "connections", "upstream_rq_pending_active") == 1
    second.close()
    assert proxy.wait_stat("cluster.connections.upstream_rq_pending_active", 0, 0.2) == 0
    assert proxy.wait_stat("cluster.connections.upstream_rq_cancelled", before + 1) == before + 1
    assert first.response().status == 200
    first.close()


def test_bodies_wait_with_their_requests(proxy, slow):
    first, second = Client(proxy.address()), Client(proxy.address())
    first.send("GET /connections HTTP/1.1\r\nHost: a\r\n\r\n")
    time.sleep(0.1)
    second.send("POST /connections HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n" + "x" * 200000)
    assert first.response().status == 200
    assert second.response().status == 200
    assert len(slow.last.body) == 200000
    first.close()
    second.close()


def test_tcp_proxy_closes_what_is_too_many(proxy):
    with Client(proxy.address("tcp")) as first, Client(proxy.address("tcp")) as second:
        first.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        time.sleep(0.1)
        assert second.closed(1)
        assert first.response().status == 200
    assert stat(proxy, "tcp", "upstream_cx_overflow") >= 1
    assert proxy.wait_stat("cluster.tcp.upstream_cx_active", 0) == 0
    with Client(proxy.address("tcp")) as client:
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.response().status == 200


@pytest.mark.parametrize("workers", [1, 2])
def test_limits_hold_over_all_workers(launch_once, slow, workers):
    """Sixteen at once against eight, wherever the kernel puts the connections."""
    cluster = k.cluster("up", [slow], **breakers({"max_requests": 8, "max_connections": 100}))
    proxy = launch_once(k.bootstrap([k.listener("main", k.hcm([k.route()]))], [cluster]), concurrency=workers)
    statuses = []

    def ask():
        with Client(proxy.address()) as client:
            statuses.append(client.request().status)

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Two workers that count at the same moment may both take the last place.
    assert 8 <= statuses.count(200) <= 8 + workers - 1, statuses
    assert statuses.count(503) == 16 - statuses.count(200)
    assert proxy.wait_stat("cluster.up.upstream_rq_active", 0) == 0
    statuses.clear()
    ask()
    assert statuses == [200]


def test_clusters_page(proxy, settle):
    lines = proxy.admin("/clusters")[1].splitlines()
    rows = [line.split("::", 1)[1] for line in lines if line.startswith("track::") and "_priority::" in line]
    assert rows == [
        "default_priority::max_connections::2", "default_priority::max_pending_requests::3", "default_priority::max_requests::4",
        "default_priority::max_retries::5", "high_priority::max_connections::1024", "high_priority::max_pending_requests::1024",
        "high_priority::max_requests::1024", "high_priority::max_retries::3"]


@pytest.mark.parametrize("fields", [{"max_requests": 1}, {"max_retries": 1}, {"max_pending_requests": 1}])
def test_endpoints_have_limits_on_connections_only(launch_once, fields):
    from harness.process import StartFailed
    with pytest.raises(StartFailed):
        launch_once(k.bootstrap([], [k.cluster("up", [("127.0.0.1", 1)], **breakers(per_host_thresholds=[fields]))]))
