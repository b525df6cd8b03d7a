#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "lib/base/address.h"
#include "lib/base/reason.h"
#include "lib/base/time.h"
#include "lib/http/head.h"
#include "lib/net/backlog.h"
#include "lib/net/relay.h"
#include "lib/net/stream.h"
#include "lib/policy/policy.h"
#include "lib/runtime/access.h"
#include "lib/runtime/backend_choice.h"
#include "lib/tls/name_witness.h"
#include "lib/upstream/connector.h"
#include "proxies/http/body.h"

namespace arcus::http {

/// Which texts of a request are kept for its access record.
enum class NoteKind : std::uint8_t { method, target, user_agent, referer, content_type };
inline constexpr std::size_t note_kinds = 5;

/// Texts in one string, so that keeping them costs no allocation once the string has grown.
class Notes {
 public:
  void clear() noexcept;
  void set(NoteKind kind, std::string_view text);
  std::string_view get(NoteKind kind) const noexcept;
  void shrink(std::size_t most);

 private:
  struct Part {
    std::uint32_t at = 0;
    std::uint32_t size = 0;
  };
  std::string text_;
  std::array<Part, note_kinds> parts_{};
};

/// An upstream connection that NTLM or Negotiate has logged in. Nobody else may ever use it.
struct Pinned {
  Stream stream;
  Endpoint address;
  std::string host;
  std::uint16_t port = 0;
  std::shared_ptr<const BackendLink> link;
};

/// True when one of the fields with that id logs in the connection, not the request.
bool logs_in_connection(const Head& head, FieldId id) noexcept;

/// What the record of a request will say and what the rules judge it by: all that stays of it in a tunnel.
struct RequestFacts {
  Notes notes;
  SteadyTime started;
  std::string host;  ///< where it goes; of a tunnel that is not guarded, what the client asked for
  std::optional<Endpoint> address;
  std::uint16_t port = 0;
  std::uint16_t status = 0;
  std::uint32_t rule = 0;  ///< tally of the rule that decided
  Reason reason = Reason::ok;
  std::uint8_t client_minor = 1;
  bool has_head = false;  ///< a whole request head was read
  bool guarded = false;   ///< the client chose where it goes: rules and destination guard judge its addresses
  bool reused = false;    ///< the upstream connection
  bool counted = false;   ///< as a request, before its answer was sent
  std::shared_ptr<const BackendLink> link;  ///< how the upstream is spoken to; null = plain
  BackendSlot slot;
  std::optional<std::chrono::microseconds> response_time;
  std::chrono::microseconds dns_time{0};
  std::chrono::microseconds connect_time{0};
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;

  bool has_parent() const noexcept { return link && link->is_parent(); }
};

/// One request and its answer. Lives from the request's first byte to the record; the memory is used again
/// for the next request of any session on the thread.
struct Exchange : RequestFacts {
  // What the client asked.
  Method method = Method::other;
  bool client_keeps = false;  ///< would send another request
  std::string upgrade;        ///< what it may switch to; empty = nothing

  // Where it goes.
  std::string asked_host;  ///< when not guarded: what the client asked for, as the rules judge it
  std::optional<IpAddress> literal;
  bool reusable = false;  ///< may take a kept connection: can be sent again if that turns out dead
  bool retried = false;
  const policy::SpecialRange* denied_range = nullptr;
  BackendChoice choice;              ///< among the backends, or the parent proxies when guarded
  const Backend* backend = nullptr;  ///< of the connection's snapshot; a parent proxy when guarded
  bool queued = false;               ///< it has waited for a backend, and is not to be admitted again
  bool brief_dial = false;           ///< less than half of what an attempt may take: says little of a backend
  Reason dial_failure = Reason::ok;  ///< of the last attempt
  std::optional<Connector> dialer;
  std::optional<SteadyTime> dial_until;  ///< for all attempts together
  std::string trouble;                   ///< what went wrong on the way there, as a sentence

  // The upstream side.
  Stream upstream;
  Backlog upstream_in;          ///< read, not yet understood
  bool upstream_fresh = false;  ///< upstream_in has not been parsed since it was kept
  std::string pending;          ///< what to send once connected, or again
  BodyPump request;
  BodyPump response;
  bool upload_broken = false;  ///< the upstream takes no more; it may still have answered

  // The answer.
  unsigned interims = 0;
  bool answered = false;    ///< the head was sent
  std::size_t prepaid = 0;  ///< bytes of the answer that were counted before they were sent
  bool upstream_keeps = false;
  bool pins = false;  ///< the upstream connection itself is logged in: it stays with this client

  /// The upstream wants requests in absolute form.
  bool asks_parent() const noexcept { return has_parent() && link->takes_requests(); }
  /// Its facts for a tunnel, in no more memory than they need.
  RequestFacts take_facts();
  /// As new, but for the memory of the strings.
  void reset(NetContext& net) noexcept;
};

/// What an exchange becomes after CONNECT or an upgrade.
struct Tunnel {
  Tunnel(NetContext& net, RelayHandler& handler, RequestFacts&& its_facts)
      : facts(std::move(its_facts)), relay(net, handler) {}

  RequestFacts facts;
  Relay relay;
  std::size_t ahead = 0;                      ///< what the client sent behind its request, counted already
  std::unique_ptr<tls::NameWitness> witness;  ///< of the TLS inside; null = nobody wants to know
};

}  // namespace arcus::http
