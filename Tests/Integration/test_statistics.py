"""Statistics: histograms, response codes by client and canary, stats_config, and which names there are.

The names are compared with Envoy's own in one run (the last tests): what Envoy has and Martlet does not
is listed with its reason in Docs/statistics.md, which the test reads.
"""

import fnmatch
import json
import os
import re
import time

import pytest

from harness import config as k
from harness import process
from harness.client import Client, get
from harness.upstream import OK, ok

INTERVAL = "0.2s"


def traffic(proxy, upstream):
    """Five requests on one connection, one that takes 30 ms, one answered by a canary, one local."""
    with Client(proxy.address()) as client:
        for _ in range(5):
            assert client.request(path="/up").status == 200
        upstream.respond = [0.03, OK]
        assert client.request(path="/up").status == 200
        upstream.respond = ok(headers="x-envoy-upstream-canary: true\r\n")
        assert client.request(path="/up").status == 200
        upstream.respond = OK
        assert client.request(path="/direct").status == 200
        assert client.request(path="/none").status == 503
    upstream.drop_connections()
    proxy.wait_stat("http.main.downstream_cx_active", 0)
    proxy.wait_stat("cluster.up.upstream_cx_active", 0)
    time.sleep(0.7)


def configuration(upstream, **extra):
    routes = [k.direct("d", match={"path": "/direct"}), k.route("none", {"path": "/none"}), k.route()]
    return k.bootstrap(
        [k.listener("main", k.hcm(routes)), k.listener("tcp", k.tcp_proxy("up"))],
        [k.cluster("up", [upstream]), k.cluster("none", [])], stats_flush_interval=INTERVAL, **extra)


@pytest.fixture(scope="module")
def proxy(launch, upstreams):
    upstream = upstreams()
    proxy = launch(configuration(upstream))
    traffic(proxy, upstream)
    return proxy


def buckets(proxy, metric):
    """Counts by upper bound, the whole and the sum of a histogram; `metric` has its labels."""
    name, _, labels = metric.partition("{")
    labels = labels.rstrip("}")
    text = proxy.admin("/stats/prometheus")[1]
    found = {}
    for line in text.splitlines():
        match = re.fullmatch(re.escape(name) + r"_(bucket|sum|count)\{" + re.escape(labels) + r',?(?:le="([^"]+)")?\} (\S+)', line)
        if match:
            found[match[2] or match[1]] = float(match[3])
    return found


CLUSTER = '{envoy_cluster_name="up"}'
HTTP = '{envoy_http_conn_manager_prefix="main"}'
LISTENER = '{envoy_listener_address="main"}'


@pytest.mark.parametrize("metric,count", [
    ("envoy_http_downstream_rq_time" + HTTP, 9), ("envoy_http_downstream_cx_length_ms" + HTTP, 1),
    ("envoy_listener_downstream_cx_length_ms" + LISTENER, 1),
    ("envoy_listener_connections_accepted_per_socket_event" + LISTENER, 1),
    ("envoy_cluster_upstream_rq_time" + CLUSTER, 7), ("envoy_cluster_external_upstream_rq_time" + CLUSTER, 7),
    ("envoy_cluster_canary_upstream_rq_time" + CLUSTER, 1), ("envoy_cluster_upstream_cx_connect_ms" + CLUSTER, 1),
    ("envoy_cluster_upstream_cx_length_ms" + CLUSTER, 1), ("envoy_cluster_upstream_rq_per_cx" + CLUSTER, 1)])
def test_histogram(proxy, metric, count):
    found = buckets(proxy, metric)
    assert found["count"] == count
    assert found["+Inf"] == count
    bounds = [v for key, v in found.items() if re.match(r"[\d.]", key)]
    assert len(bounds) == 19 and bounds == sorted(bounds) and bounds[-1] == count


def test_histogram_values(proxy):
    slow = buckets(proxy, "envoy_cluster_upstream_rq_time" + CLUSTER)
    assert slow["25"] == 6 and slow["250"] == 7 and 30 <= slow["sum"] < 250
    requests = buckets(proxy, "envoy_cluster_upstream_rq_per_cx" + CLUSTER)
    assert requests["5"] == 0 and requests["10"] == 1
    assert abs(requests["sum"] - 2 * 7 * 7.1 / 14.1) < 1e-9
    length = buckets(proxy, "envoy_http_downstream_cx_length_ms" + HTTP)
    assert length["25"] == 0


def test_quantiles_as_text(proxy):
    text = proxy.admin("/stats?filter=cluster.up.upstream_rq_per_cx&type=Histograms")[1]
    assert re.fullmatch(
        r"cluster.up.upstream_rq_per_cx: P0\(\S+,7.05\) P25\(\S+,7.05\) P50\(\S+,7.05\) P75\(\S+,7.05\) P90\(\S+,7.05\) P95\(\S+,7.05\) "
        r"P99\(\S+,7.05\) P99.5\(\S+,7.05\) P99.9\(\S+,7.05\) P100\(\S+,7.05\)\n", text), text


