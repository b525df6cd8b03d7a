#include "tests/unit/socks/fixture.h"

#include <stdexcept>

namespace arcus::test {

using namespace std::string_literals;

const std::string greeting = "\5\1\0"s;

SocksWorker::SocksWorker(const std::function<void(wire::ServerConfig&)>& change)
    : SocksWorker(TestWorker::Setup{}, change) {}

SocksWorker::SocksWorker(const TestWorker::Setup& setup,
                         const std::function<void(wire::ServerConfig&)>& change)
    : worker_(setup) {
  config_ = worker_.tcp_config({});
  config_.type = "socks";
  config_.name = "gate";
  config_.rules.push_back({.number = 10, .allow = true, .destination = "127.0.0.0/8"});
  config_.rules.push_back({.number = 20, .allow = true, .destination = "::1/128"});
  if (change) change(config_);
  worker_.send(
      wire::FrameType::resolver,
      to_json(wire::ResolverConfig{.resolv_conf = "", .hosts = "127.0.0.1 localhost\n10.0.0.9 ten.test\n"}));
  if (const wire::Ack ack = worker_.put(config_); !ack.error.empty()) throw std::runtime_error(ack.error);
  // Once more, now that the port is known: it is one of ours.
  config_.listen_port = worker_.listen(config_.id);
  config_.generation = 2;
  if (!worker_.put(config_).error.empty()) throw std::runtime_error("put");
  port_ = worker_.listen(config_.id);
}

wire::CounterTotals SocksWorker::after(std::uint64_t ended) {
  return worker_.counters([=](const auto& totals) {
    std::uint64_t reasons = 0;
    for (const auto count : totals.reasons) reasons += count;
    return reasons >= ended && totals.closed_connections >= ended;
  });
}

static std::string port_bytes(std::uint16_t port) {
  return {static_cast<char>(port >> 8), static_cast<char>(port & 0xff)};
}

static std::string address_bytes(const IpAddress& address) {
  return std::string(address.bytes().begin(), address.bytes().begin() + (address.is_v4() ? 4 : 16));
}

std::string request5(std::string_view host, std::uint16_t port, char command) {
  const auto address = IpAddress::parse(host);
  const std::string head = "\5"s + command + '\0';
  if (!address) return head + '\3' + static_cast<char>(host.size()) + std::string{host} + port_bytes(port);
  return head + (address->is_v4() ? '\1' : '\4') + address_bytes(*address) + port_bytes(port);
}

std::string request5_named(std::string_view name, std::uint16_t port) {
  return "\5\1\0\3"s + static_cast<char>(name.size()) + std::string{name} + port_bytes(port);
}

std::string request4(std::string_view host, std::uint16_t port, char command) {
  const auto address = IpAddress::parse(host);
  const std::string head = "\4"s + command + port_bytes(port);
  if (address) return head + address_bytes(*address) + "user\0"s;
  return head + "\0\0\0\1user\0"s + std::string{host} + '\0';
}

Reply read_reply(Client& client) {
  const std::string head = client.receive(4);
  if (head.size() < 4 || head[0] != 5 || head[2] != 0) return {};
  Reply reply{.code = head[1]};
  const std::string place = client.receive(head[3] == 1 ? 6 : 18);
  const std::size_t length = place.size() - 2;
  std::array<std::uint8_t, 16> bytes{};
  std::copy(place.begin(), place.end() - 2, bytes.begin());
  const IpAddress wide = IpAddress::v6(bytes);
  reply.bound.address = length == 4
                            ? IpAddress::v4(std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 |
                                            std::uint32_t{bytes[2]} << 8 | bytes[3])
                            : wide;
  reply.bound.port = static_cast<std::uint16_t>(static_cast<unsigned char>(place[length]) << 8 |
                                                static_cast<unsigned char>(place[length + 1]));
  return reply;
}

Reply ask(Client& client, std::string_view request) {
  client.send(greeting);
  if (client.receive(2) != "\5\0"s) return {};
  client.send(request);
  return read_reply(client);
}

int read_reply4(Client& client, Endpoint* bound) {
  const std::string reply = client.receive(8);
  if (reply.size() < 8 || reply[0] != 0) return -1;
  const auto byte = [&](std::size_t at) { return std::uint32_t{static_cast<unsigned char>(reply[at])}; };
  if (bound)
    *bound = {IpAddress::v4(byte(4) << 24 | byte(5) << 16 | byte(6) << 8 | byte(7)),
              static_cast<std::uint16_t>(byte(2) << 8 | byte(3))};
  return reply[1];
}

}  // namespace arcus::test
