"""The daemon's life: start, detach, signals, second daemon, death, busy ports, socket, idle cost."""
import os
import re
import signal
import socket
import subprocess
import threading
import time

import processes
from harness import connects, contains, equal, matches, test, until
from traffic import Download, Nginx, Origin, answer_with, drip, get


def holder_of(port, address="127.0.0.1"):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, port))
    listener.listen(8)
    return listener


@test("run -d returns ready, inside $() and in a pipe, within 5 s with the daemon alive (U1)")
def detach_returns(w):
    w.init("acme")
    port = w.server("http", "acme/web")
    for command in ('out=$("$B" run -d); echo "$out"', '"$B" run -d | cat'):
        began = time.monotonic()
        done = subprocess.run(["bash", "-c", command], env={**w.env, "B": w.binary}, text=True, capture_output=True,
                              timeout=20 * w.patience)
        seconds = time.monotonic() - began
        assert seconds < 5 * w.patience, f"{seconds:.1f} s"
        pid = int(matches(done.stdout + done.stderr, r"pid (\d+), 1 of 1 servers? running").group(1))
        equal((connects(port), processes.alive(pid)), (True, True))
        w.ctl("daemon", "stop")
        equal(processes.wait_gone(pid, 5), True)
        equal(connects(port), False)


@test("run -d again says the pid and exits 0; daemon status tells")
def already_running(w):
    w.init("acme")
    pid = w.run()
    result = w.ctl("run", "-d")
    contains(result.out + result.err, str(pid), "already")
    equal(w.json("daemon", "status")["pid"], pid)
    w.ctl("daemon", "stop")
    w.ctl("daemon", "status", code=5)
    w.ctl("daemon", "stop", code=(0, 5))


@test("two run -d at the same moment: one daemon, both exit 0 with its pid (U3)", threats="lock-two")
def two_at_once(w):
    w.init("acme")
    w.server("http", "acme/web")
    for _ in range(5):
        started = [w.popen("run", "-d") for _ in range(4)]
        texts = [p.communicate(timeout=20 * w.patience) for p in started]
        equal([p.returncode for p in started], [0, 0, 0, 0], str(texts))
        pids = {re.search(r"pid (\d+)", out + err).group(1) for out, err in texts}
        equal(len(pids), 1, str(texts))
        w.ctl("daemon", "stop")


@test("two registries, one port: the second server is error and names the owner (U3)")
def two_registries(w):
    w.init("acme")
    port = w.server("http", "acme/web")
    w.run()
    other = w.path("other.db")
    w.ctl("init", "--db", other, "--tenant", "globex")
    w.ctl("server", "add", "http", "web", "-t", "globex", "--port", port, "--db", other)
    w.ctl("run", "-d", "--db", other, code=6)
    shown = w.json("server", "show", "globex/web", "--db", other)
    equal(shown["status"], "error")
    contains(shown["last_error"], "arcusctl", "pid", str(port))
    w.ctl("daemon", "stop", "--db", other)


@test("kill -9 of the daemon: no daemon at once, start exits 5, the next run restores all (U2)")
def killed_daemon(w):
    w.init("acme", "globex")
    ports = [w.server("http", ref) for ref in ("acme/web", "acme/api", "globex/web")]
    w.server("http", "globex/off", "--no-start")
    pid = w.run()
    workers = w.workers(pid)
    assert len(workers) >= 2, "one worker per tenant"
    w.kill(pid)
    began = time.monotonic()
    shown = w.show("acme/web")
    equal((shown["status"], shown["status_reason"]), ("stopped", "no daemon"))
    contains(w.ctl("status", code=None).out, "no daemon")
    w.ctl("server", "start", "acme/web", code=5)
    w.ctl("server", "stop", "acme/web")
    w.ctl("server", "start", "acme/web", "--no-wait")
    w.figure(f"status right {(time.monotonic() - began) * 1000:.0f} ms after the kill")
    for worker in workers:
        equal(processes.wait_gone(worker, 5), True, "idle workers end with their daemon")
    second = w.run()
    assert second != pid
    equal([connects(p) for p in ports], [True] * 3)
    contains(str(w.query("SELECT kind, detail FROM event WHERE kind = 'recovered'")), str(pid))
    equal(w.show("globex/off")["status"], "stopped")


@test("a busy port: error status, the holder's name and pid, recovery by itself when it is freed", threats="port-taken")
def busy_port(w):
    w.init("acme")
    nginx = Nginx(w)
    w.server("http", "acme/web", port=nginx.port)
    fine = w.server("http", "acme/api")
    result = w.ctl("run", "-d", code=6)
    contains(result.out + result.err, "1 error")
    shown = w.show("acme/web")
    equal(shown["status"], "error")
    contains(shown["last_error"], f"127.0.0.1:{nginx.port}", "nginx", f"pid {nginx.process.pid}")
    failed = w.ctl("server", "start", "acme/web", code=(1, 4))
    contains(failed.err, "nginx", "hint: ")
    equal(connects(fine), True)
    contains(str(w.query("SELECT try FROM problems")), "arcusctl")
    nginx.process.terminate()
    nginx.process.wait()
    began = time.monotonic()
    w.wait_status("acme/web", "running", 35)
    w.figure(f"running {time.monotonic() - began:.1f} s after the port was freed")


