"""The tcp relay: bytes, half-close, balancing, failover, timeouts."""
import os
import socket
import struct
import threading
import time

from harness import connects, contains, equal, test, until
from traffic import Nginx, Origin, connect, curl, echo, exchange, read_all


def relay(w, *flags, threads=0):
    """A running tcp server acme/db; returns its port."""
    w.init("acme")
    w.ctl("tenant", "set", "acme", f"worker_threads={threads}")
    port = w.server("tcp", "acme/db", *flags)
    w.run()
    return port


def named(name):
    """An origin that says its name and closes."""
    def serve(connection, origin):
        connection.sendall(name)
    return serve


@test("bytes pass unchanged both ways, large and small", timeout=60)
def bytes_unchanged(w):
    sink = Origin(echo)
    port = relay(w, "--backend", sink.address)
    data = os.urandom(8 << 20)
    with connect(port, timeout=30) as connection:
        got = []
        reader = threading.Thread(target=lambda: got.append(read_all(connection)))
        reader.start()
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        reader.join(30)
    equal(got[0] == data, True, f"{len(got[0])} of {len(data)} bytes")
    until(lambda: w.show("acme/db")["stats"]["bytes_in"] == len(data), 5 * w.patience, "bytes_in exact")
    until(lambda: w.show("acme/db")["stats"]["bytes_out"] == len(data), 5 * w.patience, "bytes_out exact")
    equal(w.show("acme/db")["stats"]["total_connections"], 1)


@test("half-close: a client that ends its side still gets the answer; a server that ends first too")
def half_close(w):
    def late(connection, origin):
        data = read_all(connection)
        time.sleep(0.2)
        connection.sendall(b"got %d" % len(data))
    sink = Origin(late)
    port = relay(w, "--backend", sink.address)
    equal(exchange(port, b"x" * 1000, half_close=True), b"got 1000")


@test("a reset on one side becomes a reset or end on the other, and the connection is counted closed")
def resets(w):
    sink = Origin(echo)
    port = relay(w, "--backend", sink.address)
    connection = connect(port)
    connection.sendall(b"a")
    equal(connection.recv(1), b"a")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    connection.close()
    until(lambda: w.show("acme/db")["stats"]["active_connections"] == 0, 5 * w.patience, "closed")


@test("round_robin takes each backend in turn, weights count, disabled ones get nothing")
def round_robin(w):
    names = [b"a", b"b", b"c"]
    origins = [Origin(named(n)) for n in names]
    port = relay(w, *[f for o in origins for f in ("--backend", o.address)], threads=1)  # each thread takes its own turns
    got = [exchange(port, b"") for _ in range(9)]
    equal([got.count(n) for n in names], [3, 3, 3])
    w.ctl("backend", "disable", "acme/db", origins[0].address)
    got = [exchange(port, b"") for _ in range(6)]
    equal([got.count(n) for n in names], [0, 3, 3])
    w.ctl("backend", "set", "acme/db", origins[1].address, "weight=3")
    got = [exchange(port, b"") for _ in range(8)]
    equal([got.count(n) for n in names], [0, 6, 2])


@test("a dead backend's connections go to the next one; all dead closes at once", timeout=60)
def failover(w):
    origin, dead = Origin(named(b"alive")), w.port()
    port = relay(w, "--backend", f"127.0.0.1:{dead}", "--backend", origin.address)
    equal([exchange(port, b"") for _ in range(6)], [b"alive"] * 6)
    origin.close()
    origin.socket.close()
    w.ctl("backend", "disable", "acme/db", origin.address)
    began = time.monotonic()
    equal(exchange(port, b"hello"), b"")
    assert time.monotonic() - began < 5


@test("idle_timeout ends a silent connection and nothing else", timeout=30)
def idle(w):
    sink = Origin(echo)
    port = relay(w, "--backend", sink.address, "--idle-timeout", "600ms")
    silent, busy = connect(port), connect(port)
    began = time.monotonic()
    for _ in range(6):
        busy.sendall(b"x")
        equal(busy.recv(1), b"x")
        time.sleep(0.2)
    equal(read_all(silent), b"")
    busy.sendall(b"y")
    equal(busy.recv(1), b"y")
    busy.close()
    assert time.monotonic() - began < 5 * w.patience
    until(lambda: "idle_timeout" in str(w.query("SELECT reason FROM server_reason WHERE count > 0")), 5 * w.patience, "counted")


@test("a client that ended its side and is then reset is noticed at once, not by idle_timeout")
def reset_after_end(w):
    origin = Origin(silent)
    w.init("acme")
    port = w.server("tcp", "acme/db", "--backend", origin.address)
    w.run()
    with connect(port) as connection:
        connection.sendall(b"question")
        connection.shutdown(socket.SHUT_WR)
        until(lambda: origin.received == b"question", 5 * w.patience, "the question came")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    until(lambda: "client_closed" in str(w.query("SELECT reason FROM server_reason WHERE count > 0")), 8 * w.patience, "ended")


def silent(connection, origin):
    """Reads to the end and says nothing for a long time."""
    while data := connection.recv(65536):
        origin.note(data)
    time.sleep(60)


@test("idle_timeout of a client that took not all it was sent is a reset, never an end that looks whole", timeout=30)
def idle_with_bytes_left(w):
    origin = Origin(drip_raw)
    w.init("acme")
    port = w.server("tcp", "acme/db", "--backend", origin.address, "--idle-timeout", "700ms")
    w.run()
    with connect(port, timeout=20) as connection:
        until(lambda: "idle_timeout" in (w.value("SELECT group_concat(reason) FROM server_reason") or ""), 10 * w.patience, "idle", 0.1)
        try:
            while connection.recv(1 << 20):
                pass
            raise AssertionError("an orderly end")
        except ConnectionResetError:
            pass


def drip_raw(connection, origin):
    try:
        while True:
            connection.sendall(bytes(1 << 20))
    except OSError:
        pass


@test("a real web server behind it: curl gets a large file, nginx sees one connection per client")
def nginx_behind(w):
    nginx = Nginx(w)
    nginx.file("big", 64 << 20)
    port = relay(w, "--backend", f"127.0.0.1:{nginx.port}")
    out = curl(w, f"http://127.0.0.1:{port}/big", "-o", w.path("big"), "-w", "%{size_download}")
    equal(out, str(64 << 20))


@test("max_connections: the extra connection is accepted and closed, named limit_server, others go on", threats="flood-connections")
def limit(w):
    sink = Origin(echo)
    port = relay(w, "--backend", sink.address, "--max-connections", "3")
    held = [connect(port) for _ in range(3)]
    for connection in held:
        connection.sendall(b"a")
        equal(connection.recv(1), b"a")
    equal(exchange(port, b"", 5), b"")
    for connection in held:
        connection.sendall(b"b")
        equal(connection.recv(1), b"b")
    until(lambda: "limit_server" in str(w.query("SELECT reason FROM server_reason WHERE count > 0")), 5 * w.patience, "counted")
    equal(connects(port), True)


@test("a tcp server needs a backend; a backend by name is resolved", timeout=40)
def by_name(w):
    origin = Origin(named(b"named"))
    port = relay(w, "--backend", f"localhost:{origin.port}")
    equal(exchange(port, b""), b"named")
    contains(w.ctl("server", "add", "tcp", "none", "-t", "acme", "--port", w.port(), code=(2, 4)).err, "backend")
