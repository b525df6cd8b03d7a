#include "lib/daemon/port_holder.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstring>
#include <fstream>
#include <memory>

namespace arcus::daemon {
namespace {

constexpr unsigned tcp_listen_state = 0x0a;

struct CloseDir {
  void operator()(DIR* dir) const noexcept { ::closedir(dir); }
};
using Dir = std::unique_ptr<DIR, CloseDir>;

template <typename T>
bool parse_number(std::string_view text, T& out, int base) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out, base);
  return error == std::errc{} && end == text.data() + text.size() && !text.empty();
}

/// Field number `index` of a line whose fields are separated by spaces.
std::string_view word_at(std::string_view line, int index) {
  for (int i = 0;; ++i) {
    line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
    const auto length = std::min(line.find_first_of(" \n"), line.size());
    if (i == index) return line.substr(0, length);
    if (line.empty()) return {};
    line.remove_prefix(length);
  }
}

/// The kernel prints each 32-bit word of the address in host order.
std::string decode_address(std::string_view hex) {
  std::array<std::uint32_t, 4> words{};
  const std::size_t count = hex.size() / 8;
  if (hex.size() % 8 != 0 || (count != 1 && count != 4)) return {};
  for (std::size_t i = 0; i < count; ++i)
    if (!parse_number(hex.substr(i * 8, 8), words[i], 16)) return {};
  std::array<char, INET6_ADDRSTRLEN> text{};
  const int family = count == 1 ? AF_INET : AF_INET6;
  return ::inet_ntop(family, words.data(), text.data(), text.size()) ? text.data() : std::string{};
}

std::optional<std::uint64_t> listening_inode(const char* table, std::string_view address,
                                             std::uint16_t port) {
  std::ifstream in{table};
  for (std::string line; std::getline(in, line);) {
    const auto row = parse_listening_line(line);
    if (row && row->port == port && addresses_overlap(row->address, address)) return row->inode;
  }
  return std::nullopt;
}

bool holds_socket(const std::string& fd_folder, std::string_view wanted) {
  const Dir dir{::opendir(fd_folder.c_str())};
  if (!dir) return false;
  std::array<char, 64> target{};
  while (const dirent* entry = ::readdir(dir.get())) {
    const auto n = ::readlinkat(::dirfd(dir.get()), entry->d_name, target.data(), target.size());
    if (n > 0 && std::string_view{target.data(), static_cast<std::size_t>(n)} == wanted) return true;
  }
  return false;
}

std::string command_of(const std::string& process_folder) {
  std::ifstream in{process_folder + "/comm"};
  std::string name;
  std::getline(in, name);
  return name;
}

}  // namespace

std::optional<ListeningSocket> parse_listening_line(std::string_view line) {
  const auto local = word_at(line, 1);
  const auto colon = local.rfind(':');
  unsigned state = 0;
  ListeningSocket out;
  if (colon == std::string_view::npos || !parse_number(word_at(line, 3), state, 16) ||
      state != tcp_listen_state)
    return std::nullopt;
  if (!parse_number(local.substr(colon + 1), out.port, 16) || !parse_number(word_at(line, 9), out.inode, 10))
    return std::nullopt;
  out.address = decode_address(local.substr(0, colon));
  if (out.address.empty()) return std::nullopt;
  return out;
}

bool addresses_overlap(std::string_view held, std::string_view wanted) {
  const bool held_is_v6 = held.find(':') != std::string_view::npos;
  const bool wanted_is_v6 = wanted.find(':') != std::string_view::npos;
  if (held == wanted || held == "::" || wanted == "::") return true;
  if (held_is_v6 != wanted_is_v6) return false;
  return held == "0.0.0.0" || wanted == "0.0.0.0";
}

std::optional<PortHolder> find_port_holder(std::string_view address, std::uint16_t port) {
  auto inode = listening_inode("/proc/net/tcp", address, port);
  if (!inode) inode = listening_inode("/proc/net/tcp6", address, port);
  if (!inode) return std::nullopt;

  const std::string wanted = "socket:[" + std::to_string(*inode) + "]";
  const Dir proc{::opendir("/proc")};
  while (const dirent* entry = proc ? ::readdir(proc.get()) : nullptr) {
    pid_t pid = 0;
    if (!parse_number(std::string_view{entry->d_name}, pid, 10)) continue;
    const std::string folder = std::string{"/proc/"} + entry->d_name;
    if (holds_socket(folder + "/fd", wanted)) return PortHolder{.pid = pid, .command = command_of(folder)};
  }
  return PortHolder{};
}

std::string describe(const PortHolder& holder) {
  if (holder.pid == 0) return "another process";
  return holder.command + " (pid " + std::to_string(holder.pid) + ")";
}

}  // namespace arcus::daemon
