"""What exit 0 promises: it survives kill -9 of anything, it reached the disk, and many writers never lose or show an error."""
import random
import re
import subprocess
import threading
import time

import processes
from harness import connects, equal, test, until
from traffic import Load, Origin, answer_with

KILLS = 50


class Writer(threading.Thread):
    """Adds tenants one after the other; remembers what was acknowledged and every error shown."""

    def __init__(self, w, prefix):
        super().__init__(daemon=True)
        self.w, self.prefix = w, prefix
        self.acknowledged, self.errors, self.stopping = [], [], False

    def run(self):
        number = 0
        while not self.stopping:
            name = f"{self.prefix}{number}"
            number += 1
            result = self.w.ctl("tenant", "add", name, code=None)
            if result.code == 0:
                self.acknowledged.append(name)
            else:
                self.errors.append((name, result.code, result.err))


@test("kill -9 of the daemon 50 times during writes and traffic: nothing acknowledged is lost, totals stay exact", threats="crash-daemon",
      serial=True, timeout=400, sanitized=False)
def kill_daemon_often(w):
    w.init("acme")
    port = w.server("http", "acme/web")
    w.allow_loopback("acme")
    w.ctl("config", "set", "drain_timeout_ms=2000")
    origin = Origin(answer_with(b"x" * 300))
    daemon = w.run()
    writer = Writer(w, "t")
    writer.start()
    load = Load(port, origin.url + "/", threads=2)
    generator = random.Random(20261122)
    longest = 0.0
    for kill in range(KILLS):
        time.sleep(generator.uniform(0.0, 0.25))
        workers = w.workers(daemon)
        w.kill(daemon)
        for worker in workers:
            assert processes.wait_gone(worker, 4), "a worker outlived drain_timeout"
        w.ctl("db", "check")
        began = time.monotonic()
        daemon = w.run()
        longest = max(longest, time.monotonic() - began)
        equal(connects(port), True, f"restored after kill {kill}")
    writer.stopping = True
    writer.join(20)
    load.stop()
    time.sleep(1.5)  # the last flush of the running worker is a second away at most
    equal(writer.errors, [], "errors shown to the writer")
    names = {t["name"] for t in w.json("tenant", "list")}
    lost = set(writer.acknowledged) - names
    equal(lost, set(), "acknowledged and lost")
    total = int(w.value("SELECT total_requests FROM server_full WHERE name='web'"))
    w.figure(f"{KILLS} kills: {len(writer.acknowledged)} acknowledged changes, 0 lost; {load.done} answers complete, "
             f"{total} counted; slowest run -d {longest * 1000:.0f} ms")
    assert total >= load.done, f"{load.done} complete answers, only {total} counted"
    assert total <= len(origin.heads) + KILLS, f"{total} counted, {len(origin.heads)} reached the origin"


@test("kill -9 of a command at random instants: all or nothing, the next command works", threats="crash-command", timeout=120, sanitized=False)
def kill_commands(w):
    w.init("acme")
    generator = random.Random(7)
    acknowledged = []
    for number in range(100):
        process = w.popen("server", "add", "http", f"s{number}", "-t", "acme", "--port", 0, "--label", "a=b", "--no-wait")
        time.sleep(generator.uniform(0, 0.012))
        process.kill()
        process.communicate()
        if process.returncode == 0:
            acknowledged.append(f"s{number}")
    names = {s["name"] for s in w.json("server", "list")}
    equal(set(acknowledged) - names, set())
    audited = {row[0] for row in w.query("SELECT object FROM audit WHERE action='server.add'")}
    equal(audited, {f"acme/{n}" for n in names}, "a change and its audit row stand or fall together")
    w.ctl("db", "check")
    equal(w.value("SELECT count(*) FROM audit_context"), "0")


