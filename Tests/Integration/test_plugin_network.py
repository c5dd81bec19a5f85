"""Network filters of plugins: every function of `martlet.host.network/1` and every hook, driven through the probe."""

import time

import pytest

from harness import config as k
from harness import plugins as p
from harness.client import Client
from harness.plugins import do
from harness.process import StartFailed
from harness.upstream import refused_port

pytestmark = pytest.mark.only("martlet", "Envoy has no such plugins")


@pytest.fixture(scope="module")
def folder(workshop, tmp_path_factory):
    made = tmp_path_factory.mktemp("plugins")
    p.put(workshop.build("probe"), made, "probe.so")
    return made


@pytest.fixture
def start(launch_once, folder):
    """A proxy with a chain of these filters; nothing may have gone wrong in it at the end."""
    started = []

    def start(*filters, clusters=(), **extra):
        config = k.bootstrap([k.listener(filters=list(filters), **extra)], clusters)
        started.append(launch_once(config, args=["--plugin-path", str(folder)]))
        return started[-1]

    yield start
    time.sleep(0.03)
    for proxy in started:
        assert [line for line in proxy.output().splitlines() if "WRONG" in line] == []


def probe(label="a", **script):
    define = script.pop("define", [])
    return p.network_probe(label=label, script=script, define=define)


def terminal(label="t", **script):
    return p.network_probe(terminal=True, label=label, script=script)


def traces(proxy, label):
    return [line.split("trace ")[1] for line in proxy.output().splitlines() if f"probe {label}: trace" in line]


def wait_for(check, timeout=3.0):
    deadline = time.monotonic() + timeout
    while not check() and time.monotonic() < deadline:
        time.sleep(0.01)
    return check()


ECHO = {"data": [do("read_buffer", **{"as": "b"}), do("write", bytes="${b}"), do("read_drain"), do("close", mode="flush", when={"end": True})]}


def test_a_terminal_filter(start):
    proxy = start(terminal(**ECHO))
    with Client(proxy.address()) as client:
        assert client.send("hello").read(5) == b"hello"
        assert client.send("again").read(5) == b"again"
        client.half_close()
        assert client.read(1) == b"" and client.ended == "close"
    assert wait_for(lambda: traces(proxy, "t"))
    assert traces(proxy, "t")[0].startswith("create:0 new_connection:0 data:0") and traces(proxy, "t")[0].endswith("data:1 close:0")


@pytest.mark.parametrize("behind", [k.echo(), terminal(**ECHO)], ids=["built in", "plugin"])
def test_a_filter_before_others_sees_and_passes(start, behind):
    proxy = start(probe(data=[do("read_buffer", **{"as": "b"}), do("say", text="seen ${b}")]), behind)
    with Client(proxy.address()) as client:
        assert client.send("hello").read(5) == b"hello"
    assert "seen hello" in proxy.output()


def test_order_of_filters(start):
    replace = [do("read_buffer", **{"as": "b"}), do("read_replace", bytes="${b}%s")]
    steps = [[{**step, "bytes": step["bytes"].replace("%s", mark)} if "bytes" in step else step for step in replace] for mark in "123"]
    proxy = start(probe("a", data=steps[0]), probe("b", data=steps[1]), probe("c", data=steps[2]), k.echo())
    with Client(proxy.address()) as client:
        assert client.send("x").read(4) == b"x123"


@pytest.mark.parametrize("steps, sent, expected", [
    ([do("read_drain", count=2, when={"end": False})], "hello", b"llo"),
    ([do("read_drain", count=100, expect="ARGUMENT")], "hello", b"hello"),
    ([do("read_replace", bytes="other")], "hello", b"other"),
    ([do("read_replace", bytes="abcdefghij", repeat=5000, when={"end": False})], "hello", b"abcdefghij" * 5000),
    ([do("read_drain"), do("read_replace", bytes="new")], "hello", b"new")])
