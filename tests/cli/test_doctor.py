"""doctor: each kind of trouble is found, named with a command to type, and repaired where that is possible."""
import os
import signal
import socket

from certificates import authority, certificate, openssl
from harness import Skip, contains, equal, test, until


def findings(w, *args):
    """check id -> states, of `doctor` in JSON; the exit code is judged by the callers that care."""
    import json
    rows = json.loads(w.ctl("doctor", *args, "-o", "json", code=None).out)
    for row in rows:
        equal(set(row), {"id", "state", "sentence", "try"}, "keys of a finding")
    return rows


def states(rows, check):
    return sorted({row["state"] for row in rows if row["id"] == check})


@test("a fresh registry has no error and no warning")
def clean(w):
    w.init("acme")
    wrong = [row for row in findings(w, "registry", "policy", "ports", "daemon") if row["state"] in ("warn", "error")]
    equal(wrong, [])
    w.ctl("doctor", "registry", "--strict")


@test("without a registry: the file is the error, exit 1, the rest is skipped")
def no_registry(w):
    rows = findings(w)
    equal(states(rows, "registry.file"), ["error"])
    equal(states(rows, "registry.integrity"), ["skip"])
    contains([row["try"] for row in rows if row["id"] == "registry.file"][0], "arcusctl init --db")
    w.ctl("doctor", code=1)


@test("a port that another program holds is named with its holder")
def taken_port(w):
    w.init("acme")
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen(1)
        port = holder.getsockname()[1]
        w.server("http", "acme/web", port=port)
        contains(w.ctl("doctor", "ports.taken", code=1).out, f"127.0.0.1:{port} is in use by", f"pid {os.getpid()}", "try:")
    w.ctl("doctor", "ports.taken")


@test("an open proxy: an error when made by hand, a warning when allowed, nothing behind a client rule")
def open_proxy(w):
    w.init("acme")
    w.sqlite(f"INSERT INTO servers(tenant,name,type,listen) VALUES('acme','web','http','0.0.0.0:{w.port()}');")
    equal(states(findings(w, "policy"), "policy.open_proxy"), ["error"])
    w.sqlite("UPDATE server SET allow_open = 1;")
    equal(states(findings(w, "policy"), "policy.open_proxy"), ["warn"])
    w.ctl("doctor", "policy", "--strict", code=10)
    noted = "SELECT count(*) FROM problems WHERE problem LIKE 'open to everybody%'"
    for action, client in (("deny", "10.0.0.0/8"), ("allow", "0.0.0.0/0")):
        w.ctl("acl", "add", action, "--client", client, "-t", "acme")
        equal((states(findings(w, "policy"), "policy.open_proxy"), w.value(noted)), (["warn"], "1"), f"{action} {client}")
    w.ctl("acl", "remove", "2", "-t", "acme")
    w.ctl("acl", "add", "allow", "--client", "10.0.0.0/8", "-t", "acme")
    equal((states(findings(w, "policy"), "policy.open_proxy"), w.value(noted)), (["ok"], "0"))


@test("a file that anybody may write: an error, repaired by --fix")
def loose_mode(w):
    w.init("acme")
    os.chmod(w.db, 0o666)
    contains(w.ctl("doctor", "registry.modes", code=1).out, w.db, "0666")
    w.ctl("doctor", "--fix", "registry.modes")
    equal(oct(os.stat(w.db).st_mode & 0o777), "0o664")


@test("a running daemon is seen; a killed one leaves a socket that --fix removes")
def dead_daemon(w):
    w.init("acme")
    w.server("http", "acme/web")
    equal(states(findings(w, "daemon"), "daemon.lock"), ["warn"])
    w.run()
    for check in ("daemon.lock", "daemon.heartbeat", "daemon.socket", "daemon.version"):
        equal(states(findings(w, "daemon"), check), ["ok"], check)
    pid = w.json("daemon", "status")["pid"]
    os.kill(pid, signal.SIGKILL)
    until(lambda: states(findings(w, "daemon"), "daemon.lock") == ["warn"], 5, "the lock free")
    equal(states(findings(w, "daemon"), "daemon.socket"), ["warn"])
    path = w.db + ".sock"
    equal(os.path.exists(path), True)
    contains(w.ctl("doctor", "--fix", "daemon").err, "removed")
    equal(os.path.exists(path), False)


@test("orphans that the shell left with foreign_keys=OFF are found")
def orphans(w):
    w.init("acme")
    w.server("tcp", "acme/db", "--backend", "127.0.0.1:1", "--no-start")
    names = [row[0] for row in w.query("SELECT name FROM sqlite_master WHERE type='trigger' AND tbl_name='server'")]
    w.sqlite("PRAGMA foreign_keys=OFF;" + "".join(f"DROP TRIGGER {name};" for name in names) + "DELETE FROM server;")
    rows = findings(w, "registry")
    equal(states(rows, "registry.integrity"), ["error"])
    equal(states(rows, "registry.schema"), ["error"])
    w.ctl("db", "check", code=1)


