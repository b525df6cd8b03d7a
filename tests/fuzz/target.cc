// A host that is accepted is either the one spelling of an address, or a name that no resolver takes for one.
#include <arpa/inet.h>

#include <string>

#include "lib/http/target.h"
#include "lib/policy/guard.h"
#include "tests/fuzz/fuzz.h"

using namespace arcus;
using namespace arcus::http;
using arcus::fuzz::require;

static void check(const Authority& authority) {
  const std::string host{authority.host};
  require(!host.empty() && host.size() <= 254, "a host has a sane length");
  require(host.find_first_of(std::string_view{"\0\r\n \t/\\@#?%[]", 13}) == std::string::npos,
          "and no delimiter");
  in_addr v4;
  const bool taken_for_v4 = inet_aton(host.c_str(), &v4) != 0;
  require(!taken_for_v4 || authority.literal.has_value(),
          "what a resolver takes for an address is one to us");
  if (!authority.literal) return;
  if (authority.literal->is_v4())
    require(ntohl(v4.s_addr) == authority.literal->v4_value(), "and the same one");
  policy::find_special(*authority.literal);
  require(IpAddress::parse(authority.literal->to_string()) == authority.literal, "its text is read back");
}

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view in = arcus::fuzz::text_of(data, size);
  Authority authority;
  if (parse_authority(in, authority)) check(authority);
  for (const Method method : {Method::get, Method::connect, Method::options}) {
    Target target;
    if (parse_target(in, method, target)) continue;
    if (target.form == TargetForm::absolute || target.form == TargetForm::authority) {
      check(target.authority);
      require(target.authority.port != 0, "a destination has a port");
    }
  }
  return 0;
}
