"""tls: certificates, versions, resumption, client certificates, bad clients, rotation; then the relay inside."""
import hashlib
import json
import os
import socket
import ssl
import subprocess
import threading
import time

from certificates import (authority, bundle, certificate, client_context, client_hello, openssl, s_client, served_name, tls_connect)
from harness import contains, equal, matches, test, until
from traffic import Origin, connect, echo, read_all


WORKER = ("SELECT worker.pid FROM worker JOIN tenant ON worker.worker_group = 'tenant:' || tenant.id "
          "WHERE tenant.name = 'acme'")


def relay(w, *flags, backend=None, names=("example.test",), cert=None, name="acme/t"):
    """A running tls server in front of an echo; returns its port."""
    w.init("acme")
    pem, key = certificate(w, "site", *names)
    given = ["--cert", cert] if cert else ["--cert", pem, "--key", key]
    port = w.server("tls", name, "--backend", (backend or Origin(echo)).address, *given, *flags)
    w.run()
    w.wait_status(name, "running")
    return port


def echoes(w, port, context=None, data=b"hello", name="example.test"):
    with tls_connect(w, port, name, context) as connection:
        connection.sendall(data)
        return connection.recv(100) == data


def wait_reason(w, ref, reason, count=1):
    server = w.show(ref)["id"]
    return until(lambda: int(w.value(f"SELECT coalesce(sum(count), 0) FROM server_reason WHERE server_id = '{server}' AND "
                                     f"reason = '{reason}'") or 0) >= count, 8 * w.patience, f"{reason} counted", 0.1)


@test("TLS 1.2 and 1.3 with curl's and openssl's own eyes: versions, suites, chain", threats="tls-versions")
def versions(w):
    port = relay(w)
    for flag, version in (("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")):
        text = s_client(w, port, flag, "-verify_return_error", code=0)
        contains(text, "Verify return code: 0 (ok)", version)
        matches(text, r"AES_?128_?-?GCM|AES128-GCM")
    for flags in (("-tls1_1",), ("-tls1_2", "-cipher", "AES128-SHA:AES128-GCM-SHA256")):
        text = s_client(w, port, *flags)
        assert "Cipher is (NONE)" in text or "no protocols available" in text, text
    equal(echoes(w, port), True)


@test("a server can be told to speak 1.3 alone, or not to")
def only_one_version(w):
    port = relay(w, "--tls-min", "1.3")
    contains(s_client(w, port, "-tls1_3"), "TLSv1.3")
    contains(s_client(w, port, "-tls1_2"), "alert protocol version")
    w.ctl("server", "set", "acme/t", "tls_min_version=1.2", "tls_max_version=1.2")
    until(lambda: "Cipher is ECDHE" in s_client(w, port, "-tls1_2"), 5 * w.patience, "1.2 allowed")
    contains(s_client(w, port, "-tls1_3"), "alert protocol version")


@test("no renegotiation, no compression", threats="tls-renegotiation", timeout=40)
def no_renegotiation(w):
    port = relay(w)
    text = s_client(w, port, "-tls1_2", input="R\nhello\n")
    contains(text, "Compression: NONE", "Secure Renegotiation IS supported")
    assert "no renegotiation" in text or "hello" not in text.split("RENEGOTIATING")[-1], text


@test("100 MiB each way, byte for byte, counted in plain bytes", timeout=120)
def bulk(w):
    data = os.urandom(1 << 20) * 100
    digests = []

    def store_and_return(connection, origin):
        got = bytearray()
        while len(got) < len(data):
            got += connection.recv(1 << 20)
        digests.append(hashlib.sha256(got).hexdigest())
        connection.sendall(data)
    port = relay(w, backend=Origin(store_and_return))
    with tls_connect(w, port, timeout=60) as connection:
        connection.sendall(data)
        got = bytearray()
        while len(got) < len(data):
            got += connection.recv(1 << 20)
    equal(digests + [hashlib.sha256(got).hexdigest()], [hashlib.sha256(data).hexdigest()] * 2)
    until(lambda: w.show("acme/t")["stats"]["bytes_in"] == len(data), 8 * w.patience, "bytes_in exact")
    until(lambda: w.show("acme/t")["stats"]["bytes_out"] == len(data), 8 * w.patience, "bytes_out exact")


