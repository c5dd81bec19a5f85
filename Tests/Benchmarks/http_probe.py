"""Correctness before speed: small clients that look at every byte a proxy passes on.

The measured runs discard what they receive; these check, before and beside them, that the proxy
really carries it: bodies of both directions whole and unchanged, through the very process that
is then measured.
"""

import http.client
import socket
import struct

from processes import Failure

MIB = 1 << 20
SMALL = b"0123456789" * 7
PATTERN = bytes(((i * 131) + (i >> 8)) & 0xFF for i in range(MIB))
CHECK = 1 << 63


def fnv(data):
    """FNV-1a, as the origin computes it."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value


def request(port, method, path, body=None, headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, body=body, headers=headers or {}, encode_chunked=bool(headers))
        answer = connection.getresponse()
        return answer.status, answer.read()
    except http.client.HTTPException as error:
        raise ConnectionError(f"{method} {path}: {error!r}") from error
    finally:
        connection.close()


def expect(what, got, wanted):
    if got != wanted:
        raise Failure(f"{what}: got {str(got)[:120]}, wanted {str(wanted)[:120]}")


def check_http(port):
    """Small and large answers, and a request body with a length and in chunks."""
    expect("GET /small", request(port, "GET", "/small"), (200, SMALL))
    status, body = request(port, "GET", "/1m")
    expect("GET /1m", (status, len(body), body == PATTERN), (200, MIB, True))
    upload = PATTERN[:65536]
    wanted = (200, b"%d %d" % (len(upload), fnv(upload)))
    expect("POST /check", request(port, "POST", "/check", upload), wanted)
    pieces = (upload[i:i + 5000] for i in range(0, len(upload), 5000))
    chunked = {"Transfer-Encoding": "chunked"}
    expect("POST /check, chunked", request(port, "POST", "/check", pieces, chunked), wanted)


def check_tcp(port):
    """256 KiB up and 1 MiB down, twice on one connection."""
    upload = PATTERN[:256 * 1024]
    hashed = struct.pack("<Q", fnv(upload))
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        for _ in range(2):
            connection.sendall(struct.pack("<QQ", len(upload) | CHECK, MIB) + upload)
            answer = b""
            while len(answer) < 8 + MIB:
                piece = connection.recv(1 << 18)
                if not piece:
                    raise Failure(f"TCP: closed after {len(answer)} of {8 + MIB} bytes")
                answer += piece
            expect("TCP upload hash", answer[:8], hashed)
            expect("TCP download intact", answer[8:] == PATTERN, True)


def head(port, headers):
    """The headers of the answer to GET /small sent with `headers`; its body is looked at here."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/small", headers=headers)
        answer = connection.getresponse()
        expect("GET /small", (answer.status, answer.read()), (200, SMALL))
        return answer.headers
    except http.client.HTTPException as error:
        raise ConnectionError(f"GET /small: {error!r}") from error
    finally:
        connection.close()


def check_work(port, count):
    """Each of the filters has read its request header and set its response header."""
    found = head(port, {})
    for number in range(1, count + 1):
        expect(f"filter {number}", found[f"x-bench-{number}"], "seen")


def figures(port):
    """What the probe filters have measured, by name; plugins/probe.h says what each is. The request
    looks like a browser's, the headers that the filters read and set are the last."""
    text = head(port, {
        "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
        "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        "Accept-Language": "en-US,en;q=0.5", "Cache-Control": "no-cache", "Cookie": "session=0123456789abcdef",
        "X-Bench-Figures": "1", "X-Bench-Set": "0000000000000000", "X-Bench-Get": "0123456789abcdef",
    })["x-bench-figures"]
    if text is None:
        raise Failure("no figures in the answer: the probe filter is not there")
    found = {name: int(value) for name, _, value in (word.partition("=") for word in text.split())}
    failed = [name for name, value in found.items() if value < 0]
    if failed:
        raise Failure(f"a call that the probe filter timed has failed: {', '.join(failed)}")
    return found


def counter(port, name):
    """A counter of filters, whatever stands before its name, as the admin's /stats has it."""
    status, body = request(port, "GET", f"/stats?filter={name}")
    values = [line.rpartition(b":")[2] for line in body.splitlines() if line.partition(b":")[0].endswith(name.encode())]
    if status != 200 or len(values) != 1:
        raise Failure(f"the counter {name} is not in /stats: {status} {body[:200]!r}")
    return int(values[0])


def origin_counters(port):
    """Requests and body bytes that the origin has seen."""
    return [int(n) for n in request(port, "GET", "/stats")[1].split()]
