#include <doctest/doctest.h>

#include "lib/base/error.h"
#include "lib/db/migrate.h"
#include "lib/registry/catalog.h"
#include "tests/unit/registry/fixture.h"

namespace arcus::registry {

TEST_CASE("schema: what a person types by hand is answered by a sentence") {
  struct Row {
    const char* typed;
    const char* answer;
  };
  static constexpr Row rows[] = {
      {"INSERT INTO servers(tenant,name,type,listen) VALUES('globex','lb2','http','127.0.0.1:8080')",
       "server.listen_port: another server is registered on that address and port"},
      {"INSERT INTO servers(tenant,name,type,listen) VALUES('nope','x','http','127.0.0.1:9001')",
       "server.tenant_id: no such tenant"},
      {"INSERT INTO servers(tenant,name,type,listen) VALUES('acme','X y','http','127.0.0.1:9001')",
       "server.name: 1-63 of a-z 0-9 . _ - starting with a letter or digit"},
      {"INSERT INTO servers(tenant,name,type,listen) VALUES('acme','x','http','nonsense')",
       "servers.listen: ADDR:PORT"},
      {"UPDATE servers SET type='ftp'", "server.type: no such server type (see: SELECT * FROM server_type)"},
      {"UPDATE servers SET status='stopped'",
       "servers: status, health, conns, ... are measured; set desired"},
      {"UPDATE servers SET desired='paused'", "server.desired_state: running or stopped"},
      {"UPDATE server SET config='{'", "server.config: a JSON object"},
      {"DELETE FROM tenant WHERE name='acme'", "tenant: still has servers (delete them first)"},
      {"REPLACE INTO server(tenant_id,name,type,listen_port) SELECT tenant_id,name,type,1 FROM server",
       "server.name: this tenant already has a server of that name (use UPDATE)"},
      {"DELETE FROM audit", "audit: append-only (use: arcusctl audit prune)"},
      {"UPDATE server_state SET status='running'", ""},
      {"INSERT INTO backend(tenant_id,server_id,address) SELECT t.id,s.id,'h:1' FROM server s, tenant t "
       "WHERE t.name='globex'",
       "backend.server_id: this tenant has no such server"},
      {"INSERT INTO setting(key,value) VALUES('nonsense','1')", "setting.key: no such setting"},
  };
  Registry r;
  r.add_tenant("acme");
  r.add_tenant("globex");
  r.add_http("acme", "web", 8080);
  for (const bool foreign_keys : {true, false}) {
    r.db().exec(foreign_keys ? "PRAGMA foreign_keys = ON" : "PRAGMA foreign_keys = OFF");
    for (const Row& row : rows) {
      CAPTURE(row.typed);
      std::string answer;
      try {
        r.db().exec(row.typed);
      } catch (const Error& error) {
        answer = error.what();
      }
      CHECK(answer.find(row.answer) != std::string::npos);
    }
  }
  CHECK(r.number("SELECT count(*) FROM server") == 1);
}

TEST_CASE("schema: a change by hand is audited as such and undoes nothing else") {
  Registry r;
  r.add_tenant("acme");
  const Server web = r.add_http("acme", "web");
  r.db().exec("UPDATE servers SET desired='stopped' WHERE name='web'");
  CHECK(r.text("SELECT actor || ' ' || via || ' ' || action FROM audit ORDER BY id DESC LIMIT 1") ==
        "(sql) sql server.stop");
  CHECK(r.number("SELECT generation FROM server") == web.generation + 1);
  CHECK(r.number("SELECT count(*) FROM audit WHERE object = 'acme/web'") >= 2);
}

TEST_CASE("schema: a tenant's change reaches all its servers and only them") {
  Registry r;
  const Tenant acme = r.add_tenant("acme");
  r.add_tenant("globex");
  const Server mine = r.add_http("acme", "web");
  const Server other = r.add_http("globex", "web");
  r.write([&] { set_tenant(r.db(), acme.id, {{"max_connections", "5"}}); });
  CHECK(find_server(r.db(), mine.id)->generation > mine.generation);
  CHECK(find_server(r.db(), other.id)->generation == other.generation);
}

TEST_CASE("schema: deleting a server by hand takes its children along, with foreign keys off too") {
  Registry r;
  r.add_tenant("acme");
  r.add_http("acme", "web");
  r.db().exec("PRAGMA foreign_keys = OFF");
  r.db().exec("INSERT INTO backend(tenant_id,server_id,address) SELECT tenant_id,id,'h:1' FROM server");
  r.db().exec(
      "INSERT INTO acl(number,tenant_id,server_id,position,action) SELECT 1,tenant_id,id,1,'deny' FROM "
      "server");
  r.db().exec("DELETE FROM servers WHERE name='web'");
  CHECK(r.number("SELECT (SELECT count(*) FROM backend) + (SELECT count(*) FROM acl) + (SELECT count(*) FROM "
                 "server)") == 0);
}

TEST_CASE("schema: settings through their view") {
  Registry r;
  r.db().exec("UPDATE settings SET value='false' WHERE key='auto_start'");
  CHECK(r.text("SELECT value || source FROM settings WHERE key='auto_start'") == "falseregistry");
}

TEST_CASE("catalogue: a second preparation finds nothing to do") {
  Registry r;
  CHECK_FALSE(prepare_registry(r.db(), Registry::catalog()));
  CHECK(r.number("SELECT count(*) FROM server_type") == 6);
  CHECK(r.number("SELECT count(*) FROM server_option") == 3);
  CHECK(r.number("SELECT count(*) FROM audit") == 0);
  CHECK(schema_differences(r.db()).empty());
}

}  // namespace arcus::registry
