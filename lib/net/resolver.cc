#include "lib/net/resolver.h"

#include <ares.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <list>
#include <optional>
#include <unordered_map>

#include "lib/base/text.h"
#include "lib/net/cares_channel.h"
#include "lib/net/resolv_conf.h"

namespace arcus {

namespace {

constexpr std::size_t max_answers = 16;
constexpr std::size_t max_cached = 10'000;
constexpr std::chrono::seconds min_ttl{1};
constexpr std::chrono::seconds max_ttl{300};
constexpr std::chrono::seconds negative_ttl{5};
/// How often c-ares looks for questions to repeat, while there are any.
constexpr std::chrono::milliseconds tick{250};

/// Lower case, without the trailing dot.
std::string canonical(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  return to_lower(name);
}

std::optional<IpAddress> address_of(const ares_addrinfo_node& node) noexcept {
  sockaddr_storage storage{};
  if (node.ai_family != AF_INET && node.ai_family != AF_INET6) return std::nullopt;
  std::memcpy(&storage, node.ai_addr, std::min<std::size_t>(node.ai_addrlen, sizeof storage));
  return Endpoint::from(storage).address.unmapped();
}

}  // namespace

class Resolver::Engine final : DeadlineHandler, Deferred {
 public:
  Engine(Poller& poller, DeadlineLists& deadlines) : poller_(poller), ticks_(deadlines.of(tick)) {}
  ~Engine() override;

  void configure(const ResolverTexts& texts);
  void resolve(std::string_view name, ResolveQuery& query, Resolver& owner);
  std::span<const IpAddress> known(std::string_view name);
  std::size_t cached_names() const noexcept { return cache_.size(); }

 private:
  struct Answer {
    std::vector<IpAddress> addresses;  ///< empty = there are none
    SteadyTime expires;
    std::list<std::string>::iterator age;
  };
  struct Question {
    Engine* engine;
    std::string name;
    ResolveQuery* waiting = nullptr;
  };
  struct Delivery {
    std::vector<IpAddress> addresses;
    ResolveQuery* waiting = nullptr;
  };
  struct Watch final : PollHandler {
    explicit Watch(Engine& its_engine, int its_fd) : engine(its_engine), fd(its_fd) {}
    void on_events(std::uint32_t events) override;
    Engine& engine;
    int fd;
    std::uint32_t mask = 0;
  };

  static void on_answer(void* argument, int status, int timeouts, ares_addrinfo* result);
  static void on_socket(void* argument, ares_socket_t fd, int readable, int writable);

  void ask(Question& question);
  void answered(Question& question, std::vector<IpAddress> addresses, std::chrono::seconds ttl);
  void remember(const std::string& name, std::vector<IpAddress> addresses, std::chrono::seconds ttl);
  void deliver_later(ResolveQuery*& waiting, std::vector<IpAddress> addresses);
  const Answer* find(const std::string& name);
  void process(ares_socket_t readable, ares_socket_t writable);
  void on_deadline(Deadline& deadline) override;
  void on_deferred() override;
  void drop_all() noexcept;

