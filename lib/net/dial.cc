#include "lib/net/dial.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "lib/net/socket.h"

namespace arcus {

Dialer::Dialer(NetContext& context, DialHandler& handler) noexcept : context_(context), handler_(handler) {}

void Dialer::start(DialRequest request) {
  stop();
  request_ = std::move(request);
  candidates_.clear();
  next_ = 0;
  times_ = {};
  last_reason_ = Reason::unreachable;
  state_ = State::resolving;
  started_ = context_.poller.now();
  if (const auto literal = IpAddress::parse(request_.host)) {
    const IpAddress address = literal->unmapped();
    judge({&address, 1});
    return;
  }
  context_.deadlines.of(request_.timeout).arm(total_);
  const auto known = context_.resolver.known(request_.host);
  if (known.empty())
    context_.resolver.resolve(request_.host, *this);
  else
    judge(known);
}

void Dialer::stop() noexcept {
  cancel();
  unqueue();
  total_.disarm();
  attempt_.disarm();
  stream_.close();
  state_ = State::idle;
}

void Dialer::on_resolved(Reason reason, std::span<const IpAddress> addresses) {
  times_.dns = std::chrono::duration_cast<std::chrono::microseconds>(context_.poller.now() - started_);
  if (reason != Reason::ok) return fail(reason);
  judge(addresses);
}

/// One of each family in turn, IPv4 first, since attempts run one after the other.
static std::vector<IpAddress> interleave(std::span<const IpAddress> addresses) {
  std::vector<IpAddress> v4;
  std::vector<IpAddress> v6;
  for (const IpAddress& address : addresses) (address.is_v4() ? v4 : v6).push_back(address);
  std::vector<IpAddress> mixed;
  for (std::size_t i = 0; i < std::max(v4.size(), v6.size()); ++i) {
    if (i < v4.size()) mixed.push_back(v4[i]);
    if (i < v6.size()) mixed.push_back(v6[i]);
  }
  return mixed;
}

void Dialer::judge(std::span<const IpAddress> addresses) {
  Reason denied = Reason::ok;
  for (const IpAddress& address : interleave(addresses)) {
    const Endpoint endpoint{address, request_.port};
    const Reason verdict = handler_.on_address(endpoint);
    if (verdict != Reason::ok)
      denied = verdict;
    else if (candidates_.size() < max_addresses)
      candidates_.push_back(endpoint);
  }
  if (candidates_.empty()) return fail_later(denied == Reason::ok ? Reason::dns_failed : denied);
  for (next_ = 0; next_ < candidates_.size(); ++next_) {
    stream_ = handler_.on_reuse(candidates_[next_]);
    if (!stream_.valid()) continue;
    stream_.set_handler(nullptr);
    state_ = State::reused;
    context_.poller.defer(*this);
    return;
  }
  next_ = 0;
  if (!total_.is_armed()) context_.deadlines.of(request_.timeout).arm(total_);
  next_attempt();
}

void Dialer::next_attempt() {
  for (; next_ < candidates_.size(); ++next_) {
    UniqueFd socket = socket::connect(candidates_[next_], request_.source);
    if (socket) stream_ = Stream(context_.poller, std::move(socket), this, false);
    if (stream_.valid()) {
      state_ = State::connecting;
      attempt_started_ = context_.poller.now();
      if (next_ + 1 < candidates_.size()) context_.deadlines.of(request_.timeout / 3).arm(attempt_);
      return;
    }
    last_reason_ = reason_of_errno(errno);
  }
  fail_later(last_reason_);
}

void Dialer::on_ready(Stream&) {
  if (state_ != State::connecting) return;
  if (stream_.broken() || !stream_.writable()) {
    const int number = stream_.take_socket_error();
    if (number == 0) return;
    last_reason_ = reason_of_errno(number);
    stream_.close();
    attempt_.disarm();
    ++next_;
    next_attempt();
    return;
  }
  times_.connect =
      std::chrono::duration_cast<std::chrono::microseconds>(context_.poller.now() - attempt_started_);
  succeed(false);
}

void Dialer::succeed(bool reused) {
  total_.disarm();
  attempt_.disarm();
  state_ = State::idle;
  stream_.set_handler(nullptr);
  const Endpoint address = candidates_[next_];
  handler_.on_dialed(std::move(stream_), address, reused);
}

void Dialer::on_deadline(Deadline& deadline) {
  if (&deadline == &attempt_) {
    last_reason_ = Reason::connect_timeout;
    stream_.close();
    ++next_;
    next_attempt();
    return;
  }
  const bool resolving = state_ == State::resolving;
  stop();
  fail(resolving ? Reason::dns_failed : Reason::connect_timeout);
}

void Dialer::on_deferred() {
  if (state_ == State::reused)
    succeed(true);
  else
    fail(last_reason_);
}

void Dialer::fail(Reason reason) {
  stop();
  handler_.on_dial_failed(reason);
}

void Dialer::fail_later(Reason reason) {
  last_reason_ = reason;
  state_ = State::failed;
  total_.disarm();
  context_.poller.defer(*this);
}

}  // namespace arcus
