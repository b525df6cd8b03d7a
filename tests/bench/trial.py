"""One trial: a subject is started, put under the load of a row and ended; what it used meanwhile is the result."""
import contextlib
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import tempfile
import time

from machine import (Places, busy_of_machine, cpu_of, end, free_ports, leaves_of, memory_of, say, settings, tree_of,
                     wait_until_closed, wait_until_open)
from peers import HERE, Place
from rows import amount_of, scaled

ROOT = os.path.dirname(os.path.dirname(HERE))
SOURCES = [os.path.join(HERE, name) for name in ("load.cc", "client.cc", "plan.cc", "origin.cc")]
START_SECONDS = 60  # a thousand servers are more than a moment
SHARE_RESUMED = 0.9  # fewer resumed sessions and the row has measured something else


class Failed(Exception):
    """The trial has no result; says why."""


class Bench:
    """The origin, a scratch folder with the load generator and a certificate, and a port for the subject."""

    def __init__(self, is_tuned, seconds):
        self.seconds = seconds
        self.is_tuned = is_tuned
        self.stack = contextlib.ExitStack()

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            stack.enter_context(settings(self.is_tuned))
            self.places = Places(self.is_tuned)
            self.folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="arcus-bench-"))
            os.chmod(self.folder, 0o755)  # peers give up root
            self.load = os.path.join(self.folder, "load")
            self.build()
            self.make_certificate()
            self.port, self.origin = free_ports(2)
            origin = self.places.start([self.load, "origin", str(self.origin)], self.places.load_cpu)
            stack.callback(end, origin, 0)
            if not wait_until_open(self.origin, origin, 10):
                raise Failed("the origin did not start")
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *error):
        self.stack.close()

    def build(self):
        compiler = os.environ.get("CXX", "c++")
        argv = [compiler, "-std=c++20", "-O2", "-I", ROOT, "-o", self.load, *SOURCES, "-lssl", "-lcrypto"]
        if subprocess.run(argv).returncode != 0:
            raise Failed("the load generator could not be built")

    def make_certificate(self):
        cert, key, both = (os.path.join(self.folder, name) for name in ("cert.pem", "key.pem", "both.pem"))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                        "30", "-subj", "/CN=a.test", "-addext", "subjectAltName=DNS:a.test,IP:127.0.0.1", "-keyout", key,
                        "-out", cert], check=True, stderr=subprocess.DEVNULL)
        descriptor = os.open(both, os.O_WRONLY | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            for path in (cert, key):
                with open(path, encoding="ascii") as part:
                    file.write(part.read())
        self.files = {"cert": cert, "key": key, "both": both}

    # -- a subject ---------------------------------------------------------------------------------------------------
    @contextlib.contextmanager
    def running(self, subject, kind):
        """The process of the subject, listening and at rest."""
        folder = os.path.join(self.folder, "subject")
        os.makedirs(folder)
        place = Place(kind=kind, port=self.port, origin=self.origin, folder=folder, **self.files)
        try:
            with open(os.path.join(folder, "stderr"), "w+", encoding="utf-8", errors="replace") as errors:
                process = self.places.start(subject.command(place), self.places.subject_cpu, cwd=folder,
                                            env={**os.environ, "TMPDIR": folder, **subject.extra},
                                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors)
                try:
                    if not wait_until_open(self.port, process, START_SECONDS):
                        errors.seek(0)
                        raise Failed("did not start: " + " ".join(errors.read().split())[-200:])
                    wait_until_calm(process)
                    self.places.get_ahead(process.pid)  # a worker may have made a session of its own
                    yield process
                finally:
                    end(process)
                    wait_until_closed(self.port)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def start_load(self, load, *more):
        argv = [self.load, "run", "--port", str(self.port), "--origin", str(self.origin), *load.split(), *more]
        return self.places.start(argv, self.places.load_cpu, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    @contextlib.contextmanager
    def held(self, load, *more):
        """What the load says once its connections are open and silent; they are until the end."""
        process = self.start_load(load, *more)
        try:
            line = process.stdout.readline()
            if not line:
                raise Failed("the load ended before its connections were open")
            yield json.loads(line)
        finally:
            process.stdin.close()
            end(process, 5)

    # -- trials ------------------------------------------------------------------------------------------------------
    def cost(self, subject, row):
        """CPU per unit of a row; a dict that can stand as a line of JSON."""
        with self.running(subject, row.kind) as process:
            with self.crowd(subject, row):
                return self.under_load(process, row)

    @contextlib.contextmanager
    def crowd(self, subject, row):
        """As many idle connections as the subject wants beside the load."""
        if subject.idle == 0:
            yield
            return
        # Each may be two descriptors of the subject.
        wanted = min(subject.idle, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2 - 500)
        if wanted < subject.idle:
            say(f"note: no more than {wanted} idle connections: the hard limit of open files is low")
        load = re.sub(r"--(mode|connections|rate) \w+", "", row.load)
        with self.held(load, "--mode", "hold", "--connections", str(wanted), "--seconds", "30") as news:
            if news["held"] < wanted:
                raise Failed(f"only {news['held']} of {wanted} idle connections: {news['note']}")
            yield

    def under_load(self, process, row):
        load = self.start_load(row.load, "--seconds", str(self.seconds), "--warm-up", str(min(0.5, self.seconds / 2)))
        marks, result = {}, None
        try:
            for line in load.stdout:
                news = json.loads(line)
                if news["event"] == "result":
                    result = news
                else:
                    marks[news["event"]] = (*cpu_of(process.pid), busy_of_machine())
        finally:
            end(load, 5)
        if result is None:
            raise Failed("the load ended without a result")
        if void := why_void(row, result):
            raise Failed(void)
        user, system, busy = (b - a for a, b in zip(marks["begin"], marks["end"]))
        amount = amount_of(row, result)
        return {"cost": scaled(row, (user + system) / amount), "user": scaled(row, user / amount),
                "machine": scaled(row, busy / amount), "rate": amount / result["seconds"],
                **{key: value for key, value in result.items() if key != "event"}}

    def memory(self, subject, limit, count):
        """Bytes for each of `count` held connections, and private bytes of the fattest worker before there were any."""
        with self.running(subject, limit.kind) as process:
            time.sleep(0.5)
            private = max((memory_of([pid], "Private_Dirty") or 0 for pid in leaves_of(process.pid)), default=0)
            before = memory_of(tree_of(process.pid), "Pss")
            with self.held(limit.load, "--connections", str(count)) as news:
                time.sleep(1)
                after = memory_of(tree_of(process.pid), "Pss")
            if before is None or after is None:
                raise Failed("its memory can only be read by root")
            if news["errors"] or not news["held"]:
                raise Failed(f"{news['errors']} errors, the first: {news['note']}")
            return {"bytes": (after - before) / news["held"], "held": news["held"], "private": private}

    def calls(self, subject, limit):
        """System calls of the workers per unit; {name: share} of the most frequent."""
        path = os.path.join(self.folder, "calls")
        with self.running(subject, limit.kind) as process:
            with self.traced(leaves_of(process.pid), path):
                load = self.start_load(limit.load, "--seconds", str(self.seconds), "--warm-up", "0")
                result = json.loads(load.communicate()[0].splitlines()[-1])
        if result["errors"] or not result["units"]:
            raise Failed(f"{result['errors']} errors, the first: {result['note']}")
        with open(path, encoding="utf-8") as file:
            counts = {m.group(2): int(m.group(1)) for m in
                      re.finditer(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", file.read(), re.M)}
        total = counts.pop("total", sum(counts.values()))
        most = sorted(counts.items(), key=lambda item: -item[1])[:6]
        return {"calls": total / result["units"], "most": {name: round(n / result["units"], 2) for name, n in most}}

    @contextlib.contextmanager
    def traced(self, pids, path):
        """strace counts the calls of these processes and their threads; the table of counts is in `path` afterwards."""
        with open(path + ".said", "w+", encoding="utf-8") as said:
            trace = subprocess.Popen(["strace", "-c", "-f", "-o", path, "-p", ",".join(map(str, pids))],
                                     stdout=subprocess.DEVNULL, stderr=said)
            try:
                deadline, text = time.monotonic() + 10, ""
                while text.count(" attached") < len(pids):
                    if trace.poll() is not None or time.monotonic() > deadline:
                        raise Failed("strace could not attach: " + " ".join(text.split())[-200:])
                    time.sleep(0.05)
                    said.seek(0)
                    text = said.read()
                yield
            finally:
                trace.send_signal(signal.SIGINT)
                trace.wait()


def wait_until_calm(process, limit=30.0):
    """Until the subject is done with its start: it hardly uses its CPU any more."""
    deadline, before = time.monotonic() + limit, sum(cpu_of(process.pid))
    while time.monotonic() < deadline:
        time.sleep(0.2)
        now = sum(cpu_of(process.pid))
        if now - before <= 0.01:
            return
        before = now
    say(f"note: after {limit:.0f} s the subject still works without any load")


def why_void(row, result):
    """Why a result must not be compared, or an empty string."""
    if result["errors"]:
        return f"void: {result['errors']} errors, the first: {result['note']}"
    if not amount_of(row, result):
        return "void: nothing was completed"
    if "--resume" in row.load and result["resumed"] < SHARE_RESUMED * result["units"]:
        return f"void: {result['resumed']} of {result['units']} sessions were resumed"
    if "--mode requests" in row.load and result["ended"] > 0.01 * result["units"]:
        return f"void: {result['ended']} of {result['units']} connections were not kept"
    return ""


def try_trial(what, action, *args):
    """The result of a trial, or None; says what happened."""
    try:
        return action(*args)
    except (Failed, OSError) as failure:
        say(f"{what}: {failure}")
        return {"void": str(failure)}
