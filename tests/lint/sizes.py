"""Files stay small enough to read: 500 lines for .cc and .py, 250 for .h. (Columns are clang-format's business.)"""
from common import expect, files, read, tree

LIMITS = {".cc": 500, ".h": 250, ".py": 500}


def check(root):
    problems = []
    for ending, limit in LIMITS.items():
        for path in files(root, ending):
            lines = len(read(root, path).splitlines())
            if lines > limit:
                problems.append(f"{path}: {lines} lines, at most {limit}")
    return problems


def self_test():
    with tree({"lib/a.cc": "int x;\n" * 501, "lib/b.h": "int x;\n" * 251, "lib/c.h": "int y;\n" * 250}) as root:
        return expect(check(root), "lib/a.cc", "lib/b.h")
