"""Certificates as commands: names for files, what they say, who shows them, and every fault as a sentence."""
import hashlib
import os
import re

from certificates import bundle, certificate, client_context, openssl, s_client, served_name, tls_connect
from harness import contains, equal, matches, test, until


def days_left(w, name):
    return int(w.value(f"SELECT days FROM certs WHERE name = '{name}'"))


@test("cert: add, list, show, set, check, remove; a server shows what it names")
def verbs(w):
    w.init("acme", "globex")
    pem, key = certificate(w, "one", "example.test", "www.example.test", "192.0.2.7")
    added = w.ctl("cert", "add", "main", "--cert", "one.pem", "--key", "one.key", "-t", "acme").out
    identity = matches(added, r"^acme/main  ([0-9a-f]{12})  CN=example.test  valid until \d{4}-\d\d-\d\d \((89|90) days\)$").group(1)
    shown = w.json("cert", "show", "acme/main")
    equal([shown[k] for k in ("id", "tenant", "name", "subject", "issuer", "key_type", "cert_path", "key_path", "used_by")],
          [identity, "acme", "main", "CN=example.test", "CN=authority", "EC P-256", pem, key, None])
    equal(shown["sans"], ["example.test", "www.example.test", "192.0.2.7"])
    assert shown["days"] in (89, 90), shown
    printed = openssl(w, "x509", "-in", "one.pem", "-noout", "-fingerprint", "-sha256").split("=")[1].strip().replace(":", "").lower()
    equal(shown["fingerprint_sha256"], printed)
    contains(w.ctl("cert", "add", "main", "--cert", "one.pem", "--key", "one.key", "-t", "acme", code=4).err, "already has a certificate 'main'")
    w.ctl("cert", "add", "main", "--cert", "one.pem", "--key", "one.key", "-t", "globex")
    contains(w.ctl("cert", "show", "acme/mian", code=3).err, "no certificate 'mian'", "did you mean: main")
    contains(w.ctl("cert", "add", "Bad_", "--cert", "one.pem", "--key", "one.key", "-t", "acme", code=2).err, "cert.name:")
    listing = w.ctl("cert", "list", "-t", "acme").out
    contains(listing, "TENANT", "USED_BY", "example.test,www.example.test,192.0.2.7")
    equal(listing.count("\n"), 2, listing)
    w.ctl("server", "add", "https", "web", "--cert", "main", "-t", "acme", "--no-start")
    equal([w.json("server", "show", "acme/web")[k] for k in ("cert", "tls_cert_path", "tls_key_path")], ["main", None, None])
    equal(w.json("cert", "show", "acme/main")["used_by"], "web")
    contains(w.ctl("cert", "remove", "acme/main", code=4).err, "is shown by acme/web", "server set acme/web cert=ANOTHER")
    contains(w.ctl("server", "set", "acme/web", "cert=mian", code=2).err, "this tenant has no certificate 'mian'", "did you mean: main")
    contains(w.ctl("server", "set", "acme/web", f"tls_cert_path={pem}", code=2).err, "cert: names certificates of the registry")
    contains(w.ctl("server", "add", "https", "two", "--cert", "mian", "-t", "acme", code=3).err, "no certificate 'mian'", "did you mean: main")
    certificate(w, "two", "two.test")
    w.ctl("cert", "add", "two", "--cert", "two.pem", "--key", "two.key", "-t", "acme", "--description", "second")
    w.ctl("server", "set", "acme/web", "cert=two, main")
    equal(w.value("SELECT cert FROM server WHERE name = 'web'"), "two,main")
    contains(w.ctl("server", "check", "acme/web").out, "2 certificates with a key")
    w.ctl("cert", "set", "acme/two", "cert_path=one.pem", "key_path=one.key", "description=first")
    equal([w.json("cert", "show", "acme/two")[k] for k in ("subject", "description")], ["CN=example.test", "first"])
    contains(w.ctl("cert", "set", "acme/two", "cert_path=two.pem", code=1).err, "does not belong to its private key")
    contains(w.ctl("cert", "set", "acme/two", "path=x", code=2).err, "unknown key 'path'")
    w.ctl("server", "set", "acme/web", "cert=main")
    w.ctl("cert", "remove", "acme/two", "-n")
    w.ctl("cert", "remove", "acme/two")
    equal([row["name"] for row in w.json("cert", "list", "-t", "acme")], ["main"])
    contains(w.ctl("audit", "list").out, "cert.add", "cert.set", "cert.remove")
    assert "PRIVATE" not in w.ctl("audit", "list", "-o", "json").out
    w.ctl("tenant", "remove", "globex", "--yes")
    equal(w.value("SELECT count(*) FROM cert"), "1", "those of a tenant go with it")


