"""Files that are no registry, cannot be written, or lie on a full disk: the code, the sentence, and nothing changed."""
import os
import subprocess
import threading

from harness import Skip, connects, contains, equal, test, until
from traffic import Origin, answer_with, get


def content(path):
    with open(path, "rb") as file:
        return file.read()


@test("a missing file named by --db is exit 9 with the init hint; the default one is made by the first change")
def missing_file(w):
    result = w.ctl("tenant", "add", "acme", code=9)
    contains(result.err, "arcusctl init --db")
    equal(os.path.exists(w.db), False)
    env = {"ARCUS_DB": ""}
    if os.getuid() == 0:
        return
    result = w.ctl("tenant", "add", "acme", env=env)
    contains(result.err, "arcus.db")
    equal(os.path.exists(w.path("home/data/arcus/arcus.db")), True)


@test("foreign, truncated, corrupt, empty and newer files: exit 9, a sentence, not a byte changed", threats="file-damaged")
def bad_files(w):
    w.init("acme")
    w.server("http", "acme/web", "--no-start")
    subprocess.run([w.binary, "db", "backup", w.path("good.db")], env=w.env, check=True, capture_output=True)
    good = content(w.path("good.db"))
    foreign = w.path("foreign.db")
    subprocess.run(["sqlite3", foreign, "CREATE TABLE t(x); INSERT INTO t VALUES(1);"], check=True)
    newer = w.path("newer.db")
    with open(newer, "wb") as file:
        file.write(good)
    subprocess.run(["sqlite3", newer, "PRAGMA user_version = 9999;"], check=True)
    flipped = bytearray(good)
    flipped[4096:4196] = b"\xff" * 100
    cases = {"foreign.db": None, "newer.db": None, "text.db": b"this is no database, but it is long enough to look at\n" * 40,
             "truncated.db": good[:len(good) // 2 // 512 * 512 + 100], "corrupt.db": bytes(flipped), "zeros.db": b"\0" * 8192}
    for name, data in cases.items():
        path = w.path(name)
        if data is not None:
            with open(path, "wb") as file:
                file.write(data)
        before = content(path)
        for args in (("server", "list"), ("tenant", "add", "x"), ("run", "-d"), ("server", "set", "acme/web", "max_connections=3")):
            if name == "truncated.db" and args[0] == "server" and args[1] == "list":
                continue
            result = w.ctl(*args, "--db", path, code=None)
            equal(result.code, 9, f"{name}: {args}: {result.err}")
            contains(result.err, "arcusctl: ")
        equal(content(path) == before, True, f"{name} unchanged")
    contains(w.ctl("server", "list", "--db", newer, code=9).err, "newer")
    contains(w.ctl("server", "list", "--db", foreign, code=9).err, "not an arcus registry")


@test("a read-only file or directory: reading works, changes exit 8 or 9 and say so")
def read_only_file(w):
    w.init("acme")
    w.server("http", "acme/web", "--no-start")
    if os.getuid() == 0:
        # root ignores modes: take a read-only mount instead
        mount_point = w.path("ro")
        os.mkdir(mount_point)
        if subprocess.run(["mount", "-t", "tmpfs", "none", mount_point], capture_output=True).returncode != 0:
            raise Skip("cannot mount here")
        try:
            path = os.path.join(mount_point, "arcus.db")
            w.ctl("db", "backup", path)
            subprocess.run(["mount", "-o", "remount,ro", mount_point], check=True, capture_output=True)
            contains(w.ctl("tenant", "add", "x", "--db", path, code=(8, 9)).err, "read-only")
            w.ctl("run", "-d", "--db", path, code=(8, 9))
            equal(w.json("tenant", "list", "--db", path)[0]["name"], "acme")
        finally:
            subprocess.run(["umount", "-l", mount_point], check=True)
        return
    os.chmod(w.db, 0o400)
    contains(w.ctl("tenant", "add", "x", code=(8, 9)).err, "read-only")
    equal(len(w.json("tenant", "list")), 1)


@test("a disk that fills up: exit 9 and nothing half done, the daemon serves on and recovers", threats="disk-full", timeout=120)
def full_disk(w):
    place = w.path("small")
    os.mkdir(place)
    if os.getuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "none", place],
                                          capture_output=True).returncode != 0:
        raise Skip("cannot mount a small disk here")
    db = os.path.join(place, "arcus.db")
    env = {"ARCUS_DB": db}
    try:
        w.env.update(env)
        w.db = db
        w.init("acme")
        port = w.server("http", "acme/web")
        w.allow_loopback("acme")
        origin = Origin(answer_with())
        w.run()
        equal(get(port, origin.url).status, 200)
        with open(os.path.join(place, "ballast"), "wb", buffering=0) as ballast:
            try:
                while True:
                    ballast.write(b"\0" * 4096)
            except OSError:
                ballast.truncate(max(0, ballast.tell() - (160 << 10)))  # room for some changes
        acknowledged, refused = [], 0
        for number in range(400):
            result = w.ctl("tenant", "add", f"t{number}", code=None)
            if result.code == 0:
                acknowledged.append(f"t{number}")
                continue
            equal(result.code, 9, result.err)
            contains(result.err, "full")
            refused += 1
            if refused == 3:
                break
        assert refused, "the disk never filled"
        equal(get(port, origin.url).status, 200, "traffic on a full disk")
        os.unlink(os.path.join(place, "ballast"))
        until(lambda: w.ctl("tenant", "add", "after", code=None).code in (0, 4), 10, "writing after room was made")
        names = {t["name"] for t in w.json("tenant", "list")}
        equal(set(acknowledged) - names, set(), "acknowledged and lost")
        w.ctl("db", "check")
        equal(connects(port), True)
        w.figure(f"{len(acknowledged)} acknowledged on the filling disk, 0 lost, {refused} refused with exit 9")
        w.ctl("daemon", "stop")
    finally:
        from processes import end_children
        end_children()
        subprocess.run(["umount", "-l", place], check=True)


