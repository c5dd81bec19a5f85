"""Format operators of attempts, of routing, of the listener and of the client's connection."""

import socket
import struct
import time

import pytest

from harness import config as k
from harness.client import Client
from harness.differs import differs
from harness.logs import FLUSH, LogFile
from harness.process import StartFailed
from harness.upstream import ok, refused_port

OPERATORS = ["LISTENER_NAME", "ROUTE_RESOLUTION_COUNT", "UPSTREAM_HOSTS_ATTEMPTED", "UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT",
             "UPSTREAM_HOST_NAMES_ATTEMPTED", "UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT", "DOWNSTREAM_DETECTED_CLOSE_TYPE", "DOWNSTREAM_CX_RTT",
             "ROUTE_RESOLUTION_TIME_US", "UPSTREAM_CONNECTION_IDS_ATTEMPTED"]
WHY = "The operators are named for all attempts; Envoy has all those of a TCP connection, and of a request the last alone"
ALL = differs("%UPSTREAM_HOSTS_ATTEMPTED% and its kin, of a request that was sent three times", envoy=1, martlet=3, why=WHY)
LINE = "\t".join(f"%{name}%" for name in ["REQ(:path)", *OPERATORS]) + "\n"


@pytest.fixture(scope="module")
def proxy(launch, upstreams, tmp_path_factory):
    folder = tmp_path_factory.mktemp("operators")
    up, again = upstreams(), upstreams()
    up.respond = ok(b"hello")
    again.respond = b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n"
    bad = ("127.0.0.1", refused_port())
    two = k.cluster("two", [again, again])
    two["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["hostname"] = "first.example:99"
    two["load_assignment"]["endpoints"][0]["lb_endpoints"][1]["endpoint"]["hostname"] = "second.example"
    tcp = k.cluster("tcp", [bad, up])
    retry = {"retry_policy": {"retry_on": "5xx", "num_retries": 2, "retry_back_off": {"base_interval": "0.001s"}}}
    routes = [k.direct("d", match={"path": "/direct"}), k.route("two", {"path": "/two"}, **retry), k.route("refused", {"path": "/refused"}),
              k.route("redirect", {"path": "/redirect"}, internal_redirect_policy={}), k.route("up", {"prefix": "/up"})]
    moved = upstreams()
    moved.respond = b"HTTP/1.1 302 Found\r\nlocation: http://example.com/up?followed\r\ncontent-length: 0\r\n\r\n"
    log, tcp_log, listener_log = (LogFile(folder / name) for name in ("http", "tcp", "listener"))
    proxy = launch(k.bootstrap(
        [k.listener("main", k.hcm(routes, access_log=[k.access_log(log.path, LINE)])),
         k.listener("tcp", k.tcp_proxy("tcp", max_connect_attempts=3, access_log=[k.access_log(tcp_log.path, LINE)]),
                    access_log=[k.access_log(listener_log.path, LINE)])],
        [k.cluster("up", [up]), two, k.cluster("refused", [bad]), k.cluster("redirect", [moved]), tcp]), args=FLUSH)
    proxy.logs = {"main": log, "tcp": tcp_log, "listener": listener_log}
    proxy.up, proxy.again, proxy.bad, proxy.moved = (f"127.0.0.1:{at[1]}" for at in (up.address, again.address, bad, moved.address))
    return proxy


def said(proxy, path):
    with Client(proxy.address()) as client:
        client.request(path=path)
    return asked(proxy.logs["main"], path if path != "/redirect" else "/up?followed")


def asked(log, path):
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline:
        for line in log.lines():
            if line.startswith(path + "\t"):
                return dict(zip(OPERATORS, line.split("\t")[1:]))
        time.sleep(0.02)
    raise AssertionError(f"no line of {path}")


@pytest.mark.parametrize("path,routes", [("/direct", "1"), ("/up", "1"), ("/redirect", "2"), ("/none", "1")])
def test_routing(proxy, path, routes):
    line = said(proxy, path)
    assert (line["LISTENER_NAME"], line["ROUTE_RESOLUTION_COUNT"]) == ("main", routes)
    assert 0 <= int(line["ROUTE_RESOLUTION_TIME_US"]) < 100_000


def test_no_request(proxy):
    with Client(proxy.address()) as client:
        client.send("BAD\r\n\r\n", ignore_errors=True).read_all(1)
    line = asked(proxy.logs["main"], "-")
    assert (line["ROUTE_RESOLUTION_COUNT"], line["ROUTE_RESOLUTION_TIME_US"], line["UPSTREAM_HOSTS_ATTEMPTED"]) == ("0", "-", "-")


def test_no_attempt(proxy):
    line = said(proxy, "/direct?none")
    assert {line[name] for name in OPERATORS if name.endswith("ATTEMPTED") or "ATTEMPTED_" in name} == {"-"}


def test_one_attempt(proxy):
    line = said(proxy, "/up?one")
    assert line["UPSTREAM_HOSTS_ATTEMPTED"] == line["UPSTREAM_HOST_NAMES_ATTEMPTED"] == proxy.up
    assert line["UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT"] == line["UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT"] == "127.0.0.1"
    assert line["UPSTREAM_CONNECTION_IDS_ATTEMPTED"].isdigit()


def test_attempts(proxy, settle):
    count = settle(ALL)
    line = said(proxy, "/two")
    assert line["UPSTREAM_HOSTS_ATTEMPTED"] == ",".join([proxy.again] * count)
    assert line["UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT"] == ",".join(["127.0.0.1"] * count)
    names = line["UPSTREAM_HOST_NAMES_ATTEMPTED"].split(",")
    assert len(names) == count and set(names) <= {"first.example:99", "second.example"}
    assert line["UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT"] == ",".join(names).replace(":99", "")
    assert all(n.isdigit() for n in line["UPSTREAM_CONNECTION_IDS_ATTEMPTED"].split(","))
    assert len(line["UPSTREAM_CONNECTION_IDS_ATTEMPTED"].split(",")) == count


def test_attempts_are_of_one_request(proxy, settle):
    with Client(proxy.address()) as client:
        for path in ("/two?1", "/up?2", "/direct?3", "/up?4"):
            client.request(path=path)
    found = [asked(proxy.logs["main"], path)["UPSTREAM_HOSTS_ATTEMPTED"] for path in ("/two?1", "/up?2", "/direct?3", "/up?4")]
    assert found == [",".join([proxy.again] * settle(ALL)), proxy.up, "-", proxy.up]


def test_a_connection_that_never_stood_is_no_attempt(proxy):
    assert said(proxy, "/refused?1")["UPSTREAM_HOSTS_ATTEMPTED"] == "-"


@pytest.mark.parametrize("where", ["tcp", "listener"])
def test_attempts_of_connections(proxy, where):
    log = proxy.logs[where]
    before = len(log.lines())
    for _ in range(2):
        with Client(proxy.address("tcp")) as client:
            client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").read(1)
    lines = [dict(zip(OPERATORS, line.split("\t")[1:])) for line in log.wait(before + 2)[before:]]
    assert {line["UPSTREAM_HOSTS_ATTEMPTED"] for line in lines} <= {f"{proxy.bad},{proxy.up}", proxy.up}
    assert all(line["UPSTREAM_CONNECTION_IDS_ATTEMPTED"].isdigit() for line in lines)
    assert {(line["LISTENER_NAME"], line["ROUTE_RESOLUTION_COUNT"], line["ROUTE_RESOLUTION_TIME_US"]) for line in lines} == {("tcp", "0", "-")}
    assert all(line["DOWNSTREAM_CX_RTT"].isdigit() for line in lines)


@pytest.mark.parametrize("how,expected", [("closed", "Normal"), ("reset", "RemoteReset")])
def test_how_a_connection_ends(proxy, how, expected):
    log = proxy.logs["tcp"]
    before = len(log.lines())
    client = Client(proxy.address("tcp"))
    client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").read(1)
    if how == "reset":
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    line = dict(zip(OPERATORS, log.wait(before + 1)[before].split("\t")[1:]))
    assert line["DOWNSTREAM_DETECTED_CLOSE_TYPE"] == expected


@pytest.mark.parametrize("name", ["UPSTREAM_LOCAL_CLOSE_REASON", "DOWNSTREAM_LOCAL_CLOSE_REASON", "UPSTREAM_DETECTED_CLOSE_TYPE"])
@pytest.mark.only("martlet", "Envoy has them")
def test_refused(launch_once, name):
    with pytest.raises(StartFailed, match="is not kept"):
        launch_once(k.bootstrap([k.listener("main", k.hcm([k.direct()], access_log=[k.access_log("/dev/null", f"%{name}%")]))]))
