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
  if (tried_.size() >= max_attempts) {
    leave_line();
    return Step::none;
  }
  // Nobody overtakes those who wait for the same backends.
  if (has_turn_ || gave_up_ || set_of(client, parents).waiters().load(std::memory_order_relaxed) == 0) {
    if (pick(client, parents)) {
      has_turn_ = false;  // it was for this
      leave_line();
      return Step::go;
    }
    if (failure_ != Reason::limit_backend || gave_up_) {
      leave_line();
      return Step::none;
    }
  }
  return stand_in_line(client, parents, handler);
}

bool BackendChoice::pick(ClientConnection& client, bool parents) {
  ServerOnThread& server = client.server();
  BackendChooser& chooser = parents ? server.parent_chooser() : server.chooser();
  backend_ = chooser.pick(set_of(client, parents), tried_, client_key(client.peer().address),
                          client.thread().now(), failure_);
  if (backend_ == nullptr) return false;
  tried_.push_back(chooser.last_index());
  slot_ = server.take_slot(*backend_);
  return true;
}

BackendChoice::Step BackendChoice::stand_in_line(ClientConnection& client, bool parents,
                                                 TurnHandler& handler) {
  const std::uint64_t before = ticket_;
  const BackendSet& set = set_of(client, parents);
  if (has_turn_ && !tried_.empty()) line_->call_next(before);  // who may still go to what this one has tried
  has_turn_ = false;
  thread_ = &client.thread();
  handler_ = &handler;
  line_ = set.line();
  snapshot_ = client.shared_config();
  waiters_ = &set.waiters();
  waiters_->fetch_add(1, std::memory_order_relaxed);
  const auto call = [thread = thread_](std::uint64_t ticket) {
    thread->post([ticket](DataThread& there) {
      if (const auto found = there.in_line().find(ticket); found != there.in_line().end())
        found->second->turn();
    });
  };
  const WaitingLine::Place place = line_->join(call, before);
  ticket_ = place.ticket;
  thread_->in_line().emplace(ticket_, this);
  if (!place.is_first || !pick(client, parents)) return Step::wait;
  leave_line();
  return Step::go;
}

void BackendChoice::turn() {
  line_->leave(ticket_);
  thread_->in_line().erase(ticket_);
  waiters_->fetch_sub(1, std::memory_order_relaxed);
  has_turn_ = true;
  handler_->on_turn();
}

void BackendChoice::leave_line() {
  if (ticket_ == 0) return;
  if (!has_turn_ && thread_->in_line().erase(ticket_) > 0) {
    waiters_->fetch_sub(1, std::memory_order_relaxed);
    if (line_->leave(ticket_)) pass_on();
  }
  if (has_turn_) pass_on();
  ticket_ = 0;
  line_.reset();
  snapshot_.reset();
}

void BackendChoice::pass_on() {
  has_turn_ = false;
  line_->call_next();
}

void BackendChoice::give_up() {
  gave_up_ = true;
  leave_line();
}

void BackendChoice::reset() {
  leave_line();
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
