"""Which destinations and listeners are refused until somebody says otherwise."""
import contextlib
import socket
import ssl
import struct
import threading

from certificates import authority, certificate, client_hello, served_name, tls_connect
from harness import connects, contains, equal, test, until
from traffic import Origin, answer_with, connect, echo, exchange, get, read_all, read_head


def local_address():
    """An address of this machine that is not loopback, or None."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            return probe.getsockname()[0]
        except OSError:
            return None


@test("private, loopback, link-local and odd spellings are 403 or 400 until an allow rule opens them", threats="destination-private")
def destination_guard(w):
    w.init("acme")
    port = w.server("http", "acme/web", "--connection-timeout", "1s")
    w.run()
    origin = Origin(answer_with())
    for host in ("127.0.0.1", "localhost", "10.0.0.1", "192.168.1.1", "172.16.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
                 "224.0.0.1", "255.255.255.255", "[::1]", "[::ffff:127.0.0.1]", "[fe80::1]", "[fc00::1]", "[64:ff9b::7f00:1]",
                 "[2002:7f00:1::]", "198.18.0.1", "203.0.113.9"):
        answer = get(port, f"http://{host}:{origin.port}/")
        equal(answer.status, 403, host)
        contains(answer.head.decode() + answer.body.decode(), "destination_denied")
    for host in ("127.1", "0x7f.0.0.1", "0177.0.0.1", "2130706433", "%31%32%37.0.0.1", "127.0.0.01"):
        answer = get(port, f"http://{host}:{origin.port}/")
        assert answer.status in (400, 403), f"{host}: {answer.status}"
    equal(origin.received, b"")
    contains(get(port, f"http://127.0.0.1:{origin.port}/").body.decode(), "arcusctl acl add allow --to")
    w.allow_loopback("acme")
    until(lambda: get(port, origin.url + "/").status == 200, 3 * w.patience, "the rule is live")
    equal(get(port, f"http://10.0.0.1:{origin.port}/").status, 403)


@test("a host rule never opens a private address; deny rules go first by position; methods and ports count", threats="rule-by-name")
def rules(w):
    w.init("acme")
    port = w.server("http", "acme/web")
    w.run()
    origin = Origin(answer_with())
    w.ctl("acl", "add", "allow", "--to", "localhost", "-t", "acme")
    equal(get(port, f"http://localhost:{origin.port}/").status, 403)
    w.allow_loopback("acme")
    until(lambda: get(port, origin.url + "/").status == 200, 3 * w.patience, "open")
    w.ctl("acl", "add", "deny", "--to", "127.0.0.0/8", "--port", origin.port, "--method", "DELETE", "--server", "acme/web")
    until(lambda: get(port, origin.url + "/", method=b"DELETE").status == 403, 3 * w.patience, "denied")
    equal(get(port, origin.url + "/").status, 200)
    w.ctl("acl", "add", "deny", "--client", "127.0.0.0/8", "--server", "acme/web")
    until(lambda: denied(port, origin.url), 3 * w.patience, "client denied")
    for reason in ("acl_denied", "destination_denied"):
        until(lambda: reason in str(w.query("SELECT reason FROM server_reason WHERE count > 0")), 3 * w.patience, reason)  # noqa: B023


def denied(port, url):
    try:
        answer = get(port, url + "/", timeout=3)
    except OSError:
        return True
    return answer is None or answer.status == 403


class FullListener:
    """Lets nobody in before open(); who waits then gets in when its kernel asks again, within seconds."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.port = self.socket.getsockname()[1]
        self.received, self.fillers, is_full = b"", [], False
        while not is_full and len(self.fillers) < 64:
            self.fillers.append(socket.socket())
            self.fillers[-1].settimeout(0.2)
            is_full = self.fillers[-1].connect_ex(("127.0.0.1", self.port)) != 0
        assert is_full

    def open(self):
        for filler in self.fillers:
            filler.close()
        self.socket.listen(64)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            connection, _ = self.socket.accept()
            self.received += read_all(connection)


