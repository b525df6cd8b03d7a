"""Bandwidth of servers, tenants and users: as much as was set, shared fairly, whatever carries it."""
import selectors
import socket
import ssl
import threading
import time

from certificates import certificate, client_context, tls_connect
from harness import equal, test
from limits import MIB, asks, proxy
from logins import add_quick_users, basic, socks_connect, socks_login
from traffic import Origin, answer_with, connect, drip, read_head

RATE = 4 * MIB
ENDLESS = 1 << 40


class Meter:
    """Reads from many sockets in one thread; bytes per socket."""

    def __init__(self, sockets):
        self.counts = {}
        self.selector = selectors.DefaultSelector()
        for one in sockets:
            one.setblocking(False)
            self.counts[one] = 0
            self.selector.register(one, selectors.EVENT_READ)

    def read(self, one):
        try:
            while True:
                data = one.recv(1 << 18)
                if not data:
                    raise AssertionError("a connection ended")
                self.counts[one] += len(data)
                if not isinstance(one, ssl.SSLSocket):
                    return
        except (BlockingIOError, ssl.SSLWantReadError):
            pass

    def run(self, seconds):
        until_when = time.monotonic() + seconds
        while (left := until_when - time.monotonic()) > 0:
            for key, _ in self.selector.select(left):
                self.read(key.fileobj)

    def measure(self, seconds=5.0, warm=0.5):
        """Bytes per second over all, and the smallest and largest share of the mean."""
        self.run(warm)
        before, began = dict(self.counts), time.monotonic()
        self.run(seconds)
        took = time.monotonic() - began
        got = [self.counts[one] - before[one] for one in self.counts]
        mean = sum(got) / len(got)
        return sum(got) / took, min(got) / mean, max(got) / mean


def check(w, what, count, measured, rate=RATE):
    speed, least, most = measured
    w.figure(f"{what} x{count}: {speed / rate * 100:.1f} % of {rate / MIB:g} MiB/s, shares {least:.2f} to {most:.2f}")
    assert abs(speed / rate - 1) <= 0.05, f"{what} x{count}: {speed / MIB:.2f} MiB/s, wanted {rate / MIB:.2f}"
    assert least >= 0.5, f"{what} x{count}: one got {least:.2f} of the mean"


def download(w, what, open_one):
    for count in (1, 50):
        sockets = [open_one() for _ in range(count)]
        check(w, what, count, Meter(sockets).measure())
        for one in sockets:
            one.close()
        time.sleep(0.3)


def gush(connection, origin):
    """Sends for ever."""
    while True:
        connection.sendall(b"x" * 65536)


def swallow(origin_counts):
    """An origin that reads a request's head and then for ever; counts per connection."""
    def serve(connection, origin):
        head, rest = read_head(connection)
        key = object()
        origin_counts[key] = len(rest)
        while data := connection.recv(1 << 18):
            origin_counts[key] += len(data)
    return serve


def ask_for(url):
    return f"GET {url}/ HTTP/1.1\r\nHost: a\r\n\r\n".encode()


@test("bandwidth: 10 MiB/s of a server, a tenant and a user within 5 % over 10 s, with 1 and with 50 connections", timeout=90, sanitized=False)
def promise(w):
    gushing, dripping = Origin(gush), Origin(drip(ENDLESS))
    rate = 10 * MIB
    proxy(w, "tcp", "--backend", gushing.address, name="acme/free")

    def of_server(count):
        port = proxy(w, "tcp", "--backend", gushing.address, "--bandwidth", "10MiB/s", name=f"acme/tcp{count}", start=False)
        return [connect(port) for _ in range(count)]

    def of_tenant(count):
        tenant = f"web{count}"
        w.ctl("tenant", "add", tenant, "--bandwidth", "10MiB/s")
        w.allow_loopback(tenant)
        ports = [proxy(w, "http", name=f"{tenant}/{name}", start=False) for name in ("a", "b")]
        sockets = [connect(ports[n % 2]) for n in range(count)]
        for one in sockets:
            one.sendall(ask_for(dripping.url))
        return sockets

    add_quick_users(w, "acme", "user1", "user50")
    socks = proxy(w, "socks", "--auth", "basic", name="acme/socks", start=False)

    def of_user(count):
        w.ctl("user", "set", f"acme/user{count}", "bandwidth_bytes_per_second=10MiB")
        sockets = [socks_login(socks, f"user{count}", "geheim")[0] for _ in range(count)]
        for one in sockets:
            equal(socks_connect(one, gushing.port), 0)
        return sockets

    # All six at once: none takes from another.
    flows = {(what.__name__, count): what(count) for what in (of_server, of_tenant, of_user) for count in (1, 50)}
    free = connect(int(w.field("acme/free", "bound_port")))
    meter = Meter([one for sockets in flows.values() for one in sockets])
    meter.run(1)
    before, began = dict(meter.counts), time.monotonic()
    meter.run(10)
    took = time.monotonic() - began
    for (what, count), sockets in flows.items():
        got = [meter.counts[one] - before[one] for one in sockets]
        mean = sum(got) / count
        check(w, what, count, (sum(got) / took, min(got) / mean, max(got) / mean), rate)
    for one in meter.counts:
        one.close()
    speed = Meter([free]).measure(1.5, 0.2)[0]
    w.figure(f"without a limit: {speed / MIB:.0f} MiB/s")
    assert speed > 5 * rate, f"without a limit {speed / MIB:.1f} MiB/s"


