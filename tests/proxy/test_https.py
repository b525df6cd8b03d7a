"""https: what http does, spoken over TLS: curl, keep-alive, bodies, CONNECT inside TLS, errors, the end of an answer."""
import hashlib
import os
import socket
import ssl
import subprocess
import threading

from certificates import certificate, client_context, tls_connect
from harness import contains, equal, test, until
from traffic import Nginx, Origin, answer_with, connect, curl, drip, raw_answer, read_answer, read_head


def proxy(w, *flags, name="acme/s"):
    """A running https proxy that may reach loopback; returns its port."""
    w.init("acme")
    w.allow_loopback("acme")
    pem, key = certificate(w, "site", "example.test", "127.0.0.1")
    port = w.server("https", name, "--cert", pem, "--key", key, *flags)
    w.run()
    w.wait_status(name, "running")
    return port


def through_tls(w, port, *args, **more):
    return curl(w, "-x", f"https://127.0.0.1:{port}", "--proxy-cacert", w.path("authority.pem"), *args, **more)


@test("curl through https: plain GET, a body up and down, HEAD")
def with_curl(w):
    port = proxy(w)
    origin = Origin(answer_with(b"hello over tls\n"))
    equal(through_tls(w, port, origin.url), "hello over tls\n")
    equal(through_tls(w, port, origin.url, "-d", "x" * 100000), "hello over tls\n")
    contains(through_tls(w, port, origin.url, "-I"), "HTTP/1.1 200")
    contains(origin.heads[0].decode(), "Via: 1.1 arcus-")
    until(lambda: w.show("acme/s")["stats"]["total_requests"] == 3, 5 * w.patience, "three requests counted")


@test("ALPN http/1.1 is agreed, h2 alone is refused")
def alpn(w):
    port = proxy(w)
    context = client_context(w)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with tls_connect(w, port, context=context) as connection:
        equal(connection.selected_alpn_protocol(), "http/1.1")
    context = client_context(w)
    context.set_alpn_protocols(["h2"])
    try:
        tls_connect(w, port, context=context).close()
        raise AssertionError("h2 was agreed")
    except ssl.SSLError as error:
        contains(str(error).lower().replace("_", " "), "no application protocol")


@test("keep-alive: many requests, pipelined too, on one connection")
def keep_alive(w):
    port = proxy(w)
    origin = Origin(answer_with(b"x" * 3000))
    request = f"GET {origin.url}/ HTTP/1.1\r\nHost: {origin.address}\r\n\r\n".encode()
    with tls_connect(w, port) as connection:
        rest = b""
        for burst in (1, 1, 5, 20):
            connection.sendall(request * burst)
            for _ in range(burst):
                answer, rest = read_answer(connection, rest)
                equal((answer.status, len(answer.body)), (200, 3000))
    equal(w.show("acme/s")["status"], "running")
    until(lambda: w.show("acme/s")["stats"]["total_connections"] == 1, 5 * w.patience, "one connection")


@test("100 MiB down and up through https, byte for byte, also through CONNECT inside TLS", timeout=120)
def bulk(w):
    port = proxy(w)
    data = os.urandom(1 << 20) * 100
    wanted = hashlib.sha256(data).hexdigest()
    got = []

    def serve(connection, origin):
        head, rest = read_head(connection)
        if head.startswith(b"PUT"):
            digest, size = hashlib.sha256(rest), len(rest)
            while size < len(data):
                piece = connection.recv(1 << 20)
                digest.update(piece)
                size += len(piece)
            got.append(digest.hexdigest())
            connection.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
        else:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(data))
            connection.sendall(data)
    origin = Origin(serve)
    with open(w.path("up"), "wb") as file:
        file.write(data)
    w.ctl("server", "set", "acme/s", f"config.connect_ports={origin.port}")
    for tunnel in ((), ("-p",)):
        out = w.path("down")
        through_tls(w, port, *tunnel, origin.url, "-o", out, timeout=60)
        with open(out, "rb") as file:
            equal(hashlib.sha256(file.read()).hexdigest(), wanted, f"down {tunnel}")
        through_tls(w, port, *tunnel, "-T", w.path("up"), "-H", "Expect:", origin.url, timeout=60)
        equal(got.pop(), wanted, f"up {tunnel}")


