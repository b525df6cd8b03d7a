"""The rows of the table: what is sent, in what it is counted, and what is promised against the best peer."""
import collections
import fnmatch

Row = collections.namedtuple("Row", "name kind load unit promised")
# Absolute promises: bytes, or system calls.
Limit = collections.namedtuple("Limit", "name kind load promised")

REQUESTS, CONNECTIONS, BULK = "--mode requests", "--mode connections", "--mode bulk --connections 4"
HELD = "--mode hold --seconds 10"
US, GIB = "µs", "s/GiB"

ROWS = (
    Row("http-small", "http", f"{REQUESTS} --absolute", US, 0.85),
    Row("http-conn", "http", f"{CONNECTIONS} --absolute", US, 1.0),
    Row("http-big", "http", f"{BULK} --absolute", GIB, 0.95),
    Row("connect-small", "http", f"{REQUESTS} --preface connect", US, 0.85),
    Row("connect-conn", "http", f"{CONNECTIONS} --preface connect", US, 0.80),
    Row("connect-big", "http", f"{BULK} --preface connect", GIB, 0.60),
    Row("https-small", "https", f"{REQUESTS} --tls --absolute", US, 0.90),
    Row("https-conn", "https", f"{CONNECTIONS} --tls --absolute", US, 1.0),
    Row("https-resume", "https", f"{CONNECTIONS} --tls --resume --absolute", US, 1.0),
    Row("https-big", "https", f"{BULK} --tls --absolute", GIB, 1.0),
    Row("socks-small", "socks", f"{REQUESTS} --preface socks", US, 0.90),
    Row("socks-conn", "socks", f"{CONNECTIONS} --preface socks", US, 0.75),
    Row("socks-big", "socks", f"{BULK} --preface socks", GIB, 0.55),
    Row("tcp-small", "tcp", REQUESTS, US, 1.0),
    Row("tcp-conn", "tcp", CONNECTIONS, US, 1.0),
    Row("tcp-big", "tcp", BULK, GIB, 0.95),
    Row("tls-small", "tls", f"{REQUESTS} --tls", US, 1.0),
    Row("tls-conn", "tls", f"{CONNECTIONS} --tls", US, 1.0),
    Row("tls-resume", "tls", f"{CONNECTIONS} --tls --resume", US, 1.0),
    Row("tls-big", "tls", f"{BULK} --tls", GIB, 0.75),
    Row("sni-small", "sni", f"{REQUESTS} --preface hello", US, 1.0),
    Row("sni-conn", "sni", f"{CONNECTIONS} --preface hello", US, 1.0),
    Row("sni-big", "sni", f"{BULK} --preface hello", GIB, 0.95),
)

# Nothing is promised about these: one connection shows latency, a fixed rate the cost of a proxy that is not busy.
MORE_ROWS = (
    Row("tcp-one", "tcp", f"{REQUESTS} --connections 1", US, None),
    Row("tcp-rate", "tcp", f"{REQUESTS} --rate 20000", US, None),
    Row("http-rate", "http", f"{REQUESTS} --rate 20000 --absolute", US, None),
)

# Bytes for each connection that is held after one request.
IDLE = (
    Limit("idle-tcp", "tcp", HELD, 1000),
    Limit("idle-http", "http", f"{HELD} --absolute", 1000),
    Limit("idle-connect", "http", f"{HELD} --preface connect", 1000),
    Limit("idle-socks", "socks", f"{HELD} --preface socks", 1000),
    Limit("idle-sni", "sni", f"{HELD} --preface hello", 1000),
    Limit("idle-tls", "tls", f"{HELD} --tls", 50000),
    Limit("idle-https", "https", f"{HELD} --tls --absolute", 50000),
)
IDLE_PROCESS = 3 * 2**20  # bytes of private memory of an idle worker

# System calls for each request, or for each connection with one request.
CALLS = (
    Limit("calls-tcp-small", "tcp", f"{REQUESTS} --connections 16", 4.2),
    Limit("calls-http-small", "http", f"{REQUESTS} --connections 16 --absolute", 4.4),
    Limit("calls-tcp-conn", "tcp", f"{CONNECTIONS} --connections 16", 17),
)


def choose(rows, patterns):
    """The rows that one of the patterns fits, in their order; all when there is none. Raises ValueError for a pattern that
    fits nothing."""
    for pattern in patterns:
        if not any(fnmatch.fnmatch(row.name, pattern) for row in rows):
            raise ValueError(f"no row '{pattern}'; there are {' '.join(row.name for row in rows)}")
    return [row for row in rows if not patterns or any(fnmatch.fnmatch(row.name, p) for p in patterns)]


def amount_of(row, result):
    """How many units of work a result of the load is."""
    return result["bytes"] / 2**30 if row.unit == GIB else result["units"]


def scaled(row, seconds):
    """CPU seconds per unit as the row's unit says it."""
    return seconds * (1 if row.unit == GIB else 1e6)
