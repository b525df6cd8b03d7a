#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/core/args.h"
#include "cli/core/output.h"

/// How to write a command (one file per noun, e.g. cli/tenant.cc):
///
///   namespace arcus::cli {
///   namespace {
///   namespace add {
///   constexpr Arg<std::string_view> name{"NAME", "1-63 of a-z 0-9 . _ -", {.required = true}};
///   constexpr Arg<std::int64_t> max_servers{"--max-servers", "most servers it may register", {.min = 0}};
///   constexpr const ArgInfo* signature[] = {&name, &max_servers};
///   constexpr Example examples[] = {{"arcusctl tenant add acme", "a tenant without limits"}};
///
///   int run(Context& context, const Args& args) {
///     context.change([&](Database& db) { registry::add_tenant(db, {.name = std::string{args[name]}}); });
///     context.out().line(args[name]);
///     return exit_code::ok;
///   }
///   }  // namespace add
///
///   constexpr Column columns[] = {{"tenant", "TENANT"}, {"servers", "SERVERS", Show::table, Unit::count}};
///   int run_list(Context& context, const Args&) {
///     Table table{columns};
///     for (const auto& row : registry::list_tenants(context.db())) table.add(row.name, row.servers);
///     context.out().list(table);                    // every -o format, -c, --sort, --limit
///     return exit_code::ok;
///   }
///
///   constexpr Command commands[] = {
///       {"add", "create a tenant; prints its id", add::signature, add::run, {.mutating = true, .examples =
///       add::examples}},
///       {"list", "tenants with their totals", {}, run_list, {.lists = true, .columns = columns}},
///   };
///   }  // namespace
///   constinit const Noun tenant_noun{"tenant", "customers and their limits", Group::registry, commands};
///   }
///
/// then one line in cli/nouns.cc.  A bare verb (`status`) is a noun whose only command has the verb "".
/// Errors: `throw Error{...}` (lib/base/error.h); its kind is the exit code.  Nothing else prints errors.
namespace arcus::cli {

class Context;

/// `arcusctl tenant add acme` and what it is good for; at the top of the verb's help.
struct Example {
  std::string_view command;
  std::string_view what;
};

/// What an exit code means for one command, when it says more than the common table.
struct ExitNote {
  int code;
  std::string_view when;
};

/// A command with several shapes (`server add http|tcp|...`): each has its own arguments and help page.
/// The word stands first after the verb and stays in argv as the first positional.
struct Variants {
  /// The words, in the order help shows them.
  std::vector<std::string_view> (*names)() = nullptr;
  /// One line about a word.
  std::string_view (*summary)(std::string_view name) = nullptr;
  /// The arguments for `name`, for "" those of every shape together.  Pointers live as long as the program.
  std::vector<const ArgInfo*> (*args)(std::string_view name) = nullptr;
  /// `http_proxy`, `http-proxy` -> `http`; returns "" for a word that is no variant.
  std::string_view (*canonical)(std::string_view word) = nullptr;
};

/// The rest of a command's row; everything has a default.
struct CommandMore {
  bool mutating =
      false;  ///< writes desired state: database opened for writing, takes -n --reason --if-generation
  bool lists = false;  ///< prints a table: takes -c --sort --limit --no-headers -w
  bool waits = false;  ///< takes --wait --no-wait --timeout
  bool hidden = false;
  bool needs_db = true;           ///< false: never opens a registry (version, help, completion)
  std::string_view aliases = {};  ///< more spellings of the verb, separated by spaces: "ls"
  std::span<const Example> examples = {};
  std::span<const Column> columns = {};  ///< what -c and --sort may name
  std::span<const ExitNote> exits = {};
  std::string_view details = {};  ///< a paragraph or two under the summary in help
  const Variants* variants = nullptr;
};

/// One verb.  `run` returns the exit code (exit_code.h).
struct Command {
  std::string_view verb;
  std::string_view summary;
  ArgList args;
  int (*run)(Context& context, const Args& args);
  CommandMore more = {};
};

/// The blocks of the top-level help, in its order.
enum class Group : std::uint8_t { start, registry, operate, look, file, hidden };

struct Noun {
  std::string_view name;
  std::string_view summary;
  Group group;
  std::span<const Command> commands;
  std::string_view aliases = {};  ///< "servers"

  /// A bare verb (`status`) has one command with an empty verb.
  [[nodiscard]] constexpr bool bare() const { return commands.size() == 1 && commands[0].verb.empty(); }
};

/// Every noun, in the order of the help page; cli/nouns.cc.
std::span<const Noun* const> nouns() noexcept;

/// The noun or the verb called `word` (aliases count, prefixes do not), or nullptr.
const Noun* find_noun(std::string_view word) noexcept;
const Command* find_command(const Noun& noun, std::string_view word) noexcept;

/// The name a person types: `server add`, `status`.
std::string full_name(const Noun& noun, const Command& command);

}  // namespace arcus::cli
