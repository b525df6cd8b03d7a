"""Every way through the proxies with every kind of exchange, over IPv4 and IPv6: byte for byte, and counted to the byte.

The client is curl, but for WebSocket, which is spoken raw. A relay between client and proxy counts what passes. Where the
client speaks TLS to the proxy itself the counters are of the plain bytes: type tls has the relay on its other side, and the
raw client counts its own.
"""
import base64
import dataclasses
import hashlib
import os
import socket
import ssl
import time

from harness import contains, equal, test, until
from origins import Recorder, Tap, body_of, make_certificate
from traffic import curl, read_head

BIG = 100 << 20


@dataclasses.dataclass(frozen=True)
class Way:
    """One way from a client to an origin."""
    name: str
    kind: str                 # server type
    scheme: str = "http"      # what the client asks for
    proxy: str = ""           # curl's proxy URL scheme; empty: the client believes the proxy is the origin
    by_name: bool = False     # the destination goes to the proxy as a name
    tunnel: bool = False      # curl -p
    one_family: bool = False  # the destination is IPv4 whatever the listener is
    hides: bool = False       # the client's bytes are TLS to the proxy: no relay sees those that are counted


WAYS = [
    Way("http", "http", proxy="http"),
    Way("CONNECT", "http", proxy="http", tunnel=True),
    Way("https", "https", proxy="https", hides=True),
    Way("CONNECT in https", "https", proxy="https", tunnel=True, hides=True),
    Way("socks4", "socks", proxy="socks4", one_family=True),
    Way("socks4a", "socks", proxy="socks4a", by_name=True),
    Way("socks5", "socks", proxy="socks5"),
    Way("socks5h", "socks", proxy="socks5h", by_name=True),
    Way("tcp", "tcp"),
    Way("tls", "tls", scheme="https"),
    Way("sni", "sni", scheme="https", by_name=True),
]


def is_localhost(address):
    """Whether the name localhost stands for that address on this machine: /etc/hosts may know one family only."""
    return any(found[4][0] == address for found in socket.getaddrinfo("localhost", 1))


class Stage:
    """A proxy, its origin and curl's arguments for one way and one family."""

    def __init__(self, w, way, family):
        self.w, self.way = w, way
        loop = "127.0.0.1" if family == 4 else "::1"
        target = "127.0.0.1" if way.one_family or (way.by_name and not is_localhost(loop)) else loop
        cert, key = make_certificate(w.dir)
        self.cert = cert
        self.origin = Recorder(target, (cert, key) if way.kind == "sni" else None)
        bracketed = f"[{target}]" if ":" in target else target
        w.init("acme")
        for network in ("127.0.0.0/8", "::1/128"):
            w.ctl("acl", "add", "allow", "--to", network, "-t", "acme")
        place = f"{bracketed}:{self.origin.port}"
        flags = {"http": ["--connect-ports", "*"], "https": ["--connect-ports", "*"], "tcp": ["--backend", place],
                 "tls": ["--backend", place], "sni": ["--route", f"localhost={place}"], "socks": []}[way.kind]
        if way.kind == "tls":
            self.tap = Tap(self.origin.port, target)
            bracketed_tap = f"[{target}]" if ":" in target else target
            flags = ["--backend", f"{bracketed_tap}:{self.tap.port}"]
        if way.kind in ("https", "tls"):
            flags += ["--cert", cert, "--key", key]
        port = w.server(way.kind, "acme/one", "--addr", loop, *flags)
        w.run()
        if way.kind != "tls":
            self.tap = Tap(port, loop)
        self.entrance = port if way.kind == "tls" else self.tap.port
        loop_host = f"[{loop}]" if family == 6 else loop
        host = "localhost" if way.by_name else bracketed
        if way.proxy:
            self.base = f"http://{host}:{self.origin.port}"
            self.args = ["-x", f"{way.proxy}://{loop_host}:{self.entrance}"] + (["-p"] if way.tunnel else [])
            self.args += ["--proxy-cacert", cert] if way.proxy == "https" else []
        else:
            host = "localhost" if way.scheme == "https" else loop_host
            self.base = f"{way.scheme}://{host}:{self.entrance}"
            self.args = ["--cacert", cert, "--resolve", f"localhost:{self.entrance}:{loop_host}"] if way.scheme == "https" else []
        self.counted = (0, 0, 0)

    def curl(self, path, *args):
        return curl(self.w, *self.args, *args, self.base + path, timeout=60)

    def counts(self):
        stats = self.w.show("acme/one")["stats"]
        return stats["total_requests"], stats["bytes_in"], stats["bytes_out"]

    def check_counts(self, what, wanted):
        """The counters moved by `wanted` since the last call: (bytes in, bytes out)."""
        def settled():
            now = self.counts()
            return now if (now[1] - self.counted[1], now[2] - self.counted[2]) == wanted else None
        try:
            self.counted = until(settled, 8 * self.w.patience, "counted", 0.1)
        except AssertionError:
            now = self.counts()
            raise AssertionError(f"{what}: counted {(now[1] - self.counted[1], now[2] - self.counted[2])}, "
                                 f"passed {wanted}") from None


