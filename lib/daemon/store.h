#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "lib/base/server_type.h"
#include "lib/db/database.h"
#include "lib/registry/desired.h"

namespace arcus::daemon {

/// The daemon's one connection to the registry. After the first opening nothing here throws for a full disk,
/// a locked, lost or damaged file: the daemon keeps serving, retries, and `problem()` says what is wrong.
class Store {
 public:
  /// Opens, migrates and checks the file. Throws Error as Database does.
  Store(std::filesystem::path path, const Catalog& catalog);

  /// True when someone else committed since the last call, or the file was replaced, or came back.
  bool changed();

  /// All desired rows in one snapshot; nothing while the file cannot be read.
  std::optional<registry::Desired> load();

  /// What `look` says of the file; false while it cannot be read.
  bool holds(const std::function<bool(Database&)>& look);

  /// Runs `body` in one transaction as `daemon`. False when it could not be committed: try again later.
  bool write(const std::function<void(Database&)>& body);

  /// What is wrong with the file; empty when all is well.
  const std::string& problem() const noexcept { return problem_; }

  /// The checkpoint duty: moves the log into the file when it exceeds 256 pages, or after 5 minutes with
  /// something in it.
  void checkpoint_if_due();

  const std::filesystem::path& path() const noexcept { return path_; }

 private:
  struct Identity {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    bool operator==(const Identity&) const = default;
  };

  static std::optional<Identity> identity_of(const std::filesystem::path& path);
  void open();
  /// The connection, made anew when it broke or the file is another one; null while that fails.
  Database* connection();
  void note_problem(std::string text);
  void note_success();

  std::filesystem::path path_;
  const Catalog& catalog_;
  std::unique_ptr<Database> db_;
  Identity identity_;
  std::int64_t data_version_ = 0;
  bool reopened_ = false;
  std::string problem_;
  std::chrono::steady_clock::time_point logged_at_{};
  std::chrono::steady_clock::time_point reopen_at_{};
  std::chrono::steady_clock::time_point checkpointed_at_{};
};

}  // namespace arcus::daemon
