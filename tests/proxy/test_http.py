"""The http proxy as curl and its relatives use it: forward, CONNECT, keep-alive, bodies, reverse."""
import hashlib
import os
import resource
import socket
import threading
import time

import processes
from harness import connects, contains, equal, matches, test, until
from traffic import (Nginx, Origin, answer_with, connect, curl, drip, echo, exchange, get, header, headers, raw_answer, read_all,
                     read_answer, read_head, through)


def proxy(w, *flags, allow=True, threads=0):
    """A running http server acme/web; returns its port."""
    w.init("acme")
    w.ctl("tenant", "set", "acme", f"worker_threads={threads}")
    port = w.server("http", "acme/web", *flags)
    if allow:
        w.allow_loopback("acme")
    w.run()
    return port


@test("curl: GET, HEAD, POST, PUT, DELETE, large bodies both ways, byte for byte", timeout=90)
def curl_methods(w):
    nginx = Nginx(w)
    port = proxy(w)
    equal(through(w, port, nginx.url + "/"), "hello from nginx\n")
    contains(through(w, port, nginx.url + "/", "-I"), "200 OK", "Via: 1.1 arcus-")
    big = os.urandom(1 << 20) * 20
    with open(os.path.join(nginx.www, "big"), "wb") as file:
        file.write(big)
    through(w, port, nginx.url + "/big", "-o", w.path("got"))
    equal(hashlib.sha256(open(w.path("got"), "rb").read()).hexdigest(), hashlib.sha256(big).hexdigest())
    origin = Origin(answer_with(b"stored"))
    for method in ("POST", "PUT", "DELETE", "PATCH", "PROPFIND"):
        equal(through(w, port, origin.url + "/x", "-X", method, "-d", "body=1"), "stored")
        contains(origin.heads[-1].decode(), method + " /x HTTP/1.1")
    with open(w.path("up"), "wb") as file:
        file.write(big)
    equal(through(w, port, origin.url + "/up", "-T", w.path("up"), "-H", "Expect:"), "stored")
    assert big[-100000:] in origin.received[-2000000:], "the upload arrived"


@test("CONNECT: curl -p tunnels, only to allowed ports, both directions, half-close", timeout=60)
def connect_tunnel(w):
    nginx = Nginx(w)
    port = proxy(w, "--set", "connect_ports=*")
    equal(curl(w, "-p", "-x", f"http://127.0.0.1:{port}", nginx.url + "/"), "hello from nginx\n")
    sink = Origin(echo)
    with connect(port) as connection:
        connection.sendall(f"CONNECT {sink.address} HTTP/1.1\r\nHost: {sink.address}\r\n\r\n".encode())
        head, rest = read_head(connection)
        contains(head.decode(), "200")
        connection.sendall(b"ping")
        equal(connection.recv(10), b"ping")
        connection.shutdown(socket.SHUT_WR)
        equal(read_all(connection), b"")
    until(lambda: w.show("acme/web")["stats"]["active_connections"] == 0, 5 * w.patience, "tunnel ended")


@test("CONNECT with data sent ahead: it arrives, and is counted once")
def connect_ahead(w):
    port = proxy(w, "--set", "connect_ports=*")
    sink = Origin(echo)
    ahead = f"CONNECT {sink.address} HTTP/1.1\r\nHost: {sink.address}\r\n\r\n".encode() + b"early bird"
    with connect(port) as connection:
        connection.sendall(ahead)
        head, rest = read_head(connection)
        while len(rest) < len(b"early bird"):
            rest += connection.recv(100)
        equal(rest, b"early bird")
    until(lambda: w.show("acme/web")["stats"]["bytes_in"] > 0, 5 * w.patience, "counted")
    stats = w.show("acme/web")["stats"]
    equal((stats["bytes_in"], stats["bytes_out"]), (len(ahead), len(head) + len(rest)))


