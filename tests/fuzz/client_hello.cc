// A hello says the same however its bytes come: at once, in pieces, in other records. What is found in it is
// a host name and nothing else, and no more is ever waited for than the reader says.
#include "lib/tls/client_hello.h"

#include <string>

#include "lib/base/address.h"
#include "tests/fuzz/fuzz.h"

using arcus::fuzz::require;
using arcus::tls::ClientHelloReader;
using Status = ClientHelloReader::Status;

static constexpr std::size_t limit = 2048;  // small, so that inputs come near it

static bool same(const ClientHelloReader& a, const ClientHelloReader& b) {
  return a.fault() == b.fault() && a.alert() == b.alert() && a.hello().server_name == b.hello().server_name &&
         a.hello().alpn == b.hello().alpn && a.hello().version == b.hello().version;
}

/// The payloads of the hello's records, joined: the message. Only after `done`.
static std::string message_in(std::string_view in) {
  std::string message;
  std::size_t size = 4;
  for (std::size_t at = 0; message.size() < size;) {
    const auto byte = [&](std::size_t i) {
      return static_cast<std::size_t>(static_cast<unsigned char>(in.at(i)));
    };
    const std::size_t length = byte(at + 3) << 8 | byte(at + 4);
    message.append(in.substr(at + 5, length));
    at += 5 + length;
    const auto head = [&](std::size_t i) {
      return static_cast<std::size_t>(static_cast<unsigned char>(message[i]));
    };
    if (message.size() >= 4) size = 4 + (head(1) << 16 | head(2) << 8 | head(3));
  }
  return message;
}

static std::string in_records(const std::string& message, std::size_t share) {
  std::string all;
  for (std::size_t at = 0; at < message.size(); at += share) {
    const std::string part = message.substr(at, share);
    all.append("\x16\x03\x03", 3);
    all += static_cast<char>(part.size() >> 8);
    all += static_cast<char>(part.size() & 0xff);
    all += part;
  }
  return all;
}

static void check_found(const ClientHelloReader& reader) {
  const arcus::tls::ClientHello hello = reader.hello();
  require(!hello.offers(""), "no protocol is empty");
  if (hello.server_name.empty()) return;
  require(arcus::is_host_name(hello.server_name), "a name is a host name");
  require(!hello.server_name.ends_with('.'), "without a dot at the end");
  require(!arcus::IpAddress::parse(hello.server_name), "and no address");
  for (const char c : hello.server_name) require(c < 'A' || c > 'Z', "in lower case");
}

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view in = arcus::fuzz::text_of(data, size);
  ClientHelloReader whole(limit);
  const Status status = whole.read(in);
  require(status != Status::need_more || in.size() < whole.max_received(), "what it waits for has an end");
  require((status == Status::bad) == !whole.fault().empty(), "bad comes with a sentence");

  ClientHelloReader pieces(limit);
  Status last = Status::need_more;
  const std::size_t step = 1 + (size > 20 ? data[20] % 64U : 0U);
  for (std::size_t n = 0; n < size && last == Status::need_more; n += step)
    last = pieces.read(in.substr(0, n));
  if (last == Status::need_more) last = pieces.read(in);
  require(last == status && same(pieces, whole), "pieces say what the whole says");
  if (status != Status::done) return 0;

  check_found(whole);
  const std::string message = message_in(in);
  for (const std::size_t share : {message.size(), message.size() / 2 + 1, std::size_t{7}}) {
    ClientHelloReader again(limit);
    const std::string bytes = in_records(message, share);
    if (bytes.size() > again.max_received()) continue;
    require(again.read(bytes) == Status::done && same(again, whole), "other records change nothing");
    ClientHelloReader cut(limit);
    require(cut.read(std::string_view{bytes}.substr(0, bytes.size() - 1)) == Status::need_more,
            "the last byte is needed");
  }
  return 0;
}
