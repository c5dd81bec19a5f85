"""The process: signals, drain, command line, files that are wrong."""

import os
import re
import signal
import socket
import time

import pytest
import yaml

from harness import config as k
from harness import process
from harness.client import Client, get, make_request
from harness.differs import differs
from harness.upstream import OK

GRACE = "Martlet drains on a signal: Envoy leaves that to POST /drain_listeners or a hot restart and ends at once"


@pytest.fixture
def served(launch_once, upstreams):
    upstream = upstreams()
    config = k.bootstrap([k.listener("main", k.hcm([k.route()]))], [k.cluster("up", [upstream])])
    return upstream, lambda *args: launch_once(config, args=args)


# Signals

@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_with_0(served, number):
    _, start = served
    proxy = start("--drain-time-s", "2")
    proxy.signal(number)
    assert proxy.wait(4) == 0


IN_FLIGHT = differs("request in flight at SIGTERM", envoy="broken off", martlet="answered", why=GRACE)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_request_in_flight(served, settle, number):
    upstream, start = served
    proxy = start("--drain-time-s", "3")
    upstream.respond = [0.6, OK]
    with Client(proxy.address()) as client:
        client.send(make_request())
        upstream.wait_requests(1)
        proxy.signal(number)
        if settle(IN_FLIGHT) == "answered":
            answer = client.response()
            assert answer.status == 200
            assert answer.get("connection").lower() == "close"
            assert client.closed(2)
        else:
            assert client.read_all(3) == b""
    started = time.monotonic()
    assert proxy.wait(5) == 0
    assert time.monotonic() - started < 2, "nothing is left to wait for"


@pytest.mark.only("martlet", GRACE)
def test_draining(served):
    """Keep-alive connections hear `connection: close` while the process drains, and nobody
    new is let in; when the last is gone the process ends, before its drain time is over."""
    upstream, start = served
    proxy = start("--drain-time-s", "10", "--drain-strategy", "immediate")
    clients = [Client(proxy.address()) for _ in range(3)]
    for client in clients:
        assert client.request().get("connection") is None
    busy = Client(proxy.address())
    upstream.respond = [0.8, OK]
    busy.send(make_request())
    upstream.wait_requests(4)
    upstream.respond = OK
    proxy.signal(signal.SIGTERM)
    time.sleep(0.2)
    for client in clients:
        try:
            answer = client.request()
        except Exception:
            assert client.ended or client.closed(1)  # an idle connection may be ended at once
        else:
            assert answer.get("connection").lower() == "close"
        client.close()
    assert busy.response().status == 200
    busy.close()
    started = time.monotonic()
    assert proxy.wait(5) == 0
    assert time.monotonic() - started < 2


@pytest.mark.only("martlet", GRACE)
def test_drain_time_is_a_limit(served):
    upstream, start = served
    proxy = start("--drain-time-s", "1")
    upstream.respond = [8, OK]
    with Client(proxy.address()) as client:
        client.send(make_request())
        upstream.wait_requests(1)
        started = time.monotonic()
        proxy.signal(signal.SIGTERM)
        assert proxy.wait(4) == 0
        assert 0.5 < time.monotonic() - started < 3


@pytest.mark.only("martlet", GRACE)
@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_second_signal_ends_at_once(served, second):
    upstream, start = served
    proxy = start("--drain-time-s", "30")
    upstream.respond = [8, OK]
    with Client(proxy.address()) as client:
        client.send(make_request())
        upstream.wait_requests(1)
        proxy.signal(signal.SIGTERM)
        time.sleep(0.3)
        assert proxy.process.poll() is None
        proxy.signal(second)
        proxy.wait(1.5)


@pytest.mark.only("martlet", GRACE)
def test_not_ready_while_draining(served):
    upstream, start = served
    proxy = start("--drain-time-s", "5")
    upstream.respond = [1, OK]
    with Client(proxy.address()) as client:
        client.send(make_request())
        upstream.wait_requests(1)
        proxy.signal(signal.SIGTERM)
        time.sleep(0.2)
        try:
            status, body = proxy.admin("/ready")
        except OSError:
            pass  # admin gone already
        else:
            assert (status, body) == (503, "DRAINING\n")
        assert client.response().status == 200