@test("a rule that tightens while a tunnel is dialled refuses it: http, socks, sni", threats="rule-late", timeout=60)
def tightened_while_dialled(w):
    w.init("acme")
    w.allow_loopback("acme")
    full, other = FullListener(), Origin(answer_with())
    http, socks = w.server("http", "acme/web", "--set", "connect_ports=*"), w.server("socks", "acme/gate")
    sni = w.server("sni", "acme/edge", "--route", "localhost=passthrough", "--set", f"passthrough_port={full.port}")
    w.run()
    waiting = []
    for port, data in ((http, f"CONNECT 127.0.0.1:{full.port} HTTP/1.1\r\nHost: 127.0.0.1:{full.port}\r\n\r\n".encode()),
                       (socks, b"\4\1" + struct.pack("!H", full.port) + b"\x7f\0\0\1\0"), (sni, client_hello("localhost"))):
        waiting.append(connect(port))
        waiting[-1].sendall(data)
    until(lambda: w.query("SELECT name FROM server_full WHERE active_connections = 1")[2:], 5 * w.patience, "all three dial")
    for name in ("edge", "gate", "web"):
        w.ctl("acl", "add", "deny", "--to", "127.0.0.0/8", "--server", f"acme/{name}")
    until(lambda: get(http, other.url + "/").status == 403, 3 * w.patience, "the rule is live")
    full.open()
    answers = [connection.recv(4096) for connection in waiting]
    contains(answers[0].decode(), "HTTP/1.1 403 ", "acl_denied")
    equal(answers[1], b"\0\x5b" + bytes(6))
    equal(answers[2], b"\x15\x03\x03\x00\x02\x02\x31")  # access_denied
    equal(full.received, b"")


