-- The registry, schema 1. Singular names are tables (for the machine), plural names are views (for people).
-- A constraint's name is the sentence a person reads when it fails.

CREATE TABLE schema_migration (
  version INTEGER NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  program TEXT NOT NULL,
  at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
) STRICT;

-- Catalogues: filled from the program's own tables by every binary that migrates (upsert only).

CREATE TABLE server_type (
  name TEXT NOT NULL PRIMARY KEY,
  title TEXT NOT NULL,
  summary TEXT NOT NULL,
  default_port INTEGER NOT NULL,
  needs_backend INTEGER NOT NULL,
  takes_backends INTEGER NOT NULL,
  needs_certificate INTEGER NOT NULL,
  forwards INTEGER NOT NULL
) STRICT;

CREATE TABLE server_option (
  server_type TEXT NOT NULL,
  key TEXT NOT NULL,
  kind TEXT NOT NULL,
  default_value TEXT NOT NULL,
  min INTEGER,
  max INTEGER,
  words TEXT,
  help TEXT NOT NULL,
  PRIMARY KEY (server_type, key)
) STRICT;

CREATE TABLE balance_algorithm (name TEXT NOT NULL PRIMARY KEY, summary TEXT NOT NULL) STRICT;

CREATE TABLE reason (
  name TEXT NOT NULL PRIMARY KEY,
  summary TEXT NOT NULL,
  is_error INTEGER NOT NULL,
  is_refusal INTEGER NOT NULL
) STRICT;

CREATE TABLE setting_spec (
  key TEXT NOT NULL PRIMARY KEY,
  kind TEXT NOT NULL,
  default_value TEXT NOT NULL,
  help TEXT NOT NULL
) STRICT;

-- Desired: people write here, by command or by hand.

CREATE TABLE setting (
  key TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL,
  updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
) STRICT;

CREATE TABLE tenant (
  id TEXT NOT NULL PRIMARY KEY DEFAULT (lower(hex(randomblob(6))))
    CONSTRAINT "tenant.id: 12 lower-case hex digits" CHECK (length(id) = 12 AND id NOT GLOB '*[^0-9a-f]*'),
  name TEXT NOT NULL UNIQUE
    CONSTRAINT "tenant.name: 1-63 of a-z 0-9 . _ - starting with a letter or digit"
    CHECK (length(name) BETWEEN 1 AND 63 AND name NOT GLOB '*[^a-z0-9._-]*' AND name GLOB '[a-z0-9]*'),
  description TEXT NOT NULL DEFAULT '',
  enabled INTEGER NOT NULL DEFAULT 1 CONSTRAINT "tenant.enabled: 0 or 1" CHECK (enabled IN (0, 1)),
  max_servers INTEGER NOT NULL DEFAULT 0
    CONSTRAINT "tenant.max_servers: 0 (unlimited) or more" CHECK (max_servers >= 0),
  max_connections INTEGER NOT NULL DEFAULT 0
    CONSTRAINT "tenant.max_connections: 0 (unlimited) or more" CHECK (max_connections >= 0),
  max_connections_per_client INTEGER NOT NULL DEFAULT 0
    CONSTRAINT "tenant.max_connections_per_client: 0 (unlimited) or more" CHECK (max_connections_per_client >= 0),
  worker_group TEXT
    CONSTRAINT "tenant.worker_group: 1-63 of a-z 0-9 . _ - starting with a letter or digit, or NULL for the tenant's own"
    CHECK (worker_group IS NULL OR (length(worker_group) BETWEEN 1 AND 63 AND worker_group NOT GLOB '*[^a-z0-9._-]*'
      AND worker_group GLOB '[a-z0-9]*')),
  worker_threads INTEGER NOT NULL DEFAULT 0
    CONSTRAINT "tenant.worker_threads: 1 to 8, or 0 for automatic" CHECK (worker_threads BETWEEN 0 AND 8),
  access_log_format TEXT NOT NULL DEFAULT 'squid'
    CONSTRAINT "tenant.access_log_format: squid, combined or json" CHECK (access_log_format IN ('squid', 'combined', 'json')),
  labels TEXT NOT NULL DEFAULT '{}'
    CONSTRAINT "tenant.labels: a JSON object" CHECK (CASE WHEN json_valid(labels) THEN json_type(labels) = 'object' ELSE 0 END),
  generation INTEGER NOT NULL DEFAULT 1,
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
) STRICT;

