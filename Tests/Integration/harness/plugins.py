"""Filter plugins for tests: built from C once a session, put into folders, named in chains.

`Workshop.build` compiles; `folder` copies what a proxy is to load. `do` makes one step of the
probe's scripts (Tests/Plugins/probe/probe.h says what there is).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile

from . import config as k
from .process import ROOT

SOURCES = os.path.join(ROOT, "Tests/Plugins")
INCLUDE = os.path.join(ROOT, "Sources/CMartletABI/include")
PREFIX = "type.googleapis.com/com.example."


class Workshop:
    """Builds each plugin once, in a folder of its own."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="martlet-plugins-it-")
        self.built: dict[str, str] = {}

    def build(self, source: str, *defines: str) -> str:
        """`source`: a file or a folder of C below Tests/Plugins, or C itself. Returns the library's path."""
        key = source + "\0" + "\0".join(defines)
        if key not in self.built:
            path = os.path.join(SOURCES, source) if "\n" not in source else None
            if path is None:
                path = os.path.join(self.folder, hashlib.sha256(key.encode()).hexdigest()[:12] + ".c")
                with open(path, "w") as f:
                    f.write(source)
            files = [path] if os.path.isfile(path) else sorted(
                os.path.join(path, name) for name in os.listdir(path) if name.endswith(".c"))
            made = os.path.join(self.folder, f"{len(self.built)}.so")
            command = ["gcc", "-std=gnu11", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", "-fvisibility=hidden",
                       "-pthread", f"-I{SOURCES}", f"-I{INCLUDE}", *[f"-D{define}" for define in defines], "-o", made, *files]
            subprocess.run(command, check=True, timeout=120)
            self.built[key] = made
        return self.built[key]

    def stop(self):
        shutil.rmtree(self.folder, ignore_errors=True)


def put(library: str, folder, name: str) -> str:
    """Into a folder that proxies look at, in one step, as operators should."""
    target = os.path.join(str(folder), name)
    shutil.copyfile(library, target + ".new")
    os.rename(target + ".new", target)
    return target


def do(what: str, **fields) -> dict:
    """One step of a script; `when` stands for `if`."""
    if "when" in fields:
        fields["if"] = fields.pop("when")
    return {"do": what, **fields}


def script_header(label: str, script: dict) -> tuple[str, str]:
    return f"x-probe-{label}", json.dumps(script, separators=(",", ":"))


def http_filter(name: str, type_name: str | None, *, disabled=None, is_optional=None, **fields) -> dict:
    result = {"name": name}
    if type_name:
        result["typed_config"] = {"@type": PREFIX + type_name, **fields}
    if disabled is not None:
        result["disabled"] = disabled
    if is_optional is not None:
        result["is_optional"] = is_optional
    return result


def probe(label="a", *, name="com.example.probe", disabled=None, **fields) -> dict:
    return http_filter(name, "Probe", disabled=disabled, label=label, **fields)


def hcm(filters, routes=None, **fields) -> dict:
    """A connection manager with these HTTP filters before its router."""
    result = k.hcm(routes, **fields)
    result["typed_config"]["http_filters"][:0] = filters
    return result


def network_probe(*, terminal=False, **fields) -> dict:
    kind = "terminal" if terminal else "network"
    return {"name": f"com.example.probe.{kind}",
            "typed_config": {"@type": f"{PREFIX}{'Terminal' if terminal else 'Network'}Probe", **fields}}
