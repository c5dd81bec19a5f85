"""Samples/filters: each is built by its own Makefile, exports one symbol, and does with its own envoy.yaml what its README says. So
does the first filter of Docs/writing-filters.md, from the page alone."""

import json
import os
import re
import shutil
import subprocess
import time

import pytest

from harness import plugins as p
from harness.client import Client
from harness.process import ROOT, run

pytestmark = pytest.mark.only("martlet", "Envoy has no such plugins")

SAMPLES = os.path.join(ROOT, "Samples/filters")
COMPILERS = {"c": "cc", "cpp": "g++", "rust": "rustc", "network-c": "cc"}


def any_ports(text: str) -> str:
    return re.sub(r"port_value: \d+", "port_value: 0", text)


@pytest.fixture(scope="module")
def sample(launch, tmp_path_factory):
    """Builds a sample in a copy of its folder and starts a proxy with it."""
    def start(name):
        if not shutil.which(COMPILERS[name]):
            pytest.skip(f"{COMPILERS[name]} is not there")
        folder = tmp_path_factory.mktemp("sample") / name
        shutil.copytree(os.path.join(SAMPLES, name), folder, ignore=shutil.ignore_patterns("*.so"))
        done = subprocess.run(["make", "-C", str(folder), f"MARTLET_INCLUDE={p.INCLUDE}"], capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "warning" not in done.stderr, done.stderr
        (library,) = folder.glob("*.so")
        exported = subprocess.run(["nm", "-D", "--defined-only", str(library)], capture_output=True, text=True).stdout
        assert [line.split()[-1] for line in exported.splitlines()] == ["martlet_plugin_v1"]
        with open(folder / "envoy.yaml") as f:
            return launch(any_ports(f.read()), args=["--plugin-path", str(folder)]), folder

    return start


def get(proxy, path="/", **fields):
    with Client(proxy.address("front")) as client:
        return client.request(path=path, **fields)


def refuses(folder, old, new, expected):
    """Its configuration with one change is an error at its path."""
    with open(folder / "envoy.yaml") as f:
        text = f.read()
    assert text.count(old) >= 1
    wrong = folder / "wrong.yaml"
    wrong.write_text(any_ports(text.replace(old, new, 1)))
    done = run("martlet", "-c", str(wrong), "--plugin-path", str(folder), "--mode", "validate")
    assert done.returncode == 1 and re.search(expected, done.stderr), done.stderr


def test_c(sample):
    proxy, folder = sample("c")
    assert get(proxy).get("x-served-by") == "plain, HTTP/1.1"
    assert get(proxy, "/special").get("x-served-by") == "special treatment"
    assert proxy.wait_stat("http.front.add_header.added", 2) == 2
    refuses(folder, "header: x-served-by", "heder: x-served-by", r"envoy|wrong\.yaml:\d+: .*typed_config\.heder: there is no such field")
    refuses(folder, "header: x-served-by", "header: 'x served'", r"typed_config\.header: is not a header's name")
    refuses(folder, "value: \"%ROUTE_NAME%", "value: \"%ROUTE_NAMES%", r"typed_config\.value: ")
    refuses(folder, "value: special treatment", "value: 5", r"typed_config\.value|typed_per_filter_config.*\.value: expected a text")


def test_cpp(sample):
    proxy, folder = sample("cpp")
    assert get(proxy).text == "accepted\n"
    assert get(proxy, method="POST", body=b"good morning").text == "accepted\n"
    response = get(proxy, method="POST", body=b"my PassWord is secret")
    assert response.status == 403 and response.text == "We do not send that.\n"
    with Client(proxy.address("front")) as client:
        client.send("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2\r\n47\r\n")
        time.sleep(0.05)
        client.send("2\r\n11\r\n0\r\nx-t: 1\r\n\r\n")
        assert client.response("POST").status == 403
    assert proxy.wait_stat("http.front.word_guard.blocked", 2) == 2
    refuses(folder, 'words: [password, "4711"]', "words: []", r"typed_config\.words: expected at least one word")
    refuses(folder, 'words: [password, "4711"]', "words: [a, 4711]", r"typed_config\.words\[1\]: expected a text")


def test_rust(sample):
    proxy, folder = sample("rust")
    assert get(proxy).text == "Order 1234567 was paid with card ************1111.\n"
    assert proxy.wait_stat("http.front.mask_digits.masked", 1) == 1
    refuses(folder, "keep: 4", "keep: 40", r"typed_config\.keep: must be less than at_least")


def test_network_c(sample):
    proxy, folder = sample("network-c")
    with Client(proxy.address("front")) as client:
        client.send("PI")
        time.sleep(0.03)
        assert client.send("NG one\n").read(9) == b"PING one\n"
        assert client.send("two").read(3) == b"two"
        client.half_close()
        assert client.read(1) == b"" and client.ended == "close"
    with Client(proxy.address("front")) as client:
        assert client.send("GET / HTTP/1.1\r\n").read(100) == b"go away\r\n" and client.ended == "close"
    with Client(proxy.address("front")) as client:
        client.send("PI")
        client.half_close()
        assert client.read(100) == b"go away\r\n"
    with Client(proxy.address("front")) as client:
        begin = time.monotonic()
        assert client.read(100) == b"go away\r\n" and 1.5 < time.monotonic() - begin < 4
    assert proxy.wait_stat("first_bytes.accepted", 1) == 1 and proxy.wait_stat("first_bytes.refused", 3) == 3
    # The echo never closes: a connection on which both sides have said their last ends all the same.
    for how in ("half", "close"):
        with Client(proxy.address("front")) as client:
            assert client.send("PING").read(4) == b"PING"
            if how == "half":
                client.half_close()
                assert client.read(1) == b""
                time.sleep(0.2)
    version = next(one for one in json.loads(proxy.admin("/plugins")[1])["plugins"] if one["id"] == "com.example.first_bytes")
    assert version["streams_active"] == 0 and version["streams_total"] > 0
    refuses(folder, "accept: [PING, HELLO]", "accept: []", r"typed_config\.accept: expected a list")
    refuses(folder, "timeout_ms: 2000", "timeout_ms: 0", r"typed_config\.timeout_ms: expected a whole number")
    refuses(folder, "com.example.Echo", "com.example.Echo\n          loud: true", r"filters\[1\]\.typed_config")


def test_the_page_alone(launch, tmp_path):
    """Docs/writing-filters.md: the commands of its first section and of its last, with the page's own files."""
    if not shutil.which("cc"):
        pytest.skip("cc is not there")
    with open(os.path.join(ROOT, "Docs/writing-filters.md")) as f:
        page = f.read()
    source = re.search(r"^```c\n(.*?)^```", page, re.MULTILINE | re.DOTALL).group(1)
    config = re.search(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL).group(1)
    build = re.search(r"^    (cc .*)$", page, re.MULTILINE).group(1)
    rebuild = re.search(r"^    (cc .* && mv .*)$", page, re.MULTILINE).group(1)
    shutil.copy(os.path.join(p.INCLUDE, "martlet.h"), tmp_path)
    (tmp_path / "hello.c").write_text(source)
    subprocess.run(build, shell=True, check=True, cwd=tmp_path, timeout=60)
    proxy = launch(any_ports(config), args=["--plugin-path", str(tmp_path)])
    assert get(proxy).get("x-hello") == "world"
    (tmp_path / "hello.c").write_text(source.replace('text("world")', 'text("everybody")'))
    subprocess.run(rebuild, shell=True, check=True, cwd=tmp_path, timeout=60)
    assert get(proxy).get("x-hello") == "world"
    assert proxy.admin("/plugins/reload", "POST")[0] == 200
    assert get(proxy).get("x-hello") == "everybody"