def test_reading_changed(start, steps, sent, expected):
    proxy = start(probe(data=steps), k.echo())
    with Client(proxy.address()) as client:
        assert client.send(sent).read(len(expected)) == expected


def test_bytes_that_are_not_drained_are_offered_again(start):
    proxy = start(probe(data=[do("stop", when={"visit": 1}), do("read_buffer", **{"as": "b"}), do("say", text="have ${b}")]), k.echo())
    with Client(proxy.address()) as client:
        client.send("he")
        assert wait_for(lambda: "have he" in proxy.output())
        assert client.send("llo").read(5) == b"hello"
    assert "have hello" in proxy.output()


def test_stopped_data_goes_on_from_a_timer(start):
    proxy = start(probe(data=[do("set_timer", timer=1, milliseconds=40), "stop"], timer=[do("continue")]), k.echo())
    with Client(proxy.address()) as client:
        begin = time.monotonic()
        assert client.send("hello").read(5) == b"hello"
        assert time.monotonic() - begin > 0.03


def test_a_connection_is_held_back_from_those_behind(start):
    proxy = start(probe(new_connection=[do("set_timer", milliseconds=50), "stop"], data=["stop"], timer=[do("continue")]), probe("b"), terminal(**ECHO))
    with Client(proxy.address()) as client:
        begin = time.monotonic()
        assert client.send("hello").read(5) == b"hello"
        assert time.monotonic() - begin > 0.03


def test_a_filter_that_held_a_connection_back_decides_on_data(start):
    proxy = start(probe(new_connection=["stop"], data=[do("read_buffer", **{"as": "b"}), do("stop", when={"visit": 1})]), k.echo())
    with Client(proxy.address()) as client:
        client.send("he")
        assert client.read(1, timeout=0.2) == b""
        assert client.send("llo").read(5) == b"hello"


def test_before_a_tcp_proxy(start, upstreams):
    upstream = upstreams()
    proxy = start(probe(data=[do("read_buffer", **{"as": "b"}), do("read_replace", bytes="GET /${b} HTTP/1.1\r\nhost: a\r\n\r\n")]),
                  k.tcp_proxy(), clusters=[k.cluster(endpoints=[upstream])])
    with Client(proxy.address()) as client:
        client.send("there")
        assert client.response().status == 200
    assert upstream.requests[0].target == "/there"


def test_before_a_connection_manager(start):
    proxy = start(probe(data=[do("set_metadata", namespace="a", key="b", value="c")]), k.hcm([k.direct("direct")]))
    with Client(proxy.address()) as client:
        assert client.request().text == "direct"
        assert client.request().text == "direct"


def test_a_tcp_proxy_that_is_held_back_does_not_connect(start):
    proxy = start(probe(new_connection=["stop"], data=[do("write", bytes="no", end=True), do("close", mode="flush"), "stop"]), k.tcp_proxy(),
                  clusters=[k.cluster(endpoints=[("127.0.0.1", refused_port())])])
    with Client(proxy.address()) as client:
        assert client.send("x").read(2) == b"no"
    assert not proxy.stat("cluster.up.upstream_cx_total")


# ---- Writing

@pytest.fixture(scope="module")
def far(launch):
    """The end of a chain that sends back what comes, by way of a TCP proxy: what filters write themselves passes the write hooks by."""
    proxy = launch(k.bootstrap([k.listener(filters=[k.echo()])]))
    cluster = k.cluster(endpoints=[proxy.address()])
    return lambda start, *filters: start(*filters, k.tcp_proxy(), clusters=[cluster])

def test_what_goes_out_is_seen_and_drained(start, far):
    proxy = far(start, probe(write=[do("write_buffer", **{"as": "b"}), do("say", text="out ${b} of ${total}"), do("write_drain", count=2)]))
    with Client(proxy.address()) as client:
        assert client.send("hello").read(3) == b"llo"
    assert "out hello of 5" in proxy.output()


