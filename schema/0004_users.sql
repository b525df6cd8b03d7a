-- Schema 4: who may use a proxy. Users with passwords, servers that ask for them, rules that name them.

ALTER TABLE server_type ADD COLUMN takes_users INTEGER NOT NULL DEFAULT 0;

-- Credentials of a tenant's clients. The password itself is nowhere.
CREATE TABLE user (
  id TEXT NOT NULL PRIMARY KEY DEFAULT (lower(hex(randomblob(6))))
    CONSTRAINT "user.id: 12 lower-case hex digits" CHECK (length(id) = 12 AND id NOT GLOB '*[^0-9a-f]*'),
  tenant_id TEXT NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
  name TEXT NOT NULL
    CONSTRAINT "user.name: 1-128 of A-Z a-z 0-9 . _ @ + - starting with a letter or digit"
    CHECK (length(name) BETWEEN 1 AND 128 AND name NOT GLOB '*[^A-Za-z0-9._@+-]*' AND name GLOB '[A-Za-z0-9]*'),
  password_hash TEXT NOT NULL
    CONSTRAINT "user.password_hash: what arcusctl user passwd makes, or $2b$, $y$, $6$, $5$ of crypt(5)"
    CHECK (length(password_hash) BETWEEN 20 AND 255 AND (password_hash GLOB '$scrypt$ln=*' OR password_hash GLOB '$2[aby]$*'
      OR password_hash GLOB '$y$*' OR password_hash GLOB '$[56]$*')),
  description TEXT NOT NULL DEFAULT '',
  enabled INTEGER NOT NULL DEFAULT 1 CONSTRAINT "user.enabled: 0 or 1" CHECK (enabled IN (0, 1)),
  expires_at TEXT
    CONSTRAINT "user.expires_at: YYYY-MM-DDTHH:MM:SS.sssZ, or NULL for never"
    CHECK (expires_at IS NULL OR expires_at IS strftime('%Y-%m-%dT%H:%M:%fZ', expires_at)),
  generation INTEGER NOT NULL DEFAULT 1,
  password_changed_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  UNIQUE (tenant_id, name),
  UNIQUE (tenant_id, id)
) STRICT, WITHOUT ROWID;

-- Its words are checked by a trigger, which later schemas can replace.
ALTER TABLE server ADD COLUMN auth TEXT NOT NULL DEFAULT 'none';

-- Of the last minute: how long events waited for a data thread, 99 of 100 no longer than that.
ALTER TABLE worker ADD COLUMN loop_delay_p99_us INTEGER NOT NULL DEFAULT 0;

-- Triggers see to it that the user is there and of the same tenant.
ALTER TABLE acl ADD COLUMN user_id TEXT REFERENCES user (id);
