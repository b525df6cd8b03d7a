#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "lib/base/address.h"
#include "lib/base/unique_fd.h"
#include "lib/net/socket.h"

namespace arcus::test {

/// A DNS server of one thread: answers A questions from a table, everything else with "no such name".
class FakeDns {
 public:
  /// `in_turn`: each question gets the next of the addresses alone.
  explicit FakeDns(std::map<std::string, std::vector<std::uint32_t>> names, std::uint32_t ttl = 60,
                   bool in_turn = false)
      : names_(std::move(names)),
        ttl_(ttl),
        in_turn_(in_turn),
        fd_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_storage storage;
    const socklen_t size = Endpoint{IpAddress::v4(INADDR_LOOPBACK), 0}.to(storage);
    if (::bind(fd_.get(), reinterpret_cast<sockaddr*>(&storage), size) != 0) throw std::runtime_error("bind");
    port_ = socket::local_endpoint(fd_.get()).port;
    thread_ = std::jthread([this] { serve(); });
  }
  ~FakeDns() {
    sockaddr_storage storage;
    const socklen_t size = Endpoint{IpAddress::v4(INADDR_LOOPBACK), port_}.to(storage);
    ::sendto(fd_.get(), "", 0, 0, reinterpret_cast<sockaddr*>(&storage), size);
  }
  std::string resolv_conf() const { return "nameserver 127.0.0.1#" + std::to_string(port_) + "\n"; }
  int questions() const { return questions_.load(); }

 private:
  void serve() {
    std::array<char, 512> packet;
    while (true) {
      sockaddr_storage from;
      socklen_t size = sizeof from;
      const ssize_t n =
          ::recvfrom(fd_.get(), packet.data(), packet.size(), 0, reinterpret_cast<sockaddr*>(&from), &size);
      if (n <= 0) return;
      const std::string reply = answer({packet.data(), static_cast<std::size_t>(n)});
      ::sendto(fd_.get(), reply.data(), reply.size(), 0, reinterpret_cast<sockaddr*>(&from), size);
    }
  }
  std::string answer(std::string_view question) {
    std::string name;
    std::size_t at = 12;
    while (question[at] != 0) {
      if (!name.empty()) name += '.';
      name += question.substr(at + 1, static_cast<std::size_t>(question[at]));
      at += 1 + static_cast<std::size_t>(question[at]);
    }
    const bool is_a = question[at + 2] == 1;
    if (is_a) ++questions_;
    const auto found = names_.find(name);
    std::vector<std::uint32_t> addresses;
    if (is_a && found != names_.end()) addresses = found->second;
    if (in_turn_ && !addresses.empty())
      addresses = {addresses[static_cast<std::size_t>(questions_ - 1) % addresses.size()]};
    const std::size_t count = addresses.size();
    std::string reply{question.substr(0, 2)};
    reply += '\x81';
    reply += static_cast<char>(found == names_.end() ? 0x83 : 0x80);
    reply += std::string("\0\1\0", 3) + static_cast<char>(count) + std::string(4, '\0');
    reply += question.substr(12, at + 5 - 12);
    for (std::size_t i = 0; i < count; ++i) {
      reply += std::string("\xc0\x0c\0\1\0\1", 6);
      for (int shift = 24; shift >= 0; shift -= 8) reply += static_cast<char>(ttl_ >> shift);
      reply += std::string("\0\4", 2);
      for (int shift = 24; shift >= 0; shift -= 8) reply += static_cast<char>(addresses[i] >> shift);
    }
    return reply;
  }

  std::map<std::string, std::vector<std::uint32_t>> names_;
  std::uint32_t ttl_;
  bool in_turn_;
  UniqueFd fd_;
  std::uint16_t port_ = 0;
  std::atomic<int> questions_{0};
  std::jthread thread_;
};

}  // namespace arcus::test
