"""Death of a worker: the port never refuses, the neighbour notices nothing, what was counted stays counted."""
import os
import signal
import socket
import threading
import time

import processes
from harness import contains, equal, test, until
from traffic import Download, Load, Origin, answer_with, connect, drip, get, read_answer


class Knocker(threading.Thread):
    """Connects again and again; remembers every refusal."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port, self.stopping, self.tries, self.refused = port, False, 0, []
        self.start()

    def run(self):
        while not self.stopping:
            self.tries += 1
            try:
                socket.create_connection(("127.0.0.1", self.port), 3).close()
            except OSError as error:
                self.refused.append(str(error))
            time.sleep(0.001)


@test("kill -9 of a worker under load: nothing refused, replaced within 200 ms, the neighbour's transfer whole, counters exact", threats="crash-worker",
      serial=True, timeout=90, sanitized=False)
def kill_worker(w):
    w.init("acme", "globex")
    w.allow_loopback("acme", "globex")
    port, neighbour = w.server("http", "acme/web"), w.server("http", "globex/web")
    origin, slow = Origin(answer_with(b"y" * 1000)), Origin(drip(60 << 20, 1 << 16, 0.004))
    daemon = w.run()
    transfer = Download(neighbour, slow.url + "/big")
    load = Load(port, origin.url + "/", threads=4)
    knocker = Knocker(port)
    time.sleep(1)
    waits = []
    for kill in range(3):
        victim = w.worker_of("acme")
        before = load.done
        killed_at = time.monotonic()
        os.kill(victim, signal.SIGKILL)
        until(lambda: get_works(port, origin.url), 5, "an answer after the kill", 0.001)
        waits.append(time.monotonic() - killed_at)
        until(lambda: load.done > before, 5, "load goes on")
        time.sleep(1.2 if kill < 2 else 0.3)  # a minute of quiet would reset the back-off; two kills in a row wait longer
    knocker.stopping = True
    load.stop()
    knocker.join(5)
    w.figure(f"a new connection answered {waits[0] * 1000:.0f} ms after the kill (at most 200), with the pauses of the back-off "
             f"{waits[1] * 1000:.0f} and {waits[2] * 1000:.0f} ms; {knocker.tries} connects, {len(knocker.refused)} refused")
    equal(knocker.refused, [])
    assert waits[0] <= 0.2, "replaced too late"
    equal(transfer.finish(60), True, transfer.failed or "")
    equal(w.show("globex/web")["stats"]["error_count"], 0)
    probes = 3
    served = len(origin.heads)
    total = until(lambda: settled(w, "acme/web"), 10, "totals settled")
    complete = load.done + probes
    w.figure(f"{complete} answers complete at the clients, {total} counted, {served} reached the origin: "
             f"{served - total} cut by the kills")
    assert complete <= total <= served, f"{complete} complete, {total} counted, {served} at the origin"
    assert processes.alive(daemon)
    contains(str(w.query("SELECT detail FROM event")), "signal 9")
    assert int(w.value("SELECT restarts FROM worker WHERE pid = " + str(w.worker_of("acme")))) >= 3


def get_works(port, url):
    try:
        answer = get(port, url + "/", timeout=2)
    except OSError:
        return False
    return answer is not None and answer.status == 200


def settled(w, ref):
    """The counted requests once two looks a second and a half apart agree."""
    first = w.show(ref)["stats"]["total_requests"]
    time.sleep(1.5)
    return first if w.show(ref)["stats"]["total_requests"] == first else 0


@test("bytes and requests of everything that ended before the kill are exact; of what it cut, short by one read at most",
      timeout=60)
def exact_bytes(w):
    w.init("acme")
    w.allow_loopback("acme")
    port = w.server("http", "acme/web")
    origin = Origin(answer_with(b"z" * 5000))
    w.run()
    expected_in = expected_out = 0
    for number in range(20):
        request = f"GET {origin.url}/{number} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
        with connect(port) as connection:
            connection.sendall(request)
            answer, _ = read_answer(connection)
        equal(answer.status, 200)
        expected_in += len(request)
        expected_out += len(answer.head) + len(answer.body)
    slow = Origin(drip(32 << 20, 1 << 16, 0.01))
    transfer = Download(port, slow.url + "/big")
    until(lambda: transfer.body > 1 << 20, 10, "transfer")
    w.kill(w.worker_of("acme"))
    equal(transfer.finish(10), False)
    until(lambda: w.show("acme/web")["stats"]["total_requests"] >= 20, 5 * w.patience, "counted")
    time.sleep(1.5)
    stats = w.show("acme/web")["stats"]
    cut = stats["bytes_out"] - expected_out
    w.figure(f"20 complete exchanges exact; the cut transfer: {transfer.body} bytes reached the client, {cut} counted, "
             f"difference {transfer.body - cut}")
    assert stats["bytes_in"] >= expected_in
    assert cut >= transfer.body - (64 << 10) - 4096, "short by more than one read"


@test("a worker that dies again and again backs off, shows error and comes back", threats="crash-worker")
def crash_loop(w):
    w.init("acme", "globex")
    port = w.server("http", "acme/web")
    other = w.server("http", "globex/web")
    w.run()
    from harness import connects
    died = 0
    until_time = time.monotonic() + 4
    while time.monotonic() < until_time:
        try:
            pid = w.worker_of("acme")
        except (IndexError, ValueError):
            pid = 0
        if pid and processes.alive(pid):
            os.kill(pid, signal.SIGKILL)
            died += 1
        time.sleep(0.05)
    assert 2 <= died <= 30, f"{died} deaths in 4 s: no back-off"
    equal(connects(other), True)
    w.wait_status("acme/web", "running", 40)
    equal(connects(port), True)


@test("a worker runs without privileges, with seccomp and no new privileges, and holds no file of the registry", threats="worker-sandbox")
def sandboxed(w):
    w.init("acme")
    w.server("http", "acme/web")
    w.run()
    pid = w.worker_of("acme")
    status = open(f"/proc/{pid}/status", encoding="ascii").read()
    field = lambda name: [line.split()[1:] for line in status.splitlines() if line.startswith(name + ":")][0]  # noqa: E731
    equal(field("NoNewPrivs"), ["1"])
    if os.getuid() == 0:
        assert "0" not in field("Uid"), f"uids {field('Uid')}"
        equal(field("CapEff"), ["0000000000000000"])
        if not w.sanitized:
            equal(field("Seccomp"), ["2"])
        opened = [os.readlink(f"/proc/{pid}/fd/{n}") for n in os.listdir(f"/proc/{pid}/fd")]
        assert not [path for path in opened if path in (w.db, w.db + "-wal", w.db + "-shm", w.db + ".lock")], opened
    shown = w.value("SELECT sandbox FROM worker")
    w.figure(f"sandbox: {shown}")


@test("status, stats and list show each worker's memory, CPU and descriptors")
def resources(w):
    w.init("acme")
    w.server("http", "acme/web")
    w.run()
    until(lambda: int(w.value("SELECT coalesce(max(rss_bytes), 0) FROM worker") or 0) > 100000, 5 * w.patience, "rss")
    until(lambda: int(w.value("SELECT open_fds FROM worker") or 0) > 3, 15, "descriptors")
    shown = w.json("tenant", "show", "acme")
    assert shown["rss_bytes"] > 100000 and shown["open_fds"] > 3 and shown["cpu_ms"] >= 0, shown
    w.ctl("daemon", "stop")
    equal(w.json("tenant", "show", "acme")["rss_bytes"], None)


@test("a worker that somebody tells to end drains, another takes its servers at once, and status never says otherwise", timeout=60)
def told_to_end(w):
    w.init("acme")
    w.allow_loopback("acme")
    port = w.server("http", "acme/web", "--set", "connect_ports=*", "--drain-timeout", "20s")
    w.run()
    echoing = Origin(lambda connection, origin: [connection.sendall(data) for data in iter(lambda: connection.recv(4096), b"")])
    first = w.worker_of("acme")
    with connect(port) as tunnel:
        tunnel.sendall(f"CONNECT {echoing.address} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        contains(tunnel.recv(4096).decode(), " 200 ")
        os.kill(first, signal.SIGTERM)
        origin = Origin(answer_with())
        until(lambda: w.worker_of("acme") != first, 5 * w.patience, "a successor")
        until(lambda: get_works(port, origin.url), 5 * w.patience, "an answer from it")
        w.wait_status("acme/web", "running")
        tunnel.sendall(b"still here")
        equal(tunnel.recv(4096), b"still here")
        assert processes.alive(first)
    assert processes.wait_gone(first, 10 * w.patience)
    equal(w.show("acme/web")["status"], "running")
    until(lambda: w.show("acme/web")["stats"]["active_connections"] == 0, 10 * w.patience, "the tunnel was counted to its end")
