"""The admin paths that look into the process and change it: logging, draining, health, counters, configuration."""

import json
import re
import time

import pytest

from harness import config as k
from harness.client import Client, get
from harness.differs import differs
from harness.upstream import OK

INBOUND = {"traffic_direction": "INBOUND"}


@pytest.fixture(scope="module")
def proxy(launch, upstream):
    return launch(k.bootstrap(
        [k.listener("main", k.hcm([k.direct("d", match={"path": "/direct"}), k.route()])), k.listener("tcp", k.tcp_proxy("up"))],
        [k.cluster("up", [upstream]), k.cluster("other", [upstream])]))


@pytest.mark.parametrize("path", ["/logging", "/drain_listeners", "/healthcheck/fail", "/healthcheck/ok", "/reset_counters", "/quitquitquit"])
def test_post_only(proxy, path):
    assert proxy.admin(path) == (405, "Method GET not allowed, POST required.")


@pytest.mark.parametrize("path", ["/certs", "/clusters", "/config_dump", "/help", "/hot_restart_version", "/listeners", "/memory",
                                  "/ready", "/server_info", "/stats", "/stats/prometheus"])
def test_reading_paths_take_get_and_post(proxy, path):
    for method in ("GET", "POST"):
        assert proxy.admin(path, method)[0] == 200


def test_constants(proxy):
    assert proxy.admin("/certs") == (200, '{\n "certificates": []\n}\n')
    memory = json.loads(proxy.admin("/memory")[1])
    for name in ("allocated", "heap_size", "pageheap_free", "total_physical_bytes"):
        assert int(memory[name]) >= 0
    assert int(memory["heap_size"]) > 10_000


# Logging

def levels(body):
    assert body.startswith("active loggers:\n") and body.endswith("\n\n")
    return dict(re.fullmatch(r"  (\w+): (\w+)", line).groups() for line in body.splitlines()[1:-1])


def test_logging(proxy):
    assert levels(proxy.admin("/logging", "POST")[1])["http"] == "warning"
    assert levels(proxy.admin("/logging?http=debug", "POST")[1])["http"] == "debug"
    assert levels(proxy.admin("/logging", "POST")[1])["router"] == "warning"
    found = levels(proxy.admin("/logging?paths=http:info,router:error", "POST")[1])
    assert (found["http"], found["router"]) == ("info", "error")
    assert set(levels(proxy.admin("/logging?level=warning", "POST")[1]).values()) == {"warning"}


@pytest.mark.parametrize("query,problem", [
    ("nosuch=debug", "unknown logger name"), ("level=loud", "unknown logger level"),
    ("paths=http:loud", "unknown logger level"), ("level=info&http=debug", "invalid number of parameters")])
def test_logging_refuses(proxy, query, problem):
    status, body = proxy.admin("/logging?" + query, "POST")
    assert status == 400
    assert body.startswith(f"error: {problem}\n\nusage: /logging?<name>=<level> (change single level)\n")


def test_logging_changes_the_log(launch_once):
    proxy = launch_once(k.bootstrap([k.listener("main", k.hcm([k.direct()]))]))
    def bad():
        with Client(proxy.address()) as client:
            client.send("BAD\r\n\r\n", ignore_errors=True).read_all(2)
        time.sleep(0.1)
    bad()
    before = len(proxy.output())
    assert proxy.admin("/logging?level=debug", "POST")[0] == 200
    bad()
    assert len(proxy.output()) > before
    assert proxy.admin("/logging?level=error", "POST")[0] == 200
    before = len(proxy.output())
    bad()
    assert len(proxy.output()) == before


# Health

