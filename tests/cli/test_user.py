"""Users as commands: every way in for a password, every refusal, and that nothing shows one."""
import os

from harness import contains, equal, matches, test
from logins import QUICK
from terminal import on_terminal


@test("user: add, list, show, set, passwd, test, disable, enable, remove")
def verbs(w):
    w.init("acme", "globex")
    added = w.ctl("user", "add", "bob", "-t", "acme", "--password-stdin", "--description", "Robert", input="geheim\nmore\n").out
    identity = matches(added, r"^acme/bob  ([0-9a-f]{12})$").group(1)
    quiet = w.ctl("-q", "user", "add", "acme/ann", "--password-stdin", "--disabled", input="x\n").out
    equal(quiet.strip(), w.value("SELECT id FROM user WHERE name = 'ann'"))
    contains(w.ctl("user", "add", "acme/bob", "--password-stdin", input="x\n", code=4).err, "already has a user 'bob'", "user passwd bob")
    rows = {row["name"]: row for row in w.json("user", "list", "-t", "acme")}
    equal([rows["bob"]["enabled"], rows["bob"]["may_log_in"], rows["ann"]["enabled"]], [1, 1, 0])
    equal(w.json("user", "list", "-t", "globex"), [])
    equal(w.json("user", "show", "acme/bob")["id"], identity)
    contains(w.ctl("user", "show", "acme/bop", code=3).err, "no user 'bop'", "did you mean: bob")
    w.ctl("user", "test", "acme/bob", "--password-stdin", input="geheim\n")
    contains(w.ctl("user", "test", "acme/bob", "--password-stdin", input="Geheim\n", code=1).err, "the password is wrong")
    contains(w.ctl("user", "test", "acme/ann", "--password-stdin", input="x\n", code=1).err, "the user is disabled")
    w.ctl("user", "passwd", "acme/bob", "--password-stdin", input="neu\n")
    w.ctl("user", "test", "acme/bob", "--password-stdin", input="neu\n")
    w.ctl("user", "set", "acme/bob", "expires_at=2020-01-31", "description=gone")
    equal(w.json("user", "show", "acme/bob")["expires_at"], "2020-01-31T00:00:00.000Z")
    contains(w.ctl("user", "test", "acme/bob", "--password-stdin", input="neu\n", code=1).err, "the user has expired")
    w.ctl("user", "set", "acme/bob", "expires_at=never")
    contains(w.ctl("user", "set", "acme/bob", "expires_at=tomorrow", code=2).err, "expires: a time such as")
    contains(w.ctl("user", "set", "acme/bob", "pasword=x", code=2).err, "unknown key 'pasword'")
    w.ctl("user", "disable", "acme/bob", "acme/ann")
    equal(w.value("SELECT sum(enabled) FROM user"), "0")
    w.ctl("user", "enable", "acme/bob")
    w.ctl("user", "disable", "acme/bob", "-n")
    equal(w.value("SELECT enabled FROM user WHERE name = 'bob'"), "1", "--dry-run")
    w.ctl("user", "disable", "acme/bob", "acme/nobody", code=3)
    equal(w.value("SELECT enabled FROM user WHERE name = 'bob'"), "1", "all or none")
    w.ctl("user", "disable", "acme/bob", "--if-generation", "1", code=4)
    w.ctl("user", "enable", "acme/bob", "--if-generation", w.value("SELECT generation FROM user WHERE name = 'bob'"))
    equal([row["name"] for row in w.json("user", "enable", "acme/bob", "acme/ann")], ["bob", "ann"])
    equal(w.ctl("user", "list", "-o", "name").out, "acme/ann\nacme/bob\n")
    w.ctl("user", "remove", "acme/bob", "acme/ann")
    w.ctl("user", "remove", "acme/bob", code=3)
    equal(w.json("user", "list"), [])
    contains(w.ctl("audit", "list").out, "user.add", "user.passwd", "user.set", "user.disable", "user.enable", "user.remove")


@test("user: a password comes in by standard input, a private file, a prompt, or is made up; never by argv")
def ways_in(w):
    w.init("acme")
    contains(w.ctl("user", "add", "acme/bob", "--password", "geheim", code=2).err, "unknown option '--password'", "--password-")
    contains(w.ctl("user", "add", "acme/bob", code=11).err, "no terminal", "--password-stdin or --password-file")
    contains(w.ctl("user", "add", "acme/bob", "--password-stdin", input="\n", code=2).err, "the password is empty")
    contains(w.ctl("user", "add", "acme/bob", "--password-stdin", input="x" * 256 + "\n", code=2).err, "longer than 255")
    w.write("open", "geheim\n", mode=0o644)
    contains(w.ctl("user", "add", "acme/bob", "--password-file", "open", code=8).err, "may be read by others", "chmod 600 open")
    os.symlink(w.write("secret", "geheim\n"), w.path("link"))
    w.ctl("user", "add", "acme/bob", "--password-file", "link", code=(1, 8))
    w.ctl("user", "add", "acme/bob", "--password-file", "none", code=(1, 3))
    equal(w.json("user", "list"), [], "nothing was added")
    w.ctl("user", "add", "acme/bob", "--password-file", "secret")
    w.ctl("user", "test", "acme/bob", "--password-stdin", input="geheim\r\n")
    made = matches(w.ctl("user", "add", "acme/eve", "--generate").out, r"^acme/eve  password  ([A-Za-z0-9]{20})$").group(1)
    w.ctl("user", "test", "acme/eve", "--password-stdin", input=made + "\n")
    other = w.json("user", "passwd", "acme/eve", "--generate")
    equal(sorted(other), ["id", "name", "password", "tenant"])
    w.ctl("user", "test", "acme/eve", "--password-stdin", input=made + "\n", code=1)
    w.ctl("user", "test", "acme/eve", "--password-stdin", input=other["password"] + "\n")
    w.ctl("user", "passwd", "acme/eve", "--generate", "--password-stdin", input="x\n", code=2)


