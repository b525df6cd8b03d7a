#include "proxies/http/exchange.h"

#include "lib/http/chars.h"

namespace arcus::http {

void Notes::clear() noexcept {
  text_.clear();
  parts_ = {};
}

void Notes::set(NoteKind kind, std::string_view text) {
  parts_[static_cast<std::size_t>(kind)] = {static_cast<std::uint32_t>(text_.size()),
                                            static_cast<std::uint32_t>(text.size())};
  text_ += text;
}

std::string_view Notes::get(NoteKind kind) const noexcept {
  const Part& part = parts_[static_cast<std::size_t>(kind)];
  return std::string_view{text_}.substr(part.at, part.size);
}

void Notes::shrink(std::size_t most) {
  if (text_.capacity() > most) text_ = {};
}

bool logs_in_connection(const Head& head, FieldId id) noexcept {
  if (!head.fields.has(id)) return false;
  for (const Field& field : head.fields) {
    if (field.id != id) continue;
    const std::string_view scheme = field.value.substr(0, field.value.find_first_of(" \t,"));
    if (equals_lower(scheme, "ntlm") || equals_lower(scheme, "negotiate")) return true;
  }
  return false;
}

RequestFacts Exchange::take_facts() {
  Notes grown = notes;  // a copy takes what it needs, and the next request finds the room of this one
  std::swap(grown, notes);
  RequestFacts facts = std::move(*this);
  notes = std::move(grown);
  if (!facts.guarded) facts.host = std::move(asked_host);
  return facts;
}

void Exchange::reset(NetContext& net) noexcept {
  constexpr std::size_t most_kept = 8 * 1024;
  notes.clear();
  notes.shrink(most_kept);
  method = Method::other;
  client_minor = 1;
  client_keeps = has_head = false;
  upgrade.clear();
  host.clear();
  asked_host.clear();
  port = 0;
  literal.reset();
  address.reset();
  guarded = reusable = retried = reused = false;
  denied_range = nullptr;
  choice.reset();
  queued = brief_dial = false;
  dial_failure = Reason::ok;
  backend = nullptr;
  link.reset();
  trouble.clear();
  slot.give_back();
  dialer.reset();
  dial_until.reset();
  upstream.close();
  upstream_in.clear();
  upstream_fresh = false;
  pending.clear();
  if (pending.capacity() > most_kept) pending = {};
  request.clear(net);
  response.clear(net);
  upload_broken = false;
  status = 0;
  reason = Reason::ok;
  interims = 0;
  answered = counted = upstream_keeps = pins = false;
  rule = 0;
  prepaid = 0;
  response_time.reset();
  dns_time = connect_time = {};
  bytes_in = bytes_out = 0;
}

}  // namespace arcus::http
