"""C functions from configuration: %FFI% wherever the proxy writes a format, the HTTP filter, and the samples with functions of libc,
libcrypto and a library of one's own.

The plugin is Plugins/ForeignFunction; `Scripts/plugins.sh` builds it."""

import ctypes.util
import hashlib
import hmac
import json
import os
import re
import shutil
import socket
import subprocess
import time

import pytest

from harness import config as k
from harness.client import Client
from harness.logs import FLUSH, LogFile
from harness.process import ROOT, run
from harness.upstream import ok

pytestmark = pytest.mark.only("martlet", "Envoy has nothing like it")

PACKAGE = "type.googleapis.com/martlet.foreign_function.v1."
NAME = "martlet.filters.http.foreign_function"
SAMPLES = os.path.join(ROOT, "Samples/foreign-function")
README = os.path.join(ROOT, "Plugins/ForeignFunction/README.md")


def function(name, signature, **fields):
    return {"name": name, "signature": signature, **fields}


STRTOL = function("number", "(string, null, base: int32 = 10) -> int64", symbol="strtol")
COPY = function("copy", "(string) -> string free(free)", symbol="strdup")
PTON = function("pton", "(int32 = 2, string, address: out bytes[4]) -> int32", symbol="inet_pton", success="result == 1",
                value="address", encoding="HEX")


def functions(*which):
    return {"name": "functions", "typed_config": {"@type": PACKAGE + "Functions", "functions": list(which)}}


def foreign(*which, **fields):
    return {"name": NAME, "typed_config": {"@type": PACKAGE + "ForeignFunction", "functions": list(which), **fields}}


def per_route(*which, **fields):
    return {NAME: {"@type": PACKAGE + "ForeignFunctionPerRoute", "functions": list(which), **fields}}


def call(name, *arguments, **fields):
    return {"function": name, "arguments": list(arguments), **fields}


def manager(routes, filters=(), **fields):
    result = k.hcm(routes, **fields)
    result["typed_config"]["http_filters"][:0] = filters
    return result


def ask(proxy, path="/", headers=(), listener="main"):
    with Client(proxy.address(listener)) as client:
        return client.request(path=path, headers=headers)


# The operator

# The format, and the header for a request with `x-a: 1f` (None: there is none).
FORMATS = [
    ("%FFI(number, 12)%", "12"),
    ("%FFI(number, \"12, and more\")%", "12"),
    ("%FFI(hexadecimal, %REQ(x-a)%)%", "31"),
    ("%FFI(copy, %REQ(x-a)%)%", "1f"),
    ("%FFI(copy, %REQ(x-a)%):1%", "1"),
    ("%FFI(copy, \"a, \\\"b\\\") %REQ(x-a)% %%\")%", 'a, "b") 1f %'),
    ("%FFI(copy, %FFI(copy, <%FFI(number, 7)%>)%)%", "<7>"),
    ("%FFI(copy, a (b, c) d)%", "a (b, c) d"),
    ("%FFI(copy, %REQ(x-none)%)%", None),
    ("%FFI(pton, 192.0.2.1)%", "c0000201"),
    ("%FFI(pton, %REQ(x-a)%)%", None),
    ("%FFI(small, %REQ(x-a)%)%", None),
    ("%FFI(getenv, NO_SUCH_VARIABLE)%", None),
    ("[%FFI(getenv, NO_SUCH_VARIABLE)%]", "[]"),
    ("%FFI(page)% %FFI(lines)%", None),
]
ALL = [STRTOL, COPY, PTON, function("hexadecimal", "(string, null, int32 = 16) -> int64", symbol="strtol"),
       function("small", "(int8) -> int32", symbol="abs"), function("getenv", "(string) -> string"),
       function("page", "() -> int32", symbol="getpagesize"),
       # Bytes that no header can hold.
       function("lines", '(to: out bytes[2], bytes = "\r\n", sizeof(to)) -> pointer', symbol="memcpy")]


@pytest.fixture(scope="module")
def served(launch, upstreams):
    up = upstreams()
    up.respond = ok(b"ok")
    routes = [{**k.route(match={"path": f"/{index}"}), "request_headers_to_add": [k.header("x-seen", text)],
               "response_headers_to_add": [k.header("x-seen", text)]} for index, (text, _) in enumerate(FORMATS)]
    proxy = launch(k.bootstrap([k.listener(filters=manager(routes))], [k.cluster("up", [up])], bootstrap_extensions=[functions(*ALL)]))
    return proxy, up


@pytest.mark.parametrize("index", range(len(FORMATS)), ids=[text for text, _ in FORMATS])
def test_in_headers(served, index):
    proxy, up = served
    response = ask(proxy, f"/{index}", [("x-a", "1f")])
    assert response.status == 200
    assert (response.get("x-seen") or None) == (up.last.get("x-seen") or None) == FORMATS[index][1]


