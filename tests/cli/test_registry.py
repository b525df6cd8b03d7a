"""Tenants, servers, references, settings, templates: what each command leaves in the file and on the screen."""
import json

from harness import contains, equal, matches, test, until
from terminal import on_terminal


@test("init makes a registry, says where, and names the next commands")
def init_makes_registry(w):
    out = w.ctl("init").out
    contains(out, w.db, "arcusctl tenant add", "arcusctl run")
    equal(w.value("PRAGMA application_id"), str(0x41524355))
    assert int(w.value("PRAGMA user_version")) >= 1
    equal(w.value("PRAGMA journal_mode"), "wal")
    w.ctl("init", code=4)
    w.ctl("init", "--db", w.path("second.db"), "--tenant", "acme")
    equal(w.json("tenant", "list", "--db", w.path("second.db"))[0]["name"], "acme")


@test("init leaves modes 0600 in a directory it makes 0700", threats="file-modes")
def init_modes(w):
    import os
    path = w.path("fresh/deep/arcus.db")
    w.ctl("init", "--db", path)
    equal(oct(os.stat(path).st_mode & 0o777), "0o600")
    equal(oct(os.stat(os.path.dirname(path)).st_mode & 0o777), "0o700")


@test("tenant: add, list, show, set, unset, rename, disable, enable, remove")
def tenant_verbs(w):
    w.init()
    identity = w.ctl("tenant", "add", "acme", "--max-servers", "3", "--label", "tier=gold", "-q").out.strip()
    matches(identity, r"^[0-9a-f]{12}$")
    equal(w.ctl("tenant", "add", "acme", code=4).out, "")
    w.ctl("tenant", "add", "globex")
    equal([t["name"] for t in w.json("tenant", "list")], ["acme", "globex"])
    shown = w.json("tenant", "show", "acme")
    equal((shown["id"], shown["max_servers"], shown["labels"]), (identity, 3, {"tier": "gold"}))
    w.ctl("tenant", "set", "acme", "max_connections=5000", "description=the first")
    equal(w.json("tenant", "show", "acme")["max_connections"], 5000)
    w.ctl("tenant", "unset", "acme", "max_connections")
    equal(w.json("tenant", "show", "acme")["max_connections"], 0)
    w.ctl("tenant", "rename", "acme", "umbrella")
    equal(w.json("tenant", "show", "umbrella")["id"], identity)
    w.ctl("tenant", "disable", "umbrella")
    equal(w.value("SELECT enabled FROM tenant WHERE name='umbrella'"), "0")
    w.ctl("tenant", "enable", "umbrella")
    w.ctl("tenant", "remove", "globex", "--yes")
    w.ctl("tenant", "show", "globex", code=3)


@test("tenant: max_servers holds, names are checked, servers keep a tenant from removal")
def tenant_limits(w):
    w.init()
    w.ctl("tenant", "add", "acme", "--max-servers", "1")
    w.server("http", "acme/web")
    contains(w.ctl("server", "add", "http", "two", "-t", "acme", "--port", w.port(), code=4).err, "max_servers")
    for bad in ("Acme", "-x", "a b", "a" * 64, ""):
        w.ctl("tenant", "add", bad, code=2)
    contains(w.ctl("tenant", "remove", "acme", "--yes", code=4).err, "server")
    w.ctl("tenant", "remove", "acme", "--with-servers", "--yes")
    equal(w.json("server", "list"), [])


@test("server add stores every builder option and custom fields")
def server_builder(w):
    w.init("acme")
    port = w.server("http", "acme/web", "--addr", "127.0.0.1", "--max-connections", "77", "--connection-timeout", "15s",
                    "--idle-timeout", "2m", "--backlog", "64", "--label", "team=a", "--description", "front door",
                    "--set", "x_note=seven", "--no-start")
    shown = w.show("acme/web")
    equal((shown["type"], shown["listen_addr"], shown["listen_port"]), ("http", "127.0.0.1", port))
    equal((shown["max_connections"], shown["connection_timeout_ms"], shown["idle_timeout_ms"]), (77, 15000, 120000))
    equal((shown["backlog"], shown["labels"], shown["description"]), (64, {"team": "a"}, "front door"))
    equal((shown["config"], shown["desired_state"]), ({"x_note": "seven"}, "stopped"))
    for key in ("enable_tls", "tls_cert_path", "tls_key_path", "status", "status_since", "generation",
                "observed_generation", "backends", "health", "created_at", "updated_at", "last_error", "bound_port"):
        assert key in shown, f"server show has no {key}"
    stats = shown["stats"]
    for key in ("total_connections", "active_connections", "total_requests", "total_bytes_transferred", "bytes_in",
                "bytes_out", "error_count", "avg_response_time_ms"):
        assert key in stats, f"stats has no {key}"


