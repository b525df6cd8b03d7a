"""Two hundred servers: start, list, bulk verbs, idle cost; and how fast the small commands are."""
import os
import re
import statistics
import time

import processes
from harness import connects, contains, equal, test
from terminal import on_terminal

TENANTS, EACH = 20, 10


def fleet(w):
    """200 http servers over 20 tenants, written in one transaction by hand; returns {reference: port}."""
    w.init()
    ports = {}
    lines = ["BEGIN IMMEDIATE;"]
    for tenant in range(TENANTS):
        lines.append(f"INSERT INTO tenant(name) VALUES('t{tenant:02}');")
        for server in range(EACH):
            port = w.port()
            ports[f"t{tenant:02}/s{server}"] = port
            lines.append(f"INSERT INTO servers(tenant,name,type,listen) VALUES('t{tenant:02}','s{server}','http','127.0.0.1:{port}');")
    w.sqlite("\n".join([*lines, "COMMIT;"]))
    return ports


def best_of(w, *args, times=20):
    """Wall time of the program alone: what it takes to start it from Python is not in it."""
    seconds = []
    quiet = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in range(3)]
    for _ in range(times):
        began = time.perf_counter()
        _, status = os.waitpid(os.posix_spawn(w.binary, [w.binary, *args], w.env, file_actions=quiet), 0)
        seconds.append(time.perf_counter() - began)
        equal(status, 0, args)
    return min(seconds), statistics.median(seconds)


def best_within(w, limit, *args):
    """The same again and again until it holds: another's load on the machine comes and goes; ours is there every time."""
    for _ in range(20):
        fastest, median = best_of(w, *args, times=15)
        if fastest <= limit:
            break
        time.sleep(1)
    return fastest, median


@test("200 servers over 20 tenants: run -d to all listening within 3 s; list, idle CPU, memory", serial=True, timeout=120,
      sanitized=False)
def two_hundred(w):
    ports = fleet(w)
    began = time.monotonic()
    daemon = w.run()
    started = time.monotonic() - began
    dead = [ref for ref, port in ports.items() if not connects(port)]
    equal(dead, [], "not listening")
    w.figure(f"run -d to {len(ports)} listening: {started:.2f} s (at most 3)")
    fastest, median = best_within(w, 0.020, "server", "list")
    w.figure(f"server list with 200 servers: best {fastest * 1000:.1f} ms, median {median * 1000:.1f} ms (at most 20)")
    workers = w.workers(daemon)
    equal(len(workers), TENANTS, "workers")
    time.sleep(2)
    before = sum(processes.cpu_seconds(p) for p in [daemon, *workers])
    time.sleep(10)
    share = (sum(processes.cpu_seconds(p) for p in [daemon, *workers]) - before) / 10 * 100
    w.figure(f"idle daemon and {TENANTS} workers: {share:.2f} % CPU (at most 0.5)")
    dirty = [kib for kib in map(processes.private_dirty_kib, workers) if kib is not None]
    if dirty:
        w.figure(f"Private_Dirty of an idle worker: median {statistics.median(dirty) / 1024:.2f} MiB, most "
                 f"{max(dirty) / 1024:.2f} MiB (at most 2); daemon {(processes.private_dirty_kib(daemon) or 0) / 1024:.2f} MiB")
    began = time.monotonic()
    w.ctl("daemon", "stop")
    w.figure(f"daemon stop: {time.monotonic() - began:.2f} s")
    assert started <= 3, "slower than 3 s"
    assert fastest <= 0.020, "server list slower than 20 ms"
    assert share <= 0.5, "more than 0.5 % CPU"
    assert not dirty or statistics.median(dirty) <= 2048, "more than 2 MiB of private memory"


@test("tenant start of 200 servers within 5 s; a line each on a pipe, progress on a tty, one failure is exit 6 (U6)",
      serial=True, timeout=120, sanitized=False)
def start_many(w):
    w.init("big")
    ports = [w.port() for _ in range(200)]
    w.sqlite("BEGIN;" + "".join(f"INSERT INTO servers(tenant,name,type,listen,desired) VALUES('big','s{i}','http',"
                                f"'127.0.0.1:{port}','stopped');" for i, port in enumerate(ports)) + "COMMIT;")
    w.run()
    began = time.monotonic()
    out = w.ctl("tenant", "start", "big").out
    seconds = time.monotonic() - began
    w.figure(f"tenant start of 200 servers: {seconds:.2f} s (at most 5)")
    assert seconds <= 5
    equal([p for p in ports if not connects(p)], [])
    equal(len(matches_all(out, r"^big/s\d+ ")), 200, "a line per target on a pipe")
    w.ctl("tenant", "stop", "big")
    equal([p for p in ports if connects(p)], [])
    import socket
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", ports[137]))
        holder.listen(1)
        result = w.ctl("tenant", "start", "big", code=6)
        contains(result.out + result.err, "big/s137")
    out, code = on_terminal(w, "tenant", "restart", "big", columns=100, timeout=30)
    equal(code, 0, out)
    assert re.search(r"\d+/200", out) or "restart" in out, out  # progress only when it takes longer than 300 ms


def matches_all(text, pattern):
    return re.findall(pattern, text, re.M)


@test("version within 5 ms, completion within 20 ms, server list on an empty registry (U7)", serial=True, timeout=90, sanitized=False)
def small_commands(w):
    w.init("acme")
    w.server("http", "acme/web")
    for args, limit in ((("version",), 0.005), (("__complete", "--", "arcusctl", "server", "show", ""), 0.020),
                        (("server", "list"), 0.020)):
        fastest, median = best_within(w, limit, *args)
        w.figure(f"{' '.join(args)}: best {fastest * 1000:.1f} ms, median {median * 1000:.1f} ms (at most {limit * 1000:.0f})")
        assert fastest <= limit, f"{args} took {fastest * 1000:.1f} ms"
