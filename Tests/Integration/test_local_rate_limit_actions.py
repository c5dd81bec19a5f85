"""What local rate limits count requests by: the actions of routes and of filters.

Each case's descriptors have buckets of different sizes, so that x-ratelimit-limit says which one counted;
99 is the common bucket's."""

import pytest

from harness import config as k
from harness.client import Client
from test_local_rate_limit import X, bucket, descriptor, http_filter, key, limit, told

A = [("x-a", "A")]


def header_match(name="x-a", value="v", **fields):
    return {"header_value_match": {"descriptor_value": value, "headers": [{"name": name}], **fields}}


def query_match(value="v", text="1", **fields):
    return {"query_parameter_value_match": {
        "descriptor_value": value, "query_parameters": [{"name": "q", "string_match": {"exact": text}}], **fields}}


def address_match(prefix, length, value="v", invert=False, **fields):
    matcher = {"ranges": [{"address_prefix": prefix, "prefix_len": length}]}
    if invert:
        matcher["invert_match"] = True
    return {"remote_address_match": {"descriptor_value": value, "address_matcher": matcher, **fields}}


def metadata(source=None, path=("a",), **fields):
    config = {"descriptor_key": "m", "metadata_key": {"key": "ns", "path": [{"key": step} for step in path]}, **fields}
    if source:
        config["source"] = source
    return {"metadata": config}


def header(name="x-a", **fields):
    return {"request_headers": {"header_name": name, "descriptor_key": "h", **fields}}


def query(**fields):
    return {"query_parameters": {"query_parameter_name": "q", "descriptor_key": "h", **fields}}


