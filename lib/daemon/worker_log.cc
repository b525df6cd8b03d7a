#include "lib/daemon/worker_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <utility>

#include "lib/base/error.h"
#include "lib/base/text.h"

namespace arcus::daemon {

static constexpr std::size_t most_line = 4096;
/// What is read before others get their turn; more than a pipe holds.
static constexpr std::size_t most_at_once = 128 * 1024;

static constexpr std::pair<std::string_view, LogLevel> levels[] = {{"debug", LogLevel::debug},
                                                                   {"error", LogLevel::error},
                                                                   {"info", LogLevel::info},
                                                                   {"trace", LogLevel::trace},
                                                                   {"warn", LogLevel::warn}};

/// Takes the first word off `text`.
static std::string_view take_word(std::string_view& text) {
  const auto end = std::min(text.find(' '), text.size());
  const auto word = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return word;
}

WorkerLine parse_worker_line(std::string_view line) {
  std::string_view rest = line;
  take_word(rest);  // the time: ours is the same
  const auto level =
      std::ranges::find(levels, take_word(rest), &std::pair<std::string_view, LogLevel>::first);
  const std::string_view module = take_word(rest);
  if (level == std::end(levels) || !module.ends_with(':')) return {.event = std::string{line}, .fields = {}};
  const std::string_view event = take_word(rest);
  return {.level = level->second,
          .module = std::string{module.substr(0, module.size() - 1)},
          .event = std::string{event},
          .fields = std::string{rest}};
}

/// Outlives the WorkerLog while a wait is pending.
struct WorkerLog::Shared : std::enable_shared_from_this<WorkerLog::Shared> {
  Shared(asio::io_context& io, int fd, std::string g) : pipe{io, fd}, group{std::move(g)} {}

  void wait() {
    pipe.async_wait(asio::posix::stream_descriptor::wait_read,
                    [self = shared_from_this()](const asio::error_code& error) {
                      if (!error && self->pipe.is_open() && self->read()) self->wait();
                    });
  }

  /// Takes what is there; false at the end of the file.
  bool read() {
    std::array<char, 8192> buffer{};
    for (std::size_t taken = 0; taken < most_at_once;) {
      const ssize_t n = ::read(pipe.native_handle(), buffer.data(), buffer.size());
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return n < 0 && errno == EAGAIN;
      taken += static_cast<std::size_t>(n);
      text.append(buffer.data(), static_cast<std::size_t>(n));
      log_lines();
    }
    return true;
  }

  void log_lines() {
    for (auto end = text.find('\n'); end != std::string::npos; end = text.find('\n')) {
      log(std::string_view{text}.substr(0, std::min(end, most_line)));
      text.erase(0, end + 1);
    }
    if (text.size() < most_line) return;
    log(text);
    text.clear();
  }

  void log(std::string_view line) const {
    const WorkerLine parsed = parse_worker_line(escape_terminal(line));
    Logger{parsed.module}.log(parsed.level, parsed.event, parsed.fields + field("group", group));
  }

  asio::posix::stream_descriptor pipe;
  std::string group;
  std::string text;
};

WorkerLog::WorkerLog(asio::io_context& io, UniqueFd reading, std::string group)
    : shared_{std::make_shared<Shared>(io, reading.release(), std::move(group))} {
  shared_->wait();
}

WorkerLog::~WorkerLog() {
  shared_->read();
  if (!shared_->text.empty()) shared_->log(shared_->text);
  asio::error_code ignored;
  shared_->pipe.close(ignored);
}

std::pair<UniqueFd, UniqueFd> make_log_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) throw system_error("cannot make a pipe", errno);
  return {UniqueFd{ends[0]}, UniqueFd{ends[1]}};
}

}  // namespace arcus::daemon
