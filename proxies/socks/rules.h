#pragma once

#include <cstdint>
#include <string_view>

#include "lib/base/address.h"
#include "lib/policy/policy.h"
#include "lib/runtime/server_config.h"

namespace arcus::socks {

/// Who wants to reach what. Views need to live only for the call.
struct Asked {
  IpAddress client;
  std::string_view user;  ///< empty = nobody has logged in
  std::string_view host;  ///< name or literal; empty = none named
  std::uint16_t port = 0;
};

/// Each decision's `reason` is ok unless it denies.

/// By the rules about clients alone: for who asks for nothing yet.
policy::Decision judge_client(const ServerConfig& config, const Asked& asked);

/// By what is known without an address: ok, acl_denied, or destination_denied for a port nobody may reach.
policy::Decision judge(const ServerConfig& config, const Asked& asked);

/// By the rules for what a parent proxy is to reach.
policy::Decision judge_for_parent(const ServerConfig& config, const Asked& asked);

/// By the rules and the destination guard: may this client reach that address?
policy::Decision judge(const ServerConfig& config, const Asked& asked, const IpAddress& address);

}  // namespace arcus::socks
