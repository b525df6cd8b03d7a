-- Triggers: made anew by every binary that migrates. They use nothing that only this program registers, so they hold in the
-- sqlite3 shell too. A RAISE message is what a person reads: it says what is wrong and what to do instead.

-- Foreign keys, for shells that have them switched off, and rules that span rows.

CREATE TRIGGER tenant_insert_check BEFORE INSERT ON tenant
WHEN EXISTS (SELECT 1 FROM tenant WHERE name = NEW.name OR id = NEW.id)
BEGIN
  SELECT RAISE(ABORT, 'tenant.name: there is already a tenant of that name (use UPDATE)');
END;

CREATE TRIGGER tenant_delete_check BEFORE DELETE ON tenant
WHEN EXISTS (SELECT 1 FROM server WHERE tenant_id = OLD.id)
BEGIN
  SELECT RAISE(ABORT, 'tenant: still has servers (delete them first)');
END;

CREATE TRIGGER tenant_delete_children AFTER DELETE ON tenant
BEGIN
  DELETE FROM acl WHERE tenant_id = OLD.id;
  DELETE FROM acl_number WHERE tenant_id = OLD.id;
  DELETE FROM user WHERE tenant_id = OLD.id;
  DELETE FROM cert WHERE tenant_id = OLD.id;
END;

CREATE TRIGGER tenant_id_fixed BEFORE UPDATE OF id ON tenant WHEN NEW.id IS NOT OLD.id
BEGIN
  SELECT RAISE(ABORT, 'tenant.id: an id never changes');
END;

CREATE TRIGGER server_id_fixed BEFORE UPDATE OF id, tenant_id ON server
WHEN NEW.id IS NOT OLD.id OR NEW.tenant_id IS NOT OLD.tenant_id
BEGIN
  SELECT RAISE(ABORT, 'server.id: the id and tenant of a server never change');
END;

CREATE TRIGGER server_insert_check BEFORE INSERT ON server
BEGIN
  SELECT RAISE(ABORT, 'server.tenant_id: no such tenant')
  WHERE NOT EXISTS (SELECT 1 FROM tenant WHERE id = NEW.tenant_id);
  SELECT RAISE(ABORT, 'server.type: no such server type (see: SELECT * FROM server_type)')
  WHERE NOT EXISTS (SELECT 1 FROM server_type WHERE name = NEW.type);
  SELECT RAISE(ABORT, 'server.lb: no such algorithm (see: SELECT * FROM balance_algorithm)')
  WHERE NOT EXISTS (SELECT 1 FROM balance_algorithm WHERE name = NEW.lb);
  SELECT RAISE(ABORT, 'server.auth: none, basic or mtls')
  WHERE NEW.auth NOT IN ('none', 'basic', 'mtls');
  SELECT RAISE(ABORT, 'server.auth: a server of this type asks for no credentials')
  WHERE NEW.auth = 'basic' AND NOT (SELECT takes_users FROM server_type WHERE name = NEW.type);
  SELECT RAISE(ABORT, 'server.auth: a server of this type sees no client certificates')
  WHERE NEW.auth = 'mtls' AND NOT (SELECT needs_certificate FROM server_type WHERE name = NEW.type);
  SELECT RAISE(ABORT, 'server.cert: this tenant has no such certificate (see: SELECT * FROM certs)')
  WHERE CASE WHEN NEW.cert IS NULL THEN 0 WHEN NEW.cert GLOB '*[^a-z0-9._,-]*' THEN 1 ELSE EXISTS (
    SELECT 1 FROM json_each('["' || replace(NEW.cert, ',', '","') || '"]')
    WHERE value NOT IN (SELECT name FROM cert WHERE tenant_id = NEW.tenant_id)) END;
  SELECT RAISE(ABORT, 'server.name: this tenant already has a server of that name (use UPDATE)')
  WHERE EXISTS (SELECT 1 FROM server WHERE (tenant_id = NEW.tenant_id AND name = NEW.name) OR id = NEW.id);
  SELECT RAISE(ABORT, 'server.listen_port: another server is registered on that address and port')
  WHERE NEW.enabled = 1 AND NEW.listen_port <> 0 AND EXISTS (
    SELECT 1 FROM server
    WHERE listen_port = NEW.listen_port AND id <> NEW.id AND enabled = 1
      AND (listen_addr = NEW.listen_addr OR '::' IN (listen_addr, NEW.listen_addr)
        OR ('0.0.0.0' IN (listen_addr, NEW.listen_addr)
          AND listen_addr NOT LIKE '%:%' AND NEW.listen_addr NOT LIKE '%:%')));
  SELECT RAISE(ABORT, 'server.tenant_id: the tenant has as many servers as its max_servers allows')
  WHERE (SELECT max_servers FROM tenant WHERE id = NEW.tenant_id) NOT IN (0)
    AND (SELECT max_servers FROM tenant WHERE id = NEW.tenant_id)
      <= (SELECT count(*) FROM server WHERE tenant_id = NEW.tenant_id);
END;

CREATE TRIGGER server_update_check BEFORE UPDATE OF tenant_id, name, type, lb, auth, cert, enabled, listen_addr, listen_port ON server
BEGIN
  SELECT RAISE(ABORT, 'server.tenant_id: no such tenant')
  WHERE NOT EXISTS (SELECT 1 FROM tenant WHERE id = NEW.tenant_id);
  SELECT RAISE(ABORT, 'server.type: no such server type (see: SELECT * FROM server_type)')
  WHERE NOT EXISTS (SELECT 1 FROM server_type WHERE name = NEW.type);
  SELECT RAISE(ABORT, 'server.lb: no such algorithm (see: SELECT * FROM balance_algorithm)')
  WHERE NOT EXISTS (SELECT 1 FROM balance_algorithm WHERE name = NEW.lb);
  SELECT RAISE(ABORT, 'server.auth: none, basic or mtls')
  WHERE NEW.auth NOT IN ('none', 'basic', 'mtls');
  SELECT RAISE(ABORT, 'server.auth: a server of this type asks for no credentials')
  WHERE NEW.auth = 'basic' AND NOT (SELECT takes_users FROM server_type WHERE name = NEW.type);
  SELECT RAISE(ABORT, 'server.auth: a server of this type sees no client certificates')
  WHERE NEW.auth = 'mtls' AND NOT (SELECT needs_certificate FROM server_type WHERE name = NEW.type);
  SELECT RAISE(ABORT, 'server.cert: this tenant has no such certificate (see: SELECT * FROM certs)')
  WHERE CASE WHEN NEW.cert IS NULL THEN 0 WHEN NEW.cert GLOB '*[^a-z0-9._,-]*' THEN 1 ELSE EXISTS (
    SELECT 1 FROM json_each('["' || replace(NEW.cert, ',', '","') || '"]')
    WHERE value NOT IN (SELECT name FROM cert WHERE tenant_id = NEW.tenant_id)) END;
  SELECT RAISE(ABORT, 'server.name: this tenant already has a server of that name (use UPDATE)')
  WHERE EXISTS (SELECT 1 FROM server WHERE (tenant_id = NEW.tenant_id AND name = NEW.name AND id <> NEW.id));
  SELECT RAISE(ABORT, 'server.listen_port: another server is registered on that address and port')
  WHERE NEW.enabled = 1 AND NEW.listen_port <> 0 AND EXISTS (
    SELECT 1 FROM server
    WHERE listen_port = NEW.listen_port AND id <> NEW.id AND enabled = 1
      AND (listen_addr = NEW.listen_addr OR '::' IN (listen_addr, NEW.listen_addr)
        OR ('0.0.0.0' IN (listen_addr, NEW.listen_addr)
          AND listen_addr NOT LIKE '%:%' AND NEW.listen_addr NOT LIKE '%:%')));
END;

CREATE TRIGGER server_delete_children AFTER DELETE ON server
BEGIN
  DELETE FROM backend WHERE server_id = OLD.id;
  DELETE FROM sni_route WHERE server_id = OLD.id;
  DELETE FROM acl WHERE server_id = OLD.id;
  DELETE FROM server_state WHERE server_id = OLD.id;
  DELETE FROM server_rate WHERE server_id = OLD.id;
END;

CREATE TRIGGER backend_delete_children AFTER DELETE ON backend
BEGIN
  DELETE FROM backend_state WHERE backend_id = OLD.id;
END;

CREATE TRIGGER backend_insert_check BEFORE INSERT ON backend
BEGIN
  SELECT RAISE(ABORT, 'backend.server_id: this tenant has no such server')
  WHERE NOT EXISTS (SELECT 1 FROM server WHERE id = NEW.server_id AND tenant_id = NEW.tenant_id);
  SELECT RAISE(ABORT, 'backend.address: this server already has that backend (use UPDATE)')
  WHERE EXISTS (SELECT 1 FROM backend WHERE (server_id = NEW.server_id AND address = NEW.address) OR id = NEW.id);
  SELECT RAISE(ABORT, 'backend.server_id: a server of this type takes no backends')
  WHERE NEW.role = 'origin' AND EXISTS (SELECT 1 FROM server s JOIN server_type t ON t.name = s.type
    WHERE s.id = NEW.server_id AND NOT t.takes_backends);
  SELECT RAISE(ABORT, 'backend.role: a server of this type uses no parent proxies')
  WHERE NEW.role <> 'origin' AND EXISTS (SELECT 1 FROM server s JOIN server_type t ON t.name = s.type
    WHERE s.id = NEW.server_id AND NOT t.forwards);
END;

CREATE TRIGGER sni_route_insert_check BEFORE INSERT ON sni_route
BEGIN
  SELECT RAISE(ABORT, 'sni_route.server_id: this tenant has no such server')
  WHERE NOT EXISTS (SELECT 1 FROM server WHERE id = NEW.server_id AND tenant_id = NEW.tenant_id);
  SELECT RAISE(ABORT, 'sni_route.server_id: a server of this type has no routes')
  WHERE EXISTS (SELECT 1 FROM server s JOIN server_type t ON t.name = s.type WHERE s.id = NEW.server_id AND NOT t.takes_routes);
  SELECT RAISE(ABORT, 'sni_route.pattern: this server already has a route for that name (use UPDATE)')
  WHERE EXISTS (SELECT 1 FROM sni_route WHERE (server_id = NEW.server_id AND pattern = NEW.pattern) OR id = NEW.id);
