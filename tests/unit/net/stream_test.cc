#include <doctest/doctest.h>
#include <fcntl.h>

#include "lib/net/backlog.h"
#include "tests/unit/net/loop.h"

using namespace arcus;
using namespace arcus::test;

TEST_CASE("stream: readable after an event, not after a short read, ended after FIN") {
  Loop loop;
  auto [mine, theirs] = tcp_pair();
  CountingHandler handler;
  Stream stream(loop.poller, std::move(mine), &handler);
  REQUIRE(stream.valid());
  CHECK_FALSE(stream.readable());
  CHECK(stream.read(loop.scratch).status == IoStatus::blocked);
  REQUIRE(socket::send(theirs.get(), "hello") == 5);
  REQUIRE(loop.until([&] { return stream.readable(); }));
  const IoResult got = stream.read(loop.scratch);
  CHECK(got.status == IoStatus::ok);
  CHECK(std::string_view(loop.scratch.data(), got.bytes) == "hello");
  CHECK_FALSE(stream.readable());
  theirs.reset();
  REQUIRE(loop.until([&] { return stream.readable(); }));
  CHECK(stream.hung_up());
  CHECK(stream.read(loop.scratch).status == IoStatus::ended);
  CHECK(handler.calls > 0);
}

TEST_CASE("stream: bytes before a FIN that came with them are followed by the end") {
  Loop loop;
  auto [mine, theirs] = tcp_pair();
  REQUIRE(socket::send(theirs.get(), "last") == 4);
  theirs.reset();
  Stream stream(loop.poller, std::move(mine));
  REQUIRE(loop.until([&] { return stream.hung_up(); }));
  CHECK(stream.read(loop.scratch).bytes == 4);
  CHECK(stream.readable());
  CHECK(stream.read(loop.scratch).status == IoStatus::ended);
}

TEST_CASE("stream: events follow a move") {
  Loop loop;
  auto [mine, theirs] = tcp_pair();
  CountingHandler handler;
  Stream first(loop.poller, std::move(mine), &handler);
  Stream second(std::move(first));
  CHECK_FALSE(first.valid());
  REQUIRE(socket::send(theirs.get(), "x") == 1);
  CHECK(loop.until([&] { return second.readable(); }));
  CHECK_FALSE(first.readable());
}

TEST_CASE("stream: a full peer blocks the writer, the backlog keeps what is left and flushes it later") {
  Loop loop;
  auto [mine, theirs] = tcp_pair();
  Stream stream(loop.poller, std::move(mine));
  const std::string block(256 * 1024, 'b');
  std::size_t sent = 0;
  Backlog backlog;
  while (stream.writable()) {
    const IoResult result = stream.write(block);
    sent += result.bytes;
    if (result.bytes < block.size()) backlog.keep(std::string_view(block).substr(result.bytes));
  }
  REQUIRE_FALSE(backlog.empty());
  sent += backlog.size();
  std::size_t got = 0;
  CHECK(loop.until([&] {
    got += read_now(theirs.get()).size();
    return backlog.flush(stream).status == IoStatus::ok;
  }));
  CHECK(loop.until([&] { return (got += read_now(theirs.get()).size()) == sent; }));
  CHECK(backlog.empty());
}

TEST_CASE("stream: two parts go out in one piece") {
  Loop loop;
  auto [mine, theirs] = tcp_pair();
  Stream stream(loop.poller, std::move(mine));
  CHECK(stream.write("head", "body").bytes == 8);
  std::string got;
  CHECK(loop.until([&] { return (got += read_now(theirs.get())) == "headbody"; }));
}

TEST_CASE("stream: quiet is neither said anything, nor ended, nor reset") {
  Loop loop;
  for (const int what : {0, 1, 2, 3}) {
    CAPTURE(what);
    auto [mine, theirs] = tcp_pair();
    Stream stream(loop.poller, std::move(mine));
    loop.turn();
    if (what == 1) REQUIRE(socket::send(theirs.get(), "surplus") == 7);
    if (what == 2) theirs.reset();
    if (what == 3) {
      socket::set_reset_on_close(theirs.get());
      theirs.reset();
    }
    if (what > 0) REQUIRE(loop.until([&] { return stream.readable(); }));
    CHECK(stream.is_quiet() == (what == 0));
  }
}