@test("half-close: close_notify ends the backend's input, its answer still comes and ends with close_notify")
def half_close(w):
    def late(connection, origin):
        data = read_all(connection)
        time.sleep(0.2)
        connection.sendall(b"got %d" % len(data))
    port = relay(w, backend=Origin(late))
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = client_context(w)
        context.maximum_version = version
        raw = socket.create_connection(("127.0.0.1", port), 10)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_hostname="example.test")
        drive(raw, incoming, outgoing, tls.do_handshake)
        tls.write(b"x" * 1000)
        try:
            tls.unwrap()  # sends close_notify; theirs comes later
        except ssl.SSLWantReadError:
            pass
        raw.sendall(outgoing.read())
        while data := raw.recv(65536):
            incoming.write(data)
        raw.close()
        incoming.write_eof()
        equal(tls.read(100), b"got 1000")
        try:
            raise AssertionError(f"more came: {tls.read(100)}")
        except ssl.SSLZeroReturnError:
            pass  # close_notify, not an end of the connection
    until(lambda: w.show("acme/t")["stats"]["bytes_out"] == 16, 5 * w.patience, "both answers delivered")


def drive(raw, incoming, outgoing, step):
    """One operation of an in-memory TLS object over a real socket."""
    while True:
        try:
            result = step()
            raw.sendall(outgoing.read())
            return result
        except ssl.SSLWantReadError:
            if outgoing.pending:
                raw.sendall(outgoing.read())
            data = raw.recv(65536)
            if not data:
                raise ConnectionError("closed")
            incoming.write(data)


def session_of(w, port, context, session=None):
    """(whether the session was resumed, the session for next time)."""
    with tls_connect(w, port, context=context, session=session) as connection:
        connection.sendall(b"x")
        connection.recv(1)  # in TLS 1.3 the ticket has come with it
        return connection.session_reused, connection.session


@test("resumption: on the same server yes, also after its worker was killed; at another server never", threats="tls-tickets", timeout=60)
def resumption(w):
    port = relay(w)
    w.ctl("tenant", "add", "other")
    origin = Origin(echo)
    pem, key = w.path("site.pem"), w.path("site.key")
    beside = w.server("tls", "acme/beside", "--backend", origin.address, "--cert", pem, "--key", key)
    foreign = w.server("tls", "other/t", "--backend", origin.address, "--cert", pem, "--key", key)
    w.wait_status("acme/beside", "running")
    w.wait_status("other/t", "running")
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = client_context(w)
        context.maximum_version = version
        reused, session = session_of(w, port, context)
        equal(reused, False)
        reused, _ = session_of(w, port, context, session)
        equal(reused, True, f"{version} resumes")
        for elsewhere in (beside, foreign):
            reused, session = session_of(w, port, context)
            equal(session_of(w, elsewhere, context, session)[0], False, f"{version} at another server")
        reused, session = session_of(w, port, context)
        old = w.worker_of("acme")
        w.kill(old)
        until(lambda: w.value(WORKER) not in ("", str(old)) and w.show("acme/t")["status"] == "running", 10 * w.patience,
              "a new worker", 0.05)
        equal(session_of(w, port, context, session)[0], True, f"{version} after the worker's death")


