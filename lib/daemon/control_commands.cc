#include <unistd.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "lib/base/error.h"
#include "lib/base/units.h"
#include "lib/daemon/daemon_loop.h"

/// What may be asked over the control socket: {"id":…,"cmd":…} -> {"id":…,"ok":…,"result"|"error":…}.
namespace arcus::daemon {

using Json = nlohmann::ordered_json;

struct ControlCommands {
  /// Answers later when it took `later`; else returns the result.
  using Later = std::function<void(Json result)>;
  struct Row {
    std::string_view name;
    std::optional<Json> (*run)(DaemonLoop& loop, const Json& request, const Later& later);
  };
  using Result = std::optional<Json>;

  static Json counts(const StatusCount& count) {
    return {{"total", count.total},
            {"running", count.running},
            {"error", count.error},
            {"pending", count.pending}};
  }

  static Result conns(DaemonLoop& loop, const Json&, const Later&) {
    Json out = Json::object();
    for (const ServerLine& line : loop.supervisor_.lines())
      out[line.reference] = loop.recorder_.active_connections(line.id);
    return out;
  }

  static Result loglevel(DaemonLoop& loop, const Json& request, const Later&) {
    const std::string filter = request.value("filter", "info");
    if (const auto problem = check_log_filter(filter); !problem.empty())
      throw Error{ErrorKind::usage, problem};
    set_log({.fd = STDERR_FILENO, .format = loop.options_.log_format, .filter = filter});
    loop.supervisor_.set_log_filter(filter);
    return Json{{"filter", filter}};
  }

  static Result ping(DaemonLoop& loop, const Json&, const Later&) {
    return Json{{"pid", ::getpid()}, {"version", loop.options_.version}, {"started_at", loop.started_at_}};
  }

  static Result probe(DaemonLoop& loop, const Json&, const Later& later) {
    loop.supervisor_.check_backends([&loop, later] {
      loop.health_.start_round(false, [&loop, later] {
        Json out = Json::object();
        for (const auto& [id, result] : loop.health_.results()) out[id] = result.health;
        later(std::move(out));
      });
    });
    return std::nullopt;
  }

  static Result reload(DaemonLoop& loop, const Json&, const Later&) {
    loop.reload();
    return Json::object();
  }

  static Result reopen(DaemonLoop& loop, const Json&, const Later&) {
    loop.reopen_logs();
    return Json::object();
  }

  static Result stats(DaemonLoop& loop, const Json&, const Later&) {
    loop.record();
    return Json{{"active_connections", loop.recorder_.active_connections()}};
  }

  static Result status(DaemonLoop& loop, const Json&, const Later&) {
    Json workers = Json::array();
    for (const auto& worker : loop.supervisor_.workers())
      workers.push_back({{"group", worker->spec().group},
                         {"pid", worker->pid()},
                         {"restarts", worker->restarts()},
                         {"retiring", worker->is_retiring()}});
    return Json{{"pid", ::getpid()},
                {"version", loop.options_.version},
                {"started_at", loop.started_at_},
                {"ready", loop.is_ready_},
                {"stopping", loop.supervisor_.is_shutting_down()},
                {"servers", counts(loop.supervisor_.count())},
                {"active_connections", loop.recorder_.active_connections()},
                {"registry_problem", loop.store_.problem()},
                {"workers", std::move(workers)}};
  }

  /// Without a server: the daemon stops. With one: its connections end now if it drains, or with limit_ms
  /// within that time; one that does not drain yet has the limit when it is stopped, which must be soon.
  static Result stop(DaemonLoop& loop, const Json& request, const Later&) {
    const bool now = request.value("now", "") == "true";
    const std::string server = request.value("server", "");
    if (server.empty()) {
      loop.stop(now);
      return Json::object();
    }
    const bool is_limited = request.contains("limit_ms");
    const auto limit_ms = parse_integer(request.value("limit_ms", "0"));
    if (!limit_ms || *limit_ms < 0) throw Error{ErrorKind::usage, "limit_ms is not a number of milliseconds"};
    const std::chrono::milliseconds limit{*limit_ms};
    loop.watch_registry();  // the wish to stop may not have been seen yet
    const bool drains = loop.supervisor_.hurry_drain(server, limit);
    if (!drains && is_limited) loop.supervisor_.order_drain(server, limit);
    return Json::object();
  }

  static Result wake(DaemonLoop& loop, const Json&, const Later&) {
    loop.watch_registry();
    return Json::object();
  }

  static constexpr std::array table = {
      Row{"conns", conns},   Row{"loglevel", loglevel}, Row{"ping", ping},   Row{"probe", probe},
      Row{"reload", reload}, Row{"reopen", reopen},     Row{"stats", stats}, Row{"status", status},
      Row{"stop", stop},     Row{"wake", wake},
  };
  static_assert(std::ranges::is_sorted(table, {}, &Row::name));
};

static std::string line_of(const Json& answer) {
  return answer.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void DaemonLoop::answer(std::string_view line, ControlSocket::Reply reply) {
  const Json request = Json::parse(line, nullptr, false);
  if (!request.is_object())
    return reply(line_of({{"id", nullptr}, {"ok", false}, {"error", "not a JSON object"}}));
  const Json id = request.contains("id") ? request["id"] : Json{};
  const auto fail = [&](std::string_view error) {
    reply(line_of({{"id", id}, {"ok", false}, {"error", error}}));
  };
  try {
    const std::string name = request.value("cmd", "");
    const auto row = std::ranges::find(ControlCommands::table, name, &ControlCommands::Row::name);
    if (row == ControlCommands::table.end()) return fail("no command '" + name + "'");
    const auto later = [id, reply](Json result) {
      reply(line_of({{"id", id}, {"ok", true}, {"result", std::move(result)}}));
    };
    if (auto result = row->run(*this, request, later)) later(std::move(*result));
  } catch (const Error& error) {
    fail(error.what());
  } catch (const Json::exception& error) {
    fail(error.what());
  }
}

}  // namespace arcus::daemon
