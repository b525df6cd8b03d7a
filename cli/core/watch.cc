#include "cli/core/watch.h"

#include <signal.h>
#include <unistd.h>

#include <set>
#include <thread>

#include "lib/base/text.h"

namespace arcus::cli {

static constexpr std::string_view hide_cursor = "\x1b[?25l\x1b[2J";
static constexpr char show_cursor[] = "\x1b[?25h\n";

static void restore_and_end(int signal) {
  // Nothing can be done about a terminal that is gone.
  [[maybe_unused]] const auto written = ::write(STDOUT_FILENO, show_cursor, sizeof show_cursor - 1);
  ::_exit(128 + signal);
}

static int render(const Noun& noun, const Command& command, const Settings& settings, const Args& args,
                  std::string& text) {
  Context context{noun, command, settings};
  const int code = command.run(context, args);
  text = std::move(context.out().pending());
  context.out().pending().clear();
  return code;
}

/// Cursor home, each line cleared to its end, then the rest of the screen.
static std::string repainted(const std::string& text) {
  std::string out = "\x1b[H";
  for (const char c : text) {
    if (c == '\n') out += "\x1b[K";
    out += c;
  }
  return out + "\x1b[J";
}

static std::string changed_lines(const std::string& text, std::set<std::string>& last) {
  std::set<std::string> now;
  std::string out;
  for (std::string& line : split(text, '\n')) {
    if (line.empty()) continue;
    if (!last.contains(line)) out += line + "\n";
    now.insert(std::move(line));
  }
  last = std::move(now);
  return out;
}

namespace {
/// Gives the cursor back when an error ends the watching; a signal does it in its handler.
struct CursorGuard {
  bool hidden;
  ~CursorGuard() {
    if (!hidden) return;
    [[maybe_unused]] const auto written = ::write(STDOUT_FILENO, show_cursor, sizeof show_cursor - 1);
  }
};
}  // namespace

int watch(const Noun& noun, const Command& command, const Settings& settings, const Args& args) {
  const bool screen = settings.output.width > 0;
  Settings each = settings;
  if (!screen) each.output.format = Format::jsonl;
  if (screen) {
    ::signal(SIGINT, restore_and_end);
    ::signal(SIGTERM, restore_and_end);
  }
  Output output;
  output.raw(screen ? hide_cursor : std::string_view{});
  const CursorGuard guard{screen};
  std::set<std::string> last;
  for (;;) {
    std::string text;
    render(noun, command, each, args, text);
    output.raw(screen ? repainted(text) : changed_lines(text, last));
    output.flush();
    std::this_thread::sleep_for(*settings.watch);
  }
}

}  // namespace arcus::cli
