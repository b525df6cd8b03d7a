"""The socks proxy with the clients people use: curl, ncat, nc, PySocks, and raw bytes for the rest."""
import hashlib
import json
import os
import socket
import struct
import subprocess
import threading
import time

from harness import Skip, contains, equal, test, until
from traffic import Nginx, Origin, answer_with, connect, curl, echo, exchange, read_all

GREETING = b"\5\1\0"


def gate(w, *flags, networks=("127.0.0.0/8", "::1/128")):
    """A running socks server acme/gate; returns its port."""
    w.init("acme")
    for network in networks:
        w.ctl("acl", "add", "allow", "--to", network, "-t", "acme")
    port = w.server("socks", "acme/gate", *flags)
    w.run()
    return port


def place(host, port):
    """Type, address and port as SOCKS5 writes them; what is no address goes as a name."""
    for family, kind in ((socket.AF_INET, b"\1"), (socket.AF_INET6, b"\4")):
        try:
            return kind + socket.inet_pton(family, host) + struct.pack("!H", port)
        except OSError:
            pass
    return b"\3" + bytes([len(host)]) + host.encode() + struct.pack("!H", port)


def request(host, port, command=1):
    return bytes([5, command, 0]) + place(host, port)


def receive(connection, size):
    data = b""
    while len(data) < size:
        piece = connection.recv(size - len(data))
        if not piece:
            break
        data += piece
    return data


def read_reply(connection):
    """(code, address, port) of a SOCKS5 reply; (None, '', 0) when there is none."""
    head = receive(connection, 4)
    if len(head) < 4:
        return None, "", 0
    length, family = (4, socket.AF_INET) if head[3] == 1 else (16, socket.AF_INET6)
    rest = receive(connection, length + 2)
    return head[1], socket.inet_ntop(family, rest[:length]), struct.unpack("!H", rest[length:])[0]


def ask(port, host, target, command=1, address="127.0.0.1"):
    """A connection that has greeted and asked, and the reply."""
    connection = connect(port, address)
    connection.sendall(GREETING)
    equal(receive(connection, 2), b"\5\0")
    connection.sendall(request(host, target, command))
    return connection, read_reply(connection)


def stat(w, key):
    return w.show("acme/gate")["stats"][key]


def reasons(w):
    return str(w.query("SELECT reason FROM server_reason WHERE count > 0"))


def counted(w, reason):
    until(lambda: reason in reasons(w), 5 * w.patience, reason)


@test("curl gets the same page by --socks4, --socks4a, --socks5 and --socks5-hostname, over IPv4 and IPv6", timeout=60)
def curl_matrix(w):
    port = gate(w)
    v4, v6 = Origin(answer_with(b"four\n")), Origin(answer_with(b"six\n"), "::1")
    proxy = f"127.0.0.1:{port}"
    for flag in ("--socks4", "--socks4a", "--socks5", "--socks5-hostname"):
        for host in ("127.0.0.1", "localhost"):
            equal(curl(w, flag, proxy, "-4", f"http://{host}:{v4.port}/"), "four\n", f"{flag} {host}")
    for flag in ("--socks5", "--socks5-hostname"):
        equal(curl(w, flag, proxy, f"http://[::1]:{v6.port}/"), "six\n", flag)
    equal(curl(w, "--socks5-hostname", proxy, "-d", "x" * 100_000, v4.url + "/"), "four\n")
    until(lambda: stat(w, "total_connections") == 11, 5 * w.patience, "11 connections")


