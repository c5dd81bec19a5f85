"""The admin interface."""

import json
import re
import time

import pytest

from harness import config as k
from harness.client import Client, get


@pytest.fixture(scope="module")
def proxy(launch, upstream):
    proxy = launch(k.bootstrap(
        [k.listener("main", k.hcm([k.direct("d", match={"path": "/direct"}), k.route()])),
         k.listener("six", k.echo(), at=("::1", 0)), k.listener("abstract", k.echo(), at="@martlet-admin-test")],
        [k.cluster("up", [upstream]), k.cluster("other", [upstream, upstream], weights=[1, 2])]))
    for path in ("/", "/direct", "/"):
        get(proxy.address(), path)
    return proxy


def test_ready(proxy):
    status, headers, body = proxy.admin_response("/ready")
    assert (status, body) == (200, "LIVE\n")
    assert headers["content-type"].startswith("text/plain")


def test_listeners(proxy):
    lines = proxy.admin("/listeners")[1].splitlines()
    assert re.fullmatch(r"main::127\.0\.0\.1:[1-9]\d+", lines[0])
    assert re.fullmatch(r"six::\[::1\]:[1-9]\d+", lines[1])
    assert lines[2] == "abstract::@martlet-admin-test"


def test_listeners_as_json(proxy):
    status, body = proxy.admin("/listeners?format=json")
    listeners = json.loads(body)["listener_statuses"]
    assert [l["name"] for l in listeners] == ["main", "six", "abstract"]
    assert listeners[0]["local_address"]["socket_address"]["port_value"] == proxy.address()[1]


def test_clusters(proxy, upstream):
    status, body = proxy.admin("/clusters")
    at = "%s:%d" % upstream.address
    lines = body.splitlines()
    for wanted in ["up::observability_name::up", "up::added_via_api::false",
                   f"up::{at}::health_flags::healthy", f"up::{at}::weight::1", f"up::{at}::rq_total::2", f"up::{at}::rq_success::2",
                   f"up::{at}::rq_error::0", f"up::{at}::rq_active::0", f"up::{at}::cx_total::1", f"up::{at}::cx_active::1",
                   f"up::{at}::cx_connect_fail::0", f"up::{at}::hostname::", f"up::{at}::region::", f"up::{at}::zone::",
                   f"up::{at}::sub_zone::", f"up::{at}::canary::false", f"up::{at}::priority::0"]:
        assert wanted in lines, wanted


def test_clusters_name_their_circuit_breakers(proxy):
    lines = proxy.admin("/clusters")[1].splitlines()
    for wanted in ["up::default_priority::max_connections::1024", "up::default_priority::max_pending_requests::1024",
                   "up::default_priority::max_requests::1024", "up::default_priority::max_retries::3",
                   "up::high_priority::max_connections::1024"]:
        assert wanted in lines, wanted


def test_clusters_as_json(proxy):
    body = json.loads(proxy.admin("/clusters?format=json")[1])
    assert {c["name"] for c in body["cluster_statuses"]} == {"up", "other"}


def test_stats_text(proxy):
    status, headers, body = proxy.admin_response("/stats")
    assert status == 200 and headers["content-type"].startswith("text/plain")
    for line in body.splitlines():
        assert re.fullmatch(r"[^\s:][^:]*(:[^ ][^:]*)*: (\d+|P0.*|No recorded values|\".*\")", line), line
    counters = [line.rpartition(": ")[0] for line in body.splitlines() if re.search(r": \d+$", line)]
    assert counters == sorted(counters)


def test_stats_filter_and_usedonly(proxy):
    lines = proxy.admin("/stats?filter=^http%5C.main%5C.downstream_rq_2xx$")[1].splitlines()
    assert lines == ["http.main.downstream_rq_2xx: 3"]
    body = proxy.admin("/stats?usedonly")[1]
    assert "http.main.downstream_rq_2xx" in body and "http.main.downstream_rq_5xx" not in body


def test_stats_json(proxy):
    body = json.loads(proxy.admin("/stats?format=json&filter=http.main.downstream_rq_2xx")[1])
    assert {"name": "http.main.downstream_rq_2xx", "value": 3} in body["stats"]


SAMPLE = re.compile(r'^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{([a-zA-Z_][a-zA-Z0-9_]*="([^"\\\n]|\\["\\n])*",?)*\})? (-?\d+(\.\d+)?([eE][+-]?\d+)?|NaN|[+-]Inf)$')


