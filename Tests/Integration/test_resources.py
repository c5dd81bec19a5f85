"""What a request costs and what happens when resources run out."""

import os
import re
import shutil
import subprocess
import time

import pytest

from harness import config as k
from harness.client import Client, get
from harness.differs import differs

CALLS = differs("system calls of a proxied keep-alive GET, besides waiting", envoy="6", martlet="4",
                why="Cost")


def syscalls(proxy, work):
    """Counts the system calls of all threads while `work` runs."""
    output = os.path.join(proxy.directory, "strace")
    tracer = subprocess.Popen(["strace", "-f", "-c", "-S", "calls", "-p", str(proxy.pid), "-o", output],
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:  # attached to every thread
            tasks = os.listdir(f"/proc/{proxy.pid}/task")
            if all(f"TracerPid:\t{tracer.pid}\n" in open(f"/proc/{proxy.pid}/task/{t}/status").read() for t in tasks):
                break
            time.sleep(0.02)
        work()
    finally:
        tracer.send_signal(2)
        tracer.wait(10)
    counts = {}
    for line in open(output):
        fields = line.split()
        if len(fields) >= 5 and re.fullmatch(r"[\d.]+", fields[0]) and fields[3].isdigit() and fields[-1] != "total":
            counts[fields[-1]] = int(fields[3])
    return counts


@pytest.mark.skipif(not shutil.which("strace"), reason="no strace")
def test_system_calls_per_request(launch_once, upstreams, kind):
    upstream = upstreams()
    proxy = launch_once(k.bootstrap([k.listener("main", k.hcm([k.route()]))], [k.cluster("up", [upstream])]))
    requests = 300
    with Client(proxy.address()) as client:
        for _ in range(5):
            client.request()

        def work():
            for _ in range(requests):
                assert client.request().status == 200

        counts = syscalls(proxy, work)
    waiting = {"epoll_wait", "epoll_pwait", "epoll_pwait2", "restart_syscall", "clock_nanosleep", "futex", "clock_gettime", "gettimeofday"}
    working = {name: count for name, count in counts.items() if name not in waiting}
    per_request = sum(working.values()) / requests
    waits = sum(counts.get(name, 0) for name in ("epoll_wait", "epoll_pwait", "epoll_pwait2")) / requests
    print(f"{per_request:.2f} system calls and {waits:.2f} waits a request: {counts}")
    if kind == "martlet":
        assert per_request <= 4.1, working
        assert counts.get("epoll_ctl", 0) < requests * 0.05, "registration changes with every request"
        assert waits <= 2.2
    else:
        assert per_request < 12


def test_idle_proxy_does_nothing(launch_once):
    proxy = launch_once(k.bootstrap([k.listener("main", k.hcm([k.direct()]))]))
    clients = [Client(proxy.address()) for _ in range(20)]
    for client in clients:
        client.request()
    time.sleep(0.2)
    before = proxy.cpu_seconds()
    time.sleep(1.0)
    assert proxy.cpu_seconds() - before <= 0.03


def test_descriptors_run_out(launch_once, upstreams, kind):
    """Accepting pauses, nothing spins, and when descriptors are free again all is well."""
    limit = 150
    proxy = launch_once(k.bootstrap([k.listener("main", k.hcm([k.direct()]))]), files=limit)
    address = proxy.address()
    clients = [Client(address) for _ in range(limit + 50)]  # the kernel completes the handshakes
    served = waiting = 0
    for client in clients:
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n", ignore_errors=True)
    deadline = time.monotonic() + 1.5
    for client in clients:
        if client._fill(max(deadline, time.monotonic() + 0.005)):
            served += 1
        else:
            waiting += 1
    assert served > 50 and waiting > 0, (served, waiting)
    before = proxy.cpu_seconds()
    time.sleep(1.0)
    spent = proxy.cpu_seconds() - before
    if kind == "martlet":
        assert spent < 0.15, f"{spent} s of processor time in a second of nothing to do"
    assert proxy.process.poll() is None
    for client in clients[:100]:
        client.close()
    assert clients[-1].ended != "reset" or kind == "envoy"
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline:
        try:
            assert get(address).text == "direct"
            break
        except Exception:
            time.sleep(0.1)
    else:
        pytest.fail("not served after descriptors became free")
    for client in clients:
        client.close()
    assert proxy.admin("/ready")[0] == 200


differs("descriptors run out", envoy="accepting is tried without end, at a whole processor", martlet="accepting pauses until some are free", why="Cost")


def test_descriptors_run_out_upstream(launch_once, upstreams):
    """No descriptor for the upstream connection: the request is answered 503, not lost."""
    upstream = upstreams()
    proxy = launch_once(k.bootstrap([k.listener("main", k.hcm([k.route()]))], [k.cluster("up", [upstream])]), files=90)
    clients = [Client(proxy.address()) for _ in range(80)]
    statuses = []
    for client in clients:
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n", ignore_errors=True)
    for client in clients:
        try:
            statuses.append(client.response(timeout=0.05).status)
        except Exception:
            statuses.append(None)
        client.close()
    assert set(statuses) <= {200, 503, None}
    assert proxy.process.poll() is None
    deadline = time.monotonic() + 3
    while get(proxy.address()).status != 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_memory_is_given_back(launch_once, upstreams):
    """A thousand connections with large heads come and go; a second round needs no more."""
    proxy = launch_once(k.bootstrap([k.listener("main", k.hcm([k.direct()]))]))

    def round_():
        clients = [Client(proxy.address()) for _ in range(300)]
        for client in clients:
            client.send(b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 20000 + b"\r\n\r\n")
        for client in clients:
            assert client.response().status == 200
            client.close()

    round_()
    round_()
    before = proxy.rss_bytes()
    for _ in range(4):
        round_()
    assert proxy.rss_bytes() - before < 8 << 20


# Back pressure: what one side does not read must not become memory

FLOOD = os.urandom(1 << 16)


def test_a_client_that_does_not_read_stops_the_upstream(launch_once, upstreams):
    taken = []

    def pour(connection):
        while True:
            taken[-1] += connection.socket.send(FLOOD)

    upstream = upstreams()
    upstream.respond = [b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n", lambda c: taken.append(0), pour]
    proxy = launch_once(k.bootstrap([k.listener("main", k.hcm([k.route(timeout="0s")]))], [k.cluster("up", [upstream])]))
    with Client(proxy.address(), receive_buffer=16384) as client:
        before = proxy.rss_bytes()
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        deadline, last = time.monotonic() + 5, -1
        while not taken or taken[0] != last:
            last = taken[0] if taken else -1
            assert time.monotonic() < deadline, "the upstream is still being read"
            time.sleep(0.3)
        assert proxy.rss_bytes() - before < 16 << 20
        assert client.head().status == 200
        assert client.read(1 << 20) == FLOOD * 16


def test_an_upstream_that_does_not_read_stops_the_client(launch_once, upstreams):
    upstream = upstreams(raw=lambda connection: time.sleep(4))
    proxy = launch_once(k.bootstrap([k.listener("main", k.hcm([k.route(timeout="0s")]))], [k.cluster("up", [upstream])]))
    with Client(proxy.address()) as client:
        before = proxy.rss_bytes()
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n")
        client.socket.settimeout(0.4)
        sent = 0
        try:
            while sent < 64 << 20:
                sent += client.socket.send(FLOOD)
        except TimeoutError:
            pass
        assert sent < 64 << 20
        assert proxy.rss_bytes() - before < 16 << 20


def test_pipelining_without_reading_is_bounded(launch_once):
    """Answers nobody reads stop the reading of further requests."""
    proxy = launch_once(k.bootstrap([k.listener("main", k.hcm([k.direct("x" * 4000)]))]))
    with Client(proxy.address(), receive_buffer=8192) as client:
        before = proxy.rss_bytes()
        requests = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 2000
        client.socket.settimeout(0.4)
        sent = 0
        try:
            while sent < 64 << 20:
                sent += client.socket.send(requests)
        except TimeoutError:
            pass
        assert sent < 64 << 20
        assert proxy.rss_bytes() - before < 24 << 20
