// What a SOCKS client asks for is one address or one name that no resolver takes for an address; every
// shorter message waits for more, and none waits for ever.
#include <arpa/inet.h>

#include <array>
#include <string>

#include "proxies/socks/message.h"
#include "tests/fuzz/fuzz.h"

using namespace arcus;
using namespace arcus::socks;
using arcus::fuzz::require;

static void check(const Destination& destination) {
  require(destination.address.has_value() == destination.name.empty(), "either an address or a name");
  if (destination.address) {
    require(destination.address->unmapped() == *destination.address, "no address hides in another");
    require(IpAddress::parse(destination.address->to_string()) == destination.address,
            "its text is read back");
    return;
  }
  const std::string name{destination.name};
  require(name.size() <= max_name && is_host_name(name), "a name is one");
  in_addr v4;
  require(inet_aton(name.c_str(), &v4) == 0, "and nothing that a resolver takes for an address");
}

static void check_request(std::string_view in) {
  Request request, again;
  const Parse result = parse_request(in, request);
  if (result == Parse::need_more) {
    require(in.size() < max_message, "no message needs more than 600 bytes");
    return;
  }
  if (result == Parse::bad) {
    const bool spoken = !in.empty() && (in.front() == 4 || in.front() == 5);
    require(spoken == (request.fault != Code::granted), "who speaks SOCKS is told what is wrong");
    return;
  }
  require(request.fault == Code::granted && request.size <= in.size(), "no more is used than there is");
  check(request.destination);
  for (std::size_t n = 0; n < request.size; ++n)
    require(parse_request(in.substr(0, n), again) == Parse::need_more, "a prefix needs more");
  require(parse_request(in.substr(0, request.size), again) == Parse::done, "the rest does not matter");
}

static void check_greeting(std::string_view in) {
  Greeting greeting;
  const Parse result = parse_greeting(in, greeting);
  if (result == Parse::need_more) require(in.size() < max_message, "no greeting needs more than 600 bytes");
  if (result != Parse::done) return;
  require(greeting.size == greeting.methods.size() + 2 && greeting.size <= in.size(),
          "it ends where it says");
}

static void check_datagram(std::string_view in) {
  Datagram datagram;
  if (!parse_datagram(in, datagram)) return;
  require(in.ends_with(datagram.payload), "the payload is what is left");
  check(datagram.destination);
  if (!datagram.destination.address) return;
  std::array<char, max_reply> head;
  char* end = head.data() + head.size();
  const char* begin = write_datagram_head({*datagram.destination.address, datagram.destination.port}, end);
  Datagram again;
  require(parse_datagram({begin, static_cast<std::size_t>(end - begin)}, again), "an answer is read back");
  require(again.destination.address == datagram.destination.address &&
              again.destination.port == datagram.destination.port && again.payload.empty(),
          "as what it was");
}

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view in = arcus::fuzz::text_of(data, size);
  check_greeting(in);
  check_request(in);
  check_datagram(in);
  return 0;
}
