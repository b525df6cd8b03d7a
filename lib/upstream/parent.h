#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "lib/base/reason.h"
#include "lib/upstream/link.h"

namespace arcus {

/// What a parent proxy is told, and how it answers, until it has connected to where it should: CONNECT for
/// parents of http, RFC 1928 and 1929 for socks5, where names are looked up by the parent. Without I/O.
class ParentHandshake {
 public:
  enum class State : std::uint8_t { under_way, done, failed };

  /// `host` is a name or an IP literal without brackets.
  ParentHandshake(const BackendLink& link, std::string_view host, std::uint16_t port);

  /// What is to be sent now; empty when the parent is to speak.
  std::string take_output() noexcept;
  /// Takes what belongs to the parent's answers from the start of `in`; returns how many bytes that were. The
  /// rest comes from behind the parent.
  std::size_t feed(std::string_view in);
  State state() const noexcept { return state_; }

  // After `failed`.
  Reason reason() const noexcept { return reason_; }
  const std::string& detail() const noexcept { return detail_; }  ///< a sentence
  /// The parent works; it is the target that it cannot or will not reach.
  bool is_target_failure() const noexcept { return target_failure_; }

 private:
  enum class Wait : std::uint8_t { http, socks_method, socks_login, socks_reply };

  void begin_http(std::string_view host, std::uint16_t port);
  void begin_socks(std::string_view host, std::uint16_t port);
  void step();
  void step_http();
  void take_http_status();
  void take_socks_method();
  void take_socks_reply();
  void fail(Reason reason, std::string detail, bool target_failure = false);

  const BackendLink& link_;
  std::string output_;
  std::string request_;  ///< socks: sent when the parent lets us in
  std::string reply_;    ///< the answer that is being read
  std::string detail_;
  Wait wait_ = Wait::http;
  State state_ = State::under_way;
  Reason reason_ = Reason::ok;
  bool target_failure_ = false;
};

}  // namespace arcus
