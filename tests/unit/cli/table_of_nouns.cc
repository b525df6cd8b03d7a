#include "tests/unit/cli/table_of_nouns.h"

#include "cli/catalog.h"

namespace arcus::cli {
namespace test {

constinit const Arg<std::string_view> kind{"KIND", "red or blue", {.complete = Source::server_type}};
constinit const Arg<std::string_view> name{"NAME", "its name", {.required = true}};
constinit const Arg<std::int64_t> port{"--port", "where", {.min = 1, .max = 65'535}};
constinit const Arg<std::vector<std::string_view>> backend{"--backend", "who serves", {.group = "upstream"}};
constinit const Arg<std::chrono::milliseconds> pause{"--pause", "how long", {.fallback = "30s"}};
constinit const Arg<bool> tls{"--tls", "over TLS", {.negatable = true}};
constinit const Arg<std::string_view> mode{
    "-m,--mode", "how", {.fallback = "slow", .choices = "slow|fast|faster", .complete = Source::choices}};
constinit const Arg<std::vector<std::string_view>> refs{"REF", "which", {.complete = Source::server}};

namespace {

constexpr const ArgInfo* add_signature[] = {&kind};
constexpr const ArgInfo* show_signature[] = {&refs, &mode};
constexpr const ArgInfo* set_signature[] = {&name, &port, &pause, &tls, &mode};
constexpr Column columns[] = {{"name"}, {"size", "SIZE", Show::table, Unit::bytes}};
constexpr Example examples[] = {{"arcusctl thing list", "all"}};

int succeed(Context&, const Args&) { return exit_code::ok; }

std::vector<std::string_view> kinds() { return {"blue", "red"}; }
std::string_view about(std::string_view word) { return word == "red" ? "a red one" : "a blue one"; }
std::vector<const ArgInfo*> kind_args(std::string_view word) {
  std::vector<const ArgInfo*> list{&name, &backend};
  if (word != "blue") list.push_back(&port);
  return list;
}
std::string_view canonical(std::string_view word) {
  if (word == "red" || word == "red_one") return "red";
  return word == "blue" ? "blue" : std::string_view{};
}
constexpr Variants variants{kinds, about, kind_args, canonical};

constexpr Command commands[] = {
    {"add",
     "make one",
     add_signature,
     succeed,
     {.mutating = true, .aliases = "create", .variants = &variants}},
    {"list",
     "all of them",
     {},
     succeed,
     {.lists = true, .aliases = "ls", .examples = examples, .columns = columns}},
    {"show", "some", show_signature, succeed, {}},
    {"set", "change one", set_signature, succeed, {.mutating = true, .waits = true}},
};
constexpr Command look_commands[] = {{"", "look around", show_signature, succeed, {}}};

}  // namespace

constinit const Noun thing_noun{"thing", "what there is", Group::registry, commands, "things"};
constinit const Noun look_noun{"look", "look around", Group::look, look_commands};

const Command& verb(std::string_view word) { return *find_command(thing_noun, word); }

}  // namespace test

static constexpr const Noun* table[] = {&test::thing_noun, &test::look_noun};

std::span<const Noun* const> nouns() noexcept { return table; }

const Catalog& catalog() {
  static constexpr ServerType http{
      .name = "http", .title = "HTTP Proxy", .summary = "a proxy", .default_port = 8080};
  static constexpr const ServerType* types[] = {&http};
  static constexpr AlgorithmInfo algorithms[] = {{"round_robin", "each in turn"}};
  static constexpr Catalog all{.server_types = types, .algorithms = algorithms};
  return all;
}

}  // namespace arcus::cli
