"""`--supervise`: the serving process is started again when it dies, with its sockets; versions of plugins that crash are quarantined."""

import json
import os
import re
import signal
import socket
import threading
import time

import pytest

from harness import config as k
from harness import plugins as p
from harness.client import Client
from harness.crashes import Load
from harness.process import run
from test_plugin_blame import digest, fatal, faulty, faulty_network, folder, library, web  # noqa: F401

pytestmark = pytest.mark.only("martlet", "Envoy has no such supervisor")


def policy(**crash):
    return {"bootstrap_extensions": [{"name": "martlet.plugins", "typed_config": {
        "@type": "type.googleapis.com/martlet.bootstrap.v1.Plugins", "default_policy": {"on_crash": crash}}}]}


def served(proxy):
    """The serving process."""
    with open(f"/proc/{proxy.pid}/task/{proxy.pid}/children") as f:
        return [int(pid) for pid in f.read().split()]


def child(proxy, other_than=None, timeout=10.0):
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        for pid in served(proxy):
            if pid != other_than:
                return pid
        time.sleep(0.005)
    raise AssertionError(f"no serving process: {proxy.output()[-2000:]}")


def freeze(process):
    """No thread of it accepts any more."""
    os.kill(process, signal.SIGSTOP)

    def states():
        for thread in os.listdir(f"/proc/{process}/task"):
            with open(f"/proc/{process}/task/{thread}/stat") as f:
                yield f.read().rsplit(")", 1)[1].split()[0]

    deadline = time.monotonic() + 5
    while set(states()) != {"T"} and time.monotonic() < deadline:
        time.sleep(0.002)


def wait_for(check, timeout=10.0):
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        try:
            if check():
                return True
        except (OSError, ValueError, http_error()):
            pass
        time.sleep(0.02)
    return False


def http_error():
    import http.client
    return http.client.HTTPException


@pytest.fixture
def supervised(launch_once, folder):  # noqa: F811
    def start(config, *, args=(), concurrency=1, **options):
        return launch_once(config, args=["--supervise", "--plugin-path", str(folder), *args], concurrency=concurrency, **options)
    return start


def get(proxy, path="/", name="main", **kwargs):
    with Client(proxy.address(name), timeout=15, **kwargs) as client:
        client.send(f"GET {path} HTTP/1.1\r\nhost: a\r\n\r\n")
        return client.response("GET")


def plain():
    return k.bootstrap([k.listener(filters=k.hcm([k.direct()]))])


def crash(proxy, path="/crash"):
    with Client(proxy.address(), timeout=15) as client:
        client.send(f"GET {path} HTTP/1.1\r\nhost: a\r\n\r\n")
        client._fill(time.monotonic() + 10)
        return client.ended


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL, signal.SIGABRT])
def test_it_is_started_again(supervised, number):
    proxy = supervised(plain())
    first = child(proxy)
    os.kill(first, number)
    second = child(proxy, other_than=first)
    assert get(proxy).status == 200
    assert wait_for(lambda: proxy.stat("supervisor.restarts") == 1)
    assert re.search(rf"process {first} died by signal {int(number)}.*; crash 1 within 60 s, starting again in 0 ms", proxy.output())
    assert second != first and proxy.process.poll() is None


@pytest.mark.parametrize("concurrency, reuse", [(1, True), (2, True), (2, False)])
def test_who_connects_meanwhile_is_served(supervised, concurrency, reuse):
    config = k.bootstrap([k.listener(filters=k.hcm([k.direct()]), enable_reuse_port=reuse)])
    proxy = supervised(config, concurrency=concurrency)
    first = child(proxy)
    freeze(first)
    clients = [Client(proxy.address(), timeout=15) for _ in range(40)]
    for client in clients:
        client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    os.kill(first, signal.SIGKILL)
    for client in clients:
        assert client.response("GET").status == 200
        client.close()


