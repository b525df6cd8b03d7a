#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace arcus::daemon {

/// Where the files of one registry's daemon are. All absolute.
struct Paths {
  std::filesystem::path db;
  std::filesystem::path lock;     ///< <db>.lock
  std::filesystem::path socket;   ///< <db>.sock, or a short path when that is too long for a socket
  std::filesystem::path run_dir;  ///< counter files
  std::filesystem::path log_dir;  ///< daemon.log, <tenant>/access.log

  std::filesystem::path daemon_log() const { return log_dir / "daemon.log"; }
  std::filesystem::path access_log(std::string_view tenant) const { return log_dir / tenant / "access.log"; }
};

/// What the paths depend on besides the registry's own; for tests.
struct Surroundings {
  std::string home;
  std::string xdg_data_home;
  std::string xdg_state_home;
  std::string xdg_runtime_dir;

  static Surroundings of_process();
};

/// The system registry (/var/lib/arcus) has /run/arcus and /var/log/arcus, the user's default one the XDG
/// directories; any other keeps everything beside itself (<db>.run, <db>.log), so that two never mix.
Paths paths_for(const std::filesystem::path& db, const Surroundings& around = Surroundings::of_process());

/// A name for this registry's daemon that tells nothing about it, the same over restarts: "arcus-4f7c09e1".
std::string instance_name(const std::filesystem::path& db);

/// The longest path a socket may have (the kernel's 108 bytes hold a final NUL).
inline constexpr std::size_t max_socket_path = 107;

}  // namespace arcus::daemon
