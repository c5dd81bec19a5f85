"""Samples/filters/swift: built by its own Makefile in both forms, run with its own envoy.yaml; and what MartletSDK promises at compile
time: that a filter which lets a view out of its hook is none."""

import os
import re
import shutil
import subprocess

import pytest

from harness.client import Client
from harness.process import ROOT, run

pytestmark = [pytest.mark.only("martlet", "Envoy has no such plugins"),
              pytest.mark.skipif(not shutil.which("swift"), reason="swift is not there")]

SAMPLE = os.path.join(ROOT, "Samples/filters/swift")


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """Builds the sample in a copy of its folder, once for each form."""
    folder = tmp_path_factory.mktemp("sample") / "swift"
    shutil.copytree(SAMPLE, folder, ignore=shutil.ignore_patterns("*.so", ".build"))
    built = {}

    def make(form):
        if form not in built:
            done = subprocess.run(["make", "-C", str(folder), form], capture_output=True, text=True, timeout=900,
                                  env={**os.environ, "MARTLET_PACKAGE": ROOT})
            assert done.returncode == 0, done.stdout + done.stderr
            assert "warning:" not in done.stdout + done.stderr, done.stdout + done.stderr
            plugins = folder / form
            plugins.mkdir()
            shutil.copy(folder / "greeting.so", plugins)
            built[form] = plugins
        return folder, built[form]

    return make


@pytest.mark.parametrize("form,most", [("dynamic", 1 << 20), ("self-contained", 10 << 20)])
def test_sample(launch, build, form, most):
    folder, plugins = build(form)
    library = plugins / "greeting.so"
    assert library.stat().st_size < most
    exported = subprocess.run(["nm", "-D", "--defined-only", str(library)], capture_output=True, text=True).stdout
    assert [line.split()[-1] for line in exported.splitlines()] == ["martlet_plugin_v1"]
    needed = subprocess.run(["readelf", "-d", str(library)], capture_output=True, text=True).stdout
    assert ("libswiftCore" in needed) == (form != "self-contained")
    text = re.sub(r"port_value: \d+", "port_value: 0", (folder / "envoy.yaml").read_text())
    proxy = launch(text, args=["--plugin-path", str(plugins)])
    with Client(proxy.address("front")) as client:
        answer = client.request(headers=[("x-user", "Ada")])
        assert (answer.text, answer.get("x-greeting")) == ("hello\n", "hello Ada")
        assert client.request().get("x-greeting") == "hello"
    stats = proxy.admin("/stats")[-1]
    stats = stats.decode() if isinstance(stats, bytes) else stats
    assert "http.front.greeting.greeted: 2" in stats
    for old, new, expected in [
            ("x-greeting", "x greeting", "header"), ("text:", "txt:", "text: a value is required"), ('"hello %REQ(x-user)%"', '""', "text"),
            ("header: x-greeting\n", "header: x-greeting\n" + " " * 14 + "txt: a\n", "txt: there is no such field")]:
        wrong = plugins / "wrong.yaml"
        wrong.write_text(text.replace(old, new, 1))
        done = run("martlet", "-c", str(wrong), "--plugin-path", str(plugins), "--mode", "validate")
        assert done.returncode == 1 and re.search(expected, done.stderr), done.stderr


HOOK = """
import MartletSDK
final class Kept: FilterSettings {
  init(_ message: NoSettings.Message, _ scope: inout ConfigurationScope) throws {}
}
struct Filter: HTTPFilter, OnRequestBody {
  static let name = "filter"
  typealias Settings = Kept
  init(_ stream: inout HTTPStream, _ settings: Kept) {}
  mutating func onRequestBody(_ stream: inout HTTPStream, _ settings: Kept, end: Bool) -> BodyStatus {
    %s
    return .continue
  }
  %s
}
"""
# (what the hook does, what else the filter has, what the compiler says; None: it compiles)
LIFETIMES = [
    ('let user = stream.requestHeaders["x"]; stream.requestHeaders.set("x", "y"); if let user { _ = user.count }', "", None),
    ("var body = stream.requestBody; body.drain(1); if let piece = body.piece(0) { _ = piece.count }", "", None),
    ("var body = stream.requestBody; let piece = body.piece(0); body.drain(1); if let piece { _ = piece.count }", "", "overlapping accesses"),
    ("let body = stream.requestBody; stream.requestHeaders.remove(\"x\"); _ = body.count", "", "overlapping accesses"),
    ("let body = stream.requestBody; let other = stream.requestBody; _ = body.count + other.count", "", "overlapping accesses"),
    ('kept = stream.requestHeaders["x"]', "var kept: BytesView?", "non-Escapable"),
    ("kept = stream.requestHeaders", "var kept: HeaderMap", "non-Escapable"),
    ("let other = stream; _ = other.random", "", "after consume"),
    ('let value = stream.requestHeaders["x"]; later { _ = value?.count }', "func later(_ body: @escaping () -> Void) {}", "nonescapable|escap"),
    ("", 'func leak(_ stream: inout HTTPStream) -> BytesView? { stream.requestHeaders["x"] }', "~Escapable"),
]


@pytest.mark.parametrize("index", range(len(LIFETIMES)))
def test_lifetimes(build, tmp_path, index):
    hook, more, expected = LIFETIMES[index]
    folder, _ = build("dynamic")
    source = tmp_path / "filter.swift"
    source.write_text(HOOK % (hook, more))
    products = folder / ".build/release"
    done = subprocess.run(
        ["swiftc", "-emit-sil", "-O", "-parse-as-library", "-swift-version", "6", "-I", str(products / "Modules"), "-Xcc",
         f"-fmodule-map-file={products}/CMartletABI.build/module.modulemap", "-o", os.devnull, str(source)],
        capture_output=True, text=True, timeout=120)
    errors = [line for line in done.stderr.splitlines() if "error:" in line]
    if expected is None:
        assert done.returncode == 0, done.stderr
    else:
        assert done.returncode != 0 and re.search(expected, "\n".join(errors)), done.stderr
