"""Tests/Golden: plugins that were built against the header of an earlier ABI minor load and do what they did, for ever. Their
configurations stand here and not with the samples, which may change."""

import glob
import hashlib
import json
import os
import platform

import pytest

from harness import config as k
from harness import plugins as p
from harness.client import Client
from harness.process import ROOT, run

pytestmark = pytest.mark.only("martlet", "Envoy has no such plugins")

GOLDEN = os.path.join(ROOT, "Tests/Golden")
MINORS = sorted(name for name in os.listdir(GOLDEN) if name[0].isdigit())


def folder_of(minor: str) -> str:
    folder = os.path.join(GOLDEN, minor, platform.machine())
    if not os.path.isdir(folder):
        pytest.skip(f"no golden binaries of ABI {minor} for {platform.machine()}")
    return folder


@pytest.fixture(scope="module", params=MINORS)
def golden(request):
    return request.param, folder_of(request.param)


def typed(name: str, type_name: str, **fields) -> dict:
    return {"name": name, "typed_config": {"@type": f"type.googleapis.com/com.example.{type_name}", **fields}}


def direct(body: str, **fields) -> dict:
    return {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": body}}, **fields}


@pytest.fixture(scope="module")
def proxy(golden, launch):
    _, folder = golden
    special = {"name": "special", "match": {"prefix": "/special"},
               "direct_response": {"status": 200, "body": {"inline_string": "x"}},
               "typed_per_filter_config": {"com.example.add_header": {
                   "@type": "type.googleapis.com/com.example.AddHeader", "value": "special treatment"}}}
    http = p.hcm([
        typed("com.example.add_header", "AddHeader", header="x-served-by", value="%ROUTE_NAME%, %PROTOCOL%"),
        typed("com.example.word_guard", "WordGuard", words=["password"], answer="no\n"),
        typed("com.example.mask_digits", "MaskDigits", at_least=12, keep=4),
    ], [special, direct("Order 1234567 was paid with card 4111111111111111.\n", name="plain")])
    network = [typed("com.example.first_bytes", "FirstBytes", accept=["PING"], refusal="go away\r\n", timeout_ms=60000),
               typed("com.example.echo", "Echo")]
    config = k.bootstrap([k.listener("http", http), k.listener("network", network)])
    return launch(config, args=["--plugin-path", folder])


def test_the_files_are_those_of_the_day():
    with open(os.path.join(GOLDEN, "SHA256SUMS")) as f:
        known = {path: digest for digest, path in (line.split() for line in f)}
    found = {os.path.relpath(path, GOLDEN) for path in glob.glob(os.path.join(GOLDEN, "*/*/*.so"))}
    assert found == set(known) and len(found) >= 4
    for path, digest in known.items():
        with open(os.path.join(GOLDEN, path), "rb") as f:
            assert hashlib.sha256(f.read()).hexdigest() == digest, path


def test_they_say_which_abi_they_are_of(golden):
    minor, folder = golden
    for path in sorted(glob.glob(os.path.join(folder, "*.so"))):
        done = run("martlet", "plugin", "inspect", path, "--json")
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert found["abi"] == minor and found["exported_symbols"] == ["martlet_plugin_v1"] and found["filters"], path


def test_http_filters(proxy):
    with Client(proxy.address("http")) as client:
        response = client.request()
        assert response.get("x-served-by") == "plain, HTTP/1.1"
        assert response.text == "Order 1234567 was paid with card ************1111.\n"
        assert client.request(path="/special").get("x-served-by") == "special treatment"
        response = client.request(method="POST", body=b"my PassWord is secret")
        assert (response.status, response.text) == (403, "no\n")
    assert proxy.wait_stat("http.main.add_header.added", 3) == 3
    assert proxy.wait_stat("http.main.word_guard.blocked", 1) == 1
    assert proxy.wait_stat("http.main.mask_digits.masked", 1) == 1


def test_network_filters(proxy):
    with Client(proxy.address("network")) as client:
        assert client.send("PING one\n").read(9) == b"PING one\n"
    with Client(proxy.address("network")) as client:
        assert client.send("GET / HTTP/1.1\r\n").read(100) == b"go away\r\n" and client.ended == "close"
    assert proxy.wait_stat("first_bytes.accepted", 1) == 1 and proxy.wait_stat("first_bytes.refused", 1) == 1


def test_a_wrong_configuration_is_refused_at_its_path(golden, tmp_path):
    _, folder = golden
    for filter, expected in [
        (typed("com.example.add_header", "AddHeader", heder="x"), "typed_config.heder: there is no such field"),
        (typed("com.example.word_guard", "WordGuard", words=[]), "typed_config.words: expected at least one word"),
        (typed("com.example.mask_digits", "MaskDigits", keep=40), "typed_config.keep: must be less than at_least"),
    ]:
        path = tmp_path / "wrong.json"
        path.write_text(json.dumps(k.bootstrap([k.listener("main", p.hcm([filter]))])))
        done = run("martlet", "-c", str(path), "--plugin-path", folder, "--mode", "validate")
        assert done.returncode == 1 and expected in done.stderr, done.stderr
