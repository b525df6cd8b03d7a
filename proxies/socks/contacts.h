#pragma once

#include <cstddef>
#include <unordered_set>
#include <vector>

#include "lib/base/address.h"

namespace arcus::socks {

/// Where datagrams went lately: only from there may answers come. The oldest is forgotten for a new one.
class Contacts {
 public:
  static constexpr std::size_t capacity = 1024;

  void add(const Endpoint& contact);
  bool contains(const Endpoint& contact) const noexcept;
  void clear() noexcept;
  std::size_t size() const noexcept { return known_.size(); }

 private:
  struct Hash {
    std::size_t operator()(const Endpoint& endpoint) const noexcept;
  };
  std::unordered_set<Endpoint, Hash> known_;
  std::vector<Endpoint> by_age_;  ///< a ring once it is full
  std::size_t oldest_ = 0;
};

}  // namespace arcus::socks
