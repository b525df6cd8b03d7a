"""explain says what the traffic then does: the same verdict and the same reason, for every way to be refused."""
import socket

from harness import contains, equal, test, until
from logins import add_quick_users, basic, socks_login
from traffic import Origin, answer_with, exchange, get, header


def explained(w, ref, *args, code=0):
    return w.json("explain", ref, *args, code=code)


def deciding(answer):
    return next(step for step in answer["steps"] if step["decides"])


@test("explain: the traffic gets the answer that was explained, rule by rule, guard by guard, user by user")
def same_answer(w):
    w.init("acme")
    port = w.server("http", "acme/p", "--auth", "basic")
    sox = w.server("socks", "acme/s", "--auth", "basic")
    add_quick_users(w, "acme", "bob", "ann", "eve")
    w.ctl("user", "disable", "acme/eve")
    w.ctl("acl", "add", "deny", "--to", "*.blocked.test", "-t", "acme")
    w.ctl("acl", "add", "deny", "--user", "ann", "--method", "DELETE", "-t", "acme")
    w.ctl("acl", "add", "deny", "--port", "8123", "-t", "acme")
    w.ctl("acl", "add", "allow", "--to", "127.0.0.1", "-t", "acme")
    w.run()
    origin = Origin(answer_with())
    url = origin.url + "/"
    rows = [  # what is asked, who asks, the reason, the step that decides
        ("GET", url, "bob", "ok", "address"),
        ("GET", url, "", "auth_required", "auth"),
        ("GET", url, "nobody", "auth_failed", "auth"),
        ("GET", url, "eve", "user_disabled", "auth"),
        ("DELETE", url, "ann", "acl_denied", "to"),
        ("GET", url, "ann", "ok", "address"),
        ("GET", "http://x.blocked.test/", "bob", "acl_denied", "to"),
        ("GET", "http://127.0.0.1:8123/", "bob", "acl_denied", "to"),
        ("GET", "http://127.0.0.1:25/", "bob", "destination_denied", "port"),
        ("GET", "http://127.0.0.2:9000/", "bob", "destination_denied", "address"),
        ("GET", "http://10.0.0.1/", "bob", "destination_denied", "address"),
        ("GET", f"http://127.0.0.1:{port}/", "bob", "destination_denied", "address"),
        ("GET", "http://nosuch.invalid/", "bob", "dns_failed", "address"),
    ]
    for method, target, user, reason, step in rows:
        said = explained(w, "acme/p", "--to", target, "--method", method, *(("--user", user) if user else ()), code=(0, 1))
        equal((said["reason"], deciding(said)["step"]), (reason, step), f"{method} {target} {user}")
        equal(said["verdict"], "allow" if reason == "ok" else "deny")
        answer = get(port, target, more=basic(user, "geheim") if user else b"", method=method.encode())
        if reason == "ok":
            equal(answer.status, 200)
        else:
            contains(answer.body.decode(), f": {reason}: ")
            contains(said["outcome"], f"status {answer.status}")
    for host, user, reason, code in (("127.0.0.1", "bob", "ok", 0), ("10.0.0.1", "bob", "destination_denied", 2)):
        said = explained(w, "acme/s", "--to", f"{host}:{origin.port}", "--user", user, code=(0, 1))
        equal(said["reason"], reason)
        connection, answer = socks_login(sox, user, "geheim")
        with connection:
            equal(answer, b"\1\0")
            connection.sendall(b"\5\1\0\1" + socket.inet_aton(host) + origin.port.to_bytes(2, "big"))
            equal(connection.recv(10)[1], code, host)


