"""Format operators of plugins: wherever the proxy writes a format, what they may ask, their configuration, and new versions."""

import json
import re
import threading
import time

import pytest
import yaml

from harness import config as k
from harness import plugins as p
from harness.client import Client
from harness.logs import FLUSH, LogFile
from harness.process import run
from harness.upstream import ok

pytestmark = pytest.mark.only("martlet", "Envoy has no such plugins")


def options(*folders):
    return [part for folder in folders for part in ("--plugin-path", str(folder))]


def greeting(text, name="greetings"):
    return {"name": name, "typed_config": {"@type": p.PREFIX + "Greeting", "greeting": text}}


def operators(workshop, version="1", *defines):
    return workshop.build("operators.c", f'VERSION="{version}"', *defines)


@pytest.fixture(scope="module")
def folder(workshop, tmp_path_factory):
    folder = tmp_path_factory.mktemp("operators")
    p.put(operators(workshop), folder, "operators.so")
    p.put(workshop.build("probe"), folder, "probe.so")
    return folder


def manager(routes, filters=(), **fields):
    return p.hcm(list(filters), routes, **fields)


def ask(proxy, path="/", headers=(), method="GET", listener="main"):
    with Client(proxy.address(listener)) as client:
        return client.request(method, path, headers)


# In headers

# The format, what the request has, and the response header (None: there is none).
FORMATS = [
    ("%WORD(hello)%", "hello"),
    ("%WORD%", None),
    ("a %WORD% b", "a  b"),
    ("%WORD()%", None),
    ("<%WORD()%>", "<>"),
    ("%WORD(hello):2%", "he"),
    ("%WORD(a (nested) b)%", "a (nested) b"),
    ("%WORD(%REQ(x-a)%)%", "%REQ(x-a)%"),
    ('%WORD("a)b")%', '"a)b"'),
    (r'%WORD("a\")b")%', r'"a\")b"'),
    ("%LENGTH(x-a)%", "5"),
    ("%LENGTH(x-none)%", None),
    ("%SAME(a=a)% %SAME(a=b)%", "true false"),
    ("%CLAIMS(-12.5e3)% %CLAIMS(0)%", "-12.5e3 0"),
    ("[%CLAIMS(abc)%%CLAIMS(01)%%CLAIMS(1.)%%CLAIMS(-)%%CLAIMS(1e)%]", "[]"),
    ("%ASK(request)%", "first"),
    ("%ASK(request_trailers)%", "-3"),
    ("%ASK(response)%", "answer"),
    ("%ASK(response_trailers)%", "-3"),
    ("%ASK(unknown)%", "-2"),
    ("%ASK(pseudo)%", "200"),
    ("%ASK(headers)%", "0 1"),
    ("%ASK(changes)%", "-3 -3 -3 -3 -3 -2 -2 -2 -3"),
    ("%ASK(code)%", "0 200"),
    ("%ASK(source)%", "0 1"),
    ("%ASK(route)%", "the-route"),
    ("%ASK(cluster)%", "up"),
    ("%ASK(protocol)%", "HTTP/1.1"),
    ("%ASK(log)%", "0"),
    ("%ASK(empty)%", None),
    # No header can hold it.
    ("%ASK(newline)%", None),
    ("%GREET(%REQ(x-a)%)%", "hello 1 first"),
    ("%GREET(%GREET(%GREET(%LENGTH(x-a)%)%)%)%", "hello 1 hello 1 hello 1 5"),
    ("%GREET()%", "hello 1 "),
    ('%COALESCE({"operators": ["WORD", {"command": "GREET", "param": "x", "max_length": 7}]})%', "hello 1"),
]


@pytest.fixture(scope="module")
def served(launch, upstreams, folder):
    up = upstreams()
    up.respond = ok(b"ok", "x-a: answer\r\n")
    routes = [{**k.route(match={"path": f"/{index}"}), "name": "the-route",
               "request_headers_to_add": [k.header("x-seen", text, "OVERWRITE_IF_EXISTS_OR_ADD")],
               "response_headers_to_add": [k.header("x-seen", text, "OVERWRITE_IF_EXISTS_OR_ADD")]}
              for index, (text, _) in enumerate(FORMATS)]
    proxy = launch(k.bootstrap([k.listener(filters=manager(routes))], [k.cluster("up", [up])], bootstrap_extensions=[greeting("hello")]),
                   args=options(folder))
    return proxy, up


