// What a decision costs with 10 rules and with 10,000: `meson test --benchmark -C build policy`, or this
// program.
#include "lib/policy/policy.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

using namespace arcus;
using policy::Policy;
using policy::RuleText;

namespace {

constexpr std::array<std::size_t, 4> sizes{10, 100, 1'000, 10'000};
constexpr int rounds = 9;

std::string network_of(std::size_t n) {
  return "10." + std::to_string(n / 256 % 256) + "." + std::to_string(n % 256) + ".0/24";
}

/// Names alone: half of them exact, half suffixes.
RuleText by_host(std::size_t n) {
  const std::string name = "host" + std::to_string(n) + ".example";
  return {.number = 1, .host = n % 2 == 0 ? name : "*." + name};
}

/// Hosts, destinations, clients and users in turn.
RuleText by_anything(std::size_t n) {
  switch (n % 4) {
    case 0:
      return by_host(n / 4);
    case 1:
      return {.number = 1, .destination = network_of(n / 4)};
    case 2:
      return {.number = 1, .client = network_of(n / 4)};
    default:
      return {.number = 1, .user = "user" + std::to_string(n / 4)};
  }
}

/// Nanoseconds a decision, the median of the rounds; nothing matches, so that no rule ends the search early.
double cost_of(const Policy& policy) {
  const IpAddress client = *IpAddress::parse("192.0.2.7");
  const Endpoint address = *Endpoint::parse("8.8.8.8:443");
  const policy::Request request{
      .client = client, .user = "bob", .host = "www.some-site.example.org", .port = 443, .method = "CONNECT"};
  constexpr int decisions = 20'000;
  std::vector<double> all;
  for (int round = 0; round < rounds; ++round) {
    std::size_t allowed = 0;
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < decisions; ++i)
      allowed += policy.decide_address(request, address, {}).verdict == policy::Verdict::allow ? 1U : 0U;
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - begin;
    if (allowed != decisions) std::puts("a decision that should allow did not");
    all.push_back(took.count() / decisions);
  }
  std::ranges::sort(all);
  return all[all.size() / 2];
}

void measure(const char* name, const std::function<RuleText(std::size_t)>& rule) {
  double ten = 0;
  for (const std::size_t size : sizes) {
    std::vector<RuleText> rules;
    for (std::size_t n = 0; n < size; ++n) rules.push_back(rule(n));
    const double cost = cost_of(Policy(rules, {}));
    if (size == sizes.front()) ten = cost;
    std::printf("| %s | %zu | %.0f | %.2f |\n", name, size, cost, cost / ten);
  }
}

}  // namespace

int main() {
  std::puts("| rules | number | ns a decision | of 10 rules |\n| --- | --- | --- | --- |");
  measure("hosts", by_host);
  measure("mixed", by_anything);
}
