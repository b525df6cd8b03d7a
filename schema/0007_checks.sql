-- Schema 7: checks of backends.

ALTER TABLE server ADD COLUMN health_type TEXT NOT NULL DEFAULT 'none'
  CONSTRAINT "server.health_type: none, tcp, tls or http" CHECK (health_type IN ('none', 'tcp', 'tls', 'http'));
ALTER TABLE server ADD COLUMN health_interval_ms INTEGER NOT NULL DEFAULT 30000
  CONSTRAINT "server.health_interval_ms: 100 to 86400000" CHECK (health_interval_ms BETWEEN 100 AND 86400000);
ALTER TABLE server ADD COLUMN health_timeout_ms INTEGER NOT NULL DEFAULT 5000
  CONSTRAINT "server.health_timeout_ms: 1 to 3600000" CHECK (health_timeout_ms BETWEEN 1 AND 3600000);
ALTER TABLE server ADD COLUMN health_path TEXT NOT NULL DEFAULT '/'
  CONSTRAINT "server.health_path: a path such as /healthz"
  CHECK (health_path GLOB '/*' AND length(health_path) <= 1024 AND health_path NOT GLOB '*[^!-~]*');
ALTER TABLE server ADD COLUMN health_status INTEGER
  CONSTRAINT "server.health_status: 100 to 599, or NULL for 200 to 399"
  CHECK (health_status IS NULL OR health_status BETWEEN 100 AND 599);
ALTER TABLE server ADD COLUMN rise INTEGER NOT NULL DEFAULT 2
  CONSTRAINT "server.rise: 1 to 100" CHECK (rise BETWEEN 1 AND 100);
ALTER TABLE server ADD COLUMN fall INTEGER NOT NULL DEFAULT 3
  CONSTRAINT "server.fall: 1 to 100" CHECK (fall BETWEEN 1 AND 100);
ALTER TABLE server ADD COLUMN slow_start_ms INTEGER NOT NULL DEFAULT 10000
  CONSTRAINT "server.slow_start_ms: 0 to 3600000" CHECK (slow_start_ms BETWEEN 0 AND 3600000);

ALTER TABLE backend_state ADD COLUMN decided_by TEXT;
ALTER TABLE backend_state ADD COLUMN last_check_at TEXT;
ALTER TABLE backend_state ADD COLUMN last_latency_ms REAL;
ALTER TABLE backend_state ADD COLUMN consecutive_ok INTEGER NOT NULL DEFAULT 0;
ALTER TABLE backend_state ADD COLUMN consecutive_fail INTEGER NOT NULL DEFAULT 0;
