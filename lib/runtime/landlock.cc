#include "lib/runtime/landlock.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <initializer_list>

#include "lib/base/unique_fd.h"

namespace arcus {

namespace {

// Debian 12's headers end at ABI 2: the kernel's interface, spelled out (linux/landlock.h).
constexpr long create_ruleset_call = 444;
constexpr long add_rule_call = 445;
constexpr long restrict_self_call = 446;
constexpr std::uint32_t ask_version = 1;
constexpr int net_port_rule = 2;
constexpr std::uint64_t net_bind_tcp = 1;
constexpr std::uint64_t scope_all = 3;  // abstract UNIX sockets, signals

struct RulesetAttributes {
  std::uint64_t handled_access_fs;
  std::uint64_t handled_access_net;  ///< ABI 4
  std::uint64_t scoped;              ///< ABI 6
};

struct NetPortAttributes {
  std::uint64_t allowed_access;
  std::uint64_t port;
};

/// All file system rights the kernel of `abi` knows: 13 in ABI 1, then refer, truncate, ioctl_dev.
std::uint64_t all_file_rights(int abi) noexcept {
  std::uint64_t rights = (1u << 13) - 1;
  if (abi >= 2) rights |= 1u << 13;
  if (abi >= 3) rights |= 1u << 14;
  if (abi >= 5) rights |= 1u << 15;
  return rights;
}

std::size_t attribute_size(int abi) noexcept {
  if (abi >= 6) return sizeof(RulesetAttributes);
  return abi >= 4 ? 2 * sizeof(std::uint64_t) : sizeof(std::uint64_t);
}

}  // namespace

int restrict_with_landlock() noexcept {
  const auto abi = static_cast<int>(::syscall(create_ruleset_call, nullptr, 0, ask_version));
  if (abi < 1) return 0;
  const RulesetAttributes attributes{all_file_rights(abi), net_bind_tcp, scope_all};
  const UniqueFd ruleset{
      static_cast<int>(::syscall(create_ruleset_call, &attributes, attribute_size(abi), 0))};
  if (!ruleset) return 0;
  if (abi >= 4) {
    // Port 0: choosing the source address of an upstream connection.
    const NetPortAttributes any_free_port{net_bind_tcp, 0};
    if (::syscall(add_rule_call, ruleset.get(), net_port_rule, &any_free_port, 0) != 0) return 0;
  }
  return ::syscall(restrict_self_call, ruleset.get(), 0) == 0 ? abi : 0;
}

}  // namespace arcus
