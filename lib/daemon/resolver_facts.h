#pragma once

#include <string>

#include "lib/wire/messages.h"

namespace arcus::daemon {

/// What a worker needs to resolve names and to know its own host, read here because workers have no files.
/// Missing files read as empty; each text is cut at 1 MiB.
wire::ResolverConfig read_resolver_facts(const std::string& resolv_conf = "/etc/resolv.conf",
                                         const std::string& hosts = "/etc/hosts");

}  // namespace arcus::daemon
