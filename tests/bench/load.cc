// Load generator and origin for the benchmark, in one program:
//
//   load origin PORT
//   load run --port PORT --origin PORT [--mode requests|connections|bulk|hold] [--preface
//   none|connect|socks|hello]
//            [--connections N] [--seconds S] [--warm-up S] [--rate N] [--tls] [--resume] [--absolute]
//            [--refused-too]
//
// `run` prints a line of JSON for each thing that happened: "begin" and "end" of what is measured, "held"
// when all idle connections stand, and the "result". tests/bench/table starts it and reads that.
#include <bit>
#include <csignal>
#include <cstdlib>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "tests/bench/client.h"

namespace bench {
namespace {

/// Latencies in slots that are at most 3 % wide.
class Histogram {
 public:
  void add(std::uint64_t ns) {
    ++slots_[slot_of(ns)];
    ++count_;
  }
  /// Nanoseconds that the share `q` of all latencies does not exceed.
  [[nodiscard]] std::uint64_t quantile(double q) const {
    const auto wanted = static_cast<std::uint64_t>(q * static_cast<double>(count_));
    std::uint64_t seen = 0;
    for (std::size_t slot = 0; slot < slots_.size(); ++slot)
      if ((seen += slots_[slot]) > wanted) return start_of(slot);
    return 0;
  }

 private:
  // Up to 64 a slot each; above that the five bits after the highest one decide.
  static std::size_t slot_of(std::uint64_t ns) {
    const auto shift = ns < 64 ? 0U : static_cast<unsigned>(std::bit_width(ns)) - 6U;
    return std::size_t{shift} * 32 + static_cast<std::size_t>(ns >> shift);
  }
  static std::uint64_t start_of(std::size_t slot) {
    const std::size_t shift = slot < 64 ? 0 : slot / 32 - 1;
    return static_cast<std::uint64_t>(slot - shift * 32) << shift;
  }

  std::vector<std::uint64_t> slots_ = std::vector<std::uint64_t>(59 * 32 + 64);
  std::uint64_t count_ = 0;
};

class Load {
 public:
  explicit Load(Plan plan) : shared_(std::move(plan)) {}
  void measure();
  void hold();

 private:
  void learn_session();
  void start_clients(std::size_t most);
  void on_ready(Client& client);
  void go_on(Client& client, Turn turn);
  void on_done(Client& client);
  void keep_pace(std::uint64_t now);
  void print_result(double seconds) const;

