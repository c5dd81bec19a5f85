"""Load balancing: health status, priorities, panic, localities, policies, slow start."""

import collections
import time

import pytest

from harness import config as k
from harness.client import Client
from harness.upstream import ok

POLICY = "type.googleapis.com/envoy.extensions.load_balancing_policies."


@pytest.fixture(scope="module")
def six(upstreams):
    made = [upstreams(name=name) for name in "abcdef"]
    for upstream in made:
        upstream.respond = ok(upstream.name.encode())
    return made


def hosts(upstreams, health="", weights=None, **locality):
    """A locality; `health` holds a letter a host: h, d(egraded), u(nhealthy), D(raining), t(imeout)."""
    names = {"h": "HEALTHY", "d": "DEGRADED", "u": "UNHEALTHY", "D": "DRAINING", "t": "TIMEOUT", "?": "UNKNOWN"}
    result = []
    for index, upstream in enumerate(upstreams):
        host = {"endpoint": {"address": k.address(upstream.address)}}
        if health:
            host["health_status"] = names[health[index]]
        if weights:
            host["load_balancing_weight"] = weights[index]
        result.append(host)
    return {"lb_endpoints": result, **locality}


def assigned(name, localities, policy=None, **extra):
    assignment = {"cluster_name": name, "endpoints": localities}
    if policy:
        assignment["policy"] = policy
    return k.cluster(name, load_assignment=assignment, **extra)


def typed(name, message, **fields):
    return {"policies": [{"typed_extension_config": {
        "name": f"envoy.load_balancing_policies.{name}",
        "typed_config": {"@type": f"{POLICY}{name}.v3.{message}", **fields}}}]}


def panic(percent):
    return {"common_lb_config": {"healthy_panic_threshold": {"value": percent}}}


def locality(zone, weight=None, priority=0):
    result = {"locality": {"region": "r", "zone": zone, "sub_zone": "s"}, "priority": priority}
    if weight is not None:
        result["load_balancing_weight"] = weight
    return result


WEIGHTED = {"common_lb_config": {"locality_weighted_lb_config": {}}}


@pytest.fixture(scope="module")
def proxy(launch, six):
    a, b, c, d, e, f = six
    three = [a, b, c]
    clusters = [
        assigned("unknown", [hosts(three, "???")]),
        assigned("one-out", [hosts(three, "hhu")]),
        assigned("timed-out", [hosts(three, "hht")]),
        assigned("draining", [hosts(three, "hDD")]),
        assigned("panic", [hosts(three, "huu")]),
        assigned("panic-low", [hosts(three, "huu")], **panic(30)),
        assigned("panic-off", [hosts(three, "huu")], **panic(0)),
        assigned("nobody", [hosts(three, "uuu")], **panic(0)),
        assigned("all-out", [hosts(three, "uuu")]),
        assigned("all-draining", [hosts(three, "DDD")]),
        assigned("fails", [hosts(three, "huu")], common_lb_config={"zone_aware_lb_config": {"fail_traffic_on_panic": True}}),
        assigned("degraded-spare", [hosts([a, b, c, d], "hhhd")]),
        assigned("degraded-helps", [hosts([a, b, c, d], "hudd")]),
        assigned("degraded-only", [hosts(three, "ddu")]),
        # Priorities
        assigned("prio-first", [hosts([a, b], "hh"), hosts([c, d], "hh", priority=1)]),
        assigned("prio-spill", [hosts([a, b], "hu"), hosts([c, d], "hh", priority=1)]),
        assigned("prio-second", [hosts([a, b], "uu"), hosts([c, d], "hh", priority=1)]),
        assigned("prio-three", [hosts([a], "u"), hosts([b], "u", priority=1), hosts([c], "h", priority=2)]),
        assigned("prio-factor", [hosts([a, b], "hu"), hosts([c, d], "hh", priority=1)], policy={"overprovisioning_factor": 200}),
        assigned("prio-strict", [hosts([a, b], "hu"), hosts([c, d], "hh", priority=1)], policy={"overprovisioning_factor": 100}),
        assigned("prio-weighted", [hosts([a, b], "hu", weights=[9, 1]), hosts([c, d], "hh", priority=1)],
                 policy={"weighted_priority_health": True}),
        assigned("prio-panic", [hosts([a, b], "uu"), hosts([c, d, e, f], "huuu", priority=1)]),
        assigned("prio-degraded", [hosts([a, b], "du"), hosts([c, d], "hh", priority=1)]),
        # Localities
        assigned("localities", [hosts([a, b], **locality("one", 3)), hosts([c], **locality("two", 1))], **WEIGHTED),
        assigned("locality-sick", [hosts([a, b], "hu", **locality("one", 1)), hosts([c], "h", **locality("two", 1))], **WEIGHTED),
        assigned("locality-dead", [hosts([a, b], "uu", **locality("one", 1)), hosts([c], "h", **locality("two", 1))],
                 common_lb_config={"locality_weighted_lb_config": {}, "healthy_panic_threshold": {"value": 0}}),
        assigned("locality-none", [hosts([a], **locality("one")), hosts([b], **locality("two", 1))], **WEIGHTED),
        assigned("locality-unweighted", [hosts([a], **locality("one", 9)), hosts([b], **locality("two", 1))]),
        assigned("locality-typed", [hosts([a, b], **locality("one", 3)), hosts([c], **locality("two", 1))],
                 load_balancing_policy=typed("round_robin", "RoundRobin", locality_lb_config={"locality_weighted_lb_config": {}})),
        assigned("locality-random", [hosts([a, b], **locality("one", 4)), hosts([c], **locality("two", 1))],
                 load_balancing_policy=typed("random", "Random", locality_lb_config={"locality_weighted_lb_config": {}})),
        # Policies
        k.cluster("random", three, lb_policy="RANDOM"),
        k.cluster("random-weights", three, weights=[50, 1, 1], lb_policy="RANDOM"),
        k.cluster("random-typed", three, load_balancing_policy=typed("random", "Random")),
        k.cluster("least", three, lb_policy="LEAST_REQUEST"),
        k.cluster("least-all", three, load_balancing_policy=typed("least_request", "LeastRequest", selection_method="FULL_SCAN")),
        k.cluster("least-choices", three, lb_policy="LEAST_REQUEST", least_request_lb_config={"choice_count": 20}),
        k.cluster("least-weights", three, weights=[4, 1, 1], lb_policy="LEAST_REQUEST"),
        k.cluster("least-bias", three, weights=[4, 1, 1], lb_policy="LEAST_REQUEST",
                  least_request_lb_config={"active_request_bias": {"default_value": 0, "runtime_key": "no.such"}}),
        k.cluster("typed", three, weights=[1, 2, 3], lb_policy="RANDOM", load_balancing_policy=typed("round_robin", "RoundRobin")),
        k.cluster("typed-only", three, lb_policy="LOAD_BALANCING_POLICY_CONFIG", load_balancing_policy=typed("round_robin", "RoundRobin")),
        k.cluster("slow", three, weights=[1, 2, 1], round_robin_lb_config={
            "slow_start_config": {"slow_start_window": "0.2s", "aggression": {"default_value": 1, "runtime_key": "no.such"},
                                  "min_weight_percent": {"value": 10}}}),
        k.cluster("empty"),
    ]
    routes = [k.route(c["name"], {"path": "/" + c["name"]}) for c in clusters]
    return launch(k.bootstrap([k.listener("main", k.hcm(routes))], clusters))


