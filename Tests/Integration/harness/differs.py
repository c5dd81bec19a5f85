"""The register of intended differences.

An expectation is either a plain value (both proxies must meet it) or `differs(...)`, which
names what each proxy does and why. Everything registered here ends up in
Docs/differences-from-envoy.md (`pytest --write-differences`), so that no difference can be
tested and yet be undocumented.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Difference:
    topic: str  # one line of the page: what is sent or configured
    envoy: Any
    martlet: Any
    why: str


REGISTER: list[Difference] = []


def differs(topic: str, *, envoy: Any, martlet: Any, why: str) -> Difference:
    difference = Difference(topic, envoy, martlet, why)
    REGISTER.append(difference)
    return difference


def expected(value: Any, kind: str) -> Any:
    """The value this kind of proxy ("martlet" or "envoy") has to meet."""
    if isinstance(value, Difference):
        return getattr(value, kind)
    return value


HEADER = """# Differences from Envoy

Martlet reads Envoy's configuration and answers as Envoy 1.40 does. Where it answers
otherwise on purpose, the difference stands here. The tables are written by
`pytest Tests/Integration --write-differences` from the expectations of the integration
tests, each of which runs against both proxies; edit the tests, not the tables.

Where Envoy is laxer than RFC 9112, Martlet is strict: a request that two implementations
might read differently is answered 400 and the connection is closed, and a response like
that is answered 502 or 503 as Envoy does for its own protocol errors.
"""


def page() -> str:
    lines = [HEADER]
    reasons: dict[str, list[Difference]] = {}
    for difference in REGISTER:
        reasons.setdefault(difference.why, []).append(difference)
    for why, differences in reasons.items():
        lines.append(f"## {why}\n")
        lines.append("| what | Envoy 1.40 | Martlet |")
        lines.append("|---|---|---|")
        seen = set()
        for d in differences:
            row = f"| {cell(d.topic)} | {cell(d.envoy)} | {cell(d.martlet)} |"
            if row not in seen:
                seen.add(row)
                lines.append(row)
        lines.append("")
    return "\n".join(lines)


FATES = {"open": "stays open", "close": "closes", "reset": "resets"}


def cell(value: Any) -> str:
    """An expectation in words: "400 close" is "400, closes". Where several are allowed only
    what is answered is named, not whether the connection then stays open."""
    if isinstance(value, tuple) and len(value) > 1:
        return " or ".join(dict.fromkeys(cell(v).split(", ")[0] for v in value))
    if isinstance(value, tuple):
        return cell(value[0])
    if isinstance(value, bytes):
        return value.decode("latin-1") or "nothing"
    text = "no answer" if value is None else str(value)
    statuses, _, fate = text.rpartition(" ")
    if fate in FATES and all(s.lstrip("-").isdigit() for s in statuses.split(",") if s):
        said = {"": "waits" if fate == "open" else "nothing", "-1": "incomplete"}.get(statuses, statuses)
        text = said if said == "waits" else f"{said}, {FATES[fate]}"
    return text.replace("|", "\\|").replace("\n", " ")
