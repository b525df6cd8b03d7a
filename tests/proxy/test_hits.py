"""What single rules, users and backends have counted: hits, requests, bytes, when last."""
import socket

from harness import contains, equal, test, until
from logins import add_user, basic, socks_connect, socks_login
from traffic import Origin, answer_with, connect, echo, get


def hits(w):
    return {row["number"]: row["hits"] for row in w.json("acl", "list", "-t", "acme")}


@test("acl list: hits of the rule that decided, once per request or connection, from its beginning")
def rule_hits(w):
    w.init("acme")
    port = w.server("http", "acme/web", "--connect-ports", "*")
    socks = w.server("socks", "acme/socks")
    origin, tunnel = Origin(answer_with()), Origin(echo)
    for words in (["deny", "--to", "denied.test"], ["allow", "--to", "127.0.0.0/8"], ["deny", "--client", "192.0.2.0/24"]):
        w.ctl("acl", "add", *words, "-t", "acme")
    w.run()
    equal(hits(w), {1: 0, 2: 0, 3: 0})
    equal([row["last_hit"] for row in w.json("acl", "list", "-t", "acme")], [None] * 3)
    equal([get(port, "http://denied.test/").status for _ in range(3)], [403] * 3)
    equal([get(port, origin.url + "/").status for _ in range(5)], [200] * 5)
    until(lambda: hits(w) == {1: 3, 2: 5, 3: 0}, 3 * w.patience, "requests are counted")
    with connect(port) as one, connect(socks) as two:
        one.sendall(f"CONNECT 127.0.0.1:{tunnel.port} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        contains(one.recv(100).decode(), "200")
        two.sendall(b"\x05\x01\x00")
        equal(two.recv(2), b"\x05\x00")
        equal(socks_connect(two, tunnel.port), 0)
        until(lambda: hits(w)[2] == 7, 3 * w.patience, "a tunnel is counted when it begins")
    before = w.value("SELECT last_hit FROM rules WHERE number = 2")
    w.ctl("acl", "move", "2", "--before", "1", "-t", "acme")
    equal(get(port, origin.url + "/").status, 200)
    until(lambda: hits(w) == {1: 3, 2: 8, 3: 0}, 3 * w.patience, "counted on after a change, none twice")
    assert w.value("SELECT last_hit FROM rules WHERE number = 2") > before
    contains(w.ctl("acl", "list", "-t", "acme").out, "HITS", "LAST_HIT")
    # Whatever dies, what was counted stays.
    w.kill(w.worker_of("acme"))
    until(lambda: get(port, origin.url + "/"), 5 * w.patience, "the next worker serves")
    w.ctl("daemon", "stop")
    equal(hits(w)[1], 3)
    assert hits(w)[2] >= 9, hits(w)
    equal(w.value("SELECT count(*) FROM tally WHERE incarnation <> ''"), "0")
    contains(w.sqlite("UPDATE tally SET uses = 0", code=1).err, "counted by the workers, never set")
    w.ctl("acl", "remove", "1", "-t", "acme")
    w.run()
    w.ctl("daemon", "stop")
    equal(w.value("SELECT count(*) FROM tally WHERE kind = 'acl'"), "1", "the row goes with its rule")


@test("user list: requests, bytes, errors and when last seen, by user, over http and socks")
def user_counts(w):
    w.init("acme")
    w.allow_loopback("acme")
    port = w.server("http", "acme/web", "--auth", "basic")
    socks = w.server("socks", "acme/socks", "--auth", "basic")
    origin, far = Origin(answer_with(b"x" * 1000)), Origin(echo)
    for name in ("bob", "eve"):
        add_user(w, f"acme/{name}")
    w.run()

    def of(name):
        return next(row for row in w.json("user", "list", "-t", "acme") if row["name"] == name)

    equal([of("bob")[k] for k in ("requests", "last_seen", "bytes_in", "bytes_out", "errors")], [0, None, 0, 0, 0])
    started = w.value("SELECT strftime('%Y-%m-%dT%H:%M:%fZ', 'now')")
    sent = sum(len(get(port, origin.url + "/", more=basic("bob", "geheim")).body) for _ in range(4))
    client, answer = socks_login(socks, "bob", "geheim")
    equal(answer, b"\1\0")
    with client:
        equal(socks_connect(client, far.port), 0)
        until(lambda: of("bob")["requests"] == 5, 3 * w.patience, "a tunnel counts when it begins")
    get(port, origin.url + "/", more=basic("eve", "falsch"))
    until(lambda: of("bob")["bytes_out"] >= sent, 3 * w.patience, "bytes are there")
    assert started <= of("bob")["last_seen"], (started, of("bob"))
    equal(of("eve")["requests"], 0, "a wrong password is nobody's request")
    contains(w.ctl("user", "list", "-t", "acme").out, "REQUESTS", "LAST_SEEN")


@test("backend list: connections now and in all, by backend; failures of the one that is gone")
def backend_counts(w):
    w.init("acme")
    there = Origin(echo)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        gone = closed.getsockname()[1]
        port = w.server("tcp", "acme/db", "--backend", f"127.0.0.1:{there.port}", "--backend", f"127.0.0.1:{gone}")
        w.run()

        def of(one):
            return next(row for row in w.json("backend", "list", "acme/db") if row["backend"].endswith(f":{one}"))

        clients = [connect(port) for _ in range(4)]
        for client in clients:
            client.sendall(b"ping")
            equal(client.recv(4), b"ping")
        until(lambda: of(there.port)["conns"] == 4 and of(there.port)["connections"] == 4, 3 * w.patience, "now and in all")
        until(lambda: of(gone)["failures"] >= 1 and of(gone)["conns"] == 0, 3 * w.patience, "failures")
        for client in clients:
            client.close()
        until(lambda: of(there.port)["conns"] == 0, 3 * w.patience, "none is left")
        equal(of(there.port)["connections"], 4)
        equal(of(there.port)["failures"], 0)
