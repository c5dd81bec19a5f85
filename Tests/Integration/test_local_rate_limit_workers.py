"""A local rate limit over two workers: over any window no more than its bucket holds and gets; and over reloads."""

import threading
import time

import pytest
import yaml

from harness import config as k
from harness.client import Client
from test_local_rate_limit import NAME, V, bucket, descriptor, http_filter, key, limit
from test_local_rate_limit_network import limit as connection_limit


def web(config, *network, rules=None, host=None):
    hcm = k.hcm(hosts=[{**k.virtual_host("all", ["*"], [{**k.direct()}]), **(host or {}), **({"rate_limits": rules} if rules else {})}])
    hcm["typed_config"]["http_filters"] = [http_filter(config)] + hcm["typed_config"]["http_filters"]
    return k.listener("main", [*network, hcm])


def admitted(address, seconds, clients=16):
    """(asked, answered) of every request that passed, of as many clients as fast as they can."""
    found, failures = [], []
    end = time.monotonic() + seconds

    def ask():
        try:
            with Client(address) as client:
                while time.monotonic() < end:
                    asked = time.monotonic()
                    status = client.request().status
                    if status == 200:
                        found.append((asked, time.monotonic()))
                    elif status != 429:
                        failures.append(status)
        except BaseException as failure:  # noqa: BLE001 - shown by the test
            failures.append(failure)

    threads = [threading.Thread(target=ask) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures[:3]
    return sorted(found)


def workers(proxy):
    """How many connections each worker has taken."""
    found = proxy.stats("worker_")
    return [value for name, value in sorted(found.items()) if name.endswith(".downstream_cx_total")]


LIMITS = {
    "one bucket": (limit(bucket(40, 17, "0.1s")), None),
    "a descriptor": (limit(bucket(100000), rate_limits=[key()], descriptors=[descriptor([V], bucket(40, 17, "0.1s"))]), None),
    "a wildcard": (limit(bucket(100000), rate_limits=[key()], descriptors=[
        descriptor([("generic_key", None)], bucket(40, 17, "0.1s"))]), None),
    "two hits each": (limit(bucket(100000), rate_limits=[key(hits_addend={"number": 2})],
                            descriptors=[descriptor([V], bucket(80, 34, "0.1s"))]), None),
    "a route's": (limit(None), {"typed_per_filter_config": {NAME: limit(bucket(40, 17, "0.1s"))}}),
}


@pytest.mark.parametrize("name", LIMITS)
def test_no_window_has_more(launch_once, name):
    config, host = LIMITS[name]
    most, rate = 40, 170
    # Three times, for a machine that stands still for a while loses what the bucket had no room for.
    for _ in range(3):
        proxy = launch_once(k.bootstrap([web(config, host=host)]), concurrency=2)
        began = time.monotonic()
        found = admitted(proxy.address(), 1.5)
        elapsed = time.monotonic() - began
        taken = workers(proxy)
        assert len(taken) == 2 and all(taken), "both workers take part"
        for first in range(len(found)):
            for last in range(first, len(found)):
                # Decided between the first's question and the last's answer.
                window = max(answered for _, answered in found[last:last + 1]) - found[first][0]
                inside = sum(1 for asked, answered in found[first:last + 1] if answered <= found[last][1])
                assert inside <= most + rate * window + 1e-6
        assert len(found) <= most + rate * elapsed
        if len(found) >= 0.9 * (most + rate * 1.5):
            return
    pytest.fail("something is lost between the workers")


def test_connections_over_two_workers(launch_once):
    proxy = launch_once(k.bootstrap([web(limit(None), connection_limit(bucket(30)))]), concurrency=2)
    address, passed = proxy.address(), []

    def connect():
        for _ in range(10):
            with Client(address) as client:
                client.send("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", ignore_errors=True)
                if client.read_all().startswith(b"HTTP/1.1 200"):
                    passed.append(1)

    threads = [threading.Thread(target=connect) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(passed) == 30 and all(workers(proxy))


@pytest.mark.only("martlet", "Envoy reads its bootstrap once")
class TestReload:
    def reload(self, proxy, config):
        with open(proxy.config_path, "w") as f:
            f.write(yaml.safe_dump(config, sort_keys=False))
        status, text = proxy.admin("/plugins/reload", "POST")
        assert status == 200, text

    def routes(self, *configs, before=()):
        routes = [{**k.direct(match={"prefix": f"/{i}"}), "typed_per_filter_config": {NAME: c}} for i, c in enumerate(configs)]
        hcm = k.hcm([*before, *routes, k.direct()])
        hcm["typed_config"]["http_filters"] = [http_filter(limit(bucket(2)))] + hcm["typed_config"]["http_filters"]
        return k.bootstrap([k.listener("main", hcm)])

    def ask(self, proxy, path="/"):
        with Client(proxy.address()) as client:
            return client.request("GET", path).status

    def test_what_has_not_changed_keeps_its_tokens(self, launch_once):
        one, other = limit(bucket(2)), limit(bucket(2, 1, "900s"))
        proxy = launch_once(self.routes(one, one, other), concurrency=2)
        assert [self.ask(proxy, path) for path in ("/0", "/0", "/0", "/1", "/", "/2", "/2", "/2")] == [
            200, 200, 429, 200, 200, 200, 200, 429]
        # A route more in front, and another limit for the last.
        added = {**k.direct(match={"prefix": "/new"}), "typed_per_filter_config": {NAME: limit(bucket(7))}}
        self.reload(proxy, self.routes(one, one, limit(bucket(3)), before=[added]))
        assert [self.ask(proxy, path) for path in ("/0", "/1", "/1", "/", "/")] == [429, 200, 429, 200, 429]
        # What has changed begins full.
        assert [self.ask(proxy, "/2") for _ in range(4)] == [200, 200, 200, 429]

    def test_connections(self, launch_once):
        config = limit(bucket(2), local_rate_limit_per_downstream_connection=True)
        proxy = launch_once(k.bootstrap([web(config)]))
        with Client(proxy.address()) as client:
            assert [client.request().status for _ in range(3)] == [200, 200, 429]
            self.reload(proxy, k.bootstrap([web(config)]))
            assert client.request().status == 429
            self.reload(proxy, k.bootstrap([web({**config, "token_bucket": bucket(3)})]))
            assert [client.request().status for _ in range(4)] == [200, 200, 200, 429]

    def test_shared_by_name(self, launch_once):
        def config(text):
            return k.bootstrap([k.listener(name, [connection_limit(bucket(2), share_key="k"), k.hcm([k.direct(text)])])
                                for name in ("main", "second")])

        def stands(proxy, name):
            with Client(proxy.address(name)) as client:
                client.send("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", ignore_errors=True)
                return b" 200 " in client.read_all()

        proxy = launch_once(config("one"))
        assert [stands(proxy, name) for name in ("main", "second", "main")] == [True, True, False]
        self.reload(proxy, config("two"))
        assert not stands(proxy, "main") and not stands(proxy, "second")
