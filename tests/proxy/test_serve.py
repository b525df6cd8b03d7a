"""serve: a proxy in one line, with a throw-away registry, its access log on stdout."""
import os
import signal

from harness import connects, contains, equal, matches, test, until
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