GENERIC = {"generic_key": {"descriptor_value": "v"}}
V = ("generic_key", "v")
# (name, the rule's actions, descriptors with the sizes of their buckets, requests as (path, headers, limit))
CASES = [
    ("generic_key", [GENERIC], {2: [V]}, [("/", [], 2)]),
    ("generic_key of a key", [{"generic_key": {"descriptor_key": "k", "descriptor_value": "v"}}], {2: [("k", "v")], 3: [V]}, [("/", [], 2)]),
    ("generic_key, no operators", [{"generic_key": {"descriptor_value": "%REQ(x-a)%"}}],
     {2: [("generic_key", "%REQ(x-a)%")], 3: [("generic_key", "A")]}, [("/", A, 2)]),
    ("header", [header()], {2: [("h", "A")], 3: [("h", None)]}, [("/", A, 2), ("/", [("x-a", "B")], 3), ("/", [], 99)]),
    ("header, empty", [header()], {3: [("h", None)]}, [("/", [("x-a", "")], 3)]),
    ("header, the first", [header()], {2: [("h", "A")]}, [("/", [("x-a", "A"), ("x-a", "B")], 2), ("/", [("x-a", "B"), ("x-a", "A")], 99)]),
    ("header in other letters", [header("X-A")], {2: [("h", "A")]}, [("/", A, 2)]),
    ("header, skipped", [header(skip_if_absent=True), GENERIC], {2: [("h", "A"), V], 3: [V]}, [("/", A, 2), ("/", [], 3)]),
    ("header, not skipped", [header(), GENERIC], {2: [("h", "A"), V], 3: [V]}, [("/", A, 2), ("/", [], 99)]),
    ("header, nothing left", [header(skip_if_absent=True)], {2: [("h", "A")]}, [("/", [], 99)]),
    (":path", [header(":path")], {2: [("h", "/p?q=1")]}, [("/p?q=1", [], 2)]),
    (":method", [header(":method")], {2: [("h", "GET")]}, [("/", [], 2)]),
    (":authority", [header(":authority")], {2: [("h", "example.com")]}, [("/", [], 2)]),
    ("query", [query()], {2: [("h", "1")], 3: [("h", "a b")], 4: [("h", None)]},
     [("/?q=1", [], 2), ("/?x=0&q=1&q=2", [], 2), ("/?q=a%20b", [], 3), ("/?q=a+b", [], 4), ("/?q", [], 4), ("/?q=", [], 4),
      ("/?%71=1", [], 2), ("/?q=%zz", [], 4), ("/", [], 99), ("/?Q=1", [], 99), ("/?qq=1", [], 99)]),
    ("query, skipped", [query(skip_if_absent=True), GENERIC], {2: [V]}, [("/", [], 2), ("/?q=1", [], 99)]),
    ("query match", [query_match()], {2: [("query_match", "v")]}, [("/?q=1", [], 2), ("/?q=2", [], 99), ("/", [], 99)]),
    ("query match, decoded", [query_match(text="a b")], {2: [("query_match", "v")]}, [("/?q=a%20b", [], 2), ("/?q=a+b", [], 99)]),
    ("query match, not expected", [query_match(expect_match=False, descriptor_key="k")], {2: [("k", "v")]}, [("/?q=2", [], 2), ("/?q=1", [], 99)]),
    ("header match", [header_match()], {2: [("header_match", "v")]}, [("/", A, 2), ("/", [], 99)]),
    ("header match, not expected", [header_match(expect_match=False, descriptor_key="k")], {2: [("k", "v")]}, [("/", [], 2), ("/", A, 99)]),
    ("header match of two", [{"header_value_match": {"descriptor_value": "v", "headers": [
        {"name": "x-a", "string_match": {"exact": "A"}}, {"name": "x-b"}]}}], {2: [("header_match", "v")]},
     [("/", A + [("x-b", "")], 2), ("/", A, 99)]),
    ("default_value without operators", [header_match(default_value="other")], {2: [("header_match", "other")]}, [("/", [], 99)]),
    ("address", [{"remote_address": {}}], {2: [("remote_address", "127.0.0.1")], 3: [("remote_address", "192.0.2.9")]},
     [("/", [], 2)]),
    ("masked address", [{"masked_remote_address": {"v4_prefix_mask_len": 16}}], {2: [("masked_remote_address", "127.0.0.0/16")]}, [("/", [], 2)]),
    ("masked address, 32", [{"masked_remote_address": {}}], {2: [("masked_remote_address", "127.0.0.1/32")]}, [("/", [], 2)]),
    ("masked address, 0", [{"masked_remote_address": {"v4_prefix_mask_len": 0}}], {2: [("masked_remote_address", "0.0.0.0/0")]}, [("/", [], 2)]),
    ("address match", [address_match("127.0.0.0", 8)], {2: [("remote_address_match", "v")]}, [("/", [], 2)]),
    ("address match, another", [address_match("10.0.0.0", 8)], {2: [("remote_address_match", "v")]}, [("/", [], 99)]),
    ("address match, inverted", [address_match("10.0.0.0", 8, invert=True, descriptor_key="k")], {2: [("k", "v")]}, [("/", [], 2)]),
    ("address match of the other family", [address_match("::", 0)], {2: [("remote_address_match", "v")]}, [("/", [], 99)]),
    ("source cluster", [{"source_cluster": {}}], {2: [("source_cluster", "us")]}, [("/", [], 2)]),
    ("destination cluster", [{"destination_cluster": {}}], {2: [("destination_cluster", "up")]}, [("/", [], 2)]),
    ("metadata of the route", [metadata("ROUTE_ENTRY")], {2: [("m", "R")]}, [("/", [], 2)]),
    ("metadata of the route, deeper", [metadata("ROUTE_ENTRY", ("o", "p"))], {2: [("m", "Q")]}, [("/", [], 2)]),
    ("metadata, a number", [metadata("ROUTE_ENTRY", ("num",))], {2: [("m", "3")]}, [("/", [], 99)]),
    ("metadata, empty", [metadata("ROUTE_ENTRY", ("empty",), default_value="d")], {2: [("m", "d")]}, [("/", [], 2)]),
    ("metadata, default", [metadata(default_value="d")], {2: [("m", "d")]}, [("/", [], 2)]),
    ("metadata, skipped", [metadata(skip_if_absent=True), GENERIC], {2: [V]}, [("/", [], 2)]),
    ("metadata, none", [metadata(), GENERIC], {2: [V]}, [("/", [], 99)]),
    ("several", [GENERIC, header(), {"remote_address": {}}], {2: [V, ("h", "A"), ("remote_address", "127.0.0.1")], 3: [V, ("h", "A")],
                                                             4: [("h", "A"), V, ("remote_address", "127.0.0.1")]}, [("/", A, 2)]),
    ("wildcards among others", [GENERIC, header()], {2: [V, ("h", None)], 3: [V, ("h", "B")], 4: [("generic_key", "w"), ("h", None)]},
     [("/", A, 2), ("/", [("x-a", "B")], 3)]),
]