def test_in_logs_local_replies_and_other_plugins(launch_once, tmp_path):
    log = LogFile(tmp_path / "log")
    logs = [k.access_log(log.path, {"json_format": {"number": "%FFI(number, 42)%", "text": "%FFI(copy, %RESPONSE_CODE%)%",
                                                    "none": "%FFI(pton, x)%", "mixed": "<%FFI(number, 1)%>"}})]
    replies = {"body_format": k.text_format("%FFI(copy, %RESPONSE_CODE% %LOCAL_REPLY_BODY%)%")}
    mutation = {"name": "envoy.filters.http.header_mutation", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
        "mutations": {"response_mutations": [{"append": k.header("x-made", "%FFI(number, %RESP(:status)%)%")}]}}}
    proxy = launch_once(k.bootstrap([k.listener(filters=manager([k.direct("x", match={"path": "/there"})], [mutation], access_log=logs,
                                                                local_reply_config=replies))],
                                    bootstrap_extensions=[functions(STRTOL, COPY, PTON)]), args=FLUSH)
    response = ask(proxy, "/not")
    assert (response.status, response.text, response.get("x-made")) == (404, "404 ", "404")
    assert json.loads(log.wait(1)[0]) == {"number": 42, "text": "404", "none": None, "mixed": "<1>"}
    assert proxy.wait_stat("foreign_function.calls", 6) == 6
    assert proxy.stat("foreign_function.failures") == 1


def test_formatters_of_one_format(launch_once, tmp_path):
    log = LogFile(tmp_path / "log")
    logs = [k.access_log(log.path, {**k.text_format("%FFI(number, 7)%\n"), "formatters": [functions(STRTOL)]})]
    proxy = launch_once(k.bootstrap([k.listener(filters=manager([k.direct()], access_log=logs))]), args=FLUSH)
    ask(proxy)
    assert log.wait(1) == ["7"]


# The filter

@pytest.fixture(scope="module")
def filtered(launch, upstreams):
    up, canary = upstreams(name="up"), upstreams(name="canary")
    up.respond, canary.respond = ok(b"up", "x-n: 5\r\n"), ok(b"canary", "x-n: 50\r\n")
    filters = [foreign(
        STRTOL, COPY, PTON,
        request_calls=[
            call("pton", "%REQ(x-address)%", when={"request_headers": [{"name": "x-address"}]},
                 set_metadata=[{"namespace": "ffi", "key": "address"}, {"namespace": "ffi", "key": "result", "value": "result"}],
                 set_headers=[{"header": "x-hex", "value": "address"}, {"header": "x-text", "format": "<%DYNAMIC_METADATA(ffi:address)%>"}]),
            call("number", "%REQ(x-number)%", when={"request_headers": [{"name": "x-number"}]},
                 deny={"when": "result >= 100", "status": 429, "body": "%REQ(x-number)% is too much"},
                 set_cluster={"when": "result == 7", "cluster": "canary"}),
        ],
        response_calls=[call("number", "%RESP(x-n)%", set_headers=[{"header": "x-n", "value": "result"}, {"header": "x-seen", "value": "result"}],
                             deny={"when": "result == 50", "status": 502}, when={"request_headers": [{"name": "x-strict"}]})])]
    log = [k.access_log("/dev/stdout", "LOG %RESPONSE_CODE% %RESPONSE_CODE_DETAILS% %DYNAMIC_METADATA(ffi)%\n")]
    routes = [{**k.route(match={"path": "/own"}), "typed_per_filter_config": per_route(
                  COPY, request_calls=[call("copy", "own", set_headers=[{"header": "x-hex", "value": "result"}])])},
              {**k.route(match={"path": "/none"}), "typed_per_filter_config": per_route()},
              k.route()]
    proxy = launch(k.bootstrap([k.listener(filters=manager(routes, filters, access_log=log))], [k.cluster("up", [up]), k.cluster("canary", [canary])]),
                   args=FLUSH)
    return proxy, up, canary


def test_results_go_to_headers_and_metadata(filtered):
    proxy, up, _ = filtered
    assert ask(proxy, headers=[("x-address", "192.0.2.9")]).text == "up"
    assert up.last.get("x-hex") == "c0000209" and up.last.get("x-text") == "<c0000209>"
    assert 'LOG 200 via_upstream {"address":"c0000209","result":1}' in wait_for_output(proxy, "c0000209")