def test_an_interval_ends(proxy):
    time.sleep(0.5)
    text = proxy.admin("/stats?filter=cluster.up.upstream_rq_per_cx")[1]
    assert "P50(nan,7.05)" in text


@pytest.mark.parametrize("mode,expected", [
    ("cumulative", " B0.5(0,0) B1(0,0) B5(0,0) B10(0,1) B25(0,1) B50(0,1) B100(0,1) B250(0,1) B500(0,1) B1000(0,1) B2500(0,1) "
                   "B5000(0,1) B10000(0,1) B30000(0,1) B60000(0,1) B300000(0,1) B600000(0,1) B1.8e+06(0,1) B3.6e+06(0,1)"),
    ("disjoint", " B0.5(0,0) B1(0,0) B5(0,0) B10(0,1) B25(0,0) B50(0,0) B100(0,0) B250(0,0) B500(0,0) B1000(0,0) B2500(0,0) "
                 "B5000(0,0) B10000(0,0) B30000(0,0) B60000(0,0) B300000(0,0) B600000(0,0) B1.8e+06(0,0) B3.6e+06(0,0)"),
    ("detailed", "\n  totals=7,0.1:1\n  intervals=\n  summary=P0(nan,7.05) ")])
def test_buckets_as_text(proxy, mode, expected):
    time.sleep(0.5)
    body = proxy.admin(f"/stats?filter=cluster.up.upstream_rq_per_cx&histogram_buckets={mode}")[1]
    assert body.startswith("cluster.up.upstream_rq_per_cx:" + expected)


@pytest.mark.parametrize("mode,key", [("", "computed_quantiles"), ("summary", "computed_quantiles"), ("cumulative", None),
                                      ("disjoint", None), ("detailed", "details")])
def test_histograms_as_json(proxy, mode, key):
    body = json.loads(proxy.admin(f"/stats?format=json&filter=cluster.up.upstream_rq_per_cx&histogram_buckets={mode}")[1])
    histograms = body["stats"][-1]["histograms"]
    items = histograms[key] if key else histograms
    assert [i["name"] for i in items] == ["cluster.up.upstream_rq_per_cx"]
    if key == "computed_quantiles":
        assert histograms["supported_quantiles"] == [0, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 100]
        assert all(v["cumulative"] == 7.05 for v in items[0]["values"])
    elif key == "details":
        assert items[0]["totals"] == [{"lower_bound": 7, "width": 0.1, "count": 1}]
    else:
        bounds = {b["upper_bound"]: b["cumulative"] for b in items[0]["buckets"]}
        assert bounds[5] == 0 and bounds[10] == 1 and bounds[25] == (1 if mode == "cumulative" else 0)


def test_unused_histograms_say_so(proxy):
    name = "listener.tcp.downstream_cx_length_ms"
    assert proxy.admin(f"/stats?filter={name}")[1] == name + ": No recorded values\n"
    assert proxy.admin(f"/stats?filter={name}&usedonly")[1] == ""


@pytest.mark.parametrize("chosen,present,absent", [
    ("Counters", "upstream_rq_total", "upstream_cx_active"), ("Gauges", "upstream_cx_active", "upstream_rq_total"),
    ("Histograms", "upstream_cx_connect_ms", "upstream_rq_total"), ("All", "upstream_cx_connect_ms", None),
    ("TextReadouts", None, "upstream_rq_total")])
def test_type(proxy, chosen, present, absent):
    body = proxy.admin(f"/stats?type={chosen}&filter=cluster.up")[1]
    assert present is None or f"cluster.up.{present}:" in body
    assert absent is None or f"cluster.up.{absent}:" not in body


@pytest.mark.parametrize("name,value", [
    ("upstream_rq_completed", 7), ("upstream_rq_2xx", 7), ("upstream_rq_200", 7), ("external.upstream_rq_completed", 7),
    ("external.upstream_rq_200", 7), ("canary.upstream_rq_200", 1), ("canary.upstream_rq_2xx", 1),
    ("canary.upstream_rq_completed", 1), ("internal.upstream_rq_200", None), ("upstream_rq_5xx", None), ("upstream_rq_404", None)])
def test_response_codes(proxy, name, value):
    assert proxy.stat("cluster.up." + name) == value


@pytest.mark.parametrize("name", ["upstream_rq_503", "upstream_rq_5xx", "upstream_rq_completed", "external.upstream_rq_503"])
def test_local_answers_count_for_the_cluster(proxy, name):
    assert proxy.stat("cluster.none." + name) == 1


# stats_config

def started(launch_once, upstreams, stats_config):
    upstream = upstreams()
    proxy = launch_once(configuration(upstream, stats_config=stats_config))
    traffic(proxy, upstream)
    return proxy


def test_exclusion_list(launch_once, upstreams):
    proxy = started(launch_once, upstreams, {"stats_matcher": {"exclusion_list": {"patterns": [
        {"prefix": "cluster.up.upstream_rq"}, {"suffix": "RX_BYTES_TOTAL", "ignore_case": True}]}}})
    names = proxy.stats()
    assert not any(n.startswith("cluster.up.upstream_rq") for n in names)
    assert not any(n.endswith("rx_bytes_total") for n in names)
    assert names["cluster.up.upstream_cx_total"] == 1
    assert "cluster.up.upstream_rq_time" not in proxy.admin("/stats")[1]


