"""Limits: requests per second, connections of users, bandwidth of tenants, servers and users; live, counted, recorded."""
import json
import os
import selectors
import socket
import ssl
import threading
import time

from certificates import certificate, client_context, client_hello, tls_connect
from harness import contains, equal, test, until
from logins import add_quick_users, basic, counted, socks_connect, socks_login
from traffic import Origin, answer_with, connect, drip, echo, exchange, read_answer, read_head

MIB = 1 << 20
RATE = 4 * MIB
ENDLESS = 1 << 40


def proxy(w, kind, *flags, name="acme/p", start=True, threads=2):
    if start:
        w.init("acme")
        w.allow_loopback("acme")
        w.ctl("tenant", "set", "acme", f"worker_threads={threads}", "access_log_format=json")
    port = w.server(kind, name, *flags)
    if start:
        w.run()
    w.wait_status(name, "running")
    return port


def records(w, reason):
    path = os.path.join(w.value("SELECT log_dir FROM daemon"), "acme", "access.log")
    with open(path, encoding="utf-8") as file:
        return [row for row in map(json.loads, file) if row["reason"] == reason]


def asks(connection, origin, count, more=b""):
    """So many requests one after the other on one connection; their answers."""
    got, rest = [], b""
    for _ in range(count):
        connection.sendall(f"GET {origin.url}/ HTTP/1.1\r\nHost: a\r\n".encode() + more + b"\r\n")
        answer, rest = read_answer(connection, rest)
        got.append(answer)
    return got


# ---- requests per second -------------------------------------------------------------------------------------------
@test("request rate on http: 429 with Retry-After on a connection that stays, recorded, counted exactly, live", threats="flood-requests")
def http_rate(w):
    origin = Origin(answer_with())
    port = proxy(w, "http", "--rate", "5/s")
    time.sleep(1.1)
    with connect(port) as connection:
        began = time.monotonic()
        got = asks(connection, origin, 40)
        seconds = time.monotonic() - began
        statuses = [answer.status for answer in got]
        equal(statuses[:5], [200] * 5)
        passed = statuses.count(200)
        assert passed <= 5 + 5 * seconds + 1, f"{passed} passed in {seconds:.2f} s"
        refused = [answer for answer in got if answer.status == 429]
        equal(len(refused), 40 - passed)
        assert all(b"\r\nRetry-After: 1\r\n" in answer.head for answer in refused)
        equal(len(origin.heads), passed)
        until(lambda: counted(w, "rate_limited") == len(refused), 5 * w.patience, "all refusals counted")
        until(lambda: len(records(w, "rate_limited")) == len(refused), 5 * w.patience, "all refusals recorded")
        equal({row["status"] for row in records(w, "rate_limited")}, {429})
        time.sleep(1.1)
        equal([answer.status for answer in asks(connection, origin, 5)], [200] * 5)
        w.ctl("server", "set", "acme/p", "requests_per_second=0")
        equal({answer.status for answer in asks(connection, origin, 50)}, {200})
        w.ctl("server", "set", "acme/p", "requests_per_second=1/s")
        equal(sorted({answer.status for answer in asks(connection, origin, 5)}), [200, 429])
        w.ctl("server", "unset", "acme/p", "requests_per_second")
        equal({answer.status for answer in asks(connection, origin, 5)}, {200})


@test("request rate: of the tenant over its servers, of a user; what the user's limit refuses the tenant's keeps")
def nested_rate(w):
    origin = Origin(answer_with())
    port = proxy(w, "http", "--auth", "basic")
    add_quick_users(w, "acme", "bob", "eve")
    w.ctl("user", "set", "acme/bob", "requests_per_second=3")
    bob, eve = basic("bob", "geheim"), basic("eve", "geheim")
    with connect(port) as one, connect(port) as other:
        asks(one, origin, 1, bob), asks(other, origin, 1, eve)  # logged in from here on
        time.sleep(1.1)
        w.ctl("tenant", "set", "acme", "requests_per_second=20")
        statuses = [answer.status for answer in asks(one, origin, 30, bob)]
        equal(statuses[:3], [200] * 3)
        assert statuses.count(200) <= 5, statuses
        statuses = [answer.status for answer in asks(other, origin, 40, eve)]
        assert 16 <= statuses.count(200) <= 30, statuses
        assert 429 in statuses, statuses
    equal(w.json("user", "show", "acme/bob")["requests_per_second"], 3)
    equal(w.json("tenant", "show", "acme")["requests_per_second"], 20)


