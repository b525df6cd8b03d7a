"""Health of listeners and of backends, written back and shown everywhere."""
import datetime
import os
import signal

from certificates import authority, certificate
from harness import contains, equal, test, until
from traffic import Origin, echo


@test("every running listener is polled: healthy, with time and latency, in list, show, health and views")
def healthy(w):
    w.init("acme")
    w.ctl("config", "set", "health_interval_ms=500")
    w.server("http", "acme/web")
    w.server("http", "acme/off", "--no-start")
    w.run()
    until(lambda: w.show("acme/web")["health"]["status"] == "healthy", 10 * w.patience, "healthy", 0.1)
    health = w.show("acme/web")["health"]
    assert health["checked_at"] and 0 < health["latency_ms"] < 1000, health
    rows = w.json("health")
    equal([r["status"] for r in rows if r["server"] == "acme/web"], ["healthy"])
    contains(w.ctl("server", "list").out, "healthy")
    equal(w.value("SELECT status FROM health WHERE server='acme/off'") in ("unknown", "-"), True)
    first = health["checked_at"]
    until(lambda: w.show("acme/web")["health"]["checked_at"] > first, 5 * w.patience, "polled again", 0.1)
    stats = w.show("acme/web")["stats"]
    equal((stats["total_connections"], stats["total_requests"]), (0, 0), "probes are not counted")


@test("a worker that hangs is unhealthy, the command exits 1, a health event is written; it recovers", timeout=60)
def hanging_worker(w):
    w.init("acme")
    w.ctl("config", "set", "health_interval_ms=500")
    w.server("http", "acme/web")
    w.run()
    until(lambda: w.show("acme/web")["health"]["status"] == "healthy", 10 * w.patience, "healthy", 0.1)
    worker = w.worker_of("acme")
    os.kill(worker, signal.SIGSTOP)
    try:
        until(lambda: w.show("acme/web")["health"]["status"] == "unhealthy", 30 * w.patience, "unhealthy", 0.2)
        w.ctl("health", code=1)
        contains(str(w.query("SELECT health FROM health_event")), "unhealthy")
        contains(str(w.query("SELECT problem FROM problems")), "unhealthy")
    finally:
        os.kill(worker, signal.SIGCONT)
    until(lambda: w.show("acme/web")["health"]["status"] == "healthy", 20 * w.patience, "healthy again", 0.2)


@test("health_check off: nothing is polled; --now asks the daemon")
def switched_off(w):
    w.init("acme")
    w.server("http", "acme/web")
    w.run("--no-health-check")
    equal(w.show("acme/web")["health"]["status"], "unknown")
    w.ctl("health", "--now")
    until(lambda: w.show("acme/web")["health"]["status"] == "healthy", 10 * w.patience, "probed once", 0.1)


@test("a backend that refuses is down in backend list and problems, and up again after it comes back", timeout=60)
def backend_down(w):
    w.init("acme")
    sink = Origin(echo)
    dead = w.port()
    w.ctl("config", "set", "health_interval_ms=500")
    port = w.server("tcp", "acme/db", "--backend", sink.address, "--backend", f"127.0.0.1:{dead}")
    w.run()
    from traffic import exchange
    for _ in range(8):
        equal(exchange(port, b"x", half_close=True), b"x")
    down = lambda: w.query(f"SELECT health FROM backends WHERE backend='127.0.0.1:{dead}'")[0][0]  # noqa: E731
    until(lambda: down() == "down", 10 * w.patience, "down", 0.1)
    contains(str(w.query("SELECT problem FROM problems")), f"127.0.0.1:{dead} is down")
    revived = Origin(echo, port=dead)
    until(lambda: [exchange(port, b"x", half_close=True), down()][1] == "up", 45 * w.patience, "up again", 0.2)
    assert revived.connections > 0


@test("a certificate that ends within 30 days makes its server degraded, with the day; a longer one heals it")
def ending_certificate(w):
    authority(w)
    certificate(w, "site", "example.test", days=10)
    certificate(w, "fresh", "example.test", days=90)
    w.init("acme")
    w.ctl("config", "set", "health_interval_ms=300")
    w.server("https", "acme/s", "--cert", w.path("site.pem"), "--key", w.path("site.key"))
    w.run()
    until(lambda: w.show("acme/s")["health"]["status"] == "degraded", 10 * w.patience, "degraded", 0.1)
    day = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=10)).strftime("%Y-%m-%d")
    contains(w.show("acme/s")["health"]["detail"], "certificate expires on " + day)
    contains(w.sqlite("SELECT * FROM problems;").out, "acme/s", "expires on")
    contains(w.ctl("health", "acme/s").out, "degraded")
    for kind in ("pem", "key"):
        os.replace(w.path(f"fresh.{kind}"), w.path(f"site.{kind}"))
    w.ctl("server", "reload", "acme/s")
    until(lambda: w.show("acme/s")["health"]["status"] == "healthy", 10 * w.patience, "healthy again", 0.1)
