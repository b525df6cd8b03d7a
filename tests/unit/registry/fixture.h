#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "lib/base/server_type.h"
#include "lib/db/database.h"
#include "lib/registry/mutation.h"
#include "lib/registry/servers.h"
#include "lib/registry/tenants.h"

namespace arcus::registry {

/// A fresh registry in a directory of its own, with the types http and tcp.
class Registry {
 public:
  Registry();
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  Database& db() noexcept { return *db_; }
  static const Catalog& catalog();

  /// Runs `change` in one audited transaction of actor "tester".
  template <class Change>
  auto write(Change change, std::string via = "cli") {
    Mutation mutation(*db_, {"tester", std::move(via), "because"});
    if constexpr (std::is_void_v<decltype(change())>) {
      change();
      mutation.commit();
    } else {
      auto result = change();
      mutation.commit();
      return result;
    }
  }

  Tenant add_tenant(std::string_view name);
  /// An http server on 127.0.0.1, port 0 unless given.
  Server add_http(std::string_view tenant, std::string_view name, int port = 0);

  std::int64_t number(std::string_view sql);
  std::string text(std::string_view sql);

 private:
  std::filesystem::path directory_;
  std::optional<Database> db_;
};

}  // namespace arcus::registry
