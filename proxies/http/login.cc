#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "lib/base/text.h"
#include "lib/http/chars.h"
#include "proxies/http/session.h"

namespace arcus::http {

namespace {

/// What a client shows (RFC 7617); wiped when it goes.
struct Shown {
  std::string text;
  std::string_view user;
  std::string_view password;

  Shown() = default;
  Shown(const Shown&) = delete;
  Shown& operator=(const Shown&) = delete;
  ~Shown() { wipe(text); }
};

/// Reads the value of (Proxy-)Authorization. False when it is none of ours or broken.
bool read_basic(std::string_view value, Shown& out) {
  const std::size_t blank = value.find(' ');
  if (blank == std::string_view::npos || !equals_lower(value.substr(0, blank), "basic")) return false;
  auto text = from_base64(trim(value.substr(blank)));
  if (!text) return false;
  out.text.swap(*text);
  const std::size_t colon = out.text.find(':');
  if (colon == std::string::npos || out.text.find('\0') != std::string::npos) return false;
  out.user = std::string_view{out.text}.substr(0, colon);
  out.password = std::string_view{out.text}.substr(colon + 1);
  return true;
}

}  // namespace

/// The certificate says it once for the connection; whether that user is still let in is asked every time.
bool HttpSession::identify_by_certificate() {
  LoginHandler& hears = *this;
  if (!login_) login_ = std::make_unique<Login>(hears);
  const ServerConfig& config = connection_.config();
  if (!login_->is_adopted()) login_->adopt(connection_.certified_user(config));
  const Reason verdict = ClientConnection::judge_certified(config, login_->user());
  if (verdict != Reason::ok) reply(403, verdict);  // another try brings the same certificate
  return verdict == Reason::ok;
}

/// True when the request may go on. Else it was answered, or waits in client_in_ to be looked at again.
bool HttpSession::identify(const RequestHead& head, std::string_view rest) {
  if (connection_.config().users_by_certificate) return identify_by_certificate();
  if (exchange_->queued && login_ && login_->identity() != nullptr) return true;  // judged when it came
  if (const Reason refused = std::exchange(refused_login_, Reason::ok); refused != Reason::ok)
    return ask_for_credentials(refused);
  const FieldId id = config().reverse ? FieldId::authorization : FieldId::proxy_authorization;
  const Field* field = head.fields.find(id);
  if (field == nullptr) {
    if (login_) login_->forget();
    return ask_for_credentials(Reason::auth_required);
  }
  const auto is_one = [id](const Field& one) { return one.id == id; };
  Shown shown;
  if (std::ranges::count_if(head.fields, is_one) > 1 || !read_basic(field->value, shown)) {
    if (login_) login_->forget();
    return ask_for_credentials(Reason::auth_failed);
  }
  if (!login_) {
    LoginHandler& hears = *this;  // a private base: make_unique could not convert
    login_ = std::make_unique<Login>(hears);
  }
  const auto verdict = login_->check(connection_.thread(), connection_.config(), connection_.peer().address,
                                     shown.user, shown.password);
  if (verdict) return *verdict == Reason::ok || ask_for_credentials(*verdict);
  // Everything is as if the head had just come, once it is known who that is.
  client_in_.keep({rest.data() - head.size, head.size + rest.size()});
  phase_ = Phase::login;
  return false;
}

void HttpSession::on_login(Reason reason) {
  if (phase_ != Phase::login) return;
  refused_login_ = reason;
  resume_head();
}

void HttpSession::resume_head() {
  client_fresh_ = true;
  phase_ = Phase::head;
  run();
}

/// Answers with the challenge, or with what else keeps them out. Always false.
bool HttpSession::ask_for_credentials(Reason reason) {
  static constexpr OwnField retry[] = {{"Retry-After", "1"}};
  if (reason == Reason::rate_limited) return reply(429, reason, retry), false;
  if (reason == Reason::user_disabled || reason == Reason::local_resource)
    return reply(status_of(reason), reason), false;
  const bool reverse = config().reverse;
  const std::string challenge =
      "Basic realm=\"" + connection_.config().tenant->name + "\", charset=\"UTF-8\"";
  const OwnField fields[] = {{reverse ? "WWW-Authenticate" : "Proxy-Authenticate", challenge}};
  reply(reverse ? 401 : 407, reason, fields);
  return false;
}

Reason HttpSession::judge_user(bool as_tunnel) const noexcept {
  const ServerConfig& newest = *connection_.server().config();
  const UserTable* users = newest.users.get();
  if (users == nullptr) return Reason::ok;
  if (newest.users_by_certificate && (as_tunnel || login_))
    return ClientConnection::judge_certified(newest, connection_.certified_user(newest));
  if (login_ && login_->identity() != nullptr) return users->still_admits(login_->identity()->user);
  return as_tunnel ? Reason::auth_required : Reason::ok;  // all that is no tunnel will be asked
}

}  // namespace arcus::http
