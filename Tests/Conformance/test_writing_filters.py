"""Docs/writing-filters.md does what it says: its code compiles, each block, without a warning, and its first
filter is a plugin. (That it runs is tested in Tests/Integration/test_plugin_samples.py.)"""

import pathlib
import re
import shutil
import subprocess

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "Docs/writing-filters.md"
INCLUDE = ROOT / "Sources/CMartletABI/include"


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def compile(source, *flags):
    command = ["gcc", "-x", "c", "-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", f"-I{INCLUDE}", *flags, "-"]
    return subprocess.run(command, input=source, capture_output=True, text=True, timeout=60)


@pytest.mark.skipif(not shutil.which("gcc"), reason="gcc is not there")
def test_the_first_filter_is_a_plugin(tmp_path):
    done = compile(blocks("c")[0], "-shared", "-fPIC", "-o", str(tmp_path / "hello.so"))
    assert done.returncode == 0, done.stderr
    exported = subprocess.run(["nm", "-D", "--defined-only", str(tmp_path / "hello.so")], capture_output=True, text=True)
    assert [line.split()[-1] for line in exported.stdout.splitlines()] == ["martlet_plugin_v1"]


@pytest.mark.skipif(not shutil.which("gcc"), reason="gcc is not there")
@pytest.mark.parametrize("index", range(1, len(blocks("c"))))
def test_each_block_compiles_behind_the_first(index):
    first, *rest = blocks("c")
    services = rest[0]
    source = first + services + (rest[index - 1] if index > 1 else "")
    done = compile(source, "-c", "-o", "/dev/null", "-Wno-unused-function", "-Wno-unused-variable")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("text", blocks("yaml"))
def test_its_files_are_yaml(text):
    assert yaml.safe_load(text)
