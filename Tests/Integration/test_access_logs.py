"""Access logs: where they stand, what they take, when they are written, and files that fail."""

import json
import os
import re
import subprocess
import time

import pytest

from harness import config as k
from harness.client import Client, exchange, make_request
from harness.differs import differs
from harness.logs import FLUSH, LogFile
from harness.process import SIGTERM, StartFailed
from harness.upstream import ok, refused_port
import signal

LINE = "%ACCESS_LOG_TYPE% %PROTOCOL% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %BYTES_RECEIVED%/%BYTES_SENT%"
WIRE = " %DOWNSTREAM_WIRE_BYTES_RECEIVED%/%DOWNSTREAM_WIRE_BYTES_SENT% %UPSTREAM_WIRE_BYTES_RECEIVED%/%UPSTREAM_WIRE_BYTES_SENT%"
WHERE = " %UPSTREAM_CLUSTER% %UPSTREAM_REQUEST_ATTEMPT_COUNT% %UPSTREAM_TRANSPORT_FAILURE_REASON%"


@pytest.fixture
def log(tmp_path):
    return LogFile(tmp_path / "log")


def start(launch_once, log, upstream, log_format="%REQ(:path)%\n", routes=None, filter=None, args=FLUSH, **fields):
    manager = k.hcm(routes or [k.route()], access_log=[k.access_log(log.path, log_format, filter)], **fields)
    return launch_once(k.bootstrap([k.listener("main", manager)], [k.cluster("up", [upstream])]), args=args)


def ask(proxy, path="/", headers=(), method="GET", body=b"", listener="main"):
    with Client(proxy.address(listener)) as client:
        return client.request(method, path, headers, body)


# Connections

@pytest.fixture(scope="module")
def network(launch, upstreams, tmp_path_factory):
    folder = tmp_path_factory.mktemp("network")
    upstream = upstreams()
    upstream.respond = ok(b"hello")
    text = LINE + WIRE + WHERE + " %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%\n"

    def listener(name, filters, **fields):
        return k.listener(name, filters, access_log=[k.access_log(str(folder / f"listener-{name}"), text)], **fields)

    def proxied(name, **fields):
        return k.tcp_proxy(name, access_log=[k.access_log(str(folder / f"proxy-{name}"), text)], **fields)
    proxy = launch(k.bootstrap([
        listener("up", proxied("up")), listener("refused", proxied("refused")), listener("nosuch", proxied("nosuch")), listener("empty", proxied("empty")),
        listener("echo", k.echo()), listener("http", k.hcm([k.direct()])),
        listener("none", None, chains=[{"filters": [k.echo()], "filter_chain_match": {"source_ports": [1]}}]),
        k.listener("timed", k.tcp_proxy("up", access_log=[k.access_log(str(folder / "timed"), LINE + " %COMMON_DURATION(DS_CX_BEG:DS_CX_END)%\n")],
                                        access_log_options={"access_log_flush_interval": "0.1s", "flush_access_log_on_connected": True}))],
        [k.cluster("up", [upstream]), k.cluster("refused", [("127.0.0.1", refused_port())]), k.cluster("empty", [])]), args=FLUSH)
    return proxy, folder, upstream


