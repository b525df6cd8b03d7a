"""No word of unfinished work in anything that is kept, and no path of the machine it was written on."""
import re

from common import expect, files, read, tree

# Written apart, so that this file passes itself.
UNFINISHED = ["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK", "WI" + "P", "TB" + "D"]
PHRASES = ["not " + "implemented", "not yet " + "implemented", "coming " + "soon", "un" + "implemented",
           "place" + "holder implementation", "stub " + "for now", "for now, " + "just"]
PLACES = ["/" + "work/", "/" + "root/"]
TEXT = (".h", ".cc", ".py", ".sql", ".md", ".build", ".txt", ".1", ".5", ".7", ".sh", ".bash", ".fish", ".zsh", ".service")
SCRIPTS = ("tests/run", ".ci/run", "tests/bench/subject")

PATTERN = re.compile("|".join([rf"\b{w}\b" for w in UNFINISHED] + [rf"\b(?i:{re.escape(p)})\b(?<!Not Implemented)" for p in PHRASES]
                              + [rf"(?<![\w.}}$)*~]){re.escape(p)}" for p in PLACES]))


def check(root):
    problems = []
    for path in files(root):
        if not path.endswith(TEXT) and path not in SCRIPTS:
            continue
        for number, line in enumerate(read(root, path).splitlines(), 1):
            if found := PATTERN.search(line):
                problems.append(f"{path}:{number}: \"{found.group(0)}\"")
    return problems


def self_test():
    with tree({"lib/a.cc": "// " + UNFINISHED[0] + ": later\n", "man/b.1": "Coming" + " soon.\n",
               "README.md": "see /" + "work/notes\n", "lib/c.cc": "int stub_todos;\n"}) as root:
        return expect(check(root), "lib/a.cc:1", "man/b.1:1", "README.md:1")
