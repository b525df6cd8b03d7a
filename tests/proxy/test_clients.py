"""The programs people point at a proxy: wget, git, apt, requests, PySocks, openssl, ssh, ncat and Chromium."""
import json
import os
import shutil
import subprocess

from harness import Skip, contains, equal, matches, test, until
from origins import Recorder, body_of, make_certificate
from traffic import Nginx, Origin, accepts, echo

ANY_PORT = ("--connect-ports", "*")


def run(w, *argv, env=None, input=None, code=0, timeout=60):
    """A client to its end; returns its output, both streams."""
    w.need(argv[0])
    done = subprocess.run([str(a) for a in argv], env={**w.env, **(env or {})}, cwd=w.dir, input=input, timeout=timeout,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                          **({} if input is not None else {"stdin": subprocess.DEVNULL}))
    assert code is None or done.returncode == code, f"{' '.join(map(str, argv))}: exit {done.returncode}\n{done.stdout}"
    return done.stdout


class Proxies:
    """A running http, https and socks server of one tenant, loopback opened."""

    def __init__(self, w, https=True):
        w.init("acme")
        for network in ("127.0.0.0/8", "::1/128"):
            w.ctl("acl", "add", "allow", "--to", network, "-t", "acme")
        self.cert, self.key = make_certificate(w.dir)
        self.http = w.server("http", "acme/web", *ANY_PORT)
        self.socks = w.server("socks", "acme/gate")
        if https:
            self.https = w.server("https", "acme/secure", "--cert", self.cert, "--key", self.key, *ANY_PORT)
        w.run()


def requests_of(w, name):
    return w.show(f"acme/{name}")["stats"]["total_requests"]


def counted(w, name, at_least=1):
    until(lambda: requests_of(w, name) >= at_least, 5 * w.patience, f"{name} counted {at_least}", 0.1)


@test("wget: a page and a file over http, and https through CONNECT")
def wget(w):
    proxies, nginx = Proxies(w, https=False), Nginx(w)
    secure = Recorder("127.0.0.1", (proxies.cert, proxies.key))
    env = {"http_proxy": f"http://127.0.0.1:{proxies.http}", "https_proxy": f"http://127.0.0.1:{proxies.http}"}
    equal(run(w, "wget", "-q", "-O", "-", nginx.url + "/", env=env), "hello from nginx\n")
    run(w, "wget", "-q", "--ca-certificate", proxies.cert, "-O", "got", f"https://127.0.0.1:{secure.port}/bytes/300000", env=env)
    with open(w.path("got"), "rb") as file:
        assert file.read() == body_of(300000)
    counted(w, "web", 2)


@test("git: clone over http through the http and the socks proxy")
def git(w):
    proxies, nginx = Proxies(w, https=False), Nginx(w)
    w.need("git")
    who = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b",
           "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
    run(w, "git", "init", "-q", "work", env=who)
    for number in range(20):
        w.write(f"work/file{number}", str(number) * 5000)
    run(w, "git", "-C", "work", "add", ".", env=who)
    run(w, "git", "-C", "work", "commit", "-qm", "all", env=who)
    run(w, "git", "clone", "-q", "--bare", "work", os.path.join(nginx.www, "repo.git"), env=who)
    run(w, "git", "-C", os.path.join(nginx.www, "repo.git"), "update-server-info", env=who)
    for number, proxy in enumerate((f"http://127.0.0.1:{proxies.http}", f"socks5h://127.0.0.1:{proxies.socks}",
                                    f"socks4a://127.0.0.1:{proxies.socks}")):
        run(w, "git", "-c", f"http.proxy={proxy}", "clone", "-q", nginx.url + "/repo.git", f"copy{number}", env=who)
        equal(sorted(os.listdir(w.path(f"copy{number}"))), sorted(os.listdir(w.path("work"))))
    counted(w, "web", 3)
    counted(w, "gate", 2)


