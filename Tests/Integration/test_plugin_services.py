"""Services for every scope, driven through the probe: log, clocks, timers, wake, memory, metrics, formats, expressions, runtime,
shared data, facts, metadata and filter state."""

import re
import time

import pytest

from harness import config as k
from harness import plugins as p
from harness.client import Client
from harness.logs import FLUSH, LogFile
from harness.plugins import do, script_header
from harness.upstream import ok

pytestmark = pytest.mark.only("martlet", "Envoy has no such plugins")

DEFINE = [
    {"metric": "calls"}, {"metric": "calls", "name": "calls again"}, {"metric": "busy", "kind": "gauge"},
    {"metric": "sizes", "kind": "histogram"}, {"metric": "alone", "relative": False},
    {"metric": "by_tenant", "labels": ["tenant", "kind"]}, {"metric": "load", "kind": "gauge", "labels": ["zone"]},
    {"metric": "calls", "kind": "gauge", "name": "no", "expect": "CONFLICT"},
    {"metric": "by_tenant", "name": "plain too"}, {"metric": "by_tenant", "name": "no", "kind": "gauge", "labels": ["tenant"], "expect": "CONFLICT"},
    {"metric": "", "name": "no", "expect": "ARGUMENT"}, {"metric": "odd", "kind": "nothing", "expect": "ARGUMENT"},
    {"metric": "labelled", "kind": "histogram", "labels": ["a"], "expect": "ARGUMENT"},
    {"metric": "twice", "labels": ["a", "a"], "expect": "ARGUMENT"},
    {"header": "x-a"}, {"header": "no name", "expect": "ARGUMENT"}, {"header": "", "name": "no", "expect": "ARGUMENT"},
    {"format": "%REQ(x-user)% at %REQ(:path)%", "name": "user"}, {"format": "%PROTOCOL%/%ROUTE_NAME%", "name": "route"},
    {"format": "plain", "name": "plain"}, {"format": "%DYNAMIC_METADATA(my.space:k)%|%FILTER_STATE(my.state:PLAIN)%", "name": "left"},
    {"regex": "a+(b*)", "name": "ab"}, {"regex": "(\\w+)@(\\w+)", "name": "mail"},
    {"runtime": "probe.number", "name": "number"}, {"runtime": "probe.truth", "name": "truth"}, {"runtime": "probe.share", "name": "share"},
    {"runtime": "probe.fraction", "name": "fraction"}, {"runtime": "probe.nothing", "name": "nothing"},
]
RUNTIME = {"probe.number": 42, "probe.truth": True, "probe.share": 25, "probe.fraction": {"numerator": 5, "denominator": "TEN_THOUSAND"}}
WORKER = {
    "worker_create": [do("set_timer", timer=3, milliseconds=10), do("set_timer", timer=8, milliseconds=10, expect="ARGUMENT"),
                      do("add", metric="alone", amount=100), do("series_add", metric="load", values=["east"], amount=7)],
    "worker_timer": [do("add", metric="alone", amount=1000)],
    "worker_wake": [do("add", metric="alone", amount=10000, when={"number": 77}), do("say", text="worker woke")],
    "config_create": [do("set_timer", timer=7, milliseconds=10), do("set_timer", timer=8, milliseconds=1, expect="ARGUMENT")],
    "config_timer": [do("say", text="config timer", when={"number": 7}), do("wake", token=5), do("add", metric="alone", expect="GONE")],
    "config_wake": [do("say", text="config woke", when={"number": 5})],
}


@pytest.fixture(scope="module")
def access(tmp_path_factory):
    return LogFile(tmp_path_factory.mktemp("logs") / "access")