@pytest.mark.parametrize("index", range(len(FORMATS)), ids=[text for text, _ in FORMATS])
def test_in_response_headers(served, index):
    proxy, _ = served
    response = ask(proxy, f"/{index}", [("x-a", "first")])
    expected = FORMATS[index][1]
    assert response.status == 200
    # Blanks at the end of a value are not the value's.
    assert (response.get("x-seen") or None) == (expected.strip() if expected else None)
    assert response.get("x-injected") is None


@pytest.mark.parametrize("text, expected", [("%WORD(hello)%", "hello"), ("%GREET(%REQ(x-a)%)%", "hello 1 first"), ("%ASK(response)%", "-3"),
                                            ("%ASK(code)%", "0 0"), ("%ASK(cluster)%", "up"), ("%ASK(changes)%", "-3 -3 -3 -3 -3 -2 -2 -2 -3"),
                                            ("%ASK(newline)%", None)])
def test_in_request_headers(served, text, expected):
    proxy, up = served
    index = [one for one, _ in FORMATS].index(text)
    ask(proxy, f"/{index}", [("x-a", "first")])
    request = up.last
    assert request.get("x-seen") == expected
    assert request.get("x-injected") is None and request.get("x-a") == "first"


def test_a_handle_ends_with_the_call(launch_once, upstream, folder):
    route = {**k.route(), "response_headers_to_add": [k.header("x-first", "%ASK(log)%"), k.header("x-then", "%ASK(kept)%")]}
    proxy = launch_once(k.bootstrap([k.listener(filters=manager([route]))], [k.cluster("up", [upstream])]), args=options(folder))
    response = ask(proxy)
    assert response.get("x-first") == "0" and response.get("x-then") == "-1"
    assert "%ASK%: asked" in proxy.output()


# Access logs, local replies, formats of other plugins

def test_access_logs_in_text_and_json(launch_once, upstream, folder, tmp_path):
    upstream.respond = ok(b"ok", "x-a: answer\r\n")
    text, lines = LogFile(tmp_path / "text"), LogFile(tmp_path / "json")
    members = {"word": "%WORD(hello)%", "none": "%WORD%", "length": "%LENGTH(x-a)%", "cut": "%WORD(hello):2%", "same": "%SAME(a=a)%",
               "joined": "<%LENGTH(x-a)%>", "claims": "%CLAIMS(no number)%", "quoted": '%WORD("a\\b")%', "list": ["%GREET(%REQ(x-a)%)%"],
               "lines": "%ASK(newline)%", "code": "%ASK(code)%", "changes": "%ASK(changes)%"}
    logs = [k.access_log(text.path, "%WORD% %GREET(%REQ(x-a)% %RESP(x-a)% %RESPONSE_CODE%)% %ASK(response)% %ASK(source)% %ASK(local)%\n"),
            k.access_log(lines.path, {"json_format": members})]
    proxy = launch_once(k.bootstrap([k.listener(filters=manager([k.route()], access_log=logs))], [k.cluster("up", [upstream])],
                                    bootstrap_extensions=[greeting("hello")]), args=[*FLUSH, *options(folder)])
    ask(proxy, headers=[("x-a", "first")])
    host, port = proxy.address()
    assert text.wait(1) == [f"- hello 1 first answer 200 answer 0 1 {host}:{port}"]
    (line,) = lines.wait(1)
    assert json.loads(line) == {
        "word": "hello", "none": None, "length": 5, "cut": "he", "same": True, "joined": "<5>", "claims": None, "quoted": '"a\\b"',
        "list": ["hello 1 first"], "lines": "a\r\nx-injected: yes", "code": "0 200", "changes": "-3 -3 -3 -3 -3 -2 -2 -2 -3"}


def test_values_that_are_missing_can_be_left_out(launch_once, folder, tmp_path):
    log = LogFile(tmp_path / "log")
    logs = [k.access_log(log.path, {**k.text_format("[%WORD%][%WORD(a)%]\n"), "omit_empty_values": True})]
    proxy = launch_once(k.bootstrap([k.listener(filters=manager([k.direct()], access_log=logs))]), args=[*FLUSH, *options(folder)])
    ask(proxy)
    assert log.wait(1) == ["[][a]"]


def test_a_connection_has_no_request(launch_once, folder, tmp_path):
    log = LogFile(tmp_path / "log")
    proxy = launch_once(k.bootstrap([k.listener(filters=k.echo(), access_log=[
        k.access_log(log.path, "%WORD(a)% %ASK(request)% %ASK(protocol)% %ASK(local)% %LENGTH(x-a)%\n")])]), args=[*FLUSH, *options(folder)])
    host, port = proxy.address()
    with Client((host, port)) as client:
        client.send(b"x")
        client.read(1)
    assert log.wait(1) == [f"a -3 -4 {host}:{port} -"]