@pytest.mark.parametrize("at", ["path", "abstract"])
def test_unix_sockets_stay_as_well(supervised, tmp_path, at):
    where = str(tmp_path / "socket") if at == "path" else f"@martlet-it-{os.getpid()}"
    proxy = supervised(k.bootstrap([k.listener(filters=k.hcm([k.direct()]), at=where)]), concurrency=2)
    first = child(proxy)
    freeze(first)
    clients = [Client(where, timeout=15) for _ in range(10)]
    for client in clients:
        client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    os.kill(first, signal.SIGKILL)
    for client in clients:
        assert client.response("GET").status == 200


def test_addresses_and_admin_stay(supervised):
    proxy = supervised(k.bootstrap([k.listener("a", k.hcm([k.direct()])), k.listener("b", k.hcm([k.direct("b")]))]))
    listeners, admin = proxy.addresses, proxy.admin_address
    first = child(proxy)
    os.kill(first, signal.SIGKILL)
    child(proxy, other_than=first)
    assert wait_for(lambda: proxy.admin("/ready")[0] == 200)
    assert proxy._listeners() == listeners and proxy.admin_address == admin


def rewrite(proxy, config):
    with open(proxy.config_path, "w") as f:
        json.dump(config, f)
    assert proxy.admin("/plugins/reload", method="POST") == (200, "OK\n")


def refused(address):
    with socket.socket() as probe:
        probe.settimeout(5)
        return probe.connect_ex(address) != 0


def test_listeners_that_come_and_go_while_it_runs(supervised):
    a, b = k.listener("a", k.hcm([k.direct("a")])), k.listener("b", k.hcm([k.direct("b")]))
    config = k.bootstrap([a, b])
    proxy = supervised(config)
    gone = proxy.addresses["b"][0]
    rewrite(proxy, k.bootstrap([a, k.listener("c", k.hcm([k.direct("c")]))]))
    proxy.addresses = proxy._listeners()
    assert wait_for(lambda: refused(gone)), "the supervisor still listens for a listener that is gone"
    first = child(proxy)
    freeze(first)
    clients = {name: Client(proxy.address(name), timeout=15) for name in "ac"}
    for client in clients.values():
        client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    os.kill(first, signal.SIGKILL)
    assert {name: client.response("GET").text for name, client in clients.items()} == {"a": "a", "c": "c"}
    assert refused(gone)


def test_a_configuration_that_has_lost_a_listener_frees_its_port(supervised):
    a, b = k.listener("a", k.hcm([k.direct("a")])), k.listener("b", k.hcm([k.direct("b")]))
    proxy = supervised(k.bootstrap([a, b]))
    gone = proxy.addresses["b"][0]
    with open(proxy.config_path, "w") as f:
        json.dump(k.bootstrap([a]), f)
    first = child(proxy)
    os.kill(first, signal.SIGKILL)
    child(proxy, other_than=first)
    assert wait_for(lambda: refused(gone))
    assert get(proxy, name="a").text == "a"


# ---- Signals and ends

@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_end_is_passed_on(supervised, number):
    proxy = supervised(plain())
    process = child(proxy)
    proxy.signal(number)
    assert proxy.wait(10) == 0
    assert not os.path.exists(f"/proc/{process}")


