"""`martlet plugin new`, `inspect` and `bench`: a newcomer's folder builds, passes and serves; a file is what it is said to be; costs
are numbers that can be."""

import json
import os
import re
import shutil
import subprocess

import pytest

from harness import plugins as p
from harness.client import Client
from harness.process import ROOT, binary, run

pytestmark = pytest.mark.only("martlet", "Envoy has no such tools")

COMPILERS = {"c": "cc", "cpp": "g++", "rust": "rustc", "network": "cc"}


def new(folder, *args) -> subprocess.CompletedProcess:
    return subprocess.run([binary("martlet"), "plugin", "new", *args], cwd=folder, capture_output=True, text=True, timeout=20)


def make(folder, target, **variables) -> subprocess.CompletedProcess:
    words = [f"{name}={value}" for name, value in variables.items()]
    return subprocess.run(["make", "-C", str(folder), target, *words], capture_output=True, text=True, timeout=200)


@pytest.mark.parametrize("language", COMPILERS)
def test_a_new_plugin_builds_passes_and_serves(launch, tmp_path, language):
    if not shutil.which(COMPILERS[language]):
        pytest.skip(f"{COMPILERS[language]} is not there")
    kind = ["--language", "c", "--network"] if language == "network" else ["--language", language]
    made = new(tmp_path, *kind, "my-first")
    assert made.returncode == 0 and "cd my-first" in made.stdout, made
    folder = tmp_path / "my-first"
    built = make(folder, "build")
    assert built.returncode == 0 and "warning" not in built.stdout + built.stderr, built
    tested = make(folder, "test", MARTLET=binary("martlet"))
    assert tested.returncode == 0 and "all kept (seed" in tested.stdout, tested.stdout + tested.stderr
    config = re.sub(r"port_value: \d+", "port_value: 0", (folder / "envoy.yaml").read_text())
    proxy = launch(config, args=["--plugin-path", str(folder)])
    with Client(proxy.address("front")) as client:
        if language == "network":
            assert client.send("and\n").read(11) == b"hello\r\nand\n"
            assert proxy.wait_stat("my_first.connections", 1) == 1 and proxy.wait_stat("my_first.bytes", 4) == 4
        else:
            assert client.request().get("x-my-first") == "hello, HTTP/1.1"
            assert proxy.wait_stat("http.front.my_first.served", 1) == 1
    # A header of the reader's own, under traffic.
    if language == "c":
        source = folder / "my_first.c"
        source.write_text(source.read_text().replace("MARTLET_RESPONSE_HEADERS, self->settings->header, value",
                                                     'MARTLET_RESPONSE_HEADERS, self->settings->header, bytes("mine")'))
        assert make(folder, "build").returncode == 0
        assert proxy.admin("/plugins/reload", "POST")[0] == 200
        with Client(proxy.address("front")) as client:
            assert client.request().get("x-my-first") == "mine"


def test_a_wrong_field_in_a_new_plugin_is_refused_at_its_path(tmp_path):
    for language in ("c", "cpp", "rust"):
        if not shutil.which(COMPILERS[language]):
            continue
        assert new(tmp_path, "--language", language, f"f-{language}").returncode == 0
        folder = tmp_path / f"f-{language}"
        assert make(folder, "build").returncode == 0
        text = (folder / "envoy.yaml").read_text()
        for old, changed, expected in [
            ("header: x-f-", "heder: x-f-", r"typed_config\.heder: there is no such field"),
            ("header: x-f-", "header: '' # x-f-", r"typed_config\.header: is required"),
            ('"hello, %PROTOCOL%"', '"%NO%"', r"typed_config\.value: "),
            ('"hello, %PROTOCOL%"', "[1]", r"typed_config\.value: expected a text"),
        ]:
            wrong = folder / "wrong.yaml"
            wrong.write_text(text.replace(old, changed, 1))
            done = run("martlet", "-c", str(wrong), "--plugin-path", str(folder), "--mode", "validate")
            assert done.returncode == 1 and re.search(expected, done.stderr), (language, changed, done.stderr)


def test_swift_names_its_package(tmp_path):
    """The folder is whole, and swift reads its manifest; building it takes minutes (test_plugin_swift.py builds the like of it)."""
    assert new(tmp_path, "--language", "swift", "in-swift").returncode == 1
    assert new(tmp_path, "--language", "swift", "--package", ROOT, "in-swift").returncode == 0
    folder = tmp_path / "in-swift"
    assert sorted(os.path.relpath(os.path.join(where, name), folder) for where, _, names in os.walk(folder) for name in names) == [
        "Makefile", "Package.swift", "README.md", "Sources/InSwift/Filter.swift", "check.yaml", "envoy.yaml", "exports.map"]
    assert f'.package(name: "martlet", path: "{ROOT}")' in (folder / "Package.swift").read_text()