def test_local_replies(launch_once, folder):
    replies = {"mappers": [{"filter": {"status_code_filter": {"comparison": {"op": "EQ", "value": {"default_value": 404, "runtime_key": "a"}}}},
                            "headers_to_add": [k.header("x-reply", "%GREET(%RESPONSE_CODE%)%")],
                            "body_format_override": k.text_format("%WORD(gone)% %LOCAL_REPLY_BODY%%ASK(code)% %ASK(source)%")}]}
    proxy = launch_once(k.bootstrap([k.listener(filters=manager([k.direct("x", match={"path": "/there"})], local_reply_config=replies))],
                                    bootstrap_extensions=[greeting("sorry")]), args=options(folder))
    response = ask(proxy, "/not")
    assert response.status == 404
    assert response.get("x-reply") == "sorry 1 404"
    assert response.text == "gone 0 404 0 2"


def test_formats_of_other_plugins(launch_once, folder):
    script = {"request_headers": [p.do("format", format="greet", **{"as": "made"}),
                                  p.do("reply", status=200, body="${made}")]}
    filters = [p.probe(define=[{"format": "%GREET(%REQ(x-a)%)%", "name": "greet"}])]
    proxy = launch_once(k.bootstrap([k.listener(filters=manager([k.direct()], filters))], bootstrap_extensions=[greeting("hello")]),
                        args=options(folder))
    assert ask(proxy, headers=[("x-a", "first"), p.script_header("a", script)]).text == "hello 1 first"


def test_metrics_of_operators(launch_once, folder):
    route = {**k.direct(), "response_headers_to_add": [k.header("x-a", "%WORD(a)%"), k.header("x-b", "%WORD(b)%")]}
    proxy = launch_once(k.bootstrap([k.listener(filters=manager([route]))]), args=options(folder))
    ask(proxy)
    assert proxy.wait_stat("words.written", 2) == 2


# Configuration

def validate(config, tmp_path, *args):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    return run("martlet", "-c", str(path), "--mode", "validate", *args)


def with_header(text, **extra):
    return k.bootstrap([k.listener(filters=manager([{**k.direct(), "response_headers_to_add": [k.header("x-a", text)]}]))], **extra)


WHERE = r"routes\[0\]\.response_headers_to_add\[0\]\.header\.value: `%{}%`: .*"
WRONG = [
    ("no configuration", "%GREET(a)%", {}, WHERE.format("GREET") + r"needs a configuration: an entry of the type com\.example\.Greeting"),
    ("no such operator", "%GREAT(a)%", {}, WHERE.format("GREAT") + r"no such operator; did you mean %GREET%"),
    ("refused silently", "%GREET(refuse)%", {"bootstrap_extensions": [greeting("a")]}, WHERE.format("GREET") + r"refuses it \(status -2\)"),
    ("a format in an argument", "%GREET(%NOPE%)%", {"bootstrap_extensions": [greeting("a")]}, WHERE.format("GREET") + r"argument: .*%NOPE%"),
    ("a header that is none", "%LENGTH(a b)%", {}, WHERE.format("LENGTH") + r"argument: expected the name of a header"),
    ("a length of a number", "%LENGTH(x-a):3%", {}, WHERE.format("LENGTH") + r"takes no length"),
    ("an open argument", "%WORD(a(b)%", {}, r"the parameter does not end"),
    ("an open quotation", '%WORD("a)%', {}, r"the parameter does not end"),
    ("too deep", "%GREET(" * 9 + ")%" * 9, {"bootstrap_extensions": [greeting("a")]}, r"more than 8 formats in arguments"),
    ("a wrong configuration", "%GREET(a)%", {"bootstrap_extensions": [greeting("refuse")]},
     r"bootstrap_extensions\[0\]\.typed_config\.greeting: is refused"),
    ("two configurations", "%GREET(a)%", {"bootstrap_extensions": [greeting("a"), greeting("b", "other")]},
     r"bootstrap_extensions\[1\]\.typed_config: com\.example\.greeting is configured at index 0 already"),
    ("a filter's type", "%WORD(a)%", {"bootstrap_extensions": [{"name": "a", "typed_config": {"@type": p.PREFIX + "Probe"}}]},
     r"bootstrap_extensions\[0\]\.typed_config.*com\.example\.Probe"),
]


@pytest.mark.parametrize("text, extra, expected", [w[1:] for w in WRONG], ids=[w[0] for w in WRONG])
def test_what_is_wrong_is_said_at_its_place(folder, tmp_path, text, extra, expected):
    done = validate(with_header(text, **extra), tmp_path, *options(folder))
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(expected, done.stderr), done.stderr


