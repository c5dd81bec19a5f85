"""SIGHUP and POST /plugins/reload with another configuration file: what has changed takes effect, what has not goes on,
and a file that is wrong changes nothing."""

import signal
import time

import pytest
import yaml

from harness import config as k
from harness.client import Client, get, make_request
from harness.upstream import OK, ok

pytestmark = pytest.mark.only("martlet", "Envoy reads its bootstrap once")


def write(proxy, config):
    with open(proxy.config_path, "w") as f:
        f.write(config if isinstance(config, str) else yaml.safe_dump(config, sort_keys=False))


def reload(proxy, config=None):
    if config is not None:
        write(proxy, config)
    return proxy.admin("/plugins/reload", "POST")


def web(text, *listeners, clusters=(), name="main", **extra):
    """A bootstrap whose listener answers with `text`."""
    return k.bootstrap([k.listener(name, k.hcm([k.direct(text)])), *listeners], clusters, **extra)


def listening(proxy):
    return sorted(line.partition("::")[0] for line in proxy.admin("/listeners")[1].splitlines())


def test_routes(launch_once):
    proxy = launch_once(web("one"))
    with Client(proxy.address()) as client:
        assert client.request().text == "one"
        assert reload(proxy, web("two"))[0] == 200
        assert client.request().text == "two", "the connection goes on, under the new configuration"
    assert get(proxy.address()).text == "two"


def test_a_signal(launch_once):
    proxy = launch_once(web("one"))
    address = proxy.address()
    write(proxy, web("two"))
    proxy.signal(signal.SIGHUP)
    deadline = time.monotonic() + 5
    while get(address).text != "two" and time.monotonic() < deadline:
        time.sleep(0.02)
    assert get(address).text == "two"


def test_listeners_come_and_go(launch_once):
    proxy = launch_once(web("one", k.listener("second", k.hcm([k.direct("second")]))))
    assert listening(proxy) == ["main", "second"]
    second = proxy.address("second")
    with Client(second) as client:
        assert client.request().text == "second"
        assert reload(proxy, web("one", k.listener("third", k.hcm([k.direct("third")]))))[0] == 200
        assert listening(proxy) == ["main", "third"]
        with pytest.raises(OSError):
            get(second)
    proxy.addresses = proxy._listeners()
    assert get(proxy.address("third")).text == "third"
    assert get(proxy.address("main")).text == "one"


def test_a_request_under_way_is_answered_by_what_it_began_with(launch_once, upstreams):
    upstream = upstreams()
    upstream.respond = [0.8, OK]
    clusters = [k.cluster("up", [upstream])]
    proxy = launch_once(k.bootstrap([k.listener("main", k.hcm([k.route()]))], clusters))
    with Client(proxy.address()) as client:
        client.send(make_request())
        upstream.wait_requests(1)
        assert reload(proxy, web("direct"))[0] == 200
        assert client.response().status == 200
        assert client.request().text == "direct"


def test_endpoints(launch_once, upstreams):
    first, second = upstreams(), upstreams()
    first.respond, second.respond = ok(b"first"), ok(b"second")

    def config(upstream):
        return k.bootstrap([k.listener("main", k.hcm([k.route()]))], [k.cluster("up", [upstream])])

    proxy = launch_once(config(first))
    with Client(proxy.address()) as client:
        assert client.request().text == "first"
        assert reload(proxy, config(second))[0] == 200
        assert client.request().text == "second"


def test_tcp_connections_go_on(launch_once):
    proxy = launch_once(k.bootstrap([k.listener("main", [k.echo()])]))
    with Client(proxy.address()) as client:
        client.send(b"before")
        assert client.read_until(b"before")
        assert reload(proxy)[0] == 200
        client.send(b"after")
        assert client.read_until(b"after")


# (the new file, what the answer and the log name)
WRONG = [
    ("static_resources: [", "proxy.yaml"),
    ("static_resources: {listeners: [{name: a}]}", "static_resources.listeners[0]"),
    ("nothing: 1", "nothing"),
    (web("two", clusters=[k.cluster("up", [("127.0.0.1", 1)], lb_policy="NO_SUCH")]), "lb_policy"),
    (k.bootstrap([k.listener("main", k.hcm([k.route("nowhere")]))]), "nowhere"),
    (web("two", k.listener("busy", k.hcm([k.direct("busy")]), at=("192.0.2.1", 80))), "192.0.2.1"),
]


@pytest.mark.parametrize("config, named", WRONG, ids=lambda value: value if isinstance(value, str) and len(value) < 20 else "file")
def test_a_wrong_file_changes_nothing(launch_once, config, named):
    proxy = launch_once(web("one"))
    with Client(proxy.address()) as client:
        assert client.request().text == "one"
        status, body = reload(proxy, config)
        assert status >= 400 and named in body, body
        assert "not reloaded: " in proxy.output() and named in proxy.output()
        assert client.request().text == "one"
    assert get(proxy.address()).text == "one"
    assert listening(proxy) == ["main"]
    assert reload(proxy, web("two"))[0] == 200
    assert get(proxy.address()).text == "two"


def test_what_only_a_start_changes_is_said(launch_once):
    proxy = launch_once(web("one"))
    changed = web("two")
    changed["stats_flush_interval"] = "1s"
    assert reload(proxy, changed)[0] == 200
    assert "`stats_flush_interval` has changed" in proxy.output()
    assert get(proxy.address()).text == "two"


def test_counters_go_on(launch_once):
    proxy = launch_once(web("one"))
    for text in ["one", "two", "three"]:
        assert reload(proxy, web(text))[0] == 200
        assert get(proxy.address()).text == text
    assert proxy.wait_stat("http.main.downstream_rq_2xx", 3) == 3


def test_a_process_that_drains_reloads_nothing(launch_once, upstreams):
    upstream = upstreams()
    upstream.respond = [1, OK]
    config = k.bootstrap([k.listener("main", k.hcm([k.route()]))], [k.cluster("up", [upstream])])
    proxy = launch_once(config, args=["--drain-time-s", "5"])
    address = proxy.address()
    with Client(address) as client:
        client.send(make_request())
        upstream.wait_requests(1)
        proxy.signal(signal.SIGTERM)
        time.sleep(0.2)
        proxy.signal(signal.SIGHUP)
        status, body = reload(proxy)
        assert (status >= 400, "the process is ending" in body) == (True, True)
        with pytest.raises(OSError):
            get(address)
        assert client.response().status == 200
    assert proxy.wait(5) == 0


def test_reloads_at_once(launch_once):
    """Many reloads while others run: each is whole, and the process ends as it should."""
    proxy = launch_once(web("one"), concurrency=2)
    for number in range(20):
        write(proxy, web(f"{number}"))
        proxy.signal(signal.SIGHUP)
        assert reload(proxy)[0] == 200
        assert get(proxy.address()).text == f"{number}"
    proxy.signal(signal.SIGTERM)
    assert proxy.wait(5) == 0
