"""Listeners: addresses, options, limits, chains."""

import os
import socket
import subprocess
import time

import pytest

from harness import config as k
from harness.client import Client, get


def tag(text):
    """A filter that says which chain it stands in and hangs up."""
    return [k.network_direct_response(text)]


def said(address, source=None, timeout=3.0):
    """What the chain said; None if the connection ended without a word."""
    with Client(address, source=source) as client:
        return client.read_all(timeout).decode() or None


# Addresses

@pytest.fixture(scope="module")
def proxy(launch, tmp_path_factory):
    path = str(tmp_path_factory.mktemp("l") / "listen.sock")
    http = k.hcm([k.direct("served")])
    return launch(k.bootstrap([
        k.listener("four", http),
        k.listener("six", http, at=("::1", 0)),
        k.listener("unix", http, at=path),
        k.listener("abstract", http, at=f"@martlet-it-{os.getpid()}"),
        {**k.listener("mode", http), "address": {"pipe": {"path": path + "2", "mode": 0o600}}},
        k.listener("several", http, additional_addresses=[
            {"address": k.address(("127.0.0.2", 0))}, {"address": k.address(("::1", 0))}]),
        k.listener("backlog", http, tcp_backlog_size=7),
        k.listener("buffers", http, per_connection_buffer_limit_bytes=4096),
        k.listener("noreuse", http, enable_reuse_port=False),
        k.listener("options", http, socket_options=[
            {"level": socket.SOL_SOCKET, "name": socket.SO_KEEPALIVE, "int_value": 1, "state": "STATE_PREBIND"},
            {"level": socket.IPPROTO_TCP, "name": socket.TCP_DEFER_ACCEPT, "int_value": 0, "state": "STATE_LISTENING"}]),
        k.listener("any", http, at=("0.0.0.0", 0)),
        {**k.listener("mapped", http), "address": {"socket_address": {"address": "::", "port_value": 0, "ipv4_compat": True}}},
        k.listener("transparent", http, at=("127.0.0.1", 0), continue_on_listener_filters_timeout=False),
    ]))


@pytest.mark.parametrize("name", ["four", "six", "unix", "abstract", "mode", "backlog", "buffers", "noreuse", "options", "any", "transparent"])
def test_serves(proxy, name):
    address = proxy.address(name)
    if address[0] == "0.0.0.0":
        address = ("127.0.0.1", address[1])
    for _ in range(3):
        assert get(address).text == "served"


def test_ipv4_mapped(proxy):
    port = proxy.address("mapped")[1]
    assert get(("127.0.0.1", port)).text == "served"
    assert get(("::1", port)).text == "served"


def test_several_addresses(proxy):
    addresses = proxy.addresses["several"]
    assert [a[0] for a in addresses] == ["127.0.0.1", "127.0.0.2", "::1"]
    for address in addresses:
        assert get(address).text == "served"


def test_unix_socket_mode(proxy):
    assert os.stat(proxy.address("mode")).st_mode & 0o777 == 0o600


def test_backlog(proxy):
    port = proxy.address("backlog")[1]
    with open("/proc/net/tcp") as f:
        assert any(f":{port:04X} 00000000:0000 0A" in line for line in f)
    listing = subprocess.run(["ss", "-ltn", f"sport = :{port}"], capture_output=True, text=True).stdout
    if listing.strip():
        assert all(line.split()[2] == "7" for line in listing.splitlines()[1:])


def test_large_head_through_small_buffers(proxy):
    with Client(proxy.address("buffers")) as client:
        assert client.request(headers={"x": "a" * 30000}).text == "served"


def test_two_workers_share_a_port(launch_once):
    proxy = launch_once(k.bootstrap([k.listener("main", k.hcm([k.direct("served")])),
                                     k.listener("exact", k.hcm([k.direct("served")]), enable_reuse_port=False)]), concurrency=2)
    assert len(proxy.addresses["main"]) == 1
    for name in ("main", "exact"):
        assert all(get(proxy.address(name)).text == "served" for _ in range(40))


# Filter chain matching: 127.0.0.x varies both ends

def chain(text, **match):
    return {"filters": tag(text), "name": text, "filter_chain_match": match}


def ranges(*prefixes):
    return [{"address_prefix": p.split("/")[0], "prefix_len": int(p.split("/")[1])} for p in prefixes]


@pytest.fixture(scope="module")
def source_ports():
    """Three ports of the kernel's choice, held so that nobody else is given them; a client
    may share them, because neither side listens."""
    held = []
    for _ in range(3):
        holder = socket.socket()
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("0.0.0.0", 0))
        held.append(holder)
    yield [holder.getsockname()[1] for holder in held]
    for holder in held:
        holder.close()


