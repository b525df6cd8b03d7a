#include <linux/landlock.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <limits>

#include "cli/doctor_checks.h"
#include "lib/base/units.h"

namespace arcus::cli::doctor {

namespace {

constexpr std::int64_t bytes_per_connection = 64 << 10;  // what may be buffered for one, both ways

std::string first_line(const char* path) {
  std::ifstream file{path};
  std::string line;
  std::getline(file, line);
  return line;
}

std::int64_t all_connections(const Patient& patient) {
  std::int64_t sum = 0;
  for (const registry::Server& server : patient.servers) sum += server.max_connections;
  return sum;
}

std::int64_t available_memory() {
  std::ifstream file{"/proc/meminfo"};
  std::string key;
  std::int64_t kib = 0;
  while (file >> key >> kib) {
    if (key == "MemAvailable:") return kib * 1024;
    file.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
  }
  return 0;
}

}  // namespace

Findings look_at_descriptors(const Patient& patient) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return {{State::skip, "the limit of open files is not known"}};
  const std::int64_t needed = 2 * all_connections(patient) + 100;
  const std::string sentence = "up to " + count_text(needed) + " open files for all max_connections, ";
  if (limit.rlim_max == RLIM_INFINITY) return {{State::ok, sentence + "unlimited here"}};
  const auto allowed = static_cast<std::int64_t>(limit.rlim_max);
  if (needed <= allowed) return {{State::ok, sentence + count_text(allowed) + " allowed"}};
  return {{State::warn, sentence + "only " + count_text(allowed) + " allowed",
           "ulimit -Hn " + std::to_string(needed)}};
}

Findings look_at_backlog(const Patient& patient) {
  const auto allowed = parse_integer(first_line("/proc/sys/net/core/somaxconn"));
  if (!allowed) return {{State::skip, "somaxconn is not known"}};
  std::int64_t largest = 0;
  for (const registry::Server& server : patient.servers) largest = std::max(largest, server.backlog);
  if (largest <= *allowed)
    return {{State::ok, "somaxconn " + count_text(*allowed) + " is enough for every backlog"}};
  return {{State::warn,
           "a backlog of " + count_text(largest) + " is cut to somaxconn " + count_text(*allowed),
           "sysctl -w net.core.somaxconn=" + std::to_string(largest)}};
}

Findings look_at_local_ports(const Patient& patient) {
  std::ifstream file{"/proc/sys/net/ipv4/ip_local_port_range"};
  std::int64_t first = 0;
  std::int64_t last = 0;
  if (!(file >> first >> last)) return {{State::skip, "the range of local ports is not known"}};
  const std::int64_t count = last - first + 1;
  const std::int64_t needed = all_connections(patient);
  const std::string sentence = count_text(count) + " local ports to one destination";
  if (needed <= count) return {{State::ok, sentence}};
  return {{State::warn, sentence + ", all max_connections together are " + count_text(needed),
           "sysctl -w net.ipv4.ip_local_port_range='1024 65535'"}};
}

Findings look_at_memory(const Patient& patient) {
  const std::int64_t available = available_memory();
  if (available == 0) return {{State::skip, "the available memory is not known"}};
  const std::int64_t needed = all_connections(patient) * bytes_per_connection;
  const std::string sentence =
      "at most " + size_text(needed) + " in buffers, " + size_text(available) + " available";
  if (needed <= available) return {{State::ok, sentence}};
  return {
      {State::warn, sentence, "arcusctl server list -c tenant,name,max_connections --sort -max_connections"}};
}

Findings look_at_refusals(const Patient& patient) {
  Findings found;
  auto st = patient.db->query(
      "SELECT server, limited, reason, count, try FROM refusals "
      "WHERE last_at > strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-1 hour')");
  while (st.step()) {
    const auto [server, limited, reason, count, next] =
        st.row<std::string, std::string, std::string, std::int64_t, std::string>();
    found.push_back({State::warn,
                     server + " turned clients away within the hour: " + limited + " (" + reason + ", " +
                         count_text(count) + " in all)",
                     next});
  }
  if (found.empty()) found.push_back({State::ok, "within the hour no limit turned anybody away"});
  return found;
}

Findings look_for_ktls(const Patient&) {
  const std::string found = first_line("/proc/sys/net/ipv4/tcp_available_ulp");
  if (found.find("tls") != std::string::npos) return {{State::ok, "the kernel can take over TLS records"}};
  return {{State::skip, "the kernel has no TLS module loaded: not needed", "modprobe tls"}};
}

Findings look_for_landlock(const Patient&) {
  const long version = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (version > 0) return {{State::ok, "Landlock version " + std::to_string(version)}};
  return {{State::skip, "the kernel has no Landlock: workers keep the other walls"}};
}

Findings look_for_seccomp(const Patient&) {
  if (!first_line("/proc/sys/kernel/seccomp/actions_avail").empty())
    return {{State::ok, "system calls can be filtered"}};
  return {{State::skip, "the kernel has no seccomp: workers keep the other walls"}};
}

Findings look_for_systemd(const Patient&) {
  struct stat status {};
  if (::stat("/run/systemd/system", &status) == 0)
    return {{State::ok, "systemd runs here", "arcusctl daemon unit"}};
  return {{State::skip, "systemd does not run here"}};
}

}  // namespace arcus::cli::doctor