def test_what_goes_out_is_replaced(start, far):
    proxy = far(start, probe(write=[do("write_buffer", **{"as": "b"}), do("write_drain"), do("write", bytes="<${b}>")]))
    with Client(proxy.address()) as client:
        assert client.send("hello").read(7) == b"<hello>"


def test_what_goes_out_is_held_until_the_next(start, far):
    proxy = far(start, probe(write=[do("stop", when={"visit": 1}), do("write_buffer", **{"as": "b"})]))
    with Client(proxy.address()) as client:
        assert client.send("he").read(1, timeout=0.2) == b""
        assert client.send("llo").read(5) == b"hello"


def test_writing_passes_the_write_hooks_by(start, far):
    proxy = far(start, probe(new_connection=[do("write", bytes="welcome ")], write=[do("write_drain")]))
    with Client(proxy.address()) as client:
        assert client.read(8) == b"welcome "
        assert client.send("hello").read(1, timeout=0.2) == b""


def test_write_hooks_run_from_the_last_to_the_first(start, far):
    wrap = [do("write_buffer", **{"as": "b"}), do("say", text="${b}")]
    proxy = far(start, probe("a", write=wrap), probe("b", write=[*wrap, do("write_drain", count=1)]))
    with Client(proxy.address()) as client:
        assert client.send("hello").read(4) == b"ello"
    lines = [line.split("probe ")[1] for line in proxy.output().splitlines() if "said" in line]
    assert lines == ["b: said hello", "a: said ello"]


def test_outside_of_the_hooks(start, far):
    outside = [do("write_buffer", expect="STATE"), do("write_drain", count=0, expect="STATE"), do("read_replace", bytes="x", expect="STATE")]
    proxy = far(start, probe(new_connection=outside, data=outside[:2], write=outside[2:]))
    with Client(proxy.address()) as client:
        assert client.send("hello").read(5) == b"hello"


def test_half_close_by_writing_the_end(start):
    proxy = start(terminal(data=[do("write", bytes="bye", end=True, when={"visit": 1}), do("read_drain")]))
    with Client(proxy.address()) as client:
        assert client.send("hello").read(10) == b"bye" and client.ended == "close"


# ---- Closing

@pytest.mark.parametrize("mode, got, ended", [("flush", b"bye", "close"), ("now", None, "close"), ("reset", None, "reset")])
def test_closing(start, mode, got, ended):
    proxy = start(terminal(data=[do("read_drain"), do("write", bytes="bye"), do("close", mode=mode)]))
    with Client(proxy.address()) as client:
        data = client.send("hello").read(10)
        assert client.ended == ended
        assert got is None or data == got
    assert wait_for(lambda: traces(proxy, "t"))


def test_a_mode_that_is_none(start):
    proxy = start(probe(data=[do("close", mode="nothing", expect="ARGUMENT")]), k.echo())
    with Client(proxy.address()) as client:
        assert client.send("hello").read(5) == b"hello"


@pytest.mark.parametrize("hook", ["new_connection", "data", "timer", "wake"])
def test_closing_from_each_hook(start, hook):
    script = {"new_connection": [do("set_timer", milliseconds=20), do("wake_from_thread", token=1, milliseconds=20)]}
    script.setdefault(hook, []).append(do("close", mode="now"))
    proxy = start(probe(**script), k.echo())
    with Client(proxy.address()) as client:
        client.send("hello", ignore_errors=True)
        client.read(100, timeout=2)
        assert client.ended
    assert wait_for(lambda: traces(proxy, "a")) and traces(proxy, "a")[0].endswith("close:0")


def test_the_end_is_told_once_to_all(start):
    proxy = start(probe("a"), probe("b"), k.echo())
    for way in ("close", "reset"):
        client = Client(proxy.address())
        client.send("hello").read(5)
        getattr(client, way)()
    assert wait_for(lambda: len(traces(proxy, "a")) == 2 and len(traces(proxy, "b")) == 2)
    assert all(trace.count("close:0") == 1 for label in "ab" for trace in traces(proxy, label))