def test_new_writes_over_nothing_and_takes_no_odd_name(tmp_path):
    (tmp_path / "there").mkdir()
    for arguments, expected in [
        (["--language", "c", "there"], "'there' is there already; nothing was changed"),
        (["--language", "c", "../x"], "the name '../x': expected"),
        (["--language", "c", "1st"], "the name '1st': expected"),
        (["--language", "cobol", "x"], "--language: 'cobol' is not known, expected one of: c, cpp, rust, swift"),
        (["--language", "rust", "--network", "x"], "--network: "),
        (["--language", "c", "--package", "/", "x"], "--package is for --language swift"),
    ]:
        done = new(tmp_path, *arguments)
        assert done.returncode == 1 and expected in done.stderr, (arguments, done.stderr)
    assert os.listdir(tmp_path) == ["there"] and os.listdir(tmp_path / "there") == []


def test_inspect(workshop):
    library = workshop.build("probe")
    done = run("martlet", "plugin", "inspect", library, "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 0
    assert (found["id"], found["version"], found["abi"]) == ("com.example.probe", "1.0.0", "1.0")
    assert found["sha256"] == subprocess.run(["sha256sum", library], capture_output=True, text=True).stdout.split()[0]
    assert found["exported_symbols"] == ["martlet_plugin_v1"] and "libc.so.6" in found["needed_libraries"]
    assert found["machine"] in ("x86-64", "AArch64")
    names = [(one["name"], one["kind"], one["terminal"]) for one in found["filters"]]
    assert names == [("com.example.probe", "http", False), ("com.example.probe.network", "network", False),
                     ("com.example.probe.terminal", "network", True)]
    assert "on_request_body" in found["filters"][0]["hooks"] and "on_data" in found["filters"][1]["hooks"]
    assert found["filters"][0]["type_names"] == ["com.example.Probe"] and found["filters"][0]["encoding"] == "json"
    text = run("martlet", "plugin", "inspect", library).stdout
    assert re.search(r"^exports +martlet_plugin_v1$", text, re.MULTILINE)
    assert re.search(r"^filter +com\.example\.probe\.terminal \(network, ends its chain\)$", text, re.MULTILINE)


def test_inspect_says_what_is_no_plugin(workshop, tmp_path):
    empty = tmp_path / "empty.so"
    empty.write_bytes(b"")
    for path, expected in [
        (str(empty), "empty file"), ("/no/such.so", "No such file"), (str(tmp_path), "not a regular file"),
        (workshop.build("not_a_plugin.c"), "not a plugin: it has no symbol martlet_plugin_v1"),
        (workshop.build("newer_major.c"), "it needs version 2 of the plugin ABI"),
        (workshop.build("open_refuses.c"), "refuses to open"), (workshop.build("no_create.c"), "lacks `create` or `destroy`"),
    ]:
        done = run("martlet", "plugin", "inspect", path)
        assert done.returncode == 1 and done.stdout == "" and expected in done.stderr, (path, done)
        assert done.stderr.startswith(f"error: plugin '{path}'")


def test_bench(workshop):
    """The probe does nothing by default but keeps a trace of its hooks."""
    done = run("martlet", "plugin", "bench", workshop.build("probe"), "--config", "label: a", "--json", "--rounds", "3",
               "--streams", "200", timeout=60)
    found = json.loads(done.stdout)
    assert done.returncode == 0 and found["filter"] == "com.example.probe"
    hooks = {one["name"]: one for one in found["hooks"]}
    assert {"create", "on_request_headers", "on_response_headers", "destroy"} <= set(hooks)
    assert hooks["create"]["per_stream"] == hooks["destroy"]["per_stream"] == 1.0
    assert all(0 <= one["nanoseconds"] < 1e6 for one in found["hooks"] + found["calls"])
    # The hooks of a stream are at least most of it.
    assert found["stream_nanoseconds"] >= 0.3 * sum(one["nanoseconds"] * one["per_stream"] for one in found["hooks"])
    assert "http.header_get" in [one["name"] for one in found["calls"]]
    text = run("martlet", "plugin", "bench", workshop.build("probe"), "--config", "label: a", "--rounds", "1", "--streams", "50").stdout
    assert re.search(r"^stream +\d+\.\d$", text, re.MULTILINE) and re.search(r"^  create +\d+\.\d +1\.0 a stream$", text, re.MULTILINE)


def test_the_proxy_is_what_it_was():
    assert "version" in run("martlet", "--version").stdout
    done = run("martlet", "plugin")
    assert done.returncode == 0 and "inspect" in done.stdout
    assert run("martlet", "plugin", "nothing").returncode != 0


def test_commands_are_on_the_page():
    with open(os.path.join(ROOT, "Docs/plugin-tools.md")) as f:
        page = f.read()
    for command in ("new", "inspect", "check", "bench"):
        listed = run("martlet", "plugin", command, "--help").stdout
        for flag in set(re.findall(r"^\s+(?:-h, )?(--[a-z-]+)", listed, re.MULTILINE)) - {"--help"}:
            assert f"`{flag}" in page or f" {flag}" in page, (command, flag)
    assert p.INCLUDE.endswith("include")
