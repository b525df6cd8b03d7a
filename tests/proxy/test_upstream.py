"""What lies behind a server: backends over TLS, the PROXY protocol both ways, parent proxies. The peers are nginx,
HAProxy, ncat, curl and openssl."""
import os
import subprocess

from harness import contains, equal, test, until
from traffic import Nginx, Origin, accepts, answer_with, connect, curl, echo, exchange, get, header, through


# ---- peers -----------------------------------------------------------------------------------------------------------
def openssl(w, *args):
    subprocess.run(["openssl", *args], cwd=w.dir, env=w.env, check=True, stdin=subprocess.DEVNULL, capture_output=True)


def authority(w, name):
    openssl(w, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key",
            "-out", f"{name}.pem", "-subj", f"/CN={name}", "-days", "30")
    return w.path(f"{name}.pem")


def certificate(w, name, issuer, days=30):
    """A certificate for `name`.test, signed by that authority; (chain, key)."""
    w.write(f"{name}.ext", f"subjectAltName=DNS:{name}.test\n")
    openssl(w, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key",
            "-out", f"{name}.csr", "-subj", f"/CN={name}.test")
    openssl(w, "x509", "-req", "-in", f"{name}.csr", "-CA", f"{issuer}.pem", "-CAkey", f"{issuer}.key", "-CAcreateserial",
            "-days", str(days), "-extfile", f"{name}.ext", "-out", f"{name}.pem")
    return w.path(f"{name}.pem"), w.path(f"{name}.key")


