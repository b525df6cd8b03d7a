"""What a black-box test sees: @test, and a World with a folder, a registry, free ports and the program."""
import collections
import fcntl
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import time

import processes

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TESTS = []
current_file = ""
Test = collections.namedtuple("Test", "file name function serial timeout sanitized")
Result = collections.namedtuple("Result", "out err code seconds")


class Skip(Exception):
    """The machine cannot run this test; says why."""


def test(name, serial=False, timeout=60, sanitized=True, threats=""):
    """Registers a test. serial: nothing else runs meanwhile (timing). sanitized=False: not under sanitizers. threats: which rows of
    threat_table.py it answers; tests/lint/threats.py reads them."""
    del threats
    def register(function):
        TESTS.append(Test(current_file, name, function, serial, timeout, sanitized))
        return function
    return register


def equal(got, wanted, what=""):
    assert got == wanted, f"{what + ': ' if what else ''}got {got!r}, wanted {wanted!r}"


def contains(text, *parts):
    for part in parts:
        assert part in text, f"{part!r} is not in:\n{text}"


def matches(text, pattern):
    found = re.search(pattern, text, re.M)
    assert found, f"/{pattern}/ is not in:\n{text}"
    return found


def until(predicate, seconds=5.0, what="it", step=0.01):
    """Polls until predicate() is true; returns its value. Fails with `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = predicate()
        if value:
            return value
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds} s"
        time.sleep(step)


def connects(port, address="127.0.0.1"):
    """Whether somebody accepts on the port now."""
    try:
        socket.create_connection((address, port), 1).close()
        return True
    except ConnectionResetError:
        return True  # accepted, then closed at once
    except OSError:
        return False


def story_of(folder, lines=12):
    """The tail of what was run and of the logs, for a failure."""
    text = []
    for place, _, names in os.walk(folder):
        for name in sorted(names):
            if name == "calls" or name == "output" or name.endswith((".log", ".err")):
                with open(os.path.join(place, name), encoding="utf-8", errors="replace") as file:
                    tail = file.read().splitlines()[-lines:]
                if tail:
                    text += [f"--- {os.path.relpath(os.path.join(place, name), folder)}"] + [t[:300] for t in tail]
    return "\n".join(text)


class World:
    """One test's folder and everything in it."""

    def __init__(self, folder, options):
        self.dir = folder
        self.binary = options.binary
        self.build = options.build
        self.sanitized = options.sanitized
        self.patience = 4.0 if options.sanitized else 1.0
        self.figures = []
        self.db = os.path.join(folder, "arcus.db")
        self.env = self.environment()
        for name in ("home", "run", "tmp"):
            os.mkdir(os.path.join(folder, name), 0o700)

    def environment(self):
        env = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "USER", "LOGNAME") or k.endswith("SAN_OPTIONS")}
        env["PATH"] = env.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin"
        env.update(HOME=self.path("home"), XDG_RUNTIME_DIR=self.path("run"), TMPDIR=self.path("tmp"), LC_ALL="C.UTF-8",
                   ARCUS_DB=self.db, TERM="xterm", XDG_DATA_HOME=self.path("home/data"),
                   XDG_STATE_HOME=self.path("home/state"), XDG_CONFIG_HOME=self.path("home/config"))
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"):
            if self.sanitized:  # reports go to stderr, leaks are for the unit tests: a confined worker can neither open files nor be traced
                env[name] = env.get(name, "") + (":exitcode=99" if name != "ASAN_OPTIONS" else ":exitcode=99:detect_leaks=0")
        return env

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, text, mode=0o600):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(self.path(name), mode)
        return self.path(name)

    def figure(self, text):
        """A measured number to print beside the test's line."""
        self.figures.append(text)

    def need(self, *programs):
        for program in programs:
            if shutil.which(program, path=self.env["PATH"]) is None:
                raise Skip(f"{program} is not installed")

    def port(self):
        """A port that nobody listens on, given to nobody else in this run."""
        with open(os.path.join(os.path.dirname(self.dir), "next-port"), "a+", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            number = int(file.read() or random.randrange(20000, 29000))
            while True:
                number = 20000 if number >= 30000 else number + 1
                if not_in_use(number):
                    break
            file.truncate(0)
            file.write(str(number))
        return number

    # -- the program -------------------------------------------------------------------------------------------------
    def popen(self, *args, env=None, **more):
        """Starts the program without waiting; text pipes unless told otherwise."""
        more.setdefault("stdin", subprocess.DEVNULL)
        more.setdefault("stdout", subprocess.PIPE)
        more.setdefault("stderr", subprocess.PIPE)
        more.setdefault("text", True)
        return subprocess.Popen([self.binary, *map(str, args)], env={**self.env, **(env or {})}, cwd=self.dir, **more)

    def ctl(self, *args, code=0, input=None, env=None, timeout=30.0):
        """Runs the program; checks the exit code unless `code` is None (a number, or a tuple of them)."""
        began = time.monotonic()
        given = {"input": input} if input is not None else {"stdin": subprocess.DEVNULL}
        try:
            done = subprocess.run([self.binary, *map(str, args)], env={**self.env, **(env or {})}, cwd=self.dir, text=True,
                                  errors="replace", capture_output=True, timeout=timeout * self.patience, **given)
        except subprocess.TimeoutExpired as late:
            raise AssertionError(f"arcusctl {' '.join(map(str, args))} did not end within {late.timeout} s\n"
                                 f"{late.stdout}\n{late.stderr}") from None
        result = Result(done.stdout, done.stderr, done.returncode, time.monotonic() - began)
        self.remember(args, result)
        assert result.code != 99, f"arcusctl {' '.join(map(str, args))}:\n{result.err}"
        if code is not None:
            wanted = code if isinstance(code, tuple) else (code,)
            assert result.code in wanted, (f"arcusctl {' '.join(map(str, args))}: exit {result.code}, wanted {code}\n"
                                           f"{result.out}{result.err}")
        return result

    def remember(self, args, result):
        with open(self.path("calls"), "a", encoding="utf-8") as file:
            file.write(f"$ arcusctl {' '.join(map(str, args))}   # exit {result.code}, {result.seconds:.3f} s\n")
            for line in (result.out + result.err).splitlines()[:6]:
                file.write(f"    {line}\n")

    def json(self, *args, **more):
        return json.loads(self.ctl(*args, "-o", "json", **more).out)

    def init(self, *tenants):
        self.ctl("init")
        for tenant in tenants:
            self.ctl("tenant", "add", tenant)

    def server(self, kind, ref, *flags, port=None, code=0):
        """Adds server `tenant/name`; returns its port."""
        tenant, name = ref.split("/")
        port = self.port() if port is None else port
        self.ctl("server", "add", kind, name, "-t", tenant, "--port", port, *flags, code=code)
        return port

    def allow_loopback(self, *tenants):
        for tenant in tenants:
            self.ctl("acl", "add", "allow", "--to", "127.0.0.0/8", "-t", tenant)

    def run(self, *flags, code=0):
        """`run -d`; returns the daemon's pid."""
        result = self.ctl("run", "-d", *flags, code=code)
        return int(matches(result.out + result.err, r"pid (\d+)").group(1))

    def show(self, ref):
        return self.json("server", "show", ref)

    def field(self, ref, pointer):
        return self.ctl("server", "show", ref, "-o", f"field=/{pointer}").out.strip()

    def wait_status(self, ref, status, seconds=10.0):
        return until(lambda: self.show(ref)["status"] == status, seconds * self.patience, f"{ref} {status}", 0.03)

    def workers(self, daemon):
        """Pids of the daemon's worker processes."""
        return [pid for pid in processes.children_of(daemon) if processes.alive(pid)]

    def worker_of(self, tenant):
        """Pid of the worker that serves `tenant`, from the registry."""
        rows = self.query("SELECT worker.pid FROM worker JOIN tenant ON coalesce(tenant.worker_group, 'tenant:' || tenant.id) "
                          f"= worker.worker_group WHERE tenant.name = '{tenant}'")
        return int(rows[0][0])

    # -- the file ----------------------------------------------------------------------------------------------------
    def sqlite(self, sql, code=0, timeout=5000, readonly=False):
        """The sqlite3 shell, as a person would use it; returns a Result."""
        argv = ["sqlite3", *(["-readonly"] if readonly else []), "-cmd", f".timeout {timeout}", self.db]
        began = time.monotonic()
        done = subprocess.run(argv, input=sql, text=True, capture_output=True, timeout=30, env=self.env)
        result = Result(done.stdout, done.stderr, done.returncode, time.monotonic() - began)
        self.remember(["(sqlite3)", sql], result)
        if code is not None:
            assert (result.code == 0) == (code == 0), f"sqlite3: {sql}\n{result.out}{result.err}"
        return result

    def query(self, sql):
        return [line.split("\t") for line in self.sqlite(".mode tabs\n" + sql + ";").out.splitlines()]

    def value(self, sql):
        rows = self.query(sql)
        return rows[0][0] if rows else None

    # -- after a failure ---------------------------------------------------------------------------------------------
    def story(self):
        return story_of(self.dir)

    def sanitizer_reports(self):
        """What a sanitizer wrote into the logs of daemons and workers, or into the output of commands."""
        if not self.sanitized:
            return ""
        found = []
        for place, _, names in os.walk(self.dir):
            for name in names:
                if name == "calls" or name.endswith((".log", ".err")):
                    with open(os.path.join(place, name), encoding="utf-8", errors="replace") as file:
                        lines = file.read().splitlines()
                    for number, line in enumerate(lines):
                        if re.search(r"(Address|Leak|Thread|UndefinedBehavior)Sanitizer|: runtime error: ", line):
                            found += [f"{name}: {text}" for text in lines[number:number + 40]]
                            break
        return "\n".join(found)

    def kill(self, pid, number=signal.SIGKILL):
        os.kill(pid, number)
        if number == signal.SIGKILL:
            assert processes.wait_gone(pid, 5), f"process {pid} survived SIGKILL"


def not_in_use(port):
    for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        try:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((address, port))
        except OSError:
            return False
    return True