TEST_CASE("stream: a reset fails the next read") {
  Loop loop;
  auto [mine, theirs] = tcp_pair();
  Stream stream(loop.poller, std::move(mine));
  Stream peer(loop.poller, std::move(theirs));
  peer.reset();
  REQUIRE(loop.until([&] { return stream.readable(); }));
  CHECK(stream.read(loop.scratch).status == IoStatus::failed);
  CHECK(stream.error() == ECONNRESET);
}

TEST_CASE("backlog: keeps order over many appends") {
  Backlog backlog;
  std::string all;
  for (int i = 0; i < 100; ++i) {
    const std::string part(static_cast<std::size_t>(i), static_cast<char>('a' + i % 26));
    backlog.keep(part);
    all += part;
  }
  CHECK(backlog.view() == all);
  backlog.clear();
  CHECK(backlog.empty());
}

TEST_CASE("linger: what was written arrives although the peer had sent more, then the socket closes") {
  Loop loop;
  auto [mine, theirs] = tcp_pair();
  REQUIRE(socket::send(theirs.get(), std::string(30'000, 'q')) == 30'000);
  bool gone = false;
  struct Keep final : Retired {
    explicit Keep(bool& its_gone) : gone(its_gone) {}
    ~Keep() override { gone = true; }
    bool& gone;
  };
  loop.lingering.add(Stream(loop.poller, std::move(mine)), "goodbye", std::make_unique<Keep>(gone));
  std::string got;
  REQUIRE(loop.until([&] { return (got += read_now(theirs.get())) == "goodbye"; }));
  CHECK_FALSE(gone);
  theirs.reset();
  CHECK(loop.until([&] { return gone; }));
  CHECK(loop.lingering.size() == 0);
}

TEST_CASE("linger: a peer that never ends is cut off after a second or 64 KiB") {
  Loop loop;
  auto [quiet, quiet_peer] = tcp_pair();
  auto [loud, loud_peer] = tcp_pair();
  const SteadyTime start = loop.poller.now();  // what deadlines count from
  loop.lingering.add(Stream(loop.poller, std::move(loud)));
  loop.lingering.add(Stream(loop.poller, std::move(quiet)));
  CHECK(loop.until([&] {
    static_cast<void>(socket::send(loud_peer.get(), std::string(32'768, 'x')));
    return loop.lingering.size() == 1;
  }));
  CHECK(loop.until([&] { return loop.lingering.size() == 0; }));
  CHECK(std::chrono::steady_clock::now() - start >= Lingering::patience);
}

TEST_CASE(
    "pipes: at most 64, 16 of them roomy and given out first, clean ones come back, dirty ones do not "
    "count") {
  PipePool pool;
  const auto give_dirty = [&](std::unique_ptr<Pipe> pipe) {
    if (pipe) pipe->held = 1;
    pool.give(std::move(pipe));
  };
  std::vector<std::unique_ptr<Pipe>> pipes;
  while (auto pipe = pool.take()) pipes.push_back(std::move(pipe));
  CHECK(pipes.size() <= std::size_t{PipePool::max_pipes});
  REQUIRE(pipes.size() > std::size_t{PipePool::max_roomy});
  for (std::size_t i = 0; i < pipes.size(); ++i) {
    const bool is_roomy = pipes[i]->capacity == PipePool::roomy_capacity;
    CHECK(is_roomy == (i < std::size_t{PipePool::max_roomy}));
    CHECK(pipes[i]->capacity == static_cast<std::size_t>(::fcntl(pipes[i]->read_end.get(), F_GETPIPE_SZ)));
  }
  std::swap(pipes[0], pipes[pipes.size() - 2]);
  pool.give(std::move(pipes[pipes.size() - 2]));  // a roomy one, then a common one
  pool.give(std::move(pipes.back()));
  pipes.pop_back();
  CHECK((pipes.back() = pool.take())->capacity == PipePool::roomy_capacity);
  pipes.push_back(pool.take());
  const int kept = pipes.back()->read_end.get();
  pool.give(std::move(pipes.back()));
  pipes.pop_back();
  auto again = pool.take();
  REQUIRE(again);
  CHECK(again->read_end.get() == kept);
  give_dirty(std::move(again));
  CHECK((again = pool.take()));
  CHECK(again->capacity == PipePool::min_capacity);
  give_dirty(std::move(again));
  give_dirty(std::move(pipes.front()));
  give_dirty(std::move(pipes[1]));
  CHECK((again = pool.take())->capacity == PipePool::roomy_capacity);
  give_dirty(std::move(again));
  for (auto& pipe : pipes) give_dirty(std::move(pipe));
}
