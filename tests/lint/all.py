"""Runs every lint and every lint's self-test; prints `ok NAME` or `FAILED NAME` with the findings.

With names as arguments runs only those: all.py layers sizes
"""
import sys

import coroutines
import format  # noqa: A004  (a lint of that name)
import layers
import man
import runner
import sizes
import stages
import tables
import threats
import words
from common import ROOT

LINTS = {"coroutines": coroutines, "format": format, "layers": layers, "man": man, "runner": runner, "sizes": sizes,
         "stages": stages, "tables": tables, "threats": threats, "words": words}


def report(name, problems):
    print(f"{'FAILED' if problems else 'ok'} {name}")
    for problem in problems:
        print(f"  {problem}")
    return bool(problems)


def main():
    wanted = sys.argv[1:] or list(LINTS)
    failed = 0
    for name in wanted:
        lint = LINTS[name]
        title = f"{name} {lint.ACCEPTANCE}" if hasattr(lint, "ACCEPTANCE") else name
        failed += report(f"{title} self-test", lint.self_test())
        failed += report(title, lint.check(ROOT))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
