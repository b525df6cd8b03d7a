#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace arcus {

/// A TLS handshake as a client without a socket: for probes of the control plane, which only want to see that
/// a listener or backend finishes one. The peer's certificate is not verified.
class ClientHandshake {
 public:
  enum class State : std::uint8_t { under_way, done, failed };

  /// `server_name` is sent as SNI unless it is empty or an IP literal. Throws Error when memory is short.
  explicit ClientHandshake(std::string_view server_name);
  ~ClientHandshake();
  ClientHandshake(const ClientHandshake&) = delete;
  ClientHandshake& operator=(const ClientHandshake&) = delete;

  /// Takes what the peer sent (empty to begin) and goes on.
  State feed(std::string_view received);
  /// What is to be sent to the peer now; send it also after `done` and `failed`.
  std::string take_output();
  /// To be sent before closing after `done`: close_notify.
  std::string goodbye();
  const std::string& failure() const noexcept { return failure_; }

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
  std::string failure_;
};

}  // namespace arcus
