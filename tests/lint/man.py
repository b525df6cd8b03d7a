"""Manual pages: silent under `mandoc -T lint`, with the sections a reader looks for, and installed."""
import os
import re
import subprocess

from common import expect, files, read, read_or_empty, tree

SECTIONS = ("NAME", "SYNOPSIS", "DESCRIPTION", "EXIT STATUS", "ENVIRONMENT", "FILES", "EXAMPLES")
FILE_FORMAT_SECTIONS = ("NAME", "DESCRIPTION", "FILES", "EXAMPLES")


def pages(root):
    return files(root, ".1", ".5", ".7", under="man")


def check(root):
    problems = []
    installed = read_or_empty(root, "man/meson.build")
    found = pages(root)
    if not found:
        return ["man: no page"]
    for path in found:
        lint = subprocess.run(["mandoc", "-T", "lint", "-W", "style", path], capture_output=True, text=True, cwd=root)
        problems += [line.removeprefix("mandoc: ") for line in (lint.stdout + lint.stderr).splitlines()
                     if "referenced manual not found" not in line and "outdated mandoc.db" not in line]
        text = read(root, path)
        wanted = SECTIONS if path.endswith(".1") else FILE_FORMAT_SECTIONS
        problems += [f"{path}: no section {name}" for name in wanted if f"\n.Sh {name}\n" not in text]
        if f"'{os.path.basename(path)}'" not in installed:
            problems.append(f"{path}: not in man/meson.build")
        for name, section in re.findall(r"^\.Xr (arcus\S*) (\d)", text, re.M):
            if f"man/{name}.{section}" not in found:
                problems.append(f"{path}: refers to {name}({section}), which does not exist")
    return problems


def documented_flags(root):
    """Every long flag that some page gives, without its dashes."""
    text = "\n".join(read(root, path) for path in pages(root)).replace("\\-", "-")
    return set(re.findall(r"\bFl -([a-z0-9][a-z0-9-]*)", text))


def self_test():
    good = (".Dd November 22, 2026\n.Dt ARCUS-X 5\n.Os\n.Sh NAME\n.Nm arcus-x\n.Nd a page\n.Sh DESCRIPTION\nText.\n"
            ".Sh FILES\nNone.\n.Sh EXAMPLES\nNone.\n")
    with tree({"man/arcus-x.5": good, "man/meson.build": "pages = ['arcus-x.5']\n"}) as root:
        wrong = [f"false alarm: {p}" for p in check(root)]
    bad = good.replace(".Sh FILES\nNone.\n", ".Zz odd\n.Xr arcus-gone 7\n")
    with tree({"man/arcus-x.5": bad, "man/meson.build": ""}) as root:
        wrong += expect(check(root), "skipping unknown macro", "no section FILES", "not in man/meson.build", "arcus-gone")
    return wrong