@test("an fsync or fdatasync before every acknowledgement, seen by strace", sanitized=False)
def fsync_before_exit(w):
    w.need("strace")
    w.init("acme")
    for args in (("tenant", "add", "globex"), ("server", "add", "http", "web", "-t", "acme", "--port", w.port(), "--no-start"),
                 ("server", "set", "acme/web", "max_connections=9"), ("server", "remove", "acme/web", "--yes")):
        trace = w.path("trace")
        done = subprocess.run(["strace", "-f", "-y", "-e", "trace=fsync,fdatasync,pwrite64,write", "-o", trace, w.binary,
                               *map(str, args)], env=w.env, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if "ptrace" in done.stderr and done.returncode != 0:
            from harness import Skip
            raise Skip("strace may not trace here")
        equal(done.returncode, 0, done.stderr)
        lines = open(trace, encoding="utf-8", errors="replace").read().splitlines()
        syncs = [i for i, line in enumerate(lines) if re.search(r"f(data)?sync\(\d+<[^>]*-wal>\) *= 0", line)]
        writes = [i for i, line in enumerate(lines) if re.search(r"pwrite64\(\d+<[^>]*-wal>", line)]
        shown = [i for i, line in enumerate(lines) if re.search(r" write\(1<", line)]
        assert syncs and writes and syncs[-1] > max(i for i in writes if i < syncs[-1]), f"{args}: no sync of the WAL"
        assert max(writes) < syncs[-1], f"{args}: written after the last sync"
        assert not shown or shown[0] > syncs[0], f"{args}: printed before the sync"


@test("two CLIs, one db shell and the daemon write for 10 s: no error shown, nothing lost", serial=True, timeout=90,
      sanitized=False)
def concurrent_writers(w):
    w.init("acme")
    port = w.server("http", "acme/web")
    w.allow_loopback("acme")
    origin = Origin(answer_with())
    w.run()
    load = Load(port, origin.url + "/", threads=2)
    writers = [Writer(w, "a"), Writer(w, "b")]
    for writer in writers:
        writer.start()
    shell = subprocess.Popen([w.binary, "db", "shell"], env=w.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True)
    until_time = time.monotonic() + 10
    sent = 0
    while time.monotonic() < until_time:
        shell.stdin.write(f"UPDATE server SET description='{sent}' WHERE name='web';\n")
        shell.stdin.flush()
        sent += 1
        time.sleep(0.01)
    _, shell_errors = shell.communicate(timeout=20)
    for writer in writers:
        writer.stopping = True
        writer.join(20)
    load.stop()
    equal([e for writer in writers for e in writer.errors], [])
    equal((shell.returncode, "rror" in shell_errors), (0, False), shell_errors)
    names = {t["name"] for t in w.json("tenant", "list", "-o", "json")}
    acknowledged = [n for writer in writers for n in writer.acknowledged]
    equal(set(acknowledged) - names, set())
    equal(w.value("SELECT description FROM server WHERE name='web'"), str(sent - 1))
    equal(w.value("SELECT count(*) FROM audit WHERE via='sql'"), str(sent))
    equal(load.errors, [])
    w.ctl("db", "check")
    w.figure(f"10 s: {len(acknowledged)} commands, {sent} shell updates, {load.done} requests, no error")


@test("a reader that holds the file open does not stop writers; a stopped writer gives exit 9 after the timeout",
      timeout=90, sanitized=False)
def lock_holders(w):
    w.init("acme")
    reader = subprocess.Popen(["sqlite3", w.db], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    reader.stdin.write("BEGIN; SELECT count(*) FROM tenant;\n")
    reader.stdin.flush()
    reader.stdout.readline()
    w.ctl("tenant", "add", "beside-a-reader")
    reader.communicate("COMMIT;\n")
    holder = subprocess.Popen(["sqlite3", w.db], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    holder.stdin.write("BEGIN IMMEDIATE; SELECT 1;\n")
    holder.stdin.flush()
    holder.stdout.readline()
    result = w.ctl("tenant", "add", "late", code=9)
    assert 3 < result.seconds < 12, f"gave up after {result.seconds:.1f} s"
    equal(len(w.json("tenant", "list")), 2, "reading goes on")
    holder.communicate("ROLLBACK;\n")
    w.ctl("tenant", "add", "late")


@test("counts survive restart, reload and removal: a removed server's totals stay with its tenant", timeout=60)
def totals_stay(w):
    w.init("acme")
    port = w.server("http", "acme/web")
    w.allow_loopback("acme")
    origin = Origin(answer_with())
    w.run()
    from traffic import get
    for step in range(3):
        for _ in range(5):
            equal(get(port, origin.url + "/").status, 200)
        w.ctl("server", ("restart", "reload", "stop")[step], "acme/web")
    until(lambda: w.show("acme/web")["stats"]["total_requests"] == 15, 5 * w.patience, "15 requests counted")
    equal(w.show("acme/web")["stats"]["total_connections"], 15)
    w.ctl("server", "remove", "acme/web", "--yes")
    until(lambda: w.json("tenant", "show", "acme")["total_requests"] == 15, 5 * w.patience, "the tenant has the totals")
    w.ctl("daemon", "stop")
    w.run()
    equal(w.json("tenant", "show", "acme")["total_requests"], 15)
