"""sni: real TLS clients and origins, hellos in every shape, alerts, plain HTTP on the same port, counters."""
import json
import os
import socket
import ssl
import subprocess
import threading
import time

from certificates import authority, certificate, client_context, s_client
from harness import contains, equal, test, until
from traffic import Origin, accepts, answer_with, connect, curl, echo, exchange, read_all, read_answer

UNRECOGNIZED = b"\x15\x03\x03\x00\x02\x02\x70"


# ---- origins -----------------------------------------------------------------
def tls_nginx(w, name, listen=""):
    """nginx over TLS with a certificate for `name`; says who it is and which name it was asked for. Returns its port."""
    w.need("nginx")
    pem, key = certificate(w, name, name, f"www.{name}")
    port, folder = w.port(), w.path(f"nginx-{name}")
    os.makedirs(os.path.join(folder, "tmp"))
    user = "user root;" if os.getuid() == 0 else ""
    temporary = " ".join(f"{kind}_temp_path {folder}/tmp/{kind[:2]};" for kind in
                         ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    config = w.write(f"nginx-{name}/nginx.conf", f"""{user} daemon off; worker_processes 1; pid {folder}/pid;
events {{ worker_connections 512; }}
http {{
  access_log off; default_type text/plain; server_tokens off; client_max_body_size 0; {temporary}
  server {{
    listen 127.0.0.1:{port} ssl {listen}; ssl_certificate {pem}; ssl_certificate_key {key};
    ssl_protocols TLSv1.2 TLSv1.3;
    location / {{ return 200 "{name} $ssl_server_name $ssl_protocol $proxy_protocol_addr\\n"; }}
    location /files/ {{ alias {w.dir}/; }}
  }}
}}
""")
    subprocess.Popen(["nginx", "-p", folder, "-c", config, "-e", f"{folder}/error.log"], env=w.env, stdin=subprocess.DEVNULL,
                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until(lambda: accepts(port), 10, "nginx listening")
    return port


def edge(w, *flags, ref="acme/edge"):
    """A running sni server; returns its port."""
    w.init("acme")
    port = w.server("sni", ref, *flags)
    w.run()
    w.wait_status(ref, "running")
    return port


def ask(w, port, name, *args, code=0, path="/"):
    """curl of https://NAME/ through the server, the certificate verified."""
    return curl(w, "--cacert", w.path("authority.pem"), "--connect-to", f"::127.0.0.1:{port}", f"https://{name}{path}", *args,
                code=code)


def stats(w, ref="acme/edge"):
    return w.show(ref)["stats"]


def counted(w, reason, count=1, ref="acme/edge"):
    server = w.show(ref)["id"]
    until(lambda: int(w.value(f"SELECT coalesce(sum(count), 0) FROM server_reason WHERE server_id = '{server}' AND "
                              f"reason = '{reason}'") or 0) == count, 8 * w.patience, f"{count} {reason}", 0.05)


# ---- hellos ------------------------------------------------------------------
class Client:
    """Python's TLS client over memory, so that its bytes can be cut as one likes."""

    def __init__(self, w, name, padding=0):
        context = client_context(w) if os.path.exists(w.path("authority.pem")) else ssl._create_unverified_context()
        filler = ["x" * 255] * (padding // 256)
        if filler:
            context.set_alpn_protocols(["http/1.1", *filler])
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname=name)
        self.step(self.tls.do_handshake)
        self.hello = self.outgoing.read()

    def step(self, action):
        try:
            return action() or True
        except ssl.SSLWantReadError:
            return None

    def finish(self, connection, request):
        """The rest of the handshake after the hello was sent, one request, the whole answer."""
        while not self.step(self.tls.do_handshake):
            connection.sendall(self.outgoing.read())
            self.incoming.write(connection.recv(65536))
        self.tls.write(request)
        connection.sendall(self.outgoing.read())
        answer = b""
        while b"\n\n" not in answer.replace(b"\r", b"") or not answer.endswith(b"\n"):
            got = self.step(lambda: self.tls.read(65536))
            if isinstance(got, bytes):
                answer += got
                continue
            data = connection.recv(65536)
            if not data:
                break
            self.incoming.write(data)
        return answer


def message_of(hello):
    message = b""
    while hello:
        size = int.from_bytes(hello[3:5], "big")
        message, hello = message + hello[5:5 + size], hello[5 + size:]
    return message


def record(payload, kind=22, version=0x0301):
    return bytes([kind]) + version.to_bytes(2, "big") + len(payload).to_bytes(2, "big") + payload


def in_records(hello, count):
    message = message_of(hello)
    share = -(-len(message) // count)
    return b"".join(record(message[at:at + share]) for at in range(0, len(message), share))


def built(extensions):
    """A hello of our own making, with GREASE among its suites."""
    body = (b"\x03\x03" + b"r" * 32 + b"\0" + b"\x00\x04\x1a\x1a\x13\x01" + b"\x01\0" + len(extensions).to_bytes(2, "big") + extensions)
    return record(b"\x01" + len(body).to_bytes(3, "big") + body)


def extension(kind, data):
    return kind.to_bytes(2, "big") + len(data).to_bytes(2, "big") + data


def named(name):
    entry = b"\0" + len(name).to_bytes(2, "big") + name
    return extension(0, len(entry).to_bytes(2, "big") + entry)


# ---- tests -------------------------------------------------------------------
@test("curl and openssl reach the origin of each name; exact, then longest suffix, then fallback; TLS is untouched", timeout=90)
def names(w):
    one, two, rest = (tls_nginx(w, name) for name in ("one.test", "two.test", "rest.test"))
    port = edge(w, "--route", f"one.test=127.0.0.1:{one}", "--route", f"*.two.test=127.0.0.1:{two}", "--route", "*.test=reject",
                "--fallback", "backends", "--backend", f"127.0.0.1:{rest}", "--route", "rest.test=backends")
    contains(ask(w, port, "one.test"), "one.test one.test TLSv1.3")
    contains(ask(w, port, "ONE.Test", "--tls-max", "1.2"), "one.test one.test TLSv1.2")
    contains(ask(w, port, "www.two.test"), "two.test www.two.test")
    contains(ask(w, port, "rest.test"), "rest.test rest.test")
    contains(curl(w, "-k", "--connect-to", f"::127.0.0.1:{port}", "https://other.example/"), "rest.test other.example")
    contains(curl(w, "-k", f"https://127.0.0.1:{port}/"), "rest.test  TLS")
    ask(w, port, "nobody.test", code=35)
    contains(s_client(w, port, name="one.test", code=0), "Verify return code: 0 (ok)")
    contains(s_client(w, port, name="x.test"), "unrecognized name", "alert number 112")
    counted(w, "acl_denied", 2)
    w.ctl("route", "remove", "acme/edge", "*.test")
    contains(curl(w, "-k", "--connect-to", f"::127.0.0.1:{port}", "https://nobody.test/"), "rest.test nobody.test")


@test("without a fallback, no name and an unknown name get the alert unrecognized_name", threats="sni-unknown", timeout=60)
def alerts(w):
    origin = Origin(echo)
    authority(w)
    port = edge(w, "--route", f"one.test={origin.address}")
    contains(s_client(w, port, name="other.test"), "unrecognized name")
    equal(exchange(port, Client(w, "other.test").hello), UNRECOGNIZED)
    counted(w, "no_route", 2)
    equal(exchange(port, built(b"")), UNRECOGNIZED)
    equal(exchange(port, Client(w, "192.0.2.1").hello), UNRECOGNIZED)
    equal(exchange(port, built(named(b"192.0.2.1"))), UNRECOGNIZED)
    counted(w, "no_sni", 3)
    equal(origin.connections, 0)
    equal(stats(w)["refused_connections"], 5)


@test("a real handshake whose hello comes over 1 to 20 records, byte by byte, or 60 KiB large", threats="sni-fragments", timeout=120)
def fragments(w):
    one = tls_nginx(w, "one.test")
    port = edge(w, "--route", f"*.one.test=127.0.0.1:{one}", "--route", f"one.test=127.0.0.1:{one}")
    request = b"GET / HTTP/1.1\r\nHost: one.test\r\nConnection: close\r\n\r\n"
    for padding, count, piece in ((0, 1, 0), (0, 2, 0), (0, 20, 0), (0, 1, 1), (0, 7, 1), (20_000, 20, 1000), (60_000, 4, 0),
                                  (60_000, 20, 4096)):
        client = Client(w, "www.one.test", padding)
        data = client.hello if count == 1 else in_records(client.hello, count)
        with connect(port) as connection:
            for at in range(0, len(data), piece or len(data)):
                connection.sendall(data[at:at + (piece or len(data))])
            contains(client.finish(connection, request).decode(), "one.test www.one.test TLSv1.3")


@test("the hello reaches the upstream byte for byte, with all that came behind it, and every byte is counted", timeout=60)
def exact(w):
    sink = Origin(echo)
    port = edge(w, "--route", f"*.test={sink.address}")
    sent = b""
    grease = extension(0x1a1a, b"") + named(b"a.test") + extension(0xfe0d, b"e" * 200) + extension(0xcaca, b"\0")
    for data in (Client(w, "a.test").hello, in_records(Client(w, "b.test", 30_000).hello, 19) + record(b"early", 23),
                 built(grease) + b"anything", in_records(built(named(b"C.Test.") + extension(21, b"\0" * 65_400)), 20)):
        equal(exchange(port, data, half_close=True) == data, True, f"{len(data)} bytes")
        sent += data
    until(lambda: stats(w)["bytes_in"] == len(sent) and stats(w)["bytes_out"] == len(sent), 5 * w.patience, "exact counters")
    equal(len(sink.received), len(sent))
    equal((stats(w)["total_connections"], stats(w)["total_requests"], stats(w)["error_count"]), (4, 4, 0))


@test("bad names and garbage: the alert each has earned, then the end; nothing reaches an upstream", threats="sni-malformed", timeout=60)
def garbage(w):
    origin = Origin(echo)
    port = edge(w, "--fallback", origin.address)
    illegal, decode, early = b"\x15\x03\x03\0\2\2\x2f", b"\x15\x03\x03\0\2\2\x32", b"\x15\x03\x01\0\2\2\x0a"
    good = built(named(b"a.test"))
    cases = [(built(named(name)), illegal) for name in (b"a\0b", b"a..b", b"-a.test", b"a b", b"\xff", b".", b"a" * 64, b"127.1",
                                                        b"0x7f.0.0.1", b"a.test:443", b"*.test")]
    cases += [(built(named(b"a.test") + named(b"b.test")), illegal), (built(extension(0, b"")), decode), (built(named(b"")), decode),
              (built(extension(0, b"\0\x09\0\0\x06a.tes")), decode), (good[:5] + b"\x02" + good[6:], early),
              (record(b"\x01\0\0"[:1], 22) + record(b"x", 23), b""), (record(b"", 22), early), (b"\x16\x03\x01\x40\x01", b""),
              (b"\x80\x2e\x01\0\2\0\x15", b""), (b"\0" * 100, b""), (b"hello\r\n", b""), (b"\x05\x01\0", b""),
              (os.urandom(64).replace(b"\x16", b"\x17", 1)[1:], None)]
    for sent, wanted in cases[:-1]:
        equal(exchange(port, sent), wanted, repr(sent[-30:]))
    counted(w, "protocol_error", len(cases) - 1)
    equal(origin.connections, 0)
    equal(stats(w)["active_connections"], 0)


@test("a hello that does not come, or only in part, ends after handshake_timeout", timeout=60)
def slow(w):
    port = edge(w, "--fallback", "127.0.0.1:1", "--handshake-timeout", "500ms")
    began = time.monotonic()
    with connect(port) as silent, connect(port) as half:
        half.sendall(built(named(b"a.test"))[:40])
        equal((read_all(silent), read_all(half)), (b"", b""))
    assert 0.45 < time.monotonic() - began < 0.5 * 1.1 + 0.4 * w.patience, time.monotonic() - began
    counted(w, "handshake_timeout", 2)


@test("plain HTTP on the same port: each request goes where its Host leads, TLS beside it", timeout=90)
def plain_http(w):
    one, two = Origin(answer_with(b"one\n")), Origin(answer_with(b"two\n"))
    tls = tls_nginx(w, "tls.test")
    port = edge(w, "--route", f"one.test={one.address}", "--route", f"*.two.test={two.address}", "--route", "no.test=reject",
                "--route", f"tls.test=127.0.0.1:{tls}")

    def get(name, *args, code=0):
        return curl(w, "--connect-to", f"::127.0.0.1:{port}", f"http://{name}/", *args, code=code)
    equal((get("one.test"), get("a.two.test"), get("ONE.TEST")), ("one\n", "two\n", "one\n"))
    contains(ask(w, port, "tls.test"), "tls.test tls.test")
    contains(get("no.test", "-i"), "403", "acl_denied")
    contains(get("other.test", "-i"), "503", "no_route")
    with connect(port) as connection:
        for host, body in ((b"one.test", b"one\n"), (b"b.two.test", b"two\n"), (b"one.test", b"one\n")):
            for byte in b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n":
                connection.sendall(bytes([byte]))
            equal(read_answer(connection)[0].body, body)
    contains(one.heads[0].decode(), "Host: one.test", "X-Forwarded-For: 127.0.0.1")
    contains(exchange(port, b"CONNECT one.test:443 HTTP/1.1\r\nHost: one.test\r\nConnection: close\r\n\r\n").decode(), "405")
    contains(exchange(port, b"GET / HTTP/1.1\r\nHost: one.test\r\nHost: two.test\r\n\r\n").decode(), "400")
    w.ctl("server", "set", "acme/edge", "config.plain_http=false")
    until(lambda: exchange(port, b"GET / HTTP/1.1\r\nHost: one.test\r\n\r\n") == b"", 5 * w.patience, "plain HTTP is off")
    contains(ask(w, port, "tls.test"), "tls.test tls.test")


@test("passthrough goes to the name itself, but only where the destination guard and the rules let it", timeout=60)
def passthrough(w):
    origin = Origin(echo)
    port = edge(w, "--route", "localhost=passthrough", "--set", f"passthrough_port={origin.port}")
    hello = Client(w, "localhost").hello
    denied = b"\x15\x03\x03\0\2\2\x31"
    equal(exchange(port, hello), denied)
    counted(w, "destination_denied")
    w.ctl("acl", "add", "allow", "--to", "127.0.0.0/8", "-t", "acme")
    w.ctl("acl", "add", "allow", "--to", "::1/128", "-t", "acme")
    until(lambda: exchange(port, hello, half_close=True) == hello, 5 * w.patience, "let through")
    w.ctl("server", "set", "acme/edge", f"config.passthrough_port={port}")
    until(lambda: exchange(port, hello) == denied, 5 * w.patience, "itself refused")


@test("backends: dead ones are passed over, all dead is a reset; the client's address is told by PROXY", timeout=90)
def backends(w):
    good = tls_nginx(w, "one.test", "proxy_protocol")
    dead = w.port()
    port = edge(w, "--fallback", "backends", "--backend", f"127.0.0.1:{dead}", "--backend", f"127.0.0.1:{good}",
                "--proxy-protocol-out", "v1")
    for _ in range(4):
        contains(ask(w, port, "one.test"), "one.test one.test TLSv1.3 127.0.0.1")
    w.ctl("backend", "remove", "acme/edge", f"127.0.0.1:{good}")
    until(lambda: "curl: (35)" in curl_error(w, port), 5 * w.patience, "a reset")


def curl_error(w, port):
    done = subprocess.run(["curl", "-sSk", "--max-time", "5", "--connect-to", f"::127.0.0.1:{port}", "https://one.test/"], text=True,
                          capture_output=True, env=w.env)
    return done.stderr


@test("one access record per connection: the name, the reason, the bytes", threats="sni-unknown", timeout=60)
def records(w):
    sink = Origin(echo)
    port = edge(w, "--route", f"a.test={sink.address}", "--access-log-format", "json")
    path = os.path.join(w.value("SELECT log_dir FROM daemon"), "acme", "access.log")

    def lines():
        return [json.loads(line) for line in open(path, encoding="utf-8")] if os.path.exists(path) else []
    hello = Client(w, "A.Test").hello
    equal(exchange(port, hello, half_close=True), hello)
    equal(exchange(port, Client(w, "b.test").hello), UNRECOGNIZED)
    exchange(port, b"junk")
    connect(port).close()
    until(lambda: len(lines()) == 4, 5 * w.patience, "4 records")
    by_reason = {line["reason"]: line for line in lines()}
    served = by_reason["ok"]
    equal((served["target"], served["upstream"]), (f"a.test:{sink.port}", sink.address))
    equal((served["bytes_in"], served["bytes_out"]), (len(hello), len(hello)))
    equal((by_reason["no_route"]["target"], by_reason["no_route"]["bytes_out"]), ("b.test", 7))
    equal([by_reason[reason]["status"] for reason in ("ok", "no_route", "protocol_error")], [200, 403, 400])
    equal((by_reason["protocol_error"]["bytes_in"], by_reason["client_closed"]["bytes_in"]), (4, 0))


@test("bulk both ways through TLS that stays end to end; routes change while it runs", timeout=120)
def bulk(w):
    one = tls_nginx(w, "one.test")
    with open(w.path("big"), "wb") as file:
        file.truncate(64 << 20)
    port = edge(w, "--route", f"one.test=127.0.0.1:{one}")
    got = []
    reader = threading.Thread(target=lambda: got.append(ask(w, port, "one.test", "-o", w.path("got"), "-w", "%{size_download}",
                                                            "--limit-rate", "40M", path="/files/big")))
    reader.start()
    until(lambda: stats(w)["active_connections"] == 1, 5 * w.patience, "under way")
    w.ctl("route", "add", "acme/edge", "one.test=reject")
    ask(w, port, "one.test", code=35)
    reader.join(60)
    equal(got, [str(64 << 20)])
    equal(os.path.getsize(w.path("got")), 64 << 20)


@test("behind a PROXY header, on IPv6, and on the way out", timeout=60)
def edges(w):
    sink = Origin(echo)
    port = edge(w, "--route", f"a.test={sink.address}", "--proxy-protocol-in", "v1", "--proxy-protocol-from", "127.0.0.0/8",
                "--access-log-format", "json")
    hello = Client(w, "a.test").hello
    equal(exchange(port, b"PROXY TCP4 203.0.113.9 127.0.0.1 4000 443\r\n" + hello, half_close=True), hello)
    equal(exchange(port, hello), b"")
    path = os.path.join(w.value("SELECT log_dir FROM daemon"), "acme", "access.log")
    until(lambda: os.path.exists(path) and '"203.0.113.9' in open(path, encoding="utf-8").read(), 5 * w.patience, "its address")
    six = w.port()
    w.ctl("server", "add", "sni", "six", "-t", "acme", "--listen", f"[::1]:{six}", "--route", f"a.test={sink.address}", "--start")
    w.wait_status("acme/six", "running")
    with connect(six, "::1") as open_one, connect(six, "::1") as silent:
        open_one.sendall(hello)
        equal(open_one.recv(65536), hello)
        until(lambda: stats(w, "acme/six")["active_connections"] == 2, 5 * w.patience, "two clients")
        stopping = w.popen("server", "stop", "acme/six")
        equal(read_all(silent), b"")
        open_one.sendall(b"still here")
        equal(open_one.recv(100), b"still here")
        open_one.close()
        equal(stopping.wait(20), 0)
    counted(w, "draining", 1, "acme/six")


@test("serve sni runs in the foreground with its routes", timeout=60)
def serve(w):
    one = tls_nginx(w, "one.test")
    port = w.port()
    process = w.popen("serve", "sni", "--port", port, "--route", f"one.test=127.0.0.1:{one}")
    until(lambda: accepts(port), 10 * w.patience, "listening")
    contains(ask(w, port, "one.test"), "one.test one.test")
    process.terminate()
    equal(process.wait(20), 0)
    assert socket.socket().connect_ex(("127.0.0.1", port)) != 0