def spawn(w, *argv, port):
    """A peer that listens on `port`; the run ends it with everything else."""
    w.need(argv[0])
    with open(w.path(f"{argv[0]}-{port}.log"), "wb") as log:
        process = subprocess.Popen(argv, cwd=w.dir, env=w.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    until(lambda: accepts(port), 10 * w.patience, f"{argv[0]} listening")
    return process


def nginx(w, servers, port):
    folder = w.path(f"nginx-{port}")
    os.makedirs(os.path.join(folder, "tmp"))
    user = "user root;" if os.getuid() == 0 else ""
    w.write(f"nginx-{port}/conf", f"""{user} daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log off; default_type text/plain; client_body_temp_path {folder}/tmp/b; proxy_temp_path {folder}/tmp/p;
  fastcgi_temp_path {folder}/tmp/f; uwsgi_temp_path {folder}/tmp/u; scgi_temp_path {folder}/tmp/s;
  {servers}
}}
""")
    return spawn(w, "nginx", "-p", folder, "-c", f"{folder}/conf", "-e", f"{folder}/error.log", port=port)


def haproxy(w, sections, port):
    w.write(f"haproxy-{port}.cfg", f"""global
  maxconn 200
defaults
  timeout connect 5s
  timeout client 20s
  timeout server 20s
{sections}
""")
    return spawn(w, "haproxy", "-db", "-f", w.path(f"haproxy-{port}.cfg"), port=port)


def tls_nginx(w, name, issuer="ca", days=30):
    """nginx over TLS with a certificate for `name`.test; returns its port."""
    chain, key = certificate(w, name, issuer, days)
    port = w.port()
    nginx(w, f"""server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {chain}; ssl_certificate_key {key}; ssl_protocols TLSv1.2 TLSv1.3;
             location / {{ return 200 "$ssl_server_name $ssl_protocol $host $connection_requests\\n"; }} }}""", port)
    return port


def sees_header(w, version):
    """nginx and HAProxy that want the PROXY header and answer with whom it names; their ports."""
    one, two = w.port(), w.port()
    nginx(w, f"""server {{ listen 127.0.0.1:{one} proxy_protocol;
             location / {{ return 200 "$proxy_protocol_addr:$proxy_protocol_port"; }} }}""", one)
    haproxy(w, f"""frontend f
  mode http
  bind 127.0.0.1:{two} accept-proxy
  http-request return status 200 content-type text/plain lf-string %[src]:%[src_port]
""", two)
    return one, two


# ---- TLS to backends -------------------------------------------------------------------------------------------------
@test("backends over TLS: http and tcp servers reach nginx, name and authority checked, connections kept")
def tls_backend(w):
    w.init("acme")
    ca = authority(w, "ca")
    port = tls_nginx(w, "app")
    web = w.server("http", "acme/web", "--backend", f"127.0.0.1:{port},tls,sni=app.test,ca={ca}")
    relay = w.server("tcp", "acme/relay", "--backend", f"127.0.0.1:{port},tls,sni=app.test,ca={ca}")
    w.ctl("tenant", "set", "acme", "worker_threads=1")  # each thread keeps its own
    w.run()
    for number in (1, 2, 3):
        equal(get(web, "http://a.test/").body, b"app.test TLSv1.3 a.test %d\n" % number)
    contains(exchange(relay, b"GET / HTTP/1.0\r\nHost: b.test\r\n\r\n"), b"app.test TLSv1.3 b.test 1\n")


@test("backends over TLS: another name, an unknown authority and an expired certificate are refused by name of the reason", threats="origin-tls")
def tls_refused(w):
    w.init("acme")
    ca, other = authority(w, "ca"), authority(w, "other")
    good, late = tls_nginx(w, "app"), tls_nginx(w, "late", days=-1)
    plain = Origin(echo)
    cases = {"name": f"127.0.0.1:{good},tls,sni=web.test,ca={ca}", "ca": f"127.0.0.1:{good},tls,sni=app.test,ca={other}",
             "late": f"127.0.0.1:{late},tls,sni=late.test,ca={ca}", "plain": f"{plain.address},tls,verify=none"}
    ports = {name: (w.server("http", f"acme/web-{name}", "--backend", backend), w.server("tcp", f"acme/tcp-{name}", "--backend", backend))
             for name, backend in cases.items()}
    easy = w.server("http", "acme/easy", "--backend", f"127.0.0.1:{late},tls,verify=none")
    w.run()
    for name, (web, relay) in ports.items():
        answer = get(web, "http://a.test/")
        equal(answer.status, 502, name)
        equal(header(answer.head, "X-Arcus-Error"), "upstream_tls_failed", name)
        equal(exchange(relay, b"GET / HTTP/1.0\r\n\r\n"), b"", name)
    equal(get(easy, "http://a.test/").status, 200)


# ---- the PROXY protocol ----------------------------------------------------------------------------------------------
@test("PROXY out: nginx and HAProxy hear who the client is, from http and tcp servers, v1 and v2")
def proxy_out(w):
    w.init("acme")
    backends = sees_header(w, "v1")
    for version in ("v1", "v2"):
        for number, backend in enumerate(backends):
            for kind in ("http", "tcp"):
                w.server(kind, f"acme/{kind}-{version}-{number}", "--backend", f"127.0.0.1:{backend}",
                         "--proxy-protocol-out", version)
    w.run()
    for server in w.json("server", "list", "-t", "acme"):
        with connect(server["listen_port"]) as connection:
            own = f"127.0.0.1:{connection.getsockname()[1]}".encode()
            for _ in range(2 if server["type"] == "http" else 1):
                connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                got = b""
                while not got.endswith(own):
                    data = connection.recv(65536)
                    assert data, f"{server['name']}: {got!r} does not end with {own!r}"
                    got += data


@test("PROXY in: HAProxy, curl and raw clients tell who they speak for; nothing else is let in", threats="proxy-header")
def proxy_in(w):
    w.init("acme")
    origin = Origin(answer_with(b"fine"))
    flags = ("--backend", origin.address, "--proxy-protocol-in", "any", "--proxy-protocol-from", "127.0.0.0/8")
    web = w.server("http", "acme/web", *flags)
    closed = w.server("http", "acme/closed", "--backend", origin.address, "--proxy-protocol-in", "any",
                      "--proxy-protocol-from", "10.0.0.0/8")
    front = w.port()
    w.ctl("config", "set", "health_interval_ms=500")
    w.run()
    haproxy(w, f"""listen l
  mode tcp
  bind 127.0.0.1:{front}
  server s 127.0.0.1:{web} send-proxy-v2 proxy-v2-options crc32c,unique-id
""", front)
    equal(curl(w, f"http://127.0.0.1:{front}/"), "fine")
    equal(curl(w, "--haproxy-protocol", f"http://127.0.0.1:{web}/"), "fine")
    ask = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    contains(exchange(web, b"PROXY TCP4 203.0.113.9 192.0.2.1 4711 80\r\n" + ask), b"fine")
    equal(header(origin.heads[-1], "X-Forwarded-For"), "203.0.113.9")
    seen = len(origin.heads)
    equal(exchange(web, ask), b"")
    equal(exchange(closed, b"PROXY TCP4 203.0.113.9 192.0.2.1 4711 80\r\n" + ask), b"")
    equal(len(origin.heads), seen)
    until(lambda: w.show("acme/web")["health"]["status"] == "healthy", 20 * w.patience, "the daemon's own check passes")


@test("PROXY in and out: whom HAProxy names reaches HAProxy behind us, and the rules")
def proxy_through(w):
    w.init("acme")
    _, backend = sees_header(w, "v2")
    port = w.server("tcp", "acme/db", "--backend", f"127.0.0.1:{backend}", "--proxy-protocol-in", "v1",
                    "--proxy-protocol-from", "127.0.0.1", "--proxy-protocol-out", "v2", "--deny", "198.51.100.0/24")
    w.run()
    ask = b"GET / HTTP/1.0\r\n\r\n"
    contains(exchange(port, b"PROXY TCP4 203.0.113.9 192.0.2.1 4711 80\r\n" + ask), b"203.0.113.9:4711")
    contains(exchange(port, b"PROXY TCP6 2001:db8::9 2001:db8::1 4712 80\r\n" + ask), b"2001:db8::9:4712")
    equal(exchange(port, b"PROXY TCP4 198.51.100.7 192.0.2.1 4713 80\r\n" + ask), b"")


# ---- parent proxies --------------------------------------------------------------------------------------------------
def edge(w, *parents, kind="http", more=()):
    """A server of tenant acme behind those parents; returns its port. Addresses its clients name are guarded, parent or not."""
    w.allow_loopback("acme")
    flags = [flag for parent in parents for flag in ("--parent", parent)]
    return w.server(kind, "acme/edge", *flags, "--set", 'connect_ports=["*"]', *more) if kind == "http" else \
        w.server(kind, "acme/edge", *flags, *more)


def own_parent(w, kind, *flags):
    """Another server of ours, in front of the origin."""
    w.ctl("tenant", "add", "other")
    w.allow_loopback("other")
    more = () if kind == "socks" else ("--set", 'connect_ports=["*"]')
    return w.server(kind, "other/parent", *more, *flags)


@test("parent http: requests, bodies and CONNECT pass two of ours in a row", timeout=90)
def parent_http(w):
    w.init("acme")
    origin = Nginx(w)
    sink = Origin(answer_with(b"fine"))
    port = edge(w, f"http://127.0.0.1:{own_parent(w, 'http')}")
    w.run()
    url = origin.file("big", 3 << 20)
    equal(through(w, port, origin.url), "hello from nginx\n")
    equal(through(w, port, origin.url, "-p"), "hello from nginx\n")
    equal(through(w, port, url, "-o", "/dev/null", "-w", "%{size_download}"), str(3 << 20))
    equal(through(w, port, sink.url, "-d", "x" * 100000), "fine")
    equal(len(sink.heads), 1)
    contains(sink.heads[0].decode(), "POST / HTTP/1.1", f"Host: {sink.address}")
    until(lambda: "FIRSTUP_PARENT/127.0.0.1" in w.ctl("logs", "acme/edge").out, 5 * w.patience, "recorded", 0.1)


@test("parent http: ncat as the parent, with credentials from a file; wrong ones are our failure, not the client's")
def parent_ncat(w):
    w.init("acme")
    origin = Nginx(w)
    parent = w.port()
    spawn(w, "ncat", "-l", "-k", "127.0.0.1", str(parent), "--proxy-type", "http", "--proxy-auth", "joe:secret", port=parent)
    good, bad = w.write("good", "secret\n"), w.write("bad", "guess\n")
    port = edge(w, f"http://joe@127.0.0.1:{parent},password_file={good}")
    wrong = w.server("http", "acme/wrong", "--parent", f"http://joe@127.0.0.1:{parent},password_file={bad}",
                     "--set", 'connect_ports=["*"]')
    w.run()
    equal(through(w, port, origin.url, "-p"), "hello from nginx\n")
    answer = exchange(wrong, f"CONNECT 127.0.0.1:{origin.port} HTTP/1.1\r\nHost: 127.0.0.1:{origin.port}\r\n\r\n".encode(),
                      half_close=True)
    contains(answer.decode(), " 502 ", "X-Arcus-Error: upstream_protocol", "credentials")


@test("parent https: HAProxy ends the TLS, ncat connects")
def parent_https(w):
    w.init("acme")
    ca = authority(w, "ca")
    chain, key = certificate(w, "parent", "ca")
    with open(chain, encoding="utf-8") as one, open(key, encoding="utf-8") as other:
        w.write("both.pem", one.read() + other.read())
    origin = Nginx(w)
    inner, front = w.port(), w.port()
    spawn(w, "ncat", "-l", "-k", "127.0.0.1", str(inner), "--proxy-type", "http", port=inner)
    haproxy(w, f"""listen l
  mode tcp
  bind 127.0.0.1:{front} ssl crt {w.path('both.pem')}
  server s 127.0.0.1:{inner}
""", front)
    port = edge(w, f"https://127.0.0.1:{front},sni=parent.test,ca={ca}")
    wrong = w.server("http", "acme/wrong", "--parent", f"https://127.0.0.1:{front},sni=other.test,ca={ca}",
                     "--set", 'connect_ports=["*"]')
    w.run()
    equal(through(w, port, origin.url, "-p"), "hello from nginx\n")
    equal(header(get(wrong, origin.url).head, "X-Arcus-Error"), "upstream_tls_failed")


@test("parent socks5: requests and CONNECT go through it by name")
def parent_socks(w):
    w.init("acme")
    origin = Nginx(w)
    port = edge(w, f"socks5://127.0.0.1:{own_parent(w, 'socks')}")
    w.run()
    named = f"http://localhost:{origin.port}"
    equal(through(w, port, named), "hello from nginx\n")
    equal(through(w, port, named, "-p"), "hello from nginx\n")
    equal(through(w, port, origin.url), "hello from nginx\n")


@test("socks through a parent: names stay names")
def socks_parent(w):
    w.init("acme")
    origin = Nginx(w)
    port = edge(w, f"http://127.0.0.1:{own_parent(w, 'http')}", kind="socks")
    w.run()
    equal(curl(w, "-x", f"socks5h://127.0.0.1:{port}", f"http://localhost:{origin.port}/"), "hello from nginx\n")
    equal(curl(w, "-x", f"socks5://127.0.0.1:{port}", origin.url), "hello from nginx\n")


@test("sni: a backend hears the PROXY header before the client's hello")
def sni_header(w):
    w.init("acme")
    authority(w, "ca")
    chain, key = certificate(w, "told", "ca")
    told = w.port()
    nginx(w, f"""server {{ listen 127.0.0.1:{told} ssl proxy_protocol; ssl_certificate {chain}; ssl_certificate_key {key};
             location / {{ return 200 "$proxy_protocol_addr"; }} }}""", told)
    port = w.server("sni", "acme/edge", "--backend", f"127.0.0.1:{told}", "--route", "told.test=backends",
                    "--proxy-protocol-out", "v2")
    w.run()
    equal(curl(w, "-k", "--connect-to", f"::127.0.0.1:{port}", "https://told.test/"), "127.0.0.1")


@test("parents: one that is down costs nothing but the way to the next; rules of names hold")
def parent_down(w):
    w.init("acme")
    origin = Origin(answer_with(b"fine"))
    gone = w.port()
    port = edge(w, f"http://127.0.0.1:{gone}", f"http://127.0.0.1:{own_parent(w, 'http')}", more=("--deny-to", "*.bad.test"))
    w.run()
    for _ in range(6):
        equal(get(port, origin.url).body, b"fine")
    equal(get(port, "http://very.bad.test/").status, 403)
    answer = get(port, "http://127.0.0.1:1/")
    equal(answer.status in (403, 502), True, answer.head)  # what the parent says, which still serves:
    equal(get(port, origin.url).body, b"fine")


@test("a name of this host is reached whichever family answers")
def both_families(w):
    w.init("acme")
    origin = Origin(answer_with(b"four"))
    w.allow_loopback("acme")
    w.ctl("acl", "add", "allow", "--to", "::1/128", "-t", "acme")
    port = w.server("http", "acme/web")
    w.run()
    equal(get(port, f"http://localhost:{origin.port}/").body, b"four")