@test("user: the prompt asks twice, shows nothing, takes back what is rubbed out, and gives up on Ctrl-C")
def prompt(w):
    w.init("acme")
    output, code = on_terminal(w, "user", "add", "acme/bob", keys=[("new password of acme/bob: ", "gehx\x7feim\r"), ("again: ", "geheim\r")])
    equal(code, 0, output)
    assert "geh" not in output, output
    w.ctl("user", "test", "acme/bob", "--password-stdin", input="geheim\n")
    output, code = on_terminal(w, "user", "passwd", "acme/bob", keys=[("new password", "one\r"), ("again: ", "two\r")])
    equal(code, 2)
    contains(output, "the two passwords differ")
    output, code = on_terminal(w, "user", "passwd", "acme/bob", keys=[("new password", "one\x03")])
    equal(code, 11)
    contains(output, "nothing was changed")
    output, code = on_terminal(w, "user", "test", "acme/bob", keys=[("password of acme/bob: ", "wrong\x15geheim\r")])
    equal(code, 0, output)


@test("user import: all of an htpasswd file or none; forms that are guessed in seconds are refused with their line")
def import_htpasswd(w):
    w.init("acme")
    w.write("good", f"# people\nbob:{QUICK}\n\nann:{QUICK}\r\n")
    contains(w.ctl("user", "import", "--htpasswd", "good", "-t", "acme").out, "acme  2 added  0 replaced")
    w.ctl("user", "test", "acme/ann", "--password-stdin", input="geheim\n")
    w.write("bad", f"eve:{QUICK}\nold:$apr1$abc$defghijkl\nno colon\nblank name:{QUICK}\n")
    error = w.ctl("user", "import", "--htpasswd", "bad", "-t", "acme", code=2).err
    contains(error, "line 2: the hash of 'old'", "line 3: not NAME:HASH", "line 4: what stands before")
    assert "blank name" not in error and QUICK not in error, error
    contains(w.ctl("user", "import", "--htpasswd", "good", "-t", "acme", code=4).err, "line 2: there is already a user 'bob'", "--replace")
    contains(w.ctl("user", "import", "--htpasswd", "good", "-t", "acme", "--replace").out, "0 added  2 replaced")
    equal(w.value("SELECT count(*) FROM user"), "2")
    w.ctl("user", "import", "--htpasswd", "missing", "-t", "acme", code=(1, 3))


@test("auth: server add, set, templates and types; a server that nobody can log in to is a problem")
def auth_column(w):
    w.init("acme")
    w.ctl("server", "add", "http", "web", "-t", "acme", "--listen", "0.0.0.0:0", "--auth", "basic", "--no-start")
    equal(w.show("acme/web")["auth"], "basic")
    contains(w.ctl("server", "set", "acme/web", "auth=none", code=2).err, "allow_open", "--auth basic")
    contains(w.ctl("server", "set", "acme/web", "auth=digest", code=2).err, "basic")
    w.ctl("server", "add", "tcp", "db", "-t", "acme", "--port", "0", "--backend", "127.0.0.1:1", "--auth", "basic", code=2)
    contains(w.ctl("server", "add", "tcp", "db", "-t", "acme", "--port", "0", "--backend", "127.0.0.1:1", "--no-start").out, "acme/db")
    contains(w.ctl("server", "set", "acme/db", "auth=basic", code=(2, 4)).err, "asks for no credentials")
    contains(w.sqlite("UPDATE server SET auth = 'basic' WHERE name = 'db'", code=1).err, "server.auth: a server of this type asks for no credentials")
    contains(w.ctl("template", "show", "secure_https_proxy", "-o", "json").out.replace(" ", "").replace("\\", ""), '"auth":"basic"')
    contains(w.ctl("sql", "SELECT problem, try FROM problems", "-o", "tsv").out, "no user who may log in", "arcusctl user add NAME -t acme")
    w.ctl("user", "add", "acme/bob", "--generate")
    assert "no user who may log in" not in w.ctl("sql", "SELECT problem FROM problems", "-o", "tsv").out
