#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "cli/core/command.h"
#include "cli/core/exit_code.h"
#include "cli/core/output.h"

namespace arcus {
class Database;
struct Catalog;
}  // namespace arcus

namespace arcus::cli {

/// The flags that every command takes, after environment and defaults.
struct Settings {
  std::string db;         ///< path; empty: the default place
  bool db_named = false;  ///< --db or ARCUS_DB: a missing file is an error, never created
  std::string tenant;     ///< -t; empty: none
  bool yes = false;
  bool dry_run = false;
  std::string reason;
  std::optional<std::int64_t> if_generation;
  bool wait = true;
  std::optional<std::chrono::milliseconds> timeout;
  std::optional<std::chrono::milliseconds> watch;
  int verbose = 0;
  std::string log_level;   ///< --log-level or ARCUS_LOG, e.g. "info,tls=debug"; empty: none given
  bool color_err = false;  ///< colours on stderr
  OutputOptions output;
};

/// What a running command may touch.  One per invocation.
class Context {
 public:
  Context(const Noun& noun, const Command& command, Settings settings);
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  // -- the registry
  // -------------------------------------------------------------------------------------------------
  /// The registry, opened at the first call: for writing when the command is mutating (migrated, and made
  /// when it is the default one and missing), else read-only.  Throws Error{registry} as cli.md section 3
  /// says.
  Database& db();
  /// The path in use, absolute.  Does not open anything.
  const std::string& db_path();
  /// False when there is no file there yet.
  bool db_exists();
  /// One write transaction with who and why for the audit rows.  Rolled back by --dry-run, by an exception,
  /// and committed otherwise; then the daemon is woken.
  void change(const std::function<void(Database&)>& body);
  /// Throws Error{conflict} when --if-generation was given and differs from `actual`.
  void check_generation(std::int64_t actual, std::string_view object) const;
  /// Wakes the daemon without a change; false when none runs.
  bool wake();
  /// Whether a daemon holds this registry's lock now.
  bool daemon_runs();
  /// The protocols with their options.
  const Catalog& catalog();

  // -- what was asked
  // -----------------------------------------------------------------------------------------------
  [[nodiscard]] const Settings& settings() const { return settings_; }
  [[nodiscard]] const Noun& noun() const { return noun_; }
  [[nodiscard]] const Command& command() const { return command_; }
  /// -t, or ARCUS_TENANT; empty when neither.
  [[nodiscard]] std::string_view tenant() const { return settings_.tenant; }
  [[nodiscard]] bool dry_run() const { return settings_.dry_run; }
  [[nodiscard]] bool quiet() const { return settings_.output.quiet; }
  /// Until when to wait: --timeout, else `fallback` from now.
  [[nodiscard]] std::chrono::steady_clock::time_point deadline(std::chrono::milliseconds fallback) const;

  // -- talking
  // ------------------------------------------------------------------------------------------------------
  /// Results.  stdout.
  Output& out() { return output_; }
  /// A remark on stderr; silent with -q and with machine formats only when `chatty` is false.
  void note(std::string_view text) const;
  /// A warning on stderr, never silent.
  void warn(std::string_view text) const;
  /// Asks `question [y/N]`.  Returns at once with --yes or --dry-run; throws Error{not_confirmed} when
  /// declined, or without a terminal.
  void confirm(std::string_view question);
  /// Asks to type `word`.
  void confirm_by_typing(std::string_view question, std::string_view word);

 private:
  struct State;
  const Noun& noun_;
  const Command& command_;
  Settings settings_;
  Output output_;
  std::unique_ptr<State> state_;
};

/// From when on an operation is a long one: its progress is shown.
inline constexpr std::chrono::milliseconds long_operation{300};

/// How far a long operation is.  On a terminal one line that is repainted; on a pipe nothing, for the results
/// say it line by line.  The destructor removes the line.
class Progress {
 public:
  Progress(const Context& context, std::string what, std::size_t total);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void update(std::size_t done, std::size_t failed);

 private:
  std::string what_;
  std::size_t total_;
  std::chrono::steady_clock::time_point started_;
  std::chrono::steady_clock::time_point painted_;
  bool enabled_;
  bool visible_ = false;
};

}  // namespace arcus::cli