def test_a_wrong_configuration_is_told_of_once(folder, tmp_path):
    done = validate(with_header("%GREET(a)%", bootstrap_extensions=[greeting("refuse")]), tmp_path, *options(folder))
    assert done.stderr.count("config.json:") == 1, done.stderr


def test_without_the_plugin_its_operators_are_unknown(tmp_path):
    done = validate(with_header("%WORD(a)%"), tmp_path)
    assert done.returncode == 1 and "`%WORD%`: there is no such operator" in done.stderr


def test_formatters_of_a_format(launch_once, folder, tmp_path):
    own, common = LogFile(tmp_path / "own"), LogFile(tmp_path / "common")
    logs = [k.access_log(own.path, {**k.text_format("%GREET(a)%\n"), "formatters": [greeting("mine")]}),
            k.access_log(common.path, "%GREET(a)%\n")]
    proxy = launch_once(k.bootstrap([k.listener(filters=manager([k.direct()], access_log=logs))], bootstrap_extensions=[greeting("ours")]),
                        args=[*FLUSH, *options(folder)])
    ask(proxy)
    assert own.wait(1) == ["mine 1 a"] and common.wait(1) == ["ours 1 a"]
    dump = proxy.admin("/config_dump")[1]
    assert '"mine"' in dump and '"ours"' in dump


# Who has what

COMPANY = [
    ("built_in", ["ONE_OPERATOR", "NO_GREETING", 'PLUGIN_ID="com.example.b1"', 'FORMATTER="com.example.f1"', 'OPERATOR="REQ"'],
     r"formatter com\.example\.f1 is not used, for the proxy has the operator %REQ% itself"),
    ("refused_name", ["ONE_OPERATOR", "NO_GREETING", 'PLUGIN_ID="com.example.b2"', 'FORMATTER="com.example.f2"', 'OPERATOR="CEL"'],
     r"the proxy has the operator %CEL% itself"),
    ("same_operator", ["ONE_OPERATOR", "NO_GREETING", 'PLUGIN_ID="com.example.b3"', 'FORMATTER="com.example.f3"'],
     r"com\.example\.words of '.*a_operators\.so' has the operator %WORD%"),
    ("same_formatter", ["ONE_OPERATOR", "NO_GREETING", 'PLUGIN_ID="com.example.b4"', 'OPERATOR="OTHER"'], r"a_operators\.so' has one of that name"),
    ("bad_name", ["ONE_OPERATOR", "NO_GREETING", 'PLUGIN_ID="com.example.b5"', 'FORMATTER="com.example.f5"', 'OPERATOR="low"'],
     r"formatter 0 of com\.example\.b5: 'low' is no name of an operator"),
]


def test_who_comes_first_has_the_operator(launch_once, workshop, tmp_path):
    p.put(operators(workshop), tmp_path, "a_operators.so")
    for name, defines, _ in COMPANY:
        p.put(operators(workshop, "2", *defines), tmp_path, f"b_{name}.so")
    route = {**k.direct(), "response_headers_to_add": [k.header("x-a", "%WORD(a)% %REQ(x-b)%")]}
    proxy = launch_once(k.bootstrap([k.listener(filters=manager([route]))]), args=options(tmp_path))
    assert ask(proxy, headers=[("x-b", "b")]).get("x-a") == "a b"
    for name, _, expected in COMPANY:
        lines = [line for line in proxy.output().splitlines() if f"'{tmp_path}/b_{name}.so'" in line and "loaded" not in line]
        assert len(lines) == 1 and re.search(expected, lines[0]), (name, lines)


# New versions

def plugin_list(proxy, id="com.example.operators"):
    status, body = proxy.admin("/plugins")
    assert status == 200
    return [one for one in json.loads(body)["plugins"] if one["id"] == id]


def wait_for(check, timeout=5.0):
    deadline = time.monotonic() + timeout
    while not check() and time.monotonic() < deadline:
        time.sleep(0.02)
    return check()


