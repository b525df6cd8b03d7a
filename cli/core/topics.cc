#include "cli/core/exit_code.h"
#include "cli/core/help.h"

namespace arcus::cli {

static constexpr std::string_view refs_text =
    R"(A server is named by
  tenant/name       acme/web
  name              web, with -t or ARCUS_TENANT, or when only one tenant has a server of that name
  id                4f7c09e1d2aa
  id prefix         4f7c, at least four digits and only one match; id:4f7c when a server has that name
  'glob'            'acme/*', 'web-?'
  -                 standard input, the first word of each line

Selectors; all that are given must hold:
  --all             every server, of the tenant with -t
  -t TENANT         those of one tenant
  --type T          http, https, socks, tcp, tls, sni
  --status S        stopped, starting, running, stopping, error
  --label KEY=VALUE
  --where 'SQL'     arcusctl help filters

A verb that changes something needs a reference or a selector: nothing happens to all servers by accident.
)";

static constexpr std::string_view output_text =
    R"(-o, --output FMT
  table             for people: short headings, no blanks inside cells, - for nothing
  wide              table with more columns
  json              a list is one array, `show` one object; [] when empty; keys never disappear
  jsonl             one object a line
  tsv, csv          every column, exact numbers, a line of keys
  name              tenant/name, one a line
  field=/POINTER    one value out of the JSON: -o field=/bound_port

--format '{tenant}/{name} {listen}'   one line per object
-c a,b   --sort [-]col   --limit N    --no-headers     shape a list
-q       ids only                     -w [DUR]         repeat

Results go to standard output and nothing else does; notes, progress, questions and errors go to standard error.
With json and jsonl an error is one line: {"error":{"name":...,"exit":...,"message":...,"hint":...}}
Durations are milliseconds (_ms), sizes bytes, times UTC: YYYY-MM-DDTHH:MM:SS.sssZ.
)";

static constexpr std::string_view environment_text =
    R"(A flag wins over the environment, the environment over a registry setting, that over the built-in default.
  ARCUS_DB          --db            the registry file
  ARCUS_TENANT      --tenant        the tenant to work in
  ARCUS_OUTPUT      --output        output format
  ARCUS_COLUMNS_X   --columns       columns for noun X (ARCUS_COLUMNS_SERVER)
  ARCUS_TIMEOUT     --timeout       how long to wait
  ARCUS_TIME        --time          relative, iso or local
  ARCUS_YES         --yes           no questions
  ARCUS_REASON      --reason        stored in the audit row
  ARCUS_LOG         --log-level     warn; info,tls=debug
  NO_COLOR, CLICOLOR_FORCE, TERM    colours; NO_COLOR wins, --color wins over all
  ARCUS_EDITOR, VISUAL, EDITOR      for `edit`
  XDG_DATA_HOME, XDG_STATE_HOME, XDG_RUNTIME_DIR, NOTIFY_SOCKET are honoured
)";

static constexpr std::string_view files_text =
    R"(The registry, without --db and ARCUS_DB:
  /var/lib/arcus/arcus.db           root, and members of the group of that directory
  $XDG_DATA_HOME/arcus/arcus.db     everybody else
Beside it:
  <db>-wal, <db>-shm                SQLite's own
  <db>.lock                         who runs it: a lock, never stale
  <db>.sock                         the daemon's control socket
  /run/arcus, $XDG_RUNTIME_DIR/arcus, <db>.run      counter files
  /var/log/arcus, $XDG_STATE_HOME/arcus/log, <db>.log   daemon.log and <tenant>/access.log

A missing registry at the default place is made by the first command that writes; one named by --db never is.
)";

static constexpr std::string_view sql_text =
    R"(The registry is one SQLite file; everything can be read and changed with SQL while the daemon runs.
  arcusctl sql "SELECT tenant, name, status, conns FROM servers"
  arcusctl db shell
  sqlite3 arcus.db "UPDATE servers SET desired='stopped' WHERE name='web'"

Plural names are views for people (servers, tenants, backends, rules, health, problems, changes, events), singular
names are tables. SELECT * FROM help; tells what to type. A change is checked, audited (via sql) and live within
0.2 s. What is measured (status, health, counters) cannot be set.
)";

static constexpr std::string_view filters_text =
    R"(--where takes an SQL expression over the columns of `server list -o json` and the short headings:
  arcusctl server list --where "errors > 0 AND type = 'http'"
  arcusctl server list --where "status = 'error' OR health = 'unhealthy'"
  arcusctl server restart --where "tenant LIKE 'test-%' AND conns = 0"
  arcusctl server list --where "labels ->> 'env' = 'prod'"

It runs on a connection that can only read.
)";

static constexpr std::string_view security_text =
    R"(A listener that others can reach and that forwards wherever the client wants is an open proxy. Such a server is
refused unless a rule says which clients may use it, or --allow-open says that this is wanted:
  arcusctl acl add allow --client 10.0.0.0/8 -t acme
An allow rule that names clients closes the door for all others, whatever the other rules say.

A proxy reaches only public addresses. A rule with a destination network opens others:
  arcusctl acl add allow --to 10.0.0.0/8 -t acme

Rules are judged in order, a server's own before its tenant's; the first that matches decides; then all is allowed.
Every change is in the audit trail: arcusctl audit list. One worker process per tenant, without privileges.
)";

static constexpr Topic rows[] = {
    {"refs", "how servers are named", refs_text},
    {"output", "formats, columns, JSON", output_text},
    {"exit-codes", "what a command's exit code says", {}},
    {"environment", "variables", environment_text},
    {"files", "where things are", files_text},
    {"sql", "the registry in SQL", sql_text},
    {"filters", "--where", filters_text},
    {"security", "who may use a proxy, and for what", security_text},
};

std::span<const Topic> topics() noexcept { return rows; }

std::string topic_help(const Topic& topic) {
  if (!topic.text.empty()) return std::string{topic.text};
  std::string out;
  for (const exit_code::Row& row : exit_code::table()) {
    std::string line = std::to_string(row.code);
    line.append(4 - line.size(), ' ').append(row.name);
    line.append(20 - line.size(), ' ').append(row.when);
    out += line + "\n";
  }
  return out + "130, 143 a signal ended the command; the daemon goes on\n";
}

}  // namespace arcus::cli
