"""envoy.filters.http.local_ratelimit: how much passes, what the rest is told, what is counted.

Martlet's filter is a plugin (Plugins/LocalRateLimit); `Scripts/plugins.sh` builds it. What requests are
counted by is in test_local_rate_limit_actions.py."""

import os
import tempfile
import time

import pytest

from harness import config as k
from harness.client import Client
from harness.differs import differs
from harness.logs import FLUSH, LogFile
from harness.process import StartFailed

TYPE = "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit"
NAME = "envoy.filters.http.local_ratelimit"
ALL = {"default_value": {"numerator": 100}}
NONE = {"default_value": {"numerator": 0}}
X = {"enable_x_ratelimit_headers": "DRAFT_VERSION_03"}


def bucket(most, per_fill=None, interval="1000s"):
    result = {"max_tokens": most, "fill_interval": interval}
    if per_fill is not None:
        result["tokens_per_fill"] = per_fill
    return result


def limit(tokens=None, **fields):
    config = {"@type": TYPE, "stat_prefix": "rl", "filter_enabled": ALL, "filter_enforced": ALL, **fields}
    if tokens is not None:
        config["token_bucket"] = tokens
    return {key: value for key, value in config.items() if value is not None}


def http_filter(config, **fields):
    return {"name": NAME, "typed_config": config, **fields}


def descriptor(entries, tokens, **fields):
    return {"entries": [{"key": key, **({"value": value} if value is not None else {})} for key, value in entries],
            "token_bucket": tokens, **fields}


def key(value="v", **fields):
    return {"actions": [{"generic_key": {"descriptor_value": value}}], **fields}


V, W = ("generic_key", "v"), ("generic_key", "w")


def told(answer):
    """Status, and what the headers say of the limit."""
    values = [answer.get(f"x-ratelimit-{name}") for name in ("limit", "remaining", "reset")]
    return (answer.status, *[int(v) for v in values if v is not None])