@test("apt: update and download from a repository through the proxy")
def apt(w):
    w.need("apt-get", "dpkg-deb")
    proxies, nginx = Proxies(w, https=False), Nginx(w)
    os.makedirs(w.path("pkg/DEBIAN"))
    os.chmod(w.path("pkg/DEBIAN"), 0o755)
    w.write("pkg/DEBIAN/control", "Package: arcus-probe\nVersion: 1\nArchitecture: all\nMaintainer: a <a@b>\nDescription: probe\n", 0o644)
    os.chmod(w.path("pkg"), 0o755)
    deb = os.path.join(nginx.www, "arcus-probe_1_all.deb")
    run(w, "dpkg-deb", "--root-owner-group", "-b", "pkg", deb)
    digest = run(w, "sha256sum", deb).split()[0]
    with open(os.path.join(nginx.www, "Packages"), "w", encoding="utf-8") as file:
        file.write("Package: arcus-probe\nVersion: 1\nArchitecture: all\nMaintainer: a <a@b>\nFilename: ./arcus-probe_1_all.deb\n"
                   f"Size: {os.path.getsize(deb)}\nSHA256: {digest}\nDescription: probe\n\n")
    w.write("sources.list", f"deb [trusted=yes] {nginx.url}/ ./\n", 0o644)
    for folder in ("lists/partial", "cache/archives/partial"):
        os.makedirs(w.path(folder))
    options = ["-o", f"Acquire::http::Proxy=http://127.0.0.1:{proxies.http}", "-o", f"Dir::Etc::sourcelist={w.path('sources.list')}",
               "-o", "Dir::Etc::sourceparts=-", "-o", f"Dir::State::lists={w.path('lists')}", "-o", f"Dir::Cache={w.path('cache')}",
               "-o", "APT::Sandbox::User=root", "-o", "Debug::NoLocking=1"]
    run(w, "apt-get", *options, "update")
    run(w, "apt-get", *options, "download", "arcus-probe")
    with open(w.path("arcus-probe_1_all.deb"), "rb") as mine, open(deb, "rb") as theirs:
        assert mine.read() == theirs.read()
    counted(w, "web", 2)


REQUESTS = """
import hashlib, json, sys, requests
origin, secure, cert, proxies = sys.argv[1], sys.argv[2], sys.argv[3], json.loads(sys.argv[4])
def streamed():
    for number in range(10):
        yield b"piece %d;" % number
for name, proxy in proxies.items():
    session = requests.Session()
    session.trust_env = False
    session.proxies = {"http": proxy, "https": proxy}
    session.verify = cert
    for base in (origin, secure):
        assert session.get(base + "/bytes/70000").content == bytes(range(256)) * 273 + bytes(range(112)), (name, base)
        told = session.post(base + "/up", data=streamed()).text.split()
        whole = b"".join(streamed())
        assert told == [str(len(whole)), hashlib.sha256(whole).hexdigest()], (name, base, told)
        assert session.head(base + "/bytes/5").headers["Content-Length"] == "5"
    print(name, "ok")
"""


@test("python3-requests: http, https and SOCKS proxies, plain and TLS origins, streamed uploads")
def python_requests(w):
    if subprocess.run(["/usr/bin/python3", "-c", "import requests, socks"], capture_output=True).returncode:
        raise Skip("python3-requests or python3-socks is not installed")
    proxies = Proxies(w)
    plain, secure = Recorder("127.0.0.1"), Recorder("127.0.0.1", (proxies.cert, proxies.key))
    table = {"http": f"http://127.0.0.1:{proxies.http}", "https": f"https://127.0.0.1:{proxies.https}",
             "socks5h": f"socks5h://127.0.0.1:{proxies.socks}", "socks4a": f"socks4a://127.0.0.1:{proxies.socks}"}
    out = run(w, "/usr/bin/python3", "-c", REQUESTS, f"http://localhost:{plain.port}", f"https://localhost:{secure.port}",
              proxies.cert, json.dumps(table))
    equal([line for line in out.splitlines() if line.endswith(" ok")], [f"{name} ok" for name in table], out)


@test("openssl s_client: through CONNECT, and to tls and sni servers")
def openssl(w):
    proxies = Proxies(w, https=False)
    secure, plain = Recorder("127.0.0.1", (proxies.cert, proxies.key)), Recorder("127.0.0.1")
    tls = w.server("tls", "acme/ends", "--backend", plain.address, "--cert", proxies.cert, "--key", proxies.key)
    sni = w.server("sni", "acme/names", "--route", f"localhost=127.0.0.1:{secure.port}")
    ask = "GET /bytes/3 HTTP/1.0\r\n\r\n"
    common = ["-CAfile", proxies.cert, "-verify_return_error", "-quiet", "-servername", "localhost", "-ign_eof"]
    for where in (["-proxy", f"127.0.0.1:{proxies.http}", "-connect", f"127.0.0.1:{secure.port}"],
                  ["-connect", f"127.0.0.1:{tls}"], ["-connect", f"127.0.0.1:{sni}"]):
        out = run(w, "openssl", "s_client", *where, *common, input=ask, code=None)  # the origin ends without close_notify
        contains(out, "HTTP/1.1 200 OK", "\x00\x01\x02")


def ssh_server(w):
    """Path of an SSH server: the machine's, or one that is unpacked here, for installing it would start it."""
    if os.getuid() != 0:
        raise Skip("an SSH server wants root")
    if found := shutil.which("sshd", path=w.env["PATH"]):
        return found
    os.mkdir(w.path("debs"))
    for package in ("openssh-server", "libwrap0"):
        if subprocess.run(["apt-get", "download", "-q", package], cwd=w.path("debs"), env=w.env, capture_output=True).returncode:
            raise Skip("no SSH server here, and none can be fetched")
    for name in os.listdir(w.path("debs")):
        subprocess.run(["dpkg", "-x", w.path(f"debs/{name}"), w.path("unpacked")], check=True)
    w.env["LD_LIBRARY_PATH"] = os.path.join(w.path("unpacked"), "usr/lib/x86_64-linux-gnu")
    return w.path("unpacked/usr/sbin/sshd")