CREATE TABLE template (
  name TEXT NOT NULL PRIMARY KEY
    CONSTRAINT "template.name: 1-63 of a-z 0-9 . _ - starting with a letter or digit"
    CHECK (length(name) BETWEEN 1 AND 63 AND name NOT GLOB '*[^a-z0-9._-]*' AND name GLOB '[a-z0-9]*'),
  builtin INTEGER NOT NULL DEFAULT 0 CONSTRAINT "template.builtin: 0 or 1" CHECK (builtin IN (0, 1)),
  description TEXT NOT NULL DEFAULT '',
  spec TEXT NOT NULL
    CONSTRAINT "template.spec: a JSON object" CHECK (CASE WHEN json_valid(spec) THEN json_type(spec) = 'object' ELSE 0 END),
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
) STRICT;

CREATE TABLE server (
  id TEXT NOT NULL PRIMARY KEY DEFAULT (lower(hex(randomblob(6))))
    CONSTRAINT "server.id: 12 lower-case hex digits" CHECK (length(id) = 12 AND id NOT GLOB '*[^0-9a-f]*'),
  tenant_id TEXT NOT NULL REFERENCES tenant (id),
  name TEXT NOT NULL
    CONSTRAINT "server.name: 1-63 of a-z 0-9 . _ - starting with a letter or digit"
    CHECK (length(name) BETWEEN 1 AND 63 AND name NOT GLOB '*[^a-z0-9._-]*' AND name GLOB '[a-z0-9]*'),
  type TEXT NOT NULL REFERENCES server_type (name),
  template TEXT,
  description TEXT NOT NULL DEFAULT '',
  enabled INTEGER NOT NULL DEFAULT 1 CONSTRAINT "server.enabled: 0 or 1" CHECK (enabled IN (0, 1)),
  desired_state TEXT NOT NULL DEFAULT 'running'
    CONSTRAINT "server.desired_state: running or stopped" CHECK (desired_state IN ('running', 'stopped')),
  listen_addr TEXT NOT NULL DEFAULT '127.0.0.1'
    CONSTRAINT "server.listen_addr: an IPv4 or IPv6 address"
    CHECK (length(listen_addr) BETWEEN 2 AND 45 AND listen_addr NOT GLOB '*[^0-9a-fA-F:.]*'),
  listen_port INTEGER NOT NULL
    CONSTRAINT "server.listen_port: 1 to 65535, or 0 for any free port" CHECK (listen_port BETWEEN 0 AND 65535),
  backlog INTEGER NOT NULL DEFAULT 1024 CONSTRAINT "server.backlog: 1 to 65535" CHECK (backlog BETWEEN 1 AND 65535),
  allow_open INTEGER NOT NULL DEFAULT 0 CONSTRAINT "server.allow_open: 0 or 1" CHECK (allow_open IN (0, 1)),
  max_connections INTEGER NOT NULL DEFAULT 1000
    CONSTRAINT "server.max_connections: 0 (unlimited) or more" CHECK (max_connections BETWEEN 0 AND 4294967295),
  max_connections_per_client INTEGER NOT NULL DEFAULT 0
    CONSTRAINT "server.max_connections_per_client: 0 (unlimited) or more" CHECK (max_connections_per_client >= 0),
  connection_timeout_ms INTEGER NOT NULL DEFAULT 30000
    CONSTRAINT "server.connection_timeout_ms: 1 to 86400000" CHECK (connection_timeout_ms BETWEEN 1 AND 86400000),
  header_timeout_ms INTEGER NOT NULL DEFAULT 10000
    CONSTRAINT "server.header_timeout_ms: 1 to 86400000" CHECK (header_timeout_ms BETWEEN 1 AND 86400000),
  keepalive_timeout_ms INTEGER NOT NULL DEFAULT 60000
    CONSTRAINT "server.keepalive_timeout_ms: 1 to 86400000" CHECK (keepalive_timeout_ms BETWEEN 1 AND 86400000),
  response_timeout_ms INTEGER NOT NULL DEFAULT 300000
    CONSTRAINT "server.response_timeout_ms: 1 to 86400000" CHECK (response_timeout_ms BETWEEN 1 AND 86400000),
  body_timeout_ms INTEGER NOT NULL DEFAULT 60000
    CONSTRAINT "server.body_timeout_ms: 1 to 86400000" CHECK (body_timeout_ms BETWEEN 1 AND 86400000),
  idle_timeout_ms INTEGER NOT NULL DEFAULT 3600000
    CONSTRAINT "server.idle_timeout_ms: 1 to 604800000" CHECK (idle_timeout_ms BETWEEN 1 AND 604800000),
  drain_timeout_ms INTEGER NOT NULL DEFAULT 30000
    CONSTRAINT "server.drain_timeout_ms: 0 to 86400000" CHECK (drain_timeout_ms BETWEEN 0 AND 86400000),
  enable_tls INTEGER NOT NULL DEFAULT 0 CONSTRAINT "server.enable_tls: 0 or 1" CHECK (enable_tls IN (0, 1)),
  tls_cert_path TEXT,
  tls_key_path TEXT,
  lb TEXT NOT NULL DEFAULT 'round_robin' REFERENCES balance_algorithm (name),
  access_log INTEGER NOT NULL DEFAULT 1 CONSTRAINT "server.access_log: 0 or 1" CHECK (access_log IN (0, 1)),
  access_log_format TEXT
    CONSTRAINT "server.access_log_format: squid, combined or json, or NULL for the tenant's"
    CHECK (access_log_format IS NULL OR access_log_format IN ('squid', 'combined', 'json')),
  config TEXT NOT NULL DEFAULT '{}'
    CONSTRAINT "server.config: a JSON object" CHECK (CASE WHEN json_valid(config) THEN json_type(config) = 'object' ELSE 0 END),
  labels TEXT NOT NULL DEFAULT '{}'
    CONSTRAINT "server.labels: a JSON object" CHECK (CASE WHEN json_valid(labels) THEN json_type(labels) = 'object' ELSE 0 END),
  restart_seq INTEGER NOT NULL DEFAULT 0,
  reload_seq INTEGER NOT NULL DEFAULT 0,
  generation INTEGER NOT NULL DEFAULT 1,
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  UNIQUE (tenant_id, name),
  UNIQUE (tenant_id, id)
) STRICT;

