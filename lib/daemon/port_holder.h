#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace arcus::daemon {

/// Who has a TCP port in the state LISTEN.
struct PortHolder {
  pid_t pid = 0;        ///< 0: the port is taken, but its process is not ours to see
  std::string command;  ///< the kernel's short name of the program; empty with pid 0
};

/// One listening row of /proc/net/tcp or tcp6.
struct ListeningSocket {
  std::string address;  ///< as inet_ntop prints it; "0.0.0.0" and "::" are wildcards
  std::uint16_t port = 0;
  std::uint64_t inode = 0;
};

/// Reads one line of /proc/net/tcp{,6}; nullopt for the heading, other states and damaged lines.
std::optional<ListeningSocket> parse_listening_line(std::string_view line);

/// Whether a listener on `held` makes a bind to `wanted` (same port) fail: equal, or either is a wildcard.
bool addresses_overlap(std::string_view held, std::string_view wanted);

/// Finds the process that listens on `address`:`port`; nullopt when nobody does.
std::optional<PortHolder> find_port_holder(std::string_view address, std::uint16_t port);

/// "nginx (pid 811)", or "another process" when it cannot be seen.
std::string describe(const PortHolder& holder);

}  // namespace arcus::daemon
