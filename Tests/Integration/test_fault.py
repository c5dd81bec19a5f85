"""envoy.filters.http.fault: delays, aborts, slow responses; which requests, how many, what is counted.

Martlet's filter is a plugin (Plugins/Fault); `Scripts/plugins.sh` builds it."""

import os
import tempfile
import threading
import time

import pytest

from harness import config as k
from harness.client import Client
from harness.differs import differs
from harness.logs import FLUSH, LogFile
from harness.process import StartFailed
from harness.upstream import ok

TYPE = "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault"
NAME = "envoy.filters.http.fault"
ALL = {"numerator": 100}
GRPC = [("content-type", "application/grpc")]


def fault(**fields):
    return {"name": NAME, "typed_config": {"@type": TYPE, **fields}}


def abort(code=503, percentage=ALL, **fields):
    return {"abort": {"http_status": code, "percentage": percentage}, **fields}


def delay(text, percentage=ALL, **fields):
    return {"delay": {"fixed_delay": text, "percentage": percentage}, **fields}


BY_HEADER = {"abort": {"header_abort": {}, "percentage": ALL}}
DELAY_BY_HEADER = {"delay": {"header_delay": {}, "percentage": ALL}}


def slow(kilobytes, **fields):
    limit = {"fixed_limit": {"limit_kbps": kilobytes}} if kilobytes else {"header_limit": {}}
    return {"response_rate_limit": {**limit, "percentage": ALL}, **fields}


def header_case(matcher, fields):
    return abort(headers=[{"name": "x-h", **matcher}]), fields


