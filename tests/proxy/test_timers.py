"""Every timer, on every type that has it: never early, at most 10 % and 100 ms late, each with a reason of its own."""
import socket
import ssl
import threading
import time

from certificates import certificate, client_context
from harness import equal, test, until
from traffic import Origin, answer_with, connect, echo

LIMIT = 1.2  # seconds, of the timer under test


class Hole:
    """A port whose accept queue is full: connects to it are never answered."""

    def __init__(self):
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen(0)
        self.port = self.socket.getsockname()[1]
        self.fillers = []
        for _ in range(3):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", self.port))
            self.fillers.append(filler)


def until_end(connection):
    """All that still comes."""
    data = b""
    try:
        while piece := connection.recv(65536):
            data += piece
    except (ConnectionResetError, ssl.SSLError):
        pass
    return data


def says(*parts, reads=(), to=until_end):
    """A client that sends each part, after the first having read what `reads` counts; then waits for the end, or `to` another."""
    def run(world, port):
        with connect(port, timeout=20) as client:
            for number, part in enumerate(parts):
                if number > 0 and reads:
                    client.recv(reads[number - 1])
                world.starts_now()
                client.sendall(part(world) if callable(part) else part)
            return to(client)
    return run


def answer(client):
    """What comes first: the connection stays for other requests."""
    return client.recv(65536)


def silent(_world, port):
    with connect(port, timeout=20) as client:
        return until_end(client)


def after_tls(*parts):
    def run(world, port):
        world.starts_now()
        with client_context(world.w).wrap_socket(connect(port, timeout=20), server_hostname="site.test") as client:
            for part in parts:
                world.starts_now()
                client.sendall(part(world) if callable(part) else part)
            return until_end(client)
    return run


def relayed(world, port):
    with connect(port, timeout=20) as client:
        world.starts_now()
        client.sendall(b"ping")
        equal(client.recv(4), b"ping")
        return until_end(client)


def upload_stalls(world):
    return f"POST {world.sink.url}/ HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc".encode()


def asks(origin):
    return lambda world: f"GET {getattr(world, origin).url}/ HTTP/1.1\r\nHost: x\r\n\r\n".encode()


def connects_to(port_of):
    return lambda world: f"CONNECT 127.0.0.1:{port_of(world)} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


def socks_to(port_of):
    return lambda world: b"\5\1\0\1\x7f\0\0\1" + port_of(world).to_bytes(2, "big")


def hello_for(name):
    """A real ClientHello that names `name`."""
    ours, theirs = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        ssl.create_default_context().wrap_bio(ours, theirs, server_hostname=name).do_handshake()
    except ssl.SSLWantReadError:
        pass
    return theirs.read()


HOLE, ECHO = (lambda world: world.hole.port), (lambda world: world.echo.port)
FORWARD = ("--connect-ports", "*")
TLS = ("--cert", "site.pem", "--key", "site.key")
BACK = lambda world: ("--backend", f"127.0.0.1:{world.echo.port}")  # noqa: E731
NOWHERE = lambda world: ("--backend", f"127.0.0.1:{world.hole.port}")  # noqa: E731

# name: timer, type, flags, what the client does, the reason, how the answer begins
CASES = {
    "http-proxy-header": ("handshake", "http", ("--proxy-protocol-in", "v1", "--proxy-protocol-from", "127.0.0.0/8"), silent, "handshake_timeout", b""),
    "https-handshake": ("handshake", "https", TLS, says(b"\x16\x03\x01"), "handshake_timeout", b""),
    "tls-handshake": ("handshake", "tls", lambda world: (*TLS, *BACK(world)), silent, "handshake_timeout", b""),
    "socks-greeting": ("handshake", "socks", (), says(b"\5"), "handshake_timeout", b""),
    "socks-request": ("handshake", "socks", (), says(b"\5\1\0", b"\5\1", reads=(2,)), "handshake_timeout", b""),
    "sni-hello": ("handshake", "sni", ("--fallback", "127.0.0.1:1"), says(b"\x16\x03"), "handshake_timeout", b""),
    "http-head": ("header", "http", (), says(b"GET / HTTP/1.1\r\nX: "), "header_timeout", b"HTTP/1.1 408"),
    "https-head": ("header", "https", TLS, after_tls(b"GET / HT"), "header_timeout", b"HTTP/1.1 408"),
    "http-unused": ("keepalive", "http", (), silent, None, b""),
    "http-kept": ("keepalive", "http", (), says(asks("origin")), None, b"HTTP/1.1 200"),
    "http-connect": ("connection", "http", FORWARD, says(connects_to(HOLE), to=answer), "connect_timeout", b"HTTP/1.1 504"),
    "http-origin": ("connection", "http", (), says(asks("hole_url"), to=answer), "connect_timeout", b"HTTP/1.1 504"),
    "socks-connect": ("connection", "socks", (), says(b"\5\1\0", socks_to(HOLE), reads=(2,)), "connect_timeout", b"\5\4"),
    "tcp-connect": ("connection", "tcp", NOWHERE, silent, "connect_timeout", b""),
    "sni-connect": ("connection", "sni", lambda world: ("--fallback", f"127.0.0.1:{world.hole.port}"), says(hello_for("a.test")), "connect_timeout", b""),
    "http-response": ("response", "http", (), says(asks("mute"), to=answer), "response_timeout", b"HTTP/1.1 504"),
    "http-upload": ("body", "http", (), says(upload_stalls), "body_timeout", b"HTTP/1.1 408"),
    "http-download": ("body", "http", (), says(asks("stalling")), "body_timeout", b"HTTP/1.1 200"),
    "tcp-idle": ("idle", "tcp", BACK, relayed, "idle_timeout", b""),
    "connect-idle": ("idle", "http", FORWARD, says(connects_to(ECHO)), "idle_timeout", b"HTTP/1.1 200"),
    "socks-idle": ("idle", "socks", (), says(b"\5\1\0", socks_to(ECHO), reads=(2,)), "idle_timeout", b"\5\0"),
    "sni-idle": ("idle", "sni", lambda world: ("--fallback", f"127.0.0.1:{world.silent.port}"), says(hello_for("a.test")), "idle_timeout", b""),
    "tls-idle": ("idle", "tls", lambda world: (*TLS, *BACK(world)), after_tls(), "idle_timeout", b""),
}


