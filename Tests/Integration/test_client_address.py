"""Who the client is: use_remote_address, x-forwarded-for, original IP detection, internal clients.

The peer's address is set by the PROXY protocol; without it the peer is on loopback, for which the
machine's own address stands in x-forwarded-for (`OWN` below).
"""

import re

import pytest

from harness import config as k
from harness.client import Client, make_request
from harness.differs import differs

DETECTION = "type.googleapis.com/envoy.extensions.http.original_ip_detection."
INTERNAL = {"internal_address_config": {"cidr_ranges": [
    {"address_prefix": "10.0.0.0", "prefix_len": 8}, {"address_prefix": "127.0.0.0", "prefix_len": 8},
    {"address_prefix": "fd00::", "prefix_len": 8}]}}
TRUSTED = {"cidrs": [{"address_prefix": "192.0.2.0", "prefix_len": 24}, {"address_prefix": "10.1.0.0", "prefix_len": 16}]}


def forwarded_for(**fields):
    return {"name": "xff", "typed_config": {"@type": DETECTION + "xff.v3.XffConfig", **fields}}


def custom(**fields):
    return {"name": "custom", "typed_config": {"@type": DETECTION + "custom_header.v3.CustomHeaderConfig",
                                               "header_name": "X-Real", **fields}}


def detect(*ways, **fields):
    return {"original_ip_detection_extensions": list(ways), **INTERNAL, **fields}


LISTENERS = {
    "plain": {},
    "remote": {"use_remote_address": True},
    "hop1": {"use_remote_address": True, "xff_num_trusted_hops": 1},
    "hop2": {"use_remote_address": True, "xff_num_trusted_hops": 2},
    "behind1": {"xff_num_trusted_hops": 1, **INTERNAL},
    "skip": {"use_remote_address": True, "skip_xff_append": True},
    "port": {"use_remote_address": True, "append_x_forwarded_port": True},
    "port-hop": {"use_remote_address": True, "append_x_forwarded_port": True, "xff_num_trusted_hops": 1},
    "port-behind": {"append_x_forwarded_port": True},
    "mapped": {"use_remote_address": True, "represent_ipv4_remote_address_as_ipv4_mapped_ipv6": True},
    "edge": {"use_remote_address": True, **INTERNAL},
    "inside": INTERNAL,
    "xff": detect(forwarded_for()),
    "xff1": detect(forwarded_for(xff_num_trusted_hops=1)),
    "xff-append": detect(forwarded_for(skip_xff_append=False)),
    "xff-append-skip": detect(forwarded_for(skip_xff_append=False), skip_xff_append=True),
    "ranges": detect(forwarded_for(xff_trusted_cidrs=TRUSTED)),
    "ranges-append": detect(forwarded_for(xff_trusted_cidrs=TRUSTED, skip_xff_append=False)),
    "custom": detect(custom()),
    "custom-trusted": detect(custom(allow_extension_to_set_address_as_trusted=True)),
    "custom-401": detect(custom(reject_with_status={"code": "Unauthorized"})),
    "custom-200": detect(custom(reject_with_status={"code": "OK"})),
    "custom-xff": detect(custom(), forwarded_for()),
}


@pytest.fixture(scope="module")
def proxy(launch, upstream):
    rules = {"internal_only_headers": ["X-Mine", "x-envoy-other"],
             "request_headers_to_add": [{"header": {"key": "remote", "value": "%DOWNSTREAM_REMOTE_ADDRESS%"}}]}
    return launch(k.bootstrap(
        [k.listener(name, k.hcm([k.route()], stat_prefix=name, route_config=rules, **fields),
                    listener_filters=[k.proxy_protocol(allow_requests_without_proxy_protocol=True)])
         for name, fields in LISTENERS.items()],
        [k.cluster("up", [upstream])]))


