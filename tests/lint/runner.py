"""The black-box runner itself: a failure fails, a hang ends, a daemon left behind is ended, nothing counts twice."""
import os
import re
import subprocess
import sys

from common import ROOT, tree

CASES = '''
import os, subprocess, time
from harness import Skip, equal, test

@test("passes")
def passes(w):
    w.figure("a figure")

@test("fails")
def fails(w):
    equal(1, 2)

@test("hangs", timeout=1)
def hangs(w):
    time.sleep(60)

@test("skips")
def skips(w):
    raise Skip("a reason")

@test("leaves a daemon", serial=True)
def leaves(w):
    code = "import os,time,sys; os.fork() and os._exit(0); os.setsid(); os.fork() and os._exit(0); " \\
           "open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(60)"
    subprocess.run(["/usr/bin/python3", "-c", code, os.environ["LEFT_BEHIND"]])
    time.sleep(0.3)

@test("dies")
def dies(w):
    os._exit(3)
'''


def check(root):
    """Nothing to look for in the tree: the self-test is the check."""
    return [] if os.path.exists(os.path.join(root, "tests", "lib", "runner.py")) else ["tests/lib/runner.py is missing"]


def self_test():
    with tree({"cli/test_sample.py": CASES, "proxy/empty": ""}) as place:
        left = os.path.join(place, "pid")
        done = subprocess.run([sys.executable, os.path.join(ROOT, "tests", "lib", "runner.py"), "--binary", "/bin/true",
                               "--tests", place], text=True, capture_output=True, env={**os.environ, "LEFT_BEHIND": left,
                                                                                     "TMPDIR": place})
        wrong = []
        if done.stdout.rstrip().splitlines()[-1:] != ["2 passed, 3 failed"] or done.returncode != 1:
            wrong.append(f"the summary is {done.stdout.rstrip().splitlines()[-1:]}, exit {done.returncode}\n{done.stdout}{done.stderr}")
        for pattern in (r"^FAILED .*: fails$", r"^FAILED .*: hangs$", r"^FAILED .*: dies$", r"^ok .*: passes$", r"a figure",
                        r"^skip .*: skips$", r"a reason", r"got 1, wanted 2", r"no end within 1 s"):
            if not re.search(pattern, done.stdout, re.M):
                wrong.append(f"not printed: {pattern}")
        with open(left, encoding="ascii") as file:
            if os.path.exists(f"/proc/{file.read()}"):
                wrong.append("a daemon outlived its test")
        return wrong