@test("ssh through nc -X connect, -X 5 and -X 4, with a file of 8 MiB")
def ssh(w):
    w.need("ssh", "nc")
    sshd = ssh_server(w)
    proxies = Proxies(w, https=False)
    for name in ("host", "user"):
        run(w, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", name)
    os.makedirs("/run/sshd", exist_ok=True)
    os.chmod(w.dir, 0o700)
    shutil.copy(w.path("user.pub"), w.path("authorized"))
    port = w.port()
    w.write("sshd_config", f"Port {port}\nListenAddress 127.0.0.1\nHostKey {w.path('host')}\nPidFile none\nUsePAM no\n"
                           f"AuthorizedKeysFile {w.path('authorized')}\nStrictModes no\nPasswordAuthentication no\n"
                           "PermitRootLogin prohibit-password\n")
    with open("/etc/passwd", encoding="utf-8") as file:
        w.write("passwd", file.read() + "sshd:x:65533:65534::/run/sshd:/usr/sbin/nologin\n", 0o644)
    with open(w.path("sshd.log"), "wb") as log:  # it wants a user of its own, which only it sees here
        subprocess.Popen(["unshare", "-m", "sh", "-c", f"mount --bind {w.path('passwd')} /etc/passwd && "
                          f"exec {sshd} -D -e -f {w.path('sshd_config')}"],
                         stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=w.env)
    until(lambda: accepts(port), 10 * w.patience, "sshd listening")
    with open(w.path("data"), "wb") as file:
        file.write(body_of(8 << 20))
    for kind, proxy in (("connect", proxies.http), ("5", proxies.socks), ("4", proxies.socks)):
        common = ["-F", "none", "-i", w.path("user"), "-p", str(port), "-o", "StrictHostKeyChecking=no", "-o", "BatchMode=yes",
                  "-o", f"UserKnownHostsFile={w.path('known')}", "-o", f"ProxyCommand=nc -X {kind} -x 127.0.0.1:{proxy} %h %p",
                  "-o", "LogLevel=ERROR"]
        equal(run(w, "ssh", *common, "root@127.0.0.1", "echo", "arrived"), "arrived\n")
        with open(w.path("data"), "rb") as data:
            done = subprocess.run(["ssh", *common, "root@127.0.0.1", "sha256sum"], stdin=data, capture_output=True, text=True,
                                  env=w.env, timeout=60)
        equal(done.stdout.split()[:1], run(w, "sha256sum", "data").split()[:1], done.stderr)
    counted(w, "web", 2)
    counted(w, "gate", 4)


@test("ncat: a tunnel through the http, SOCKS4 and SOCKS5 proxies")
def ncat(w):
    proxies = Proxies(w, https=False)
    sink = Origin(echo)
    for kind, port in (("http", proxies.http), ("socks4", proxies.socks), ("socks5", proxies.socks)):
        out = run(w, "ncat", "--proxy", f"127.0.0.1:{port}", "--proxy-type", kind, "127.0.0.1", sink.port, input="round trip\n")
        equal(out, "round trip\n", kind)


@test("Chromium, headless: pages through the http, https and SOCKS5 proxies, plain and TLS", timeout=180, sanitized=False)
def chromium(w):
    w.need("chromium")
    proxies, nginx = Proxies(w), Nginx(w)
    with open(os.path.join(nginx.www, "page.html"), "w", encoding="utf-8") as file:
        file.write("<script>fetch('/more.txt').then(r => r.text()).then(t => document.title = t)</script><p>the page")
    with open(os.path.join(nginx.www, "more.txt"), "w", encoding="utf-8") as file:
        file.write("fetched")
    secure = Recorder("127.0.0.1", (proxies.cert, proxies.key))
    common = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
              "--disable-background-networking", "--disable-component-update", "--proxy-bypass-list=<-loopback>",
              "--ignore-certificate-errors", "--virtual-time-budget=5000", "--timeout=20000", "--dump-dom"]
    for kind, port, name in (("http", proxies.http, "web"), ("https", proxies.https, "secure"), ("socks5", proxies.socks, "gate")):
        before = requests_of(w, name)
        with_proxy = [*common, f"--user-data-dir={w.path('profile-' + kind)}", f"--proxy-server={kind}://127.0.0.1:{port}"]
        page = run(w, *with_proxy, nginx.url + "/page.html", timeout=90)
        contains(page, "the page")
        matches(page, r"<title>fetched</title>")
        contains(run(w, *with_proxy, f"https://localhost:{secure.port}/any", timeout=90), "0 e3b0c442")
        counted(w, name, before + 2)
    assert any(b"Mozilla" in head for head in secure.heads), "the browser itself reached the origin"
