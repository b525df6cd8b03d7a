#include "lib/net/cares_channel.h"

#include <sys/random.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstdlib>
#include <mutex>
#include <string>
#include <vector>

#include "lib/base/error.h"
#include "lib/base/text.h"

namespace arcus {

namespace {

// c-ares' sockets are ours to make: its own way is fcntl, which the sandbox refuses.

int open_socket(int family, int type, int protocol, void*) noexcept {
  return ::socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
}

int close_socket(ares_socket_t fd, void*) noexcept { return ::close(fd); }

int connect_socket(ares_socket_t fd, const sockaddr* to, ares_socklen_t size, void*) noexcept {
  return ::connect(fd, to, size);
}

ares_ssize_t receive_from(ares_socket_t fd, void* into, std::size_t size, int flags, sockaddr* from,
                          ares_socklen_t* from_size, void*) noexcept {
  return ::recvfrom(fd, into, size, flags, from, from_size);
}

ares_ssize_t send_parts(ares_socket_t fd, const iovec* parts, int count, void*) noexcept {
  return ::writev(fd, parts, count);
}

constexpr ares_socket_functions socket_calls{open_socket, close_socket, connect_socket, receive_from,
                                             send_parts};

void check(int status) {
  if (status != ARES_SUCCESS)
    throw Error{ErrorKind::failed, "resolver: " + std::string(ares_strerror(status))};
}

/// A channel draws the key of its query numbers from /dev/urandom, or from rand() where there is no file
/// system: so rand() begins where nobody can guess.
void seed_rand() {
  unsigned seed = 0;
  if (::getrandom(&seed, sizeof seed, 0) != static_cast<ssize_t>(sizeof seed)) check(ARES_ENOMEM);
  std::srand(seed);
}

}  // namespace

ares_channel open_cares_channel(ResolvConf conf, ares_sock_state_cb on_socket, void* argument) {
  static std::mutex mutex;  // the library's start and rand() are the process'
  const std::lock_guard lock(mutex);
  static const int started = ares_library_init(ARES_LIB_INIT_ALL);
  check(started);
  seed_rand();

  std::vector<char*> domains;
  for (std::string& domain : conf.search) domains.push_back(domain.data());
  std::string lookups = "b";
  ares_options options{};
  options.timeout = conf.timeout_ms;
  options.tries = conf.attempts;
  options.ndots = conf.ndots;
  options.domains = domains.data();
  options.ndomains = static_cast<int>(domains.size());
  options.lookups = lookups.data();
  options.sock_state_cb = on_socket;
  options.sock_state_cb_data = argument;
  options.flags = ARES_FLAG_NOALIASES;
  const int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_NDOTS | ARES_OPT_DOMAINS |
                   ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB;
  ares_channel channel = nullptr;
  check(ares_init_options(&channel, &options, mask));
  ares_set_socket_functions(channel, &socket_calls, nullptr);
  const int status = ares_set_servers_ports_csv(channel, join(conf.servers, ",").c_str());
  if (status != ARES_SUCCESS) ares_destroy(channel);
  check(status);
  return channel;
}

}  // namespace arcus
