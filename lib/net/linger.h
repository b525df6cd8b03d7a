#pragma once

#include <chrono>
#include <cstddef>
#include <list>
#include <memory>
#include <string_view>

#include "lib/net/backlog.h"
#include "lib/net/context.h"
#include "lib/net/deadline.h"
#include "lib/net/stream.h"

namespace arcus {

/// Connections of one thread whose last bytes were written and that wait for the peer's FIN.
class Lingering {
 public:
  static constexpr std::size_t max_discard = 64 * 1024;
  static constexpr std::chrono::milliseconds patience{1'000};

  Lingering(Poller& poller, DeadlineLists& deadlines) : poller_(poller), list_(deadlines.of(patience)) {}
  ~Lingering();

  /// Writes `rest`, sends FIN, reads and discards at most 64 KiB for at most 1 s, then closes (RFC
  /// 9112, 9.6), so that no RST destroys what was written last. `keep` is freed afterwards: give it what must
  /// live as long (the slot of a limit).
  void add(Stream stream, std::string_view rest = {}, std::unique_ptr<Retired> keep = nullptr);
  std::size_t size() const noexcept { return all_.size(); }
  /// Closes all at once.
  void clear();

 private:
  struct Entry final : StreamHandler, DeadlineHandler {
    Entry(Lingering& its_owner, Stream its_stream, std::unique_ptr<Retired> its_keep);
    void on_ready(Stream& ready) override;
    void on_deadline(Deadline& passed) override;
    bool step();  ///< false = over

    Lingering& owner;
    Stream stream;
    std::unique_ptr<Retired> keep;
    Backlog rest;
    std::size_t discarded = 0;
    bool shut = false;
    Deadline deadline{*this};
    std::list<Entry>::iterator self;
  };

  void erase(Entry& entry);

  Poller& poller_;
  DeadlineList& list_;
  std::list<Entry> all_;
};

}  // namespace arcus