@test("the certificate is chosen by SNI: exact, wildcard, else the first of the folder")
def by_name(w):
    os.mkdir(w.path("certs"), 0o700)
    for file, names in (("a", ("first.test",)), ("b", ("*.wild.test",)), ("c", ("www.wild.test",))):
        certificate(w, file, *names)
        bundle(w, w.path(f"certs/{file}.pem"), file)
    port = relay(w, cert=w.path("certs"))
    for asked, chosen in (("first.test", "first.test"), ("x.wild.test", "*.wild.test"), ("www.wild.test", "www.wild.test"),
                          ("WWW.wild.TEST", "www.wild.test"), ("a.b.wild.test", "first.test"), ("nobody.test", "first.test")):
        equal(served_name(w, port, asked), chosen, asked)
    certificate(w, "d", "late.test")
    bundle(w, w.path("certs/d.pem"), "d")
    until(lambda: served_name(w, port, "late.test") == "late.test", 15 * w.patience, "a new file is seen by itself", 0.3)


@test("client certificates: require refuses none and strangers, lets in what the authority signed", threats="tls-client")
def client_certificates(w):
    authority(w, "clients")
    authority(w, "strangers")
    certificate(w, "alice", "alice", issuer="clients")
    certificate(w, "mallory", "mallory", issuer="strangers")
    port = relay(w, "--client-auth", "require", "--client-ca", w.path("clients.pem"))
    equal(echoes(w, port, client_context(w, own="alice")), True)
    for own in (None, "mallory"):
        try:
            assert not echoes(w, port, client_context(w, own=own)), f"{own} came through"
        except (ssl.SSLError, ConnectionError):
            pass
    wait_reason(w, "acme/t", "tls_failed", 2)
    w.ctl("server", "set", "acme/t", "client_auth=request")
    until(lambda: safely(lambda: echoes(w, port)), 5 * w.patience, "without one")
    try:
        assert not echoes(w, port, client_context(w, own="mallory")), "mallory came through"
    except (ssl.SSLError, ConnectionError):
        pass
    until(lambda: w.show("acme/t")["health"]["status"] == "healthy", 10 * w.patience, "the probe needs no certificate")


def safely(step):
    try:
        return step()
    except (OSError, ssl.SSLError):
        return False


@test("bad clients: garbage, plain HTTP, a cut hello end the connection; the server goes on", threats="tls-plain", timeout=40)
def bad_clients(w):
    port = relay(w)
    hello = client_hello()
    for data in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", bytes(range(1, 256)) * 16, b"\x16\x03\x01\xff\xff" + b"\0" * 100, b"\0" * 600,
                 hello[:9] + b"\xff" * (len(hello) - 9)):
        with connect(port, timeout=5) as connection:
            connection.sendall(data)
            answer = read_all(connection)
            assert len(answer) <= 7, answer  # nothing but an alert
    for size in (1, 5, 40, len(hello) - 1):
        with connect(port, timeout=5) as connection:
            connection.sendall(hello[:size])
            connection.shutdown(socket.SHUT_WR)
            assert len(read_all(connection)) <= 7
    equal(echoes(w, port), True)
    wait_reason(w, "acme/t", "tls_failed", 9)


@test("what follows a failed handshake is discarded for a while: no reset destroys the alert")
def more_after_failure(w):
    with connect(relay(w), timeout=5) as connection:
        connection.sendall(b"\x16\x03\x01\x00\x04junk")
        equal(connection.recv(5), b"\x15\x03\x03\x00\x02")
        for _ in range(3):
            connection.sendall(b"j" * 10_000)
            time.sleep(0.1)
        equal(connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), 0)
        equal(len(connection.recv(100)), 2)
        equal(connection.recv(100), b"")


@test("a slow handshake ends after handshake_timeout, however busy it looks", timeout=40)
def slow_handshake(w):
    port = relay(w, "--handshake-timeout", "1s")
    hello = client_hello()
    began = time.monotonic()
    with connect(port, timeout=10) as connection:
        try:
            for byte in hello:
                connection.sendall(bytes([byte]))
                time.sleep(0.05)
                connection.setblocking(False)
                try:
                    if not connection.recv(100):
                        break
                except BlockingIOError:
                    pass
                connection.setblocking(True)
        except ConnectionError:
            pass
    seconds = time.monotonic() - began
    assert 0.8 < seconds < 4 * w.patience, seconds
    wait_reason(w, "acme/t", "handshake_timeout")


