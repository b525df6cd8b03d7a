"""Builds the project in the ways that find different faults, runs every test, adds the results up.

Called by tests/run. Stages, in this order (cheap first):
  lint       formatting, layers, coroutine forms, sizes, tables, manual, words; each lint's self-test
  readme     the first command of README as it stands: packages, release build, main job
  black-box  the program from outside: real curl, nginx, sqlite3, signals; that release build, else one with g++ -O2
  asan       g++ -O0 with address and undefined behaviour sanitizers: unit tests, black-box without timing (U21)
  tsan       g++ with the thread sanitizer: unit tests of the data plane
  clang      clang 19 reads every file of the program with warnings as errors, and builds the fuzzers
  fuzz       every fuzzer for a few seconds
Only when named:
  unit       g++ -O2 with warnings as errors; every doctest binary, by test case
"""
import argparse
import concurrent.futures
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILDS = os.environ.get("ARCUS_TEST_BUILDS", os.path.join(ROOT, "build"))
PYTHON = "/usr/bin/python3"
DATA_PLANE = ("base", "net", "policy", "http", "wire", "tls", "upstream", "runtime", "tcp", "proxy_http", "sni", "socks")
FUZZ_SECONDS = 5
README_COMMAND = "README: command 1 verbatim"
UNITY = "-Dunity=on"  # several files in one compilation: nearly half the time of a build that reads the same headers over and over
LINES_ONLY = "-Dcpp_args=-g1"  # names and lines for stack traces; all of -g costs a third more at -O2


class Tally:
    """Counts results and prints one line each; failures are repeated at the end."""

    def __init__(self):
        self.passed = 0
        self.failed = 0
        self.failures = []

    def add(self, name, passed, failed, detail="", seconds=0.0):
        self.passed += passed
        self.failed += failed
        word = "ok" if failed == 0 else "FAILED"
        print(f"{word:6} {name}  {passed} passed, {failed} failed, {seconds:.1f} s", flush=True)
        if failed:
            self.failures.append(name)
            print(indent(detail), flush=True)

    def take(self, other):
        """Adds what another has counted and printed."""
        self.passed += other.passed
        self.failed += other.failed
        self.failures += other.failures

    def check(self, name, ok, detail="", seconds=0.0):
        self.add(name, 1 if ok else 0, 0 if ok else 1, detail, seconds)


