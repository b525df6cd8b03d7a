#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/core/context.h"
#include "lib/daemon/paths.h"
#include "lib/db/database.h"
#include "lib/registry/servers.h"

/// What `doctor` looks at. One row for each check in doctor.cc; the work is in doctor_*.cc.
namespace arcus::cli::doctor {

enum class State : std::uint8_t { ok, skip, warn, error };

/// One sentence a check says; `remedy` is the command to type, or empty.
struct Finding {
  State state = State::ok;
  std::string sentence;
  std::string remedy = {};
};
using Findings = std::vector<Finding>;

/// What the checks share: read once.
struct Patient {
  Context& context;
  daemon::Paths paths;
  std::unique_ptr<Database> db;  ///< for reading; none when it cannot be opened: then `db_error`
  std::string db_error;
  std::string db_hint;
  std::optional<RunHolder> holder;
  std::vector<registry::Server> servers;  ///< those that are enabled, of tenants that are

  explicit Patient(Context& context);

  std::size_t wanted_running() const;
};

struct Check {
  std::string_view id;
  Findings (*look)(const Patient& patient);
  /// Repairs what it can; returns one line for each action.
  std::vector<std::string> (*fix)(Patient& patient) = nullptr;
  bool needs_db = true;
};

/// Each looks at one thing; an empty result means there was nothing to look at.
Findings look_at_lock(const Patient& patient);
Findings look_at_heartbeat(const Patient& patient);
Findings look_at_socket(const Patient& patient);
Findings look_at_version(const Patient& patient);
std::vector<std::string> remove_stale_socket(Patient& patient);

Findings look_for_ktls(const Patient& patient);
Findings look_for_landlock(const Patient& patient);
Findings look_for_seccomp(const Patient& patient);
Findings look_for_systemd(const Patient& patient);

Findings look_at_backlog(const Patient& patient);
Findings look_at_descriptors(const Patient& patient);
Findings look_at_local_ports(const Patient& patient);
Findings look_at_memory(const Patient& patient);
Findings look_at_refusals(const Patient& patient);

/// Address and port as people write them.
std::string listen_of(const registry::Server& server);

Findings look_at_certificate_ends(const Patient& patient);
Findings look_at_certificate_files(const Patient& patient);
Findings look_at_certificate_names(const Patient& patient);

Findings look_at_users(const Patient& patient);
Findings look_for_metadata(const Patient& patient);
Findings look_for_open_proxies(const Patient& patient);

Findings look_for_overlaps(const Patient& patient);
Findings look_for_port_holders(const Patient& patient);
Findings look_at_privileged_ports(const Patient& patient);

Findings look_at_file(const Patient& patient);
Findings look_at_integrity(const Patient& patient);
Findings look_at_log(const Patient& patient);
Findings look_at_modes(const Patient& patient);
Findings look_at_schema(const Patient& patient);
Findings look_at_audit(const Patient& patient);
Findings look_at_space(const Patient& patient);
std::vector<std::string> fold_log(Patient& patient);
std::vector<std::string> tighten_modes(Patient& patient);
std::vector<std::string> restore_schema(Patient& patient);

}  // namespace arcus::cli::doctor
