#include <algorithm>
#include <array>
#include <utility>

#include "lib/runtime/thread.h"
#include "proxies/socks/session.h"

namespace arcus::socks {

/// The one place where a method is agreed on. False when there is none: the client has been told.
bool SocksSession::choose_method(const Greeting& greeting) {
  const bool served = config().serves(Version::v5);
  const bool agreed = served && greeting.offers(config().method);
  const Method method = agreed ? config().method : Method::not_acceptable;
  const std::array<char, 2> answer{5, static_cast<char>(method)};
  if (!agreed) {
    const Reason lacking =
        config().method == Method::password ? Reason::auth_required : Reason::unsupported_method;
    close_politely(served ? lacking : Reason::unsupported_version, {answer.data(), answer.size()});
    return false;
  }
  phase_ = method == Method::password ? Phase::login : Phase::request;
  return send({answer.data(), answer.size()});
}

void SocksSession::log_in(const UserPassword& shown) {
  // What was agreed on holds, should the server ask for nobody any more.
  if (!newest().users) return end_login(Reason::ok);
  if (!login_) {
    LoginHandler& hears = *this;  // a private base: make_unique could not convert
    login_ = std::make_unique<Login>(hears);
  }
  const auto verdict =
      login_->check(connection_.thread(), newest(), connection_.peer().address, shown.user, shown.password);
  if (verdict) return end_login(*verdict);
  deadline_.disarm();  // that takes as long as it takes
  phase_ = Phase::checking;
}

void SocksSession::on_login(Reason reason) {
  if (phase_ != Phase::checking) return;
  net().deadlines.of(connection_.config().handshake_timeout()).arm(deadline_);
  end_login(reason);
  if (phase_ != Phase::request) return;
  // What came behind the password has waited.
  std::array<char, max_message> buffer;
  const std::string_view kept = in_.view();
  const std::size_t size = std::min(kept.size(), buffer.size());
  std::ranges::copy(kept.substr(0, size), buffer.begin());
  in_.clear();
  std::string_view bytes{buffer.data(), size};
  while (is_negotiating() && !bytes.empty() && take_message(bytes)) {
  }
  if (is_negotiating()) in_.keep(bytes);
  if (phase_ != Phase::over) on_ready(client());
}

/// The answer of RFC 1929: 0, or anything else and the end.
void SocksSession::end_login(Reason reason) {
  const std::array<char, 2> answer{1, static_cast<char>(reason == Reason::ok ? 0 : 1)};
  if (reason != Reason::ok) return close_politely(reason, {answer.data(), answer.size()});
  phase_ = Phase::request;
  static_cast<void>(send({answer.data(), answer.size()}));
}

Reason SocksSession::judge_user() const noexcept {
  const UserTable* users = newest().users.get();
  if (users == nullptr) return Reason::ok;
  if (!login_ || login_->identity() == nullptr) return Reason::auth_required;
  return users->still_admits(login_->identity()->user);
}

void SocksSession::begin(const Request& request) {
  asked_at_ = connection_.thread().now();
  host_ = request.destination.address ? request.destination.address->to_string()
                                      : std::string{request.destination.name};
  port_ = request.destination.port;
  if (!config().serves(version_))
    return refuse(config().method == Method::none ? Reason::unsupported_version : Reason::auth_required);
  if (const Reason denied = judge_user(); denied != Reason::ok) return refuse(denied);
  // A parent proxy is there for all that leaves; it is asked for connections only.
  const bool possible = command_ == Command::connect || !has_parents(connection_.config());
  if (!possible || !config().serves(command_))
    return refuse(Reason::unsupported_method, Code::command_not_supported);
  // What an association is to reach its datagrams will say.
  const Reason denied =
      decided(command_ == Command::associate ? judge_client(newest(), asked()) : judge(newest(), asked()));
  if (denied != Reason::ok) return refuse(denied);
  if (const Reason verdict = connection_.admit_request(user()); verdict != Reason::ok) return refuse(verdict);
  deadline_.disarm();
  switch (command_) {
    case Command::connect:
      return port_ == 0 ? refuse(Reason::bad_request) : dial();
    case Command::bind:
      return begin_binding(request.destination);
    case Command::associate:
      return begin_association(request.destination);
  }
}

void SocksSession::begin_binding(const Destination& peer) {
  phase_ = Phase::binding;
  BindingHandler& hears = *this;  // a private base: make_unique could not convert
  binding_ = std::make_unique<Binding>(net(), hears);
  binding_->start({.peer = peer,
                   .source = config().egress,
                   .v4_only = version_ != Version::v5,
                   .timeout = config().bind_timeout});
}

void SocksSession::begin_association(const Destination& declared) {
  phase_ = Phase::associated;
  AssociationHandler& hears = *this;
  association_ = std::make_unique<Association>(net(), hears);
  const Reason failed = association_->open({.client = connection_.peer().address,
                                            .declared = declared,
                                            .local = connection_.local().address,
                                            .config = &config(),
                                            .tenant = connection_.config().limits->tenant});
  if (failed != Reason::ok) return refuse(failed);
  response_time_ = std::chrono::microseconds(0);
  if (!send_reply(association_->advertised())) return;
  served_ = true;
  connection_.count_request(user(), rule_);
  on_ready(client());
}

}  // namespace arcus::socks