END;

CREATE TRIGGER sni_route_update_check BEFORE UPDATE ON sni_route
BEGIN
  SELECT RAISE(ABORT, 'sni_route.server_id: this tenant has no such server')
  WHERE NOT EXISTS (SELECT 1 FROM server WHERE id = NEW.server_id AND tenant_id = NEW.tenant_id);
  SELECT RAISE(ABORT, 'sni_route.server_id: a server of this type has no routes')
  WHERE EXISTS (SELECT 1 FROM server s JOIN server_type t ON t.name = s.type WHERE s.id = NEW.server_id AND NOT t.takes_routes);
  SELECT RAISE(ABORT, 'sni_route.pattern: this server already has a route for that name (use UPDATE)')
  WHERE EXISTS (SELECT 1 FROM sni_route WHERE server_id = NEW.server_id AND pattern = NEW.pattern AND id <> OLD.id);
END;

CREATE TRIGGER acl_insert_check BEFORE INSERT ON acl
BEGIN
  SELECT RAISE(ABORT, 'acl.tenant_id: no such tenant')
  WHERE NOT EXISTS (SELECT 1 FROM tenant WHERE id = NEW.tenant_id);
  SELECT RAISE(ABORT, 'acl.server_id: this tenant has no such server')
  WHERE NEW.server_id IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM server WHERE id = NEW.server_id AND tenant_id = NEW.tenant_id);
  SELECT RAISE(ABORT, 'acl.user_id: this tenant has no such user')
  WHERE NEW.user_id IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM user WHERE id = NEW.user_id AND tenant_id = NEW.tenant_id);
  SELECT RAISE(ABORT, 'acl.number: this tenant already has a rule of that number (use UPDATE)')
  WHERE EXISTS (SELECT 1 FROM acl WHERE (tenant_id = NEW.tenant_id AND number = NEW.number) OR id = NEW.id);
END;

CREATE TRIGGER user_insert_check BEFORE INSERT ON user
BEGIN
  SELECT RAISE(ABORT, 'user.tenant_id: no such tenant')
  WHERE NOT EXISTS (SELECT 1 FROM tenant WHERE id = NEW.tenant_id);
  SELECT RAISE(ABORT, 'user.name: this tenant already has a user of that name (use UPDATE)')
  WHERE EXISTS (SELECT 1 FROM user WHERE (tenant_id = NEW.tenant_id AND name = NEW.name) OR id = NEW.id);
END;

CREATE TRIGGER user_update_check BEFORE UPDATE ON user
BEGIN
  SELECT RAISE(ABORT, 'user.id: the id and tenant of a user never change')
  WHERE NEW.id IS NOT OLD.id OR NEW.tenant_id IS NOT OLD.tenant_id;
  SELECT RAISE(ABORT, 'user.name: this tenant already has a user of that name (use UPDATE)')
  WHERE EXISTS (SELECT 1 FROM user WHERE tenant_id = NEW.tenant_id AND name = NEW.name AND id <> OLD.id);
END;

-- Without its user a rule would mean everybody.
CREATE TRIGGER user_delete_check BEFORE DELETE ON user
WHEN EXISTS (SELECT 1 FROM acl WHERE user_id = OLD.id) AND EXISTS (SELECT 1 FROM tenant WHERE id = OLD.tenant_id)
BEGIN
  SELECT RAISE(ABORT, 'user: rules name this user (remove them first: SELECT * FROM rules)');
END;

CREATE TRIGGER cert_insert_check BEFORE INSERT ON cert
BEGIN
  SELECT RAISE(ABORT, 'cert.tenant_id: no such tenant')
  WHERE NOT EXISTS (SELECT 1 FROM tenant WHERE id = NEW.tenant_id);
  SELECT RAISE(ABORT, 'cert.name: this tenant already has a certificate of that name (use UPDATE)')
  WHERE EXISTS (SELECT 1 FROM cert WHERE (tenant_id = NEW.tenant_id AND name = NEW.name) OR id = NEW.id);
END;

CREATE TRIGGER cert_fixed BEFORE UPDATE OF id, tenant_id, name ON cert
WHEN NEW.id IS NOT OLD.id OR NEW.tenant_id IS NOT OLD.tenant_id OR NEW.name IS NOT OLD.name
BEGIN
  SELECT RAISE(ABORT, 'cert.name: the id, tenant and name of a certificate never change (servers name it)');
END;

-- What the file says is read from the file.
CREATE TRIGGER cert_facts_insert BEFORE INSERT ON cert
WHEN NOT EXISTS (SELECT 1 FROM audit_context WHERE via IN ('cli', 'daemon'))
  AND (coalesce(NEW.subject, NEW.issuer, NEW.not_before, NEW.not_after, NEW.key_type, NEW.fingerprint_sha256, NEW.read_at)
    IS NOT NULL OR NEW.sans <> '[]')
BEGIN
  SELECT RAISE(ABORT, 'cert.subject: read from the file (use: arcusctl cert reload)');
END;

CREATE TRIGGER cert_facts_update BEFORE UPDATE OF
  subject, issuer, sans, not_before, not_after, key_type, fingerprint_sha256, read_at
ON cert
WHEN NOT EXISTS (SELECT 1 FROM audit_context WHERE via IN ('cli', 'daemon'))
BEGIN
  SELECT RAISE(ABORT, 'cert.subject: read from the file (use: arcusctl cert reload)');
END;

CREATE TRIGGER cert_delete_check BEFORE DELETE ON cert
WHEN EXISTS (SELECT 1 FROM server WHERE tenant_id = OLD.tenant_id AND instr(',' || cert || ',', ',' || OLD.name || ','))
BEGIN
  SELECT RAISE(ABORT, 'cert: servers show this certificate (see column used_by: SELECT * FROM certs)');
END;

CREATE TRIGGER setting_insert_check BEFORE INSERT ON setting
WHEN NEW.key NOT GLOB 'schema_*' AND NOT EXISTS (SELECT 1 FROM setting_spec WHERE key = NEW.key)
BEGIN
  SELECT RAISE(ABORT, 'setting.key: no such setting (see: SELECT * FROM settings)');
END;

CREATE TRIGGER backend_update_check BEFORE UPDATE ON backend
BEGIN
  SELECT RAISE(ABORT, 'backend.server_id: this tenant has no such server')
  WHERE NOT EXISTS (SELECT 1 FROM server WHERE id = NEW.server_id AND tenant_id = NEW.tenant_id);
  SELECT RAISE(ABORT, 'backend.address: this server already has that backend (use UPDATE)')
  WHERE EXISTS (SELECT 1 FROM backend WHERE server_id = NEW.server_id AND address = NEW.address AND id <> OLD.id);
  SELECT RAISE(ABORT, 'backend.server_id: a server of this type takes no backends')
  WHERE NEW.role = 'origin' AND EXISTS (SELECT 1 FROM server s JOIN server_type t ON t.name = s.type
    WHERE s.id = NEW.server_id AND NOT t.takes_backends);
  SELECT RAISE(ABORT, 'backend.role: a server of this type uses no parent proxies')
  WHERE NEW.role <> 'origin' AND EXISTS (SELECT 1 FROM server s JOIN server_type t ON t.name = s.type
    WHERE s.id = NEW.server_id AND NOT t.forwards);
END;

CREATE TRIGGER acl_update_check BEFORE UPDATE ON acl
BEGIN
  SELECT RAISE(ABORT, 'acl.tenant_id: no such tenant')
  WHERE NOT EXISTS (SELECT 1 FROM tenant WHERE id = NEW.tenant_id);
  SELECT RAISE(ABORT, 'acl.server_id: this tenant has no such server')
  WHERE NEW.server_id IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM server WHERE id = NEW.server_id AND tenant_id = NEW.tenant_id);
  SELECT RAISE(ABORT, 'acl.user_id: this tenant has no such user')
  WHERE NEW.user_id IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM user WHERE id = NEW.user_id AND tenant_id = NEW.tenant_id);
  SELECT RAISE(ABORT, 'acl.number: this tenant already has a rule of that number (use UPDATE)')
  WHERE EXISTS (SELECT 1 FROM acl WHERE tenant_id = NEW.tenant_id AND number = NEW.number AND id <> OLD.id);
END;

CREATE TRIGGER setting_update_check BEFORE UPDATE ON setting
WHEN NEW.key NOT GLOB 'schema_*' AND NOT EXISTS (SELECT 1 FROM setting_spec WHERE key = NEW.key)
BEGIN
  SELECT RAISE(ABORT, 'setting.key: no such setting (see: SELECT * FROM settings)');
END;

CREATE TRIGGER template_delete_check BEFORE DELETE ON template WHEN OLD.builtin = 1
BEGIN
  SELECT RAISE(ABORT, 'template: built-in templates stay');
END;

CREATE TRIGGER acl_count_numbers AFTER INSERT ON acl
BEGIN
  INSERT INTO acl_number (tenant_id, next) VALUES (NEW.tenant_id, NEW.number + 1)
  ON CONFLICT (tenant_id) DO UPDATE SET next = max(next, excluded.next);
END;

-- Generations: whatever changes what a server does bumps its generation, so that the daemon looks at it again.

CREATE TRIGGER server_generation AFTER UPDATE ON server WHEN NEW.generation IS OLD.generation
BEGIN
  UPDATE server SET generation = OLD.generation + 1, updated_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE id = NEW.id;
END;

CREATE TRIGGER tenant_generation AFTER UPDATE ON tenant WHEN NEW.generation IS OLD.generation
BEGIN
  UPDATE tenant SET generation = OLD.generation + 1, updated_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE id = NEW.id;
END;

CREATE TRIGGER tenant_server_generation
AFTER UPDATE OF name, enabled, max_connections, max_connections_per_client, requests_per_second, bandwidth_bytes_per_second,
  memory_limit_bytes,
  worker_group, worker_threads, access_log_format
