"""What the lints share: walking the tree, reading files, and small trees made up for self-tests."""
import contextlib
import os
import re
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SKIPPED = re.compile(r"(^|/)(\.git|build[^/]*|__pycache__|\.cache)(/|$)")


def files(root, *endings, under=""):
    """Paths relative to `root`, sorted, of every file below `under` with one of `endings` (all when none)."""
    found = []
    for folder, subfolders, names in os.walk(os.path.join(root, under)):
        relative = os.path.relpath(folder, root)
        relative = "" if relative == "." else relative
        subfolders[:] = [s for s in subfolders if not SKIPPED.search(os.path.join(relative, s))]
        for name in names:
            if not endings or name.endswith(endings):
                found.append(os.path.join(relative, name))
    return sorted(found)


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8", errors="replace") as file:
        return file.read()


def read_or_empty(root, path):
    return read(root, path) if os.path.exists(os.path.join(root, path)) else ""


@contextlib.contextmanager
def tree(contents):
    """A temporary folder with `contents` = {path: text}."""
    with tempfile.TemporaryDirectory(prefix="lint-") as root:
        for path, text in contents.items():
            full = os.path.join(root, path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "w", encoding="utf-8") as file:
                file.write(text)
        yield root


def expect(problems, *words):
    """For self-tests: exactly one problem per word, in any order, each naming its word."""
    wrong = [f"not reported: {word}" for word in words if not any(word in p for p in problems)]
    if len(problems) != len(words):
        wrong.append(f"{len(words)} problems expected, got {len(problems)}: {problems}")
    return wrong


def without_comments(text):
    """C++ with comments and the insides of strings blanked; offsets and line numbers stay."""
    def blank(match):
        piece = match.group(0)
        if piece.startswith(("/", "'")):
            return re.sub(r"[^\n]", " ", piece)
        return '"' + re.sub(r"[^\n]", " ", piece[1:-1]) + '"'

    return re.sub(r'R"(\w*)\(.*?\)\1"|//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|(?<!\w)\'(?:\\.|[^\'\\\n])+\'', blank, text,
                  flags=re.S)