ANY = [("x-h", "a"), ("x-h", "b")]
# (name, the filter's fields, request headers, status, least and most seconds, flags and details)
FI, DI, NONE = "FI fault_filter_abort", "DI via_upstream", "- via_upstream"
CASES = [
    ("abort", abort(), [], 503, FI),
    ("abort 418", abort(418), [], 418, FI),
    ("abort none of them", abort(percentage={"numerator": 0}), [], 200, NONE),
    ("abort without a percentage", {"abort": {"http_status": 503}}, [], 200, NONE),
    ("all of ten thousand", abort(percentage={"numerator": 10000, "denominator": "TEN_THOUSAND"}), [], 503, FI),
    ("all of a million", abort(percentage={"numerator": 1000000, "denominator": "MILLION"}), [], 503, FI),
    ("more than all", abort(percentage={"numerator": 200}), [], 503, FI),
    ("grpc status, plain request", {"abort": {"grpc_status": 14, "percentage": ALL}}, [], 200, FI),
    ("nothing configured", {}, [], 200, NONE),
    ("header abort, no header", BY_HEADER, [], 200, NONE),
    ("header abort", BY_HEADER, [("x-envoy-fault-abort-request", "418")], 418, FI),
    ("header abort, no status", BY_HEADER, [("x-envoy-fault-abort-request", "600")], 200, NONE),
    ("header abort, no number", BY_HEADER, [("x-envoy-fault-abort-request", "x")], 200, NONE),
    ("header abort, grpc", BY_HEADER, [("x-envoy-fault-abort-grpc-request", "5")], 200, FI),
    ("header abort, both", BY_HEADER, [("x-envoy-fault-abort-request", "418"), ("x-envoy-fault-abort-grpc-request", "5")], 418, FI),
    ("header abort, 0 percent", BY_HEADER, [("x-envoy-fault-abort-request", "418"), ("x-envoy-fault-abort-request-percentage", "0")], 200, NONE),
    ("header abort, no percent", BY_HEADER, [("x-envoy-fault-abort-request", "418"), ("x-envoy-fault-abort-request-percentage", "x")], 418, FI),
    ("fixed abort, 0 percent by header", abort(), [("x-envoy-fault-abort-request-percentage", "0")], 503, FI),
    ("header delay, no header", DELAY_BY_HEADER, [], 200, NONE),
    ("header delay, 0", DELAY_BY_HEADER, [("x-envoy-fault-delay-request", "0")], 200, NONE),
    ("header delay, 0 percent", DELAY_BY_HEADER, [("x-envoy-fault-delay-request", "900"), ("x-envoy-fault-delay-request-percentage", "0")], 200, NONE),
    ("delay below a millisecond", delay("0.0001s"), [], 200, NONE),
    ("delay, then abort", {**delay("0.05s"), **abort()}, [], 503, "DI,FI fault_filter_abort"),
    ("the route's cluster", abort(upstream_cluster="up"), [], 503, FI),
    ("another cluster", abort(upstream_cluster="other"), [], 200, NONE),
    ("a node", abort(downstream_nodes=["n1", "n2"]), [("x-envoy-downstream-service-node", "n2")], 503, FI),
    ("another node", abort(downstream_nodes=["n1", "n2"]), [("x-envoy-downstream-service-node", "n3")], 200, NONE),
    ("no node", abort(downstream_nodes=["n1"]), [], 200, NONE),
    ("no fault may be active", abort(max_active_faults=0), [], 200, NONE),
]
HEADERS = [
    ("present", {}, [("x-h", "")], True), ("not present", {}, [], False),
    ("present_match", {"present_match": True}, [("x-h", "1")], True), ("present_match: false", {"present_match": False}, [], True),
    ("present, inverted", {"present_match": True, "invert_match": True}, [], True),
    ("exact", {"string_match": {"exact": "a"}}, [("x-h", "a")], True), ("exact, other case", {"string_match": {"exact": "A"}}, [("x-h", "a")], False),
    ("any case", {"string_match": {"exact": "A", "ignore_case": True}}, [("x-h", "a")], True),
    ("prefix", {"string_match": {"prefix": "ab"}}, [("x-h", "abc")], True), ("suffix", {"string_match": {"suffix": "bc"}}, [("x-h", "abc")], True),
    ("contains", {"string_match": {"contains": "b"}}, [("x-h", "abc")], True), ("contains not", {"string_match": {"contains": "d"}}, [("x-h", "abc")], False),
    ("expression", {"string_match": {"safe_regex": {"regex": "a.c"}}}, [("x-h", "abc")], True),
    ("part of an expression", {"string_match": {"safe_regex": {"regex": "a."}}}, [("x-h", "abc")], False),
    ("range", {"range_match": {"start": -1, "end": 5}}, [("x-h", "4")], True),
    ("end of range", {"range_match": {"start": -1, "end": 5}}, [("x-h", "5")], False),
    ("range, no number", {"range_match": {"start": -1, "end": 5}}, [("x-h", "4x")], False),
    ("below zero", {"range_match": {"start": -1, "end": 5}}, [("x-h", "-1")], True),
    ("inverted", {"string_match": {"exact": "b"}, "invert_match": True}, [("x-h", "a")], True),
    ("inverted, missing", {"string_match": {"exact": "b"}, "invert_match": True}, [], False),
    ("missing as empty", {"string_match": {"exact": ""}, "treat_missing_header_as_empty": True}, [], True),
    ("any of several", {"string_match": {"exact": "b"}}, ANY, True), ("not joined", {"string_match": {"exact": "a,b"}}, ANY, False),
]
for name, matcher, fields, matches in HEADERS:
    CASES.append((f"header {name}", abort(headers=[{"name": "X-H", **matcher}]), fields, 503 if matches else 200, FI if matches else NONE))


@pytest.fixture(scope="module")
def logs():
    return tempfile.mkdtemp(prefix="martlet-it-")


@pytest.fixture(scope="module")
def proxy(launch, upstream, logs):
    listeners = []

    def add(name, fields, routes=None, filters=None):
        log = k.access_log(os.path.join(logs, name), "%RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %DYNAMIC_METADATA(envoy.filters.http.fault:a)%\n")
        hcm = k.hcm(routes or [k.route()], stat_prefix=name, access_log=[log])
        hcm["typed_config"]["http_filters"] = (filters or [fault(**fields)]) + hcm["typed_config"]["http_filters"]
        listeners.append(k.listener(name, hcm))

    for i, case in enumerate(CASES):
        add(f"case-{i}", case[1])
    add("delay", delay("0.25s"))
    add("header-delay", DELAY_BY_HEADER)
    add("half", abort(percentage={"numerator": 50}))
    add("grpc", {"abort": {"grpc_status": 14, "percentage": ALL}})
    add("grpc-503", abort())
    add("grpc-header", BY_HEADER)
    add("slow", slow(40))
    add("slow-header", slow(None))
    add("slow-trailers", slow(1))
    add("metadata", abort(filter_metadata={"a": "b"}))
    add("max", delay("0.6s", max_active_faults=1))
    add("direct", abort(), [k.direct()])
    add("direct-cluster", abort(upstream_cluster="up"), [k.direct()])
    own = {"typed_per_filter_config": {NAME: {"@type": TYPE, **abort(418)}}}
    none = {"typed_per_filter_config": {NAME: {"@type": TYPE}}}
    add("route", abort(), [{**k.route(match={"prefix": "/own"}), **own}, {**k.route(match={"prefix": "/none"}), **none}, k.route()])
    add("stats", abort())
    add("no-cluster-stats", abort(disable_downstream_cluster_stats=True))
    add("two", {}, filters=[fault(**delay("0.1s")), fault(**delay("0.1s"))])
    return launch(k.bootstrap(listeners, [k.cluster("up", [upstream])]), args=FLUSH)


