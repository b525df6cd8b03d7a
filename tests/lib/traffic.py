"""Origins that record what reached them, raw clients, curl, nginx and a small load of keep-alive requests."""
import collections
import os
import socket
import subprocess
import threading
import time

from harness import until

Answer = collections.namedtuple("Answer", "status head body")


class Origin:
    """Accepts on a free port of 127.0.0.1 and gives each connection to `serve(connection, origin)` in a thread."""

    def __init__(self, serve, address="127.0.0.1", port=0):
        self.serve = serve
        self.heads = []          # every request head received, raw
        self.received = b""      # every byte received
        self.connections = 0
        self.lock = threading.Lock()
        self.socket = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind((address, port))
        self.socket.listen(1024)
        self.port = self.socket.getsockname()[1]
        self.address = f"{address}:{self.port}"
        self.url = f"http://{address}:{self.port}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                self.connections += 1
            threading.Thread(target=self.guarded, args=(connection,), daemon=True).start()

    def guarded(self, connection):
        try:
            with connection:
                self.serve(connection, self)
        except OSError:
            pass

    def note(self, data):
        with self.lock:
            self.received += data

    def close(self):
        """Nobody is accepted any more, from now on."""
        try:
            self.socket.shutdown(socket.SHUT_RDWR)  # else the thread in accept() keeps it
        except OSError:
            pass
        self.socket.close()


def read_head(connection, origin=None, buffer=b""):
    """(head with its empty line, what came after it); head is b'' at the end of the stream."""
    while b"\r\n\r\n" not in buffer:
        data = connection.recv(65536)
        if not data:
            return b"", buffer
        if origin:
            origin.note(data)
        buffer += data
    head, _, rest = buffer.partition(b"\r\n\r\n")
    return head + b"\r\n\r\n", rest


def header(head, name):
    """The first value of a field, as text, or None."""
    for line in head.split(b"\r\n")[1:]:
        key, _, value = line.partition(b":")
        if key.strip().lower() == name.lower().encode():
            return value.strip().decode("latin-1")
    return None


def headers(head, name):
    return [line.partition(b":")[2].strip().decode("latin-1") for line in head.split(b"\r\n")[1:]
            if line.partition(b":")[0].strip().lower() == name.lower().encode()]


def answer_with(body=b"hello\n", extra=b"", status=b"200 OK"):
    """An origin that keeps connections alive and answers every request, bodies with Content-Length read."""
    def serve(connection, origin):
        rest = b""
        while True:
            head, rest = read_head(connection, origin, rest)
            if not head:
                return
            with origin.lock:
                origin.heads.append(head)
            wanted = int(header(head, "content-length") or 0)
            while len(rest) < wanted:
                data = connection.recv(65536)
                if not data:
                    return
                origin.note(data)
                rest += data
            rest = rest[wanted:]
            reply = b"HTTP/1.1 " + status + b"\r\nContent-Length: " + str(len(body)).encode() + b"\r\n" + extra + b"\r\n"
            connection.sendall(reply + (b"" if head.startswith(b"HEAD ") else body))
    return serve


def raw_answer(reply, close=True):
    """An origin that answers every request with these very bytes, then closes."""
    def serve(connection, origin):
        rest = b""
        while True:
            head, rest = read_head(connection, origin, rest)
            if not head:
                return
            with origin.lock:
                origin.heads.append(head)
            connection.sendall(reply)
            if close:
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    pass
                return
    return serve


def echo(connection, origin):
    while data := connection.recv(65536):
        origin.note(data)
        connection.sendall(data)


def drip(total, piece=1 << 16, pause=0.0):
    """An HTTP origin that sends `total` bytes in pieces with a pause between them."""
    def serve(connection, origin):
        head, _ = read_head(connection, origin)
        if not head:
            return
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % total)
        left = total
        while left:
            now = min(piece, left)
            connection.sendall(b"x" * now)
            left -= now
            if pause:
                time.sleep(pause)
    return serve


# ---- clients ---------------------------------------------------------------
def connect(port, address="127.0.0.1", timeout=10.0):
    connection = socket.create_connection((address, port), timeout)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def read_all(connection):
    """Everything until the peer closes; a reset counts as the end."""
    data = b""
    try:
        while piece := connection.recv(65536):
            data += piece
    except ConnectionError:
        pass
    return data


def exchange(port, data, timeout=10.0, half_close=False):
    """Sends bytes, returns all bytes that come back until the end of the stream (a reset is one) or the timeout.
    A refused connect is an error."""
    try:
        with connect(port, timeout=timeout) as connection:
            connection.sendall(data)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
            return read_all(connection)
    except (ConnectionResetError, BrokenPipeError, TimeoutError):
        return b""


def read_answer(connection, buffer=b"", no_body=False):
    """One HTTP answer with Content-Length (or none); returns (Answer, surplus bytes)."""
    head, rest = read_head(connection, None, buffer)
    if not head:
        return None, rest
    status = int(head.split()[1])
    length = 0 if no_body or status in (204, 304) or status < 200 else int(header(head, "content-length") or 0)
    while len(rest) < length:
        data = connection.recv(1 << 20)
        if not data:
            return Answer(status, head, rest), b""
        rest += data
    return Answer(status, head, rest[:length]), rest[length:]