ON tenant
BEGIN
  UPDATE server SET generation = generation + 1 WHERE tenant_id = NEW.id;
END;

CREATE TRIGGER backend_insert_generation AFTER INSERT ON backend
BEGIN
  UPDATE server SET generation = generation + 1 WHERE id = NEW.server_id;
END;

CREATE TRIGGER backend_update_generation AFTER UPDATE ON backend
BEGIN
  UPDATE server SET generation = generation + 1 WHERE id = NEW.server_id;
END;

CREATE TRIGGER backend_delete_generation AFTER DELETE ON backend
BEGIN
  UPDATE server SET generation = generation + 1 WHERE id = OLD.server_id;
END;

CREATE TRIGGER sni_route_insert_generation AFTER INSERT ON sni_route
BEGIN
  UPDATE server SET generation = generation + 1 WHERE id = NEW.server_id;
END;

CREATE TRIGGER sni_route_update_generation AFTER UPDATE ON sni_route
BEGIN
  UPDATE server SET generation = generation + 1 WHERE id IN (NEW.server_id, OLD.server_id);
END;

CREATE TRIGGER sni_route_delete_generation AFTER DELETE ON sni_route
BEGIN
  UPDATE server SET generation = generation + 1 WHERE id = OLD.server_id;
END;

CREATE TRIGGER acl_insert_generation AFTER INSERT ON acl
BEGIN
  UPDATE server SET generation = generation + 1 WHERE tenant_id = NEW.tenant_id AND (NEW.server_id IS NULL OR id = NEW.server_id);
END;

CREATE TRIGGER acl_update_generation AFTER UPDATE ON acl
BEGIN
  UPDATE server SET generation = generation + 1 WHERE tenant_id = NEW.tenant_id
    AND (NEW.server_id IS NULL OR OLD.server_id IS NULL OR id IN (NEW.server_id, OLD.server_id));
END;

CREATE TRIGGER acl_delete_generation AFTER DELETE ON acl
BEGIN
  UPDATE server SET generation = generation + 1 WHERE tenant_id = OLD.tenant_id AND (OLD.server_id IS NULL OR id = OLD.server_id);
END;

