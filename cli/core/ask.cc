#include <unistd.h>

#include <iostream>

#include "cli/core/context.h"
#include "lib/base/error.h"
#include "lib/base/text.h"

namespace arcus::cli {

void Context::note(std::string_view text) const {
  if (quiet() || output_.json()) return;
  std::cerr << escape_terminal(text) << '\n';
}

void Context::warn(std::string_view text) const {
  std::cerr << (settings_.color_err ? painted("yellow", "warning:") : "warning:") << ' '
            << escape_terminal(text) << '\n';
}

/// One line from the terminal; standard input may be a pipe of references.
static std::string ask(std::string_view question) {
  if (::isatty(STDIN_FILENO) != 1)
    throw Error{ErrorKind::not_confirmed, "not confirmed: there is no terminal to ask on"}.with_hint(
        "add --yes");
  std::cerr << question << ' ' << std::flush;
  std::string answer;
  std::getline(std::cin, answer);
  return std::string{trim(answer)};
}

void Context::confirm(std::string_view question) {
  if (settings_.yes || settings_.dry_run) return;
  const std::string answer = to_lower(ask(std::string{question} + " [y/N]"));
  if (answer != "y" && answer != "yes")
    throw Error{ErrorKind::not_confirmed, "not confirmed: nothing was changed"};
}

void Context::confirm_by_typing(std::string_view question, std::string_view word) {
  if (settings_.yes || settings_.dry_run) return;
  const std::string answer = ask(std::string{question} + "; type " + std::string{word} + " to go on:");
  if (answer != word) throw Error{ErrorKind::not_confirmed, "not confirmed: nothing was changed"};
}

}  // namespace arcus::cli
