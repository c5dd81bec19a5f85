"""The rows of the table: what is done to a proxy, what is read from it, and the goal.

Goals are those of the project's performance plan. A goal against a peer is a ratio of the row's
figure, Martlet's divided by the peer's; a goal against no peer is the figure itself.
"""

import dataclasses
import json
import re
import statistics
import subprocess
import time

import http_probe
from processes import LOAD_CORE, PROXY_CORE, Failure, cpu_seconds, resident_kib, start, stolen_seconds
from peers import FILTERS

MIB = 1 << 20


@dataclasses.dataclass(frozen=True)
class Goal:
    limit: float
    peer: str | None = None


@dataclasses.dataclass(frozen=True)
class Figure:
    """One line of the table. `key` names it in the samples."""
    key: str
    title: str
    goals: tuple


@dataclasses.dataclass(frozen=True)
class Row:
    name: str
    title: str
    kind: str            # of configuration: http, httplog, tcp, start
    measure: object      # (row, running, origin, seconds) -> sample; see below
    figures: tuple
    without: tuple = ()  # peers that take no part
    load: tuple = ()     # the load client's arguments after the seconds; empty: wrk
    connections: int = 0
    resident: bool = True  # one process serves all rounds; otherwise each round starts its own
    most_rounds: int = 99
    headers: tuple = ()  # that wrk's requests carry besides Host; such a row is always wrk's
    beside: str = ""     # kind of configuration that a second process of each peer runs, to compare with

    @property
    def needs_plugins(self):
        return self.kind.partition("-")[0] in FILTERS


# --- load rows -------------------------------------------------------------------------------


def run_client(tools, arguments, seconds):
    command = [tools["client"], *(str(a) for a in arguments)]
    return json.loads(run(command, seconds))


