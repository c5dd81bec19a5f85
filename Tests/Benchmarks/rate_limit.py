#!/usr/bin/env python3
"""What a decision of the local rate limit costs, and how many two workers make a second, beside Envoy's.

    Tests/Benchmarks/rate_limit.py [--seconds 3] [--rounds 5] [--workers 2] [--print]

The same file goes to both proxies (`--print` shows it). It answers by itself, so that nothing but the proxy
works, at one listener for each case:

    bare        without the filter
    pass        through a bucket that is never empty
    descriptor  the same with a descriptor of a header among 100 that are configured
    wildcard    the same with a wildcard, one of 100 users
    stop        through a bucket that is always empty: 429

A round goes through all cases of both proxies in changing order. CPU is the proxy's own, user and system; a
decision's time is what a request costs more than a bare one. wrk and the proxy share the cores, so that the
requests a second are those of both; the medians over the rounds are shown.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "Integration"))

from harness import config as k  # noqa: E402
from harness.process import ROOT, Proxy  # noqa: E402

# The filter, as Scripts/plugins.sh builds it.
os.environ.setdefault("MARTLET_PLUGIN_PATH", f"{ROOT}/.build/plugins")

TYPE = "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit"
CASES = ("bare", "pass", "descriptor", "wildcard", "stop")
ALL = {"default_value": {"numerator": 100}}
PLENTY = {"max_tokens": 4_000_000_000, "tokens_per_fill": 4_000_000_000, "fill_interval": "1s"}
USERS = 100
# Each request comes from the next user.
SCRIPT = """local n = 0
request = function()
  n = (n + 1) %% %d
  return wrk.format("GET", "/", {["x-user"] = "user-" .. n})
end
""" % USERS


def filters(case):
    if case == "bare":
        return []
    fields = {"stat_prefix": case, "filter_enabled": ALL, "filter_enforced": ALL, "token_bucket": PLENTY}
    if case == "stop":
        fields["token_bucket"] = {"max_tokens": 0, "fill_interval": "1s"}
    if case in ("descriptor", "wildcard"):
        values = [f"user-{i}" for i in range(USERS)] if case == "descriptor" else [""]
        fields["rate_limits"] = [{"actions": [{"request_headers": {"header_name": "x-user", "descriptor_key": "user"}}]}]
        fields["descriptors"] = [{"entries": [{"key": "user", "value": v}], "token_bucket": PLENTY} for v in values]
        fields["max_dynamic_descriptors"] = 1000
    return [{"name": "envoy.filters.http.local_ratelimit", "typed_config": {"@type": TYPE, **fields}}]


def configuration():
    listeners = []
    for case in CASES:
        hcm = k.hcm([k.direct("ok")], stat_prefix=case)
        hcm["typed_config"]["http_filters"] = filters(case) + hcm["typed_config"]["http_filters"]
        listeners.append(k.listener(case, hcm))
    return k.bootstrap(listeners)


def measure(proxy, case, seconds, script):
    """CPU µs a request, and requests a second."""
    host, port = proxy.address(case)
    command = ["wrk", "-t2", "-c16", f"-d{seconds}s", "-s", script, f"http://{host}:{port}/"]
    before, began = proxy.cpu_seconds(), time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    elapsed, cpu = time.monotonic() - began, proxy.cpu_seconds() - before
    requests = int(re.search(r"(\d+) requests in", done).group(1))
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", done)
    refused = int(refused.group(1)) if refused else 0
    if "Socket errors" in done or refused != (requests if case == "stop" else 0):
        raise SystemExit(f"{proxy.kind}, {case}: not the answers that were expected\n{done}")
    return cpu * 1e6 / requests, requests / elapsed


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--seconds", type=int, default=3)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--workers", type=int, default=2)
    options.add_argument("--print", action="store_true", help="the configuration, and nothing else")
    given = options.parse_args()
    if given.print:
        print(json.dumps(configuration(), indent=1))
        return
    if not shutil.which("wrk"):
        raise SystemExit("rate_limit.py: wrk is missing")
    found = {(kind, case): [] for kind in ("martlet", "envoy") for case in CASES}
    proxies = {kind: Proxy(kind, configuration(), concurrency=given.workers) for kind in ("martlet", "envoy")}
    try:
        with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
            script.write(SCRIPT)
            script.flush()
            for turn in range(given.rounds + 1):
                order = list(found) if turn % 2 else list(reversed(found))
                for kind, case in order:
                    values = measure(proxies[kind], case, given.seconds if turn else 1, script.name)
                    if turn:  # the first warms up
                        found[kind, case].append(values)
    finally:
        for proxy in proxies.values():
            proxy.stop()
    print(f"{given.workers} workers, 16 connections, {given.rounds} rounds of {given.seconds} s\n")
    print("| case | Martlet: CPU µs a request | ns a decision | requests/s | Envoy: CPU µs a request | ns a decision | requests/s |")
    print("|---|---|---|---|---|---|---|")
    for case in CASES:
        cells = []
        for kind in proxies:
            cpu = statistics.median(v[0] for v in found[kind, case])
            more = statistics.median(v[0] - b[0] for v, b in zip(found[kind, case], found[kind, "bare"]))
            rate = statistics.median(v[1] for v in found[kind, case])
            cells += [f"{cpu:.2f}", "" if case in ("bare", "stop") else f"{more * 1000:.0f}", f"{rate:,.0f}"]
        print(f"| {case} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
