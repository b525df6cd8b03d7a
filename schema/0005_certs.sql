-- Schema 5: certificates by name, once for all servers of a tenant that show them.

-- Where a certificate and its key lie, and what the certificate said when it was read last. The key itself is nowhere here.
CREATE TABLE cert (
  id TEXT NOT NULL PRIMARY KEY DEFAULT (lower(hex(randomblob(6))))
    CONSTRAINT "cert.id: 12 lower-case hex digits" CHECK (length(id) = 12 AND id NOT GLOB '*[^0-9a-f]*'),
  tenant_id TEXT NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
  name TEXT NOT NULL
    CONSTRAINT "cert.name: 1-63 of a-z 0-9 . _ - starting with a letter or digit"
    CHECK (length(name) BETWEEN 1 AND 63 AND name NOT GLOB '*[^a-z0-9._-]*' AND name GLOB '[a-z0-9]*'),
  cert_path TEXT NOT NULL
    CONSTRAINT "cert.cert_path: an absolute path" CHECK (cert_path GLOB '/*' AND length(cert_path) <= 4096),
  key_path TEXT
    CONSTRAINT "cert.key_path: an absolute path, or NULL when the key is in the certificate's file"
    CHECK (key_path IS NULL OR (key_path GLOB '/*' AND length(key_path) <= 4096)),
  chain_path TEXT
    CONSTRAINT "cert.chain_path: an absolute path, or NULL when the chain is in the certificate's file"
    CHECK (chain_path IS NULL OR (chain_path GLOB '/*' AND length(chain_path) <= 4096)),
  description TEXT NOT NULL DEFAULT '',
  subject TEXT,
  issuer TEXT,
  sans TEXT NOT NULL DEFAULT '[]' CONSTRAINT "cert.sans: a JSON array" CHECK (json_valid(sans) AND json_type(sans) = 'array'),
  not_before TEXT,
  not_after TEXT,
  key_type TEXT,
  fingerprint_sha256 TEXT,
  read_at TEXT,
  generation INTEGER NOT NULL DEFAULT 1,
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  UNIQUE (tenant_id, name)
) STRICT, WITHOUT ROWID;

-- Names of the tenant's certificates, separated by commas; triggers see to it that they are there.
ALTER TABLE server ADD COLUMN cert TEXT
  CONSTRAINT "server.cert: names of certificates, separated by commas"
  CHECK (cert IS NULL OR (length(cert) BETWEEN 1 AND 4096 AND cert NOT GLOB '*[^a-z0-9._,-]*'
    AND cert NOT GLOB ',*' AND cert NOT GLOB '*,' AND cert NOT GLOB '*,,*'));