CREATE TRIGGER user_generation AFTER UPDATE ON user WHEN NEW.generation IS OLD.generation
BEGIN
  UPDATE user SET generation = OLD.generation + 1, updated_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now'),
    password_changed_at = iif(NEW.password_hash IS OLD.password_hash, OLD.password_changed_at,
      strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
  WHERE id = NEW.id;
END;

CREATE TRIGGER user_insert_generation AFTER INSERT ON user
BEGIN
  UPDATE server SET generation = generation + 1 WHERE tenant_id = NEW.tenant_id AND auth <> 'none';
END;

-- Without those columns no server is the wiser.
CREATE TRIGGER user_update_generation AFTER UPDATE ON user
WHEN NEW.name IS NOT OLD.name OR NEW.password_hash IS NOT OLD.password_hash OR NEW.enabled IS NOT OLD.enabled
  OR NEW.expires_at IS NOT OLD.expires_at OR NEW.max_connections IS NOT OLD.max_connections
  OR NEW.requests_per_second IS NOT OLD.requests_per_second
  OR NEW.bandwidth_bytes_per_second IS NOT OLD.bandwidth_bytes_per_second
BEGIN
  UPDATE server SET generation = generation + 1 WHERE tenant_id = NEW.tenant_id AND auth <> 'none';
END;

CREATE TRIGGER user_delete_generation AFTER DELETE ON user
BEGIN
  UPDATE server SET generation = generation + 1 WHERE tenant_id = OLD.tenant_id AND auth <> 'none';
END;

-- What is read from a file is nobody's change of the row.
CREATE TRIGGER cert_generation AFTER UPDATE OF cert_path, key_path, chain_path, description ON cert
WHEN NEW.generation IS OLD.generation AND (NEW.cert_path IS NOT OLD.cert_path OR NEW.key_path IS NOT OLD.key_path
  OR NEW.chain_path IS NOT OLD.chain_path OR NEW.description IS NOT OLD.description)
BEGIN
  UPDATE cert SET generation = OLD.generation + 1, updated_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE id = NEW.id;
END;

-- What was read from the files changes no server.
CREATE TRIGGER cert_update_generation AFTER UPDATE OF cert_path, key_path, chain_path ON cert
WHEN NEW.cert_path IS NOT OLD.cert_path OR NEW.key_path IS NOT OLD.key_path OR NEW.chain_path IS NOT OLD.chain_path
BEGIN
  UPDATE server SET generation = generation + 1
  WHERE tenant_id = NEW.tenant_id AND instr(',' || cert || ',', ',' || NEW.name || ',');
END;

-- Audit: every change of a desired row, with who, how and why; a change by hand has no audit_context.

CREATE TRIGGER tenant_insert_audit AFTER INSERT ON tenant
BEGIN
  INSERT INTO audit (actor, via, action, tenant, object, object_id, before, after, reason)
  VALUES (coalesce((SELECT actor FROM audit_context), '(sql)'), coalesce((SELECT via FROM audit_context), 'sql'),
    'tenant.add',
    NEW.name,
    NEW.name,
    NEW.id,
    NULL,
    json_object(
      'id', NEW.id, 'name', NEW.name, 'description', NEW.description, 'enabled', NEW.enabled,
      'max_servers', NEW.max_servers, 'max_connections', NEW.max_connections,
      'max_connections_per_client', NEW.max_connections_per_client, 'requests_per_second', NEW.requests_per_second,
      'bandwidth_bytes_per_second', NEW.bandwidth_bytes_per_second, 'memory_limit_bytes', NEW.memory_limit_bytes,
      'worker_group', NEW.worker_group,
      'worker_threads', NEW.worker_threads, 'access_log_format', NEW.access_log_format,
      'labels', json(NEW.labels)),
    (SELECT reason FROM audit_context));
END;

CREATE TRIGGER tenant_update_audit AFTER UPDATE OF
  id, name, description, enabled, max_servers, max_connections, max_connections_per_client, requests_per_second,
  bandwidth_bytes_per_second, memory_limit_bytes, worker_group,
  worker_threads, access_log_format, labels
ON tenant
BEGIN
  INSERT INTO audit (actor, via, action, tenant, object, object_id, before, after, reason)
  VALUES (coalesce((SELECT actor FROM audit_context), '(sql)'), coalesce((SELECT via FROM audit_context), 'sql'),
    CASE
      WHEN NEW.enabled IS NOT OLD.enabled THEN iif(NEW.enabled, 'tenant.enable', 'tenant.disable')
      WHEN NEW.name IS NOT OLD.name THEN 'tenant.rename'
      ELSE 'tenant.set' END,
    NEW.name,
    NEW.name,
    NEW.id,
    json_object(
      'id', OLD.id, 'name', OLD.name, 'description', OLD.description, 'enabled', OLD.enabled,
      'max_servers', OLD.max_servers, 'max_connections', OLD.max_connections,
      'max_connections_per_client', OLD.max_connections_per_client, 'requests_per_second', OLD.requests_per_second,
      'bandwidth_bytes_per_second', OLD.bandwidth_bytes_per_second, 'memory_limit_bytes', OLD.memory_limit_bytes,
      'worker_group', OLD.worker_group,
      'worker_threads', OLD.worker_threads, 'access_log_format', OLD.access_log_format,
      'labels', json(OLD.labels)),
    json_object(
      'id', NEW.id, 'name', NEW.name, 'description', NEW.description, 'enabled', NEW.enabled,
      'max_servers', NEW.max_servers, 'max_connections', NEW.max_connections,
      'max_connections_per_client', NEW.max_connections_per_client, 'requests_per_second', NEW.requests_per_second,
      'bandwidth_bytes_per_second', NEW.bandwidth_bytes_per_second, 'memory_limit_bytes', NEW.memory_limit_bytes,
      'worker_group', NEW.worker_group,
      'worker_threads', NEW.worker_threads, 'access_log_format', NEW.access_log_format,
      'labels', json(NEW.labels)),
    (SELECT reason FROM audit_context));
END;

CREATE TRIGGER tenant_delete_audit AFTER DELETE ON tenant
BEGIN
  INSERT INTO audit (actor, via, action, tenant, object, object_id, before, after, reason)
  VALUES (coalesce((SELECT actor FROM audit_context), '(sql)'), coalesce((SELECT via FROM audit_context), 'sql'),
    'tenant.remove',
    OLD.name,
    OLD.name,
    OLD.id,
    json_object(
      'id', OLD.id, 'name', OLD.name, 'description', OLD.description, 'enabled', OLD.enabled,
      'max_servers', OLD.max_servers, 'max_connections', OLD.max_connections,
      'max_connections_per_client', OLD.max_connections_per_client, 'requests_per_second', OLD.requests_per_second,
      'bandwidth_bytes_per_second', OLD.bandwidth_bytes_per_second, 'memory_limit_bytes', OLD.memory_limit_bytes,
      'worker_group', OLD.worker_group,
      'worker_threads', OLD.worker_threads, 'access_log_format', OLD.access_log_format,
      'labels', json(OLD.labels)),
    NULL,
    (SELECT reason FROM audit_context));
END;

CREATE TRIGGER server_insert_audit AFTER INSERT ON server
BEGIN
  INSERT INTO audit (actor, via, action, tenant, object, object_id, before, after, reason)
  VALUES (coalesce((SELECT actor FROM audit_context), '(sql)'), coalesce((SELECT via FROM audit_context), 'sql'),
    'server.add',
    (SELECT name FROM tenant WHERE id = NEW.tenant_id),
    (SELECT name FROM tenant WHERE id = NEW.tenant_id) || '/' || NEW.name,
    NEW.id,
    NULL,
    json_object(
      'id', NEW.id, 'tenant_id', NEW.tenant_id, 'name', NEW.name, 'type', NEW.type, 'template', NEW.template,
      'description', NEW.description, 'enabled', NEW.enabled, 'desired_state', NEW.desired_state,
      'listen_addr', NEW.listen_addr, 'listen_port', NEW.listen_port, 'backlog', NEW.backlog,
      'allow_open', NEW.allow_open, 'max_connections', NEW.max_connections,
      'max_connections_per_client', NEW.max_connections_per_client, 'requests_per_second', NEW.requests_per_second,
      'bandwidth_bytes_per_second', NEW.bandwidth_bytes_per_second,
      'connection_timeout_ms', NEW.connection_timeout_ms, 'header_timeout_ms', NEW.header_timeout_ms,
      'keepalive_timeout_ms', NEW.keepalive_timeout_ms, 'response_timeout_ms', NEW.response_timeout_ms,
      'body_timeout_ms', NEW.body_timeout_ms, 'idle_timeout_ms', NEW.idle_timeout_ms,
      'drain_timeout_ms', NEW.drain_timeout_ms, 'enable_tls', NEW.enable_tls,
      'tls_cert_path', NEW.tls_cert_path, 'tls_key_path', NEW.tls_key_path, 'cert', NEW.cert,
      'handshake_timeout_ms', NEW.handshake_timeout_ms, 'tls_min_version', NEW.tls_min_version,
      'tls_max_version', NEW.tls_max_version, 'tls_ciphers', NEW.tls_ciphers, 'alpn', NEW.alpn,
      'auth', NEW.auth, 'client_auth', NEW.client_auth, 'client_ca_path', NEW.client_ca_path,
      'proxy_protocol_in', NEW.proxy_protocol_in, 'proxy_protocol_from', NEW.proxy_protocol_from,
      'proxy_protocol_out', NEW.proxy_protocol_out, 'lb', NEW.lb,
      'health_type', NEW.health_type, 'health_interval_ms', NEW.health_interval_ms, 'health_timeout_ms', NEW.health_timeout_ms, 'health_path', NEW.health_path,
      'health_status', NEW.health_status, 'rise', NEW.rise, 'fall', NEW.fall, 'slow_start_ms', NEW.slow_start_ms,
      'access_log', NEW.access_log, 'access_log_format', NEW.access_log_format, 'config', json(NEW.config),
      'labels', json(NEW.labels), 'restart_seq', NEW.restart_seq, 'reload_seq', NEW.reload_seq),
    (SELECT reason FROM audit_context));
END;

CREATE TRIGGER server_update_audit AFTER UPDATE OF
  id, tenant_id, name, type, template, description, enabled, desired_state, listen_addr, listen_port, backlog,
  allow_open, max_connections, max_connections_per_client, requests_per_second, bandwidth_bytes_per_second,
  connection_timeout_ms, header_timeout_ms,
  keepalive_timeout_ms, response_timeout_ms, body_timeout_ms, idle_timeout_ms, drain_timeout_ms, enable_tls,
  tls_cert_path, tls_key_path, cert, handshake_timeout_ms, tls_min_version, tls_max_version, tls_ciphers, alpn, auth,
  client_auth, client_ca_path, proxy_protocol_in, proxy_protocol_from, proxy_protocol_out, lb, health_type, health_interval_ms, health_timeout_ms, health_path, health_status, rise, fall, slow_start_ms,
  access_log, access_log_format, config, labels, restart_seq, reload_seq
ON server
BEGIN
  INSERT INTO audit (actor, via, action, tenant, object, object_id, before, after, reason)
  VALUES (coalesce((SELECT actor FROM audit_context), '(sql)'), coalesce((SELECT via FROM audit_context), 'sql'),
    CASE
      WHEN NEW.desired_state IS NOT OLD.desired_state AND NEW.desired_state = 'running' THEN 'server.start'
      WHEN NEW.desired_state IS NOT OLD.desired_state THEN 'server.stop'
      WHEN NEW.restart_seq IS NOT OLD.restart_seq THEN 'server.restart'
      WHEN NEW.reload_seq IS NOT OLD.reload_seq THEN 'server.reload'
      WHEN NEW.name IS NOT OLD.name THEN 'server.rename'
      ELSE 'server.set' END,
    (SELECT name FROM tenant WHERE id = NEW.tenant_id),
    (SELECT name FROM tenant WHERE id = NEW.tenant_id) || '/' || NEW.name,
    NEW.id,
    json_object(
      'id', OLD.id, 'tenant_id', OLD.tenant_id, 'name', OLD.name, 'type', OLD.type, 'template', OLD.template,
      'description', OLD.description, 'enabled', OLD.enabled, 'desired_state', OLD.desired_state,
      'listen_addr', OLD.listen_addr, 'listen_port', OLD.listen_port, 'backlog', OLD.backlog,
      'allow_open', OLD.allow_open, 'max_connections', OLD.max_connections,
      'max_connections_per_client', OLD.max_connections_per_client, 'requests_per_second', OLD.requests_per_second,
      'bandwidth_bytes_per_second', OLD.bandwidth_bytes_per_second,
      'connection_timeout_ms', OLD.connection_timeout_ms, 'header_timeout_ms', OLD.header_timeout_ms,
      'keepalive_timeout_ms', OLD.keepalive_timeout_ms, 'response_timeout_ms', OLD.response_timeout_ms,
      'body_timeout_ms', OLD.body_timeout_ms, 'idle_timeout_ms', OLD.idle_timeout_ms,
      'drain_timeout_ms', OLD.drain_timeout_ms, 'enable_tls', OLD.enable_tls,
      'tls_cert_path', OLD.tls_cert_path, 'tls_key_path', OLD.tls_key_path, 'cert', OLD.cert,
      'handshake_timeout_ms', OLD.handshake_timeout_ms, 'tls_min_version', OLD.tls_min_version,
      'tls_max_version', OLD.tls_max_version, 'tls_ciphers', OLD.tls_ciphers, 'alpn', OLD.alpn,
      'auth', OLD.auth, 'client_auth', OLD.client_auth, 'client_ca_path', OLD.client_ca_path,
      'proxy_protocol_in', OLD.proxy_protocol_in, 'proxy_protocol_from', OLD.proxy_protocol_from,
      'proxy_protocol_out', OLD.proxy_protocol_out, 'lb', OLD.lb,
      'health_type', OLD.health_type, 'health_interval_ms', OLD.health_interval_ms, 'health_timeout_ms', OLD.health_timeout_ms, 'health_path', OLD.health_path,
      'health_status', OLD.health_status, 'rise', OLD.rise, 'fall', OLD.fall, 'slow_start_ms', OLD.slow_start_ms,
      'access_log', OLD.access_log, 'access_log_format', OLD.access_log_format, 'config', json(OLD.config),
      'labels', json(OLD.labels), 'restart_seq', OLD.restart_seq, 'reload_seq', OLD.reload_seq),
    json_object(
      'id', NEW.id, 'tenant_id', NEW.tenant_id, 'name', NEW.name, 'type', NEW.type, 'template', NEW.template,
      'description', NEW.description, 'enabled', NEW.enabled, 'desired_state', NEW.desired_state,
      'listen_addr', NEW.listen_addr, 'listen_port', NEW.listen_port, 'backlog', NEW.backlog,
      'allow_open', NEW.allow_open, 'max_connections', NEW.max_connections,
      'max_connections_per_client', NEW.max_connections_per_client, 'requests_per_second', NEW.requests_per_second,
      'bandwidth_bytes_per_second', NEW.bandwidth_bytes_per_second,
      'connection_timeout_ms', NEW.connection_timeout_ms, 'header_timeout_ms', NEW.header_timeout_ms,
      'keepalive_timeout_ms', NEW.keepalive_timeout_ms, 'response_timeout_ms', NEW.response_timeout_ms,
      'body_timeout_ms', NEW.body_timeout_ms, 'idle_timeout_ms', NEW.idle_timeout_ms,
      'drain_timeout_ms', NEW.drain_timeout_ms, 'enable_tls', NEW.enable_tls,
      'tls_cert_path', NEW.tls_cert_path, 'tls_key_path', NEW.tls_key_path, 'cert', NEW.cert,
      'handshake_timeout_ms', NEW.handshake_timeout_ms, 'tls_min_version', NEW.tls_min_version,
      'tls_max_version', NEW.tls_max_version, 'tls_ciphers', NEW.tls_ciphers, 'alpn', NEW.alpn,
      'auth', NEW.auth, 'client_auth', NEW.client_auth, 'client_ca_path', NEW.client_ca_path,
      'proxy_protocol_in', NEW.proxy_protocol_in, 'proxy_protocol_from', NEW.proxy_protocol_from,
      'proxy_protocol_out', NEW.proxy_protocol_out, 'lb', NEW.lb,
      'health_type', NEW.health_type, 'health_interval_ms', NEW.health_interval_ms, 'health_timeout_ms', NEW.health_timeout_ms, 'health_path', NEW.health_path,
      'health_status', NEW.health_status, 'rise', NEW.rise, 'fall', NEW.fall, 'slow_start_ms', NEW.slow_start_ms,
      'access_log', NEW.access_log, 'access_log_format', NEW.access_log_format, 'config', json(NEW.config),
      'labels', json(NEW.labels), 'restart_seq', NEW.restart_seq, 'reload_seq', NEW.reload_seq),
    (SELECT reason FROM audit_context));
END;

CREATE TRIGGER server_delete_audit AFTER DELETE ON server
BEGIN
  INSERT INTO audit (actor, via, action, tenant, object, object_id, before, after, reason)
  VALUES (coalesce((SELECT actor FROM audit_context), '(sql)'), coalesce((SELECT via FROM audit_context), 'sql'),
    'server.remove',
    (SELECT name FROM tenant WHERE id = OLD.tenant_id),
    (SELECT name FROM tenant WHERE id = OLD.tenant_id) || '/' || OLD.name,
    OLD.id,
    json_object(
      'id', OLD.id, 'tenant_id', OLD.tenant_id, 'name', OLD.name, 'type', OLD.type, 'template', OLD.template,
      'description', OLD.description, 'enabled', OLD.enabled, 'desired_state', OLD.desired_state,
      'listen_addr', OLD.listen_addr, 'listen_port', OLD.listen_port, 'backlog', OLD.backlog,
      'allow_open', OLD.allow_open, 'max_connections', OLD.max_connections,
      'max_connections_per_client', OLD.max_connections_per_client, 'requests_per_second', OLD.requests_per_second,
      'bandwidth_bytes_per_second', OLD.bandwidth_bytes_per_second,
      'connection_timeout_ms', OLD.connection_timeout_ms, 'header_timeout_ms', OLD.header_timeout_ms,
      'keepalive_timeout_ms', OLD.keepalive_timeout_ms, 'response_timeout_ms', OLD.response_timeout_ms,
      'body_timeout_ms', OLD.body_timeout_ms, 'idle_timeout_ms', OLD.idle_timeout_ms,
      'drain_timeout_ms', OLD.drain_timeout_ms, 'enable_tls', OLD.enable_tls,
      'tls_cert_path', OLD.tls_cert_path, 'tls_key_path', OLD.tls_key_path, 'cert', OLD.cert,
      'handshake_timeout_ms', OLD.handshake_timeout_ms, 'tls_min_version', OLD.tls_min_version,
      'tls_max_version', OLD.tls_max_version, 'tls_ciphers', OLD.tls_ciphers, 'alpn', OLD.alpn,
      'auth', OLD.auth, 'client_auth', OLD.client_auth, 'client_ca_path', OLD.client_ca_path,
      'proxy_protocol_in', OLD.proxy_protocol_in, 'proxy_protocol_from', OLD.proxy_protocol_from,
      'proxy_protocol_out', OLD.proxy_protocol_out, 'lb', OLD.lb,
      'health_type', OLD.health_type, 'health_interval_ms', OLD.health_interval_ms, 'health_timeout_ms', OLD.health_timeout_ms, 'health_path', OLD.health_path,
      'health_status', OLD.health_status, 'rise', OLD.rise, 'fall', OLD.fall, 'slow_start_ms', OLD.slow_start_ms,
      'access_log', OLD.access_log, 'access_log_format', OLD.access_log_format, 'config', json(OLD.config),
      'labels', json(OLD.labels), 'restart_seq', OLD.restart_seq, 'reload_seq', OLD.reload_seq),
    NULL,
    (SELECT reason FROM audit_context));
END;

CREATE TRIGGER backend_insert_audit AFTER INSERT ON backend
BEGIN
  INSERT INTO audit (actor, via, action, tenant, object, object_id, before, after, reason)
  VALUES (coalesce((SELECT actor FROM audit_context), '(sql)'), coalesce((SELECT via FROM audit_context), 'sql'),
    'backend.add',
    (SELECT name FROM tenant WHERE id = NEW.tenant_id),
    coalesce((SELECT t.name || '/' || s.name FROM server s JOIN tenant t ON t.id = s.tenant_id WHERE s.id = NEW.server_id), '?')
      || ' ' || NEW.address,
    NEW.id,
    NULL,
    json_object(
      'id', NEW.id, 'tenant_id', NEW.tenant_id, 'server_id', NEW.server_id, 'address', NEW.address,
      'position', NEW.position, 'weight', NEW.weight, 'backup', NEW.backup,
      'max_connections', NEW.max_connections, 'admin_state', NEW.admin_state, 'role', NEW.role,
      'tls', NEW.tls, 'tls_verify', NEW.tls_verify, 'tls_server_name', NEW.tls_server_name,
      'tls_ca_path', NEW.tls_ca_path, 'user_name', NEW.user_name, 'password_path', NEW.password_path,
      'labels', json(NEW.labels)),
    (SELECT reason FROM audit_context));
END;

CREATE TRIGGER backend_update_audit AFTER UPDATE OF
  id, tenant_id, server_id, address, position, weight, backup, max_connections, admin_state, role, tls, tls_verify,
  tls_server_name, tls_ca_path, user_name, password_path, labels
ON backend
BEGIN
  INSERT INTO audit (actor, via, action, tenant, object, object_id, before, after, reason)
  VALUES (coalesce((SELECT actor FROM audit_context), '(sql)'), coalesce((SELECT via FROM audit_context), 'sql'),
    'backend.set',
    (SELECT name FROM tenant WHERE id = NEW.tenant_id),
    coalesce((SELECT t.name || '/' || s.name FROM server s JOIN tenant t ON t.id = s.tenant_id WHERE s.id = NEW.server_id), '?')
      || ' ' || NEW.address,
    NEW.id,
    json_object(
      'id', OLD.id, 'tenant_id', OLD.tenant_id, 'server_id', OLD.server_id, 'address', OLD.address,
      'position', OLD.position, 'weight', OLD.weight, 'backup', OLD.backup,
      'max_connections', OLD.max_connections, 'admin_state', OLD.admin_state, 'role', OLD.role,
      'tls', OLD.tls, 'tls_verify', OLD.tls_verify, 'tls_server_name', OLD.tls_server_name,
      'tls_ca_path', OLD.tls_ca_path, 'user_name', OLD.user_name, 'password_path', OLD.password_path,
      'labels', json(OLD.labels)),
    json_object(
      'id', NEW.id, 'tenant_id', NEW.tenant_id, 'server_id', NEW.server_id, 'address', NEW.address,
      'position', NEW.position, 'weight', NEW.weight, 'backup', NEW.backup,
      'max_connections', NEW.max_connections, 'admin_state', NEW.admin_state, 'role', NEW.role,
      'tls', NEW.tls, 'tls_verify', NEW.tls_verify, 'tls_server_name', NEW.tls_server_name,
      'tls_ca_path', NEW.tls_ca_path, 'user_name', NEW.user_name, 'password_path', NEW.password_path,
      'labels', json(NEW.labels)),
    (SELECT reason FROM audit_context));
END;

CREATE TRIGGER backend_delete_audit AFTER DELETE ON backend
BEGIN
  INSERT INTO audit (actor, via, action, tenant, object, object_id, before, after, reason)
  VALUES (coalesce((SELECT actor FROM audit_context), '(sql)'), coalesce((SELECT via FROM audit_context), 'sql'),
    'backend.remove',
    (SELECT name FROM tenant WHERE id = OLD.tenant_id),
    coalesce((SELECT t.name || '/' || s.name FROM server s JOIN tenant t ON t.id = s.tenant_id WHERE s.id = OLD.server_id), '?')
      || ' ' || OLD.address,
    OLD.id,
    json_object(
      'id', OLD.id, 'tenant_id', OLD.tenant_id, 'server_id', OLD.server_id, 'address', OLD.address,
      'position', OLD.position, 'weight', OLD.weight, 'backup', OLD.backup,
      'max_connections', OLD.max_connections, 'admin_state', OLD.admin_state, 'role', OLD.role,
      'tls', OLD.tls, 'tls_verify', OLD.tls_verify, 'tls_server_name', OLD.tls_server_name,
      'tls_ca_path', OLD.tls_ca_path, 'user_name', OLD.user_name, 'password_path', OLD.password_path,
      'labels', json(OLD.labels)),
    NULL,
    (SELECT reason FROM audit_context));
END;

CREATE TRIGGER sni_route_insert_audit AFTER INSERT ON sni_route
BEGIN
  INSERT INTO audit (actor, via, action, tenant, object, object_id, before, after, reason)
  VALUES (coalesce((SELECT actor FROM audit_context), '(sql)'), coalesce((SELECT via FROM audit_context), 'sql'),
    'route.add',
    (SELECT name FROM tenant WHERE id = NEW.tenant_id),
    coalesce((SELECT t.name || '/' || s.name FROM server s JOIN tenant t ON t.id = s.tenant_id WHERE s.id = NEW.server_id), '?')
      || ' ' || NEW.pattern,
    NEW.id,
    NULL,
    json_object(
      'id', NEW.id, 'tenant_id', NEW.tenant_id, 'server_id', NEW.server_id, 'pattern', NEW.pattern, 'target', NEW.target),
    (SELECT reason FROM audit_context));
END;

CREATE TRIGGER sni_route_update_audit AFTER UPDATE OF
  id, tenant_id, server_id, pattern, target
ON sni_route
BEGIN
  INSERT INTO audit (actor, via, action, tenant, object, object_id, before, after, reason)
  VALUES (coalesce((SELECT actor FROM audit_context), '(sql)'), coalesce((SELECT via FROM audit_context), 'sql'),
    'route.set',
    (SELECT name FROM tenant WHERE id = NEW.tenant_id),
    coalesce((SELECT t.name || '/' || s.name FROM server s JOIN tenant t ON t.id = s.tenant_id WHERE s.id = NEW.server_id), '?')
      || ' ' || NEW.pattern,
    NEW.id,
    json_object(
      'id', OLD.id, 'tenant_id', OLD.tenant_id, 'server_id', OLD.server_id, 'pattern', OLD.pattern, 'target', OLD.target),
    json_object(
      'id', NEW.id, 'tenant_id', NEW.tenant_id, 'server_id', NEW.server_id, 'pattern', NEW.pattern, 'target', NEW.target),
    (SELECT reason FROM audit_context));
END;

CREATE TRIGGER sni_route_delete_audit AFTER DELETE ON sni_route
BEGIN
  INSERT INTO audit (actor, via, action, tenant, object, object_id, before, after, reason)
  VALUES (coalesce((SELECT actor FROM audit_context), '(sql)'), coalesce((SELECT via FROM audit_context), 'sql'),
    'route.remove',
    (SELECT name FROM tenant WHERE id = OLD.tenant_id),
    coalesce((SELECT t.name || '/' || s.name FROM server s JOIN tenant t ON t.id = s.tenant_id WHERE s.id = OLD.server_id), '?')
      || ' ' || OLD.pattern,
    OLD.id,
    json_object(
      'id', OLD.id, 'tenant_id', OLD.tenant_id, 'server_id', OLD.server_id, 'pattern', OLD.pattern, 'target', OLD.target),
    NULL,
    (SELECT reason FROM audit_context));
END;

CREATE TRIGGER acl_insert_audit AFTER INSERT ON acl
BEGIN
  INSERT INTO audit (actor, via, action, tenant, object, object_id, before, after, reason)
  VALUES (coalesce((SELECT actor FROM audit_context), '(sql)'), coalesce((SELECT via FROM audit_context), 'sql'),
    'acl.add',
    (SELECT name FROM tenant WHERE id = NEW.tenant_id),
    coalesce((SELECT name FROM tenant WHERE id = NEW.tenant_id), '?') || ' #' || NEW.number,
    NEW.id,
    NULL,
    json_object(
      'id', NEW.id, 'number', NEW.number, 'tenant_id', NEW.tenant_id, 'server_id', NEW.server_id,
      'position', NEW.position, 'action', NEW.action, 'client', NEW.client, 'user_id', NEW.user_id,
      'host', NEW.host, 'destination', NEW.destination, 'port_first', NEW.port_first, 'port_last', NEW.port_last,
      'method', NEW.method, 'time_window', NEW.time_window, 'comment', NEW.comment),
    (SELECT reason FROM audit_context));
END;

CREATE TRIGGER acl_update_audit AFTER UPDATE OF
  id, number, tenant_id, server_id, position, action, client, user_id, host, destination, port_first, port_last,
  method, time_window, comment
ON acl
BEGIN
  INSERT INTO audit (actor, via, action, tenant, object, object_id, before, after, reason)
  VALUES (coalesce((SELECT actor FROM audit_context), '(sql)'), coalesce((SELECT via FROM audit_context), 'sql'),
    'acl.set',
    (SELECT name FROM tenant WHERE id = NEW.tenant_id),
    coalesce((SELECT name FROM tenant WHERE id = NEW.tenant_id), '?') || ' #' || NEW.number,
    NEW.id,
    json_object(
      'id', OLD.id, 'number', OLD.number, 'tenant_id', OLD.tenant_id, 'server_id', OLD.server_id,
      'position', OLD.position, 'action', OLD.action, 'client', OLD.client, 'user_id', OLD.user_id,
      'host', OLD.host, 'destination', OLD.destination, 'port_first', OLD.port_first, 'port_last', OLD.port_last,
      'method', OLD.method, 'time_window', OLD.time_window, 'comment', OLD.comment),
    json_object(
      'id', NEW.id, 'number', NEW.number, 'tenant_id', NEW.tenant_id, 'server_id', NEW.server_id,
      'position', NEW.position, 'action', NEW.action, 'client', NEW.client, 'user_id', NEW.user_id,
      'host', NEW.host, 'destination', NEW.destination, 'port_first', NEW.port_first, 'port_last', NEW.port_last,
      'method', NEW.method, 'time_window', NEW.time_window, 'comment', NEW.comment),
    (SELECT reason FROM audit_context));
END;

CREATE TRIGGER acl_delete_audit AFTER DELETE ON acl
BEGIN
  INSERT INTO audit (actor, via, action, tenant, object, object_id, before, after, reason)
  VALUES (coalesce((SELECT actor FROM audit_context), '(sql)'), coalesce((SELECT via FROM audit_context), 'sql'),
    'acl.remove',
    (SELECT name FROM tenant WHERE id = OLD.tenant_id),
    coalesce((SELECT name FROM tenant WHERE id = OLD.tenant_id), '?') || ' #' || OLD.number,
    OLD.id,
    json_object(
      'id', OLD.id, 'number', OLD.number, 'tenant_id', OLD.tenant_id, 'server_id', OLD.server_id,
      'position', OLD.position, 'action', OLD.action, 'client', OLD.client, 'user_id', OLD.user_id,
      'host', OLD.host, 'destination', OLD.destination, 'port_first', OLD.port_first, 'port_last', OLD.port_last,
      'method', OLD.method, 'time_window', OLD.time_window, 'comment', OLD.comment),
    NULL,
    (SELECT reason FROM audit_context));
END;

-- No hash of a password is ever written here.
CREATE TRIGGER user_insert_audit AFTER INSERT ON user
BEGIN
  INSERT INTO audit (actor, via, action, tenant, object, object_id, before, after, reason)
  VALUES (coalesce((SELECT actor FROM audit_context), '(sql)'), coalesce((SELECT via FROM audit_context), 'sql'),
    'user.add',
    (SELECT name FROM tenant WHERE id = NEW.tenant_id),
    coalesce((SELECT name FROM tenant WHERE id = NEW.tenant_id), '?') || '/' || NEW.name,
    NEW.id,
    NULL,
    json_object(
      'id', NEW.id, 'tenant_id', NEW.tenant_id, 'name', NEW.name, 'description', NEW.description,
      'enabled', NEW.enabled, 'expires_at', NEW.expires_at, 'max_connections', NEW.max_connections,
      'requests_per_second', NEW.requests_per_second,
      'bandwidth_bytes_per_second', NEW.bandwidth_bytes_per_second),
    (SELECT reason FROM audit_context));
END;

CREATE TRIGGER user_update_audit AFTER UPDATE OF
  id, tenant_id, name, password_hash, description, enabled, expires_at, max_connections, requests_per_second,
  bandwidth_bytes_per_second
ON user
BEGIN
  INSERT INTO audit (actor, via, action, tenant, object, object_id, before, after, reason)
  VALUES (coalesce((SELECT actor FROM audit_context), '(sql)'), coalesce((SELECT via FROM audit_context), 'sql'),
    CASE
      WHEN NEW.password_hash IS NOT OLD.password_hash THEN 'user.passwd'
      WHEN NEW.enabled IS NOT OLD.enabled THEN iif(NEW.enabled, 'user.enable', 'user.disable')
      WHEN NEW.name IS NOT OLD.name THEN 'user.rename'
      ELSE 'user.set' END,
    (SELECT name FROM tenant WHERE id = NEW.tenant_id),
    coalesce((SELECT name FROM tenant WHERE id = NEW.tenant_id), '?') || '/' || NEW.name,
    NEW.id,
    json_object(
      'id', OLD.id, 'tenant_id', OLD.tenant_id, 'name', OLD.name, 'description', OLD.description,
      'enabled', OLD.enabled, 'expires_at', OLD.expires_at, 'max_connections', OLD.max_connections,
      'requests_per_second', OLD.requests_per_second,
      'bandwidth_bytes_per_second', OLD.bandwidth_bytes_per_second),
    json_object(
      'id', NEW.id, 'tenant_id', NEW.tenant_id, 'name', NEW.name, 'description', NEW.description,
      'enabled', NEW.enabled, 'expires_at', NEW.expires_at, 'max_connections', NEW.max_connections,
      'requests_per_second', NEW.requests_per_second,
      'bandwidth_bytes_per_second', NEW.bandwidth_bytes_per_second),
    (SELECT reason FROM audit_context));
END;

CREATE TRIGGER user_delete_audit AFTER DELETE ON user
BEGIN
  INSERT INTO audit (actor, via, action, tenant, object, object_id, before, after, reason)
  VALUES (coalesce((SELECT actor FROM audit_context), '(sql)'), coalesce((SELECT via FROM audit_context), 'sql'),
    'user.remove',
    (SELECT name FROM tenant WHERE id = OLD.tenant_id),
    coalesce((SELECT name FROM tenant WHERE id = OLD.tenant_id), '?') || '/' || OLD.name,
    OLD.id,
    json_object(
      'id', OLD.id, 'tenant_id', OLD.tenant_id, 'name', OLD.name, 'description', OLD.description,
      'enabled', OLD.enabled, 'expires_at', OLD.expires_at, 'max_connections', OLD.max_connections,
      'requests_per_second', OLD.requests_per_second,
      'bandwidth_bytes_per_second', OLD.bandwidth_bytes_per_second),
    NULL,
    (SELECT reason FROM audit_context));
END;

-- Each change of a certificate is told, whoever noticed it.
CREATE TRIGGER cert_insert_audit AFTER INSERT ON cert
BEGIN
  INSERT INTO audit (actor, via, action, tenant, object, object_id, before, after, reason)
  VALUES (coalesce((SELECT actor FROM audit_context), '(sql)'), coalesce((SELECT via FROM audit_context), 'sql'),
    'cert.add',
    (SELECT name FROM tenant WHERE id = NEW.tenant_id),
    coalesce((SELECT name FROM tenant WHERE id = NEW.tenant_id), '?') || '/' || NEW.name,
    NEW.id,
    NULL,
    json_object(
      'id', NEW.id, 'tenant_id', NEW.tenant_id, 'name', NEW.name, 'cert_path', NEW.cert_path,
      'key_path', NEW.key_path, 'chain_path', NEW.chain_path, 'description', NEW.description,
      'subject', NEW.subject, 'issuer', NEW.issuer, 'sans', json(NEW.sans), 'not_before', NEW.not_before,
      'not_after', NEW.not_after, 'key_type', NEW.key_type, 'fingerprint_sha256', NEW.fingerprint_sha256),
    (SELECT reason FROM audit_context));
END;

CREATE TRIGGER cert_update_audit AFTER UPDATE OF
  cert_path, key_path, chain_path, description, fingerprint_sha256
ON cert
BEGIN
  INSERT INTO audit (actor, via, action, tenant, object, object_id, before, after, reason)
  VALUES (coalesce((SELECT actor FROM audit_context), '(sql)'), coalesce((SELECT via FROM audit_context), 'sql'),
    CASE
      WHEN NEW.fingerprint_sha256 IS NOT OLD.fingerprint_sha256 AND NEW.cert_path IS OLD.cert_path
        AND NEW.key_path IS OLD.key_path AND NEW.chain_path IS OLD.chain_path AND NEW.description IS OLD.description
        THEN 'cert.reload'
      ELSE 'cert.set' END,
    (SELECT name FROM tenant WHERE id = NEW.tenant_id),
    coalesce((SELECT name FROM tenant WHERE id = NEW.tenant_id), '?') || '/' || NEW.name,
    NEW.id,
    json_object(
      'id', OLD.id, 'tenant_id', OLD.tenant_id, 'name', OLD.name, 'cert_path', OLD.cert_path,
      'key_path', OLD.key_path, 'chain_path', OLD.chain_path, 'description', OLD.description,
      'subject', OLD.subject, 'issuer', OLD.issuer, 'sans', json(OLD.sans), 'not_before', OLD.not_before,
      'not_after', OLD.not_after, 'key_type', OLD.key_type, 'fingerprint_sha256', OLD.fingerprint_sha256),
    json_object(
      'id', NEW.id, 'tenant_id', NEW.tenant_id, 'name', NEW.name, 'cert_path', NEW.cert_path,
      'key_path', NEW.key_path, 'chain_path', NEW.chain_path, 'description', NEW.description,
      'subject', NEW.subject, 'issuer', NEW.issuer, 'sans', json(NEW.sans), 'not_before', NEW.not_before,
      'not_after', NEW.not_after, 'key_type', NEW.key_type, 'fingerprint_sha256', NEW.fingerprint_sha256),
    (SELECT reason FROM audit_context));
END;

CREATE TRIGGER cert_delete_audit AFTER DELETE ON cert
BEGIN
  INSERT INTO audit (actor, via, action, tenant, object, object_id, before, after, reason)
  VALUES (coalesce((SELECT actor FROM audit_context), '(sql)'), coalesce((SELECT via FROM audit_context), 'sql'),
    'cert.remove',
    (SELECT name FROM tenant WHERE id = OLD.tenant_id),
    coalesce((SELECT name FROM tenant WHERE id = OLD.tenant_id), '?') || '/' || OLD.name,
    OLD.id,
    json_object(
      'id', OLD.id, 'tenant_id', OLD.tenant_id, 'name', OLD.name, 'cert_path', OLD.cert_path,
      'key_path', OLD.key_path, 'chain_path', OLD.chain_path, 'description', OLD.description,
      'subject', OLD.subject, 'issuer', OLD.issuer, 'sans', json(OLD.sans), 'not_before', OLD.not_before,
      'not_after', OLD.not_after, 'key_type', OLD.key_type, 'fingerprint_sha256', OLD.fingerprint_sha256),
    NULL,
    (SELECT reason FROM audit_context));
END;

CREATE TRIGGER template_insert_audit AFTER INSERT ON template
WHEN NEW.builtin = 0
BEGIN
  INSERT INTO audit (actor, via, action, tenant, object, object_id, before, after, reason)
  VALUES (coalesce((SELECT actor FROM audit_context), '(sql)'), coalesce((SELECT via FROM audit_context), 'sql'),
    'template.add',
    NULL,
    NEW.name,
    NEW.name,
    NULL,
    json_object(
      'name', NEW.name, 'builtin', NEW.builtin, 'description', NEW.description, 'spec', json(NEW.spec)),
    (SELECT reason FROM audit_context));
END;

CREATE TRIGGER template_update_audit AFTER UPDATE OF
  name, builtin, description, spec
ON template
WHEN NEW.builtin = 0 OR OLD.builtin = 0
BEGIN
  INSERT INTO audit (actor, via, action, tenant, object, object_id, before, after, reason)
  VALUES (coalesce((SELECT actor FROM audit_context), '(sql)'), coalesce((SELECT via FROM audit_context), 'sql'),
    'template.set',
    NULL,
    NEW.name,
    NEW.name,
    json_object(
      'name', OLD.name, 'builtin', OLD.builtin, 'description', OLD.description, 'spec', json(OLD.spec)),
    json_object(
      'name', NEW.name, 'builtin', NEW.builtin, 'description', NEW.description, 'spec', json(NEW.spec)),
    (SELECT reason FROM audit_context));
END;

CREATE TRIGGER template_delete_audit AFTER DELETE ON template
WHEN OLD.builtin = 0
BEGIN
  INSERT INTO audit (actor, via, action, tenant, object, object_id, before, after, reason)
  VALUES (coalesce((SELECT actor FROM audit_context), '(sql)'), coalesce((SELECT via FROM audit_context), 'sql'),
    'template.remove',
    NULL,
    OLD.name,
    OLD.name,
    json_object(
      'name', OLD.name, 'builtin', OLD.builtin, 'description', OLD.description, 'spec', json(OLD.spec)),
    NULL,
    (SELECT reason FROM audit_context));
END;

CREATE TRIGGER setting_insert_audit AFTER INSERT ON setting
WHEN NEW.key NOT GLOB 'schema_*'
BEGIN
  INSERT INTO audit (actor, via, action, tenant, object, object_id, before, after, reason)
  VALUES (coalesce((SELECT actor FROM audit_context), '(sql)'), coalesce((SELECT via FROM audit_context), 'sql'),
    'setting.add',
    NULL,
    NEW.key,
    NEW.key,
    NULL,
    json_object(
      'key', NEW.key, 'value', NEW.value),
    (SELECT reason FROM audit_context));
END;

CREATE TRIGGER setting_update_audit AFTER UPDATE OF
  key, value
ON setting
WHEN NEW.key NOT GLOB 'schema_*' OR OLD.key NOT GLOB 'schema_*'
BEGIN
  INSERT INTO audit (actor, via, action, tenant, object, object_id, before, after, reason)
  VALUES (coalesce((SELECT actor FROM audit_context), '(sql)'), coalesce((SELECT via FROM audit_context), 'sql'),
    'setting.set',
    NULL,
    NEW.key,
    NEW.key,
    json_object(
      'key', OLD.key, 'value', OLD.value),
    json_object(
      'key', NEW.key, 'value', NEW.value),
    (SELECT reason FROM audit_context));
END;

CREATE TRIGGER setting_delete_audit AFTER DELETE ON setting
WHEN OLD.key NOT GLOB 'schema_*'
BEGIN
  INSERT INTO audit (actor, via, action, tenant, object, object_id, before, after, reason)
  VALUES (coalesce((SELECT actor FROM audit_context), '(sql)'), coalesce((SELECT via FROM audit_context), 'sql'),
    'setting.remove',
    NULL,
    OLD.key,
    OLD.key,
    json_object(
      'key', OLD.key, 'value', OLD.value),
    NULL,
    (SELECT reason FROM audit_context));
END;

-- Rows come at the end, one after the other, as the triggers above write them.
CREATE TRIGGER audit_no_insert BEFORE INSERT ON audit
WHEN NEW.seal IS NOT NULL OR EXISTS (SELECT 1 FROM audit WHERE id = NEW.id)
  OR NEW.at > strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '+1 second')
  OR (NEW.before IS NOT NULL AND NOT json_valid(NEW.before)) OR (NEW.after IS NOT NULL AND NOT json_valid(NEW.after))