def write_file(w, size):
    path = w.path(f"up-{size}")
    if not os.path.exists(path):
        with open(path, "wb") as file:
            file.write(body_of(size))
    return path


def told(size, trailers=""):
    return f"{size} {hashlib.sha256(body_of(size)).hexdigest()} {trailers}"


def exchanges(stage, big):
    """(name, function) of every exchange but WebSocket."""
    w = stage.w

    def download(size, *args):
        target = w.path("down")
        stage.curl(f"/bytes/{size}", "-o", target, *args)
        with open(target, "rb") as file:
            assert file.read() == body_of(size), f"{size} bytes arrived changed"

    def head():
        contains(stage.curl("/bytes/77", "-I"), "200", "Content-Length: 77")

    def chunked_down():
        target, heads = w.path("down"), w.path("heads")
        stage.curl("/chunked/100000", "-o", target, "-D", heads)
        with open(target, "rb") as file:
            assert file.read() == body_of(100000), "the chunks arrived changed"
        with open(heads, encoding="latin-1") as file:
            contains(file.read().lower(), "x-sum: " + hashlib.sha256(body_of(100000)).hexdigest())

    def upload(size, *args):
        equal(stage.curl("/up", "-T", write_file(w, size), *args), told(size))

    def expect():
        before = stage.origin.expected
        upload(5000, "-H", "Expect: 100-continue")
        equal(stage.origin.expected, before + 1, "the expectation reached the origin")

    return [
        ("GET", lambda: download(64)),
        ("HEAD", head),
        ("POST", lambda: equal(stage.curl("/post", "--data-binary", "@" + write_file(w, 900)), told(900))),
        ("chunked up", lambda: upload(70000, "-H", "Transfer-Encoding: chunked", "-H", "Expect:")),
        ("chunked down with a trailer", chunked_down),
        ("Expect", expect),
        ("HTTP/1.0", lambda: download(3000, "-0")),
        (f"GET {big >> 20} MiB", lambda: download(big)),
        (f"PUT {big >> 20} MiB", lambda: upload(big, "-H", "Expect:")),
    ]


def socks_preface(way, target, port):
    """(what to send, how many bytes come back) to be connected through a socks server."""
    name = b"localhost"
    ends = port.to_bytes(2, "big")
    if way.name == "socks4":
        return b"\4\1" + ends + socket.inet_aton(target) + b"\0", 8
    if way.name == "socks4a":
        return b"\4\1" + ends + b"\0\0\0\1\0" + name + b"\0", 8
    length = 10 if ":" not in target else 22
    if way.name == "socks5h":
        place = b"\3" + bytes([len(name)]) + name
    elif ":" in target:
        place = b"\4" + socket.inet_pton(socket.AF_INET6, target)
    else:
        place = b"\1" + socket.inet_aton(target)
    return b"\5\1\0\5\1\0" + place + ends, 2 + length