def indent(text, limit=60):
    lines = text.rstrip().splitlines()
    if len(lines) > limit:
        lines = lines[:limit // 3] + [f"... {len(lines) - limit} lines left out ..."] + lines[-(limit * 2 // 3):]
    return "\n".join("       | " + line for line in lines)


def run(argv, timeout, env=None, cwd=ROOT):
    """Runs one program to its end; returns (exit code or None on timeout, output, seconds)."""
    began = time.monotonic()
    process = subprocess.Popen(argv, cwd=cwd, env={**os.environ, **(env or {})}, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True)
    try:
        output, _ = process.communicate(timeout=timeout)
        code = process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        output, _ = process.communicate()
        output += f"\nkilled after {timeout} s"
        code = None
    return code, output, time.monotonic() - began


def behind():
    """Words before a command that must not take the processor from tests that run meanwhile."""
    return ["nice", "-n", "10"] if threading.active_count() > 1 else []


# ---- builds ----------------------------------------------------------------
def build(tally, name, options, env=None, wanted=None):
    """Configures and builds build/test-<name>, with `wanted` (a predicate of a program's name) only those programs and
    what they need; returns its folder, or None when it failed (counted)."""
    folder = os.path.join(BUILDS, f"test-{name}")
    configured = os.path.exists(os.path.join(folder, "build.ninja"))
    argv = ["meson", "setup", folder, ROOT, *options] + (["--reconfigure"] if configured else [])
    code, output, seconds = run(argv, 300, env)
    if code == 0:
        programs = [] if wanted is None else [t["filename"][0] for t in introspect(folder, "targets")
                                              if t["type"] == "executable" and wanted(t["name"])]
        targets = [os.path.relpath(program, folder) for program in programs]
        code, output, more = run([*behind(), "ninja", "-C", folder, *targets], 1500, env)
        seconds += more
    tally.check(f"build {name}", code == 0, output, seconds)
    return folder if code == 0 else None


def is_among(test, names):
    return test["name"].removeprefix("unit_").removesuffix("_test") in names


def introspect(folder, what):
    return json.loads(subprocess.check_output(["meson", "introspect", f"--{what}", folder], text=True))


def binary_of(folder):
    for target in introspect(folder, "targets"):
        if target["name"] == "arcusctl" and target["type"] == "executable":
            return target["filename"][0]
    return None


# ---- unit tests ------------------------------------------------------------
MATCHES_NOTHING = "the filter matches no test case"


def count_cases(argv, env):
    """How many doctest cases the command would run, or None when it is no doctest binary."""
    code, output, _ = run([*argv, "--count"], 60, env)
    found = re.search(r"passing the current filters: (\d+)", output)
    return int(found.group(1)) if found and code == 0 else None


def unit_test(test):
    """Runs one Meson test; returns (passed, failed, detail, seconds). No cases at all is no failure here: see U20."""
    env = {k: str(v) for k, v in test.get("env", {}).items()}
    wanted = count_cases(test["cmd"], env)
    if wanted == 0:
        return 0, 0, MATCHES_NOTHING, 0.0
    code, output, seconds = run(test["cmd"], test.get("timeout") or 300, env, test.get("workdir") or ROOT)
    if wanted is None:
        return (1, 0, "", seconds) if code == 0 else (0, 1, output, seconds)
    summary = re.search(r"test cases:\s+(\d+)\s+\|\s+(\d+) passed\s+\|\s+(\d+) failed", output)
    if summary is None:
        return 0, 1, f"ended without a summary, exit {code}\n{output}", seconds
    passed, failed = int(summary.group(2)), int(summary.group(3))
    if passed + failed < wanted or (code != 0 and failed == 0):
        failed += 1
    return passed, failed, output, seconds


def run_unit_tests(tally, folder, label, env=None, only=None):
    tests = [t for t in introspect(folder, "tests") if "fuzz" not in t.get("suite", [])]
    tests = [t for t in tests if not any("fuzz" in s for s in t.get("suite", []))]
    if only is not None:
        tests = [t for t in tests if is_among(t, only)]
    if not tests:
        tally.check(f"{label} unit tests exist", False, "no test was found in " + folder)
    for test in tests:
        test["env"] = {**(test.get("env") or {}), **(env or {})}
    run_meson_tests(tally, tests, label)


def run_meson_tests(tally, tests, label):
    empty = []
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count() or 2) as pool:
        for test, result in zip(tests, pool.map(unit_test, tests)):
            passed, failed, detail, seconds = result
            if detail == MATCHES_NOTHING:
                empty.append(shlex.join(test["cmd"]))
            tally.add(f"{label} {test['name']}", passed, failed, detail, seconds)
    tally.check(f"{label} U20 every doctest filter matches a case", not empty, "\n".join(empty))


# ---- black box -------------------------------------------------------------
def run_black_box(tally, folder, label, extra=(), env=None):
    binary = binary_of(folder)
    if binary is None:
        tally.check(f"{label} black-box", False, "the build has no arcusctl")
        return
    run_runner(tally, label, ["--binary", binary, "--build", folder, *extra], env)


def run_runner(tally, label, words, env=None):
    """Runs black-box tests, counts them; how many passed."""
    argv = [PYTHON, "tests/lib/runner.py", *words]
    process = subprocess.Popen(argv, cwd=ROOT, env={**os.environ, **(env or {})}, stdout=subprocess.PIPE, text=True)
    last = ""
    for line in process.stdout:
        print(f"  {line}", end="", flush=True)
        last = line.strip() or last
    process.wait()
    summary = re.fullmatch(r"(\d+) passed, (\d+) failed", last)
    if not summary:
        tally.check(f"{label} black-box", False, "the runner ended without a summary")
        return 0
    tally.add(f"{label} black-box", int(summary.group(1)), int(summary.group(2)), "see above")
    return int(summary.group(1))


