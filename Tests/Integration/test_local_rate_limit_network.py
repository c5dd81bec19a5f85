"""envoy.filters.network.local_ratelimit: connections over a limit are closed."""

import os
import tempfile
import time

import pytest

from harness import config as k
from harness.client import Client
from harness.differs import differs
from harness.logs import FLUSH, LogFile
from harness.process import StartFailed
from test_local_rate_limit import bucket

TYPE = "type.googleapis.com/envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit"


def limit(tokens, stat_prefix="net", **fields):
    config = {"@type": TYPE, "stat_prefix": stat_prefix, **fields}
    if tokens is not None:
        config["token_bucket"] = tokens
    return {"name": "envoy.filters.network.local_ratelimit", "typed_config": config}


FLAGS = differs("`%RESPONSE_FLAGS%` of a connection over a local limit", envoy="URX", martlet="RL",
                why="RL says what has happened; URX is about retries of an upstream")


@pytest.fixture(scope="module")
def logs():
    return tempfile.mkdtemp(prefix="martlet-it-")


@pytest.fixture(scope="module")
def proxy(launch, upstream, logs):
    listeners = []

    def add(name, *filters, end=None, **fields):
        listeners.append(k.listener(name, [*filters, end or k.echo()], **fields))

    add("two", limit(bucket(2), "two"))
    add("fills", limit(bucket(1, 1, "0.4s")))
    add("nothing", limit(bucket(0)))
    add("off", limit(bucket(0), runtime_enabled={"default_value": False, "runtime_key": "net.on"}))
    add("shared-1", limit(bucket(2), share_key="k"))
    add("shared-2", limit(bucket(2), share_key="k"))
    add("shared-3", limit(bucket(1), share_key="k"))
    add("alone-1", limit(bucket(1)))
    add("alone-2", limit(bucket(1)))
    add("chain", limit(bucket(3)), limit(bucket(1), "second"))
    add("log", limit(bucket(0)), access_log=[k.access_log(os.path.join(logs, "log"), "%RESPONSE_FLAGS%\n")])
    add("http", limit(bucket(1)), end=k.hcm([k.route()]))
    layers = {"layers": [{"name": "admin", "admin_layer": {}}]}
    return launch(k.bootstrap(listeners, [k.cluster("up", [upstream])], layered_runtime=layers), args=FLUSH)


def stands(proxy, listener):
    with Client(proxy.address(listener)) as client:
        client.send(b"x", ignore_errors=True)
        try:
            return client.read_all(0.3) == b"x" if client.closed(0.05) else client.read(1) == b"x"
        except (ConnectionError, AssertionError, TimeoutError):
            return False


def test_so_many(proxy):
    assert [stands(proxy, "two") for _ in range(4)] == [True, True, False, False]
    assert proxy.stat("local_rate_limit.two.rate_limited") == 2


def test_it_fills(proxy):
    assert [stands(proxy, "fills") for _ in range(2)] == [True, False]
    time.sleep(0.5)
    assert stands(proxy, "fills")


def test_nothing_passes(proxy):
    assert not stands(proxy, "nothing")


def test_runtime(proxy):
    assert stands(proxy, "off")
    proxy.admin("/runtime_modify?net.on=true", "POST")
    time.sleep(0.3)
    assert not stands(proxy, "off")


def test_shared(proxy):
    assert [stands(proxy, f"shared-{i}") for i in (1, 2, 1, 2)] == [True, True, False, False]
    assert [stands(proxy, "shared-3") for _ in range(2)] == [True, False]  # another bucket, another share


def test_not_shared(proxy):
    assert [stands(proxy, f"alone-{i}") for i in (1, 2, 1, 2)] == [True, True, False, False]


def test_two_filters(proxy):
    assert [stands(proxy, "chain") for _ in range(2)] == [True, False]
    assert proxy.stat("local_rate_limit.second.rate_limited") == 1


def test_in_front_of_http(proxy):
    with Client(proxy.address("http")) as client:
        assert [client.request().status for _ in range(2)] == [200, 200]
    with Client(proxy.address("http")) as client:
        client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n", ignore_errors=True)
        assert client.read_all() == b""


def test_flags(proxy, logs, settle):
    assert not stands(proxy, "log")
    assert LogFile(os.path.join(logs, "log")).wait(1) == [settle(FLAGS)]


@pytest.mark.parametrize("config", [
    limit(None), limit(bucket(1), stat_prefix=""), limit(bucket(1, 1, "0.01s")), limit({"max_tokens": 1})])
def test_refused(launch_once, config):
    with pytest.raises(StartFailed):
        launch_once(k.bootstrap([k.listener("main", [config, k.echo()])]))


def test_statistics_for_prometheus(proxy):
    text = proxy.admin("/stats/prometheus?filter=local_rate_limit")[1]
    assert 'envoy_local_rate_limit_rate_limited{envoy_local_network_ratelimit_prefix="second"}' in text
