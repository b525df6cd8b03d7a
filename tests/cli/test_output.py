"""Formats, columns, colours, widths, pipes."""
import json
import re
import subprocess

from harness import contains, equal, test
from terminal import on_terminal

LISTS = (("tenant", "list"), ("server", "list"), ("template", "list"), ("config", "list"), ("audit", "list"),
         ("health",), ("acl", "list"))


def some_servers(w):
    w.init("acme", "globex")
    for ref in ("acme/web", "acme/api", "globex/web"):
        w.server("http", ref)
    w.server("tcp", "globex/db", "--backend", "127.0.0.1:1")


@test("lists print [] when empty, and every -o json parses (U8)")
def json_everywhere(w):
    w.init()
    for args in (("tenant", "list"), ("server", "list"), ("health",)):
        equal(w.ctl(*args, "-o", "json").out.strip(), "[]", str(args))
        equal(w.ctl(*args, "-o", "jsonl").out, "", str(args))
    w.ctl("tenant", "add", "acme")
    equal(w.ctl("acl", "list", "-t", "acme", "--where", "1=1", "-o", "json", code=None).code in (0, 2), True)
    w.server("http", "acme/web")
    for args in (*LISTS, ("server", "show", "acme/web"), ("tenant", "show", "acme"), ("stats",), ("stats", "tenant", "acme"),
                 ("stats", "server", "acme/web"), ("status",), ("version",), ("doctor",), ("db", "info")):
        result = w.ctl(*args, "-o", "json", code=(0, 1))
        json.loads(result.out)


@test("keys of show -o json are the columns of the full views, headings those of the people views (U8)")
def keys_are_columns(w):
    some_servers(w)
    columns = lambda view: [r[0] for r in w.query(f"SELECT name FROM pragma_table_info('{view}')")]  # noqa: E731
    shown = w.show("acme/web")
    full = set(columns("server_full"))
    wrong = set(shown) - full - {"health", "stats", "backends", "routes", "access", "audit", "rules"}
    assert not wrong, f"keys that are no column of server_full: {sorted(wrong)}"
    odd = set(shown["stats"]) - full - {"p50_ms", "p95_ms", "p99_ms", "reasons"}
    assert not odd, f"stats keys that are no column of server_full: {sorted(odd)}"
    tenant = w.json("tenant", "show", "acme")
    odd = set(tenant) - set(columns("tenant_full")) - {"stats", "servers"}
    assert not odd, f"keys that are no column of tenant_full: {sorted(odd)}"
    headings = w.ctl("server", "list").out.splitlines()[0].split()
    people = {c.upper() for c in columns("servers")} | {"REQ/S", "AGE"}
    assert set(headings) <= people, f"{sorted(set(headings) - people)} are no columns of view servers"


@test("tsv, csv, jsonl, name, field, --format, -c, --sort, --limit, --no-headers agree")
def list_shaping(w):
    some_servers(w)
    rows = w.json("server", "list")
    equal(len(rows), 4)
    tsv = [line.split("\t") for line in w.ctl("server", "list", "-o", "tsv", "-c", "tenant,name,type").out.splitlines()]
    equal(tsv[1:], [[r["tenant"], r["name"], r["type"]] for r in rows])
    csv = w.ctl("server", "list", "-o", "csv", "-c", "tenant,name", "--no-headers").out.splitlines()
    equal(csv, [f"{r['tenant']},{r['name']}" for r in rows])
    equal([json.loads(line)["name"] for line in w.ctl("server", "list", "-o", "jsonl").out.splitlines()],
          [r["name"] for r in rows])
    equal(w.ctl("server", "list", "--format", "{tenant}/{name}").out.splitlines(), [f"{r['tenant']}/{r['name']}" for r in rows])
    down = w.ctl("server", "list", "--sort", "-listen_port", "--limit", "2", "--format", "{listen_port}").out.split()
    equal(down, [str(p) for p in sorted((r["listen_port"] for r in rows), reverse=True)[:2]])
    equal(w.field("acme/web", "listen_port"), str(w.show("acme/web")["listen_port"]))
    equal(set(w.ctl("server", "list", "-q").out.split()), {r["id"] for r in rows})
    equal(w.ctl("server", "list", "-o", "json", env={"ARCUS_OUTPUT": "tsv"}).out[0], "[")
    equal(json.loads(w.ctl("server", "list", env={"ARCUS_OUTPUT": "json"}).out), rows)