@test("connection rate on tcp, socks and sni's plain http: refused as by a connection limit, named rate_limited")
def other_rates(w):
    origin = Origin(echo)
    port = proxy(w, "tcp", "--backend", origin.address, "--rate", "3/s")
    time.sleep(1.1)
    began = time.monotonic()
    served = 0
    for _ in range(12):
        try:
            with connect(port) as connection:
                connection.sendall(b"x")
                served += connection.recv(1) == b"x"
        except ConnectionError:
            pass
    most = 3 + 3 * (time.monotonic() - began) + 1
    assert 3 <= served <= most, f"{served} of at most {most:.1f}"
    until(lambda: counted(w, "rate_limited") == 12 - served, 5 * w.patience, "counted")
    before = counted(w, "rate_limited")
    port = proxy(w, "socks", "--rate", "1/s", name="acme/socks", start=False)
    time.sleep(1.1)
    codes = []
    for _ in range(4):
        with connect(port) as connection:
            connection.sendall(b"\5\1\0")
            equal(connection.recv(2), b"\5\0")
            codes.append(socks_connect(connection, origin.port))
    equal((codes[0], codes[1]), (0, 1))
    until(lambda: counted(w, "rate_limited") == before + codes.count(1), 5 * w.patience, "counted")
    before = counted(w, "rate_limited")
    web = Origin(answer_with())
    port = proxy(w, "sni", "--route", f"*={web.address}", "--rate", "2/s", name="acme/sni", start=False)
    time.sleep(1.1)
    closed = sum(exchange(port, client_hello("a.test"), 2, True) == b"" for _ in range(5))
    until(lambda: counted(w, "rate_limited") - before >= 2, 5 * w.patience, f"counted, {closed} closed")
    time.sleep(1.1)
    with connect(port) as connection:
        statuses = [answer.status for answer in asks(connection, web, 6)]
    equal((statuses[:2], statuses[-1]), ([200, 200], 429))


# ---- connections of users ------------------------------------------------------------------------------------------
@test("user connections: over two servers together; 503 and a socks refusal, limit_user; a lower limit ends nobody")
def user_connections(w):
    origin, relayed = Origin(answer_with()), Origin(echo)
    http = proxy(w, "http", "--auth", "basic")
    socks = proxy(w, "socks", "--auth", "basic", name="acme/socks", start=False)
    add_quick_users(w, "acme", "bob", "eve")
    w.ctl("user", "set", "acme/bob", "max_connections=2")
    bob, eve = basic("bob", "geheim"), basic("eve", "geheim")
    first = connect(http)
    equal(asks(first, origin, 2, bob)[1].status, 200)
    second, verdict = socks_login(socks, "bob", "geheim")
    equal((verdict, socks_connect(second, relayed.port)), (b"\1\0", 0))
    with connect(http) as third:
        answer = asks(third, origin, 1, bob)[0]
        equal((answer.status, b"\r\nRetry-After: 1\r\n" in answer.head), (503, True))
        equal(asks(third, origin, 1, eve)[0].status, 200)
    refused, verdict = socks_login(socks, "bob", "geheim")
    equal((verdict, socks_connect(refused, relayed.port)), (b"\1\0", 1))
    refused.close()
    until(lambda: counted(w, "limit_user") == 2, 5 * w.patience, "both counted")
    until(lambda: len(records(w, "limit_user")) == 2, 5 * w.patience, "both recorded")
    w.ctl("user", "set", "acme/bob", "max_connections=1")
    equal(asks(first, origin, 1, bob)[0].status, 200)
    second.sendall(b"still")
    equal(second.recv(5), b"still")
    second.close()
    with connect(http) as more:
        equal(asks(more, origin, 1, bob)[0].status, 503)
    first.close()
    def served():
        with connect(http) as more:
            return asks(more, origin, 1, bob)[0].status == 200
    until(served, 5 * w.patience, "served again")
    w.ctl("user", "set", "acme/bob", "max_connections=0")
    held = [connect(http) for _ in range(10)]
    equal({asks(one, origin, 1, bob)[0].status for one in held}, {200})


# ---- bandwidth -----------------------------------------------------------------------------------------------------
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


@test("bandwidth: tcp (splice) holds within 5 % with 1 and with 50 connections; a neighbour is not slowed", timeout=90, sanitized=False)
def tcp_bandwidth(w):
    origin = Origin(gush)
    port = proxy(w, "tcp", "--backend", origin.address, "--bandwidth", "4MiB/s")
    free = proxy(w, "tcp", "--backend", origin.address, name="acme/free", start=False)
    download(w, "tcp", lambda: connect(port))
    with connect(port) as slow, connect(free) as fast:
        meters = [Meter([slow]), Meter([fast])]
        slow_thread = threading.Thread(target=meters[0].run, args=(2,))
        slow_thread.start()
        speed = meters[1].measure(1.5, 0.2)[0]
        slow_thread.join()
        w.figure(f"neighbour: {speed / MIB:.0f} MiB/s")
        assert speed > 5 * RATE, f"the neighbour got {speed / MIB:.1f} MiB/s"


