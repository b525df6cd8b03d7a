"""Help, manual, completion, version, installation, and the commands of README."""
import json
import os
import re
import shutil
import subprocess
import sys
import time

from harness import ROOT, Skip, connects, contains, equal, matches, test, until

sys.path.insert(0, os.path.join(ROOT, "tests", "lint"))
import man as manual  # noqa: E402


def readme():
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
        return file.read()


def block(marker):
    """The code block of README that follows `<!-- test: marker -->`."""
    found = re.search(rf"<!-- test: {marker} -->\s*```\w*\n(.*?)```", readme(), re.S)
    assert found, f"README has no block {marker}"
    return found.group(1)


@test("top-level help fits 24 lines; nouns print theirs and exit 0; every verb has help with an example")
def help_pages(w):
    out = w.ctl("help").out
    assert len(out.splitlines()) <= 24, f"{len(out.splitlines())} lines"
    equal(w.ctl("--help").out, out)
    tree = json.loads(w.ctl("help", "--json").out)
    nouns = tree["nouns"] if isinstance(tree, dict) else tree
    for noun in nouns:
        if noun["name"].startswith("__") or noun.get("hidden"):
            continue
        for command in noun["commands"]:
            if command.get("hidden"):
                continue
            words = [noun["name"]] + ([command["verb"]] if command.get("verb") else [])
            page = w.ctl(*words, "--help").out
            contains(page, "arcusctl " + " ".join(words))


@test("no command of later issues exists: no stub, no promise")
def no_stubs(w):
    for noun in ("cluster", "scale"):
        w.ctl(noun, code=2)
        assert noun not in w.ctl("help").out, noun
    assert not re.search(r"not (yet )?implemented", w.ctl("help", "--json").out)


@test("every flag in help --json occurs in a manual page (U14)")
def flags_documented(w):
    text = w.ctl("help", "--json").out
    flags = set(re.findall(r'"--([a-z0-9][a-z0-9-]*)"', text)) | {f for f in re.findall(r'"-\w,--([a-z0-9-]+)"', text)}
    assert flags, "help --json names no flag"
    missing = sorted(flags - manual.documented_flags(ROOT))
    equal(missing, [], "flags without a word in man/")
    equal(sorted(manual.documented_flags(ROOT) - flags), [], "flags in man/ that do not exist")


@test("help topics exist: refs, output, exit-codes, environment, files, sql")
def help_topics(w):
    for topic in ("refs", "output", "exit-codes", "environment", "files", "sql"):
        assert len(w.ctl("help", topic).out) > 100, topic


@test("version names the libraries and features")
def version(w):
    contains(w.ctl("version").out, "arcusctl")
    shown = w.json("version")
    assert shown["version"]
    contains(json.dumps(shown).lower(), "sqlite", "openssl")


@test("completion: servers, tenants, flags, keys; creates nothing; bash, zsh and fish scripts are valid (U14)")
def completion(w):
    words = lambda *line: [row.split("\t")[0] for row in w.ctl("__complete", "--", *line).out.splitlines()]  # noqa: E731
    w.ctl("__complete", "--", "server", "show", "")
    equal(os.path.exists(w.db), False)
    w.init("acme")
    w.server("http", "acme/web")
    contains(words("server", "show", ""), "acme/web")
    contains(words("tenant", "show", "a"), "acme")
    contains(words("server", "add", ""), "http", "tcp")
    contains(words("server", "add", "http", "x", "--max"), "--max-connections")
    for shell in ("bash", "zsh", "fish"):
        script = w.ctl("completion", shell).out
        w.need(shell)
        done = subprocess.run([shell, "-n"], input=script, text=True, capture_output=True)
        equal(done.returncode, 0, done.stderr)