def spread(proxy, name, count=60):
    with Client(proxy.address()) as client:
        answers = [client.request(path="/" + name) for _ in range(count)]
    assert all(a.status == 200 for a in answers), answers[0].text
    return collections.Counter(a.text for a in answers)


@pytest.mark.parametrize("name,expected", [
    ("unknown", {"a": 20, "b": 20, "c": 20}),
    ("one-out", {"a": 30, "b": 30}),
    ("timed-out", {"a": 30, "b": 30}),
    ("draining", {"a": 60}),
    ("panic", {"a": 20, "b": 20, "c": 20}),
    ("panic-low", {"a": 60}),
    ("panic-off", {"a": 60}),
    ("all-out", {"a": 20, "b": 20, "c": 20}),
    ("all-draining", {"a": 20, "b": 20, "c": 20}),
    ("degraded-spare", {"a": 20, "b": 20, "c": 20}),
    ("prio-first", {"a": 30, "b": 30}),
    ("prio-second", {"c": 30, "d": 30}),
    ("prio-three", {"c": 60}),
    ("prio-factor", {"a": 60}),
    ("prio-weighted", {"a": 60}),
    ("locality-dead", {"c": 60}),
    ("locality-none", {"b": 60}),
    ("locality-unweighted", {"a": 30, "b": 30}),
    ("typed", {"a": 10, "b": 20, "c": 30}),
    ("typed-only", {"a": 20, "b": 20, "c": 20}),
])
def test_exact_share(proxy, name, expected):
    assert spread(proxy, name) == expected


# Per cent of 1,000, give or take four standard deviations.
@pytest.mark.parametrize("name,expected", [
    ("degraded-helps", {"a": 35, "c": 32.5, "d": 32.5}),
    ("prio-spill", {"a": 70, "c": 15, "d": 15}),
    ("prio-strict", {"a": 50, "c": 25, "d": 25}),
    ("prio-panic", {"a": 16.7, "b": 16.7, "c": 16.7, "d": 16.7, "e": 16.7, "f": 16.7}),
    ("prio-degraded", {"c": 50, "d": 50}),
    ("localities", {"a": 37.5, "b": 37.5, "c": 25}),
    ("locality-typed", {"a": 37.5, "b": 37.5, "c": 25}),
    ("locality-random", {"a": 40, "b": 40, "c": 20}),
    ("locality-sick", {"a": 41.2, "c": 58.8}),
    ("random", {"a": 33.3, "b": 33.3, "c": 33.3}),
    ("random-weights", {"a": 33.3, "b": 33.3, "c": 33.3}),
    ("random-typed", {"a": 33.3, "b": 33.3, "c": 33.3}),
    ("least", {"a": 33.3, "b": 33.3, "c": 33.3}),
    ("least-all", {"a": 33.3, "b": 33.3, "c": 33.3}),
    ("least-weights", {"a": 66.7, "b": 16.7, "c": 16.7}),
    ("least-bias", {"a": 66.7, "b": 16.7, "c": 16.7}),
])
def test_share(proxy, name, expected):
    seen = spread(proxy, name, 1000)
    assert set(seen) == set(expected)
    for host, percent in expected.items():
        p = percent / 100
        assert abs(seen[host] - 1000 * p) < 4 * (1000 * p * (1 - p)) ** 0.5 + 12, (host, seen)


