"""Each balancing algorithm over real connections: three backends of weights 3, 2 and 1 behind a tcp server. What the algorithms
promise exactly is tested in tests/unit/upstream; here the bounds are wide, so that chance never breaks them."""
import socket

from harness import equal, test, until
from traffic import Origin, echo, read_all

WEIGHTS = [3, 2, 1]


class Pool:
    """A running tcp server with one thread, its backends, and who answered."""

    def __init__(self, w, algorithm, weights=WEIGHTS):
        def named(name):
            def serve(connection, origin):
                connection.sendall(name)
                echo(connection, origin)
            return serve
        self.w = w
        self.names = [b"abcdefgh"[i:i + 1] for i in range(len(weights))]
        self.origins = [Origin(named(name)) for name in self.names]
        w.init("acme")
        w.ctl("tenant", "set", "acme", "worker_threads=1")
        flags = [f for o, weight in zip(self.origins, weights) for f in ("--backend", f"{o.address},weight={weight}")]
        self.port = w.server("tcp", "acme/db", "--lb", algorithm, *flags)
        w.run()

    def open(self, client=0):
        """A connection from 127.1.x.y, and the name of the backend that has it."""
        address = f"127.1.{client // 250}.{client % 250 + 1}"
        connection = socket.create_connection(("127.0.0.1", self.port), 10, source_address=(address, 0))
        name = connection.recv(1)
        assert name, "closed without an answer"
        return connection, name

    def ask(self, client=0):
        """The backend of a connection that ends at once and is seen to have ended."""
        connection, name = self.open(client)
        with connection:
            connection.shutdown(socket.SHUT_WR)
            read_all(connection)
        return name

    def counts(self, names):
        return [names.count(name) for name in self.names]

    def idle(self):
        until(lambda: self.w.show("acme/db")["stats"]["active_connections"] == 0, 10 * self.w.patience, "idle")


def between(counts, low, high):
    assert all(a <= n <= b for n, a, b in zip(counts, low, high)), f"{counts} is not within {low} and {high}"


@test("round_robin: exactly by weight in every cycle, evenly spread")
def round_robin(w):
    pool = Pool(w, "round_robin")
    names = [pool.ask() for _ in range(120)]
    equal(pool.counts(names), [60, 40, 20])
    equal(b"aaa" in b"".join(names), False)


@test("random: about by weight")
def by_lot(w):
    pool = Pool(w, "random")
    between(pool.counts([pool.ask() for _ in range(300)]), [100, 60, 20], [200, 145, 90])


@test("two_choices: about by weight, and closer to it while connections last")
def two_choices(w):
    pool = Pool(w, "two_choices")
    between(pool.counts([pool.ask() for _ in range(300)]), [90, 50, 15], [210, 155, 100])
    pool.idle()
    held = [pool.open() for _ in range(120)]
    between(pool.counts([name for _, name in held]), [50, 30, 12], [70, 50, 28])


@test("least_connections: held connections stand exactly by weight, and who lost his gets the next")
def least_connections(w):
    pool = Pool(w, "least_connections")
    held = [pool.open() for _ in range(120)]
    equal(pool.counts([name for _, name in held]), [60, 40, 20])
    gone = [connection for connection, name in held if name == b"b"][:20]
    for connection in gone:
        connection.close()
    until(lambda: w.show("acme/db")["stats"]["active_connections"] == 100, 10 * w.patience, "20 gone")
    again = [pool.open() for _ in range(20)]
    equal(pool.counts([name for _, name in again]), [0, 20, 0])


@test("ip_hash: a client keeps its backend, and only those of one that is disabled move")
def ip_hash(w):
    pool = Pool(w, "ip_hash")
    homes = [pool.ask(client) for client in range(300)]
    between(pool.counts(homes), [100, 60, 20], [200, 145, 90])
    equal([pool.ask(client) for client in range(100)], homes[:100])
    w.ctl("backend", "disable", "acme/db", pool.origins[1].address)
    others = [pool.ask(client) for client in range(300)]
    equal(others.count(b"b"), 0)
    stayed = sum(home == other for home, other in zip(homes, others))
    assert stayed >= 300 - homes.count(b"b") - 15, f"{stayed} stayed, {homes.count(b'b')} had to go"
    w.ctl("backend", "enable", "acme/db", pool.origins[1].address)
    equal([pool.ask(client) for client in range(300)], homes)


@test("consistent_hash: a client keeps its backend until that is 5/4 full")
def consistent_hash(w):
    pool = Pool(w, "consistent_hash")
    homes = [pool.ask(client) for client in range(200)]
    pool.idle()
    between(pool.counts(homes), [60, 35, 10], [140, 100, 65])
    again = [pool.ask(client) for client in range(200)]
    assert sum(one == other for one, other in zip(homes, again)) >= 180, (homes, again)
    pool.idle()
    held = [pool.open(7) for _ in range(120)]  # one client alone
    counts = pool.counts([name for _, name in held])
    equal(sum(counts), 120)
    between(counts, [0, 0, 0], [76, 51, 26])


@test("failover: the first takes all; the next only while the first is gone")
def failover(w):
    pool = Pool(w, "failover", [1, 200, 200])
    equal(pool.counts([pool.ask() for _ in range(40)]), [40, 0, 0])
    w.ctl("backend", "drain", "acme/db", pool.origins[0].address)
    equal(pool.counts([pool.ask() for _ in range(40)]), [0, 40, 0])
    w.ctl("backend", "enable", "acme/db", pool.origins[0].address)
    equal(pool.counts([pool.ask() for _ in range(40)]), [40, 0, 0])


@test("every algorithm: connections of eight clients at once all get through, none to a backend that is disabled", timeout=120)
def under_load(w):
    pool = Pool(w, "round_robin")
    w.ctl("backend", "disable", "acme/db", pool.origins[2].address)
    for algorithm in ("consistent_hash", "failover", "ip_hash", "least_connections", "random", "round_robin", "two_choices"):
        w.ctl("server", "set", "acme/db", f"lb={algorithm}")
        for burst in range(8):
            held = [pool.open(8 * burst + n) for n in range(8)]
            assert b"c" not in [name for _, name in held], algorithm
            for connection, _ in held:
                connection.close()
