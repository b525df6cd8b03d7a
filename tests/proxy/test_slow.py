"""A slow reader of 1 GiB, in both directions, through every type: the fast writer waits, the worker's memory stays flat."""
import socket
import threading
import time

import processes
from certificates import authority, certificate, client_hello, tls_connect
from harness import equal, test
from traffic import Origin, connect, read_head

SIZE = 1 << 30
BLOCK = bytes(1 << 20)
SLOW_SECONDS = 1.5
MOST_KIB = 1024


def read_slowly(connection, size):
    """Reads `size` bytes: 64 KiB every 20 ms at first, then as fast as it can; how many came."""
    buffer, got = bytearray(1 << 20), 0
    slow_until = time.monotonic() + SLOW_SECONDS
    while got < size:
        slow = time.monotonic() < slow_until
        count = connection.recv_into(buffer, min(size - got, 65536 if slow else len(buffer)))
        if count == 0:
            break
        got += count
        if slow:
            time.sleep(0.02)
    return got


def write_fast(connection, size):
    for _ in range(size // len(BLOCK)):
        connection.sendall(BLOCK)


def origin_of(opening):
    """An origin for both directions. `opening` is how many bytes come before the body; None: an HTTP head."""
    def serve(connection, origin):
        if opening is None:
            head, rest = read_head(connection)
            word = head[:1]
        else:
            rest = b""
            while len(rest) < opening + 1:
                rest += connection.recv(opening + 1 - len(rest))
            word, rest = rest[-1:], b""
        if word == b"P":  # upload
            origin.got = len(rest) + read_slowly(connection, SIZE - len(rest))
            connection.sendall((b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" if opening is None else b"") + b"ok")
        elif word == b"G":
            if opening is None:
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE)
            write_fast(connection, SIZE)
        while connection.recv(65536):
            pass
    origin = Origin(serve)
    origin.got = 0
    return origin


def socks_opening(connection, port):
    connection.sendall(b"\5\1\0\5\1\0\1\x7f\0\0\1" + port.to_bytes(2, "big"))
    answer = b""
    while len(answer) < 12:
        answer += connection.recv(12 - len(answer))


def connect_opening(connection, port):
    connection.sendall(b"CONNECT 127.0.0.1:%d HTTP/1.1\r\nHost: a\r\n\r\n" % port)
    read_head(connection)


# name: (type, HTTP inside, TLS to the proxy, what is said before the tunnel, flags)
WAYS = {
    "http": ("http", True, False, None, ()),
    "CONNECT": ("http", False, False, connect_opening, ("--set", "connect_ports=*")),
    "https": ("https", True, True, None, ()),
    "socks": ("socks", False, False, socks_opening, ()),
    "tcp": ("tcp", False, False, None, ("--backend",)),
    "tls": ("tls", False, True, None, ("--backend",)),
    "sni": ("sni", False, False, None, ("--fallback",)),
}


def run_way(w, name):
    kind, is_http, is_tls, opening, flags = WAYS[name]
    hello = client_hello() if kind == "sni" else b""
    origin = origin_of(None if is_http else len(hello))
    w.init("acme")
    w.allow_loopback("acme")
    if is_tls:
        authority(w)
        certificate(w, "site", "example.test")
        flags += ("--cert", w.path("site.pem"), "--key", w.path("site.key"))
    flags = [part for flag in flags for part in ((flag, origin.address) if flag in ("--backend", "--fallback") else (flag,))]
    port = w.server(kind, "acme/one", *flags)
    w.run()
    worker = w.worker_of("acme")
    most = {}
    for direction in ("down", "up"):
        with (tls_connect(w, port, timeout=60) if is_tls else connect(port, timeout=60)) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 256 << 10)
            if opening:
                opening(connection, origin.port)
            verb = b"POST" if direction == "up" else b"GET"
            if is_http:
                length = b"Content-Length: %d\r\n" % SIZE if direction == "up" else b""
                connection.sendall(verb + b" " + origin.url.encode() + b"/ HTTP/1.1\r\nHost: a\r\n" + length + b"\r\n")
                if direction == "down":
                    _, rest = read_head(connection)
            else:
                connection.sendall(hello + verb[:1])
            start = processes.private_dirty_kib(worker)
            ended, result = threading.Event(), []

            def move():
                try:
                    if direction == "up":
                        write_fast(connection, SIZE)
                        result.append(connection.recv(4096)[-2:])
                    else:
                        early = len(rest) if is_http else 0
                        result.append(early + read_slowly(connection, SIZE - early))
                finally:
                    ended.set()
            threading.Thread(target=move, daemon=True).start()
            grown = 0
            while not ended.wait(0.05):
                grown = max(grown, processes.private_dirty_kib(worker) - start)
            equal(result, [b"ok"] if direction == "up" else [SIZE])
        most[direction] = grown
    equal(origin.got, SIZE)
    w.figure(f"{name}: the worker grew by {most['down']} KiB down, {most['up']} KiB up")
    assert max(most.values()) <= MOST_KIB, most


for _name in WAYS:
    test(f"{_name}: 1 GiB to and from a slow reader", timeout=180, sanitized=False)(lambda w, name=_name: run_way(w, name))