@test("a tunnel that is dialled while its server begins to ask for users is refused", threats="rule-late")
def asked_while_dialled(w):
    w.init("acme")
    w.allow_loopback("acme")
    full = FullListener()
    port = w.server("http", "acme/web", "--set", "connect_ports=*")
    w.run()
    waiting = connect(port)
    waiting.sendall(f"CONNECT 127.0.0.1:{full.port} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    until(lambda: w.query("SELECT name FROM server_full WHERE active_connections = 1"), 5 * w.patience, "it dials")
    w.ctl("server", "set", "acme/web", "auth=basic")
    full.open()
    contains(waiting.recv(4096).decode(), "HTTP/1.1 407 ", "auth_required")
    equal(full.received, b"")


@test("our own listeners are never a destination, whatever the rules say", threats="destination-own")
def no_self_connection(w):
    w.init("acme")
    w.allow_loopback("acme")
    port, other = w.server("http", "acme/web"), w.server("http", "acme/api")
    w.run()
    for target in (port, other):
        equal(get(port, f"http://127.0.0.1:{target}/").status in (403, 508), True, str(target))


@test("a listener of another tenant is no destination either, whatever the rules say", threats="destination-own")
def others_listeners(w):
    w.init("acme", "globex")
    w.allow_loopback("acme")
    port = w.server("http", "acme/web", "--set", "connect_ports=*")
    w.run()
    origin = Origin(answer_with())
    equal(get(port, origin.url + "/").status, 200)
    inner = w.server("tcp", "globex/inner", "--backend", origin.address)
    w.wait_status("globex/inner", "running")
    until(lambda: get(port, f"http://127.0.0.1:{inner}/").status == 403, 5 * w.patience, "refused")
    contains(exchange(port, f"CONNECT 127.0.0.1:{inner} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode()).decode(), " 403 ")
    w.ctl("server", "stop", "globex/inner")
    until(lambda: get(port, f"http://127.0.0.1:{inner}/").status == 502, 5 * w.patience, "nobody's any more")


@test("a non-loopback http server without auth or client rule: exit 2 with both ways out; --allow-open works, doctor warns (U18)", threats="open-proxy")
def open_proxy(w):
    w.init("acme")
    port = w.port()
    for args in (("--addr", "0.0.0.0"), ("--addr", "::"), ("--listen", f"0.0.0.0:{port}")):
        err = w.ctl("server", "add", "http", "web", "-t", "acme", *(() if "--listen" in args else ("--port", port)), *args, code=2).err
        contains(err, "--allow-open", "acl add")
    w.ctl("server", "add", "http", "web", "-t", "acme", "--port", port, "--addr", "0.0.0.0", "--allow-open")
    result = w.ctl("doctor", code=(0, 1))
    contains(result.out, "acme/web")
    w.run()
    equal(connects(port), True)
    equal(w.ctl("server", "set", "acme/web", "allow_open=0", code=(1, 2, 4)).code in (1, 2, 4), True)
    second = w.port()
    w.ctl("server", "add", "http", "lb", "-t", "acme", "--port", second, "--addr", "0.0.0.0", "--backend", "127.0.0.1:1")
    equal(connects(second), True)


@test("a hand-written open proxy is refused by the daemon, not served", threats="open-proxy file-rows")
def open_by_hand(w):
    w.init("acme")
    w.run()
    port = w.port()
    w.sqlite(f"INSERT INTO servers(tenant,name,type,listen) VALUES('acme','web','http','0.0.0.0:{port}');")
    w.wait_status("acme/web", "error", 5)
    equal(connects(port), False)
    contains(w.show("acme/web")["last_error"], "allow_open")


@test("an https server written by hand serves TLS or nothing")
def https_by_hand(w):
    authority(w)
    certificate(w, "site", "example.test")
    w.init("acme")
    w.run()
    port = w.port()
    w.sqlite(f"INSERT INTO servers(tenant,name,type,listen) VALUES('acme','web','https','127.0.0.1:{port}');")
    w.wait_status("acme/web", "error", 5)
    contains(w.show("acme/web")["last_error"], "tls_cert_path")
    w.sqlite(f"UPDATE server SET tls_cert_path='{w.path('site.pem')}', tls_key_path='{w.path('site.key')}';")
    w.wait_status("acme/web", "running", 5)
    equal(served_name(w, port), "example.test")
    w.sqlite("UPDATE server SET enable_tls=0;")
    until(lambda: "enable_tls" in (w.show("acme/web")["last_error"] or ""), 5 * w.patience, "refused")
    contains(w.ctl("server", "set", "acme/web", "enable_tls=0", code=2).err, "never serves without TLS")
    assert b"HTTP/1." not in exchange(port, b"GET http://example.test/ HTTP/1.1\r\nHost: example.test\r\n\r\n")


def switch_and_echo(connection, origin):
    read_head(connection, origin)
    connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    echo(connection, origin)


@test("an allow rule that names clients closes the door for all others, on every type, and ends what they have", threats="client-door")
def closed_door(w):
    w.init("acme")
    w.allow_loopback("acme")
    origin, sink, chat = Origin(answer_with()), Origin(echo), Origin(switch_and_echo)
    pem, key = certificate(w, "site", "example.test")
    hello = client_hello()
    http, socks = w.server("http", "acme/web"), w.server("socks", "acme/gate", "--set", "commands=connect,udp")
    reverse = w.server("http", "acme/front", "--backend", origin.address)
    tcp = w.server("tcp", "acme/db", "--backend", sink.address)
    tls = w.server("tls", "acme/t", "--backend", sink.address, "--cert", pem, "--key", key)
    sni = w.server("sni", "acme/edge", "--route", f"example.test={sink.address}")
    sockets = w.server("http", "acme/chat", "--backend", chat.address)
    behind = w.server("http", "acme/behind", "--backend", origin.address, "--proxy-protocol-in", "v1",
                      "--proxy-protocol-from", "127.0.0.0/8")
    w.run()

    def socks_reply():
        return exchange(socks, b"\4\1" + struct.pack("!H", sink.port) + b"\x7f\0\0\1\0", half_close=True)[:2]

    def echoed(port, data):
        with contextlib.suppress(OSError):  # a reset may come before all is sent
            return exchange(port, data, half_close=True) == data
        return False

    def served():
        """Which types serve this client now."""
        with contextlib.suppress(OSError, ssl.SSLError):
            with tls_connect(w, tls, "example.test") as connection:
                connection.sendall(b"x")
                if connection.recv(1) == b"x":
                    yield "tls"
        if get(http, origin.url + "/").status == 200:
            yield "http"
        if b" 200 " in exchange(reverse, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")[:20]:
            yield "reverse"
        if socks_reply() == b"\0\x5a":
            yield "socks"
        if echoed(tcp, b"hello"):
            yield "tcp"
        if echoed(sni, hello):
            yield "sni"
    every = {"http", "reverse", "socks", "tcp", "tls", "sni"}
    equal(set(served()), every)
    switch = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    plain = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    associate = b"\5\1\0\5\3\0\1\0\0\0\0\0\0"
    held = []
    for port, data, answer in ((tcp, b"hello", b"hello"), (sni, hello, hello[:5]), (sockets, switch, b"HTTP/1.1 101"),
                               (reverse, plain, b"HTTP/1.1 200"), (socks, associate, b"\5\0\5\0")):
        held.append(connect(port))
        held[-1].sendall(data)
        got = b""
        while len(got) < len(answer):
            got += held[-1].recv(4096)
        equal(got[:len(answer)], answer)
    w.ctl("acl", "add", "allow", "--client", "192.0.2.0/24", "-t", "acme")
    for connection in held:
        read_all(connection)
    equal(set(served()), set())
    for port, answer in ((socks, b""), (sni, b""), (http, b"HTTP/1.1 403")):
        got = b""
        with contextlib.suppress(ConnectionError):  # a reset may come before connect() is through
            with connect(port, timeout=3) as connection:
                got = read_all(connection)
        equal(got[:12], answer, "refused before anything is asked")
    for address, status in ((b"198.51.100.7", b"403"), (b"192.0.2.7", b"200")):
        with connect(behind, timeout=3) as connection:
            connection.sendall(b"PROXY TCP4 " + address + b" 127.0.0.1 1 2\r\n")
            if status == b"200":
                connection.sendall(plain)
            equal(connection.recv(12)[9:], status)
    w.ctl("acl", "add", "allow", "--client", "127.0.0.1", "-t", "acme")
    until(lambda: set(served()) == every, 5 * w.patience, "open again for those who are named")


@test("a rule that comes while an upgrade waits for its 101 refuses it")
def denied_upgrade(w):
    may_answer = threading.Event()

    def serve(connection, origin):
        read_head(connection)
        may_answer.wait(20)
        connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        echo(connection, origin)
    origin = Origin(serve)
    w.init("acme")
    port = w.server("http", "acme/chat", "--backend", origin.address)
    w.run()
    with connect(port) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        until(lambda: origin.connections, 5 * w.patience, "the request is there")
        w.ctl("acl", "add", "deny", "--to", "a", "--server", "acme/chat")
        may_answer.set()
        contains(connection.recv(4096).decode(), "HTTP/1.1 403", "acl_denied")
    equal(origin.received, b"")


@test("an sni server that passes any name through to the world is an open proxy: refused like one", threats="open-proxy")
def open_sni(w):
    w.init("acme")
    port = w.port()
    add = ("server", "add", "sni", "edge", "-t", "acme", "--listen", f"0.0.0.0:{port}")
    for route in ("*=passthrough", "*.example.com=passthrough"):
        contains(w.ctl(*add, "--route", route, code=2).err, "--allow-open", "acl add allow --client")
    contains(w.ctl(*add, "--fallback", "passthrough", code=2).err, "--allow-open")
    w.ctl(*add, "--route", "www.example.com=passthrough", "--no-start")
    contains(w.ctl("route", "add", "acme/edge", "*=passthrough", code=2).err, "--allow-open")
    w.ctl("route", "remove", "acme/edge", "www.example.com", code=2)
    equal([row["pattern"] for row in w.json("route", "list", "acme/edge")], ["www.example.com"])
    w.ctl("acl", "add", "allow", "--client", "192.0.2.0/24", "--server", "acme/edge")
    w.ctl("route", "add", "acme/edge", "*=passthrough")
    w.ctl("server", "remove", "acme/edge", "--yes")
    w.ctl(*add, "--fallback", "passthrough", "--allow-open", "--no-start")
    contains(w.ctl("doctor", "policy", code=None).out, "acme/edge is an open proxy")


@test("a client rule closes the door to others before a byte is read", threats="client-door")
def client_rule(w):
    address = local_address()
    w.init("acme")
    port = w.port()
    w.ctl("acl", "add", "allow", "--client", "127.0.0.0/8", "--to", "127.0.0.0/8", "-t", "acme")
    w.ctl("acl", "add", "deny", "--client", "0.0.0.0/0", "-t", "acme")
    w.ctl("server", "add", "http", "web", "-t", "acme", "--port", port, "--addr", "0.0.0.0")
    w.run()
    origin = Origin(answer_with())
    equal(get(port, origin.url + "/").status, 200)
    if address:
        with socket.create_connection((address, port), 3) as connection:
            connection.sendall(f"GET {origin.url}/ HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            try:
                data = connection.recv(4096)
            except ConnectionError:
                data = b""
        assert b" 200 " not in data, data


@test("refusals for the sake of security stand in the audit, collapsed by server, reason and network, and are sealed", threats="audit-refusals")
def audited(w):
    w.init("acme")
    port = w.server("http", "acme/web")
    other = w.server("http", "acme/other")
    w.run()
    for _ in range(12):
        equal(get(port, "http://127.0.0.1:9/").status, 403)
    for _ in range(3):
        equal(exchange(port, b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")[:12], b"HTTP/1.1 400")
    equal(get(other, "http://10.0.0.1/").status, 403)
    rows = "SELECT count(*) FROM audit WHERE action = 'refused'"
    until(lambda: w.value(rows) != "0", 14 * w.patience, "told within 10 s")
    until(lambda: w.value("SELECT sum(after ->> 'count') FROM audit WHERE action = 'refused'") == "16", 14 * w.patience, "all of them")
    got = w.query("SELECT object, after ->> 'reason', after ->> 'client', after ->> 'count', via FROM audit WHERE action = 'refused' ORDER BY 1, 2")
    equal(got, [["acme/other", "destination_denied", "127.0.0.0/24", "1", "daemon"], ["acme/web", "bad_request", "127.0.0.0/24", "3", "daemon"],
                ["acme/web", "destination_denied", "127.0.0.0/24", "12", "daemon"]])
    contains(w.ctl("audit", "list", "--action", "refused").out, "12 times destination_denied from 127.0.0.0/24")
    equal(get(port, "http://127.0.0.1:9/").status, 403)
    w.ctl("daemon", "stop")
    equal(w.value(rows), "4", "the last ones are told when the worker ends")
    w.ctl("audit", "verify")
