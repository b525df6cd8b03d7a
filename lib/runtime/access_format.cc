#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>

#include "lib/base/text.h"
#include "lib/runtime/access.h"

namespace arcus {

namespace {

void add_number(std::string& out, std::int64_t value) { out += std::to_string(value); }

/// Percent-encodes blanks, quotes, control bytes and everything beyond ASCII; "-" for nothing.
void add_encoded(std::string& out, std::string_view text) {
  static constexpr std::string_view hex = "0123456789ABCDEF";
  if (text.empty()) {
    out += '-';
    return;
  }
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte > 0x20 && byte < 0x7f && c != '"' && c != '\\') {
      out += c;
    } else {
      out += '%';
      out += hex[byte >> 4];
      out += hex[byte & 15];
    }
  }
}

/// Inside double quotes: blanks stay, quotes, control bytes and everything beyond ASCII become \xNN.
void add_quoted(std::string& out, std::string_view text) {
  static constexpr std::string_view hex = "0123456789abcdef";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f && c != '"' && c != '\\') {
      out += c;
    } else {
      out += "\\x";
      out += hex[byte >> 4];
      out += hex[byte & 15];
    }
  }
}

/// A JSON string; bytes that are no UTF-8 become U+FFFD.
void add_json_text(std::string& out, std::string_view text) {
  static constexpr std::string_view hex = "0123456789abcdef";
  const bool utf8 = is_utf8(text);
  out += '"';
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    const auto byte = static_cast<unsigned char>(c);
    const auto next = static_cast<unsigned char>(at + 1 < text.size() ? text[at + 1] : 0);
    if (utf8 && byte == 0xc2 && next < 0xa0) {  // U+0080 to U+009F: controls as well
      out += "\\u00";
      out += hex[next >> 4];
      out += hex[next & 15];
      ++at;
    } else if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      out += "\\u00";
      out += hex[byte >> 4];
      out += hex[byte & 15];
    } else if (byte >= 0x80 && !utf8) {
      out += "\xef\xbf\xbd";
    } else {
      out += c;
    }
  }
  out += '"';
}

void add_json(std::string& out, std::string_view key, std::string_view value) {
  if (value.empty()) return;
  out += ",\"";
  out += key;
  out += "\":";
  add_json_text(out, value);
}

void add_json(std::string& out, std::string_view key, std::int64_t value) {
  out += ",\"";
  out += key;
  out += "\":";
  add_number(out, value);
}

std::string_view tag_of(const AccessRecord& record) noexcept {
  if (!record.tag.empty()) return record.tag;
  if (record.kind == RecordKind::refusal) return "TCP_DENIED";
  if (record.kind == RecordKind::connection) return "TCP_TUNNEL";
  if (record.upstream) return "TCP_MISS";
  return record.status == 403 || record.status == 407 ? "TCP_DENIED"
                                                      : "NONE";  // what squid says of its own rules
}

std::string_view hierarchy_of(const AccessRecord& record) noexcept {
  if (!record.hierarchy.empty()) return record.hierarchy;
  return record.upstream ? "HIER_DIRECT" : "HIER_NONE";
}

/// squid's native format: time elapsed client tag/status bytes method URL user hierarchy/peer type.
void format_squid(const AccessContext& context, const AccessRecord& record, std::string& out) {
  const std::int64_t ms = context.ended.time_since_epoch().count();
  std::array<char, 64> head;
  const int n =
      std::snprintf(head.data(), head.size(), "%lld.%03d %6lld ", static_cast<long long>(ms / 1000),
                    static_cast<int>(ms % 1000), static_cast<long long>(context.duration.count() / 1000));
  out.append(head.data(), static_cast<std::size_t>(n));
  out += context.client.address.to_string();
  out += ' ';
  out += tag_of(record);
  std::snprintf(head.data(), head.size(), "/%03d ", record.status);
  out += head.data();
  add_number(out, static_cast<std::int64_t>(record.bytes_out));
  out += ' ';
  add_encoded(out, record.method);
  out += ' ';
  add_encoded(out, record.target);
  out += ' ';
  add_encoded(out, record.user);
  out += ' ';
  out += hierarchy_of(record);
  out += '/';
  out += record.upstream ? record.upstream->address.to_string() : "-";
  out += ' ';
  add_encoded(out, record.content_type);
  out += '\n';
}