  Poller& poller_;
  DeadlineList& ticks_;
  Deadline ticker_{*this};
  ares_channel channel_ = nullptr;
  HostsTable hosts_;
  std::unordered_map<std::string, Answer> cache_;
  std::list<std::string> ages_;  ///< oldest answer first
  std::map<std::string, Question, std::less<>> questions_;
  std::list<Delivery> deliveries_;
  std::map<int, std::unique_ptr<Watch>> watches_;
  std::vector<std::unique_ptr<Watch>> closed_watches_;  ///< may still be on the stack
};

void ResolveQuery::cancel() noexcept {
  if (!resolver_) return;
  *link_ = next_;
  if (next_) next_->link_ = link_;
  resolver_ = nullptr;
  link_ = nullptr;
  next_ = nullptr;
}

Resolver::Engine::~Engine() {
  drop_all();
  if (channel_) ares_destroy(channel_);
}

void Resolver::Engine::drop_all() noexcept {
  for (auto& [name, question] : questions_)
    while (question.waiting) question.waiting->cancel();
  for (Delivery& delivery : deliveries_)
    while (delivery.waiting) delivery.waiting->cancel();
}

void Resolver::Engine::configure(const ResolverTexts& texts) {
  const ares_channel fresh = open_cares_channel(parse_resolv_conf(texts.resolv_conf), on_socket, this);
  hosts_ = parse_hosts(texts.hosts);
  cache_.clear();
  ages_.clear();
  const ares_channel old = std::exchange(channel_, fresh);
  if (old) ares_destroy(old);
  std::vector<Question*> open;
  for (auto& [name, question] : questions_) open.push_back(&question);
  for (Question* question : open) ask(*question);  // may answer, and so erase, it at once
}

std::span<const IpAddress> Resolver::Engine::known(std::string_view name) {
  const std::string key = canonical(name);
  if (const auto it = hosts_.find(key); it != hosts_.end()) return it->second;
  const Answer* answer = find(key);
  return answer ? std::span<const IpAddress>{answer->addresses} : std::span<const IpAddress>{};
}

const Resolver::Engine::Answer* Resolver::Engine::find(const std::string& name) {
  const auto it = cache_.find(name);
  if (it == cache_.end()) return nullptr;
  if (it->second.expires > poller_.now()) return &it->second;
  ages_.erase(it->second.age);
  cache_.erase(it);
  return nullptr;
}

void Resolver::Engine::resolve(std::string_view name, ResolveQuery& query, Resolver& owner) {
  query.cancel();
  const std::string key = canonical(name);
  ResolveQuery* alone = nullptr;
  const auto enqueue = [&](ResolveQuery*& head) {
    query.resolver_ = &owner;
    query.next_ = head;
    query.link_ = &head;
    if (head) head->link_ = &query.next_;
    head = &query;
  };
  if (const auto it = hosts_.find(key); it != hosts_.end()) {
    enqueue(alone);
    return deliver_later(alone, it->second);
  }
  if (const Answer* answer = find(key)) {
    enqueue(alone);
    return deliver_later(alone, answer->addresses);
  }
  if (!channel_ || !is_host_name(key)) {
    enqueue(alone);
    return deliver_later(alone, {});
  }
  const auto [it, fresh] = questions_.try_emplace(key, Question{this, key});
  enqueue(it->second.waiting);
  if (fresh) ask(it->second);
}

void Resolver::Engine::ask(Question& question) {
  if (!ticker_.is_armed()) ticks_.arm(ticker_);
  ares_addrinfo_hints hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_flags = ARES_AI_NOSORT;
  ares_getaddrinfo(channel_, question.name.c_str(), nullptr, &hints, on_answer, &question);
}

void Resolver::Engine::on_answer(void* argument, int status, int, ares_addrinfo* result) {
  // A channel that is being replaced gives its questions to the next one.
  if (status == ARES_EDESTRUCTION) return;
  auto& question = *static_cast<Question*>(argument);
  std::vector<IpAddress> addresses;
  std::chrono::seconds ttl = negative_ttl;
  if (status == ARES_SUCCESS && result) {
    ttl = max_ttl;
    for (const auto* node = result->nodes; node && addresses.size() < max_answers; node = node->ai_next) {
      const auto address = address_of(*node);
      if (!address || std::ranges::find(addresses, *address) != addresses.end()) continue;
      addresses.push_back(*address);
      ttl = std::min(ttl, std::max(min_ttl, std::chrono::seconds{node->ai_ttl}));
    }
    if (addresses.empty()) ttl = negative_ttl;
  }
  if (result) ares_freeaddrinfo(result);
  question.engine->answered(question, std::move(addresses), ttl);
}

void Resolver::Engine::answered(Question& question, std::vector<IpAddress> addresses,
                                std::chrono::seconds ttl) {
  remember(question.name, addresses, ttl);
  deliver_later(question.waiting, std::move(addresses));
  questions_.erase(questions_.find(question.name));
}

void Resolver::Engine::remember(const std::string& name, std::vector<IpAddress> addresses,
                                std::chrono::seconds ttl) {
  if (cache_.size() >= max_cached) {
    cache_.erase(ages_.front());
    ages_.pop_front();
  }
  if (const auto old = cache_.find(name); old != cache_.end()) ages_.erase(old->second.age);
  ages_.push_back(name);
  cache_[name] = Answer{std::move(addresses), poller_.now() + ttl, std::prev(ages_.end())};
}

void Resolver::Engine::deliver_later(ResolveQuery*& waiting, std::vector<IpAddress> addresses) {
  if (!waiting) return;
  Delivery& delivery = deliveries_.emplace_back(Delivery{std::move(addresses)});
  delivery.waiting = std::exchange(waiting, nullptr);
  delivery.waiting->link_ = &delivery.waiting;
  poller_.defer(*this);
}

void Resolver::Engine::on_deferred() {
  closed_watches_.clear();
  std::list<Delivery> batch;
  batch.swap(deliveries_);  // nodes stay where they are: the links into them too
  while (!batch.empty()) {
    Delivery& delivery = batch.front();
    while (ResolveQuery* query = delivery.waiting) {
      query->cancel();
      query->on_resolved(delivery.addresses.empty() ? Reason::dns_failed : Reason::ok, delivery.addresses);
    }
    batch.pop_front();
  }
}

void Resolver::Engine::on_socket(void* argument, ares_socket_t fd, int readable, int writable) {
  auto& engine = *static_cast<Engine*>(argument);
  const std::uint32_t mask =
      (readable ? std::uint32_t{EPOLLIN} : 0) | (writable ? std::uint32_t{EPOLLOUT} : 0);
  auto& watch = engine.watches_[fd];
  if (watch && watch->mask == mask) return;
  if (watch) engine.poller_.remove(fd);
  if (mask == 0) {
    if (watch) engine.closed_watches_.push_back(std::move(watch));
    engine.watches_.erase(fd);
    engine.poller_.defer(engine);
    return;
  }
  if (!watch) watch = std::make_unique<Watch>(engine, fd);
  watch->mask = mask;
  static_cast<void>(engine.poller_.add(fd, *watch, mask));
}

void Resolver::Engine::Watch::on_events(std::uint32_t events) {
  const bool in = (events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0;
  const bool out = (events & EPOLLOUT) != 0;
  engine.process(in ? fd : ARES_SOCKET_BAD, out ? fd : ARES_SOCKET_BAD);
}

void Resolver::Engine::process(ares_socket_t readable, ares_socket_t writable) {
  ares_process_fd(channel_, readable, writable);
}

void Resolver::Engine::on_deadline(Deadline&) {
  process(ARES_SOCKET_BAD, ARES_SOCKET_BAD);
  if (!questions_.empty()) ticks_.arm(ticker_);
}

Resolver::Resolver(Poller& poller, DeadlineLists& deadlines)
    : engine_(std::make_unique<Engine>(poller, deadlines)) {}
Resolver::~Resolver() = default;

void Resolver::configure(const ResolverTexts& texts) { engine_->configure(texts); }
void Resolver::resolve(std::string_view name, ResolveQuery& query) { engine_->resolve(name, query, *this); }
std::span<const IpAddress> Resolver::known(std::string_view name) { return engine_->known(name); }
std::size_t Resolver::cached_names() const noexcept { return engine_->cached_names(); }

}  // namespace arcus
