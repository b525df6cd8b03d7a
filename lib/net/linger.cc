#include "lib/net/linger.h"

#include <array>

namespace arcus {

Lingering::Entry::Entry(Lingering& its_owner, Stream its_stream, std::unique_ptr<Retired> its_keep)
    : owner(its_owner), stream(std::move(its_stream)), keep(std::move(its_keep)) {
  stream.set_handler(this);
}

void Lingering::Entry::on_ready(Stream&) {
  if (!step()) owner.erase(*this);
}

void Lingering::Entry::on_deadline(Deadline&) { owner.erase(*this); }

bool Lingering::Entry::step() {
  if (!rest.empty()) {
    const IoStatus status = rest.flush(stream).status;
    if (status != IoStatus::ok) return status == IoStatus::blocked;
  }
  if (!shut) shut = stream.shutdown_write();
  std::array<char, 4096> junk;
  while (stream.readable()) {
    const IoResult result = stream.read_raw(junk);  // nobody wants what it means
    if (result.status == IoStatus::blocked) break;
    discarded += result.bytes;
    if (result.status != IoStatus::ok || discarded > max_discard) return false;
  }
  return true;
}

Lingering::~Lingering() { clear(); }

void Lingering::add(Stream stream, std::string_view rest, std::unique_ptr<Retired> keep) {
  if (!stream.valid()) return;
  Entry& entry = all_.emplace_back(*this, std::move(stream), std::move(keep));
  entry.self = std::prev(all_.end());
  entry.rest.keep(rest);
  list_.arm(entry.deadline);
  if (!entry.step()) erase(entry);
}

void Lingering::clear() {
  while (!all_.empty()) erase(all_.front());
}

void Lingering::erase(Entry& entry) {
  entry.stream.close();
  if (entry.keep) poller_.retire(std::move(entry.keep));
  all_.erase(entry.self);
}

}  // namespace arcus
