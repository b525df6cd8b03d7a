#include "lib/net/relay.h"

#include <algorithm>

#include <cerrno>
#include <utility>

#include "lib/net/socket.h"

namespace arcus {

/// One direction moves at most this much before others get their turn.
static constexpr std::size_t turn_budget = 1024 * 1024;
/// So many full reads in a row make bulk of it.
static constexpr std::uint8_t bulk_after = 2;

bool RelayHandler::on_client_bytes(std::string_view) { return false; }

void Relay::start(Stream& client, Stream backend, std::string_view client_bytes,
                  std::string_view backend_bytes, std::chrono::milliseconds idle) {
  backend_stream_ = std::move(backend);
  client_ = Side{.stream = &client, .throttle = client_.throttle};
  backend_ = Side{.stream = &backend_stream_, .throttle = backend_.throttle};
  client_.stream->set_handler(this);
  backend_.stream->set_handler(this);
  if (listens_ && !client_bytes.empty()) listens_ = handler_.on_client_bytes(client_bytes);
  client_.backlog.keep(client_bytes);
  backend_.backlog.keep(backend_bytes);
  if (throttles_ != nullptr) client_.throttle->charge(client_bytes.size());
  idle_ = &context_.deadlines.of(idle);
  idle_->arm(deadline_);
  failure_ = Reason::ok;
  over_ = false;
  starting_ = true;
  run();
  starting_ = false;
}

void Relay::stop() noexcept {
  unqueue();
  deadline_.disarm();
  drop_throttles();
  give_pipe(client_);
  give_pipe(backend_);
  if (client_.stream != nullptr) client_.stream->reset();
  backend_stream_.reset();
  client_.backlog.clear();
  backend_.backlog.clear();
  idle_ = nullptr;
}

void Relay::on_ready(Stream&) {
  if (!over_) run();
}

void Relay::on_deadline(Deadline&) {
  if (throttles_ != nullptr && throttles_->is_waiting()) return idle_->arm(deadline_);
  end_idle(backend_, client_);
  end_idle(client_, backend_);
  finish(Reason::idle_timeout);
}

/// Ends the direction between them: cleanly when all of it was delivered, else with the reset of stop().
void Relay::end_idle(Side& from, Side& to) noexcept {
  if (!from.backlog.empty() || from.piped() > 0) return;
  if (to.stream->layer() && !to.stream->shutdown_write()) return;
  to.stream->close();
}

void Relay::on_deferred() {
  if (over_)
    finish(failure_);
  else
    run();
}

void Relay::run() {
  const Flow forth = pump(client_, backend_);
  const Flow back = forth == Flow::failed ? forth : pump(backend_, client_);
  if (client_.moved + backend_.moved > 0) {
    handler_.on_relayed(std::exchange(client_.moved, 0), std::exchange(backend_.moved, 0));
    idle_->arm(deadline_);
  }
  if (throttles_ != nullptr) [[unlikely]]
    throttles_->settle();
  if (forth == Flow::failed || back == Flow::failed) {
    finish(failure_);
  } else if (client_.finished && backend_.finished) {
    finish(Reason::ok);
  } else if (is_lost(client_) || (backend_.finished && backend_.stream->broken())) {
    finish(is_lost(client_) ? Reason::client_closed : Reason::upstream_closed);
  } else if (forth == Flow::busy || back == Flow::busy) {
    context_.poller.defer(*this);
  }
}

/// A reset that no read or write will tell of: that direction is over, or waits for the other side or its
/// turn.
bool Relay::is_lost(const Side& side) noexcept {
  const bool must_wait = side.throttle != nullptr && side.throttle->is_waiting();
  return side.stream->broken() && (side.finished || must_wait || !side.backlog.empty() || side.piped() > 0);
}

Relay::Flow Relay::pump(Side& from, Side& to) {
  if (from.finished) return Flow::waiting;
  std::size_t budget = turn_budget;
  Flow flow = Flow::waiting;
  if (from.throttle != nullptr) [[unlikely]]
    resume_bulk(from, to);
  if (!from.pipe) flow = copy(from, to, budget);
  if (from.pipe && flow == Flow::waiting) flow = splice(from, to, budget);
  if (flow != Flow::waiting || !from.ended || !from.backlog.empty() || from.piped() > 0) return flow;
  from.finished = pass_end(from, to);
  return Flow::waiting;
}

Relay::Flow Relay::copy(Side& from, Side& to, std::size_t& budget) {
  if (!from.backlog.empty()) {
    const IoResult flushed = from.backlog.flush(*to.stream);
    from.moved += flushed.bytes;
    if (flushed.status == IoStatus::failed) return fail(to);
    if (flushed.status == IoStatus::blocked) return Flow::waiting;
  }
  while (!from.ended && from.stream->readable() && to.stream->writable()) {
    if (budget == 0) return Flow::busy;
    const std::span<char> room = context_.scratch.first(may_read(from, context_.scratch.size()));
    if (room.empty()) return Flow::waiting;
    const IoResult got = from.stream->read(room);
    if (got.status == IoStatus::failed) return fail(from);
    if (got.status == IoStatus::ended) from.ended = true;
    if (got.status != IoStatus::ok) break;
    if (from.throttle != nullptr) from.throttle->use(got.bytes);
    if (listens_ && &from == &client_) [[unlikely]]
      listens_ = handler_.on_client_bytes({context_.scratch.data(), got.bytes});
    const IoResult sent = to.stream->write({context_.scratch.data(), got.bytes});
    if (sent.status == IoStatus::failed) return fail(to);
    from.moved += sent.bytes;
    // Tiny records cost as much as full ones.
    const std::size_t cost = from.stream->layer() ? context_.scratch.size() : got.bytes;
    budget -= std::min(budget, cost);
    const bool full = got.bytes == room.size();
    from.full_reads = full ? static_cast<std::uint8_t>(std::min(from.full_reads + 1, 100)) : std::uint8_t{0};
    if (sent.bytes < got.bytes) {
      from.backlog.keep({context_.scratch.data() + sent.bytes, got.bytes - sent.bytes});
      break;
    }
    const bool is_heard = listens_ && &from == &client_;
    if (from.full_reads < bulk_after || from.stream->layer() || to.stream->layer() || is_heard) continue;
    from.pipe = context_.pipes.take();
    if (from.pipe) break;
  }
  return Flow::waiting;
}

Relay::Flow Relay::splice(Side& from, Side& to, std::size_t& budget) {
  while (true) {
    if (const std::size_t before = from.piped(); before > 0) {
      if (drain_pipe(from, to) == Flow::failed) return Flow::failed;
      budget -= std::min(budget, before - from.piped());
      if (from.piped() > 0) return Flow::waiting;
    }
    if (from.ended || !from.stream->readable()) break;
    if (budget == 0) return Flow::busy;
    if (!to.stream->writable()) return Flow::waiting;
    const std::size_t most = may_read(from, from.pipe->capacity);
    if (most == 0) break;
    if (fill_pipe(from, most) == Flow::failed) return Flow::failed;
  }
  // A waiting session holds no pipe. When it is drained it takes one again after the next full read.
  give_pipe(from);
  if (!from.stream->readable()) from.full_reads = bulk_after - 1;
  return Flow::waiting;
}

Relay::Flow Relay::fill_pipe(Side& from, std::size_t most) {
  Pipe& pipe = *from.pipe;
  const ssize_t n = socket::splice(from.stream->fd(), pipe.write_end.get(), most);
  if (n > 0) {
    pipe.held = static_cast<std::size_t>(n);
    if (from.throttle != nullptr) from.throttle->use(pipe.held);
  } else if (n == 0) {
    from.ended = true;
  } else if (errno == EAGAIN) {
    from.stream->note_read_blocked();
  } else {
    from.stream->note_error(errno);
    return fail(from);
  }
  return Flow::waiting;
}

Relay::Flow Relay::drain_pipe(Side& from, Side& to) {
  Pipe& pipe = *from.pipe;
  while (pipe.held > 0 && to.stream->writable()) {
    const ssize_t n = socket::splice(pipe.read_end.get(), to.stream->fd(), pipe.held);
    if (n > 0) {
      pipe.held -= static_cast<std::size_t>(n);
      from.moved += static_cast<std::size_t>(n);
    } else if (n < 0 && errno == EAGAIN) {
      to.stream->note_write_blocked();
    } else {
      to.stream->note_error(n < 0 ? errno : EPIPE);
      return fail(to);
    }
  }
  return Flow::waiting;
}

void Relay::set_throttles(ThrottlePair* throttles) noexcept {
  throttles_ = throttles;
  client_.throttle = throttles != nullptr ? &throttles->from_client : nullptr;
  backend_.throttle = throttles != nullptr ? &throttles->to_client : nullptr;
  if (throttles != nullptr) throttles->set_waiter(*this);
  if (is_active() && !over_) context_.poller.defer(*this);  // what waited may have its turn
}

void Relay::drop_throttles() noexcept {
  if (throttles_ == nullptr) return;
  throttles_->cancel();
  throttles_ = nullptr;
  client_.throttle = backend_.throttle = nullptr;
}

std::size_t Relay::may_read(const Side& from, std::size_t most) {
  return from.throttle == nullptr ? most : from.throttle->lease(most);
}

/// What was bulk before it had to wait still is.
void Relay::resume_bulk(Side& from, const Side& to) {
  const bool is_heard = listens_ && &from == &client_;
  const bool plain = !from.stream->layer() && !to.stream->layer() && !is_heard;
  if (!from.pipe && from.full_reads >= bulk_after && from.backlog.empty() && plain && !from.ended)
    from.pipe = context_.pipes.take();
}

bool Relay::pass_end(Side& from, Side& to) {
  give_pipe(from);
  // The other direction is over as well: close() says the same without a call of its own.
  if (to.finished && !to.stream->layer()) return true;
  return to.stream->shutdown_write();
}

void Relay::give_pipe(Side& side) noexcept {
  if (side.pipe) context_.pipes.give(std::move(side.pipe));
}

Relay::Flow Relay::fail(const Side& side) noexcept {
  failure_ = &side == &client_ ? Reason::client_closed : Reason::upstream_closed;
  return Flow::failed;
}

void Relay::finish(Reason reason) {
  if (starting_) {
    failure_ = reason;
    over_ = true;
    context_.poller.defer(*this);
    return;
  }
  if (reason == Reason::ok) {
    client_.stream->close();
    backend_.stream->close();
  }
  stop();
  handler_.on_relay_done(reason);
}

}  // namespace arcus
