#include "lib/upstream/keepalive.h"

#include <algorithm>
#include <iterator>

namespace arcus {

KeepAlivePool::Entry::Entry(KeepAlivePool& owner, const KeepAliveKey& its_key, Stream its_stream)
    : pool(owner), key(its_key), stream(std::move(its_stream)) {
  stream.set_handler(this);
}

/// Whatever an idle connection says, it is not usable any more.
void KeepAlivePool::Entry::on_ready(Stream& ready) {
  if (!ready.is_quiet()) pool.erase(*this);
}

void KeepAlivePool::Entry::on_deadline(Deadline&) { pool.erase(*this); }

KeepAlivePool::~KeepAlivePool() { clear(); }

Stream KeepAlivePool::take(const KeepAliveKey& key) {
  while (true) {
    const auto it = by_key_.find(key);
    if (it == by_key_.end()) return {};
    Entry& newest = *it->second.back();
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
  if (const auto it = by_key_.find(key); it != by_key_.end() && it->second.size() >= max_idle)
    erase(*it->second.front());
  Entry& entry = order_.emplace_back(*this, key, std::move(stream));
  entry.self = std::prev(order_.end());
  by_key_[key].push_back(&entry);
  deadlines_.of(timeout).arm(entry.deadline);
}

void KeepAlivePool::drop(std::uint64_t server) {
  for (auto it = order_.begin(); it != order_.end();) {
    Entry& entry = *it++;
    if (entry.key.server == server) erase(entry);
  }
}

void KeepAlivePool::clear() {
  while (!order_.empty()) erase(order_.front());
}

void KeepAlivePool::erase(Entry& entry) {
  const auto it = by_key_.find(entry.key);
  std::erase(it->second, &entry);
  if (it->second.empty()) by_key_.erase(it);
  order_.erase(entry.self);
}

}  // namespace arcus
