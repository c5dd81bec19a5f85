"""What calls into plugins cost: exact counts, sampled time, bytes, and who was over his budget or stuck, by name."""

import hashlib
import json
import re
import threading
import time

import pytest

from harness import config as k
from harness import plugins as p
from harness.client import Client
from test_plugin_blame import faulty, faulty_network, folder, library, web  # noqa: F401

pytestmark = pytest.mark.only("martlet", "Envoy has no such accounts")


def policies(default=None, **own):
    fields = {"policies": {name.replace("_", "."): value for name, value in own.items()}}
    if default:
        fields["default_policy"] = default
    return {"bootstrap_extensions": [{"name": "martlet.plugins", "typed_config": {
        "@type": "type.googleapis.com/martlet.bootstrap.v1.Plugins", **fields}}]}


@pytest.fixture
def start(launch_once, folder):  # noqa: F811
    def start(config, *, concurrency=1, **options):
        return launch_once(config, args=["--plugin-path", str(folder)], concurrency=concurrency, **options)
    return start


def ask(proxy, count=1, path="/", connections=1):
    for _ in range(connections):
        with Client(proxy.address()) as client:
            for _ in range(count):
                assert client.request(path=path).status == 200


def short(library):  # noqa: F811
    with open(library, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()[:12]


def wait_for(check, timeout=5.0):
    deadline = time.monotonic() + timeout
    while not check() and time.monotonic() < deadline:
        time.sleep(0.02)
    return check()


def lines(proxy, text):
    return [line for line in proxy.output().splitlines() if text in line]


def functions(proxy):
    plugins = json.loads(proxy.admin("/plugins")[1])["plugins"]
    (one,) = [one for one in plugins if one["id"] == "com.example.faulty"]
    return {(f["filter"], f["function"]): f for f in one["functions"]}


@pytest.mark.parametrize("concurrency", [1, 2])
def test_calls_are_counted_exactly(start, library, concurrency):  # noqa: F811
    proxy = start(web([faulty("nowhere", "nothing", name="first"), faulty("nowhere", "nothing", name="second")]), concurrency=concurrency)
    ask(proxy, 25, connections=8)
    prefix = f"plugin.com.example.faulty.{short(library)}"
    for name in ("first", "second"):
        for hook in ("create", "on_request_headers", "on_response_headers", "on_complete", "destroy"):
            assert proxy.wait_stat(f"{prefix}.filter.{name}.{hook}.calls", lambda seen: seen >= 200) == 200, hook
        # The body, and its end.
        assert proxy.stat(f"{prefix}.filter.{name}.on_response_body.calls") == 400
        assert proxy.stat(f"{prefix}.filter.{name}.worker_create.calls") == concurrency
        assert proxy.stat(f"{prefix}.filter.{name}.config_create.calls") == 1
        assert proxy.stat(f"{prefix}.filter.{name}.on_request_body.calls") is None
    assert not [name for name in proxy.stats() if name.startswith(prefix) and (".open." in name or ".query." in name)]


def test_the_admin_page_has_them(start):
    proxy = start(web([faulty("nowhere", "nothing", name="mine")]))
    ask(proxy, 10)
    assert wait_for(lambda: functions(proxy)[("mine", "destroy")]["calls"] == 10)
    found = functions(proxy)
    assert found[("", "open")]["calls"] == 1 and found[("mine", "config_create")]["calls"] == 1
    one = found[("mine", "on_request_headers")]
    assert one["calls"] == 10 and one["over_budget"] == 0 and one["allocated_bytes"] == 0 and 0 < one["time_ns"] < 10_000_000


def test_prometheus_has_labels(start, library):  # noqa: F811
    proxy = start(web([faulty("nowhere", "nothing", name="mine")]))
    ask(proxy, 3)
    labels = f'plugin="com.example.faulty",sha256="{short(library)}",filter="mine",function="on_request_headers"'
    assert wait_for(lambda: f"envoy_plugin_calls{{{labels}}} 3" in proxy.admin("/stats/prometheus")[1]), proxy.admin("/stats/prometheus?filter=plugin")[1]
    text = proxy.admin("/stats/prometheus")[1]
    for name in ("time_ns", "over_budget", "allocated_bytes"):
        assert text.count(f"# TYPE envoy_plugin_{name} counter\n") == 1 and f"envoy_plugin_{name}{{{labels}}}" in text


def test_time_is_sampled_and_scaled(start, library):  # noqa: F811
    proxy = start(web([faulty("on_request_headers", "block", ms=1)]))
    ask(proxy, 512)
    one = functions(proxy)[("com.example.faulty", "on_request_headers")]
    # Call 1 stands for itself, call 257 for those since then.
    assert 256e6 < one["time_ns"] < 1600e6, one
    ask(proxy, 1)
    assert functions(proxy)[("com.example.faulty", "on_request_headers")]["time_ns"] > one["time_ns"] + 250e6


def test_bytes_of_the_hosts_allocator(start):
    proxy = start(web([faulty("on_response_headers", "allocate")]))
    ask(proxy, 7)
    found = functions(proxy)
    assert 7 * 1000 <= found[("com.example.faulty", "on_response_headers")]["allocated_bytes"] <= 7 * 1100
    assert found[("com.example.faulty", "on_request_headers")]["allocated_bytes"] == 0


def test_network_filters_are_counted_as_well(start, upstream):
    config = k.bootstrap([k.listener(filters=[faulty_network("nowhere", "nothing"), k.tcp_proxy()])], [k.cluster(endpoints=[upstream])])
    proxy = start(config)
    for _ in range(3):
        with Client(proxy.address()) as client:
            assert client.request().status == 200
    name = "com.example.faulty.network"
    assert wait_for(lambda: functions(proxy).get((name, "destroy"), {}).get("calls") == 3)
    found = functions(proxy)
    assert [found[(name, hook)]["calls"] for hook in ("create", "on_new_connection", "on_close")] == [3, 3, 3]
    assert found[(name, "on_data")]["calls"] >= 3


# ---- Budgets

OVER = (r"plugin com\.example\.faulty 1\.0\.0 \([0-9a-f]{12}\), filter %s, %s: (\d+) calls? (?:was|were) over the budget of "
        r"(\S+) ms, the longest yet took (\S+) ms")


# What is to be over a budget takes four times as long, and what is not a tenth: a machine that has something
# else to do for a while changes neither.
LONG, BUDGET = 400, {"call_budget": "0.1s"}


def over(proxy):
    return functions(proxy)[("com.example.faulty", "on_request_headers")]["over_budget"]


def test_a_call_over_the_budget_is_counted_and_named(start):
    proxy = start(web([faulty("on_request_headers", "block", ms=80, path="/slow")]))
    # Quick ones are not over 10 ms of themselves; that none is counted is the tests' below, whose budget is longer.
    ask(proxy, 3)
    ask(proxy, 2, path="/slow")
    assert wait_for(lambda: over(proxy) >= 2), functions(proxy)
    assert wait_for(lambda: lines(proxy, "over the budget"))
    found = re.search(OVER % (r"com\.example\.faulty", "on_request_headers"), lines(proxy, "over the budget")[0])
    assert found and found[2] == "10" and 10 < float(found[3]) < 1000, proxy.output()


def test_the_first_call_after_a_long_quiet_is_seen(start):
    proxy = start({**web([faulty("on_request_headers", "block", ms=LONG, path="/slow")]), **policies(default=BUDGET)})
    ask(proxy, 2)
    time.sleep(1.5)  # the watchdog sleeps by now
    ask(proxy, 1, path="/slow")
    assert wait_for(lambda: over(proxy) == 1), functions(proxy)


def test_a_quick_call_is_never_over(start):
    # Together they are over it many times.
    proxy = start({**web([faulty("on_request_headers", "block", ms=4)]), **policies(default=BUDGET)})
    ask(proxy, 150)
    assert over(proxy) == 0, functions(proxy)
    assert not lines(proxy, "over the budget")


def test_lines_are_few_and_the_count_is_whole(start):
    proxy = start({**web([faulty("on_request_headers", "block", ms=60)]), **policies(default={"call_budget": "0.005s"})})
    ask(proxy, 30)
    assert wait_for(lambda: over(proxy) == 30), functions(proxy)
    assert len(lines(proxy, "over the budget")) == 1


@pytest.mark.parametrize("where", ["default", "own"])
def test_the_budget_is_the_plugins(start, where):
    policy = {"call_budget": "0.500s"}
    extension = policies(default=policy) if where == "default" else policies(default={"call_budget": "0.001s"}, com_example_faulty=policy)
    proxy = start({**web([faulty("on_request_headers", "block", ms=40)]), **extension})
    ask(proxy, 5)
    time.sleep(0.2)
    assert over(proxy) == 0


def test_a_reload_changes_the_budget(start, folder):  # noqa: F811
    config = web([faulty("on_request_headers", "block", ms=100)])
    proxy = start({**config, **policies(default={"call_budget": "1s"})})
    ask(proxy, 2)
    with open(proxy.config_path, "w") as f:
        json.dump({**config, **policies(default={"call_budget": "0.010s"})}, f)
    assert proxy.admin("/plugins/reload", method="POST")[0] == 200
    ask(proxy, 2)
    assert wait_for(lambda: over(proxy) == 2)


def test_a_shorter_budget_holds_at_once(start, folder):  # noqa: F811
    # With a long one the watchdog looks every 100 ms; a call that follows the reload ends before that.
    config = web([faulty("on_request_headers", "block", ms=60, path="/slow")])
    proxy = start({**config, **policies(default={"call_budget": "1s"})})

    def load(budget):
        with open(proxy.config_path, "w") as f:
            json.dump({**config, **policies(default={"call_budget": budget})}, f)
        assert proxy.admin("/plugins/reload", method="POST")[0] == 200

    for turn in range(8):
        load("1s")
        ask(proxy, 2)
        time.sleep(0.013 * turn)
        load("0.010s")
        before = over(proxy)
        ask(proxy, 1, path="/slow")
        assert over(proxy) > before, (turn, functions(proxy))


@pytest.mark.parametrize("extension, expected", [
    ({"default_policy": {"call_budget": "0s"}}, r"default_policy\.call_budget"),
    ({"default_policy": {"stuck_after": "0.001s"}}, r"default_policy\.stuck_after"),
    ({"policies": {"a": {"on_crash": {"window": "0.5s"}}}}, r'policies\["a"\]\.on_crash\.window'),
    ({"policies": {"a": {"on_crash": {"retries": 1001}}}}, r'policies\["a"\]\.on_crash\.retries'),
    ({"policies": {"a": {"on_crash": {"then": "EXPLODE"}}}}, r'policies\["a"\]\.on_crash\.then'),
    ({"default_polcy": {}}, r"default_policy")])
def test_a_policy_that_is_wrong_has_its_path(tmp_path, extension, expected):
    from harness.process import run
    config = {**k.bootstrap([k.listener(filters=k.hcm([k.direct()]))]), **policies()}
    config["bootstrap_extensions"][0]["typed_config"].update(extension)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    done = run("martlet", "-c", str(path), "--mode", "validate")
    assert done.returncode == 1 and re.search(r"bootstrap_extensions\[0\]\.typed_config\.?.*" + expected, done.stderr), done.stderr


def test_a_policy_for_nobody_is_told(start, folder):  # noqa: F811
    proxy = start({**web([]), **policies(com_example_nobody={"call_budget": "1s"})})
    assert lines(proxy, 'no plugin of the id "com.example.nobody" is loaded')


# ---- Stuck calls

def test_a_stuck_call_is_named_once_and_when_it_ends(start):
    proxy = start({**web([faulty("on_request_headers", "block", ms=1200, path="/stuck")]), **policies(default={"stuck_after": "0.3s"})})
    slow = threading.Thread(target=lambda: ask(proxy, 1, path="/stuck?x=1"))
    slow.start()
    assert wait_for(lambda: lines(proxy, "] stuck for") or lines(proxy, " stuck for "), 2)
    slow.join()
    assert wait_for(lambda: lines(proxy, "no longer stuck"))
    (began,) = [line for line in proxy.output().splitlines() if re.search(r"\bstuck for", line)]
    (ended,) = lines(proxy, "no longer stuck")
    where = r"thread wrk:worker_0 \(\d+\) in plugin com\.example\.faulty 1\.0\.0 \([0-9a-f]{12}\), filter com\.example\.faulty, on_request_headers"
    assert re.search(r"stuck for (3|4)\d\d ms: " + where + r', connection \d+, GET "example\.com" "/stuck\?x=1"', began), began
    assert re.search(r"no longer stuck after 1[12]\d\d ms: " + where, ended), ended


def test_a_stuck_control_thread_is_named(launch_once, folder):  # noqa: F811
    proxy = launch_once({**web([faulty("config_create", "block", ms=1500)])}, args=["--plugin-path", str(folder)])
    assert wait_for(lambda: lines(proxy, "no longer stuck"))
    assert re.search(r"stuck for 1\d\d\d ms: thread plugins \(\d+\) in plugin com\.example\.faulty .*, config_create", proxy.output())


# ---- Families of metrics

def test_the_cap_of_a_family_holds_over_workers(launch_once, workshop, tmp_path):
    p.put(workshop.build("probe"), tmp_path, "probe.so")
    web_filters = p.hcm([p.probe("a", define=[{"metric": "by_name", "labels": ["name"]}])], [k.direct()])
    proxy = launch_once(k.bootstrap([k.listener(filters=web_filters)]), args=["--plugin-path", str(tmp_path)], concurrency=2)
    total, workers = 1300, set()
    threads = []

    def some(first):
        # A connection stays on its worker.
        with Client(proxy.address()) as client:
            for number in range(first, total, 8):
                script = {"request_headers": [p.do("series_add", metric="by_name", values=[f"n{number}"], amount=1)]}
                assert client.request(headers=[p.script_header("a", script)]).status == 200

    for first in range(8):
        threads.append(threading.Thread(target=some, args=(first,)))
        threads[-1].start()
    for thread in threads:
        thread.join()
    found = {name: value for name, value in proxy.stats().items() if name.startswith("http.main.by_name.")}
    assert sum(found.values()) == total
    assert len(found) <= 2 * 1000 + 1
    text = proxy.admin("/stats/prometheus?filter=by_name")[1]
    values = [int(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith("envoy_http_by_name{")]
    assert sum(values) == total and len(values) == len(found)


def test_what_is_over_the_cap_is_counted_under_overflow(launch_once, workshop, tmp_path):
    p.put(workshop.build("probe"), tmp_path, "probe.so")
    web_filters = p.hcm([p.probe("a", define=[{"metric": "by_name", "labels": ["name"]}])], [k.direct()])
    proxy = launch_once(k.bootstrap([k.listener(filters=web_filters)]), args=["--plugin-path", str(tmp_path)], concurrency=1)
    with Client(proxy.address()) as client:
        for first in range(0, 1100, 20):
            steps = [p.do("series_add", metric="by_name", values=[f"n{number}"], amount=1) for number in range(first, first + 20)]
            assert client.request(headers=[p.script_header("a", {"request_headers": steps})]).status == 200
    found = {name: value for name, value in proxy.stats().items() if name.startswith("http.main.by_name.")}
    assert len(found) == 1001 and found["http.main.by_name.overflow"] == 100 and sum(found.values()) == 1100
