#pragma once

#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tests/unit/runtime/driver.h"
#include "tests/unit/runtime/peers.h"

namespace arcus::test {

/// An HTTP origin that keeps every head and body it got. The answer to each request is what `respond`
/// returns; an empty one closes the connection.
class Origin {
 public:
  using Respond = std::function<std::string(const std::string& head, const std::string& body)>;
  explicit Origin(Respond respond);
  /// The same answer to everything.
  explicit Origin(std::string answer);
  /// Ends the connections that are kept idle with it.
  ~Origin();

  std::uint16_t port() const { return server_.port(); }
  int connections() const { return server_.accepted(); }
  std::string url(std::string_view path = "/") const;
  std::string authority() const { return "127.0.0.1:" + std::to_string(port()); }
  std::vector<std::string> heads() const;
  std::vector<std::string> bodies() const;

 private:
  void serve(int fd);
  void answer_all(int fd);

  Respond respond_;
  mutable std::mutex mutex_;
  std::vector<std::string> heads_;
  std::vector<std::string> bodies_;
  std::set<int> open_;
  Server server_;
};

/// "HTTP/1.1 200 OK" with that body.
std::string ok(std::string_view body, std::string_view fields = {});

struct Answer {
  int status = 0;
  std::string head;
  std::string body;  ///< decoded from Content-Length, chunked as it came, or up to the end
};

/// Reads one final answer (interim ones stay in front of `head`).
Answer read_answer(Client& client, bool has_body = true);

/// A worker with one http server "s" that may reach 127.0.0.0/8.
class HttpWorker {
 public:
  explicit HttpWorker(const std::function<void(wire::ServerConfig&)>& change = {});
  std::uint16_t port() const { return port_; }
  TestWorker& worker() { return worker_; }
  const wire::ServerConfig& config() const { return config_; }

  /// Sends `text`, then reads one answer.
  Answer ask(const std::string& text, bool has_body = true);
  /// A GET of `url` with further field lines.
  Answer get(const std::string& url, const std::string& fields = {});
  /// The counters once that many requests are recorded.
  wire::CounterTotals after(std::uint64_t requests);

 private:
  TestWorker worker_;
  wire::ServerConfig config_;
  std::uint16_t port_;
};

bool has(const std::string& text, std::string_view part);

}  // namespace arcus::test
