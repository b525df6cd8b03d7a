#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "lib/base/unique_fd.h"
#include "lib/daemon/store.h"
#include "lib/daemon/tally_ledger.h"
#include "lib/registry/accounting.h"
#include "lib/wire/counters.h"

namespace arcus::daemon {

/// Brings the counter files of the run directory into the registry: absolute values once a second while they
/// change; when a worker is gone one last time, together with the mark that they are final, and only then is
/// the file unlinked. So every count is taken over exactly once, whatever dies when. Files of earlier daemons
/// are found the same way.
class Recorder {
 public:
  Recorder(Store& store, std::filesystem::path run_dir);

  /// One round. `live` names the incarnations of workers that run, with their group: their files are never
  /// final. Writes nothing when nothing changed.
  void flush(const std::map<std::string, std::string>& live);

  /// Connections open now, over all workers, as of the last round.
  std::int64_t active_connections() const;
  /// Of one server.
  std::int64_t active_connections(const std::string& server_id) const;
  /// True when every file found belongs to a live worker.
  bool is_done() const noexcept { return finished_.empty(); }

 private:
  /// One counter file.
  struct File {
    std::string path;
    UniqueFd fd;
    UniqueFd names;         ///< of its entries
    bool is_final = false;  ///< its worker is gone, and it was read after that
  };
  /// One life of a worker.
  struct Life {
    std::string group;
    bool registered = false;
    bool is_false = false;  ///< it counted what cannot be; said once
    std::optional<std::chrono::steady_clock::time_point> last_read;
    std::vector<File> files;
    std::map<std::string, wire::CounterTotals> seen;     ///< by server; only ever grow
    std::map<std::string, wire::CounterTotals> written;  ///< as in the registry
    TallyLedger tallies;
  };
  struct Sums {
    std::uint64_t requests = 0;
    std::uint64_t bytes = 0;
  };

  void find_files();
  void read(Life& life, bool is_live);
  void take(Life& life, const wire::CounterFileTotals& totals, std::uint64_t most, const std::string& path);
  bool is_final(const Life& life) const;
  std::vector<registry::ServerCounts> changes(const Life& life) const;
  std::vector<registry::ServerRate> rates();
  void unlink_finished();
  void load_known();

  Store& store_;
  std::filesystem::path run_dir_;
  std::map<std::string, Life> lives_;     ///< by incarnation
  std::map<std::string, Life> finished_;  ///< taken over; files to unlink, row to remove
  std::map<std::string, registry::Incarnation> known_;
  bool has_loaded_ = false;

  std::map<std::string, Sums> last_sums_;
  std::map<std::string, bool> has_rate_;
  std::chrono::steady_clock::time_point last_flush_{};
};

}  // namespace arcus::daemon
