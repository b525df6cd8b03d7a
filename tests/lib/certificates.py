"""Certificates made by the openssl program, and clients that speak TLS."""
import os
import socket
import ssl
import subprocess


def openssl(w, *args, code=0, input=None, timeout=20):
    """Runs the openssl program in the test's folder; returns its output, both streams."""
    w.need("openssl")
    given = {"input": input} if input is not None else {"stdin": subprocess.DEVNULL}
    done = subprocess.run(["openssl", *map(str, args)], env=w.env, cwd=w.dir, text=True, errors="replace",
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout, **given)
    assert code is None or done.returncode == code, f"openssl {args}: exit {done.returncode}\n{done.stdout}"
    return done.stdout


def authority(w, name="authority"):
    """A certificate authority NAME.pem, NAME.key; returns the path of its certificate."""
    openssl(w, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", 30, "-subj",
            f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem")
    return w.path(f"{name}.pem")


def certificate(w, file, *names, days=90, issuer="authority", key=("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
                more=""):
    """FILE.pem and FILE.key for `names`, signed by `issuer` (made when missing); returns both paths."""
    if not os.path.exists(w.path(f"{issuer}.pem")):
        authority(w, issuer)
    openssl(w, "req", *key, "-nodes", "-subj", f"/CN={names[0]}", "-keyout", f"{file}.key", "-out", f"{file}.csr")
    kinds = ",".join(("IP:" if name.replace(".", "").isdigit() else "DNS:") + name for name in names)
    w.write(f"{file}.ext", f"subjectAltName={kinds}\n{more}")
    openssl(w, "x509", "-req", "-in", f"{file}.csr", "-CA", f"{issuer}.pem", "-CAkey", f"{issuer}.key", "-CAcreateserial",
            "-days", days, "-extfile", f"{file}.ext", "-out", f"{file}.pem")
    os.chmod(w.path(f"{file}.key"), 0o600)
    return w.path(f"{file}.pem"), w.path(f"{file}.key")


def bundle(w, path, file):
    """`path`: certificate and key of FILE in one, readable by its owner only, put in place at once."""
    with open(w.path(f"{file}.pem"), encoding="ascii") as cert, open(w.path(f"{file}.key"), encoding="ascii") as key:
        text = cert.read() + key.read()
    descriptor = os.open(path + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as out:
        out.write(text)
    os.replace(path + ".new", path)
    return path


def client_context(w, verify="authority.pem", own=None):
    context = ssl.create_default_context(cafile=w.path(verify)) if verify else ssl._create_unverified_context()
    context.options &= ~0x80  # OP_IGNORE_UNEXPECTED_EOF, which Python sets and does not name: an end without close_notify is told
    if own:
        context.load_cert_chain(w.path(f"{own}.pem"), w.path(f"{own}.key"))
    return context


def tls_connect(w, port, name="example.test", context=None, timeout=10.0, session=None):
    """A connected and verified TLS socket; an end without close_notify is an SSLEOFError."""
    plain = socket.create_connection(("127.0.0.1", port), timeout)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return (context or client_context(w)).wrap_socket(plain, server_hostname=name, session=session,
                                                      suppress_ragged_eofs=False)


def served_name(w, port, name="example.test"):
    """The common name of the certificate that a client asking for `name` gets."""
    with tls_connect(w, port, name, client_context(w, None)) as connection:
        der = connection.getpeercert(True)
    path = w.path("served.der")
    with open(path, "wb") as file:
        file.write(der)
    return openssl(w, "x509", "-inform", "DER", "-in", path, "-noout", "-subject").strip().split("CN = ")[-1]


def s_client(w, port, *args, input="", code=None, name="example.test"):
    """What `openssl s_client` prints about one connection."""
    return openssl(w, "s_client", "-connect", f"127.0.0.1:{port}", "-servername", name, "-CAfile", w.path("authority.pem"),
                   *args, input=input, code=code)


def client_hello(name="example.test"):
    """The first bytes of a real TLS client that asks for `name`."""
    outgoing = ssl.MemoryBIO()
    tls = ssl._create_unverified_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name)
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()
