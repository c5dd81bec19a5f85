"""strip_trailing_host_dot, strip_any_host_port, strip_matching_host_port."""

import pytest

from harness import config as k
from harness.client import Client
from harness.differs import differs

LISTENERS = {"plain": {}, "dot": {"strip_trailing_host_dot": True}, "any": {"strip_any_host_port": True},
             "match": {"strip_matching_host_port": True}, "both": {"strip_trailing_host_dot": True, "strip_any_host_port": True}}


@pytest.fixture(scope="module")
def proxy(launch, upstream):
    hosts = [k.virtual_host("one", ["one.example"], [k.direct("one")]), k.virtual_host("all", ["*"], [k.route()])]
    return launch(k.bootstrap([k.listener(name, k.hcm(hosts=hosts, stat_prefix=name, **fields)) for name, fields in LISTENERS.items()],
                              [k.cluster("up", [upstream])]))


@pytest.fixture
def ask(proxy, upstream):
    def send(listener, host, target="/"):
        port = str(proxy.address(listener)[1])
        with Client(proxy.address(listener)) as client:
            client.send(f"GET {target.replace('PORT', port)} HTTP/1.1\r\nhost: {host.replace('PORT', port)}\r\n\r\n")
            answer = client.response()
        if answer.status != 200 or answer.text == "one":
            return answer.text
        return upstream.last.get("host").replace(port, "PORT")
    return send


ALL = ["h", "h.", "h:80", "h.:80", "h:PORT", "h.:PORT", "h:0", "h:00080", "h:65535", "[::1]", "[::1]:80", "[::1]:PORT",
       "1.2.3.4", "1.2.3.4.", "1.2.3.4:80", "a.b.c", "a.b.c.", "h.."]
CHANGED = {
    "plain": {},
    "dot": {"h.": "h", "h.:80": "h:80", "h.:PORT": "h:PORT", "1.2.3.4.": "1.2.3.4", "a.b.c.": "a.b.c", "h..": "h."},
    "any": {"h:80": "h", "h.:80": "h.", "h:PORT": "h", "h.:PORT": "h.", "h:0": "h", "h:00080": "h", "h:65535": "h", "[::1]:80": "[::1]",
            "[::1]:PORT": "[::1]", "1.2.3.4:80": "1.2.3.4"},
    "match": {"h:PORT": "h", "h.:PORT": "h.", "[::1]:PORT": "[::1]"},
    "both": {"h.": "h", "h:80": "h", "h.:80": "h", "h:PORT": "h", "h.:PORT": "h", "h:0": "h", "h:00080": "h", "h:65535": "h",
             "[::1]:80": "[::1]", "[::1]:PORT": "[::1]", "1.2.3.4.": "1.2.3.4", "1.2.3.4:80": "1.2.3.4", "a.b.c.": "a.b.c", "h..": "h."},
}


@pytest.mark.parametrize("listener", LISTENERS)
@pytest.mark.parametrize("host", ALL)
def test_host(ask, listener, host):
    assert ask(listener, host) == CHANGED[listener].get(host, host)


@pytest.mark.parametrize("listener,host,expected", [
    ("plain", "one.example:80", "one.example:80"), ("any", "one.example:80", "one"), ("match", "one.example:PORT", "one"),
    ("match", "one.example:1", "one.example:1"), ("dot", "one.example.", "one"), ("plain", "one.example.", "one.example."),
    ("both", "one.example.:99", "one"), ("any", "ONE.example:99", "one")])
def test_virtual_hosts_see_the_result(ask, listener, host, expected):
    assert ask(listener, host) == expected


@pytest.mark.parametrize("listener,target,expected", [
    ("any", "http://a.b:80/", "a.b"), ("dot", "http://a.b./", "a.b"), ("match", "http://a.b:PORT/", "a.b"), ("plain", "http://a.b:80/", "a.b:80")])
def test_absolute_form(ask, listener, target, expected):
    assert ask(listener, "other", target) == expected


def test_a_dot_alone_stays(ask, settle):
    assert ask("dot", ".") == settle(differs(
        "`strip_trailing_host_dot` and the host `.`", envoy="", martlet=".", why="A request is not sent upstream without a host"))


def test_both_ways_to_strip_a_port_are_refused(launch_once, upstream):
    with pytest.raises(Exception, match="exit"):
        launch_once(k.bootstrap([k.listener("main", k.hcm([k.route()], strip_any_host_port=True, strip_matching_host_port=True))],
                                [k.cluster("up", [upstream])]))