def test_a_call_that_fails_sets_nothing(filtered):
    proxy, up, _ = filtered
    before = proxy.stat("http.main.foreign_function.failures") or 0
    assert ask(proxy, headers=[("x-address", "nonsense"), ("x-hex", "old")]).text == "up"
    assert up.last.get("x-hex") == "old" and up.last.get("x-text") is None
    assert proxy.wait_stat("http.main.foreign_function.failures", before + 1) == before + 1


def test_a_cluster_is_chosen(filtered):
    proxy, up, canary = filtered
    assert ask(proxy, headers=[("x-number", "7")]).text == "canary"
    assert ask(proxy, headers=[("x-number", "8")]).text == "up"


def test_a_request_is_denied(filtered):
    proxy, up, _ = filtered
    seen, denied = len(up.requests), proxy.stat("http.main.foreign_function.denied") or 0
    response = ask(proxy, headers=[("x-number", "100")])
    assert (response.status, response.text) == (429, "100 is too much")
    assert len(up.requests) == seen
    assert proxy.wait_stat("http.main.foreign_function.denied", denied + 1) == denied + 1
    assert "LOG 429 foreign_function_denied" in wait_for_output(proxy, "429 foreign_function_denied")


def test_a_response_is_denied(filtered):
    proxy, _, _ = filtered
    response = ask(proxy, headers=[("x-strict", "1")])
    assert (response.status, response.get("x-seen"), response.all("x-n")) == (200, "5", ["5"])
    assert ask(proxy, headers=[("x-strict", "1"), ("x-number", "7")]).status == 502


def test_routes_have_calls_of_their_own(filtered):
    proxy, up, _ = filtered
    ask(proxy, "/own", headers=[("x-number", "100")])
    assert up.last.get("x-hex") == "own"
    ask(proxy, "/none", headers=[("x-number", "100")])
    assert up.last.get("x-hex") is None


def wait_for_output(proxy, text):
    deadline = time.monotonic() + 3
    while text not in proxy.output() and time.monotonic() < deadline:
        time.sleep(0.02)
    return proxy.output()


@pytest.mark.parametrize("allow, status", [(False, 403), (True, 200)])
def test_what_does_not_convert_denies_unless_it_may_not(launch_once, allow, status):
    check = call("small", "%REQ(x-a)%", deny={"when": "result == 1"}, failure_mode_allow=allow)
    proxy = launch_once(k.bootstrap([k.listener(filters=manager([k.direct()], [foreign(
        function("small", "(int8) -> int32", symbol="abs"), request_calls=[check])]))]))
    assert ask(proxy, headers=[("x-a", "2")]).status == 200
    assert ask(proxy, headers=[("x-a", "-1")]).status == 403
    for text in ["128", "x", ""]:
        assert ask(proxy, headers=[("x-a", text)]).status == status
    assert proxy.wait_stat("http.main.foreign_function.unconverted", 3) == 3
    assert proxy.stat("http.main.foreign_function.calls") == 2


# Configurations that are wrong

WHOLE = r"static_resources\.listeners\[0\]\.filter_chains\[0\]\.filters\[0\]\.typed_config\."
WRONG = [
    ("a signature", [functions(function("a", "(int32"))], [],
     r"bootstrap_extensions\[0\]\.typed_config\.functions\[0\]\.signature: at character 7: expected `\)`"),
    ("no signature", [functions({"name": "a"})], [], r"functions\[0\]\.signature"),
    ("a library", [functions(function("a", "() -> void", library="libnone.so.9"))], [], r"functions\[0\]\.library: libnone\.so\.9"),
    ("a symbol", [functions(function("no_symbol", "() -> void"))], [], r"functions\[0\]\.symbol: the process has no symbol `no_symbol`"),
    ("a field", [functions(function("abs", "(int32) -> int32", colour="red"))], [], r"colour"),
    ("in the filter", [], [foreign(function("abs", "(int32) -> what"))],
     WHOLE + r"http_filters\[0\]\.typed_config\.functions\[0\]\.signature: at character 12"),
    ("arguments of a call", [], [foreign(STRTOL, request_calls=[call("number")])],
     WHOLE + r"http_filters\[0\]\.typed_config\.request_calls\[0\]\.arguments: number takes 1 arguments, found 0"),
    ("an argument", [], [foreign(function("abs", "(int32) -> int32"), request_calls=[call("abs", "1.5")])],
     r"request_calls\[0\]\.arguments\[0\]: \"1\.5\" is no int32"),
    ("a comparison", [], [foreign(STRTOL, request_calls=[call("number", "1", deny={"when": "result = 1"})])],
     r"request_calls\[0\]\.deny\.when: at character 8: expected =="),
    ("a status", [], [foreign(STRTOL, request_calls=[call("number", "1", deny={"status": 99})])], r"request_calls\[0\]\.deny\.status"),
]
FORMAT_WRONG = [
    ("no functions", "%FFI(number, 1)%", [], r"response_headers_to_add\[0\]\.header\.value: `%FFI%`: it needs a configuration"),
    ("no such function", "%FFI(numbre, 1)%", [functions(STRTOL)], r"header\.value: `%FFI%`: there is no function \"numbre\"; there are \"number\""),
    ("an argument", "%FFI(abs, one)%", [functions(function("abs", "(int32) -> int32"))], r"`%FFI%`: argument 1 of abs: \"one\" is no int32"),
    ("no argument", "%FFI%", [functions(STRTOL)], r"`%FFI%`: expected the name of a function"),
    ("an operator", "%FFI(number, %NOPE%)%", [functions(STRTOL)], r"`%FFI%`: argument 1 of number: .*%NOPE%"),
]


