"""What a process that dies in a plugin's code says last: plugin, version, hash, filter, function, connection and request line."""

import hashlib
import json
import os
import re
import signal
import time

import pytest

from harness import config as k
from harness import plugins as p
from harness.client import Client

pytestmark = pytest.mark.only("martlet", "Envoy says nothing of the module")


def faulty(at, how, *, name="com.example.faulty", **fields):
    return p.http_filter(name, "Faulty", at=at, how=how, **fields)


def faulty_network(at, how, **fields):
    return {"name": "com.example.faulty.network", "typed_config": {"@type": p.PREFIX + "FaultyNetwork", "at": at, "how": how, **fields}}


def web(filters, routes=None, clusters=(), **fields):
    return k.bootstrap([k.listener(filters=p.hcm(filters, routes or [k.direct()], **fields))], clusters)


@pytest.fixture(scope="module")
def library(workshop):
    return workshop.build("faulty")


@pytest.fixture(scope="module")
def folder(library, tmp_path_factory):
    folder = tmp_path_factory.mktemp("plugins")
    p.put(library, folder, "faulty.so")
    return folder


def digest(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def fatal(text):
    return [line for line in text.splitlines() if line.startswith("[fatal] ")]


def crash(launch_once, config, folder, provoke=None, *, args=(), prefix=(), log=None):
    """Starts the proxy, provokes the crash; its exit by a signal and the last lines of its log."""
    proxy = launch_once(config, args=["--plugin-path", str(folder), *args], start=provoke is not None, prefix=prefix)
    if provoke:
        provoke(proxy)
    code = proxy.wait(10)
    with open(log or proxy.log_path, errors="replace") as f:
        return code, f.read()


def ask(path="/", **kwargs):
    def provoke(proxy):
        with Client(proxy.address()) as client:
            client.send(f"GET {path} HTTP/1.1\r\nhost: example.com\r\n\r\n".encode("latin-1"))
            client._fill(time.monotonic() + 5)
    return provoke


def post(proxy):
    with Client(proxy.address()) as client:
        client.send("POST /body HTTP/1.1\r\nhost: example.com\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-t: 1\r\n\r\n")
        client._fill(time.monotonic() + 5)


def connect(proxy):
    with Client(proxy.address()) as client:
        client.send("hello")
        client._fill(time.monotonic() + 5)


NAMES = {signal.SIGSEGV: "SIGSEGV", signal.SIGABRT: "SIGABRT", signal.SIGTRAP: "SIGTRAP", signal.SIGFPE: "SIGFPE", signal.SIGILL: "SIGILL"}
HOWS = [("null", signal.SIGSEGV), ("abort", signal.SIGABRT), ("trap", signal.SIGTRAP), ("divide", signal.SIGFPE),
        ("illegal", signal.SIGILL), ("overflow", signal.SIGSEGV)]


def blamed(library, hook, *, filter="com.example.faulty", plugin="com.example.faulty", version="1.0.0"):
    of = f", filter {filter}" if filter else ""
    return f"[fatal] plugin {plugin} {version}, sha256 {digest(library)}{of}, function {hook}"


@pytest.mark.parametrize("how, number", HOWS)
def test_every_fatal_signal(launch_once, folder, library, how, number):
    code, text = crash(launch_once, web([faulty("on_request_headers", how)]), folder, ask("/a?b=c"))
    assert code == -number, text
    first, second, third = fatal(text)
    address = r", address 0x[0-9a-f]+" if how in ("null", "divide", "illegal", "overflow") else ""
    assert re.fullmatch(rf"\[fatal\] signal {int(number)} \({NAMES[number]}{address}\) on thread wrk:worker_0 \(\d+\)", first), first
    assert second == blamed(library, "on_request_headers")
    assert re.fullmatch(r'\[fatal\] connection \d+, GET "example\.com" "/a\?b=c"', third), third
    assert text.splitlines()[-3:] == [first, second, third]


TRAILERS = {"http_protocol_options": {"enable_trailers": True}}
STREAM = ["create", "on_request_headers", "on_response_headers", "on_response_body", "on_timer", "on_wake", "on_complete", "destroy"]


@pytest.mark.parametrize("hook", STREAM)
def test_every_hook_of_a_stream(launch_once, folder, library, hook):
    code, text = crash(launch_once, web([faulty(hook, "null")]), folder, ask())
    assert code == -signal.SIGSEGV, text
    assert fatal(text)[1] == blamed(library, hook)
    assert re.search(r'connection \d+, GET "example\.com" "/"', fatal(text)[2])


@pytest.mark.parametrize("hook", ["on_request_body", "on_request_trailers"])
def test_the_hooks_of_a_body(launch_once, folder, library, upstream, hook):
    config = web([faulty(hook, "null")], [k.route()], [k.cluster(endpoints=[upstream])], **TRAILERS)
    code, text = crash(launch_once, config, folder, post)
    assert code == -signal.SIGSEGV and fatal(text)[1] == blamed(library, hook), text
    assert re.search(r'connection \d+, POST "example\.com" "/body"', fatal(text)[2])


def test_response_trailers(launch_once, folder, library, upstream):
    upstream.respond = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-t: 1\r\n\r\n"
    up = k.cluster(endpoints=[upstream], typed_extension_protocol_options={
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http_protocol_options": {"enable_trailers": True}}}})
    code, text = crash(launch_once, web([faulty("on_response_trailers", "null")], [k.route()], [up], **TRAILERS), folder, ask())
    assert code == -signal.SIGSEGV and fatal(text)[1] == blamed(library, "on_response_trailers"), text


NETWORK = ["create", "on_new_connection", "on_data", "on_write", "on_timer", "on_wake", "on_close", "destroy"]


@pytest.mark.parametrize("hook", NETWORK)
def test_every_hook_of_a_connection(launch_once, folder, library, upstream, hook):
    chain = [faulty_network(hook, "null"), k.tcp_proxy()]
    code, text = crash(launch_once, k.bootstrap([k.listener(filters=chain)], [k.cluster(endpoints=[upstream])]), folder, connect_and_leave)
    assert code == -signal.SIGSEGV, text
    assert fatal(text)[1] == blamed(library, hook, filter="com.example.faulty.network")
    assert re.fullmatch(r"\[fatal\] connection \d+", fatal(text)[2])


def connect_and_leave(proxy):
    with Client(proxy.address()) as client:
        client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        client._fill(time.monotonic() + 0.5)
        time.sleep(0.1)  # timers


@pytest.mark.parametrize("hook, thread", [("config_create", "plugins"), ("on_config_timer", "plugins"), ("on_config_wake", "plugins"),
                                          ("worker_create", "wrk:worker_0"), ("on_worker_timer", "wrk:worker_0"), ("on_worker_wake", "wrk:worker_0")])
def test_the_hooks_of_configurations_and_workers(launch_once, folder, library, hook, thread):
    code, text = crash(launch_once, web([faulty(hook, "null", name="mine")]), folder)
    assert code == -signal.SIGSEGV, text
    assert f"on thread {thread} (" in fatal(text)[0]
    assert fatal(text)[1] == blamed(library, hook, filter="mine")
    assert len(fatal(text)) == 2


@pytest.mark.parametrize("hook, thread", [("worker_destroy", "wrk:worker_0"), ("config_destroy", "plugins")])
def test_the_ends_of_configurations_and_workers(launch_once, folder, library, hook, thread):
    def leave_out(proxy):
        with open(proxy.config_path, "w") as f:
            json.dump(web([]), f)
        proxy.signal(signal.SIGHUP)

    code, text = crash(launch_once, web([faulty(hook, "abort")]), folder, leave_out)
    assert code == -signal.SIGABRT, text
    assert f"on thread {thread} (" in fatal(text)[0]
    assert fatal(text)[1] == blamed(library, hook)


def test_a_route_configuration(launch_once, folder, library):
    routes = [{**k.direct(), "typed_per_filter_config": {"com.example.faulty": {
        "@type": p.PREFIX + "FaultyRoute", "at": "route_config_create", "how": "null"}}}]
    code, text = crash(launch_once, web([faulty("nowhere", "nothing")], routes), folder)
    assert code == -signal.SIGSEGV and fatal(text)[1] == blamed(library, "route_config_create"), text


def test_while_it_is_opened(launch_once, folder, library):
    code, text = crash(launch_once, web([]), folder, prefix=["env", "FAULTY_OPEN=null"])
    assert code == -signal.SIGSEGV and fatal(text)[1] == blamed(library, "open", filter=""), text


def test_the_entry_is_blamed_on_the_file(launch_once, workshop, tmp_path):
    made = workshop.build("#include \"martlet.h\"\n#include <stdlib.h>\nMARTLET_EXPORT const martlet_plugin *martlet_plugin_v1(uint32_t minor) {\n"
                          "  (void)minor;\n  abort();\n}\n")
    path = p.put(made, tmp_path, "it.so")
    code, text = crash(launch_once, web([]), tmp_path)
    assert code == -signal.SIGABRT
    assert fatal(text)[1] == blamed(made, "martlet_plugin_v1", filter="", plugin=path, version="(unknown version)")


def test_a_constructor_of_the_library(launch_once, workshop, tmp_path):
    made = workshop.build("#include \"minimal.h\"\n__attribute__((constructor)) static void begin(void) { __builtin_trap(); }\n")
    path = p.put(made, tmp_path, "it.so")
    code, text = crash(launch_once, web([]), tmp_path)
    assert code == -signal.SIGILL
    assert fatal(text)[1] == blamed(made, "load", filter="", plugin=path, version="(unknown version)")


def test_a_thread_of_the_plugins_own(launch_once, folder, library):
    code, text = crash(launch_once, web([faulty("thread", "null")]), folder)
    assert code == -signal.SIGSEGV
    assert fatal(text)[1] == f"[fatal] plugin com.example.faulty 1.0.0, sha256 {digest(library)}, a thread of its own"


def test_a_signal_from_outside_blames_nobody(launch_once, folder):
    code, text = crash(launch_once, web([faulty("nowhere", "nothing")]), folder, lambda proxy: proxy.signal(signal.SIGABRT))
    assert code == -signal.SIGABRT
    (line,) = fatal(text)
    assert re.fullmatch(r"\[fatal\] signal 6 \(SIGABRT\) on thread .*\(\d+\); no plugin was being called", line), line


def test_a_long_request_line_is_cut(launch_once, folder):
    path = "/a%20" + "x" * 1000
    code, text = crash(launch_once, web([faulty("on_request_headers", "null")]), folder, ask(path))
    (line,) = [line for line in fatal(text) if "connection" in line]
    assert line.endswith(f'GET "example.com" "{path[:512]}..."'), line


def test_the_log_file_has_the_lines_as_well(launch_once, folder, library, tmp_path):
    log = tmp_path / "log"
    code, text = crash(launch_once, web([faulty("on_request_headers", "null")]), folder, ask(), args=["--log-path", str(log)], log=log)
    assert code == -signal.SIGSEGV
    assert len(fatal(text)) == 3 and text.splitlines()[-3:] == fatal(text)
    assert fatal(text)[1] == blamed(library, "on_request_headers")


def test_the_log_file_after_a_rotation(launch_once, folder, tmp_path):
    log = tmp_path / "log"

    def provoke(proxy):
        os.rename(log, tmp_path / "old")
        proxy.signal(signal.SIGUSR1)
        deadline = time.monotonic() + 5
        while not log.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        ask()(proxy)

    crash(launch_once, web([faulty("on_request_headers", "null")]), folder, provoke, args=["--log-path", str(log)], log=log)
    assert len(fatal(log.read_text())) == 3 and not fatal((tmp_path / "old").read_text())


def test_a_backtrace_comes_behind_and_is_whole(launch_once, folder, library):
    env = ["env", "SWIFT_BACKTRACE=enable=yes,color=no,timeout=10s"]
    code, text = crash(launch_once, web([faulty("on_request_headers", "null")]), folder, ask(), prefix=env)
    lines = text.splitlines()
    at = lines.index(blamed(library, "on_request_headers"))
    assert lines[at - 1].startswith("[fatal] signal 11") and lines[at + 1].startswith("[fatal] connection")
    assert code in (-signal.SIGSEGV, -signal.SIGKILL)
    rest = "\n".join(lines[at + 2:])
    assert not rest or "Crashed" in rest or "ackt" in rest, rest


def test_the_innermost_of_several_filters_is_named(launch_once, folder, library):
    filters = [faulty("nowhere", "nothing", name="first"), faulty("on_request_headers", "null", name="second"),
               faulty("nowhere", "nothing", name="third")]
    code, text = crash(launch_once, web(filters), folder, ask())
    assert fatal(text)[1] == blamed(library, "on_request_headers", filter="second"), text
