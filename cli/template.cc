#include <fstream>
#include <iostream>
#include <sstream>

#include "cli/core/context.h"
#include "lib/base/error.h"
#include "lib/registry/templates.h"

namespace arcus::cli {
namespace {

constexpr Arg<std::string_view> name{
    "NAME", "the template", {.required = true, .complete = Source::template_name}};
constexpr Arg<std::string_view> new_name{"NAME", "1-63 of a-z 0-9 . _ -", {.required = true}};
constexpr Arg<std::string_view> file{"-f,--file",
                                     "a JSON object with \"type\"; - for standard input",
                                     {.required = true, .complete = Source::file}};
constexpr Arg<std::string_view> description{"--description", "one line about it"};

constexpr Column columns[] = {
    {"name", "NAME"},
    {"type", "TYPE"},
    {"builtin", "BUILTIN", Show::table, Unit::flag},
    {"used", "USED", Show::table, Unit::count},
    {"description", "DESCRIPTION", Show::table, Unit::prose, 1},
    {"spec", "SPEC", Show::full, Unit::json},
};

int run_list(Context& context, const Args&) {
  Table table{columns};
  for (const registry::Template& row : registry::list_templates(context.db()))
    table.add(row.name, row.type, row.builtin, row.used, row.description, JsonText{row.spec});
  context.out().list(table);
  return exit_code::ok;
}

constexpr const ArgInfo* name_signature[] = {&name};

int run_show(Context& context, const Args& args) {
  context.out().json_text(registry::get_template(context.db(), args[name]).spec);
  return exit_code::ok;
}

namespace add {
constexpr const ArgInfo* signature[] = {&new_name, &file, &description};
constexpr Example examples[] = {
    {"arcusctl template show standard_http_proxy > mine.json", "begin with a built-in one"},
    {"arcusctl template add mine -f mine.json", ""},
    {"arcusctl server add --from mine -t acme", ""},
};

int run(Context& context, const Args& args) {
  std::ostringstream text;
  if (args[file] == "-") {
    text << std::cin.rdbuf();
  } else {
    const std::ifstream in{std::string{args[file]}};
    if (!in) throw Error{ErrorKind::usage, "cannot read '" + std::string{args[file]} + "'"};
    text << in.rdbuf();
  }
  context.change(
      [&](Database& db) { registry::add_template(db, args[new_name], args[description], text.str()); });
  context.out().line(args[new_name]);
  return exit_code::ok;
}
}  // namespace add

int run_remove(Context& context, const Args& args) {
  context.change([&](Database& db) { registry::remove_template(db, args[name]); });
  return exit_code::ok;
}

constexpr Example show_examples[] = {{"arcusctl template show load_balancer", "its values as JSON"}};
constexpr Example remove_examples[] = {
    {"arcusctl template remove mine", "servers made from it stay as they are"}};

constinit const Command commands[] = {
    {"list",
     "what server add --from takes",
     {},
     run_list,
     {.lists = true, .aliases = "ls", .columns = columns}},
    {"show",
     "one template as JSON",
     name_signature,
     run_show,
     {.aliases = "get info", .examples = show_examples}},
    {"add",
     "keep a template of your own",
     add::signature,
     add::run,
     {.mutating = true, .examples = add::examples}},
    {"remove",
     "forget a template of your own",
     name_signature,
     run_remove,
     {.mutating = true, .aliases = "rm delete", .examples = remove_examples}},
};

}  // namespace

extern const Noun template_noun;
constinit const Noun template_noun{"template", "predefined configurations", Group::registry, commands,
                                   "templates"};

}  // namespace arcus::cli
