#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace bench {

enum class Mode {
  requests,     // one after another on kept connections
  connections,  // a connection for each request
  bulk,         // 100 MiB bodies on kept connections
  hold,         // one request on each connection, then silence until standard input ends
};
enum class Preface { none, connect, socks, hello };

/// One step before the first request: what is said, how much comes back, and where in it success is written.
struct Exchange {
  std::string say;
  std::size_t expect = 0;  // bytes; 0: up to an empty line
  std::size_t success_at = 0;
  std::string success;
};

/// What the arguments ask for.
struct Plan {
  std::uint16_t port = 0;    // of the proxy
  std::uint16_t origin = 0;  // of the origin, as the proxy is told it
  Mode mode = Mode::requests;
  Preface preface = Preface::none;
  std::size_t connections = 64;
  double seconds = 2;
  double warm_up = 0.5;
  double rate = 0;  // requests per second; 0: as fast as it goes
  bool has_tls = false;
  bool resumes = false;
  bool takes_refusals = false;  // any answer will do, and whoever is turned away comes again
  bool is_absolute = false;     // the request names the whole URI, as a forward proxy wants it

  std::string server_name = "a.test";
  std::vector<Exchange> exchanges;
  std::string request;
};

/// Ends the program with a message when the arguments make no sense.
Plan read_plan(std::span<char* const> args);

}  // namespace bench
