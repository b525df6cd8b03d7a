#include <unistd.h>

#include <array>
#include <cstdio>

#include "cli/core/context.h"

namespace arcus::cli {

static constexpr std::chrono::milliseconds repaint{100};

static void write_stderr(std::string_view text) {
  // A line that cannot be painted is no reason to stop.
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text.data(), text.size());
}

Progress::Progress(const Context& context, std::string what, std::size_t total)
    : what_(std::move(what)),
      total_(total),
      started_(std::chrono::steady_clock::now()),
      painted_(started_),
      enabled_(::isatty(STDERR_FILENO) == 1 && !context.quiet()) {}

Progress::~Progress() {
  if (visible_) write_stderr("\r\x1b[K");
}

void Progress::update(std::size_t done, std::size_t failed) {
  if (!enabled_) return;
  const auto now = std::chrono::steady_clock::now();
  if (now - started_ < long_operation || (visible_ && now - painted_ < repaint)) return;
  painted_ = now;
  visible_ = true;
  const double seconds = std::chrono::duration<double>(now - started_).count();
  std::array<char, 64> numbers{};
  std::snprintf(numbers.data(), numbers.size(), " %zu/%zu", done, total_);
  std::string line = "\r\x1b[K" + what_ + numbers.data();
  if (failed > 0) line += "  " + std::to_string(failed) + " failed";
  std::snprintf(numbers.data(), numbers.size(), "  %.1f s", seconds);
  write_stderr(line + numbers.data() + "  (Ctrl-C stops waiting, the daemon goes on)");
}

}  // namespace arcus::cli
