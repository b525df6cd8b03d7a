#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <string>

#include "lib/base/error.h"
#include "lib/wire/frame.h"

using namespace arcus;
using namespace arcus::wire;

namespace {

struct Ends {
  explicit Ends(std::pair<UniqueFd, UniqueFd> pair = make_channel_pair())
      : a{std::move(pair.first)}, b{std::move(pair.second)} {}
  FrameChannel a;
  FrameChannel b;
};

std::string raw_header(std::uint32_t length, std::uint16_t type, std::uint16_t descriptors) {
  std::string out(8, '\0');
  std::memcpy(out.data(), &length, 4);
  std::memcpy(out.data() + 4, &type, 2);
  std::memcpy(out.data() + 6, &descriptors, 2);
  return out;
}

}  // namespace

TEST_CASE("frame channel: frames arrive whole and in order") {
  Ends ends;
  ends.a.send(FrameType::hello, "one");
  ends.a.send(FrameType::config, "");
  ends.a.send(FrameType::drain, "three");
  const auto first = ends.b.receive();
  const auto second = ends.b.receive();
  const auto third = ends.b.receive();
  REQUIRE((first && second && third));
  CHECK(first->type == FrameType::hello);
  CHECK(first->body == "one");
  CHECK(second->body.empty());
  CHECK(third->body == "three");
  CHECK_FALSE(ends.b.receive());
  CHECK_FALSE(ends.b.closed());
}

TEST_CASE("frame channel: every descriptor reaches the frame it was sent with, close-on-exec") {
  Ends ends;
  std::array<int, 2> pipe{};
  REQUIRE(::pipe(pipe.data()) == 0);
  const UniqueFd reading{pipe[0]};
  UniqueFd writing{pipe[1]};
  ends.a.send(FrameType::status, "none");
  for (int i = 0; i < 20; ++i) ends.a.send(FrameType::listen, "fd", writing.get());
  ends.a.send(FrameType::status, "none");
  writing.reset();
  int with = 0;
  int without = 0;
  while (auto frame = ends.b.receive()) {
    CHECK(frame->descriptors.size() == (frame->type == FrameType::listen ? 1 : 0));
    (frame->descriptors.empty() ? without : with) += 1;
    if (frame->descriptors.empty()) continue;
    CHECK((::fcntl(frame->descriptors[0].get(), F_GETFD) & FD_CLOEXEC) != 0);
    CHECK(::write(frame->descriptors[0].get(), "x", 1) == 1);
  }
  CHECK(with == 20);
  CHECK(without == 2);
  std::array<char, 32> got{};
  CHECK(::read(reading.get(), got.data(), got.size()) == 20);
  CHECK(::read(reading.get(), got.data(), got.size()) == 0);  // no copy of the writing end was left open
}

TEST_CASE("frame channel: a body larger than the socket's buffer goes in pieces") {
  Ends ends;
  const std::string body(5'000'000, 'z');
  ends.a.send(FrameType::config, body);
  CHECK(ends.a.wants_write());
  std::optional<Frame> got;
  for (int i = 0; i < 10'000 && !got; ++i) {
    got = ends.b.receive();
    ends.a.flush();
  }
  REQUIRE(got);
  CHECK(got->body == body);
  CHECK_FALSE(ends.a.wants_write());
}

TEST_CASE("frame channel: the end of the peer is seen after its last frame") {
  auto [left, right] = make_channel_pair();
  FrameChannel receiver{std::move(right)};
  {
    FrameChannel sender{std::move(left)};
    sender.send(FrameType::event, "last words");
  }
  const auto last = receiver.receive();
  REQUIRE(last);
  CHECK(last->body == "last words");
  CHECK_FALSE(receiver.receive());
  CHECK(receiver.closed());
  CHECK_THROWS_AS(receiver.send(FrameType::hello, ""), Error);
}

// threats: worker-frames
TEST_CASE("frame channel: a peer that breaks the rules is refused") {
  const std::array<std::string, 4> bad{
      raw_header(FrameChannel::max_body + 1, 1, 0),  // too long
      raw_header(0, 0, 0),                           // no such type
      raw_header(0, 999, 0),                         // no such type
      raw_header(0, 4, 2),                           // more than one descriptor
  };
  for (const std::string& bytes : bad) {
    auto [left, right] = make_channel_pair();
    FrameChannel receiver{std::move(right)};
    REQUIRE(::write(left.get(), bytes.data(), bytes.size()) == 8);
    CHECK_THROWS_AS(receiver.receive(), Error);
  }
  auto [left, right] = make_channel_pair();
  FrameChannel receiver{std::move(right)};
  const auto claims_one = raw_header(0, 4, 1);
  REQUIRE(::write(left.get(), claims_one.data(), claims_one.size()) == 8);
  CHECK_THROWS_AS(receiver.receive(), Error);
}

TEST_CASE("frame channel: every cut of a frame waits for the rest") {
  const std::string whole = raw_header(3, 9, 0) + "abc";
  for (std::size_t cut = 0; cut < whole.size(); ++cut) {
    CAPTURE(cut);
    auto [left, right] = make_channel_pair();
    FrameChannel receiver{std::move(right)};
    REQUIRE(::write(left.get(), whole.data(), cut) == static_cast<ssize_t>(cut));
    CHECK_FALSE(receiver.receive());
    REQUIRE(::write(left.get(), whole.data() + cut, whole.size() - cut) > 0);
    const auto frame = receiver.receive();
    REQUIRE(frame);
    CHECK(frame->body == "abc");
  }
}
