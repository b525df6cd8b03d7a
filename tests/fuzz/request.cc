// Whatever is accepted must, once written anew, be read in the same way: else two readers could disagree
// about where a request ends.
#include <string>
#include <vector>

#include "lib/http/write.h"
#include "tests/fuzz/fuzz.h"

using namespace arcus::http;
using arcus::fuzz::require;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string in{arcus::fuzz::text_of(data, size)};
  static RequestHead head, again;
  const Parse result = parse_request(in, head);
  require(result != Parse::bad || head.fault.status >= 400, "bad comes with a status");
  if (result != Parse::done) return 0;
  require(head.size <= in.size(), "no more is used than there is");
  for (std::size_t n = head.size - 1; n > 0; n = n * 7 / 8)
    require(parse_request(std::string_view{in}.substr(0, n), again) == Parse::need_more,
            "a prefix needs more");

  std::vector<char> out(2 * max_head_size + 4096);
  const bool absolute = head.target.form == TargetForm::absolute;
  const std::string_view authority = absolute ? head.target.authority.text : head.host.text;
  const std::size_t written = write_request(
      head, {.authority = authority.empty() ? "a.test" : authority, .via = "arcus-x", .client = "1.2.3.4"},
      out);
  require(written > 0, "it fits");
  if (head.method == Method::connect) return 0;
  const std::string_view text{out.data(), written};
  // What was near the limits before may be past them with Via and Host added.
  if (parse_request(text, again) == Parse::bad && again.fault.status == 431) return 0;
  if (again.fault.status == 414) return 0;
  require(parse_request(text, again) == Parse::done, "what is sent on is a request");
  require(again.size == written, "and nothing else");
  require(again.framing == head.framing && again.content_length == head.content_length,
          "with the same framing");
  require(again.method_name == head.method_name, "and method");
  require(again.target.form != TargetForm::absolute, "in origin-form");
  return 0;
}