@pytest.mark.only("martlet", GRACE)
def test_tcp_connections_drain_too(launch_once):
    proxy = launch_once(k.bootstrap([k.listener("main", k.echo())]), args=["--drain-time-s", "1"])
    with Client(proxy.address()) as client:
        client.send("x").read(1)
        proxy.signal(signal.SIGTERM)
        time.sleep(0.2)
        assert client.send("y").read(1) == b"y"
        assert proxy.wait(4) == 0


def test_drain_listeners_over_admin(served):
    _, start = served
    proxy = start()
    assert proxy.admin("/drain_listeners", "POST") == (200, "OK\n")
    time.sleep(0.2)
    with pytest.raises(OSError):
        get(proxy.address())
    assert proxy.admin("/ready")[0] == 200


def test_healthcheck_fail_marks_answers(served):
    _, start = served
    proxy = start()
    with Client(proxy.address()) as client:
        assert client.request().get("connection") is None
        assert proxy.admin("/healthcheck/fail", "POST")[0] == 200
        assert proxy.admin("/ready") == (503, "DRAINING\n")
        assert proxy.admin("/healthcheck/ok", "POST")[0] == 200
        assert proxy.admin("/ready") == (200, "LIVE\n")


# Command line

def write(directory, config, name="proxy.yaml"):
    path = directory / name
    path.write_text(config if isinstance(config, str) else yaml.safe_dump(config, sort_keys=False))
    return str(path)


SIMPLE = k.bootstrap([k.listener("main", k.hcm([k.direct()]))])


def validate(kind, path, *args):
    result = process.run(kind, "--mode", "validate", "-c", path, *args)
    return result.returncode, result.stdout + result.stderr


def test_version(kind):
    result = process.run(kind, "--version")
    assert result.returncode == 0
    assert re.search(r"\d+\.\d+", result.stdout + result.stderr)
    assert kind in (result.stdout + result.stderr).lower()


def test_help(kind):
    result = process.run(kind, "--help")
    text = result.stdout + result.stderr
    assert result.returncode == 0
    for flag in ("--config-path", "--config-yaml", "--mode", "--concurrency", "--log-level", "--base-id", "--drain-time-s"):
        assert flag in text


def test_unknown_flag(kind):
    result = process.run(kind, "--no-such-flag")
    assert result.returncode not in (0, -6, -11)
    assert "no-such-flag" in result.stdout + result.stderr


def test_no_configuration(kind):
    result = process.run(kind)
    assert result.returncode not in (0, -6, -11)
    assert result.stdout + result.stderr


def test_validate_good(kind, tmp_path):
    code, text = validate(kind, write(tmp_path, SIMPLE))
    assert code == 0
    assert f"configuration '{tmp_path}/proxy.yaml' OK" in text


def test_validate_json(kind, tmp_path):
    import json
    path = tmp_path / "proxy.json"
    path.write_text(json.dumps(SIMPLE))
    assert validate(kind, str(path))[0] == 0


def test_validate_missing_file(kind, tmp_path):
    code, text = validate(kind, str(tmp_path / "nosuch.yaml"))
    assert code not in (0, -6, -11)
    assert "nosuch.yaml" in text


@pytest.mark.parametrize("text", ["", "{", "a: [", "- 1\n- 2\n", "just text", "static_resources: 5", "\x00\x01", "a: &a [*a]"], ids=repr)
def test_validate_no_configuration_at_all(kind, settle, tmp_path, text):
    expect_good = text == ""  # an empty bootstrap is a valid one
    code, output = validate(kind, write(tmp_path, text))
    if not expect_good:
        assert code not in ((0, -6, -11) if kind == "martlet" else (0,))  # Envoy 1.40 crashes on an alias to itself
        assert output or kind == "envoy"


