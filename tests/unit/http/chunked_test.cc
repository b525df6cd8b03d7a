#include <doctest/doctest.h>

#include <array>
#include <string>

#include "lib/http/chunked.h"

using namespace arcus::http;
using Kind = ChunkStep::Kind;

namespace {
struct Decoded {
  Kind end = Kind::need_more;
  std::string body;
  std::string trailers;
  std::size_t used = 0;
};
}  // namespace

/// Feeds `text` in pieces of `step` bytes, keeping what was not consumed, as a connection would.
static Decoded decode(const std::string& text, std::size_t step) {
  Decoded result;
  ChunkDecoder decoder;
  std::string held;
  for (std::size_t at = 0; at < text.size(); at += step) {
    held += text.substr(at, step);
    while (true) {
      const ChunkStep found = decoder.next(held);
      if (found.kind == Kind::data) result.body += found.data;
      if (found.kind == Kind::done) result.trailers = found.data;
      result.used += found.consumed;
      held.erase(0, found.consumed);
      if (found.kind == Kind::data) continue;
      if (found.kind != Kind::need_more) {
        result.end = found.kind;
        return result;
      }
      break;
    }
  }
  return result;
}

TEST_CASE("chunked: any cut into pieces gives the same body") {
  const std::string text =
      "4\r\nWiki\r\n0B;ext=\"a;\\\"b\"\r\npedia in \r\n\r\n1\r\n!\r\n000\r\nX-Sum: 1\r\nY: z\r\n\r\n";
  const std::string surplus = text + "GET";
  for (std::size_t step = 1; step <= surplus.size(); ++step) {
    CAPTURE(step);
    const Decoded result = decode(surplus, step);
    CHECK(result.end == Kind::done);
    CHECK(result.body == "Wikipedia in \r\n!");
    CHECK(result.trailers == "X-Sum: 1\r\nY: z\r\n");
    CHECK(result.used == text.size());
  }
  for (std::size_t n = 0; n < text.size(); ++n) {
    CAPTURE(n);
    CHECK(decode(text.substr(0, n), 7).end == Kind::need_more);
  }
}

TEST_CASE("chunked: each fault is found in every cut") {
  const std::string texts[] = {
      "\r\n",
      "g\r\n",
      " 4\r\nWiki\r\n",
      "4 \r\nWiki\r\n",
      "4\t;x\r\nWiki\r\n",
      "+4\r\nWiki\r\n",
      "-1\r\n",
      "0x4\r\nWiki\r\n",
      "4\nWiki\r\n",
      "4\r\rWiki\r\n",
      "4\r\nWikiX\r\n",
      "4\r\nWiki\n",
      "4\r\nWiki\rX",
      "11111111111111111\r\n",
      "ffffffffffffffff\r\n",
      "8000000000000000\r\n",
      "4;a=\"\r\nWiki\r\n",
      "4;a=\"\\\r\n",
      "4;\x01\r\nWiki\r\n",
      "4;" + std::string(ChunkDecoder::max_extension_line + 1, 'x') + "\r\nWiki\r\n",
      "0\r\nX\r\n\r\n",
      "0\r\nX : y\r\n\r\n",
      "0\r\n X: y\r\n\r\n",
      "0\r\nX: y\n\r\n",
      "0\r\n\n",
      "0\r\nX: " + std::string(ChunkDecoder::max_trailers, 'x') + "\r\n\r\n",
  };
  for (const std::string& text : texts) {
    CAPTURE(text);
    CHECK(decode(text, text.size()).end == Kind::bad);
    CHECK(decode(text, 1).end == Kind::bad);
  }
}

TEST_CASE("chunked: extensions are bounded over the whole body") {
  std::string text;
  for (int i = 0; i < 5; ++i) text += "1;" + std::string(4000, 'x') + "\r\nA\r\n";
  CHECK(decode(text + "0\r\n\r\n", 1000).end == Kind::bad);
  CHECK(decode(text.substr(text.size() / 5 * 2) + "0\r\n\r\n", 1000).end == Kind::done);
}

TEST_CASE("chunked: nothing is taken after the end") {
  ChunkDecoder decoder;
  CHECK(decoder.next("0\r\n\r\n").kind == Kind::done);
  CHECK(decoder.next("0\r\n\r\n").kind == Kind::bad);
  CHECK(decoder.next("").kind == Kind::need_more);
}

TEST_CASE("chunked: bytes moved by others are skipped") {
  ChunkDecoder decoder;
  CHECK(decoder.remaining() == 0);
  const ChunkStep first = decoder.next("a\r\nab");
  CHECK(first.data == "ab");
  CHECK(decoder.remaining() == 8);
  decoder.skip(8);
  CHECK(decoder.remaining() == 0);
  CHECK(decoder.next("\r\n0\r\n\r\n").kind == Kind::done);
}

TEST_CASE("chunked: heads and ends as written") {
  std::array<char, 18> head;
  const auto text = [&](std::uint64_t size) {
    return std::string{head.data(), write_chunk_head(size, head.data())};
  };
  CHECK(text(0) == "0\r\n");
  CHECK(text(0x1a4) == "1a4\r\n");
  CHECK(text(~std::uint64_t{0}) == "ffffffffffffffff\r\n");

  std::array<char, 256> out;
  const std::string section =
      "X-Sum: 1\r\nContent-Length: 5\r\nHost: evil\r\nauthorization: x\r\nTransfer-Encoding: "
      "chunked\r\nY:z\r\n"
      "Set-Cookie: a\r\nConnection: close\r\n";
  const std::size_t size = write_chunk_end(section, out);
  CHECK(std::string_view{out.data(), size} == "0\r\nX-Sum: 1\r\nY: z\r\n\r\n");
  CHECK(write_chunk_end(section, std::span{out}.first(4)) == 0);
}
