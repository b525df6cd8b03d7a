#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/reason.h"

namespace arcus {

/// One key of a protocol's own configuration (`server.config`, flag `--set key=value`). Feeds validation,
/// help, completion, table `server_option` and the manual.
struct OptionSpec {
  enum class Kind { text, integer, boolean, duration_ms, size, list };

  std::string_view key;
  Kind kind = Kind::text;
  std::string_view fallback;                  ///< the default, as text
  std::int64_t min = 0;                       ///< for numbers
  std::int64_t max = 0;                       ///< for numbers; 0 = no upper bound
  std::span<const std::string_view> words{};  ///< for text: the words allowed; empty = any
  std::string_view help;                      ///< one line, lower case
};

std::string_view name_of(OptionSpec::Kind kind) noexcept;

class Options;

/// What the registry and the command line need to know of a protocol; the data plane adds the handler
/// (lib/runtime/protocol.h).
struct ServerType {
  std::string_view name;     ///< "http"
  std::string_view title;    ///< the document's name, e.g. "HTTP Proxy"
  std::string_view summary;  ///< one line, lower case
  std::uint16_t default_port = 0;
  bool needs_backend = false;   ///< refused without at least one backend
  bool takes_backends = false;  ///< backends are of use here
  bool needs_certificate = false;
  bool takes_routes = false;  ///< chooses by server name: table sni_route
  bool forwards =
      false;  ///< the client chooses the destination: destination guard and open-proxy guard apply
  bool takes_users = false;  ///< can ask its clients for credentials
  /// May a client ask for that port with that method (empty = not HTTP)? By the type's own options; nullptr =
  /// any port.
  Reason (*judge_port)(const Options& options, std::string_view method, std::uint16_t port) = nullptr;
  std::string_view default_health = "tcp";
  std::span<const OptionSpec> options{};
};

/// One balancing algorithm, as the registry knows it.
struct AlgorithmInfo {
  std::string_view name;
  std::string_view summary;
};

/// Everything that comes in kinds, handed by `cli` to lib/registry (which must not see the data plane).
struct Catalog {
  std::span<const ServerType* const> server_types;
  std::span<const AlgorithmInfo> algorithms;

  /// The type of that name ("http"; also "http_proxy", "http-proxy", "Http"), or nullptr.
  const ServerType* find_type(std::string_view name) const;
};

/// A value of `server.config` as text: what JSON had, without quotes.
using OptionMap = std::map<std::string, std::string, std::less<>>;

/// What is wrong with `value` for `spec`: a sentence, or "" when it is fine.
std::string check_option(const OptionSpec& spec, std::string_view value);

/// Typed reading of a protocol's options: what was set, else the fallback of the table.
class Options {
 public:
  Options(std::span<const OptionSpec> specs, OptionMap values) : specs_(specs), values_(std::move(values)) {}

  std::string_view text(std::string_view key) const;
  std::int64_t integer(std::string_view key) const;  ///< integers, sizes (bytes) and durations (milliseconds)
  bool boolean(std::string_view key) const;
  /// The words of a list: separated by commas or blanks, lower case, JSON's brackets and quotes left out.
  std::vector<std::string> list(std::string_view key) const;

 private:
  std::span<const OptionSpec> specs_;
  OptionMap values_;
};

}  // namespace arcus
