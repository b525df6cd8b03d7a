"""C++ is as clang-format 14 with our .clang-format writes it."""
import shutil
import subprocess

from common import expect, files, tree

PROGRAM = shutil.which("clang-format-14") or "clang-format"


def check(root):
    sources = files(root, ".h", ".cc")
    if not sources:
        return []
    result = subprocess.run([PROGRAM, "--dry-run", "-Werror", "--ferror-limit=1", *sources], cwd=root, text=True,
                            capture_output=True)
    problems = sorted({line for line in result.stderr.splitlines() if "clang-format-violations" in line})
    if result.returncode != 0 and not problems:
        problems.append(result.stderr.strip())
    return problems


def self_test():
    with tree({"a.cc": "int  x ;\n", "b.cc": "int x;\n", ".clang-format": "BasedOnStyle: Google\n"}) as root:
        return expect(check(root), "a.cc:1")