@pytest.fixture
def ask(proxy, upstream):
    def send(listener, peer=None, headers=()):
        head = b""
        if peer:
            family, own = ("TCP6", "2001:db8::9") if ":" in peer else ("TCP4", "5.6.7.8")
            head = f"PROXY {family} {peer} {own} 1111 2222\r\n".encode()
        before = len(upstream.requests)
        with Client(proxy.address(listener)) as client:
            client.send(head + make_request(headers=headers))
            answer = client.response()
        return answer, upstream.requests[before] if len(upstream.requests) > before else None
    return send


IPV4 = re.compile(r"\d+\.\d+\.\d+\.\d+$")
TWO = "1.2.3.4, 10.1.1.1"

# listener, peer, x-forwarded-for, what goes upstream of it, x-envoy-external-address, internal
CASES = [
    ("plain", None, None, None, None, False),
    ("plain", "10.1.2.3", None, None, None, False),
    ("plain", "10.1.2.3", "10.9.9.9", "10.9.9.9", None, False),
    ("remote", None, None, "OWN", "127.0.0.1", False),
    ("remote", None, "10.9.9.9", "10.9.9.9,OWN", "127.0.0.1", False),
    ("remote", "10.1.2.3", None, "10.1.2.3", "10.1.2.3", False),
    ("remote", "10.1.2.3", "10.9.9.9", "10.9.9.9,10.1.2.3", "10.1.2.3", False),
    ("remote", "2001:db8::1", None, "2001:db8::1", "2001:db8::1", False),
    ("remote", "2001:db8::1", TWO, TWO + ",2001:db8::1", "2001:db8::1", False),
    ("remote", "8.8.8.8", "", "8.8.8.8", "8.8.8.8", False),
    ("remote", "8.8.8.8", ",", ",,8.8.8.8", "8.8.8.8", False),
    ("hop1", None, None, "OWN", "127.0.0.1", False),
    ("hop1", "10.1.2.3", "10.9.9.9", "10.9.9.9,10.1.2.3", "10.9.9.9", False),
    ("hop1", "10.1.2.3", TWO, TWO + ",10.1.2.3", "10.1.1.1", False),
    ("hop2", "10.1.2.3", None, "10.1.2.3", "10.1.2.3", False),
    ("hop2", "10.1.2.3", "10.9.9.9", "10.9.9.9,10.1.2.3", "10.1.2.3", False),
    ("hop2", "10.1.2.3", TWO, TWO + ",10.1.2.3", "1.2.3.4", False),
    ("behind1", None, "10.9.9.9", "10.9.9.9", None, False),
    ("behind1", None, "10.9.9.9, 10.1.1.1", "10.9.9.9, 10.1.1.1", None, False),
    ("skip", "10.1.2.3", None, None, "10.1.2.3", False),
    ("skip", "10.1.2.3", TWO, TWO, "10.1.2.3", False),
    ("edge", None, None, "OWN", None, True),
    ("edge", None, "10.9.9.9", "10.9.9.9,OWN", "127.0.0.1", False),
    ("edge", "10.1.2.3", None, "10.1.2.3", None, True),
    ("edge", "10.1.2.3", "10.1.1.1", "10.1.1.1,10.1.2.3", "10.1.2.3", False),
    ("edge", "10.1.2.3", "", "10.1.2.3", "10.1.2.3", False),
    ("edge", "8.8.8.8", None, "8.8.8.8", "8.8.8.8", False),
    ("edge", "fd00::1", None, "fd00::1", None, True),
    ("edge", "2001:db8::1", None, "2001:db8::1", "2001:db8::1", False),
    ("inside", None, None, None, None, False),
    ("inside", "10.1.2.3", None, None, None, False),
    ("inside", None, "10.9.9.9", "10.9.9.9", None, True),
    ("inside", None, "1.2.3.4", "1.2.3.4", None, False),
    ("inside", None, TWO, TWO, None, False),
    ("inside", None, "10.0.0.1 ", "10.0.0.1", None, True),
    ("inside", None, "10.0.0.1,", "10.0.0.1,", None, False),
    ("inside", None, "10.0.0.1,,", "10.0.0.1,,", None, False),
    ("inside", None, "", "", None, False),
    ("inside", None, "FD00::1", "FD00::1", None, True),
    ("inside", None, "[fd00::1]", "[fd00::1]", None, False),
    ("inside", None, "::ffff:10.0.0.1", "::ffff:10.0.0.1", None, False),
    ("inside", None, "10.0.0.1:80", "10.0.0.1:80", None, False),
    ("inside", None, "010.0.0.1", "010.0.0.1", None, False),
    ("inside", None, "10.0.1", "10.0.1", None, False),
    ("inside", None, "10.0.0.256", "10.0.0.256", None, False),
    ("inside", None, "10.0.0.1x", "10.0.0.1x", None, False),
    ("inside", None, "unknown", "unknown", None, False),
    ("xff", None, None, None, None, False),
    ("xff", "10.1.2.3", "10.9.9.9", "10.9.9.9", None, True),
    ("xff", "10.1.2.3", TWO, TWO, None, False),
    ("xff1", None, "10.9.9.9", "10.9.9.9", None, False),
    ("xff1", None, "10.9.9.9,10.9.9.8", "10.9.9.9,10.9.9.8", None, False),
    ("xff-append", None, None, "OWN", None, False),
    ("xff-append", None, "10.9.9.9", "10.9.9.9,OWN", None, True),
    ("xff-append", "10.1.2.3", TWO, TWO + ",10.1.2.3", None, False),
    ("xff-append-skip", "10.1.2.3", "10.9.9.9", "10.9.9.9,10.1.2.3", None, True),
    ("ranges", None, None, "OWN", None, False),
    ("ranges", None, "10.9.9.9", "10.9.9.9,OWN", None, False),
    ("ranges", "8.8.8.8", "1.1.1.1, 192.0.2.9", "1.1.1.1, 192.0.2.9,8.8.8.8", None, False),
    ("ranges", "8.8.8.8", "", "8.8.8.8", None, False),
    ("ranges", "10.1.2.3", None, None, None, False),
    ("ranges", "10.1.2.3", "10.9.9.9", "10.9.9.9", None, True),
    ("ranges", "10.1.2.3", "10.9.9.9,10.1.1.1", "10.9.9.9,10.1.1.1", None, False),
    ("ranges", "10.1.2.3", "1.1.1.1,10.9.9.9", "1.1.1.1,10.9.9.9", None, False),
    ("ranges", "192.0.2.1", "10.1.1.1", "10.1.1.1", None, True),
    ("ranges", "192.0.2.1", "10.1.1.2,10.1.1.1", "10.1.1.2,10.1.1.1", None, False),
    ("ranges", "192.0.2.1", "bad,192.0.2.1", "bad,192.0.2.1", None, False),
    ("ranges-append", "10.1.2.3", None, "10.1.2.3", None, False),
    ("ranges-append", "10.1.2.3", "10.9.9.9", "10.9.9.9,10.1.2.3", None, True),
    ("ranges-append", "8.8.8.8", "1.1.1.1", "1.1.1.1,8.8.8.8", None, False),
]