def test_failed_health_checks_close_connections(launch_once, upstream):
    upstream.respond = OK
    proxy = launch_once(k.bootstrap(
        [k.listener("main", k.hcm([k.direct("d", match={"path": "/direct"}), k.route()]))], [k.cluster("up", [upstream])]))
    with Client(proxy.address()) as client:
        assert client.request(path="/direct").get("connection") is None
        assert proxy.admin("/healthcheck/fail", "POST") == (200, "OK\n")
        assert proxy.admin("/ready") == (503, "DRAINING\n")
        assert json.loads(proxy.admin("/server_info")[1])["state"] == "DRAINING"
        assert proxy.stat("server.live") == 0
        answer = client.request(path="/direct")
        assert (answer.status, answer.get("connection")) == (200, "close")
    assert get(proxy.address(), "/").get("connection") == "close"
    assert proxy.stat("http.main.downstream_cx_drain_close") == 2
    assert proxy.admin("/healthcheck/ok", "POST") == (200, "OK\n")
    assert proxy.admin("/ready") == (200, "LIVE\n")
    assert get(proxy.address(), "/").get("connection") is None


# Draining

def drained(launch_once, query, extra=None):
    proxy = launch_once(
        k.bootstrap([k.listener("main", k.hcm([k.direct()]), **INBOUND), k.listener("out", k.hcm([k.direct()]), **(extra or {}))]),
        args=["--drain-time-s", "1", "--drain-strategy", "gradual"])
    client = Client(proxy.address())
    assert client.request().get("connection") is None
    assert proxy.admin("/drain_listeners" + query, "POST") == (200, "OK\n")
    time.sleep(0.1)
    return proxy, client


def accepts(address):
    try:
        Client(address).close()
        return True
    except OSError:
        return False


def test_drain_stops_listening_at_once(launch_once):
    proxy, client = drained(launch_once, "")
    assert not accepts(proxy.address()) and not accepts(proxy.address("out"))
    time.sleep(1.2)
    assert client.closed(0.1) or client.request().get("connection") == "close"
    assert proxy.admin("/ready") == (200, "LIVE\n")
    assert proxy.stat("listener_manager.listener_stopped") == 2
    client.close()


def test_graceful_drain_ends_in_stopping(launch_once):
    proxy, client = drained(launch_once, "?graceful")
    assert accepts(proxy.address())
    time.sleep(1.3)
    assert not accepts(proxy.address()) and not accepts(proxy.address("out"))
    assert proxy.admin("/ready") == (200, "LIVE\n")
    client.close()


@pytest.mark.parametrize("query", ["?graceful&skip_exit", "?skip_exit"])
def test_drain_that_goes_on_listening(launch_once, query):
    proxy, client = drained(launch_once, query)
    client.close()
    time.sleep(1.3)
    assert get(proxy.address()).get("connection") == "close"
    assert proxy.stat("listener_manager.listener_stopped") == 0


def test_drain_of_inbound_listeners(launch_once):
    proxy, client = drained(launch_once, "?inboundonly", {"traffic_direction": "OUTBOUND"})
    assert not accepts(proxy.address()) and accepts(proxy.address("out"))
    client.close()


def test_graceful_drain_of_inbound_listeners(launch_once):
    proxy, client = drained(launch_once, "?graceful&inboundonly&skip_exit")
    client.close()
    time.sleep(1.3)
    assert get(proxy.address()).get("connection") == "close"
    assert get(proxy.address("out")).get("connection") is None


# Counters

def test_reset_is_of_counters(launch_once, upstream):
    proxy = launch_once(k.bootstrap([k.listener("main", k.hcm([k.route()]))], [k.cluster("up", [upstream])]))
    with Client(proxy.address()) as client:
        client.request()
        client.request()
        assert proxy.admin("/reset_counters", "POST") == (200, "OK\n")
        found = proxy.stats()
        assert found["cluster.up.upstream_rq_total"] == 0 and found["http.main.downstream_rq_2xx"] == 0
        assert found["cluster.up.upstream_cx_active"] == 1 and found["http.main.downstream_cx_active"] == 1
        client.request()
        assert proxy.stat("cluster.up.upstream_rq_total") == 1
        assert proxy.stat("cluster.up.upstream_rq_200") == 1


# Configuration