def run(command, seconds):
    process = start(command, LOAD_CORE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        output, _ = process.communicate(timeout=seconds + 30)
    except subprocess.TimeoutExpired:
        raise Failure(f"{command[0]} did not end") from None
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if process.returncode != 0:
        raise Failure(f"{command[0]} failed: {output.strip()[-300:]}")
    return output


# What browsers send with a GET, near enough: what is read of a request is not Host alone.
BROWSER = (
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    "Accept-Language: en-US,en;q=0.5",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Referer: http://www.example.com/catalogue/items?page=3&sort=price",
    "Cookie: session=8f14e45fceea167a5a36dedd4bea2543; theme=dark; consent=analytics.off",
)


def run_wrk(tools, port, connections, seconds, headers=()):
    url = f"http://127.0.0.1:{port}/small"
    command = [tools["wrk"], "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--latency"]
    for header in headers:
        command += ["-H", header]
    text = run([*command, url], seconds)
    scale = {"us": 1, "ms": 1e3, "s": 1e6}

    def latency(percent):
        value, unit = re.search(rf"{percent}%\s+([\d.]+)(us|ms|s)", text).groups()
        return float(value) * scale[unit]

    def number(pattern):
        found = re.search(pattern, text)
        return sum(int(n) for n in found.groups()) if found else 0

    return {
        "requests": number(r"(\d+) requests in"),
        "errors": number(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)"),
        "non2xx": number(r"Non-2xx or 3xx responses: (\d+)"),
        "p50": latency(50), "p99": latency(99), "up": 0, "down": 0,
    }


def generate(row, port, tools, seconds):
    if not row.load and (tools["load"] == "wrk" or row.headers):
        return run_wrk(tools, port, row.connections, seconds, row.headers)
    mode, *rest = row.load or ("http", "GET", "/small", 0)
    return run_client(tools, [mode, port, row.connections, seconds, *rest], seconds)


def measure_load(row, running, origin, seconds):
    """CPU of the proxy's processes over a window of load, for each request (or MiB)."""
    generate(row, running.port, origin.tools, min(1.0, seconds))  # warm-up
    pids = running.pids()
    seen = http_probe.origin_counters(origin.ports[0])
    cpu, waited = cpu_seconds(pids)
    stolen, began = stolen_seconds(PROXY_CORE), time.perf_counter()
    load = generate(row, running.port, origin.tools, seconds)
    elapsed = time.perf_counter() - began
    cpu, waited = (after - before for after, before in zip(cpu_seconds(pids), (cpu, waited)))
    stolen = stolen_seconds(PROXY_CORE) - stolen
    check_answers(load)
    check_origin(row, load, seen, http_probe.origin_counters(origin.ports[0]))
    count = (load["up"] + load["down"]) / MIB if row.name == "tcp-large" else load["requests"]
    return {"cpu": cpu * 1e6 / count, "rate": count / elapsed, "busy": cpu / elapsed,
            "disturbed": (waited + stolen) / elapsed, "p50": load["p50"], "p99": load["p99"],
            "requests": load["requests"]}


def check_answers(load):
    if load["errors"] or load["non2xx"] or not load["requests"]:
        raise Failure(f"{load['requests']} answers, {load['errors']} errors, {load['non2xx']} not 2xx")


def check_origin(row, load, before, after):
    """What the clients count as answered, the origin must have seen: no cache, no lost bodies."""
    requests, bodies = (b - a for a, b in zip(before, after))
    if requests < load["requests"]:
        raise Failure(f"{load['requests']} answers, but the origin saw {requests} requests")
    body = int(row.load[-1]) if row.name == "post-64k" else 0
    if bodies < body * load["requests"]:
        raise Failure(f"the origin saw {bodies} body bytes of {body * load['requests']}")


# --- plugin filters --------------------------------------------------------------------------


def measure_filters(row, running, origin, seconds):
    """The load through a chain with plugin filters, and the same through the same proxy without them,
    one after the other in changing order. That the filters were there is seen by what they count; those
    that do nothing can only be seen in the configuration, which the proxy would refuse without them."""
    count = int(row.kind.partition("-")[2])
    works = row.kind.startswith("work-")
    before = http_probe.counter(running.admin, "bench_work") if works else 0
    samples = {}
    for proxy in (running.beside, running) if running.bare_first else (running, running.beside):
        samples[proxy] = measure_load(row, proxy, origin, seconds)
    running.bare_first = not running.bare_first
    filtered, bare = samples[running], samples[running.beside]
    if works:
        counted = http_probe.counter(running.admin, "bench_work") - before
        if counted < count * filtered["requests"]:
            raise Failure(f"{counted} counted by {count} filters in {filtered['requests']} requests")
    return dict(filtered, bare=bare["cpu"], part=filtered["cpu"] / bare["cpu"])


ASKED = 5  # requests of a round that have the probe filter time its calls


def measure_hooks(row, running, origin, seconds):
    """What the filters' interface costs, as probe filters measure it from inside: plugins/probe.h.
    The time of hooks is the median over requests of a load like the other rows', so that they run
    with caches and predictors as they are under traffic; the calls are timed in loops, and so with
    everything at hand, by requests that come alone."""
    count = int(row.kind.partition("-")[2])
    load = generate(row, running.port, origin.tools, seconds)
    check_answers(load)
    before = http_probe.counter(running.admin, "bench_calls")
    asked = [http_probe.figures(running.port) for _ in range(ASKED)]
    counted = http_probe.counter(running.admin, "bench_calls") - before
    first = asked[0]
    if first["requests"] < load["requests"]:
        raise Failure(f"the probes saw {first['requests']} requests of {load['requests']}")
    if counted != ASKED * first["added"]:
        raise Failure(f"{ASKED * first['added']} added to a counter made {counted}")

    def nanoseconds(name):
        # Envoy has no calls by number: what a filter of its does for each request is by name.
        return statistics.median((f[name] or f[f"{name}-name"]) / f["calls"] for f in asked)

    return {"hook": first["hooks"] / count,
            **{name: nanoseconds(name) for name in ("get", "get-name", "set", "set-name", "add")}}


# --- memory and start ------------------------------------------------------------------------


def measure_idle(row, running, origin, _seconds):
    """Resident memory for each idle connection, each of which has had one request answered."""
    http_probe.request(running.port, "GET", "/small")
    time.sleep(0.5)
    empty = resident_kib(running.pids())
    command = [origin.tools["client"], "idle", str(running.port), str(row.connections), "/small"]
    client = start(command, LOAD_CORE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        if client.stdout.readline().strip() != "ready":
            raise Failure(f"could not open {row.connections} connections")
        time.sleep(1.0)
        full = resident_kib(running.pids())
        held, _ = client.communicate(timeout=60)
        held = json.loads(held)
    finally:
        if client.poll() is None:
            client.kill()
            client.wait()
    if held["open"] != row.connections or held["errors"] or held["non2xx"]:
        raise Failure(f"{held} of {row.connections} connections")
    return {"idle": (full - empty) / row.connections}


def measure_start(_row, running, _origin, _seconds):
    """From just before exec to the first 200 through the front listener; memory then."""
    def attempt():
        status, body = http_probe.request(running.port, "GET", "/")
        if status != 200:
            raise ConnectionError(f"status {status}")
        return body

    running.poll(attempt, 20)
    return {"start": (time.perf_counter() - running.started) * 1e3,
            "memory": resident_kib(running.pids()) / 1024}


# --- the table -------------------------------------------------------------------------------

MOST = (Goal(1.0, "nginx"), Goal(0.30, "envoy"))
BULK = (Goal(1.0, "nginx"), Goal(1.0, "haproxy"))
TCP = (Goal(1.0, "haproxy"),)


def load_row(name, title, kind, goals, connections, load=(), without=(), unit="request"):
    return Row(name, title, kind, measure_load, (Figure("cpu", f"CPU µs a {unit}", goals),),
               without, load, connections)


def filter_row(name, title, kind, goals):
    """Dynamic modules of Envoy's stand against plugins; nginx and HAProxy are extended in other ways."""
    figures = (Figure("cpu", "CPU µs a request", ()), Figure("bare", "CPU µs a request without them", ()),
               Figure("part", "with them / without", goals))
    return Row(name, title, kind, measure_filters, figures, ("nginx", "haproxy"), connections=16, beside="http")


HOOK_FIGURES = (
    Figure("hook", "ns a no-op hook", (Goal(5.0),)),
    Figure("get", "ns a header read, by number (Envoy: by name)", (Goal(10.0),)),
    Figure("get-name", "ns a header read, by name", ()),
    Figure("set", "ns a header set, by number (Envoy: by name)", (Goal(40.0),)),
    Figure("set-name", "ns a header set, by name", ()),
    Figure("add", "ns a counter added to", (Goal(5.0),)),
)

SIZES = (10, 100, 1_000, 10_000)


def table_row(shape, count):
    """A table of `count` routes or virtual hosts, which nginx and HAProxy write in other ways."""
    what = "virtual hosts" if shape == "hosts" else "routes of one virtual host"
    return load_row(f"{shape}-{count}", f"The same as http1-16, the last of {count:,} {what}", f"{shape}-{count}",
                    (Goal(0.30, "envoy"),), 16, without=("nginx", "haproxy"))


ROWS = [
    load_row("http1-16", "HTTP/1.1 keep-alive GET, 70 bytes, 16 connections", "http", MOST, 16),
    load_row("http1-128", "HTTP/1.1 keep-alive GET, 70 bytes, 128 connections", "http", MOST, 128),
    Row("http1-headers", "The same as http1-16, with a browser's headers in each request", "http", measure_load,
        (Figure("cpu", "CPU µs a request", MOST),), connections=16, headers=BROWSER),
    load_row("http1-log", "HTTP/1.1 keep-alive GET, 70 bytes, 16 connections, access log", "httplog", MOST, 16,
             without=("haproxy",)),
    load_row("post-64k", "HTTP/1.1 POST 64 KiB, 16 connections", "http", BULK, 16,
             ("http", "POST", "/post", 65536)),
    load_row("get-1m", "HTTP/1.1 GET 1 MiB, 16 connections", "http", BULK, 16,
             ("http", "GET", "/1m", 0)),
    load_row("tcp-large", "TCP proxy, 8 MiB up and 8 MiB down, 4 connections", "tcp", TCP, 4,
             ("exchange", 8 * MIB, 8 * MIB), ("nginx",), "MiB"),
    load_row("tcp-small", "TCP proxy, 64 bytes up and 64 down, 16 connections", "tcp", TCP, 16,
             ("exchange", 48, 64), ("nginx",), "exchange"),
    filter_row("plugins-4", "The same load as http1-16, through 4 plugin filters that each read a header, set one and "
               "count", "work-4", (Goal(1.05),)),
    filter_row("plugins-4-noop", "The same load as http1-16, through 4 plugin filters whose hooks of request and "
               "response headers do nothing", "noop-4", ()),
    Row("hook", "What a plugin filter's hooks and calls cost, measured by plugin filters: 64 that do nothing, and "
        "loops of calls", "probe-64", measure_hooks, HOOK_FIGURES, ("nginx", "haproxy"), connections=16),
    *(table_row(shape, count) for shape in ("routes", "hosts") for count in SIZES),
    Row("idle", "10,000 idle connections", "http", measure_idle,
        (Figure("idle", "KiB a connection", (Goal(2.0),)),), connections=10_000, resident=False,
        most_rounds=3),
    Row("start", "Start with the quickstart", "start", measure_start,
        (Figure("start", "ms to the first 200", (Goal(100.0),)),
         Figure("memory", "MiB resident then", (Goal(40.0),))), resident=False),
]
