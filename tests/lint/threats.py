"""Every threat has a test, and its tests look for what it says must come of it. Run as a program it prints the table."""
import ast
import collections
import importlib.util
import os
import re

from common import ROOT, expect, files, read, tree

TABLE = "tests/lib/threat_table.py"
Marked = collections.namedtuple("Marked", "path name threats text")
CASE = re.compile(r'^// threats: ([^\n]+)\n(?:static [^\n]*\n)*TEST_CASE\(\s*"((?:[^"\\]|\\.)*)"', re.M)


def python_tests(root):
    """Tests of the black box. The text of a test is its function and the tables of its file."""
    for path in files(root, ".py", under="tests"):
        if not os.path.basename(path).startswith("test_"):
            continue
        text = read(root, path)
        body = ast.parse(text).body
        tables = [ast.get_source_segment(text, node) for node in body if isinstance(node, (ast.Assign, ast.For))]
        for function in (node for node in body if isinstance(node, ast.FunctionDef)):
            for node in function.decorator_list:
                words = [word.value.value for word in node.keywords if word.arg == "threats"] if isinstance(node, ast.Call) else []
                for word in words:
                    yield Marked(path, ast.literal_eval(node.args[0]), word.split(), "\n".join([ast.get_source_segment(text, function), *tables]))


def unit_tests(root):
    for path in files(root, ".cc", under="tests/unit"):
        text = read(root, path)
        for match in CASE.finditer(text):
            end = text.find("\n}\n", match.end())
            yield Marked(path, match.group(2), match.group(1).split(), match.group(2) + text[match.end():end])


def load(root):
    spec = importlib.util.spec_from_file_location("threat_table", os.path.join(root, TABLE))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.THREATS


def tests_by_threat(root):
    found = collections.defaultdict(list)
    for marked in [*python_tests(root), *unit_tests(root)]:
        for name in marked.threats:
            found[name].append(marked)
    return found


def check(root):
    if not os.path.exists(os.path.join(root, TABLE)):
        return []
    threats, found = load(root), tests_by_threat(root)
    counts = collections.Counter(threat.name for threat in threats)
    problems = [f"{TABLE}: {name} stands there twice" for name, count in counts.items() if count > 1]
    problems += [f"{found[name][0].path}: there is no threat {name}" for name in sorted(set(found) - set(counts))]
    for threat in threats:
        if threat.name not in found:
            problems.append(f'{TABLE}: no test says threats="{threat.name}"')
            continue
        problems += [f"{TABLE}: no test of {threat.name} looks for {word}" for word in threat.expects.split()
                     if not any(word in marked.text for marked in found[threat.name])]
    return problems


def table(root):
    """In Markdown, for people."""
    found = tests_by_threat(root)
    lines = ["| threat | what is tried | expected | tests |", "| --- | --- | --- | --- |"]
    for threat in load(root):
        tests = "<br>".join(f"`{os.path.basename(one.path)}`: {one.name}" for one in found[threat.name])
        lines.append(f"| {threat.name} | {threat.what} | {threat.expects} | {tests} |")
    return "\n".join(lines)


def self_test():
    rows = ('import collections\nThreat = collections.namedtuple("Threat", "name what expects")\n'
            'THREATS = [Threat("a", "x", "403"), Threat("b", "y", "")]\n')
    bad = {TABLE: rows, "tests/proxy/test_x.py": '@test("one", threats="a c")\ndef one(w):\n    pass\n'}
    good = {TABLE: rows, "tests/proxy/test_x.py": '@test("one", threats="a")\ndef one(w):\n    equal(status, 403)\n',
            "tests/unit/x.cc": '// threats: b\nTEST_CASE("two") {}\n'}
    with tree(bad) as root:
        problems = expect(check(root), "there is no threat c", "no test of a looks for 403", 'no test says threats="b"')
    with tree(good) as root:
        problems += check(root)
    return problems


if __name__ == "__main__":
    print(table(ROOT))