BEGIN
  SELECT RAISE(ABORT, 'audit: append-only (rows come from the triggers of the tables)');
END;

CREATE TRIGGER audit_in_order AFTER INSERT ON audit
WHEN NEW.id IS NOT 1 + coalesce((SELECT id FROM audit WHERE id < NEW.id ORDER BY id DESC LIMIT 1),
    (SELECT pruned_id FROM audit_chain))
  OR EXISTS (SELECT 1 FROM audit WHERE id > NEW.id)
BEGIN
  SELECT RAISE(ABORT, 'audit: append-only (rows come from the triggers of the tables)');
END;

-- Only the daemon's seal may come later, and only once.
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit
WHEN NOT EXISTS (SELECT 1 FROM audit_context WHERE via = 'daemon') OR OLD.seal IS NOT NULL
  OR NEW.id IS NOT OLD.id OR NEW.at IS NOT OLD.at OR NEW.actor IS NOT OLD.actor OR NEW.via IS NOT OLD.via
  OR NEW.action IS NOT OLD.action OR NEW.tenant IS NOT OLD.tenant OR NEW.object IS NOT OLD.object
  OR NEW.object_id IS NOT OLD.object_id OR NEW.before IS NOT OLD.before OR NEW.after IS NOT OLD.after
  OR NEW.reason IS NOT OLD.reason
