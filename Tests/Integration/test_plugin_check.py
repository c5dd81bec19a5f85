"""`martlet plugin check`: each wrong plugin of Tests/Plugins/wrong is caught by the number of the requirement that it breaks and
by no other, and what is right passes: the samples, the plugins that come with Martlet, the probe. Checks wait more than they work,
so that a few run beside each other."""

import concurrent.futures
import json
import os
import re
import shutil
import subprocess

import pytest

from harness import plugins as p
from harness.process import ROOT, binary, run

pytestmark = pytest.mark.only("martlet", "Envoy has no such tool")

WRONG = os.path.join(p.SOURCES, "wrong")
EXPORTS = os.path.join(ROOT, "Samples/filters/cpp/exports.map")
PLUGINS = os.environ["MARTLET_PLUGIN_PATH"].split(":")[0]
SEEDS = (11, 4711)

# By file: the requirement, and what the report says of it.
FAULTS = {
    "extra_symbol.c": ("A1", r"exports 1 more: wrong_helper"),
    "missing_table.c": ("A4", r"without martlet\.host\.config/1: config_create: SIGSEGV at the address"),
    "exception.cpp": ("A5", r"on_response_headers: .*exception"),
    "panic.rs": ("A5", r"on_response_headers: .*panic"),
    "blocks.c": ("A6", r"on_request_headers waited .* at the longest ([3-9]\d|\d\d\d+)\.\d ms"),
    "keeps_header.c": ("A7", r"on_request_headers: read memory that http\.header_get had lent as borrowed\(stream\)"),
    "keeps_body.c": ("A7", r"on_response_headers: read memory that http\.body_piece had lent as borrowed\(callback\)"),
    "foreign_thread.c": ("A8", r"http\.header_set was called on a thread that does not own the handle"),
    "leaks.c": ("A10", r"each stream leaves about [3-6]\d bytes behind"),
    "thread_after_close.c": ("A11", r"core\.log was called after `close` had returned"),
    "takes_anything.c": ("A12", r"martlet_check_no_such_field"),
    "upper_case.c": ("A13", r"`User-Agent` in on_request_headers"),
    "labels_by_path.c": ("A14", r"60 requests of 60 clients made 60 members"),
    "takes_a_signal.c": ("A16", r"signal 12 is another than before"),
    "slow_open.c": ("A17", r"open took (1[2-9]|[2-9]\d)\d\d ms"),
    "stale_handle.c": ("A18", r"http\.header_get was called in on_request_headers .* with the handle of a stream that had ended"),
    "acts_twice.c": ("A19", r"http\.continue_message was called in on_request_headers .*after http\.reply"),
    "looks_at_the_first_piece.c": ("A20", r"the answer's status: `200` in one piece, `403`|the answer's status: `403` in one piece"),
    "writes_to_a_header.c": ("A21", r"wrote through a pointer that http\.header_get lends for reading"),
    "reads_behind_a_header.c": ("A21", r"read behind the \d+ bytes that http\.header_get has lent"),
    "crashes.c": ("A21", r"on_response_body: SIGSEGV at the address 0x10"),
}

ADD_HEADER = '{"header": "x-served-by", "value": "%ROUTE_NAME%, %PROTOCOL%"}'
WORD_GUARD = "words: [password, '4711']\nanswer: \"no\\n\""
FIRST_BYTES = '{"accept": ["PING", "GET "], "refusal": "go away\\r\\n", "timeout_ms": 400}'
FAULT = "delay: {fixed_delay: 0.02s, percentage: {numerator: 30}}\nabort: {http_status: 503, percentage: {numerator: 30}}"
MUTATION = ("mutations: {request_mutations: [{append: {header: {key: x-a, value: '%REQ(:path)%'}}}], "
            "response_mutations: [{remove: server}, {append: {header: {key: x-b, value: b}}}]}")