@pytest.fixture(scope="module")
def proxy(launch, workshop, upstream, tmp_path_factory, access):
    folder = tmp_path_factory.mktemp("plugins")
    p.put(workshop.build("probe"), folder, "probe.so")
    route = {**k.route(), "name": "everything"}
    log = k.access_log(access.path, "%DYNAMIC_METADATA(my.space:k)%|%FILTER_STATE(my.state:PLAIN)%|%RESPONSE_CODE_DETAILS%\n")
    web = p.hcm([p.probe("a", define=DEFINE, script=WORKER), p.probe("b", name="second")], [route], access_log=[log])
    return launch(k.bootstrap([k.listener(filters=web)], [k.cluster(endpoints=[upstream])], runtime=RUNTIME),
                  args=["--plugin-path", str(folder), *FLUSH])


@pytest.fixture
def ask(proxy):
    before = len(proxy.output())

    def ask(a=None, *, b=None, **fields):
        headers = list(fields.pop("headers", []))
        headers += [script_header(label, script) for label, script in (("a", a), ("b", b)) if script]
        with Client(proxy.address()) as client:
            response = client.request(headers=headers, **fields)
        assert response.status == 200
        return response

    yield ask
    time.sleep(0.03)
    assert [line for line in proxy.output()[before:].splitlines() if "WRONG" in line] == []


def check(value, should):
    return do("check", **{"is": value, "should": should})


def wait_for(check, timeout=3.0):
    deadline = time.monotonic() + timeout
    while not check() and time.monotonic() < deadline:
        time.sleep(0.01)
    return check()


def test_nothing_was_wrong_at_the_start(proxy):
    assert "WRONG" not in proxy.output()


def test_tables_are_found_by_their_ids(ask):
    services = ["core", "config", "metrics", "text", "shared_data", "stream_info", "network", "http"]
    reserved = ["upstream", "http_callout", "grpc_callout", "secrets"]
    ask({"request_headers": [do("query", id=f"martlet.host.{name}/1") for name in services]
         + [do("query", id=f"martlet.host.{name}/1", expect="NOT_FOUND") for name in reserved]
         + [do("query", id=id, expect="NOT_FOUND") for id in ("", "martlet.host.core", "martlet.host.core/2", "martlet.plugin.http_filter/1")]})


# ---- Core

def test_log_lines_have_the_filters_name(ask, proxy):
    ask({"request_headers": [do("log", text="of the stream", level=3, **{"as": "on"}), check("${on}", "1"),
                             do("log", text="not written", level=0, **{"as": "on"}), check("${on}", "0"),
                             do("log", text="no level", level=6, expect="ARGUMENT"), do("log", text="of the plugin", handle="plugin"),
                             do("log", text="of the worker", handle="worker"), do("log", text="of nobody", handle="zero", expect="ARGUMENT")]})
    lines = proxy.output().splitlines()
    for owner in ("stream", "plugin", "worker"):
        (line,) = [line for line in lines if f"of the {owner}" in line]
        assert re.search(r"com\.example\.probe", line), line
    assert "not written" not in proxy.output() and "no level" not in proxy.output()


def test_clocks_and_random(ask):
    ask({"request_headers": [do("clocks", **{"as": "right"}), check("${right}", "1")]})


def test_memory(ask):
    ask({"request_headers": [do("memory", size=size, **{"as": "right"}) for size in (1, 1000, 1000000)] + [check("${right}", "1")]})


@pytest.mark.parametrize("timer", range(8))
def test_timers_of_a_stream(ask, timer):
    start = time.monotonic()
    ask({"request_headers": [do("set_timer", timer=timer, milliseconds=40), "stop_all"],
         "timer": [do("continue", on="request", when={"number": timer})]})
    assert 0.03 < time.monotonic() - start < 1


def test_timers_replaced_and_taken_off(ask):
    response = ask({"request_headers": [
        do("set_timer", timer=0, milliseconds=1), do("set_timer", timer=0, milliseconds=60), do("set_timer", timer=1, milliseconds=5),
        do("set_timer", timer=1, milliseconds=0), do("set_timer", timer=2, milliseconds=20), do("set_timer", timer=8, milliseconds=1, expect="ARGUMENT"),
        "stop_all"], "timer": [do("continue", on="request", when={"number": 0})],
        "response_headers": [do("header_set", map="response", name="x-trace", value="${trace}")]})
    assert re.findall(r"timer:\d", response.get("x-trace")) == ["timer:2", "timer:0"]