@test("a running daemon keeps serving when its file is moved away or replaced", threats="file-lost")
def file_replaced(w):
    w.init("acme")
    port = w.server("http", "acme/web")
    w.allow_loopback("acme")
    origin = Origin(answer_with())
    w.run()
    os.rename(w.db, w.path("gone.db"))
    for _ in range(5):
        equal(get(port, origin.url).status, 200)
    w.ctl("server", "list", code=9)
    os.rename(w.path("gone.db"), w.db)
    equal(get(port, origin.url).status, 200)
    until(lambda: w.ctl("server", "set", "acme/web", "max_connections=77", code=None).code == 0, 15, "changes again", 0.2)


@test("db: path, info, check, backup while running, restore, vacuum, schema", timeout=90)
def db_verbs(w):
    w.init("acme")
    w.server("http", "acme/web")
    equal(w.ctl("db", "path").out.strip(), w.db)
    info = w.json("db", "info")
    assert info["schema_version"] >= 1, info
    w.ctl("db", "check")
    w.run()
    copy = w.path("copy.db")
    w.ctl("db", "backup", copy)
    w.ctl("db", "backup", copy, code=4)
    w.ctl("db", "backup", copy, "--force")
    equal(w.json("server", "list", "--db", copy)[0]["name"], "web")
    w.ctl("tenant", "add", "later")
    w.ctl("db", "restore", copy, "--yes", code=4)  # a daemon runs
    w.ctl("daemon", "stop")
    w.ctl("db", "restore", copy, "--yes")
    equal([t["name"] for t in w.json("tenant", "list")], ["acme"])
    w.ctl("db", "vacuum")
    contains(w.ctl("db", "schema").out, "CREATE TABLE server")
    w.ctl("db", "check")


@test("db check and doctor find a dropped trigger, doctor --fix makes it anew")
def missing_trigger(w):
    w.init("acme")
    trigger = w.value("SELECT name FROM sqlite_master WHERE type='trigger' ORDER BY name LIMIT 1")
    w.sqlite(f"DROP TRIGGER {trigger};")
    contains(w.ctl("doctor", code=(1, 0)).out, trigger)
    w.ctl("db", "check", code=(1, 9))
    w.ctl("doctor", "--fix")
    equal(w.value(f"SELECT count(*) FROM sqlite_master WHERE name='{trigger}'"), "1")
    w.ctl("db", "check")


@test("a symlink in place of the registry is refused, a world-writable directory too", threats="file-modes")
def suspicious_places(w):
    w.init("acme")
    os.symlink(w.db, w.path("link.db"))
    w.ctl("server", "list", "--db", w.path("link.db"), code=(8, 9))


@test("two commands that make the same registry at once: one registry, both right")
def created_twice(w):
    results = []
    threads = [threading.Thread(target=lambda: results.append(w.ctl("init", code=(0, 4)).code)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    equal(sorted(results), [0, 4, 4, 4])
    w.ctl("db", "check")
