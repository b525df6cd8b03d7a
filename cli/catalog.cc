#include "cli/catalog.h"

#include <vector>

#include "lib/upstream/balancer.h"
#include "proxies/protocols.h"

namespace arcus::cli {

const Catalog& catalog() {
  static const std::vector<const ServerType*> types = [] {
    std::vector<const ServerType*> list;
    for (const Protocol* protocol : protocols()) list.push_back(&protocol->type);
    return list;
  }();
  static const Catalog catalog{.server_types = types, .algorithms = balance_algorithms()};
  return catalog;
}

}  // namespace arcus::cli
