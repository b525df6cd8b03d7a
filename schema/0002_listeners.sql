-- Schema 2: what the types beyond http and tcp need. TLS on listeners and towards backends, the PROXY protocol, parent
-- proxies, and routes by server name.

ALTER TABLE server_type ADD COLUMN takes_routes INTEGER NOT NULL DEFAULT 0;

ALTER TABLE server ADD COLUMN handshake_timeout_ms INTEGER NOT NULL DEFAULT 10000
  CONSTRAINT "server.handshake_timeout_ms: 1 to 86400000" CHECK (handshake_timeout_ms BETWEEN 1 AND 86400000);
ALTER TABLE server ADD COLUMN tls_min_version TEXT NOT NULL DEFAULT '1.2'
  CONSTRAINT "server.tls_min_version: 1.2 or 1.3" CHECK (tls_min_version IN ('1.2', '1.3'));
ALTER TABLE server ADD COLUMN tls_max_version TEXT
  CONSTRAINT "server.tls_max_version: 1.2 or 1.3, or NULL for the newest"
  CHECK (tls_max_version IS NULL OR tls_max_version IN ('1.2', '1.3'));
ALTER TABLE server ADD COLUMN tls_ciphers TEXT;
ALTER TABLE server ADD COLUMN alpn TEXT
  CONSTRAINT "server.alpn: protocol names separated by commas, or NULL for the type's own"
  CHECK (alpn IS NULL OR (length(alpn) BETWEEN 1 AND 255 AND alpn NOT GLOB '*[^a-zA-Z0-9./,_-]*'));
ALTER TABLE server ADD COLUMN client_auth TEXT NOT NULL DEFAULT 'none'
  CONSTRAINT "server.client_auth: none, request or require" CHECK (client_auth IN ('none', 'request', 'require'));
ALTER TABLE server ADD COLUMN client_ca_path TEXT;
ALTER TABLE server ADD COLUMN proxy_protocol_in TEXT NOT NULL DEFAULT 'off'
  CONSTRAINT "server.proxy_protocol_in: off, v1, v2 or any" CHECK (proxy_protocol_in IN ('off', 'v1', 'v2', 'any'));
ALTER TABLE server ADD COLUMN proxy_protocol_from TEXT
  CONSTRAINT "server.proxy_protocol_from: networks such as 10.0.0.0/8, separated by commas"
  CHECK (proxy_protocol_from IS NULL OR proxy_protocol_from NOT GLOB '*[^0-9a-fA-F:./,]*');
ALTER TABLE server ADD COLUMN proxy_protocol_out TEXT NOT NULL DEFAULT 'off'
  CONSTRAINT "server.proxy_protocol_out: off, v1 or v2" CHECK (proxy_protocol_out IN ('off', 'v1', 'v2'));

ALTER TABLE backend ADD COLUMN role TEXT NOT NULL DEFAULT 'origin'
  CONSTRAINT "backend.role: origin, parent_http, parent_https or parent_socks5"
  CHECK (role IN ('origin', 'parent_http', 'parent_https', 'parent_socks5'));
ALTER TABLE backend ADD COLUMN tls INTEGER NOT NULL DEFAULT 0
  CONSTRAINT "backend.tls: 0 or 1" CHECK (tls IN (0, 1));
ALTER TABLE backend ADD COLUMN tls_verify TEXT NOT NULL DEFAULT 'full'
  CONSTRAINT "backend.tls_verify: full, ca or none" CHECK (tls_verify IN ('full', 'ca', 'none'));
ALTER TABLE backend ADD COLUMN tls_server_name TEXT
  CONSTRAINT "backend.tls_server_name: a host name, or NULL for the backend's own"
  CHECK (tls_server_name IS NULL OR (length(tls_server_name) BETWEEN 1 AND 253
    AND tls_server_name NOT GLOB '*[^a-zA-Z0-9._-]*'));
ALTER TABLE backend ADD COLUMN tls_ca_path TEXT;
ALTER TABLE backend ADD COLUMN user_name TEXT
  CONSTRAINT "backend.user_name: 1 to 255 characters without a colon, for a parent proxy"
  CHECK (user_name IS NULL OR (length(user_name) BETWEEN 1 AND 255 AND user_name NOT GLOB '*:*'));
ALTER TABLE backend ADD COLUMN password_path TEXT;

-- Where connections for a server name go: exact names first, then the longest suffix, then *.
CREATE TABLE sni_route (
  id TEXT NOT NULL PRIMARY KEY DEFAULT (lower(hex(randomblob(6))))
    CONSTRAINT "sni_route.id: 12 lower-case hex digits" CHECK (length(id) = 12 AND id NOT GLOB '*[^0-9a-f]*'),
  tenant_id TEXT NOT NULL,
  server_id TEXT NOT NULL,
  pattern TEXT NOT NULL
    CONSTRAINT "sni_route.pattern: a host name, *.suffix or *, in lower case"
    CHECK (pattern = '*' OR (length(pattern) BETWEEN 1 AND 255 AND pattern NOT GLOB '*[^a-z0-9._*-]*'
      AND (pattern NOT GLOB '*[*]*' OR (pattern GLOB '[*].?*' AND substr(pattern, 2) NOT GLOB '*[*]*')))),
  target TEXT NOT NULL
    CONSTRAINT "sni_route.target: backends, passthrough, reject or HOST:PORT"
    CHECK (target IN ('backends', 'passthrough', 'reject')
      OR (length(target) BETWEEN 3 AND 262 AND target GLOB '?*:[0-9]*' AND target NOT GLOB '*[^]a-zA-Z0-9._:[-]*')),
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  UNIQUE (server_id, pattern),
  FOREIGN KEY (tenant_id, server_id) REFERENCES server (tenant_id, id) ON DELETE CASCADE
) STRICT;