def get(port, url, more=b"", timeout=10.0, method=b"GET"):
    """One absolute-form request on a fresh connection; returns its Answer (None when nothing came)."""
    host = url.split("/")[2].encode()
    with connect(port, timeout=timeout) as connection:
        connection.sendall(method + b" " + url.encode() + b" HTTP/1.1\r\nHost: " + host + b"\r\n" + more + b"\r\n")
        return read_answer(connection, no_body=method == b"HEAD")[0]


def curl(w, *args, code=0, timeout=20):
    """Real curl; returns its stdout."""
    w.need("curl")
    done = subprocess.run(["curl", "-sS", "--max-time", str(timeout), "--noproxy", "", *map(str, args)], text=True,
                          errors="replace", capture_output=True, timeout=timeout + 5, env=w.env)
    if code is not None:
        wanted = code if isinstance(code, tuple) else (code,)
        assert done.returncode in wanted, f"curl {args}: exit {done.returncode}, wanted {code}\n{done.stdout}{done.stderr}"
    return done.stdout


def through(w, port, url, *args, **more):
    """curl through the http proxy on `port`."""
    return curl(w, "-x", f"http://127.0.0.1:{port}", url, *args, **more)


class Load:
    """Threads that send keep-alive requests through a proxy until stopped; every complete answer is counted."""

    def __init__(self, port, url, threads=4, size=None):
        self.port, self.url, self.size = port, url, size
        self.done = 0          # complete answers
        self.sent_bytes = 0    # client bytes of complete exchanges, both ways
        self.errors = []       # (seconds since start, text)
        self.began = time.monotonic()
        self.stopping = False
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.work, daemon=True) for _ in range(threads)]
        for thread in self.threads:
            thread.start()

    def work(self):
        host = self.url.split("/")[2]
        request = f"GET {self.url} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
        while not self.stopping:
            try:
                with connect(self.port, timeout=5) as connection:
                    rest = b""
                    while not self.stopping:
                        connection.sendall(request)
                        answer, rest = read_answer(connection, rest)
                        if answer is None:
                            raise ConnectionError("closed")
                        if answer.status != 200:
                            raise ConnectionError(f"status {answer.status}")
                        with self.lock:
                            self.done += 1
                            self.sent_bytes += len(request) + len(answer.head) + len(answer.body)
            except (OSError, ValueError) as error:
                with self.lock:
                    self.errors.append((time.monotonic() - self.began, f"{type(error).__name__}: {error}"))
                time.sleep(0.002)

    def stop(self):
        self.stopping = True
        for thread in self.threads:
            thread.join(10)


class Download(threading.Thread):
    """One transfer through a proxy in the background; `.body` has how many bytes arrived, `.failed` why it broke."""

    def __init__(self, port, url):
        super().__init__(daemon=True)
        self.port, self.url = port, url
        self.body, self.wanted, self.failed = 0, None, None
        self.start()

    def run(self):
        try:
            with connect(self.port, timeout=60) as connection:
                host = self.url.split("/")[2]
                connection.sendall(f"GET {self.url} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
                head, rest = read_head(connection)
                self.wanted = int(header(head, "content-length") or -1) if head else -1
                self.body = len(rest)
                while self.body < self.wanted:
                    data = connection.recv(1 << 20)
                    if not data:
                        raise ConnectionError("closed early")
                    self.body += len(data)
        except OSError as error:
            self.failed = f"{type(error).__name__}: {error}"

    def finish(self, seconds=30):
        self.join(seconds)
        assert not self.is_alive(), "the transfer did not end"
        return self.failed is None and self.body == self.wanted


# ---- nginx -----------------------------------------------------------------
class Nginx:
    """A real nginx on a free port: `/` answers "hello from nginx", files of `<dir>/www` are served."""

    def __init__(self, w, port=None):
        w.need("nginx")
        self.port = port or w.port()
        self.url = f"http://127.0.0.1:{self.port}"
        folder = w.path(f"nginx-{self.port}")
        for name in ("", "www", "tmp"):
            os.makedirs(os.path.join(folder, name), exist_ok=True)
        self.www = os.path.join(folder, "www")
        user = "user root;" if os.getuid() == 0 else ""
        config = f"""{user} daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; default_type text/plain; keepalive_requests 1000000; server_tokens off; client_max_body_size 0;
  client_body_temp_path {folder}/tmp/b; proxy_temp_path {folder}/tmp/p; fastcgi_temp_path {folder}/tmp/f;
  uwsgi_temp_path {folder}/tmp/u; scgi_temp_path {folder}/tmp/s;
  server {{
    listen 127.0.0.1:{self.port} backlog=1024;
    location = / {{ return 200 "hello from nginx\\n"; }}
    location / {{ root {self.www}; }}
  }}
}}
"""
        path = os.path.join(folder, "nginx.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(config)
        self.process = subprocess.Popen(["nginx", "-p", folder, "-c", path, "-e", f"{folder}/error.log"], env=w.env,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: accepts(self.port), 10, "nginx listening")

    def file(self, name, size):
        with open(os.path.join(self.www, name), "wb") as file:
            file.truncate(size)
        return f"{self.url}/{name}"


def accepts(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False
