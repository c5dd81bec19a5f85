"""Limits that can be configured, clusters that need not exist, and several workers."""

import pytest

from harness import config as k
from harness.client import Client, get, make_request


@pytest.fixture(scope="module")
def proxy(launch, upstream):
    def one(name, routes=None, route_config=None, **fields):
        return k.listener(name, k.hcm(routes or [k.route()], stat_prefix=name, delayed_close_timeout="0.05s",
                                      route_config=route_config, **fields))

    missing = [{"match": {"path": "/404"}, "route": {"cluster": "missing", "cluster_not_found_response_code": "NOT_FOUND"}},
               k.route("missing")]
    return launch(k.bootstrap([
        one("small", max_request_headers_kb=8),
        one("large", max_request_headers_kb=200),
        one("few", common_http_protocol_options={"max_headers_count": 10}),
        one("many", common_http_protocol_options={"max_headers_count": 1000}),
        one("missing", missing, {"validate_clusters": False}),
    ], [k.cluster("up", [upstream])]))


def status(proxy, name, headers):
    with Client(proxy.address(name)) as client:
        return client.request(headers=headers).status


@pytest.mark.parametrize("name,size,expect", [("small", 7000, 200), ("small", 9000, 431), ("large", 150000, 200), ("large", 210000, 431)])
def test_max_request_headers_kb(proxy, name, size, expect):
    assert status(proxy, name, [("x", "a" * size)]) == expect


@pytest.mark.parametrize("name,count,expect", [("few", 9, 200), ("few", 10, 431), ("many", 900, 200), ("many", 1000, 431)])
def test_max_headers_count(proxy, name, count, expect):
    """Host counts too."""
    assert status(proxy, name, [(f"x{i}", "a") for i in range(count)]) == expect


def test_a_large_head_in_small_pieces(proxy, upstream):
    with Client(proxy.address("large")) as client:
        raw = make_request(headers=[("x", "a" * 150000)])
        for i in range(0, len(raw), 1000):
            client.send(raw[i:i + 1000])
        assert client.response().status == 200
    assert len(upstream.last.get("x")) == 150000


def test_clusters_need_not_exist_if_not_validated(proxy):
    answer = get(proxy.address("missing"))
    assert (answer.status, answer.body) == (503, b"")
    assert get(proxy.address("missing"), "/404").status == 404
    assert proxy.stat("http.missing.no_cluster") == 2


def test_workers_count_together(launch_once, upstreams):
    upstream = upstreams()
    proxy = launch_once(k.bootstrap([k.listener("main", k.hcm([k.route()]))], [k.cluster("up", [upstream])]), concurrency=2)
    for _ in range(30):
        with Client(proxy.address()) as client:
            for _ in range(3):
                assert client.request().status == 200
    stats = proxy.stats()
    assert stats["server.concurrency"] == 2
    assert stats["http.main.downstream_rq_total"] == 90
    assert stats["http.main.downstream_cx_total"] == 30
    assert stats["cluster.up.upstream_rq_total"] == 90
    assert stats["cluster.up.upstream_rq_200"] == 90
    assert stats["cluster.up.upstream_cx_total"] == len(upstream.connections) <= 2
    assert proxy.wait_stat("listener.main.downstream_cx_active", 0) == 0


def test_listener_counters_are_named_by_address_without_stat_prefix(launch_once):
    listener = k.listener("main", k.hcm([k.direct()]))
    del listener["stat_prefix"]
    proxy = launch_once(k.bootstrap([listener]))
    get(proxy.address())
    assert proxy.stat("listener.127.0.0.1_0.downstream_cx_total") == 1
