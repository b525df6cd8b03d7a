"""An HTTP origin that records and answers everything a matrix needs, certificates, and a relay that counts."""
import base64
import hashlib
import os
import socket
import ssl
import subprocess
import threading

from traffic import Origin, header, read_head

PATTERN = bytes(range(256)) * 4096  # 1 MiB that does not look alike at any shift below 256


def body_of(size):
    """What `/bytes/SIZE` answers."""
    return (PATTERN * (size // len(PATTERN) + 1))[:size]


def make_certificate(folder, name="cert", names=("localhost",), addresses=("127.0.0.1", "::1"), days=30):
    """A self-signed P-256 certificate; returns (certificate path, key path)."""
    cert, key = os.path.join(folder, f"{name}.pem"), os.path.join(folder, f"{name}.key")
    sans = ",".join([f"DNS:{n}" for n in names] + [f"IP:{a}" for a in addresses])
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", str(days),
                    "-subj", f"/CN={names[0]}", "-addext", f"subjectAltName={sans}", "-keyout", key, "-out", cert],
                   check=True, capture_output=True)
    os.chmod(key, 0o600)
    return cert, key


def read_exactly(connection, rest, size):
    """(size bytes, what came after)."""
    parts, have = [rest], len(rest)
    while have < size:
        data = connection.recv(1 << 18)
        if not data:
            raise ConnectionError("the body ended early")
        parts.append(data)
        have += len(data)
    joined = b"".join(parts)
    return joined[:size], joined[size:]


def read_chunked(connection, rest):
    """(body, trailer lines, what came after); strict about every byte."""
    body = []
    while True:
        while b"\r\n" not in rest:
            data = connection.recv(65536)
            if not data:
                raise ConnectionError("the chunks ended early")
            rest += data
        line, _, rest = rest.partition(b"\r\n")
        size = int(line.split(b";")[0], 16)
        if size == 0:
            break
        piece, rest = read_exactly(connection, rest, size + 2)
        if piece[-2:] != b"\r\n":
            raise ValueError("a chunk without its end")
        body.append(piece[:-2])
    trailers = []
    while True:
        while b"\r\n" not in rest:
            rest += connection.recv(65536)
        line, _, rest = rest.partition(b"\r\n")
        if not line:
            return b"".join(body), trailers, rest
        trailers.append(line)


def websocket(connection, head, rest):
    """Accepts the upgrade, then sends back every byte."""
    key = header(head, "sec-websocket-key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    accept = base64.b64encode(hashlib.sha1(key.encode()).digest())
    connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                       b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n" + rest)
    while data := connection.recv(65536):
        connection.sendall(data)


def take_body(connection, head, rest, origin):
    """(body, trailers, what came after); answers Expect first."""
    if header(head, "expect"):
        with origin.lock:
            origin.expected += 1
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    if (header(head, "transfer-encoding") or "").lower() == "chunked":
        return read_chunked(connection, rest)
    body, rest = read_exactly(connection, rest, int(header(head, "content-length") or 0))
    return body, [], rest


def answer(connection, head, body, trailers):
    """One answer; returns whether the connection stays."""
    path = head.split()[1].decode()
    if "://" in path:
        path = "/" + path.split("/", 3)[3]
    old = head.split(b"\r\n")[0].endswith(b"HTTP/1.0")
    if path.startswith("/bytes/"):
        size = int(path.split("/")[2])
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        if not head.startswith(b"HEAD "):
            connection.sendall(body_of(size))
    elif path.startswith("/chunked/"):
        data, at = body_of(int(path.split("/")[2])), 0
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n")
        while at < len(data):
            piece = data[at:at + 7001]
            connection.sendall(b"%x;e=1\r\n" % len(piece) + piece + b"\r\n")
            at += len(piece)
        connection.sendall(b"0\r\nX-Sum: " + hashlib.sha256(data).hexdigest().encode() + b"\r\n\r\n")
    else:
        told = f"{len(body)} {hashlib.sha256(body).hexdigest()} {b','.join(trailers).decode()}".encode()
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(told) + told)
    return not old and (header(head, "connection") or "").lower() != "close"


def serve(connection, origin):
    rest = b""
    while True:
        head, rest = read_head(connection, None, rest)
        if not head:
            return
        with origin.lock:
            origin.heads.append(head)
        if (header(head, "upgrade") or "").lower() == "websocket":
            return websocket(connection, head, rest)
        body, trailers, rest = take_body(connection, head, rest, origin)
        if not answer(connection, head, body, trailers):
            return


class Recorder(Origin):
    """Answers `/bytes/N`, `/chunked/N` (with a trailer), WebSocket upgrades, and for all else with the length, the SHA-256 and
    the trailers of the request's body. `tls` is (certificate, key)."""

    def __init__(self, address="127.0.0.1", tls=None):
        self.expected = 0
        self.context = None
        if tls:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*tls)
        super().__init__(self.wrapped, address)

    def wrapped(self, connection, origin):
        if not self.context:
            return serve(connection, origin)
        with self.context.wrap_socket(connection, server_side=True) as inner:
            return serve(inner, origin)


class Tap(Origin):
    """Relays to a port and counts the bytes of each direction."""

    def __init__(self, port, address="127.0.0.1"):
        self.target = (address, port)
        self.sent = 0      # from the client
        self.returned = 0  # to the client
        super().__init__(self.relay, address)

    def relay(self, connection, _):
        with socket.create_connection(self.target, 10) as other:
            other.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            other.settimeout(None)
            up = threading.Thread(target=self.move, args=(connection, other, "sent"), daemon=True)
            up.start()
            self.move(other, connection, "returned")
            up.join(60)

    def move(self, source, sink, name):
        try:
            while data := source.recv(1 << 18):
                with self.lock:
                    setattr(self, name, getattr(self, name) + len(data))
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            for end in (source, sink):
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