# ---- the second compiler ---------------------------------------------------
def sources_of(folder, program):
    """(compile commands of every object in `program`, generated sources they need), from Ninja and Meson."""
    path = os.path.relpath(program, folder)
    inputs = set(subprocess.check_output(["ninja", "-C", folder, "-t", "inputs", path], text=True).splitlines())
    with open(os.path.join(folder, "compile_commands.json"), encoding="utf-8") as file:
        commands = [c for c in json.load(file) if c["output"] in inputs]
    generated = sorted(i for i in inputs if i.endswith((".cc", ".h")) and not i.startswith((os.pardir, os.sep)))
    return commands, generated


def syntax_only(command):
    """The compile command without making an object: every warning comes from the reading, and a fifth is saved."""
    argv = shlex.split(command)
    if os.path.basename(argv[0]) == "ccache":
        argv.pop(0)
    for option in ("-o", "-MF", "-MQ"):
        at = argv.index(option)
        del argv[at:at + 2]
    return [a for a in argv if a not in ("-c", "-MD")] + ["-fsyntax-only"]


def read_program(tally, folder, program):
    """Has the compiler of `folder` look at every file of `program`."""
    commands, generated = sources_of(folder, program)
    code, output, seconds = run(["ninja", "-C", folder, *generated], 300)
    if code != 0:
        return tally.check("clang generated sources", False, output, seconds)
    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count() or 2) as pool:
        results = pool.map(lambda c: run([*behind(), *syntax_only(c["command"])], 300, cwd=c["directory"]), commands)
        wrong = [output for code, output, _ in results if code != 0]
    tally.check(f"clang reads the program without a warning ({len(commands)} units)", commands and not wrong,
                "\n".join(wrong), time.monotonic() - began)


def run_fuzzer(folder, target):
    """One fuzzer for FUZZ_SECONDS, from the corpus in the tree and what earlier runs found."""
    name, program = target["name"], target["filename"][0]
    corpus = os.path.join(ROOT, "tests", "fuzz", "corpus", name.removeprefix("fuzz_"))
    grown = os.path.join(folder, "corpus", name)
    os.makedirs(grown, exist_ok=True)
    argv = [program, f"-max_total_time={FUZZ_SECONDS}", "-timeout=5", "-rss_limit_mb=2048", f"-artifact_prefix={grown}-",
            grown] + ([corpus] if os.path.isdir(corpus) else [])
    return run(argv, FUZZ_SECONDS + 60)