def test_inclusion_list(launch_once, upstreams):
    proxy = started(launch_once, upstreams, {"stats_matcher": {"inclusion_list": {"patterns": [
        {"exact": "http.main.downstream_rq_total"}, {"prefix": "http.main.downstream_cx_active"},
        {"prefix": "cluster.up.upstream_cx_active"}, {"safe_regex": {"regex": "cluster\\.up\\.upstream_rq_tim.*"}}]}}})
    lines = [l.split(":")[0] for l in proxy.admin("/stats?filter=^(http.main|cluster.up)")[1].splitlines()]
    assert sorted(lines) == ["cluster.up.upstream_cx_active", "cluster.up.upstream_rq_time", "cluster.up.upstream_rq_timeout",
                             "http.main.downstream_cx_active", "http.main.downstream_rq_total"]


def test_histogram_buckets(launch_once, upstreams):
    proxy = started(launch_once, upstreams, {"histogram_bucket_settings": [
        {"match": {"suffix": "upstream_rq_per_cx"}, "buckets": [2, 7.5, 100]},
        {"match": {"prefix": "cluster."}, "buckets": [1]}]})
    found = buckets(proxy, "envoy_cluster_upstream_rq_per_cx" + CLUSTER)
    assert {b: found[b] for b in ("2", "7.5", "100", "+Inf")} == {"2": 0, "7.5": 1, "100": 1, "+Inf": 1}
    assert "5" not in found
    assert set(buckets(proxy, "envoy_cluster_upstream_cx_connect_ms" + CLUSTER)) == {"1", "+Inf", "sum", "count"}


def test_tags(launch_once, upstreams):
    proxy = started(launch_once, upstreams, {"stats_tags": [
        {"tag_name": "stage", "fixed_value": "prod"}, {"tag_name": "who", "regex": "^http\\.((main)\\.)"}],
        "use_all_default_tags": False})
    body = proxy.admin("/stats/prometheus")[1]
    assert 'envoy_http_downstream_rq_total{who="main",stage="prod"} 9' in body or \
        'envoy_http_downstream_rq_total{stage="prod",who="main"} 9' in body
    assert 'envoy_cluster_up_upstream_rq_total{stage="prod"} 7' in body


def test_one_default_tag(launch_once, upstreams):
    proxy = started(launch_once, upstreams, {"stats_tags": [{"tag_name": "envoy.cluster_name"}], "use_all_default_tags": False})
    body = proxy.admin("/stats/prometheus")[1]
    assert 'envoy_cluster_upstream_rq_total{envoy_cluster_name="up"} 7' in body
    assert "envoy_http_main_downstream_rq_total{} 9" in body


# Names

def missing_names():
    """The table of Docs/statistics.md: patterns of names that Envoy has and Martlet does not."""
    with open(os.path.join(process.ROOT, "Docs/statistics.md")) as f:
        text = f.read()
    table = text.partition("## Names that Envoy has and Martlet has not")[2]
    rows = re.findall(r"^\| `([^|]+)` \| ([^|]+) \|$", table, re.MULTILINE)
    return [pattern for cell, _ in rows for pattern in cell.split("`, `")]


@pytest.fixture(scope="module")
def both(upstreams):
    """The names of both proxies after the same traffic."""
    if not os.path.exists(process.binary("envoy")):
        pytest.skip("no Envoy to compare with")
    names = {}
    for which in ("martlet", "envoy"):
        upstream = upstreams()
        proxy = process.Proxy(which, configuration(upstream))
        try:
            traffic(proxy, upstream)
            with Client(proxy.address("tcp")) as client:
                client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").read(1)
            lines = [l.partition(": ")[0].rstrip(":") for l in proxy.admin("/stats")[1].splitlines()]
            names[which] = {re.sub(r"worker_\d+", "worker_N", l) for l in lines}
        finally:
            proxy.stop()
    return names


OURS_ALONE = {"listener.main.downstream_accept_errors", "listener.tcp.downstream_accept_errors"}


@pytest.mark.only("martlet", "it starts both itself")
def test_no_name_is_ours_alone(both):
    assert both["martlet"] - both["envoy"] - OURS_ALONE == set()


@pytest.mark.only("martlet", "it starts both itself")
def test_every_missing_name_is_explained(both):
    patterns = missing_names()
    missing = both["envoy"] - both["martlet"]
    assert patterns and sorted(n for n in missing if not any(fnmatch.fnmatchcase(n, p) for p in patterns)) == []


@pytest.mark.only("martlet", "it starts both itself")
def test_every_explanation_is_needed(both):
    missing = both["envoy"] - both["martlet"]
    assert [p for p in missing_names() if not any(fnmatch.fnmatchcase(n, p) for n in missing)] == []