@pytest.fixture(scope="module")
def chains(launch, source_ports):
    anywhere = ("0.0.0.0", 0)
    default = {"filters": tag("default"), "name": "default"}
    return launch(k.bootstrap([
        k.listener("destination", at=anywhere, chains=[
            chain("to /32", prefix_ranges=ranges("127.0.0.2/32")),
            chain("to /24", prefix_ranges=ranges("127.0.0.0/24")),
            chain("to two", prefix_ranges=ranges("127.1.0.0/16", "127.2.0.0/16")),
        ], default_filter_chain=default),
        k.listener("source", at=anywhere, chains=[
            chain("from /32", source_prefix_ranges=ranges("127.0.0.5/32")),
            chain("from /28", source_prefix_ranges=ranges("127.0.0.0/28")),
            chain("from /8", source_prefix_ranges=ranges("127.0.0.0/8")),
        ]),
        k.listener("ports", at=anywhere, chains=[
            chain("from a port", source_ports=source_ports[:2]),
            chain("from a place and port", source_prefix_ranges=ranges("127.0.0.7/32"), source_ports=source_ports[2:]),
        ]),
        k.listener("type", at=anywhere, chains=[
            chain("local", source_type="SAME_IP_OR_LOOPBACK"), chain("external", source_type="EXTERNAL")]),
        k.listener("precedence", at=anywhere, chains=[
            # Destination decides before source: 127.0.0.2 has no chain for 127.0.0.9's neighbours.
            chain("to .2 from .9", prefix_ranges=ranges("127.0.0.2/32"), source_prefix_ranges=ranges("127.0.0.9/32")),
            chain("from .8", source_prefix_ranges=ranges("127.0.0.8/32")),
        ]),
        k.listener("direct", at=anywhere, chains=[
            chain("direct .5", direct_source_prefix_ranges=ranges("127.0.0.5/32")),
            chain("direct any", direct_source_prefix_ranges=ranges("0.0.0.0/0"))]),
        k.listener("port", at=anywhere, chains=[chain("port 1", destination_port=1)], default_filter_chain=default),
        k.listener("plain", at=anywhere, chains=[
            chain("tls", transport_protocol="tls"), chain("raw", transport_protocol="raw_buffer")]),
        k.listener("sni", at=anywhere, chains=[chain("sni", server_names=["a.example"])], default_filter_chain=default),
        k.listener("alpn", at=anywhere, chains=[chain("alpn", application_protocols=["h2"])], default_filter_chain=default),
        k.listener("six", at=("::1", 0), chains=[
            chain("v6 other", source_prefix_ranges=ranges("2001:db8::/32")), chain("v6", source_prefix_ranges=ranges("::1/128"))]),
        k.listener("nothing", at=anywhere, chains=[chain("never", destination_port=1)]),
    ]))


@pytest.mark.parametrize("name,to,source,expect", [
    ("destination", "127.0.0.2", "127.0.0.1", "to /32"), ("destination", "127.0.0.1", "127.0.0.1", "to /24"),
    ("destination", "127.0.0.200", "127.0.0.1", "to /24"), ("destination", "127.1.2.3", "127.0.0.1", "to two"),
    ("destination", "127.2.2.3", "127.0.0.1", "to two"), ("destination", "127.3.2.3", "127.0.0.1", "default"),
    ("source", "127.0.0.1", "127.0.0.5", "from /32"), ("source", "127.0.0.1", "127.0.0.6", "from /28"),
    ("source", "127.0.0.1", "127.0.0.16", "from /8"), ("source", "127.0.0.1", "127.9.9.9", "from /8"),
    ("type", "127.0.0.1", "127.0.0.1", "local"), ("type", "127.0.0.1", "127.0.0.3", "external"),
    ("precedence", "127.0.0.2", "127.0.0.9", "to .2 from .9"), ("precedence", "127.0.0.2", "127.0.0.8", None),
    ("precedence", "127.0.0.3", "127.0.0.8", "from .8"), ("precedence", "127.0.0.3", "127.0.0.9", None),
    ("direct", "127.0.0.1", "127.0.0.5", "direct .5"), ("direct", "127.0.0.1", "127.0.0.6", "direct any"),
    ("port", "127.0.0.1", "127.0.0.1", "default"), ("plain", "127.0.0.1", "127.0.0.1", "raw"),
    ("sni", "127.0.0.1", "127.0.0.1", "default"), ("alpn", "127.0.0.1", "127.0.0.1", "default"),
    ("nothing", "127.0.0.1", "127.0.0.1", None),
])
def test_chain_match(chains, name, to, source, expect):
    assert said((to, chains.address(name)[1]), (source, 0)) == expect


def test_chain_match_v6(chains):
    assert said(chains.address("six")) == "v6"


