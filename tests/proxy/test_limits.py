"""Limits: requests per second, connections of users and backends, memory; live, counted, recorded."""
import contextlib
import json
import os
import ssl
import threading
import time

from certificates import certificate, client_context, client_hello, tls_connect
from harness import contains, equal, test, until
from limits import MIB, asks, proxy
from logins import add_quick_users, basic, counted, socks_connect, socks_login
from traffic import Origin, answer_with, connect, echo, exchange, read_answer, read_head


def records(w, reason):
    path = os.path.join(w.value("SELECT log_dir FROM daemon"), "acme", "access.log")
    with open(path, encoding="utf-8") as file:
        return [row for row in map(json.loads, file) if row["reason"] == reason]


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


# ---- connections of backends ---------------------------------------------------------------------------------------
@test("backend connections: what comes when all are full waits in order and loses nothing; too long is limit_backend, recorded", timeout=60)
def backend_connections(w):
    now, most, lock = [0], [0], threading.Lock()

    def work(connection, origin):
        while read_head(connection)[0]:
            with lock:
                now[0] += 1
                most[0] = max(most[0], now[0])
            time.sleep(0.05)
            with lock:
                now[0] -= 1
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    one, other = Origin(work), Origin(work)
    port = proxy(w, "http", "--backend", f"{one.address},max=1", "--backend", f"{other.address},max=1", threads=1)
    statuses = []

    def ask():
        with connect(port) as connection:
            for _ in range(3):
                connection.sendall(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
                statuses.append(read_answer(connection)[0].status)

    clients = [threading.Thread(target=ask) for _ in range(12)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    equal((statuses, most[0]), ([200] * 36, 2))
    w.ctl("server", "set", "acme/p", "connection_timeout_ms=300")
    clients = [threading.Thread(target=ask) for _ in range(30)]
    del statuses[:]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    refused = statuses.count(503)
    equal(sorted(set(statuses)), [200, 503])
    until(lambda: counted(w, "limit_backend") == refused, 5 * w.patience, "all counted")
    until(lambda: len(records(w, "limit_backend")) == refused, 5 * w.patience, "all recorded")
    equal(most[0], 2)
    took = [row["duration_us"] / 1000 for row in records(w, "limit_backend")]
    assert min(took) >= 300 and max(took) <= 430 * w.patience, (min(took), max(took))
    w.figure(f"of 90 requests of 30 clients at 40/s {refused} refused after {min(took):.0f} to {max(took):.0f} ms")


@test("what limits refuse shows in problems, status, doctor and view refusals, with what to type; explain names the limits")
def shown_refusals(w):
    origin = Origin(echo)
    port = proxy(w, "tcp", "--backend", origin.address, "--max-connections", "1", "--bandwidth", "1MiB/s")
    equal(w.query("SELECT * FROM problems"), [])
    contains(w.ctl("doctor", "limits.refusals").out, "no limit turned anybody away")
    with connect(port) as one:
        one.sendall(b"x")
        equal(one.recv(1), b"x")
        with contextlib.suppress(ConnectionResetError), connect(port) as other:
            equal(other.recv(1), b"")
        until(lambda: counted(w, "limit_server") == 1, 5 * w.patience, "counted")
        shown = w.ctl("explain", "acme/p", code=1).out
        contains(shown, "1 of 1 connections", "server: 1.0M/s", "deny: limit_server")
    [problem] = w.query("SELECT * FROM problems")
    equal(problem, ["warning", "acme/p", "turns clients away: the server has all its connections (limit_server), once so far, in this minute too",
                               "arcusctl server set acme/p max_connections=N"])
    contains(w.ctl("status").out, "turns clients away")
    contains(w.ctl("doctor", "limits.refusals").out, "acme/p turned clients away within the hour", "arcusctl server set acme/p max_connections=N")
    # Counted again after the daemon was here twice: the time stays that of the refusal.
    at = w.value("SELECT last_at FROM refusals")
    w.ctl("server", "restart", "acme/p")
    w.wait_status("acme/p", "running")
    equal(w.value("SELECT count || ' ' || last_at FROM refusals"), f"1 {at}")
    w.ctl("tenant", "set", "acme", "max_connections=7", "requests_per_second=50")
    until(lambda: w.value("SELECT conns FROM servers").startswith("0"), 5 * w.patience, "nobody is connected")
    contains(w.ctl("explain", "acme/p").out, "tenant: 0 of 7 connections, 50 requests/s")


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
