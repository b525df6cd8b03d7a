"""The document's story from beginning to end with real curl against a real nginx."""
from harness import connects, contains, equal, test, until
from traffic import Nginx, Origin, curl, echo, exchange, through

SERVERS = (("http", "acme/web"), ("http", "acme/api"), ("tcp", "acme/db"), ("http", "globex/web"), ("tcp", "globex/cache"),
           ("http", "initech/web"), ("tcp", "initech/mail"))


@test("three tenants, seven servers: list, by type, stop, restart, bulk, reload, statistics, remove", timeout=90)
def demo_story(w):
    nginx, sink = Nginx(w), Origin(echo)
    w.init("acme", "globex", "initech")
    w.allow_loopback("acme", "globex", "initech")
    ports = {}
    for kind, ref in SERVERS:
        backend = ("--backend", f"127.0.0.1:{nginx.port}" if ref != "globex/cache" else sink.address) if kind == "tcp" else ()
        ports[ref] = w.server(kind, ref, *backend, "--max-connections", "1000")
    w.run()

    # registered and started by itself
    equal({s["status"] for s in w.json("server", "list")}, {"running"})
    equal(len(w.json("server", "list")), 7)
    equal(len(w.json("server", "list", "--type", "tcp")), 3)
    equal(len(w.json("tenant", "servers", "acme")), 3)

    # traffic through every one of them
    for kind, ref in SERVERS:
        for _ in range(3):
            if ref == "globex/cache":
                equal(exchange(ports[ref], b"ping", half_close=True), b"ping")
            elif kind == "tcp":
                equal(curl(w, f"http://127.0.0.1:{ports[ref]}/"), "hello from nginx\n")
            else:
                equal(through(w, ports[ref], nginx.url + "/"), "hello from nginx\n")

    # one server: stop, start, restart
    w.ctl("server", "stop", "acme/web")
    equal((connects(ports["acme/web"]), w.show("acme/web")["status"]), (False, "stopped"))
    w.ctl("server", "start", "acme/web")
    w.ctl("server", "restart", "acme/web")
    equal(through(w, ports["acme/web"], nginx.url + "/"), "hello from nginx\n")

    # a tenant: stop, start, restart
    w.ctl("tenant", "stop", "acme")
    equal([connects(ports[r]) for _, r in SERVERS], [False] * 3 + [True] * 4)
    w.ctl("tenant", "start", "acme")
    w.ctl("tenant", "restart", "acme")
    equal([connects(ports[r]) for _, r in SERVERS], [True] * 7)

    # reload with a new limit
    w.ctl("server", "reload", "acme/web", "max_connections=2000")
    shown = w.show("acme/web")
    equal((shown["max_connections"], shown["status"], shown["observed_generation"]), (2000, "running", shown["generation"]))
    equal(through(w, ports["acme/web"], nginx.url + "/"), "hello from nginx\n")

    # statistics with the document's names
    until(lambda: w.show("acme/web")["stats"]["total_requests"] == 5, 5 * w.patience, "five requests counted")
    stats = w.json("stats", "server", "acme/web")
    stats = stats[0] if isinstance(stats, list) else stats
    for key in ("total_requests", "total_bytes_transferred", "avg_response_time_ms", "error_count"):
        assert key in stats, f"{key} is not in {sorted(stats)}"
    equal((stats["total_requests"], stats["error_count"]), (5, 0))
    assert stats["total_bytes_transferred"] > 500 and stats["avg_response_time_ms"] > 0
    tenant = w.json("stats", "tenant", "acme")
    tenant = tenant[0] if isinstance(tenant, list) else tenant
    equal((tenant["total_servers"], tenant["running_servers"], tenant["active_connections"]), (3, 3, 0))
    assert tenant["total_connections"] >= 9
    totals = w.json("stats", "registry")
    totals = totals[0] if isinstance(totals, list) else totals
    equal([totals[k] for k in ("total_servers", "running_servers", "stopped_servers", "error_servers", "total_tenants")],
          [7, 7, 0, 0, 3])
    contains(w.ctl("status").out, "acme", "globex", "initech", "pid ")
    contains(w.ctl("run", "-d").out, "already running")
    row = w.query("SELECT requests, errors, status FROM servers WHERE tenant='acme' AND name='web'")
    equal(row, [["5", "0", "running"]])

    # remove
    w.ctl("server", "remove", "initech/mail", "--yes")
    equal(connects(ports["initech/mail"]), False)
    w.ctl("tenant", "remove-servers", "acme", "--yes")
    equal(len(w.json("server", "list")), 3)
    w.ctl("tenant", "remove", "globex", "--with-servers", "--yes")
    equal([t["name"] for t in w.json("tenant", "list")], ["acme", "initech"])
    equal([connects(ports[r]) for _, r in SERVERS], [False] * 5 + [True, False])
    w.ctl("daemon", "stop")
    equal(connects(ports["initech/web"]), False)


@test("the issue's own five lines: add, run -d, curl, totals in stats, status and the shell, UPDATE closes the port")
def five_lines(w):
    nginx = Nginx(w)
    w.ctl("init")
    w.ctl("tenant", "add", "acme")
    port = w.server("http", "acme/web")
    w.server("tcp", "acme/db", "--backend", "127.0.0.1:5432")
    contains(w.ctl("run", "-d").out, "2 of 2 servers running")
    contains(through(w, port, nginx.url + "/"), "destination_denied")
    w.allow_loopback("acme")
    until(lambda: through(w, port, nginx.url + "/") == "hello from nginx\n", 2 * w.patience, "the rule is live")
    until(lambda: int(w.value("SELECT requests FROM servers WHERE name='web'")) >= 2, 3 * w.patience, "counted")
    contains(w.ctl("server", "stats", "acme/web").out, "acme")
    contains(w.ctl("status").out, "acme")
    w.sqlite("UPDATE servers SET desired='stopped' WHERE name='web';")
    until(lambda: not connects(port), 0.5 * w.patience, "the port closed", 0.005)