/// Apache's combined format.
void format_combined(const AccessContext& context, const AccessRecord& record, std::string& out) {
  out += context.client.address.to_string();
  out += " - ";
  add_encoded(out, record.user);
  const std::time_t seconds = std::chrono::system_clock::to_time_t(context.ended);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  std::array<char, 40> time;
  out.append(time.data(), std::strftime(time.data(), time.size(), " [%d/%b/%Y:%H:%M:%S +0000] \"", &utc));
  add_encoded(out, record.method);
  out += ' ';
  add_encoded(out, record.target);
  out += ' ';
  add_encoded(out, record.version);
  out += "\" ";
  if (record.status > 0)
    add_number(out, record.status);
  else
    out += '-';
  out += ' ';
  add_number(out, static_cast<std::int64_t>(record.bytes_out));
  out += " \"";
  add_quoted(out, record.referer.empty() ? "-" : record.referer);
  out += "\" \"";
  add_quoted(out, record.user_agent.empty() ? "-" : record.user_agent);
  out += "\"\n";
}

void format_json(const AccessContext& context, const AccessRecord& record, std::string& out) {
  out += "{\"at\":\"" + to_text(context.ended) + '"';
  add_json(out, "tenant", context.tenant);
  add_json(out, "server", context.server);
  add_json(out, "type", context.server_type);
  add_json(out, "connection", static_cast<std::int64_t>(context.connection));
  add_json(out, "client", context.client.address.to_string());
  add_json(out, "client_port", context.client.port);
  add_json(out, "reason", name_of(record.reason));
  if (record.status > 0) add_json(out, "status", record.status);
  add_json(out, "method", record.method);
  add_json(out, "target", record.target);
  add_json(out, "sni", record.server_name);
  add_json(out, "version", record.version);
  add_json(out, "user", record.user);
  add_json(out, "referer", record.referer);
  add_json(out, "user_agent", record.user_agent);
  add_json(out, "content_type", record.content_type);
  if (record.upstream) add_json(out, "upstream", record.upstream->to_string());
  if (record.upstream_reused) out += ",\"upstream_reused\":true";
  add_json(out, "bytes_in", static_cast<std::int64_t>(record.bytes_in));
  add_json(out, "bytes_out", static_cast<std::int64_t>(record.bytes_out));
  add_json(out, "duration_us", context.duration.count());
  if (record.dns_time.count() > 0) add_json(out, "dns_us", record.dns_time.count());
  if (record.connect_time.count() > 0) add_json(out, "connect_us", record.connect_time.count());
  if (record.response_time) add_json(out, "response_us", record.response_time->count());
  if (context.round_trip_us > 0) add_json(out, "round_trip_us", context.round_trip_us);
  out += "}\n";
}

struct FormatRow {
  std::string_view name;
  AccessFormat format;
  void (*write)(const AccessContext&, const AccessRecord&, std::string&);
};

constexpr FormatRow table[] = {
    {"squid", AccessFormat::squid, format_squid},
    {"combined", AccessFormat::combined, format_combined},
    {"json", AccessFormat::json, format_json},
};
static_assert(std::ranges::is_sorted(table, {}, &FormatRow::format));

}  // namespace

AccessFormat access_format(std::string_view name) noexcept {
  const auto* row = std::ranges::find(table, name, &FormatRow::name);
  return row == std::end(table) ? AccessFormat::squid : row->format;
}

void format_access(AccessFormat format, const AccessContext& context, const AccessRecord& record,
                   std::string& out) {
  table[static_cast<std::size_t>(format)].write(context, record, out);
}

}  // namespace arcus
