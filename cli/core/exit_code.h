#pragma once

#include <span>
#include <string_view>

/// The exit codes of every command (`arcusctl help exit-codes`).
namespace arcus::cli::exit_code {

inline constexpr int ok = 0;
inline constexpr int failed = 1;          ///< tried and failed
inline constexpr int usage = 2;           ///< bad flag or value
inline constexpr int not_found = 3;       ///< no such object
inline constexpr int conflict = 4;        ///< name or port taken, stale --if-generation
inline constexpr int no_daemon = 5;       ///< needs a running daemon
inline constexpr int partial = 6;         ///< several targets, some failed
inline constexpr int timeout = 7;         ///< --timeout passed
inline constexpr int permission = 8;      ///< the system does not let us
inline constexpr int registry = 9;        ///< the file: missing, foreign, newer, corrupt, locked
inline constexpr int differs = 10;        ///< only with --exit-code and --strict
inline constexpr int not_confirmed = 11;  ///< declined, or --yes is needed without a terminal

struct Row {
  int code;
  std::string_view name;  ///< the word in JSON errors
  std::string_view when;
};

/// All codes in order, for help, the manual and JSON errors.
std::span<const Row> table() noexcept;
/// The word of a code, `failed` for an unknown one.
std::string_view name(int code) noexcept;

}  // namespace arcus::cli::exit_code
