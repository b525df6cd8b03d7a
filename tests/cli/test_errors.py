"""Exit codes, wording of errors, nearest words."""
import json
import os
import re

from harness import contains, equal, matches, test


@test("unknown noun, verb, flag, reference, key: exit 2 or 3 with the nearest word (U10)")
def nearest_words(w):
    w.init("acme")
    w.server("http", "acme/web")
    for args, code, word in (
            (("serer", "list"), 2, "server"),
            (("server", "lst"), 2, "list"),
            (("server", "add", "htp", "x", "-t", "acme"), 2, "http"),
            (("server", "add", "http", "x", "-t", "acme", "--prot", "1"), 2, "--port"),
            (("server", "show", "acme/wbe"), 3, "acme/web"),
            (("server", "show", "acm/web"), 3, "acme"),
            (("tenant", "show", "acmee"), 3, "acme"),
            (("server", "set", "acme/web", "max_connectoins=1"), 2, "max_connections"),
            (("server", "set", "acme/web", "config.via_nme=1"), 2, "config"),
            (("template", "show", "standard_http_prox"), 3, "standard_http_proxy"),
            (("config", "get", "auto_strt"), (2, 3), "auto_start"),
            (("help", "exit-code"), (2, 3), "exit-codes"),
            (("server", "list", "-o", "jsn"), 2, "json"),
            (("server", "list", "-c", "nmae"), 2, "name")):
        result = w.ctl(*args, code=code)
        equal(result.out, "", f"stdout of {args}")
        contains(result.err, word)
        matches(result.err, r"^arcusctl: ")


@test("no verb abbreviations by prefix")
def no_prefixes(w):
    w.init()
    for args in (("serv", "list"), ("server", "li"), ("server", "list", "--outp", "json")):
        w.ctl(*args, code=2)


@test("errors: fact first, lower case, no full stop, then the cause and a hint")
def error_shape(w):
    w.init("acme")
    lines = w.ctl("server", "show", "acme/none", code=3).err.splitlines()
    matches(lines[0], r"^arcusctl: [a-z].*[^.]$")
    assert any(line.startswith("  hint: arcusctl ") or line.startswith("  did you mean: ") for line in lines[1:]), lines


@test("with -o json errors are one JSON line on stderr")
def json_errors(w):
    w.init("acme")
    result = w.ctl("server", "show", "acme/none", "-o", "json", code=3)
    lines = result.err.strip().splitlines()
    equal((len(lines), result.out), (1, ""))
    error = json.loads(lines[0])["error"]
    equal((error["name"], error["exit"], error["object"]), ("not_found", 3, "acme/none"))
    assert error["message"] and "hint" in error


@test("help exit-codes lists exactly the codes 0 to 11 (U13)")
def exit_code_list(w):
    out = w.ctl("help", "exit-codes").out
    codes = [int(c) for c in re.findall(r"^\s*(\d+)\s", out, re.M)]
    equal([c for c in codes if c < 100], list(range(12)))


@test("every exit code from 0 to 11 is produced (U13)", timeout=90)
def every_exit_code(w):
    w.ctl("version", code=0)
    w.ctl("server", "add", "--nonsense", code=2)
    w.ctl("server", "list", code=9)  # named by ARCUS_DB and missing
    w.init("acme")
    w.ctl("server", "show", "nothing", code=3)
    w.ctl("tenant", "add", "acme", code=4)
    port = w.server("http", "acme/web")
    w.ctl("server", "start", "acme/web", code=5)
    w.server("http", "acme/extra", "--no-start")
    w.ctl("server", "remove", "--all", code=11)
    out = w.ctl("doctor", "--strict", code=None)
    assert out.code in (0, 1, 10), f"doctor --strict: exit {out.code}"
    # a server that cannot listen: 1 for one, 6 for several of which some failed
    import socket
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", port))
        holder.listen(1)
        w.server("http", "acme/api")
        w.run(code=6)
        w.ctl("server", "start", "acme/web", code=(1, 4))
        w.ctl("tenant", "start", "acme", code=6)
    w.ctl("server", "wait", "acme/api", "--for", "stopped", "--timeout", "200ms", code=7)
    if os.getuid() == 0:
        return
    os.chmod(w.path("arcus.db"), 0o000)
    w.ctl("server", "list", code=(8, 9))


@test("exit 8: a privileged port without the privilege, a file without permission")
def exit_permission(w):
    w.init("acme")
    if os.getuid() == 0:
        import subprocess
        os.chmod(w.dir, 0o755)
        os.chmod(os.path.dirname(w.dir), 0o755)
        os.chmod(w.db, 0o600)
        done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", w.binary, "server", "list"],
                              env={**w.env, "HOME": "/nonexistent"}, text=True, capture_output=True)
        equal(done.returncode, 8, done.stderr)
        return
    w.server("http", "acme/low", port=81)
    w.ctl("run", "-d", code=6)
    contains(w.show("acme/low")["last_error"], "cap_net_bind_service")
    w.ctl("server", "start", "acme/low", code=(1, 8))


@test("exit 10: doctor --strict with a warning differs from a clean registry")
def exit_differs(w):
    w.init("acme")
    w.server("http", "acme/web", "--addr", "0.0.0.0", "--allow-open", "--no-start")
    equal(w.ctl("doctor", "--strict", code=None).code, 10)


@test("hostile texts: quotes, escapes and control bytes neither run nor show raw", threats="input-texts")
def hostile_texts(w):
    w.init("acme")
    for text in ("x'; DROP TABLE server; --", "\x1b[31mred", "a\nb", "%s%n", "\\", '"', "é" * 20):
        w.ctl("tenant", "add", text, code=2)
        w.ctl("server", "show", text, code=(2, 3))
        w.ctl("server", "list", "--where", text, code=(2, 0))
        w.ctl("tenant", "set", "acme", f"description={text}", code=None)
        assert "\x1b" not in w.ctl("tenant", "show", "acme").out, "an escape byte reached the screen"
        assert "\x1b" not in w.ctl("tenant", "add", text, code=2).err, "an escape byte reached the screen"
    equal(w.value("SELECT count(*) FROM sqlite_master WHERE name='server'"), "1")


@test("--where can read views and nothing else", threats="input-where")
def where_is_guarded(w):
    w.init("acme")
    w.server("http", "acme/web")
    for clause in ("1; DELETE FROM server", "(SELECT count(*) FROM audit_context) = 0 AND load_extension('x')",
                   "name IN (SELECT name FROM pragma_table_info('server'))", "randomblob(1000000000) IS NULL",
                   "1) UNION SELECT * FROM server --"):
        w.ctl("server", "list", "--where", clause, code=None)
    equal(w.value("SELECT count(*) FROM server"), "1")
    contains(w.ctl("server", "list", "--where", "nme = 'web'", code=2).err, "nme")


@test("sql reads only; --write changes and is audited as cli-sql")
def sql_command(w):
    w.init("acme")
    equal(w.json("sql", "SELECT name FROM tenant"), [{"name": "acme"}])
    equal(w.ctl("sql", "SELECT 1 AS a, 'x' AS b", "-o", "tsv").out.splitlines()[-1], "1\tx")
    w.ctl("sql", "UPDATE tenant SET description='x'", code=(2, 8, 9))
    w.ctl("sql", "--write", "UPDATE tenant SET description='x'")
    equal(w.query("SELECT via FROM audit ORDER BY id DESC LIMIT 1"), [["cli-sql"]])
    equal(w.json("sql", input="SELECT count(*) AS n FROM tenant"), [{"n": 1}])
    w.ctl("sql", "SELEC 1", code=2)
