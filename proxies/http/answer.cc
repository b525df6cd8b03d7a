#include <algorithm>
#include <cstring>
#include <utility>

#include "proxies/http/session.h"

namespace arcus::http {

using Flow = BodyPump::Flow;

/// So many 1xx answers may come before the real one.
static constexpr unsigned max_interims = 16;

bool HttpSession::move_exchange() {
  Exchange& exchange = *exchange_;
  if (client().broken()) {
    abort(Reason::client_closed);
    return false;
  }
  if (!exchange.request.finished() && !exchange.upload_broken && !move_request()) return false;
  if (!exchange.answered && !exchange.response.flushed() && !flush_interims()) return false;
  if (!exchange.answered && !read_answer()) return false;
  return exchange.answered ? move_answer() : phase_ == Phase::exchange;
}

/// Sends what the client has not taken of interim answers yet. False when it has gone.
bool HttpSession::flush_interims() {
  Exchange& exchange = *exchange_;
  const Flow flow = exchange.response.flush(client());
  const std::size_t written = exchange.response.take_written();
  connection_.count_out(written);
  exchange.bytes_out += written;
  if (flow != Flow::sink_failed) return true;
  abort(Reason::client_closed);
  return false;
}

/// Moves the request's body. True when the answer may be looked at.
bool HttpSession::move_request() {
  Exchange& exchange = *exchange_;
  const std::size_t held = client_in_.size();
  const Flow flow = exchange.request.run(net(), workspace().out, client(), client_in_, exchange.upstream);
  const std::size_t read = exchange.request.take_read(), written = exchange.request.take_written();
  connection_.count_in(read);
  exchange.bytes_in += read + held - client_in_.size();
  if (read + written > 0) handler_.timers().body->arm(deadline_);
  switch (flow) {
    case Flow::busy:
      net().poller.defer(*this);
      return true;
    case Flow::waiting:
      return true;
    case Flow::finished:
      if (!exchange.answered) handler_.timers().response->arm(deadline_);
      return true;
    case Flow::sink_failed:
      exchange.upload_broken = true;
      return true;
    case Flow::source_ended:
    case Flow::source_failed:
      abort(Reason::client_closed);
      return false;
    case Flow::bad:
      exchange.upstream.reset();
      return reject(bad_request);
  }
  return false;
}

/// Reads until the answer's head has been passed on. False when that must be waited for, or will not happen.
bool HttpSession::read_answer() {
  Exchange& exchange = *exchange_;
  while (!exchange.answered) {
    if (!exchange.response.flushed()) return false;  // the client first takes the interim answers
    std::string_view bytes;
    if (std::exchange(exchange.upstream_fresh, false)) {
      std::memcpy(net().scratch.data(), exchange.upstream_in.view().data(), exchange.upstream_in.size());
      bytes = {net().scratch.data(), exchange.upstream_in.size()};
      exchange.upstream_in.clear();
    } else {
      const std::size_t most = exchange.response.may_read(exchange.upstream, scratch_size);
      if (most == 0) return false;
      const IoResult got = read_behind(net(), exchange.upstream, exchange.upstream_in, bytes, most);
      if (got.status == IoStatus::blocked) return false;
      if (got.status != IoStatus::ok) return lost_upstream();
      exchange.response.note_read(got.bytes);
    }
    std::size_t used = 0;
    if (!take_answer(net().scratch.first(bytes.size()), used))
      return phase_ == Phase::exchange && exchange.answered;
    exchange.upstream_in.keep(bytes.substr(used));
    exchange.upstream_fresh = used > 0 && used < bytes.size() && !exchange.answered;
  }
  return true;
}

/// Parses one head at the start of `bytes` and passes it on; `used` is how much of them is done with. False
/// when the exchange took another turn.
bool HttpSession::take_answer(std::span<char> bytes, std::size_t& used) {
  Exchange& exchange = *exchange_;
  ResponseHead& head = workspace().response;
  switch (parse_response(bytes, head)) {
    case Parse::need_more:
      return true;
    case Parse::bad:
      return bad_answer();
    case Parse::done:
      break;
  }
  const std::string_view rest{bytes.data() + head.size, bytes.size() - head.size};
  used = head.size;
  if (head.status == 101) return switch_protocols(head, rest);
  if (head.status < 200) return pass_interim(head);
  if (head.status == 407) {
    if (exchange.has_parent()) exchange.trouble = "the parent proxy wants credentials";
    return bad_answer();
  }
  exchange.status = head.status;
  return pass_answer(head, rest, used);
}

bool HttpSession::bad_answer() {
  exchange_->client_keeps = exchange_->client_keeps && exchange_->request.finished();
  return reply(502, Reason::upstream_protocol);
}

bool HttpSession::pass_interim(const ResponseHead& head) {
  Exchange& exchange = *exchange_;
  if (++exchange.interims > max_interims) return bad_answer();
  if (exchange.client_minor == 0) return true;
  const std::size_t size = write_response(head, {.via = config().via}, workspace().out);
  if (size == 0) return bad_answer();
  if (!exchange.response.send(client(), {workspace().out.data(), size}, {})) {
    abort(Reason::client_closed);
    return false;
  }
  const std::size_t written = exchange.response.take_written();
  connection_.count_out(written);
  exchange.bytes_out += written;
  return true;
}

bool HttpSession::pass_answer(const ResponseHead& head, std::string_view rest, std::size_t& used) {
  Exchange& exchange = *exchange_;
  const Framing received = response_framing(head, exchange.method);
  const bool unchunk = received == Framing::chunked && exchange.client_minor == 0;
  const Framing sent = unchunk ? Framing::until_close : received;
  // An answer before the whole request came: what is left of it cannot be told from the next request.
  exchange.client_keeps = exchange.client_keeps && sent != Framing::until_close && !exchange.upload_broken &&
                          exchange.request.coder().done() && !is_draining();
  exchange.upstream_keeps =
      head.keep_alive && received != Framing::until_close && exchange.request.finished();
  const std::span<char> out{workspace().out};
  const std::size_t size = write_response(head,
                                          {.via = config().via,
                                           .framing = sent,
                                           .client_minor = exchange.client_minor,
                                           .keep_alive = exchange.client_keeps,
                                           .bodiless = exchange.method == Method::head || head.status == 304},
                                          out);
  if (size == 0) return bad_answer();
  exchange.response.coder().start(received, head.content_length, sent);
  const CodedBytes body = exchange.response.coder().feed(rest, out.subspan(size));
  if (body.bad) return bad_answer();
  used += body.consumed;
  exchange.response_time = since_start();
  exchange.pins = exchange.pins || logs_in_connection(head, FieldId::www_authenticate);
  if (connection_.config().access_log)
    if (const Field* type = head.fields.find(FieldId::content_type))
      exchange.notes.set(NoteKind::content_type, type->value);
  exchange.answered = true;
  if (exchange.request.finished()) handler_.timers().body->arm(deadline_);
  if (exchange.response.coder().done()) count_ahead(size + body.out.size());
  if (exchange.response.send(client(), {out.data(), size}, body.out)) return true;
  abort(Reason::client_closed);
  return false;
}

/// A worker may be killed inside the system call that completes an answer, when the client has it already:
/// what a client saw is counted, so a whole answer is counted before it is sent.
void HttpSession::count_ahead(std::size_t bytes) noexcept {
  Exchange& exchange = *exchange_;
  connection_.count_request(user(), exchange.rule);
  connection_.count_out(bytes);
  exchange.counted = true;
  exchange.prepaid = bytes;
}

/// Moves the answer's body; when all of it is through, ends the exchange.
bool HttpSession::move_answer() {
  Exchange& exchange = *exchange_;
  const Flow flow =
      exchange.response.run(net(), workspace().out, exchange.upstream, exchange.upstream_in, client());
  const std::size_t written = exchange.response.take_written();
  const std::size_t paid = std::min(written, exchange.prepaid);
  exchange.prepaid -= paid;
  connection_.count_out(written - paid);
  exchange.bytes_out += written;
  if (written + exchange.response.take_read() > 0 && flow != Flow::finished)
    handler_.timers().body->arm(deadline_);
  switch (flow) {
    case Flow::busy:
      net().poller.defer(*this);
      return false;
    case Flow::waiting:
      return false;
    case Flow::finished:
      return finish();
    case Flow::sink_failed:
      abort(Reason::client_closed);
      return false;
    case Flow::source_ended:
    case Flow::source_failed:
      abort(Reason::upstream_closed);  // RST: the client must not take it for the end
      return false;
    case Flow::bad:
      abort(Reason::upstream_protocol);
      return false;
  }
  return false;
}

/// For the next request: anyone's, or this client's alone.
void HttpSession::keep_upstream() {
  Exchange& exchange = *exchange_;
  if (exchange.pins) {
    exchange.upstream.set_handler(nullptr);
    pinned_ = std::make_unique<Pinned>(
        Pinned{std::move(exchange.upstream), *exchange.address, exchange.host, exchange.port, exchange.link});
    return;
  }
  if (!may_pool()) return;
  connection_.thread().keep_alive().put(key_for(*exchange.address), std::move(exchange.upstream),
                                        connection_.config().keepalive_timeout(),
                                        config().pool_idle_per_host);
}

bool HttpSession::finish() {
  Exchange& exchange = *exchange_;
  const bool whole = exchange.request.finished() && !exchange.upload_broken;
  const bool keep_client = exchange.client_keeps && whole;
  if (exchange.upstream_keeps && whole && exchange.upstream_in.empty() && !is_draining()) keep_upstream();
  record();
  const bool unread = !whole || !client_in_.empty() || client().readable();
  release_exchange();
  phase_ = Phase::head;
  if (keep_client && !(is_draining() && client_in_.empty())) {
    client_fresh_ = !client_in_.empty();
    handler_.timers().keepalive->arm(deadline_);
    return true;
  }
  if (unread || keep_client || client().layer() != nullptr) {  // TLS ends with close_notify
    close_politely({});
    return false;
  }
  phase_ = Phase::over;
  deadline_.disarm();
  end();
  return false;
}

}  // namespace arcus::http