def validate(config, tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    return run("martlet", "-c", str(path), "--mode", "validate")


@pytest.mark.parametrize("extensions, filters, expected", [w[1:] for w in WRONG], ids=[w[0] for w in WRONG])
def test_wrong_configurations(tmp_path, extensions, filters, expected):
    done = validate(k.bootstrap([k.listener(filters=manager([k.direct()], filters))], bootstrap_extensions=extensions), tmp_path)
    assert done.returncode == 1 and re.search(expected, done.stderr), done.stderr


@pytest.mark.parametrize("text, extensions, expected", [w[1:] for w in FORMAT_WRONG], ids=[w[0] for w in FORMAT_WRONG])
def test_wrong_formats(tmp_path, text, extensions, expected):
    route = {**k.direct(), "response_headers_to_add": [k.header("x-a", text)]}
    done = validate(k.bootstrap([k.listener(filters=manager([route]))], bootstrap_extensions=extensions), tmp_path)
    assert done.returncode == 1 and re.search(expected, done.stderr), done.stderr


# The samples

@pytest.fixture
def sample(launch_once, tmp_path):
    def start(name):
        shutil.copytree(SAMPLES, tmp_path / "sample", ignore=shutil.ignore_patterns("*.so"))
        done = subprocess.run(["make", "-C", str(tmp_path / "sample")], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and "warning" not in done.stderr, done.stdout + done.stderr
        with open(os.path.join(SAMPLES, name)) as f:
            text = re.sub(r"port_value: \d+", "port_value: 0", f.read())
        return launch_once(text.replace("./libverdict.so", str(tmp_path / "sample/libverdict.so")), args=FLUSH)

    return start


def test_the_c_library(sample):
    proxy = sample("libc.yaml")
    response = ask(proxy, headers=[("x-session", "ff")], listener="front")
    assert response.get("x-host") == socket.gethostname() and response.get("x-session") == "255"
    line = [line for line in wait_for_output(proxy, '"session"').splitlines() if '"session"' in line][0]
    assert json.loads(line) == {"path": "/", "session": 255, "home": os.environ.get("HOME"), "nothing": None}


def test_libcrypto(sample):
    if not ctypes.util.find_library("crypto"):
        pytest.skip("libcrypto is not there")
    proxy = sample("libcrypto.yaml")

    def sign(path):
        return hmac.new(b"a secret", path.encode(), hashlib.sha256).hexdigest()
    response = ask(proxy, "/a", [("x-signature", sign("/a"))], listener="front")
    assert response.status == 200 and response.get("x-digest") == "sha256=" + hashlib.sha256(b"/a").hexdigest()
    for wrong in [sign("/b"), sign("/a")[:-1], sign("/a") + "0", "", "x" * 1000]:
        response = ask(proxy, "/a", [("x-signature", wrong)], listener="front")
        assert (response.status, response.text) == (401, "not signed\n")
    assert ask(proxy, "/a", listener="front").status == 401


def test_a_library_of_ones_own(sample):
    proxy = sample("own.yaml")
    assert ask(proxy, headers=[("user-agent", "curl/8")], listener="front").text == "welcome\n"
    response = ask(proxy, headers=[("user-agent", "netcat")], listener="front")
    assert (response.status, response.text) == (403, "netcat is not welcome\n")
    assert ask(proxy, listener="front").text == "nobody is not welcome\n"
    assert ask(proxy, "/open", listener="front").text == "open\n"
    # A reason that does not fit is cut by the function: the buffer ends it.
    response = ask(proxy, headers=[("user-agent", "x" * 300)], listener="front")
    assert response.text == "x" * 127 + "\n"


def test_the_page_has_the_samples():
    with open(README) as f:
        page = f.read()
    for name in ["libc.yaml", "libcrypto.yaml", "own.yaml", "verdict.c"]:
        with open(os.path.join(SAMPLES, name)) as f:
            assert f.read() in page, name
