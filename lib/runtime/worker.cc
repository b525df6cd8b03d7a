#include "lib/runtime/worker.h"

#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <asio/io_context.hpp>
#include <asio/signal_set.hpp>
#include <cerrno>
#include <csignal>
#include <optional>

#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/runtime/sandbox.h"
#include "lib/runtime/worker_loop.h"

namespace arcus {

/// The daemon's first frame; nothing when it went away instead.
static std::optional<wire::Hello> wait_for_hello(wire::FrameChannel& channel) {
  while (true) {
    if (auto frame = channel.receive()) {
      if (frame->type != wire::FrameType::hello)
        throw Error{ErrorKind::failed, "the first frame is no hello"};
      return wire::from_json<wire::Hello>(frame->body);
    }
    if (channel.closed()) return std::nullopt;
    pollfd ready{channel.fd(), POLLIN, 0};
    if (::poll(&ready, 1, -1) < 0 && errno != EINTR) throw system_error("poll", errno);
  }
}

/// As many descriptors as the system allows, before the sandbox freezes the limit.
static void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  static_cast<void>(::setrlimit(RLIMIT_NOFILE, &limit));
}

/// The last line of defence: past it allocations fail, and connections with them. The limit of the kernel
/// counts stacks, and what the allocator holds without using it.
static void limit_memory(std::int64_t bytes, std::int64_t threads) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  constexpr bool has_shadow = true;  // which alone is larger than any limit
#else
  constexpr bool has_shadow = false;
#endif
  if (bytes <= 0 || has_shadow) return;
  constexpr std::int64_t of_each_thread = std::int64_t{64} << 20;
  const auto all = static_cast<rlim_t>(2 * bytes + (threads + 4) * of_each_thread);
  const rlimit limit{all, all};
  static_cast<void>(::setrlimit(RLIMIT_DATA, &limit));
}

static int serve(int channel_fd, std::span<const Protocol* const> protocols) {
  wire::FrameChannel channel{UniqueFd{channel_fd}};
  const auto hello = wait_for_hello(channel);
  if (!hello) return 0;
  if (check_log_filter(hello->log_filter).empty()) set_log({.filter = hello->log_filter});
  raise_descriptor_limit();
  limit_memory(hello->memory_limit_bytes, hello->threads);
  // Asio's signal pipe is made here: inside the sandbox F_SETFL is refused, the pipe would block its reader.
  asio::io_context before_sandbox;
  const asio::signal_set signal_pipe{before_sandbox};
  const SandboxState state = enter_sandbox({.uid = hello->uid, .gid = hello->gid, .mode = hello->sandbox});
  WorkerLoop loop(std::move(channel), *hello, protocols);
  return loop.run({.pid = ::getpid(),
                   .threads = hello->threads,
                   .no_new_privs = state.no_new_privs,
                   .seccomp = state.seccomp,
                   .landlock_abi = state.landlock_abi,
                   .uid = static_cast<std::int64_t>(::getuid())});
}

int run_worker(int channel_fd, std::span<const Protocol* const> protocols) {
  static_cast<void>(::setsid());
  for (const int ignored : {SIGPIPE, SIGINT, SIGHUP, SIGUSR1, SIGUSR2}) ::signal(ignored, SIG_IGN);
  try {
    return serve(channel_fd, protocols);
  } catch (const std::exception& error) {
    Logger("worker").error("failed", field("error", error.what()));
    return 1;
  }
}

}  // namespace arcus