def dump(proxy, query=""):
    status, headers, body = proxy.admin_response("/config_dump" + query)
    assert status == 200 and headers["content-type"].startswith("application/json")
    return json.loads(body)


ADMIN = "type.googleapis.com/envoy.admin.v3."


def test_config_dump(proxy):
    sections = {c["@type"]: c for c in dump(proxy)["configs"]}
    bootstrap = sections[ADMIN + "BootstrapConfigDump"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", bootstrap["last_updated"])
    assert [c["name"] for c in bootstrap["bootstrap"]["static_resources"]["clusters"]] == ["up", "other"]
    clusters = [c["cluster"] for c in sections[ADMIN + "ClustersConfigDump"]["static_clusters"]]
    assert sorted(c["name"] for c in clusters) == ["other", "up"]
    assert clusters[0]["@type"] == "type.googleapis.com/envoy.config.cluster.v3.Cluster"
    assert clusters[0]["connect_timeout"] == "1s"
    listeners = [l["listener"] for l in sections[ADMIN + "ListenersConfigDump"]["static_listeners"]]
    assert [l["name"] for l in listeners] == ["main", "tcp"]
    manager = listeners[0]["filter_chains"][0]["filters"][0]["typed_config"]
    assert manager["@type"].endswith("http_connection_manager.v3.HttpConnectionManager") and manager["stat_prefix"] == "main"
    routes = [r["route_config"] for r in sections[ADMIN + "RoutesConfigDump"]["static_route_configs"]]
    assert [r["name"] for r in routes] == ["routes"]
    assert routes[0]["virtual_hosts"][0]["routes"][0]["direct_response"] == {"status": 200, "body": {"inline_string": "d"}}


@pytest.mark.parametrize("resource,names", [
    ("static_clusters", ["other", "up"]), ("static_listeners", ["main", "tcp"]), ("static_route_configs", ["routes"])])
def test_config_dump_of_a_resource(proxy, resource, names):
    field = {"static_clusters": "cluster", "static_listeners": "listener", "static_route_configs": "route_config"}[resource]
    assert sorted(c[field]["name"] for c in dump(proxy, "?resource=" + resource)["configs"]) == names


@pytest.mark.parametrize("query,names", [("name_regex=u.", ["up"]), ("name_regex=u", []), ("name_regex=.*", ["other", "up"])])
def test_config_dump_by_name(proxy, query, names):
    found = dump(proxy, "?resource=static_clusters&" + query).get("configs", [])
    assert sorted(c["cluster"]["name"] for c in found) == names


def test_config_dump_with_a_mask(proxy):
    found = dump(proxy, "?resource=static_clusters&mask=cluster.name")["configs"]
    kind = {"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster"}
    assert sorted((c["cluster"] for c in found), key=lambda c: c["name"]) == [{**kind, "name": "other"}, {**kind, "name": "up"}]
    found = dump(proxy, "?mask=bootstrap.admin")["configs"]
    assert [set(c) for c in found] == [{"@type", "bootstrap"}] and set(found[0]["bootstrap"]) == {"admin"}


@pytest.mark.parametrize("query,status", [("resource=nosuch", 404), ("resource=bootstrap", 400), ("name_regex=(", 400)])
def test_config_dump_refuses(proxy, query, status):
    assert proxy.admin("/config_dump?" + query)[0] == status


HOT_RESTART = differs(
    "`GET /hot_restart_version`", envoy=r"disabled|\d+[\d.]*", martlet="disabled",
    why="There is no hot restart")


def test_hot_restart_version(proxy, settle):
    assert re.match(settle(HOT_RESTART), proxy.admin("/hot_restart_version")[1])


UNKNOWN = differs(
    "an unknown parameter of an admin path", envoy=200, martlet=400,
    why="A mistyped parameter must not pass for an answer")


@pytest.mark.parametrize("path", ["/stats?fliter=a", "/config_dump?rseource=static_clusters", "/listeners?fromat=json"])
def test_unknown_parameters(proxy, settle, path):
    assert proxy.admin(path)[0] == settle(UNKNOWN)
