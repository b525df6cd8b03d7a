"""Users, and clients that log in."""
import base64
import socket

# "geheim", in a millisecond: what is tested is not the time that scrypt takes.
QUICK = "$5$rounds=1000$saltsalt$TWdBOWiYhmVJkQgbrDSNb2rxBkKSiutz24Rm5ti0vID"


def basic(user, password, field="Proxy-Authorization"):
    return f"{field}: Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}\r\n".encode()


def status_of(answer):
    return answer[0].status


def add_user(w, ref, password="geheim", *flags):
    w.ctl("user", "add", ref, "--password-stdin", *flags, input=password + "\n")


def add_quick_users(w, tenant, *names):
    w.write("users.txt", "".join(f"{name}:{QUICK}\n" for name in names))
    w.ctl("user", "import", "--htpasswd", "users.txt", "-t", tenant)


def serve_users(w, kind, *flags):
    """A server acme/p with users, loopback open; returns its port."""
    w.init("acme")
    w.allow_loopback("acme")
    return w.server(kind, "acme/p", "--auth", "basic", *flags)


def counted(w, reason):
    return int(w.value(f"SELECT coalesce(sum(count), 0) FROM server_reason WHERE reason = '{reason}'") or 0)


def socks_login(port, user, password, source=None):
    """A connection after the greeting, and the two bytes that answer user and password (b'' when closed before)."""
    connection = socket.create_connection(("127.0.0.1", port), 15, source_address=source)
    connection.sendall(b"\5\1\2")
    if connection.recv(2) != b"\5\2":
        return connection, b""
    name, secret = user.encode(), password.encode()
    connection.sendall(bytes([1, len(name)]) + name + bytes([len(secret)]) + secret)
    return connection, connection.recv(2)


def socks_connect(connection, port):
    connection.sendall(b"\5\1\0\1\x7f\0\0\1" + port.to_bytes(2, "big"))
    return connection.recv(10)[1]
