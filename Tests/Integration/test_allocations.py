"""In steady state a worker allocates nothing for a request on a keep-alive connection.

The proxy runs with Tests/Allocations/count_allocations.c in front of malloc, which counts the calls
of the worker threads. When the count is not 0, the failure says where the calls came from.
"""

import collections
import mmap
import os
import shutil
import struct
import subprocess
import time

import pytest

from harness import config as k
from harness import process
from harness.client import Client
from harness.logs import FLUSH
from harness.upstream import ok

REQUESTS = 2000
WARM_UP = 200
# What may still grow once in a while (a free list, a list of timers) whatever the number of requests.
ALLOWED_IN_TOTAL = 8
HEADER = struct.Struct("QQQ")
RECORD = struct.Struct("QQ16Q")

pytestmark = [
    pytest.mark.only("martlet", "counts calls of Martlet's worker threads"),
    pytest.mark.skipif(not shutil.which("cc"), reason="no C compiler"),
]


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("allocations") / "count_allocations.so")
    source = os.path.join(process.ROOT, "Tests/Allocations/count_allocations.c")
    subprocess.run(
        ["cc", "-O1", "-g", "-fPIC", "-shared", "-o", path, source, "-ldl", "-lpthread"], check=True)
    return path


class Counter:
    def __init__(self, path):
        self.file = open(path, "r+b")
        self.memory = mmap.mmap(self.file.fileno(), 0)

    def calls(self):
        return HEADER.unpack_from(self.memory, 0)[0]

    def record(self, on):
        struct.pack_into("Q", self.memory, 8, int(on))

    def stacks(self):
        used = min(HEADER.unpack_from(self.memory, 0)[2], 256)
        for index in range(used):
            fields = RECORD.unpack_from(self.memory, HEADER.size + index * RECORD.size)
            yield fields[0], fields[2 + 2:2 + fields[1]]  # without the counter's own two frames


def named(pid, addresses):
    """Function names of addresses in a process, as well as the tools at hand can tell."""
    maps = []
    for line in open(f"/proc/{pid}/maps"):
        fields = line.split()
        if len(fields) >= 6 and fields[5].startswith("/"):
            first, last = (int(part, 16) for part in fields[0].split("-"))
            maps.append((first, last, int(fields[2], 16), fields[5]))
    names = {}
    by_file = collections.defaultdict(list)
    for address in set(addresses):
        for first, last, offset, path in maps:
            if first <= address < last:
                base = min(m[0] - m[2] for m in maps if m[3] == path)
                by_file[path].append((address, address - 1 - base))
                names[address] = f"? in {os.path.basename(path)}"
    tool = shutil.which("llvm-symbolizer") or "/opt/swift/usr/bin/llvm-symbolizer"
    for path, pairs in by_file.items():
        if not os.path.exists(tool):
            break
        asked = "".join(f"{relative:#x}\n" for _, relative in pairs)
        answer = subprocess.run([tool, "--obj=" + path, "--functions=linkage", "--no-inlines"], input=asked,
                                capture_output=True, text=True).stdout
        for (address, _), block in zip(pairs, answer.split("\n\n")):
            lines = block.strip().splitlines()
            if lines and lines[0] != "??":
                names[address] = lines[0]
    demangle = shutil.which("swift-demangle") or "/opt/swift/usr/bin/swift-demangle"
    if os.path.exists(demangle):
        keys = list(names)
        out = subprocess.run([demangle, "--compact"], input="\n".join(names[key] for key in keys),
                             capture_output=True, text=True).stdout.splitlines()
        if len(out) == len(keys):
            names = dict(zip(keys, out))
    return names


def report(pid, counter):
    stacks = collections.Counter(tuple(frames) for _, frames in counter.stacks())
    names = named(pid, [address for frames in stacks for address in frames])
    text = []
    for frames, count in stacks.most_common(8):
        text.append(f"{count} times from")
        text += [f"    {names.get(address, hex(address))}" for address in frames]
    return "\n".join(text)


CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
CASES = {
    "get": ("GET", b"", ok(b"x" * 100), True),
    "post": ("POST", b"b" * 3000, ok(b"x" * 3000), True),
    "chunked answer": ("GET", b"", CHUNKED, True),
    "no body": ("GET", b"", b"HTTP/1.1 204 No Content\r\n\r\n", True),
    "direct response": ("GET", b"", b"", False),
    "access log and header rules": ("GET", b"", ok(b"x" * 100), True),
    "JSON access log": ("GET", b"", ok(b"x" * 100), True),
    "local reply": ("GET", b"", b"", False),
}
LINE = (
    "[%START_TIME%] \"%REQ(:METHOD)% %REQ(:PATH)% %PROTOCOL%\" %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %BYTES_SENT% %DURATION% "
    "%DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% \"%REQ(USER-AGENT)%\" %UPSTREAM_HOST% %UPSTREAM_LOCAL_ADDRESS% %UPSTREAM_CLUSTER%\n")
ADDED = [k.header("x-added", "%REQ(x-request-number)% %DOWNSTREAM_REMOTE_PORT%"), k.header("x-other", "v", "OVERWRITE_IF_EXISTS_OR_ADD")]
MEMBERS = {"a": "%START_TIME(%s.%6f)%", "b": "%RESPONSE_CODE%", "c": {"d": ["%REQ(user-agent)%", "%REQ(no)%-%UNIQUE_ID%"]}}


def extras(case, folder):
    """What a case adds to its route and its connection manager."""
    path = str(folder / "access.log")
    if case == "access log and header rules":
        rules = {"request_headers_to_add": ADDED, "response_headers_to_add": ADDED, "response_headers_to_remove": ["x-gone"]}
        only = {"header_filter": {"header": {"name": "user-agent", "string_match": {"prefix": "alloc"}}}}
        return rules, {"access_log": [k.access_log(path, LINE), k.access_log(path, LINE, only)]}
    if case == "JSON access log":
        return {}, {"access_log": [k.access_log(path, {"json_format": MEMBERS})]}
    if case == "local reply":
        mapper = {"filter": {"not_health_check_filter": {}}, "headers_to_add": [k.header("x-mark", "%RESPONSE_CODE%")]}
        return {}, {"local_reply_config": {"mappers": [mapper], "body_format": k.text_format("%LOCAL_REPLY_BODY% %RESPONSE_CODE%")}}
    return {}, {}


@pytest.mark.parametrize("case", CASES)
def test_nothing_is_allocated_for_a_request(case, launch_once, upstreams, library, tmp_path):
    method, body, answer, proxied = CASES[case]
    route, manager = extras(case, tmp_path)
    path = str(tmp_path / "counts")
    environment = ("env", f"LD_PRELOAD={library}", f"ALLOCATIONS_FILE={path}")
    if proxied:
        upstream = upstreams()
        upstream.respond = answer
        config = k.bootstrap([k.listener("main", k.hcm([{**k.route(), **route}], **manager))], [k.cluster("up", [upstream])])
    else:
        config = k.bootstrap([k.listener("main", k.hcm([{**k.direct(), **route}], **manager))])
    proxy = launch_once(config, prefix=environment, args=FLUSH)
    counter = Counter(path)
    assert counter.calls() > 0, "the counter does not see the worker"
    headers = [("accept", "*/*"), ("user-agent", "allocations"), ("x-request-number", "1")]
    with Client(proxy.address()) as client:
        for _ in range(WARM_UP):
            assert client.request(method, headers=headers, body=body).status in (200, 204)
        before = counter.calls()
        for _ in range(REQUESTS):
            client.request(method, headers=headers, body=body)
        calls = counter.calls() - before
        if calls > ALLOWED_IN_TOTAL:
            counter.record(True)
            for _ in range(20):
                client.request(method, headers=headers, body=body)
            counter.record(False)
            time.sleep(0.05)
            where = report(proxy.pid, counter)
            pytest.fail(f"{calls} allocations in {REQUESTS} requests\n{where}", pytrace=False)
    print(f"{calls} allocations in {REQUESTS} requests")
