#include "lib/upstream/keepalive.h"

#include <algorithm>
#include <iterator>

namespace arcus {

/// So many entries stay when they are not in use: busy clients take and put for every request.
static constexpr std::size_t most_spare = 64;

/// Whatever an idle connection says, it is not usable any more.
void KeepAlivePool::Entry::on_ready(Stream& ready) {
  if (!ready.is_quiet()) pool.erase(*this);
}

void KeepAlivePool::Entry::on_deadline(Deadline&) { pool.erase(*this); }

KeepAlivePool::~KeepAlivePool() { clear(); }

Stream KeepAlivePool::take(const KeepAliveKey& key) {
  while (true) {
    const auto at = by_key_.find(key);
    if (at == by_key_.end()) return {};
    Entry& newest = *at->second.back();
    Stream stream = std::move(newest.stream);
    erase(newest);
    stream.set_handler(nullptr);
    if (stream.is_quiet()) return stream;
  }
}

void KeepAlivePool::put(const KeepAliveKey& key, Stream stream, std::chrono::milliseconds timeout,
                        std::size_t max_idle) {
  if (!stream.is_quiet() || max_idle == 0 || max_total_ == 0) return;
  if (order_.size() >= max_total_) erase(order_.front());
  Entry& entry = make_entry();
  entry.at = by_key_.try_emplace(key).first;
  entry.stream = std::move(stream);
  entry.stream.set_handler(&entry);
  deadlines_.of(timeout).arm(entry.deadline);
  std::vector<Entry*>& same = entry.at->second;
  same.push_back(&entry);
  if (same.size() > max_idle) erase(*same.front());
}

KeepAlivePool::Entry& KeepAlivePool::make_entry() {
  if (spare_.empty())
    order_.emplace_back(*this);
  else
    order_.splice(order_.end(), spare_, spare_.begin());
  Entry& entry = order_.back();
  entry.self = std::prev(order_.end());
  return entry;
}

void KeepAlivePool::drop(std::uint64_t server) {
  for (auto it = order_.begin(); it != order_.end();) {
    Entry& entry = *it++;
    if (entry.at->first.server == server) erase(entry);
  }
}

void KeepAlivePool::clear() {
  while (!order_.empty()) erase(order_.front());
}

void KeepAlivePool::erase(Entry& entry) {
  std::vector<Entry*>& same = entry.at->second;
  if (same.back() == &entry)
    same.pop_back();
  else
    std::erase(same, &entry);
  if (same.empty()) by_key_.erase(entry.at);
  entry.stream.close();
  entry.deadline.disarm();
  if (spare_.size() < most_spare)
    spare_.splice(spare_.end(), order_, entry.self);
  else
    order_.erase(entry.self);
}

}  // namespace arcus
