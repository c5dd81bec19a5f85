"""Statistics of virtual clusters, of routes with a stat_prefix, and of answers that were retried."""

import pytest

from harness import config as k
from harness.client import Client
from harness.upstream import OK

S503 = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nbusy"
FAST = {"base_interval": "0.001s", "max_interval": "0.002s"}
RETRY = {"retry_policy": {"retry_on": "5xx", "num_retries": 1, "retry_back_off": FAST}}


def vcluster(name, *headers):
    return {"name": name, "headers": [{"name": n, "string_match": m} for n, m in headers]}


@pytest.fixture(scope="module")
def proxy(launch, upstream):
    routes = [{**k.route(match={"path": "/counted"}, **RETRY), "stat_prefix": "counted"},
              {**k.route(match={"path": "/same"}), "stat_prefix": "counted"},
              {**k.route(match={"path": "/slow"}, timeout="0.2s"), "stat_prefix": "slow"},
              {**k.route(match={"path": "/overflow"}, **RETRY), "stat_prefix": "overflow"},
              {**k.direct("d", match={"path": "/direct"}), "stat_prefix": "direct"},
              {**k.route("none", match={"path": "/none"}), "stat_prefix": "none"}, k.route(**RETRY)]
    routes[3]["route"]["cluster"] = "tight"
    hosts = [
        k.virtual_host("site", ["site"], routes, virtual_clusters=[
            vcluster("posts", (":method", {"exact": "POST"})),
            vcluster("counted", (":path", {"prefix": "/counted"}), ("x-a", {"exact": "1"})),
            vcluster("all-counted", (":path", {"prefix": "/counted"}))]),
        k.virtual_host("bare", ["bare"], [k.route()]),
    ]
    tight = k.cluster("tight", [upstream], circuit_breakers={"thresholds": [{"max_retries": 0}]})
    return launch(k.bootstrap([k.listener("main", k.hcm(hosts=hosts))], [k.cluster("up", [upstream]), tight, k.cluster("none")]))


def script(upstream, *answers):
    left = list(answers)
    upstream.respond = lambda request: left.pop(0) if len(left) > 1 else left[0]


def ask(proxy, path="/", host="site", **fields):
    with Client(proxy.address()) as client:
        return client.request(path=path, host=host, **fields)


def grown(proxy, scope, act):
    pattern = "^" + scope.replace(".", r"\.")
    before = proxy.stats(pattern)
    act()
    after = proxy.stats(pattern)
    return {name[len(scope):]: value - before.get(name, 0) for name, value in after.items() if value != before.get(name, 0)}


ANSWERED = {"upstream_rq_200": 1, "upstream_rq_2xx": 1, "upstream_rq_completed": 1, "upstream_rq_total": 1}


@pytest.mark.parametrize("path,method,headers,name", [
    ("/", "POST", [], "posts"), ("/counted", "POST", [("x-a", "1")], "posts"), ("/counted", "GET", [("x-a", "1")], "counted"),
    ("/counted", "GET", [], "all-counted"), ("/", "GET", [], "other"), ("/same", "GET", [("x-a", "1")], "other")])
def test_the_first_that_matches_counts(proxy, path, method, headers, name):
    def act():
        assert ask(proxy, path, method=method, headers=headers).status == 200
    assert grown(proxy, "vhost.site.vcluster.", act) == {f"{name}.{stat}": value for stat, value in ANSWERED.items()}


@pytest.mark.parametrize("path", ["/counted", "/same"])
def test_routes_share_a_prefix(proxy, path):
    assert grown(proxy, "vhost.site.route.", lambda: ask(proxy, path)) == {f"counted.{s}": v for s, v in ANSWERED.items()}


def test_retries(proxy, upstream):
    script(upstream, [S503], [OK])
    expected = {"upstream_rq_retry": 1, "upstream_rq_retry_success": 1, "upstream_rq_total": 2, "upstream_rq_200": 1,
                "upstream_rq_2xx": 1, "upstream_rq_completed": 1}
    both = grown(proxy, "vhost.site.", lambda: ask(proxy, "/counted"))
    assert both == {f"{scope}.{s}": v for scope in ("vcluster.all-counted", "route.counted") for s, v in expected.items()}