  Shared shared_;
  std::deque<Client> clients_;
  std::vector<Client*> resting_;  // only at a fixed rate, or held
  Histogram latencies_;
  bool is_measuring_ = false;
  std::uint64_t began_ = 0;
  std::uint64_t units_ = 0, sent_ = 0, ended_ = 0;
  std::uint64_t units_before_ = 0, bytes_before_ = 0, opened_before_ = 0, resumed_before_ = 0;
};

double seconds_of(std::uint64_t ns) { return static_cast<double>(ns) / 1e9; }

void say(const char* event) {
  std::printf("{\"event\":\"%s\"}\n", event);
  std::fflush(stdout);
}

/// `text` as it may stand in a JSON string.
std::string quoted(std::string text) {
  for (char& c : text)
    if (c < ' ' || c == '"' || c == '\\') c = ' ';
  return '"' + text + '"';
}

void Load::start_clients(std::size_t most) {
  for (std::size_t i = 0; i < most && clients_.size() < shared_.plan.connections; ++i)
    clients_.emplace_back(shared_).open();
}

/// Makes one connection alone, so that all others have a session to resume.
void Load::learn_session() {
  start_clients(1);
  const std::uint64_t until = now_ns() + 5'000'000'000;
  while (units_ == 0 && shared_.errors == 0 && now_ns() < until)
    shared_.poll.wait(20, [this](void* client, std::uint32_t) { on_ready(*static_cast<Client*>(client)); });
}

void Load::measure() {
  if (shared_.plan.resumes) learn_session();
  start_clients(shared_.plan.connections);
  began_ = now_ns();
  std::uint64_t from = began_ + static_cast<std::uint64_t>(shared_.plan.warm_up * 1e9);
  const std::uint64_t until = from + static_cast<std::uint64_t>(shared_.plan.seconds * 1e9);
  for (std::uint64_t now = began_; now < until; now = now_ns()) {
    if (!is_measuring_ && now >= from) {
      is_measuring_ = true;
      from = now;
      units_before_ = units_, bytes_before_ = shared_.bytes;
      opened_before_ = shared_.opened, resumed_before_ = shared_.resumed;
      say("begin");
    }
    if (shared_.plan.rate > 0) keep_pace(now);
    shared_.poll.wait(shared_.plan.rate > 0 ? 1 : 20,
                      [this](void* client, std::uint32_t) { on_ready(*static_cast<Client*>(client)); });
  }
  const double seconds = seconds_of(now_ns() - from);
  say("end");
  print_result(seconds);
}

/// Opens the connections 64 at a time, each after the answers of those before it.
void Load::hold() {
  bool is_said = false;
  const auto until = now_ns() + static_cast<std::uint64_t>(shared_.plan.seconds * 1e9);
  char ended = 0;
  shared_.poll.add(STDIN_FILENO, EPOLLIN, &ended);
  start_clients(64);
  while (ended == 0) {
    shared_.poll.wait(100, [&](void* what, std::uint32_t) {
      if (what == &ended)
        ended = 1;
      else
        on_ready(*static_cast<Client*>(what));
    });
    const std::size_t settled = resting_.size() + static_cast<std::size_t>(shared_.errors);
    if (clients_.size() - settled <= 32) start_clients(32);
    if (!is_said && (settled >= shared_.plan.connections || now_ns() > until)) {
      is_said = true;
      std::printf("{\"event\":\"held\",\"held\":%zu,\"errors\":%llu,\"note\":%s}\n", resting_.size(),
                  static_cast<unsigned long long>(shared_.errors), quoted(shared_.first_error).c_str());
      std::fflush(stdout);
    }
  }
}

void Load::on_ready(Client& client) { go_on(client, client.on_ready()); }

void Load::go_on(Client& client, Turn turn) {
  switch (turn) {
    case Turn::waiting:
    case Turn::moved:
      return;
    case Turn::done:
      return on_done(client);
    case Turn::ended:
      ++ended_;
      std::erase(resting_, &client);
      break;
    case Turn::failed:
      break;
  }
  if (shared_.plan.mode == Mode::hold) return client.close();
  if (shared_.errors > 10'000 && !shared_.plan.takes_refusals)
    std::exit((print_result(1), 0));  // the line is void anyway
  client.open();
}

void Load::on_done(Client& client) {
  const std::uint64_t now = now_ns();
  ++units_;
  if (is_measuring_) latencies_.add(now - client.asked_at());
  if (shared_.plan.mode == Mode::connections) return client.open();
  if (shared_.plan.mode == Mode::hold || shared_.plan.rate > 0) return resting_.push_back(&client);
  go_on(client, client.ask(now));
}

/// Sends what is due by now. A request that had to wait for a free connection counts from when it was due.
void Load::keep_pace(std::uint64_t now) {
  const auto due = static_cast<std::uint64_t>(seconds_of(now - began_) * shared_.plan.rate);
  for (; sent_ < due && !resting_.empty(); ++sent_) {
    Client& client = *resting_.back();
    resting_.pop_back();
    const double offset = static_cast<double>(sent_) / shared_.plan.rate * 1e9;
    go_on(client, client.ask(began_ + static_cast<std::uint64_t>(offset)));
  }
}

void Load::print_result(double seconds) const {
  std::printf(
      "{\"event\":\"result\",\"seconds\":%.6f,\"units\":%llu,\"bytes\":%llu,\"opened\":%llu,\"resumed\":%llu,"
      "\"ended\":%llu,\"errors\":%llu,\"p50_us\":%.1f,\"p99_us\":%.1f,\"note\":%s}\n",
      seconds, static_cast<unsigned long long>(units_ - units_before_),
      static_cast<unsigned long long>(shared_.bytes - bytes_before_),
      static_cast<unsigned long long>(shared_.opened - opened_before_),
      static_cast<unsigned long long>(shared_.resumed - resumed_before_),
      static_cast<unsigned long long>(ended_), static_cast<unsigned long long>(shared_.errors),
      static_cast<double>(latencies_.quantile(0.5)) / 1e3,
      static_cast<double>(latencies_.quantile(0.99)) / 1e3, quoted(shared_.first_error).c_str());
  std::fflush(stdout);
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  const std::string_view what = argc > 1 ? argv[1] : "";
  if (what == "origin" && argc == 3) bench::run_origin(static_cast<std::uint16_t>(std::atoi(argv[2])));
  if (what != "run") {
    std::fprintf(stderr, "usage: load origin PORT | load run --port PORT --origin PORT [flags]\n");
    return 2;
  }
  const bench::Plan plan = bench::read_plan(std::span{argv, static_cast<std::size_t>(argc)}.subspan(2));
  bench::Load load{plan};
  if (plan.mode == bench::Mode::hold)
    load.hold();
  else
    load.measure();
  return 0;
}
