#include "lib/daemon/paths.h"

#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdint>
#include <cstdlib>

namespace arcus::daemon {

namespace fs = std::filesystem;

static std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

Surroundings Surroundings::of_process() {
  return {.home = variable("HOME"),
          .xdg_data_home = variable("XDG_DATA_HOME"),
          .xdg_state_home = variable("XDG_STATE_HOME"),
          .xdg_runtime_dir = variable("XDG_RUNTIME_DIR")};
}

/// A short name that differs for each registry (FNV-1a, 64 bits).
static std::string short_name(const fs::path& db) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : db.native()) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  std::array<char, 16> text{};
  const auto [end, error] = std::to_chars(text.data(), text.data() + text.size(), hash, 16);
  return {text.data(), end};
}

static fs::path beside(const fs::path& db, const char* suffix) { return db.native() + suffix; }

static fs::path first_of(const std::string& base, const std::string& home, const char* under_home) {
  return base.empty() ? fs::path{home} / under_home : fs::path{base};
}

static fs::path short_socket(const fs::path& db, const Surroundings& around) {
  const fs::path base = around.xdg_runtime_dir.empty()
                            ? fs::path{"/tmp"} / ("arcus-" + std::to_string(::getuid()))
                            : fs::path{around.xdg_runtime_dir} / "arcus";
  return base / (short_name(db) + ".sock");
}

std::string instance_name(const fs::path& db) { return "arcus-" + short_name(db).substr(0, 8); }

Paths paths_for(const fs::path& registry, const Surroundings& around) {
  std::error_code ignored;
  const fs::path db = fs::weakly_canonical(fs::absolute(registry), ignored);
  const bool has_home = !around.home.empty() || !around.xdg_data_home.empty();
  const fs::path user_db = first_of(around.xdg_data_home, around.home, ".local/share") / "arcus" / "arcus.db";

  Paths out{.db = db,
            .lock = beside(db, ".lock"),
            .socket = beside(db, ".sock"),
            .run_dir = beside(db, ".run"),
            .log_dir = beside(db, ".log")};
  if (db == "/var/lib/arcus/arcus.db") {
    out.run_dir = "/run/arcus";
    out.log_dir = "/var/log/arcus";
  } else if (has_home && db == fs::weakly_canonical(user_db, ignored)) {
    out.log_dir = first_of(around.xdg_state_home, around.home, ".local/state") / "arcus" / "log";
    if (!around.xdg_runtime_dir.empty()) out.run_dir = fs::path{around.xdg_runtime_dir} / "arcus";
  }
  if (out.socket.native().size() > max_socket_path) out.socket = short_socket(db, around);
  return out;
}

}  // namespace arcus::daemon
