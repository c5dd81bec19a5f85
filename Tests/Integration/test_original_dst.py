"""ORIGINAL_DST clusters: the destination comes from the client's connection or from a header."""

import time

import pytest

from harness import config as k
from harness.client import Client, make_request
from harness.upstream import OK, Upstream, ok, refused_port


def original(name, **options):
    extra = {"original_dst_lb_config": options} if options else {}
    result = k.cluster(name, type="ORIGINAL_DST", lb_policy="CLUSTER_PROVIDED", cleanup_interval="0.3s", **extra)
    del result["load_assignment"]
    return result


@pytest.fixture(scope="module")
def two(upstreams):
    made = [upstreams(name=name) for name in "ab"]
    for upstream in made:
        upstream.respond = ok(upstream.name.encode())
    return made


@pytest.fixture(scope="module")
def proxy(launch, two):
    clusters = [original("plain"), original("header", use_http_header=True),
                original("named", use_http_header=True, http_header_name="X-Where-To"),
                original("port", upstream_port_override=two[1].address[1]), original("tcp")]
    routes = [k.route(c["name"], {"path": "/" + c["name"]}) for c in clusters]
    return launch(k.bootstrap(
        [k.listener("main", k.hcm(routes)), k.listener("proxied", k.hcm(routes), listener_filters=[k.proxy_protocol()]),
         k.listener("tcp", k.tcp_proxy("tcp"), listener_filters=[k.proxy_protocol()])], clusters))


def went_to(address):
    """A PROXY header is the one way to restore a destination that needs no firewall."""
    return f"PROXY TCP4 10.0.0.1 {address[0]} 1111 {address[1]}\r\n".encode()


def ask(proxy, path, headers=(), to=None):
    with Client(proxy.address("proxied" if to else "main")) as client:
        client.send((went_to(to) if to else b"") + make_request("GET", path, headers))
        return client.response()


def nowhere(answer):
    return (answer.status, answer.text) == (503, "no healthy upstream")


def test_destination_of_the_connection(proxy, two):
    for upstream in two * 2:
        assert ask(proxy, "/plain", to=upstream.address).text == upstream.name


def test_a_connection_that_came_straight_has_none(proxy):
    before = proxy.stat("cluster.plain.upstream_cx_none_healthy")
    assert nowhere(ask(proxy, "/plain"))
    assert proxy.stat("cluster.plain.upstream_cx_none_healthy") == before + 1


@pytest.mark.parametrize("path,name", [("/header", "x-envoy-original-dst-host"), ("/named", "x-where-to")])
def test_destination_of_the_header(proxy, two, path, name):
    for upstream in two:
        where = "%s:%d" % upstream.address
        assert ask(proxy, path, {name: where}).text == upstream.name


def test_the_header_goes_first(proxy, two):
    where = "%s:%d" % two[1].address
    assert ask(proxy, "/header", {"x-envoy-original-dst-host": where}, to=two[0].address).text == "b"
    assert ask(proxy, "/header", to=two[0].address).text == "a"


def test_the_header_is_not_asked_for_where_not_configured(proxy, two):
    where = "%s:%d" % two[1].address
    assert ask(proxy, "/plain", {"x-envoy-original-dst-host": where}, to=two[0].address).text == "a"


@pytest.mark.parametrize("value", ["nonsense", "127.0.0.1", "example.com:80", "127.0.0.1:99999", "127.0.0.1:x", "[::1]", ""])
def test_wrong_headers(proxy, value):
    before = proxy.stat("cluster.header.original_dst_host_invalid")
    assert nowhere(ask(proxy, "/header", {"x-envoy-original-dst-host": value}))
    assert proxy.stat("cluster.header.original_dst_host_invalid") == before + 1


def test_ipv6_header(proxy, upstreams):
    six = upstreams(host="::1")
    six.respond = ok(b"six")
    assert ask(proxy, "/header", {"x-envoy-original-dst-host": f"[::1]:{six.address[1]}"}).text == "six"


def test_port_override(proxy, two):
    assert ask(proxy, "/port", to=("127.0.0.1", two[0].address[1])).text == "b"


def test_tcp_proxy(proxy, two):
    for upstream in two:
        with Client(proxy.address("tcp")) as client:
            client.send(went_to(upstream.address) + make_request())
            assert client.response().text == upstream.name


def test_refused(proxy):
    answer = ask(proxy, "/plain", to=("127.0.0.1", refused_port()))
    assert answer.status == 503 and "remote connection failure" in answer.text


def test_connections_are_pooled_by_destination(proxy, two):
    two[0].requests.clear()
    for _ in range(3):
        assert ask(proxy, "/plain", to=two[0].address).text == "a"
    assert len({r.connection for r in two[0].requests}) == 1


def test_forgotten_when_unused(proxy, two):
    assert ask(proxy, "/plain", to=two[0].address).text == "a"
    assert proxy.stat("cluster.plain.membership_total") >= 1
    assert f"plain::{two[0].address[0]}:{two[0].address[1]}::" in proxy.admin("/clusters")[1]
    time.sleep(0.8)
    assert proxy.stat("cluster.plain.membership_total") >= 1, "it has a pooled connection"
    for upstream in two:
        upstream.drop_connections()
    assert proxy.wait_stat("cluster.plain.membership_total", 0, 3) == 0
    assert ask(proxy, "/plain", to=two[0].address).text == "a"


def test_not_forgotten_in_the_middle_of_a_request(proxy, two):
    two[0].respond = [1.2, ok(b"late")]
    try:
        assert ask(proxy, "/plain", to=two[0].address).text == "late"
    finally:
        two[0].respond = ok(b"a")


@pytest.mark.parametrize("fields", [
    {"lb_policy": "ROUND_ROBIN"},
    {"load_assignment": {"cluster_name": "up", "endpoints": [{"lb_endpoints": [{"endpoint": {"address": k.address(("127.0.0.1", 1))}}]}]}},
    {"original_dst_lb_config": {"http_header_name": "x-where-to"}},
], ids=str)
def test_wrong_configuration_is_refused(launch_once, fields):
    from harness.process import StartFailed
    with pytest.raises(StartFailed):
        launch_once(k.bootstrap([], [{**original("up"), **fields}]))