@test("tab completes server show in bash, zsh and fish on a real terminal (U14)", timeout=90, sanitized=False)
def completion_on_terminal(w):
    w.need("tmux", "bash", "zsh", "fish")
    w.init("acme")
    w.server("http", "acme/website")
    os.mkdir(w.path("bin"))
    os.symlink(w.binary, w.path("bin/arcusctl"))
    env = {**w.env, "PATH": w.path("bin") + ":" + w.env["PATH"], "TERM": "xterm", "SHELL": "/bin/sh"}
    for name in ("bash", "zsh", "fish"):
        w.write(f"c.{name}", w.ctl("completion", name).out)
    starts = {"bash": "bash --norc -i", "zsh": "zsh -f -i", "fish": "fish --no-config -i"}
    loads = {"bash": f". /usr/share/bash-completion/bash_completion; . {w.path('c.bash')}",
             "zsh": f"autoload -Uz compinit; compinit -u -d {w.path('zd')}; . {w.path('c.zsh')}",
             "fish": f"source {w.path('c.fish')}"}
    tmux = lambda *args: subprocess.run(["tmux", "-S", w.path("tm"), *args], env=env, text=True, capture_output=True)  # noqa: E731
    for name, start in starts.items():
        tmux("-f", "/dev/null", "new-session", "-d", "-s", name, "-x", "120", "-y", "30", start)
        tmux("send-keys", "-t", name, loads[name] + "; echo rea''dy", "Enter")
        screen = lambda: tmux("capture-pane", "-p", "-t", name).stdout  # noqa: B023, E731
        until(lambda: "\nready" in screen(), 15, f"{name} ready", 0.1)
        tmux("send-keys", "-t", name, "arcusctl server show acme/w", "Tab")
        until(lambda: "acme/website" in screen(), 10, f"{name} completes: {screen()}", 0.1)
    tmux("kill-server")


@test("meson install: binary, manual pages, completion; the installed program runs")
def installation(w):
    if not w.build:
        raise Skip("no build folder was named")
    done = subprocess.run(["meson", "install", "-C", w.build, "--destdir", w.path("stage"), "--no-rebuild", "--quiet"],
                          text=True, capture_output=True)
    equal(done.returncode, 0, done.stdout + done.stderr)
    found = [os.path.join(place, name) for place, _, names in os.walk(w.path("stage")) for name in names]
    text = "\n".join(found)
    contains(text, "bin/arcusctl", "man1/arcusctl.1", "man5/arcus-registry.5", "bash-completion/completions/arcusctl",
             "site-functions/_arcusctl", "arcusctl.fish")
    binary = next(f for f in found if f.endswith("bin/arcusctl"))
    equal(subprocess.run([binary, "version"], capture_output=True).returncode, 0)


@test("README: command 1 installs what the build needs, command 2 is the test runner")
def readme_commands(w):
    first, second = block("build"), block("test")
    equal((len(first.strip().splitlines()), len(second.strip().splitlines())), (1, 1), "one line each")
    contains(first, "apt-get install", "g++", "meson", "ninja-build", "libsqlite3-dev", "libcli11-dev", "libasio-dev",
             "nlohmann-json3-dev", "libssl-dev", "libc-ares-dev", "libseccomp-dev", "ninja -C build")
    equal(second.strip(), "tests/run")


@test("README: command 1 verbatim, from a copy of the sources: packages, release build, main job (U24)", serial=True,
      timeout=900, sanitized=False)
def readme_first_command(w):
    for tool in ("g++", "meson", "ninja"):
        w.need(tool)
    line = block("build").strip()
    if connects(8080):
        raise Skip("somebody else on this machine listens on 8080, the port that the command names")
    place = os.environ.get("ARCUS_README_BUILD") or w.path("src")  # given: the build is wanted for more than this
    shutil.rmtree(place, ignore_errors=True)
    w.figure(copy_sources(place))
    packages, rest = line.split(" && meson setup ", 1)
    assert packages.endswith("libseccomp-dev") and "apt-get update" in packages, packages
    if reason := no_packages(w):
        line = f"true && meson setup {rest}"
        w.figure(f"the apt-get part was left out: {reason}")
    tail = ("\ncurl -s -x http://127.0.0.1:8080 http://127.0.0.1:9/ | grep -q destination_denied\n"
            "arcusctl version\narcusctl daemon stop\n")
    script = w.write("command1.sh", line + tail)
    began = time.monotonic()
    done = subprocess.run(["bash", "-e", script], cwd=place, env=w.env, text=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=850)
    equal(done.returncode, 0, done.stdout[-3000:])
    w.figure(f"command 1 on {os.cpu_count()} cores: {time.monotonic() - began:.0f} s")
    matches(done.stdout, r"pid \d+, 1 of 1 server running")
    equal(connects(8080), False, "stopped")


