#include "lib/upstream/parent.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "lib/base/address.h"

namespace arcus {

namespace {

constexpr std::size_t max_http_reply = 8 * 1024;
constexpr char socks_version = 5;
constexpr char no_login = 0;
constexpr char name_and_password = 2;

std::uint8_t byte_at(std::string_view in, std::size_t at) noexcept {
  return static_cast<std::uint8_t>(in[at]);
}

/// What the target's failure is called by a reply code (RFC 1928, 6).
struct SocksReply {
  Reason reason;
  std::string_view detail;
};
constexpr SocksReply socks_replies[] = {
    {Reason::ok, ""},
    {Reason::unreachable, "the parent proxy could not connect"},
    {Reason::upstream_protocol, "the parent proxy's rules deny the target"},
    {Reason::unreachable, "the parent proxy cannot reach the target's network"},
    {Reason::unreachable, "the parent proxy cannot reach the target"},
    {Reason::connect_refused, "the target refused the parent proxy"},
    {Reason::connect_timeout, "the target did not answer the parent proxy"},
    {Reason::upstream_protocol, "the parent proxy does not know the command"},
    {Reason::upstream_protocol, "the parent proxy does not know the address type"},
};

/// How long a socks reply is; nothing while that cannot be told yet, 0 when it is none.
std::optional<std::size_t> socks_reply_size(std::string_view reply) noexcept {
  if (reply.size() < 5) return std::nullopt;
  constexpr std::size_t around = 6;  ///< version, code, reserved, type, port
  switch (byte_at(reply, 3)) {
    case 1:
      return around + 4;
    case 3:
      return around + 1 + byte_at(reply, 4);
    case 4:
      return around + 16;
    default:
      return 0;
  }
}

/// The target's failure that an answer to CONNECT tells of.
Reason reason_of_status(int status) noexcept {
  if (status == 504) return Reason::connect_timeout;
  if (status == 502 || status == 503) return Reason::unreachable;
  return Reason::upstream_protocol;
}

}  // namespace

ParentHandshake::ParentHandshake(const BackendLink& link, std::string_view host, std::uint16_t port)
    : link_(link) {
  if (!IpAddress::parse(host) && !is_host_name(host))
    fail(Reason::dns_failed, "not a host name", true);
  else if (link.role == BackendRole::parent_socks5)
    begin_socks(host, port);
  else
    begin_http(host, port);
}

void ParentHandshake::begin_http(std::string_view host, std::uint16_t port) {
  const std::string target = HostPort{std::string{host}, port}.to_string();
  output_ = "CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\n";
  if (!link_.authorization.empty()) output_ += "Proxy-Authorization: " + link_.authorization + "\r\n";
  output_ += "\r\n";
}

void ParentHandshake::begin_socks(std::string_view host, std::uint16_t port) {
  wait_ = Wait::socks_method;
  output_ = {socks_version, 1, no_login};
  if (!link_.user_name.empty()) output_ = {socks_version, 2, no_login, name_and_password};
  request_ = {socks_version, 1, 0};
  if (const auto literal = IpAddress::parse(host)) {
    request_ += static_cast<char>(literal->is_v4() ? 1 : 4);
    for (std::size_t i = 0; i < (literal->is_v4() ? 4U : 16U); ++i)
      request_ += static_cast<char>(literal->bytes()[i]);
  } else {
    request_ += '\3';
    request_ += static_cast<char>(host.size());
    request_ += host;
  }
  request_ += static_cast<char>(port >> 8);
  request_ += static_cast<char>(port & 0xff);
}

std::string ParentHandshake::take_output() noexcept { return std::exchange(output_, {}); }

std::size_t ParentHandshake::feed(std::string_view in) {
  std::size_t taken = 0;
  while (state_ == State::under_way && taken < in.size()) {
    reply_ += in[taken++];
    step();
  }
  return taken;
}

void ParentHandshake::step() {
  switch (wait_) {
    case Wait::http:
      return step_http();
    case Wait::socks_method:
      if (reply_.size() == 2) take_socks_method();
      return;
    case Wait::socks_login:
      if (reply_.size() < 2) return;
      if (reply_[1] != 0)
        return fail(Reason::upstream_protocol, "the parent proxy does not accept our credentials");
      wait_ = Wait::socks_reply;
      output_ += request_;  // the parent may have answered ahead
      reply_.clear();
      return;
    case Wait::socks_reply:
      return take_socks_reply();
  }
}

void ParentHandshake::step_http() {
  constexpr std::string_view start = "HTTP/1.";
  const std::size_t common = std::min(reply_.size(), start.size());
  if (std::string_view{reply_}.substr(0, common) != start.substr(0, common))
    return fail(Reason::upstream_protocol, "the parent proxy does not speak http");
  if (reply_.ends_with("\r\n\r\n") || reply_.ends_with("\n\n")) return take_http_status();
  if (reply_.size() >= max_http_reply)
    fail(Reason::upstream_protocol, "the parent proxy's answer is too long");
}

void ParentHandshake::take_http_status() {
  // "HTTP/1.x 200" and what ends the code.
  if (reply_.size() < 13) return fail(Reason::upstream_protocol, "the parent proxy does not speak http");
  int status = 0;
  for (const char digit : reply_.substr(9, 3))
    status = digit >= '0' && digit <= '9' ? status * 10 + digit - '0' : 10'000;
  const bool well_formed =
      reply_[8] == ' ' && (reply_[12] == ' ' || reply_[12] == '\r' || reply_[12] == '\n');
  if (!well_formed || status < 100 || status > 599)
    return fail(Reason::upstream_protocol, "the parent proxy does not speak http");
  if (status < 200) return reply_.clear();  // an interim answer
  if (status < 300) {
    state_ = State::done;
  } else if (status == 407) {
    fail(Reason::upstream_protocol, link_.authorization.empty()
                                        ? "the parent proxy wants credentials"
                                        : "the parent proxy does not accept our credentials");
  } else {
    fail(reason_of_status(status), "the parent proxy answered " + std::to_string(status), true);
  }
}

void ParentHandshake::take_socks_method() {
  const char method = reply_[1];
  const bool may_login = !link_.user_name.empty();
  if (reply_[0] != socks_version)
    return fail(Reason::upstream_protocol, "the parent proxy does not speak socks5");
  if (method != no_login && (method != name_and_password || !may_login))
    return fail(Reason::upstream_protocol, "the parent proxy wants other credentials");
  reply_.clear();
  if (method == no_login) {
    wait_ = Wait::socks_reply;
    output_ += request_;  // the parent may have answered ahead
    return;
  }
  wait_ = Wait::socks_login;
  output_ += "\1";
  for (const std::string& text : {link_.user_name, link_.password}) {
    output_ += static_cast<char>(text.size());
    output_ += text;
  }
}

void ParentHandshake::take_socks_reply() {
  if (reply_[0] != socks_version)
    return fail(Reason::upstream_protocol, "the parent proxy does not speak socks5");
  if (reply_.size() >= 2 && reply_[1] != 0) {
    // Whatever address comes with a refusal, it is of no use.
    const std::size_t code = byte_at(reply_, 1);
    if (code >= std::size(socks_replies))
      return fail(Reason::upstream_protocol, "the parent proxy answered " + std::to_string(code), true);
    return fail(socks_replies[code].reason, std::string{socks_replies[code].detail}, true);
  }
  const auto size = socks_reply_size(reply_);
  if (size == 0) return fail(Reason::upstream_protocol, "the parent proxy does not speak socks5");
  if (size == reply_.size()) state_ = State::done;
}

void ParentHandshake::fail(Reason reason, std::string detail, bool target_failure) {
  state_ = State::failed;
  reason_ = reason;
  detail_ = std::move(detail);
  target_failure_ = target_failure;
}

}  // namespace arcus
