"""Reload touches only what changed: neighbours and open connections live on; a failing reload keeps the old one."""
import socket
import threading

from harness import connects, contains, equal, test, until
from traffic import Origin, answer_with, connect, echo, read_answer


def keep_alive(port, url):
    """An open keep-alive connection that has done one request."""
    connection = connect(port)
    ask(connection, url)
    return connection


def ask(connection, url):
    connection.sendall(f"GET {url} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    answer, _ = read_answer(connection)
    assert answer is not None and answer.status == 200, str(answer)


@test("reload with 100 connections on neighbours and 20 on itself: none dropped", timeout=60)
def reload_drops_nothing(w):
    w.init("acme", "globex")
    w.allow_loopback("acme", "globex")
    web, api, relay = w.server("http", "acme/web"), w.server("http", "acme/api"), Origin(echo)
    db = w.server("tcp", "acme/db", "--backend", relay.address)
    other = w.server("http", "globex/web")
    origin = Origin(answer_with())
    w.run()
    http = [keep_alive(api, origin.url + "/") for _ in range(40)] + [keep_alive(other, origin.url + "/") for _ in range(20)]
    own = [keep_alive(web, origin.url + "/") for _ in range(20)]
    tcp = [connect(db) for _ in range(40)]
    workers = w.query("SELECT worker_group, pid FROM worker ORDER BY 1")
    for limit in (500, 501, 502):
        w.ctl("server", "reload", "acme/web", f"max_connections={limit}")
        for connection in tcp:
            connection.sendall(b"still here")
            equal(connection.recv(100), b"still here")
        for connection in http + own:
            ask(connection, origin.url + "/")
    equal(w.query("SELECT worker_group, pid FROM worker ORDER BY 1"), workers, "the same workers")
    equal(w.show("acme/web")["observed_generation"], w.show("acme/web")["generation"])
    for connection in http + own + tcp:
        connection.close()


@test("a failing reload keeps the old one serving and exits 1 with the reason")
def failing_reload(w):
    w.init("acme")
    w.allow_loopback("acme")
    port = w.server("http", "acme/web")
    origin = Origin(answer_with())
    w.run()
    own = keep_alive(port, origin.url + "/")
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        busy = w.port()
        holder.bind(("127.0.0.1", busy))
        holder.listen(4)
        result = w.ctl("server", "reload", "acme/web", f"listen_port={busy}", code=1)
        contains(result.err, str(busy), "in use")
        ask(own, origin.url + "/")
        equal(connects(port), True, "the old port serves")
        contains(str(w.query("SELECT problem FROM problems")), str(busy))
    until(lambda: w.show("acme/web")["bound_port"] == busy, 35, "moved by itself once the port is free", 0.2)
    ask(own, origin.url + "/")


@test("a changed port binds the new one before the old one closes; open connections go on")
def rebind(w):
    w.init("acme")
    w.allow_loopback("acme")
    port, second = w.server("http", "acme/web"), w.port()
    origin = Origin(answer_with())
    w.run()
    own = keep_alive(port, origin.url + "/")
    w.ctl("server", "set", "acme/web", f"listen_port={second}")
    equal((connects(second), connects(port)), (True, False))
    ask(own, origin.url + "/")


@test("reload -f replaces the configuration by a file; what changed is printed")
def reload_from_file(w):
    import json
    w.init("acme")
    port = w.server("http", "acme/web")
    w.run()
    path = w.write("new.json", json.dumps({"max_connections": 2000, "description": "updated"}))
    result = w.ctl("server", "reload", "acme/web", "-f", path)
    contains(result.out + result.err, "max_connections: 1000 -> 2000", "description")
    shown = w.show("acme/web")
    equal((shown["max_connections"], shown["description"], connects(port)), (2000, "updated", True))
    w.ctl("server", "reload", "acme/web", "-f", w.write("bad.json", '{"max_conections": 1}'), code=2)
    w.ctl("server", "reload", "acme/web", "-f", w.write("worse.json", '{"max_connections": '), code=2)
    equal(w.show("acme/web")["max_connections"], 2000)


@test("a lowered limit holds for new connections at once, open ones stay")
def lowered_limit(w):
    w.init("acme")
    w.allow_loopback("acme")
    port = w.server("http", "acme/web")
    origin = Origin(answer_with())
    w.run()
    held = [keep_alive(port, origin.url + "/") for _ in range(5)]
    w.ctl("server", "set", "acme/web", "max_connections=5")
    with connect(port) as extra:
        extra.sendall(f"GET {origin.url}/ HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        try:
            answer, _ = read_answer(extra)
        except ConnectionError:
            answer = None
        assert answer is None or answer.status == 503, str(answer)
    for connection in held:
        ask(connection, origin.url + "/")
    until(lambda: w.show("acme/web")["stats"].get("refused_connections", 1) >= 1, 5 * w.patience, "refusal counted")
    contains(str(w.query("SELECT reason FROM server_reason")), "limit_server")
    held[0].close()
    until(lambda: can_ask(port, origin.url), 3, "room again")


def can_ask(port, url):
    try:
        with connect(port) as connection:
            ask(connection, url + "/")
        return True
    except (AssertionError, OSError):
        return False


@test("restart keeps the port: no connect is refused, old transfers finish")
def restart_keeps_port(w):
    w.init("acme")
    w.allow_loopback("acme")
    port = w.server("http", "acme/web")
    origin = Origin(answer_with())
    w.run()
    refused, stop = [], threading.Event()

    def knock():
        while not stop.is_set():
            try:
                socket.create_connection(("127.0.0.1", port), 3).close()
            except OSError as error:
                refused.append(str(error))
            stop.wait(0.001)

    thread = threading.Thread(target=knock)
    thread.start()
    for _ in range(3):
        w.ctl("server", "restart", "acme/web")
    stop.set()
    thread.join()
    equal(refused, [])
    equal(can_ask(port, origin.url), True)
