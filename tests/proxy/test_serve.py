"""serve: a proxy in one line, with a throw-away registry, its access log on stdout."""
import os
import signal
import subprocess

from harness import connects, contains, equal, matches, test, until
from logins import basic, socks_login
from traffic import Origin, answer_with, echo, exchange, get


@test("serve http: ready line, access log on stdout, Ctrl-C drains, nothing is left behind")
def serve_http(w):
    port = w.port()
    origin = Origin(answer_with())
    process = w.popen("serve", "http", "--port", port, "--allow-to", "127.0.0.0/8", env={"ARCUS_DB": ""})
    until(lambda: connects(port), 10 * w.patience, "listening")
    equal(get(port, origin.url + "/path").status, 200)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10 * w.patience)
    contains(out + err, str(port))
    matches(out, rf"^\d+\.\d{{3}} +\d+ 127\.0\.0\.1 TCP_MISS/200 \d+ GET {origin.url}/path - HIER_DIRECT/127\.0\.0\.1 ")
    equal((process.returncode, connects(port)), (0, False))
    equal(os.listdir(w.path("tmp")), [])
    equal(os.path.exists(w.db), False)


@test("serve with a user: nobody else gets in; the password comes from standard input or a file")
def serve_user(w):
    origin = Origin(answer_with())
    port, sox = w.port(), w.port()
    w.write("secret", "geheim\n")
    web = w.popen("serve", "http", "--port", port, "--allow-to", "127.0.0.0/8", "--user", "bob", "--password-stdin", stdin=subprocess.PIPE)
    web.stdin.write("geheim\n")
    web.stdin.flush()
    socks = w.popen("serve", "socks", "--port", sox, "--allow-to", "127.0.0.0/8", "--user", "bob", "--password-file", "secret")
    for one in (port, sox):
        until(lambda p=one: connects(p), 10 * w.patience, "listening")
    equal(get(port, origin.url + "/").status, 407)
    equal(get(port, origin.url + "/", more=basic("bob", "geheim")).status, 200)
    for password, answer in (("geheim", b"\1\0"), ("x", b"\1\1")):
        connection, got = socks_login(sox, "bob", password)
        connection.close()
        equal(got, answer)
    for process in (web, socks):
        process.terminate()
        process.communicate(timeout=20 * w.patience)
        equal(process.returncode, 0)
    contains(w.ctl("serve", "http", "--user", "bob", code=11).err, "no terminal")
    w.ctl("serve", "tcp", "--backend", "127.0.0.1:1", "--user", "bob", code=2)


@test("serve tcp with a backend; two at once do not disturb each other; a busy port is exit 1 or 4")
def serve_tcp(w):
    sink = Origin(echo)
    ports = [w.port(), w.port()]
    running = [w.popen("serve", "tcp", "--port", p, "--backend", sink.address) for p in ports]
    for port in ports:
        until(lambda p=port: connects(p), 10 * w.patience, "listening")
        equal(exchange(port, b"ping", half_close=True), b"ping")
    contains(w.ctl("serve", "tcp", "--port", ports[0], "--backend", sink.address, code=(1, 4)).err, "in use")
    for process in running:
        process.terminate()
        equal(process.wait(10 * w.patience), 0)
        process.communicate()


@test("serve without what it needs says so and exits 2")
def serve_usage(w):
    contains(w.ctl("serve", "tcp", "--port", w.port(), code=(2, 4)).err, "--backend")
    w.ctl("serve", "nonsense", code=2)
    contains(w.ctl("serve", "http", "--port", w.port(), "--addr", "0.0.0.0", code=2).err, "--allow-open")