@pytest.mark.parametrize("source,port,expect", [
    ("127.0.0.1", 0, "from a port"), ("127.0.0.1", 1, "from a port"), ("127.0.0.1", 2, None), ("127.0.0.7", 2, "from a place and port")])
def test_chain_match_source_port(chains, source_ports, source, port, expect):
    assert said(("127.0.0.1", chains.address("ports")[1]), (source, source_ports[port])) == expect


def test_no_match_is_counted(chains):
    before = chains.stat("listener.nothing.no_filter_chain_match")
    assert said(("127.0.0.1", chains.address("nothing")[1])) is None
    assert chains.wait_stat("listener.nothing.no_filter_chain_match", before + 1) == before + 1


def test_destination_port_decides(launch_once):
    """A listener that does not bind gets connections meant for its port through original_dst;
    without NAT the original destination is the port connected to."""
    first = launch_once(k.bootstrap([k.listener("main", at=("127.0.0.1", 0), chains=[{"filters": tag("x")}])]))
    port = first.address()[1]
    first.stop()
    proxy = launch_once(k.bootstrap([k.listener("main", at=("127.0.0.1", port), chains=[
        chain("other", destination_port=port - 1), chain("this", destination_port=port)])]))
    assert said(proxy.address()) == "this"


def test_bind_to_port_false_with_original_dst(launch_once):
    """127.0.0.3:P is handed over to the listener that names it, though it is not bound."""
    probe = socket.socket()
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
    probe.close()
    proxy = launch_once(k.bootstrap([
        k.listener("bound", at=("0.0.0.0", port), chains=[{"filters": tag("bound")}],
                   listener_filters=[k.original_dst()], use_original_dst=True),
        k.listener("virtual", at=("127.0.0.3", port), chains=[{"filters": tag("virtual")}], bind_to_port=False)]))
    assert said(("127.0.0.1", port)) == "bound"
    assert said(("127.0.0.3", port)) in ("virtual", "bound")  # only NAT makes an original destination


# Limits

def test_listener_connection_limit(launch_once):
    proxy = launch_once(k.bootstrap(
        [k.listener("limited", k.echo()), k.listener("free", k.echo())],
        runtime={"envoy.resource_limits.listener.limited.connection_limit": 2}))
    kept = [Client(proxy.address("limited")) for _ in range(2)]
    for client in kept:
        assert client.send("x").read(1) == b"x"
    for _ in range(3):
        with Client(proxy.address("limited")) as client:
            assert client.closed()
    assert proxy.wait_stat("listener.limited.downstream_cx_overflow", 3) == 3
    with Client(proxy.address("free")) as client:
        assert client.send("x").read(1) == b"x"
    kept.pop().close()
    proxy.wait_stat("listener.limited.downstream_cx_active", 1)
    with Client(proxy.address("limited")) as client:
        assert client.send("x").read(1) == b"x"


def test_global_connection_limit(launch_once):
    """Admin counts too (Envoy), so it is not asked while the limit is reached."""
    proxy = launch_once(k.bootstrap(
        [k.listener("a", k.echo()), k.listener("b", k.echo())],
        runtime={"overload": {"global_downstream_max_connections": 2}}))
    time.sleep(0.1)  # the fixture's own admin connections are gone
    one, two = Client(proxy.address("a")), Client(proxy.address("b"))
    assert one.send("x").read(1) == b"x" and two.send("x").read(1) == b"x"
    for name in ("a", "b", "a"):
        with Client(proxy.address(name)) as client:
            assert client.closed()
    one.close()
    time.sleep(0.1)
    with Client(proxy.address("b")) as client:
        assert client.send("x").read(1) == b"x"
    two.close()
    time.sleep(0.1)
    stats = proxy.stats()
    assert stats["listener.a.downstream_global_cx_overflow"] == 2
    assert stats["listener.b.downstream_global_cx_overflow"] == 1


def test_many_connections_come_and_go(launch_once):
    proxy = launch_once(k.bootstrap([k.listener("main", k.echo())]))
    for _ in range(20):
        clients = [Client(proxy.address()) for _ in range(50)]
        for client in clients:
            client.send("x")
        for client in clients:
            assert client.read(1) == b"x"
            client.close()
    assert proxy.wait_stat("listener.main.downstream_cx_active", 0) == 0
    assert proxy.stat("listener.main.downstream_cx_total") == 1000
    assert proxy.wait_stat("listener.main.downstream_cx_destroy", 1000) == 1000


def test_connection_reset_before_anything(launch_once):
    proxy = launch_once(k.bootstrap([k.listener("main", k.hcm([k.direct("x")]))]))
    for _ in range(50):
        Client(proxy.address()).reset()
    assert get(proxy.address()).text == "x"
    time.sleep(0.05)
    assert proxy.wait_stat("listener.main.downstream_cx_active", 0) == 0
