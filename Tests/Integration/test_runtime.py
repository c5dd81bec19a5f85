"""Runtime values: layers of the file, of files on disk and of the admin interface, and who reads them."""

import http.client
import json
import os
import signal
import time

import pytest

from harness import config as k
from harness.client import Client
from harness.differs import differs
from harness.process import StartFailed


def keyed(key, default=0):
    return k.direct("taken", match={"prefix": f"/{key}", "runtime_fraction": {
        "default_value": {"numerator": default}, "runtime_key": key}})


KEYS = ["live", "a.num", "a.share", "top", "text", "remark", "over", "json", "flag", "deep.er.key", "empty", "negative", "half", "big"]
ROUTES = [keyed(key) for key in KEYS] + [keyed("on", 100), k.direct("rest")]


def layers(*given):
    if not given:
        return {}
    return {"layered_runtime": {"layers": [{"name": f"layer{n}", **layer} for n, layer in enumerate(given)]}}


ADMIN = {"admin_layer": {}}


def fixed(**values):
    return {"static_layer": values}


@pytest.fixture
def serve(launch_once):
    def start(*given, routes=None, clusters=(), args=()):
        return launch_once(k.bootstrap([k.listener("main", k.hcm(routes or ROUTES))], clusters, **layers(*given)), args=args)
    return start


def ask(proxy, path):
    with Client(proxy.address()) as client:
        return client.request("GET", path).text


def taken(proxy, *keys):
    return [ask(proxy, f"/{key}") == "taken" for key in keys]


def modify(proxy, query, method="POST", body=None):
    connection = http.client.HTTPConnection(*proxy.admin_address, timeout=5)
    try:
        connection.request(method, f"/runtime_modify{query}", body)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def values(proxy):
    shown = json.loads(proxy.admin("/runtime")[1])
    return shown["layers"], {key: (v["layer_values"], v["final_value"]) for key, v in shown["entries"].items()}


class Disk:
    """A directory as operators keep them: a link that is swapped."""

    def __init__(self, root):
        self.root, self.version = root, 0
        self.link = os.path.join(root, "current")

    def write(self, **files):
        self.version += 1
        target = os.path.join(self.root, f"v{self.version}")
        for name, text in files.items():
            path = os.path.join(target, name.replace("__", "/"))
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w") as f:
                f.write(text)
        os.makedirs(target, exist_ok=True)
        fresh = os.path.join(self.root, "fresh")
        os.symlink(target, fresh)
        os.rename(fresh, self.link)


@pytest.fixture
def disk(tmp_path):
    return Disk(str(tmp_path))


def test_the_later_layer_wins(serve):
    proxy = serve(fixed(over=0, live=100), fixed(over=100, live=0))
    assert taken(proxy, "over", "live") == [True, False]
    assert values(proxy) == (["layer0", "layer1"], {"over": (["0", "100"], "100"), "live": (["100", "0"], "0")})


def test_nested_keys(serve):
    proxy = serve({"static_layer": {"a": {"num": 100}, "deep.er": {"key": 100}}})
    assert taken(proxy, "a.num", "deep.er.key") == [True, True]
    assert set(values(proxy)[1]) == {"a.num", "deep.er.key"}


def test_no_layers(serve):
    proxy = serve()
    assert taken(proxy, "live", "on") == [False, True]
    assert values(proxy) == ([], {})
    assert modify(proxy, "?live=100")[0] == 503


def test_admin_layer(serve):
    proxy = serve(fixed(live=0), ADMIN)
    assert taken(proxy, "live") == [False]
    assert modify(proxy, "?live=100&other=abc") == (200, "OK\n")
    assert taken(proxy, "live") == [True]
    assert values(proxy) == (["layer0", "layer1"], {"live": (["0", "100"], "100"), "other": (["", "abc"], "abc")})
    assert modify(proxy, "?live=") == (200, "OK\n")
    assert taken(proxy, "live") == [False]
    assert values(proxy)[1] == {"live": (["0", ""], "0"), "other": (["", "abc"], "abc")}


@pytest.mark.parametrize("value,is_taken", [
    ("100", True), ("0", False), ("101", True), ("%7B%22numerator%22%3A100%7D", True), ("true", False), ("50%25", False), ("-1", False),
    ("1.5", False), ("numerator%3A%20100", True)])
def test_what_a_share_may_be(serve, value, is_taken):
    proxy = serve(ADMIN)
    assert modify(proxy, f"?live={value}")[0] == 200
    assert taken(proxy, "live") == [is_taken]


def test_requests_under_way_see_changes_at_once(serve):
    proxy = serve(ADMIN)
    with Client(proxy.address()) as client:
        for number in range(20):
            modify(proxy, f"?live={100 if number % 2 else 0}")
            assert client.request("GET", "/live").text == ("taken" if number % 2 else "rest")