REQUEST = make_request()
ANSWER = len(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello")
CONNECTIONS = {
    "up": (f"- 0 - - {len(REQUEST)}/{ANSWER} {len(REQUEST)}/{ANSWER} {ANSWER}/{len(REQUEST)} up 1 - 127.0.0.1 127.0.0.1", True),
    "refused": ("- 0 UF,URX - 0/0 0/0 0/0 refused 1 delayed_connect_error:_Connection_refused 127.0.0.1 -", True),
    "nosuch": ("- 0 NC - 0/0 0/0 0/0 - 0 - 127.0.0.1 -", True),
    "empty": ("- 0 UH - 0/0 0/0 0/0 empty 0 - 127.0.0.1 -", True),
    "echo": (f"- 0 - - {len(REQUEST)}/{len(REQUEST)} 0/0 0/0 - 0 - 127.0.0.1 -", False),
    "none": ("- 0 NR filter_chain_not_found 0/0 0/0 0/0 - 0 - 127.0.0.1 -", False),
}


@pytest.mark.parametrize("name", CONNECTIONS)
def test_connection(network, name):
    proxy, folder, _ = network
    expected, proxied = CONNECTIONS[name]
    with Client(proxy.address(name)) as client:
        client.send(REQUEST, ignore_errors=True)
        if name == "up":
            client.response()
        elif name == "echo":
            client.read(len(REQUEST))
        else:
            client.read_all(0.5)
    assert LogFile(folder / f"listener-{name}").wait(1) == ["NotSet " + expected]
    if proxied:
        assert LogFile(folder / f"proxy-{name}").wait(1) == ["TcpConnectionEnd " + expected]


def test_connection_of_http(network):
    proxy, folder, _ = network
    with Client(proxy.address("http")) as client:
        client.request()
    (line,) = LogFile(folder / "listener-http").wait(1)
    assert re.match(rf"NotSet \S+ 0 - - {len(REQUEST)}/\d+ 0/0 0/0 - 0 - 127\.0\.0\.1 -", line), line


def test_tcp_lines_in_between(network):
    proxy, folder, upstream = network
    upstream.respond = [0.25, ok(b"hello")]
    try:
        with Client(proxy.address("timed")) as client:
            client.send(REQUEST)
            client.response()
    finally:
        upstream.respond = ok(b"hello")
    # A machine that stands still makes the answer late, and the periodic lines more.
    lines = LogFile(folder / "timed").wait(4, last="TcpConnectionEnd")
    kinds = [line.split()[0] for line in lines]
    assert kinds[0] == "TcpUpstreamConnected" and kinds[-1] == "TcpConnectionEnd" and len(kinds) >= 4, lines
    assert set(kinds[1:-1]) == {"TcpPeriodic"}, lines
    assert lines[0].split()[-2:] == ["0/0", "-"] and lines[1].split()[-2:] == [f"{len(REQUEST)}/0", "-"]
    assert re.fullmatch(rf"TcpConnectionEnd - 0 - - {len(REQUEST)}/{ANSWER} (2[5-9]|[3-9]\d)\d", lines[-1])


# Requests

def test_each_request_has_a_line(launch_once, log, upstream):
    proxy = start(launch_once, log, upstream)
    with Client(proxy.address()) as client:
        for i in range(50):
            client.request("GET", f"/{i}")
    assert log.wait(50) == [f"/{i}" for i in range(50)]


def test_pipelined_requests(launch_once, log, upstream):
    proxy = start(launch_once, log, upstream, "%REQ(:path)% %RESPONSE_CODE%\n")
    with Client(proxy.address()) as client:
        client.send(b"".join(make_request("GET", f"/{i}") for i in range(10)))
        for _ in range(10):
            client.response()
    assert log.wait(10) == [f"/{i} 200" for i in range(10)]


@pytest.mark.parametrize("raw,expected", [
    (b"rubbish\r\n\r\n", "HTTP/1.1 400 DPE http1.codec_error 0/11 -"),
    (b"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 - missing_host_header 0/0 /"),
    (b"GET / HTTP/1.0\r\n\r\n", "HTTP/1.1 426 DPE low_version 0/16 -"),
    (b"GET / HTTP/1.1\r\nHost: a\r\nx: \x01\r\n\r\n", "HTTP/1.1 400 DPE http1.invalid_characters 0/11 -"),
    (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
     "HTTP/1.1 400 DPE http1.content_length_and_chunked_not_allowed 0/11 -"),
    (b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", "HTTP/1.1 501 DPE http1.invalid_transfer_encoding 0/15 -"),
    (b"GET / HTTP/1.1\r\nHost: a\r\nx: " + b"y" * 70000 + b"\r\n\r\n", "HTTP/1.1 431 DPE http1.headers_too_large 0/31 -"),
    (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"x: y\r\n" * 120 + b"\r\n", "HTTP/1.1 431 DPE http1.too_many_headers 0/31 -"),
    (b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", "HTTP/1.1 404 NR route_not_found 0/0 -"),
    (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", "HTTP/1.1 403 - upgrade_failed 0/0 /"),
    (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "HTTP/1.1 400 DPE http1.codec_error 0/11 /"),
], ids=["rubbish", "no-host", "http10", "bad-value", "length-and-chunked", "gzip", "too-large", "too-many", "connect", "upgrade", "bad-chunk"])
def test_bad_requests(bad, settle, raw, expected):
    proxy, log = bad
    before = len(log.lines())
    exchange(proxy.address(), raw)
    line = log.wait(before + 1)[-1]
    # Bodies of local replies are the proxies' own.
    cut = lambda text: re.sub(r" 0/\d+ ", " ", text)
    assert cut(line) == "DownstreamEnd " + cut(expected)


@pytest.fixture(scope="module")
def bad(launch, upstreams, tmp_path_factory):
    log = LogFile(tmp_path_factory.mktemp("bad") / "log")
    manager = k.hcm([k.route()], access_log=[k.access_log(log.path, LINE + " %REQ(:path)%\n")])
    proxy = launch(k.bootstrap([k.listener("main", manager)], [k.cluster("up", [upstreams()])]), args=FLUSH)
    return proxy, log


def test_half_a_head(launch_once, log, upstream):
    proxy = start(launch_once, log, upstream, LINE + WIRE + " %REQ(:path)%\n", request_headers_timeout="0.2s")
    with Client(proxy.address()) as client:
        client.send(b"GET /x HT")
        time.sleep(0.05)
    assert log.wait(1) == ["DownstreamEnd HTTP/1.1 0 DC downstream_remote_disconnect 0/0 9/0 0/0 -"]
    exchange(proxy.address(), b"GET /x HTTP/1.1\r\nHo", patience=0.5)
    assert log.wait(2)[1].startswith("DownstreamEnd HTTP/1.1 408 - request_header_timeout 0/22 19/")


@pytest.mark.parametrize("path,expected", [("/idle", "504 SI stream_idle_timeout"), ("/slow", "504 UT response_timeout")])
def test_timeouts(launch_once, log, upstream, path, expected):
    upstream.respond = [0.5, ok(b"late")]
    routes = [k.route(match={"path": "/slow"}, timeout="0.1s"), k.route(match={"path": "/idle"}, idle_timeout="0.1s")]
    proxy = start(launch_once, log, upstream, "%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%\n", routes)
    assert ask(proxy, path).status == 504
    assert log.wait(1) == [expected]


def test_lines_in_between(launch_once, log, upstream):
    upstream.respond = [0.25, ok(b"hello")]
    proxy = start(launch_once, log, upstream, LINE + " %ROUTE_NAME% %UPSTREAM_CLUSTER%\n", [{**k.route(), "name": "r"}],
                  access_log_options={"access_log_flush_interval": "0.1s", "flush_access_log_on_new_request": True})
    ask(proxy)
    lines = log.wait(4)
    assert [line.split()[0] for line in lines] == ["DownstreamStart", "DownstreamPeriodic", "DownstreamPeriodic", "DownstreamEnd"]
    assert lines[0] == "DownstreamStart HTTP/1.1 0 - - 0/0 r up"
    assert lines[1] == "DownstreamPeriodic HTTP/1.1 0 - - 0/0 r up"
    assert lines[3] == "DownstreamEnd HTTP/1.1 200 - via_upstream 0/5 r up"


def test_old_options(launch_once, log, upstream):
    proxy = start(launch_once, log, upstream, "%ACCESS_LOG_TYPE%\n", flush_access_log_on_new_request=True)
    ask(proxy)
    assert log.wait(2) == ["DownstreamStart", "DownstreamEnd"]


# Filters

def status_is(value, op="EQ"):
    return {"status_code_filter": {"comparison": {"op": op, "value": {"default_value": value, "runtime_key": "log.status"}}}}


def lasts(op):
    return {"duration_filter": {"comparison": {"op": op, "value": {"default_value": 90, "runtime_key": "k"}}}}


def header_is(name, **match):
    return {"header_filter": {"header": {"name": name, **match}}}


FILTERS = {
    "status": (status_is(404), ["none"]),
    "status-ge": (status_is(300, "GE"), ["redirect", "none", "refused"]),
    "duration-le": (lasts("LE"), ["direct", "redirect", "none", "refused", "post"]),
    "duration-ge": (lasts("GE"), ["slow"]),
    "flags": ({"response_flag_filter": {"flags": ["UF", "UH"]}}, ["refused"]),
    "header": (header_is("x-case", string_match={"exact": "post"}), ["post"]),
    "header-present": (header_is("x-case", present_match=True), ["direct", "redirect", "none", "refused", "slow", "post"]),
    "header-inverted": (header_is(":method", string_match={"exact": "GET"}, invert_match=True), ["post"]),
    "and": ({"and_filter": {"filters": [status_is(200, "GE"), header_is(":method", string_match={"exact": "POST"})]}}, ["post"]),
    "or": ({"or_filter": {"filters": [status_is(404), status_is(301)]}}, ["redirect", "none"]),
    "nested": ({"and_filter": {"filters": [{"or_filter": {"filters": [status_is(404), status_is(301)]}}, {"response_flag_filter": {}}]}}, ["none"]),
    "runtime": ({"runtime_filter": {"runtime_key": "log.none", "percent_sampled": {"numerator": 100}}}, []),
    "runtime-id": ({"runtime_filter": {"runtime_key": "k", "percent_sampled": {"numerator": 50}}}, ["none", "slow"]),
    "log-type": ({"log_type_filter": {"types": ["DownstreamEnd"]}}, ["direct", "redirect", "none", "refused", "slow", "post"]),
    "log-type-not": ({"log_type_filter": {"types": ["DownstreamEnd"], "exclude": True}}, []),
    "grpc": ({"grpc_status_filter": {"statuses": ["UNIMPLEMENTED", "UNAVAILABLE"]}}, ["none", "refused"]),
    "grpc-not": ({"grpc_status_filter": {"statuses": ["UNIMPLEMENTED"], "exclude": True}}, ["direct", "redirect", "refused", "slow", "post"]),
    "health": ({"not_health_check_filter": {}}, ["direct", "redirect", "none", "refused", "slow", "post"]),
    "traceable": ({"traceable_filter": {}}, []),
}
IDS = {"direct": "00000063", "redirect": "00000062", "none": "00000001", "refused": "00000059", "slow": "0000000a", "post": "ffffffff"}


@pytest.fixture(scope="module")
def filtered(launch, upstreams, tmp_path_factory):
    folder = tmp_path_factory.mktemp("filters")
    upstream = upstreams()
    upstream.respond = lambda request: [0.12, ok(b"x")] if request.get("x-case") == "slow" else [ok(b"x")]
    logs = [k.access_log(str(folder / name), "%REQ(x-case)%\n", filter) for name, (filter, _) in FILTERS.items()]
    logs.append(k.access_log(str(folder / "all"), "%REQ(x-case)%\n"))
    routes = [k.direct(match={"path": "/direct"}), k.redirect({"path": "/redirect"}, path_redirect="/x"), k.route("refused", match={"path": "/refused"}),
              k.route(match={"path": "/slow"}), k.route(match={"path": "/post"})]
    clusters = [k.cluster("up", [upstream]), k.cluster("refused", [("127.0.0.1", refused_port())])]
    config = k.bootstrap([k.listener("main", k.hcm(routes, access_log=logs))], clusters, runtime={"log": {"none": 0}})
    proxy = launch(config, args=FLUSH)
    for case in IDS:
        ask(proxy, "/" + case, [("x-case", case), ("x-request-id", IDS[case] + "-0000-4000-8000-000000000000")], "POST" if case == "post" else "GET",
            b"1" if case == "post" else b"")
    LogFile(folder / "all").wait(6)
    time.sleep(0.1)
    return folder


@pytest.mark.parametrize("name", FILTERS)
def test_filter(filtered, name):
    assert LogFile(filtered / name).lines() == FILTERS[name][1]


def test_runtime_value_of_a_comparison(launch_once, log, upstream):
    manager = k.hcm([k.direct()], access_log=[k.access_log(log.path, "%RESPONSE_CODE%\n", status_is(404))])
    proxy = launch_once(k.bootstrap([k.listener("main", manager)], runtime={"log": {"status": 200}}), args=FLUSH)
    ask(proxy)
    assert log.wait(1) == ["200"]


# Sinks

@pytest.mark.parametrize("logger", ["stdout", "stderr"])
def test_standard_streams(launch_once, upstream, logger):
    manager = k.hcm([k.route()], access_log=[k.access_log("", "line %REQ(:path)%\n", logger=logger)])
    proxy = launch_once(k.bootstrap([k.listener("main", manager)], [k.cluster("up", [upstream])]), args=FLUSH)
    ask(proxy, "/one")
    deadline = time.monotonic() + 3
    while "line /one" not in proxy.output() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert "line /one\n" in proxy.output()


def test_reopened_on_signal(launch_once, log, upstream):
    proxy = start(launch_once, log, upstream)
    ask(proxy, "/one")
    assert log.wait(1) == ["/one"]
    os.rename(log.path, log.path + ".1")
    ask(proxy, "/two")
    assert LogFile(log.path + ".1").wait(2) == ["/one", "/two"]
    proxy.signal(signal.SIGUSR1)
    time.sleep(0.2)
    ask(proxy, "/three")
    assert log.wait(1) == ["/three"] and LogFile(log.path + ".1").lines() == ["/one", "/two"]


@pytest.mark.only("martlet", "Envoy's timer runs from the start, not from the first line")
def test_lines_wait_for_the_interval(launch_once, log, upstream):
    proxy = start(launch_once, log, upstream, args=("--file-flush-interval-msec", "400"))
    ask(proxy, "/one")
    time.sleep(0.15)
    assert log.lines() == []
    assert log.wait(1) == ["/one"]


def test_a_full_buffer_is_written_at_once(launch_once, log, upstream):
    proxy = start(launch_once, log, upstream, "x" * 2000 + "%REQ(:path)%\n", args=("--file-flush-interval-msec", "60000"))
    with Client(proxy.address()) as client:
        for i in range(60):
            client.request("GET", f"/{i}")
    assert len(log.wait(30)) >= 30


def test_written_at_the_end(launch_once, log, upstream):
    proxy = start(launch_once, log, upstream, args=("--file-flush-interval-msec", "60000"))
    for i in range(3):
        ask(proxy, f"/{i}")
    proxy.signal(SIGTERM)
    proxy.wait(10)
    assert log.lines() == ["/0", "/1", "/2"]


def test_two_logs_in_one_file(launch_once, log, upstream):
    logs = [k.access_log(log.path, "a\n"), k.access_log(log.path, "b\n")]
    proxy = launch_once(k.bootstrap([k.listener("main", k.hcm([k.route()], access_log=logs))], [k.cluster("up", [upstream])]), args=FLUSH)
    for _ in range(3):
        ask(proxy)
    assert sorted(log.wait(6)) == ["a"] * 3 + ["b"] * 3


def test_a_file_that_is_there_is_continued(launch_once, log, upstream):
    with open(log.path, "w") as f:
        f.write("before\n")
    ask(start(launch_once, log, upstream), "/after")
    assert log.wait(2) == ["before", "/after"]


def test_a_file_that_cannot_be_opened(launch_once, log, upstream):
    with pytest.raises(StartFailed):
        start(launch_once, LogFile("/no/such/directory/log"), upstream)


def test_a_full_disk_costs_lines_and_nothing_else(launch_once, upstream):
    full = LogFile("/dev/full")
    proxy = start(launch_once, full, upstream)
    for _ in range(5):
        assert ask(proxy).status == 200
    assert proxy.wait_stat("filesystem.write_failed", lambda n: n >= 1) >= 1
    assert ask(proxy).status == 200


def test_counters_of_files(launch_once, log, upstream):
    proxy = start(launch_once, log, upstream)
    for _ in range(3):
        ask(proxy)
    log.wait(3)
    assert proxy.wait_stat("filesystem.write_buffered", 3) == 3
    assert proxy.wait_stat("filesystem.write_completed", lambda n: n >= 1) >= 1
    assert proxy.wait_stat("filesystem.write_total_buffered", 0) == 0
    assert proxy.stat("filesystem.reopen_failed") == 0 and proxy.stat("filesystem.flushed_by_timer") >= 1


def test_a_slow_reader_does_not_stall_traffic(launch_once, upstream, tmp_path):
    """A pipe that nobody empties is the slowest disk there is."""
    path = str(tmp_path / "pipe")
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    proxy = start(launch_once, LogFile(path), upstream, "x" * 4000 + "\n")
    started = time.monotonic()
    with Client(proxy.address()) as client:
        for _ in range(100):
            assert client.request().status == 200
    assert time.monotonic() - started < 3
    os.close(reader)


def test_lines_are_never_mixed(launch_once, log, upstream):
    proxy = launch_once(k.bootstrap([k.listener("main", k.hcm([k.direct()], access_log=[k.access_log(log.path, "<" + "y" * 500 + "%REQ(:path)%>\n")]))]),
                        args=FLUSH, concurrency=2)
    clients = [Client(proxy.address()) for _ in range(8)]
    for i in range(50):
        for client in clients:
            client.send(make_request("GET", f"/{i}"))
        for client in clients:
            client.response()
    for client in clients:
        client.close()
    lines = log.wait(400)
    assert len(lines) == 400 and all(re.fullmatch(r"<y{500}/\d+>", line) for line in lines)


def test_json_lines_are_json_whatever_is_sent(launch_once, log, upstream):
    proxy = start(launch_once, log, upstream, {"json_format": {"a": "%REQ(x-a)%", "b": "<%REQ(x-a)%>"}})
    values = ['"', "\\", "a\tb", "\x80\xff", "é".encode().decode("latin-1"), "\xe2\x82", "</script>"]
    for value in values:
        ask(proxy, headers=[("x-a", value)])
    for value, line in zip(values, log.wait(len(values))):
        seen = json.loads(line.encode("latin-1"))
        # Bytes that are UTF-8 stay; others are taken for Latin-1.
        try:
            text = value.encode("latin-1").decode()
        except UnicodeDecodeError:
            text = value
        assert seen == {"a": text, "b": f"<{text}>"}


@pytest.mark.only("martlet", "the words are Martlet's")
@pytest.mark.parametrize("where,log,place,words", [
    ("hcm", {"name": "x"}, "access_log[0].typed_config", "is required"),
    ("hcm", k.access_log("/tmp/x", "x", {"extension_filter": {"name": "x"}}), "access_log[0].filter.extension_filter", "extension point"),
    ("hcm", k.access_log("/tmp/x", "x", {"response_flag_filter": {"flags": ["ZZ"]}}), "flags[0]", "expected one of"),
    ("hcm", k.access_log("/tmp/x", "x", {"and_filter": {"filters": [status_is(1)]}}), "and_filter.filters", "2"),
    ("tcp", k.access_log("/tmp/x", "%NO%"), "access_log[0].typed_config.log_format.text_format_source", "%NO%"),
    ("listener", k.access_log("/tmp/x", "%NO%"), "access_log[0].typed_config.log_format.text_format_source", "%NO%"),
])
def test_wrong_logs_are_refused(launch_once, where, log, place, words):
    own = {"access_log": [log]}
    filters = k.tcp_proxy("up", **own) if where == "tcp" else k.hcm([k.direct()], **(own if where == "hcm" else {}))
    listener = k.listener("main", filters, **(own if where == "listener" else {}))
    with pytest.raises(StartFailed) as failure:
        launch_once(k.bootstrap([listener], [k.cluster("up", [("127.0.0.1", 1)])]))
    assert place in str(failure.value) and words in str(failure.value)
