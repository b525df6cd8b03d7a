#include "lib/daemon/probe.h"

#include <array>
#include <asio/ip/tcp.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <asio/write.hpp>

#include "lib/base/error.h"
#include "lib/base/text.h"
#include "lib/tls/client_handshake.h"

namespace arcus::daemon {

namespace {

using asio::ip::tcp;
using std::chrono::steady_clock;

tcp::endpoint reachable(const Endpoint& bound) {
  if (bound.address.is_v4()) {
    const asio::ip::address_v4 address{bound.address.v4_value()};
    return {bound.address.is_any() ? asio::ip::address_v4::loopback() : address, bound.port};
  }
  asio::ip::address_v6::bytes_type bytes{};
  std::copy_n(bound.address.bytes().begin(), bytes.size(), bytes.begin());
  return {bound.address.is_any() ? asio::ip::address_v6::loopback() : asio::ip::address_v6{bytes},
          bound.port};
}

class Attempt : public std::enable_shared_from_this<Attempt> {
 public:
  Attempt(asio::io_context& io, Probe::Plan plan, std::function<void(const ProbeResult&)> done)
      : plan_{std::move(plan)}, done_{std::move(done)}, socket_{io}, timer_{io} {}

  void start() {
    asio::error_code error;
    const tcp::endpoint target = reachable(plan_.target);
    socket_.open(target.protocol(), error);
    if (!error) socket_.bind({target.protocol(), 0}, error);
    const auto source = error ? tcp::endpoint{} : socket_.local_endpoint(error);
    if (error) return finish(error.message());
    timer_.expires_after(plan_.timeout);
    timer_.async_wait([self = shared_from_this()](const asio::error_code& cancelled) {
      if (!cancelled) self->finish("no answer in time");
    });
    plan_.announce(source.port(), [self = shared_from_this(), target](const std::string& refused) {
      if (!refused.empty()) return self->finish(refused);
      self->connect(target);
    });
  }

 private:
  void connect(const tcp::endpoint& target) {
    if (!done_) return;
    started_ = steady_clock::now();
    socket_.async_connect(target, [self = shared_from_this()](const asio::error_code& error) {
      if (error) return self->finish(to_lower(error.message()));
      self->ask();
    });
  }

  void ask() {
    if (plan_.tls) return shake_hands();
    if (plan_.request.empty()) return wait_for_reaction();
    asio::async_write(socket_, asio::buffer(plan_.request),
                      [self = shared_from_this()](const asio::error_code&, std::size_t) {
                        self->wait_for_reaction();  // a worker that closed already has reacted
                      });
  }

  void wait_for_reaction() {
    socket_.async_read_some(asio::buffer(answer_),
                            [self = shared_from_this()](const asio::error_code& error, std::size_t) {
                              if (error == asio::error::operation_aborted) return;
                              self->finish({});
                            });
  }

  void shake_hands() {
    try {
      handshake_ = std::make_unique<ClientHandshake>("");
    } catch (const Error& error) {
      return finish(error.what());
    }
    advance({});
  }

  void advance(std::string_view received) {
    const auto state = handshake_->feed(received);
    output_ = handshake_->take_output();
    if (state == ClientHandshake::State::done) output_ += handshake_->goodbye();
    asio::async_write(socket_, asio::buffer(output_),
                      [self = shared_from_this(), state](const asio::error_code& error, std::size_t) {
                        if (error == asio::error::operation_aborted) return;
                        if (state == ClientHandshake::State::under_way) return self->read_more();
                        const bool done = state == ClientHandshake::State::done;
                        self->finish(done ? std::string() : "TLS: " + self->handshake_->failure());
                      });
  }

  void read_more() {
    if (!done_) return;
    socket_.async_read_some(asio::buffer(answer_),
                            [self = shared_from_this()](const asio::error_code& error, std::size_t size) {
                              if (error == asio::error::operation_aborted) return;
                              if (error)
                                return self->finish("TLS: the connection ended during the handshake");
                              self->advance({self->answer_.data(), size});
                            });
  }

  void finish(const std::string& error) {
    if (!done_) return;
    const auto latency = std::chrono::duration<double, std::milli>(steady_clock::now() - started_).count();
    const auto done = std::exchange(done_, nullptr);
    asio::error_code ignored;
    timer_.cancel();
    socket_.close(ignored);
    done({.ok = error.empty(), .error = error, .latency_ms = error.empty() ? latency : 0});
  }

  Probe::Plan plan_;
  std::function<void(const ProbeResult&)> done_;
  tcp::socket socket_;
  asio::steady_timer timer_;
  steady_clock::time_point started_{};
  std::array<char, 4096> answer_{};
  std::unique_ptr<ClientHandshake> handshake_;
  std::string output_;
};

}  // namespace

void Probe::start(asio::io_context& io, Plan plan, std::function<void(const ProbeResult&)> done) {
  auto attempt = std::make_shared<Attempt>(io, std::move(plan), std::move(done));
  asio::post(io, [attempt] { attempt->start(); });
}

}  // namespace arcus::daemon
