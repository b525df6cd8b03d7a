#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "lib/base/address.h"
#include "lib/base/unique_fd.h"
#include "lib/net/poller.h"

namespace arcus {

class DatagramSocket;

class DatagramHandler {
 public:
  /// There are datagrams to receive; called again while any are left.
  virtual void on_datagrams(DatagramSocket& socket) = 0;

 protected:
  ~DatagramHandler() = default;
};

/// A UDP socket on a thread's poller. Never connected: who sent a datagram is for the handler to judge.
class DatagramSocket final : private PollHandler {
 public:
  DatagramSocket(Poller& poller, DatagramHandler& handler) noexcept : poller_(poller), handler_(handler) {}
  ~DatagramSocket() { close(); }
  DatagramSocket(const DatagramSocket&) = delete;
  DatagramSocket& operator=(const DatagramSocket&) = delete;

  /// Binds; port 0 = any. False (errno set) when the kernel refuses.
  bool open(const Endpoint& local) noexcept;
  void close() noexcept;
  bool is_open() const noexcept { return static_cast<bool>(fd_); }
  Endpoint local() const noexcept;  ///< asks the kernel

  /// The next datagram and who sent it; nothing when there is none. One that does not fit is dropped.
  std::optional<std::string_view> receive(std::span<char> into, Endpoint& from) noexcept;
  /// False when the kernel would not take it: a datagram is then lost, as datagrams are.
  bool send(std::string_view bytes, const Endpoint& to) noexcept;

 private:
  void on_events(std::uint32_t events) override;

  Poller& poller_;
  DatagramHandler& handler_;
  UniqueFd fd_;
};

/// The address of ours that `peer` would see; nothing when there is no route.
std::optional<IpAddress> local_address_toward(const IpAddress& peer) noexcept;

}  // namespace arcus