@test("server add prints one row: reference, id, type, listen, state; -q only the id")
def server_add_prints(w):
    w.init("acme")
    out = w.ctl("server", "add", "http", "web", "-t", "acme", "--port", w.port()).out
    matches(out, r"^acme/web +[0-9a-f]{12} +http +127\.0\.0\.1:\d+")
    matches(w.ctl("-q", "server", "add", "http", "api", "-t", "acme", "--port", w.port()).out, r"^[0-9a-f]{12}\n$")


@test("server add names every mistake at once")
def server_add_all_errors(w):
    w.init("acme")
    result = w.ctl("server", "add", "tcp", "Bad Name", "-t", "acme", "--port", w.port(), "--set", "nonsense=1", code=(2, 4))
    text = result.err
    contains(text, "name", "backend", "nonsense")
    equal(w.json("server", "list"), [])


@test("the document's names of types are accepted: http_proxy, http-proxy, HTTP")
def type_spellings(w):
    w.init("acme")
    for number, word in enumerate(("http_proxy", "http-proxy")):
        w.ctl("server", "add", word, f"s{number}", "-t", "acme", "--port", w.port())
    equal({s["type"] for s in w.json("server", "list")}, {"http"})


@test("references: tenant/name, -t, unique name, id, id prefix, glob, stdin, selectors")
def references(w):
    w.init("acme", "globex")
    for ref in ("acme/web", "acme/api", "globex/web"):
        w.server("http", ref)
    identity = w.show("acme/api")["id"]
    for ref, more in (("acme/api", ()), ("api", ()), ("api", ("-t", "acme")), (identity, ()), (identity[:6], ()),
                      ("id:" + identity[:5], ())):
        equal(w.json("server", "show", ref, *more)["id"], identity, f"{ref} {more}")
    ambiguous = w.ctl("server", "show", "web", code=2).err
    contains(ambiguous, "acme/web", "globex/web")
    equal(w.json("server", "show", "web", env={"ARCUS_TENANT": "globex"})["tenant"], "globex")
    names = lambda *args: sorted(f"{s['tenant']}/{s['name']}" for s in w.json("server", "list", *args))  # noqa: E731
    equal(names("acme/*"), ["acme/api", "acme/web"])
    equal(names("--type", "http", "-t", "globex"), ["globex/web"])
    equal(names("--where", "name = 'web' AND tenant = 'acme'"), ["acme/web"])
    equal(names("--status", "stopped"), ["acme/api", "acme/web", "globex/web"])
    piped = w.ctl("server", "list", "-t", "acme", "--no-headers", "--format", "{tenant}/{name} {listen}").out
    w.ctl("server", "stop", "-", input=piped)
    equal(sorted(w.query("SELECT name FROM server WHERE desired_state='stopped'")), [["api"], ["web"]])
    w.ctl("server", "stop", code=2)  # nothing named: never all by accident
    w.ctl("server", "stop", "--all", "--no-wait")
    equal(w.value("SELECT count(*) FROM server WHERE desired_state='running'"), "0")


