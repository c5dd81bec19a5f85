"""Reading access logs: files that grow while a test looks at them."""

from __future__ import annotations

import os
import time

# What proxies are started with, so that lines come soon.
FLUSH = ("--file-flush-interval-msec", "30")


class LogFile:
    def __init__(self, path):
        self.path = str(path)

    def lines(self) -> list[str]:
        if not os.path.exists(self.path):
            return []
        with open(self.path, "rb") as f:
            data = f.read().decode("latin-1")
        # A line that is not whole yet is none.
        return data.split("\n")[:-1]

    def wait(self, count: int, timeout=3.0, last="") -> list[str]:
        """At least so many lines, the last of which begins like that; or what there is when the time is over."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            lines = self.lines()
            if len(lines) >= count and lines[-1:] and lines[-1].startswith(last):
                break
            time.sleep(0.01)
        return self.lines()
