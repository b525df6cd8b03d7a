#include "lib/tls/client_hello.h"

#include <algorithm>

#include "lib/base/address.h"

namespace arcus::tls {

static constexpr std::size_t record_head = 5;
static constexpr std::size_t max_record = 1 << 14;
static constexpr char handshake_record = 22;
static constexpr std::uint8_t client_hello_message = 1;
static constexpr std::uint16_t server_name_extension = 0;
static constexpr std::uint16_t alpn_extension = 16;

namespace {

/// Takes numbers and blocks from the front; after the first that is not there, nothing is.
class Cursor {
 public:
  explicit Cursor(std::string_view bytes) noexcept : rest_(bytes) {}

  std::size_t number(std::size_t bytes) noexcept {
    std::size_t value = 0;
    for (const char byte : take(bytes)) value = value << 8 | static_cast<std::uint8_t>(byte);
    return value;
  }
  /// What follows its own length of that many bytes.
  std::string_view block(std::size_t length_bytes) noexcept { return take(number(length_bytes)); }
  std::string_view take(std::size_t bytes) noexcept {
    if (bytes > rest_.size()) {
      failed_ = true;
      rest_ = {};
      return {};
    }
    const std::string_view taken = rest_.substr(0, bytes);
    rest_.remove_prefix(bytes);
    return taken;
  }
  bool at_end() const noexcept { return rest_.empty(); }
  bool failed() const noexcept { return failed_; }

