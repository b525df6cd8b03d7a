"""The benchmark still runs: one short row beside nginx gives its line of the table, without an error."""
import json
import os
import subprocess

from harness import ROOT, contains, equal, matches, test

TABLE = os.path.join(ROOT, "tests", "bench", "table")


def table(w, *args, code=0):
    """What tests/bench/table prints: (the tables, what it says beside them)."""
    done = subprocess.run([TABLE, *args], text=True, capture_output=True, timeout=150,
                          env={**w.env, "ARCUSCTL": w.binary, "TMPDIR": w.path("tmp")})
    equal(done.returncode, code, done.stderr)
    return done.stdout, done.stderr


@test("the benchmark measures tcp-small beside nginx, keeps its results, and shows them again", timeout=200, sanitized=False)
def one_row(w):
    w.need("nginx", "c++", "openssl")
    results = w.path("results")
    out, _ = table(w, "--rounds", "1", "--seconds", "0.3", "--row", "tcp-small", "--subject", "nginx", "--as-is",
                   "--out", results)
    cost, ratio = r"[\d.]+ \([\d.]+\)", r"[\d.]+"
    matches(out, rf"^\| tcp-small \| µs \| nginx {cost} \| {cost} \| {ratio} \| {ratio} \| ≤ 1\.00 \| \w+ \|$")
    for subject in ("arcusctl", "nginx"):
        matches(out, rf"^\| tcp-small \| {subject} \| 1 \| .* \| 0 \|$")
    with open(results, encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    equal([(row["subject"], row["errors"], row["units"] > 0) for row in rows], [("arcusctl", 0, True), ("nginx", 0, True)])
    equal(table(w, "--read", results)[0], out)
    equal([n for n in os.listdir(w.path("tmp")) if n.startswith("arcus-bench-")], [], "left in the temporary folder")


@test("the benchmark of a tenant beside one at its limits prints what it promises", timeout=120, sanitized=False)
def neighbour(w):
    w.need("c++", "openssl")
    done = subprocess.run([os.path.join(ROOT, "tests", "bench", "neighbour"), "--rounds", "1", "--seconds", "0.3", "--window", "0.5", "--as-is"],
                          text=True, capture_output=True, timeout=100, env={**w.env, "ARCUSCTL": w.binary, "TMPDIR": w.path("tmp")})
    equal(done.returncode, 0, done.stderr)
    for what in ("requests per second", "connections", "bandwidth"):
        matches(done.stdout, rf"^\| {what} \| [1-9]\d+ \| [1-9]\d+ \| \d+\.\d\d \| \d+ \| \S+ \|$")


@test("the benchmark refuses rows and subjects that there are not, and says which there are", sanitized=False)
def unknown(w):
    contains(table(w, "--row", "udp-small", code=2)[1], "no row 'udp-small'", "tcp-small")
    contains(table(w, "--subject", "apache", code=2)[1], "no subject 'apache'", "nginx")