@test("explain: the door, the time of day, addresses by hand, and what it prints for people")
def details(w):
    w.init("acme")
    w.server("http", "acme/p")
    w.ctl("acl", "add", "allow", "--client", "10.0.0.0/8", "--server", "acme/p")
    w.ctl("acl", "add", "deny", "--to", "example.org", "--time", "08:00-18:00", "--server", "acme/p", "--before", "1")
    said = explained(w, "acme/p", "--client", "192.0.2.1", "--to", "http://example.com/", code=1)
    equal((said["reason"], deciding(said)["step"]), ("acl_denied", "client"))
    inside = ("--client", "10.1.2.3", "--to", "http://example.org/", "--address", "8.8.8.8", "--address", "10.0.0.1")
    equal(explained(w, "acme/p", *inside, "--at", "07:59")["reason"], "ok")
    said = explained(w, "acme/p", *inside, "--at", "08:00", code=1)
    equal((said["reason"], deciding(said)["step"]), ("acl_denied", "to"))
    mixed = explained(w, "acme/p", "--client", "10.1.2.3", "--to", "http://example.com/", "--address", "10.0.0.1", "--address", "8.8.8.8")
    equal([step["verdict"] for step in mixed["steps"] if step["step"] == "address"], ["deny", "allow"], "one open address will do")
    text = w.ctl("explain", "acme/p", "--client", "10.1.2.3", "--to", "10.9.9.9:443", code=1)
    contains(text.out, "listener", "no allow rule opens 10.0.0.0/8", "deny  <- decides", "deny: destination_denied, status 403")
    contains(text.err, "hint: arcusctl acl add allow --to 10.0.0.0/8 -t acme")
    equal(w.ctl("acl", "test", "acme/p", "--client", "10.1.2.3", "--to", "10.9.9.9:443", code=1).out, text.out, "acl test is explain")
    equal(w.ctl("-q", "explain", "acme/p", "--client", "10.1.2.3", "--to", "8.8.8.8:443").out, "allow\n")
    for bad in (("--to", "ftp://x/"), ("--to", "a b"), (), ("--to", "http://x/", "--client", "x"), ("--to", "http://x/", "--at", "25:00"),
                ("--to", "http://x/", "--address", "x"), ("--to", "x")):
        w.ctl("explain", "acme/p", *bad, code=2)
    w.ctl("explain", "acme/q", "--to", "http://x/", code=3)


@test("explain: backends and names of sni servers, and clients that choose no destination")
def other_types(w):
    w.init("acme")
    origin = Origin(answer_with())
    port = w.server("http", "acme/r", "--backend", origin.address)
    w.server("tcp", "acme/t", "--backend", origin.address)
    w.server("sni", "acme/e", "--route", "a.test=127.0.0.1:9", "--route", "b.test=reject", "--route", "c.test=passthrough")
    w.ctl("acl", "add", "deny", "--to", "closed.test", "--server", "acme/r")
    w.ctl("acl", "add", "deny", "--client", "192.0.2.0/24", "-t", "acme")
    w.run()
    equal(explained(w, "acme/r", "--to", "http://open.test/")["reason"], "ok")
    said = explained(w, "acme/r", "--to", "http://closed.test/", code=1)
    equal(said["reason"], "acl_denied")
    equal(get(port, "http://closed.test/").status, 403)
    equal(header(get(port, "http://open.test/").head, "content-length"), "6")
    equal(explained(w, "acme/t")["reason"], "ok")
    equal(explained(w, "acme/t", "--client", "192.0.2.7", code=1)["reason"], "acl_denied")
    contains(w.ctl("explain", "acme/t", "--to", "x:1", code=2).err, "do not choose where they go")
    for name, reason in (("a.test", "ok"), ("b.test", "acl_denied"), ("d.test", "no_route")):
        equal(explained(w, "acme/e", "--to", name, code=(0, 1))["reason"], reason, name)
    equal(explained(w, "acme/e", "--to", "c.test", "--address", "10.0.0.1", code=1)["reason"], "destination_denied")
    equal(explained(w, "acme/e", code=1)["reason"], "no_sni")
    equal(explained(w, "acme/r", "--to", "http://open.test/", "--method", "CONNECT", code=1)["reason"], "unsupported_method")
    w.ctl("acl", "add", "deny", "--to", "127.0.0.0/8", "--server", "acme/t")
    equal(explained(w, "acme/t", code=1)["reason"], "acl_denied", "backends of tcp are judged by address")
    equal(exchange(int(w.field("acme/t", "bound_port")), b"x"), b"", "and so is the traffic")
    w.ctl("user", "add", "acme/bob", "--generate")
    w.ctl("acl", "add", "deny", "--user", "bob", "--server", "acme/r")
    equal(explained(w, "acme/r", "--to", "http://open.test/", "--user", "bob")["reason"], "ok", "nobody logs in there")
    w.ctl("acl", "add", "allow", "--client", "10.0.0.0/8", "--time", "08:00-18:00", "--server", "acme/e")
    asked = ("--client", "10.1.1.1", "--to", "a.test", "--at")
    equal([explained(w, "acme/e", *asked, hour, code=(0, 1))["reason"] for hour in ("07:59", "12:00")], ["acl_denied", "ok"])
    until(lambda: w.ctl("server", "stop", "acme/t").code == 0, 5, "stopped")
    contains(w.ctl("explain", "acme/t", code=1).out, "stopped")