@test("100 MiB both ways are byte-exact, and so are the counters", timeout=120)
def large(w):
    port = gate(w)
    sink = Origin(lambda connection, origin: relay_digest(connection))
    block = os.urandom(1 << 20)
    sent, got = hashlib.sha256(), hashlib.sha256()
    connection, reply = ask(port, "127.0.0.1", sink.port)
    equal(reply[0], 0)
    connection.settimeout(100)
    size = 100 << 20

    def send():
        for number in range(100):
            piece = block[number:] + block[:number]
            sent.update(piece)
            connection.sendall(piece)
        connection.shutdown(socket.SHUT_WR)

    sender = threading.Thread(target=send)
    sender.start()
    count = 0
    while data := connection.recv(1 << 20):
        got.update(data)
        count += len(data)
    sender.join(60)
    equal(count, size)
    equal(got.digest(), sent.digest())
    connection.close()
    until(lambda: stat(w, "bytes_in") == 3 + 10 + size, 5 * w.patience, "bytes_in exact")
    until(lambda: stat(w, "bytes_out") == 2 + 10 + size, 5 * w.patience, "bytes_out exact")


def relay_digest(connection):
    while data := connection.recv(1 << 20):
        connection.sendall(data)


@test("half-close both ways, data and end sent ahead of the reply, byte by byte")
def half_close(w):
    port = gate(w)

    def late(connection, origin):
        data = read_all(connection)
        time.sleep(0.1)
        connection.sendall(b"got %d" % len(data))
    origin = Origin(late)
    ahead = exchange(port, GREETING + request("127.0.0.1", origin.port) + b"x" * 1000, half_close=True)
    equal(ahead[:3], b"\5\0\5")
    equal(ahead[12:], b"got 1000")
    ahead = exchange(port, b"\4\1" + struct.pack("!H", origin.port) + b"\x7f\0\0\1me\0" + b"y" * 5, half_close=True)
    equal(ahead[:2], b"\0\x5a")
    equal(ahead[8:], b"got 5")
    with connect(port) as slow:
        for byte in GREETING + request("localhost", origin.port):
            slow.sendall(bytes([byte]))
        slow.sendall(b"zz")
        slow.shutdown(socket.SHUT_WR)
        equal(read_all(slow)[12:], b"got 2")


@test("closed networks, port 25, odd spellings and our own port are refused with 02 or 04, curl says so", threats="destination-socks", timeout=60)
def guard(w):
    port = gate(w, networks=())
    origin = Origin(answer_with())
    for host in ("127.0.0.1", "localhost", "10.0.0.1", "169.254.169.254", "0.0.0.0", "::1", "::ffff:127.0.0.1", "fc00::1",
                 "64:ff9b::7f00:1", "2002:7f00:1::"):
        connection, reply = ask(port, host, origin.port)
        equal(reply[0], 2, host)
        equal(read_all(connection), b"")
    for host in ("127.1", "0x7f.0.0.1", "2130706433", "127.0.0.01", "a b", "-a.test", "a..b"):
        equal(ask(port, host, origin.port)[1][0], 4, host)
    curl(w, "--socks5", f"127.0.0.1:{port}", origin.url + "/", code=97)
    counted(w, "destination_denied")
    w.allow_loopback("acme")
    until(lambda: ask(port, "127.0.0.1", origin.port)[1][0] == 0, 5 * w.patience, "the rule is live")
    equal(ask(port, "127.0.0.1", 25)[1][0], 2)
    equal(ask(port, "127.0.0.1", port)[1][0], 2)
    w.ctl("acl", "add", "deny", "--to", "localhost", "--server", "acme/gate")
    until(lambda: ask(port, "localhost", origin.port)[1][0] == 2, 5 * w.patience, "denied by name")
    equal(ask(port, "127.0.0.1", origin.port)[1][0], 0)
    counted(w, "acl_denied")


@test("a rule that tightens ends a tunnel within a second", threats="rule-late")
def tightened(w):
    port = gate(w)
    origin = Origin(echo)
    connection, reply = ask(port, "127.0.0.1", origin.port)
    equal(reply[0], 0)
    began = time.monotonic()
    w.ctl("acl", "add", "deny", "--client", "127.0.0.0/8", "--server", "acme/gate")
    equal(read_all(connection), b"")
    took = time.monotonic() - began
    assert took < 2 * w.patience, f"{took:.2f} s"