@test("set, unset, rename, clone and remove change exactly what they say")
def server_changes(w):
    w.init("acme")
    w.server("http", "acme/web")
    before = w.show("acme/web")
    w.ctl("server", "set", "acme/web", "max_connections=2000", "config.x_color=blue")
    after = w.show("acme/web")
    equal((after["max_connections"], after["config"]), (2000, {"x_color": "blue"}))
    assert after["generation"] > before["generation"]
    contains(w.ctl("server", "set", "acme/web", "max_conections=1", code=2).err, "max_connections")
    contains(w.ctl("server", "set", "acme/web", "type=tcp", code=(2, 4)).err, "type")
    w.ctl("server", "unset", "acme/web", "max_connections", "config.x_color")
    equal((w.show("acme/web")["max_connections"], w.show("acme/web")["config"]), (1000, {}))
    w.ctl("server", "rename", "acme/web", "front")
    w.ctl("acl", "add", "allow", "--client", "10.0.0.0/8", "--port", "80-90", "--comment", "why", "--server", "acme/front")
    w.ctl("acl", "add", "deny", "--to", "*.example.net", "--time", "08:00-18:00", "--server", "acme/front")
    w.ctl("server", "clone", "acme/front", "copy", "--port", w.port())
    equal(w.show("acme/copy")["type"], "http")
    rules = {name: [[rule[key] for key in ("action", "client", "to", "port", "time", "comment")]
                    for rule in w.json("acl", "list") if rule["server"] == name] for name in ("front", "copy")}
    equal((len(rules["front"]), rules["copy"]), (2, rules["front"]), "a copy has the rules of its source")
    w.ctl("server", "remove", "acme/front", "--yes")
    w.ctl("server", "show", "acme/front", code=3)
    equal([s["name"] for s in w.json("server", "list")], ["copy"])
    w.server("tcp", "acme/db", "--backend", "127.0.0.1:1", "--backend", "127.0.0.1:2")
    w.ctl("backend", "drain", "acme/db", "127.0.0.1:2")
    w.ctl("server", "clone", "acme/db", "twin", "--port", w.port())
    states = w.query("SELECT b.address, b.admin_state FROM backend b JOIN server s ON s.id = b.server_id WHERE s.name = 'twin' "
                     "ORDER BY 1")
    equal(states, [["127.0.0.1:1", "enabled"], ["127.0.0.1:2", "drain"]])


@test("reload -f takes columns, config and labels, and refuses what it would not change; flags win over a file", threats="input-json")
def files_and_flags(w):
    w.init("acme")
    w.server("tcp", "acme/db", "--backend", "127.0.0.1:1")
    w.run()
    patch = w.write("patch.json", '{"max_connections": 7, "labels": {"env": "prod"}}')
    w.ctl("server", "reload", "acme/db", "-f", patch)
    equal((w.show("acme/db")["max_connections"], w.show("acme/db")["labels"]), (7, {"env": "prod"}))
    other = w.write("other.json", '{"backends": ["127.0.0.1:2"]}')
    contains(w.ctl("server", "reload", "acme/db", "-f", other, code=2).err, "arcusctl backend set")
    wish = w.write("wish.json", f'{{"type": "http", "desired_state": "running", "listen": "127.0.0.1:{w.port()}"}}')
    w.ctl("server", "add", "http", "quiet", "-t", "acme", "-f", wish, "--no-start")
    equal(w.show("acme/quiet")["desired_state"], "stopped")
    place = w.write("place.json", '{"type": "http", "listen": "127.0.0.2:9"}')
    w.ctl("server", "add", "http", "auto", "-t", "acme", "-f", place, "--port", "auto", "--no-start")
    shown = w.show("acme/auto")
    equal((shown["listen_addr"], shown["listen_port"] == 9), ("127.0.0.2", False))


@test("a rule that a server cannot take, because the rest of its row is wrong, is no success")
def rule_not_taken(w):
    w.init("acme")
    w.server("http", "acme/web")
    w.run()
    w.sqlite("PRAGMA ignore_check_constraints=ON; UPDATE server SET config='{\"max_head\": \"many\", \"zzz\": 1}';")
    until(lambda: w.show("acme/web")["last_error"], 3 * w.patience, "last_error")
    contains(w.ctl("acl", "add", "deny", "--client", "10.0.0.0/8", "--server", "acme/web", code=1).err, "config rejected")


