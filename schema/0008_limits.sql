-- Schema 8: requests and bytes per second of tenants, servers and users; connections of users.

ALTER TABLE tenant ADD COLUMN requests_per_second INTEGER NOT NULL DEFAULT 0
  CONSTRAINT "tenant.requests_per_second: 0 (unlimited) to 1000000" CHECK (requests_per_second BETWEEN 0 AND 1000000);
ALTER TABLE tenant ADD COLUMN bandwidth_bytes_per_second INTEGER NOT NULL DEFAULT 0
  CONSTRAINT "tenant.bandwidth_bytes_per_second: 0 (unlimited), or 1024 to 100000000000"
  CHECK (bandwidth_bytes_per_second = 0 OR bandwidth_bytes_per_second BETWEEN 1024 AND 100000000000);
ALTER TABLE server ADD COLUMN requests_per_second INTEGER NOT NULL DEFAULT 0
  CONSTRAINT "server.requests_per_second: 0 (unlimited) to 1000000" CHECK (requests_per_second BETWEEN 0 AND 1000000);
ALTER TABLE server ADD COLUMN bandwidth_bytes_per_second INTEGER NOT NULL DEFAULT 0
  CONSTRAINT "server.bandwidth_bytes_per_second: 0 (unlimited), or 1024 to 100000000000"
  CHECK (bandwidth_bytes_per_second = 0 OR bandwidth_bytes_per_second BETWEEN 1024 AND 100000000000);
ALTER TABLE user ADD COLUMN max_connections INTEGER NOT NULL DEFAULT 0
  CONSTRAINT "user.max_connections: 0 (unlimited) or more" CHECK (max_connections >= 0);
ALTER TABLE user ADD COLUMN requests_per_second INTEGER NOT NULL DEFAULT 0
  CONSTRAINT "user.requests_per_second: 0 (unlimited) to 1000000" CHECK (requests_per_second BETWEEN 0 AND 1000000);
ALTER TABLE user ADD COLUMN bandwidth_bytes_per_second INTEGER NOT NULL DEFAULT 0
  CONSTRAINT "user.bandwidth_bytes_per_second: 0 (unlimited), or 1024 to 100000000000"
  CHECK (bandwidth_bytes_per_second = 0 OR bandwidth_bytes_per_second BETWEEN 1024 AND 100000000000);
