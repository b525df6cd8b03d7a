"""Lifecycle verbs on several targets: what is printed when; and `server drain`."""
import json
import os
import select
import subprocess
import time

from harness import connects, contains, equal, matches, test, until
from terminal import on_terminal
from traffic import Download, Origin, drip


def with_transfer(w, *names, drain_timeout):
    """A daemon with `names` of tenant acme, the first with a download that runs for minutes; returns it."""
    w.init("acme")
    w.allow_loopback("acme")
    for name in names:
        w.server("http", f"acme/{name}", "--drain-timeout", drain_timeout)
    w.run()
    return endless(w, names[0])


def endless(w, name):
    transfer = Download(int(w.field(f"acme/{name}", "bound_port")), Origin(drip(1 << 30, 1 << 12, 0.05)).url + "/big")
    until(lambda: transfer.body > 0, 5 * w.patience, "transfer")
    return transfer


class Lines:
    """What a running command has written so far."""

    def __init__(self, w, *args):
        self.process = w.popen(*args, text=False, stderr=subprocess.DEVNULL)
        self.text = ""

    def read(self, seconds=0.0):
        while select.select([self.process.stdout], [], [], seconds)[0]:
            data = os.read(self.process.stdout.fileno(), 65536)
            self.text += data.decode()
            if not data:
                break
        return self.text

    def end(self, code):
        self.text += self.process.communicate(timeout=20)[0].decode()
        equal(self.process.returncode, code, self.text)
        return self.text


@test("several targets on a pipe: the line of a fast one is out before a slow one has ended; a JSON array comes whole")
def rows_as_they_end(w):
    transfer = with_transfer(w, "slow", "fast", "other", drain_timeout="60s")
    formats = {"table": r"^acme/fast +stop +stopped +\d", "jsonl": r'^\{.*"name":"fast".*"status":"stopped"',
               "tsv": r"\tacme\tfast\tstop\t", "csv": r",acme,fast,stop,", "name": r"^acme/fast$"}
    for name, pattern in formats.items():
        command = Lines(w, "tenant", "stop", "acme", "-o", name)
        until(lambda: "other" in command.read() and "fast" in command.text, 10 * w.patience, f"{name}: rows of the fast")
        matches(command.text, pattern)
        equal((command.process.poll(), transfer.is_alive(), "slow" in command.text), (None, True, False), name)
        w.ctl("server", "stop", "acme/slow", "--now")
        lines = command.end(0).splitlines()
        equal(len(lines), 3 + (name in ("table", "tsv", "csv")), f"{name}: {lines}")
        contains(lines[-1], "slow")
        if name == "table":
            equal({line.index("stop") for line in lines[1:]}, {lines[0].index("ACTION")}, "one column")
        w.ctl("tenant", "start", "acme")
        transfer = endless(w, "slow")
    command = Lines(w, "tenant", "stop", "acme", "-o", "json")
    until(lambda: w.show("acme/fast")["status"] == w.show("acme/other")["status"] == "stopped", 10 * w.patience, "stopped")
    equal(command.read(0.2), "")
    w.ctl("server", "stop", "acme/slow", "--now")
    equal([(row["name"], row["status"]) for row in json.loads(command.end(0))],
          [("fast", "stopped"), ("other", "stopped"), ("slow", "stopped")])


@test("remove of several: each is gone, and says so, when it has stopped")
def removed_as_they_end(w):
    with_transfer(w, "slow", "fast", drain_timeout="60s")
    command = Lines(w, "tenant", "remove-servers", "acme", "--yes")
    until(lambda: "fast" in command.read(), 10 * w.patience, "the fast one's row")
    matches(command.text, r"^acme/fast +remove +removed")
    equal(w.query("SELECT name FROM server"), [["slow"]])
    w.ctl("server", "stop", "acme/slow", "--now")
    matches(command.end(0), r"^acme/slow +remove +removed")
    equal(w.query("SELECT name FROM server"), [])


@test("a server that is removed while another command waits for it: that command ends and says so")
def removed_meanwhile(w):
    with_transfer(w, "slow", drain_timeout="60s")
    stopping = Lines(w, "server", "stop", "acme/slow")
    until(lambda: w.show("acme/slow")["status"] == "stopping", 10 * w.patience, "stopping")
    w.sqlite("DELETE FROM servers WHERE name='slow'")
    contains(stopping.end(0), "removed")