@test("CONNECT to a port that is not 443 or 8443 is 403", threats="http-connect-port")
def connect_ports(w):
    port = proxy(w)
    contains(exchange(port, b"CONNECT 127.0.0.1:25 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 5).decode(), " 403 ")


@test("keep-alive on both sides: many requests, few upstream connections; pipelining in order")
def keep_alive(w):
    origin = Origin(answer_with())
    port = proxy(w)
    with connect(port) as connection:
        rest = b""
        for number in range(50):
            connection.sendall(f"GET {origin.url}/{number} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            answer, rest = read_answer(connection, rest)
            equal(answer.status, 200)
    assert origin.connections <= 2, f"{origin.connections} upstream connections for 50 requests"
    for _ in range(10):
        equal(get(port, origin.url + "/").status, 200)
    assert origin.connections <= 6, f"{origin.connections} upstream connections: the pool is not used"
    echoing = Origin(path_echo)
    with connect(port) as connection:
        connection.sendall(b"".join(f"GET {echoing.url}/p{i} HTTP/1.1\r\nHost: a\r\n\r\n".encode() for i in range(20)))
        rest = b""
        for number in range(20):
            answer, rest = read_answer(connection, rest)
            equal(answer.body, f"/p{number}".encode())


def path_echo(connection, origin):
    rest = b""
    while True:
        head, rest = read_head(connection, origin, rest)
        if not head:
            return
        body = head.split()[1]
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))


@test("what reaches the origin: origin-form, its Host, Via, no hop-by-hop fields, no client address", threats="http-hop-by-hop http-client-address http-upgrade")
def forwarded_head(w):
    origin = Origin(answer_with(extra=b"Connection: X-Gone\r\nX-Gone: 1\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\n"))
    port = proxy(w)
    more = (b"Connection: close, X-Private\r\nX-Private: 1\r\nProxy-Connection: keep-alive\r\nProxy-Authorization: Basic eDp5\r\n"
            b"Keep-Alive: 300\r\nTE: gzip\r\nUpgrade: h2c\r\nX-Forwarded-For: 1.2.3.4\r\nX-Stays: yes\r\nAccept: */*\r\n")
    answer = get(port, origin.url + "/a?b=c", more)
    head = origin.heads[0]
    matches(head.decode().split("\r\n")[0], r"^GET /a\?b=c HTTP/1\.1$")
    equal(headers(head, "host"), [origin.address])
    matches(header(head, "via"), r"^1\.1 arcus-")
    equal((header(head, "x-stays"), header(head, "accept")), ("yes", "*/*"))
    for gone in ("x-private", "proxy-connection", "proxy-authorization", "keep-alive", "te", "upgrade", "x-forwarded-for",
                 "forwarded"):
        equal(header(head, gone), None, gone)
    equal((header(answer.head, "x-gone"), header(answer.head, "keep-alive"), header(answer.head, "proxy-authenticate")),
          (None, None, None))
    matches(header(answer.head, "via"), r"arcus-")


@test("Host that disagrees with the target is rewritten; the proxy's own Via means a loop: 508", threats="http-loop http-host")
def host_and_loop(w):
    origin = Origin(answer_with())
    port = proxy(w)
    with connect(port) as connection:
        connection.sendall(f"GET {origin.url}/ HTTP/1.1\r\nHost: evil.example\r\n\r\n".encode())
        equal(read_answer(connection)[0].status, 200)
    equal(headers(origin.heads[0], "host"), [origin.address])
    via = header(origin.heads[0], "via")
    equal(get(port, origin.url + "/", f"Via: {via}\r\n".encode()).status, 508)
    equal(len(origin.heads), 1)


@test("chunked bodies both ways, trailers, HTTP/1.0 clients get plain bodies, 1xx, Expect: 100-continue", threats="http-interim", timeout=60)
def framing(w):
    def chunked(connection, origin):
        while read_head(connection, origin)[0]:
            connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5\r\nhello\r\n6;a=b\r\n"
                               b" world\r\n0\r\nX-Sum: 11\r\n\r\n")
    origin = Origin(chunked)
    port = proxy(w)
    equal(through(w, port, origin.url + "/"), "hello world")
    equal(curl(w, "-0", "-x", f"http://127.0.0.1:{port}", origin.url + "/"), "hello world")
    raw = exchange(port, f"GET {origin.url}/ HTTP/1.0\r\n\r\n".encode())
    assert b"hello world" in raw and b"chunked" not in raw.lower(), raw

    received = []

    def upload(connection, origin):
        head, rest = read_head(connection, origin)
        origin.heads.append(head)
        if header(head, "expect"):
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        while b"0\r\n\r\n" not in rest:
            rest += connection.recv(65536)
        received.append(rest)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    sink = Origin(upload)
    with open(w.path("body"), "wb") as file:
        file.write(b"b" * 3000)
    equal(through(w, port, sink.url + "/", "-T", w.path("body"), "-H", "Expect: 100-continue", "-H",
                  "Transfer-Encoding: chunked"), "ok")
    contains(received[-1].decode(), "b" * 1000)
    with connect(port) as connection:
        connection.sendall(f"POST {sink.url}/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n".encode())
        time.sleep(0.05)
        connection.sendall(b"2\r\nde\r\n0\r\n\r\n")
        equal(read_answer(connection)[0].body, b"ok")
    contains(received[-1].decode(), "abc", "de")


