-- Schema 3: where the chain of seals over table audit begins and ends.

-- One row, written by the daemon and by `audit prune`: the last row that was removed, and the last that is sealed.
CREATE TABLE audit_chain (
  id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
  pruned_id INTEGER NOT NULL DEFAULT 0,
  pruned_seal TEXT NOT NULL DEFAULT '',
  sealed_id INTEGER NOT NULL DEFAULT 0,
  seal TEXT NOT NULL DEFAULT ''
) STRICT;

INSERT INTO audit_chain (id) VALUES (1);
