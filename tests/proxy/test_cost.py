"""What a round trip costs in system calls: the figure that no noise touches."""
import os
import re
import signal
import subprocess
import time

from harness import Skip, test, until
from traffic import Load, Origin, answer_with, connect, echo

LIMIT = 4.4


def counted(w, pid, seconds, done):
    """(system calls of the process, units of work done meanwhile) over some seconds."""
    w.need("strace")
    trace = subprocess.Popen(["strace", "-c", "-f", "-p", str(pid), "-o", w.path("calls-count")], stdout=subprocess.DEVNULL,
                             stderr=subprocess.PIPE, text=True)
    time.sleep(0.5)
    if trace.poll() is not None:
        raise Skip("strace may not attach here: " + trace.stderr.read().strip())
    before = done()
    time.sleep(seconds)
    after = done()
    trace.send_signal(signal.SIGINT)
    trace.wait(10)
    text = open(w.path("calls-count"), encoding="utf-8").read()
    total = int(re.search(r"^100\.00\s+\S+\s+(?:\d+\s+)?(\d+)", text, re.M).group(1))
    per = {m.group(2): int(m.group(1)) for m in re.finditer(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", text, re.M)}
    # what happened in the half seconds around the window belongs to work that was not counted
    return total * seconds / (seconds + 0.5), after - before, per


@test("system calls per round trip of http and tcp stay under 4.4", serial=True, timeout=60, sanitized=False)
def system_calls(w):
    w.init("acme")
    w.allow_loopback("acme")
    w.ctl("tenant", "set", "acme", "worker_threads=1")
    origin, sink = Origin(answer_with()), Origin(echo)
    http = w.server("http", "acme/web", "--no-access-log")
    tcp = w.server("tcp", "acme/db", "--backend", sink.address)
    w.run()
    pid = w.worker_of("acme")
    load = Load(http, origin.url + "/", threads=8)
    until(lambda: load.done > 100, 10, "load")
    calls, units, per = counted(w, pid, 3, lambda: load.done)
    load.stop()
    figures = {"http": (calls / units, per)}
    connection = connect(tcp)
    trips, stop_at = [0], time.monotonic() + 6
    import threading

    def ping():
        while time.monotonic() < stop_at:
            connection.sendall(b"ping")
            connection.recv(16)
            trips[0] += 1
    thread = threading.Thread(target=ping)
    thread.start()
    calls, units, per = counted(w, pid, 3, lambda: trips[0])
    thread.join()
    figures["tcp"] = (calls / units, per)
    for name, (figure, counts) in figures.items():
        top = ", ".join(f"{k} {v}" for k, v in sorted(counts.items(), key=lambda item: -item[1])[:6] if k != "total")
        w.figure(f"{name}: {figure:.2f} system calls per round trip ({top})")
    wrong = [name for name, (figure, _) in figures.items() if figure > LIMIT + 0.3]
    assert not wrong, f"more than {LIMIT}: {wrong}"
    assert os.path.isdir(f"/proc/{pid}")
