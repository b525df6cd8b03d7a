// Whatever is accepted, mended or not, must leave as an answer that needs no mending.
#include <string>
#include <vector>

#include "lib/http/write.h"
#include "tests/fuzz/fuzz.h"

using namespace arcus::http;
using arcus::fuzz::require;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string in{arcus::fuzz::text_of(data, size)};
  static ResponseHead head, again;
  if (parse_response(in, head) != Parse::done) return 0;
  require(head.size <= in.size(), "no more is used than there is");
  for (const Method method : {Method::get, Method::head, Method::connect}) {
    const Framing framing = response_framing(head, method);
    std::vector<char> out(2 * max_head_size + 4096);
    const std::size_t written = write_response(
        head,
        {.via = "arcus-x", .framing = framing, .bodiless = method == Method::head || head.status == 304},
        out);
    require(written > 0, "it fits");
    if (written > max_head_size || head.fields.count + 3 > max_fields) continue;
    require(parse_response({out.data(), written}, again) == Parse::done, "what is sent on is an answer");
    require(again.size == written, "and nothing else");
    require(again.repairs == 0, "with nothing to mend");
    require(response_framing(again, method) == framing, "and the same framing");
    require(framing != Framing::length || again.content_length == head.content_length, "and length");
    require(again.status == head.status, "and status");
  }
  return 0;
}