def test_timers_of_other_scopes_are_theirs(ask):
    ask({"request_headers": [do("set_timer", handle=handle, expect="GONE", milliseconds=1) for handle in ("config", "zero", "plugin")]})


def test_wake_from_the_worker(ask):
    response = ask({"request_headers": [do("wake", token=1), do("wake", token=2), do("wake", token=3), "stop_all"],
                    "wake": [do("continue", on="request", when={"number": 3})],
                    "response_headers": [do("header_set", map="response", name="x-trace", value="${trace}")]})
    assert re.findall(r"wake:\d", response.get("x-trace")) == ["wake:1", "wake:2", "wake:3"]


def test_wake_from_a_thread(ask):
    """On which nothing of the stream is to be had."""
    ask({"request_headers": [do("wake_from_thread", token=18446744073709, milliseconds=30, act=True), "stop_all"],
         "wake": [do("continue", on="request")]})


def test_wake_after_the_end(ask, proxy):
    """Nothing happens, and nothing of the stream is to be had."""
    before = len(proxy.output())
    ask({"request_headers": [do("wake_from_thread", token=4242, milliseconds=100, act=True), do("wake_from_thread", token=4243, milliseconds=100)],
         "wake": [do("say", text="woke")]})
    assert wait_for(lambda: "wake 4242 gave" in proxy.output()[before:] and "wake 4243 gave" in proxy.output()[before:])
    ask({})
    assert "said woke" not in proxy.output()[before:]


def test_wake_of_a_worker_and_a_config(ask, proxy):
    before = len(proxy.output())
    ask({"request_headers": [do("wake", token=77, handle="worker"), do("wake", token=5, handle="config"), do("wake", handle="zero", expect="GONE")]})
    assert wait_for(lambda: "config woke" in proxy.output()[before:] and "worker woke" in proxy.output()[before:])
    assert proxy.wait_stat("alone", lambda value: value >= 10000) >= 10000


def test_timers_of_workers_and_configs(proxy):
    assert proxy.wait_stat("alone", lambda value: value % 10000 >= 1100) % 10000 >= 1100
    assert wait_for(lambda: "config timer" in proxy.output()) and wait_for(lambda: "config woke" in proxy.output())


# ---- Metrics

def test_counters_and_gauges(ask, proxy):
    before = proxy.stat("http.main.calls") or 0
    ask({"request_headers": [do("add", metric="calls", amount=3), do("add", metric="calls again", amount=4),
                             do("add", metric="busy", amount=10), do("subtract", metric="busy", amount=4)],
         "complete": [do("subtract", metric="busy", amount=6), do("add", metric="calls", amount=1)]})
    assert proxy.wait_stat("http.main.calls", before + 8) == before + 8
    assert proxy.wait_stat("http.main.busy", 0) == 0


def test_metrics_that_are_none(ask):
    ask({"request_headers": [do("add", metric=4711, expect="ARGUMENT"), do("subtract", metric="calls", expect="ARGUMENT"),
                             do("record", metric="calls", expect="ARGUMENT"), do("add", metric="sizes", expect="ARGUMENT"),
                             do("add", metric="by_tenant", expect="ARGUMENT"),
                             do("series_add", metric="calls", values=["a"], expect="ARGUMENT"),
                             do("series_add", metric="by_tenant", values=["a"], expect="ARGUMENT"),
                             do("series_add", metric="by_tenant", values=["a", "b", "c"], expect="ARGUMENT"),
                             do("add", metric="calls", handle="config", expect="GONE"), do("add", metric="calls", handle="zero", expect="GONE")]})


