"""What a round trip costs in system calls: the figure that no noise touches."""
import re
import signal
import subprocess
import time

from harness import Skip, test
from traffic import Nginx, connect

LIMIT = 4.4
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


def measure(w, pid, port, request):
    """(system calls per round trip, the most frequent calls) of process `pid` under that load."""
    w.need("strace")
    load, path = Rounds(port, request), w.path("call-count")
    load.run(0.2)
    trace = subprocess.Popen(["strace", "-c", "-f", "-p", str(pid), "-o", path], stdout=subprocess.DEVNULL,
                             stderr=subprocess.PIPE, text=True)
    time.sleep(0.7)
    if trace.poll() is not None:
        raise Skip("strace may not attach here: " + trace.stderr.read().strip())
    done = load.run(3)
    trace.send_signal(signal.SIGINT)
    trace.communicate(timeout=10)
    load.close()
    text = open(path, encoding="utf-8").read()
    counts = {m.group(2): int(m.group(1)) for m in
              re.finditer(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", text, re.M)}
    total = counts.pop("total", sum(counts.values()))
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
