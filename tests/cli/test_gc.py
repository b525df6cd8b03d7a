"""What is removed by itself, what gc removes, and what stays."""
import os
import time

from harness import contains, equal, test, until


def age(w, table, days, rows):
    """`rows` old rows, written as the daemon writes them."""
    w.sqlite(f"INSERT INTO audit_context(id,actor,via) VALUES(1,'test','daemon');"
             f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < {rows})"
             f"INSERT INTO {table[0]}({table[1]}, at) SELECT {table[2]}, strftime('%Y-%m-%dT%H:%M:%fZ','now','-{days} days') FROM n;"
             f"DELETE FROM audit_context;")


EVENT = ("event", "kind, object", "'limit', 'x'")
HEALTH = ("health_event", "server_id, object, health_before, health", "'x', 'x', 'up', 'down'")


def counts(w):
    return [int(w.value(f"SELECT count(*) FROM {table}")) for table in ("event", "health_event")]


def old_log(w, path, days=40, size=1000):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.truncate(size)
    then = time.time() - days * 86400
    os.utime(path, (then, then))


@test("gc: events, health history and rotated logs older than retention.* go, with -n nothing; logs in use and the young stay")
def command(w):
    w.init("acme")
    age(w, EVENT, 31, 7)
    age(w, HEALTH, 31, 3)
    age(w, EVENT, 29, 2)
    folder = w.db + ".log"
    gone = [f"{folder}/acme/access.log.1", f"{folder}/daemon.log-20200101.gz"]
    kept = [f"{folder}/acme/access.log", f"{folder}/daemon.log", f"{folder}/acme/notes.txt"]
    for path in gone + kept:
        old_log(w, path)
    young = f"{folder}/acme/access.log.2"
    old_log(w, young, days=1)
    before = counts(w)
    rows = {row["what"]: (row["count"], row["bytes"]) for row in w.json("gc", "-n")}
    equal(rows, {"servers": (0, None), "events": (7, None), "health_events": (3, None), "audit_rows": (0, None), "logs": (2, 2000)})
    equal(counts(w), before)
    assert all(os.path.exists(path) for path in gone)
    contains(w.ctl("gc").out, "WHAT", "COUNT", "BYTES")
    equal(counts(w), [before[0] - 7, before[1] - 3])
    equal([os.path.exists(path) for path in (*gone, *kept, young)], [False, False, True, True, True, True])
    equal([row["count"] for row in w.json("gc")], [0] * 5)
    w.ctl("config", "set", "retention.events=0")
    age(w, EVENT, 4000, 1)
    w.ctl("gc")
    equal(counts(w), [before[0] - 6, before[1] - 3], "0 keeps for ever")
    contains(w.ctl("config", "set", "retention.events=soon", code=2).err, "retention.events")


@test("gc: audit rows go by the chain's rules, and leave a row that says so")
def audit_rows(w):
    w.init("acme")
    w.run()
    until(lambda: w.value("SELECT count(*) FROM audit WHERE coalesce(seal, '') = ''") == "0", 5 * w.patience, "sealed")
    w.ctl("daemon", "stop")
    w.ctl("config", "set", "retention.audit=1")  # one millisecond
    equal(next(row["count"] for row in w.json("gc") if row["what"] == "audit_rows"), 0, "not before a day's worth is there")
    w.ctl("audit", "verify")


@test("gc --servers-stopped-for: those that were told to stop long ago, their totals stay with the tenant")
def servers(w):
    w.init("acme", "globex")
    for ref in ("acme/old", "globex/old"):
        w.server("http", ref, "--no-start")
    w.server("http", "acme/busy")
    time.sleep(3)
    w.server("http", "acme/young", "--no-start")
    flags = ["--servers-stopped-for", "2s", "-t", "acme"]
    equal(next(row["count"] for row in w.json("gc", "-n", *flags) if row["what"] == "servers"), 1)
    w.ctl("gc", *flags, code=11)
    w.ctl("gc", "--servers-stopped-for", "2s", "-t", "acme", "--yes")
    equal([row["name"] for row in w.json("server", "list", "-t", "acme")], ["busy", "young"])
    equal([row["name"] for row in w.json("server", "list", "-t", "globex")], ["old"])
    contains(w.ctl("audit", "list").out, "server.remove")


@test("the daemon removes by itself, some thousand rows at a time, and says so in its log")
def by_itself(w):
    w.init("acme")
    age(w, EVENT, 31, 12_000)
    old = w.db + ".log/acme/access.log.9"
    old_log(w, old)
    w.run()
    until(lambda: counts(w)[0] < 1000, 30 * w.patience, "all are gone", 0.2)
    until(lambda: not os.path.exists(old), 5 * w.patience, "the log too")
    with open(w.db + ".log/daemon.log", encoding="utf-8") as log:
        contains(log.read(), "removed what is older than retention.*", "events=5000")
