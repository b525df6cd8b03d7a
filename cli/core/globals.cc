#include "cli/core/globals.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/base/text.h"

namespace arcus::cli::global {

std::vector<const ArgInfo*> all() {
  std::vector<const ArgInfo*> list(std::begin(always), std::end(always));
  list.insert(list.end(), std::begin(of_lists), std::end(of_lists));
  list.insert(list.end(), std::begin(of_changes), std::end(of_changes));
  list.insert(list.end(), std::begin(of_waiting), std::end(of_waiting));
  return list;
}

std::vector<const ArgInfo*> for_command(const Command& command) {
  std::vector<const ArgInfo*> list;
  if (command.more.lists) list.insert(list.end(), std::begin(of_lists), std::end(of_lists));
  if (command.more.mutating) list.insert(list.end(), std::begin(of_changes), std::end(of_changes));
  if (command.more.waits) list.insert(list.end(), std::begin(of_waiting), std::end(of_waiting));
  list.insert(list.end(), std::begin(always), std::end(always));
  return list;
}

std::string_view environment(std::string_view name) {
  const char* value = std::getenv(std::string{name}.c_str());
  return value == nullptr ? std::string_view{} : std::string_view{value};
}

bool wants_color(std::string_view when, int fd) {
  if (when == "always") return true;
  if (when == "never") return false;
  if (!environment("NO_COLOR").empty()) return false;
  const std::string_view force = environment("CLICOLOR_FORCE");
  if (!force.empty() && force != "0") return true;
  return ::isatty(fd) == 1 && environment("TERM") != "dumb";
}

static int terminal_width() {
  winsize size{};
  if (::isatty(STDOUT_FILENO) != 1) return 0;
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

static void set_format(OutputOptions& options, std::string_view word) {
  constexpr std::array known{Format::table, Format::wide, Format::json, Format::jsonl,
                             Format::tsv,   Format::csv,  Format::name};
  if (word.starts_with("field=")) {
    options.format = Format::field;
    options.pointer = word.substr(6);
    if (!options.pointer.empty() && options.pointer[0] == '/') return;
    throw Error{ErrorKind::usage, "--output: field= takes a JSON pointer that starts with '/'"}.with_hint(
        "arcusctl server show acme/web -o field=/bound_port");
  }
  const auto names = format_names();
  for (std::size_t i = 0; i < known.size(); ++i)
    if (names[i] == word) return void(options.format = known[i]);
  Error error{ErrorKind::usage, "--output: no format '" + std::string{word} + "'"};
  std::vector<std::string> words(names.begin(), names.end());
  if (auto near = nearest_word(word, words)) throw std::move(error).suggest(*near);
  throw std::move(error).with_hint("one of " + join(words, ", "));
}

static OutputOptions output_options(const Args& args, const Noun& noun, const Command& command) {
  OutputOptions options;
  set_format(options, args[output]);
  options.line_format = args[format];
  std::string_view wanted = args[columns];
  // The variable is for the noun's list; other tables of it have other columns.
  if (wanted.empty() && command.verb == "list") {
    std::string name = "ARCUS_COLUMNS_";
    for (const char c : noun.name) name += static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
    wanted = environment(name);
  }
  if (!wanted.empty()) options.columns = split(wanted, ',');
  options.sort = args[sort];
  options.limit = args.given(limit);
  options.headers = !args[no_headers];
  options.quiet = args[quiet];
  options.color = wants_color(args[color], STDOUT_FILENO);
  options.width = terminal_width();
  const std::string_view style = args[time];
  if (style.empty()) options.time = options.width > 0 ? TimeStyle::relative : TimeStyle::iso;
  if (style == "relative") options.time = TimeStyle::relative;
  if (style == "local") options.time = TimeStyle::local;
  return options;
}

Settings settings(const Args& args, const Noun& noun, const Command& command) {
  Settings settings;
  settings.db = args[db];
  settings.db_named = !settings.db.empty();
  settings.tenant = args[tenant];
  settings.yes = args[yes];
  settings.dry_run = args[dry_run];
  settings.reason = args[reason];
  settings.if_generation = args.given(if_generation);
  settings.wait = args[wait];
  settings.timeout = args.given(timeout);
  if (args.has(watch))
    settings.watch = args.text(watch) == "true" ? std::chrono::milliseconds{2000} : args[watch];
  for (const Args::Entry& entry : args.entries())
    if (entry.info == &verbose) settings.verbose = static_cast<int>(entry.values.size());
  settings.log_level = args[log_level];
  if (!settings.log_level.empty())
    if (const std::string wrong = check_log_filter(settings.log_level); !wrong.empty())
      throw Error{ErrorKind::usage, "--log-level: " + wrong};
  settings.color_err = wants_color(args[color], STDERR_FILENO);
  settings.output = output_options(args, noun, command);
  return settings;
}

}  // namespace arcus::cli::global
