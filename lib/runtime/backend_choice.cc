#include "lib/runtime/backend_choice.h"

#include <algorithm>
#include <utility>

#include "lib/runtime/thread.h"
#include "lib/upstream/waiting_line.h"

namespace arcus {

static const BackendSet& set_of(const ClientConnection& client, bool parents) noexcept {
  return parents ? *client.config().parents : *client.config().backends;
}

BackendChoice::Step BackendChoice::next(ClientConnection& client, bool parents, TurnHandler& handler) {
  slot_.give_back();
  backend_ = nullptr;
  const BackendSet& set = set_of(client, parents);
  if (line_ && line_ != set.line()) {
    leave_line();
    line_.reset();
    ticket_ = 0;
  }
  if (gave_up_ || tried_.size() >= max_attempts) {
    if (gave_up_) failure_ = Reason::limit_backend;
    leave_line();
    return Step::none;
  }
  // Nobody overtakes those who wait for the same backends, but to try one that is down: none of them would.
  const bool may_look = place_ == Place::called || set.waiters().load(std::memory_order_relaxed) == 0;
  if (pick(client, parents, !may_look)) {
    leave_line();
    return Step::go;
  }
  if (may_look && failure_ != Reason::limit_backend) {
    leave_line();
    return Step::none;
  }
  return stand_in_line(client, parents, handler);
}

bool BackendChoice::pick(ClientConnection& client, bool parents, bool only_trials) {
  ServerOnThread& server = client.server();
  BackendChooser& chooser = parents ? server.parent_chooser() : server.chooser();
  const BackendSet& set = set_of(client, parents);
  const SteadyTime now = client.thread().now();
  // Another thread may take the last unit in between: then the next look finds it full.
  for (int looks = 0; looks < 8; ++looks) {
    backend_ = only_trials ? chooser.pick_trial(set, tried_, now)
                           : chooser.pick(set, tried_, client_key(client.peer().address), now, failure_);
    if (backend_ == nullptr) return false;
    slot_ = server.take_slot(*backend_);
    if (!slot_.is_taken()) continue;
    tried_.push_back(chooser.last_index());
    return true;
  }
  backend_ = nullptr;
  failure_ = Reason::limit_backend;
  return false;
}

BackendChoice::Step BackendChoice::stand_in_line(ClientConnection& client, bool parents,
                                                 TurnHandler& handler) {
  const BackendSet& set = set_of(client, parents);
  if (place_ == Place::called && sees_less(client, set)) line_->call_next(ticket_);
  line_ = set.line();
  thread_ = &client.thread();
  handler_ = &handler;
  snapshot_ = client.shared_config();
  const auto call = [thread = thread_](std::uint64_t ticket) {
    thread->post([ticket](DataThread& there) {
      if (const auto found = there.in_line().find(ticket); found != there.in_line().end())
        found->second->turn();
    });
  };
  place_ = Place::outside;
  const WaitingLine::Place place = line_->join(call, ticket_);
  ticket_ = place.ticket;
  try {
    thread_->in_line().emplace(ticket_, this);
  } catch (...) {
    if (line_->leave(ticket_)) line_->call_next();
    throw;
  }
  place_ = Place::in_line;
  // Who has tried some must not keep others from those.
  hinders_ = tried_.empty();
  waiters_ = &set.waiters();
  const bool is_alone = waiters_->fetch_add(hinders_ ? 1 : 0, std::memory_order_seq_cst) == 0;
  if (!place.is_first && !is_alone) return Step::wait;
  const bool found = pick(client, parents);
  if (!found && failure_ == Reason::limit_backend) return Step::wait;
  leave_line();
  if (found) line_->call_next();  // several may have been freed before it joined, and called nobody
  return found ? Step::go : Step::none;
}

bool BackendChoice::sees_less(const ClientConnection& client, const BackendSet& set) const noexcept {
  if (&client.config() != client.server().config().get()) return true;
  return std::ranges::any_of(tried_, [&set](std::size_t index) {
    const Backend& one = set.all()[index];
    const std::int64_t most = one.spec.max_connections;
    return one.spec.admin_state == AdminState::enabled && !one.health->is_down() &&
           (most == 0 || one.health->active.load(std::memory_order_relaxed) < most);
  });
}

void BackendChoice::turn() {
  line_->leave(ticket_);
  thread_->in_line().erase(ticket_);
  waiters_->fetch_sub(hinders_ ? 1 : 0, std::memory_order_relaxed);
  snapshot_.reset();
  place_ = Place::called;
  handler_->on_turn();
}

void BackendChoice::leave_line() {
  const Place was = std::exchange(place_, Place::outside);
  if (was == Place::outside) return;
  bool called = was == Place::called;
  if (was == Place::in_line) {
    thread_->in_line().erase(ticket_);
    waiters_->fetch_sub(hinders_ ? 1 : 0, std::memory_order_relaxed);
    called = line_->leave(ticket_);
    snapshot_.reset();
  }
  if (called) line_->call_next();
}

void BackendChoice::give_up() {
  gave_up_ = true;
  leave_line();
}

void BackendChoice::reset() {
  leave_line();
  line_.reset();
  ticket_ = 0;
  slot_.give_back();
  tried_.clear();
  backend_ = nullptr;
  gave_up_ = false;
  failure_ = Reason::no_backend;
}

bool BackendChoice::may_go_on(const BackendSet& set) const noexcept {
  return tried_.size() < std::min(max_attempts, set.all().size());
}

}  // namespace arcus
