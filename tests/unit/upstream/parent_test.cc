#include <doctest/doctest.h>

#include <random>
#include <string>

#include "lib/upstream/parent.h"

using namespace arcus;

using State = ParentHandshake::State;

static BackendLink link_of(BackendRole role) {
  BackendLink link;
  link.role = role;
  return link;
}

TEST_CASE("parent: short and broken answers to CONNECT are refused, not read past their end") {
  const BackendLink link = link_of(BackendRole::parent_http);
  for (const std::string_view reply :
       {"HTTP/1.\n\n", "HTTP/1.1\n\n", "HTTP/1.1 \n\n", "HTTP/1.1 2\n\n", "HTTP/1.1 20\n\n",
        "HTTP/1.1 2000 OK\r\n\r\n", "HTTP/1.1  200 OK\r\n\r\n", "HTTP/1.1 099 x\r\n\r\n",
        "HTTP/1.1 600 x\r\n\r\n", "HTTP/2 200\r\n\r\n", "\n\n", "x"}) {
    CAPTURE(reply);
    ParentHandshake parent(link, "a.test", 443);
    CHECK(parent.feed(reply) <= reply.size());
    CHECK(parent.state() == State::failed);
    CHECK(parent.reason() == Reason::upstream_protocol);
  }
  ParentHandshake parent(link, "a.test", 443);
  CHECK(parent.feed("HTTP/1.1 200\n\nrest") == 14);
  CHECK(parent.state() == State::done);
}

TEST_CASE("parent: no random answer is more than taken or refused") {
  std::mt19937 random(7);
  for (const BackendRole role : {BackendRole::parent_http, BackendRole::parent_socks5}) {
    const BackendLink link = link_of(role);
    for (int turn = 0; turn < 20'000; ++turn) {
      ParentHandshake parent(link, "a.test", 443);
      std::string reply = role == BackendRole::parent_http ? "HTTP/1.1 200 OK\r\n\r\n"
                                                           : std::string("\5\0\5\0\0\1\1\2\3\4\0\5", 12);
      reply.resize(random() % (reply.size() + 1));
      for (std::size_t i = random() % 3; i > 0 && !reply.empty(); --i)
        reply[random() % reply.size()] = static_cast<char>(random());
      reply += role == BackendRole::parent_http ? "\n\n" : std::string(random() % 4, '\0');
      std::size_t taken = parent.feed(reply);
      static_cast<void>(parent.take_output());
      taken += parent.feed(std::string_view{reply}.substr(taken));
      CHECK(taken <= reply.size());
    }
  }
}