@test("run --strict exits 1 when a server fails at start")
def strict_run(w):
    w.init("acme")
    port = w.server("http", "acme/web")
    with holder_of(port):
        w.ctl("run", "-d", "--strict", code=1)


@test("foreground run: a table on stderr, first Ctrl-C drains, the second quits (U15)")
def foreground_signals(w):
    w.init("acme")
    port = w.server("http", "acme/web", "--drain-timeout", "60s")
    w.allow_loopback("acme")
    origin = Origin(drip(64 << 20, 1 << 14, 0.02))
    daemon = w.popen("run")
    until(lambda: connects(port), 10 * w.patience, "listening")
    transfer = Download(port, origin.url + "/big")
    until(lambda: transfer.body > 0, 5, "transfer")
    daemon.send_signal(signal.SIGINT)
    until(lambda: not connects(port), 3 * w.patience, "new connections refused")
    time.sleep(0.3)
    equal((daemon.poll(), transfer.failed), (None, None), "draining")
    daemon.send_signal(signal.SIGINT)
    out, err = daemon.communicate(timeout=5 * w.patience)
    assert transfer.failed or not transfer.is_alive() or not transfer.finish(5)
    matches(err, r"^acme/web +http +127\.0\.0\.1:\d+ +running")
    matches(err, r"\d connections? remain")
    assert "\\x0A" not in err, err


@test("stop drains: a running download completes while new connections are refused (U15)")
def stop_drains(w):
    w.init("acme")
    port = w.server("http", "acme/web")
    other = w.server("http", "acme/api")
    w.allow_loopback("acme")
    origin = Origin(drip(8 << 20, 1 << 16, 0.01))
    w.run()
    transfer = Download(port, origin.url + "/big")
    until(lambda: transfer.body > 0, 5, "transfer")
    stopping = threading.Thread(target=w.ctl, args=("server", "stop", "acme/web"))
    stopping.start()
    until(lambda: not connects(port), 3 * w.patience, "refused while draining")
    equal(transfer.finish(), True, transfer.failed or "")
    stopping.join(10)
    equal(w.show("acme/web")["status"], "stopped")
    equal(connects(other), True)


@test("stop --now cuts; drain_timeout cuts what does not end")
def stop_now(w):
    w.init("acme")
    port = w.server("http", "acme/web", "--drain-timeout", "300ms")
    w.allow_loopback("acme")
    origin = Origin(drip(1 << 30, 1 << 14, 0.05))
    w.run()
    for flags in (("--now",), ()):
        transfer = Download(port, origin.url + "/big")
        until(lambda: transfer.body > 0, 5, "transfer")
        began = time.monotonic()
        w.ctl("server", "stop", "acme/web", *flags)
        assert time.monotonic() - began < 3 * w.patience
        equal(transfer.finish(5), False)
        w.ctl("server", "start", "acme/web")


@test("TERM drains and exits 0, HUP reloads, USR1 reopens logs, USR2 dumps state", threats="signals")
def daemon_signals(w):
    w.init("acme")
    port = w.server("http", "acme/web")
    daemon = w.popen("run", "--log-file", w.path("daemon.log"))
    until(lambda: connects(port), 10 * w.patience, "listening")
    daemon.send_signal(signal.SIGHUP)
    os.rename(w.path("daemon.log"), w.path("daemon.log.1"))
    daemon.send_signal(signal.SIGUSR1)
    until(lambda: os.path.exists(w.path("daemon.log")), 5, "the log reopened")
    daemon.send_signal(signal.SIGUSR2)
    until(lambda: "acme/web" in open(w.path("daemon.log"), encoding="utf-8").read(), 5, "state in the log")
    equal(connects(port), True)
    daemon.send_signal(signal.SIGTERM)
    daemon.communicate(timeout=10 * w.patience)
    equal((daemon.returncode, connects(port)), (0, False))


@test("daemon stop works without the socket; the socket comes back within 10 s (U16)")
def socket_removed(w):
    w.init("acme")
    port = w.server("http", "acme/web")
    w.run()
    path = w.value("SELECT socket_path FROM daemon")
    equal(os.path.exists(path), True)
    os.unlink(path)
    w.ctl("server", "stop", "acme/web")
    equal(connects(port), False)
    w.ctl("server", "start", "acme/web")
    equal(connects(port), True)
    until(lambda: os.path.exists(path), 11, "the socket back", 0.1)
    os.unlink(path)
    w.ctl("daemon", "stop")
    equal(connects(port), False)