def test_modify_refused(serve):
    proxy = serve(ADMIN)
    assert modify(proxy, "?x=1", method="GET")[0] == 405
    assert modify(proxy, "")[0] == 400
    assert values(proxy)[1] == {}


def test_an_admin_layer_below_a_fixed_one(serve):
    proxy = serve(ADMIN, fixed(live=0))
    modify(proxy, "?live=100")
    assert taken(proxy, "live") == [False]
    assert values(proxy)[1] == {"live": (["100", "0"], "0")}


def test_disk(serve, disk):
    disk.write(a__num="100\n", a__share="numerator: 1000000\ndenominator: MILLION\n", top="100", text=" hello ", remark="# no\n100\n# yes\n",
               json='{"numerator": 100}', deep__er__key="100", empty="", negative="-3", flag="true", big="18446744073709551615")
    proxy = serve({"disk_layer": {"symlink_root": disk.link}})
    assert taken(proxy, "a.num", "a.share", "top", "remark", "json", "deep.er.key", "big") == [True] * 7
    assert taken(proxy, "text", "empty", "negative", "flag") == [False] * 4
    shown = values(proxy)[1]
    assert shown["a.num"] == (["100"], "100") and shown["text"] == ([" hello"], " hello")
    assert shown["a.share"][1] == "numerator: 1000000\ndenominator: MILLION"


def test_disk_with_subdirectory_and_cluster(serve, disk):
    disk.write(sub__live="100", sub__mine__live="0", sub__mine__half="100")
    root = {"symlink_root": disk.link, "subdirectory": "sub"}
    proxy = serve({"disk_layer": root}, {"disk_layer": {**root, "append_service_cluster": True}}, args=["--service-cluster", "mine"])
    assert taken(proxy, "live", "half") == [False, True]


def test_a_directory_that_is_not_there(serve, disk):
    proxy = serve(fixed(live=100), {"disk_layer": {"symlink_root": disk.link}}, ADMIN)
    assert taken(proxy, "live") == [True]
    assert values(proxy)[0] == ["layer0", "layer2"]


SWAP = differs("the link of a runtime layer on disk is swapped", envoy="read at once", martlet="read on SIGHUP",
               why="Files are read when they are asked for")


def test_swapped_link(serve, disk, settle):
    disk.write(live="0")
    proxy = serve({"disk_layer": {"symlink_root": disk.link}})
    assert taken(proxy, "live") == [False]
    disk.write(live="100")
    if settle(SWAP) == "read on SIGHUP":
        proxy.signal(signal.SIGHUP)
    deadline = time.monotonic() + 5
    while taken(proxy, "live") == [False] and time.monotonic() < deadline:
        time.sleep(0.02)
    assert taken(proxy, "live") == [True]
    assert values(proxy)[1] == {"live": (["100"], "100")}


def test_statistics(serve):
    proxy = serve(fixed(live=0, over=1), ADMIN)
    seen = proxy.stats("^runtime")
    assert (seen["runtime.num_keys"], seen["runtime.num_layers"], seen["runtime.admin_overrides_active"]) == (2, 2, 0)
    modify(proxy, "?half=1")
    seen = proxy.stats("^runtime")
    assert (seen["runtime.num_keys"], seen["runtime.admin_overrides_active"], seen["runtime.load_error"]) == (3, 1, 0)


def test_weights(serve, upstreams):
    from harness.upstream import ok
    a, b = upstreams(name="a"), upstreams(name="b")
    a.respond, b.respond = ok(b"a"), ok(b"b")
    routes = [{"match": {"prefix": "/"}, "route": {"weighted_clusters": {
        "runtime_key_prefix": "weights", "clusters": [{"name": "a", "weight": 100}, {"name": "b", "weight": 0}]}}}]
    proxy = serve(ADMIN, routes=routes, clusters=[k.cluster("a", [a]), k.cluster("b", [b])])
    assert {ask(proxy, "/") for _ in range(10)} == {"a"}
    modify(proxy, "?weights.a=0&weights.b=7")
    assert {ask(proxy, "/") for _ in range(10)} == {"b"}
    modify(proxy, "?weights.a=1&weights.b=1")
    assert {ask(proxy, "/") for _ in range(40)} == {"a", "b"}
    modify(proxy, "?weights.a=&weights.b=")
    assert {ask(proxy, "/") for _ in range(10)} == {"a"}


@pytest.mark.parametrize("given", [
    [ADMIN, ADMIN], [{"name": "layer1", "static_layer": {}}, {"name": "layer1", "static_layer": {}}], [{}],
    [{"rtds_layer": {"name": "x", "rtds_config": {"ads": {}}}}]], ids=["two admin layers", "one name twice", "no kind", "rtds"])
def test_refused(launch_once, given):
    config = k.bootstrap([k.listener("main", k.hcm(ROUTES))])
    config["layered_runtime"] = {"layers": [{"name": f"layer{n}", **layer} for n, layer in enumerate(given)]}
    with pytest.raises(StartFailed):
        launch_once(config)