@test("failures have their codes: refused 05, unknown name 04, commands 07, address type 08, no method FF", threats="socks-codes")
def codes(w):
    port = gate(w)
    dead = w.port()
    equal(ask(port, "127.0.0.1", dead)[1][0], 5)
    equal(ask(port, "name.invalid", 80)[1][0], 4)
    equal([ask(port, "127.0.0.1", 80, command)[1][0] for command in (0, 2, 3, 4, 255)], [7] * 5)
    equal(exchange(port, GREETING + b"\5\1\0\2\x7f\0\0\1\0\x50")[2:4], b"\5\x08")
    equal(exchange(port, b"\5\1\2"), b"\5\xff")
    equal(exchange(port, b"\4\1" + struct.pack("!H", dead) + b"\x7f\0\0\1\0")[:2], b"\0\x5b")
    for reason in ("connect_refused", "dns_failed", "unsupported_method"):
        counted(w, reason)


@test("what is no SOCKS gets no byte back, and floods and fragments harm nobody", threats="socks-foreign", timeout=60)
def malformed(w):
    port = gate(w)
    origin = Origin(echo)
    for junk in (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\x16\3\1\2\0\1\0\1\xfc\3\3", b"\0" * 100, b"\6\1\0", os.urandom(50_000)):
        if junk[0] in (4, 5):
            junk = b"\7" + junk
        equal(exchange(port, junk), b"", repr(junk[:20]))
    equal(exchange(port, GREETING + b"\1\2me\2pw"), b"\5\0")
    endless = exchange(port, b"\4\1\0\x50\x7f\0\0\1" + b"u" * 5000)
    assert endless in (b"", b"\0\x5b\0\0\0\0\0\0"), endless
    counted(w, "protocol_error")
    equal(ask(port, "127.0.0.1", origin.port)[1][0], 0)


@test("a slow handshake ends at handshake_timeout, whatever drips", threats="socks-slow", timeout=30)
def slow(w):
    port = gate(w)
    w.ctl("server", "set", "acme/gate", "handshake_timeout_ms=700")
    began = time.monotonic()
    with connect(port) as connection:
        try:
            for byte in b"\5\x14" + b"\1" * 18:
                connection.sendall(bytes([byte]))
                time.sleep(0.1)
        except OSError:
            pass
        equal(read_all(connection), b"")
    took = time.monotonic() - began
    assert 0.6 < took < 4 * w.patience, f"{took:.2f} s"
    counted(w, "handshake_timeout")


@test("max_connections: the extra client is closed at once, named limit_server; the others go on", threats="flood-connections")
def limit(w):
    origin = Origin(echo)
    port = gate(w, "--max-connections", "2")
    held = [ask(port, "127.0.0.1", origin.port)[0] for _ in range(2)]
    equal(exchange(port, GREETING), b"")
    for connection in held:
        connection.sendall(b"still")
        equal(receive(connection, 5), b"still")
    counted(w, "limit_server")


@test("versions restricts: SOCKS4 gets 91, SOCKS5 FF", threats="socks-downgrade")
def versions(w):
    origin = Origin(answer_with(b"five\n"))
    port = gate(w, "--set", "versions=5")
    equal(exchange(port, b"\4\1\0\x50\x7f\0\0\1\0")[:2], b"\0\x5b")
    equal(curl(w, "--socks5", f"127.0.0.1:{port}", origin.url + "/"), "five\n")
    contains(w.ctl("server", "set", "acme/gate", "config.versions=4,6", code=(2, 4)).err, "some of 4 4a 5")
    w.ctl("server", "set", "acme/gate", "config.versions=4,4a")
    until(lambda: exchange(port, GREETING) == b"\5\xff", 5 * w.patience, "SOCKS5 is off")
    equal(curl(w, "--socks4", f"127.0.0.1:{port}", origin.url + "/"), "five\n")


@test("one access record per connection, with what was asked for", timeout=60)
def records(w):
    origin = Origin(answer_with(b"hello\n"))
    port = gate(w, "--access-log-format", "json")
    path = os.path.join(w.value("SELECT log_dir FROM daemon"), "acme", "access.log")

    def lines():
        return [json.loads(line) for line in open(path, encoding="utf-8")] if os.path.exists(path) else []
    curl(w, "--socks5-hostname", f"127.0.0.1:{port}", f"http://localhost:{origin.port}/")
    ask(port, "10.0.0.1", 80)[0].close()
    exchange(port, b"junk")
    curl(w, "--socks4", f"127.0.0.1:{port}", origin.url + "/")
    until(lambda: len(lines()) == 4, 5 * w.patience, "4 records")
    by_reason = {line["reason"]: line for line in lines()}
    named = [line for line in lines() if line.get("target") == f"localhost:{origin.port}"][0]
    equal((named["method"], named["version"], named["upstream"]), ("CONNECT", "SOCKS5", f"127.0.0.1:{origin.port}"))
    equal((by_reason["destination_denied"]["target"], by_reason["destination_denied"]["status"]), ("10.0.0.1:80", 403))
    contains(json.dumps(by_reason["protocol_error"]), '"bytes_in": 4')
    equal([line["version"] for line in lines() if line["reason"] in ("ok", "client_closed")][-1], "SOCKS4")


@test("PySocks: TCP by all versions and UDP with and without names", timeout=60)
def pysocks(w):
    try:
        import socks
    except ImportError:
        raise Skip("python3-socks is not installed") from None
    port = gate(w, "--set", "commands=connect,udp")
    origin = Origin(echo)
    for version, remote in ((socks.SOCKS4, False), (socks.SOCKS4, True), (socks.SOCKS5, False), (socks.SOCKS5, True)):
        client = socks.socksocket()
        client.settimeout(10)
        client.set_proxy(version, "127.0.0.1", port, rdns=remote)
        client.connect(("localhost" if remote else "127.0.0.1", origin.port))
        client.sendall(b"ping")
        equal(receive(client, 4), b"ping")
        client.close()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", 0))
        peer.settimeout(10)
        client = socks.socksocket(socket.AF_INET, socket.SOCK_DGRAM)
        client.settimeout(10)
        client.set_proxy(socks.SOCKS5, "127.0.0.1", port)
        for host in ("127.0.0.1", "localhost"):
            client.sendto(b"ping", (host, peer.getsockname()[1]))
            data, source = peer.recvfrom(100)
            equal(data, b"ping")
            peer.sendto(b"pong", source)
            equal(client.recvfrom(100), (b"pong", peer.getsockname()))
        client.close()


@test("UDP: datagrams both ways, counted exactly; others are not heard; it ends with its connection", threats="socks-udp", timeout=60)
def udp(w):
    port = gate(w, "--set", "commands=udp")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client, \
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for one in (peer, client, stranger):
            one.bind(("127.0.0.1", 0))
            one.settimeout(10)
        control, (code, address, relay) = ask(port, "0.0.0.0", 0, 3)
        equal((code, address), (0, "127.0.0.1"))
        head = b"\0\0\0" + place(*peer.getsockname())
        sent = 0
        for number in range(50):
            data = os.urandom(1 + number * 600)
            client.sendto(head + data, (address, relay))
            got, source = peer.recvfrom(65536)
            equal(got == data, True, f"datagram of {len(data)}")
            peer.sendto(data, source)
            equal(client.recvfrom(65536)[0] == head + data, True, f"answer of {len(data)}")
            sent += len(head) + len(data)
        client.sendto(b"\0\0\1" + head[3:] + b"fragment", (address, relay))
        client.sendto(b"\0\0\0" + place("10.0.0.1", 53) + b"private", (address, relay))
        stranger.sendto(head + b"stranger", (address, relay))
        stranger.sendto(b"unasked", source)
        client.sendto(head + b"last", (address, relay))
        equal(peer.recvfrom(100)[0], b"last")
        sent += len(head) + 4
        until(lambda: stat(w, "bytes_in") == 3 + 10 + sent, 5 * w.patience, "bytes_in exact")
        until(lambda: stat(w, "bytes_out") == 2 + 10 + sent - len(head) - 4, 5 * w.patience, "bytes_out exact")
        control.close()
        until(lambda: stat(w, "active_connections") == 0, 5 * w.patience, "the relay has ended")
        client.sendto(head + b"late", (address, relay))
        peer.settimeout(0.2)
        try:
            raise AssertionError(f"a datagram passed after the end: {peer.recvfrom(100)}")
        except TimeoutError:
            pass


@test("BIND: two replies and the bytes of the one peer that was named", timeout=30)
def bind(w):
    port = gate(w, "--set", "commands=connect,bind")
    control, (code, address, listening) = ask(port, "127.0.0.1", 21, 2)
    equal((code, address), (0, "127.0.0.1"))
    with connect(listening, address) as peer:
        equal(read_reply(control), (0, "127.0.0.1", peer.getsockname()[1]))
        peer.sendall(b"from the peer")
        equal(receive(control, 13), b"from the peer")
        control.sendall(b"from the client")
        equal(receive(peer, 15), b"from the client")
        control.close()
        equal(read_all(peer), b"")
    equal(ask(port, "10.0.0.1", 21, 2)[1][0], 2)


@test("an IPv6 listener serves IPv4 and IPv6 destinations", timeout=30)
def v6_listener(w):
    v4, v6 = Origin(answer_with(b"four\n")), Origin(answer_with(b"six\n"), "::1")
    port = gate(w, "--addr", "::1", "--set", "commands=connect,udp")
    for host, target, body in (("127.0.0.1", v4.port, "four\n"), ("[::1]", v6.port, "six\n")):
        equal(curl(w, "-x", f"socks5h://[::1]:{port}", f"http://{host}:{target}/"), body)
    control, (code, address, relay) = ask(port, "::", 0, 3, "::1")
    equal((code, address), (0, "::1"))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer, socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as client:
        peer.bind(("127.0.0.1", 0))
        peer.settimeout(10)
        client.settimeout(10)
        client.sendto(b"\0\0\0" + place(*peer.getsockname()) + b"ping", (address, relay))
        data, source = peer.recvfrom(100)
        equal(data, b"ping")
        peer.sendto(b"pong", source)
        equal(client.recvfrom(100)[0], b"\0\0\0" + place(*peer.getsockname()) + b"pong")
    control.close()


@test("ncat and nc speak through it", timeout=60)
def ncat(w):
    w.need("ncat", "nc.openbsd")
    port = gate(w)
    origin = Origin(answer_with(b"hello\n"))
    ask_page = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    for argv in (["ncat", "--proxy", f"127.0.0.1:{port}", "--proxy-type", "socks4", "127.0.0.1", str(origin.port)],
                 ["ncat", "--proxy", f"127.0.0.1:{port}", "--proxy-type", "socks5", "127.0.0.1", str(origin.port)],
                 ["nc.openbsd", "-N", "-X", "4", "-x", f"127.0.0.1:{port}", "127.0.0.1", str(origin.port)],
                 ["nc.openbsd", "-N", "-X", "5", "-x", f"127.0.0.1:{port}", "localhost", str(origin.port)]):
        done = subprocess.run(argv, input=ask_page, text=True, capture_output=True, timeout=20, env=w.env)
        contains(done.stdout, "200 OK", "hello")


@test("a large page from a real web server, several at once, with pipelined negotiations", timeout=60)
def at_once(w):
    port = gate(w)
    nginx = Nginx(w)
    nginx.file("big", 8 << 20)
    failed = []

    def fetch(flag):
        got = curl(w, flag, f"127.0.0.1:{port}", f"{nginx.url}/big", "-o", "/dev/null", "-w", "%{size_download}", timeout=40)
        if got != str(8 << 20):
            failed.append(got)
    threads = [threading.Thread(target=fetch, args=(flag,)) for flag in ("--socks4", "--socks4a", "--socks5", "--socks5-hostname") * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(50)
    equal(failed, [])
