#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "lib/base/address.h"
#include "lib/base/reason.h"
#include "lib/base/server_type.h"
#include "lib/policy/policy.h"
#include "lib/policy/routes.h"
#include "lib/registry/desired.h"
#include "lib/runtime/login.h"

/// What `explain` asks and finds: the judges of the traffic, applied to a question. Prints nothing.
namespace arcus::cli {

class Context;

/// One thing that was looked at.
struct Step {
  std::string name;
  std::string what;
  std::string verdict;
  Reason reason = Reason::ok;
  bool decides = false;
  std::string opener;  ///< the network that a rule would have to open
};

/// What is asked of a server.
struct Question {
  IpAddress client;
  std::string user;
  std::string host;
  std::uint16_t port = 0;
  std::string method;
  int minute = -1;

  policy::Request request() const {
    return {.client = client,
            .user = user,
            .host = host,
            .port = port,
            .method = method,
            .minute_of_day = minute};
  }
};

/// Everything that judges the traffic of one server, from the registry.
struct Judges {
  registry::DesiredServer server;
  wire::TenantConfig tenant;
  const ServerType* type = nullptr;
  Options options{{}, {}};
  std::unique_ptr<policy::Policy> policy;
  std::unique_ptr<UserTable> users;
  policy::Routes routes;
  std::vector<IpAddress> own_addresses;
  std::vector<std::uint16_t> own_ports;
  std::int64_t connections = 0;
  std::int64_t tenant_connections = 0;
  std::vector<HostPort> backends;  ///< of role origin
  bool has_parents = false;
};

/// From the registry. Throws Error (failed) for rules that no worker would take.
Judges load_judges(Context& context, const registry::Server& target);
/// True when its clients say where they go.
bool chooses_destination(const Judges& judges);
/// Everything that is looked at, in the order of the traffic; one step decides. `known`: what the name stands
/// for, empty = look it up.
std::vector<Step> judge(const Judges& judges, const Question& question, std::span<const IpAddress> known);

}  // namespace arcus::cli
