#include "lib/upstream/connector.h"

#include <cerrno>
#include <utility>

#include "lib/base/log.h"
#include "lib/net/linger.h"
#include "lib/net/socket.h"
#include "lib/upstream/parent.h"

namespace arcus {

/// What one request needs besides the dial, step by step.
class Connector::Work final : private StreamHandler, private DeadlineHandler {
 public:
  Work(Connector& owner, ConnectRequest request)
      : owner_(owner), link_(std::move(request.link)), output_(std::move(request.proxy_header)) {
    if (link_ && link_->is_parent() && !request.tunnel_host.empty())
      parent_ = std::make_unique<ParentHandshake>(*link_, request.tunnel_host, request.tunnel_port);
  }

  void arm(std::chrono::milliseconds timeout) { owner_.context_.deadlines.of(timeout).arm(total_); }
  void begin(Stream stream, const Endpoint& address) {
    address_ = address;
    stream_ = std::move(stream);
    stream_.set_handler(this);
    run();
  }

 private:
  enum class Step : std::uint8_t { header, tls, parent };

  void on_ready(Stream&) override { run(); }
  void on_deadline(Deadline&) override { fail(Reason::connect_timeout, {}); }

  // Each step returns true when the next one may follow; otherwise all is said, or has to be waited for.
  void run();
  bool flush();
  bool speak_tls();
  bool speak_to_parent();
  bool hear_parent();
  bool peek_parent();
  void succeed();
  void fail(Reason reason, std::string detail, bool target_failure = false);

  Connector& owner_;
  std::shared_ptr<const BackendLink> link_;
  std::unique_ptr<ParentHandshake> parent_;  ///< null = no tunnel
  std::string output_;                       ///< not yet taken by the stream
  Stream stream_;
  Endpoint address_;
  Deadline total_{*this};
  TlsLayer* tls_ = nullptr;  ///< the stream's
  Step step_ = Step::header;
};

void Connector::Work::run() {
  if (step_ == Step::header) {
    if (!flush()) return;
    step_ = Step::tls;
  }
  if (step_ == Step::tls) {
    if (link_ && link_->tls && !speak_tls()) return;
    step_ = Step::parent;
  }
  if (parent_ && !speak_to_parent()) return;
  succeed();
}

bool Connector::Work::flush() {
  while (!output_.empty()) {
    const IoResult sent = stream_.write(output_);
    if (sent.status == IoStatus::failed) {
      fail(Reason::upstream_closed, {});
      return false;
    }
    output_.erase(0, sent.bytes);
    if (sent.status == IoStatus::blocked || !stream_.writable()) return output_.empty();
  }
  return true;
}

bool Connector::Work::speak_tls() {
  if (!tls_) {
    auto layer = link_->tls->connect();
    if (!layer) {
      fail(Reason::local_resource, {});
      return false;
    }
    tls_ = layer.get();
    stream_.set_layer(std::move(layer));
  }
  switch (tls_->handshake(stream_)) {
    case Handshake::done:
      return true;
    case Handshake::wants_more:
      return false;
    case Handshake::failed:
      break;
  }
  std::string why = tls_->failure();
  owner_.context_.lingering.add(std::move(stream_));
  fail(Reason::upstream_tls_failed, std::move(why));
  return false;
}

bool Connector::Work::speak_to_parent() {
  while (parent_->state() == ParentHandshake::State::under_way) {
    output_ += parent_->take_output();
    if (!flush()) return false;
    if (!(stream_.layer() ? hear_parent() : peek_parent())) return false;
  }
  if (parent_->state() == ParentHandshake::State::done) return true;
  fail(parent_->reason(), parent_->detail(), parent_->is_target_failure());
  return false;
}

/// Through TLS, one byte at a time: what follows the parent's answer must stay in the stream.
bool Connector::Work::hear_parent() {
  char byte = 0;
  const IoResult got = stream_.read({&byte, 1});
  if (got.status == IoStatus::blocked) return false;
  if (got.status == IoStatus::ok) return parent_->feed({&byte, 1}), true;
  fail(Reason::upstream_closed, "the parent proxy closed the connection");
  return false;
}

/// On a bare socket: looks, then takes just what belongs to the answer.
bool Connector::Work::peek_parent() {
  if (!stream_.readable()) return false;
  const std::span<char> room = owner_.context_.scratch.first(4096);
  const ssize_t n = socket::peek(stream_.fd(), room);
  if (n < 0 && errno == EAGAIN) {
    stream_.note_read_blocked();
    return false;
  }
  if (n > 0) {
    const std::size_t used = parent_->feed({room.data(), static_cast<std::size_t>(n)});
    static_cast<void>(stream_.read_raw(room.first(used)));
    return true;
  }
  fail(Reason::upstream_closed, "the parent proxy closed the connection");
  return false;
}

void Connector::Work::succeed() {
  Stream stream = std::move(stream_);
  stream.set_handler(nullptr);
  const std::unique_ptr<Work> self = std::move(owner_.work_);  // until we return
  self->owner_.handler_.on_dialed(std::move(stream), self->address_, false);
}

void Connector::Work::fail(Reason reason, std::string detail, bool target_failure) {
  static const Logger log("upstream");
  if (!detail.empty() && log.enabled(LogLevel::debug))
    log.debug("failed", field("address", address_.to_string()) + field("reason", name_of(reason)) +
                            field("why", detail));
  const std::unique_ptr<Work> self = std::move(owner_.work_);
  total_.disarm();
  stream_.close();
  owner_.dialer_.stop();
  owner_.detail_ = std::move(detail);
  owner_.target_failure_ = target_failure;
  owner_.handler_.on_dial_failed(reason);
}

Connector::Connector(NetContext& context, DialHandler& handler) noexcept
    : context_(context), handler_(handler), dialer_(context, *this) {}

Connector::~Connector() = default;

void Connector::start(ConnectRequest request) {
  stop();
  detail_.clear();
  target_failure_ = false;
  const auto timeout = request.timeout;
  DialRequest dial{
      .host = std::move(request.host), .port = request.port, .timeout = timeout, .source = request.source};
  if (request.link || !request.proxy_header.empty())
    work_ = std::make_unique<Work>(*this, std::move(request));
  dialer_.start(std::move(dial));
  if (work_) work_->arm(timeout);
}

void Connector::fail_later(Reason reason) {
  stop();
  dialer_.fail_later(reason);
}

void Connector::stop() noexcept {
  work_.reset();
  dialer_.stop();
}

void Connector::on_dialed(Stream stream, const Endpoint& address, bool reused) {
  if (work_ && !reused) return work_->begin(std::move(stream), address);
  work_.reset();
  handler_.on_dialed(std::move(stream), address, reused);
}

void Connector::on_dial_failed(Reason reason) {
  work_.reset();
  handler_.on_dial_failed(reason);
}

}  // namespace arcus
