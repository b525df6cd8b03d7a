#include "tests/unit/proxy_http/fixture.h"

#include <sys/socket.h>

#include <array>
#include <stdexcept>
#include <utility>

namespace arcus::test {

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

std::string ok(std::string_view body, std::string_view fields) {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + std::string{fields} +
         "\r\n" + std::string{body};
}

/// The value of a Content-Length line; 0 when there is none.
static std::size_t length_of(const std::string& head) {
  const std::size_t at = head.find("Content-Length: ");
  return at == std::string::npos ? 0 : std::stoul(head.substr(at + 16));
}

Origin::Origin(Respond respond) : respond_(std::move(respond)), server_([this](int fd) { serve(fd); }) {}

Origin::Origin(std::string answer) : Origin([answer](const auto&, const auto&) { return answer; }) {}

std::string Origin::url(std::string_view path) const { return "http://" + authority() + std::string{path}; }

std::vector<std::string> Origin::heads() const {
  const std::lock_guard lock(mutex_);
  return heads_;
}

std::vector<std::string> Origin::bodies() const {
  const std::lock_guard lock(mutex_);
  return bodies_;
}

Origin::~Origin() {
  const std::lock_guard lock(mutex_);
  for (const int fd : open_) ::shutdown(fd, SHUT_RDWR);
}

void Origin::serve(int fd) {
  {
    const std::lock_guard lock(mutex_);
    open_.insert(fd);
  }
  answer_all(fd);
  const std::lock_guard lock(mutex_);
  open_.erase(fd);
}

void Origin::answer_all(int fd) {
  std::string in;
  std::array<char, 65536> part;
  const auto read = [&] {
    const ssize_t n = ::recv(fd, part.data(), part.size(), 0);
    if (n > 0) in.append(part.data(), static_cast<std::size_t>(n));
    return n > 0;
  };
  while (true) {
    while (!has(in, "\r\n\r\n"))
      if (!read()) return;
    const std::size_t end = in.find("\r\n\r\n") + 4;
    const std::string head = in.substr(0, end);
    in.erase(0, end);
    if (has(head, "Expect: 100-continue")) ::send(fd, "HTTP/1.1 100 Continue\r\n\r\n", 25, MSG_NOSIGNAL);
    std::size_t size = length_of(head);
    if (has(head, "Transfer-Encoding: chunked")) {
      while (!has(in, "0\r\n\r\n") && !(has(in, "\r\n0\r\n") && in.ends_with("\r\n\r\n")))
        if (!read()) return;
      size = in.size();
    }
    while (in.size() < size)
      if (!read()) break;
    const std::string body = in.substr(0, size);
    in.erase(0, size);
    {
      const std::lock_guard lock(mutex_);
      heads_.push_back(head);
      bodies_.push_back(body);
    }
    if (body.size() < size) return;
    const std::string answer = respond_(head, body);
    for (std::size_t sent = 0; sent < answer.size();) {
      const ssize_t n = ::send(fd, answer.data() + sent, answer.size() - sent, MSG_NOSIGNAL);
      if (n <= 0) return;
      sent += static_cast<std::size_t>(n);
    }
    const std::size_t last = answer.rfind("HTTP/1.");
    const bool open = has(answer, "Content-Length: ") || has(answer, "chunked") || has(answer, " 204 ") ||
                      has(answer, " 304 ");
    if (last == std::string::npos || !open || has(answer, "X-Close: now")) return;
  }
}

Answer read_answer(Client& client, bool has_body) {
  Answer answer;
  while (true) {
    std::string head;
    while (!head.ends_with("\r\n\r\n")) {
      const std::string byte = client.receive(1);
      if (byte.empty()) {
        answer.head += head;
        return answer;
      }
      head += byte;
    }
    answer.head += head;
    answer.status = std::stoi(head.substr(9, 3));
    if (answer.status >= 200 || answer.status == 101) {
      if (answer.status == 204 || answer.status == 304 || answer.status == 101 || !has_body) return answer;
      if (has(head, "Content-Length: ")) {
        answer.body = client.receive(length_of(head));
      } else if (has(head, "Transfer-Encoding: chunked")) {
        while (!answer.body.ends_with("\r\n\r\n") ||
               !(has(answer.body, "\r\n0\r\n") || answer.body.starts_with("0\r\n"))) {
          const std::string byte = client.receive(1);
          if (byte.empty()) break;
          answer.body += byte;
        }
      } else {
        answer.body = client.receive_all();
      }
      return answer;
    }
  }
}

HttpWorker::HttpWorker(const std::function<void(wire::ServerConfig&)>& change) {
  config_ = worker_.tcp_config({});
  config_.type = "http";
  config_.name = "web";
  config_.rules.push_back({.number = 10, .allow = true, .destination = "127.0.0.0/8"});
  if (change) change(config_);
  if (const wire::Ack ack = worker_.put(config_); !ack.error.empty()) throw std::runtime_error(ack.error);
  port_ = worker_.listen(config_.id);
}

Answer HttpWorker::ask(const std::string& text, bool has_body) {
  Client client(port_);
  client.send(text);
  return read_answer(client, has_body);
}

Answer HttpWorker::get(const std::string& url, const std::string& fields) {
  return ask("GET " + url + " HTTP/1.1\r\nHost: x.test\r\n" + fields + "\r\n");
}

wire::CounterTotals HttpWorker::after(std::uint64_t requests) {
  return worker_.counters(
      [=](const auto& totals) {  // a request is counted before its answer, its reason after
        std::uint64_t ended = 0;
        for (const auto count : totals.reasons) ended += count;
        return totals.total_requests >= requests && ended >= requests;
      });
}

}  // namespace arcus::test
