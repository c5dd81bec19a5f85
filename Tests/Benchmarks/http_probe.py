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


def origin_counters(port):
    """Requests and body bytes that the origin has seen."""
    return [int(n) for n in request(port, "GET", "/stats")[1].split()]