def test_draining_stops_listening(supervised, upstreams):
    upstream = upstreams()
    release = threading.Event()
    upstream.respond = lambda _: (release.wait(10), b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")[1]
    proxy = supervised(k.bootstrap([k.listener(filters=k.hcm([k.route()]))], [k.cluster(endpoints=[upstream])]))
    with Client(proxy.address(), timeout=15) as client:
        client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        assert upstream.wait_requests(1)
        proxy.signal(signal.SIGTERM)
        assert wait_for(lambda: refused(proxy.address())), "connections still wait in a queue that nobody serves"
        release.set()
        assert client.response("GET").status == 200
    assert proxy.wait(10) == 0


def test_the_end_that_admin_asks_for_is_the_end(supervised):
    proxy = supervised(plain())
    proxy.admin("/quitquitquit", method="POST")
    assert proxy.wait(10) == 0


def test_a_hang_up_reloads(supervised):
    proxy = supervised(k.bootstrap([k.listener(filters=k.hcm([k.direct("one")]))]))
    with open(proxy.config_path, "w") as f:
        json.dump(k.bootstrap([k.listener(filters=k.hcm([k.direct("two")]))]), f)
    proxy.signal(signal.SIGHUP)
    assert wait_for(lambda: get(proxy).text == "two")


def test_logs_are_reopened_by_both(supervised, tmp_path):
    log = tmp_path / "log"
    proxy = supervised(plain(), args=["--log-path", str(log)])
    os.rename(log, tmp_path / "old")
    proxy.signal(signal.SIGUSR1)
    assert wait_for(log.exists)
    first = child(proxy)
    time.sleep(0.2)
    os.kill(first, signal.SIGKILL)
    child(proxy, other_than=first)
    assert wait_for(lambda: f"process {first} died by signal 9" in log.read_text())


def test_a_wrong_configuration_ends_both(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("static_resources: {listener: []}\n")
    done = run("martlet", "-c", str(path), "--supervise", "--disable-hot-restart")
    assert done.returncode == 1 and "static_resources" in done.stderr


@pytest.mark.parametrize("mode", ["validate", "init_only"])
def test_only_what_serves_is_supervised(tmp_path, mode):
    path = tmp_path / "config.yaml"
    path.write_text("{}\n")
    done = run("martlet", "-c", str(path), "--supervise", "--mode", mode)
    assert done.returncode == 1 and "--supervise: only with --mode serve" in done.stderr


def test_without_the_supervisor_nobody_serves(supervised):
    proxy = supervised(plain())
    process = child(proxy)
    os.kill(proxy.pid, signal.SIGKILL)
    proxy.wait(5)
    assert wait_for(lambda: not os.path.exists(f"/proc/{process}"))


def test_it_gives_up_and_says_so(supervised, folder):  # noqa: F811
    config = {**web([faulty("worker_create", "null")]), **policy(then="RETRY")}
    proxy = supervised(config, start=False)
    assert proxy.wait(60) == 128 + signal.SIGSEGV
    lines = [line for line in proxy.output().splitlines() if "died by signal" in line]
    assert len(lines) == 11
    delays = [int(found[1]) for line in lines if (found := re.search(r"starting again in (\d+) ms", line))]
    assert delays == [0, 100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000]
    assert "giving up after 11 crashes within 60 s" in lines[-1]


# ---- Quarantine

def plugin(proxy):
    (one,) = [one for one in json.loads(proxy.admin("/plugins")[1])["plugins"] if one["id"] == "com.example.faulty"]
    return one


def crash_until_quarantined(proxy, times):
    for count in range(times):
        process = child(proxy)
        assert crash(proxy) in ("close", "reset"), proxy.output()
        assert child(proxy, other_than=process)
        assert wait_for(lambda: proxy.stat("supervisor.restarts") == count + 1), proxy.output()


@pytest.mark.parametrize("retries", [0, 1, 3])
def test_failing_closed(supervised, library, retries):  # noqa: F811
    config = {**web([faulty("on_request_headers", "null", path="/crash")]), **policy(retries=retries, then="FAIL_CLOSED")}
    proxy = supervised(config)
    crash_until_quarantined(proxy, retries)
    assert get(proxy).status == 200 and plugin(proxy)["state"] == "serving"
    crash(proxy)
    assert wait_for(lambda: proxy.stat("supervisor.restarts") == retries + 1)
    assert [get(proxy, path).status for path in ("/", "/crash")] == [503, 503]
    one = plugin(proxy)
    assert one["state"] == "quarantined, failing closed" and len(one["crashes"]) == retries + 1
    assert one["crashes"][-1]["function"] == "on_request_headers" and one["sha256"] == digest(library)
    prefix = f"plugin.com.example.faulty.{digest(library)[:12]}"
    assert proxy.stat(f"{prefix}.quarantined") == 1 and proxy.stat(f"{prefix}.crashes") == retries + 1
    assert re.search(r"com\.example\.faulty 1\.0\.0 \([0-9a-f]{12}\) is quarantined: it has crashed the process", proxy.output())
    assert proxy.process.poll() is None


def test_the_details_name_the_plugin(supervised, tmp_path):
    log = tmp_path / "access"
    config = {**web([faulty("on_request_headers", "null", path="/crash")], access_log=[k.access_log(str(log), "%RESPONSE_CODE% %RESPONSE_CODE_DETAILS%\n")]),
              **policy(retries=0, then="FAIL_CLOSED")}
    proxy = supervised(config, args=["--file-flush-interval-msec", "30"])
    crash(proxy)
    assert wait_for(lambda: proxy.stat("supervisor.restarts") == 1)
    assert get(proxy).status == 503
    assert wait_for(lambda: "503 plugin_quarantined{com.example.faulty}" in log.read_text())


def test_failing_open(supervised):
    config = {**web([faulty("on_request_headers", "null", path="/crash")]), **policy(retries=0, then="FAIL_OPEN")}
    proxy = supervised(config)
    crash(proxy)
    assert wait_for(lambda: proxy.stat("supervisor.restarts") == 1)
    assert [get(proxy, path).status for path in ("/", "/crash")] == [200, 200]
    assert plugin(proxy)["state"] == "quarantined, failing open"


def test_a_policy_of_its_own_goes_before_the_default(supervised):
    config = {**web([faulty("on_request_headers", "null", path="/crash")]), **policy(retries=0, then="FAIL_CLOSED")}
    config["bootstrap_extensions"][0]["typed_config"]["policies"] = {"com.example.faulty": {"on_crash": {"retries": 0, "then": "FAIL_OPEN"}}}
    proxy = supervised(config)
    crash(proxy)
    assert wait_for(lambda: proxy.stat("supervisor.restarts") == 1)
    assert get(proxy, "/crash").status == 200


@pytest.mark.parametrize("then, status", [("FAIL_CLOSED", 503), ("FAIL_OPEN", 200)])
def test_a_crash_before_it_serves(supervised, then, status):
    config = {**web([faulty("config_create", "null")]), **policy(retries=1, then=then)}
    proxy = supervised(config)  # ready by itself, at the third start
    assert get(proxy).status == status
    assert proxy.stat("supervisor.restarts") == 2


def test_a_routes_configuration_and_a_route_that_has_it_off(supervised):
    off = {**k.direct(match={"path": "/off"}), "typed_per_filter_config": {"com.example.faulty": {
        "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "disabled": True}}}
    own = {**k.direct(match={"path": "/own"}), "typed_per_filter_config": {"com.example.faulty": {
        "@type": p.PREFIX + "FaultyRoute", "at": "nowhere", "how": "nothing"}}}
    config = {**web([faulty("on_request_headers", "null", path="/crash")], [off, own, k.direct()]), **policy(retries=0, then="FAIL_CLOSED")}
    proxy = supervised(config)
    crash(proxy)
    assert wait_for(lambda: proxy.stat("supervisor.restarts") == 1)
    assert [get(proxy, path).status for path in ("/", "/own", "/off")] == [503, 503, 200]


@pytest.mark.parametrize("then", ["FAIL_CLOSED", "FAIL_OPEN"])
def test_network_filters(supervised, upstream, then):
    chain = [faulty_network("on_data", "null"), k.tcp_proxy()]
    proxy = supervised({**k.bootstrap([k.listener(filters=chain)], [k.cluster(endpoints=[upstream])]), **policy(retries=0, then=then)})
    crash(proxy)
    assert wait_for(lambda: proxy.stat("supervisor.restarts") == 1)
    with Client(proxy.address()) as client:
        client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n", ignore_errors=True)
        if then == "FAIL_OPEN":
            assert client.response("GET").status == 200
        else:
            client._fill(time.monotonic() + 5)
            assert client.ended in ("close", "reset")


@pytest.fixture
def own_folder(library, tmp_path):  # noqa: F811
    (tmp_path / "plugins").mkdir()
    p.put(library, tmp_path / "plugins", "faulty.so")
    return tmp_path / "plugins"


def test_a_changed_file_is_free_again(launch_once, workshop, own_folder):
    config = {**web([faulty("on_request_headers", "null", path="/crash")]), **policy(retries=0, then="FAIL_CLOSED")}
    proxy = launch_once(config, args=["--supervise", "--plugin-path", str(own_folder)])
    crash(proxy)
    assert wait_for(lambda: proxy.stat("supervisor.restarts") == 1)
    assert get(proxy).status == 503
    assert proxy.admin("/plugins/reload", method="POST")[0] == 200
    assert get(proxy).status == 503
    p.put(workshop.build("faulty", 'VERSION="1.0.1"'), own_folder, "faulty.so")
    assert proxy.admin("/plugins/reload", method="POST")[0] == 200
    assert get(proxy).status == 200
    assert wait_for(lambda: (plugin(proxy)["version"], plugin(proxy)["state"]) == ("1.0.1", "serving"))


def test_a_new_version_that_crashes_when_it_is_opened(launch_once, workshop, own_folder):
    """It has never said what it is: the description of the version before it stands for it."""
    config = {**web([faulty("nowhere", "nothing")]), **policy(retries=1, then="FAIL_CLOSED")}
    proxy = launch_once(config, args=["--supervise", "--plugin-path", str(own_folder)])
    assert get(proxy).status == 200
    with open(os.path.join(p.SOURCES, "faulty", "faulty.c")) as f:
        source = f.read().replace('getenv("FAULTY_OPEN")', '"null"')
    p.put(workshop.build(source), own_folder, "faulty.so")
    try:
        proxy.admin("/plugins/reload", method="POST")
    except (OSError, http_error()):
        pass
    assert wait_for(lambda: proxy.stat("supervisor.restarts") == 2), proxy.output()
    assert get(proxy).status == 503
    assert plugin(proxy)["state"] == "quarantined, failing closed"


def test_a_plugin_that_crashes_when_it_is_opened_first_is_refused(supervised):
    config = {**web([faulty("nowhere", "nothing")]), **policy(retries=1, then="FAIL_CLOSED")}
    proxy = supervised(config, start=False, prefix=["env", "FAULTY_OPEN=abort"])
    assert proxy.wait(20) == 1
    assert re.search(r"faulty\.so': not loaded: it has crashed the process 2 times, last in open, and has never said which filters it has", proxy.output())


def test_nobody_is_blamed_for_a_signal_from_outside(supervised):
    config = {**web([faulty("nowhere", "nothing")]), **policy(retries=0, then="FAIL_CLOSED")}
    proxy = supervised(config)
    for _ in range(2):
        process = child(proxy)
        os.kill(process, signal.SIGKILL)
        child(proxy, other_than=process)
    assert wait_for(lambda: proxy.stat("supervisor.restarts") == 2)
    assert get(proxy).status == 200 and plugin(proxy)["state"] == "serving"


def test_under_load_hardly_anything_is_lost(supervised):
    """Lost is what was under way in the process that died; nothing is refused, and everybody is served again."""
    config = {**web([faulty("on_request_headers", "null", path="/crash")]), **policy(retries=1, then="FAIL_OPEN")}
    proxy = supervised(config, concurrency=2)
    connections = 16
    load = Load(proxy.address(), connections)
    try:
        for _ in range(2):
            time.sleep(0.5)
            crash(proxy)
        assert wait_for(lambda: proxy.stat("supervisor.restarts") == 2)
        time.sleep(0.5)
    finally:
        outcomes = load.stop()
    print(dict(outcomes))
    assert set(outcomes) <= {"200", "broken"}, outcomes
    assert outcomes["broken"] <= 2 * connections and outcomes["200"] > 100