@test("TLS in TLS: curl reaches an https origin by CONNECT")
def tls_in_tls(w):
    port = proxy(w)
    nginx = Nginx(w)
    secure = w.port()
    server = subprocess.Popen(["openssl", "s_server", "-accept", f"127.0.0.1:{secure}", "-cert", w.path("site.pem"), "-key",
                               w.path("site.key"), "-www", "-quiet"], env=w.env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        w.ctl("server", "set", "acme/s", f"config.connect_ports={secure}")
        until(lambda: "s_server -accept" in through_tls(w, port, "--cacert", w.path("authority.pem"), f"https://127.0.0.1:{secure}/",
                                                         code=None), 10 * w.patience, "an answer", 0.2)
        equal(through_tls(w, port, nginx.url), "hello from nginx\n")
    finally:
        server.kill()
        server.wait()


@test("errors come inside TLS, whole, and end with close_notify")
def errors(w):
    port = proxy(w)
    nobody = b"127.0.0.1:%d" % w.port()
    for request, status in ((b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 400), (b"BAD\r\n\r\n", 400),
                            (b"GET http://" + nobody + b"/ HTTP/1.1\r\nHost: " + nobody + b"\r\nConnection: close\r\n\r\n", 502)):
        with tls_connect(w, port) as connection:
            connection.sendall(request)
            answer, _ = read_answer(connection)
            equal(answer.status, status)
            equal(connection.recv(1), b"", "close_notify, not an end of the connection")


@test("an idle connection ends after keepalive_timeout, with close_notify")
def idle_end(w):
    port = proxy(w, "--keepalive-timeout", "1s")
    with tls_connect(w, port) as connection:
        equal(connection.recv(1), b"")
    equal(w.show("acme/s")["stats"]["error_count"], 0)


@test("a body that breaks off breaks off for the client too; one that ends with the connection ends with close_notify")
def ends(w):
    port = proxy(w)
    for reply, whole in ((b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end", True),
                         (b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nonly a part", False)):
        origin = Origin(raw_answer(reply))
        with tls_connect(w, port) as connection:
            connection.sendall(f"GET {origin.url}/ HTTP/1.0\r\nHost: x\r\n\r\n".encode())
            got, clean = b"", True
            try:
                while data := connection.recv(65536):
                    got += data
            except OSError:
                clean = False
            equal(clean, whole)
            if whole:  # a reset may overtake what came before it
                contains(got.decode(), "until the end")


@test("an origin over TLS that ends its body without close_notify is an abort for the client, never a whole answer")
def cut_origin(w):
    w.init("acme")
    pem, key = certificate(w, "site", "example.test")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, key)

    def serve(connection, origin):
        with context.wrap_socket(connection, server_side=True) as tls:
            head, _ = read_head(tls)
            tls.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"until the end " * 1000)
            if head.startswith(b"GET /clean"):
                tls.unwrap()
            else:
                tls.shutdown(socket.SHUT_RDWR)
    origin = Origin(serve)
    backend = f"{origin.address},tls,sni=example.test,ca={w.path('authority.pem')}"
    port = w.server("http", "acme/p", "--backend", backend)
    w.run()
    w.wait_status("acme/p", "running")
    for path, version, whole in (("/clean", "1.0", True), ("/cut", "1.0", False), ("/clean", "1.1", True), ("/cut", "1.1", False)):
        with connect(port) as connection:
            connection.sendall(f"GET {path} HTTP/{version}\r\nHost: example.test\r\n\r\n".encode())
            got, reset = b"", False
            try:
                while not got.endswith(b"0\r\n\r\n") and (data := connection.recv(65536)):
                    got += data
            except ConnectionError:
                reset = True
            complete = got.endswith(b"0\r\n\r\n") or (not reset and b"chunked" not in got)
            equal(complete, whole, f"{path} HTTP/{version}, reset {reset}, {len(got)} bytes")


@test("a client that does not read stops the origin, and memory stays flat", timeout=60, sanitized=False)
def slow_reader(w):
    port = proxy(w)
    origin = Origin(drip(200 << 20))
    worker = w.worker_of("acme")

    def resident():
        with open(f"/proc/{worker}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * 4096
    before = resident()
    with tls_connect(w, port, timeout=30) as connection:
        connection.sendall(f"GET {origin.url}/ HTTP/1.1\r\nHost: {origin.address}\r\n\r\n".encode())
        connection.recv(1000)
        seen = -1
        while w.show("acme/s")["stats"]["bytes_out"] != seen:
            seen = w.show("acme/s")["stats"]["bytes_out"]
            threading.Event().wait(1.2)
        grown = resident() - before
        assert grown < 4 << 20, f"{grown} bytes more"
        left = (200 << 20) - 1000
        while left > 0:
            data = connection.recv(1 << 20)
            assert data, f"{left} bytes are missing"
            left -= len(data)
    w.figure(f"{grown >> 10} KiB")


@test("a plain HTTP client on the TLS port gets no answer, the health check finds the server well")
def plain_client(w):
    port = proxy(w)
    curl(w, f"http://127.0.0.1:{port}/", code=(1, 52, 56))
    until(lambda: w.show("acme/s")["health"]["status"] == "healthy", 10 * w.patience, "healthy", 0.2)
