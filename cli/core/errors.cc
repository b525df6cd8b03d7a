#include "cli/core/errors.h"

#include <unistd.h>

#include "cli/core/output.h"
#include "lib/base/text.h"

namespace arcus::cli {

static std::string json_text(const Error& error) {
  std::string out = "{\"error\":{\"name\":" + json_quoted(name_of(error.kind()));
  out += ",\"exit\":" + std::to_string(error.exit_code());
  out += ",\"object\":" + (error.object().empty() ? "null" : json_quoted(error.object()));
  out += ",\"message\":" + json_quoted(error.what());
  out += ",\"suggestion\":" + (error.suggestion().empty() ? "null" : json_quoted(error.suggestion()));
  out += ",\"hint\":" + (error.hint().empty() ? "null" : json_quoted(error.hint()));
  out += ",\"details\":[";
  for (std::size_t i = 0; i < error.details().size(); ++i)
    out += (i > 0 ? "," : "") + json_quoted(error.details()[i]);
  return out + "]}}\n";
}

std::string error_text(const Error& error, bool json, bool color) {
  if (json) return json_text(error);
  std::string out = color ? painted("red", "arcusctl:") : "arcusctl:";
  out += " " + escape_terminal(error.what()) + "\n";
  for (const std::string& line : error.details()) out += "  - " + escape_terminal(line) + "\n";
  if (!error.suggestion().empty()) out += "  did you mean: " + escape_terminal(error.suggestion()) + "\n";
  if (!error.hint().empty()) out += "  hint: " + escape_terminal(error.hint()) + "\n";
  return out;
}

int print_error(const Error& error, bool json, bool color) {
  const std::string text = error_text(error, json, color);
  // Nothing is left to do when stderr is gone too.
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text.data(), text.size());
  return error.exit_code();
}

}  // namespace arcus::cli
