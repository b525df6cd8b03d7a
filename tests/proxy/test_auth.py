"""Who may use a proxy: users, passwords, rules by user, and what happens to those who may no longer."""
import base64
import os
import time

from certificates import authority, certificate, tls_connect
from harness import contains, equal, matches, test, until
from logins import add_quick_users, add_user, basic, counted, serve_users, socks_connect, socks_login, status_of
from traffic import Origin, answer_with, connect, curl, echo, exchange, get, header, read_answer, read_head

@test("http: 407 until user and password are right; nothing of a refused request, and no credentials, reach the origin", threats="auth-required http-credentials")
def http_basic(w):
    port = serve_users(w, "http")
    add_user(w, "acme/bob")
    w.run()
    origin = Origin(answer_with())
    bare = get(port, origin.url + "/")
    equal(bare.status, 407)
    equal(header(bare.head, "proxy-authenticate"), 'Basic realm="acme", charset="UTF-8"')
    contains(bare.body.decode(), "auth_required")
    for field in (basic("bob", "Geheim"), basic("eve", "geheim"), basic("bob", ""), basic("", "geheim"), b"Proxy-Authorization: Basic !\r\n",
                  b"Proxy-Authorization: Bearer x\r\n", b"Proxy-Authorization: Basic\r\n", basic("bob", "geheim") * 2,
                  basic("bob", "geheim", "Authorization")):
        answer = get(port, origin.url + "/", more=field)
        equal(answer.status, 407, field)
        assert header(answer.head, "proxy-authenticate"), field
    equal(origin.received, b"")
    equal(get(port, origin.url + "/", more=basic("bob", "geheim")).status, 200)
    equal(get(port, origin.url + "/", more=basic("bob", "geheim").replace(b"Basic", b"bAsIc")).status, 200)
    assert b"uthoriz" not in origin.received, origin.received
    # One connection: asked, shown, a body behind credentials that must first be found out about.
    with connect(port) as client:
        client.sendall(f"GET {origin.url}/ HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        equal(status_of(read_answer(client)), 407)
        client.sendall(f"GET {origin.url}/ HTTP/1.1\r\nHost: x\r\n".encode() + basic("bob", "geheim") + b"\r\n")
        equal(status_of(read_answer(client)), 200)
        client.sendall(f"GET {origin.url}/ HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        equal(status_of(read_answer(client)), 407, "every request shows who asks")
    until(lambda: counted(w, "auth_failed") >= 8 and counted(w, "auth_required") >= 2, 3 * w.patience, "refusals are counted")
    until(lambda: " bob HIER_DIRECT" in w.ctl("logs").out, 3 * w.patience, "the record names the user")


@test("http: a POST whose credentials take their time arrives whole, byte for byte, once")
def http_body_waits(w):
    port = serve_users(w, "http")
    add_user(w, "acme/bob")
    w.run()
    received = []

    def keep(connection, origin):
        head, rest = read_head(connection, origin)
        size = int(header(head, "content-length"))
        while len(rest) < size:
            rest += connection.recv(65536)
        received.append(rest)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    origin = Origin(keep)
    body = os.urandom(300_000)
    with connect(port) as client:
        client.sendall(f"POST {origin.url}/ HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n".encode() +
                       basic("bob", "geheim") + b"\r\n" + body)
        equal(status_of(read_answer(client)), 200)
    equal(received, [body])


@test("CONNECT and https: the same credentials, curl and TLS in between")
def connect_and_https(w):
    w.need("curl")
    w.init("acme")
    w.allow_loopback("acme")
    authority(w)
    certificate(w, "proxy", "proxy.test")
    port = w.server("http", "acme/p", "--auth", "basic", "--connect-ports", "*")
    secure = w.server("https", "acme/s", "--auth", "basic", "--cert", "proxy.pem", "--key", "proxy.key")
    add_user(w, "acme/bob", "a:b c/ü")
    w.run()
    origin = Origin(answer_with())
    user = "bob:a%3Ab%20c%2F%C3%BC"
    contains(curl(w, "-p", "-x", f"http://{user}@127.0.0.1:{port}", origin.url + "/"), "hello")
    equal(curl(w, "-p", "-w", "%{http_connect}", "-x", f"http://bob:x@127.0.0.1:{port}", origin.url + "/", code=56), "407")
    through = ["--proxy-cacert", w.path("authority.pem"), "--resolve", f"proxy.test:{secure}:127.0.0.1"]
    contains(curl(w, *through, "-x", f"https://{user}@proxy.test:{secure}", origin.url + "/"), "hello")
    equal(curl(w, *through, "-o", "/dev/null", "-w", "%{http_code}", "-x", f"https://proxy.test:{secure}", origin.url + "/"), "407")


@test("reverse: 401, WWW-Authenticate, and Authorization is ours: the backend never sees it", threats="http-credentials")
def reverse(w):
    w.init("acme")
    origin = Origin(answer_with())
    port = w.server("http", "acme/p", "--auth", "basic", "--backend", origin.address)
    add_user(w, "acme/bob")
    w.run()
    ask = b"GET / HTTP/1.1\r\nHost: x\r\n"
    bare = exchange(port, ask + b"Connection: close\r\n\r\n")
    contains(bare.decode(), "401 ", "WWW-Authenticate: Basic realm=\"acme\"")
    contains(exchange(port, ask + basic("bob", "geheim") + b"Connection: close\r\n\r\n").decode(), "401 ")
    equal(origin.received, b"")
    shown = basic("bob", "geheim", "Authorization")
    contains(exchange(port, ask + shown + b"Connection: close\r\n\r\n").decode(), "200 OK")
    assert b"uthorization" not in origin.received, origin.received


@test("socks: RFC 1929, and no way around it: SOCKS4 is 91, a client without the method gets FF, a wrong password 1", threats="socks-downgrade")
def socks(w):
    port = serve_users(w, "socks")
    add_user(w, "acme/bob")
    w.run()
    origin = Origin(echo)
    equal(exchange(port, b"\5\1\0"), b"\5\xff")
    equal(exchange(port, b"\4\1" + origin.port.to_bytes(2, "big") + b"\x7f\0\0\1bob\0")[:2], b"\0\x5b")
    for user, password in (("bob", "falsch"), ("eve", "geheim"), ("bob", "")):
        connection, answer = socks_login(port, user, password)
        with connection:
            equal(answer, b"\1\1", user)
            equal(connection.recv(1), b"", "closed")
    # Skipping the login: the request is no login.
    with connect(port) as client:
        client.sendall(b"\5\1\2")
        equal(client.recv(2), b"\5\2")
        client.sendall(b"\5\1\0\1\x7f\0\0\1" + origin.port.to_bytes(2, "big"))
        equal(client.recv(16), b"")
    equal(origin.connections, 0)
    connection, answer = socks_login(port, "bob", "geheim")
    with connection:
        equal(answer, b"\1\0")
        equal(socks_connect(connection, origin.port), 0)
        connection.sendall(b"ping")
        equal(connection.recv(4), b"ping")
    # Everything in one piece: what follows the password waits for it.
    with connect(port) as client:
        client.sendall(b"\5\1\2\1\3bob\6geheim\5\1\0\1\x7f\0\0\1" + origin.port.to_bytes(2, "big"))
        answer = b""
        while len(answer) < 14:
            answer += client.recv(64)
        equal(answer[:6], b"\5\2\1\0\5\0")
    until(lambda: counted(w, "auth_failed") == 3 and counted(w, "auth_required") == 2, 3 * w.patience, "counted")


@test("socks: python3-socks and curl log in")
def socks_clients(w):
    w.need("curl")
    import socks as pysocks
    port = serve_users(w, "socks")
    add_user(w, "acme/bob")
    w.run()
    origin = Origin(answer_with())
    contains(curl(w, "-x", f"socks5h://bob:geheim@127.0.0.1:{port}", origin.url + "/"), "hello")
    client = pysocks.socksocket()
    client.set_proxy(pysocks.SOCKS5, "127.0.0.1", port, username="bob", password="geheim")
    client.settimeout(10)
    with client:
        client.connect(("127.0.0.1", origin.port))
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        contains(client.recv(4096).decode(), "200 OK")
    client = pysocks.socksocket()
    client.set_proxy(pysocks.SOCKS5, "127.0.0.1", port, username="bob", password="x")
    with client:
        try:
            client.connect(("127.0.0.1", origin.port))
        except pysocks.ProxyError as error:
            contains(str(error), "authentication failed")
        else:
            raise AssertionError("a wrong password connects")


def open_all(w, origin):
    """A CONNECT tunnel, a SOCKS tunnel and an idle http connection of acme's bob, all of which echo or answer."""
    web, sox = int(w.field("acme/p", "bound_port")), int(w.field("acme/s", "bound_port"))
    tunnel = connect(web)
    tunnel.sendall(f"CONNECT 127.0.0.1:{origin.port} HTTP/1.1\r\nHost: x\r\n".encode() + basic("bob", "geheim") + b"\r\n")
    contains(read_head(tunnel)[0].decode(), " 200 ")
    relay, answer = socks_login(sox, "bob", "geheim")
    equal(answer, b"\1\0")
    equal(socks_connect(relay, origin.port), 0)
    for one in (tunnel, relay):
        one.sendall(b"ping")
        equal(one.recv(4), b"ping")
    return tunnel, relay


def ends(connections, seconds):
    began = time.monotonic()
    for one in connections:
        one.settimeout(seconds)
        try:
            equal(one.recv(1), b"")
        except ConnectionResetError:
            pass
        one.close()
    return time.monotonic() - began


@test("live connections of a user end within a second: disabled, removed, expired, and by hand; a neighbour's go on", threats="auth-revoked")
def live_users(w):
    w.init("acme")
    w.allow_loopback("acme")
    w.server("http", "acme/p", "--auth", "basic", "--connect-ports", "*")
    w.server("socks", "acme/s", "--auth", "basic")
    add_quick_users(w, "acme", "bob", "ann")
    w.run()
    origin = Origin(echo)
    neighbour, answer = socks_login(int(w.field("acme/s", "bound_port")), "ann", "geheim")
    equal((answer, socks_connect(neighbour, origin.port)), (b"\1\0", 0))
    ways = {
        "disabled": lambda: w.ctl("user", "disable", "acme/bob"),
        "by hand": lambda: w.sqlite("UPDATE user SET enabled = 0 WHERE name = 'bob'"),
        "removed": lambda: w.ctl("user", "remove", "acme/bob"),
        "expired": lambda: w.ctl("user", "set", "acme/bob", "expires_at=300ms"),
    }
    for name, act in ways.items():
        connections = open_all(w, origin)
        act()
        took = ends(connections, 2.5 * w.patience)
        w.figure(f"{name}: {took:.2f} s")
        assert took < 1.5 * w.patience, f"{name}: {took}"
        web = int(w.field("acme/p", "bound_port"))
        wanted = 407 if name == "removed" else 403
        until(lambda: get(web, "http://127.0.0.1:1/", more=basic("bob", "geheim")).status == wanted, 2 * w.patience, name)  # noqa: B023
        if name == "removed":
            w.ctl("user", "import", "--htpasswd", "users.txt", "-t", "acme", code=4)
            w.ctl("user", "import", "--htpasswd", "users.txt", "-t", "acme", "--replace")
        else:
            w.ctl("user", "set", "acme/bob", "enabled=true", "expires_at=never")
    until(lambda: counted(w, "user_disabled") >= 9, 3 * w.patience, "user_disabled is counted")
    neighbour.sendall(b"ping")
    equal(neighbour.recv(4), b"ping")
    neighbour.close()


@test("live connections of a tenant end within a second when it is disabled, with its own reason; another tenant's go on", threats="auth-revoked")
def live_tenant(w):
    w.init("acme", "globex")
    w.allow_loopback("acme", "globex")
    origin = Origin(echo)
    ports = [w.server("tcp", f"{tenant}/t", "--backend", origin.address) for tenant in ("acme", "globex")]
    w.run()
    mine, other = [connect(port) for port in ports]
    for one in (mine, other):
        one.sendall(b"ping")
        equal(one.recv(4), b"ping")
    began = time.monotonic()
    w.ctl("tenant", "disable", "acme")
    ends([mine], 2 * w.patience)
    assert time.monotonic() - began < 1.5 * w.patience
    equal(w.show("acme/t")["status"], "stopped")
    until(lambda: counted(w, "tenant_disabled") == 1, 3 * w.patience, "tenant_disabled is counted")
    other.sendall(b"ping")
    equal(other.recv(4), b"ping")
    other.close()


@test("a new password is the only one from then on; auth switched on asks those who are there already")
def passwords_change(w):
    port = serve_users(w, "http")
    add_user(w, "acme/bob")
    w.run()
    origin = Origin(answer_with())
    old, new = basic("bob", "geheim"), basic("bob", "neu")
    with connect(port) as client:
        ask = f"GET {origin.url}/ HTTP/1.1\r\nHost: x\r\n".encode()
        client.sendall(ask + old + b"\r\n")
        equal(status_of(read_answer(client)), 200)
        w.ctl("user", "passwd", "acme/bob", "--password-stdin", input="neu\n")
        client.sendall(ask + old + b"\r\n")
        equal(status_of(read_answer(client)), 407)
        client.sendall(ask + new + b"\r\n")
        equal(status_of(read_answer(client)), 200)
    w.ctl("server", "set", "acme/p", "auth=none")
    echoes = Origin(echo)
    w.ctl("server", "set", "acme/p", "config.connect_ports=*")
    with connect(port) as tunnel:
        tunnel.sendall(f"CONNECT 127.0.0.1:{echoes.port} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        contains(read_head(tunnel)[0].decode(), " 200 ")
        w.ctl("server", "set", "acme/p", "auth=basic")
        assert ends([tunnel], 2 * w.patience) < 1.5 * w.patience
    equal(get(port, origin.url + "/").status, 407)


@test("rules by user: on http and socks, for names and for networks; another tenant's user of that name is somebody else", threats="tenant-users")
def rules_by_user(w):
    w.init("acme", "globex")
    w.allow_loopback("globex")
    w.server("http", "acme/p", "--auth", "basic")
    w.server("socks", "acme/s", "--auth", "basic")
    w.server("http", "globex/p", "--auth", "basic")
    add_quick_users(w, "acme", "bob", "ann")
    w.ctl("user", "add", "globex/bob", "--password-stdin", input="anders\n")
    w.ctl("acl", "add", "allow", "--user", "bob", "--to", "127.0.0.0/8", "-t", "acme")
    w.ctl("acl", "add", "deny", "--user", "bob", "--to", "localhost", "--before", "1", "-t", "acme")
    w.ctl("acl", "add", "deny", "--user", "nobody", "-t", "acme", code=3)
    w.run()
    origin = Origin(answer_with())
    web, sox, other = [int(w.field(ref, "bound_port")) for ref in ("acme/p", "acme/s", "globex/p")]
    equal(get(web, origin.url + "/", more=basic("bob", "geheim")).status, 200)
    equal(get(web, origin.url + "/", more=basic("ann", "geheim")).status, 403)
    equal(get(web, f"http://localhost:{origin.port}/", more=basic("bob", "geheim")).status, 403)
    for user, code in (("bob", 0), ("ann", 2)):
        connection, answer = socks_login(sox, user, "geheim")
        with connection:
            equal((answer, socks_connect(connection, origin.port)), (b"\1\0", code), user)
    equal(get(other, origin.url + "/", more=basic("bob", "geheim")).status, 407, "acme's bob at globex")
    equal(get(other, origin.url + "/", more=basic("bob", "anders")).status, 200)
    contains(w.ctl("acl", "list", "-t", "acme").out, "USER", "bob")
    contains(w.ctl("user", "remove", "acme/bob", code=4).err, "rules 1, 2", "acl remove")


@test("a password is nowhere: not in the file, logs, audit, outputs, argv or environment of any process (U19)", threats="auth-secret")
def secrets(w):
    w.need("sqlite3")
    canary = "kanarienvogel-4711"
    port = serve_users(w, "http", "--access-log-format", "json")
    sox = w.server("socks", "acme/s", "--auth", "basic")
    add_user(w, "acme/bob", canary)
    daemon = w.run("--log-level", "trace")
    origin = Origin(answer_with())
    equal(get(port, origin.url + "/", more=basic("bob", canary)).status, 200)
    equal(get(port, origin.url + "/", more=basic("bob", canary + "x")).status, 407)
    connection, answer = socks_login(sox, "bob", canary)
    connection.close()
    equal(answer, b"\1\0")
    outputs = "".join(w.ctl(*command).out for command in (
        ("user", "list", "-o", "json"), ("user", "show", "acme/bob", "-o", "json"), ("audit", "list", "-o", "json"),
        ("server", "show", "acme/p", "-o", "json"), ("status", "-o", "json"), ("doctor",), ("logs",), ("sql", "SELECT * FROM users")))
    assert canary not in outputs
    assert "$scrypt$" not in outputs
    contains(w.ctl("audit", "list").out, "user.add")
    encoded = base64.b64encode(f"bob:{canary}".encode())
    for place, _, names in os.walk(w.dir):
        for name in names:
            path = os.path.join(place, name)
            if not os.path.isfile(path) or name == "calls":
                continue
            with open(path, "rb") as file:
                data = file.read()
            assert canary.encode() not in data and encoded not in data, f"{path} has the password"
    for pid in [daemon, *w.workers(daemon)]:
        for name in ("cmdline", "environ"):
            try:
                with open(f"/proc/{pid}/{name}", "rb") as file:
                    assert canary.encode() not in file.read(), f"{name} of {pid}"
            except PermissionError:
                pass  # not dumpable: nobody reads it
    equal(w.ctl("sql", "SELECT count(*) FROM audit WHERE before LIKE '%$scrypt%' OR after LIKE '%$scrypt%'", "-o", "tsv",
                "--no-headers").out.strip(), "0")
    matches(w.value("SELECT password_hash FROM user"), r"^\$scrypt\$ln=15,r=8,p=1\$")


@test("tls in between changes nothing: an https proxy's users are asked inside TLS alone")
def asked_inside_tls(w):
    w.init("acme")
    w.allow_loopback("acme")
    authority(w)
    certificate(w, "proxy", "proxy.test")
    port = w.server("https", "acme/s", "--auth", "basic", "--cert", "proxy.pem", "--key", "proxy.key")
    add_quick_users(w, "acme", "bob")
    w.run()
    origin = Origin(answer_with())
    plain = exchange(port, f"GET {origin.url}/ HTTP/1.1\r\nHost: x\r\n".encode() + basic("bob", "geheim") + b"\r\n")
    assert b"200 OK" not in plain and b"407" not in plain, plain
    with tls_connect(w, port, "proxy.test") as client:
        client.sendall(f"GET {origin.url}/ HTTP/1.1\r\nHost: x\r\n".encode() + basic("bob", "geheim") + b"\r\n")
        contains(read_head(client)[0].decode(), " 200 ")


@test("a disabled user stays out when the worker dies, ends beside a certificate that went bad, and while a server drains", threats="auth-revoked")
def disabled_for_good(w):
    w.init("acme")
    w.allow_loopback("acme")
    authority(w)
    certificate(w, "proxy", "proxy.test")
    w.server("http", "acme/a-open")  # asks for nobody: is not told of users
    w.server("socks", "acme/s", "--auth", "basic", "--drain-timeout", "1m")
    secure = w.server("https", "acme/z", "--auth", "basic", "--cert", "proxy.pem", "--key", "proxy.key")
    add_quick_users(w, "acme", "bob", "ann", "eve")
    w.run()
    origin = Origin(echo)
    sox = int(w.field("acme/s", "bound_port"))

    def tunnel(user):
        connection, answer = socks_login(sox, user, "geheim")
        equal((answer, socks_connect(connection, origin.port)), (b"\1\0", 0), user)
        return connection

    def login(user):
        connection, answer = socks_login(sox, user, "geheim")
        connection.close()
        return answer

    w.ctl("user", "disable", "acme/bob")
    w.kill(w.worker_of("acme"))
    until(lambda: login("ann") == b"\1\0", 5 * w.patience, "the next worker serves")
    equal(login("bob"), b"\1\1", "after the worker's death")

    nobody = w.port()

    # Rules and users hold although the rest of the row cannot be had.
    def ask(user):
        with tls_connect(w, secure, "proxy.test") as client:
            client.sendall(f"GET http://127.0.0.1:{nobody}/ HTTP/1.1\r\nHost: x\r\n".encode() + basic(user, "geheim") + b"\r\n")
            return int(read_head(client)[0].split()[1])

    equal(ask("eve"), 502)
    w.write("proxy.pem", "broken")
    w.ctl("user", "disable", "acme/eve", code=(0, 1))
    until(lambda: ask("eve") == 403, 3 * w.patience, "eve is out of the server with the broken certificate")
    w.ctl("acl", "add", "deny", "--port", nobody, "--user", "ann", "--server", "acme/z", code=(0, 1))
    until(lambda: ask("ann") == 403, 3 * w.patience, "so is ann, by a rule")

    mine = tunnel("ann")
    w.ctl("server", "stop", "acme/s", "--no-wait")
    until(lambda: w.show("acme/s")["status"] == "stopping", 3 * w.patience, "draining")
    mine.sendall(b"ping")
    equal(mine.recv(4), b"ping", "while it drains")
    w.ctl("user", "disable", "acme/ann", code=(0, 1))
    assert ends([mine], 3 * w.patience) < 2 * w.patience
