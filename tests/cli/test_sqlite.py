"""The file in the sqlite3 shell: hand edits work, wrong ones are answered with a sentence, a dump can be adopted."""
import os
import subprocess
import time

from harness import connects, contains, equal, test, until

HTTP = "INSERT INTO servers(tenant,name,type,listen) VALUES"
OBSERVED = "servers: status, health, conns, ... are measured; set desired"


def two_tenants(w):
    w.init("acme", "globex")
    return w.server("http", "acme/web", "--no-start")


WRONG_EDITS = (
    (HTTP + "('globex','lb2','http','127.0.0.1:{port}')", "server.listen_port: another server is registered on that address and port"),
    (HTTP + "('nope','x','http','127.0.0.1:9001')", "server.tenant_id: no such tenant"),
    (HTTP + "('acme','X y','http','127.0.0.1:9001')",
     "CHECK constraint failed: server.name: 1-63 of a-z 0-9 . _ - starting with a letter or digit"),
    ("UPDATE servers SET type='ftp'", "server.type: no such server type (see: SELECT * FROM server_type)"),
    ("UPDATE servers SET status='stopped'", OBSERVED),
    ("UPDATE server SET config='{{'", "CHECK constraint failed: server.config: a JSON object"),
    ("DELETE FROM tenant WHERE name='acme'", "tenant: still has servers (delete them first)"),
    ("REPLACE INTO server(tenant_id,name,type,listen_port) SELECT id,'web','http',9001 FROM tenant WHERE name='acme'",
     "server.name: this tenant already has a server of that name (use UPDATE)"),
    ("UPDATE audit_chain SET sealed_id=0", "audit_chain: written by the daemon alone (see: arcusctl audit verify)"),
    ("DELETE FROM audit", "audit: append-only (use: arcusctl audit prune)"),
)


@test("wrong edits are answered with their sentence, also with foreign_keys=OFF (U5)")
def wrong_edits(w):
    port = two_tenants(w)
    before = w.sqlite(".dump").out
    for keys in ("OFF", "ON"):
        for sql, sentence in WRONG_EDITS:
            result = w.sqlite(f"PRAGMA foreign_keys={keys};\n{sql.format(port=port)};", code=None)
            contains(result.err, sentence)
    equal(w.sqlite(".dump").out, before)


@test("more wrong edits: observed tables, other tenants' rows, bad values; nothing changes (U5)", threats="tenant-rows")
def more_wrong_edits(w):
    two_tenants(w)
    w.server("tcp", "globex/db", "--backend", "127.0.0.1:1", "--no-start")
    before = w.sqlite(".dump").out
    acme, globex = (w.value(f"SELECT id FROM tenant WHERE name='{n}'") for n in ("acme", "globex"))
    web = w.value("SELECT id FROM server WHERE name='web'")
    for sql in (
            "UPDATE server SET listen_port=70000", "UPDATE server SET listen_port='x'", "UPDATE server SET enabled=2",
            "UPDATE server SET desired_state='paused'", "UPDATE server SET lb='magic'", "UPDATE tenant SET name='A B'",
            f"INSERT INTO server_state(server_id,status,status_since) VALUES('{web}','running','now')",
            f"INSERT INTO server_counter(server_id,incarnation,tenant_id) VALUES('{web}','x','{acme}')",
            "INSERT INTO daemon(id,pid,boot_id,version,started_at,heartbeat_at,socket_path,run_dir,log_dir) "
            "VALUES(1,1,'','','','','','','')",
            f"INSERT INTO backend(tenant_id,server_id,address) VALUES('{globex}','{web}','127.0.0.1:1')",
            f"INSERT INTO acl(number,tenant_id,server_id,position,action) VALUES(1,'{globex}','{web}',1,'allow')",
            f"UPDATE backend SET server_id='{web}'", "UPDATE audit SET actor='me'", "DELETE FROM event WHERE 0=1 OR 1",
            "INSERT INTO event(kind,object) VALUES('x','y')", "UPDATE server SET labels='[]'",
            "UPDATE servers SET conns=1 WHERE 0=1 OR tenant='acme'"):
        for keys in ("OFF", "ON"):
            result = w.sqlite(f"PRAGMA foreign_keys={keys};\n{sql};", code=None)
            assert result.err or "DELETE FROM event" in sql, f"accepted: {sql}"
    equal(w.sqlite(".dump").out, before)