def ask(proxy, listener, headers=(), path="/", method="GET", body=b""):
    with Client(proxy.address(listener)) as client:
        began = time.monotonic()
        answer = client.request(method, path, headers, body)
        return answer, time.monotonic() - began


def logged(logs, listener):
    lines = LogFile(os.path.join(logs, listener)).wait(1)
    return lines[-1] if lines else None


def counters(proxy, prefix):
    status, *rest = proxy.admin("/stats")
    text = rest[-1]
    text = text.decode() if isinstance(text, bytes) else text
    found = {}
    for line in text.splitlines():
        name, _, value = line.partition(": ")
        if name.startswith(f"http.{prefix}.fault."):
            found[name[len(f"http.{prefix}.fault."):]] = int(value)
    return found


@pytest.mark.parametrize("index", range(len(CASES)), ids=[c[0] for c in CASES])
def test_answer(proxy, index):
    _, _, headers, status, why = CASES[index]
    answer, _ = ask(proxy, f"case-{index}", headers)
    assert answer.status == status
    if "fault_filter_abort" in why:
        assert answer.body == b"fault filter abort" and answer.get("content-type") == "text/plain"
    else:
        assert answer.body == b"ok"


@pytest.mark.parametrize("name", ["abort", "delay, then abort", "no fault may be active", "header abort, grpc"])
def test_flags_and_details(proxy, logs, name):
    index = [c[0] for c in CASES].index(name)
    ask(proxy, f"case-{index}", CASES[index][2])
    assert logged(logs, f"case-{index}") == CASES[index][4] + " -"


def test_delay(proxy, logs):
    answer, seconds = ask(proxy, "delay", method="POST", body=b"abc")
    assert answer.status == 200 and 0.25 <= seconds < 1
    assert logged(logs, "delay") == DI + " -"
    assert counters(proxy, "delay")["delays_injected"] == 1


def test_delay_by_header(proxy):
    answer, seconds = ask(proxy, "header-delay", [("x-envoy-fault-delay-request", "300")])
    assert answer.status == 200 and 0.3 <= seconds < 1


def test_two_filters_delay_twice(proxy):
    answer, seconds = ask(proxy, "two")
    assert answer.status == 200 and 0.2 <= seconds < 1


def test_half_of_them(proxy):
    with Client(proxy.address("half")) as client:
        aborted = sum(client.request().status == 503 for _ in range(200))
    assert 60 <= aborted <= 140  # more than six standard deviations each way


@pytest.mark.parametrize("listener,headers,status", [
    ("grpc", [], "14"), ("grpc-503", [], "14"), ("grpc-header", [("x-envoy-fault-abort-grpc-request", "5")], "5")])
def test_grpc(proxy, listener, headers, status):
    answer, _ = ask(proxy, listener, GRPC + headers, method="POST", body=b"\0\0\0\0\0")
    assert answer.status == 200 and answer.body == b""
    assert answer.all("grpc-status") == [status] and answer.get("content-type") == "application/grpc"
    assert answer.all("grpc-message") == ["fault filter abort"]


def test_grpc_status_that_there_is_not(proxy, settle):
    answer, _ = ask(proxy, "grpc-header", GRPC + [("x-envoy-fault-abort-grpc-request", "99")], method="POST", body=b"x")
    expected = differs("`x-envoy-fault-abort-grpc-request: 99`", envoy=["99"], martlet=[], why="gRPC has the codes 0 to 16 and no others")
    assert answer.all("grpc-status") == settle(expected)


