#include "proxies/http/body.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace arcus::http;

/// Feeds `text` in pieces of `step` bytes as a connection would; what is left over is appended to `surplus`.
static std::string pass(BodyCoder& coder, const std::string& text, std::size_t step, std::string& surplus) {
  std::string out, held;
  std::vector<char> room(text.size() + BodyCoder::slack);
  for (std::size_t at = 0; at < text.size(); at += step) {
    held += text.substr(at, step);
    const CodedBytes coded = coder.feed(held, room);
    if (coded.bad) return "bad";
    out += coded.out;
    held.erase(0, coded.consumed);
  }
  surplus = held;
  return out;
}

TEST_CASE("body: a length passes unchanged and stops at its end") {
  for (std::size_t step = 1; step < 12; ++step) {
    CAPTURE(step);
    BodyCoder coder;
    coder.start(Framing::length, 5, Framing::length);
    std::string surplus;
    CHECK(pass(coder, "helloGET", step, surplus) == "hello");
    CHECK(surplus == "GET");
    CHECK(coder.done());
    CHECK(coder.plain_bytes() == 0);
  }
}

TEST_CASE("body: chunks are written anew, extensions and forbidden trailers dropped") {
  BodyCoder coder;
  coder.start(Framing::chunked, 0, Framing::chunked);
  std::string surplus;
  CHECK(pass(coder, "05;x=y\r\nhello\r\n1\r\n!\r\n0;z\r\nX-Sum: 1\r\nHost: evil\r\n\r\nrest", 100, surplus) ==
        "5\r\nhello\r\n1\r\n!\r\n0\r\nX-Sum: 1\r\n\r\n");
  CHECK(surplus == "rest");
  CHECK(coder.done());
}

TEST_CASE("body: for a 1.0 client the chunks become plain") {
  for (std::size_t step = 1; step < 40; ++step) {
    CAPTURE(step);
    BodyCoder coder;
    coder.start(Framing::chunked, 0, Framing::until_close);
    std::string surplus;
    CHECK(pass(coder, "5\r\nhello\r\n6\r\n world\r\n0\r\nX: y\r\n\r\n", step, surplus) == "hello world");
    CHECK(coder.done());
  }
}

TEST_CASE("body: only an until_close body ends with the connection") {
  BodyCoder coder;
  coder.start(Framing::until_close, 0, Framing::until_close);
  CHECK_FALSE(coder.done());
  coder.close();
  CHECK(coder.done());
  coder.start(Framing::length, 5, Framing::length);
  coder.close();
  CHECK_FALSE(coder.done());
  coder.start(Framing::length, 0, Framing::length);
  CHECK(coder.done());
  coder.start(Framing::none, 0, Framing::none);
  CHECK(coder.done());
}