@test("several targets on a terminal: a long operation leaves one line of sums, a short one its rows", sanitized=False)
def sums_on_terminal(w):
    with_transfer(w, "slow", "fast", "other", drain_timeout="900ms")
    out, code = on_terminal(w, "tenant", "stop", "acme", columns=100)
    equal(code, 0, out)
    contains(out, "2/3")  # the progress
    left = out.split("\x1b[K")[-1]
    matches(left, r"^(\x1b\[[0-9;]*m)*stop: 3 (\x1b\[[0-9;]*m)*stopped(\x1b\[0m)?, [\d.]+m?s")
    assert "ACTION" not in out, out
    out, code = on_terminal(w, "tenant", "stop", "acme", columns=100)
    equal(code, 0, out)
    contains(out, "ACTION", "acme/fast", "acme/slow")


@test("server drain: a download goes on past drain_timeout, which stop would cut; new connections are refused")
def drain_waits(w):
    w.init("acme")
    w.allow_loopback("acme")
    port = w.server("http", "acme/web", "--drain-timeout", "100ms")
    w.run()
    origin = Origin(drip(1 << 20, 1 << 14, 0.03))  # about 2 s
    for verb, completes in (("drain", True), ("stop", False)):
        transfer = Download(port, origin.url + "/big")
        until(lambda: transfer.body > 0, 5 * w.patience, "transfer")
        command = w.popen("server", verb, "acme/web")
        until(lambda: not connects(port), 3 * w.patience, "refused")
        equal(transfer.finish(), completes, f"{verb}: {transfer.failed}")
        out, err = command.communicate(timeout=10 * w.patience)
        equal((command.returncode, out), (0, "acme/web  stopped\n"), err)
        assert "cut" not in err, err
        w.ctl("server", "start", "acme/web")
    equal(w.json("server", "show", "acme/web")["drain_timeout_ms"], 100)


@test("server drain --timeout: what is left then is cut, counted and said, exit 0")
def drain_limit(w):
    transfers = [with_transfer(w, "web", "api", drain_timeout="60s"), endless(w, "web")]
    began = time.monotonic()
    result = w.ctl("server", "drain", "--all", "--timeout", "1s")
    seconds = time.monotonic() - began
    assert 0.9 <= seconds <= 4 * w.patience, seconds
    contains(result.err, "acme/web: 2 connections were cut")
    assert "acme/api" not in result.err, result.err
    equal([transfer.finish(5) for transfer in transfers], [False, False])
    equal(w.show("acme/web")["status"], "stopped")
    w.ctl("server", "start", "--all")
    equal(w.ctl("server", "drain", "--all", "--timeout", "1s").err, "")


@test("server drain goes on without its command; stop then grants drain_timeout, start lets the server accept again")
def drain_alone(w):
    transfer = with_transfer(w, "web", drain_timeout="300ms")
    port = int(w.field("acme/web", "bound_port"))
    w.ctl("server", "drain", "acme/web", "--no-wait")
    until(lambda: not connects(port), 3 * w.patience, "refused")
    time.sleep(0.6)  # longer than drain_timeout
    equal((w.show("acme/web")["status"], transfer.is_alive()), ("stopping", True))
    w.ctl("server", "start", "acme/web")
    equal((connects(port), transfer.is_alive()), (True, True))
    w.ctl("server", "drain", "acme/web", "--no-wait")
    until(lambda: not connects(port), 3 * w.patience, "refused")
    w.ctl("server", "stop", "acme/web")
    equal((transfer.finish(5), w.show("acme/web")["status"]), (False, "stopped"))


@test("server drain without the daemon's socket holds to drain_timeout and says so; without a daemon it is recorded")
def drain_without_socket(w):
    transfer = with_transfer(w, "web", drain_timeout="300ms")
    os.remove(w.db + ".sock")
    result = w.ctl("server", "drain", "acme/web")
    contains(result.err, "drain_timeout of each server holds")
    equal(transfer.finish(5), False)
    w.ctl("server", "start", "acme/web")
    w.ctl("daemon", "stop")
    contains(w.ctl("server", "drain", "acme/web").err, "no daemon runs")
    equal(w.value("SELECT desired FROM servers"), "stopped")
