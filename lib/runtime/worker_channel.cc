#include <array>

#include "lib/runtime/worker_loop.h"

namespace arcus {

using wire::FrameType;

void WorkerLoop::wait_for_frames() {
  channel_events_.async_wait(asio::posix::stream_descriptor::wait_read,
                             [this](const asio::error_code& error) {
                               if (!error) read_frames();
                             });
}

void WorkerLoop::read_frames() {
  try {
    while (auto frame = channel_.receive()) handle(std::move(*frame));
  } catch (const std::exception& error) {
    log_.error("channel_broken", field("error", error.what()));
    return channel_lost();
  }
  if (channel_.closed()) return channel_lost();
  wait_for_frames();
}

void WorkerLoop::channel_lost() {
  if (!ending_) log_.warn("daemon_gone");
  leave();
}

void WorkerLoop::send(FrameType type, const std::string& body) {
  try {
    channel_.send(type, body);
  } catch (const Error&) {
    return;  // the daemon is gone; the read side says so and ends us
  }
  wait_to_write();
}

void WorkerLoop::wait_to_write() {
  if (writing_ || !channel_.wants_write()) return;
  writing_ = true;
  channel_events_.async_wait(asio::posix::stream_descriptor::wait_write,
                             [this](const asio::error_code& error) {
                               writing_ = false;
                               if (error) return;
                               try {
                                 channel_.flush();
                               } catch (const Error&) {
                                 return;
                               }
                               wait_to_write();
                             });
}

static UniqueFd take_descriptor(wire::Frame& frame) {
  if (frame.descriptors.empty()) return UniqueFd{};
  return std::move(frame.descriptors.front());
}

void WorkerLoop::handle(wire::Frame frame) {
  switch (frame.type) {
    case FrameType::config:
      return on_config(wire::from_json<wire::WorkerConfig>(frame.body));
    case FrameType::listen:
      return on_listen(wire::from_json<wire::ListenFrame>(frame.body), take_descriptor(frame));
    case FrameType::unlisten:
      return on_unlisten(wire::from_json<wire::ListenFrame>(frame.body));
    case FrameType::drain:
      return drain_all(Milliseconds(wire::from_json<wire::DrainFrame>(frame.body).drain_timeout_ms));
    case FrameType::own_ports:
      return on_own_ports(wire::from_json<wire::OwnPortsFrame>(frame.body));
    case FrameType::probe:
      return on_probe(wire::from_json<wire::ProbeFrame>(frame.body));
    case FrameType::check:
      return on_check(wire::from_json<wire::CheckFrame>(frame.body));
    case FrameType::resolver:
      return on_resolver(wire::from_json<wire::ResolverConfig>(frame.body));
    case FrameType::counters:
      return table_.add_segment(wire::from_json<wire::CountersFrame>(frame.body).segment,
                                take_descriptor(frame));
    case FrameType::access_log:
      return table_.set_access_log(wire::from_json<wire::AccessLogFrame>(frame.body).tenant_id,
                                   take_descriptor(frame));
    case FrameType::status:
      return on_status();
    case FrameType::log_level:
      return on_log_level(frame.body);
    case FrameType::hello:
    case FrameType::ready:
    case FrameType::ack:
    case FrameType::event:
      break;
  }
  throw Error{ErrorKind::failed, "unexpected frame " + std::to_string(static_cast<int>(frame.type))};
}

}  // namespace arcus