@test("bandwidth: http uploads hold within 5 % with 1 and with 50 connections", timeout=60, sanitized=False)
def http_upload(w):
    counts = {}
    origin = Origin(swallow(counts))
    port = proxy(w, "http", "--bandwidth", "4MiB/s")
    for count in (1, 50):
        counts.clear()
        stop = threading.Event()
        def push(one):
            try:
                one.sendall(f"PUT {origin.url}/ HTTP/1.1\r\nHost: a\r\nContent-Length: {ENDLESS}\r\n\r\n".encode())
                while not stop.is_set():
                    one.sendall(b"x" * 65536)
            except OSError:
                pass
        sockets = [connect(port) for _ in range(count)]
        for one in sockets:
            threading.Thread(target=push, args=(one,), daemon=True).start()
        time.sleep(1.0)
        equal(len(counts), count)
        before, began = dict(counts), time.monotonic()
        time.sleep(5)
        got = [counts[key] - before[key] for key in before]
        mean = sum(got) / count
        check(w, "http up", count, (sum(got) / (time.monotonic() - began), min(got) / mean, max(got) / mean))
        stop.set()
        for one in sockets:
            one.shutdown(socket.SHUT_RDWR)
            one.close()
        time.sleep(0.3)


@test("bandwidth: CONNECT and https hold within 5 % with 1 and with 50 connections", timeout=90, sanitized=False)
def tunnel_bandwidth(w):
    gushing, dripping = Origin(gush), Origin(drip(ENDLESS))
    port = proxy(w, "http", "--bandwidth", "4MiB/s", "--set", "connect_ports=*")
    def tunnel():
        one = connect(port)
        one.sendall(f"CONNECT {gushing.address} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        head, _ = read_head(one)
        equal(head.split()[1], b"200")
        return one
    download(w, "CONNECT", tunnel)
    pem, key = certificate(w, "site", "example.test")
    https = proxy(w, "https", "--bandwidth", "4MiB/s", "--cert", pem, "--key", key, name="acme/tls", start=False)
    context = client_context(w)
    def encrypted():
        one = tls_connect(w, https, context=context)
        one.sendall(f"GET {dripping.url}/ HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        return one
    download(w, "https", encrypted)


@test("bandwidth: user within tenant, small answers too; a change holds at once, also for what is under way", timeout=60, sanitized=False)
def nested_bandwidth(w):
    origin, small = Origin(drip(ENDLESS)), Origin(answer_with(b"x" * 20000))
    port = proxy(w, "http", "--auth", "basic")
    add_quick_users(w, "acme", "bob", "eve")
    w.ctl("user", "set", "acme/bob", "bandwidth_bytes_per_second=1MiB")
    w.ctl("tenant", "set", "acme", "bandwidth_bytes_per_second=4MiB/s")
    def open_one(name):
        one = connect(port)
        one.sendall(f"GET {origin.url}/ HTTP/1.1\r\nHost: a\r\n".encode() + basic(name, "geheim") + b"\r\n")
        return one
    bob, eve = open_one("bob"), open_one("eve")
    meter = Meter([bob, eve])
    meter.run(1)
    before = dict(meter.counts)
    meter.run(4)
    speeds = [(meter.counts[one] - before[one]) / 4 / MIB for one in (bob, eve)]
    w.figure(f"bob {speeds[0]:.2f} of 1, with eve {sum(speeds):.2f} of 4 MiB/s")
    assert 0.9 <= speeds[0] <= 1.06 and 3.8 <= sum(speeds) <= 4.2, speeds
    w.ctl("user", "set", "acme/bob", "bandwidth_bytes_per_second=2MiB")
    meter.run(0.3)
    before = dict(meter.counts)
    meter.run(2)
    speed = (meter.counts[bob] - before[bob]) / 2 / MIB
    assert 1.6 <= speed <= 2.2, f"{speed:.2f} MiB/s after the change to 2"
    w.ctl("user", "set", "acme/bob", "bandwidth_bytes_per_second=0")
    w.ctl("tenant", "set", "acme", "bandwidth_bytes_per_second=0")
    before = dict(meter.counts)
    meter.run(1)
    speed = sum(meter.counts[one] - before[one] for one in (bob, eve)) / MIB
    assert speed > 8, f"{speed:.2f} MiB/s without limits"
    bob.close(), eve.close()
    w.ctl("server", "set", "acme/p", "bandwidth_bytes_per_second=1MiB")
    with connect(port) as connection:
        began, answers = time.monotonic(), 0
        while time.monotonic() - began < 2.5:
            answers += asks(connection, small, 1, basic("bob", "geheim"))[0].status == 200
        speed = answers * 20200 / (time.monotonic() - began) / MIB
    assert 0.85 <= speed <= 1.15, f"small answers at {speed:.2f} MiB/s"


@test("bandwidth: datagrams of socks over it are dropped, those within it pass")
def datagrams(w):
    port = proxy(w, "socks", "--set", "commands=udp", "--bandwidth", "100KB/s")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client, \
            connect(port) as control:
        for one in (peer, client):
            one.bind(("127.0.0.1", 0))
            one.settimeout(0.5)
        control.sendall(b"\5\1\0")
        equal(control.recv(2), b"\5\0")
        control.sendall(b"\5\3\0\1" + bytes(6))
        relay = int.from_bytes(control.recv(10)[8:], "big")
        head = b"\0\0\0\1\x7f\0\0\1" + peer.getsockname()[1].to_bytes(2, "big")
        began = time.monotonic()
        for _ in range(200):
            client.sendto(head + b"x" * 990, ("127.0.0.1", relay))
        seconds = time.monotonic() - began
        passed = 0
        try:
            while peer.recvfrom(2000):
                passed += 1
        except TimeoutError:
            pass
        assert 50 <= passed <= 61 + 100 * (seconds + 0.05), f"{passed} of 200 passed in {seconds:.3f} s"
        client.sendto(head + b"later", ("127.0.0.1", relay))
        equal(peer.recvfrom(2000)[0], b"later")