@test("interim answers that the client takes late all come, before the final one is even sent")
def late_interims(w):
    port = proxy(w)
    taken = threading.Event()
    hint = b"HTTP/1.1 103 Early Hints\r\nX: " + b"h" * 60000 + b"\r\n\r\n"

    def serve(connection, origin):
        read_head(connection)
        for _ in range(12):
            connection.sendall(hint)
        taken.wait(20)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlast")
    origin = Origin(serve)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)  # its send buffer starts by segments
        connection.settimeout(20)
        connection.connect(("127.0.0.1", port))
        connection.sendall(f"GET {origin.url}/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        time.sleep(0.5)
        got = b""
        while got.count(b"\r\n\r\n") < 12:
            piece = connection.recv(65536)
            assert piece, f"ended after {len(got)} bytes"
            got += piece
        taken.set()
        while piece := connection.recv(65536):
            got += piece
    equal((got.count(b"HTTP/1.1 103 "), got.count(b"h" * 60000), got.endswith(b"\r\n\r\nlast")), (12, 12, True))


@test("answers without body (HEAD, 204, 304), close-delimited bodies, an early break is seen by the client")
def bodiless_and_broken(w):
    port = proxy(w)
    for status in (b"204 No Content", b"304 Not Modified"):
        origin = Origin(raw_answer(b"HTTP/1.1 " + status + b"\r\nETag: \"x\"\r\n\r\n"))
        with connect(port) as connection:
            connection.sendall(f"GET {origin.url}/ HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            equal(read_answer(connection)[0].status, int(status[:3]))
    origin = Origin(raw_answer(b"HTTP/1.0 200 OK\r\n\r\nuntil the end"))
    equal(through(w, port, origin.url + "/"), "until the end")
    origin = Origin(raw_answer(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"))
    through(w, port, origin.url + "/", code=(18, 56))
    origin = Origin(raw_answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"))
    assert curl(w, "-x", f"http://127.0.0.1:{port}", origin.url + "/", code=None) is not None
    equal(through(w, port, origin.url + "/", code=None, timeout=5) in ("hello", ""), True)


@test("upstream refused, unknown name, silent origin: 502, 502, 504 with the reason in the answer", timeout=60)
def upstream_errors(w):
    port = proxy(w, "--response-timeout", "400ms", "--connection-timeout", "2s")
    dead = w.port()
    answer = get(port, f"http://127.0.0.1:{dead}/")
    equal(answer.status, 502)
    contains(answer.head.decode() + answer.body.decode(), "connect_refused")
    answer = get(port, "http://no-such-name.invalid/")
    equal(answer.status, 502)
    contains(answer.head.decode() + answer.body.decode(), "dns_failed")

    def silent(connection, origin):
        read_head(connection, origin)
        time.sleep(3)
    answer = get(port, Origin(silent).url + "/")
    equal(answer.status, 504)
    contains(answer.head.decode() + answer.body.decode(), "response_timeout")
    until(lambda: w.show("acme/web")["stats"]["error_count"] >= 3, 5 * w.patience, "errors counted")
    reasons = {r[0]: int(r[1]) for r in w.query("SELECT reason, sum(count) FROM server_reason GROUP BY 1")}
    equal([reasons.get(r) for r in ("connect_refused", "dns_failed", "response_timeout")], [1, 1, 1])


@test("a dead pooled connection is retried for GET, not for POST with a body already sent", threats="http-retry")
def pooled_retry(w):
    def one_answer(connection, origin):
        head, _ = read_head(connection, origin)
        if not head:
            return
        origin.heads.append(head)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        time.sleep(0.05)  # then closes although it promised keep-alive
    origin = Origin(one_answer)
    port = proxy(w)
    for _ in range(20):
        equal(get(port, origin.url + "/").status, 200)
        time.sleep(0.02)


@test("timeouts: header_timeout 408, keepalive_timeout closes quietly, body_timeout 408", threats="http-slow", timeout=60)
def timeouts(w):
    origin = Origin(answer_with())
    port = proxy(w, "--header-timeout", "300ms", "--keepalive-timeout", "400ms", "--body-timeout", "300ms")
    began = time.monotonic()
    answer = exchange(port, f"GET {origin.url}/ HTTP/1.1\r\nHost:".encode(), 5)
    seconds = time.monotonic() - began
    contains(answer.decode(), " 408 ")
    assert 0.29 <= seconds <= 1.5 * w.patience, f"header_timeout after {seconds:.2f} s"
    with connect(port) as connection:
        connection.sendall(f"GET {origin.url}/ HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        equal(read_answer(connection)[0].status, 200)
        equal(read_all(connection), b"", "closed quietly")
    answer = exchange(port, f"POST {origin.url}/ HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc".encode(), 5)
    assert answer == b"" or b" 408 " in answer or b" 502 " in answer, answer


@test("WebSocket: an Upgrade becomes a tunnel on 101", threats="http-upgrade")
def websocket(w):
    def upgrading(connection, origin):
        head, rest = read_head(connection, origin)
        origin.heads.append(head)
        connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n" + rest)
        echo(connection, origin)
    origin = Origin(upgrading)
    port = proxy(w)
    with connect(port) as connection:
        connection.sendall(f"GET {origin.url}/ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n".encode())
        head, rest = read_head(connection)
        contains(head.decode(), " 101 ")
        connection.sendall(b"\x81\x05hello")
        equal(connection.recv(100), b"\x81\x05hello")
    equal((header(origin.heads[0], "upgrade") or "").lower(), "websocket")


@test("reverse: a server with backends serves origin-form, balances, fails over, never forwards", timeout=60)
def reverse(w):
    one, two = Origin(answer_with(b"one")), Origin(answer_with(b"two"))
    port = proxy(w, "--backend", one.address, "--backend", two.address, allow=False, threads=1)
    bodies = [curl(w, f"http://127.0.0.1:{port}/x") for _ in range(8)]
    equal((bodies.count("one"), bodies.count("two")), (4, 4))
    third = Origin(answer_with(b"three"))
    body = through(w, port, third.url + "/elsewhere")
    assert body in ("one", "two") and not third.heads, "an absolute target goes to the backends"
    contains(exchange(port, f"CONNECT {third.address} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode(), 5)
             .decode(), " 405 ")
    contains(header(one.heads[-1], "x-forwarded-for") or header(one.heads[-1], "forwarded") or "", "127.0.0.1")
    one.close()
    time.sleep(0.1)
    w.ctl("backend", "set", "acme/web", two.address, "weight=1")
    bodies = [curl(w, f"http://127.0.0.1:{port}/x") for _ in range(6)]
    equal("one" in bodies and bodies.count("two") + bodies.count("one") != 6, False)


@test("without backends origin-form is 400; with limits the client gets 503 and Retry-After", threats="http-origin-form")
def refusals(w):
    origin = Origin(drip(1 << 30, 1 << 12, 0.05))
    port = proxy(w, "--max-connections", "2", "--max-connections-per-client", "2")
    contains(exchange(port, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 5).decode(), " 400 ")
    time.sleep(1.3)  # a refused connection may linger for a second, and counts meanwhile
    held = [connect(port) for _ in range(2)]
    for connection in held:
        connection.sendall(f"GET {origin.url}/ HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        contains(read_head(connection)[0].decode(), " 200 ")
    with connect(port) as extra:
        extra.sendall(f"GET {origin.url}/ HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        answer = read_all(extra)
    assert answer == b"" or b" 503 " in answer and b"Retry-After: 1" in answer, answer
    equal(w.show("acme/web")["status"], "running")
    for connection in held:
        connection.close()


@test("IPv6: a listener on [::1], targets as [::1] literals")
def ipv6(w):
    try:
        origin = Origin(answer_with(), "::1")
    except OSError:
        from harness import Skip
        raise Skip("no IPv6 loopback here") from None
    w.init("acme")
    port = w.server("http", "acme/web", "--addr", "::1")
    w.ctl("acl", "add", "allow", "--to", "::1/128", "-t", "acme")
    w.run()
    equal(curl(w, "-g", "-x", f"http://[::1]:{port}", f"http://[::1]:{origin.port}/"), "hello\n")


@test("a slow reader stops a fast writer: the worker's memory stays small", threats="http-slow-reader")
def back_pressure(w):
    origin = Origin(drip(200 << 20, 1 << 20))
    port = proxy(w)
    connections = [connect(port) for _ in range(8)]
    for connection in connections:
        connection.sendall(f"GET {origin.url}/ HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    time.sleep(1.5)
    pid = w.worker_of("acme")
    rss = int([line for line in open(f"/proc/{pid}/status", encoding="ascii") if line.startswith("VmRSS")][0].split()[1])
    w.figure(f"worker with 8 stalled 200 MB downloads: {rss / 1024:.1f} MiB resident")
    assert w.sanitized or rss < 24 * 1024
    for connection in connections:
        connection.close()


@test("many clients at once: 200 connections in parallel, all answered", timeout=60)
def many_clients(w):
    origin = Origin(answer_with())
    port = proxy(w)
    results, lock = [], threading.Lock()

    def one():
        try:
            status = get(port, origin.url + "/", timeout=20).status
        except (OSError, AttributeError) as error:
            status = repr(error)
        with lock:
            results.append(status)
    threads = [threading.Thread(target=one) for _ in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    equal(results.count(200), 200, str(set(results)))
    until(lambda: w.show("acme/web")["stats"]["total_requests"] == 200, 5 * w.patience, "counted")
    equal(w.show("acme/web")["stats"]["total_connections"], 200)


@test("an upstream that never accepts: 504 connect_timeout, never early, late by at most 10 % and 100 ms", timeout=30)
def connect_timeout(w):
    port = proxy(w, "--connection-timeout", "700ms")
    full = socket.socket()
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    address = full.getsockname()
    waiting = []
    for _ in range(4):  # the accept queue is full then: further SYNs are not answered
        waiting.append(socket.socket())
        waiting[-1].setblocking(False)
        waiting[-1].connect_ex(address)
    time.sleep(0.1)
    began = time.monotonic()
    answer = get(port, f"http://127.0.0.1:{address[1]}/")
    seconds = time.monotonic() - began
    equal(answer.status, 504)
    contains(answer.head.decode(), "connect_timeout")
    assert 0.7 <= seconds <= 0.7 * 1.1 + 0.1 * w.patience + 0.1, f"after {seconds:.3f} s"


@test("no route to the upstream is 502 unreachable; what breaks the protocol is 502 upstream_protocol", threats="origin-broken")
def unreachable_and_broken(w):
    port = proxy(w, "--connection-timeout", "2s")
    w.ctl("acl", "add", "allow", "--to", "2001:db8::/32", "-t", "acme")
    time.sleep(0.4)
    answer = get(port, "http://[2001:db8::1]:80/")
    assert answer.status in (502, 504), answer
    assert "unreachable" in answer.head.decode() or answer.status == 504, answer.head  # 504 where IPv6 has a default route
    origin = Origin(raw_answer(b"SSH-2.0-x\r\n\r\n"))
    answer = get(port, origin.url + "/")
    equal(answer.status, 502)
    contains(answer.head.decode(), "upstream_protocol")


@test("out of descriptors: local_resource, running connections go on, little CPU, recovery by itself", threats="flood-descriptors", timeout=60)
def out_of_descriptors(w):
    origin = Origin(answer_with())
    w.init("acme")
    w.allow_loopback("acme")
    w.ctl("tenant", "set", "acme", "worker_threads=1")
    port = w.server("http", "acme/web", "--keepalive-timeout", "60s")
    daemon = w.popen("run", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)))
    until(lambda: connects(port), 10 * w.patience, "listening")
    until(lambda: w.query("SELECT pid FROM worker WHERE pid > 0"), 5 * w.patience, "the worker's pid")
    pid = w.worker_of("acme")
    held = connect(port)
    ask = f"GET {origin.url}/ HTTP/1.1\r\nHost: a\r\n\r\n".encode()
    held.sendall(ask)
    equal(read_answer(held)[0].status, 200)
    crowd = [connect(port) for _ in range(100)]
    time.sleep(0.3)
    spent = processes.cpu_seconds(pid)
    for _ in range(5):
        held.sendall(ask)
        equal(read_answer(held)[0].status, 200, "a running connection")
        time.sleep(0.2)
    share = (processes.cpu_seconds(pid) - spent) * 100
    w.figure(f"without descriptors for 1 s: {share:.0f} % CPU (at most 20)")
    assert share <= 20 or w.sanitized
    for connection in crowd:
        connection.close()
    until(lambda: fine(port, origin.url), 5 * w.patience, "new connections again")
    equal((w.worker_of("acme"), daemon.poll()), (pid, None))
    until(lambda: int(w.value("SELECT coalesce(sum(count), 0) FROM server_reason WHERE reason IN ('limit_worker', 'local_resource')")) >= 50, 3 * w.patience, "counted")
    daemon.terminate()
    daemon.communicate(timeout=15 * w.patience)


def fine(port, url):
    try:
        answer = get(port, url + "/", timeout=3)
    except OSError:
        return False
    return answer is not None and answer.status == 200
