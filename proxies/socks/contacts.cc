#include "proxies/socks/contacts.h"

#include <cstdint>
#include <cstring>

namespace arcus::socks {

std::size_t Contacts::Hash::operator()(const Endpoint& endpoint) const noexcept {
  std::uint64_t halves[2];
  std::memcpy(halves, endpoint.address.bytes().data(), sizeof halves);
  const std::uint64_t mixed = (halves[0] ^ halves[1] * 0x9e3779b97f4a7c15) + endpoint.port;
  return static_cast<std::size_t>(mixed * 0xff51afd7ed558ccd);
}

void Contacts::add(const Endpoint& contact) {
  if (!known_.insert(contact).second) return;
  if (by_age_.size() < capacity) return by_age_.push_back(contact);
  known_.erase(by_age_[oldest_]);
  by_age_[oldest_] = contact;
  oldest_ = (oldest_ + 1) % capacity;
}

bool Contacts::contains(const Endpoint& contact) const noexcept { return known_.contains(contact); }

void Contacts::clear() noexcept {
  known_.clear();
  by_age_.clear();
  oldest_ = 0;
}

}  // namespace arcus::socks
