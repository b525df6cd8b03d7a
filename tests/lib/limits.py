"""What the tests of limits share."""
from traffic import read_answer

MIB = 1 << 20


def proxy(w, kind, *flags, name="acme/p", start=True, threads=2):
    if start:
        w.init("acme")
        w.allow_loopback("acme")
        w.ctl("tenant", "set", "acme", f"worker_threads={threads}", "access_log_format=json")
    port = w.server(kind, name, *flags)
    if start:
        w.run()
    w.wait_status(name, "running")
    return port


def asks(connection, origin, count, more=b""):
    """So many requests one after the other on one connection; their answers."""
    got, rest = [], b""
    for _ in range(count):
        connection.sendall(f"GET {origin.url}/ HTTP/1.1\r\nHost: a\r\n".encode() + more + b"\r\n")
        answer, rest = read_answer(connection, rest)
        got.append(answer)
    return got