def test_what_can_be_done_at_the_end(start):
    proxy = start(probe(define=[{"metric": "open", "kind": "gauge"}],
                        new_connection=[do("add", metric="open")],
                        close=[do("subtract", metric="open"), do("number", attribute=2), do("text", attribute=0),
                               do("set_metadata", namespace="a", key="b", value="c"), do("write", bytes="x", expect="STATE"),
                               do("close", mode="now", expect="STATE"), do("continue", expect="STATE"),
                               do("set_timer", milliseconds=1, expect="STATE")]), k.echo())
    with Client(proxy.address()) as client:
        client.send("hello").read(5)
        assert proxy.wait_stat("open", 1) == 1
    assert proxy.wait_stat("open", 0) == 0
    assert wait_for(lambda: traces(proxy, "a"))


# ---- The rest

def test_back_pressure(start):
    proxy = start(probe(data=[do("disable_reading", disable=True, when={"visit": 1}), do("set_timer", milliseconds=150, when={"visit": 1})],
                        timer=[do("disable_reading", disable=False)]), k.echo())
    with Client(proxy.address()) as client:
        assert client.send("one").read(3) == b"one"
        begin = time.monotonic()
        assert client.send("two").read(3) == b"two"
        assert time.monotonic() - begin > 0.1


def test_facts_of_a_connection(start):
    proxy = start(probe(new_connection=[do("text", attribute=0, **{"as": "peer"}), do("text", attribute=1, **{"as": "direct"}),
                                        do("text", attribute=2, **{"as": "own"}), do("number", attribute=0), do("number", attribute=1),
                                        do("say", text="${peer} ${direct} ${own}"),
                                        do("text", attribute=16, status_as="s"), do("number", attribute=16, status_as="s")]), k.echo())
    with Client(proxy.address()) as client:
        client.send("hello").read(5)
        peer = "127.0.0.1:%d" % client.socket.getsockname()[1]
        own = "127.0.0.1:%d" % client.socket.getpeername()[1]
    assert f"said {peer} {peer} {own}" in proxy.output()


@pytest.mark.parametrize("step", [
    do("read_buffer"), do("read_drain", count=0), do("read_replace", bytes="x"), do("write_buffer"), do("write_drain", count=0), do("write", bytes="x"),
    do("close"), do("continue"), do("disable_reading")], ids=lambda step: step["do"])
def test_a_handle_of_nothing(start, step):
    """Of a connection that has ended, of none, and of something else."""
    steps = [{**step, "handle": handle, "expect": "GONE", "if": {"number": 0}} for handle in ("remembered", "zero", "worker", "config", "plugin")]
    proxy = start(probe(destroy=[do("remember")]), probe("b", data=[do("read_buffer", **{"as": "b"})], timer=steps, wake=steps,
                  new_connection=[do("wake_from_thread", milliseconds=150)]), k.echo())
    Client(proxy.address()).close()
    with Client(proxy.address()) as client:
        assert client.send("hello").read(5) == b"hello"
        time.sleep(0.2)


def test_a_chain_without_a_terminal_is_refused(launch_once, folder):
    with pytest.raises(StartFailed):
        launch_once(k.bootstrap([k.listener(filters=[probe()])]), args=["--plugin-path", str(folder)])


def test_a_filter_behind_a_terminal_is_refused(launch_once, folder):
    with pytest.raises(StartFailed):
        launch_once(k.bootstrap([k.listener(filters=[terminal(), probe()])]), args=["--plugin-path", str(folder)])


@pytest.mark.parametrize("what", ["create", "worker_create"])
def test_nothing_made_closes_the_connection(start, what):
    proxy = start(p.network_probe(label="a", null=[what]), k.echo())
    with Client(proxy.address()) as client:
        client.send("hello", ignore_errors=True)
        assert client.read(5) == b"" and client.ended
