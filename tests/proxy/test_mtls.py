"""Users by certificate (auth=mtls): who the certificate names is the user, for rules, records and revocation."""
import ssl
import time

from certificates import authority, certificate, client_context, tls_connect
from harness import contains, equal, test, until
from logins import counted
from traffic import Origin, answer_with, curl, echo, read_answer


def site(w, kind, *flags, more=()):
    """A server of acme that knows its users by certificate; certificates of bob, eve and nobody; returns its port."""
    w.init("acme", "globex")
    w.allow_loopback("acme")
    authority(w, "clients")
    for name in ("bob", "eve", "ghost"):
        certificate(w, name, name, issuer="clients")
    pem, key = certificate(w, "site", "example.test")
    for user in ("acme/bob", "acme/eve", "globex/ghost", *more):
        w.ctl("user", "add", user, "--no-password")
    port = w.server(kind, "acme/gate", "--cert", pem, "--key", key, "--client-auth", "require", "--client-ca", w.path("clients.pem"),
                    "--auth", "mtls", *flags)
    w.run()
    return port


def fetch(w, port, own, url, more=b""):
    with tls_connect(w, port, context=client_context(w, own=own)) as client:
        client.sendall(f"GET {url} HTTP/1.1\r\nHost: x\r\n".encode() + more + b"\r\n")
        answer, _ = read_answer(client)
        return answer.head + answer.body


def code_of(answer):
    return int(answer.split(b" ", 2)[1])


def gone(connection, seconds=3.0):
    """How long until the other side ends it."""
    began = time.monotonic()
    connection.settimeout(seconds)
    try:
        assert connection.recv(100) == b""
    except (ConnectionError, ssl.SSLError):
        pass
    return time.monotonic() - began