@test("head -1 is silent; no escape byte on pipes, with NO_COLOR or TERM=dumb (U9)")
def quiet_pipes(w):
    some_servers(w)
    command = f"'{w.binary}' server list | head -1"
    done = subprocess.run(["bash", "-c", f"set -o pipefail; for i in 1 2 3 4 5; do {command}; done"], env=w.env, text=True,
                          capture_output=True)
    equal(done.stderr, "")
    contains(done.stdout, "TENANT")
    assert "\x1b" not in w.ctl("server", "list").out + w.ctl("server", "show", "nope", code=3).err
    for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}, {"NO_COLOR": "1", "CLICOLOR_FORCE": "1"}):
        out, code = on_terminal(w, "server", "list", env=env)
        equal((code, "\x1b[3" in out), (0, False), str(env))
    assert "\x1b" in w.ctl("server", "list", "--color", "always", env={"NO_COLOR": "1"}).out
    assert "\x1b" in w.ctl("server", "list", env={"CLICOLOR_FORCE": "1"}).out


@test("tables never wrap at 60, 80 and 120 columns; cells have no spaces (U9)")
def widths(w):
    some_servers(w)
    w.ctl("tenant", "set", "acme", "description=a long text with many words that would wrap any table there is")
    for columns in (60, 80, 120):
        for args in (("server", "list"), ("server", "list", "-o", "wide"), ("tenant", "list"), ("status",)):
            out, _ = on_terminal(w, *args, columns=columns)
            for line in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", out).splitlines():
                assert len(line) <= columns or args[0] == "status", f"{len(line)} > {columns}: {line}"
    table = w.ctl("server", "list").out.splitlines()
    equal({len(line.split()) for line in table}, {len(table[0].split())}, "cells per line")


@test("human units only on the screen: exact numbers in json and tsv")
def units(w):
    w.init("acme")
    w.server("http", "acme/web", "--connection-timeout", "90s", "--max-connections", "123456")
    equal(w.show("acme/web")["connection_timeout_ms"], 90000)
    contains(w.ctl("server", "list", "-o", "tsv", "-c", "max_connections").out, "123456")


@test("the pipelines of the manual work: jq, -q into another command, field=, tsv into sort (README)")
def pipelines(w):
    w.need("jq")
    some_servers(w)
    shell = lambda text: subprocess.run(["bash", "-c", "set -eo pipefail; " + text], text=True, capture_output=True,  # noqa: E731
                                        env={**w.env, "PATH": w.path("bin") + ":" + w.env["PATH"]}, cwd=w.dir)
    import os
    os.mkdir(w.path("bin"))
    os.symlink(w.binary, w.path("bin/arcusctl"))
    for text, wanted in (
            ("arcusctl server list -t acme -o json | jq -r '.[] | select(.status==\"stopped\") | .name' | sort", "api\nweb\n"),
            ("arcusctl server list -q -t globex | arcusctl server stop - -q | wc -l", "2\n"),
            ("id=$(arcusctl -q server add http new -t acme --port 0 --no-wait); echo ${#id}", "12\n"),
            ("arcusctl server show acme/web -o field=/type", "http\n"),
            ("arcusctl audit list -o jsonl | jq -c 'select(.via==\"cli\")' | head -1 | wc -l", "1\n"),
            ("arcusctl sql \"SELECT tenant, sum(requests) FROM servers GROUP BY 1\" -o tsv | sort -k2nr | head -1 | wc -l", "1\n")):
        done = shell(text)
        equal((done.returncode, done.stdout), (0, wanted), f"{text}: {done.stderr}")