@test("an UPDATE typed in the shell closes the port within 0.5 s and is audited as (sql) (U4)")
def hand_stop(w):
    w.init("acme")
    port = w.server("http", "acme/web")
    w.run()
    equal(connects(port), True)
    w.sqlite("UPDATE servers SET desired='stopped' WHERE tenant='acme' AND name='web';")
    began = time.monotonic()
    until(lambda: not connects(port), 0.5 * w.patience, "the port closed", 0.005)
    w.figure(f"UPDATE to closed port: {(time.monotonic() - began) * 1000:.0f} ms")
    equal(w.query("SELECT actor, via FROM changes ORDER BY id DESC LIMIT 1"), [["(sql)", "sql"]])
    w.sqlite("UPDATE servers SET desired='running' WHERE tenant='acme' AND name='web';")
    until(lambda: connects(port), 0.5 * w.patience, "the port open", 0.005)


@test("INSERT, UPDATE and DELETE through view servers register, change and remove")
def hand_edits(w):
    w.init("acme")
    w.run()
    port = w.port()
    w.sqlite(f"INSERT INTO servers(tenant,name,type,listen) VALUES('acme','hand','http','127.0.0.1:{port}');")
    until(lambda: connects(port), 2 * w.patience, "a server inserted by hand")
    second = w.port()
    w.sqlite(f"UPDATE servers SET listen='127.0.0.1:{second}' WHERE name='hand';")
    until(lambda: connects(second) and not connects(port), 2 * w.patience, "the new port")
    w.sqlite("DELETE FROM servers WHERE name='hand';")
    until(lambda: not connects(second), 2 * w.patience, "the removed server's port closed")
    equal(w.value("SELECT count(*) FROM server"), "0")


@test("a row that passes the shell but not the program: error with last_error, the old configuration serves on", threats="file-rows")
def rejected_by_daemon(w):
    w.init("acme")
    port = w.server("http", "acme/web")
    w.run()
    w.sqlite("PRAGMA ignore_check_constraints=ON; UPDATE server SET config='{\"max_head\": \"many\", \"zzz\": 1}' WHERE name='web';")
    until(lambda: w.show("acme/web")["last_error"], 3 * w.patience, "last_error")
    contains(w.show("acme/web")["last_error"], "config rejected")
    equal(connects(port), True)
    assert w.query("SELECT * FROM problems")


@test("a reader in no group can read a quiet registry with mode 0644 (U17)")
def reader_in_no_group(w):
    w.init("acme")
    w.server("http", "acme/web", "--no-start")
    if os.getuid() != 0:
        from harness import Skip
        raise Skip("needs root to become another user")
    for name in os.listdir(w.dir):
        if name.startswith("arcus.db"):
            os.chmod(w.path(name), 0o644)
    os.chmod(w.dir, 0o711)
    os.chmod(os.path.dirname(w.dir), 0o711)
    done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "sqlite3", "-readonly", w.db,
                           "SELECT name FROM servers"], text=True, capture_output=True)
    equal((done.returncode, done.stdout), (0, "web\n"), done.stderr)


@test("a dump lacks application_id, version and WAL; db migrate adopts it and run works (U22)", timeout=90)
def dump_adoption(w):
    w.init("acme")
    port = w.server("http", "acme/web", "--max-connections", "5")
    dump = w.sqlite(".dump").out
    new = w.path("new.db")
    done = subprocess.run(["sqlite3", new], input=dump, text=True, capture_output=True)
    equal(done.returncode, 0, done.stderr)
    w.ctl("server", "list", "--db", new, code=9)
    w.ctl("db", "migrate", "--db", new)
    equal(w.json("server", "show", "acme/web", "--db", new)["max_connections"], 5)
    w.ctl("db", "check", "--db", new)
    w.ctl("run", "-d", "--db", new)
    equal(connects(port), True)
    w.ctl("daemon", "stop", "--db", new)


@test("help, problems, changes and registry views answer in the shell")
def people_views(w):
    two_tenants(w)
    for view in ("help", "problems", "changes", "registry", "servers", "tenants", "backends", "rules", "health", "traffic",
                 "events", "settings", "server_full", "server_where"):
        w.sqlite(f"SELECT * FROM {view};")
    equal(w.query("SELECT total_servers, running_servers, stopped_servers, error_servers, total_tenants FROM registry"),
          [["1", "0", "1", "0", "2"]])
    for topic, statement, _ in w.query("SELECT * FROM help WHERE topic = 'look'"):
        w.sqlite(statement, code=0)


@test("db shell opens sqlite3 on the registry with foreign keys and a timeout")
def db_shell(w):
    two_tenants(w)
    done = subprocess.run([w.binary, "db", "shell"], input="PRAGMA foreign_keys; PRAGMA busy_timeout;\nSELECT tenant FROM "
                          "tenants;\n", text=True, capture_output=True, env=w.env, timeout=20)
    equal(done.returncode, 0, done.stderr)
    contains(done.stdout, "acme", "5000")