def prometheus(proxy, name):
    return [line for line in proxy.admin("/stats/prometheus")[1].splitlines() if name in line and not line.startswith("#")]


def test_histograms(ask, proxy):
    for amount in (1, 10, 1000):
        ask({"request_headers": [do("record", metric="sizes", amount=amount)]})
    (line,) = [line for line in prometheus(proxy, "main_sizes_count") or prometheus(proxy, "sizes_count")]
    assert line.split()[-1] == "3"


def test_families(ask, proxy):
    ask({"request_headers": [do("series_add", metric="by_tenant", values=["red", "big"], amount=2), do("series_add", metric="by_tenant", values=["red", "big"]),
                             do("series_add", metric="by_tenant", values=["blue", 'with "quotes"\n'])]})
    lines = prometheus(proxy, "by_tenant")
    assert any('tenant="red"' in line and 'kind="big"' in line and line.endswith(" 3") for line in lines), lines
    assert any('tenant="blue"' in line and line.endswith(" 1") for line in lines), lines
    assert any('zone="east"' in line and line.endswith(" 7") for line in prometheus(proxy, "load"))


def test_families_are_bounded(ask, proxy):
    ask({"request_headers": [do("series_add", metric="by_tenant", values=["n", "many"], times=1500)]})
    lines = [line for line in prometheus(proxy, "by_tenant") if "tenant=" in line]
    assert len(lines) <= 1001
    (overflow,) = [line for line in lines if 'tenant="overflow"' in line and 'kind="overflow"' in line]
    assert int(overflow.split()[-1]) >= 500


# ---- Text

@pytest.mark.parametrize("name, expected", [("user", "ada at /there"), ("route", "HTTP/1.1/everything"), ("plain", "plain"), ("left", "|")])
def test_formats(ask, name, expected):
    ask({"request_headers": [do("format", format=name, **{"as": "text"}), check("${text}", expected)]},
        path="/there", headers=[("x-user", "ada")])


def test_formats_see_what_filters_change(ask):
    ask({"request_headers": [do("header_set", name="x-user", value="bob"), do("format", format="user", **{"as": "text"}), check("${text}", "bob at /")],
         "response_headers": [do("format", format="user", **{"as": "text"}), check("${text}", "bob at /")]}, headers=[("x-user", "ada")])


@pytest.mark.parametrize("text, expected", [("aab", "1"), ("a", "1"), ("", "0"), ("xaab", "0"), ("aabx", "0")])
def test_expressions_match_the_whole(ask, text, expected):
    ask({"request_headers": [do("matches", regex="ab", text=text, **{"as": "m"}), check("${m}", expected)]})


@pytest.mark.parametrize("text, substitution, expected", [
    ("ada@home, bob@work", r"\2:\1", "home:ada, work:bob"), ("nothing", "x", "nothing"), ("a@b", r"<\0>", "<a@b>"), ("a@b", "", ""),
    ("", "x", ""), ("a@b" * 2000, "c", None)])
def test_expressions_replace(ask, text, substitution, expected):
    steps = [do("replace", regex="mail", text=text, substitution=substitution, **{"as": "t"})]
    if expected is not None:
        steps.append(check("${t}", expected))
    ask({"request_headers": steps})


def test_texts_that_are_not_defined(ask):
    ask({"request_headers": [do("format", format=4711, expect="ARGUMENT"), do("matches", regex=4711, text="x", expect="ARGUMENT"),
                             do("replace", regex=4711, text="x", substitution="y", expect="ARGUMENT"),
                             do("runtime_number", key=4711, expect="ARGUMENT"), do("runtime_boolean", key=4711, expect="ARGUMENT"),
                             do("runtime_share", key=4711, expect="ARGUMENT"), do("format", format="plain", handle="zero", expect="GONE")]})


