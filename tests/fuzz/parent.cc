// Whatever a parent proxy answers, and however it is cut: the handshake comes to the same end at the same
// byte, takes nothing from behind it, says nothing but what it was told to, and keeps little.
#include <array>
#include <string>

#include "lib/upstream/parent.h"
#include "tests/fuzz/fuzz.h"

using arcus::BackendLink;
using arcus::BackendRole;
using arcus::ParentHandshake;
using arcus::fuzz::require;
using State = ParentHandshake::State;

struct Outcome {
  State state;
  arcus::Reason reason;
  std::string detail;
  std::string sent;
  std::size_t taken;

  bool operator==(const Outcome&) const = default;
};

static BackendLink& make_link(BackendRole role, const char* user, const char* password) {
  BackendLink& link = *new BackendLink;  // for ever: its end would need OpenSSL
  link.role = role;
  link.user_name = user;
  link.password = password;
  if (role == BackendRole::parent_http && *user != '\0') link.authorization = "Basic dTpw";
  return link;
}

/// Feeds `in` in pieces of `step` bytes.
static Outcome run(const BackendLink& link, std::string_view host, std::string_view in, std::size_t step) {
  ParentHandshake handshake(link, host, 443);
  Outcome outcome{.sent = handshake.take_output(), .taken = 0};
  while (outcome.taken < in.size() && handshake.state() == State::under_way) {
    const std::string_view piece = in.substr(outcome.taken, step);
    const std::size_t taken = handshake.feed(piece);
    require(taken <= piece.size(), "no more is taken than there is");
    require(taken == piece.size() || handshake.state() != State::under_way, "what is not taken is not its");
    outcome.taken += taken;
    outcome.sent += handshake.take_output();
  }
  outcome.state = handshake.state();
  outcome.reason = handshake.reason();
  outcome.detail = handshake.detail();
  return outcome;
}

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::array<const BackendLink*, 4> links = {
      &make_link(BackendRole::parent_http, "", ""), &make_link(BackendRole::parent_http, "u", "p"),
      &make_link(BackendRole::parent_socks5, "", ""), &make_link(BackendRole::parent_socks5, "u", "p")};
  static constexpr std::array<std::string_view, 3> hosts = {"a.test", "192.0.2.1", "2001:db8::1"};
  if (size < 1) return 0;
  const BackendLink& link = *links[data[0] % links.size()];
  const std::string_view host = hosts[data[0] / links.size() % hosts.size()];
  const std::string_view in = arcus::fuzz::text_of(data + 1, size - 1);
  const Outcome whole = run(link, host, in, in.size() + 1);
  require(whole == run(link, host, in, 1), "byte by byte it is the same");
  require(whole == run(link, host, in, 7), "in pieces it is the same");
  require(whole.sent.size() < 512, "little is said");
  require((whole.state == State::failed) == (whole.reason != arcus::Reason::ok), "a failure has its reason");
  for (const char c : whole.detail) require(c >= ' ' && c <= '~', "the detail is plain text");
  if (whole.state == State::done)
    require(whole == run(link, host, in.substr(0, whole.taken), in.size() + 1),
            "what follows does not matter");
  return 0;
}