def exposition(text):
    """Parses the exposition format, strictly: TYPE once before the samples of a family."""
    types, samples, seen = {}, {}, set()
    current = None
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in types, f"TYPE {name} twice"
            assert kind in ("counter", "gauge", "histogram", "summary", "untyped")
            types[name] = kind
            current = name
        elif line.startswith("#") or not line:
            continue
        else:
            match = SAMPLE.match(line)
            assert match, line
            family = re.sub(r"_(bucket|sum|count)$", "", match[1]) if types.get(current) in ("histogram", "summary") else match[1]
            assert family == current, f"{line} outside its family"
            assert (match[1], match[2]) not in seen, f"{line} twice"
            seen.add((match[1], match[2]))
            samples[(match[1], match[2] or "")] = float(match[5])
    return types, samples


def test_prometheus(proxy):
    status, headers, body = proxy.admin_response("/stats/prometheus")
    assert status == 200 and headers["content-type"].startswith("text/plain")
    assert body.endswith("\n")
    types, samples = exposition(body)
    assert types["envoy_cluster_upstream_rq_total"] == "counter"
    assert types["envoy_cluster_upstream_cx_active"] == "gauge"
    assert samples[("envoy_cluster_upstream_rq_total", '{envoy_cluster_name="up"}')] == 2
    assert samples[("envoy_http_downstream_rq_total", '{envoy_http_conn_manager_prefix="main"}')] == 3
    assert samples[("envoy_http_downstream_rq_xx", '{envoy_response_code_class="2",envoy_http_conn_manager_prefix="main"}')] == 3
    assert samples[("envoy_cluster_upstream_rq_xx", '{envoy_response_code_class="2",envoy_cluster_name="up"}')] == 2
    assert samples[("envoy_cluster_membership_total", '{envoy_cluster_name="other"}')] == 2
    assert samples[("envoy_listener_downstream_cx_total", '{envoy_listener_address="main"}')] == 3
    assert samples[("envoy_server_live", "{}")] == 1
    assert types.get("envoy_cluster_upstream_rq_time") in (None, "histogram")


def test_prometheus_histograms_are_whole(proxy):
    types, samples = exposition(proxy.admin("/stats/prometheus")[1])
    for name, kind in types.items():
        if kind == "histogram":
            assert any(n == name + "_count" for n, _ in samples)
            assert any(n == name + "_bucket" and 'le="+Inf"' in labels for n, labels in samples)


def test_server_info(proxy, kind):
    status, headers, body = proxy.admin_response("/server_info")
    info = json.loads(body)
    assert headers["content-type"].startswith("application/json")
    assert info["state"] == "LIVE"
    assert info["command_line_options"]["concurrency"] == 1
    assert info["command_line_options"]["config_path"] == proxy.config_path
    assert re.fullmatch(r"\d+s", info["uptime_current_epoch"])
    assert info["version"]


def test_help_and_root(proxy):
    status, body = proxy.admin("/help")
    assert status == 200
    for path in ("/ready", "/stats", "/stats/prometheus", "/clusters", "/listeners", "/server_info", "/quitquitquit (POST)"):
        assert f"  {path}: " in body
    assert proxy.admin("/")[0] == 200


def test_unknown_path(proxy):
    status, body = proxy.admin("/nosuch")
    assert status == 404
    assert body.startswith("invalid path. admin commands are:\n")


def test_method_matters(proxy):
    for path in ("/quitquitquit",):
        status, body = proxy.admin(path, "GET")
        assert (status, body.strip()) == (405, "Method GET not allowed, POST required.")
    assert proxy.admin("/ready")[0] == 200


def test_admin_listener_is_a_strict_one_too(proxy):
    with Client(proxy.admin_address) as client:
        client.send("GET /ready HTTP/1.1\r\nBad Header: x\r\n\r\n", ignore_errors=True)
        assert client.response().status == 400


def test_many_admin_requests_on_one_connection(proxy):
    with Client(proxy.admin_address) as client:
        for _ in range(5):
            assert client.request(path="/ready").text == "LIVE\n"


def test_admin_address_file(proxy):
    with open(proxy.admin_path) as f:
        assert re.fullmatch(r"127\.0\.0\.1:[1-9]\d+\n?", f.read())


def test_reset_counters(launch_once, upstream):
    proxy = launch_once(k.bootstrap([k.listener("main", k.hcm([k.route()]))], [k.cluster("up", [upstream])]))
    get(proxy.address())
    assert proxy.stat("cluster.up.upstream_rq_total") == 1
    status, body = proxy.admin("/reset_counters", "POST")
    assert (status, body) == (200, "OK\n")
    assert proxy.stat("cluster.up.upstream_rq_total") == 0
    assert proxy.stat("cluster.up.membership_total") == 1  # a gauge


def test_quitquitquit(launch_once):
    proxy = launch_once(k.bootstrap([k.listener("main", k.hcm([k.direct()]))]))
    started = time.monotonic()
    status, body = proxy.admin("/quitquitquit", "POST")
    assert (status, body) == (200, "OK\n")
    assert proxy.wait(5) == 0
    assert time.monotonic() - started < 3
