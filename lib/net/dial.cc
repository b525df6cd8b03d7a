#include "lib/net/dial.h"

#include <cerrno>
#include <utility>

#include "lib/net/socket.h"

namespace arcus {

using std::chrono::duration_cast;
using std::chrono::microseconds;

Dialer::Dialer(NetContext& context, DialHandler& handler) noexcept : context_(context), handler_(handler) {}

void Dialer::start(DialRequest request) {
  stop();
  request_ = std::move(request);
  count_ = next_ = 0;
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
  stagger_.disarm();
  for (Attempt& attempt : attempts_) attempt.stream.close();
  open_ = 0;
  state_ = State::idle;
}

void Dialer::on_resolved(Reason reason, std::span<const IpAddress> addresses) {
  times_.dns = duration_cast<microseconds>(context_.poller.now() - started_);
  if (reason != Reason::ok) return fail(reason);
  judge(addresses);
}

/// The first address of one family at or behind `from`; the end when there is none.
static std::size_t find_family(std::span<const IpAddress> all, std::size_t from, bool v4) noexcept {
  while (from < all.size() && all[from].is_v4() != v4) ++from;
  return from;
}

/// Every address is judged, so that a refusal can name its reason, in the order of the attempts.
void Dialer::judge(std::span<const IpAddress> addresses) {
  Reason denied = Reason::ok;
  const auto ask = [&](const IpAddress& address) {
    if (const Reason verdict = admit(address); verdict != Reason::ok) denied = verdict;
  };
  std::size_t v6 = find_family(addresses, 0, false);
  std::size_t v4 = find_family(addresses, 0, true);
  while (v6 < addresses.size() || v4 < addresses.size()) {
    if (v6 < addresses.size()) ask(addresses[std::exchange(v6, find_family(addresses, v6 + 1, false))]);
    if (v4 < addresses.size()) ask(addresses[std::exchange(v4, find_family(addresses, v4 + 1, true))]);
  }
  if (count_ == 0) return fail_later(denied == Reason::ok ? Reason::dns_failed : denied);
  if (reuse()) return;
  if (!total_.is_armed()) context_.deadlines.of(request_.timeout).arm(total_);
  state_ = State::connecting;
  if (!attempt_next()) fail_later(last_reason_);
}

Reason Dialer::admit(const IpAddress& address) {
  const Endpoint endpoint{address, request_.port};
  const Reason verdict = handler_.on_address(endpoint);
  if (verdict == Reason::ok && count_ < max_addresses) attempts_[count_++].address = endpoint;
  return verdict;
}

bool Dialer::reuse() {
  for (next_ = 0; next_ < count_; ++next_) {
    attempts_[next_].stream = handler_.on_reuse(attempts_[next_].address);
    if (!attempts_[next_].stream.valid()) continue;
    attempts_[next_].stream.set_handler(nullptr);
    state_ = State::reused;
    context_.poller.defer(*this);
    return true;
  }
  next_ = 0;
  return false;
}

bool Dialer::attempt_next() {
  stagger_.disarm();
  while (next_ < count_) {
    Attempt& attempt = attempts_[next_++];
    UniqueFd socket = socket::connect(attempt.address, request_.source);
    if (socket) attempt.stream = Stream(context_.poller, std::move(socket), this, false);
    if (attempt.stream.valid()) {
      ++open_;
      attempt.started = context_.poller.now();
      if (next_ < count_) context_.deadlines.of(stagger).arm(stagger_);
      return true;
    }
    last_reason_ = reason_of_errno(errno);
  }
  return false;
}

void Dialer::on_ready(Stream& stream) {
  if (state_ != State::connecting) return;
  std::size_t index = 0;
  while (&attempts_[index].stream != &stream) ++index;
  if (!stream.broken() && stream.writable()) {
    times_.connect = duration_cast<microseconds>(context_.poller.now() - attempts_[index].started);
    return succeed(index, false);
  }
  if (const int number = stream.take_socket_error(); number != 0) attempt_failed(attempts_[index], number);
}

void Dialer::attempt_failed(Attempt& attempt, int number) {
  last_reason_ = reason_of_errno(number);
  attempt.stream.close();
  --open_;
  if (!attempt_next() && open_ == 0) fail(last_reason_);
}

void Dialer::succeed(std::size_t winner, bool reused) {
  Stream stream = std::move(attempts_[winner].stream);
  const Endpoint address = attempts_[winner].address;
  stream.set_handler(nullptr);
  stop();
  handler_.on_dialed(std::move(stream), address, reused);
}

void Dialer::on_deadline(Deadline& deadline) {
  if (&deadline == &stagger_) {
    // Without a next address that the kernel takes, those under way go on.
    static_cast<void>(attempt_next());
    return;
  }
  fail(state_ == State::resolving ? Reason::dns_failed : Reason::connect_timeout);
}

void Dialer::on_deferred() {
  if (state_ == State::reused)
    succeed(next_, true);
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
