"""Medians, ratios and the table, as text and as Markdown.

A ratio is the median over the rounds of Martlet's figure divided by the peer's of the same
round, so that a machine that slows down halfway does not shift it; "±" is half the distance
between the lowest and the highest round, in percent of the median.
"""

import datetime
import os
import platform
import statistics

PEERS = ("martlet", "nginx", "haproxy", "envoy")


def median(samples, key):
    values = [s[key] for s in samples if s and key in s]
    return statistics.median(values) if values else None


def spread(samples, key):
    values = [s[key] for s in samples if s and key in s]
    middle = statistics.median(values) if values else 0
    return (max(values) - min(values)) / 2 / middle * 100 if middle else 0.0


def ratio(ours, theirs, key):
    pairs = [a[key] / b[key] for a, b in zip(ours, theirs) if a and b and b.get(key)]
    return statistics.median(pairs) if pairs else None


def figure_text(samples, key):
    if not samples:
        return "-"
    value = median(samples, key)
    if value is None:
        return "FAILED"
    return f"{value:.{2 if value < 10 else 1}f} ±{spread(samples, key):.0f}%"


def judge(figure, results):
    """The goal in words, and whether it was met."""
    words, verdicts = [], []
    for goal in figure.goals:
        words.append(f"<= {goal.limit:g} of {goal.peer}" if goal.peer else f"<= {goal.limit:g}")
        if goal.peer:
            value = ratio(results.get("martlet", []), results.get(goal.peer, []), figure.key)
        else:
            value = median(results.get("martlet", []), figure.key)
        verdicts.append(None if value is None else value <= goal.limit)
    if not verdicts:
        return "-", "-"
    if None in verdicts:
        return ", ".join(words), "-"
    return ", ".join(words), "met" if all(verdicts) else "MISSED"


def main_table(rows, results):
    head = ["row", "figure", *PEERS, *(f"/ {p}" for p in PEERS[1:]), "goal", "result"]
    lines = []
    for row in rows:
        found = results[row.name]
        for figure in row.figures:
            ratios = [ratio(found.get("martlet", []), found.get(p, []), figure.key) for p in PEERS[1:]]
            lines.append([
                row.name, figure.title, *(figure_text(found.get(p), figure.key) for p in PEERS),
                *("-" if r is None else f"{r:.2f}" for r in ratios), *judge(figure, found)])
    return head, lines


def load_table(rows, results):
    """What stands beside the primary figure: rate, latency, how busy the proxy's core was, and how
    much of the time others had it (other processes, the hypervisor): a result wants that near 0."""
    head = ["row", "proxy", "a second", "p50 µs", "p99 µs", "core busy", "disturbed"]
    lines = []
    for row in rows:
        for peer in PEERS:
            samples = results[row.name].get(peer, [])
            if median(samples, "rate") is None:
                continue
            value = {key: median(samples, key) for key in ("rate", "p50", "p99", "busy", "disturbed")}
            lines.append([row.name, peer, f"{value['rate']:,.0f}", f"{value['p50']:,.0f}",
                          f"{value['p99']:,.0f}", f"{value['busy'] * 100:.0f}%",
                          f"{value['disturbed'] * 100:.1f}%"])
    return head, lines


def as_text(head, lines):
    widths = [max(len(line[i]) for line in [head, *lines]) for i in range(len(head))]
    rule = ["-" * w for w in widths]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(line, widths)).rstrip()
                     for line in [head, rule, *lines])


def as_markdown(head, lines):
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, ["---"] * len(head), *lines])


def machine():
    model = "unknown processor"
    with open("/proc/cpuinfo") as f:
        for line in f:
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    return f"{model}, {os.cpu_count()} cores, Linux {platform.release()}"


def document(rows, results, versions, settings, problems):
    """The page for Docs/."""
    today = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    names = ", ".join(f"{name} {version}" for name, version in versions.items())
    parts = [
        "# Benchmarks",
        "Written by `make bench` (Tests/Benchmarks/bench.py --output); do not edit by hand.",
        f"{today}. {machine()}. {names}. {settings}.",
        "Each proxy has one worker on a core of its own; the load generator and the origin share\n"
        "the other. Figures are medians of rounds that alternate between the proxies, with half the\n"
        "spread. The primary figure is the CPU time of the proxy's processes; `/ nginx` and so on are\n"
        "Martlet's figure divided by that peer's (below 1: Martlet costs less). Goals of throughput\n"
        "are judged by it too: what a core can carry is the inverse of what a request costs, while\n"
        "the rate below also depends on the load generator wherever the proxy's core is not full.",
        as_markdown(*main_table(rows, results)),
        "## Rate, latency, and how full the proxy's core was",
        "\"Disturbed\" is the part of the time in which the proxy could have run but another process\n"
        "or the hypervisor had its core.",
        as_markdown(*load_table(rows, results)),
        "## What the rows do",
        "\n".join(f"- `{row.name}`: {row.title}." for row in rows),
    ]
    if problems:
        parts += ["## NOT MEASURED", "\n".join(f"- {p}" for p in problems)]
    return "\n\n".join(parts) + "\n"
