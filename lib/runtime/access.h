#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "lib/base/address.h"
#include "lib/base/reason.h"
#include "lib/base/time.h"
#include "lib/base/unique_fd.h"

namespace arcus {

/// What a record is about; decides which counters move.
enum class RecordKind : std::uint8_t {
  request,     ///< one HTTP exchange
  connection,  ///< one relayed connection or tunnel
  refusal,     ///< a connection that was never served
};

/// One line of the access log. Views need to live only for the call. Empty text = not known ("-").
struct AccessRecord {
  RecordKind kind = RecordKind::request;
  Reason reason = Reason::ok;
  SteadyTime started;  ///< the record's duration runs from here to now
  std::optional<std::chrono::microseconds>
      response_time;     ///< to the response head (http) or the connect (tcp)
  int status = 0;        ///< sent to the client; 0 = none
  std::string_view tag;  ///< squid's first half: TCP_MISS, TCP_TUNNEL, TCP_DENIED, NONE; empty = from reason
  std::string_view method;   ///< as the client sent it; CONNECT for relays
  std::string_view target;   ///< URL, or host:port for tunnels
  std::string_view version;  ///< "HTTP/1.1"
  std::string_view user;
  std::uint32_t rule = 0;        ///< tally of the rule that decided; 0 = none did
  std::string_view server_name;  ///< of the TLS inside a tunnel
  std::string_view referer;
  std::string_view user_agent;
  std::string_view content_type;
  std::string_view
      hierarchy;  ///< HIER_DIRECT, FIRSTUP_PARENT; empty = HIER_NONE or, with upstream, HIER_DIRECT
  std::optional<Endpoint> upstream;
  bool upstream_reused = false;
  bool counted = false;         ///< by count_request() already
  std::uint64_t bytes_in = 0;   ///< from the client, heads included
  std::uint64_t bytes_out = 0;  ///< to the client, heads included
  std::chrono::microseconds dns_time{0};
  std::chrono::microseconds connect_time{0};
};

enum class AccessFormat : std::uint8_t { squid, combined, json };

/// The format of that name; squid for an unknown one.
AccessFormat access_format(std::string_view name) noexcept;

/// Who and where a record belongs to; filled by the runtime.
struct AccessContext {
  std::string_view tenant;
  std::string_view server;
  std::string_view server_type;
  Endpoint client;
  std::uint64_t connection = 0;
  WallTime ended;
  std::chrono::microseconds duration{0};
  std::uint32_t round_trip_us = 0;  ///< to the client; 0 = not known
};

/// Appends one line (with its line end) in `format`. No control byte can reach the line.
void format_access(AccessFormat format, const AccessContext& context, const AccessRecord& record,
                   std::string& out);

}  // namespace arcus
