#include <algorithm>
#include <array>

#include "cli/core/context.h"
#include "cli/doctor_checks.h"
#include "lib/base/error.h"
#include "lib/base/text.h"
#include "lib/registry/tenants.h"

namespace arcus::cli {
namespace doctor {

namespace {

constexpr std::array checks{
    Check{"certs.expiry", look_at_certificate_ends},
    Check{"certs.files", look_at_certificate_files},
    Check{"certs.names", look_at_certificate_names},
    Check{"daemon.heartbeat", look_at_heartbeat},
    Check{"daemon.lock", look_at_lock},
    Check{"daemon.socket", look_at_socket, remove_stale_socket, false},
    Check{"daemon.version", look_at_version, nullptr, false},
    Check{"features.ktls", look_for_ktls, nullptr, false},
    Check{"features.landlock", look_for_landlock, nullptr, false},
    Check{"features.seccomp", look_for_seccomp, nullptr, false},
    Check{"features.systemd", look_for_systemd, nullptr, false},
    Check{"limits.backlog", look_at_backlog},
    Check{"limits.descriptors", look_at_descriptors},
    Check{"limits.local_ports", look_at_local_ports},
    Check{"limits.memory", look_at_memory},
    Check{"limits.refusals", look_at_refusals},
    Check{"policy.metadata", look_for_metadata},
    Check{"policy.open_proxy", look_for_open_proxies},
    Check{"policy.users", look_at_users},
    Check{"ports.overlap", look_for_overlaps},
    Check{"ports.privileged", look_at_privileged_ports},
    Check{"ports.taken", look_for_port_holders},
    Check{"registry.audit", look_at_audit},
    Check{"registry.file", look_at_file, nullptr, false},
    Check{"registry.integrity", look_at_integrity},
    Check{"registry.log", look_at_log, fold_log},
    Check{"registry.modes", look_at_modes, tighten_modes, false},
    Check{"registry.schema", look_at_schema, restore_schema},
    Check{"registry.space", look_at_space, nullptr, false},
};
static_assert(std::ranges::is_sorted(checks, {}, &Check::id));

constexpr std::array<std::string_view, 4> state_words{"ok", "skip", "warn", "error"};
constexpr std::array<std::string_view, 4> state_colours{"green", "dim", "yellow", "red"};

std::string_view word_of(State state) { return state_words[static_cast<std::size_t>(state)]; }

bool is_of_group(std::string_view id, std::string_view word) {
  return id == word || (id.starts_with(word) && id.substr(word.size()).starts_with('.'));
}

/// The checks that `words` name by id or group; all without words.
std::vector<const Check*> select(const std::vector<std::string_view>& words) {
  std::vector<const Check*> selected;
  for (const Check& check : checks)
    if (words.empty() || std::ranges::any_of(words, [&](auto word) { return is_of_group(check.id, word); }))
      selected.push_back(&check);
  for (const std::string_view word : words) {
    if (std::ranges::any_of(checks, [&](const Check& check) { return is_of_group(check.id, word); }))
      continue;
    std::vector<std::string> ids;
    for (const Check& check : checks) {
      ids.emplace_back(check.id);
      ids.emplace_back(check.id.substr(0, check.id.find('.')));
    }
    const auto repeated = std::ranges::unique(ids);
    ids.erase(repeated.begin(), repeated.end());
    Error error{ErrorKind::usage, "no check '" + std::string{word} + "'"};
    if (auto near = nearest_word(word, ids)) throw std::move(error).suggest(*near);
    throw std::move(error).with_hint("arcusctl doctor lists them");
  }
  return selected;
}

/// A check that itself fails is an error of the file it looks at, not of doctor.
Findings look(const Check& check, const Patient& patient) {
  if (check.needs_db && !patient.db) return {{State::skip, "the registry cannot be opened"}};
  try {
    return check.look(patient);
  } catch (const Error& error) {
    return {{State::error, error.what(), error.hint()}};
  }
}

}  // namespace

Patient::Patient(Context& from) : context(from), paths(daemon::paths_for(from.db_path())) {
  try {
    holder = find_run_holder(paths.db);
    db = std::make_unique<Database>(paths.db, OpenMode::read_only);
    for (const registry::Tenant& tenant : registry::list_tenants(*db)) {
      if (!tenant.enabled) continue;
      for (registry::Server& server : registry::list_servers(*db, tenant.id))
        if (server.enabled) servers.push_back(std::move(server));
    }
  } catch (const Error& error) {
    db.reset();
    db_error = error.what();
    db_hint = error.hint();
  }
}

std::size_t Patient::wanted_running() const {
  return static_cast<std::size_t>(
      std::ranges::count(servers, std::string_view{"running"}, &registry::Server::desired_state));
}

}  // namespace doctor

namespace {

using doctor::State;

constexpr Arg<std::vector<std::string_view>> only{"CHECK",
                                                  "only these checks or groups: registry, ports.taken"};
constexpr Arg<bool> fix{"--fix", "repair modes, a stale socket, triggers and views, an oversized log"};
constexpr Arg<bool> strict{"--strict", "warnings end with exit 10"};
constexpr const ArgInfo* signature[] = {&only, &fix, &strict};
constexpr Example examples[] = {
    {"arcusctl doctor", "look at everything"},
    {"arcusctl doctor registry daemon", "two groups"},
    {"arcusctl doctor --fix", "repair what can be repaired"},
    {"arcusctl doctor -o json | jq '.[] | select(.state == \"error\")'", "for programs"},
};
constexpr ExitNote exits[] = {{exit_code::failed, "something is wrong"},
                              {exit_code::differs, "with --strict: nothing wrong, but warnings"}};
constexpr Column columns[] = {
    {"id", "CHECK"}, {"state", "STATE", Show::table, Unit::status}, {"sentence"}, {"try"}};

struct Result {
  std::string_view id;
  doctor::Finding finding;
};

void print_for_people(Context& context, const std::vector<Result>& results) {
  Output& out = context.out();
  std::array<std::size_t, 4> counts{};
  for (const auto& [id, finding] : results) {
    const auto state = static_cast<std::size_t>(finding.state);
    ++counts[state];
    std::string word{doctor::state_words[state]};
    word.resize(6, ' ');
    std::string name{id};
    name.resize(std::max<std::size_t>(name.size(), 19), ' ');
    out.line(out.paint(doctor::state_colours[state], word) + " " + name + "  " +
             escape_terminal(finding.sentence));
    const bool matters = finding.state == State::warn || finding.state == State::error;
    if (matters && !finding.remedy.empty()) out.line("       try: " + escape_terminal(finding.remedy));
  }
  const auto count = [&](State state, const char* one, const char* many) {
    const std::size_t number = counts[static_cast<std::size_t>(state)];
    return std::to_string(number) + (number == 1 ? one : many);
  };
  out.line(count(State::ok, " ok, ", " ok, ") + count(State::warn, " warning, ", " warnings, ") +
           count(State::error, " error, ", " errors, ") + count(State::skip, " skipped", " skipped"));
}

void print(Context& context, const std::vector<Result>& results) {
  if (!context.out().machine()) return print_for_people(context, results);
  Table table{columns};
  for (const auto& [id, finding] : results)
    table.add(id, doctor::word_of(finding.state), finding.sentence,
              finding.remedy.empty() ? Cell{} : Cell{finding.remedy});
  context.out().list(table);
}

void repair(Context& context, doctor::Patient& patient, const std::vector<const doctor::Check*>& selected) {
  for (const doctor::Check* check : selected) {
    if (check->fix == nullptr || (check->needs_db && !patient.db)) continue;
    for (const std::string& action : check->fix(patient)) context.note("fixed  " + action);
  }
}

int run(Context& context, const Args& args) {
  const auto selected = doctor::select(args[only]);
  doctor::Patient patient{context};
  if (args[fix]) repair(context, patient, selected);

  std::vector<Result> results;
  State worst = State::ok;
  for (const doctor::Check* check : selected)
    for (doctor::Finding& finding : doctor::look(*check, patient)) {
      worst = std::max(worst, finding.state);
      results.push_back({check->id, std::move(finding)});
    }
  print(context, results);
  if (worst == State::error) return exit_code::failed;
  return worst == State::warn && args[strict] ? exit_code::differs : exit_code::ok;
}

constexpr Command commands[] = {
    {"",
     "look for what is wrong, and say what to type",
     signature,
     run,
     {.lists = true, .examples = examples, .columns = columns, .exits = exits}},
};

}  // namespace

extern const Noun doctor_noun;
constinit const Noun doctor_noun{"doctor", "look for what is wrong, and repair it", Group::look, commands};

}  // namespace arcus::cli