@test("mtls on https: the certificate's name is the user: rules, records, 403 for others, the connection ends when the user is disabled", threats="tls-identity tenant-users")
def https(w):
    port = site(w, "https", "--connect-ports", "*")
    origin, other = Origin(answer_with()), Origin(echo)
    equal(code_of(fetch(w, port, "bob", origin.url + "/")), 200)
    contains(fetch(w, port, "ghost", origin.url + "/").decode(), "403", "auth_failed")  # signed well, but no user of acme
    w.ctl("acl", "add", "deny", "--user", "eve", "--port", str(origin.port), "--before", "1", "-t", "acme")
    contains(fetch(w, port, "eve", origin.url + "/").decode(), "403", "acl_denied")
    equal(code_of(fetch(w, port, "bob", origin.url + "/")), 200)
    equal(origin.received.count(b"GET /"), 2, "nothing of a refused request got through")
    text = curl(w, "-sS", "--proxy", f"https://example.test:{port}", "--resolve", f"example.test:{port}:127.0.0.1", "--proxy-cacert", w.path("authority.pem"),
                "--proxy-cert", w.path("bob.pem"), "--proxy-key", w.path("bob.key"), origin.url + "/")
    equal(text.strip(), "hello")
    until(lambda: " bob HIER_DIRECT" in w.ctl("logs").out, 3 * w.patience, "the record names the user")
    until(lambda: counted(w, "auth_failed") >= 1, 3 * w.patience)
    with tls_connect(w, port, context=client_context(w, own="bob")) as tunnel:
        tunnel.sendall(f"CONNECT {other.address} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        contains(tunnel.recv(4096).decode(), " 200 ")
        tunnel.sendall(b"ping")
        equal(tunnel.recv(100), b"ping")
        w.ctl("user", "disable", "acme/bob")
        assert gone(tunnel) < 1.0 * w.patience
    contains(fetch(w, port, "bob", origin.url + "/").decode(), "403", "user_disabled")
    until(lambda: counted(w, "user_disabled") >= 2, 3 * w.patience)
    w.ctl("user", "enable", "acme/bob")
    equal(code_of(fetch(w, port, "bob", origin.url + "/")), 200)


@test("mtls on https with backends: the origin's own Authorization passes, who it is stays ours")
def reverse(w):
    origin = Origin(answer_with())
    port = site(w, "https", "--backend", origin.address)
    equal(code_of(fetch(w, port, "bob", "/", b"Authorization: Bearer token\r\n")), 200)
    contains(origin.received.decode(), "Bearer token")
    contains(fetch(w, port, "ghost", "/").decode(), "403")
    equal(origin.received.count(b"GET /"), 1)


@test("mtls on tls: others are not connected to the backend, a tunnel ends when its user is removed; resumption changes nothing", threats="tls-identity")
def relay(w):
    sink = Origin(echo)
    port = site(w, "tls", "--backend", sink.address)
    context = client_context(w, own="bob")
    with tls_connect(w, port, context=context) as first:
        first.sendall(b"ping")
        equal(first.recv(100), b"ping")
        session = first.session
    w.ctl("acl", "add", "deny", "--user", "eve", "--before", "1", "-t", "acme")
    contains(w.ctl("explain", "acme/gate", "--user", "eve", code=1).out, "acl_denied")
    for own in ("ghost", "eve"):
        with tls_connect(w, port, context=client_context(w, own=own)) as refused:
            gone(refused)
    equal(sink.connections, 1)
    until(lambda: counted(w, "auth_failed") >= 1 and counted(w, "acl_denied") >= 1, 3 * w.patience)
    with tls_connect(w, port, context=context, session=session) as again:
        again.sendall(b"ping")
        equal(again.recv(100), b"ping")
        equal(again.session_reused, True)
        session = again.session
        w.ctl("user", "remove", "acme/bob")
        assert gone(again) < 1.0 * w.patience
    with tls_connect(w, port, context=context, session=session) as late:
        gone(late)
    equal(sink.connections, 2)
    until(lambda: " bob " in w.ctl("logs").out, 3 * w.patience, "the record names the user")


@test("mtls: asked for where it cannot be had, switched on under open connections, and what explain says")
def switched(w):
    w.init("acme")
    sink = Origin(echo)
    pem, key = certificate(w, "site", "example.test")
    authority(w, "clients")
    certificate(w, "bob", "bob", issuer="clients")
    given = ("--cert", pem, "--key", key, "-t", "acme")
    contains(w.ctl("server", "add", "http", "web", "--set", "auth=mtls", "-t", "acme", code=(2, 4)).err, "sees no client certificates")
    contains(w.ctl("server", "add", "tls", "t", "--auth", "mtls", "--backend", sink.address, *given, code=2).err, "mtls needs client certificates")
    contains(w.ctl("server", "add", "tls", "t", "--auth", "basic", "--backend", sink.address, *given, code=(2, 4)).err, "asks for no credentials")
    port = w.server("tls", "acme/t", "--backend", sink.address, "--cert", pem, "--key", key)
    w.ctl("user", "add", "acme/bob", "--no-password")
    contains(w.ctl("user", "add", "acme/eve", "--no-password", "--generate", code=2).err, "--no-password takes no password")
    w.ctl("user", "test", "acme/bob", "--password-stdin", input="x\n", code=1)
    w.run()
    with tls_connect(w, port) as anybody:
        anybody.sendall(b"ping")
        equal(anybody.recv(100), b"ping")
        w.ctl("server", "set", "acme/t", "client_auth=require", f"client_ca_path={w.path('clients.pem')}", "auth=mtls")
        assert gone(anybody) < 1.0 * w.patience
    with tls_connect(w, port, context=client_context(w, own="bob")) as bob:
        bob.sendall(b"ping")
        equal(bob.recv(100), b"ping")
    contains(w.ctl("explain", "acme/t", "--user", "bob").out, "mtls, user bob: may log in")
    contains(w.ctl("explain", "acme/t", "--user", "eve", code=1).out, "auth_failed")
    contains(w.ctl("explain", "acme/t", code=1).out, "auth_required")
    w.write("both.pem", open(w.path("clients.pem"), encoding="ascii").read() + open(w.path("clients.key"), encoding="ascii").read())
    contains(w.ctl("server", "set", "acme/t", f"client_ca_path={w.path('both.pem')}", code=1).err, "has a private key in it")


@test("mtls: what one authority proved counts no more when another is asked for: open tunnels end, the certificate is refused", threats="tls-identity")
def other_authority(w):
    sink = Origin(echo)
    port = site(w, "tls", "--backend", sink.address)
    authority(w, "others")
    context = client_context(w, own="bob")
    with tls_connect(w, port, context=context) as tunnel:
        tunnel.sendall(b"ping")
        equal(tunnel.recv(100), b"ping")
        w.ctl("server", "set", "acme/gate", f"client_ca_path={w.path('others.pem')}")
        assert gone(tunnel) < 1.0 * w.patience
    try:
        with tls_connect(w, port, context=context) as late:
            gone(late)
    except (ssl.SSLError, ConnectionError):
        pass
    equal(sink.connections, 1)
