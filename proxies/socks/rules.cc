#include "proxies/socks/rules.h"

#include "lib/runtime/upstream_dial.h"
#include "proxies/socks/config.h"

namespace arcus::socks {

static policy::Request question(const Asked& asked) {
  return {.client = asked.client, .user = asked.user, .host = asked.host, .port = asked.port};
}

policy::Decision judge_client(const ServerConfig& config, const Asked& asked) {
  if (config.policy->empty()) return {};
  return config.policy->decide_name({.client = asked.client, .user = asked.user, .host = {}});
}

static policy::Decision destination_denied() {
  return {.verdict = policy::Verdict::deny, .reason = Reason::destination_denied};
}

policy::Decision judge(const ServerConfig& config, const Asked& asked) {
  if (config_of(config).denied_ports.contains(asked.port)) return destination_denied();
  if (config.policy->empty()) return {};
  return config.policy->decide(question(asked), nullptr);
}

policy::Decision judge_for_parent(const ServerConfig& config, const Asked& asked) {
  return decide_for_parent(config, question(asked));
}

policy::Decision judge(const ServerConfig& config, const Asked& asked, const IpAddress& address) {
  const Endpoint endpoint{address, asked.port};
  if (config.facts->is_own(endpoint)) return destination_denied();
  if (config.policy->empty())
    return policy::find_special(address) ? destination_denied() : policy::Decision{};
  return config.policy->decide_address(question(asked), endpoint, {});
}

}  // namespace arcus::socks
