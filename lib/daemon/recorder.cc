#include "lib/daemon/recorder.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "lib/base/error.h"
#include "lib/base/id.h"
#include "lib/base/log.h"
#include "lib/base/time.h"
#include "lib/daemon/counter_segments.h"

namespace arcus::daemon {

/// What one worker can count in a second at the very most: bytes of a terabit, or microseconds of many
/// waiting clients.
static constexpr double most_per_second = 1e12;
/// What a life may have counted before this daemon read it first.
static constexpr std::uint64_t most_before_us = std::uint64_t{1} << 53;

/// Takes over what grew: a worker that writes smaller values changes nothing. False, and nothing is taken,
/// when something grew by more than `most`.
static bool raise_to(wire::CounterTotals& sum, const wire::CounterTotals& next, std::uint64_t most) {
  wire::CounterTotals result = sum;
  bool is_sane = true;
  const auto raise = [most, &is_sane](std::uint64_t& value, std::uint64_t other) {
    is_sane = is_sane && (other <= value || other - value <= most);
    value = std::max(value, other);
  };
  raise(result.total_connections, next.total_connections);
  raise(result.closed_connections, next.closed_connections);
  raise(result.refused_connections, next.refused_connections);
  raise(result.peak_connections, next.peak_connections);
  raise(result.total_requests, next.total_requests);
  raise(result.bytes_in, next.bytes_in);
  raise(result.bytes_out, next.bytes_out);
  raise(result.error_count, next.error_count);
  raise(result.response_time_sum_us, next.response_time_sum_us);
  raise(result.response_time_count, next.response_time_count);
  raise(result.dropped_records, next.dropped_records);
  for (std::size_t i = 0; i < result.response_time.size(); ++i)
    raise(result.response_time[i], next.response_time[i]);
  for (std::size_t i = 0; i < result.reasons.size(); ++i) raise(result.reasons[i], next.reasons[i]);
  if (is_sane) sum = std::move(result);
  return is_sane;
}

static registry::ServerCounts counts_of(const wire::CounterTotals& totals) {
  registry::ServerCounts out;
  out.server_id = totals.server_id;
  out.total_connections = totals.total_connections;
  out.closed_connections = std::min(totals.closed_connections, totals.total_connections);
  out.refused_connections = totals.refused_connections;
  out.peak_connections = totals.peak_connections;
  out.total_requests = totals.total_requests;
  out.bytes_in = totals.bytes_in;
  out.bytes_out = totals.bytes_out;
  out.error_count = totals.error_count;
  out.response_time_sum_us = totals.response_time_sum_us;
  out.response_time_count = totals.response_time_count;
  out.dropped_records = totals.dropped_records;
  out.histogram.assign(totals.response_time.begin(), totals.response_time.end());
  for (const ReasonInfo& reason : reasons()) {
    const std::uint64_t count = totals.reasons[static_cast<std::size_t>(reason.reason)];
    if (count > 0) out.reasons.emplace_back(reason.name, count);
  }
  return out;
}

/// "0123456789ab.2.counters" -> "0123456789ab"; "" for any other name.
static std::string incarnation_of(const std::filesystem::path& path, std::string_view suffix) {
  const std::string name = path.filename();
  const auto dot = name.find('.');
  if (dot == std::string::npos || !name.ends_with(suffix) || !is_id(name.substr(0, dot))) return {};
  return name.substr(0, dot);
}

/// Where the names of a counter file stand.
static std::filesystem::path names_of(std::filesystem::path counters) {
  return counters.replace_extension(names_suffix);
}

Recorder::Recorder(Store& store, std::filesystem::path run_dir)
    : store_{store}, run_dir_{std::move(run_dir)} {}

/// What the registry knew of before this daemon: an incarnation may be folded while its file is still there,
/// or its files may be gone (a reboot) while it is not folded.
void Recorder::load_known() {
  if (has_loaded_) return;
  has_loaded_ = store_.write([this](Database& db) {
    known_.clear();
    for (auto& row : registry::list_incarnations(db)) known_.emplace(row.incarnation, row);
  });
  for (const auto& [incarnation, row] : known_) {
    if (!has_loaded_) return;
    Life life{.group = row.worker_group, .registered = true};
    (row.folded ? finished_ : lives_).emplace(incarnation, std::move(life));
  }
}

static bool has_path(const auto& files, const std::filesystem::path& path) {
  return std::ranges::any_of(files, [&path](const auto& file) { return file.path == path; });
}

void Recorder::find_files() {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator{run_dir_, error}) {
    if (!incarnation_of(entry.path(), names_suffix).empty()) {
      // Of a daemon that died between making, or removing, the one and the other.
      std::filesystem::path counters = entry.path();
      if (::access(counters.replace_extension(counter_suffix).c_str(), F_OK) != 0)
        ::unlink(entry.path().c_str());
      continue;
    }
    const std::string incarnation = incarnation_of(entry.path(), counter_suffix);
    if (incarnation.empty()) continue;
    if (const auto done = finished_.find(incarnation); done != finished_.end()) {
      const bool is_known = has_path(done->second.files, entry.path());
      if (!is_known)
        done->second.files.push_back({.path = entry.path(), .fd = {}, .names = {}, .is_final = true});
      continue;
    }
    const auto known = lives_.find(incarnation);
    if (known != lives_.end() && has_path(known->second.files, entry.path())) continue;
    UniqueFd fd{::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};
    UniqueFd names{::open(names_of(entry.path()).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};
    if (fd && names)
      lives_[incarnation].files.push_back(
          {.path = entry.path(), .fd = std::move(fd), .names = std::move(names)});
  }
}

static bool is_locked(const auto& file) noexcept try {
  return wire::counter_file_in_use(file.fd.get());
} catch (const Error&) {
  return false;
}

void Recorder::read(Life& life, bool is_live) {
  // The file is the worker's, which may be hostile: sums must never run over.
  const auto now = std::chrono::steady_clock::now();
  const double seconds = life.last_read ? std::chrono::duration<double>(now - *life.last_read).count() : 0.0;
  const std::uint64_t most = life.last_read || is_live
                                 ? static_cast<std::uint64_t>((seconds + 10.0) * most_per_second)
                                 : most_before_us;
  life.last_read = now;
  for (File& file : life.files) {
    if (file.is_final) continue;
    try {
      const bool is_free = !is_live && !wire::counter_file_in_use(file.fd.get());  // asked before it is read
      take(life, wire::read_counters(file.fd.get(), file.names.get()), most, file.path);
      file.is_final = is_free;
    } catch (const Error& error) {
      if (is_live || is_locked(file)) continue;  // its worker goes on counting
      Logger{"recorder"}.error("a counter file is damaged",
                               field("path", file.path) + field("error", error.what()));
      file.is_final = true;
    }
  }
}

void Recorder::take(Life& life, const wire::CounterFileTotals& totals, std::uint64_t most,
                    const std::string& path) {
  const auto accuse = [&life, &path](const std::string& of) {
    if (std::exchange(life.is_false, true)) return;
    Logger{"recorder"}.error("a worker counts what it cannot have done",
                             field("path", path) + field("of", of));
  };
  for (const auto& server : totals.servers) {
    auto [at, is_new] =
        life.seen.try_emplace(server.server_id, wire::CounterTotals{.server_id = server.server_id});
    if (!raise_to(at->second, server, most)) accuse(server.server_id);
  }
  for (const auto& tally : totals.tallies)
    if (!life.tallies.take(tally, most)) accuse(tally.name);
}

bool Recorder::is_final(const Life& life) const {
  return std::ranges::all_of(life.files, [](const File& file) { return file.is_final; });
}

std::vector<registry::ServerCounts> Recorder::changes(const Life& life) const {
  std::vector<registry::ServerCounts> out;
  for (const auto& [server, totals] : life.seen) {
    const auto written = life.written.find(server);
    const bool is_zero = totals == wire::CounterTotals{.server_id = server};
    if (written == life.written.end() ? !is_zero : !(written->second == totals))
      out.push_back(counts_of(totals));
  }
  return out;
}

void Recorder::flush(const std::map<std::string, std::string>& live) {
  load_known();
  if (!has_loaded_) return;
  find_files();
  std::map<std::string, std::vector<registry::ServerCounts>> changed;
  std::map<std::string, std::vector<registry::TallyCounts>> tallied;
  std::vector<std::string> final_ones;
  std::vector<std::string> new_ones;
  for (auto& [incarnation, life] : lives_) {
    const auto running = live.find(incarnation);
    const bool is_live = running != live.end();
    if (is_live) life.group = running->second;
    read(life, is_live);
    if (!life.registered) new_ones.push_back(incarnation);
    if (!is_live && is_final(life)) final_ones.push_back(incarnation);
    if (auto rows = changes(life); !rows.empty()) changed.emplace(incarnation, std::move(rows));
    if (auto rows = life.tallies.changes(); !rows.empty()) tallied.emplace(incarnation, std::move(rows));
  }
  const auto new_rates = rates();
  if (!changed.empty() || !tallied.empty() || !new_ones.empty() || !final_ones.empty() ||
      !new_rates.empty()) {
    const bool is_written = store_.write([&](Database& db) {
      for (const std::string& id : new_ones) {
        const Life& life = lives_[id];
        registry::add_incarnation(db, {.incarnation = id,
                                       .worker_group = life.group,
                                       .counter_path = life.files.front().path,
                                       .started_at = now_text()});
      }
      for (const auto& [id, rows] : changed) registry::put_counts(db, id, rows);
      for (const auto& [id, rows] : tallied) registry::put_tallies(db, id, rows);
      registry::put_rates(db, new_rates);
    });
    if (!is_written) return;
    for (const std::string& id : new_ones) lives_[id].registered = true;
    for (const auto& [id, rows] : changed) lives_[id].written = lives_[id].seen;
    for (const auto& [id, rows] : tallied) lives_[id].tallies.note_written();
  }
  // One by one: counts that cannot be added up must not hold up those of others.
  for (const std::string& id : final_ones)
    if (store_.write([&id](Database& db) { registry::fold_incarnation(db, id); }))
      finished_.insert(lives_.extract(id));
  unlink_finished();
}

/// The fold is in the registry: the files may go, then the rows.
void Recorder::unlink_finished() {
  if (finished_.empty()) return;
  for (auto& [incarnation, life] : finished_)
    for (const File& file : life.files) {
      ::unlink(file.path.c_str());
      ::unlink(names_of(file.path).c_str());
    }
  const bool is_written = store_.write([this](Database& db) {
    for (const auto& [incarnation, life] : finished_) registry::remove_incarnation(db, incarnation);
  });
  if (is_written) finished_.clear();
}

std::vector<registry::ServerRate> Recorder::rates() {
  std::map<std::string, Sums> sums;
  for (const auto& [incarnation, life] : lives_) {
    for (const auto& [server, totals] : life.seen) {
      sums[server].requests += totals.total_requests;
      sums[server].bytes += totals.bytes_in + totals.bytes_out;
    }
  }
  const auto now = std::chrono::steady_clock::now();
  const double seconds = std::chrono::duration<double>(now - last_flush_).count();
  const bool is_first = last_flush_ == std::chrono::steady_clock::time_point{};
  last_flush_ = now;
  std::vector<registry::ServerRate> out;
  for (const auto& [server, sum] : sums) {
    const Sums before = last_sums_[server];
    registry::ServerRate rate{.server_id = server};
    if (!is_first && seconds > 0 && sum.requests >= before.requests && sum.bytes >= before.bytes) {
      rate.requests = static_cast<double>(sum.requests - before.requests) / seconds;
      rate.bytes = static_cast<double>(sum.bytes - before.bytes) / seconds;
    }
    const bool is_moving = rate.requests > 0 || rate.bytes > 0;
    if (is_moving || has_rate_[server]) out.push_back(rate);
    has_rate_[server] = is_moving;
  }
  last_sums_ = std::move(sums);
  return out;
}

static std::int64_t open_now(const wire::CounterTotals& totals) {
  return totals.total_connections > totals.closed_connections
             ? static_cast<std::int64_t>(totals.total_connections - totals.closed_connections)
             : 0;
}

std::int64_t Recorder::active_connections() const {
  std::int64_t sum = 0;
  for (const auto& [incarnation, life] : lives_)
    for (const auto& [server, totals] : life.seen) sum += open_now(totals);
  return sum;
}

std::int64_t Recorder::active_connections(const std::string& server_id) const {
  std::int64_t sum = 0;
  for (const auto& [incarnation, life] : lives_)
    if (const auto found = life.seen.find(server_id); found != life.seen.end())
      sum += open_now(found->second);
  return sum;
}

}  // namespace arcus::daemon
