"""Access records: exactly one per request, in three formats, harmless to terminals, following rotation."""
import json
import os
import re
import signal

from harness import contains, equal, matches, test, until
from certificates import client_hello
from origins import Recorder, make_certificate
from traffic import Nginx, Origin, answer_with, connect, curl, echo, exchange, get, read_all, read_answer, read_head


def log_of(w, tenant="acme"):
    path = os.path.join(w.value("SELECT log_dir FROM daemon"), tenant, "access.log")
    return open(path, encoding="utf-8").read() if os.path.exists(path) else ""


@test("one record per request, refusals and tunnels included; squid format has its ten fields", timeout=60)
def squid_records(w):
    origin = Origin(answer_with())
    w.init("acme")
    port = w.server("http", "acme/web", "--set", "connect_ports=*")
    w.run()
    equal(get(port, origin.url + "/denied").status, 403)
    w.allow_loopback("acme")
    until(lambda: get(port, origin.url + "/ok").status == 200, 3, "open")
    with connect(port) as connection:
        rest = b""
        for number in range(5):
            connection.sendall(f"GET {origin.url}/n{number} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            _, rest = read_answer(connection, rest)
    nginx = Nginx(w)
    curl(w, "-p", "-x", f"http://127.0.0.1:{port}", nginx.url + "/")
    exchange(port, b"BAD\r\n\r\n", 5)
    until(lambda: all(word in log_of(w) for word in ("CONNECT", "/n4", "/400 ")), 5 * w.patience, "all records")
    lines = log_of(w).splitlines()
    for line in lines:
        matches(line, r"^\d{10}\.\d{3} +\d+ \S+ \S+/\d{3} \d+ \S+ \S+ \S+ \S+/\S+ \S+$")
    text = "\n".join(lines)
    contains(text, "TCP_DENIED/403", "TCP_TUNNEL/200")
    equal(len(re.findall(r"/n\d ", text)), 5)
    total = int(w.value("SELECT total_requests FROM server_full"))
    until(lambda: len(log_of(w).splitlines()) >= total, 3, "a record per request")


@test("json records parse, combined looks like a web server's")
def other_formats(w):
    origin = Origin(answer_with())
    w.init("acme")
    w.allow_loopback("acme")
    port = w.server("http", "acme/web", "--access-log-format", "json")
    second = w.server("http", "acme/api", "--access-log-format", "combined")
    w.run()
    get(port, origin.url + "/json")
    get(second, origin.url + "/combined", b"User-Agent: tester/1\r\nReferer: http://r/\r\n")
    until(lambda: "/json" in log_of(w) and "/combined" in log_of(w), 5 * w.patience, "records")
    line = [line for line in log_of(w).splitlines() if "/json" in line][0]
    record = json.loads(line)
    contains(json.dumps(record), "acme", "web", "GET", "ok")
    line = [line for line in log_of(w).splitlines() if "/combined" in line][0]
    matches(line, r'^127\.0\.0\.1 - \S+ \[[^]]+\] "GET \S+/combined HTTP/1\.1" 200 \d+ "http://r/" "tester/1"')


@test("a json record of a tunnel names the server its TLS asks for, and tells the client's round trip", timeout=60)
def tunnel_names(w):
    make_certificate(w.dir)
    origin = Recorder(tls=(w.path("cert.pem"), w.path("cert.key")))
    w.init("acme")
    w.allow_loopback("acme")
    http = w.server("http", "acme/web", "--access-log-format", "json", "--set", "connect_ports=*")
    socks = w.server("socks", "acme/socks", "--access-log-format", "json")
    w.run()
    for name, proxy in (("one.test", f"http://127.0.0.1:{http}"), ("two.test", f"socks5://127.0.0.1:{socks}")):
        curl(w, "-k", "-x", proxy, "--connect-to", f"{name}:443:127.0.0.1:{origin.port}", f"https://{name}/")
    plain = Origin(answer_with())
    curl(w, "-p", "-x", f"http://127.0.0.1:{http}", plain.url + "/")
    get(http, plain.url + "/")
    # A hello in two pieces is read all the same; what only looks like one costs the tunnel nothing.
    hello, echoing = client_hello("three.test"), Origin(echo)
    for data in (hello, b"\x16\x03\x01\xff\xff" + b"?" * 40):
        with connect(http) as connection:
            connection.sendall(f"CONNECT {echoing.address} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            read_head(connection)
            for piece in (data[:20], data[20:]):
                connection.sendall(piece)
                got = b""
                while len(got) < len(piece):
                    got += connection.recv(4096)
                equal(got, piece)
    until(lambda: log_of(w).count("\n") == 6, 5 * w.patience, "six records")
    records = [json.loads(line) for line in log_of(w).splitlines()]
    equal(sorted(r.get("sni", "-") for r in records), ["-", "-", "-", "one.test", "three.test", "two.test"])
    assert all(0 < r["round_trip_us"] < 1000000 for r in records), records


@test("no control byte, quote or newline of a client reaches a record raw", threats="log-forgery")
def hostile_records(w):
    w.init("acme")
    port = w.server("http", "acme/web", "--access-log-format", "combined")
    w.run()
    exchange(port, b"GET http://10.0.0.1/\x1b[31m\xff\"x HTTP/1.1\r\nHost: a\r\nUser-Agent: \"\x1b]0;x\x07\r\n\r\n", 5)
    with connect(port) as connection:
        connection.sendall(b"GET http://10.0.0.1/%22a\"b\xe2\x80\xae HTTP/1.1\r\nHost: a\r\nUser-Agent: a\"b\xc2\x85\r\nConnection: close\r\n\r\n")
        read_all(connection)
    until(lambda: log_of(w).count("\n") >= 2, 5 * w.patience, "records")
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", log_of(w)), repr(log_of(w))


@test("USR1 after a rename goes on in a new file, no record lost; access_log off writes nothing")
def rotation(w):
    origin = Origin(answer_with())
    w.init("acme")
    w.allow_loopback("acme")
    port = w.server("http", "acme/web")
    daemon = w.run()
    get(port, origin.url + "/before")
    until(lambda: "/before" in log_of(w), 5 * w.patience, "first record")
    path = os.path.join(w.value("SELECT log_dir FROM daemon"), "acme", "access.log")
    os.rename(path, path + ".1")
    os.kill(daemon, signal.SIGUSR1)
    until(lambda: os.path.exists(path), 5 * w.patience, "reopened")
    get(port, origin.url + "/after")
    until(lambda: "/after" in log_of(w), 5 * w.patience, "second record")
    w.ctl("server", "set", "acme/web", "access_log=0")
    get(port, origin.url + "/silent")
    get(port, origin.url + "/silent")
    assert "/silent" not in log_of(w)


@test("logs shows daemon and access records by time, --grep filters, control bytes never raw")
def logs_command(w):
    origin = Origin(answer_with())
    w.init("acme")
    w.allow_loopback("acme")
    port = w.server("http", "acme/web")
    w.run()
    get(port, origin.url + "/needle")
    until(lambda: "/needle" in log_of(w), 5 * w.patience, "record")
    contains(w.ctl("logs", "acme/web", "--access").out, "/needle")
    assert "/needle" not in w.ctl("logs", "acme/web", "--access", "--grep", "nothing-like-that").out
    w.ctl("logs", "--daemon", "--since", "10m")
