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
  backend_ = only_trials ? chooser.pick_trial(set, tried_, now)
                         : chooser.pick(set, tried_, client_key(client.peer().address), now, failure_);
  if (backend_ == nullptr) return false;
  tried_.push_back(chooser.last_index());
  slot_ = server.take_slot(*backend_);
  return true;
}

BackendChoice::Step BackendChoice::stand_in_line(ClientConnection& client, bool parents,
                                                 TurnHandler& handler) {
  const BackendSet& set = set_of(client, parents);
  // Who has tried some, or knows the backends of before a reload, looked at less than those behind it may.
  const bool sees_less = !tried_.empty() || &client.config() != client.server().config().get();
  if (place_ == Place::called && sees_less) line_->call_next(ticket_);
  line_ = set.line();
  thread_ = &client.thread();
  handler_ = &handler;
  snapshot_ = client.shared_config();
  waiters_ = &set.waiters();
  waiters_->fetch_add(1, std::memory_order_relaxed);
  const auto call = [thread = thread_](std::uint64_t ticket) {
    thread->post([ticket](DataThread& there) {
      if (const auto found = there.in_line().find(ticket); found != there.in_line().end())
        found->second->turn();
    });
  };
  const WaitingLine::Place place = line_->join(call, ticket_);
  place_ = Place::in_line;
  ticket_ = place.ticket;
  thread_->in_line().emplace(ticket_, this);
  if (!place.is_first) return Step::wait;
  const bool found = pick(client, parents);
  if (!found && failure_ == Reason::limit_backend) return Step::wait;
  leave_line();
  return found ? Step::go : Step::none;
}

void BackendChoice::turn() {
  line_->leave(ticket_);
  thread_->in_line().erase(ticket_);
  waiters_->fetch_sub(1, std::memory_order_relaxed);
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
    waiters_->fetch_sub(1, std::memory_order_relaxed);
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
