#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "lib/base/address.h"
#include "lib/base/unique_fd.h"

/// The system calls of the byte path, all in one place. Results are those of the calls: -1 with errno.
namespace arcus::socket {

ssize_t receive(int fd, std::span<char> into) noexcept;
ssize_t peek(int fd, std::span<char> into) noexcept;
ssize_t send(int fd, std::string_view from) noexcept;
ssize_t send(int fd, std::string_view first, std::string_view second) noexcept;
/// Moves up to `size` bytes between a socket and a pipe, whichever way.
ssize_t splice(int from, int to, std::size_t size) noexcept;

/// A non-blocking socket that is connecting to `to`; not valid with errno set when that failed at once.
UniqueFd connect(const Endpoint& to, const std::optional<IpAddress>& source) noexcept;
/// A listening socket as the daemon makes them: reusable address, no delay. Not valid with errno set.
UniqueFd listen(const Endpoint& at, int backlog) noexcept;
/// The next waiting connection, non-blocking. Not valid with errno set.
UniqueFd accept(int fd, Endpoint& peer) noexcept;

Endpoint local_endpoint(int fd) noexcept;
/// The kernel's smoothed round trip to the peer, in microseconds; 0 = not known.
std::uint32_t round_trip_us(int fd) noexcept;
void set_reset_on_close(int fd) noexcept;

}  // namespace arcus::socket
