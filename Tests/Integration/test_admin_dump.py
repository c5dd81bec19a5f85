"""Admin: the endpoints in the configuration dump, log files that are opened again, regular expressions."""

import json
import os
import time

import pytest

from harness import config as k
from harness.client import Client
from harness.differs import differs
from harness.logs import FLUSH, LogFile
from harness.upstream import ok

EMPTY = differs("`/config_dump?include_eds`: messages that say nothing (`health_check_config`, the weight of a locality that has none)",
                envoy="stand there, empty or 0", martlet="are left out", why="`/config_dump` has what the configuration says")


def clusters():
    many = k.cluster("many", [("127.0.0.1", 1), ("127.0.0.1", 2)], weights=[3, 1])
    first = many["load_assignment"]["endpoints"][0]
    first.update(locality={"region": "r", "zone": "z", "sub_zone": "s"}, load_balancing_weight=5)
    many["load_assignment"]["endpoints"].append({"priority": 1, "lb_endpoints": [{
        "endpoint": {"address": k.address(("127.0.0.1", 3)), "hostname": "h.example"}, "health_status": "DEGRADED",
        "metadata": {"filter_metadata": {"m": {"k": ["v", 1, None]}}}}]})
    many["load_assignment"]["policy"] = {"overprovisioning_factor": 150}
    more = k.cluster("more", [("127.0.0.1", 4)])
    more["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["additional_addresses"] = [{"address": k.address(("::1", 4))}]
    return [more, many, k.cluster("pipe", ["/tmp/no/such.sock"]), k.cluster("empty", [])]


@pytest.fixture(scope="module")
def proxy(launch):
    return launch(k.bootstrap([k.listener("main", k.hcm([k.direct()]))], clusters()))


def dump(proxy, query):
    status, body = proxy.admin("/config_dump?" + query)
    return status, json.loads(body).get("configs", []) if status == 200 else body


def said(value):
    """Without what Envoy writes of messages that say nothing."""
    if isinstance(value, list):
        return [said(v) for v in value]
    if not isinstance(value, dict):
        return value
    kept = {key: said(v) for key, v in value.items()}
    return {key: v for key, v in kept.items() if not (key == "load_balancing_weight" and v == 0) and v != {} and key != "last_updated"}


def at(port, host="127.0.0.1", **extra):
    return {"address": {"socket_address": {"address": host, "port_value": port}}, **extra}


def test_endpoints(proxy):
    status, configs = dump(proxy, "include_eds")
    assert status == 200
    types = [c["@type"].rpartition(".")[2] for c in configs]
    assert types.index("EndpointsConfigDump") == types.index("ClustersConfigDump") + 1
    found = {e["endpoint_config"]["cluster_name"]: said(e["endpoint_config"]) for e in configs[types.index("EndpointsConfigDump")]["static_endpoint_configs"]}
    assert list(found) == ["empty", "many", "more", "pipe"]
    kind = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
    usual = {"overprovisioning_factor": 140}
    assert found["empty"] == {"@type": kind, "cluster_name": "empty", "policy": usual}
    assert found["many"] == {"@type": kind, "cluster_name": "many", "policy": {"overprovisioning_factor": 150}, "endpoints": [
        {"locality": {"region": "r", "zone": "z", "sub_zone": "s"}, "load_balancing_weight": 5, "lb_endpoints": [
            {"endpoint": at(1), "health_status": "HEALTHY", "load_balancing_weight": 3},
            {"endpoint": at(2), "health_status": "HEALTHY", "load_balancing_weight": 1}]},
        {"priority": 1, "lb_endpoints": [
            {"endpoint": at(3, hostname="h.example"), "health_status": "DEGRADED", "load_balancing_weight": 1,
             "metadata": {"filter_metadata": {"m": {"k": ["v", 1, None]}}}}]}]}
    assert found["more"]["endpoints"][0]["lb_endpoints"][0]["endpoint"] == at(4, additional_addresses=[at(4, "::1")])
    assert found["pipe"]["endpoints"][0]["lb_endpoints"][0]["endpoint"] == {"address": {"pipe": {"path": "/tmp/no/such.sock"}}}


def test_endpoints_have_to_be_asked_for(proxy):
    assert "EndpointsConfigDump" not in proxy.admin("/config_dump")[1]
    assert dump(proxy, "resource=static_endpoint_configs") == (404, "static_endpoint_configs not found in config dump")


@pytest.mark.parametrize("query,names", [
    ("resource=static_endpoint_configs", ["empty", "many", "more", "pipe"]), ("resource=static_endpoint_configs&name_regex=m.*", ["many", "more"]),
    ("resource=static_endpoint_configs&name_regex=m", []),
    ("resource=static_endpoint_configs&mask=endpoint_config.cluster_name", ["empty", "many", "more", "pipe"]),
    ("resource=dynamic_endpoint_configs", [])])
def test_one_list(proxy, query, names):
    status, configs = dump(proxy, "include_eds&" + query)
    assert (status, [c["endpoint_config"]["cluster_name"] for c in configs]) == (200, names)
    if "mask" in query:
        assert all(set(c["endpoint_config"]) <= {"@type", "cluster_name"} for c in configs)


@pytest.mark.parametrize("pattern,found", [
    ("^cluster\\.(many|more)\\.membership_total$", 2), ("(?i)CLUSTER\\.PIPE\\.MEMBERSHIP_TOTAL", 1), ("^cluster\\.[a-z]{4}\\.membership_total$", 3),
    ("membership_tota[[:alpha:]]$", 4), ("cluster\\.\\w+\\.membership_total", 4), ("^membership", 0)])
def test_filters_are_re2(proxy, pattern, found):
    body = proxy.admin("/stats?filter=" + pattern.replace("+", "%2B").replace("[", "%5B").replace("]", "%5D").replace("^", "%5E")
                       .replace("\\", "%5C").replace("{", "%7B").replace("}", "%7D").replace("|", "%7C"))[1]
    assert len(body.splitlines()) == found


@pytest.mark.parametrize("pattern", ["(", "a**", "(a)%5C1", "(?=a)"])
def test_bad_filters(proxy, pattern):
    status, body = proxy.admin("/stats?filter=" + pattern)
    assert status == 400 and body.startswith("Invalid re")


def test_reopen_logs(launch_once, tmp_path):
    log = LogFile(tmp_path / "log")
    proxy = launch_once(k.bootstrap([k.listener("main", k.hcm([k.direct()], access_log=[k.access_log(log.path, "%REQ(:path)%\n")]))]), args=FLUSH)

    def ask(path):
        with Client(proxy.address()) as client:
            client.request(path=path)
    ask("/one")
    assert log.wait(1) == ["/one"]
    os.rename(log.path, log.path + ".1")
    ask("/two")
    assert LogFile(log.path + ".1").wait(2) == ["/one", "/two"]
    assert proxy.admin("/reopen_logs")[0] == 405
    assert proxy.admin("/reopen_logs", "POST") == (200, "OK\n")
    time.sleep(0.1)
    ask("/three")
    assert log.wait(1) == ["/three"]


def test_a_connection_limit_that_is_switched_off(launch_once):
    limit = k.connection_limit(1)
    limit["typed_config"]["runtime_enabled"] = {"default_value": True, "runtime_key": "limit.on"}
    proxy = launch_once(k.bootstrap([k.listener("main", [limit, k.echo()])],
                                    layered_runtime={"layers": [{"name": "admin", "admin_layer": {}}]}))

    def second():
        """What becomes of a connection more than there may be."""
        with Client(proxy.address()) as first, Client(proxy.address()) as client:
            first.send(b"a").read(1)
            return client.send(b"b", ignore_errors=True).read_all(0.3) == b"b"
    assert second() is False
    for value, free in (("false", True), ("true", False), ("0", True), ("1", False), ("", False)):
        assert proxy.admin(f"/runtime_modify?limit.on={value}", "POST") == (200, "OK\n")
        time.sleep(0.05)
        assert second() is free, value
