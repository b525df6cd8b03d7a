"""What is tried against the program, and what must come of it.

Each row has at least one test that says so with `threats="NAME"` (unit tests: `// threats: NAME` above the TEST_CASE); the lint of that name
fails when one has none, or when no test looks for what the row expects. `tests/lint/threats.py` prints the table of threats and tests.
"""
import collections

# name; what is tried; words that its tests look for: statuses, codes, Reasons, what is seen or counted
Threat = collections.namedtuple("Threat", "name what expects")

THREATS = [Threat(*row) for row in (
    # HTTP, from clients
    ("http-framing", "Content-Length beside Transfer-Encoding, unknown or doubled codings, bad lengths", "400 501 bad_request"),
    ("http-lines", "bare CR or LF, NUL, folded fields, blanks before a colon, names that are none", "400 bad_request"),
    ("http-target", "userinfo, odd hosts and ports, fragments, other schemes, other versions", "400 505"),
    ("http-size", "request lines, heads and numbers of fields without end", "414 431"),
    ("http-host", "no Host, two, or one that disagrees with the target", "400"),
    ("http-chunks", "chunk sizes, extensions and ends that are not what they should be", "400"),
    ("http-after-error", "a second request behind one that breaks the framing", "400"),
    ("http-hidden-request", "a request inside the body of another", "200"),
    ("http-origin-form", "a forward proxy is asked like an origin", "400"),
    ("http-hop-by-hop", "fields of one hop, and what Connection names, sent through", "Connection"),
    ("http-credentials", "credentials for the proxy reach the origin", "407 uthoriz"),
    ("http-client-address", "the client's address told on, or forged", "X-Forwarded-For"),
    ("http-loop", "a request comes back to the proxy", "508"),
    ("http-interim", "Expect and interim answers", "100"),
    ("http-upgrade", "Upgrade to what nobody offered; h2c", "101"),
    ("http-no-body", "a body where none belongs: HEAD, 204, 304", "204"),
    ("http-connect-port", "CONNECT to other ports than those of TLS", "403"),
    ("http-reflection", "an error page that repeats the request or tells versions", "400"),
    ("http-slow", "heads and bodies that drip or never end", "408"),
    ("http-slow-reader", "a client that does not read what it asked for", "VmRSS"),
    ("http-retry", "a request is made twice although it may have been done", "POST"),
    # HTTP, from origins
    ("origin-broken", "answers that break the protocol", "502"),
    ("origin-cut", "an answer that breaks off is passed on as whole", "break"),
    ("origin-surplus", "bytes behind an answer, for the next one to take", "surplus"),
    ("origin-tls", "a backend with another name, another authority or an expired certificate", "upstream_tls_failed"),
    # SOCKS
    ("socks-foreign", "what is no SOCKS on a SOCKS port, floods, fragments", "protocol_error"),
    ("socks-downgrade", "a way around the login: SOCKS4, no method, another method", "\\x5b \\xff"),
    ("socks-codes", "commands, address types and methods that are not served", "unsupported_method"),
    ("socks-slow", "a handshake that drips", "handshake_timeout"),
    ("socks-udp", "datagrams of others into an association", "stranger"),
    # TLS, SNI, PROXY protocol
    ("sni-unknown", "no server name, or one without a route", "no_sni no_route"),
    ("sni-malformed", "names and hellos that are none", "illegal decode protocol_error"),
    ("sni-fragments", "a hello in many records and pieces, or very large", "records"),
    ("tls-versions", "old versions, weak suites, what testssl.sh looks for", "severity TLSv1.3"),
    ("tls-renegotiation", "renegotiation, compression", "renegotiation"),
    ("tls-tickets", "a session of one server is resumed at another", "resum"),
    ("tls-cut", "an end without close_notify is taken for an end", "reset"),
    ("tls-plain", "no TLS on a TLS port", "tls_failed"),
    ("tls-client", "client certificates of nobody we trust, or none", "tls_failed"),
    ("tls-identity", "a good certificate of somebody who is no user, or not any more", "403 auth_failed user_disabled"),
    ("cert-faults", "keys of other certificates, encrypted, weak, expired, open to all", "expired encrypted weak"),
    ("cert-rotation", "a bad new file takes a good certificate's place", "goes on"),
    ("proxy-header", "a PROXY header from somebody who may not send one, or none where one must come", "PROXY"),
    # Where clients may go
    ("destination-private", "private, loopback and link-local destinations in every spelling", "403 400"),
    ("destination-socks", "the same by SOCKS", "destination_denied"),
    ("destination-rebinding", "a name whose address changes between look-ups, mixed answers", "403 destination_denied"),
    ("destination-own", "our own listeners, of any tenant", "403"),
    ("rule-by-name", "a rule for a name opens a private address", "403"),
    ("rule-late", "a rule or user that is taken away while a tunnel is dialled or open", "acl_denied"),
    ("open-proxy", "every way to make an open proxy", "open proxy"),
    # Who may come
    ("auth-required", "no, wrong or broken credentials", "407 auth_required auth_failed"),
    ("auth-guessing", "passwords guessed at a high rate, from one and from many addresses", "rate_limited"),
    ("auth-secret", "a password or hash shown anywhere", "environ"),
    ("auth-revoked", "somebody stays connected who may not any more", "user_disabled tenant_disabled"),
    ("client-door", "clients that no allow rule names", "403"),
    # Exhaustion, crashes
    ("flood-connections", "more connections than the limit", "limit_server"),
    ("flood-descriptors", "all descriptors taken", "limit_worker share"),
    ("flood-requests", "more requests per second than allowed", "rate_limited"),
    ("crash-worker", "a worker dies under load, or again and again", "kill"),
    ("crash-daemon", "the daemon dies during writes and traffic", "kill"),
    ("crash-command", "a command dies at any moment", "kill"),
    ("disk-full", "the disk fills up", "refused acknowledged"),
    ("file-lost", "the registry is moved or replaced under the daemon", "serv"),
    ("file-damaged", "foreign, cut, corrupt and newer files", "code=9"),
    ("file-rows", "rows that got past the checks, by the shell", "last_error"),
    ("lock-stale", "leftovers of other processes that say what is not so", "lock"),
    ("lock-two", "two daemons for one registry", "pid"),
    ("port-taken", "a port that another has", "pid"),
    ("signals", "each signal, under load", "SIGTERM"),
    # Input of operators and of clients, shown to people
    ("input-json", "files of JSON with unknown, wrong and hostile content", "code=2"),
    ("input-texts", "quotes, escapes and control bytes in any text", "\\x1b"),
    ("input-where", "SQL where an expression belongs", "--where"),
    ("log-forgery", "control bytes, quotes and line ends of clients in records", "\\n"),
    # Tenants, privileges, audit
    ("tenant-users", "a user of one tenant at another's server", "globex"),
    ("tenant-rows", "rows of another tenant named by hand", "tenant"),
    ("tenant-certs", "a certificate of another tenant", "no such certificate"),
    ("worker-sandbox", "a worker that was taken over reaches for privileges, files and programs", "NoNewPrivs Seccomp CapEff"),
    ("worker-lies", "a worker that was taken over tells of others' servers, or without end", "refused"),
    ("worker-frames", "frames that break the rules", "refused"),
    ("worker-counters", "counter files that are not what they should be", "refused"),
    ("control-orders", "orders by somebody who may not give them", "orders"),
    ("file-modes", "files that others can read or write, symlinks in their place", "symlink"),
    ("audit-forged", "audit rows changed, removed, reordered or forged", "seal"),
    ("audit-refusals", "attacks that leave no trace", "refused"),
)]