def copy_sources(to):
    """The files here that a commit of everything would have; without git all, but for builds. Says which."""
    git = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(git, cwd=ROOT, capture_output=True, text=True) if shutil.which("git") else None
    if listed and listed.returncode == 0 and listed.stdout:
        names = [name for name in listed.stdout.split("\0") if name and os.path.exists(os.path.join(ROOT, name))]
        for name in names:
            os.makedirs(os.path.dirname(os.path.join(to, name)), exist_ok=True)
            shutil.copy2(os.path.join(ROOT, name), os.path.join(to, name), follow_symlinks=False)
        return f"sources: {len(names)} files"
    skipped = shutil.ignore_patterns("build*", ".git", "__pycache__", ".cache")
    shutil.copytree(ROOT, to, dirs_exist_ok=True, ignore=skipped, symlinks=True)
    return "sources: the files here, for there is no commit"


def no_packages(w):
    """Why apt-get cannot be used on this machine now; "" when it can."""
    as_root = []
    if os.getuid() != 0:
        as_root = ["sudo", "-n"]
        if not shutil.which("sudo") or subprocess.run([*as_root, "true"], capture_output=True).returncode != 0:
            return "neither root nor sudo without a password"
    if not shutil.which("apt-get"):
        return "there is no apt-get"
    try:
        done = subprocess.run([*as_root, "apt-get", "update", "-q", "-o", "Acquire::Retries=0", "-o", "Acquire::http::Timeout=10"],
                              text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120,
                              env=w.env)
    except subprocess.TimeoutExpired:
        return "no index within 120 s"
    bad = re.findall(r"^(?:W:|E:|Err:).*$", done.stdout, re.M)
    return bad[-1] if bad else f"apt-get update: exit {done.returncode}" if done.returncode != 0 else ""


@test("README: the quick start runs line by line (U24)", timeout=90)
def readme_quick_start(w):
    run_shell(w, block("quick start"))


@test("README: command 1 without its installation runs the main job", timeout=60)
def readme_main_job(w):
    line = block("build").strip()
    job = line.split("ninja -C build && ", 1)[1]
    run_shell(w, job)


@test("README: every other command runs (pipelines)", timeout=90)
def readme_pipelines(w):
    w.need("jq")
    w.init("acme")
    w.allow_loopback("acme")
    w.server("http", "acme/web")
    w.run()
    run_shell(w, block("pipelines"))


@test("README: every command about users runs", timeout=60)
def readme_users(w):
    w.init("acme")
    w.server("http", "acme/web")
    w.run()
    run_shell(w, block("users"))


@test("README: every command about certificates runs", timeout=60)
def readme_certificates(w):
    w.init("acme")
    w.run()
    run_shell(w, block("certificates"))  # without a way out to the world curl gets a 502, which is an answer of ours too


@test("README: every command about backends and limits runs", timeout=60)
def readme_backends(w):
    w.init("acme")
    w.run()
    run_shell(w, block("backends"))
    equal(w.show("acme/shop")["requests_per_second"], 500)


def run_shell(w, text):
    """Runs a README block in bash with `arcusctl` and build/cli/arcusctl being the program; stops at the first failure.
    The ports it names are made free ones."""
    if not os.path.isdir(w.path("bin")):
        os.mkdir(w.path("bin"))
        os.symlink(w.binary, w.path("bin/arcusctl"))
        os.makedirs(w.path("build/cli"))
        os.symlink(w.binary, w.path("build/cli/arcusctl"))
    for port in sorted(set(re.findall(r"\b(?:8080|8081|8443|8000|9000|5432)\b", text))):
        text = re.sub(rf"\b{port}\b", str(w.port()), text)
    script = w.write("readme.sh", "set -eo pipefail\n" + text)
    began = time.monotonic()
    done = subprocess.run(["bash", "-x", script], cwd=w.dir, text=True, capture_output=True, timeout=80,
                          env={**w.env, "PATH": w.path("bin") + ":" + w.env["PATH"]})
    equal(done.returncode, 0, done.stdout + done.stderr)
    w.figure(f"{time.monotonic() - began:.1f} s")
    return done