@test("a check that is none is refused with the nearest")
def unknown_check(w):
    contains(w.ctl("doctor", "registri", code=2).err, "did you mean: registry")


@test("certificates: unusable, ending soon, without names: each is found with what to type")
def certs(w):
    w.init("acme")
    equal([row["id"] for row in findings(w, "certs")], [], "nothing is shown, so nothing is said")
    authority(w)
    for name, days in (("good", 90), ("soon", 5)):
        certificate(w, name, f"{name}.test", days=days)
        w.ctl("cert", "add", name, "--cert", f"{name}.pem", "--key", f"{name}.key", "-t", "acme")
    openssl(w, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", 90, "-subj", "/CN=bare.test",
            "-addext", "basicConstraints=critical,CA:FALSE", "-keyout", "bare.key", "-out", "bare.pem")
    w.server("https", "acme/web", "--cert", "good")
    equal({row["id"]: row["state"] for row in findings(w, "certs")}, {"certs.expiry": "ok", "certs.files": "ok", "certs.names": "ok"})
    w.ctl("server", "set", "acme/web", "cert=good,soon")
    w.server("tls", "acme/bare", "--cert", "bare.pem", "--key", "bare.key", "--backend", "127.0.0.1:9")
    rows = {row["id"]: row for row in findings(w, "certs")}
    equal({name: row["state"] for name, row in rows.items()}, {"certs.expiry": "warn", "certs.files": "ok", "certs.names": "warn"})
    contains(rows["certs.expiry"]["sentence"], "certificate acme/soon expires in", "days, on 20")
    contains(rows["certs.names"]["sentence"], "acme/bare has no subject alternative name")
    w.ctl("doctor", "certs", "--strict", code=10)
    os.chmod(w.path("soon.key"), 0o644)
    os.remove(w.path("bare.pem"))
    wrong = [row for row in findings(w, "certs.files") if row["state"] == "error"]
    equal(len(wrong), 2, wrong)
    contains(" ".join(row["sentence"] for row in wrong), "certificate acme/soon: ", "soon.key", "acme/bare: ", "bare.pem")
    contains(wrong[0]["try"] + wrong[1]["try"], "arcusctl cert reload acme/soon", "arcusctl server check acme/bare")
    w.ctl("doctor", "certs", code=1)


@test("certificates: a key that the daemon's user may not read, though who asks may")
def unread(w):
    if os.geteuid() != 0:
        raise Skip("only root can run the daemon as somebody else")
    w.init("acme")
    certificate(w, "one", "one.test")
    w.ctl("cert", "add", "one", "--cert", "one.pem", "--key", "one.key", "-t", "acme")
    w.server("https", "acme/web", "--cert", "one")
    os.chmod(w.dir, 0o755)
    for path in (w.dir, *(os.path.join(w.dir, name) for name in os.listdir(w.dir) if ".key" not in name)):
        os.chown(path, 65534, 65534)
    os.chmod(os.path.dirname(w.dir), 0o755)
    w.popen("run", user=65534, group=65534, extra_groups=[])
    until(lambda: states(findings(w, "certs.files"), "certs.files") == ["error"], 5 * w.patience, "it is found")
    wrong = findings(w, "certs.files")[0]
    contains(wrong["sentence"], "certificate acme/one: the daemon (uid 65534) may not read", "one.key")


@test("policy: a rule that opens a cloud's metadata address, and servers that nobody may use")
def policy(w):
    w.init("acme")
    w.server("http", "acme/web", "--auth", "basic")
    w.ctl("acl", "add", "allow", "--to", "169.254.0.0/16", "-t", "acme")
    rows = {row["id"]: row for row in findings(w, "policy")}
    equal({name: row["state"] for name, row in rows.items()},
          {"policy.metadata": "warn", "policy.open_proxy": "ok", "policy.users": "warn"})
    contains(rows["policy.metadata"]["sentence"], "rule 1 of acme opens 169.254.0.0/16", "169.254.169.254")
    contains(rows["policy.users"]["sentence"], "acme/web serves users alone, and nobody of acme may log in")
    w.ctl(*rows["policy.metadata"]["try"].split()[1:])
    w.ctl("user", "add", "bob", "-t", "acme", "--generate")
    equal(states(findings(w, "policy.users"), "policy.users"), ["ok"])
    equal(states(findings(w, "policy.metadata"), "policy.metadata"), ["ok"], "the command it names is what it takes")
