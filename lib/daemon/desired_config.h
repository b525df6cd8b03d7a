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
wire::ServerConfig server_config(const registry::DesiredServer& desired);

/// Everything that keeps a row from being applied (a hand edit can get past the schema's checks); empty when
/// it is good.
std::vector<std::string> problems_of(const registry::DesiredServer& desired,
                                     const registry::DesiredTenant& tenant, const Catalog& catalog);

}  // namespace arcus::daemon
