#include "proxies/http/body.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "lib/http/write.h"
#include "lib/net/socket.h"

namespace arcus::http {

void BodyCoder::start(Framing received, std::uint64_t length, Framing sent) noexcept {
  chunks_ = {};
  received_ = received;
  sent_ = sent;
  left_ = length;
  done_ = received == Framing::none || (received == Framing::length && length == 0);
}

CodedBytes BodyCoder::feed(std::string_view in, std::span<char> room) noexcept {
  if (done_) return {};
  if (received_ == Framing::until_close) return {in, in.size()};
  if (received_ == Framing::chunked) return feed_chunks(in, room);
  const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(left_, in.size()));
  skip(size);
  return {in.substr(0, size), size};
}

CodedBytes BodyCoder::feed_chunks(std::string_view in, std::span<char> room) noexcept {
  const bool coded = sent_ == Framing::chunked;
  CodedBytes result;
  std::size_t used = 0;
  while (!done_) {
    const ChunkStep step = chunks_.next(in.substr(result.consumed));
    result.consumed += step.consumed;
    if (step.kind == ChunkStep::Kind::need_more) break;
    if (step.kind == ChunkStep::Kind::bad) {
      result.bad = true;
      break;
    }
    if (step.kind == ChunkStep::Kind::done) {
      done_ = true;
      if (coded) used += write_chunk_end(step.data, room.subspan(used));
      break;
    }
    if (coded) used += write_chunk_head(step.data.size(), room.data() + used);
    std::memcpy(room.data() + used, step.data.data(), step.data.size());
    used += step.data.size();
    if (!coded) continue;
    std::memcpy(room.data() + used, "\r\n", 2);
    used += 2;
  }
  result.out = {room.data(), used};
  return result;
}

std::uint64_t BodyCoder::plain_bytes() const noexcept {
  if (done_) return 0;
  if (received_ == Framing::length) return left_;
  return received_ == Framing::until_close ? ~std::uint64_t{0} : 0;
}

void BodyCoder::skip(std::uint64_t count) noexcept {
  if (received_ != Framing::length) return;
  left_ -= count;
  done_ = left_ == 0;
}

bool BodyPump::send(Stream& sink, std::string_view head, std::string_view body) {
  if (!out_.empty()) {
    out_.keep(head);
    out_.keep(body);
    return true;
  }
  const IoResult sent = sink.write(head, body);
  written_ += sent.bytes;
  if (sent.status == IoStatus::failed) return false;
  if (sent.bytes >= head.size() + body.size()) return true;
  if (sent.bytes < head.size()) out_.keep(head.substr(sent.bytes));
  out_.keep(body.substr(sent.bytes < head.size() ? 0 : sent.bytes - head.size()));
  return true;
}

BodyPump::Flow BodyPump::flush(Stream& sink) {
  if (out_.empty()) return Flow::finished;
  const IoResult flushed = out_.flush(sink);
  written_ += flushed.bytes;
  if (flushed.status == IoStatus::failed) return Flow::sink_failed;
  return flushed.status == IoStatus::ok ? Flow::finished : Flow::waiting;
}

BodyPump::Flow BodyPump::run(NetContext& net, std::span<char> room, Stream& source, Backlog& held,
                             Stream& sink) {
  std::size_t budget = turn_budget;
  while (true) {
    if (const Flow flow = flush(sink); flow != Flow::finished) return flow;
    if (coder_.done() && piped() == 0) {
      give_pipe(net);
      return Flow::finished;
    }
    if (!pipe_ && can_splice(source, sink, held)) pipe_ = net.pipes.take();
    const bool by_pipe = pipe_ && (piped() > 0 || can_splice(source, sink, held));
    const Flow flow =
        by_pipe ? splice(net, source, sink, budget) : copy(net, room, source, held, sink, budget);
    if (flow != Flow::busy || budget == 0) return flow;
  }
}

