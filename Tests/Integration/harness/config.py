"""Pieces of Envoy v3 configuration as dicts.

Only what tests repeat has a function; a special field is passed as a keyword and stands in
the configuration under its own name.
"""

from __future__ import annotations

NETWORK = "type.googleapis.com/envoy.extensions.filters.network."
LISTENER = "type.googleapis.com/envoy.extensions.filters.listener."


def address(value) -> dict:
    """None: a port of the kernel's choice on 127.0.0.1. Else (host, port) or a pipe path."""
    if value is None:
        value = ("127.0.0.1", 0)
    if isinstance(value, str):
        return {"pipe": {"path": value}}
    return {"socket_address": {"address": value[0], "port_value": value[1]}}


def bootstrap(listeners=(), clusters=(), *, runtime=None, **extra) -> dict:
    config = {
        "admin": {"address": address(None)},
        "static_resources": {"listeners": list(listeners), "clusters": list(clusters)},
    }
    if runtime:
        config["layered_runtime"] = {"layers": [{"name": "static", "static_layer": runtime}]}
    config.update(extra)
    return config


def listener(name="main", filters=None, *, at=None, chains=None, **extra) -> dict:
    result = {"name": name, "address": address(at), "stat_prefix": name}
    if filters is not None:
        chains = [{"filters": filters if isinstance(filters, list) else [filters]}]
    if chains is not None:
        result["filter_chains"] = chains
    result.update(extra)
    return result


def network_filter(name: str, message: str, **fields) -> dict:
    return {"name": f"envoy.filters.network.{name}",
            "typed_config": {"@type": f"{NETWORK}{name}.v3.{message}", **fields}}


def hcm(routes=None, *, hosts=None, stat_prefix="main", route_config=None, **fields) -> dict:
    if hosts is None:
        hosts = [virtual_host("all", ["*"], routes or [])]
    return network_filter(
        "http_connection_manager", "HttpConnectionManager",
        stat_prefix=stat_prefix,
        route_config={"name": "routes", "virtual_hosts": hosts, **(route_config or {})},
        http_filters=[{
            "name": "envoy.filters.http.router",
            "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}],
        **fields)


def virtual_host(name, domains, routes, **extra) -> dict:
    return {"name": name, "domains": domains, "routes": routes, **extra}


def route(cluster="up", match=None, **action) -> dict:
    action = dict(action)
    if cluster is not None:
        action["cluster"] = cluster
    return {"match": match or {"prefix": "/"}, "route": action}


def direct(body="direct", status=200, match=None) -> dict:
    answer = {"status": status}
    if body is not None:
        answer["body"] = {"inline_string": body}
    return {"match": match or {"prefix": "/"}, "direct_response": answer}


def redirect(match=None, **fields) -> dict:
    return {"match": match or {"prefix": "/"}, "redirect": fields}


def cluster(name="up", endpoints=(), *, weights=None, **extra) -> dict:
    """`endpoints`: upstreams, addresses or paths."""
    hosts = []
    for i, endpoint in enumerate(endpoints):
        at = getattr(endpoint, "address", endpoint)
        host = {"endpoint": {"address": address(at)}}
        if weights:
            host["load_balancing_weight"] = weights[i]
        hosts.append(host)
    result = {
        "name": name, "type": "STATIC", "connect_timeout": "1s", "lb_policy": "ROUND_ROBIN",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": hosts}]},
    }
    result.update(extra)
    return result


def tcp_proxy(cluster_name="up", *, stat_prefix="tcp", **fields) -> dict:
    if cluster_name:
        fields["cluster"] = cluster_name
    return network_filter("tcp_proxy", "TcpProxy", stat_prefix=stat_prefix, **fields)


def echo() -> dict:
    return network_filter("echo", "Echo")


def network_direct_response(text: str) -> dict:
    return {"name": "envoy.filters.network.direct_response",
            "typed_config": {"@type": NETWORK + "direct_response.v3.Config",
                             "response": {"inline_string": text}}}


def connection_limit(maximum: int, delay=None, stat_prefix="limit") -> dict:
    fields = {"stat_prefix": stat_prefix, "max_connections": maximum}
    if delay:
        fields["delay"] = delay
    return network_filter("connection_limit", "ConnectionLimit", **fields)


def proxy_protocol(**fields) -> dict:
    return {"name": "envoy.filters.listener.proxy_protocol",
            "typed_config": {"@type": LISTENER + "proxy_protocol.v3.ProxyProtocol", **fields}}


def text_format(text: str, **fields) -> dict:
    return {"text_format_source": {"inline_string": text}, **fields}


def access_log(path: str, log_format=None, filter=None, *, logger="file") -> dict:
    """`log_format`: text, or a whole SubstitutionFormatString; `logger`: file, stdout or stderr."""
    if isinstance(log_format, str):
        log_format = text_format(log_format)
    message = {"file": "file.v3.FileAccessLog", "stdout": "stream.v3.StdoutAccessLog", "stderr": "stream.v3.StderrAccessLog"}[logger]
    typed = {"@type": "type.googleapis.com/envoy.extensions.access_loggers." + message}
    if logger == "file":
        typed["path"] = path
    if log_format is not None:
        typed["log_format"] = log_format
    result = {"name": f"envoy.access_loggers.{logger}", "typed_config": typed}
    if filter is not None:
        result["filter"] = filter
    return result


def header(key: str, value: str, action=None, **fields) -> dict:
    """A HeaderValueOption."""
    result = {"header": {"key": key, "value": value}, **fields}
    if action:
        result["append_action"] = action
    return result


def original_dst() -> dict:
    return {"name": "envoy.filters.listener.original_dst",
            "typed_config": {"@type": LISTENER + "original_dst.v3.OriginalDst"}}