@pytest.mark.parametrize("listener,headers", [("slow", []), ("slow-header", [("x-envoy-fault-throughput-response", "40")])])
def test_slow_response(proxy, upstream, listener, headers):
    body = bytes(range(256)) * 60
    upstream.respond = ok(body)
    answer, seconds = ask(proxy, listener, headers)
    assert answer.body == body
    assert 0.25 <= seconds < 1.5  # 15 KiB at 40 KiB/s, 2 KiB of them at once
    assert counters(proxy, listener)["response_rl_injected"] >= 1


def test_slow_chunks(proxy, upstream):
    upstream.respond = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + b"".join(
        b"400\r\n" + bytes([65 + i]) * 1024 + b"\r\n" for i in range(10)) + b"0\r\n\r\n"
    answer, seconds = ask(proxy, "slow")
    assert answer.body == b"".join(bytes([65 + i]) * 1024 for i in range(10))
    assert 0.15 <= seconds < 1.5


def test_a_response_without_a_body_is_not_slow(proxy, upstream):
    upstream.respond = b"HTTP/1.1 204 No Content\r\n\r\n"
    answer, seconds = ask(proxy, "slow")
    assert answer.status == 204 and seconds < 0.2


def test_no_limit_by_header(proxy, upstream):
    upstream.respond = ok(b"a" * 100000)
    for headers in ([], [("x-envoy-fault-throughput-response", "0")], [("x-envoy-fault-throughput-response", "x")]):
        answer, seconds = ask(proxy, "slow-header", headers)
        assert len(answer.body) == 100000 and seconds < 0.5


def test_metadata(proxy, logs):
    ask(proxy, "metadata")
    assert logged(logs, "metadata") == FI + " b"


def test_at_most_so_many(proxy):
    results = []
    threads = [threading.Thread(target=lambda: results.append(ask(proxy, "max")[1])) for _ in range(3)]
    for thread in threads:
        thread.start()
        time.sleep(0.05)
    for thread in threads:
        thread.join()
    assert sorted(seconds >= 0.6 for seconds in results) == [False, False, True]
    found = counters(proxy, "max")
    assert found["faults_overflow"] == 2 and found["active_faults"] == 0 and found["delays_injected"] == 1


def test_a_client_that_goes_ends_its_fault(proxy):
    with Client(proxy.address("max")) as client:
        client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        time.sleep(0.1)
        assert counters(proxy, "max")["active_faults"] == 1
    deadline = time.monotonic() + 2
    while counters(proxy, "max")["active_faults"] and time.monotonic() < deadline:
        time.sleep(0.02)
    assert counters(proxy, "max")["active_faults"] == 0


@pytest.mark.parametrize("listener,status", [("direct", 503), ("direct-cluster", 200)])
def test_routes_that_do_not_forward(proxy, listener, status):
    assert ask(proxy, listener)[0].status == status


@pytest.mark.parametrize("path,status", [("/own", 418), ("/none", 200), ("/", 503)])
def test_routes(proxy, path, status):
    assert ask(proxy, "route", path=path)[0].status == status


def test_counters(proxy):
    ask(proxy, "stats")
    ask(proxy, "stats", [("x-envoy-downstream-service-cluster", "cl")])
    found = counters(proxy, "stats")
    assert found["aborts_injected"] == 2 and found["delays_injected"] == 0 and found["active_faults"] == 0
    ask(proxy, "no-cluster-stats", [("x-envoy-downstream-service-cluster", "cl")])
    assert not any("cl" in name.split(".") for name in counters(proxy, "no-cluster-stats"))


@pytest.mark.only("martlet", "the name of the plain form is the ABI's, which puts a label's value last")
def test_counters_by_the_clients_cluster(proxy):
    ask(proxy, "stats", [("x-envoy-downstream-service-cluster", "cl2")])
    assert counters(proxy, "stats")["aborts_injected.cl2"] == 1


