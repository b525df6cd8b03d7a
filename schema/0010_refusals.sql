-- Schema 10: when each reason was last seen, so that what happens now can be told from what once happened.

ALTER TABLE server_reason ADD COLUMN last_at TEXT;
