#include "lib/policy/routes.h"

#include <algorithm>
#include <array>
#include <utility>

#include "lib/base/error.h"
#include "lib/base/text.h"

namespace arcus::policy {

static Error failed(std::string_view quoted, std::string_view what) {
  return Error(ErrorKind::failed, "'" + std::string{quoted} + "' " + std::string{what});
}

static Route read_target(std::string_view text) {
  if (text == "backends") return {.kind = RouteKind::backends};
  if (text == "passthrough") return {.kind = RouteKind::passthrough};
  if (text == "reject") return {.kind = RouteKind::reject};
  auto place = HostPort::parse(text);
  if (!place) throw failed(text, "is no target: backends, HOST:PORT, passthrough or reject");
  const auto literal = IpAddress::parse(place->host);
  return {
      .kind = RouteKind::endpoint, .host = std::move(place->host), .port = place->port, .literal = literal};
}

static std::size_t labels_of(std::string_view name) noexcept {
  return static_cast<std::size_t>(std::ranges::count(name, '.')) + 1;
}

void Routes::add(std::string_view pattern, std::string_view target) {
  Route route = read_target(target);
  bool is_new = true;
  if (pattern == "*") {
    is_new = !rest_;
    rest_ = std::move(route);
  } else {
    const bool suffix = pattern.starts_with("*.");
    std::string name = to_lower(pattern.substr(suffix ? 2 : 0));
    if (name.ends_with('.')) name.pop_back();
    if (IpAddress::parse(name)) throw failed(pattern, "is an address: clients name servers, never addresses");
    if (name.ends_with('.') || !is_host_name(name))
      throw failed(pattern, "is no pattern: a name, *.SUFFIX or *");
    if (suffix) most_labels_ = std::max(most_labels_, labels_of(name));
    is_new = (suffix ? suffixes_ : exact_).emplace(std::move(name), std::move(route)).second;
  }
  if (!is_new) throw failed(pattern, "has a route already");
}

const Route* Routes::find_suffix(std::string_view name) const noexcept {
  if (suffixes_.empty()) return nullptr;
  // A client may send 127 labels; only as many as some suffix has are looked up.
  std::size_t labels = labels_of(name);
  for (std::size_t dot; (dot = name.find('.')) != std::string_view::npos;) {
    name.remove_prefix(dot + 1);
    if (--labels > most_labels_) continue;
    if (const auto found = suffixes_.find(name); found != suffixes_.end()) return &found->second;
  }
  return nullptr;
}

const Route* Routes::find(std::string_view name) const noexcept {
  const Route* rest = rest_ ? &*rest_ : nullptr;
  if (name.ends_with('.')) name.remove_suffix(1);
  std::array<char, 253> buffer;
  if (name.empty() || name.size() > buffer.size()) return rest;
  std::ranges::transform(name, buffer.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  });
  const std::string_view plain{buffer.data(), name.size()};
  if (const auto found = exact_.find(plain); found != exact_.end()) return &found->second;
  const Route* suffix = find_suffix(plain);
  return suffix != nullptr ? suffix : rest;
}

}  // namespace arcus::policy
