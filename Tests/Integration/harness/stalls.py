"""Whether the machine has stood still: a hypervisor or a neighbour that takes a processor away for a while makes every
test of time fail that is under way. A process on each processor sleeps for moments and notes when one has taken far too
long; what failed meanwhile can be told from what failed by itself."""

from __future__ import annotations

import mmap
import os
import struct
import subprocess
import sys
import tempfile
import time

# Seconds: how long a watcher sleeps, and how much longer than that is no accident of scheduling.
NAP, LIMIT = 0.005, 0.02
PLACE = struct.Struct("d")


class Stalls:
    """Watches until `stop`, or until this process ends."""

    def __init__(self):
        self.processors = sorted(os.sched_getaffinity(0))
        with tempfile.TemporaryFile() as file:
            file.truncate(mmap.PAGESIZE)
            self.memory = mmap.mmap(file.fileno(), PLACE.size * len(self.processors))
            self.watchers = [
                subprocess.Popen([sys.executable, "-S", __file__, str(file.fileno()), str(index), str(processor), str(os.getpid())],
                                 pass_fds=[file.fileno()], stdin=subprocess.DEVNULL)
                for index, processor in enumerate(self.processors)]

    def since(self, began: float) -> bool:
        """Whether a processor has been away since then, a time of `time.monotonic`."""
        time.sleep(2 * NAP)  # what has just begun to run again is to say so
        return any(PLACE.unpack_from(self.memory, PLACE.size * index)[0] > began for index in range(len(self.processors)))

    def stop(self):
        for watcher in self.watchers:
            watcher.kill()
            watcher.wait()


def watch(file: int, index: int, processor: int, parent: int):
    """Writes when the last stall has ended."""
    os.sched_setaffinity(0, {processor})
    memory = mmap.mmap(file, 0)
    last = time.monotonic()
    while os.getppid() == parent:
        time.sleep(NAP)
        now = time.monotonic()
        if now - last > NAP + LIMIT:
            PLACE.pack_into(memory, PLACE.size * index, now)
        last = now


if __name__ == "__main__":
    watch(*(int(text) for text in sys.argv[1:]))