@test("two servers on overlapping address and port are refused, wildcards included")
def overlapping_ports(w):
    w.init("acme", "globex")
    port = w.server("http", "acme/web")
    contains(w.ctl("server", "add", "http", "web", "-t", "globex", "--port", port, code=4).err, "acme/web")
    w.ctl("server", "add", "http", "web", "-t", "globex", "--listen", f"0.0.0.0:{port}", "--allow-open", code=4)
    w.ctl("server", "add", "http", "web", "-t", "globex", "--listen", f"[::1]:{port}")


@test("--dry-run changes nothing, --if-generation refuses a stale change")
def dry_run_and_generation(w):
    w.init("acme")
    w.server("http", "acme/web")
    w.ctl("server", "set", "acme/web", "max_connections=5", "-n")
    equal(w.show("acme/web")["max_connections"], 1000)
    generation = w.show("acme/web")["generation"]
    w.ctl("server", "set", "acme/web", "max_connections=5", "--if-generation", generation + 7, code=4)
    w.ctl("server", "set", "acme/web", "max_connections=5", "--if-generation", generation)
    equal(w.show("acme/web")["max_connections"], 5)


@test("removing asks on a terminal, needs --yes without one")
def confirmation(w):
    w.init("acme")
    w.server("http", "acme/web")
    contains(w.ctl("tenant", "remove-servers", "acme", code=11).err, "--yes")
    out, code = on_terminal(w, "tenant", "remove-servers", "acme", keys=[("[y/N]", "n\n")])
    equal((code, w.value("SELECT count(*) FROM server")), (11, "1"), out)
    out, code = on_terminal(w, "tenant", "remove", "acme", "--with-servers", keys=[("acme", "acme\n")])
    equal((code, w.value("SELECT count(*) FROM tenant")), (0, "0"), out)


@test("templates: the built-in ones, add --from with NAME defaulted, own ones")
def templates(w):
    w.init("acme")
    names = {t["name"] for t in w.json("template", "list")}
    for name in ("standard_http_proxy", "high_performance_http_proxy", "load_balancer", "standard_tcp_proxy"):
        assert name in names, f"no template {name}"
    w.ctl("server", "add", "--from", "high_performance_http_proxy", "-t", "acme", "--port", w.port(), "--no-start")
    shown = w.show("acme/high-performance-http-proxy")
    equal((shown["type"], shown["max_connections"], shown["connection_timeout_ms"]), ("http", 10000, 10000))
    equal((shown["idle_timeout_ms"], shown["backlog"], shown["template"]), (60000, 4096, "high_performance_http_proxy"))
    w.ctl("server", "add", "--from", "load_balancer", "lb", "-t", "acme", "--port", w.port(), code=(2, 4))
    w.ctl("server", "add", "--from", "load_balancer", "lb", "-t", "acme", "--port", w.port(), "--backend",
          "127.0.0.1:1", "--backend", "127.0.0.1:2", "--no-start")
    equal(len(w.show("acme/lb")["backends"]), 2)
    own = w.write("mine.json", json.dumps({"type": "http", "max_connections": 12}))
    w.ctl("template", "add", "mine", "-f", own)
    w.ctl("server", "add", "--from", "mine", "m", "-t", "acme", "--port", w.port(), "--max-connections", "13", "--no-start")
    equal(w.show("acme/m")["max_connections"], 13)  # flags win over the template
    w.ctl("template", "remove", "mine", "--yes")
    w.ctl("template", "remove", "load_balancer", "--yes", code=(2, 4))


@test("config: list with defaults and sources, get, set, unset, nearest key")
def settings(w):
    w.init()
    rows = {r["key"]: r for r in w.json("config", "list")}
    for key in ("auto_start", "health_check", "health_interval_ms", "drain_timeout_ms"):
        assert key in rows, f"no setting {key}"
    equal(w.ctl("config", "get", "health_interval_ms").out.strip(), "30000")
    w.ctl("config", "set", "health_interval_ms=5000")
    equal(w.ctl("config", "get", "health_interval_ms").out.strip(), "5000")
    w.ctl("config", "unset", "health_interval_ms")
    equal(w.ctl("config", "get", "health_interval_ms").out.strip(), "30000")
    contains(w.ctl("config", "set", "health_interval=1", code=(2, 3)).err, "health_interval_ms")


