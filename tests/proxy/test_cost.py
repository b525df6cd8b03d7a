"""What a round trip costs in system calls: the figure that no noise touches."""
import re
import signal
import subprocess
import time

from harness import Skip, test
from traffic import Nginx, Origin, connect, read_head

LIMIT = 4.4
BULK_LIMIT = 12  # per MiB; pipes of 64 KiB need 17
CONNECTIONS = 64


class Rounds:
    """Connections that all ask, then all read, again and again: the proxy finds many of them ready at once."""

    def __init__(self, port, request):
        self.request = request
        self.held = [connect(port) for _ in range(CONNECTIONS)]
        for connection in self.held:  # one by one, so that upstream connections exist before anything is counted
            connection.sendall(request)
            self.size = len(connection.recv(65536))

    def run(self, seconds):
        """Round trips for a while; returns how many."""
        done, until_time = 0, time.monotonic() + seconds
        while time.monotonic() < until_time:
            for connection in self.held:
                connection.sendall(self.request)
            for connection in self.held:
                left = self.size
                while left > 0:
                    left -= len(connection.recv(65536))
            done += CONNECTIONS
        return done

    def close(self):
        for connection in self.held:
            connection.close()


def count_calls(w, pid, work):
    """What `work()` returns, and {name: calls, "total": calls} of process `pid` meanwhile."""
    w.need("strace")
    path = w.path("call-count")
    trace = subprocess.Popen(["strace", "-c", "-f", "-p", str(pid), "-o", path], stdout=subprocess.DEVNULL,
                             stderr=subprocess.PIPE, text=True)
    time.sleep(0.7)
    if trace.poll() is not None:
        raise Skip("strace may not attach here: " + trace.stderr.read().strip())
    done = work()
    trace.send_signal(signal.SIGINT)
    trace.communicate(timeout=10)
    text = open(path, encoding="utf-8").read()
    counts = {m.group(2): int(m.group(1)) for m in
              re.finditer(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", text, re.M)}
    counts.setdefault("total", sum(counts.values()))
    return done, counts


def measure(w, pid, port, request):
    """(system calls per round trip, the most frequent calls) of process `pid` under that load."""
    load = Rounds(port, request)
    load.run(0.2)
    done, counts = count_calls(w, pid, lambda: load.run(3))
    load.close()
    total = counts.pop("total")
    most = ", ".join(f"{name} {count / done:.2f}" for name, count in sorted(counts.items(), key=lambda i: -i[1])[:5])
    return total / done, most


@test("system calls per round trip of http and tcp stay under 4.4", serial=True, timeout=60, sanitized=False)
def system_calls(w):
    nginx = Nginx(w)
    w.init("acme")
    w.allow_loopback("acme")
    w.ctl("tenant", "set", "acme", "worker_threads=1")
    http = w.server("http", "acme/web", "--no-access-log")
    tcp = w.server("tcp", "acme/db", "--backend", f"127.0.0.1:{nginx.port}", "--no-access-log")
    w.run()
    pid = w.worker_of("acme")
    wrong = []
    for name, port, request in (("http", http, f"GET {nginx.url}/ HTTP/1.1\r\nHost: a\r\n\r\n"),
                                ("tcp", tcp, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")):
        figure, most = measure(w, pid, port, request.encode())
        w.figure(f"{name}: {figure:.2f} system calls per round trip (at most {LIMIT}): {most}")
        if figure > LIMIT:
            wrong.append(name)
    assert not wrong, f"more than {LIMIT}: {wrong}"


@test("system calls per MiB of bulk: roomy pipes, under the sandbox too", serial=True, timeout=60, sanitized=False)
def bulk_calls(w):
    mebibytes, zeros = 256, bytes(1 << 20)

    def serve(connection, origin):
        read_head(connection)
        for _ in range(mebibytes):
            connection.sendall(zeros)
    origin = Origin(serve)
    w.init("acme")
    w.allow_loopback("acme")
    w.ctl("tenant", "set", "acme", "worker_threads=1")
    port = w.server("tcp", "acme/db", "--backend", f"127.0.0.1:{origin.port}", "--no-access-log")
    w.run()

    def fetch():
        room, got = bytearray(1 << 20), 0
        with connect(port) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            while n := connection.recv_into(room):
                got += n
        return got
    got, counts = count_calls(w, w.worker_of("acme"), fetch)
    assert got == mebibytes << 20, got
    w.figure(f"{counts['total'] / mebibytes:.1f} system calls per MiB (at most {BULK_LIMIT}), {counts.get('splice', 0)} of splice")
    assert counts["total"] <= BULK_LIMIT * mebibytes, counts
