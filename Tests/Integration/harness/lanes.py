"""Runs many independent byte tables side by side.

A table of hundreds of "send these bytes, see what becomes of them" cases spends its time
waiting for silence. A lane is a proxy with an upstream of its own; cases are dealt to lanes
and run in parallel, and each test then only looks at its outcome. A case that kills the
proxy is reported as such, and its lane gets a new proxy for the next one.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from . import process
from .differs import expected
from .client import Exchange, exchange
from .upstream import Request, Upstream


@dataclass(frozen=True)
class Case:
    name: str
    raw: bytes
    expect: object  # "200 open", "400 close", "200,200 open", (any, of, these), or a Difference
    respond: object = None  # the upstream's script
    methods: tuple = ()  # of the requests, where an answer's framing depends on them

    def __str__(self):
        return self.name


@dataclass
class Outcome:
    exchange: Exchange | None
    requests: list[Request]  # whole requests the upstream saw
    crashed: str = ""

    @property
    def summary(self) -> str:
        if self.exchange is None:
            return "crash"
        return ",".join(map(str, self.exchange.statuses)) + " " + self.exchange.fate

    def is_early_silence(self, case: Case, kind: str) -> bool:
        """True if it was judged by silence and is not what the case wants: on a machine that
        stood still for a moment, more may only have been late."""
        return (self.exchange is not None and self.exchange.fate == "open"
                and self.summary not in alternatives(expected(case.expect, kind)))


def run_table(kind: str, cases: list[Case], configuration, *, lanes=4, patience=0.3) -> dict[str, Outcome]:
    """`configuration(upstream)` gives the bootstrap; its listener is named `main`. `patience` is
    the seconds of silence that end a case; ten times that before a wrong outcome is believed."""
    outcomes: dict[str, Outcome] = {}
    queue = list(reversed(cases))
    lock = threading.Lock()

    def attempt(case: Case, proxy: process.Proxy, upstream: Upstream, patience: float) -> Outcome:
        upstream.reset()
        if case.respond is not None:
            # What one script leaves behind in a pooled connection is not the next one's.
            upstream.drop_connections()
            time.sleep(0.03)
            upstream.respond = case.respond
        try:
            seen = exchange(proxy.address(), case.raw, patience=patience, methods=case.methods)
        except OSError as error:
            return Outcome(None, [], repr(error))
        return Outcome(seen, [r for r in upstream.requests if r.complete])

    def lane():
        upstream = Upstream()
        proxy = process.Proxy(kind, configuration(upstream))
        try:
            while True:
                with lock:
                    if not queue:
                        return
                    case = queue.pop()
                outcome = attempt(case, proxy, upstream, patience)
                if outcome.is_early_silence(case, kind):
                    outcome = attempt(case, proxy, upstream, 10 * patience)
                if proxy.process.poll() is not None:
                    outcome = Outcome(None, [], f"exit {proxy.process.returncode}: {proxy.output()[-2000:]}")
                    proxy.stop()
                    proxy = process.Proxy(kind, configuration(upstream))
                outcomes[case.name] = outcome
        finally:
            proxy.stop()
            upstream.stop()

    errors: list[BaseException] = []

    def guarded():
        try:
            lane()
        except BaseException as error:  # shown by the caller
            errors.append(error)

    threads = [threading.Thread(target=guarded) for _ in range(min(lanes, max(1, len(cases) // 4)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return outcomes


def selected(request, cases: list[Case]) -> list[Case]:
    """The cases of this table that this run of pytest will look at."""
    wanted = {id(item.callspec.params["case"]) for item in request.session.items
              if item.path == request.path and hasattr(item, "callspec") and "case" in item.callspec.params}
    return [case for case in cases if id(case) in wanted]


def alternatives(expect) -> tuple[str, ...]:
    return expect if isinstance(expect, tuple) else (expect,)
