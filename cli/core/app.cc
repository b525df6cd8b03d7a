#include "cli/core/app.h"

#include <csignal>
#include <exception>
#include <new>

#include "cli/core/complete.h"
#include "cli/core/context.h"
#include "cli/core/errors.h"
#include "cli/core/globals.h"
#include "cli/core/help.h"
#include "cli/core/parser.h"
#include "cli/core/scan.h"
#include "cli/core/watch.h"
#include "lib/base/log.h"

namespace arcus::cli {
namespace {

int print(std::string_view text) {
  Output output;
  output.raw(text);
  output.flush();
  return exit_code::ok;
}

/// Help wins over everything else on the line, wrong words included.
int print_help(const Scan& scan) {
  if (scan.noun_word.empty()) return print(top_help());
  if (scan.noun == nullptr) unknown_noun(scan.noun_word);
  if (scan.command == nullptr && !scan.verb_word.empty()) unknown_verb(*scan.noun, scan.verb_word);
  if (scan.command == nullptr) return print(noun_help(*scan.noun));
  std::string_view variant;
  if (const Variants* variants = scan.command->more.variants)
    for (const std::string& word : scan.words)
      if (variant.empty() && !word.starts_with('-')) variant = variants->canonical(word);
  return print(command_help(*scan.noun, *scan.command, variant));
}

/// -v and --log-level for this process; the daemon's own commands set theirs again.
void start_log(const Settings& settings) {
  std::string filter = settings.log_level;
  if (filter.empty()) filter = settings.verbose == 0 ? "warn" : settings.verbose == 1 ? "info" : "debug";
  set_log({.filter = filter});
}

int run_command(const Scan& scan) {
  const Parsed parsed = parse(*scan.noun, *scan.command, scan.words);
  const Settings settings = global::settings(parsed.globals, *scan.noun, *scan.command);
  start_log(settings);
  if (settings.watch && scan.command->more.lists)
    return watch(*scan.noun, *scan.command, settings, parsed.args);
  Context context{*scan.noun, *scan.command, settings};
  const int code = scan.command->run(context, parsed.args);
  context.out().flush();
  return code;
}

int dispatch(const Scan& scan) {
  if (scan.help) return print_help(scan);
  if (scan.version) return print("arcusctl " ARCUS_VERSION "\n");
  if (scan.noun_word.empty() && scan.words.empty()) return print(top_help());
  if (scan.noun_word.empty())
    throw Error{ErrorKind::usage, "no command in '" + scan.words[0] + "'"}.with_hint("arcusctl help");
  if (scan.noun == nullptr) unknown_noun(scan.noun_word);
  if (scan.command == nullptr && scan.verb_word.empty()) {
    if (!scan.words.empty() && scan.words[0].starts_with('-') && scan.words[0] != "--")
      parse(*scan.noun, Command{"", "", {}, nullptr, {.mutating = true, .lists = true, .waits = true}},
            scan.words);
    return print(noun_help(*scan.noun));
  }
  if (scan.command == nullptr) unknown_verb(*scan.noun, scan.verb_word);
  return run_command(scan);
}

}  // namespace

int run(std::vector<std::string> argv) {
  ::signal(SIGXFSZ, SIG_IGN);  // a limit of the file size is then an error of one write
  if (!argv.empty() && argv[0] == complete_word) return complete(argv);
  const Scan scanned = scan(std::move(argv));
  const bool color = global::wants_color("auto", 2);
  try {
    return dispatch(scanned);
  } catch (const Error& error) {
    return print_error(error, scanned.json, color);
  } catch (const std::bad_alloc&) {
    return print_error(Error{ErrorKind::failed, "out of memory"}, scanned.json, color);
  } catch (const std::exception& error) {
    return print_error(Error{ErrorKind::failed, std::string{"internal error: "} + error.what()}, scanned.json,
                       color);
  }
}

}  // namespace arcus::cli