CREATE INDEX server_listen ON server (listen_port);

CREATE TABLE backend (
  id TEXT NOT NULL PRIMARY KEY DEFAULT (lower(hex(randomblob(6))))
    CONSTRAINT "backend.id: 12 lower-case hex digits" CHECK (length(id) = 12 AND id NOT GLOB '*[^0-9a-f]*'),
  tenant_id TEXT NOT NULL,
  server_id TEXT NOT NULL,
  address TEXT NOT NULL
    CONSTRAINT "backend.address: HOST:PORT"
    CHECK (length(address) BETWEEN 3 AND 262 AND address GLOB '?*:[0-9]*' AND address NOT GLOB '*[^]a-zA-Z0-9._:[-]*'),
  position INTEGER NOT NULL DEFAULT 0,
  weight INTEGER NOT NULL DEFAULT 1 CONSTRAINT "backend.weight: 1 to 256" CHECK (weight BETWEEN 1 AND 256),
  backup INTEGER NOT NULL DEFAULT 0 CONSTRAINT "backend.backup: 0 or 1" CHECK (backup IN (0, 1)),
  max_connections INTEGER NOT NULL DEFAULT 0
    CONSTRAINT "backend.max_connections: 0 (unlimited) or more" CHECK (max_connections >= 0),
  admin_state TEXT NOT NULL DEFAULT 'enabled'
    CONSTRAINT "backend.admin_state: enabled, drain or disabled" CHECK (admin_state IN ('enabled', 'drain', 'disabled')),
  labels TEXT NOT NULL DEFAULT '{}'
    CONSTRAINT "backend.labels: a JSON object" CHECK (CASE WHEN json_valid(labels) THEN json_type(labels) = 'object' ELSE 0 END),
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  UNIQUE (server_id, address),
  FOREIGN KEY (tenant_id, server_id) REFERENCES server (tenant_id, id) ON DELETE CASCADE
) STRICT;

