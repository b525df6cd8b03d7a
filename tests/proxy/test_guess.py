"""Those who guess passwords: what it costs, who waits, who does not."""
import socket
import threading
import time

import processes
from harness import equal, test, until
from logins import add_quick_users, add_user, basic, counted, serve_users, socks_login, status_of
from traffic import Origin, answer_with, get, read_answer


class Guesser:
    """Wrong passwords for bob from one address, ten a second at most; counts the answers by status."""

    def __init__(self, port, source, url):
        self.port, self.source, self.url = port, source, url
        self.statuses, self.stopping = {}, False
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def work(self):
        number = 0
        while not self.stopping:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 15, source_address=(self.source, 0)) as client:
                    while not self.stopping:
                        number += 1
                        client.sendall(f"GET {self.url}/ HTTP/1.1\r\nHost: x\r\n".encode() +
                                       basic("bob", f"guess {self.source} {number}") + b"\r\n")
                        status = status_of(read_answer(client))
                        self.statuses[status] = self.statuses.get(status, 0) + 1
                        time.sleep(0.1)
            except (OSError, AttributeError):
                time.sleep(0.01)

    def stop(self):
        self.stopping = True


@test("guessing: scrypt runs stay bounded, attempts are counted, and the right password from elsewhere works at once", threats="auth-guessing",
      serial=True, timeout=120, sanitized=False)
def guessing(w):
    port = serve_users(w, "http", "--max-connections", "4000")
    add_user(w, "acme/bob")
    daemon = w.run()
    origin = Origin(answer_with())
    equal(get(port, origin.url + "/", more=basic("bob", "geheim")).status, 200)
    worker = w.worker_of("acme")
    before = processes.private_dirty_kib(worker)
    # Of each address two wait, and the others are told to come later: a thousand attempts a second.
    guessers = [Guesser(port, "127.0.0.2", origin.url) for _ in range(60)]
    guessers += [Guesser(port, f"127.0.1.{n % 20 + 1}", origin.url) for n in range(60)]
    try:
        time.sleep(6)
        cpu, began = processes.cpu_seconds(worker), time.monotonic()
        known = time.monotonic()
        equal(get(port, origin.url + "/", more=basic("bob", "geheim")).status, 200, "what is known needs no check")
        known = time.monotonic() - known
        fresh = time.monotonic()
        with socket.create_connection(("127.0.0.1", port), 20, source_address=("127.0.2.1", 0)) as client:
            client.sendall(f"GET {origin.url}/ HTTP/1.1\r\nHost: x\r\n".encode() + basic("bob", "geheim") + b"\r\n")
            equal(status_of(read_answer(client)), 200)
        fresh = time.monotonic() - fresh
        w.ctl("user", "add", "acme/ann", "--password-stdin", input="anders\n")
        first = time.monotonic()
        with socket.create_connection(("127.0.0.1", port), 20, source_address=("127.0.2.2", 0)) as client:
            client.sendall(f"GET {origin.url}/ HTTP/1.1\r\nHost: x\r\n".encode() + basic("ann", "anders") + b"\r\n")
            equal(status_of(read_answer(client)), 200)
        first = time.monotonic() - first
        time.sleep(4)
        share = (processes.cpu_seconds(worker) - cpu) / (time.monotonic() - began)
        after = processes.private_dirty_kib(worker)
    finally:
        for one in guessers:
            one.stop()
    answers = {}
    for one in guessers:
        for status, count in one.statuses.items():
            answers[status] = answers.get(status, 0) + count
    w.figure(f"answers {answers}, known {known * 1000:.0f} ms, known from elsewhere {fresh * 1000:.0f} ms, new user {first * 1000:.0f} ms, "
             f"worker CPU {share:.2f} of a core, memory {before} -> {after} KiB")
    equal(sorted(answers), [407, 429])
    until(lambda: counted(w, "auth_failed") > 20 and counted(w, "rate_limited") > 100, 5 * w.patience, "attempts are counted")
    assert first < 5 * w.patience, f"a newcomer waited {first:.1f} s"
    assert after - before < 64 * 1024, f"{before} -> {after} KiB"
    assert processes.alive(daemon)


@test("guessing: after ten wrong passwords the next answer takes a second, then two; another user from there does not wait", threats="auth-guessing")
def delays(w):
    port = serve_users(w, "socks")
    add_quick_users(w, "acme", "bob", "ann")
    w.run()

    def attempt(user, password):
        began = time.monotonic()
        connection, answer = socks_login(port, user, password)
        connection.close()
        return answer, time.monotonic() - began

    for _ in range(10):
        answer, took = attempt("bob", "x")
        equal(answer, b"\1\1")
        assert took < 1, took
    answer, took = attempt("bob", "x")
    assert answer == b"\1\1" and 0.95 < took < 1.2 * w.patience + 0.5, took
    answer, took = attempt("ann", "geheim")
    assert answer == b"\1\0" and took < 1, took
    answer, took = attempt("bob", "geheim")
    assert answer == b"\1\0" and 1.95 < took < 2.4 * w.patience + 0.5, took
    answer, took = attempt("bob", "geheim")
    assert answer == b"\1\0" and took < 1, "what is right is never delayed again"