STATUS = differs("a runtime value that is no HTTP status, for an abort's status", envoy=700, martlet=503, why="Nothing else could read such an answer")
# (name, the filter's fields, runtime, status, least seconds)
RUNTIME = [
    ("share", abort(percentage={"numerator": 0}), {"fault.http.abort.abort_percent": 100}, 503, 0),
    ("status", abort(), {"fault.http.abort.http_status": 444}, 444, 0),
    ("no status", abort(), {"fault.http.abort.http_status": 700}, STATUS, 0),
    ("grpc status of an http abort", abort(), {"fault.http.abort.grpc_status": 5}, 503, 0),
    ("none", abort(), {"fault.http.abort.abort_percent": 0}, 200, 0),
    ("duration", delay("5s"), {"fault.http.delay.fixed_duration_ms": 200}, 200, 0.2),
    ("no duration", delay("5s"), {"fault.http.delay.fixed_duration_ms": 0}, 200, 0),
    ("delay share", delay("0.2s", {"numerator": 0}), {"fault.http.delay.fixed_delay_percent": 100}, 200, 0.2),
    ("max", abort(), {"fault.http.max_active_faults": 0}, 200, 0),
    ("own keys", abort(percentage={"numerator": 0}, abort_percent_runtime="own.percent", abort_http_status_runtime="own.status"),
     {"own.percent": 100, "own.status": 499}, 499, 0),
    ("own keys, not the usual", abort(abort_percent_runtime="own.percent2"), {"fault.http.abort.abort_percent": 0}, 503, 0),
    ("limit share", slow(1), {"fault.http.rate_limit.response_percent": 0}, 200, 0),
    ("a fraction", abort(percentage={"numerator": 0}), {"fault.http.abort.abort_percent": {"numerator": 1000000, "denominator": "MILLION"}}, 503, 0),
]


@pytest.mark.parametrize("name,fields,runtime,status,seconds", RUNTIME, ids=[c[0] for c in RUNTIME])
def test_runtime(launch_once, upstream, settle, name, fields, runtime, status, seconds):
    hcm = k.hcm([k.route()], stat_prefix="r")
    hcm["typed_config"]["http_filters"].insert(0, fault(**fields))
    proxy = launch_once(k.bootstrap([k.listener("main", hcm)], [k.cluster("up", [upstream])], runtime=runtime))
    answer, took = ask(proxy, "main")
    assert answer.status == settle(status) and seconds <= took < seconds + 1


CODES = differs("`grpc_status: 17` of a fault", envoy="taken", martlet="refused", why="gRPC has the codes 0 to 16 and no others")
NESTED = differs("lists, structs and null in `filter_metadata` of a fault", envoy="taken", martlet="refused",
                 why="Filters of Martlet set metadata as text, numbers and truth values")
CONFIGURATIONS = [
    (abort(100), "refused", "http_status"), (abort(600), "refused", "http_status"), (delay("0s"), "refused", "fixed_delay"),
    ({"abort": {"percentage": ALL}}, "refused", "abort"), ({"delay": {"percentage": ALL}}, "refused", "delay"),
    ({"response_rate_limit": {"fixed_limit": {"limit_kbps": 0}}}, "refused", "limit_kbps"),
    ({"response_rate_limit": {}}, "refused", "response_rate_limit"), ({"headers": [{"name": ""}]}, "refused", "name"),
    ({"headers": [{"name": "a", "string_match": {"safe_regex": {"regex": "("}}}]}, "refused", "regex"),
    ({"abort": {"grpc_status": 17, "percentage": ALL}}, CODES, "grpc_status"),
    ({"filter_metadata": {"a": [1]}}, NESTED, "filter_metadata"), ({"no_such_field": 1}, "refused", "no_such_field"),
    ({"max_active_faults": 5}, "taken", ""),
]


@pytest.mark.parametrize("index", range(len(CONFIGURATIONS)))
def test_configuration(launch_once, upstream, settle, kind, index):
    fields, verdict, named = CONFIGURATIONS[index]
    hcm = k.hcm([k.route()], stat_prefix="r")
    hcm["typed_config"]["http_filters"].insert(0, fault(**fields))
    try:
        launch_once(k.bootstrap([k.listener("main", hcm)], [k.cluster("up", [upstream])]))
        taken, message = "taken", ""
    except StartFailed as failure:
        taken, message = "refused", str(failure)
    assert taken == settle(verdict), message
    if kind == "martlet":
        assert named in message
