// A header is found at its length and nowhere before; what follows it does not matter; a refusal stays one;
// written anew it names the same addresses.
#include <string>

#include "lib/net/proxy_header.h"
#include "tests/fuzz/fuzz.h"

using arcus::ProxyHeader;
using arcus::ProxyParse;
using arcus::fuzz::require;

static void check_prefixes(std::string_view in, ProxyParse whole, const ProxyHeader& header) {
  const std::size_t end = whole == ProxyParse::done ? header.size : in.size();
  bool refused = false;
  for (std::size_t n = 0; n < end; n += 1 + n / 16) {
    ProxyHeader part;
    const ProxyParse got = arcus::parse_proxy_header(in.substr(0, n), part);
    require(got != ProxyParse::done, "no prefix of a header is one");
    require(got == ProxyParse::bad || !refused, "what was refused stays refused");
    refused = got == ProxyParse::bad;
  }
  require(!refused || whole == ProxyParse::bad, "the whole is refused with its start");
}

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view in = arcus::fuzz::text_of(data, size);
  ProxyHeader header;
  const ProxyParse whole = arcus::parse_proxy_header(in, header);
  check_prefixes(in, whole, header);
  require(whole != ProxyParse::need_more || size < arcus::max_proxy_header, "the longest is bounded");
  if (whole != ProxyParse::done) return 0;
  require(header.size <= size && header.size <= arcus::max_proxy_header, "the size is within the bytes");
  ProxyHeader alone;
  require(arcus::parse_proxy_header(in.substr(0, header.size), alone) == ProxyParse::done,
          "the header alone is whole");
  require(alone.source == header.source && alone.destination == header.destination,
          "what follows does not matter");
  if (!header.has_addresses) return 0;
  for (const int version : {1, 2}) {
    ProxyHeader again;
    const std::string text = arcus::write_proxy_header(version, header.source, header.destination);
    require(arcus::parse_proxy_header(text, again) == ProxyParse::done, "what is written can be read");
    require(again.source == header.source && again.destination == header.destination &&
                again.size == text.size() && again.version == version,
            "and says the same");
  }
  return 0;
}
