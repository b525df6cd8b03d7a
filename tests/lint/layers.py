"""Which folder may include which, and where third-party headers may appear. The table is the architecture."""
import os
import re

from common import expect, files, read, tree

BELOW_PROXIES = {"lib/runtime", "lib/upstream", "lib/tls", "lib/net", "lib/http", "lib/policy", "lib/base"}
LAYERS = {
    "lib/base": set(),
    "lib/crypto": {"lib/base"},
    "lib/db": {"lib/base", "schema"},
    "lib/registry": {"lib/db", "lib/crypto", "lib/base"},
    "lib/policy": {"lib/base"},
    "lib/http": {"lib/base"},
    "lib/wire": {"lib/base"},
    "lib/net": {"lib/base"},
    "lib/tls": {"lib/net", "lib/crypto", "lib/base"},
    "lib/upstream": {"lib/tls", "lib/net", "lib/base"},
    "lib/runtime": {"lib/wire", "lib/policy", "lib/upstream", "lib/tls", "lib/net", "lib/crypto", "lib/base"},
    "lib/daemon": {"lib/registry", "lib/db", "lib/wire", "lib/policy", "lib/upstream", "lib/tls", "lib/net", "lib/crypto", "lib/base"},
    "proxies": BELOW_PROXIES | {"proxies"},
    "cli": None,  # everything
}
# header prefix -> {folder: endings it may appear in}; a file's own path may stand for a folder
THIRD_PARTY = {
    "sqlite3.h": {"lib/db": (".h", ".cc")},
    "nlohmann/": {folder: (".cc",) for folder in ("lib/registry", "lib/wire", "lib/daemon", "cli")},
    "CLI/": {"cli/core/parser.cc": (".cc",)},
    "asio": {folder: (".h", ".cc") for folder in ("lib/net", "lib/upstream", "lib/runtime", "lib/daemon")},
    "ares": {"lib/net": (".h", ".cc")},
    "openssl/": {"lib/tls": (".h", ".cc"), "lib/crypto": (".cc",)},
    "seccomp.h": {"lib/runtime": (".cc",)},
    "doctest/": {},
}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)
OURS = ("lib/", "proxies/", "cli/", "schema/", "tests/")


def layer_of(path):
    """The row of LAYERS that `path` belongs to, or None."""
    return max((name for name in LAYERS if path.startswith(name + "/")), key=len, default=None)


def folder_of(path):
    parts = path.split("/")
    return "/".join(parts[:2]) if parts[0] == "lib" else parts[0]


def third_party_problem(path, header):
    for prefix, allowed in THIRD_PARTY.items():
        if not header.startswith(prefix):
            continue
        for place, endings in allowed.items():
            if (path == place or path.startswith(place + "/")) and path.endswith(endings):
                return None
        return f"{path}: <{header}> is not allowed here"
    return None


def check(root):
    problems = []
    for path in files(root, ".h", ".cc"):
        layer = layer_of(path)
        if layer is None:
            continue
        for kind, header in INCLUDE.findall(read(root, path)):
            if kind == "<":
                if header.startswith(OURS):
                    problems.append(f"{path}: our own {header} is included with <>")
                elif problem := third_party_problem(path, header):
                    problems.append(problem)
                continue
            if not header.startswith(OURS):
                problems.append(f"{path}: \"{header}\" is not a path from the root")
                continue
            allowed = LAYERS[layer]
            target = folder_of(header)
            if allowed is not None and target != folder_of(path) and target not in allowed:
                problems.append(f"{path}: {layer} must not include {header}")
            if layer == "proxies" and target == "proxies" and other_protocol(path, header):
                problems.append(f"{path}: one protocol must not include another, {header}")
    problems += [f"{folder}: not in the table of layers" for folder in unknown_folders(root)]
    return problems


def other_protocol(path, header):
    """proxies/http/x.cc may include proxies/http/*; the table proxies/protocols.cc may include all."""
    mine, theirs = path.split("/"), header.split("/")
    return len(mine) > 2 and len(theirs) > 2 and mine[1] != theirs[1]


def unknown_folders(root):
    found = {os.path.dirname(p) for p in files(root, ".h", ".cc", under="lib")}
    return sorted(f for f in found if layer_of(f + "/x") is None)


def self_test():
    with tree({
        "lib/base/a.h": '#include "lib/db/db.h"\n',
        "lib/net/b.cc": '#include "lib/base/a.h"\n#include <sqlite3.h>\n#include <asio.hpp>\n',
        "lib/wire/c.h": "#include <nlohmann/json.hpp>\n",
        "lib/wire/c.cc": "#include <nlohmann/json.hpp>\n",
        "lib/odd/d.cc": "int x;\n",
        "proxies/http/e.cc": '#include "lib/registry/r.h"\n#include "proxies/tcp/t.h"\n#include "e.h"\n',
        "cli/noun.cc": '#include "lib/registry/r.h"\n#include <CLI/CLI.hpp>\n',
    }) as root:
        return expect(check(root), "lib/base must not", "lib/net/b.cc: <sqlite3.h>", "lib/wire/c.h", "lib/odd",
                      "proxies must not include lib/registry", "one protocol must not", "e.h\" is not a path",
                      "cli/noun.cc: <CLI/CLI.hpp>")
