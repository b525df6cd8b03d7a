"""Checks of backends: what they find, when, who says so, and that clients feel nothing of it."""
import os
import time

from certificates import authority, certificate
from harness import contains, equal, matches, test, until
from traffic import Load, Nginx, Origin, answer_with, connect, echo, exchange, get, header


def backend(w, port):
    return next(row for row in w.json("backend", "list", "acme/db") if row["backend"].endswith(f":{port}"))


def is_state(w, port, state, seconds=10):
    until(lambda: backend(w, port)["health"] == state, seconds * w.patience, state, 0.05)


def balanced(w, kind, *origins, flags=("--health", "tcp", "--health-interval", "200ms"), sets=("slow_start_ms=0",)):
    """A server acme/db in front of `origins` (ports); returns its port."""
    if not os.path.exists(w.db):
        w.init("acme")
    port = w.server(kind, "acme/db", *(word for origin in origins for word in ("--backend", f"127.0.0.1:{origin}")), *flags)
    w.ctl("server", "set", "acme/db", *sets)
    return port


@test("tcp: without any traffic a backend that is gone is down after fall checks, and up after rise; both are told with when, why and who")
def connects(w):
    one, two = Origin(echo), Origin(echo)
    port = balanced(w, "tcp", one.port, two.port, sets=("slow_start_ms=0", "fall=2", "rise=3"))
    w.run()
    is_state(w, one.port, "up")
    is_state(w, two.port, "up")
    began = time.monotonic()
    two.close()
    is_state(w, two.port, "down")
    down_after = time.monotonic() - began
    assert down_after < 3 * w.patience, down_after
    until(lambda: backend(w, two.port)["consecutive_fail"] >= 2, 3 * w.patience, "the check that found it is told")
    row = w.query(f"SELECT last_error, decided_by, last_check_at IS NOT NULL FROM backends WHERE backend LIKE '%:{two.port}'")[0]
    equal([str(value) for value in row], ["connect_refused", "check", "1"])
    event = w.query("SELECT object, health_before, health, detail FROM health_event WHERE health = 'down'")[0]
    equal(list(event), [f"acme/db/127.0.0.1:{two.port}", "up", "down", "connect_refused, found by check"])
    contains(w.ctl("health", "acme/db", "--history").out, f"127.0.0.1:{two.port}", "connect_refused, found by check")
    contains(w.sqlite("SELECT * FROM problems;").out, f"backend 127.0.0.1:{two.port} is down: connect_refused")
    contains(w.ctl("health", "acme/db").out, f"127.0.0.1:{two.port}", "down", "connect_refused")
    # No client is a trial: all go to the one that is there.
    for _ in range(6):
        equal(exchange(port, b"x", half_close=True), b"x")
    equal(backend(w, two.port)["connections"], 0)
    equal(w.value("SELECT count(*) FROM server_reason WHERE reason = 'connect_refused'"), "0")
    revived = Origin(echo, port=two.port)
    is_state(w, two.port, "up")
    assert revived.connections >= 3, revived.connections
    equal(w.query("SELECT health, detail FROM health_event ORDER BY id DESC LIMIT 1")[0][0], "up")
    w.figure(f"down {down_after:.2f} s after it went, checks every 0.2 s, fall 2")


@test("http: the path, the host and the status that is good; TLS with verification where the backend has it")
def asks(w):
    status = [b"200 OK"]

    def answer(connection, origin):
        answer_with(status=status[0])(connection, origin)

    origin = Origin(answer)
    balanced(w, "http", origin.port, flags=("--health", "http", "--health-path", "/healthz?x=1", "--health-interval", "200ms"))
    w.run()
    is_state(w, origin.port, "up")
    head = origin.heads[0].decode()
    matches(head, r"^GET /healthz\?x=1 HTTP/1.1\r\n")
    equal(header(origin.heads[0], "host"), f"127.0.0.1:{origin.port}")
    equal(header(origin.heads[0], "connection"), "close")
    status[0] = b"503 Service Unavailable"
    is_state(w, origin.port, "down")
    equal(backend(w, origin.port)["last_error"], "status 503")
    w.ctl("server", "set", "acme/db", "health_status=503")
    is_state(w, origin.port, "up")
    w.ctl("server", "set", "acme/db", "health_status=")
    is_state(w, origin.port, "down")
    status[0] = b"103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 204 No Content"
    is_state(w, origin.port, "up")
    equal(w.show("acme/db")["status"], "running")
    contains(w.ctl("server", "set", "acme/db", "health_path=x y", code=2).err, "health_path")
    contains(w.ctl("server", "set", "acme/db", "health_type=ping", code=2).err, "one of http none tcp tls")


@test("tls: a handshake is asked for; a port that speaks something else is down, with the reason")
def handshakes(w):
    w.init("acme")
    authority(w)
    certificate(w, "site", "site.test")
    secure = w.server("https", "acme/site", "--cert", "site.pem", "--key", "site.key")
    plain = Origin(answer_with(status=b"400 Bad Request"))
    balanced(w, "tcp", secure, plain.port, flags=("--health", "tls", "--health-interval", "200ms"),
             sets=("slow_start_ms=0", "health_timeout_ms=500"))
    w.run()
    is_state(w, secure, "up")
    is_state(w, plain.port, "down")
    equal(backend(w, plain.port)["decided_by"], "check")
    # Verified where clients would be: nobody here trusts that authority.
    w.ctl("backend", "set", "acme/db", f"127.0.0.1:{secure}", "tls=on")
    is_state(w, secure, "down")
    contains(backend(w, secure)["last_error"], "certificate")
    w.ctl("backend", "set", "acme/db", f"127.0.0.1:{secure}", f"tls_ca_path={w.path('authority.pem')}", "tls_server_name=site.test")
    is_state(w, secure, "up")


