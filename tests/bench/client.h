#pragma once

#include <openssl/ssl.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "tests/bench/common.h"
#include "tests/bench/plan.h"

namespace bench {

/// What all connections of a load share: the plan, the TLS session to resume, and what was counted since the
/// start.
class Shared {
 public:
  explicit Shared(Plan plan);
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;

  /// Counts an error and keeps the words of the first one.
  void count_error(std::string what);

  Plan plan;
  Poll poll;
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> tls;
  std::unique_ptr<SSL_SESSION, decltype(&SSL_SESSION_free)> session{nullptr, SSL_SESSION_free};
  std::array<char, 1 << 17> scratch{};

  std::uint64_t opened = 0, bytes = 0, errors = 0;
  std::uint64_t resumed = 0;  // answers on connections whose TLS session was resumed
  std::string first_error;
};

/// What became of a connection when it was told to go on.
enum class Turn {
  waiting,  // for the other side
  moved,    // came a step further; there may be more to read
  done,     // an answer is complete, the connection may be asked again
  ended,    // the other side closed a kept connection between two answers: no error
  failed,   // counted as an error
};

/// One connection to the proxy, from connect() to the last byte of an answer.
class Client {
 public:
  explicit Client(Shared& shared) : shared_(shared) {}

  /// Opens a new connection; the old one, if any, is closed. The first request follows by itself.
  void open();
  void close();
  /// Sends one request; its latency counts from `since`.
  Turn ask(std::uint64_t since);
  /// Does what readiness allows.
  Turn on_ready();
  /// Nanoseconds: since the connection was opened when each request has its own, else since the request.
  [[nodiscard]] std::uint64_t asked_at() const { return asked_at_; }

 private:
  enum class Stage { connecting, shaking_hands, exchanging, head, body, resting };
  enum class Io { ok, again, end, broken };

  Turn step();
  Turn on_connected();
  Turn on_handshake();
  Turn speak();
  Turn on_exchange();
  Turn on_head();
  Turn on_body();
  Turn fail(const char* what);
  Turn fail(std::string what);
  bool say(const std::string& text);
  Io read(char* to, std::size_t most, std::size_t& got);
  Io receive(std::size_t most);

  Shared& shared_;
  Fd fd_;
  std::unique_ptr<SSL, decltype(&SSL_free)> tls_{nullptr, SSL_free};
  Stage stage_ = Stage::connecting;
  std::size_t exchange_ = 0;
  std::string input_;
  std::uint64_t left_ = 0;
  std::uint64_t asked_at_ = 0;
};

}  // namespace bench
