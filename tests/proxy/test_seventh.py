"""A seventh type of server: one folder (tests/seventh), one row of the table in proxies/protocols.cc, nothing else."""
import json
import os
import shlex
import subprocess

from harness import ROOT, Skip, contains, equal, test, until
from traffic import connect, exchange, read_all


def compile_command(build, target):
    """How the build compiles the files of a static library, without the words that name files: (arguments, folder)."""
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
        entry = next(e for e in json.load(file) if f"/{target}.a.p/" in e["output"])
    argv = shlex.split(entry["command"])
    for option in ("-o", "-MF", "-MQ"):
        at = argv.index(option)
        del argv[at:at + 2]
    return [a for a in argv if a not in ("-MD", "-c", entry["file"])], entry["directory"]


def link_command(build):
    lines = subprocess.check_output(["ninja", "-C", build, "-t", "commands", "cli/arcusctl"], text=True).splitlines()
    return shlex.split(next(line for line in reversed(lines) if " -o cli/arcusctl " in line))


def build_with_echo(w):
    """The program with one more row in its table of protocols, from the libraries as they are."""
    argv, folder = compile_command(w.build, "libprotocols")
    with open(os.path.join(ROOT, "proxies/protocols.cc"), encoding="utf-8") as file:
        text = file.read()
    row = text.replace("&tls_protocol,", "&tls_protocol, &echo_protocol,")
    include = row.replace('#include "proxies/tcp/tcp.h"\n', '#include "proxies/tcp/tcp.h"\n#include "tests/seventh/echo.h"\n')
    assert text != row != include, "proxies/protocols.cc has changed its form"
    objects = []
    for source in (w.write("protocols.cc", include), os.path.join(ROOT, "tests/seventh/echo.cc")):
        objects.append(w.path(os.path.basename(source) + ".o"))
        subprocess.run([*argv, "-iquote", ROOT, "-c", source, "-o", objects[-1]], cwd=folder, check=True)
    link = link_command(w.build)
    link[link.index("-o") + 1] = w.path("arcusctl")
    at = link.index("proxies/libprotocols.a")
    link[at:at + 1] = objects
    subprocess.run(link, cwd=w.build, check=True)
    return w.path("arcusctl")


@test("a seventh type is a folder and a row: added, served, told, counted, kept out of harm like the six", timeout=120, sanitized=False)
def seventh(w):
    if not w.build:
        raise Skip("no --build folder")
    w.binary = build_with_echo(w)
    contains(w.ctl("help", "server", "add").out, "echo")
    contains(w.ctl("server", "add", "echoo", "x", "--port", 7007, code=2).err, "echo")
    w.init("acme")
    contains(w.ctl("server", "add", "echo", "bad", "-t", "acme", "--set", "greetin=hi", code=2).err, "greeting")
    contains(w.ctl("server", "add", "echo", "bad", "-t", "acme", "--backend", "127.0.0.1:1", code=2).err, "backend")
    port = w.server("echo", "acme/e", "--set", "greeting=welcome ", "--idle-timeout", "1s", "--max-connections", 2)
    w.run()
    w.wait_status("acme/e", "running")
    data = os.urandom(1 << 20)
    with connect(port) as first, connect(port) as second:
        equal(exchange(port, b""), b"")  # over max_connections
        equal(second.recv(100), b"welcome ")
        sent, got = 0, b""
        first.setblocking(False)
        while len(got) < len(data) + 8:
            try:
                sent += first.send(data[sent:sent + 65536])
            except BlockingIOError:
                pass
            try:
                got += first.recv(65536)
            except BlockingIOError:
                pass
        equal(got, b"welcome " + data)
    stats = until(lambda: (s := w.show("acme/e")["stats"])["active_connections"] == 0 and s["total_connections"] == 3 and s,
                  10 * w.patience, "all ended")
    equal((stats["bytes_in"], stats["bytes_out"]), (len(data), len(data) + 16))
    with connect(port) as idle:
        equal(read_all(idle), b"welcome ")  # ends by idle_timeout
    until(lambda: "idle_timeout" in w.value("SELECT group_concat(reason) FROM server_reason"), 5 * w.patience, "reason")
    until(lambda: w.json("health")[0]["status"] == "healthy", 5 * w.patience, "healthy")
    w.ctl("server", "set", "acme/e", "greeting=hello ")
    with connect(port) as after:
        equal(after.recv(100), b"hello ")
