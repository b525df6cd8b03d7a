#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "cli/core/globals.h"
#include "cli/core/rows.h"
#include "cli/server.h"
#include "lib/base/error.h"
#include "lib/base/text.h"
#include "lib/db/database.h"
#include "lib/registry/spec.h"

namespace arcus::cli::server {

using registry::Assignment;

/// Columns that need a new listening socket.
static bool rebinds(std::string_view key) {
  return key == "listen" || key == "listen_addr" || key == "listen_port";
}

/// What differs between two rows of server_full, as `key: old -> new`.
static std::vector<std::string> differences(const registry::Rows& before, const registry::Rows& after) {
  std::vector<std::string> lines;
  for (const registry::Column& column : registry::server_columns()) {
    const std::string was = text_at(before, 0, column.key);
    const std::string is = text_at(after, 0, column.key);
    if (was != is)
      lines.push_back(std::string{column.key} + ": " + (was.empty() ? "-" : was) + " -> " +
                      (is.empty() ? "-" : is));
  }
  return lines;
}

/// Changes one server, tells what changed, waits, prints how it stands.
static int apply(Context& context, const registry::Server& server, const std::vector<Assignment>& list,
                 bool reload, std::string_view action) {
  registry::Server after;
  std::vector<std::string> lines;
  context.change([&](Database& db) {
    const auto current = registry::find_server(db, server.id);
    context.check_generation(current ? current->generation : 0, server.reference());
    const registry::Rows before = registry::servers_full(db, {server.id});
    after = registry::set_server(db, context.catalog(), server.id, list);
    lines = differences(before, registry::servers_full(db, {server.id}));
    if (reload) after = registry::want_reload(db, server.id);
  });
  for (const std::string& line : lines) context.note(line);
  if (lines.empty() && !reload) context.note("no changes");
  if (context.dry_run()) return exit_code::ok;
  const bool rebind = std::ranges::any_of(list, [](const Assignment& row) { return rebinds(row.key); });
  if (rebind && !lines.empty()) context.note("the listening socket changes");
  return report(context,
                await_servers(context, {after}, {.action = std::string{action}, .needs_daemon = reload}));
}

int change_part(Context& context, std::string_view reference, std::string_view action,
                const std::function<void(Database&, const registry::Server&)>& body) {
  const registry::Server server = find_target(context, reference);
  context.change([&](Database& db) {
    context.check_generation(server.generation, server.reference());
    body(db, server);
  });
  if (context.dry_run()) return exit_code::ok;
  const auto after = registry::find_server(context.db(), server.id);
  if (!after) return exit_code::ok;
  return report(context, await_servers(context, {*after}, {.action = std::string{action}}));
}

/// A bare key that is no column is an option of the type: `via` means `config.via`.
static std::string full_key(Context& context, const registry::Server& server, std::string key) {
  if (key.find('.') != std::string::npos || key == "listen") return key;
  for (const registry::Column& column : registry::server_columns())
    if (column.key == key) return key;
  const ServerType* known = context.catalog().find_type(server.type);
  if (known != nullptr)
    for (const OptionSpec& option : known->options)
      if (option.key == key) return "config." + key;
  return key;
}

int run_set(Context& context, const Args& args) {
  const registry::Server server = find_target(context, args[target::ref]);
  std::vector<Assignment> list;
  for (const std::string_view word : args[assignments]) {
    list.push_back(registry::parse_assignment(word));
    list.back().key = full_key(context, server, std::move(list.back().key));
  }
  return apply(context, server, list, false, "set");
}

int run_unset(Context& context, const Args& args) {
  const registry::Server server = find_target(context, args[target::ref]);
  std::vector<Assignment> list;
  for (const std::string_view key : args[keys])
    list.push_back({full_key(context, server, std::string{key}), std::nullopt});
  return apply(context, server, list, false, "unset");
}

int run_reload(Context& context, const Args& args) {
  const registry::Server server = find_target(context, args[target::ref]);
  registry::ServerSpec spec;
  for (const std::string_view word : args[patch]) {
    spec.assignments.push_back(registry::parse_assignment(word));
    spec.assignments.back().key = full_key(context, server, std::move(spec.assignments.back().key));
  }
  if (args.has(reload_file)) {
    std::ifstream in{std::string{args[reload_file]}};
    std::ostringstream text;
    text << in.rdbuf();
    if (!in) throw Error{ErrorKind::usage, "cannot read '" + std::string{args[reload_file]} + "'"};
    registry::apply_json(spec, text.str());
    if (!spec.backends.empty() || !spec.routes.empty() || (!spec.name.empty() && spec.name != server.name))
      throw Error{ErrorKind::usage, "-f: only columns, config and labels; a file of 'server add' has more"}
          .about(server.reference())
          .with_hint("arcusctl backend set, arcusctl route add, arcusctl server rename");
    if (!spec.type.empty() && spec.type != server.type)
      throw Error{ErrorKind::usage, "type: a server keeps its type ('" + server.type + "')"}.about(
          server.reference());
  }
  return apply(context, server, spec.assignments, true, "reload");
}

int run_rename(Context& context, const Args& args) {
  const registry::Server server = find_target(context, args[target::ref]);
  registry::Server after;
  context.change([&](Database& db) {
    context.check_generation(server.generation, server.reference());
    after = registry::rename_server(db, server.id, args[new_name]);
  });
  if (context.out().json())
    context.out().json_text(full_json(context, after));
  else
    context.out().line(context.quiet() ? after.id : after.reference());
  return exit_code::ok;
}

namespace {

/// A text file that goes when the object does.
class ScratchFile {
 public:
  ScratchFile() {
    std::string directory{global::environment("TMPDIR")};
    path_ = (directory.empty() ? "/tmp" : directory) + "/arcusctl-XXXXXX";
    const int fd = ::mkstemp(path_.data());
    if (fd < 0) throw system_error("cannot make '" + path_ + "'", errno);
    ::close(fd);
  }
  ~ScratchFile() { ::unlink(path_.c_str()); }
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  void write(const std::string& text) const { std::ofstream{path_, std::ios::trunc} << text; }
  [[nodiscard]] std::string read() const {
    std::ostringstream text;
    text << std::ifstream{path_}.rdbuf();
    return text.str();
  }