def build(name: str, folder) -> str:
    """One of the wrong plugins."""
    source, made = os.path.join(WRONG, name), os.path.join(str(folder), name.replace(".", "_") + ".so")
    compiler = {"c": "gcc", "cpp": "g++", "rs": "rustc"}[name.rsplit(".", 1)[1]]
    if not shutil.which(compiler):
        pytest.skip(f"{compiler} is not there")
    common = ["-O1", "-g", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", "-fvisibility=hidden", f"-I{p.INCLUDE}", "-o", made]
    command = {
        "gcc": ["gcc", "-std=gnu11", "-pthread", *common, source],
        "g++": ["g++", "-std=c++17", "-static-libstdc++", "-static-libgcc", f"-Wl,--version-script={EXPORTS}", *common, source],
        "rustc": ["rustc", "--edition", "2021", "--crate-type", "cdylib", "-O", "-C", "strip=symbols", "-o", made, source],
    }[compiler]
    subprocess.run(command, check=True, timeout=120, capture_output=True)
    return made


def sample(name: str, folder) -> str:
    copy = os.path.join(str(folder), name)
    if not os.path.exists(copy):
        shutil.copytree(os.path.join(ROOT, "Samples/filters", name), copy, ignore=shutil.ignore_patterns("*.so", ".build"))
        subprocess.run(["make", "-C", copy, f"MARTLET_INCLUDE={p.INCLUDE}"], check=True, timeout=300, capture_output=True)
    (library,) = [entry for entry in os.listdir(copy) if entry.endswith(".so")]
    return os.path.join(copy, library)


def check(library: str, config: str = "", *, filter: str = "", seed=SEEDS[0], args=()) -> tuple[int, dict, str]:
    command = [binary("martlet"), "plugin", "check", library, "--json", "--reproduce", str(seed), *args]
    command += ["--config", config] if config else []
    command += ["--filter", filter] if filter else []
    done = subprocess.run(command, capture_output=True, text=True, timeout=400)
    return done.returncode, json.loads(done.stdout) if done.stdout.startswith("{") else {}, done.stdout + done.stderr


def broken(report: dict) -> dict:
    return {one["id"]: "\n".join(one["what"]) for one in report["requirements"] if one["state"] == "FAILED"}


@pytest.fixture(scope="module")
def pool():
    with concurrent.futures.ThreadPoolExecutor(4) as workers:
        yield workers


@pytest.fixture(scope="module")
def wrong(pool, tmp_path_factory):
    """All of them, begun at once."""
    folder = tmp_path_factory.mktemp("wrong")

    def one(name):
        library = build(name, folder)
        return library, *check(library)

    started = {name: pool.submit(one, name) for name in FAULTS}
    return lambda name: started[name].result()


RIGHT = {
    "c": (lambda f, w: sample("c", f), ADD_HEADER, ""),
    "cpp": (lambda f, w: sample("cpp", f), WORD_GUARD, ""),
    "rust": (lambda f, w: sample("rust", f), '{"at_least": 6, "keep": 2}', ""),
    "network-c": (lambda f, w: sample("network-c", f), FIRST_BYTES, "com.example.first_bytes"),
    "echo": (lambda f, w: sample("network-c", f), "", "com.example.echo"),
    "probe": (lambda f, w: w.build("probe"), "label: a", "com.example.probe"),
    "probe-network": (lambda f, w: w.build("probe"), "label: a", "com.example.probe.network"),
    "probe-terminal": (lambda f, w: w.build("probe"), "label: a", "com.example.probe.terminal"),
    "fault": (lambda f, w: os.path.join(PLUGINS, "libmartlet-fault.so"), FAULT, ""),
    "header-mutation": (lambda f, w: os.path.join(PLUGINS, "libmartlet-header-mutation.so"), MUTATION, ""),
}


@pytest.fixture(scope="module")
def right(pool, workshop, tmp_path_factory):
    folder = tmp_path_factory.mktemp("right")
    libraries = {}
    for name, (make, _, _) in RIGHT.items():
        compiler = {"cpp": "g++", "rust": "rustc"}.get(name, "gcc")
        if shutil.which(compiler):
            libraries[name] = make(folder, workshop)
    started = {(name, seed): pool.submit(check, library, RIGHT[name][1], filter=RIGHT[name][2], seed=seed)
               for seed in SEEDS for name, library in libraries.items()}

    def result(name, seed):
        if name not in libraries:
            pytest.skip("its compiler is not there")
        return started[name, seed].result()

    return result


@pytest.mark.parametrize("name", FAULTS)
def test_a_wrong_plugin_is_caught_by_its_number(wrong, name):
    requirement, expected = FAULTS[name]
    _, code, report, output = wrong(name)
    assert code == 1, output
    found = broken(report)
    assert list(found) == [requirement], output
    assert re.search(expected, found[requirement]), found[requirement]
    (entry,) = [one for one in report["requirements"] if one["id"] == requirement]
    assert f"--reproduce {SEEDS[0]} --test " in entry["reproduce"]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", RIGHT)
def test_what_is_right_passes(right, name, seed):
    code, report, output = right(name, seed)
    assert code == 0 and broken(report) == {}, output
    states = {one["id"]: one["state"] for one in report["requirements"]}
    assert states["A9"] == "not checked" and [id for id, state in states.items() if state == "not checked"] == ["A9"], output
    assert states["A21"] == states["A5"] == states["A10"] == states["A20"] == "ok", output


def test_a_finding_comes_again_with_its_seed(wrong):
    """The same messages, the same pieces: the same words, by the one test that is named."""
    library, _, report, _ = wrong("looks_at_the_first_piece.c")
    runs = [check(library, seed=report["seed"], args=["--test", "pieces"]) for _ in range(2)]
    assert [code for code, _, _ in runs] == [1, 1]
    assert broken(runs[0][1])["A20"] == broken(runs[1][1])["A20"] == broken(report)["A20"]
    assert broken(check(library, seed=12, args=["--test", "pieces"])[1]).get("A20") != broken(report)["A20"]


def test_the_text_says_what_and_how_again(wrong):
    library, *_ = wrong("writes_to_a_header.c")
    done = run("martlet", "plugin", "check", library, "--reproduce", "5", timeout=60)
    assert done.returncode == 1
    assert re.search(r"^A21 FAILED +reads and writes its own memory", done.stdout, re.MULTILINE)
    assert f"again: martlet plugin check {library} --reproduce 5 --test traffic" in done.stdout
    assert re.search(r"^broken: A21 \(seed 5, ", done.stdout, re.MULTILINE)
    assert re.search(r"^A20 not checked +", done.stdout, re.MULTILINE)


def test_what_cannot_be_checked_is_said(workshop, tmp_path):
    text = tmp_path / "text.so"
    text.write_text("hello")
    # (arguments, what stands on standard error)
    cases = [
        ([str(text)], r"error: plugin '.*text\.so': not a shared library"),
        ([str(tmp_path / "none.so")], r"error: plugin '.*none\.so': No such file"),
        ([workshop.build("open_refuses.c")], r"refuses to open"),
        ([workshop.build("minimal.c"), "--filter", "no"], r"com\.example\.minimal has no filter 'no', it has: com\.example\.minimal"),
        ([workshop.build("minimal.c"), "--config", "a: 1"], r"configuration: the filter has nothing to configure"),
        ([workshop.build("minimal.c"), "--config", "/no/file"], r"--config: cannot read '/no/file'"),
        ([workshop.build("minimal.c"), "--test", "all"], r"--test: there is no test 'all', expected one of: load, "),
    ]
    for arguments, expected in cases:
        done = run("martlet", "plugin", "check", *arguments, timeout=60)
        assert done.returncode == 2 and re.search(expected, done.stderr) and done.stdout == "", (arguments, done)


def test_the_requirements_are_those_of_the_page():
    """Every A- number of Docs/abi.md has a line, in order."""
    with open(os.path.join(ROOT, "Docs/abi.md")) as f:
        known = re.findall(r"^- \*\*(A\d+)\*\*", f.read(), re.MULTILINE)
    with open(os.path.join(ROOT, "Sources/PluginTools/Check/Requirement.swift")) as f:
        checked = re.findall(r'Requirement\(\s*"(A\d+)"', f.read())
    assert checked == known
    assert {requirement for requirement, _ in FAULTS.values()} >= {"A1", "A5", "A6", "A7", "A8", "A10", "A17", "A18", "A19", "A20", "A21"}