@test("bandwidth: http downloads hold within 5 % with 1 and with 50 connections", timeout=60, sanitized=False)
def http_download(w):
    origin = Origin(drip(ENDLESS))
    port = proxy(w, "http", "--bandwidth", "4MiB/s")
    def open_one():
        one = connect(port)
        one.sendall(f"GET {origin.url}/ HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        return one
    download(w, "http down", open_one)


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


@test("limits show and are checked: flags, set with units, sentences for what is out of range, sqlite")
def vocabulary(w):
    w.init("acme")
    w.server("http", "acme/p", "--rate", "100/s", "--bandwidth", "10MiB/s")
    shown = w.show("acme/p")
    equal((shown["requests_per_second"], shown["bandwidth_bytes_per_second"]), (100, 10 * MIB))
    w.ctl("server", "set", "acme/p", "bandwidth_bytes_per_second=1MB", "requests_per_second=7")
    shown = w.show("acme/p")
    equal((shown["requests_per_second"], shown["bandwidth_bytes_per_second"]), (7, 1000000))
    w.ctl("server", "set", "acme/p", "bandwidth_bytes_per_second=10", code=2)
    w.ctl("server", "set", "acme/p", "requests_per_second=1000001", code=2)
    w.ctl("tenant", "add", "beta", "--rate", "50", "--bandwidth", "1MiB/s")
    shown = w.json("tenant", "show", "beta")
    equal((shown["requests_per_second"], shown["bandwidth_bytes_per_second"]), (50, MIB))
    w.ctl("user", "add", "acme/bob", "--generate", "--max-connections", "4", "--rate", "2/s", "--bandwidth", "64KiB/s")
    shown = w.json("user", "show", "acme/bob")
    equal([shown[key] for key in ("max_connections", "requests_per_second", "bandwidth_bytes_per_second")], [4, 2, 65536])
    w.ctl("user", "set", "acme/bob", "max_conections=1", code=2)
    w.sqlite("UPDATE users SET max_connections = 9, requests_per_second = 0 WHERE name = 'bob';")
    equal(w.json("user", "show", "acme/bob")["max_connections"], 9)
    w.sqlite("UPDATE user SET bandwidth_bytes_per_second = 5;", code=1)
    equal(w.value("SELECT action FROM audit WHERE object = 'acme/bob' ORDER BY id DESC LIMIT 1"), "user.set")
    w.ctl("server", "clone", "acme/p", "copy", "--port", w.port())
    equal(w.show("acme/copy")["requests_per_second"], 7)


@test("memory: past nine tenths of the limit nobody new is let in, who is there goes on; with room again all may", timeout=90, sanitized=False)
def memory(w):
    w.init("acme", "globex")
    certificate(w, "site", "site.test")
    w.server("https", "globex/s", "--cert", "site.pem", "--key", "site.key")
    port = w.server("https", "acme/s", "--cert", "site.pem", "--key", "site.key", "--max-connections", "0")
    contains(w.ctl("tenant", "set", "acme", "memory_limit_bytes=1MiB", code=(1, 2)).err, "memory_limit_bytes", "8388608")
    w.ctl("tenant", "set", "acme", "memory_limit_bytes=16MiB")
    w.run()
    context, held, refused = client_context(w, None), [], False
    for _ in range(3000):
        try:
            held.append(tls_connect(w, port, "site.test", context))
        except (ConnectionResetError, ssl.SSLError, OSError):
            refused = True
            break
    assert refused and len(held) > 100, len(held)
    until(lambda: w.value("SELECT sum(count) FROM server_reason WHERE reason = 'limit_memory'") not in ("", "0"), 5 * w.patience, "counted")
    rss = int(w.value("SELECT max(rss_bytes) FROM worker WHERE worker_group LIKE 'tenant:%'"))
    with tls_connect(w, int(w.field("globex/s", "bound_port")), "site.test", context) as other:
        other.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        contains(other.recv(100).decode(), "400")
    held[0].sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    contains(held[0].recv(100).decode(), "HTTP/1.1 400")
    for connection in held:
        connection.close()

    def gets_in():
        try:
            tls_connect(w, port, "site.test", context).close()
            return True
        except OSError:
            return False

    until(gets_in, 10 * w.patience, "there is room again")
    w.figure(f"{len(held)} TLS connections in 16 MiB, then refused; worker {rss >> 20} MiB")
