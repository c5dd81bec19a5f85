"""Processes of the benchmark: started on one core, measured from /proc, always ended by their id.

Figures come from the kernel, summed over a process and all its descendants (nginx works in a
child): CPU time from `schedstat`, which counts nanoseconds where `stat` counts ticks of 10 ms,
and resident memory from `smaps_rollup`.
"""

import os
import resource
import socket
import subprocess
import time

CORES = sorted(os.sched_getaffinity(0))
PROXY_CORE = CORES[0]
LOAD_CORE = CORES[1] if len(CORES) > 1 else CORES[0]


class Failure(Exception):
    """A measurement that cannot be used, and why."""


def raise_limits():
    """Lets this process and those it starts open as many files as the hard limit allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def start(command, core, **options):
    """Starts a command pinned to a core. The child inherits our affinity, so nothing stands
    between fork and exec that would lengthen the start being timed."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        return subprocess.Popen(command, **options)
    finally:
        os.sched_setaffinity(0, before)


def free_port():
    """A port the kernel chose, free a moment ago."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def family(pid):
    """The process and its descendants."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as f:
                    parents.setdefault(int(f.read().rpartition(")")[2].split()[1]), []).append(int(entry))
            except OSError:
                pass
    found = [pid]
    for parent in found:
        found += parents.get(parent, [])
    return found


def cpu_seconds(pids):
    """User and system time that all threads of the processes have used, and the time that they
    were ready to run but something else had their core."""
    used = waited = 0
    for pid in pids:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/schedstat") as f:
                ran, queued, _ = f.read().split()
            used, waited = used + int(ran), waited + int(queued)
    return used / 1e9, waited / 1e9


def stolen_seconds(core):
    """Time that the hypervisor gave to somebody else while the core had work to do."""
    with open("/proc/stat") as f:
        for line in f:
            name, *fields = line.split()
            if name == f"cpu{core}":
                return int(fields[7]) / os.sysconf("SC_CLK_TCK")
    return 0.0


def resident_kib(pids):
    """Resident memory of the processes."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup") as f:
            total += sum(int(line.split()[1]) for line in f if line.startswith("Rss:"))
    return total


def stop(process, patience=3.0):
    """Ends a process and its descendants, politely first."""
    pids = family(process.pid) if process.poll() is None else []
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for pid in pids[1:]:
        deadline = time.monotonic() + 1
        while time.monotonic() < deadline and alive(pid):
            time.sleep(0.01)
        if alive(pid):
            os.kill(pid, 9)


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