BEGIN
  SELECT RAISE(ABORT, 'audit: append-only (use: arcusctl audit prune)');
END;

-- Pruning says first how far it goes.
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit
WHEN NOT EXISTS (SELECT 1 FROM audit_context WHERE via = 'daemon')
  OR OLD.id > (SELECT pruned_id FROM audit_chain)
BEGIN
  SELECT RAISE(ABORT, 'audit: append-only (use: arcusctl audit prune)');
END;

CREATE TRIGGER audit_chain_no_insert BEFORE INSERT ON audit_chain
BEGIN
  SELECT RAISE(ABORT, 'audit_chain: has one row');
END;

-- Both ends only move on, each to a row that has that seal.
CREATE TRIGGER audit_chain_no_update BEFORE UPDATE ON audit_chain
WHEN NOT EXISTS (SELECT 1 FROM audit_context WHERE via = 'daemon')
  OR NEW.pruned_id < OLD.pruned_id OR NEW.sealed_id < OLD.sealed_id OR NEW.pruned_id > NEW.sealed_id
  OR (NEW.pruned_id, NEW.pruned_seal) IS NOT (OLD.pruned_id, OLD.pruned_seal)
    AND NEW.pruned_seal IS NOT (SELECT seal FROM audit WHERE id = NEW.pruned_id)
  OR (NEW.sealed_id, NEW.seal) IS NOT (OLD.sealed_id, OLD.seal)
    AND NEW.seal IS NOT (SELECT seal FROM audit WHERE id = NEW.sealed_id)
