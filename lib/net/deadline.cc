#include "lib/net/deadline.h"

#include <algorithm>

namespace arcus {

void Deadline::disarm() noexcept {
  if (list_) list_->unlink(*this);
}

void DeadlineList::arm(Deadline& deadline) noexcept {
  deadline.disarm();
  if (duration_.count() <= 0) return;
  deadline.list_ = this;
  deadline.at_ = lists_.now_ + wait_;
  deadline.previous_ = last_;
  (last_ ? last_->next_ : first_) = &deadline;
  last_ = &deadline;
  // Only a new head can be the earliest; a head that moved leaves a lower bound, which sweep() corrects.
  if (first_ == &deadline) lists_.earliest_ = std::min(lists_.earliest_, deadline.at_);
}

void DeadlineList::unlink(Deadline& deadline) noexcept {
  (deadline.previous_ ? deadline.previous_->next_ : first_) = deadline.next_;
  (deadline.next_ ? deadline.next_->previous_ : last_) = deadline.previous_;
  deadline.list_ = nullptr;
  deadline.previous_ = deadline.next_ = nullptr;
}

DeadlineList& DeadlineLists::of(std::chrono::milliseconds duration) {
  auto& list = lists_[duration];
  if (!list) list = std::make_unique<DeadlineList>(*this, duration);
  return *list;
}

void DeadlineLists::sweep() {
  if (now_ < earliest_) return;
  const SteadyTime now = now_;
  for (const auto& [duration, list] : lists_) {
    while (list->first_ && list->first_->at_ <= now) {
      Deadline& due = *list->first_;
      due.disarm();
      due.handler_->on_deadline(due);
    }
  }
  earliest_ = SteadyTime::max();
  for (const auto& [duration, list] : lists_)
    if (list->first_) earliest_ = std::min(earliest_, list->first_->at_);
}

}  // namespace arcus
