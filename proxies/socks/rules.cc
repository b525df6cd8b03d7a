#include "proxies/socks/rules.h"

#include "lib/policy/policy.h"
#include "lib/runtime/target_dial.h"
#include "proxies/socks/config.h"

namespace arcus::socks {

static policy::Request question(const Asked& asked) {
  return {.client = asked.client, .user = asked.user, .host = asked.host, .port = asked.port};
}

Reason judge_client(const ServerConfig& config, const Asked& asked) {
  if (config.policy->empty()) return Reason::ok;
  const policy::Decision decision =
      config.policy->decide_name({.client = asked.client, .user = asked.user, .host = {}});
  return decision.verdict == policy::Verdict::deny ? decision.reason : Reason::ok;
}

Reason judge(const ServerConfig& config, const Asked& asked) {
  if (config_of(config).denied_ports.contains(asked.port)) return Reason::destination_denied;
  if (config.policy->empty()) return Reason::ok;
  const policy::Decision decision = config.policy->decide(question(asked), nullptr);
  return decision.verdict == policy::Verdict::deny ? decision.reason : Reason::ok;
}

Reason judge_for_parent(const ServerConfig& config, const Asked& asked) {
  const policy::Decision decision = decide_for_parent(config, question(asked));
  return decision.verdict == policy::Verdict::deny ? decision.reason : Reason::ok;
}

Reason judge(const ServerConfig& config, const Asked& asked, const IpAddress& address) {
  const Endpoint endpoint{address, asked.port};
  if (config.facts->is_own(endpoint)) return Reason::destination_denied;
  if (config.policy->empty()) return policy::find_special(address) ? Reason::destination_denied : Reason::ok;
  const policy::Decision decision = config.policy->decide_address(question(asked), endpoint, {});
  return decision.verdict == policy::Verdict::deny ? decision.reason : Reason::ok;
}

}  // namespace arcus::socks
