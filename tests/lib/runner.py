"""Runs the black-box tests: each in its own process and folder, with a deadline; whatever it started is ended with it.

    runner.py --binary build/cli/arcusctl [--build FOLDER] [--jobs N] [--sanitized] [--keep] [--without WORD] [WORD...]

Only tests whose file or name has one of the words are run, and none that has the word of --without. One line per test; the last line is `N passed, N failed`.
"""
import argparse
import importlib.util
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(HERE)
sys.path.insert(0, HERE)

import harness  # noqa: E402
import processes  # noqa: E402


def load_tests(words, root):
    """Every @test of the folders cli and proxy, in the order of the files."""
    for folder in ("cli", "proxy"):
        for name in sorted(os.listdir(os.path.join(root, folder))):
            if not (name.startswith("test_") and name.endswith(".py")):
                continue
            spec = importlib.util.spec_from_file_location(f"{folder}_{name[:-3]}", os.path.join(root, folder, name))
            module = importlib.util.module_from_spec(spec)
            harness.current_file = f"{folder}/{name[5:-3]}"
            spec.loader.exec_module(module)
    return [t for t in harness.TESTS if not words or any(w in f"{t.file} {t.name}" for w in words)]


class Running:
    """One test in its own process."""

    def __init__(self, test, options, scratch):
        self.test = test
        self.began = time.monotonic()
        self.limit = test.timeout * (4 if options.sanitized else 1)
        self.folder = tempfile.mkdtemp(prefix="t", dir=scratch)
        self.result_path = os.path.join(self.folder, "result.json")
        self.pid = os.fork()
        if self.pid == 0:
            self.child(options)

    def child(self, options):
        """Runs the test and leaves result.json; never returns."""
        result = {"state": "failed", "detail": "the test process died"}
        world = None
        try:
            os.setsid()
            processes.become_subreaper()
            output = os.open(os.path.join(self.folder, "output"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            os.dup2(output, 1)
            os.dup2(output, 2)
            world = harness.World(self.folder, options)
            self.test.function(world)
            result["state"] = "ok"
            if reports := world.sanitizer_reports():
                result = {"state": "failed", "detail": reports}
        except harness.Skip as skip:
            result = {"state": "skipped", "detail": str(skip)}
        except BaseException:  # noqa: BLE001  (a border: every failure becomes a result)
            result = {"state": "failed", "detail": traceback.format_exc() + (world.story() if world else "")}
        finally:
            result["figures"] = world.figures if world else []
            with open(self.result_path + ".new", "w", encoding="utf-8") as file:
                json.dump(result, file)
            os.rename(self.result_path + ".new", self.result_path)
            processes.end_children()
            os._exit(0)

    def result(self, forced):
        if forced or not os.path.exists(self.result_path):
            why = f"no end within {self.limit:.0f} s" if forced else "the test process died"
            return {"state": "failed", "detail": why + "\n" + harness.story_of(self.folder), "figures": []}
        with open(self.result_path, encoding="utf-8") as file:
            return json.load(file)


def poll(running):
    """Removes and yields (test, result) of what ended or must end."""
    for entry in list(running):
        ended, _ = os.waitpid(entry.pid, os.WNOHANG)
        late = time.monotonic() - entry.began > entry.limit
        if not ended and not late:
            continue
        if not ended:
            family = processes.descendants(entry.pid)
            os.kill(entry.pid, signal.SIGKILL)
            os.waitpid(entry.pid, 0)
            processes.kill_all(family)
        running.remove(entry)
        yield entry, entry.result(late and not ended)


def run_all(tests, options, scratch):
    counts = {"ok": 0, "failed": 0, "skipped": 0}
    waiting = sorted(tests, key=lambda t: t.serial)  # serial ones last, alone
    running = []
    while waiting or running:
        while waiting and len(running) < options.jobs and not (
                running and (waiting[0].serial or any(r.test.serial for r in running))):
            running.append(Running(waiting.pop(0), options, scratch))
        for entry, result in poll(running):
            counts[result["state"]] += 1
            report(entry, result)
            if not options.keep and result["state"] != "failed":
                shutil.rmtree(entry.folder, ignore_errors=True)
        processes.reap_strays({r.pid for r in running})
        time.sleep(0.01)
    return counts


def report(entry, result):
    seconds = time.monotonic() - entry.began
    word = {"ok": "ok", "failed": "FAILED", "skipped": "skip"}[result["state"]]
    print(f"{word:6} {seconds:6.2f} s  {entry.test.file}: {entry.test.name}", flush=True)
    for figure in result["figures"]:
        print(f"           = {figure}")
    if result["detail"] and result["state"] != "ok":
        for line in result["detail"].rstrip().splitlines():
            print(f"           | {line[:400]}")
        if result["state"] == "failed":
            print(f"           | folder: {entry.folder}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", required=True)
    parser.add_argument("--build", default="", help="the build folder, for tests that install from it")
    parser.add_argument("--jobs", type=int, default=4)
    parser.add_argument("--sanitized", action="store_true", help="leave out timing, wait longer, look for reports")
    parser.add_argument("--keep", action="store_true", help="keep the folders of tests that passed")
    parser.add_argument("--without", default="", metavar="WORD", help="leave out tests that have this word")
    parser.add_argument("--tests", default=TESTS, help="where the folders cli and proxy are")
    parser.add_argument("words", nargs="*")
    options = parser.parse_args()
    options.binary = os.path.abspath(options.binary)
    processes.become_subreaper()
    scratch = tempfile.mkdtemp(prefix="arcus-test-")
    tests = load_tests(options.words, options.tests)
    if options.without:
        tests = [t for t in tests if options.without not in f"{t.file} {t.name}"]
    if options.sanitized:
        tests = [t for t in tests if t.sanitized]
    counts = {"failed": 1, "ok": 0, "skipped": 0}
    try:
        if tests:
            counts = run_all(tests, options, scratch)
        else:
            print("no test matches")
    finally:
        processes.end_children()
        if not counts["failed"]:
            shutil.rmtree(scratch, ignore_errors=True)
    print(f"{counts['skipped']} skipped")
    print(f"{counts['ok']} passed, {counts['failed']} failed")
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
