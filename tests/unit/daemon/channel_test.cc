#include "lib/daemon/channel.h"

#include <doctest/doctest.h>
#include <poll.h>

#include <asio/post.hpp>
#include <optional>
#include <string>

#include "lib/base/error.h"

using namespace arcus;
using namespace arcus::daemon;
using wire::FrameType;

namespace {

/// The daemon's end in an event loop, and a worker's end by hand.
struct Line {
  Line() {
    auto [ours, theirs] = wire::make_channel_pair();
    peer.emplace(std::move(theirs));
    channel.emplace(io, std::move(ours),
                    Channel::Handlers{.on_frame = [this](wire::Frame) { on_frame(); },
                                      .on_end = [this](std::string_view why) { end = std::string{why}; }});
  }
  void on_frame() {
    if (++frames == 1) asio::post(io, [this] { frames_before_others = frames; });
  }
  void run() {
    for (int i = 0; i < 100 && !end; ++i) {
      io.restart();
      io.poll();
    }
  }

  asio::io_context io;
  std::optional<wire::FrameChannel> peer;
  std::optional<Channel> channel;
  int frames = 0;
  int frames_before_others = 0;
  std::optional<std::string> end;
};

}  // namespace

TEST_CASE("channel: a worker that never stops talking lets others have their turn") {
  Line line;
  for (int i = 0; i < 200; ++i) line.peer->send(FrameType::event, "{}");
  line.run();
  CHECK(line.frames == 200);
  CHECK(line.frames_before_others <= 64);
  CHECK_FALSE(line.end);
}

TEST_CASE("channel: a worker may send neither much at once nor descriptors") {
  SUBCASE("a megabyte is enough") {
    Line line;
    line.peer->send(FrameType::event, std::string(1 << 21, 'x'));
    line.run();
    CHECK(line.end == "channel: a frame is too long");
  }
  SUBCASE("nobody asked for a descriptor") {
    Line line;
    line.peer->send(FrameType::event, "{}", line.peer->fd());
    line.run();
    CHECK(line.end == "channel: an unasked descriptor");
  }
  SUBCASE("one that does not read is given up") {
    Line line;
    for (int i = 0; i < 20'000; ++i) line.channel->send(FrameType::log_level, std::string(100, 'x'));
    line.run();
    CHECK(line.end == "it does not read its frames");
  }
}

TEST_CASE("channel: a body that no frame can take is the sender's error, not the end") {
  Line line;
  CHECK_THROWS_AS(line.channel->send(FrameType::config, std::string(wire::FrameChannel::max_body + 1, 'x')),
                  Error);
  line.run();
  CHECK_FALSE(line.end);
}