# ---- stages ----------------------------------------------------------------
class Stages:
    def __init__(self, tally):
        self.tally = tally
        self.folders = {}
        self.released = None  # the build folder that README's command made
        self.running = None  # black-box tests that go on beside the next builds

    def folder(self, name, options, env=None, wanted=None):
        if name not in self.folders:
            self.folders[name] = build(self.tally, name, options, env, wanted)
        return self.folders[name]

    def optimised(self):
        return self.folder("debugoptimized", ["--buildtype=debugoptimized", "-Dwerror=true", LINES_ONLY])

    def lint(self):
        code, output, _ = run([PYTHON, "tests/lint/all.py"], 300)
        results = re.findall(r"^(ok|FAILED) +(\S.*)$", output, re.M)
        if not results:
            self.tally.check("lint", False, output)
        for word, name in results:
            detail = output.split(f"FAILED {name}\n", 1)[-1].split("\nok ")[0] if word == "FAILED" else ""
            self.tally.check(f"lint {name}", word == "ok", detail)

    def unit(self):
        if folder := self.optimised():
            run_unit_tests(self.tally, folder, "unit")

    def readme(self):
        place = os.path.join(BUILDS, "test-readme")
        passed = run_runner(self.tally, "README", ["--binary", PYTHON, README_COMMAND], {"ARCUS_README_BUILD": place})
        if passed and binary_of(os.path.join(place, "build")):
            self.released = os.path.join(place, "build")

    def black_box(self):
        if self.released:
            run_black_box(self.tally, self.released, "release", ["--without", README_COMMAND])
        elif folder := self.optimised():
            run_black_box(self.tally, folder, "g++ -O2")

    def asan(self):
        folder = self.folder("asan", ["--buildtype=debug", "-Db_sanitize=address,undefined", "-Db_lundef=false",
                                      "-Dwerror=false", UNITY, LINES_ONLY])
        if not folder:
            return
        env = {"ASAN_OPTIONS": "detect_stack_use_after_return=1:strict_string_checks=1",
               "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1"}
        tally = Tally()
        run_unit_tests(tally, folder, "asan", env)
        # They mostly wait, and none of them measures time: the next builds go on beside them.
        self.running = threading.Thread(target=run_black_box, args=(tally, folder, "asan", ["--sanitized"], env))
        self.running.tally = tally
        self.running.start()

    def finish(self):
        """Waits for what goes on beside, and adds it up."""
        if not self.running:
            return
        self.running.join()
        tally = self.running.tally
        self.tally.take(tally)
        self.tally.check(f"U21 the ASan and UBSan run of all tests is clean ({tally.passed} passed)",
                         tally.passed > 0 and tally.failed == 0, "see the asan lines above")

    def tsan(self):
        folder = self.folder("tsan", ["--buildtype=debug", "-Db_sanitize=thread", "-Db_lundef=false", "-Dwerror=false",
                                      UNITY, LINES_ONLY],
                             wanted=lambda name: re.sub(r"^test_|_tests?$", "", name) in DATA_PLANE)
        if folder:
            run_unit_tests(self.tally, folder, "tsan", {"TSAN_OPTIONS": "halt_on_error=1"}, DATA_PLANE)

    def clang(self):
        if folder := self.clang_folder():
            read_program(self.tally, folder, binary_of(folder))

    def clang_folder(self):
        options = ["-Ddebug=false", "-Doptimization=0", "-Dwerror=true", "-Dfuzz=true", UNITY,
                   "-Dcpp_args=-Wno-deprecated-declarations"]  # libstdc++ 12's own, from std::stable_sort
        return self.folder("clang", options, {"CC": "clang-19", "CXX": "clang++-19"},
                           lambda name: name.startswith("fuzz_"))

    def fuzz(self):
        folder = self.clang_folder()
        if not folder:
            return
        fuzzers = [t for t in introspect(folder, "targets") if t["name"].startswith("fuzz_")
                   and t["type"] == "executable"]
        if not fuzzers:
            self.tally.check("fuzzers exist", False, "no target fuzz_* in " + folder)
        with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count() or 2) as pool:
            for target, (code, output, seconds) in zip(fuzzers, pool.map(lambda t: run_fuzzer(folder, t), fuzzers)):
                self.tally.check(f"fuzz {target['name']}", code == 0, output, seconds)


def main():
    names = ["lint", "unit", "readme", "black-box", "asan", "tsan", "clang", "fuzz"]
    usual = ",".join(name for name in names if name != "unit")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default=usual, help="stages, separated by commas: " + " ".join(names))
    wanted = parser.parse_args().only.split(",")
    if unknown := set(wanted) - set(names):
        parser.error(f"no stage {' '.join(sorted(unknown))}")
    for tool in ("meson", "ninja", "g++", "clang++-19"):
        if shutil.which(tool) is None:
            print(f"{tool} is not installed\n0 passed, 1 failed")
            return 1
    os.makedirs(BUILDS, exist_ok=True)
    tally = Tally()
    stages = Stages(tally)
    began = time.monotonic()
    for name in names:
        if name in wanted:
            getattr(stages, name.replace("-", "_"))()
    stages.finish()
    print(f"\n{time.monotonic() - began:.0f} s")
    if tally.failures:
        print("failed: " + "; ".join(tally.failures))
    print(f"{tally.passed} passed, {tally.failed} failed")
    return 1 if tally.failed or not tally.passed else 0


if __name__ == "__main__":
    sys.exit(main())