 private:
  std::string_view rest_;
  bool failed_ = false;
};

}  // namespace

/// TLS and SSL 3 in all their minor versions (which a server must not judge), and TLCP.
static bool is_version(std::size_t version) noexcept { return version >> 8 == 3 || version == 0x0101; }

bool ClientHello::offers(std::string_view protocol) const noexcept {
  Cursor cursor{alpn};
  while (!cursor.at_end())
    if (cursor.block(1) == protocol) return true;
  return false;
}

ClientHello ClientHelloReader::hello() const noexcept {
  return {.version = version_, .server_name = {name_.data(), name_size_}, .alpn = alpn_};
}

ClientHelloReader::Status ClientHelloReader::refuse(std::string_view why, Alert alert) noexcept {
  fault_ = why;
  alert_ = alert;
  return Status::bad;
}

ClientHelloReader::Status ClientHelloReader::too_long() noexcept {
  return refuse("longer than allowed", Alert::illegal_parameter);
}

/// Collects the four bytes that say what the message is and how long. False when it is no ClientHello.
bool ClientHelloReader::take_head(std::string_view payload) {
  while (head_size_ < head_.size() && head_size_ - before_ < payload.size()) {
    head_[head_size_] = static_cast<std::uint8_t>(payload[head_size_ - before_]);
    ++head_size_;
  }
  if (head_size_ > 0 && head_[0] != client_hello_message) return false;
  if (head_size_ == head_.size() && message_ == 0)
    message_ = head_.size() + (std::size_t{head_[1]} << 16 | std::size_t{head_[2]} << 8 | head_[3]);
  return true;
}

ClientHelloReader::Status ClientHelloReader::read(std::string_view received) {
  if (received.empty()) return Status::need_more;
  if (received[0] != handshake_record) return Status::not_tls;
  while (true) {
    if (record_ + record_head > max_received()) return too_long();
    if (received.size() < record_ + record_head) return Status::need_more;
    Cursor head{received.substr(record_, record_head)};
    if (head.number(1) != handshake_record) return refuse("another record comes in between", Alert::none);
    if (!is_version(head.number(2))) return refuse("unknown version of a record", Alert::none);
    const std::size_t length = head.number(2);
    if (length == 0) return refuse("empty record", Alert::unexpected_message);
    if (length > max_record) return refuse("record of more than 16384 bytes", Alert::none);
    if (record_ + record_head + length > max_received()) return too_long();
    const std::string_view payload = received.substr(record_ + record_head, length);
    if (!take_head(payload)) return refuse("not a ClientHello", Alert::unexpected_message);
    if (message_ > limit_) return too_long();
    if (message_ > 0 && before_ + length > message_)
      return refuse("more than the ClientHello in its record", Alert::unexpected_message);
    if (payload.size() < length) return Status::need_more;
    if (message_ > 0 && before_ + length == message_) return parse(message_of(received));
    before_ += length;
    record_ += record_head + length;
  }
}

/// The message without the heads of its records.
std::string_view ClientHelloReader::message_of(std::string_view received) {
  if (record_ == 0) return received.substr(record_head, message_);
  joined_.reserve(message_);
  for (std::size_t at = 0; joined_.size() < message_;) {
    Cursor record{received.substr(at)};
    record.take(record_head - 2);
    const std::string_view payload = record.block(2);
    joined_.append(payload);
    at += record_head + payload.size();
  }
  return joined_;
}

ClientHelloReader::Status ClientHelloReader::parse(std::string_view message) {
  Cursor cursor{message.substr(head_.size())};
  const std::size_t version = cursor.number(2);
  if (!cursor.failed() && !is_version(version)) return refuse("unknown version", Alert::protocol_version);
  version_ = static_cast<std::uint16_t>(version);
  cursor.take(32);
  const std::string_view session = cursor.block(1);
  const std::string_view suites = cursor.block(2);
  const std::string_view compressions = cursor.block(1);
  if (cursor.failed()) return refuse("cut off");
  if (session.size() > 32) return refuse("session id of more than 32 bytes");
  if (suites.empty() || suites.size() % 2 != 0) return refuse("list of cipher suites of a wrong length");
  if (compressions.empty()) return refuse("no compression method");
  if (cursor.at_end()) return Status::done;
  const std::string_view extensions = cursor.block(2);
  if (cursor.failed() || !cursor.at_end()) return refuse("extensions of a wrong length");
  return parse_extensions(extensions);
}

ClientHelloReader::Status ClientHelloReader::parse_extensions(std::string_view extensions) {
  Cursor cursor{extensions};
  bool named = false, negotiates = false;
  while (!cursor.at_end()) {
    const std::size_t type = cursor.number(2);
    const std::string_view data = cursor.block(2);
    if (cursor.failed()) return refuse("extension of a wrong length");
    if (type == server_name_extension) {
      if (named) return refuse("two server_name extensions", Alert::illegal_parameter);
      named = true;
      if (!parse_names(data)) return Status::bad;
    } else if (type == alpn_extension) {
      if (negotiates) return refuse("two ALPN extensions", Alert::illegal_parameter);
      negotiates = true;
      if (!parse_protocols(data)) return Status::bad;
    }
  }
  return Status::done;
}

/// RFC 6066, 3. Kinds of names that are not known are passed over.
bool ClientHelloReader::parse_names(std::string_view data) {
  Cursor outer{data};
  const std::string_view list = outer.block(2);
  if (outer.failed() || !outer.at_end() || list.empty()) {
    refuse("list of server names of a wrong length");
    return false;
  }
  Cursor cursor{list};
  bool named = false;
  while (!cursor.at_end()) {
    const std::size_t kind = cursor.number(1);
    const std::string_view name = cursor.block(2);
    if (cursor.failed() || name.empty()) {
      refuse("server name of a wrong length");
      return false;
    }
    if (kind != 0) continue;
    if (named) {
      refuse("two host names", Alert::illegal_parameter);
      return false;
    }
    named = true;
    if (!take_name(name)) return false;
  }
  return true;
}

/// An address is no name (RFC 6066 forbids it, clients send it): the hello counts as one without.
bool ClientHelloReader::take_name(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  if (IpAddress::parse(name)) return true;
  if (name.ends_with('.') || !is_host_name(name) || ends_in_number(name)) {
    refuse("not a host name", Alert::illegal_parameter);
    return false;
  }
  name_size_ = name.size();
  std::ranges::transform(name, name_.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  });
  return true;
}

/// RFC 7301, 3.1.
bool ClientHelloReader::parse_protocols(std::string_view data) {
  Cursor outer{data};
  alpn_ = outer.block(2);
  bool whole = !outer.failed() && outer.at_end() && !alpn_.empty();
  for (Cursor cursor{alpn_}; whole && !cursor.at_end();) whole = !cursor.block(1).empty();
  if (!whole) {
    alpn_ = {};
    refuse("list of protocols of a wrong length");
  }
  return whole;
}

std::array<char, 7> fatal_alert(Alert alert, std::uint16_t version) noexcept {
  // Before a version is agreed on, records say the client's, TLS 1.2 at the most.
  const std::uint16_t spoken = version == 0 ? 0x0301 : std::min<std::uint16_t>(version, 0x0303);
  return {21, static_cast<char>(spoken >> 8), static_cast<char>(spoken & 0xff), 0, 2,
          2,  static_cast<char>(alert)};
}

}  // namespace arcus::tls
