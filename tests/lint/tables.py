"""Things that come in kinds are complete: every protocol, noun, option and reason has its row, a test and a paragraph
of the manual."""
import os
import re

from common import expect, files, read, read_or_empty, tree, without_comments


def joined(root, under, *endings):
    return "\n".join(read(root, path) for path in files(root, *endings, under=under))


def manual(root):
    return joined(root, "man", ".1", ".5", ".7")


def has_paragraph(pages, word):
    """A list item, heading or name line of some page that has the word."""
    return re.search(rf"^\.(?:It|Ss|Sh|Nm)\b.*(?<![\w-]){re.escape(word)}(?![\w-])", pages, re.M) is not None


def missing(what, checks):
    return [f"{what}: no {part}" for part, ok in checks if not ok]


def has_row(root, name):
    """Another protocol's folder may define it: https is http over TLS."""
    return re.search(rf"\bconst Protocol {name}_protocol\{{", joined(root, "proxies", ".cc")) is not None


def protocols(root):
    problems = []
    table = read_or_empty(root, "proxies/protocols.cc")
    folders = {p.split("/")[1] for p in files(root, ".cc", under="proxies") if p.count("/") > 1}
    black_box = joined(root, "tests/proxy", ".py")
    for name in sorted(folders):
        own = any(os.path.exists(os.path.join(root, "tests", place)) for place in
                  (f"unit/{name}", f"unit/proxy_{name}", f"proxy/test_{name}.py"))
        problems += missing(f"protocol {name}", [
            ("row in proxies/protocols.cc", f"&{name}_protocol" in table),
            ("word in proxies/meson.build", f"subdir('{name}')" in read_or_empty(root, "proxies/meson.build")
             or f"'{name}'" in read_or_empty(root, "proxies/meson.build")),
            ("tests of its own", own),
            ("black-box test", f'"{name}"' in black_box),
            ("paragraph in the manual", has_paragraph(read_or_empty(root, "man/arcusctl-server.1"), name)),
        ])
    for name in re.findall(r"&(\w+)_protocol", table):
        if name not in folders and not has_row(root, name):
            problems.append(f"protocol {name}: no folder")
    return problems


def nouns(root):
    problems = []
    pages, table = manual(root), read_or_empty(root, "cli/nouns.cc")
    tests = joined(root, "tests/cli", ".py") + joined(root, "tests/proxy", ".py")
    for path in files(root, ".cc", under="cli"):
        for variable, name in re.findall(r"\bNoun (\w+)\{\s*\"([\w-]+)\"", read(root, path)):
            if name.startswith("__"):
                continue
            problems += missing(f"noun {name}", [
                ("row in cli/nouns.cc", f"&{variable}" in table),
                ("test", re.search(rf"[\"' ]{name}[\"' ]", tests)),
                ("paragraph in the manual", name == "worker" or has_paragraph(pages, name)),
            ])
    return problems


def options(root):
    problems = []
    page = read_or_empty(root, "man/arcusctl-server.1")
    tests = joined(root, "tests", ".py", ".cc")
    for path in files(root, ".cc", ".h", under="proxies"):
        for key in re.findall(r"\.key = \"(\w+)\"", read(root, path)):
            problems += missing(f"option {key}", [("test", re.search(rf"\b{key}\b", tests)),
                                                  ("paragraph in the manual", has_paragraph(page, key))])
    return problems


def reasons(root):
    found = re.search(r"enum class Reason[^{]*\{(.*?)\}", without_comments(read_or_empty(root, "lib/base/reason.h")), re.S)
    if not found:
        return ["lib/base/reason.h: no enum Reason"]
    problems = []
    rows, pages = read_or_empty(root, "lib/base/reason.cc"), manual(root)
    tests = joined(root, "tests", ".py", ".cc")
    given = "\n".join(joined(root, f, ".cc", ".h") for f in ("lib/net", "lib/upstream", "lib/runtime", "lib/policy", "proxies"))
    for name in re.findall(r"\w+", found.group(1)):
        is_given = re.search(rf"(?<!case )(?<!== )Reason::{name}\b", given)
        problems += missing(f"reason {name}", [
            ("row in lib/base/reason.cc", f"Reason::{name}" in rows or f'"{name}"' in rows),
            ("paragraph in the manual", has_paragraph(pages, name)),
            ("test", not is_given or re.search(rf"\b{name}\b", tests)),
        ])
    return problems


def check(root):
    return protocols(root) + nouns(root) + options(root) + reasons(root)


def self_test():
    with tree({
        "proxies/udp/udp.cc": 'constexpr OptionSpec o[] = {{.key = "burst"}};\n',
        "proxies/protocols.cc": "table[] = {&gone_protocol};\n",
        "cli/moon.cc": 'constinit const Noun moon_noun{"moon", "x"};\n',
        "lib/base/reason.h": "enum class Reason : char {\n  ok,  // fine\n  melted,\n};\n",
        "lib/base/reason.cc": '{Reason::ok, "ok"},\n',
        "lib/net/x.cc": "return Reason::melted;\n",
        "man/arcusctl.1": ".It Cm ok\nfine\n",
    }) as root:
        return expect(
            check(root), "udp: no row", "udp: no word", "udp: no tests of", "udp: no black-box", "udp: no paragraph",
            "gone: no folder", "moon: no row", "moon: no test", "moon: no paragraph", "burst: no test",
            "burst: no paragraph", "melted: no row", "melted: no paragraph", "melted: no test")