def test_retries_that_are_too_many(proxy, upstream):
    upstream.respond = S503
    assert grown(proxy, "vhost.site.route.", lambda: ask(proxy, "/counted")) == {
        "counted.upstream_rq_retry": 1, "counted.upstream_rq_retry_limit_exceeded": 1, "counted.upstream_rq_total": 2,
        "counted.upstream_rq_503": 1, "counted.upstream_rq_5xx": 1, "counted.upstream_rq_completed": 1}


def test_retries_that_are_not_allowed(proxy, upstream):
    upstream.respond = S503
    assert grown(proxy, "vhost.site.route.", lambda: ask(proxy, "/overflow")) == {
        "overflow.upstream_rq_retry_overflow": 1, "overflow.upstream_rq_total": 1, "overflow.upstream_rq_503": 1,
        "overflow.upstream_rq_5xx": 1, "overflow.upstream_rq_completed": 1}


def test_timeouts(proxy, upstream):
    upstream.respond = [0.6, OK]
    assert grown(proxy, "vhost.site.route.", lambda: ask(proxy, "/slow")) == {
        "slow.upstream_rq_timeout": 1, "slow.upstream_rq_total": 1, "slow.upstream_rq_504": 1, "slow.upstream_rq_5xx": 1,
        "slow.upstream_rq_completed": 1}


def test_without_an_upstream(proxy):
    assert grown(proxy, "vhost.site.route.none", lambda: ask(proxy, "/none")) == {
        ".upstream_rq_503": 1, ".upstream_rq_5xx": 1, ".upstream_rq_completed": 1}


def test_direct_responses_do_not_count(proxy):
    assert grown(proxy, "vhost.site.", lambda: ask(proxy, "/direct")) == {}


def test_without_virtual_clusters_nothing_is_counted(proxy):
    assert grown(proxy, "vhost.bare", lambda: ask(proxy, host="bare")) == {}
    assert "vhost.bare" not in proxy.admin("/stats")[1]


def test_the_time_is_a_histogram(proxy):
    ask(proxy, "/counted", headers=[("x-a", "1")])
    text = proxy.admin("/stats/prometheus")[1]
    assert 'envoy_vhost_vcluster_upstream_rq_time_count{envoy_virtual_cluster="counted",envoy_virtual_host="site"}' in text
    assert 'envoy_vhost_route_upstream_rq_time_count{envoy_virtual_host="site",envoy_route="counted"}' in text


def test_tags(proxy):
    ask(proxy, "/counted")
    text = proxy.admin("/stats/prometheus")[1]
    assert 'envoy_vhost_route_upstream_rq_total{envoy_virtual_host="site",envoy_route="counted"}' in text
    assert 'envoy_vhost_vcluster_upstream_rq_total{envoy_virtual_cluster="all-counted",envoy_virtual_host="site"}' in text
    line = 'envoy_vhost_route_upstream_rq_xx{envoy_response_code_class="2",envoy_virtual_host="site",envoy_route="counted"}'
    assert line in text


# What answers after which a request was sent again are counted as.

def test_retried_answers_have_counters_of_their_own(proxy, upstream):
    script(upstream, [S503], [OK])
    got = grown(proxy, "cluster.up.", lambda: ask(proxy, "/counted"))
    codes = {name: value for name, value in got.items() if "upstream_rq_" in name and name.rpartition("_")[2][:1] in "25c"}
    assert codes == {
        "retry.upstream_rq_503": 1, "retry.upstream_rq_5xx": 1, "retry.upstream_rq_completed": 1,
        "upstream_rq_200": 1, "upstream_rq_2xx": 1, "upstream_rq_completed": 1,
        "external.upstream_rq_200": 1, "external.upstream_rq_2xx": 1, "external.upstream_rq_completed": 1}


def test_retried_failures_have_no_code(proxy, upstream):
    script(upstream, ["close"], [OK])
    got = grown(proxy, "cluster.up.", lambda: ask(proxy, "/counted"))
    assert "retry.upstream_rq_completed" not in got and got["upstream_rq_retry"] == 1