@test("cert: each fault of a file or key is a sentence, and nothing is added", threats="cert-faults")
def faults(w):
    w.init("acme")
    certificate(w, "good", "example.test")
    certificate(w, "other", "other.test")
    certificate(w, "weak", "weak.test", key=("-newkey", "rsa:1024"))
    openssl(w, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", -1, "-subj", "/CN=old.test",
            "-keyout", "old.key", "-out", "old.pem", code=None)
    openssl(w, "pkey", "-in", "good.key", "-aes128", "-passout", "pass:geheim", "-out", "locked.key")
    w.write("junk.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    w.write("open.key", open(w.path("good.key"), encoding="ascii").read(), mode=0o644)
    os.chmod(w.path("locked.key"), 0o600)
    os.mkdir(w.path("folder"))
    rows = [("other.pem", "good.key", "does not belong to its private key"), ("weak.pem", "weak.key", "weak key (RSA 1024)"),
            ("good.pem", "locked.key", "is encrypted"), ("junk.pem", "good.key", "not valid PEM"), ("good.key", "good.key", "there is no certificate"),
            ("good.pem", "open.key", "open to every user of this host"), ("good.pem", "none.key", "cannot be read: no such file"),
            ("none.pem", "good.key", "cannot be read: no such file"), ("folder", "good.key", "is not a file"),
            ("good.pem", "good.pem", "there is no private key")]
    if os.path.exists(w.path("old.pem")):
        os.chmod(w.path("old.key"), 0o600)
        rows.append(("old.pem", "old.key", "expired on"))
    for cert, key, sentence in rows:
        contains(w.ctl("cert", "add", "main", "--cert", cert, "--key", key, "-t", "acme", code=1).err, sentence)
    equal(w.json("cert", "list"), [])
    contains(w.ctl("cert", "add", "main", "-t", "acme", code=2).err, "--cert")


@test("cert: generate makes what real clients accept: alone, or signed by an authority of the tenant; csr, hook, --pem")
def generate(w):
    w.init("acme")
    out = w.ctl("cert", "generate", "main", "--san", "example.test,127.0.0.1", "--days", "30", "-t", "acme").out
    contains(out, "CN=example.test")
    assert days_left(w, "main") in (29, 30)
    path = w.json("cert", "show", "acme/main")["cert_path"]
    equal(os.stat(path).st_mode & 0o777, 0o600)
    contains(w.ctl("cert", "generate", "main", "--san", "x.test", "-t", "acme", code=4).err, "already has a certificate 'main'", "--replace")
    contains(w.ctl("cert", "generate", "bad", "--san", "a b", "-t", "acme", code=2).err, "'a b' is no name for a certificate")
    contains(w.ctl("cert", "generate", "bad", "--san", "UPPER.test", "-t", "acme", code=2).err, "is no name for a certificate")
    contains(w.ctl("cert", "generate", "bad", "--san", "x.test", "--issuer", "main", "-t", "acme", code=1).err, "is no authority")
    w.ctl("cert", "generate", "dry", "--san", "x.test", "-t", "acme", "-n")
    assert not os.path.exists(path.replace("main.pem", "dry.pem")) and w.value("SELECT count(*) FROM cert") == "1"
    w.ctl("cert", "generate", "ca", "--ca", "--san", "acme test authority", "-t", "acme")
    w.ctl("cert", "generate", "leaf", "--san", "example.test,*.example.test", "--issuer", "ca", "--key-type", "rsa", "-t", "acme")
    shown = w.json("cert", "show", "acme/leaf")
    equal([shown["issuer"], shown["key_type"]], ["CN=acme test authority", "RSA 2048"])
    pem = w.ctl("cert", "show", "acme/ca", "--pem").out
    assert "PRIVATE KEY" not in pem, "the key stays where it is"
    w.write("authority.pem", pem)
    w.write("leaf.pem", w.ctl("cert", "show", "acme/leaf", "--pem").out)
    contains(openssl(w, "verify", "-x509_strict", "-CAfile", "authority.pem", "-verify_hostname", "www.example.test", "leaf.pem"), "leaf.pem: OK")
    w.write("main.pem", w.ctl("cert", "show", "acme/main", "--pem").out)
    contains(openssl(w, "verify", "-CAfile", "main.pem", "-verify_ip", "127.0.0.1", "main.pem"), "main.pem: OK")
    request = w.ctl("cert", "csr", "acme/leaf").out
    text = openssl(w, "req", "-verify", "-noout", "-text", input=request)
    contains(text, "verify OK", "CN = example.test", "DNS:example.test, DNS:*.example.test")
    contains(w.ctl("cert", "hook", "acme/leaf").out, "certbot renew --deploy-hook ", "acme.sh --install-cert -d example.test", "lego --domains",
             "cert reload acme/leaf")
    w.ctl("server", "add", "tls", "front", "--cert", "leaf", "--port", str(port := w.port()), "--backend", "127.0.0.1:9", "-t", "acme")
    w.run()
    contains(s_client(w, port, "-verify_return_error"), "Verify return code: 0 (ok)", "CN = example.test")
    before = w.json("cert", "show", "acme/leaf")["fingerprint_sha256"]
    w.ctl("cert", "generate", "leaf", "--san", "example.test", "--issuer", "ca", "--replace", "-t", "acme")
    assert w.json("cert", "show", "acme/leaf")["fingerprint_sha256"] != before
    der = tls_connect(w, port, context=client_context(w)).getpeercert(True)
    equal(hashlib.sha256(der).hexdigest(), w.json("cert", "show", "acme/leaf")["fingerprint_sha256"], "what is shown is what was generated")


@test("cert: several of a server are chosen by name; a file that is replaced is shown within a second, and the row says so", threats="cert-rotation")
def several(w):
    w.init("acme")
    for name in ("one", "two"):
        certificate(w, name, f"{name}.test", f"*.{name}.test")
        bundle(w, w.path(f"{name}.bundle"), name)
        w.ctl("cert", "add", name, "--cert", f"{name}.bundle", "-t", "acme")
    port = w.port()
    w.ctl("server", "add", "tls", "front", "--cert", "one,two", "--port", str(port), "--backend", "127.0.0.1:9", "-t", "acme")
    w.run()
    equal([served_name(w, port, n) for n in ("one.test", "www.two.test", "other.test")], ["one.test", "two.test", "one.test"])
    w.ctl("server", "set", "acme/front", "cert=two,one")
    equal(served_name(w, port, "other.test"), "two.test")
    certificate(w, "new", "one.test", "new.test")
    bundle(w, w.path("one.bundle"), "new")
    until(lambda: served_name(w, port, "new.test") == "one.test", 1.0 * w.patience)
    until(lambda: "new.test" in w.value("SELECT sans FROM certs WHERE name = 'one'"), 2.0 * w.patience)
    equal(w.value("SELECT via || ' ' || object FROM audit WHERE action = 'cert.reload'"), "daemon acme/one")
    w.write("one.bundle", "rubbish")
    until(lambda: w.value("SELECT count(*) FROM problems WHERE what = 'acme/front' AND problem LIKE '%one.bundle%'") == "1", 3.0 * w.patience)
    equal(served_name(w, port, "new.test"), "one.test", "the last good one goes on")
    contains(w.ctl("cert", "check", code=1).out, "acme/one", "error", "no certificate")
    contains(w.ctl("cert", "reload", "acme/one", code=1).err, "no certificate in")
    bundle(w, w.path("one.bundle"), "one")
    assert w.json("cert", "reload", "acme/one")[0]["status"] in ("renewed", "unchanged")  # or the daemon was faster
    equal(served_name(w, port, "new.test"), "two.test", "at once")
    w.ctl("cert", "check")
    w.ctl("cert", "check", "--days", "120", code=1)
    bundle(w, w.path("third.bundle"), "new")
    w.sqlite(f"UPDATE cert SET cert_path = '{w.path('third.bundle')}' WHERE name = 'one'")
    until(lambda: served_name(w, port, "new.test") == "one.test", 2.0 * w.patience, "a path typed in the shell")
    certificate(w, "soon", "two.test", days=9)
    bundle(w, w.path("two.bundle"), "soon")
    w.ctl("cert", "reload", "acme/two")
    contains(w.value("SELECT problem FROM problems WHERE what = 'acme/two'"), "expires in", "days, shown by front")


@test("cert: in the shell: names are checked, facts are read only, foreign and missing ones cannot be named", threats="tenant-certs")
def shell(w):
    w.init("acme", "globex")
    certificate(w, "one", "one.test")
    w.ctl("cert", "add", "one", "--cert", "one.pem", "--key", "one.key", "-t", "globex")
    w.ctl("cert", "add", "own", "--cert", "one.pem", "--key", "one.key", "-t", "acme")
    w.ctl("server", "add", "https", "web", "--cert", "own", "-t", "acme", "--no-start")

    def refused(statement, sentence):
        done = w.sqlite(statement, code=None)
        contains(done.err, sentence)

    refused("UPDATE server SET cert = 'one' WHERE name = 'web'", "server.cert: this tenant has no such certificate")
    refused("UPDATE server SET cert = 'own,,own' WHERE name = 'web'", "server.cert")
    refused("UPDATE server SET cert = 'a\",\"b' WHERE name = 'web'", "server.cert")
    refused("UPDATE cert SET subject = 'CN=evil' WHERE name = 'own'", "cert.subject: read from the file")
    refused("UPDATE cert SET name = 'other' WHERE name = 'own'", "never change")
    refused("UPDATE cert SET cert_path = 'one.pem' WHERE name = 'own'", "cert.cert_path: an absolute path")
    refused("DELETE FROM cert WHERE name = 'own'", "servers show this certificate")
    refused("INSERT INTO cert (tenant_id, name, cert_path, subject) SELECT id, 'x', '/x', 'CN=x' FROM tenant", "cert.subject")
    refused("REPLACE INTO cert (tenant_id, name, cert_path) SELECT tenant_id, name, '/x' FROM cert", "already has a certificate")
    w.sqlite(f"INSERT INTO cert (tenant_id, name, cert_path, key_path) SELECT id, 'typed', '{w.path('one.pem')}', '{w.path('one.key')}' "
             "FROM tenant WHERE name = 'acme'")
    equal(w.json("cert", "show", "acme/typed")["subject"], None)
    contains(w.ctl("cert", "check", "acme/typed", code=1).out, "cert reload")
    w.ctl("cert", "reload", "acme/typed")
    equal(w.json("cert", "show", "acme/typed")["subject"], "CN=one.test")
    equal(re.sub(r"\s", "", w.value("SELECT group_concat(action || via, ' ') FROM audit WHERE object = 'acme/typed'")), "cert.addsqlcert.reloadcli")


@test("cert: a refused command leaves the old key, the file and the row; names are no paths; keys of authorities go nowhere", threats="cert-faults")
def refusals(w):
    w.init("acme", "globex")
    w.ctl("cert", "generate", "ca", "--ca", "--san", "acme, test authority", "-t", "acme")
    w.ctl("cert", "generate", "main", "--san", "example.test", "--issuer", "ca", "-t", "acme")
    path = w.json("cert", "show", "acme/main")["cert_path"]

    def text():
        with open(path, encoding="ascii") as file:
            return file.read()
    before = text()
    w.ctl("cert", "generate", "main", "--san", "example.test", "--replace", "--if-generation", "7", "-t", "acme", code=4)
    w.ctl("cert", "generate", "main", "--san", "example.test", "--replace", "-n", "-t", "acme")
    equal(text(), before)
    for verb in ("reload", "remove"):
        w.ctl("cert", verb, "acme/main", "--if-generation", "7", code=4)
    w.ctl("cert", "generate", "two", "--san", "two.test", "-t", "acme", "-o", "field=/nonsense", code=None)
    assert os.path.exists(w.json("cert", "show", "acme/two")["cert_path"]), "what failed is the printing, not the key"
    for name in ("..", "x/y", "-t"):
        w.ctl("cert", "generate", f"acme/{name}" if name != "-t" else "acme/.t", "--san", "x.test", code=(2, 3))
    contains(w.ctl("cert", "generate", "sub", "--ca", "--san", "sub", "--issuer", "ca", "-t", "acme", code=2).err, "is signed by itself")
    authority = w.json("cert", "show", "acme/ca")["cert_path"]
    w.write("main.pem", w.ctl("cert", "show", "acme/main", "--pem").out)
    contains(w.ctl("cert", "add", "chained", "--cert", path, "--chain", authority, "-t", "acme", code=1).err, "has a private key in it")
    port = w.server("tls", "acme/t", "--cert", "main", "--backend", "127.0.0.1:9,tls,ca=" + w.path("main.pem"))
    w.run()
    contains(w.ctl("server", "set", "acme/t", "cert=ca", code=1).err, "is an authority")
    equal(served_name(w, port), "example.test", "the last good one goes on")
    w.ctl("server", "set", "acme/t", "cert=main")
    contains(w.ctl("server", "clone", "acme/t", "copy", "--to", "globex", code=4).err, "certificate 'main' is of acme")
    equal(w.ctl("cert", "set", "acme/main", "description=first").code, 0)
    equal(w.value("SELECT group_concat(action, ' ') FROM audit WHERE object = 'acme/main'"), "cert.add cert.set")