BEGIN
  SELECT RAISE(ABORT, 'audit_chain: written by the daemon alone (see: arcusctl audit verify)');
END;

CREATE TRIGGER audit_chain_no_delete BEFORE DELETE ON audit_chain
BEGIN
  SELECT RAISE(ABORT, 'audit_chain: has one row');
END;

-- Observed tables: what the daemon measured is not for setting.

CREATE TRIGGER daemon_no_insert BEFORE INSERT ON daemon
WHEN NOT EXISTS (SELECT 1 FROM audit_context WHERE via = 'daemon')
BEGIN
  SELECT RAISE(ABORT, 'daemon: written by the daemon alone');
END;

CREATE TRIGGER daemon_no_update BEFORE UPDATE ON daemon
WHEN NOT EXISTS (SELECT 1 FROM audit_context WHERE via = 'daemon')
BEGIN
  SELECT RAISE(ABORT, 'daemon: written by the daemon alone');
END;

CREATE TRIGGER daemon_no_delete BEFORE DELETE ON daemon
WHEN NOT EXISTS (SELECT 1 FROM audit_context WHERE via = 'daemon')
BEGIN
  SELECT RAISE(ABORT, 'daemon: written by the daemon alone');
END;

CREATE TRIGGER worker_no_insert BEFORE INSERT ON worker
WHEN NOT EXISTS (SELECT 1 FROM audit_context WHERE via = 'daemon')
BEGIN
  SELECT RAISE(ABORT, 'worker: written by the daemon alone');