/// One read and one write. `busy` = something moved, go on.
BodyPump::Flow BodyPump::copy(NetContext& net, std::span<char> room, Stream& source, Backlog& held,
                              Stream& sink, std::size_t& budget) {
  if (!sink.writable()) return Flow::waiting;
  const std::size_t most = may_read(source, net.scratch.size());
  if (most == 0) return Flow::waiting;
  std::string_view bytes;
  const IoResult got = read_behind(net, source, held, bytes, most);
  if (got.status == IoStatus::blocked) return Flow::waiting;
  if (got.status == IoStatus::failed) return Flow::source_failed;
  if (got.status == IoStatus::ended) {
    coder_.close();
    return coder_.done() ? Flow::busy : Flow::source_ended;
  }
  note_read(got.bytes);
  read_ += got.bytes;
  total_ += got.bytes;
  budget -= std::min(budget, got.bytes);
  const CodedBytes coded = coder_.feed(bytes, room);
  if (coded.bad) return Flow::bad;
  if (!coded.out.empty() && !send(sink, coded.out, {})) return Flow::sink_failed;
  held.keep(bytes.substr(coded.consumed));
  return Flow::busy;
}

bool BodyPump::can_splice(const Stream& source, const Stream& sink, const Backlog& held) const noexcept {
  if (coder_.plain_bytes() < bulk || !held.empty() || source.layer() || sink.layer() || !source.readable())
    return false;
  return !coder_.until_close() || total_ >= bulk;  // of unknown length: when it has proved to be long
}

BodyPump::Flow BodyPump::splice(NetContext& net, Stream& source, Stream& sink, std::size_t& budget) {
  if (piped() == 0) {
    const std::size_t most = source.readable() && sink.writable() ? may_read(source, pipe_->capacity) : 0;
    if (most == 0) {
      give_pipe(net);
      return Flow::waiting;
    }
    if (!fill_pipe(source, most)) return Flow::source_failed;
    if (source_ended_) {
      give_pipe(net);
      coder_.close();
      return coder_.done() ? Flow::busy : Flow::source_ended;
    }
  }
  const std::size_t before = piped();
  if (!drain_pipe(sink)) return Flow::sink_failed;
  budget -= std::min(budget, before - piped());
  if (piped() > 0) return Flow::waiting;
  return Flow::busy;
}

bool BodyPump::fill_pipe(Stream& source, std::size_t most) {
  const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(coder_.plain_bytes(), most));
  const ssize_t n = socket::splice(source.fd(), pipe_->write_end.get(), size);
  if (n > 0) {
    pipe_->held = static_cast<std::size_t>(n);
    note_read(pipe_->held);
    read_ += pipe_->held;
    coder_.skip(pipe_->held);
  } else if (n == 0) {
    source_ended_ = true;
  } else if (errno == EAGAIN) {
    source.note_read_blocked();
  } else {
    source.note_error(errno);
    return false;
  }
  return true;
}

bool BodyPump::drain_pipe(Stream& sink) {
  while (piped() > 0 && sink.writable()) {
    const ssize_t n = socket::splice(pipe_->read_end.get(), sink.fd(), piped());
    if (n > 0) {
      pipe_->held -= static_cast<std::size_t>(n);
      written_ += static_cast<std::size_t>(n);
    } else if (n < 0 && errno == EAGAIN) {
      sink.note_write_blocked();
    } else {
      sink.note_error(n < 0 ? errno : EPIPE);
      return false;
    }
  }
  return true;
}

void BodyPump::give_pipe(NetContext& net) noexcept {
  if (pipe_) net.pipes.give(std::move(pipe_));
}

std::size_t BodyPump::take_read() noexcept { return std::exchange(read_, 0); }
std::size_t BodyPump::take_written() noexcept { return std::exchange(written_, 0); }

void BodyPump::clear(NetContext& net) noexcept {
  give_pipe(net);
  out_.clear();
  coder_.start(Framing::none, 0, Framing::none);
  read_ = written_ = 0;
  total_ = 0;
  source_ended_ = false;
  throttle_ = nullptr;
}

IoResult read_behind(NetContext& net, Stream& source, Backlog& held, std::string_view& bytes,
                     std::size_t most) {
  const std::size_t before = held.size();
  const std::string_view kept = held.view();
  if (before > 0) std::memcpy(net.scratch.data(), kept.data(), before);
  const IoResult got = source.read(net.scratch.subspan(before, std::min(most, net.scratch.size() - before)));
  if (got.status != IoStatus::ok) return got;
  held.clear();
  bytes = {net.scratch.data(), before + got.bytes};
  return got;
}

}  // namespace arcus::http
