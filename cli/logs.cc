#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <set>

#include "cli/look.h"
#include "lib/base/error.h"
#include "lib/base/text.h"
#include "lib/base/time.h"
#include "lib/base/unique_fd.h"
#include "lib/base/units.h"
#include "lib/daemon/paths.h"
#include "lib/db/database.h"
#include "lib/registry/observed.h"

namespace arcus::cli::look {
namespace {

namespace fs = std::filesystem;

/// One log file, read on from where the last reading ended.
struct LogFile {
  fs::path path;
  std::string tenant;               ///< empty: the daemon's own
  std::set<std::string> servers{};  ///< only records of these; empty: all
  std::uintmax_t offset = 0;
  ino_t inode = 0;
};

struct Line {
  WallTime at{};
  std::string text;
  bool daemon = false;
};

/// The time a line begins with: epoch.ms of squid's format, the registry's form, or a JSON record's.
std::optional<WallTime> time_of(std::string_view line) {
  const auto dot = line.find('.');
  if (dot == 10 && line.size() > 14) {
    const auto seconds = parse_integer(line.substr(0, 10));
    const auto ms = parse_integer(std::string{"1"}.append(line.substr(11, 3)));
    if (seconds && ms) return WallTime{std::chrono::milliseconds{*seconds * 1000 + *ms - 1000}};
  }
  if (line.starts_with("{")) {
    const auto at = line.find("\":\"2");
    if (at != std::string_view::npos) line.remove_prefix(at + 3);
  }
  return line.size() < 24 ? std::nullopt : parse_time(line.substr(0, 24));
}

/// A JSON record names its server; the other formats do not, so that all of the tenant's are shown.
bool is_wanted(const LogFile& file, std::string_view line) {
  if (file.servers.empty() || !line.starts_with("{")) return true;
  return std::ranges::any_of(file.servers, [&](const std::string& name) {
    return line.find("\"server\":\"" + name + "\"") != std::string_view::npos;
  });
}

/// What was appended since the last call; a file that was replaced or cut is read from its start.
void read_on(LogFile& file, std::vector<Line>& lines) {
  struct stat info {};
  if (::stat(file.path.c_str(), &info) != 0) return;
  if (info.st_ino != file.inode || static_cast<std::uintmax_t>(info.st_size) < file.offset) file.offset = 0;
  file.inode = info.st_ino;
  std::ifstream in{file.path, std::ios::binary};
  in.seekg(static_cast<std::streamoff>(file.offset));
  std::string text;
  WallTime last{};
  while (std::getline(in, text)) {
    if (in.eof()) break;  // a line without its end: it is still being written
    file.offset += text.size() + 1;
    if (!is_wanted(file, text)) continue;
    last = time_of(text).value_or(last);
    lines.push_back({last, std::move(text), file.tenant.empty()});
  }
}

/// `reader` may not exist: logs are there without a registry that can be read.
daemon::Paths log_paths(Context& context) {
  daemon::Paths paths = daemon::paths_for(context.db_path());
  if (const auto row = registry::find_daemon(context.db()); row && !row->log_dir.empty())
    paths.log_dir = row->log_dir;
  return paths;
}

std::vector<LogFile> files_of(Context& context, const Args& args) {
  const daemon::Paths paths = log_paths(context);
  std::vector<LogFile> files;
  const auto add = [&](const std::string& tenant, const std::string& server) {
    auto found = std::ranges::find(files, tenant, &LogFile::tenant);
    if (found == files.end())
      found = files.insert(files.end(), {.path = paths.access_log(tenant), .tenant = tenant});
    if (!server.empty()) found->servers.insert(server);
  };
  if (!args[daemon_only]) {
    for (const std::string_view word : args[log_refs]) {
      const registry::Server server = find_target(context, word);
      add(server.tenant, server.name);
    }
    if (args[log_refs].empty())
      for (const registry::Tenant& tenant : registry::list_tenants(context.db()))
        if (context.tenant().empty() || tenant.name == context.tenant()) add(tenant.name, "");
  }
  const bool everything = args[log_refs].empty() && context.tenant().empty();
  if (args[daemon_only] || (everything && !args[access_only]))
    files.push_back({.path = paths.daemon_log(), .tenant = {}});
  return files;
}

std::string_view colour_of(const Line& line) {
  if (!line.daemon) return "";
  if (line.text.find(" error ") != std::string::npos) return "red";
  return line.text.find(" warn ") != std::string::npos ? "yellow" : "";
}

/// `first`: cut to --since and --lines.
void print(Context& context, const Args& args, std::vector<Line>& found, bool first) {
  std::ranges::stable_sort(found, {}, &Line::at);
  const std::string_view text = args[grep];
  const auto from = args.has(since) ? wall_now() - args[since] : WallTime{};
  std::erase_if(found, [&](const Line& line) {
    return (!text.empty() && line.text.find(text) == std::string::npos) || (first && line.at < from);
  });
  const auto most = static_cast<std::size_t>(args[look::lines]);
  const std::size_t skip = first && found.size() > most ? found.size() - most : 0;
  for (std::size_t i = skip; i < found.size(); ++i) {
    const std::string clean = escape_terminal(found[i].text);
    std::string text_line = context.out().paint(colour_of(found[i]), clean);
    if (context.out().json() && !clean.starts_with("{"))
      text_line = "{\"at\":" + json_quoted(to_text(found[i].at)) + ",\"line\":" + json_quoted(clean) + "}";
    context.out().raw(text_line + "\n");
  }
  context.out().flush();
}

/// Waits until something in the directories of `files` changed, at most a second.
class Watcher {
 public:
  explicit Watcher(const std::vector<LogFile>& files) : fd_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {
    for (const LogFile& file : files)
      ::inotify_add_watch(fd_.get(), file.path.parent_path().c_str(), IN_MODIFY | IN_CREATE | IN_MOVED_TO);
  }
  void wait() const {
    pollfd item{fd_.get(), POLLIN, 0};
    if (::poll(&item, 1, 1000) <= 0) return;
    std::array<char, 4096> events;
    while (::read(fd_.get(), events.data(), events.size()) > 0) continue;
  }

 private:
  UniqueFd fd_;
};

}  // namespace

int run_logs(Context& context, const Args& args) {
  std::vector<LogFile> files = files_of(context, args);
  const Watcher watcher{files};
  for (bool first = true;; first = false) {
    std::vector<Line> found;
    for (LogFile& file : files) read_on(file, found);
    print(context, args, found, first);
    if (!args[follow]) return exit_code::ok;
    watcher.wait();
  }
}

}  // namespace arcus::cli::look