END;

CREATE TRIGGER worker_no_update BEFORE UPDATE ON worker
WHEN NOT EXISTS (SELECT 1 FROM audit_context WHERE via = 'daemon')
BEGIN
  SELECT RAISE(ABORT, 'worker: written by the daemon alone');
END;

CREATE TRIGGER worker_no_delete BEFORE DELETE ON worker
WHEN NOT EXISTS (SELECT 1 FROM audit_context WHERE via = 'daemon')
BEGIN
  SELECT RAISE(ABORT, 'worker: written by the daemon alone');
END;

CREATE TRIGGER worker_incarnation_no_insert BEFORE INSERT ON worker_incarnation
WHEN NOT EXISTS (SELECT 1 FROM audit_context WHERE via = 'daemon')
BEGIN
  SELECT RAISE(ABORT, 'worker_incarnation: written by the daemon alone');
END;

CREATE TRIGGER worker_incarnation_no_update BEFORE UPDATE ON worker_incarnation
WHEN NOT EXISTS (SELECT 1 FROM audit_context WHERE via = 'daemon')
BEGIN
  SELECT RAISE(ABORT, 'worker_incarnation: written by the daemon alone');
END;

CREATE TRIGGER worker_incarnation_no_delete BEFORE DELETE ON worker_incarnation
WHEN NOT EXISTS (SELECT 1 FROM audit_context WHERE via = 'daemon')
BEGIN
  SELECT RAISE(ABORT, 'worker_incarnation: written by the daemon alone');
END;

CREATE TRIGGER server_state_no_insert BEFORE INSERT ON server_state
WHEN NOT EXISTS (SELECT 1 FROM audit_context WHERE via = 'daemon')
BEGIN
  SELECT RAISE(ABORT, 'server_state: measured by the daemon; set server.desired_state');
END;

CREATE TRIGGER server_state_no_update BEFORE UPDATE ON server_state
WHEN NOT EXISTS (SELECT 1 FROM audit_context WHERE via = 'daemon')
BEGIN
  SELECT RAISE(ABORT, 'server_state: measured by the daemon; set server.desired_state');
END;

CREATE TRIGGER server_state_no_delete BEFORE DELETE ON server_state
WHEN NOT EXISTS (SELECT 1 FROM audit_context WHERE via = 'daemon')
  AND EXISTS (SELECT 1 FROM server WHERE id = OLD.server_id)
BEGIN
  SELECT RAISE(ABORT, 'server_state: measured by the daemon; set server.desired_state');
END;

CREATE TRIGGER backend_state_no_insert BEFORE INSERT ON backend_state
WHEN NOT EXISTS (SELECT 1 FROM audit_context WHERE via = 'daemon')
BEGIN
  SELECT RAISE(ABORT, 'backend_state: measured by the daemon; set backend.admin_state');
END;

CREATE TRIGGER backend_state_no_update BEFORE UPDATE ON backend_state
WHEN NOT EXISTS (SELECT 1 FROM audit_context WHERE via = 'daemon')
BEGIN
  SELECT RAISE(ABORT, 'backend_state: measured by the daemon; set backend.admin_state');
END;

CREATE TRIGGER backend_state_no_delete BEFORE DELETE ON backend_state
WHEN NOT EXISTS (SELECT 1 FROM audit_context WHERE via = 'daemon')
  AND EXISTS (SELECT 1 FROM backend WHERE id = OLD.backend_id)
BEGIN
  SELECT RAISE(ABORT, 'backend_state: measured by the daemon; set backend.admin_state');
END;

CREATE TRIGGER server_counter_no_insert BEFORE INSERT ON server_counter
WHEN NOT EXISTS (SELECT 1 FROM audit_context WHERE via = 'daemon')
BEGIN
  SELECT RAISE(ABORT, 'server_counter: counted by the workers, never set');
END;

CREATE TRIGGER server_counter_no_update BEFORE UPDATE ON server_counter
WHEN NOT EXISTS (SELECT 1 FROM audit_context WHERE via = 'daemon')
BEGIN
  SELECT RAISE(ABORT, 'server_counter: counted by the workers, never set');
END;

CREATE TRIGGER server_counter_no_delete BEFORE DELETE ON server_counter
WHEN NOT EXISTS (SELECT 1 FROM audit_context WHERE via = 'daemon')
BEGIN
  SELECT RAISE(ABORT, 'server_counter: counted by the workers, never set');
END;

CREATE TRIGGER tally_no_insert BEFORE INSERT ON tally
WHEN NOT EXISTS (SELECT 1 FROM audit_context WHERE via = 'daemon')
BEGIN
  SELECT RAISE(ABORT, 'tally: counted by the workers, never set');
END;

CREATE TRIGGER tally_no_update BEFORE UPDATE ON tally
WHEN NOT EXISTS (SELECT 1 FROM audit_context WHERE via = 'daemon')
BEGIN
  SELECT RAISE(ABORT, 'tally: counted by the workers, never set');
END;

CREATE TRIGGER tally_no_delete BEFORE DELETE ON tally
WHEN NOT EXISTS (SELECT 1 FROM audit_context WHERE via = 'daemon')
BEGIN
  SELECT RAISE(ABORT, 'tally: counted by the workers, never set');
END;

CREATE TRIGGER server_reason_no_insert BEFORE INSERT ON server_reason
WHEN NOT EXISTS (SELECT 1 FROM audit_context WHERE via = 'daemon')
BEGIN
  SELECT RAISE(ABORT, 'server_reason: counted by the workers, never set');
END;

CREATE TRIGGER server_reason_no_update BEFORE UPDATE ON server_reason
WHEN NOT EXISTS (SELECT 1 FROM audit_context WHERE via = 'daemon')
BEGIN
  SELECT RAISE(ABORT, 'server_reason: counted by the workers, never set');
END;

CREATE TRIGGER server_reason_no_delete BEFORE DELETE ON server_reason
WHEN NOT EXISTS (SELECT 1 FROM audit_context WHERE via = 'daemon')
BEGIN
  SELECT RAISE(ABORT, 'server_reason: counted by the workers, never set');
END;

CREATE TRIGGER tenant_counter_no_insert BEFORE INSERT ON tenant_counter
WHEN NOT EXISTS (SELECT 1 FROM audit_context WHERE via = 'daemon')
BEGIN
  SELECT RAISE(ABORT, 'tenant_counter: counted by the workers, never set');
END;

CREATE TRIGGER tenant_counter_no_update BEFORE UPDATE ON tenant_counter
WHEN NOT EXISTS (SELECT 1 FROM audit_context WHERE via = 'daemon')
BEGIN
  SELECT RAISE(ABORT, 'tenant_counter: counted by the workers, never set');
END;

CREATE TRIGGER tenant_counter_no_delete BEFORE DELETE ON tenant_counter
WHEN NOT EXISTS (SELECT 1 FROM audit_context WHERE via = 'daemon')
BEGIN
  SELECT RAISE(ABORT, 'tenant_counter: counted by the workers, never set');
END;

CREATE TRIGGER server_rate_no_insert BEFORE INSERT ON server_rate
WHEN NOT EXISTS (SELECT 1 FROM audit_context WHERE via = 'daemon')
BEGIN
  SELECT RAISE(ABORT, 'server_rate: measured by the daemon, never set');
END;

CREATE TRIGGER server_rate_no_update BEFORE UPDATE ON server_rate
WHEN NOT EXISTS (SELECT 1 FROM audit_context WHERE via = 'daemon')
BEGIN
  SELECT RAISE(ABORT, 'server_rate: measured by the daemon, never set');
END;

CREATE TRIGGER server_rate_no_delete BEFORE DELETE ON server_rate
WHEN NOT EXISTS (SELECT 1 FROM audit_context WHERE via = 'daemon')
  AND EXISTS (SELECT 1 FROM server WHERE id = OLD.server_id)
BEGIN
  SELECT RAISE(ABORT, 'server_rate: measured by the daemon, never set');
END;

CREATE TRIGGER health_event_no_insert BEFORE INSERT ON health_event
WHEN NOT EXISTS (SELECT 1 FROM audit_context WHERE via = 'daemon')
BEGIN
  SELECT RAISE(ABORT, 'health_event: written by the daemon alone');
END;

CREATE TRIGGER health_event_no_update BEFORE UPDATE ON health_event
WHEN NOT EXISTS (SELECT 1 FROM audit_context WHERE via = 'daemon')
BEGIN
  SELECT RAISE(ABORT, 'health_event: written by the daemon alone');
END;

CREATE TRIGGER health_event_no_delete BEFORE DELETE ON health_event
WHEN NOT EXISTS (SELECT 1 FROM audit_context WHERE via = 'daemon')
BEGIN
  SELECT RAISE(ABORT, 'health_event: written by the daemon alone');
END;

CREATE TRIGGER event_no_insert BEFORE INSERT ON event
WHEN NOT EXISTS (SELECT 1 FROM audit_context WHERE via = 'daemon')
BEGIN
  SELECT RAISE(ABORT, 'event: written by the daemon alone');
END;

CREATE TRIGGER event_no_update BEFORE UPDATE ON event
WHEN NOT EXISTS (SELECT 1 FROM audit_context WHERE via = 'daemon')
BEGIN
  SELECT RAISE(ABORT, 'event: written by the daemon alone');
END;

CREATE TRIGGER event_no_delete BEFORE DELETE ON event
WHEN NOT EXISTS (SELECT 1 FROM audit_context WHERE via = 'daemon')
BEGIN
  SELECT RAISE(ABORT, 'event: written by the daemon alone');
END;
