#!/usr/bin/env python3
"""Martlet beside nginx, HAProxy and Envoy, measured in one run: `make bench`.

For each row all proxies are started, one worker each on the first core, with the load generator
and the origin on the second. Every byte path is checked once. Then rounds: in each, every proxy
in turn is warmed up and measured, so that whatever the machine does meanwhile touches all alike.

    bench.py [--row NAME]... [--peers martlet,nginx,...] [--rounds N] [--seconds S]
             [--load wrk|client] [--quick] [--output Docs/benchmarks.md]

The small GET rows are loaded by wrk, which everybody knows; `--load client` has our own client
(client.c) do it, which costs its core less, for a proxy so fast that wrk's core is full first.

Ends with 0 when everything asked for was measured, whether or not a goal was met (a time is not
a test), and with 1 when a row could not be measured: a proxy missing, wrong answers, errors.
"""

import argparse
import contextlib
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import http_probe
import peers as proxies
import report
from processes import LOAD_CORE, PROXY_CORE, Failure, raise_limits, start, stop
from rows import ROWS


class Origin:
    """The origin server and the load client, and where a row needs them the plugins with the rows'
    filters, compiled for this run into a scratch directory."""

    def __init__(self, load, with_plugins):
        self.plugins = None
        self.with_plugins = with_plugins
        self.directory = tempfile.mkdtemp(prefix="bench-origin-")
        self.process = None
        self.tools = {"load": load, "wrk": shutil.which("wrk")}

    def __enter__(self):
        try:
            for name in ("backend", "client"):
                self.tools[name] = f"{self.directory}/{name}"
                source = str(proxies.HERE / f"{name}.c")
                subprocess.run(["gcc", "-O2", "-Wall", "-o", self.tools[name], source], check=True)
            if self.with_plugins:
                self.build_plugins()
            self.process = start([self.tools["backend"]], LOAD_CORE, stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE, text=True)
            self.ports = tuple(int(n) for n in self.process.stdout.readline().split())
        except BaseException:
            self.__exit__()
            raise
        return self

    def build_plugins(self):
        self.plugins = f"{self.directory}/plugins"
        include = f"-I{proxies.ROOT}/Sources/CMartletABI/include"
        for name, library in (("martlet", "bench.so"), ("envoy", "libbench.so")):
            pathlib.Path(self.plugins, name).mkdir(parents=True)
            subprocess.run(["cc", "-O2", "-Wall", "-Wextra", "-shared", "-fPIC", include, "-o",
                            f"{self.plugins}/{name}/{library}", str(proxies.HERE / f"plugins/{name}.c")], check=True)

    def __exit__(self, *_):
        if self.process:
            stop(self.process)
        shutil.rmtree(self.directory, ignore_errors=True)


def say(text):
    print(text, file=sys.stderr, flush=True)


def measure_row(row, peers, origin, rounds, seconds, problems):
    """All rounds of a row: for each peer its samples, None where a round failed."""
    results = {peer.name: [] for peer in peers}
    with contextlib.ExitStack() as stack:
        running = {}
        if row.resident:
            for peer in peers:
                proxy = stack.enter_context(proxies.Running(peer, row.kind, origin.ports, origin.plugins))
                try:
                    proxy.check(row.kind)
                    if row.beside:
                        proxy.beside = stack.enter_context(proxies.Running(peer, row.beside, origin.ports))
                        proxy.beside.check(row.beside)
                    running[peer.name] = proxy
                except (Failure, OSError, ValueError) as error:
                    problem(problems, row, peer, error)
                    results[peer.name].append(None)
        for number in range(min(rounds, row.most_rounds)):
            for peer in peers:
                if row.resident and peer.name not in running:
                    continue
                sample = None
                try:
                    sample = measure_once(row, peer, running.get(peer.name), origin, seconds)
                    shown = "  ".join(f"{key} {value:,.2f}" for key, value in sample.items())
                    say(f"  {row.name} round {number + 1} {peer.name:8} {shown}")
                except (Failure, OSError, ValueError) as error:
                    problem(problems, row, peer, error)
                results[peer.name].append(sample)
    return results


def measure_once(row, peer, resident, origin, seconds):
    if resident:
        return row.measure(row, resident, origin, seconds)
    with proxies.Running(peer, row.kind, origin.ports, origin.plugins) as running:
        if row.kind != "start":
            running.check(row.kind)
        return row.measure(row, running, origin, seconds)


def problem(problems, row, peer, error):
    text = f"{row.name}, {peer.name}: {error}"
    if text not in problems:
        problems.append(text)
    say(f"  !! INVALID {text}")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    names = [row.name for row in ROWS]
    parser.add_argument("--row", action="append", default=[], help=f"one of {', '.join(names)}")
    parser.add_argument("--peers", default=",".join(report.PEERS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measured window")
    parser.add_argument("--load", choices=["wrk", "client"], default="wrk", help="of the small GET rows")
    parser.add_argument("--quick", action="store_true", help="two rounds of one second: a look, not a result")
    parser.add_argument("--output", type=pathlib.Path, help="write the table as Markdown")
    chosen = parser.parse_args()
    chosen.row = [name for entry in chosen.row for name in entry.replace(",", " ").split()] or names
    chosen.peers = chosen.peers.split(",")
    for name in chosen.row:
        if name not in names:
            parser.error(f"no row {name}; there are {', '.join(names)}")
    for name in chosen.peers:
        if name not in report.PEERS:
            parser.error(f"no peer {name}; there are {', '.join(report.PEERS)}")
    if chosen.quick:
        chosen.rounds, chosen.seconds = 2, 1.0
    return chosen


def main():
    chosen = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that every `finally` runs
    limit = raise_limits()
    problems, found = [], []
    if PROXY_CORE == LOAD_CORE:
        say("!! one core only: proxy and load share it, rates mean little")
    if limit < 11_000:
        say(f"!! only {limit} open files allowed (ulimit -n): the idle row needs 11,000")
    for peer in proxies.all_peers():
        if peer.name in chosen.peers:
            if peer.binary:
                found.append(peer)
            else:
                problems.append(f"{peer.name}: not {'built' if peer.name == 'martlet' else 'installed'}")
                say(f"!! {problems[-1]}")
    rows = [row for row in ROWS if row.name in chosen.row]
    versions = {peer.name: peer.version() for peer in found}
    results = {}
    with Origin(chosen.load, any(row.needs_plugins for row in rows)) as origin:
        for row in rows:
            say(f"{row.name}: {row.title}")
            taking_part = [peer for peer in found if peer.name not in row.without]
            results[row.name] = measure_row(row, taking_part, origin, chosen.rounds, chosen.seconds, problems)
            time.sleep(0.2)
    settings = f"{chosen.rounds} rounds of {chosen.seconds:g} s, small GET by {chosen.load}"
    print(f"\n{report.machine()}\n{', '.join(f'{n} {v}' for n, v in versions.items())}; {settings}\n")
    print(report.as_text(*report.main_table(rows, results)))
    head, lines = report.load_table(rows, results)
    if lines:
        print("\n" + report.as_text(head, lines))
    for text in problems:
        print(f"\nNOT MEASURED: {text}")
    if chosen.output:
        chosen.output.write_text(report.document(rows, results, versions, settings, problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