def broken():
    return k.bootstrap([k.listener("main", k.hcm([k.route("up")]))], [k.cluster("up", [("127.0.0.1", 1)])])


BROKEN = {
    "unknown cluster": (lambda c: hcm_of(c)["route_config"]["virtual_hosts"][0]["routes"][0]["route"].update(cluster="nosuch"), "nosuch"),
    "unknown field": (lambda c: hcm_of(c).update(no_such_field=1), "no_such_field"),
    "bad enum": (lambda c: c["static_resources"]["clusters"][0].update(lb_policy="NOSUCH"), "NOSUCH"),
    "bad duration": (lambda c: c["static_resources"]["clusters"][0].update(connect_timeout="5"), "connect_timeout"),
    "negative timeout": (lambda c: c["static_resources"]["clusters"][0].update(connect_timeout="-1s"), ("connect_timeout", "uration")),
    "port too large": (lambda c: c["static_resources"]["listeners"][0]["address"]["socket_address"].update(port_value=70000), "ort"),
    "bad address": (lambda c: c["static_resources"]["listeners"][0]["address"]["socket_address"].update(address="not.an.address"), "not.an.address"),
    "unknown type": (lambda c: filter_of(c)["typed_config"].update({"@type": "type.googleapis.com/no.such.Type"}), "no.such.Type"),
    "no name of a virtual host": (lambda c: hcm_of(c)["route_config"]["virtual_hosts"][0].update(name=""), "ame"),
    "domain twice": (lambda c: hcm_of(c)["route_config"]["virtual_hosts"].append(
        {"name": "b", "domains": ["*"], "routes": []}), "domain"),
    "no domains": (lambda c: hcm_of(c)["route_config"]["virtual_hosts"][0].update(domains=[]), "omains"),
    "no match": (lambda c: hcm_of(c)["route_config"]["virtual_hosts"][0]["routes"][0].pop("match"), "atch"),
    "no stat prefix": (lambda c: hcm_of(c).pop("stat_prefix"), "tat"),
    "cluster name twice": (lambda c: c["static_resources"]["clusters"].append(c["static_resources"]["clusters"][0]), "up"),
    "no chains": (lambda c: c["static_resources"]["listeners"][0].update(filter_chains=[]), ""),
    "wrong type": (lambda c: c["static_resources"]["listeners"][0].update(name=["a"]), ""),
    "network filter behind the terminal one": (lambda c: c["static_resources"]["listeners"][0]["filter_chains"][0]["filters"].append(k.echo()), ""),
}


def filter_of(config):
    return config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]


def hcm_of(config):
    return filter_of(config)["typed_config"]


@pytest.mark.parametrize("name", BROKEN)
def test_validate_broken(kind, tmp_path, name):
    change, word = BROKEN[name]
    config = broken()
    change(config)
    code, text = validate(kind, write(tmp_path, config))
    assert code not in (0, -6, -11), text
    word = word[kind == "envoy"] if isinstance(word, tuple) else word
    assert word in text, text
    if kind == "martlet":
        assert "static_resources" in text or word == "", f"no field path in: {text}"
        assert "proxy.yaml" in text


ERRORS = "Configuration errors name file, line and field path, and come all at once"


@pytest.mark.only("martlet", ERRORS)
def test_all_errors_at_once_with_places(kind, tmp_path):
    text = """admin:
  address: { socket_address: { address: 127.0.0.1, port_value: 0 } }
static_resources:
  listeners:
  - name: one
    address: { socket_address: { address: 127.0.0.1, port_value: 70000 } }
    filter_chains:
    - filters:
      - name: envoy.filters.network.tcp_proxy
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          stat_prefix: tcp
          cluster: up
          no_such_field: 1
  clusters:
  - name: up
    connect_timeout: 5
    lb_policy: NOSUCH
"""
    code, output = validate(kind, write(tmp_path, text))
    assert code not in (0, -6, -11)
    for wanted in ("static_resources.listeners[0].address", "port_value", "no_such_field",
                   "static_resources.listeners[0].filter_chains[0].filters[0]",
                   "static_resources.clusters[0].connect_timeout", "static_resources.clusters[0].lb_policy", "NOSUCH"):
        assert wanted in output, f"{wanted} is missing in\n{output}"
    lines = set(re.findall(r"proxy\.yaml:(\d+)", output))
    assert {"6", "14", "17", "18"} <= lines, output


