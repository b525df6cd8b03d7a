"""Files stay small enough to read: 500 lines for .cc and .py, 250 for .h; no line over 110 columns in C++."""
from common import expect, files, read, tree

LIMITS = {".cc": 500, ".h": 250, ".py": 500}
COLUMNS = 110


def check(root):
    problems = []
    for ending, limit in LIMITS.items():
        for path in files(root, ending):
            lines = read(root, path).splitlines()
            if len(lines) > limit:
                problems.append(f"{path}: {len(lines)} lines, at most {limit}")
            if ending == ".py":
                continue
            for number, line in enumerate(lines, 1):
                if len(line) > COLUMNS and not line.lstrip().startswith(('"', 'R"', "#include")):
                    problems.append(f"{path}:{number}: {len(line)} columns, at most {COLUMNS}")
    return problems


def self_test():
    with tree({"lib/a.cc": "int x;\n" * 501, "lib/b.h": "int x;\n" * 251, "lib/c.h": "int y;\n" * 250,
               "lib/d.cc": "// " + "x" * 120 + "\n"}) as root:
        return expect(check(root), "lib/a.cc", "lib/b.h", "lib/d.cc:1")