@pytest.mark.parametrize("name", ["nobody", "fails", "empty"])
def test_nobody_to_choose(proxy, name):
    before = proxy.stat(f"cluster.{name}.upstream_cx_none_healthy")
    with Client(proxy.address()) as client:
        answer = client.request(path="/" + name)
    assert (answer.status, answer.text) == (503, "no healthy upstream")
    assert proxy.stat(f"cluster.{name}.upstream_cx_none_healthy") == before + 1


@pytest.mark.parametrize("name,healthy,degraded,excluded,total", [
    ("draining", 1, 0, 2, 3), ("panic", 1, 0, 0, 3), ("degraded-helps", 1, 2, 0, 4), ("prio-three", 1, 0, 0, 3), ("unknown", 3, 0, 0, 3),
])
def test_membership(proxy, name, healthy, degraded, excluded, total):
    stats = proxy.stats(f"cluster.{name}.membership")
    assert {key.rsplit("_", 1)[1]: value for key, value in stats.items() if not key.endswith("change")} == {
        "healthy": healthy, "degraded": degraded, "excluded": excluded, "total": total}
    assert stats[f"cluster.{name}.membership_change"] >= 1


def test_panics_are_counted(proxy):
    before = proxy.stat("cluster.panic.lb_healthy_panic")
    spread(proxy, "panic", 9)
    assert proxy.stat("cluster.panic.lb_healthy_panic") == before + 9
    assert proxy.stat("cluster.one-out.lb_healthy_panic") == 0


@pytest.mark.parametrize("name,sure", [("least", False), ("least-choices", True), ("least-all", True), ("least-weights", True)])
def test_least_request_avoids_the_busy(proxy, six, name, sure):
    """One host hangs on to its requests: the others get what comes."""
    a = six[0]
    a.respond = [6.0, ok(b"a")]
    stuck = []

    def ask():
        client = Client(proxy.address())
        stuck.append(client)
        client.send(f"GET /{name} HTTP/1.1\r\nHost: a\r\n\r\n")
        client.quiet(0.04)

    try:
        a.requests.clear()
        enough = 6 if name == "least-weights" else 1
        while len(stuck) < 60 and len(a.requests) < enough:
            ask()
        assert len(a.requests) >= enough
        a.requests.clear()
        for _ in range(30):
            ask()
        # Two draws with replacement meet the busy one alone in a ninth of all cases.
        assert len(a.requests) <= (9 if name == "least-weights" else 0 if sure else 10)
    finally:
        a.respond = ok(b"a")
        for client in stuck:
            client.close()
        time.sleep(0.05)


def test_slow_start_ends(proxy):
    """All hosts are as new as each other: their shares are those of their weights all the time."""
    time.sleep(0.25)
    spread(proxy, "slow", 40)
    assert spread(proxy, "slow", 40) == {"a": 10, "b": 20, "c": 10}


def test_clusters_page_says_health(proxy):
    text = proxy.admin("/clusters")[1]
    flags = sorted(line.rsplit("::", 1)[1] for line in text.splitlines()
                   if line.startswith("draining::") and "::health_flags::" in line)
    assert flags == ["/eds_status_draining", "/eds_status_draining", "healthy"]
    flags = [line.rsplit("::", 1)[1] for line in text.splitlines()
             if line.startswith("panic::") and "::health_flags::" in line]
    assert sorted(flags) == ["/failed_eds_health", "/failed_eds_health", "healthy"]
    rows = [line for line in text.splitlines() if line.startswith("localities::")]
    assert sum(line.endswith("::region::r") for line in rows) == 3
    assert sum(line.endswith("::sub_zone::s") for line in rows) == 3
    assert sum(line.endswith("::priority::1") for line in text.splitlines() if line.startswith("prio-first::")) == 2
    assert "degraded-only::" in text and "/degraded_eds_health" in text


@pytest.mark.parametrize("fields", [
    {"lb_policy": "CLUSTER_PROVIDED"},
    {"lb_policy": "LOAD_BALANCING_POLICY_CONFIG"},
    {"lb_policy": "LEAST_REQUEST", "least_request_lb_config": {"choice_count": 1}},
    {"common_lb_config": {"healthy_panic_threshold": {"value": 101}}},
    {"load_balancing_policy": {"policies": []}},
], ids=str)
def test_wrong_configuration_is_refused(launch_once, six, fields):
    from harness.process import StartFailed
    with pytest.raises(StartFailed):
        launch_once(k.bootstrap([], [k.cluster("up", six, **fields)]))