def test_unknown_fields_may_be_allowed(kind, tmp_path):
    config = broken()
    hcm_of(config)["no_such_field"] = 1
    code, text = validate(kind, write(tmp_path, config), "--allow-unknown-static-fields")
    assert code == 0
    if kind == "martlet":
        assert "no_such_field" in text


def test_bind_failure_names_the_address(kind, launch_once):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        config = k.bootstrap([k.listener("main", k.hcm([k.direct()]), at=("127.0.0.1", port))])
        proxy = launch_once(config, start=False)
        code = proxy.wait(10)
        assert code not in (0, -6, -11)
        assert f"127.0.0.1:{port}" in proxy.output()


def test_config_yaml_alone(launch_once):
    proxy = launch_once(None, args=["--config-yaml", yaml.safe_dump(SIMPLE)])
    assert get(proxy.address()).text == "direct"


def test_config_yaml_over_file(launch_once):
    extra = yaml.safe_dump({"static_resources": {"listeners": [k.listener("second", k.hcm([k.direct("second")]))]}})
    proxy = launch_once(SIMPLE, args=["--config-yaml", extra])
    assert get(proxy.address()).text == "direct"
    assert get(proxy.address("second")).text == "second"


def test_flags_are_accepted(launch_once, tmp_path):
    log = tmp_path / "log"
    proxy = launch_once(SIMPLE, args=[
        "--service-cluster", "c", "--service-node", "n", "--service-zone", "z", "--drain-time-s", "5", "--drain-strategy", "immediate",
        "--parent-shutdown-time-s", "10", "--local-address-ip-version", "v4", "--file-flush-interval-msec", "1000",
        "--log-path", str(log), "--log-format", "%v", "--component-log-level", "upstream:debug,connection:trace", "--disable-hot-restart"])
    assert get(proxy.address()).text == "direct"
    import json
    node = json.loads(proxy.admin("/server_info")[1])["node"]
    assert (node["id"], node["cluster"], node["locality"]["zone"]) == ("n", "c", "z")
    assert log.exists()


def test_base_id(kind, tmp_path):
    code, text = validate(kind, write(tmp_path, SIMPLE), "--base-id", str(os.getpid() % 30000 + 1))
    assert code == 0


@pytest.mark.parametrize("value", ["n", "on", "yes", "NO", "Off"])
def test_words_that_yaml_11_calls_boolean(kind, settle, tmp_path, value):
    """Whatever is decided about them, a string field that gets one never gets `true`."""
    text = yaml.safe_dump(SIMPLE, sort_keys=False) + f"node: {{ id: {value}, cluster: 'yes' }}\n"
    code, output = validate(kind, write(tmp_path, text))
    assert code == 0 or "node" in output or kind == "envoy"


def test_the_v2_file_runs(kind, tmp_path):
    """A file of the Envoy 1.15 age."""
    source = "/work/shared/inputs/envoy-1.15-static.yaml"
    if not os.path.exists(source):
        pytest.skip("no such input here")
    code, text = validate(kind, source)
    if kind == "envoy":
        assert code != 0
    else:
        assert code == 0, text
        assert "warning" in text.lower()


differs("bootstrap of the v2 API (`hosts`, `config`, `envoy.http_connection_manager`)", envoy="refused", martlet="upgraded on load, one warning per change",
        why="Files of the v2 age run")
differs("configuration with several errors", envoy="the first one, without place", martlet="all of them, with file, line and field path", why=ERRORS)
for what, envoy in {"SIGTERM, SIGINT": "ends at once", "a second signal": "–"}.items():
    differs(what, envoy=envoy, martlet={"a second signal": "ends at once"}.get(what, "drains up to `--drain-time-s`, then exits 0"), why=GRACE)
