-- Schema 6: what single rules, users and backends have counted.

-- Absolute per incarnation, as server_counter; incarnation '' holds what ended workers counted. A row goes with the rule, user
-- or backend it is of: the totals of servers and tenants hold what it counted. uses: a rule decided, requests of a user,
-- connections to a backend. ended: connections to a backend that are over. failures: a user's requests that failed, connects
-- to a backend that did. Bytes are a user's, added when the request or connection is over.
CREATE TABLE tally (
  kind TEXT NOT NULL CHECK (kind IN ('acl', 'backend', 'user')),
  item_id TEXT NOT NULL,
  incarnation TEXT NOT NULL,
  uses INTEGER NOT NULL DEFAULT 0,
  ended INTEGER NOT NULL DEFAULT 0,
  failures INTEGER NOT NULL DEFAULT 0,
  bytes_in INTEGER NOT NULL DEFAULT 0,
  bytes_out INTEGER NOT NULL DEFAULT 0,
  last_at TEXT,
  PRIMARY KEY (item_id, kind, incarnation)
) STRICT, WITHOUT ROWID;
