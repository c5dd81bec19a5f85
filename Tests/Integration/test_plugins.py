"""Filter plugins: files that are none, chains of them, a filter's configuration at each level, and new versions under traffic."""

import hashlib
import json
import os
import re
import selectors
import shutil
import socket
import struct
import subprocess
import threading
import time

import pytest

from harness import config as k
from harness import plugins as p
from harness.client import Client
from harness.plugins import do
from harness.process import binary, run

pytestmark = pytest.mark.only("martlet", "Envoy has no such plugins")


def options(*folders):
    return [part for folder in folders for part in ("--plugin-path", str(folder))]


def serves(proxy, path="/", **kwargs):
    with Client(proxy.address()) as client:
        return client.request(path=path, **kwargs)


def text_file(path):
    path.write_text("#!/bin/sh\n")


def cut(path, library, size):
    with open(library, "rb") as f:
        path.write_bytes(f.read()[:size])


def patched(path, library, offset, data):
    with open(library, "rb") as f:
        content = bytearray(f.read())
    content[offset : offset + len(data)] = data
    path.write_bytes(bytes(content))


# Files that are C sources, and what the line about each must say.
REFUSED = {
    "not_a_plugin": r"not a plugin: it has no symbol martlet_plugin_v1",
    "newer_major": r"it needs version 2 of the plugin ABI; this host has version 1",
    "undefined_symbol": r"undefined symbol: a_function_that_nobody_has",
    "open_refuses": r"com\.example\.minimal 1\.0\.0 refuses to open \(status -4\)",
    "cannot_work": r"it cannot work with this host \(ABI 1\.\d+\)",
    "no_id": r"has no valid id",
    "bad_id": r"has no valid id",
    "no_version": r"has no version",
    "no_size": r"descriptor has 0 bytes",
    "no_open": r"lacks `open` or `query`",
    "no_filters": r"has no filter",
    "no_create": r"lacks `create` or `destroy`",
    "short_filter": r"table is missing or too short",
    "short_info": r"info is missing, too short or has no name",
    "no_name": r"info is missing, too short or has no name",
    "duplicate_id": r"com\.example\.minimal 2\.0\.0 is not used.*a_good\.so.*comes first",
    "duplicate_filter": r"filter com\.example\.minimal is not used.*a_good\.so",
    "duplicate_type": r"filter com\.example\.another is not used.*the type com\.example\.Minimal",
    "built_in_name": r"filter envoy\.filters\.http\.router is not used",
}
# Files that are made of the good one.
BROKEN = {
    "truncated_head": (lambda path, good: cut(path, good, 40), r"truncated"),
    "truncated_half": (lambda path, good: cut(path, good, os.path.getsize(good) // 2), r"truncated"),
    "truncated_end": (lambda path, good: cut(path, good, os.path.getsize(good) - 1), r"truncated"),
    "empty": (lambda path, good: path.write_bytes(b""), r"empty file"),
    "script": (lambda path, good: text_file(path), r"not a shared library"),
    "folder": (lambda path, good: path.mkdir(), r"not a regular file"),
    "dangling": (lambda path, good: path.symlink_to("nowhere"), r"No such file"),
    "machine_arm": (lambda path, good: patched(path, good, 18, struct.pack("<H", 183)), r"for another machine: AArch64, expected x86-64"),
    "machine_unknown": (lambda path, good: patched(path, good, 18, struct.pack("<H", 999)), r"for another machine: machine 999"),
    "machine_32": (lambda path, good: patched(path, good, 4, b"\x01"), r"for another machine: expected a 64-bit"),
    "big_endian": (lambda path, good: patched(path, good, 5, b"\x02"), r"for another machine: expected a 64-bit little-endian"),
    "segments_beyond": (lambda path, good: patched(path, good, 32, struct.pack("<Q", 1 << 62)), r"truncated"),
}


@pytest.fixture(scope="module")
def bad_company(launch, workshop, tmp_path_factory):
    """One proxy whose folder has one good plugin and everything that is none."""
    if os.uname().machine != "x86_64":
        pytest.skip("the patched files are x86-64's")
    folder = tmp_path_factory.mktemp("plugins")
    good = workshop.build("minimal.c")
    p.put(good, folder, "a_good.so")
    for name in REFUSED:
        p.put(workshop.build(name + ".c"), folder, f"b_{name}.so")
    for name, (make, _) in BROKEN.items():
        make(folder / f"b_{name}.so", good)
    (folder / "notes.txt").write_text("not looked at")
    (folder / ".hidden.so").write_text("not looked at")
    proxy = launch(k.bootstrap([k.listener(filters=p.hcm([p.http_filter("com.example.minimal", "Minimal")], [k.direct()]))]),
                   args=options(folder))
    return proxy


@pytest.mark.parametrize("name, expected", [(n, e) for n, e in REFUSED.items()] + [(n, e) for n, (_, e) in BROKEN.items()])
def test_a_bad_file_gets_one_clear_line(bad_company, name, expected):
    lines = [line for line in bad_company.output().splitlines() if f"b_{name}.so" in line]
    assert len(lines) == 1, lines
    assert re.search(expected, lines[0]), lines[0]


def test_bad_files_do_not_harm_the_others(bad_company):
    assert serves(bad_company).status == 200
    assert "the licence file is not there" in bad_company.output()
    assert "notes.txt" not in bad_company.output() and ".hidden.so" not in bad_company.output()


def validate(config, tmp_path, *args):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    return run("martlet", "-c", str(path), "--mode", "validate", *args)


def web(filters, routes=None, clusters=(), **fields):
    return k.bootstrap([k.listener(filters=p.hcm(filters, routes or [k.direct()], **fields))], clusters)


@pytest.mark.parametrize("source, expected", [
    ("config_refuses.c", [r"limits\[1\]\.bytes: expected less", r"colour: must be green"]),
    ("config_refuses_silently.c", [r"refuses its configuration"])])
def test_a_configuration_that_is_refused_has_its_path(workshop, tmp_path, source, expected):
    p.put(workshop.build(source), tmp_path, "it.so")
    done = validate(web([p.http_filter("com.example.refuses", "Refuses", limits=[])]), tmp_path, *options(tmp_path))
    assert done.returncode == 1
    whole = r"config\.json:\d+: static_resources\.listeners\[0\]\.filter_chains\[0\]\.filters\[0\]\.typed_config\.http_filters\[0\]\.typed_config"
    for text in expected:
        assert re.search(whole + r"[.:]\s*.*" + text if "refuses" in text else whole + r"\." + text, done.stderr), done.stderr


@pytest.fixture(scope="module")
def probes(workshop, tmp_path_factory):
    """A folder with the probe."""
    folder = tmp_path_factory.mktemp("probes")
    p.put(workshop.build("probe"), folder, "probe.so")
    return folder


# name, HTTP filters, what standard error must say
WRONG = [
    ("no such filter", [p.http_filter("com.example.nobody", "Nobody")], r"http_filters\[0\].*com\.example\.(n|N)obody"),
    ("an error that was reported", [p.probe(problems=[{"error": "too green", "path": "grass[2]"}])], r"typed_config\.grass\[2\]: too green"),
    ("two errors", [p.probe(problems=[{"error": "one"}, {"error": "two", "path": "b"}])], r"(?s)typed_config: one.*typed_config\.b: two"),
    ("a status alone", [p.probe(**{"return": "LIMIT"})], r"http_filters\[0\]\.typed_config: .*refuses"),
    ("a wrong format", [p.probe(define=[{"format": "%NOPE%", "path": "text", "expect": "ARGUMENT"}])], r"typed_config\.text: "),
    ("a wrong expression", [p.probe(define=[{"regex": "(", "path": "pattern", "expect": "ARGUMENT"}])], r"typed_config\.pattern: "),
    ("two filters wrong", [p.probe("a", problems=[{"error": "one"}]), p.probe("b", problems=[{"error": "two"}])],
     r"(?s)http_filters\[0\]\.typed_config: one.*http_filters\[1\]\.typed_config: two"),
    ("of another kind", [{**p.network_probe(), "name": "com.example.probe.network"}], r"http_filters\[0\]"),
]


@pytest.mark.parametrize("filters, expected", [w[1:] for w in WRONG], ids=[w[0] for w in WRONG])
def test_wrong_filters(probes, tmp_path, filters, expected):
    done = validate(web(filters), tmp_path, *options(probes))
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(expected, done.stderr), done.stderr
    assert "WRONG" not in done.stdout + done.stderr


def test_a_warning_does_not_refuse(probes, tmp_path):
    done = validate(web([p.probe(problems=[{"warning": "rather green", "path": "grass"}])]), tmp_path, *options(probes))
    assert done.returncode == 0, done.stderr
    assert re.search(r"typed_config\.grass: rather green", done.stdout + done.stderr)


@pytest.mark.parametrize("route, expected", [
    ({"problems": [{"error": "no", "path": "x.y"}]}, r"typed_per_filter_config.*com\.example\.probe.*\.x\.y: no"),
    ({"return": "STATE"}, r"typed_per_filter_config.*com\.example\.probe.*refuses")])
def test_a_route_configuration_that_is_refused(probes, tmp_path, route, expected):
    routes = [{**k.direct(), "typed_per_filter_config": {"com.example.probe": {"@type": p.PREFIX + "ProbeRoute", **route}}}]
    done = validate(web([p.probe()], routes), tmp_path, *options(probes))
    assert done.returncode == 1 and re.search(expected, done.stderr), done.stderr


@pytest.mark.parametrize("name, filters, expected", [
    ("typed", [p.probe(report=True)], r'name=com\.example\.probe type=com\.example\.Probe encoding=0 prefix=http\.main\. node=n1/c/z json=\{'),
    ("another name", [p.probe(name="first", report=True)], r"name=first type=com\.example\.Probe "),
    ("TypedStruct", [{"name": "typed", "typed_config": {
        "@type": "type.googleapis.com/xds.type.v3.TypedStruct", "type_url": "type.googleapis.com/com.example.Probe",
        "value": {"report": True, "deep": {"list": [1, 2.5, "x", None, True], "text": "\"\\\n\t\u00e9\u0001"}}}}],
     r'name=typed type=com\.example\.Probe encoding=0 .*json=.*"list":\s?\[1,\s?2\.5,\s?"x",\s?null,\s?true\]'),
    ("Struct", [{"name": "com.example.probe", "typed_config": {
        "@type": "type.googleapis.com/google.protobuf.Struct", "value": {"report": True}}}], r"name=com\.example\.probe type= encoding=0")])
def test_what_a_filter_is_given(launch_once, probes, name, filters, expected):
    proxy = launch_once({**web(filters), "node": {"id": "n1", "cluster": "c", "locality": {"zone": "z"}}}, args=options(probes))
    assert serves(proxy).status == 200
    configured = [line for line in proxy.output().splitlines() if "configured name=" in line]
    assert configured and re.search(expected, configured[0]), proxy.output()
    assert "@type" not in configured[0].split("json=")[1]


@pytest.mark.parametrize("field, start", [("--plugin-path", True), ("MARTLET_PLUGIN_PATH", True), ("none", False)])
def test_where_plugins_are_looked_for(probes, tmp_path, field, start):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(web([p.probe()])))
    args = options(probes) if field == "--plugin-path" else []
    prefix = ["env", f"MARTLET_PLUGIN_PATH={probes}"] if field == "MARTLET_PLUGIN_PATH" else []
    done = subprocess.run([*prefix, binary("martlet"), "-c", str(path), "--mode", "validate", *args],
                          capture_output=True, text=True, timeout=20)
    assert (done.returncode == 0) == start, done.stderr


@pytest.fixture(scope="module")
def installation(workshop, tmp_path_factory):
    """A program with plugins in the folder that belongs to it. Gives the program."""
    root = tmp_path_factory.mktemp("installation")
    (root / "bin").mkdir()
    (root / "lib/martlet/plugins").mkdir(parents=True)
    shutil.copy2(binary("martlet"), root / "bin/martlet")
    p.put(workshop.build("probe"), root / "lib/martlet/plugins", "probe.so")
    p.put(workshop.build("operators.c"), root / "lib/martlet/plugins", "operators.so")
    return root / "bin/martlet"


BY_NAME = {"name": "com.example.probe", "typed_config": {"@type": "type.googleapis.com/google.protobuf.Struct", "report": True}}
ON_ROUTE = {"x": {
    "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "is_optional": True,
    "config": {"@type": p.PREFIX + "ProbeRoute", "label": "r"}}}


def shows(format):
    return web([], [{**k.direct(), "response_headers_to_add": [{"header": {"key": "x-a", "value": format}}]}])


@pytest.mark.parametrize("config, loads", [
    (web([]), False), (shows("%PROTOCOL%"), False), (web([p.probe()]), True), (web([BY_NAME]), True), (shows("%WORD(a)%"), True),
    (web([], [{**k.direct(), "typed_per_filter_config": ON_ROUTE}]), True),
    ({**web([]), "bootstrap_extensions": [{"name": "martlet.plugins", "typed_config": {
        "@type": "type.googleapis.com/martlet.bootstrap.v1.Plugins", "policies": {"com.example.probe": {"call_budget": "0.1s"}}}}]}, True),
], ids=["nothing", "an operator of the proxy's", "a type", "a name", "an operator", "on a route", "a policy"])
def test_installed_plugins_are_loaded_when_one_is_needed(installation, tmp_path, config, loads):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    command = [installation, "-c", path, "--mode", "validate"]
    environment = {name: value for name, value in os.environ.items() if name != "MARTLET_PLUGIN_PATH"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr
    assert (done.stderr.count("loaded com.example.") == 2) == loads == ("loaded" in done.stderr), done.stderr


def test_installed_plugins_outlast_an_overlay(installation, tmp_path):
    """What it says of policies has the plugins looked at again."""
    path = tmp_path / "config.json"
    path.write_text(json.dumps(web([p.probe()])))
    overlay = {"bootstrap_extensions": [{"name": "martlet.plugins", "typed_config": {
        "@type": "type.googleapis.com/martlet.bootstrap.v1.Plugins", "default_policy": {"call_budget": "0.1s"}}}]}
    command = [installation, "-c", path, "--config-yaml", json.dumps(overlay), "--mode", "validate"]
    environment = {name: value for name, value in os.environ.items() if name != "MARTLET_PLUGIN_PATH"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr


def test_a_dump_loads_no_installed_plugins(installation, launch_once, tmp_path, monkeypatch):
    """It reads what a plugin's own messages mean, and finds them among those that are loaded."""
    library = "libmartlet-header-mutation.so"
    p.put(os.path.join(os.environ["MARTLET_PLUGIN_PATH"], library), tmp_path, library)
    monkeypatch.setenv("MARTLET", str(installation))
    monkeypatch.setenv("MARTLET_PLUGIN_PATH", str(tmp_path))
    rules = {"mutations": {"response_mutations": [{"append": {"header": {"key": "x-a", "value": "b"}}}]}}
    proxy = launch_once(web([{"name": "mutation", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation", **rules}}]))
    for _ in range(2):
        assert '"x-a"' in proxy.admin("/config_dump")[1]
    assert [one["id"] for one in json.loads(proxy.admin("/plugins")[1])["plugins"]] == ["io.martlet.header_mutation"]


def named(*plugins):
    return {"bootstrap_extensions": [{"name": "martlet.plugins", "typed_config": {
        "@type": "type.googleapis.com/martlet.bootstrap.v1.Plugins", "plugins": list(plugins)}}]}


def sha256(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def test_a_plugin_that_the_bootstrap_names(launch_once, workshop, tmp_path):
    path = p.put(versioned(workshop, "1"), tmp_path, "it.so")
    config = web([p.http_filter("com.example.versioned", "Versioned")])
    proxy = launch_once({**config, **named({"path": path, "sha256": sha256(path).upper()})})
    assert version(proxy) == "1"


def test_what_the_bootstrap_names_goes_before_what_is_found(launch_once, workshop, tmp_path):
    (tmp_path / "folder").mkdir()
    p.put(versioned(workshop, "1"), tmp_path / "folder", "it.so")
    path = p.put(versioned(workshop, "2"), tmp_path, "named.so")
    config = web([p.http_filter("com.example.versioned", "Versioned")])
    proxy = launch_once({**config, **named({"path": path})}, args=options(tmp_path / "folder"))
    assert version(proxy) == "2"


@pytest.mark.parametrize("change, expected", [
    ({"sha256": "0" * 64}, r"plugins\[0\].*SHA-256 is [0-9a-f]{64}, expected 0{64}"), ({"path": "/nowhere.so"}, r"plugins\[0\].*No such file"),
    ({"path": ""}, r"plugins\[0\]\.path"), ({"sha256": "abc"}, r"plugins\[0\]")])
def test_a_plugin_that_the_bootstrap_names_must_load(workshop, tmp_path, change, expected):
    path = p.put(versioned(workshop, "1"), tmp_path, "it.so")
    done = validate({**web([p.http_filter("com.example.versioned", "Versioned")]), **named({"path": path, **change})}, tmp_path)
    assert done.returncode == 1 and re.search(expected, done.stderr), done.stderr


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    done = validate(web([]), tmp_path, *options(tmp_path / "nowhere"))
    assert "nowhere" in done.stderr + done.stdout


# ---- Chains

MARK = {"request_headers": [do("header_append", map="request", name="x-order", value="${label}")],
        "response_headers": [do("header_append", map="response", name="x-order", value="${label}")]}


def marker(label, **fields):
    text = json.loads(json.dumps(MARK).replace("${label}", label))
    return p.probe(label, name=f"probe-{label}", script=text, **fields)


@pytest.mark.parametrize("order", ["", "a", "ab", "ba", "abc", "cab", "aaa", "abcabcabcabc"])
def test_chains_run_in_the_order_of_the_file(launch_once, upstream, probes, order):
    filters = [{**marker(label), "name": f"probe-{label}-{index}"} for index, label in enumerate(order)]
    proxy = launch_once(web(filters, [k.route()], [k.cluster(endpoints=[upstream])]), args=options(probes))
    response = serves(proxy)
    assert response.status == 200
    assert (upstream.requests[0].get("x-order") or "").replace(",", "").replace(" ", "") == order
    assert (response.get("x-order") or "").replace(",", "").replace(" ", "") == order[::-1]
    assert "WRONG" not in proxy.output()


def disabled():
    return {"@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "disabled": True}


def enabled():
    """As Envoy's documentation writes it."""
    return {"@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "config": {}}


def route_value(value):
    return {"@type": p.PREFIX + "ProbeRoute", "value": value}


def per_route(path, **config):
    named = {"a": "probe-a", "b": "probe-b"}
    return {**k.route(match={"path": path}), "typed_per_filter_config": {named[label]: c for label, c in config.items()}}


@pytest.fixture(scope="module")
def switched(launch, upstream, probes):
    """a is on, b is off, unless a route says otherwise."""
    routes = [
        per_route("/a-off", a=disabled()), per_route("/b-on", b=enabled()),
        per_route("/both", b=enabled()), per_route("/none", a=disabled(), b=disabled()),
        per_route("/b-by-config", b=route_value("x")),
        per_route("/b-wrapped", b={"@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "config": route_value("y")}),
        k.route(),
    ]
    hosts = [
        k.virtual_host("off", ["off.example"], [per_route("/a-on", a=enabled()), k.route()], typed_per_filter_config={"probe-a": disabled()}),
        k.virtual_host("all", ["*"], routes)]
    return launch(web([marker("a"), marker("b", disabled=True)], hosts=hosts, clusters=[k.cluster(endpoints=[upstream])]),
                  args=options(probes))


@pytest.mark.parametrize("host, path, expected", [
    ("any", "/", "a"), ("any", "/a-off", ""), ("any", "/b-on", "ab"), ("any", "/none", ""),
    ("any", "/b-by-config", "ab"), ("any", "/b-wrapped", "ab"),
    ("off.example", "/", ""), ("off.example", "/a-on", "a")])
def test_filters_are_switched_per_route(switched, upstream, host, path, expected):
    assert serves(switched, path, host=host).status == 200
    assert (upstream.requests[0].get("x-order") or "").replace(",", "").replace(" ", "") == expected


def test_an_optional_filter_that_nobody_has_is_left_out(launch_once, probes):
    missing = p.http_filter("com.example.nobody", "Nobody", is_optional=True)
    proxy = launch_once(web([missing, marker("a")]), args=options(probes))
    response = serves(proxy)
    assert response.status == 200 and response.get("x-order") == "a"


def test_an_optional_filter_that_refuses_its_configuration_is_an_error(probes, tmp_path):
    wrong = {**p.probe(problems=[{"error": "no"}]), "is_optional": True}
    assert validate(web([wrong]), tmp_path, *options(probes)).returncode == 1


# ---- A route's configuration, most specific first

LEVELS = {"request_headers": [
    do("route_config", level=level, status_as=f"s{level}", **{"as": f"v{level}"}) for level in range(5)],
    "response_headers": [do("header_set", map="response", name="x-levels", value=" ".join(f"${{s{i}}}:${{v{i}}}" for i in range(5)))]}


@pytest.fixture(scope="module")
def levelled(launch, upstream, probes):
    def own(value):
        return {"typed_per_filter_config": {"com.example.probe": route_value(value)}}

    weighted = {"match": {"path": "/weighted"}, "route": {"weighted_clusters": {"clusters": [{"name": "up", "weight": 1, **own("cluster")}]}}}
    hosts = [
        k.virtual_host("all", ["*"], [
            {**k.route(match={"path": "/route"}), **own("route")},
            {**weighted, **own("route")},
            k.route(match={"path": "/host"})], **own("host")),
        k.virtual_host("bare", ["bare.example"], [{**k.route(match={"path": "/route"}), **own("route")}, weighted, k.route()])]
    return launch(web([p.probe(script=LEVELS)], hosts=hosts, clusters=[k.cluster(endpoints=[upstream])], route_config=own("table")),
                  args=options(probes))


@pytest.mark.parametrize("host, path, expected", [
    ("any", "/weighted", ["cluster", "route", "host", "table"]),
    ("any", "/route", ["route", "host", "table"]),
    ("any", "/host", ["host", "table"]),
    ("bare.example", "/weighted", ["cluster", "table"]),
    ("bare.example", "/route", ["route", "table"]),
    ("bare.example", "/", ["table"])])
def test_levels_of_route_configuration(levelled, host, path, expected):
    wanted = [f"OK:{value}" for value in expected] + ["NOT_FOUND:"] * (5 - len(expected))
    assert serves(levelled, path, host=host).get("x-levels").split(" ") == wanted
    assert "WRONG" not in levelled.output()


# ---- New versions

def versioned(workshop, version):
    return workshop.build("versioned.c", f'VERSION="{version}"')


def reload(proxy):
    return proxy.admin("/plugins/reload", "POST")


@pytest.fixture
def swapping(launch_once, upstream, workshop, tmp_path):
    p.put(versioned(workshop, "1"), tmp_path, "it.so")
    config = web([p.http_filter("com.example.versioned", "Versioned")], [k.route()], [k.cluster(endpoints=[upstream])])
    return launch_once(config, args=[*options(tmp_path), "-l", "info"], concurrency=2)


def version(proxy, **kwargs):
    response = serves(proxy, **kwargs)
    assert response.status == 200
    return response.get("x-version")


def test_replacing_the_file_does_nothing_before_the_reload(swapping, workshop, tmp_path):
    assert version(swapping) == "1"
    p.put(versioned(workshop, "2"), tmp_path, "it.so")
    assert version(swapping) == "1"
    assert reload(swapping)[0] == 200
    assert version(swapping) == "2"


def test_removing_or_breaking_the_loaded_file_does_nothing(swapping, tmp_path):
    with open(tmp_path / "it.so", "r+b") as f:
        f.truncate(100)
    assert version(swapping) == "1"
    (tmp_path / "it.so").unlink()
    assert version(swapping) == "1"


def test_back_and_forth(swapping, workshop, tmp_path):
    for wanted in ["2", "1", "3", "3", "1", "2"]:
        p.put(versioned(workshop, wanted), tmp_path, "it.so")
        assert reload(swapping)[0] == 200
        assert version(swapping) == wanted


def test_a_request_ends_on_the_version_it_began_with(swapping, workshop, tmp_path):
    answers = []
    slow = threading.Thread(target=lambda: answers.append(version(swapping, headers=[("x-delay", "1000")])))
    slow.start()
    time.sleep(0.2)
    p.put(versioned(workshop, "2"), tmp_path, "it.so")
    assert reload(swapping)[0] == 200
    assert version(swapping) == "2" and not answers
    slow.join()
    assert answers == ["1"]


def test_a_connection_that_stays_open_gets_the_new_version(swapping, workshop, tmp_path):
    with Client(swapping.address()) as client:
        assert client.request().get("x-version") == "1"
        p.put(versioned(workshop, "2"), tmp_path, "it.so")
        assert reload(swapping)[0] == 200
        assert client.request().get("x-version") == "2"


@pytest.mark.parametrize("make", ["open_refuses.c", "not_a_plugin.c", "newer_major.c", "undefined_symbol.c", "truncated", "gone", "refuses config"])
def test_a_bad_new_version_leaves_the_old_one_serving(swapping, workshop, tmp_path, make):
    if make == "truncated":
        cut(tmp_path / "it.so", versioned(workshop, "2"), 2000)
    elif make == "gone":
        (tmp_path / "it.so").unlink()
    elif make == "refuses config":
        with open(os.path.join(p.SOURCES, "versioned.c")) as f:
            source = f.read().replace(".create = create,", ".create = create, .config_create = refuse,")
        refuse = ("static martlet_status refuse(martlet_handle config, const martlet_filter_config *given, void **out) {\n"
                  "  (void)config, (void)given, (void)out;\n  return MARTLET_E_ARGUMENT;\n}\n")
        source = source.replace("static const char *const types", refuse + "static const char *const types")
        p.put(workshop.build(source), tmp_path, "it.so")
    else:
        p.put(workshop.build(make), tmp_path, "it.so")
    status, body = reload(swapping)
    assert status >= 400 and body.strip(), (status, body)
    assert version(swapping) == "1"
    p.put(versioned(workshop, "3"), tmp_path, "it.so")
    assert reload(swapping)[0] == 200
    assert version(swapping) == "3"


def test_a_signal_reloads_as_well(swapping, workshop, tmp_path):
    p.put(versioned(workshop, "2"), tmp_path, "it.so")
    swapping.signal(1)
    deadline = time.monotonic() + 5
    while version(swapping) != "2" and time.monotonic() < deadline:
        time.sleep(0.05)
    assert version(swapping) == "2"


class Load:
    """So many connections with one request each under way, until it is told to stop."""

    REQUEST = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"

    def __init__(self, address, connections):
        self.versions, self.failures, self.stopping = [], [], False
        self.selector = selectors.DefaultSelector()
        for _ in range(connections):
            sock = socket.create_connection(address)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.sendall(self.REQUEST)
            self.selector.register(sock, selectors.EVENT_READ, bytearray())
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        deadline = time.monotonic() + 30
        while self.selector.get_map() and time.monotonic() < deadline:
            for key, _ in self.selector.select(1):
                self.answer(key.fileobj, key.data)
        self.failures += ["no answer"] * len(self.selector.get_map())

    def answer(self, sock, buffer):
        try:
            data = sock.recv(65536)
        except OSError as error:
            data = b""
            self.failures.append(str(error))
        buffer += data
        head, found, body = bytes(buffer).partition(b"\r\n\r\n")
        if not data:
            self.failures.append("closed")
        elif not found or len(body) < 2:
            return
        elif not head.startswith(b"HTTP/1.1 200") or body != b"ok":
            self.failures.append(bytes(buffer))
        else:
            self.versions.append(re.search(rb"x-version: (\d+)", head).group(1).decode())
            buffer.clear()
            if not self.stopping:
                sock.sendall(self.REQUEST)
                return
        self.selector.unregister(sock)
        sock.close()

    def stop(self):
        self.stopping = True
        self.thread.join()


def test_swapping_under_traffic_loses_nothing(swapping, upstream, workshop, tmp_path):
    load = Load(swapping.address(), 64)
    try:
        for wanted in ["2", "3", "4", "5"]:
            time.sleep(0.3)
            p.put(versioned(workshop, wanted), tmp_path, "it.so")
            assert reload(swapping)[0] == 200
        p.put(workshop.build("open_refuses.c"), tmp_path, "it.so")
        assert reload(swapping)[0] >= 400
        time.sleep(0.3)
    finally:
        load.stop()
    assert load.failures == []
    assert len(load.versions) > 500
    assert set(load.versions) == {"1", "2", "3", "4", "5"}
    assert load.versions[-1] == "5" and load.versions == sorted(load.versions) or load.versions[-64:] == ["5"] * 64


def wait_for(check, timeout=5.0):
    deadline = time.monotonic() + timeout
    while not check() and time.monotonic() < deadline:
        time.sleep(0.02)
    return check()


def plugin_list(proxy, id="com.example.versioned"):
    status, body = proxy.admin("/plugins")
    assert status == 200
    return [one for one in json.loads(body)["plugins"] if one["id"] == id]


def test_an_old_version_is_closed_when_its_last_request_is_over(swapping, workshop, tmp_path):
    slow = threading.Thread(target=lambda: version(swapping, headers=[("x-delay", "800")]))
    slow.start()
    time.sleep(0.2)
    p.put(versioned(workshop, "2"), tmp_path, "it.so")
    assert reload(swapping)[0] == 200
    assert sorted((one["version"], one["state"]) for one in plugin_list(swapping)) == [("1", "draining"), ("2", "serving")]
    slow.join()
    assert wait_for(lambda: [one["version"] for one in plugin_list(swapping)] == ["2"])


def test_plugins_are_closed_at_the_end(launch_once, probes):
    """Their configurations are destroyed and `close` is called, so that they can write what they have."""
    proxy = launch_once(web([p.probe()]), args=[*options(probes), "-l", "info"])
    assert serves(proxy).status == 200
    proxy.process.terminate()
    assert proxy.process.wait(10) == 0
    assert re.search(r"closed com\.example\.probe 1.*\n(.*\n)*.*exiting", proxy.output()), proxy.output()


def test_the_list_of_plugins(launch_once, probes):
    proxy = launch_once(web([p.probe()]), args=options(probes))
    (one,) = plugin_list(proxy, "com.example.probe")
    assert one["version"] == "1.0.0" and one["state"] == "serving" and one["abi"].startswith("1.")
    with open(probes / "probe.so", "rb") as f:
        assert one["sha256"] == hashlib.sha256(f.read()).hexdigest()
    text = json.dumps(one)
    for name in ["com.example.probe", "com.example.probe.network", "com.example.probe.terminal", "com.example.ProbeRoute"]:
        assert name in text
