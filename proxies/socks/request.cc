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
    close_politely(served ? Reason::unsupported_method : Reason::unsupported_version,
                   {answer.data(), answer.size()});
    return false;
  }
  phase_ = Phase::request;
  return send({answer.data(), answer.size()});
}

void SocksSession::begin(const Request& request) {
  asked_at_ = connection_.thread().now();
  host_ = request.destination.address ? request.destination.address->to_string()
                                      : std::string{request.destination.name};
  port_ = request.destination.port;
  if (!config().serves(version_)) return refuse(Reason::unsupported_version);
  // A parent proxy is there for all that leaves; it is asked for connections only.
  const bool possible = command_ == Command::connect || !has_parents(connection_.config());
  if (!possible || !config().serves(command_))
    return refuse(Reason::unsupported_method, Code::command_not_supported);
  // What an association is to reach its datagrams will say.
  const Reason denied =
      command_ == Command::associate ? judge_client(newest(), asked().client) : judge(newest(), asked());
  if (denied != Reason::ok) return refuse(denied);
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
  on_ready(client());
}

}  // namespace arcus::socks
