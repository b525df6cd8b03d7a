-- Schema 9: memory of tenants' workers.

ALTER TABLE tenant ADD COLUMN memory_limit_bytes INTEGER NOT NULL DEFAULT 0
  CONSTRAINT "tenant.memory_limit_bytes: 0 (unlimited), or 8388608 to 1099511627776"
  CHECK (memory_limit_bytes = 0 OR memory_limit_bytes BETWEEN 8388608 AND 1099511627776);