@test("stale leftovers of other programs do not matter: the lock is the truth", threats="lock-stale")
def stale_leftovers(w):
    w.init("acme")
    w.server("http", "acme/web")
    w.write("arcus.db.lock", f'{{"pid": {os.getpid()}, "boot_id": "x", "started_at": "y", "version": "z"}}\n')
    w.write("arcus.db.sock", "")
    w.ctl("daemon", "stop", code=(0, 5))
    equal(w.show("acme/web")["status_reason"], "no daemon")
    w.run()
    w.ctl("server", "stop", "acme/web")


@test("without a daemon: wishes are recorded with a note, start exits 5, --no-wait 0")
def without_daemon(w):
    w.init("acme")
    w.server("http", "acme/web", "--no-start")
    w.ctl("server", "set", "acme/web", "max_connections=5")
    w.ctl("server", "stop", "acme/web")
    for verb in ("start", "restart", "reload"):
        contains(w.ctl("server", verb, "acme/web", code=5).err, "arcusctl run")
        w.ctl("server", verb, "acme/web", "--no-wait")
    equal(w.value("SELECT desired_state FROM server"), "running")


@test("--no-auto-start holds servers until something changes them; --no-start keeps one stopped")
def held_servers(w):
    w.init("acme")
    port = w.server("http", "acme/web")
    w.run("--no-auto-start")
    equal(connects(port), False)
    w.ctl("server", "start", "acme/web")
    equal(connects(port), True)


@test("tenant disable suspends without changing wishes, enable brings all back")
def tenant_suspended(w):
    w.init("acme")
    port = w.server("http", "acme/web")
    w.server("http", "acme/off", "--no-start")
    w.run()
    w.ctl("tenant", "disable", "acme")
    until(lambda: not connects(port), 3 * w.patience, "suspended")
    equal(w.show("acme/web")["desired_state"], "running")
    w.ctl("tenant", "enable", "acme")
    until(lambda: connects(port), 3 * w.patience, "back")
    equal(w.show("acme/off")["status"], "stopped")


@test("port 0: the kernel picks, show and list say which")
def kernel_port(w):
    w.init("acme")
    w.allow_loopback("acme")
    w.server("http", "acme/web", port=0)
    w.run()
    port = int(w.field("acme/web", "bound_port"))
    origin = Origin(answer_with())
    equal(get(port, origin.url).status, 200)
    w.ctl("server", "restart", "acme/web")
    equal(connects(int(w.field("acme/web", "bound_port"))), True)


@test("an idle daemon writes at most 64 KB a minute to the WAL (U23)", timeout=150, sanitized=False)
def idle_writes(w):
    w.init("acme", "globex")
    for number in range(6):
        w.server("http", f"acme/s{number}")
    pid = w.run()
    time.sleep(3)
    before = int(re.search(r"write_bytes: (\d+)", open(f"/proc/{pid}/io", encoding="ascii").read()).group(1))
    wchar = int(re.search(r"wchar: (\d+)", open(f"/proc/{pid}/io", encoding="ascii").read()).group(1))
    time.sleep(60)
    io = open(f"/proc/{pid}/io", encoding="ascii").read()
    wal = int(re.search(r"wchar: (\d+)", io).group(1)) - wchar
    disk = int(re.search(r"write_bytes: (\d+)", io).group(1)) - before
    w.figure(f"idle for 60 s: {wal / 1024:.0f} KB written ({disk / 1024:.0f} KB reached the disk)")
    assert wal <= 64 * 1024, f"{wal} bytes written in 60 s"


@test("systemd: READY, STATUS and STOPPING arrive at NOTIFY_SOCKET; daemon unit prints a unit")
def notify_socket(w):
    w.init("acme")
    w.server("http", "acme/web")
    path = w.path("notify")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(path)
    listener.settimeout(10 * w.patience)
    daemon = w.popen("run", env={"NOTIFY_SOCKET": path})
    text = ""
    while "READY=1" not in text:
        text += listener.recv(4096).decode() + "\n"
    contains(text, "STATUS=")
    daemon.terminate()
    while "STOPPING=1" not in text:
        text += listener.recv(4096).decode() + "\n"
    daemon.communicate(timeout=10 * w.patience)
    contains(w.ctl("daemon", "unit").out, "Type=notify", "NoNewPrivileges", "ExecStart=")


@test("live log level: ARCUS_LOG and --log-level give debug lines; daemon reload keeps serving")
def debug_logging(w):
    w.init("acme")
    port = w.server("http", "acme/web")
    daemon = w.popen("run", "--log-level", "debug")
    until(lambda: connects(port), 10 * w.patience, "listening")
    w.ctl("daemon", "reload")
    equal(connects(port), True)
    daemon.terminate()
    _, err = daemon.communicate(timeout=10 * w.patience)
    contains(err.lower(), "debug")
