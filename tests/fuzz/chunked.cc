// However the bytes are cut into pieces, the body, its end and its faults are the same; written anew it is
// the same body.
#include <array>
#include <string>
#include <vector>

#include "lib/http/chunked.h"
#include "tests/fuzz/fuzz.h"

using namespace arcus::http;
using arcus::fuzz::require;
using Kind = ChunkStep::Kind;

namespace {
struct Decoded {
  Kind end = Kind::need_more;
  std::string body;
  std::string trailers;
  std::size_t used = 0;

  bool operator==(const Decoded&) const = default;
};
}  // namespace

static Decoded decode(std::string_view in, std::size_t step) {
  Decoded result;
  ChunkDecoder decoder;
  std::string held;
  while (result.end == Kind::need_more && !in.empty()) {
    held += in.substr(0, step);
    in.remove_prefix(std::min(step, in.size()));
    for (bool more = true; more;) {
      const ChunkStep found = decoder.next(held);
      require(found.consumed <= held.size(), "no more is used than there is");
      if (found.kind == Kind::data) result.body += found.data;
      if (found.kind == Kind::done) result.trailers = found.data;
      if (found.kind != Kind::bad) result.used += found.consumed;
      more = found.kind == Kind::data;
      if (!more) result.end = found.kind;
      held.erase(0, found.consumed);
    }
  }
  return result;
}

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view in = arcus::fuzz::text_of(data + 1, size - 1);
  const Decoded whole = decode(in, in.size() + 1);
  const Decoded pieces = decode(in, 1 + data[0] % 17);
  require(whole.end == pieces.end, "the end does not depend on the pieces");
  require(whole.end == Kind::bad || whole == pieces, "nor does the body");
  if (whole.end != Kind::done) return 0;
  std::array<char, 18> head;
  std::string again;
  if (!whole.body.empty())
    again.append(head.data(), write_chunk_head(whole.body.size(), head.data()))
        .append(whole.body)
        .append("\r\n");
  std::vector<char> tail(2 * whole.trailers.size() + 64);
  const std::size_t tail_size = write_chunk_end(whole.trailers, tail);
  require(tail_size > 0, "the end fits");
  again.append(tail.data(), tail_size);
  const Decoded second = decode(again, again.size());
  require(second.end == Kind::done && second.body == whole.body, "written anew it is the same body");
  require(second.used == again.size(), "and nothing else");
  return 0;
}
