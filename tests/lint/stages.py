"""The acceptance checks that tests/lib/everything.py makes itself can fail: U20 (doctest filters), U21 (a sanitizer run
is clean), and what clang reads."""
import contextlib
import importlib.util
import io
import os

from common import ROOT, tree

# A doctest binary: --count tells how many cases the filter leaves, else it runs them.
DOCTEST = """#!/bin/sh
n=2; case "$*" in *nothing*) n=0;; esac
case "$*" in *--count*) echo "[doctest] unskipped test cases passing the current filters: $n";;
*) echo "[doctest] test cases: $n | $n passed | 0 failed | 0 skipped";; esac
"""


def everything(root):
    spec = importlib.util.spec_from_file_location("everything", os.path.join(root, "tests", "lib", "everything.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def check(root):
    """Every acceptance id that a stage answers for is in its words."""
    with open(os.path.join(root, "tests", "lib", "everything.py"), encoding="utf-8") as file:
        text = file.read()
    return [f"tests/lib/everything.py: nothing is called {name}" for name in ("U20", "U21") if f"{name} " not in text]


def counted(module, action):
    """(passed, failed, what was printed) of one action on a fresh tally."""
    tally = module.Tally()
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        action(tally)
    return tally.passed, tally.failed, printed.getvalue()


def filters(module, place):
    program = os.path.join(place, "doctest")
    os.chmod(program, 0o700)
    tests = lambda *filters: [{"name": name, "cmd": [program, f"--test-case={name}*"]} for name in filters]  # noqa: E731
    wrong = []
    got = counted(module, lambda tally: module.run_meson_tests(tally, tests("some", "other"), "x"))
    if got[:2] != (5, 0):
        wrong.append(f"U20: two good filters of two cases each: {got}")
    got = counted(module, lambda tally: module.run_meson_tests(tally, tests("some", "nothing"), "x"))
    if got[:2] != (2, 1) or "FAILED x U20" not in got[2] or "--test-case=nothing*" not in got[2]:
        wrong.append(f"U20: a filter that matches nothing: {got}")
    return wrong


def sanitizers(module):
    wrong = []
    for failures, clean in ((0, True), (1, False)):
        module.run_unit_tests = lambda tally, *_: tally.add("unit", 3, 0)
        module.run_black_box = lambda tally, *_: tally.add("black-box", 3, failures)  # noqa: B023

        def asan(tally):
            stages = module.Stages(tally)
            stages.folder = lambda *_: "folder"
            stages.asan()
            stages.finish()

        got = counted(module, asan)
        if (got[:2] == (7, 0)) != clean or ("FAILED U21" in got[2]) == clean:
            wrong.append(f"U21 with {failures} failures: {got}")
    return wrong


def second_compiler(module, place):
    wrong, real = [], module.run
    module.run = lambda argv, *more, **named: (0, "", 0) if argv[0] == "ninja" else real(argv, *more, **named)
    for name, ends_well in (("good", True), ("bad", False)):
        command = f"g++ -Werror -Wall -MD -MQ x -MF y -o z -c {name}.cc"
        module.sources_of = lambda *_: ([{"command": command, "directory": place}], [])  # noqa: B023
        got = counted(module, lambda tally: module.read_program(tally, place, "program"))
        if got[:2] != ((1, 0) if ends_well else (0, 1)):
            wrong.append(f"clang stage, {name} file: {got}")
    return wrong


def self_test():
    with tree({"doctest": DOCTEST, "good.cc": "int main() {}\n", "bad.cc": "int main() { int unused; }\n"}) as place:
        return (filters(everything(ROOT), place) + sanitizers(everything(ROOT)) + second_compiler(everything(ROOT), place))
