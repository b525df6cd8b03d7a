#pragma once

#include <string>
#include <vector>

#include "lib/base/server_type.h"
#include "lib/registry/desired.h"
#include "lib/wire/config.h"

namespace arcus::daemon {

/// The registry's rows as the worker gets them. The port of `server` is the wanted one, places of counters
/// are not filled in.
wire::TenantConfig tenant_config(const registry::DesiredTenant& desired);
std::vector<wire::RuleConfig> rule_configs(const std::vector<registry::Rule>& rules);
/// With the users who may log in now.
std::vector<wire::UserConfig> user_configs(const std::vector<registry::User>& users);
wire::ServerConfig server_config(const registry::DesiredServer& desired);

/// What is wrong with rules: of hand edits that got past the triggers.
std::vector<std::string> problems_of(const std::vector<registry::Rule>& rules);
/// Everything that keeps a row from being applied (a hand edit can get past the schema's checks); empty when
/// it is good.
std::vector<std::string> problems_of(const registry::DesiredServer& desired,
                                     const registry::DesiredTenant& tenant, const Catalog& catalog);

}  // namespace arcus::daemon