@test("an end without close_notify is an abort for the backend, not an end", threats="tls-cut")
def truncation(w):
    ends = []

    def note(connection, origin):
        try:
            while connection.recv(65536):
                pass
            ends.append("end")
        except ConnectionError:
            ends.append("reset")
    port = relay(w, backend=Origin(note))
    with tls_connect(w, port) as connection:
        connection.sendall(b"half a message")
        time.sleep(0.2)
        socket.socket(fileno=os.dup(connection.fileno())).shutdown(socket.SHUT_RDWR)
    until(lambda: ends, 5 * w.patience, "the backend's end")
    equal(ends, ["reset"])


@test("rotation under load: 100 new certificates, by themselves, by command and by HUP: each within 1 s, no handshake fails", timeout=150)
def rotation(w):
    w.init("acme")
    for number in range(6):
        certificate(w, f"v{number}", f"v{number}.test", "example.test")
    live = bundle(w, w.path("live.pem"), "v0")
    w.ctl("cert", "add", "live", "--cert", live, "-t", "acme")
    ports = [w.server("tls", "acme/t", "--backend", Origin(echo).address, "--cert", "live"), w.server("https", "acme/h", "--cert", "live")]
    daemon = w.run()
    context, errors, done, stopping = client_context(w), [], [0, 0], []

    def work(port, number):
        while not stopping:
            try:
                with tls_connect(w, port, context=context) as connection:
                    connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                    assert connection.recv(100)
                done[number] += 1
            except (OSError, AssertionError) as error:
                errors.append(repr(error))
    threads = [threading.Thread(target=work, args=(port, number), daemon=True) for number, port in enumerate(ports)]
    for thread in threads:
        thread.start()
    slowest, rounds = 0.0, 12 if w.sanitized else 100
    orders = (lambda: None, lambda: w.ctl("cert", "reload", "acme/live"), lambda: os.kill(daemon, 1), lambda: w.ctl("server", "reload", "acme/h"))
    for number in range(1, rounds + 1):
        began = time.monotonic()
        bundle(w, live, f"v{number % 6}")
        orders[number % 4]()
        for port in ports:
            until(lambda: served_name(w, port) == f"v{number % 6}.test", 1.0 * w.patience, f"certificate {number}", 0.01)
        slowest = max(slowest, time.monotonic() - began)
    stopping.append(True)
    for thread in threads:
        thread.join(10)
    equal(errors, [])
    assert min(done) > 50, done
    until(lambda: w.value("SELECT subject FROM certs") == f"CN=v{rounds % 6}.test", 2.0 * w.patience, "the row says so")
    w.figure(f"{rounds} certificates, {sum(done)} handshakes, none failed; slowest shown after {slowest:.2f} s")


@test("a bad new file keeps the old certificate and says why; a good one heals", threats="cert-rotation", timeout=90)
def bad_file(w):
    w.init("acme")
    certificate(w, "good", "good.test", "example.test")
    certificate(w, "next", "next.test", "example.test")
    live = bundle(w, w.path("live.pem"), "good")
    port = w.server("tls", "acme/t", "--backend", Origin(echo).address, "--cert", live)
    w.run()
    w.wait_status("acme/t", "running")
    with open(w.path("good.pem"), encoding="ascii") as cert, open(w.path("next.key"), encoding="ascii") as key:
        mixed = cert.read() + key.read()
    for text, mode, why in (("no PEM at all", 0o600, "there is no certificate"), (mixed, 0o600, "does not belong to its private key"),
                            (mixed, 0o644, "is open to every user")):
        w.write("bad.pem", text, mode)
        os.replace(w.path("bad.pem"), live)
        until(lambda: why in (w.show("acme/t")["last_error"] or ""), 15 * w.patience, why, 0.2)
        equal(served_name(w, port), "good.test")
        equal(echoes(w, port), True)
    bundle(w, live, "next")
    until(lambda: served_name(w, port) == "next.test", 15 * w.patience, "healed", 0.2)
    w.wait_status("acme/t", "running")