@pytest.mark.parametrize("listener,peer,sent,forwarded,external,internal", CASES)
def test_client(ask, listener, peer, sent, forwarded, external, internal):
    answer, request = ask(listener, peer, [] if sent is None else [("x-forwarded-for", sent)])
    assert answer.status == 200
    got = request.get("x-forwarded-for")
    if forwarded is not None and forwarded.endswith("OWN"):
        head, _, own = got.rpartition(",")
        assert IPV4.match(own) and head == forwarded[:-4]
    else:
        assert got == forwarded
    assert request.get("x-envoy-external-address") == external
    assert request.get("x-envoy-internal") == ("true" if internal else None)


@pytest.mark.parametrize("sent,external", [
    ("0:0:0:0:0:0:0:1", "::1"), ("::1.2.3.4", "::1.2.3.4"), ("2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
    ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"), ("::ffff:10.0.0.1", "::ffff:10.0.0.1"), ("1::2::3", "8.8.8.8"),
    ("1.2.3.4 , 5.6.7.8\t", "5.6.7.8"), ("1.2.3.4,x", "8.8.8.8"), ("0.0.0.0", "0.0.0.0"), ("255.255.255.255", "255.255.255.255"),
    ("1.2.3.4.5", "8.8.8.8"), ("1.2.3.", "8.8.8.8"), (".1.2.3", "8.8.8.8"), ("1..2.3", "8.8.8.8"), ("00.1.2.3", "8.8.8.8"),
    ("+1.2.3.4", "8.8.8.8"), ("1.2.3.1000", "8.8.8.8"), ("::", "::"), (":", "8.8.8.8"), ("1", "8.8.8.8"), ("::g", "8.8.8.8"),
    ("12345::", "8.8.8.8"), ("1:2:3:4:5:6:7:8:9", "8.8.8.8"), ("1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"),
])
def test_forms_of_addresses(ask, sent, external):
    assert ask("hop1", "8.8.8.8", [("x-forwarded-for", sent)])[1].get("x-envoy-external-address") == external


ZONE = differs("an IPv6 address with a zone in `x-forwarded-for`", envoy="fe80::1%1", martlet="8.8.8.8",
               why="A zone has a meaning on the machine that wrote it alone (RFC 4007 section 11.2)")


def test_zones_are_no_addresses(ask, settle):
    assert ask("hop1", "8.8.8.8", [("x-forwarded-for", "fe80::1%1")])[1].get("x-envoy-external-address") == settle(ZONE)


@pytest.mark.parametrize("listener,peer,sent,remote", [
    ("plain", "10.1.2.3", None, "10.1.2.3:1111"), ("plain", "10.1.2.3", "1.1.1.1", "1.1.1.1:0"), ("plain", "10.1.2.3", TWO, "10.1.1.1:0"),
    ("plain", "10.1.2.3", "junk", "10.1.2.3:1111"), ("remote", "10.1.2.3", "1.1.1.1", "10.1.2.3:1111"), ("hop1", "10.1.2.3", "1.1.1.1", "1.1.1.1:0"),
    ("hop2", "10.1.2.3", TWO, "1.2.3.4:0"), ("hop2", "10.1.2.3", "1.1.1.1", "10.1.2.3:1111"), ("behind1", "10.1.2.3", TWO, "1.2.3.4:0"),
    ("behind1", "10.1.2.3", "1.1.1.1", "10.1.2.3:1111"), ("inside", None, "FD00::1", "[fd00::1]:0"), ("remote", "2001:db8::1", None, "[2001:db8::1]:1111"),
    ("ranges", "192.0.2.1", "1.1.1.1,10.1.0.2,192.0.2.9", "1.1.1.1:0"), ("ranges", "192.0.2.1", "192.0.2.1,10.1.0.1", "192.0.2.1:0"),
    ("ranges", "192.0.2.1", "bad,192.0.2.1", "192.0.2.1:1111"), ("ranges", "8.8.8.8", "1.1.1.1", "8.8.8.8:1111")])
def test_the_address_of_logs_and_rules(ask, listener, peer, sent, remote):
    assert ask(listener, peer, [("x-forwarded-for", sent)] if sent else [])[1].get("remote") == remote


def test_several_fields_are_one_list(ask):
    sent = [("x-forwarded-for", "1.1.1.1"), ("X-Forwarded-For", "2.2.2.2")]
    request = ask("hop1", "8.8.8.8", sent)[1]
    assert request.all("x-forwarded-for") == ["1.1.1.1,2.2.2.2,8.8.8.8"]
    assert request.get("x-envoy-external-address") == "2.2.2.2"
    assert ask("hop2", "8.8.8.8", sent)[1].get("x-envoy-external-address") == "1.1.1.1"


def test_mapped_addresses(ask, settle):
    got = ask("mapped", "50.0.0.1", [("x-forwarded-for", "1.1.1.1")])[1]
    assert got.get("x-forwarded-for") == settle(differs(
        "`represent_ipv4_remote_address_as_ipv4_mapped_ipv6` and the client 50.0.0.1", envoy="1.1.1.1,50.0.0.1",
        martlet="1.1.1.1,::ffff:50.0.0.1", why="An option does what Envoy's documentation promises of it"))
    assert ask("mapped", "2001:db8::1")[1].get("x-forwarded-for") == "2001:db8::1"
    assert got.get("x-envoy-external-address") == "50.0.0.1"


@pytest.mark.parametrize("listener,sent,proto", [
    ("plain", None, "http"), ("plain", "https", "https"), ("plain", "HTTPS", "HTTPS"), ("plain", "ftp", "ftp"),
    ("remote", None, "http"), ("remote", "https", "http"), ("hop1", "https", "https"), ("hop1", None, "http"),
    ("xff", "https", "https"), ("skip", "https", "http")])
def test_forwarded_proto(ask, listener, sent, proto):
    request = ask(listener, "8.8.8.8", [("x-forwarded-proto", sent)] if sent else [])[1]
    assert request.all("x-forwarded-proto") == [proto]


@pytest.mark.parametrize("listener,sent,port", [
    ("plain", None, None), ("plain", "99", "99"), ("remote", "99", "99"), ("port", None, "2222"), ("port", "99", "2222"),
    ("port-hop", None, "2222"), ("port-hop", "99", "99"), ("port-behind", None, "2222"), ("port-behind", "99", "99")])
def test_forwarded_port(ask, listener, sent, port):
    request = ask(listener, "8.8.8.8", [("x-forwarded-port", sent)] if sent else [])[1]
    assert request.get("x-forwarded-port") == port


def test_forwarded_port_is_the_listeners(ask, proxy):
    assert ask("port")[1].get("x-forwarded-port") == str(proxy.address("port")[1])


@pytest.mark.parametrize("listener,value,status,internal", [
    ("custom", "10.1.1.1", 200, False), ("custom", "bad", 200, False), ("custom", None, 200, False),
    ("custom-trusted", "10.1.1.1", 200, True), ("custom-trusted", "fd00::1", 200, True), ("custom-trusted", "1.2.3.4", 200, False),
    ("custom-trusted", " 10.1.1.1 ", 200, True), ("custom-trusted", "[fd00::1]", 200, False), ("custom-trusted", "10.1.1.1:80", 200, False),
    ("custom-trusted", "10.1.1.1,10.1.1.1", 200, False), ("custom-trusted", None, 200, False),
    ("custom-401", "10.1.1.1", 200, False), ("custom-401", "bad", 401, False), ("custom-401", "", 401, False), ("custom-401", None, 401, False),
    ("custom-200", "bad", 403, False), ("custom-200", "1.1.1.1", 200, False),
    ("custom-xff", "bad", 200, True), ("custom-xff", "10.1.1.1", 200, False), ("custom-xff", None, 200, True)])
def test_custom_header(ask, listener, value, status, internal):
    headers = [("x-forwarded-for", "10.7.7.7")] + ([("X-Real", value)] if value is not None else [])
    answer, request = ask(listener, None, headers)
    assert (answer.status, answer.body if status != 200 else b"") == (status, b"")
    if status == 200:
        assert request.get("x-envoy-internal") == ("true" if internal else None)
        assert request.get("x-forwarded-for") == "10.7.7.7"


# What the router reads is not passed on by it, whoever sent it.
CONTROL = ["x-envoy-retry-on", "x-envoy-retry-grpc-on", "x-envoy-max-retries", "x-envoy-retriable-status-codes",
           "x-envoy-retriable-header-names", "x-envoy-upstream-alt-stat-name", "x-envoy-upstream-rq-timeout-ms",
           "x-envoy-upstream-rq-per-try-timeout-ms", "x-envoy-upstream-rq-timeout-alt-response",
           "x-envoy-upstream-stream-duration-ms", "x-envoy-hedge-on-per-try-timeout"]
EXTERNAL = ["x-envoy-force-trace", "x-envoy-ip-tags", "x-envoy-original-url", "x-mine", "x-envoy-other"]
EDGE = ["x-envoy-decorator-operation", "x-envoy-downstream-service-cluster", "x-envoy-downstream-service-node",
        "x-envoy-original-path", "x-envoy-original-host"]
OTHERS = ["x-envoy-peer-metadata", "x-envoy-degraded", "x-envoy-cluster", "x-forwarded-host"]


@pytest.mark.parametrize("listener,peer,kept", [
    ("edge", "10.1.2.3", EXTERNAL + EDGE + OTHERS), ("edge", "8.8.8.8", OTHERS), ("remote", "10.1.2.3", OTHERS),
    ("plain", "10.1.2.3", EDGE + OTHERS), ("inside", "10.1.2.3", EDGE + OTHERS), ("inside+xff", None, EXTERNAL + EDGE + OTHERS)])
@pytest.mark.parametrize("header", CONTROL + EXTERNAL + EDGE + OTHERS)
def test_control_headers(ask, listener, peer, kept, header):
    headers = [(header, "6000")]
    if listener.endswith("+xff"):
        listener = "inside"
        headers.append(("x-forwarded-for", "10.1.1.1"))
    request = ask(listener, peer, headers)[1]
    assert request.all(header) == (["6000"] if header in kept else [])


def test_what_a_client_says_of_itself_is_not_believed(ask):
    request = ask("edge", "8.8.8.8", [("x-envoy-internal", "true"), ("x-envoy-external-address", "1.1.1.1")])[1]
    assert request.get("x-envoy-internal") is None and request.all("x-envoy-external-address") == ["8.8.8.8"]
    request = ask("plain", "8.8.8.8", [("x-envoy-internal", "true"), ("x-envoy-external-address", "1.1.1.1")])[1]
    assert request.get("x-envoy-internal") is None and request.all("x-envoy-external-address") == ["1.1.1.1"]


def test_requests_of_one_connection_are_judged_apart(proxy, upstream):
    with Client(proxy.address("edge")) as client:
        for value, internal in (("", "true"), ("1.1.1.1", None), ("", "true")):
            client.send(make_request(headers=[("x-forwarded-for", value)] if value else []))
            assert client.response().status == 200
            assert upstream.last.get("x-envoy-internal") == internal


def test_pipe_clients(launch_once, upstream, tmp_path):
    path = str(tmp_path / "s")
    for unix in (True, False):
        manager = k.hcm([k.route()], use_remote_address=True, internal_address_config={"unix_sockets": unix})
        proxy = launch_once(k.bootstrap([k.listener("main", manager, at=path)], [k.cluster("up", [upstream])]))
        with Client(path) as client:
            assert client.request().status == 200
        assert upstream.last.get("x-envoy-internal") == ("true" if unix else None)
        assert upstream.last.get("x-forwarded-for") is None
        assert upstream.last.get("x-envoy-external-address") is None
        proxy.stop()


@pytest.mark.parametrize("fields", [
    {"use_remote_address": True, "original_ip_detection_extensions": [forwarded_for()]},
    {"xff_num_trusted_hops": 1, "original_ip_detection_extensions": [forwarded_for()]},
    {"original_ip_detection_extensions": [forwarded_for(xff_num_trusted_hops=1, xff_trusted_cidrs=TRUSTED)]},
    {"original_ip_detection_extensions": [{"name": "x", "typed_config": {"@type": DETECTION + "custom_header.v3.CustomHeaderConfig"}}]},
    {"original_ip_detection_extensions": [custom(reject_with_status={})]},
    {"internal_address_config": {"cidr_ranges": [{"address_prefix": "10.0.0.x", "prefix_len": 8}]}}])
def test_refused(launch_once, upstream, fields):
    with pytest.raises(Exception, match="exit"):
        launch_once(k.bootstrap([k.listener("main", k.hcm([k.route()], **fields))], [k.cluster("up", [upstream])]))
