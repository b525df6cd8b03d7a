#include "proxies/http/session.h"

#include <cstring>
#include <string>
#include <utility>

namespace arcus::http {

/// Pipelined requests that need no upstream must not keep the thread from other clients.
static constexpr int max_steps = 128;

HttpSession::HttpSession(HttpHandler& handler, ClientConnection connection, std::string_view already_read)
    : Session(std::move(connection)), handler_(handler) {
  client_in_.keep(already_read);
  client_fresh_ = !already_read.empty();
}

void HttpSession::start() {
  client().set_handler(this);
  handler_.timers().keepalive->arm(deadline_);
  run();
}

void HttpSession::on_ready(Stream&) { run(); }
void HttpSession::on_deferred() { run(); }

void HttpSession::run() {
  if (running_) return;  // called back from within a step: the loop below goes on anyway
  running_ = true;
  try {
    run_steps();
  } catch (...) {  // out of memory: this client's end, nobody else's
    running_ = false;
    on_kill(Reason::internal);
    throw;
  }
  running_ = false;
  if (ThrottlePair* both = connection_.throttles()) [[unlikely]]
    both->settle();
}

void HttpSession::run_steps() {
  bool more = true;
  for (int steps = 0; more; ++steps) {
    if (steps == max_steps) {
      net().poller.defer(*this);
      break;
    }
    switch (phase_) {
      case Phase::head:
        more = read_head();
        break;
      case Phase::login:
      case Phase::queue:
      case Phase::dialing:
        if (client().broken()) abort(Reason::client_closed);
        more = false;
        break;
      case Phase::exchange:
        more = move_exchange();
        break;
      case Phase::tunnel:
      case Phase::over:
        more = false;
        break;
    }
  }
}

bool HttpSession::read_head() {
  std::string_view bytes;
  if (std::exchange(client_fresh_, false)) {
    std::memcpy(net().scratch.data(), client_in_.view().data(), client_in_.size());
    bytes = {net().scratch.data(), client_in_.size()};
    client_in_.clear();
  } else {
    const IoResult got = read_behind(net(), client(), client_in_, bytes);
    if (got.status == IoStatus::blocked) return false;
    if (got.status != IoStatus::ok) {
      lost_before_request(got.status);
      return false;
    }
    connection_.count_in(got.bytes);
  }
  if (!exchange_) {
    exchange_ = handler_.take_exchange();
    exchange_->started = connection_.thread().now();
  }
  if (!worth_parsing(bytes, tried_)) return needs_more(bytes);
  RequestHead& head = workspace().request;
  switch (parse_request(bytes, head)) {
    case Parse::need_more:
      return needs_more(bytes);
    case Parse::bad:
      exchange_->bytes_in = bytes.size();
      return reject(head.fault);
    case Parse::done:
      break;
  }
  tried_ = 0;
  in_head_ = false;
  if (!exchange_->queued) deadline_.disarm();  // else it is that of the queue
  return begin(head, bytes.substr(head.size));
}

bool HttpSession::needs_more(std::string_view bytes) {
  client_in_.keep(bytes);
  if (!std::exchange(in_head_, true)) handler_.timers().header->arm(deadline_);
  return client().readable();
}

/// The client has closed between requests, or within a head.
void HttpSession::lost_before_request(IoStatus status) {
  if (exchange_) {
    exchange_->bytes_in = client_in_.size();
    return abort(Reason::client_closed);
  }
  if (status == IoStatus::failed) client().reset();
  phase_ = Phase::over;
  deadline_.disarm();
  end();
}

void HttpSession::on_deadline(Deadline&) {
  if (phase_ == Phase::head) {
    if (in_head_) {
      exchange_->bytes_in = client_in_.size();
      reply(408, Reason::header_timeout);
    } else {
      phase_ = Phase::over;
      if (client().layer()) static_cast<void>(client().shutdown_write());  // idle: a clean end
      end();
    }
    return;
  }
  if (phase_ == Phase::queue) {
    exchange_->choice.give_up();
    return resume_head();
  }
  Exchange& exchange = *exchange_;
  if (phase_ == Phase::dialing) {
    exchange.choice.give_up();
    reply(status_of(exchange.dial_failure), exchange.dial_failure);
    return run();
  }
  if (phase_ != Phase::exchange) return;
  const bool sent = exchange.request.finished() || exchange.upload_broken;
  if (const ThrottlePair* both = connection_.throttles(); both != nullptr && both->is_waiting())
    return (sent && !exchange.answered ? handler_.timers().response : handler_.timers().body)->arm(deadline_);
  if (exchange.answered) return abort(Reason::body_timeout);
  if (sent) {
    reply(504, Reason::response_timeout);
  } else {
    reply(exchange.request.flushed() ? 408 : 504, Reason::body_timeout);
  }
  run();
}

std::chrono::microseconds HttpSession::since_start() const noexcept {
  return std::chrono::duration_cast<std::chrono::microseconds>(connection_.thread().now() -
                                                               exchange_->started);
}

void HttpSession::record() {
  const RequestFacts& known = facts();
  connection_.record(
      {.kind = tunnel_ ? RecordKind::connection : RecordKind::request,
       .reason = known.reason,
       .started = known.started,
       .response_time = known.response_time,
       .status = known.status,
       .tag = tunnel_ ? "TCP_TUNNEL" : "",
       .method = known.notes.get(NoteKind::method),
       .target = known.notes.get(NoteKind::target),
       .version = !known.has_head           ? ""
                  : known.client_minor == 0 ? "HTTP/1.0"
                                            : "HTTP/1.1",
       .user = user(),
       .rule = known.rule,
       .server_name = tunnel_ && tunnel_->witness ? tunnel_->witness->name() : std::string_view{},
       .referer = known.notes.get(NoteKind::referer),
       .user_agent = known.notes.get(NoteKind::user_agent),
       .content_type = known.notes.get(NoteKind::content_type),
       .hierarchy = known.has_parent() ? "FIRSTUP_PARENT" : "",
       .upstream = known.address,
       .upstream_reused = known.reused,
       .counted = known.counted,
       .bytes_in = known.bytes_in,
       .bytes_out = known.bytes_out,
       .dns_time = known.dns_time,
       .connect_time = known.connect_time});
}

void HttpSession::release_exchange() {
  if (exchange_) handler_.give_exchange(std::move(exchange_));
}

void HttpSession::abort(Reason reason) {
  facts().reason = reason;
  record();
  phase_ = Phase::over;
  deadline_.disarm();
  unqueue();
  if (login_) login_->drop();
  tunnel_.reset();
  if (exchange_) exchange_->upstream.reset();
  release_exchange();
  client().reset();
  end();
}

void HttpSession::close_politely(std::string_view rest) {
  phase_ = Phase::over;
  deadline_.disarm();
  unqueue();
  pinned_.reset();
  release_exchange();
  const std::string last{rest};
  end();  // the object lives on until the batch is over
  std::move(connection_).close_politely(last);
}

void HttpSession::on_drain() {
  draining_ = true;
  if (phase_ == Phase::head && !exchange_) close_politely({});
}

void HttpSession::on_kill(Reason reason) {
  if (phase_ == Phase::over) return;
  if (exchange_ || tunnel_) return abort(reason);
  phase_ = Phase::over;
  deadline_.disarm();
  client().reset();
  end();
}

/// Rules that tightened end tunnels they would not have let begin, and all that a client has who may no
/// longer enter; else requests are judged one by one.
void HttpSession::on_config() {
  if (phase_ == Phase::over) return;
  if (const Reason denied = judge_user(tunnel_ != nullptr); denied != Reason::ok) return on_kill(denied);
  if (phase_ != Phase::tunnel) {
    if (!connection_.server().config()->policy->admits(connection_.peer().address))
      return on_kill(Reason::acl_denied);
  } else if (const Reason denied = judge_anew(); denied != Reason::ok) {
    return abort(denied);
  }
  if (!exchange_ && !tunnel_) return;
  set_throttles();
  if (!tunnel_) net().poller.defer(*this);  // what waited may have its turn
}

}  // namespace arcus::http
