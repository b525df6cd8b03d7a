"""Strictness, with raw bytes against an origin that records everything: what is refused never reaches it."""
from harness import contains, equal, test, until
from traffic import Origin, answer_with, connect, exchange, raw_answer, read_all


def setup(w, serve=None):
    w.init("acme")
    w.allow_loopback("acme")
    port = w.server("http", "acme/web", "--header-timeout", "1s", "--body-timeout", "1s", "--response-timeout", "2s")
    w.run()
    return port, Origin(serve or answer_with())


def status_of(answer):
    return int(answer.split()[1]) if answer.startswith(b"HTTP/1.") else None


# (name, expected status, bytes); {u} the origin's URL, {h} its address
BAD_REQUESTS = (
    ("CL with TE", 400, b"POST {u}/ HTTP/1.1\r\nHost: {h}\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("two CL", 400, b"POST {u}/ HTTP/1.1\r\nHost: {h}\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcd"),
    ("two equal CL", 400, b"POST {u}/ HTTP/1.1\r\nHost: {h}\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\nabcd"),
    ("CL list", 400, b"POST {u}/ HTTP/1.1\r\nHost: {h}\r\nContent-Length: 4, 4\r\n\r\nabcd"),
    ("CL with sign", 400, b"POST {u}/ HTTP/1.1\r\nHost: {h}\r\nContent-Length: +4\r\n\r\nabcd"),
    ("CL hex", 400, b"POST {u}/ HTTP/1.1\r\nHost: {h}\r\nContent-Length: 0x4\r\n\r\nabcd"),
    ("CL negative", 400, b"POST {u}/ HTTP/1.1\r\nHost: {h}\r\nContent-Length: -1\r\n\r\n"),
    ("CL too big", 400, b"POST {u}/ HTTP/1.1\r\nHost: {h}\r\nContent-Length: 99999999999999999999\r\n\r\n"),
    ("CL with a tab behind", 400, b"POST {u}/ HTTP/1.1\r\nHost: {h}\r\nContent-Length: 4 \t \r\n\r\nabcd"),
    ("CL empty", 400, b"POST {u}/ HTTP/1.1\r\nHost: {h}\r\nContent-Length: \r\n\r\n"),
    ("TE unknown", 501, b"POST {u}/ HTTP/1.1\r\nHost: {h}\r\nTransfer-Encoding: gzip\r\n\r\n0\r\n\r\n"),
    ("TE gzip, chunked", (400, 501), b"POST {u}/ HTTP/1.1\r\nHost: {h}\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    ("TE twice", (400, 501), b"POST {u}/ HTTP/1.1\r\nHost: {h}\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("TE xchunked", (400, 501), b"POST {u}/ HTTP/1.1\r\nHost: {h}\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    ("TE with vertical tab", (400, 501), b"POST {u}/ HTTP/1.1\r\nHost: {h}\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n"),
    ("TE in 1.0", 400, b"POST {u}/ HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("obs-fold", 400, b"GET {u}/ HTTP/1.1\r\nHost: {h}\r\nX-A: b\r\n c\r\n\r\n"),
    ("bare LF", 400, b"GET {u}/ HTTP/1.1\nHost: {h}\n\n"),
    ("LF in a field", 400, b"GET {u}/ HTTP/1.1\r\nHost: {h}\r\nX: a\nY: b\r\n\r\n"),
    ("bare CR", 400, b"GET {u}/ HTTP/1.1\r\nHost: {h}\r\nX: a\rb\r\n\r\n"),
    ("NUL in a field", 400, b"GET {u}/ HTTP/1.1\r\nHost: {h}\r\nX: a\x00b\r\n\r\n"),
    ("control in a field", 400, b"GET {u}/ HTTP/1.1\r\nHost: {h}\r\nX: a\x01b\r\n\r\n"),
    ("space before the colon", 400, b"GET {u}/ HTTP/1.1\r\nHost: {h}\r\nX : a\r\n\r\n"),
    ("empty field name", 400, b"GET {u}/ HTTP/1.1\r\nHost: {h}\r\n: a\r\n\r\n"),
    ("no colon", 400, b"GET {u}/ HTTP/1.1\r\nHost: {h}\r\nnonsense\r\n\r\n"),
    ("field name with brackets", 400, b"GET {u}/ HTTP/1.1\r\nHost: {h}\r\nX(a): b\r\n\r\n"),
    ("leading space in the first field", 400, b"GET {u}/ HTTP/1.1\r\n Host: {h}\r\n\r\n"),
    ("no Host", 400, b"GET {u}/ HTTP/1.1\r\n\r\n"),
    ("two Host", 400, b"GET {u}/ HTTP/1.1\r\nHost: {h}\r\nHost: {h}\r\n\r\n"),
    ("userinfo", 400, b"GET http://a@{h}/ HTTP/1.1\r\nHost: {h}\r\n\r\n"),
    ("fragment", 400, b"GET {u}/#x HTTP/1.1\r\nHost: {h}\r\n\r\n"),
    ("space in the target", 400, b"GET {u}/a b HTTP/1.1\r\nHost: {h}\r\n\r\n"),
    ("control in the target", 400, b"GET {u}/a\x01 HTTP/1.1\r\nHost: {h}\r\n\r\n"),
    ("empty host", 400, b"GET http:///x HTTP/1.1\r\nHost: {h}\r\n\r\n"),
    ("port too big", 400, b"GET http://127.0.0.1:99999/ HTTP/1.1\r\nHost: {h}\r\n\r\n"),
    ("CONNECT without port", 400, b"CONNECT 127.0.0.1 HTTP/1.1\r\nHost: {h}\r\n\r\n"),
    ("CONNECT with path", 400, b"CONNECT {h}/x HTTP/1.1\r\nHost: {h}\r\n\r\n"),
    ("origin-form at a forward proxy", 400, b"GET / HTTP/1.1\r\nHost: {h}\r\n\r\n"),
    ("HTTP/1.2 lower case", (400, 505), b"GET {u}/ http/1.1\r\nHost: {h}\r\n\r\n"),
    ("HTTP/2.0", 505, b"GET {u}/ HTTP/2.0\r\nHost: {h}\r\n\r\n"),
    ("HTTP/1.10", (400, 505), b"GET {u}/ HTTP/1.10\r\nHost: {h}\r\n\r\n"),
    ("no version", 400, b"GET {u}/\r\n\r\n"),
    ("HTTP/2 preface", (400, 505), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ("TLS hello", 400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 40 + b"\r\n\r\n"),
    ("method with control", 400, b"G\x01T {u}/ HTTP/1.1\r\nHost: {h}\r\n\r\n"),
    ("CL with a space inside", 400, b"POST {u}/ HTTP/1.1\r\nHost: {h}\r\nContent-Length: 4 4\r\n\r\nabcd"),
    ("CL of 2^63", 400, b"POST {u}/ HTTP/1.1\r\nHost: {h}\r\nContent-Length: 9223372036854775808\r\n\r\nabcd"),
    ("CL in full-width digits", 400, b"POST {u}/ HTTP/1.1\r\nHost: {h}\r\nContent-Length: \xef\xbc\x94\r\n\r\nabcd"),
    ("TE empty", 400, b"POST {u}/ HTTP/1.1\r\nHost: {h}\r\nTransfer-Encoding: \r\n\r\n0\r\n\r\n"),
    ("TE with a parameter", 400, b"POST {u}/ HTTP/1.1\r\nHost: {h}\r\nTransfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n"),
    ("TE quoted", 400, b"POST {u}/ HTTP/1.1\r\nHost: {h}\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n"),
    ("TE chunked, chunked", 400, b"POST {u}/ HTTP/1.1\r\nHost: {h}\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
    ("TE with an empty member", 400, b"POST {u}/ HTTP/1.1\r\nHost: {h}\r\nTransfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n"),
    ("TE identity", 501, b"POST {u}/ HTTP/1.1\r\nHost: {h}\r\nTransfer-Encoding: identity\r\n\r\nabcd"),
    ("DEL in a field", 400, b"POST {u}/ HTTP/1.1\r\nHost: {h}\r\nX: a\x7fb\r\nContent-Length: 4\r\n\r\nabcd"),
    ("NUL in a field name", 400, b"POST {u}/ HTTP/1.1\r\nHost: {h}\r\nX\x00Y: b\r\nContent-Length: 4\r\n\r\nabcd"),
    ("tab before the colon", 400, b"POST {u}/ HTTP/1.1\r\nHost: {h}\r\nContent-Length\t: 4\r\n\r\nabcd"),
    ("field name not ASCII", 400, b"POST {u}/ HTTP/1.1\r\nHost: {h}\r\n\xc3\xa9: b\r\nContent-Length: 4\r\n\r\nabcd"),
    ("Host empty", 400, b"GET {u}/ HTTP/1.1\r\nHost: \r\n\r\n"),
    ("Host with a blank", 400, b"GET {u}/ HTTP/1.1\r\nHost: a b\r\n\r\n"),
    ("Host with user", 400, b"GET {u}/ HTTP/1.1\r\nHost: u@a.test\r\n\r\n"),
    ("Host with a path", 400, b"GET {u}/ HTTP/1.1\r\nHost: a.test/x\r\n\r\n"),
    ("Host with port 0", 400, b"GET {u}/ HTTP/1.1\r\nHost: a.test:0\r\n\r\n"),
    ("Host of two names", 400, b"GET {u}/ HTTP/1.1\r\nHost: a.test, b.test\r\n\r\n"),
    ("Host with half a bracket", 400, b"GET {u}/ HTTP/1.1\r\nHost: [::1\r\n\r\n"),
    ("Host in percent code", 400, b"GET {u}/ HTTP/1.1\r\nHost: a%41.test\r\n\r\n"),
    ("backslash in the authority", 400, b"GET http://{h}\\@a.test/ HTTP/1.1\r\nHost: {h}\r\n\r\n"),
    ("port 0", 400, b"GET http://127.0.0.1:0/ HTTP/1.1\r\nHost: {h}\r\n\r\n"),
    ("port empty", 400, b"GET http://127.0.0.1:/ HTTP/1.1\r\nHost: {h}\r\n\r\n"),
    ("port with a letter", 400, b"GET http://127.0.0.1:80a/ HTTP/1.1\r\nHost: {h}\r\n\r\n"),
    ("port with a sign", 400, b"GET http://127.0.0.1:+80/ HTTP/1.1\r\nHost: {h}\r\n\r\n"),
    ("ftp", (400, 501), b"GET ftp://{h}/ HTTP/1.1\r\nHost: {h}\r\n\r\n"),
    ("file", (400, 501), b"GET file:///etc/passwd HTTP/1.1\r\nHost: {h}\r\n\r\n"),
    ("https in clear text", 501, b"GET https://{h}/ HTTP/1.1\r\nHost: {h}\r\n\r\n"),
    ("NUL in the target", 400, b"GET {u}/\x00 HTTP/1.1\r\nHost: {h}\r\n\r\n"),
    ("target not ASCII", 400, b"GET {u}/caf\xc3\xa9 HTTP/1.1\r\nHost: {h}\r\n\r\n"),
    ("asterisk for GET", 400, b"GET * HTTP/1.1\r\nHost: {h}\r\n\r\n"),
    ("authority for GET", 400, b"GET {h} HTTP/1.1\r\nHost: {h}\r\n\r\n"),
    ("CONNECT with user", 400, b"CONNECT u@{h} HTTP/1.1\r\nHost: {h}\r\n\r\n"),
    ("CONNECT to port 0", 400, b"CONNECT 127.0.0.1:0 HTTP/1.1\r\nHost: {h}\r\n\r\n"),
    ("CONNECT without host", 400, b"CONNECT :443 HTTP/1.1\r\nHost: {h}\r\n\r\n"),
    ("CONNECT with a URL", 400, b"CONNECT {u}/ HTTP/1.1\r\nHost: {h}\r\n\r\n"),
    ("two blanks", 400, b"GET  {u}/ HTTP/1.1\r\nHost: {h}\r\n\r\n"),
    ("a tab for a blank", 400, b"GET\t{u}/ HTTP/1.1\r\nHost: {h}\r\n\r\n"),
    ("no method", 400, b" {u}/ HTTP/1.1\r\nHost: {h}\r\n\r\n"),
    ("method with brackets", 400, b"G(T {u}/ HTTP/1.1\r\nHost: {h}\r\n\r\n"),
    ("CONNECT with a body", 400, b"CONNECT {h} HTTP/1.1\r\nHost: {h}\r\nContent-Length: 1\r\n\r\na"),
    ("blank after the version", 400, b"GET {u}/ HTTP/1.1 \r\nHost: {h}\r\n\r\n"),
    ("HTTP/1.2", 505, b"GET {u}/ HTTP/1.2\r\nHost: {h}\r\n\r\n"),
    ("HTTP/01.1", 400, b"GET {u}/ HTTP/01.1\r\nHost: {h}\r\n\r\n"),
    ("HTTP/1,1", 400, b"GET {u}/ HTTP/1,1\r\nHost: {h}\r\n\r\n"),
    ("HTTP/11", 400, b"GET {u}/ HTTP/11\r\nHost: {h}\r\n\r\n"),
    ("HTTP/0.9", 400, b"GET /\r\n"),
    ("two CR at the end of a line", 400, b"GET {u}/ HTTP/1.1\r\r\nHost: {h}\r\n\r\n"),
    ("70 names in Connection", 400, b"GET {u}/ HTTP/1.1\r\nHost: {h}\r\nConnection: "
     + b",".join(b"x%d" % i for i in range(70)) + b"\r\n\r\n"),
    ("too many fields", 431, b"GET {u}/ HTTP/1.1\r\nHost: {h}\r\n" + b"A: b\r\n" * 129 + b"\r\n"),
    ("head too large", 431, b"GET {u}/ HTTP/1.1\r\nHost: {h}\r\nX: " + b"a" * 66000 + b"\r\n\r\n"),
    ("request line too long", 414, b"GET {u}/" + b"a" * 16500 + b" HTTP/1.1\r\nHost: {h}\r\n\r\n"),
    ("Expect something else", 417, b"POST {u}/ HTTP/1.1\r\nHost: {h}\r\nExpect: 200-ok\r\nContent-Length: 1\r\n\r\na"),
)


@test("requests that must be refused: their status, connection closed, not one byte at the origin", threats="http-framing http-lines http-target http-size http-host", timeout=120)
def bad_requests(w):
    port, origin = setup(w)
    wrong = []
    for name, wanted, template in BAD_REQUESTS:
        data = template.replace(b"{u}", origin.url.encode()).replace(b"{h}", origin.address.encode())
        answer = exchange(port, data, 5)
        status = status_of(answer)
        if status not in (wanted if isinstance(wanted, tuple) else (wanted,)):
            wrong.append(f"{name}: {status}, wanted {wanted}: {answer[:80]!r}")
        if origin.received:
            wrong.append(f"{name}: reached the origin: {origin.received[:80]!r}")
            origin.received = b""
    equal(wrong, [])
    until(lambda: w.show("acme/web")["stats"]["total_connections"] == len(BAD_REQUESTS), 5 * w.patience, "all counted")


# chunked bodies: the head may reach the origin, the garbage never does
BAD_CHUNKS = (b"zz\r\n", b"-1\r\nab\r\n0\r\n\r\n", b"fffffffffffffffff\r\n", b"3 \r\nabc\r\n0\r\n\r\n", b"3\nabc\n0\n\n",
              b"3\r\nabcd\r\n0\r\n\r\n", b"0x3\r\nabc\r\n0\r\n\r\n", b"+3\r\nabc\r\n0\r\n\r\n", b"3\r\nabcXX0\r\n\r\n",
              b"\r\n3\r\nabc\r\n0\r\n\r\n", b"3;\x00\r\nabc\r\n0\r\n\r\n", b"0\r\nContent-Length : 5\r\n\r\n",
              b"3\r\r\nabc\r\n0\r\n\r\n", b"3\r\nabc\n0\r\n\r\n", b"3\r\nabc\r0\r\n\r\n", b"3\r\nab\r\n0\r\n\r\n",
              b" 3\r\nabc\r\n0\r\n\r\n", b"3\t\r\nabc\r\n0\r\n\r\n", b"\xef\xbc\x93\r\nabc\r\n0\r\n\r\n",
              b"8000000000000000\r\nabc", b"00000000000000003\r\nabc\r\n0\r\n\r\n", b"3;a=\"\r\n\"\r\nabc\r\n0\r\n\r\n",
              b"3;a\nb\r\nabc\r\n0\r\n\r\n", b"3;" + b"x" * 5000 + b"\r\nabc\r\n0\r\n\r\n",
              (b"1;" + b"x" * 4000 + b"\r\na\r\n") * 5 + b"0\r\n\r\n", b"0\r\nT: " + b"x" * 9000 + b"\r\n\r\n",
              b"0\r\nT: a\nU: b\r\n\r\n", b"0\r\nT: a\r\n b\r\n\r\n", b"0\r\nT: a\x00\r\n\r\n", b"0\r\n: a\r\n\r\n",
              b"0\r\nno colon\r\n\r\n", b"0\n\n")


@test("chunked garbage is never passed on and never becomes a second request", threats="http-chunks", timeout=60)
def bad_chunks(w):
    port, origin = setup(w)
    for body in BAD_CHUNKS:
        origin.received, origin.heads = b"", []
        request = (f"POST {origin.url}/ HTTP/1.1\r\nHost: {origin.address}\r\nTransfer-Encoding: chunked\r\n\r\n".encode() + body
                   + f"GET {origin.url}/smuggled HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        answer = exchange(port, request, 5)
        assert b"smuggled" not in origin.received, f"{body!r}: smuggled"
        assert status_of(answer) in (400, None), f"{body!r}: {answer[:60]!r}"
        assert answer.count(b"HTTP/1.1 ") <= 1, f"{body!r}: two answers {answer!r}"
        assert not origin.received.endswith(b"0\r\n\r\n"), f"{body!r}: completed for the origin: {origin.received!r}"


@test("only what was parsed is sent on: a second request inside a body stays a body", threats="http-hidden-request")
def body_stays_body(w):
    port, origin = setup(w)
    inner = b"GET /inner HTTP/1.1\r\nHost: x\r\n\r\n"
    with connect(port) as connection:
        connection.sendall(f"POST {origin.url}/outer HTTP/1.1\r\nHost: a\r\nContent-Length: {len(inner)}\r\nConnection: close"
                           "\r\n\r\n".encode() + inner)
        equal(status_of(read_all(connection)), 200)
    equal(len(origin.heads), 1)
    contains(origin.heads[0].decode(), "POST /outer HTTP/1.1")


@test("one leading CRLF is ignored; field order, case and repetition are kept")
def kept_as_it_is(w):
    port, origin = setup(w)
    answer = exchange(port, f"\r\nGET {origin.url}/ HTTP/1.1\r\nHost: a\r\nX-B: 1\r\nx-a: 2\r\nX-B: 3\r\nConnection: close\r\n\r\n"
                      .encode(), 5)
    equal(status_of(answer), 200)
    text = origin.heads[0].decode()
    lines = [line for line in text.split("\r\n") if line.lower().startswith("x-")]
    equal(lines, ["X-B: 1", "x-a: 2", "X-B: 3"])


# (name, wanted status, raw answer of the origin)
ANSWERS = (
    ("CL and TE", 502, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("differing CL", 502, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello"),
    ("NUL", 502, b"HTTP/1.1 200 OK\r\nX: a\x00b\r\nContent-Length: 0\r\n\r\n"),
    ("bare CR", 502, b"HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 0\r\n\r\n"),
    ("unasked 101", 502, b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"),
    ("no HTTP", 502, b"SSH-2.0-OpenSSH\r\n\r\n"),
    ("too large", 502, b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70000 + b"\r\n\r\n"),
    ("too many interim answers", 502, b"HTTP/1.1 103 Early Hints\r\n\r\n" * 20 + b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ("status out of range", 502, b"HTTP/1.1 999999 OK\r\n\r\n"),
    ("closed at once", 502, b""),
    ("its own 407", 502, b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n"),
    ("CL with a letter", 502, b"HTTP/1.1 200 OK\r\nContent-Length: 5x\r\n\r\nhello"),
    ("CL negative", 502, b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello"),
    ("CL too big", 502, b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nhello"),
    ("CL list of two", 502, b"HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\nhello"),
    ("TE unknown", 502, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello"),
    ("TE twice", 502, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("TE in 1.0", 502, b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("first chunk size is garbage", 502, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
    ("HTTP/2.0", 502, b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ("HTTP/0.9", 502, b"<html>hello</html>\r\n\r\n"),
    ("two digits", 502, b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n"),
    ("status 099", 502, b"HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n"),
    ("two blanks", 502, b"HTTP/1.1  200 OK\r\nContent-Length: 0\r\n\r\n"),
    ("bare CR in the phrase", 502, b"HTTP/1.1 200 O\rK\r\nContent-Length: 0\r\n\r\n"),
    ("no colon", 502, b"HTTP/1.1 200 OK\r\nnonsense\r\nContent-Length: 0\r\n\r\n"),
    ("empty field name", 502, b"HTTP/1.1 200 OK\r\n: a\r\nContent-Length: 0\r\n\r\n"),
    ("folded before any field", 502, b"HTTP/1.1 200 OK\r\n a: b\r\nContent-Length: 0\r\n\r\n"),
    ("a head that breaks off", 502, b"HTTP/1.1 200 OK\r\nContent-Le"),
    ("LF line ends are repaired", 200, b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello"),
    ("space before the colon is repaired", 200, b"HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\nhello"),
    ("obs-fold is repaired", 200, b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 5\r\n\r\nhello"),
    ("equal CL is repaired", 200, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello"),
)


@test("answers that must not reach the client are 502, what RFC 9112 lets a proxy repair is repaired", threats="origin-broken", timeout=90)
def bad_answers(w):
    port, _ = setup(w)
    wrong = []
    for name, wanted, reply in ANSWERS:
        origin = Origin(raw_answer(reply))
        answer = exchange(port, f"GET {origin.url}/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode(), 6)
        final = answer[answer.rfind(b"HTTP/1.1 "):] if wanted == 502 and answer.count(b"HTTP/1.1 ") > 1 else answer
        if status_of(final) != wanted:
            wrong.append(f"{name}: {answer[:100]!r}, wanted {wanted}")
        if wanted == 200 and not answer.endswith(b"hello"):
            wrong.append(f"{name}: body {answer[-20:]!r}")
        if b"a\x00b" in answer or b"a\rb" in answer:
            wrong.append(f"{name}: dangerous bytes passed on")
    equal(wrong, [])


@test("a connection with surplus bytes after an answer is never used again", threats="origin-surplus")
def surplus_bytes(w):
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
    port, origin = setup(w, raw_answer(reply, close=False))
    for _ in range(3):
        answer = exchange(port, f"GET {origin.url}/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode(), 5)
        assert answer.endswith(b"hello") and b"evil" not in answer, answer
    equal(origin.connections, 3)


@test("an error answer reaches the client although it is still sending")
def polite_refusal(w):
    port, origin = setup(w)
    with connect(port) as connection:
        connection.sendall(f"POST {origin.url}/ HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nContent-Length: 8\r\n\r\n".encode())
        try:
            connection.sendall(b"x" * 60000)
        except OSError:
            pass
        contains(read_all(connection).decode(), " 400 ")


@test("fields named by Connection are dropped, but never Host, Content-Length or Transfer-Encoding", threats="http-hop-by-hop")
def connection_names(w):
    port, origin = setup(w)
    answer = exchange(port, (f"POST {origin.url}/ HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nConnection: close, Content-Length, "
                             "Host, X-Drop\r\nX-Drop: 1\r\n\r\nabc").encode(), 5)
    equal(status_of(answer), 200)
    text = origin.heads[0].decode().lower()
    contains(text, "content-length: 3", "host: ")
    assert "x-drop" not in text


# (name, method, raw answer): the answer has no body, whatever it says, and what follows it is nobody's
BODILESS = (
    ("HEAD", "HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
    ("204", "GET", b"HTTP/1.1 204 No Content\r\n\r\nhello"),
    ("304", "GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nhello"),
    ("103 before it", "HEAD", b"HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
)


@test("an answer that has no body gets none, and its connection is not used again", threats="http-no-body")
def bodiless(w):
    port, _ = setup(w)
    for name, method, reply in BODILESS:
        origin = Origin(raw_answer(reply, close=False))
        for _ in range(2):
            answer = exchange(port, f"{method} {origin.url}/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode(), 5)
            assert answer.endswith(b"\r\n\r\n") and b"hello" not in answer, f"{name}: {answer!r}"
        equal(origin.connections, 2)


# what the origin sends after its head, then closes: never a complete message for the client
BROKEN_BODIES = (
    ("CL too short", b"Content-Length: 100\r\n\r\nshort"),
    ("chunked without its end", b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"),
    ("chunked cut in the middle", b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n9\r\nhe"),
    ("chunk size is garbage", b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n"),
    ("chunk longer than it said", b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello!\r\n0\r\n\r\n"),
    ("trailers cut", b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nT: a\r\n"),
    ("NUL in a trailer", b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nT: \x00\r\n\r\n"),
)


@test("a body that breaks after the head is passed on as a break, never completed", threats="origin-cut")
def broken_bodies(w):
    port, _ = setup(w)
    for name, rest in BROKEN_BODIES:
        origin = Origin(raw_answer(b"HTTP/1.1 200 OK\r\n" + rest))
        with connect(port) as connection:
            connection.sendall(f"GET {origin.url}/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
            got = read_all(connection)
        # 502 when the fault was seen before the head was sent
        assert status_of(got) in (200, 502, None), f"{name}: {got!r}"
        if status_of(got) == 200:
            assert not got.endswith(b"0\r\n\r\n") and b"T:" not in got and len(got.partition(b"\r\n\r\n")[2]) < 100, f"{name}: {got!r}"


@test("after a framing error nothing more is parsed: one answer, and the request behind it is not made", threats="http-after-error")
def nothing_after_an_error(w):
    port, origin = setup(w)
    behind = f"GET {origin.url}/behind HTTP/1.1\r\nHost: a\r\n\r\n".encode()
    for name, _, template in BAD_REQUESTS:
        data = template.replace(b"{u}", origin.url.encode()).replace(b"{h}", origin.address.encode())
        answer = exchange(port, data + behind, 5)
        equal((name, answer.count(b"HTTP/1.1 "), origin.received), (name, 1, b""))


@test("an error answer repeats nothing of the request and names no version", threats="http-reflection")
def no_reflection(w):
    port, origin = setup(w)
    for data in (f"GET {origin.url}/reflected#x HTTP/1.1\r\nHost: a\r\n\r\n",
                 "GET http://reflected.invalid/ HTTP/1.1\r\nHost: reflected\r\nConnection: close\r\n\r\n",
                 f"reflected {origin.url}/ HTTP/7.1\r\nHost: a\r\n\r\n",
                 "CONNECT reflected:1 HTTP/1.1\r\nHost: reflected\r\nConnection: close\r\n\r\n",
                 f"POST {origin.url}/ HTTP/1.1\r\nHost: a\r\nExpect: reflected\r\nContent-Length: 1\r\n\r\n"):
        answer = exchange(port, data.encode(), 8)
        assert (status_of(answer) or 0) >= 400, answer
        contains(answer.decode().lower(), "content-type: text/plain")
        for word in ("reflected", "openssl", "asio", "arcusctl/", "server:"):
            assert word not in answer.decode().lower(), f"{data!r}: {answer!r}"