@test("a server whose certificate cannot serve does not start, and says why; others do", threats="cert-faults", timeout=60)
def refused_at_start(w):
    w.init("acme")
    pem, key = certificate(w, "site", "example.test")
    certificate(w, "other", "example.test")
    openssl(w, "pkey", "-in", key, "-aes128", "-passout", "pass:x", "-out", "locked.key")
    certificate(w, "weak", "weak.test", key=("-newkey", "rsa:1024"))
    certificate(w, "old", "old.test", days=0)
    w.write("empty.pem", "")
    os.chmod(w.path("locked.key"), 0o600)
    backend = Origin(echo).address
    cases = {"mismatch": (pem, w.path("other.key"), "does not belong to its private key"),
             "locked": (pem, w.path("locked.key"), "is encrypted"),
             "weak": (w.path("weak.pem"), w.path("weak.key"), "weak key (RSA 1024)"),
             "old": (w.path("old.pem"), w.path("old.key"), "expired on 20"),
             "gone": (w.path("gone.pem"), key, "no such file"),
             "keyless": (pem, pem, "there is no private key"),
             "empty": (w.path("empty.pem"), key, "there is no certificate")}
    for name, (cert, private, _) in cases.items():
        w.server("tls", f"acme/{name}", "--backend", backend, "--cert", cert, "--key", private)
    port = w.server("tls", "acme/t", "--backend", backend, "--cert", pem, "--key", key)
    w.run(code=(0, 1, 6))
    w.wait_status("acme/t", "running")
    equal(echoes(w, port), True)
    contains(w.ctl("server", "check", "acme/t").out, "1 certificate with a key, valid until 20")
    for name, (_, _, why) in cases.items():
        contains(w.ctl("server", "check", f"acme/{name}", code=1).out, why)
        w.wait_status(f"acme/{name}", "error")
        contains(w.show(f"acme/{name}")["last_error"], "config rejected", why)
    os.chmod(key, 0o640)
    w.ctl("server", "reload", "acme/t")
    w.wait_status("acme/t", "running")


@test("testssl.sh finds nothing above LOW on an https and a tls server", threats="tls-versions", timeout=180, sanitized=False)
def examined(w):
    w.need("testssl")
    w.init("acme")
    # Who could revoke it is the authority's affair; without such a line that would be the one finding.
    pem, key = certificate(w, "site", "example.test", "127.0.0.1", more="crlDistributionPoints=URI:http://127.0.0.1:9/crl\n")
    ports = {"https": w.server("https", "acme/h", "--cert", pem, "--key", key),
             "tls": w.server("tls", "acme/t", "--cert", pem, "--key", key, "--backend", Origin(echo).address)}
    w.run()
    running = {kind: subprocess.Popen(["testssl", "--quiet", "--color", "0", "--warnings", "off", "--ip", "one", "--add-ca", w.path("authority.pem"),
                                       "-p", "-f", "-s", "-P", "-S", "-U", "--jsonfile", w.path(f"{kind}.json"), f"127.0.0.1:{port}"],
                                      stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=w.env, cwd=w.dir)
               for kind, port in ports.items()}
    for kind, process in running.items():
        process.wait(150)
        with open(w.path(f"{kind}.json"), encoding="utf-8") as file:
            findings = json.load(file)
        found = {row["id"]: row for row in findings}
        equal([row for row in findings if row["severity"] in ("MEDIUM", "HIGH", "CRITICAL", "FATAL")], [], kind)
        assert len(findings) > 50, findings
        equal([found[name]["finding"] for name in ("TLS1", "TLS1_1", "TLS1_2", "TLS1_3")],
              ["not offered", "not offered", "offered", "offered with final"], kind)
        equal(found["cert_trust"]["severity"], "OK", kind)
        w.figure(f"{kind}: {len(findings)} checks")