ADDED = [k.header("x-over", "%REQ(x-who)%"), k.header("x-over", "two")]
# (name, the filter, the route's rules, what each request is told)
CASES = [
    ("a bucket", limit(bucket(2, 1, "10s"), **X), None, [(200, 2, 1, 0), (200, 2, 0, 10), (429, 2, 0, 10), (429, 2, 0, 10)]),
    ("several a fill", limit(bucket(2, 3, "10s"), **X), None, [(200, 2, 1, 0), (200, 2, 0, 4), (429, 2, 0, 4)]),
    ("without headers", limit(bucket(1)), None, [(200,), (429,)]),
    ("nothing passes", limit(bucket(0), **X), None, [(429,), (429,)]),
    ("no bucket", limit(None, **X), None, [(200,), (200,)]),
    ("not enabled", limit(bucket(0), filter_enabled=NONE, **X), None, [(200,), (200,)]),
    ("enabled is not given", limit(bucket(0), filter_enabled=None, **X), None, [(200,)]),
    ("not enforced", limit(bucket(1), filter_enforced=NONE, **X), None, [(200, 1, 0, 1000), (200, 1, 0, 1000)]),
    ("enforced is not given", limit(bucket(1), filter_enforced=None), None, [(200,), (200,)]),
    ("status 503", limit(bucket(1), status={"code": "ServiceUnavailable"}), None, [(200,), (503,)]),
    ("status below 400", limit(bucket(1), status={"code": "OK"}), None, [(200,), (429,)]),
    ("a descriptor", limit(bucket(9), descriptors=[descriptor([V], bucket(2))], **X), [key()],
     [(200, 2, 1, 0), (200, 2, 0, 1000), (429, 2, 0, 1000)]),
    ("no descriptor matches", limit(bucket(2), descriptors=[descriptor([W], bucket(5))], **X), [key()],
     [(200, 2, 1, 0), (200, 2, 0, 1000), (429, 2, 0, 1000)]),
    ("the common bucket has less", limit(bucket(1), descriptors=[descriptor([V], bucket(5))], **X), [key()],
     [(200, 5, 4, 0), (429, 1, 0, 1000), (429, 1, 0, 1000)]),
    ("the common bucket where nothing matches",
     limit(bucket(0), descriptors=[descriptor([V], bucket(2))], always_consume_default_token_bucket=False, **X), [key()],
     [(200, 2, 1, 0), (200, 2, 0, 1000), (429, 2, 0, 1000)]),
    ("a descriptor of nothing", limit(bucket(9), descriptors=[descriptor([V], bucket(0))], **X), [key()],
     [(429, 0, 0, 1000)]),
    ("two rules, one descriptor", limit(bucket(9), descriptors=[descriptor([V], bucket(4))], **X), [key(), key()],
     [(200, 4, 2, 0), (200, 4, 0, 1000), (429, 4, 0, 1000)]),
    ("the slowest first",
     limit(bucket(9), descriptors=[descriptor([V], bucket(3, 2)), descriptor([W], bucket(4))], **X),
     [key(), key("w")], [(200, 4, 3, 0), (200, 4, 2, 0), (200, 4, 1, 0), (429, 3, 0, 500)]),
    ("shadow", limit(bucket(9), descriptors=[descriptor([V], bucket(1), shadow_mode=True)], **X), [key()],
     [(200, 1, 0, 1000), (200, 1, 0, 1000), (200, 1, 0, 1000)]),
    ("headers off by the rule", limit(bucket(9), descriptors=[descriptor([V], bucket(2))], **X),
     [key(x_ratelimit_option="OFF")], [(200,), (200,), (429,)]),
    ("headers on by the rule", limit(bucket(9), descriptors=[descriptor([V], bucket(2))]),
     [key(x_ratelimit_option="DRAFT_VERSION_03")], [(200, 2, 1, 0), (200, 2, 0, 1000), (429, 2, 0, 1000)]),
    ("the filter's own rules", limit(bucket(9), descriptors=[descriptor([V], bucket(1))], rate_limits=[key()], **X),
     [key("w")], [(200, 1, 0, 1000), (429, 1, 0, 1000)]),
    ("hits of a filter's own rule",
     limit(bucket(9), descriptors=[descriptor([V], bucket(5))], rate_limits=[key(hits_addend={"number": 2})], **X), None,
     [(200, 5, 3, 0), (200, 5, 1, 0), (429, 5, 1, 0)]),
    ("hits given back",
     limit(bucket(9), descriptors=[descriptor([V], bucket(5))], **X,
           rate_limits=[key(hits_addend={"number": 3}), key(hits_addend={"number": 2, "is_negative_hits": True})]), None,
     [(200, 5, 4, 0), (200, 5, 3, 0)]),
    ("hits of a route's rule", limit(bucket(9), descriptors=[descriptor([V], bucket(5))], **X),
     [key(hits_addend={"number": 2})], [(200, 5, 4, 0), (200, 5, 3, 0)]),
    ("at the end, of a route's rule", limit(bucket(9), descriptors=[descriptor([V], bucket(1))], **X),
     [key(apply_on_stream_done=True)], [(200, 1, 0, 1000), (429, 1, 0, 1000)]),
    ("at the end, of the filter's own",
     limit(bucket(2), descriptors=[descriptor([V], bucket(1))], rate_limits=[key(apply_on_stream_done=True)], **X), None,
     [(200, 2, 1, 0), (200, 2, 0, 1000)]),
    ("stage", limit(bucket(9), descriptors=[descriptor([V], bucket(1))], stage=1, **X), [key(), key("w", stage=1)],
     [(200, 9, 8, 0), (200, 9, 7, 0)]),
    ("the same stage", limit(bucket(9), descriptors=[descriptor([V], bucket(1))], stage=10, **X), [key(stage=10)],
     [(200, 1, 0, 1000), (429, 1, 0, 1000)]),
    ("disable_key", limit(bucket(9), descriptors=[descriptor([V], bucket(1))], **X), [key(disable_key="k")],
     [(200, 9, 8, 0), (200, 9, 7, 0)]),
    ("limit", limit(bucket(9), descriptors=[descriptor([V], bucket(1))], **X),
     [key(limit={"rate_limit": {"requests_per_unit": 7, "unit": "HOUR"}})], [(200, 1, 0, 1000), (429, 1, 0, 1000)]),
]
NO_HITS = differs("`hits_addend: {number: 0}` of a local rate limit", envoy=[429], martlet=[200],
                  why="A request that counts as nothing takes nothing")


@pytest.fixture(scope="module")
def logs():
    return tempfile.mkdtemp(prefix="martlet-it-")


