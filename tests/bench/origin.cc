#include <netinet/tcp.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/sendfile.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>
#include <string_view>

#include "tests/bench/common.h"

namespace bench {
namespace {

constexpr std::size_t store_size = std::size_t{16} << 20;
constexpr std::string_view short_record{"\x15\x03\x03\x00\x02\x01\x00", 7};

/// One connection of a client.
struct Conversation {
  Fd fd;
  std::string input;       // of requests that are not whole yet
  std::string output;      // heads and small answers that the client would not take yet
  std::uint64_t body = 0;  // bytes of a big answer still to send, after `output`
  bool is_last = false;    // close after this answer
  bool is_blocked = false;
};

enum class After { go_on, close };

bool has_close(std::string_view head) {
  constexpr std::string_view wanted = "\nconnection: close";
  for (std::size_t at = head.find('\n'); at != head.npos; at = head.find('\n', at + 1))
    if (head.size() - at >= wanted.size() && strncasecmp(head.data() + at, wanted.data(), wanted.size()) == 0)
      return true;
  return false;
}

std::string head_of(std::uint64_t length) {
  return "HTTP/1.1 200 OK\r\nServer: origin\r\nContent-Type: text/plain\r\nContent-Length: " +
         std::to_string(length) + "\r\n\r\n";
}

class Origin {
 public:
  explicit Origin(std::uint16_t port);
  [[noreturn]] void run();

 private:
  void on_accept();
  After on_event(Conversation& client, std::uint32_t events);
  After on_input(Conversation& client);
  bool take_message(Conversation& client);
  After flush(Conversation& client);

  Poll poll_;
  Fd listener_;
  Fd store_;
  std::string small_ = head_of(64) + std::string(64, 's');
  char buffer_[16384];
};

Origin::Origin(std::uint16_t port)
    : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)),
      store_(::memfd_create("body", MFD_CLOEXEC)) {
  const std::string piece(1 << 20, 'b');
  for (std::size_t done = 0; done < store_size; done += piece.size())
    if (::write(store_.get(), piece.data(), piece.size()) != static_cast<ssize_t>(piece.size()))
      give_up("write");
  const int on = 1;
  ::setsockopt(listener_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  ::setsockopt(listener_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // accepted sockets inherit it
  const sockaddr_in address = loopback(1, port);
  if (::bind(listener_.get(), raw(address), sizeof address) != 0) give_up("bind");
  if (::listen(listener_.get(), 4096) != 0) give_up("listen");
  poll_.add(listener_.get(), EPOLLIN, nullptr);
}

void Origin::run() {
  for (;;) {
    poll_.wait(-1, [this](void* what, std::uint32_t events) {
      if (what == nullptr) return on_accept();
      std::unique_ptr<Conversation> client{static_cast<Conversation*>(what)};
      if (on_event(*client, events) == After::go_on) static_cast<void>(client.release());
    });
  }
}

void Origin::on_accept() {
  for (int i = 0; i < 32; ++i) {
    Fd fd{::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)};
    if (!fd) return;
    auto client = std::make_unique<Conversation>();
    client->fd = std::move(fd);
    poll_.add(client->fd.get(), EPOLLIN, client.get());
    static_cast<void>(client.release());  // the poll's from now on
  }
}

After Origin::on_event(Conversation& client, std::uint32_t events) {
  if ((events & (EPOLLERR | EPOLLHUP)) != 0) return After::close;
  const bool was_blocked = client.is_blocked;
  const After after = was_blocked ? flush(client) : on_input(client);
  if (after == After::go_on && client.is_blocked != was_blocked)
    poll_.change(client.fd.get(), client.is_blocked ? EPOLLOUT : EPOLLIN, &client);
  return after;
}

After Origin::on_input(Conversation& client) {
  const ssize_t n = ::recv(client.fd.get(), buffer_, sizeof buffer_, 0);
  if (n < 0) return errno == EAGAIN ? After::go_on : After::close;
  if (n == 0) return After::close;
  client.input.append(buffer_, static_cast<std::size_t>(n));
  while (client.body == 0 && take_message(client)) {
  }
  if (client.input.size() > sizeof buffer_) return After::close;
  return client.output.empty() ? After::go_on : flush(client);
}

/// Takes one whole message off the input and appends its answer; false when there is none.
bool Origin::take_message(Conversation& client) {
  const std::string_view input = client.input;
  if (!input.empty() && input[0] == '\x16') {
    if (input.size() < 5) return false;
    const auto byte = [&](std::size_t i) {
      return static_cast<std::size_t>(static_cast<unsigned char>(input[i]));
    };
    const std::size_t size = 5 + (byte(3) << 8 | byte(4));
    if (input.size() < size) return false;
    client.output += short_record;
    client.input.erase(0, size);
    return true;
  }
  const std::size_t end = input.find("\r\n\r\n");
  if (end == input.npos) return false;
  const std::string_view head = input.substr(0, end);
  const std::string_view line = head.substr(0, head.find('\r'));
  const std::size_t at = line.find("/bytes/");
  if (at == line.npos) {
    client.output += small_;
  } else {
    client.body = std::strtoull(line.data() + at + 7, nullptr, 10);
    client.output += head_of(client.body);
  }
  client.is_last = client.is_last || has_close(head);
  client.input.erase(0, end + 4);
  return true;
}

After Origin::flush(Conversation& client) {
  client.is_blocked = true;
  while (!client.output.empty()) {
    const int flags = MSG_NOSIGNAL | (client.body > 0 ? MSG_MORE : 0);
    const ssize_t n = ::send(client.fd.get(), client.output.data(), client.output.size(), flags);
    if (n < 0) return errno == EAGAIN ? After::go_on : After::close;
    client.output.erase(0, static_cast<std::size_t>(n));
  }
  while (client.body > 0) {
    off_t offset = 0;
    const ssize_t n =
        ::sendfile(client.fd.get(), store_.get(), &offset, std::min<std::uint64_t>(client.body, store_size));
    if (n < 0) return errno == EAGAIN ? After::go_on : After::close;
    client.body -= static_cast<std::uint64_t>(n);
  }
  client.is_blocked = false;
  return client.is_last ? After::close : After::go_on;
}

}  // namespace

void run_origin(std::uint16_t port) { Origin{port}.run(); }

}  // namespace bench