RUNTIME_CASES = [
    (do("runtime_number", key="number", otherwise=7), "42"), (do("runtime_number", key="nothing", otherwise=7), "7"),
    (do("runtime_boolean", key="truth", otherwise=False), "1"), (do("runtime_boolean", key="nothing", otherwise=True), "1"),
    (do("runtime_boolean", key="nothing", otherwise=False), "0"),
    (do("runtime_share", key="share", numerator=0, denominator=100, random=24), "1"),
    (do("runtime_share", key="share", numerator=0, denominator=100, random=25), "0"),
    (do("runtime_share", key="fraction", numerator=0, denominator=100, random=4), "1"),
    (do("runtime_share", key="fraction", numerator=0, denominator=100, random=5), "0"),
    (do("runtime_share", key="nothing", numerator=1, denominator=1000000, random=0), "1"),
    (do("runtime_share", key="nothing", numerator=1, denominator=1000000, random=1), "0"),
    (do("runtime_share", key="nothing", numerator=100, denominator=100, random=99), "1"),
]


@pytest.mark.parametrize("step, expected", RUNTIME_CASES)
def test_runtime(ask, step, expected):
    ask({"request_headers": [{**step, "as": "v"}, check("${v}", expected)]})


# ---- Shared data

def test_shared_data(ask):
    ask({"request_headers": [
        do("shared_remove", key="k", status_as="s"), do("shared_get", key="k", expect="NOT_FOUND"), do("shared_set", key="k", value="one", expected="none"),
        do("shared_set", key="k", value="two", expected="none", expect="CONFLICT"), do("shared_get", key="k", **{"as": "v"}), check("${v}", "one"),
        do("shared_set", key="k", value="two", expected="${version}"), do("shared_set", key="k", value="three", expected="${version}", expect="CONFLICT"),
        do("shared_get", key="k", capacity=2, **{"as": "v"}), check("${v}", "tw"), check("${size}", "3"),
        do("shared_set", key="k", value="", expected="0"), do("shared_get", key="k", **{"as": "v"}), check("${v}", ""), check("${size}", "0"),
        do("shared_set", key="big", value="0123456789abcdef", repeat=4097, expect="LIMIT"),
        do("shared_get", key="k", handle="config", **{"as": "v"}), do("shared_get", key="k", handle="zero", expect="GONE")]},
        b={"request_headers": [do("shared_get", key="k", **{"as": "v"}), do("shared_remove", key="k"), do("shared_remove", key="k", expect="NOT_FOUND")]})


# ---- Facts

FACTS = [
    # attribute, number of it, what the text must be, in the response
    ("text", 0, r"127\.0\.0\.1:\d+"), ("text", 1, r"127\.0\.0\.1:\d+"), ("text", 2, r"127\.0\.0\.1:\d+"), ("text", 16, "everything"),
    ("text", 17, "all"), ("text", 18, "up"), ("text", 19, r"127\.0\.0\.1:\d+"), ("text", 20, "via_upstream"), ("text", 22, r"HTTP/1\.1"),
    ("number", 0, r"[1-9]\d*|0"), ("number", 1, r"1\d{18}|2\d{18}"), ("number", 2, r"\d+"), ("number", 16, "200"), ("number", 17, "1"),
    ("number", 18, "5"), ("number", 20, "1"),
]


@pytest.mark.parametrize("what, attribute, expected", FACTS)
def test_facts(ask, what, attribute, expected):
    response = ask({"response_headers": [do(what, attribute=attribute, **{"as": "v"}), do("header_set", map="response", name="x-fact", value="${v}")]},
                   method="POST", body=b"hello")
    assert re.fullmatch(expected, response.get("x-fact")), response.get("x-fact")


@pytest.mark.parametrize("what, attribute, status", [
    ("text", 4, "ARGUMENT"), ("text", 99, "ARGUMENT"), ("text", -1, "ARGUMENT"), ("number", 3, "ARGUMENT"), ("number", 99, "ARGUMENT"),
    ("text", 19, "NOT_FOUND"), ("text", 20, "NOT_FOUND"), ("text", 21, "NOT_FOUND")])