CREATE TABLE acl (
  id TEXT NOT NULL PRIMARY KEY DEFAULT (lower(hex(randomblob(6))))
    CONSTRAINT "acl.id: 12 lower-case hex digits" CHECK (length(id) = 12 AND id NOT GLOB '*[^0-9a-f]*'),
  number INTEGER NOT NULL CONSTRAINT "acl.number: 1 or more" CHECK (number >= 1),
  tenant_id TEXT NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
  server_id TEXT,
  position INTEGER NOT NULL,
  action TEXT NOT NULL CONSTRAINT "acl.action: allow or deny" CHECK (action IN ('allow', 'deny')),
  client TEXT
    CONSTRAINT "acl.client: an address or network such as 10.0.0.0/8"
    CHECK (client IS NULL OR (length(client) BETWEEN 2 AND 49 AND client NOT GLOB '*[^0-9a-fA-F:./]*')),
  host TEXT
    CONSTRAINT "acl.host: a host name or *.suffix, in lower case"
    CHECK (host IS NULL OR (length(host) BETWEEN 1 AND 255 AND host NOT GLOB '*[^a-z0-9._*-]*')),
  destination TEXT
    CONSTRAINT "acl.destination: an address or network such as 10.0.0.0/8"
    CHECK (destination IS NULL OR (length(destination) BETWEEN 2 AND 49 AND destination NOT GLOB '*[^0-9a-fA-F:./]*')),
  port_first INTEGER
    CONSTRAINT "acl.port_first: 1 to 65535" CHECK (port_first IS NULL OR port_first BETWEEN 1 AND 65535),
  port_last INTEGER
    CONSTRAINT "acl.port_last: port_first to 65535"
    CHECK ((port_last IS NULL) = (port_first IS NULL) AND (port_last IS NULL OR port_last BETWEEN port_first AND 65535)),
  method TEXT
    CONSTRAINT "acl.method: a request method such as GET"
    CHECK (method IS NULL OR (length(method) BETWEEN 1 AND 32 AND method NOT GLOB '*[^A-Za-z0-9-]*')),
  time_window TEXT
    CONSTRAINT "acl.time_window: HH:MM-HH:MM in UTC"
    CHECK (time_window IS NULL OR time_window GLOB '[0-2][0-9]:[0-5][0-9]-[0-2][0-9]:[0-5][0-9]'),
  comment TEXT NOT NULL DEFAULT '',
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  UNIQUE (tenant_id, number),
  FOREIGN KEY (tenant_id, server_id) REFERENCES server (tenant_id, id) ON DELETE CASCADE
) STRICT;

-- The next rule number of each tenant: numbers are never used twice.
CREATE TABLE acl_number (
  tenant_id TEXT NOT NULL PRIMARY KEY REFERENCES tenant (id) ON DELETE CASCADE,
  next INTEGER NOT NULL DEFAULT 1
) STRICT;

-- Observed: the daemon alone writes here.