@test("auto_start off: a new server begins stopped")
def auto_start_setting(w):
    w.init("acme")
    w.ctl("config", "set", "auto_start=false")
    w.server("http", "acme/web")
    equal(w.show("acme/web")["desired_state"], "stopped")


@test("every change is audited with actor, via, object and reason")
def audit_rows(w):
    w.init("acme")
    w.server("http", "acme/web", "--reason", "ticket 4711")
    w.ctl("server", "set", "acme/web", "max_connections=9")
    w.sqlite("UPDATE server SET max_connections = 10 WHERE name = 'web';")
    rows = w.json("audit", "list")
    by_action = {r["action"]: r for r in rows}
    equal(by_action["server.add"]["reason"], "ticket 4711")
    contains(json.dumps([r for r in rows if r["via"] == "sql"]), "(sql)", "acme/web")
    contains(w.ctl("audit", "list").out, "max_connections")
    changes = [r for r in rows if r["action"] == "server.set"]
    equal(len(changes), 2, "one audit row per change")


@test("backend: add, list, set, disable, enable, drain, remove")
def backend_verbs(w):
    w.init("acme")
    w.server("tcp", "acme/db", "--backend", "127.0.0.1:5432")
    w.ctl("backend", "add", "acme/db", "127.0.0.1:5433,weight=3")
    rows = w.json("backend", "list", "acme/db")
    equal([(b["backend"], b["weight"]) for b in rows], [("127.0.0.1:5432", 1), ("127.0.0.1:5433", 3)])
    w.ctl("backend", "set", "acme/db", "127.0.0.1:5433", "weight=7")
    w.ctl("backend", "disable", "acme/db", "127.0.0.1:5433")
    equal(w.query("SELECT weight, admin_state FROM backend WHERE address='127.0.0.1:5433'"), [["7", "disabled"]])
    w.ctl("backend", "enable", "acme/db", "127.0.0.1:5433")
    w.ctl("backend", "drain", "acme/db", "127.0.0.1:5433")
    w.ctl("backend", "remove", "acme/db", "127.0.0.1:5433", "--yes")
    w.ctl("backend", "add", "acme/db", "127.0.0.1:5434,tls,ca=ca.pem")
    equal(w.query("SELECT tls_ca_path FROM backend WHERE address='127.0.0.1:5434'"), [[w.path("ca.pem")]])
    w.ctl("backend", "remove", "acme/db", "127.0.0.1:5434", "--yes")
    equal(len(w.json("backend", "list", "acme/db")), 1)
    contains(w.ctl("server", "add", "tcp", "x", "-t", "acme", "--port", w.port(), code=(2, 4)).err, "--backend")


@test("acl: numbers, order, list, move, remove")
def acl_verbs(w):
    w.init("acme")
    w.server("http", "acme/web")
    w.ctl("acl", "add", "allow", "--to", "10.0.0.0/8", "-t", "acme")
    w.ctl("acl", "add", "deny", "--to", "*.example.com", "-t", "acme")
    w.ctl("acl", "add", "deny", "--client", "192.0.2.0/24", "--server", "acme/web")
    rows = w.query("SELECT number, action FROM acl ORDER BY number")
    equal([r[1] for r in rows], ["allow", "deny", "deny"])
    w.ctl("acl", "move", rows[1][0], "--before", rows[0][0], "-t", "acme")
    equal(w.query("SELECT number FROM acl WHERE server_id IS NULL ORDER BY position")[0], [rows[1][0]])
    contains(w.ctl("acl", "list", "-t", "acme").out, "10.0.0.0/8", "*.example.com", "192.0.2.0/24")
    w.ctl("acl", "remove", rows[0][0], "-t", "acme", "--yes")
    w.ctl("acl", "add", "allow", "--to", "10.1.0.0/16", "-t", "acme")
    numbers = [int(r[0]) for r in w.query("SELECT number FROM acl")]
    assert int(rows[0][0]) not in numbers and len(set(numbers)) == 3, f"a rule number was used twice: {numbers}"
    w.ctl("acl", "add", "allow", "--to", "300.0.0.0/8", "-t", "acme", code=2)