 private:
  std::string path_;
};

void run_editor(const std::string& path) {
  std::string editor;
  for (const std::string_view name : {"ARCUS_EDITOR", "VISUAL", "EDITOR"})
    if (editor.empty()) editor = global::environment(name);
  if (editor.empty()) editor = "vi";
  // The variable may hold flags, as everywhere: the shell takes it apart.
  const std::string command = editor + " '" + path + "'";
  if (std::system(command.c_str()) != 0)
    throw Error{ErrorKind::failed, "the editor '" + editor + "' failed: nothing was changed"};
}

std::string editable_text(const registry::Rows& row) {
  std::string text;
  for (const registry::Column& column : registry::server_columns()) {
    if (column.key == "type" || column.key == "template") continue;
    text.append("# ").append(column.help).append("\n").append(column.key).append("=");
    text += text_at(row, 0, column.key) + "\n";
  }
  return text;
}

/// The lines that differ from the row as assignments; an empty value means the default.
std::vector<Assignment> changed_lines(const std::string& text, const registry::Rows& row) {
  std::vector<Assignment> list;
  for (const std::string& line : split(text, '\n')) {
    const std::string_view trimmed = trim(line);
    if (trimmed.empty() || trimmed[0] == '#') continue;
    Assignment assignment = registry::parse_assignment(trimmed);
    if (assignment.value == text_at(row, 0, assignment.key)) continue;
    if (assignment.value->empty()) assignment.value.reset();
    list.push_back(std::move(assignment));
  }
  return list;
}

}  // namespace

int run_edit(Context& context, const Args& args) {
  const registry::Server server = find_target(context, args[target::ref]);
  const registry::Rows row = registry::servers_full(context.db(), {server.id});
  const ScratchFile file;
  std::string text = "# " + server.reference() + ": lines that change are applied, others are left alone\n" +
                     editable_text(row);
  for (;;) {
    file.write(text);
    run_editor(file.path());
    const std::string edited = file.read();
    if (edited == text) {
      context.note("no changes");
      return exit_code::ok;
    }
    try {
      return apply(context, server, changed_lines(edited, row), false, "edit");
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::usage || ::isatty(STDIN_FILENO) != 1) throw;
      text = std::string{"# wrong: "} + error.what() + "\n" + edited;
    }
  }
}

}  // namespace arcus::cli::server