CREATE TABLE daemon (
  id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
  pid INTEGER NOT NULL,
  boot_id TEXT NOT NULL,
  version TEXT NOT NULL,
  started_at TEXT NOT NULL,
  heartbeat_at TEXT NOT NULL,
  socket_path TEXT NOT NULL,
  run_dir TEXT NOT NULL,
  log_dir TEXT NOT NULL,
  rss_bytes INTEGER NOT NULL DEFAULT 0,
  cpu_ms INTEGER NOT NULL DEFAULT 0,
  open_fds INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE worker (
  worker_group TEXT NOT NULL PRIMARY KEY,
  pid INTEGER,
  started_at TEXT,
  restarts INTEGER NOT NULL DEFAULT 0,
  threads INTEGER NOT NULL DEFAULT 0,
  sandbox TEXT NOT NULL DEFAULT '',
  rss_bytes INTEGER NOT NULL DEFAULT 0,
  cpu_ms INTEGER NOT NULL DEFAULT 0,
  open_fds INTEGER NOT NULL DEFAULT 0,
  last_exit TEXT
) STRICT;

-- One counter file of one worker's life. Its counts are folded into incarnation '' exactly once: folded is set in the same
-- transaction, and only then is the file unlinked.
CREATE TABLE worker_incarnation (
  incarnation TEXT NOT NULL PRIMARY KEY,
  worker_group TEXT NOT NULL,
  counter_path TEXT NOT NULL,
  started_at TEXT NOT NULL,
  folded INTEGER NOT NULL DEFAULT 0 CHECK (folded IN (0, 1))
) STRICT;

CREATE TABLE server_state (
  server_id TEXT NOT NULL PRIMARY KEY REFERENCES server (id) ON DELETE CASCADE,
  status TEXT NOT NULL CHECK (status IN ('stopped', 'starting', 'running', 'stopping', 'error')),
  status_reason TEXT,
  status_since TEXT NOT NULL,
  observed_generation INTEGER NOT NULL DEFAULT 0,
  observed_restart_seq INTEGER NOT NULL DEFAULT 0,
  observed_reload_seq INTEGER NOT NULL DEFAULT 0,
  bound_addr TEXT,
  bound_port INTEGER,
  last_error TEXT,
  health TEXT NOT NULL DEFAULT 'unknown' CHECK (health IN ('healthy', 'degraded', 'unhealthy', 'unknown')),
  health_detail TEXT,
  health_since TEXT,
  health_checked_at TEXT,
  health_latency_ms REAL,
  consecutive_failures INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE backend_state (
  backend_id TEXT NOT NULL PRIMARY KEY REFERENCES backend (id) ON DELETE CASCADE,
  state TEXT NOT NULL CHECK (state IN ('up', 'down', 'unknown')),
  since TEXT NOT NULL,
  last_error TEXT
) STRICT;

-- Accounting: absolute per (server, incarnation); incarnation '' holds what ended workers counted. Rows outlive their server:
-- the daemon moves a removed server's sums to tenant_counter once no worker counts for it any more.

CREATE TABLE server_counter (
  server_id TEXT NOT NULL,
  incarnation TEXT NOT NULL,
  tenant_id TEXT NOT NULL,
  total_connections INTEGER NOT NULL DEFAULT 0,
  closed_connections INTEGER NOT NULL DEFAULT 0,
  refused_connections INTEGER NOT NULL DEFAULT 0,
  peak_connections INTEGER NOT NULL DEFAULT 0,
  total_requests INTEGER NOT NULL DEFAULT 0,
  bytes_in INTEGER NOT NULL DEFAULT 0,
  bytes_out INTEGER NOT NULL DEFAULT 0,
  error_count INTEGER NOT NULL DEFAULT 0,
  response_time_sum_us INTEGER NOT NULL DEFAULT 0,
  response_time_count INTEGER NOT NULL DEFAULT 0,
  dropped_records INTEGER NOT NULL DEFAULT 0,
  histogram TEXT NOT NULL DEFAULT '[]',
  PRIMARY KEY (server_id, incarnation)
) STRICT;

CREATE INDEX server_counter_tenant ON server_counter (tenant_id);

CREATE TABLE server_reason (
  server_id TEXT NOT NULL,
  incarnation TEXT NOT NULL,
  reason TEXT NOT NULL,
  count INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (server_id, incarnation, reason)
) STRICT;

CREATE TABLE tenant_counter (
  tenant_id TEXT NOT NULL PRIMARY KEY,
  removed_servers INTEGER NOT NULL DEFAULT 0,
  total_connections INTEGER NOT NULL DEFAULT 0,
  refused_connections INTEGER NOT NULL DEFAULT 0,
  total_requests INTEGER NOT NULL DEFAULT 0,
  bytes_in INTEGER NOT NULL DEFAULT 0,
  bytes_out INTEGER NOT NULL DEFAULT 0,
  error_count INTEGER NOT NULL DEFAULT 0,
  response_time_sum_us INTEGER NOT NULL DEFAULT 0,
  response_time_count INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Per second, measured over the last flush; shown only while fresh.
CREATE TABLE server_rate (
  server_id TEXT NOT NULL PRIMARY KEY REFERENCES server (id) ON DELETE CASCADE,
  at TEXT NOT NULL,
  requests REAL NOT NULL,
  bytes REAL NOT NULL
) STRICT;

-- History

CREATE TABLE health_event (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  server_id TEXT NOT NULL,
  object TEXT NOT NULL,
  health_before TEXT NOT NULL,
  health TEXT NOT NULL,
  detail TEXT
) STRICT;

CREATE TABLE event (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  kind TEXT NOT NULL,
  tenant TEXT,
  object TEXT NOT NULL,
  detail TEXT
) STRICT;

CREATE TABLE audit (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  actor TEXT NOT NULL,
  via TEXT NOT NULL,
  action TEXT NOT NULL,
  tenant TEXT,
  object TEXT NOT NULL,
  object_id TEXT NOT NULL,
  before TEXT,
  after TEXT,
  reason TEXT,
  seal TEXT
) STRICT;

-- At most one row, and only inside a transaction of this program: who writes, how and why.
CREATE TABLE audit_context (
  id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
  actor TEXT NOT NULL,
  via TEXT NOT NULL,
  reason TEXT
) STRICT;