class Scene:
    """What the clients of all cases meet."""

    def __init__(self, w):
        self.w = w
        self.hole = self.hole_url = Hole()
        self.hole.url = f"http://127.0.0.1:{self.hole.port}"
        self.echo, self.origin = Origin(echo), Origin(answer_with())
        self.mute = self.sink = self.silent = Origin(swallow)
        self.stalling = Origin(stall)


def swallow(connection, _origin):
    while connection.recv(65536):
        pass


def stall(connection, origin):
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
    swallow(connection, origin)


class Client:
    """One case under way; `since` is when the last thing happened that starts its timer."""

    def __init__(self, scene, run, port, from_accept):
        self.from_accept = from_accept
        self.scene, self.w, self.since, self.answer, self.failure = scene, scene.w, time.monotonic(), b"", None
        self.run, self.port, self.took = run, port, 0.0
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def starts_now(self):
        """The last thing is about to be said; a handshake's time runs since the accept."""
        if not self.from_accept:
            self.since = time.monotonic()

    def __getattr__(self, name):
        return getattr(self.scene, name)

    def work(self):
        try:
            self.answer = self.run(self, self.port)
            self.took = time.monotonic() - self.since
        except Exception as failure:  # noqa: BLE001 told by the test
            self.failure = failure


@test("each timer on each type: never early, at most 10 % + 100 ms late, with its own reason", timeout=120)
def timers(w):
    w.init("acme")
    w.allow_loopback("acme")
    certificate(w, "site", "site.test")
    scene = Scene(w)
    ports = {}
    for name, (timer, kind, flags, *_rest) in CASES.items():
        ports[name] = w.server(kind, f"acme/{name}", *(flags(scene) if callable(flags) else flags), f"--{timer}-timeout", f"{int(LIMIT * 1000)}ms")
    w.run()
    late, failures, worst = LIMIT * 0.1 + 0.1, [], (0.0, "")
    names = list(CASES)
    for start in range(0, len(names), 8):  # some at a time, so that this program is not what is late
        clients = {name: Client(scene, CASES[name][3], ports[name], CASES[name][0] == "handshake") for name in names[start:start + 8]}
        for name, client in clients.items():
            client.thread.join(20)
            beginning = CASES[name][5]
            if client.failure or client.thread.is_alive():
                failures.append(f"{name}: {client.failure or 'never ended'}")
            elif not client.answer.startswith(beginning) or (beginning == b"" and client.answer and CASES[name][1] not in ("sni", "tls")):
                failures.append(f"{name}: answered {client.answer[:60]!r}, not {beginning!r}")
            elif client.took < LIMIT - 0.002:  # what is said last may take longer to be sent than to be read
                failures.append(f"{name}: early, after {client.took:.4f} s")
            elif client.took > LIMIT + late * w.patience:
                failures.append(f"{name}: late, after {client.took:.4f} s")
            worst = max(worst, (client.took - LIMIT, name))
    equal(failures, [])
    wanted = {name: case[4] for name, case in CASES.items() if case[4]}

    def reasons():
        rows = w.query("SELECT s.name, r.reason FROM server_reason r JOIN server s ON s.id = r.server_id WHERE r.reason <> 'ok'")
        return {name: reason for name, reason in rows}

    until(lambda: len(reasons()) >= len(wanted), 5 * w.patience, "all are counted")
    equal(reasons(), wanted)
    w.figure(f"{len(CASES)} cases of {LIMIT} s; the latest {1000 * worst[0]:.0f} ms late ({worst[1]})")


@test("drain_timeout: what is open is closed when it is over, and no sooner")
def drain(w):
    w.init("acme")
    far = Origin(echo)
    port = w.server("tcp", "acme/db", "--backend", far.address, "--drain-timeout", "1500ms")
    w.run()
    with connect(port, timeout=20) as client:
        client.sendall(b"ping")
        equal(client.recv(4), b"ping")
        began = time.monotonic()
        w.popen("server", "stop", "acme/db")
        until_end(client)
        took = time.monotonic() - began
    assert 1.5 <= took <= 1.5 * 1.1 + 0.1 + 0.5 * w.patience, took  # and the command's own time
    until(lambda: w.value("SELECT sum(count) FROM server_reason WHERE reason = 'draining'") == "1", 5 * w.patience, "its reason")
