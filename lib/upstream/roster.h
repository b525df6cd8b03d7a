#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "lib/upstream/health.h"
#include "lib/upstream/maglev.h"
#include "lib/upstream/random.h"

namespace arcus {

/// One backend as choosing sees it.
struct Member {
  BackendHealth* health = nullptr;                               ///< owned by the sets the roster belongs to
  std::uint32_t index = 0;                                       ///< in the set
  std::uint32_t weight = 1;                                      ///< 1 to 256
  std::int64_t most = std::numeric_limits<std::int64_t>::max();  ///< connections
  std::uint64_t identity = 0;  ///< a hash of its address, the same in every process

  bool operator==(const Member&) const = default;

  /// In one order with WaitingLine: whoever joins and then looks sees the unit that called nobody.
  bool is_full() const noexcept { return health->active.load(std::memory_order_seq_cst) >= most; }
};

/// Draws positions by weight in O(1) (Walker's alias method). Immutable.
class Lots {
 public:
  Lots() = default;
  explicit Lots(const std::vector<Member>& members);

  std::uint32_t draw(Random& random, std::size_t members) const noexcept;

 private:
  struct Column {
    std::uint32_t own = 0;  ///< of `height_`, what is its own; the rest is the other's
    std::uint32_t other = 0;
  };

  std::vector<Column> columns_;  ///< empty when all weigh the same
  std::uint64_t height_ = 0;
};

/// Members of one weight, who simply take turns.
struct WeightClass {
  std::uint32_t first = 0;  ///< in Roster::by_weight
  std::uint32_t count = 0;
  std::uint32_t weight = 1;

  std::uint64_t rate() const noexcept { return std::uint64_t{weight} * count; }
};

/// What an algorithm wants to have ready.
enum class Aid : std::uint8_t { none, lots, classes, maglev };

/// The enabled backends of a set that are chosen among: the first choice, or the backups. Immutable but for
/// their health; shared by the threads, and by the sets of a reload that changes nothing here.
struct Roster {
  /// `previous` may be null.
  static std::shared_ptr<const Roster> make(std::vector<Member> members, Aid aid,
                                            const std::shared_ptr<const Roster>& previous);

  std::uint64_t number = 0;  ///< no other roster of this process has it; grows
  Aid aid = Aid::none;
  std::vector<Member> members;
  Lots lots;
  std::vector<WeightClass> classes;
  std::vector<std::uint32_t> by_weight;  ///< positions, class after class
  Maglev maglev;
};

}  // namespace arcus
