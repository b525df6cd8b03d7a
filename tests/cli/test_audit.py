"""The audit trail: sealed by the daemon, verified, exported, pruned."""
import hashlib
import json

from harness import contains, equal, test, until

VALUES = ("id", "at", "actor", "via", "action", "tenant", "object", "object_id", "before", "after", "reason")


def check(w, code=0):
    return json.loads(w.ctl("audit", "verify", "-o", "json", code=code).out)


def sealed(w):
    return until(lambda: check(w)["unsealed"] == 0 and check(w), 3 * w.patience, "all rows sealed")


def behind_the_triggers(w, sql):
    """What someone does who may write the file and knows how."""
    w.sqlite(f"DROP TRIGGER audit_no_update; DROP TRIGGER audit_no_delete; {sql};")


@test("the daemon seals within a second, changes by the shell too; without it rows wait")
def seals(w):
    w.init("acme")
    w.server("http", "acme/web")
    waiting = check(w)
    equal((waiting["sealed"], waiting["unsealed"], waiting["last_id"], waiting["faults"]), (0, waiting["rows"], 0, []))
    contains(w.ctl("audit", "verify").out, "sound", "not yet sealed")
    w.run()
    first = sealed(w)
    equal((first["sealed"], first["last_id"]), (first["rows"], first["rows"]))
    w.sqlite("UPDATE server SET max_connections = 77;")
    w.ctl("server", "set", "acme/web", "max_connections=78")
    more = sealed(w)
    assert more["rows"] > first["rows"] and more["last_seal"] != first["last_seal"], more
    w.ctl("server", "set", "acme/web", "max_connections=79")
    w.ctl("daemon", "stop")
    equal(check(w)["unsealed"], 0, "the daemon leaves nothing unsealed when it stops")


@test("a row that was changed or removed behind the triggers is found: exit 1, its number, doctor too", threats="audit-forged")
def tampered(w):
    w.init("acme", "globex", "initech")
    w.run()
    rows = sealed(w)["rows"]
    behind_the_triggers(w, "UPDATE audit SET actor = 'somebody' WHERE id = 2")
    contains(w.ctl("audit", "verify", code=1).out, "audit row 2 does not fit its seal")
    equal([fault["id"] for fault in check(w, code=1)["faults"]], [2])
    found = json.loads(w.ctl("doctor", "registry", "-o", "json", code=1).out)
    contains(json.dumps([row for row in found if row["id"] == "registry.audit"]), "audit row 2", '"error"')
    contains(w.ctl("audit", "prune", "--before", "0s", "--yes", code=4).err, "audit row 2 does not fit its seal", "audit export")
    equal(w.value("SELECT count(*) FROM audit"), str(rows), "evidence stays")
    w.sqlite(f"DELETE FROM audit WHERE id = {rows};")
    equal([fault["id"] for fault in check(w, code=1)["faults"]], [2, rows])


@test("export has what is needed to compute the chain elsewhere")
def exported(w):
    w.init("acme")
    w.server("http", "acme/web", "--reason", "Ämter; 'quoted'\nand more")
    w.run()
    last = sealed(w)["last_seal"]
    lines = w.ctl("audit", "export", "-o", "jsonl").out.splitlines()
    seal = ""
    for line in lines:
        row = json.loads(line)
        text = seal
        for name in VALUES:
            value = row[name]
            if isinstance(value, (dict, list)):
                value = w.value(f"SELECT {name} FROM audit WHERE id = {row['id']}")
            text += "-" if value is None else f"{len(str(value).encode())}:{value}"
        seal = hashlib.sha256(text.encode()).hexdigest()
        equal(row["seal"], seal, f"row {row['id']}")
    equal(seal, last)


@test("prune: only what is sealed and old, only when asked twice; what stays still verifies")
def pruned(w):
    w.init("acme", "globex")
    w.run()
    rows = sealed(w)["rows"]
    w.ctl("audit", "prune", "--before", "400d", code=11)
    contains(w.ctl("audit", "prune", "--before", "400d", "--yes").out, "nothing")
    contains(w.ctl("audit", "prune", "--before", "0s", "--yes", "--dry-run").out, f"would prune  {rows} rows, 1 to {rows}")
    equal(check(w)["rows"], rows)
    contains(w.ctl("audit", "prune", "--before", "0s", "--yes", "--reason", "retention").out, f"{rows} rows, 1 to {rows}")
    left = sealed(w)
    equal((left["rows"], left["pruned_to"], left["faults"]), (1, rows, []))
    row = w.json("audit", "list")[0]
    equal((row["action"], row["reason"], row["via"]), ("audit.prune", "retention", "cli"))
    w.ctl("tenant", "add", "initech")
    equal(sealed(w)["rows"], 2)
