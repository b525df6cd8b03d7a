"""Rejects the coroutine forms that g++ 12.2 compiles into crashes, and lambdas that outlive what they captured.

`co_await` stands alone: as a statement, after `co_return`, or as the right side of `const auto x =`. Nothing else in that
statement makes a lambda, a braced object or a condition.
"""
import re

from common import expect, files, read, tree, without_comments

ACCEPTANCE = "U21"  # no capturing lambda, no braced aggregate in the statement of a co_await

PREFIX = re.compile(
    r"""^\s*(?:(?:else|case\b(?:[^:]|::)*:(?!:)|default:|(?:if|for|while|switch)\s*(?:constexpr\s*)?\((?P<head>.*)\))\s*)*
        (?:co_return\s+|\(void\)\s*|
           (?:const\s+)?auto\s*&{0,2}\s*(?:\w+|\[[\w\s,]+\])\s*=\s*)?$""", re.X | re.S)
LAMBDA = re.compile(r"\[[^\[\]]*\]\s*(?:\([^()]*\)\s*)?(?:mutable\s*|noexcept\s*|->\s*[\w:<>,\s&]+)*\{")
CAPTURING_COROUTINE = re.compile(r"\[\s*[^\]\s][^\]]*\]\s*\([^()]*\)\s*(?:mutable\s*)?->\s*(?:asio::)?(?:awaitable|Task)\s*<")


def statement_around(text, at):
    """(what stands before the co_await in its statement, what follows it, whether an outer brace closes first)."""
    depth, begin = 0, at
    while begin > 0:
        c = text[begin - 1]
        if c == ")":
            depth += 1
        elif c == "(":
            depth -= 1
        elif depth <= 0 and (c in "{}" or (c == ";" and depth == 0)):
            break
        begin -= 1
    depth, end = 0, at
    while end < len(text):
        c = text[end]
        if c in "({[":
            depth += 1
        elif c in ")}]":
            depth -= 1
            if c == "}" and depth < 0:
                return text[begin:at], text[at:end], True
        elif c == ";" and depth <= 0:
            break
        end += 1
    return text[begin:at], text[at:end], False


def judge(before, after, enclosed):
    """What is wrong with one statement, or None."""
    rest = after[len("co_await"):]
    shape = PREFIX.match(before)
    if enclosed:
        return "co_await inside a braced object"
    if shape is None:
        return "co_await must stand alone or be the right side of `const auto x =`"
    if LAMBDA.search(rest):
        return "a lambda in the statement of a co_await"
    if "{" in rest:
        return "a braced object in the statement of a co_await"
    if "?" in rest or "&&" in rest or "||" in rest or "co_await" in rest:
        return "a condition or a second await in the statement of a co_await"
    return None


def check(root):
    problems = []
    for path in files(root, ".h", ".cc"):
        text = without_comments(read(root, path))
        for match in re.finditer(r"\bco_await\b", text):
            line = text.count("\n", 0, match.start()) + 1
            if problem := judge(*statement_around(text, match.start())):
                problems.append(f"{path}:{line}: {problem}")
        for match in CAPTURING_COROUTINE.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            problems.append(f"{path}:{line}: a capturing lambda is a coroutine")
    return problems


def self_test():
    bad = {
        "condition": "if (co_await f()) g();",
        "negated": "if (!co_await f()) g();",
        "conditional": "const auto s = c ? co_await f() : g();",
        "aggregate": "co_await f({.name = s});",
        "built": "R r{.a = co_await f(), .b = 1};",
        "executor": "D d{co_await executor, 1};",
        "spawned": "co_await co_spawn(ex, [x] { g(x); }, token);",
        "typed": "std::string s = co_await f();",
        "both": "const auto x = co_await f() && y;",
    }
    good = """
      co_await f(a, b);
      const auto [ec, n] = co_await stream.read(span);
      auto x = co_await std::move(y).get();
      for (;;) { co_await f(); }
      for (int i = 0; i < 3; ++i) co_await f();
      if (ready) co_await f(); else co_await g();
      switch (k) { case Kind::a: co_await f(); break; }
      // if (co_await f())
      co_return co_await h();
    """
    wrong = []
    for name, body in bad.items():
        with tree({"lib/net/x.cc": f"Task f() {{\n  {body}\n}}\n"}) as root:
            if not check(root):
                wrong.append(f"not reported: {name}: {body}")
    with tree({"lib/net/x.cc": "Task f() {\n" + good + "}\n"}) as root:
        wrong += [f"false alarm: {p}" for p in check(root)]
    with tree({"lib/net/x.cc": "auto l = [this](int) -> awaitable<void> { return g(); };\n"}) as root:
        wrong += expect(check(root), "capturing lambda")
    return wrong