@test("none: nobody connects unasked; --now asks those that are checked, and waits for what they say")
def asked_now(w):
    quiet, checked = Origin(echo), Origin(echo)
    w.init("acme")
    w.server("tcp", "acme/quiet", "--backend", quiet.address)
    balanced(w, "tcp", checked.port, flags=("--health", "tcp", "--health-interval", "1h"))
    w.run()
    is_state(w, checked.port, "up")
    before = checked.connections
    rows = w.json("health", "--now")
    assert checked.connections > before
    row = next(row for row in rows if row["backend"] == checked.address)
    equal([row["server"], row["status"], row["fails"]], ["acme/db", "up", 0])
    assert row["checked"] and row["latency_ms"] >= 0, row
    equal(quiet.connections, 0)
    checked.close()
    for _ in range(3):
        w.ctl("health", "--now")
    row = next(row for row in w.json("health") if row["backend"] == checked.address)
    equal([row["status"], row["detail"]], ["down", "connect_refused"])
    w.ctl("backend", "disable", "acme/db", checked.address)
    equal(next(row for row in w.json("health") if row["backend"] == checked.address)["status"], "disabled")


@test("a backend that wants the PROXY protocol gets a header that says the connection is ours alone")
def local_header(w):
    received = []

    def keep(connection, origin):
        received.append(connection.recv(100))

    origin = Origin(keep)
    balanced(w, "tcp", origin.port, sets=("proxy_protocol_out=v1",))
    w.run()
    until(lambda: b"PROXY UNKNOWN\r\n" in received, 5 * w.patience, "version 1")
    w.ctl("server", "set", "acme/db", "proxy_protocol_out=v2")
    until(lambda: b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0" in received, 5 * w.patience, "version 2")


@test("500 requests a second over two backends, one is killed: no client error, its share moves; it comes back slowly", timeout=90)
def failover(w):
    one, two = Nginx(w), Nginx(w)
    port = balanced(w, "http", one.port, two.port, flags=("--health", "http", "--health-interval", "1s"), sets=("slow_start_ms=4000",))
    w.run()
    is_state(w, two.port, "up")
    load = Load(port, f"http://127.0.0.1:{port}/", threads=4)
    until(lambda: load.done > 2000, 20 * w.patience, "load")
    two.process.terminate()  # closes all connections at once, its workers too
    two.process.wait()
    killed = time.monotonic()
    is_state(w, two.port, "down", 15)
    seen = time.monotonic() - killed
    reached = load.done
    until(lambda: load.done > reached + 1000, 20 * w.patience, "all of it at the other")
    reborn = Nginx(w, port=two.port)
    is_state(w, two.port, "up", 20)
    count = lambda: {row["backend"].split(":")[1]: row["connections"] for row in w.json("backend", "list", "acme/db")}  # noqa: E731
    first = count()
    time.sleep(1)
    early = count()
    time.sleep(5)
    middle = count()
    time.sleep(1.5)
    late = count()
    load.stop()
    equal(load.errors, [])

    def share(before, after):
        mine, all_of_it = (after[str(two.port)] - before[str(two.port)]), sum(after.values()) - sum(before.values())
        return mine / max(all_of_it, 1)

    slow, whole = share(first, early), share(middle, late)
    assert slow < 0.35 < whole, (slow, whole)
    w.figure(f"{load.done} requests, no error; down {seen:.2f} s after the kill; share {slow:.2f} in the first second, {whole:.2f} later")
    assert reborn.process.poll() is None


@test("100 backends checked every second cost less than 1 % of a core", timeout=60, sanitized=False)
def cost(w):
    origins = [Origin(echo) for _ in range(4)]
    w.init("acme")
    for n in range(25):
        w.ctl("server", "add", "tcp", f"s{n}", "-t", "acme", "--port", w.port(), "--health", "tcp", "--health-interval", "1s",
              *(word for origin in origins for word in ("--backend", origin.address)))
    w.run()
    until(lambda: w.value("SELECT count(*) FROM backend_state WHERE state = 'up'") == "100", 20, "all are up")
    worker = w.worker_of("acme")

    def used():
        with open(f"/proc/{worker}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), sum(origin.connections for origin in origins)

    (before, checks), began = used(), time.monotonic()
    time.sleep(10)
    (after, later), took = used(), time.monotonic() - began
    share = (after - before) / took
    rate = (later - checks) / took
    w.figure(f"{rate:.0f} checks/s, {100 * share:.2f} % of a core, {1e6 * share / rate:.0f} us each")
    assert 80 < rate < 125, rate
    assert share < 0.01, share


@test("new tcp connections while a backend dies: each client gets the other one")
def failover_tcp(w):
    one, two = Origin(echo), Origin(echo)
    port = balanced(w, "tcp", one.port, two.port)
    w.run()
    is_state(w, two.port, "up")
    two.close()
    for _ in range(40):
        equal(exchange(port, b"hello", half_close=True), b"hello")
    is_state(w, two.port, "down")
    with connect(port) as kept:
        kept.sendall(b"stay")
        equal(kept.recv(4), b"stay")
        w.ctl("backend", "drain", "acme/db", one.address)
        kept.sendall(b"more")
        equal(kept.recv(4), b"more", "draining ends nobody")
    try:
        equal(exchange(port, b"x", half_close=True), b"", "nobody is left for new ones")
    except ConnectionResetError:
        pass