class Reloading:
    """A proxy whose file and plugin change."""

    def __init__(self, launch_once, upstream, workshop, tmp_path):
        self.workshop, self.folder = workshop, tmp_path / "plugins"
        self.folder.mkdir()
        p.put(workshop.build("probe"), self.folder, "probe.so")
        self.log = LogFile(tmp_path / "log")
        self.upstream = upstream
        self.put("1")
        self.proxy = launch_once(self.config("hello"), args=[*FLUSH, *options(self.folder)])

    def config(self, text):
        route = {**k.route(), "response_headers_to_add": [k.header("x-a", "%GREET(%REQ(x-a)%)%")]}
        probe = p.probe(define=[{"format": "%GREET(%REQ(x-a)%)%", "name": "greet"}])
        logs = [k.access_log(self.log.path, "%GREET(log)%\n")]
        return k.bootstrap([k.listener(filters=manager([route], [probe], access_log=logs))], [k.cluster("up", [self.upstream])],
                           bootstrap_extensions=[greeting(text)])

    def put(self, version):
        p.put(operators(self.workshop, version), self.folder, "operators.so")

    def greet(self, text):
        """Another configuration of the operator, and the same of all else."""
        with open(self.proxy.config_path, "w") as f:
            f.write(yaml.safe_dump(self.config(text), sort_keys=False))

    def reload(self):
        status, body = self.proxy.admin("/plugins/reload", "POST")
        assert status == 200, body

    def header(self):
        """What a header rule and a format of the probe make of a request, which is the same."""
        script = {"response_headers": [p.do("format", format="greet", **{"as": "made"}),
                                       p.do("header_set", name="x-probe", value="${made}", map="response")]}
        response = ask(self.proxy, headers=[("x-a", "first"), p.script_header("a", script)])
        assert response.get("x-probe") == response.get("x-a")
        return response.get("x-a")


@pytest.fixture
def reloading(launch_once, upstream, workshop, tmp_path):
    return Reloading(launch_once, upstream, workshop, tmp_path)


def test_a_new_version_takes_over_and_the_old_one_is_closed(reloading):
    assert reloading.header() == "hello 1 first"
    assert reloading.log.wait(1) == ["hello 1 log"]
    for version in ["2", "3", "2"]:
        reloading.put(version)
        reloading.reload()
        assert reloading.header() == f"hello {version} first"
        # Nothing holds on to the old one: no header rule, no log, no format of the probe.
        assert wait_for(lambda: [one["version"] for one in plugin_list(reloading.proxy)] == [f"{version}.0.0"])
    assert reloading.log.wait(4) == ["hello 1 log", "hello 2 log", "hello 3 log", "hello 2 log"]


def test_another_configuration_of_the_operator_takes_over(reloading):
    (before,) = plugin_list(reloading.proxy)
    for text in ["good", "bye", "hello"]:
        reloading.greet(text)
        reloading.reload()
        assert reloading.header() == f"{text} 1 first"
        assert wait_for(lambda: plugin_list(reloading.proxy)[0]["operator_uses"] == before["operator_uses"])
        assert plugin_list(reloading.proxy)[0]["configurations"] == before["configurations"]


def test_a_configuration_that_is_refused_leaves_the_old_one(reloading):
    reloading.greet("refuse")
    status, body = reloading.proxy.admin("/plugins/reload", "POST")
    assert status == 409 and "bootstrap_extensions[0].typed_config.greeting: is refused" in body
    assert reloading.header() == "hello 1 first"


def test_a_stream_ends_with_the_version_that_it_began_with(reloading, upstream):
    upstream.respond = [0.8, ok(b"late")]
    answers = []
    slow = threading.Thread(target=lambda: answers.append(reloading.header()))
    slow.start()
    upstream.wait_requests(1)
    reloading.put("2")
    reloading.reload()
    assert sorted((one["version"], one["state"]) for one in plugin_list(reloading.proxy)) == [("1.0.0", "draining"), ("2.0.0", "serving")]
    slow.join()
    assert answers == ["hello 1 first"]
    assert reloading.log.wait(1) == ["hello 1 log"]
    assert wait_for(lambda: [one["version"] for one in plugin_list(reloading.proxy)] == ["2.0.0"])


def test_a_reload_that_changes_nothing_changes_nothing(reloading):
    (before,) = plugin_list(reloading.proxy)
    for _ in range(3):
        reloading.reload()
    (after,) = plugin_list(reloading.proxy)
    assert reloading.header() == "hello 1 first"
    assert (before["operator_uses"], before["configurations"]) == (after["operator_uses"], after["configurations"]) == (2, 1)


def test_the_list_of_plugins_names_operators(reloading):
    (one,) = plugin_list(reloading.proxy)
    assert one["filters"] == []
    assert one["formatters"] == [
        {"name": "com.example.words", "operators": ["WORD", "LENGTH", "SAME", "CLAIMS", "ASK"], "types": []},
        {"name": "com.example.greeting", "operators": ["GREET"], "types": ["com.example.Greeting"]}]
