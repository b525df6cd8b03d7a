-- Views: made anew by every binary that migrates. Plural names are for people; server_full and server_where carry every
-- canonical column for programs. Nothing here uses a function that only this program or only the sqlite3 shell has.

-- 1 while a daemon keeps this registry: its row is there and its heartbeat is not older than 30 s.
CREATE VIEW daemon_alive AS
SELECT EXISTS (
  SELECT 1 FROM daemon WHERE heartbeat_at > strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-30 seconds')) AS alive;

-- Totals of one server over all lives of its worker.
CREATE VIEW server_total AS
SELECT server_id, tenant_id,
  sum(total_connections) AS total_connections,
  sum(CASE WHEN incarnation = '' THEN 0 ELSE total_connections - closed_connections END) AS active_connections,
  max(peak_connections) AS peak_connections,
  sum(refused_connections) AS refused_connections,
  sum(total_requests) AS total_requests,
  sum(bytes_in) AS bytes_in,
  sum(bytes_out) AS bytes_out,
  sum(error_count) AS error_count,
  sum(response_time_sum_us) AS response_time_sum_us,
  sum(response_time_count) AS response_time_count,
  sum(dropped_records) AS dropped_records
FROM server_counter
GROUP BY server_id;

CREATE VIEW server_full AS
SELECT s.id, t.name AS tenant, s.name, s.type,
  iif(s.listen_addr LIKE '%:%', '[' || s.listen_addr || ']', s.listen_addr) || ':' || s.listen_port AS listen,
  s.tenant_id, s.template, s.description, s.enabled, s.desired_state,
  iif(a.alive, coalesce(st.status, 'stopped'), 'stopped') AS status,
  iif(a.alive, coalesce(st.status_reason, iif(st.status IS NULL, 'not started yet', NULL)), 'no daemon') AS status_reason,
  coalesce(st.status_since, s.created_at) AS status_since,
  st.last_error,
  s.listen_addr, s.listen_port,
  iif(a.alive, st.bound_addr, NULL) AS bound_addr,
  iif(a.alive, st.bound_port, NULL) AS bound_port,
  s.backlog, s.allow_open, s.max_connections, s.max_connections_per_client, s.requests_per_second,
  s.bandwidth_bytes_per_second,
  s.connection_timeout_ms, s.handshake_timeout_ms, s.header_timeout_ms, s.keepalive_timeout_ms, s.response_timeout_ms, s.body_timeout_ms,
  s.idle_timeout_ms, s.drain_timeout_ms, s.enable_tls, s.tls_cert_path, s.tls_key_path, s.cert,
  s.tls_min_version, s.tls_max_version, s.tls_ciphers, s.alpn, s.auth, s.client_auth, s.client_ca_path,
  s.proxy_protocol_in, s.proxy_protocol_from, s.proxy_protocol_out, s.lb,
  s.health_type, s.health_interval_ms, s.health_timeout_ms, s.health_path, s.health_status, s.rise, s.fall, s.slow_start_ms,
  s.access_log, s.access_log_format, s.config, s.labels,
  s.restart_seq, s.reload_seq, s.generation,
  coalesce(st.observed_generation, 0) AS observed_generation,
  coalesce(st.observed_restart_seq, 0) AS observed_restart_seq,
  coalesce(st.observed_reload_seq, 0) AS observed_reload_seq,
  iif(a.alive, coalesce(st.health, 'unknown'), 'unknown') AS health,
  st.health_detail, st.health_since, st.health_checked_at, st.health_latency_ms,
  coalesce(st.consecutive_failures, 0) AS consecutive_failures,
  coalesce(c.total_connections, 0) AS total_connections,
  iif(a.alive, coalesce(c.active_connections, 0), 0) AS active_connections,
  coalesce(c.peak_connections, 0) AS peak_connections,
  coalesce(c.refused_connections, 0) AS refused_connections,
  coalesce(c.total_requests, 0) AS total_requests,
  coalesce(c.bytes_in, 0) + coalesce(c.bytes_out, 0) AS total_bytes_transferred,
  coalesce(c.bytes_in, 0) AS bytes_in,
  coalesce(c.bytes_out, 0) AS bytes_out,
  coalesce(c.error_count, 0) AS error_count,
  iif(c.response_time_count > 0, round(c.response_time_sum_us / 1000.0 / c.response_time_count, 3), NULL)
    AS avg_response_time_ms,
  coalesce(c.dropped_records, 0) AS dropped_records,
  iif(r.at > strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-5 seconds'), round(r.requests, 1), 0.0) AS request_rate,
  iif(r.at > strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-5 seconds'), round(r.bytes, 0), 0.0) AS byte_rate,
  s.created_at, s.updated_at
FROM server s
JOIN tenant t ON t.id = s.tenant_id
CROSS JOIN daemon_alive a
LEFT JOIN server_state st ON st.server_id = s.id
LEFT JOIN server_total c ON c.server_id = s.id
LEFT JOIN server_rate r ON r.server_id = s.id;

-- What --where asks: every canonical column, and the short screen headings.
CREATE VIEW server_where AS
SELECT *, desired_state AS desired, active_connections AS conns, total_requests AS requests,
  total_bytes_transferred AS bytes, error_count AS errors, avg_response_time_ms AS avg_ms, request_rate AS req_s,
  observed_generation AS applied
FROM server_full;

CREATE VIEW servers AS
SELECT tenant, name, type, listen, desired_state AS desired, status,
  iif(health = 'unknown', '-', health) AS health,
  active_connections || iif(max_connections = 0, '', '/' || max_connections) AS conns,
  total_requests AS requests, total_bytes_transferred AS bytes, error_count AS errors,
  iif(avg_response_time_ms IS NULL, '-', printf('%.1f', avg_response_time_ms)) AS avg_ms,
  coalesce(last_error, status_reason, '-') AS reason, id
FROM server_full;

CREATE VIEW tenant_full AS
SELECT t.id, t.name, t.description, t.enabled, t.max_servers, t.max_connections, t.max_connections_per_client,
  t.requests_per_second, t.bandwidth_bytes_per_second, t.memory_limit_bytes,
  t.worker_group, t.worker_threads, t.access_log_format, t.labels, t.generation,
  coalesce(s.total_servers, 0) AS total_servers,
  coalesce(s.running_servers, 0) AS running_servers,
  coalesce(s.stopped_servers, 0) AS stopped_servers,
  coalesce(s.error_servers, 0) AS error_servers,
  coalesce(c.total_connections, 0) + coalesce(g.total_connections, 0) AS total_connections,
  iif(a.alive, coalesce(c.active_connections, 0), 0) AS active_connections,
  coalesce(c.refused_connections, 0) + coalesce(g.refused_connections, 0) AS refused_connections,
  coalesce(c.total_requests, 0) + coalesce(g.total_requests, 0) AS total_requests,
  coalesce(c.bytes_in + c.bytes_out, 0) + coalesce(g.bytes_in + g.bytes_out, 0) AS total_bytes_transferred,
  coalesce(c.bytes_in, 0) + coalesce(g.bytes_in, 0) AS bytes_in,
  coalesce(c.bytes_out, 0) + coalesce(g.bytes_out, 0) AS bytes_out,
  coalesce(c.error_count, 0) + coalesce(g.error_count, 0) AS error_count,
  iif(coalesce(c.response_time_count, 0) + coalesce(g.response_time_count, 0) > 0,
    round((coalesce(c.response_time_sum_us, 0) + coalesce(g.response_time_sum_us, 0)) / 1000.0
      / (coalesce(c.response_time_count, 0) + coalesce(g.response_time_count, 0)), 3), NULL) AS avg_response_time_ms,
  coalesce(s.request_rate, 0.0) AS request_rate,
  iif(a.alive, w.rss_bytes, NULL) AS rss_bytes, iif(a.alive, w.cpu_ms, NULL) AS cpu_ms,
  iif(a.alive, w.open_fds, NULL) AS open_fds,
  t.created_at, t.updated_at
FROM tenant t
CROSS JOIN daemon_alive a
LEFT JOIN worker w ON w.worker_group = coalesce('group:' || t.worker_group, 'tenant:' || t.id)
LEFT JOIN (
  SELECT tenant_id, count(*) AS total_servers, sum(status = 'running') AS running_servers,
    sum(status = 'stopped') AS stopped_servers, sum(status = 'error') AS error_servers, sum(request_rate) AS request_rate
  FROM server_full GROUP BY tenant_id) s ON s.tenant_id = t.id
LEFT JOIN (
  SELECT tenant_id, sum(total_connections) AS total_connections, sum(active_connections) AS active_connections,
    sum(refused_connections) AS refused_connections, sum(total_requests) AS total_requests, sum(bytes_in) AS bytes_in,
    sum(bytes_out) AS bytes_out, sum(error_count) AS error_count, sum(response_time_sum_us) AS response_time_sum_us,
    sum(response_time_count) AS response_time_count
  FROM server_total GROUP BY tenant_id) c ON c.tenant_id = t.id
LEFT JOIN tenant_counter g ON g.tenant_id = t.id;

CREATE VIEW tenants AS
SELECT name AS tenant, enabled, total_servers AS servers, running_servers AS running, error_servers AS error,
  active_connections || iif(max_connections = 0, '', '/' || max_connections) AS conns, request_rate AS req_s,
  total_requests AS requests, total_bytes_transferred AS bytes, id
FROM tenant_full;

-- What rules, users and backends have counted over all lives of the workers.
CREATE VIEW tally_total AS
SELECT kind, item_id, sum(uses) AS uses, sum(uses - ended) AS active, sum(failures) AS failures, sum(bytes_in) AS bytes_in,
  sum(bytes_out) AS bytes_out, max(last_at) AS last_at
FROM tally GROUP BY item_id, kind;

CREATE VIEW backends AS
SELECT t.name || '/' || s.name AS server, b.address AS backend, b.role, b.weight, b.backup, b.tls,
  b.admin_state AS state,
  coalesce(bs.state, 'unknown') AS health, bs.since, bs.last_error, bs.decided_by, bs.last_check_at, bs.last_latency_ms,
  coalesce(bs.consecutive_ok, 0) AS consecutive_ok, coalesce(bs.consecutive_fail, 0) AS consecutive_fail,
  iif(a.alive, coalesce(c.active, 0), 0) AS conns, coalesce(c.uses, 0) AS connections, coalesce(c.failures, 0) AS failures, c.last_at AS last_used,
  b.id
FROM backend b
CROSS JOIN daemon_alive a
JOIN server s ON s.id = b.server_id
JOIN tenant t ON t.id = b.tenant_id
LEFT JOIN backend_state bs ON bs.backend_id = b.id
LEFT JOIN tally_total c ON c.item_id = b.id AND c.kind = 'backend';

CREATE VIEW routes AS
SELECT t.name || '/' || s.name AS server, r.pattern, r.target, r.id
FROM sni_route r
JOIN server s ON s.id = r.server_id
JOIN tenant t ON t.id = r.tenant_id
ORDER BY t.name, s.name, r.pattern = '*', r.pattern GLOB '[*]*', r.pattern;

-- In the order in which they are judged: a server's own rules first, then its tenant's.
CREATE VIEW rules AS
SELECT a.number, t.name AS tenant, coalesce(s.name, '-') AS server, a.action, coalesce(a.client, '-') AS client,
  coalesce(u.name, '-') AS user,
  coalesce(a.destination, a.host, '-') AS "to",
  CASE WHEN a.port_first IS NULL THEN '-' WHEN a.port_first = a.port_last THEN CAST(a.port_first AS TEXT)
    ELSE a.port_first || '-' || a.port_last END AS port,
  coalesce(a.method, '-') AS method, coalesce(a.time_window, '-') AS time, coalesce(c.uses, 0) AS hits, c.last_at AS last_hit,
  a.comment, a.position, a.id
FROM acl a
JOIN tenant t ON t.id = a.tenant_id
LEFT JOIN server s ON s.id = a.server_id
LEFT JOIN user u ON u.id = a.user_id
LEFT JOIN tally_total c ON c.item_id = a.id AND c.kind = 'acl'
ORDER BY t.name, a.server_id IS NULL, s.name, a.position;

-- Without the hashes of their passwords.
CREATE VIEW users AS
SELECT t.name AS tenant, u.name, u.enabled, u.expires_at,
  u.enabled AND coalesce(u.expires_at > strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), 1) AS may_log_in,
  coalesce(c.uses, 0) AS requests, coalesce(c.failures, 0) AS errors, coalesce(c.bytes_in, 0) AS bytes_in,
  coalesce(c.bytes_out, 0) AS bytes_out, c.last_at AS last_seen,
  u.max_connections, u.requests_per_second, u.bandwidth_bytes_per_second, u.description, u.password_changed_at, u.created_at, u.updated_at, u.generation, u.id
FROM user u
JOIN tenant t ON t.id = u.tenant_id
LEFT JOIN tally_total c ON c.item_id = u.id AND c.kind = 'user'
ORDER BY t.name, u.name;

-- As they were when their files were read last: at `add` and `reload`, and by the daemon when it serves with them.
CREATE VIEW certs AS
SELECT t.name AS tenant, c.name, c.subject, c.sans, c.not_after AS expires_at,
  CAST(julianday(c.not_after) - julianday('now') + 1000000 AS INTEGER) - 1000000 AS days, c.key_type, c.issuer,
  (SELECT group_concat(name, ',') FROM (SELECT s.name FROM server s
    WHERE s.tenant_id = c.tenant_id AND instr(',' || s.cert || ',', ',' || c.name || ',') ORDER BY s.name)) AS used_by,
  c.cert_path, c.key_path, c.chain_path, c.description, c.not_before, c.fingerprint_sha256, c.read_at,
  c.created_at, c.updated_at, c.generation, c.id
FROM cert c
JOIN tenant t ON t.id = c.tenant_id
ORDER BY t.name, c.name;

-- Each listener (backend '-'), and behind it the server's backends.
CREATE VIEW health AS
SELECT tenant || '/' || name AS server, '-' AS backend, health AS status, health_latency_ms AS latency_ms,
  health_checked_at AS checked, consecutive_failures AS fails, health_since AS since, health_detail AS detail
FROM server_full
UNION ALL
SELECT server, backend, iif(state = 'enabled', health, state), last_latency_ms, last_check_at, consecutive_fail, since, last_error
FROM backends
ORDER BY 1, 2;

-- Per second, as of the last flush.
CREATE VIEW traffic AS
SELECT tenant, name, type, active_connections AS conns, request_rate AS req_s, byte_rate AS bytes_s,
  error_count AS errors, avg_response_time_ms AS avg_ms
FROM server_full
ORDER BY byte_rate DESC, request_rate DESC, tenant, name;

-- Whom limits turned away: the most recent first.
CREATE VIEW refusals AS
SELECT t.name AS tenant, t.name || '/' || s.name AS server, r.reason, r.count, r.last_at,
  CASE r.reason
    WHEN 'limit_worker' THEN 'the worker is full'
    WHEN 'limit_tenant' THEN 'the tenant has all its connections'
    WHEN 'limit_server' THEN 'the server has all its connections'
    WHEN 'limit_client' THEN 'a client had too many connections'
    WHEN 'limit_user' THEN 'a user had too many connections'
    WHEN 'limit_backend' THEN 'every backend was full for as long as a client may wait'
    WHEN 'limit_memory' THEN 'the worker''s memory is used up'
    ELSE 'requests came faster than allowed'
  END AS limited,
  CASE r.reason
    WHEN 'limit_worker' THEN 'arcusctl tenant show ' || t.name
    WHEN 'limit_tenant' THEN 'arcusctl tenant set ' || t.name || ' max_connections=N'
    WHEN 'limit_server' THEN 'arcusctl server set ' || t.name || '/' || s.name || ' max_connections=N'
    WHEN 'limit_user' THEN 'arcusctl user list -t ' || t.name
    WHEN 'limit_backend' THEN 'arcusctl backend list ' || t.name || '/' || s.name
    WHEN 'limit_memory' THEN 'arcusctl tenant set ' || t.name || ' memory_limit_bytes=SIZE'
    ELSE 'arcusctl server show ' || t.name || '/' || s.name
  END AS try
FROM (
  SELECT server_id, reason, sum(count) AS count, max(last_at) AS last_at
  FROM server_reason WHERE reason GLOB 'limit_*' OR reason = 'rate_limited'
  GROUP BY server_id, reason) r
JOIN server s ON s.id = r.server_id
JOIN tenant t ON t.id = s.tenant_id
ORDER BY r.last_at DESC;

CREATE VIEW problems AS
SELECT 'error' AS level, 'daemon' AS what, 'no daemon keeps this registry, so nothing runs' AS problem,
  'arcusctl run -d' AS try
FROM daemon_alive
WHERE NOT alive AND EXISTS (SELECT 1 FROM server s JOIN tenant t ON t.id = s.tenant_id
  WHERE s.enabled AND t.enabled AND s.desired_state = 'running')
UNION ALL
SELECT 'error', tenant || '/' || name, coalesce(last_error, status_reason, 'did not start'),
  'arcusctl server show ' || tenant || '/' || name
FROM server_full WHERE status = 'error'
UNION ALL
SELECT 'warning', tenant || '/' || name, 'still runs its former configuration: ' || last_error,
  'arcusctl server show ' || tenant || '/' || name
FROM server_full WHERE status = 'running' AND last_error IS NOT NULL
UNION ALL
SELECT iif(health = 'unhealthy', 'error', 'warning'), tenant || '/' || name, health || coalesce(': ' || health_detail, ''),
  'arcusctl health ' || tenant || '/' || name
FROM server_full WHERE status = 'running' AND health IN ('unhealthy', 'degraded')
UNION ALL
SELECT 'warning', server, 'backend ' || backend || ' is down' || coalesce(': ' || last_error, ''),
  'arcusctl backend list ' || server
FROM backends WHERE health = 'down' AND state = 'enabled'
UNION ALL
SELECT 'warning', server, 'turns clients away: ' || limited || ' (' || reason || '), ' ||
  iif(count = 1, 'once', count || ' times') || ' so far, in this minute too', try
FROM refusals WHERE last_at > strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-60 seconds')
UNION ALL
SELECT 'warning', tenant || '/' || name, 'serves users alone, and the tenant has no user who may log in',
  'arcusctl user add NAME -t ' || tenant
FROM server_full WHERE auth <> 'none' AND enabled
  AND NOT EXISTS (SELECT 1 FROM users WHERE users.tenant = server_full.tenant AND may_log_in)
UNION ALL
SELECT iif(days < 0, 'error', 'warning'), tenant || '/' || name,
  CASE WHEN days < 0 THEN 'the certificate expired on ' || substr(expires_at, 1, 10)
    ELSE 'the certificate expires in ' || days || iif(days = 1, ' day', ' days') END || ', shown by ' || used_by,
  'arcusctl cert show ' || tenant || '/' || name
FROM certs WHERE days < 30 AND used_by IS NOT NULL
UNION ALL
SELECT 'warning', tenant || '/' || name, 'open to everybody who reaches ' || listen || ' (allow_open)',
  'arcusctl acl add allow --client 10.0.0.0/8 --server ' || tenant || '/' || name
FROM server_full WHERE allow_open AND enabled AND auth = 'none'
  AND NOT EXISTS (SELECT 1 FROM acl WHERE acl.tenant_id = server_full.tenant_id AND action = 'allow'
    AND client IS NOT NULL AND client NOT LIKE '%/0' AND (server_id IS NULL OR server_id = server_full.id));

-- The audit trail for people: what each change altered, in one line.
CREATE VIEW changes AS
SELECT id, at, actor, via, action, object,
  coalesce((
    SELECT group_concat(key || '=' || was || '->' || becomes, ' ')
    FROM (
      SELECT b.key, coalesce(b.value, 'null') AS was, coalesce(n.value, 'null') AS becomes
      FROM json_each(audit.before) b JOIN json_each(audit.after) n ON n.key = b.key
      WHERE b.value IS NOT n.value)),
    iif(action = 'refused', (after ->> 'count') || ' times ' || (after ->> 'reason') || ' from ' || (after ->> 'client'), NULL),
    '-') AS change,
  reason
FROM audit;

CREATE VIEW events AS SELECT id, at, kind, tenant, object, detail FROM event;

-- The document's five totals.
CREATE VIEW registry AS
SELECT count(*) AS total_servers,
  coalesce(sum(status = 'running'), 0) AS running_servers,
  coalesce(sum(status = 'stopped'), 0) AS stopped_servers,
  coalesce(sum(status = 'error'), 0) AS error_servers,
  (SELECT count(*) FROM tenant) AS total_tenants
FROM server_full;

CREATE VIEW settings AS
SELECT p.key, coalesce(s.value, p.default_value) AS value, p.default_value AS "default",
  iif(s.value IS NULL, 'built-in', 'registry') AS source, p.help
FROM setting_spec p
LEFT JOIN setting s ON s.key = p.key
ORDER BY p.key;

CREATE VIEW help (topic, statement, effect) AS
VALUES
  ('look', 'SELECT * FROM servers;', 'every server: what is wanted, what is measured'),
  ('look', 'SELECT * FROM tenants;', 'every tenant with its sums'),
  ('look', 'SELECT * FROM problems;', 'what is wrong, and the command to type'),
  ('look', 'SELECT * FROM backends;', 'who serves behind each server'),
  ('look', 'SELECT * FROM routes;', 'where server names lead'),
  ('look', 'SELECT * FROM rules;', 'access rules in the order in which they are judged'),
  ('look', 'SELECT * FROM users;', 'who may log in at the proxies'),
  ('look', 'SELECT * FROM certs;', 'certificates, when they expire, and who shows them'),
  ('look', 'SELECT * FROM health;', 'the last health check of each server'),
  ('look', 'SELECT * FROM refusals;', 'whom limits turned away, and when last'),
  ('look', 'SELECT * FROM traffic;', 'what moves now, per second'),
  ('look', 'SELECT * FROM registry;', 'the five totals'),
  ('look', 'SELECT * FROM changes ORDER BY id DESC LIMIT 20;', 'who changed what, and how'),
  ('look', 'SELECT * FROM events ORDER BY id DESC LIMIT 20;', 'starts, stops, reloads, deaths'),
  ('look', 'SELECT * FROM settings;', 'registry-wide settings and their defaults'),
  ('look', 'SELECT * FROM server_full;', 'every column of every server, for programs'),
  ('look', 'SELECT * FROM server_option;', 'the keys of server.config, per type'),
  ('change', 'UPDATE servers SET desired = ''stopped'' WHERE tenant = ''acme'' AND name = ''web'';',
    'stops it within half a second; audited'),
  ('change', 'UPDATE servers SET desired = ''running'' WHERE tenant = ''acme'';', 'starts all of a tenant'),
  ('change', 'UPDATE server SET max_connections = 2000 WHERE name = ''web'';', 'applied live, no connection lost'),
  ('change', 'UPDATE server SET restart_seq = restart_seq + 1 WHERE name = ''web'';', 'restarts it'),
  ('change', 'INSERT INTO servers (tenant, name, type, listen) VALUES (''acme'', ''web'', ''http'', ''127.0.0.1:8080'');',
    'registers a server'),
  ('change', 'DELETE FROM servers WHERE tenant = ''acme'' AND name = ''web'';', 'removes it; its totals stay with the tenant'),
  ('change', 'UPDATE tenant SET enabled = 0 WHERE name = ''acme'';', 'suspends a tenant, wishes unchanged'),
  ('change', 'UPDATE users SET enabled = 0 WHERE tenant = ''acme'' AND name = ''bob'';',
    'his live connections end within a second'),
  ('rules', 'REPLACE INTO ...', 'refused: it would skip the delete triggers; use UPDATE'),
  ('rules', 'UPDATE server_state ...', 'refused: measured by the daemon'),
  ('rules', 'DELETE FROM audit ...', 'refused: append-only');

-- Writing through the people's views.

CREATE TRIGGER servers_insert INSTEAD OF INSERT ON servers
BEGIN
  SELECT RAISE(ABORT, 'servers.listen: ADDR:PORT, such as 127.0.0.1:8080 or [::1]:8080')
  WHERE NEW.listen IS NULL OR NEW.listen NOT GLOB '?*:[0-9]*' OR rtrim(NEW.listen, '0123456789') NOT GLOB '*:';
  SELECT RAISE(ABORT, 'servers: status, health, conns, ... are measured; set desired')
  WHERE coalesce(NEW.status, NEW.health, NEW.conns, NEW.requests, NEW.bytes, NEW.errors, NEW.avg_ms, NEW.reason)
    IS NOT NULL;
  SELECT RAISE(ABORT, 'server.tenant_id: no such tenant')
  WHERE NOT EXISTS (SELECT 1 FROM tenant WHERE name IS NEW.tenant);
  INSERT INTO server (id, tenant_id, name, type, desired_state, listen_addr, listen_port,
    enable_tls)
  VALUES (coalesce(NEW.id, lower(hex(randomblob(6)))), (SELECT id FROM tenant WHERE name = NEW.tenant), NEW.name, NEW.type,
    coalesce(NEW.desired, 'running'),
    trim(substr(NEW.listen, 1, length(rtrim(NEW.listen, '0123456789')) - 1), '[]'),
    CAST(substr(NEW.listen, length(rtrim(NEW.listen, '0123456789')) + 1) AS INTEGER),
    coalesce((SELECT needs_certificate FROM server_type WHERE name = NEW.type), 0));
END;

CREATE TRIGGER servers_measured INSTEAD OF UPDATE OF status, health, conns, requests, bytes, errors, avg_ms, reason ON servers
BEGIN
  SELECT RAISE(ABORT, 'servers: status, health, conns, ... are measured; set desired');
END;

CREATE TRIGGER servers_update INSTEAD OF UPDATE OF tenant, name, type, listen, desired, id ON servers
BEGIN
  SELECT RAISE(ABORT, 'servers.tenant: a server stays with its tenant')
  WHERE NEW.tenant IS NOT OLD.tenant OR NEW.id IS NOT OLD.id;
  SELECT RAISE(ABORT, 'servers.listen: ADDR:PORT, such as 127.0.0.1:8080 or [::1]:8080')
  WHERE NEW.listen IS NULL OR NEW.listen NOT GLOB '?*:[0-9]*' OR rtrim(NEW.listen, '0123456789') NOT GLOB '*:';
  UPDATE server SET name = NEW.name, type = NEW.type, desired_state = NEW.desired,
    listen_addr = trim(substr(NEW.listen, 1, length(rtrim(NEW.listen, '0123456789')) - 1), '[]'),
    listen_port = CAST(substr(NEW.listen, length(rtrim(NEW.listen, '0123456789')) + 1) AS INTEGER)
  WHERE id = OLD.id;
END;

CREATE TRIGGER servers_delete INSTEAD OF DELETE ON servers
BEGIN
  DELETE FROM server WHERE id = OLD.id;
END;

CREATE TRIGGER tenants_insert INSTEAD OF INSERT ON tenants
BEGIN
  INSERT INTO tenant (name, enabled) VALUES (NEW.tenant, coalesce(NEW.enabled, 1));
END;

CREATE TRIGGER tenants_measured INSTEAD OF UPDATE OF servers, running, error, conns, req_s, requests, bytes ON tenants
BEGIN
  SELECT RAISE(ABORT, 'tenants: servers, running, conns, ... are measured; set enabled');
END;

CREATE TRIGGER tenants_update INSTEAD OF UPDATE OF tenant, enabled, id ON tenants
BEGIN
  SELECT RAISE(ABORT, 'tenants.id: an id never changes') WHERE NEW.id IS NOT OLD.id;
  UPDATE tenant SET name = NEW.tenant, enabled = NEW.enabled WHERE id = OLD.id;
END;

CREATE TRIGGER tenants_delete INSTEAD OF DELETE ON tenants
BEGIN
  DELETE FROM tenant WHERE id = OLD.id;
END;

CREATE TRIGGER users_update INSTEAD OF UPDATE ON users
BEGIN
  SELECT RAISE(ABORT, 'users: set enabled, expires_at, limits or description; a password by arcusctl user passwd')
  WHERE NEW.tenant IS NOT OLD.tenant OR NEW.name IS NOT OLD.name OR NEW.id IS NOT OLD.id
    OR NEW.may_log_in IS NOT OLD.may_log_in OR NEW.password_changed_at IS NOT OLD.password_changed_at
    OR NEW.generation IS NOT OLD.generation OR NEW.requests IS NOT OLD.requests OR NEW.errors IS NOT OLD.errors
    OR NEW.bytes_in IS NOT OLD.bytes_in OR NEW.bytes_out IS NOT OLD.bytes_out OR NEW.last_seen IS NOT OLD.last_seen;
  UPDATE user SET enabled = NEW.enabled, expires_at = NEW.expires_at, max_connections = NEW.max_connections,
    requests_per_second = NEW.requests_per_second, bandwidth_bytes_per_second = NEW.bandwidth_bytes_per_second,
    description = NEW.description WHERE id = OLD.id;
END;

CREATE TRIGGER users_delete INSTEAD OF DELETE ON users
BEGIN
  DELETE FROM user WHERE id = OLD.id;
END;

CREATE TRIGGER settings_update INSTEAD OF UPDATE OF value ON settings
BEGIN
  INSERT INTO setting (key, value) VALUES (OLD.key, NEW.value)
  ON CONFLICT (key) DO UPDATE SET value = excluded.value;
END;