def take(connection, size):
    data = b""
    while len(data) < size:
        piece = connection.recv(size - len(data))
        assert piece, f"ended after {len(data)} of {size} bytes"
        data += piece
    return data


class Counted:
    """A connection that counts the bytes it was given and gave."""

    def __init__(self, connection):
        self.connection, self.sent, self.got = connection, 0, 0

    def sendall(self, data):
        self.connection.sendall(data)
        self.sent += len(data)

    def recv(self, size):
        data = self.connection.recv(size)
        self.got += len(data)
        return data


def websocket(stage, loop):
    """An upgrade and echoed bytes, spoken raw through the proxy; (bytes sent, bytes received) as the client saw them."""
    way, origin = stage.way, stage.origin
    target = origin.socket.getsockname()[0]
    place = f"[{target}]:{origin.port}" if ":" in target else f"{target}:{origin.port}"
    plain = socket.create_connection((loop, stage.entrance), 20)
    if way.proxy == "https" or way.scheme == "https":
        context = ssl.create_default_context(cafile=stage.cert)
        plain = context.wrap_socket(plain, server_hostname="localhost")
    with plain:
        connection = Counted(plain)
        if way.kind == "socks":
            preface, answer = socks_preface(way, target, origin.port)
            connection.sendall(preface)
            take(connection, answer)
        elif way.tunnel:
            connection.sendall(f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n\r\n".encode())
            contains(read_head(connection)[0].decode(), " 200 ")
        absolute = f"http://{place}" if way.proxy and not way.tunnel and way.kind != "socks" else ""
        key = base64.b64encode(os.urandom(16)).decode()
        connection.sendall(f"GET {absolute}/chat HTTP/1.1\r\nHost: {place}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                           f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
        head, rest = read_head(connection)
        contains(head.decode(), " 101 ", "Sec-WebSocket-Accept: ")
        for size in (1, 125, 70000):
            data = body_of(size)
            connection.sendall(data)
            equal(rest + take(connection, size - len(rest)), data)
            rest = b""
    return connection.sent, connection.got


def settled_counts(stage):
    """The counters once they stand still: the workers' are read once a second."""
    def still():
        first = stage.counts()
        time.sleep(1.2 * stage.w.patience)
        return first if first == stage.counts() else None
    return until(still, 20 * stage.w.patience, "counters stand still", 0)


def passed(stage):
    return stage.tap.sent, stage.tap.returned


def run_way(w, way, family):
    stage = Stage(w, way, family)
    loop = "127.0.0.1" if family == 4 else "::1"
    small = w.sanitized
    cells = exchanges(stage, BIG // 10 if small else BIG) + [("WebSocket", lambda: websocket(stage, loop))]
    for name, exchange in cells:
        before = passed(stage)
        counted_before = settled_counts(stage) if way.hides and name == "WebSocket" else None
        try:
            seen = exchange()
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from None
        until(lambda: w.show("acme/one")["stats"]["active_connections"] == 0, 8 * w.patience, "ended", 0.05)
        after = passed(stage)
        if not way.hides:
            stage.check_counts(name, (after[0] - before[0], after[1] - before[1]))
        elif counted_before:
            stage.counted = counted_before
            stage.check_counts(name, seen)
    until(lambda: stage.counts()[0] >= len(cells), 5 * w.patience, "every request counted", 0.1)


for _way in WAYS:
    for _family in (4, 6):
        test(f"{_way.name} over IPv{_family}: every exchange, byte for byte, counted to the byte", timeout=180, sanitized=_family == 4)(
            lambda w, way=_way, family=_family: run_way(w, way, family))