@pytest.fixture(scope="module")
def proxy(launch, upstream):
    listeners = []

    def add(name, config, rules=None, routes=None, filters=()):
        meta = {"metadata": {"filter_metadata": {"ns": {"a": "R", "num": 3, "empty": "", "o": {"p": "Q"}}}}}
        route = {**k.route(**({"rate_limits": rules} if rules else {})), **meta}
        hcm = k.hcm(routes or [route], use_remote_address=False, xff_num_trusted_hops=0)
        hcm["typed_config"]["http_filters"] = [*filters, http_filter(config)] + hcm["typed_config"]["http_filters"]
        listeners.append(k.listener(name, hcm))

    for i, (_, actions, sizes, _) in enumerate(CASES):
        descriptors = [descriptor(entries, bucket(size)) for size, entries in sizes.items()]
        add(f"route-{i}", limit(bucket(99), descriptors=descriptors, **X), [{"actions": actions}])
        add(f"own-{i}", limit(bucket(99), descriptors=descriptors, rate_limits=[{"actions": actions}], **X))
    add("cluster", limit(bucket(99), descriptors=[descriptor([("m", "C")], bucket(2))], **X), [{"actions": [metadata("CLUSTER_ENTRY")]}])
    weighted = k.route(None, rate_limits=[{"actions": [{"destination_cluster": {}}]}],
                       weighted_clusters={"clusters": [{"name": "up", "weight": 1}]})
    add("weighted", limit(bucket(99), descriptors=[descriptor([("destination_cluster", "up")], bucket(2))], **X), routes=[weighted])
    lru = limit(bucket(99), descriptors=[descriptor([("h", None)], bucket(2))], max_dynamic_descriptors=2, **X)
    add("lru", lru, [{"actions": [header()]}])
    hits = {"hits_addend": {"format": "%REQ(x-n)%"}}
    add("hits", limit(bucket(99), descriptors=[descriptor([V], bucket(9))], rate_limits=[key(**hits)], **X))
    fault = {"name": "envoy.filters.http.fault", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault", "filter_metadata": {"a": "D"},
        "delay": {"fixed_delay": "0.001s", "percentage": {"numerator": 100}}}}
    dynamic = {"metadata": {"descriptor_key": "m", "metadata_key": {"key": "envoy.filters.http.fault", "path": [{"key": "a"}]}}}
    add("dynamic", limit(bucket(99), descriptors=[descriptor([("m", "D")], bucket(2))], **X), [{"actions": [dynamic]}], filters=[fault])
    up = {**k.cluster("up", [upstream]), "metadata": {"filter_metadata": {"ns": {"a": "C"}}}}
    return launch(k.bootstrap(listeners, [up], node={"id": "node", "cluster": "us"}))


def limits(proxy, listener, requests):
    found = []
    with Client(proxy.address(listener)) as client:
        for path, headers in requests:
            found.append(told(client.request("GET", path, headers))[1])
    return found


@pytest.mark.parametrize("whose", ["route", "own"])
@pytest.mark.parametrize("index", range(len(CASES)), ids=[c[0] for c in CASES])
def test_action(proxy, index, whose):
    requests = CASES[index][3]
    assert limits(proxy, f"{whose}-{index}", [r[:2] for r in requests]) == [r[2] for r in requests]


def test_metadata_of_the_cluster(proxy):
    assert limits(proxy, "cluster", [("/", [])]) == [2]


def test_dynamic_metadata(proxy):
    assert limits(proxy, "dynamic", [("/", [])]) == [2]


def test_the_cluster_that_is_drawn(proxy):
    assert limits(proxy, "weighted", [("/", [])]) == [2]


def test_the_least_recently_used_goes(proxy):
    with Client(proxy.address("lru")) as client:
        found = [told(client.request("GET", "/", [("x-a", value)]))[:3] for value in "AAABCA"]
    assert found == [(200, 2, 1), (200, 2, 0), (429, 2, 0), (200, 2, 1), (200, 2, 1), (200, 2, 1)]


def test_hits_by_a_format(proxy):
    values = ["3", None, "a", "2.7", "-1", "1e9", "1e10", "0x2", "1e0", "1"]
    with Client(proxy.address("hits")) as client:
        found = [told(client.request("GET", "/", [("x-n", v)] if v else []))[:2] for v in values]
    assert found == [(200, 9), (200, 99), (200, 99), (200, 9), (200, 99), (429, 9), (200, 99), (200, 9), (200, 9), (200, 9)]