def test_facts_that_there_are_not(ask, what, attribute, status):
    ask({"request_headers": [do(what, attribute=attribute, expect=status)]})


def test_the_bytes_of_the_response(ask, upstream):
    upstream.respond = ok(b"x" * 1234)
    ask({"complete": [do("number", attribute=19, **{"as": "n"}), check("${n}", "1234"),
                      do("text", attribute=20, **{"as": "d"}), check("${d}", "via_upstream")]})


@pytest.mark.parametrize("flag", ["DI", "FI", "RL", "RLSE", "UAEX", "RFCF", "DO"])
def test_response_flags(ask, flag):
    ask({"request_headers": [do("add_response_flag", flag=flag), do("add_response_flag", flag="XX", expect="ARGUMENT")],
         "response_headers": [do("text", attribute=21, **{"as": "f"}), check("${f}", flag)]})


def test_metadata_and_filter_state(ask):
    ask({"request_headers": [
        do("metadata", namespace="my.space", key="k", expect="NOT_FOUND"), do("filter_state", key="my.state", expect="NOT_FOUND"),
        do("set_metadata", namespace="my.space", key="k", value="text"), do("set_filter_state", key="my.state", value="state"),
        do("set_metadata", namespace="my.space", key="n", value=1.5), do("set_metadata", namespace="my.space", key="whole", value=42),
        do("set_metadata", namespace="my.space", key="t", value=True)]},
        b={"request_headers": [
            do("metadata", namespace="my.space", key="k", **{"as": "v"}), check("${v}", "text"),
            do("metadata", namespace="my.space", key="n", **{"as": "v"}), check("${v}", "1.5"),
            do("metadata", namespace="my.space", key="whole", **{"as": "v"}), check("${v}", "42"),
            do("metadata", namespace="my.space", key="t", **{"as": "v"}), check("${v}", "true"),
            do("metadata", namespace="my.space", key="other", expect="NOT_FOUND"), do("metadata", namespace="other", key="k", expect="NOT_FOUND"),
            do("set_metadata", namespace="my.space", key="k", value="new"), do("metadata", namespace="my.space", key="k", **{"as": "v"}),
            check("${v}", "new"), do("filter_state", key="my.state", **{"as": "v"}), check("${v}", "state")]})


def test_metadata_in_formats(ask):
    ask({"request_headers": [do("set_metadata", namespace="my.space", key="k", value="text"), do("set_filter_state", key="my.state", value="state"),
                             do("format", format="left", **{"as": "v"}), check("${v}", "text|state")]})


@pytest.mark.parametrize("hook", ["request_headers", "response_headers", "complete"])
def test_metadata_in_access_logs(ask, access, hook):
    ask({hook: [do("set_metadata", namespace="my.space", key="k", value=f"set in {hook}"), do("set_filter_state", key="my.state", value="there")]})
    # Lines of the tests before may still come: the log is written at intervals.
    deadline = time.monotonic() + 3
    while not (lines := [line for line in access.lines() if f"set in {hook}|" in line]) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert lines == [f"set in {hook}|there|via_upstream"]


@pytest.mark.parametrize("step", [
    do("text", attribute=0), do("number", attribute=0), do("set_metadata", namespace="a", key="b", value="c"),
    do("set_metadata", namespace="a", key="b", value=1),
    do("set_metadata", namespace="a", key="b", value=True), do("metadata", namespace="a", key="b"), do("set_filter_state", key="a", value="b"),
    do("filter_state", key="a"), do("add", metric="calls"), do("format", format="plain"), do("replace", regex="ab", text="a", substitution="b"),
    do("set_timer", milliseconds=1)], ids=lambda step: step["do"])
def test_a_handle_of_nothing(ask, step):
    ask({"request_headers": [do("remember")]})
    time.sleep(0.02)
    ask({"request_headers": [{**step, "handle": handle, "expect": "GONE"} for handle in ("remembered", "zero")]})
