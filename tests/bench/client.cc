#include "tests/bench/client.h"

#include <netinet/tcp.h>
#include <openssl/err.h>
#include <strings.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string_view>

namespace bench {
namespace {

constexpr unsigned first_host = 2;  // clients come from 127.0.0.2 to 127.0.0.9: eight times the local ports
constexpr unsigned hosts = 8;
constexpr int reads_per_turn = 16;

int keep_session(SSL* tls, SSL_SESSION* session) {
  static_cast<Shared*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(tls)))->session.reset(session);
  return 1;  // it is ours now
}

std::optional<std::uint64_t> content_length(std::string_view head) {
  constexpr std::string_view wanted = "\ncontent-length:";
  for (std::size_t at = head.find('\n'); at != head.npos; at = head.find('\n', at + 1))
    if (head.size() - at > wanted.size() && strncasecmp(head.data() + at, wanted.data(), wanted.size()) == 0)
      return std::strtoull(head.data() + at + wanted.size(), nullptr, 10);
  return {};
}

}  // namespace

Shared::Shared(Plan wanted) : plan(std::move(wanted)), tls(SSL_CTX_new(TLS_client_method()), SSL_CTX_free) {
  SSL_CTX_set_app_data(tls.get(), this);
  SSL_CTX_set_session_cache_mode(tls.get(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(tls.get(), keep_session);
  SSL_CTX_set_mode(tls.get(), SSL_MODE_RELEASE_BUFFERS);
  // The certificate is the script's own and goes unverified: the proxy's cost is measured, not the client's.
  SSL_CTX_set_verify(tls.get(), SSL_VERIFY_NONE, nullptr);
}

void Shared::count_error(std::string what) {
  if (errors++ == 0) first_error = std::move(what);
}

void Client::open() {
  close();
  fd_ = Fd{::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  if (!fd_) give_up("socket");
  const int on = 1;
  ::setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::setsockopt(fd_.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  const sockaddr_in from = loopback(first_host + static_cast<unsigned>(shared_.opened++ % hosts), 0);
  if (::bind(fd_.get(), raw(from), sizeof from) != 0) give_up("bind");
  const sockaddr_in to = loopback(1, shared_.plan.port);
  asked_at_ = now_ns();
  if (::connect(fd_.get(), raw(to), sizeof to) != 0 && errno != EINPROGRESS) give_up("connect");
  stage_ = Stage::connecting;
  exchange_ = 0;
  input_.clear();
  shared_.poll.add(fd_.get(), EPOLLOUT, this);
}

void Client::close() {
  // Marked as shut down, or the session could not be resumed.
  if (tls_) SSL_set_shutdown(tls_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  tls_.reset();
  fd_.reset();
}

Turn Client::ask(std::uint64_t since) {
  asked_at_ = since;
  stage_ = Stage::head;
  input_.clear();
  return say(shared_.plan.request) ? Turn::waiting : fail("request");
}

Turn Client::on_ready() {
  Turn turn = step();
  if (!tls_) return turn == Turn::moved ? Turn::waiting : turn;  // what is left to read wakes us again
  for (int reads = 1; turn == Turn::moved; ++reads) {
    if (reads >= reads_per_turn && SSL_has_pending(tls_.get()) == 0) return Turn::waiting;
    turn = step();
  }
  return turn;
}

Turn Client::step() {
  switch (stage_) {
    case Stage::connecting:
      return on_connected();
    case Stage::shaking_hands:
      return on_handshake();
    case Stage::exchanging:
      return on_exchange();
    case Stage::head:
      return on_head();
    case Stage::body:
      return on_body();
    case Stage::resting:
      break;
  }
  std::size_t got = 0;
  const Io io = read(shared_.scratch.data(), shared_.scratch.size(), got);
  return io == Io::again ? Turn::waiting : Turn::ended;
}

Turn Client::on_connected() {
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return fail(std::string{"connect: "} + std::strerror(error));
  shared_.poll.change(fd_.get(), EPOLLIN, this);
  if (!shared_.plan.has_tls) return speak();
  tls_.reset(SSL_new(shared_.tls.get()));
  SSL_set_fd(tls_.get(), fd_.get());
  SSL_set_tlsext_host_name(tls_.get(), shared_.plan.server_name.c_str());
  if (shared_.plan.resumes && shared_.session) {
    // A copy: OpenSSL lets a TLS 1.3 session be used once only, and many of us start from the same one.
    SSL_SESSION* const copy = SSL_SESSION_dup(shared_.session.get());
    SSL_set_session(tls_.get(), copy);
    SSL_SESSION_free(copy);
  }
  SSL_set_connect_state(tls_.get());
  stage_ = Stage::shaking_hands;
  return on_handshake();
}

Turn Client::on_handshake() {
  ERR_clear_error();
  const int result = SSL_do_handshake(tls_.get());
  if (result == 1) return speak();
  return SSL_get_error(tls_.get(), result) == SSL_ERROR_WANT_READ ? Turn::waiting : fail("TLS handshake");
}

/// Says the next exchange of the preface or, after the last one, the first request.
Turn Client::speak() {
  if (exchange_ == shared_.plan.exchanges.size())
    return ask(shared_.plan.mode == Mode::connections ? asked_at_ : now_ns());
  stage_ = Stage::exchanging;
  input_.clear();
  return say(shared_.plan.exchanges[exchange_].say) ? Turn::waiting : fail("preface");
}

Turn Client::on_exchange() {
  const Exchange& exchange = shared_.plan.exchanges[exchange_];
  const Io io = receive(exchange.expect != 0 ? exchange.expect - input_.size() : 4096);
  if (io == Io::again) return Turn::waiting;
  if (io != Io::ok) return fail("closed during the preface");
  const bool is_whole =
      exchange.expect != 0 ? input_.size() == exchange.expect : input_.find("\r\n\r\n") != input_.npos;
  if (!is_whole) return Turn::moved;
  if (input_.compare(exchange.success_at, exchange.success.size(), exchange.success) != 0)
    return fail("the proxy refused the preface");
  ++exchange_;
  return speak();
}

Turn Client::on_head() {
  const Io io = receive(4096);
  if (io == Io::again) return Turn::waiting;
  if (io == Io::end && input_.empty() && shared_.plan.mode != Mode::connections) return Turn::ended;
  if (io != Io::ok) return fail("closed instead of an answer");
  const std::size_t end = input_.find("\r\n\r\n");
  if (end == input_.npos) return input_.size() < 16384 ? Turn::moved : fail("an endless head");
  const std::string_view head = std::string_view{input_}.substr(0, end);
  if (head.size() < 12 || (head.substr(9, 3) != "200" && !shared_.plan.takes_refusals))
    return fail("answered " + std::string{head.substr(0, 40)});
  const auto length = content_length(head);
  const std::uint64_t got = input_.size() - end - 4;
  if (!length || *length < got) return fail("an answer of no known length");
  shared_.bytes += got;
  left_ = *length - got;
  stage_ = Stage::body;
  return left_ == 0 ? on_body() : Turn::moved;
}

Turn Client::on_body() {
  if (left_ > 0) {
    std::size_t got = 0;
    // Without TLS nobody looks at the bytes: the kernel drops them.
    const std::size_t most = tls_ ? std::min<std::size_t>(left_, shared_.scratch.size()) : left_;
    const Io io = read(tls_ ? shared_.scratch.data() : nullptr, most, got);
    if (io == Io::again) return Turn::waiting;
    if (io != Io::ok) return fail("closed within a body");
    shared_.bytes += got;
    left_ -= got;
  }
  if (left_ > 0) return Turn::moved;
  stage_ = Stage::resting;
  if (tls_ && SSL_session_reused(tls_.get()) == 1) ++shared_.resumed;
  return Turn::done;
}

Turn Client::fail(const char* what) {
  return fail(errno != 0 ? std::string{what} + ": " + std::strerror(errno) : std::string{what});
}

Turn Client::fail(std::string what) {
  shared_.count_error(std::move(what));
  return Turn::failed;
}

/// Everything we say fits into an empty socket buffer: less taken is a failure.
bool Client::say(const std::string& text) {
  errno = 0;
  const ssize_t n = tls_ ? SSL_write(tls_.get(), text.data(), static_cast<int>(text.size()))
                         : ::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL);
  return n == static_cast<ssize_t>(text.size());
}

/// Reads into `to`, or drops what came when that is null (not with TLS).
Client::Io Client::read(char* to, std::size_t most, std::size_t& got) {
  errno = 0;
  if (!tls_) {
    const ssize_t n = ::recv(fd_.get(), to, most, to == nullptr ? MSG_TRUNC : 0);
    if (n > 0) got = static_cast<std::size_t>(n);
    return n > 0 ? Io::ok : n == 0 ? Io::end : errno == EAGAIN ? Io::again : Io::broken;
  }
  ERR_clear_error();
  const int result = SSL_read_ex(tls_.get(), to, most, &got);
  if (result == 1) return Io::ok;
  switch (SSL_get_error(tls_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return Io::again;
    case SSL_ERROR_ZERO_RETURN:
      return Io::end;
    default:
      return Io::broken;
  }
}

Client::Io Client::receive(std::size_t most) {
  std::size_t got = 0;
  const Io io = read(shared_.scratch.data(), most, got);
  if (io == Io::ok) input_.append(shared_.scratch.data(), got);
  return io;
}

}  // namespace bench