@pytest.fixture(scope="module")
def proxy(launch, upstream, logs):
    listeners = []

    def add(name, config, rules=None, routes=None, hosts=None, **fields):
        log = k.access_log(os.path.join(logs, name.replace(" ", "-")), "%RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%\n")
        route = [k.route(**({"rate_limits": rules} if rules else {}))]
        hcm = k.hcm(routes or route, hosts=hosts, stat_prefix="h", access_log=[log], **fields)
        filters = config if isinstance(config, list) else [http_filter(config)]
        hcm["typed_config"]["http_filters"] = filters + hcm["typed_config"]["http_filters"]
        listeners.append(k.listener(name, hcm))

    for i, case in enumerate(CASES):
        add(f"case-{i}", case[1], case[2])
    add("log", limit(bucket(1)))
    add("stats", limit(bucket(1), stat_prefix="counted"))
    add("answer", limit(bucket(0), response_headers_to_add=[
        k.header("x-a", "1"), k.header("x-a", "2"), k.header("x-b", "%REQ(x-who)%"), k.header("x-a", "3", "ADD_IF_ABSENT")]))
    add("marked", limit(bucket(0), filter_enforced=NONE, request_headers_to_add_when_not_enforced=ADDED))
    add("grpc", limit(bucket(0)))
    add("grpc-exhausted", limit(bucket(0), rate_limited_as_resource_exhausted=True))
    add("retry", limit(bucket(1, 1, "10s"), enable_retry_after_header=True, **X))
    add("retry-soon", limit(bucket(1, 1, "0.2s"), enable_retry_after_header=True))
    add("retry-503", limit(bucket(1), enable_retry_after_header=True, status={"code": "ServiceUnavailable"}))
    add("retry-own", limit(bucket(1), enable_retry_after_header=True, response_headers_to_add=[k.header("retry-after", "77")]))
    add("retry-nothing", limit(bucket(0), enable_retry_after_header=True))
    add("fills", limit(bucket(2, 2, "0.5s")))
    add("connection", limit(bucket(2), local_rate_limit_per_downstream_connection=True, **X))
    add("connection-descriptors", limit(bucket(9), local_rate_limit_per_downstream_connection=True, **X,
                                        descriptors=[descriptor([V], bucket(1)), descriptor([("generic_key", None)], bucket(1))]), [key(), key("z")])
    each = {"local_rate_limit_per_downstream_connection": True}
    add("connection-two", [http_filter(limit(bucket(4), **each)), {**http_filter(limit(bucket(100), **each)), "name": "second"}])
    add("no-hits", limit(bucket(9), descriptors=[descriptor([V], bucket(5))], rate_limits=[key(hits_addend={"number": 0})]))
    add("shadow", limit(bucket(1), descriptors=[descriptor([V], bucket(1), shadow_mode=True)], stat_prefix="shadow"), [key()])
    add("shadow-alone", limit(bucket(9), descriptors=[descriptor([V], bucket(1), shadow_mode=True)], stat_prefix="alone"), [key()])
    add("runtime", limit(bucket(1), filter_enabled={**NONE, "runtime_key": "rl.on"}, filter_enforced={**ALL, "runtime_key": "rl.act"}))
    add("same-1", limit(bucket(1)))
    add("same-2", limit(bucket(1)))
    own = {"typed_per_filter_config": {NAME: limit(bucket(1))}}
    add("routes", limit(None), routes=[
        {**k.route(match={"prefix": "/a"}), **own}, {**k.route(match={"prefix": "/b"}), **own},
        {**k.route(match={"prefix": "/off"}), "typed_per_filter_config": {NAME: {
            "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "disabled": True}}},
        k.route()])
    add("host", limit(None), hosts=[{**k.virtual_host("all", ["*"], [
        {**k.route(match={"prefix": "/own"}), "typed_per_filter_config": {NAME: limit(bucket(3))}}, k.route()]), **own}])
    weighted = {"weighted_clusters": {"clusters": [{"name": "up", "weight": 1, **own}]}}
    add("weighted", limit(bucket(5)), routes=[k.route(None, **weighted)])
    add("table", limit(None), route_config={"name": "t", "virtual_hosts": [k.virtual_host("all", ["*"], [k.route()])], **own})
    add("direct", limit(bucket(9), descriptors=[descriptor([V], bucket(1))], **X),
        hosts=[{**k.virtual_host("all", ["*"], [k.direct()]), "rate_limits": [key()]}])
    add("direct-own", limit(bucket(9), descriptors=[descriptor([V], bucket(1))], rate_limits=[key()], **X), routes=[k.direct()])
    two = [http_filter(limit(bucket(3))), {**http_filter(limit(bucket(2), status={"code": "BadRequest"})), "name": "second"}]
    add("two", two)
    for option in ("OVERRIDE", "INCLUDE", "IGNORE"):
        routes = [k.route(match={"prefix": "/own"}, rate_limits=[key()]),
                  k.route(match={"prefix": "/too"}, rate_limits=[key()], include_vh_rate_limits=True),
                  k.route(match={"prefix": "/stage"}, rate_limits=[key(stage=1)]), k.route()]
        add(f"vh-{option}", limit(bucket(9), vh_rate_limits=option, **X, descriptors=[
            descriptor([V], bucket(50, 2)), descriptor([W], bucket(60))]),
            hosts=[{**k.virtual_host("all", ["*"], routes), "rate_limits": [key("w")]}])
    layers = {"layers": [{"name": "admin", "admin_layer": {}}]}
    return launch(k.bootstrap(listeners, [k.cluster("up", [upstream])], layered_runtime=layers), args=FLUSH)


def ask(proxy, listener, headers=(), path="/", method="GET", body=b""):
    with Client(proxy.address(listener)) as client:
        return client.request(method, path, headers, body)


def logged(logs, listener, count):
    return LogFile(os.path.join(logs, listener)).wait(count)


def counters(proxy, prefix):
    found = proxy.stats(f"{prefix}.http_local_rate_limit")
    return {name.rsplit(".", 1)[1]: value for name, value in found.items() if name.startswith(f"{prefix}.http_local_rate_limit.")}


@pytest.mark.parametrize("index", range(len(CASES)), ids=[c[0] for c in CASES])
def test_requests(proxy, index):
    assert [told(ask(proxy, f"case-{index}")) for _ in CASES[index][3]] == CASES[index][3]


def test_the_answer(proxy):
    answer = ask(proxy, "answer", [("x-who", "me")])
    assert answer.status == 429 and answer.body == b"local_rate_limited" and answer.get("content-type") == "text/plain"
    assert answer.all("x-a") == ["1", "2", "3"] and answer.get("x-b") == "me"
    assert answer.get("retry-after") is None


def test_requests_that_are_only_marked(proxy, upstream):
    assert ask(proxy, "marked", [("x-who", "me")]).status == 200
    assert [value for name, value in upstream.requests[-1].headers if name.lower() == "x-over"] == ["me", "two"]


@pytest.mark.parametrize("listener,status", [("grpc", "14"), ("grpc-exhausted", "8")])
def test_grpc(proxy, listener, status):
    answer = ask(proxy, listener, [("content-type", "application/grpc")], method="POST", body=b"\0\0\0\0\0")
    assert answer.status == 200 and answer.all("grpc-status") == [status]
    assert answer.all("grpc-message") == ["local_rate_limited"]


def test_exhausted_without_grpc(proxy):
    answer = ask(proxy, "grpc-exhausted")
    assert answer.status == 429 and answer.get("grpc-status") is None


@pytest.mark.parametrize("listener,status,value", [
    ("retry", 429, "10"), ("retry-soon", 429, "1"), ("retry-503", 503, None), ("retry-own", 429, "77")])
def test_retry_after(proxy, listener, status, value):
    with Client(proxy.address(listener)) as client:
        first, second = client.request(), client.request()
    assert first.status == 200 and first.get("retry-after") is None
    assert second.status == status and second.all("retry-after") == ([value] if value else [])


def test_no_retry_after_where_it_never_helps(proxy):
    answer = ask(proxy, "retry-nothing")
    assert answer.status == 429 and answer.get("retry-after") is None


def test_flags_and_details(proxy, logs):
    with Client(proxy.address("log")) as client:
        assert [client.request().status for _ in range(2)] == [200, 429]
    assert logged(logs, "log", 2) == ["- via_upstream", "RL local_rate_limited"]


def test_counters(proxy):
    assert counters(proxy, "counted") == {"enabled": 0, "enforced": 0, "ok": 0, "rate_limited": 0, "shadow_mode": 0}
    for _ in range(3):
        ask(proxy, "stats")
    assert counters(proxy, "counted") == {"enabled": 3, "enforced": 2, "ok": 1, "rate_limited": 2, "shadow_mode": 0}


def test_counters_for_prometheus(proxy):
    text = proxy.admin("/stats/prometheus?filter=local_rate_limit")[1]
    assert 'envoy_http_local_rate_limit_enabled{envoy_local_http_ratelimit_prefix="counted"}' in text


def test_it_fills_evenly(proxy):
    with Client(proxy.address("fills")) as client:
        assert [client.request().status for _ in range(3)] == [200, 200, 429]
        time.sleep(0.3)  # one token and a part of the next
        assert [client.request().status for _ in range(2)] == [200, 429]
        time.sleep(1.2)
        assert [client.request().status for _ in range(3)] == [200, 200, 429]


def test_each_connection_its_own(proxy):
    for _ in range(2):
        with Client(proxy.address("connection")) as client:
            assert [told(client.request()) for _ in range(3)] == [(200, 2, 1, 0), (200, 2, 0, 1000), (429, 2, 0, 1000)]


def test_descriptors_of_each_connection(proxy):
    for _ in range(2):
        with Client(proxy.address("connection-descriptors")) as client:
            assert [told(client.request()) for _ in range(2)] == [(200, 1, 0, 1000), (429, 1, 0, 1000)]


PER_CONNECTION = differs("two local rate limits per connection, of 4 and of 100 tokens: requests that pass", envoy=2, martlet=4,
                         why="Each limit has a bucket of its own")


def test_two_limits_of_each_connection(proxy, settle):
    with Client(proxy.address("connection-two")) as client:
        assert [client.request().status for _ in range(6)].count(200) == settle(PER_CONNECTION)


def test_no_hits(proxy, settle):
    assert [ask(proxy, "no-hits").status] == settle(NO_HITS)


def test_shadow_mode_and_the_others(proxy):
    assert [ask(proxy, "shadow").status for _ in range(3)] == [200, 429, 429]
    assert counters(proxy, "shadow") == {"enabled": 3, "enforced": 2, "ok": 1, "rate_limited": 2, "shadow_mode": 0}


def test_counters_of_shadow_mode(proxy):
    assert [ask(proxy, "shadow-alone").status for _ in range(3)] == [200, 200, 200]
    assert counters(proxy, "alone") == {"enabled": 3, "enforced": 0, "ok": 1, "rate_limited": 2, "shadow_mode": 2}


def test_runtime(proxy):
    def change(**values):
        query = "&".join(f"{name.replace('_', '.')}={value}" for name, value in values.items())
        proxy.admin(f"/runtime_modify?{query}", "POST")
        time.sleep(0.3)

    assert [ask(proxy, "runtime").status for _ in range(2)] == [200, 200]
    change(rl_on=100)
    assert [ask(proxy, "runtime").status for _ in range(2)] == [200, 429]
    change(rl_act=0)
    assert ask(proxy, "runtime").status == 200
    change(rl_act="", rl_on="")


def test_two_places_of_one_configuration_have_two_buckets(proxy):
    assert [ask(proxy, name).status for name in ("same-1", "same-2", "same-1", "same-2")] == [200, 200, 429, 429]


def test_each_route_has_its_own(proxy):
    assert [ask(proxy, "routes", path=path).status for path in ("/a", "/b", "/a", "/b", "/", "/", "/off", "/off")] == [
        200, 200, 429, 429, 200, 200, 200, 200]


@pytest.mark.parametrize("listener,path,passes", [("host", "/", 1), ("host", "/own", 3), ("weighted", "/", 1), ("table", "/", 1)])
def test_levels(proxy, listener, path, passes):
    assert [ask(proxy, listener, path=path).status for _ in range(passes + 1)] == [200] * passes + [429]


def test_routes_that_do_not_forward(proxy):
    assert [told(ask(proxy, "direct")) for _ in range(2)] == [(200, 9, 8, 0), (200, 9, 7, 0)]
    assert [told(ask(proxy, "direct-own")) for _ in range(2)] == [(200, 1, 0, 1000), (429, 1, 0, 1000)]


def test_two_filters(proxy):
    assert [ask(proxy, "two").status for _ in range(4)] == [200, 200, 400, 429]


# Which limits count: (option, path) to the limit that is told, which is the slowest of those that match.
HOSTS = {
    ("OVERRIDE", "/own"): 50, ("OVERRIDE", "/too"): 60, ("OVERRIDE", "/"): 60, ("OVERRIDE", "/stage"): 9,
    ("INCLUDE", "/own"): 60, ("INCLUDE", "/too"): 60, ("INCLUDE", "/"): 60, ("INCLUDE", "/stage"): 60,
    ("IGNORE", "/own"): 50, ("IGNORE", "/too"): 60, ("IGNORE", "/"): 9, ("IGNORE", "/stage"): 9,
}


@pytest.mark.parametrize("option,path", HOSTS, ids=[f"{o}-{p}" for o, p in HOSTS])
def test_rules_of_the_virtual_host(proxy, option, path):
    assert told(ask(proxy, f"vh-{option}", path=path))[1] == HOSTS[option, path]


# (name, the filter's fields, the route's rules, what the error names)
REFUSED = [
    ("an interval that is too short", limit(bucket(1, 1, "0.049s")), None, "fill_interval"),
    ("no interval", limit({"max_tokens": 1}), None, "fill_interval"),
    ("no tokens a fill", limit(bucket(1, 0)), None, "tokens_per_fill"),
    ("no prefix", limit(bucket(1), stat_prefix=""), None, "stat_prefix"),
    ("a descriptor twice", limit(bucket(1), descriptors=[descriptor([V], bucket(1))] * 2), None, "descriptors[1]"),
    ("a descriptor without entries", limit(bucket(1), descriptors=[descriptor([], bucket(1))]), None, "descriptors[0].entries"),
    ("a descriptor without a bucket", limit(bucket(1), descriptors=[{"entries": [{"key": "a"}]}]), None, "descriptors[0]"),
    ("a short interval of a descriptor", limit(bucket(1), descriptors=[descriptor([V], bucket(1, 1, "0.01s"))]), None,
     "descriptors[0].token_bucket.fill_interval"),
    ("stage 11", limit(bucket(1), stage=11), None, "stage"),
    ("stage 11 of a rule", limit(bucket(1)), [key(stage=11)], "rate_limits[0].stage"),
    ("no dynamic descriptors", limit(bucket(1), max_dynamic_descriptors=0), None, "max_dynamic_descriptors"),
    ("the local cluster", limit(bucket(1), local_cluster_rate_limit={}), None, "local_cluster_rate_limit"),
    ("a rule without actions", limit(bucket(1)), [{"actions": []}], "rate_limits[0].actions"),
    ("an empty action", limit(bucket(1)), [{"actions": [{}]}], "rate_limits[0].actions[0]"),
    ("an empty action of its own", limit(bucket(1), rate_limits=[{"actions": [{}]}]), None, "rate_limits[0].actions[0]"),
    ("a stage of its own", limit(bucket(1), rate_limits=[key(stage=1)]), None, "rate_limits[0]"),
    ("a disable_key of its own", limit(bucket(1), rate_limits=[key(disable_key="k")]), None, "rate_limits[0]"),
    ("a limit of its own", limit(bucket(1), rate_limits=[key(limit={"rate_limit": {}})]), None, "rate_limits[0]"),
    ("hits twice", limit(bucket(1), rate_limits=[key(hits_addend={"number": 1, "format": "%BYTES_SENT%"})]), None,
     "rate_limits[0].hits_addend"),
    ("no hits", limit(bucket(1), rate_limits=[key(hits_addend={})]), None, "rate_limits[0].hits_addend"),
    ("two operators", limit(bucket(1), rate_limits=[key(hits_addend={"format": "%BYTES_SENT%%BYTES_SENT%"})]), None,
     "rate_limits[0].hits_addend.format"),
    ("too many headers", limit(bucket(1), response_headers_to_add=[k.header("a", "b")] * 11), None, "response_headers_to_add"),
]


@pytest.mark.parametrize("case", REFUSED, ids=[c[0] for c in REFUSED])
def test_refused(kind, launch_once, case):
    _, config, rules, names = case
    hcm = k.hcm([k.route(**({"rate_limits": rules} if rules else {}))])
    hcm["typed_config"]["http_filters"] = [http_filter(config)] + hcm["typed_config"]["http_filters"]
    with pytest.raises(StartFailed) as failure:
        launch_once(k.bootstrap([k.listener("main", hcm)], [k.cluster("up", [("127.0.0.1", 9)])]))
    if kind == "martlet":
        assert names in str(failure.value)


def test_a_route_needs_a_bucket(launch_once):
    hcm = k.hcm([{**k.route(), "typed_per_filter_config": {NAME: limit(None)}}])
    hcm["typed_config"]["http_filters"] = [http_filter(limit(None))] + hcm["typed_config"]["http_filters"]
    with pytest.raises(StartFailed):
        launch_once(k.bootstrap([k.listener("main", hcm)], [k.cluster("up", [("127.0.0.1", 9)])]))
