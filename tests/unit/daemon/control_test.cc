#include <doctest/doctest.h>
#include <sys/stat.h>

#include <fstream>
#include <thread>

#include "lib/base/error.h"
#include "lib/daemon/control_client.h"
#include "lib/daemon/control_socket.h"
#include "tests/unit/daemon/support.h"

using namespace arcus;
using namespace arcus::daemon;

namespace {

/// A control socket whose answers are made by `handler`, with a client beside the loop.
struct ControlFixture {
  explicit ControlFixture(ControlSocket::Handler handler)
      : control{io, folder.path / "a.sock", folder.path / "a.db", std::move(handler)} {
    std::ofstream{folder.path / "a.db"} << "x";
    ::chmod((folder.path / "a.db").c_str(), 0600);
    control.ensure();
  }

  /// What the call returns, or its error's text.
  std::string call(std::string_view command, const std::map<std::string, std::string>& arguments = {}) {
    std::string out;
    std::atomic<bool> done = false;
    std::jthread client{[&] {
      try {
        out = control_call(folder.path / "a.sock", command, arguments);
      } catch (const Error& error) {
        out = std::string{"error: "} + error.what();
      }
      done = true;
    }};
    run_until(io, [&] { return done.load(); });
    return out;
  }

  TestFolder folder;
  asio::io_context io;
  ControlSocket control;
};

}  // namespace

TEST_CASE("control socket: a request line gets its answer, an error its words") {
  ControlFixture fixture{[](std::string_view line, const ControlSocket::Reply& reply) {
    const bool is_ping = line.find(R"("cmd":"ping")") != std::string_view::npos;
    reply(is_ping ? R"({"id":1,"ok":true,"result":{"pid":7}})"
                  : R"({"id":1,"ok":false,"error":"no such thing"})");
  }};
  CHECK(fixture.call("ping") == R"({"pid":7})");
  CHECK(fixture.call("other") == "error: no such thing");
}

TEST_CASE("control socket: arguments arrive, a late answer too") {
  ControlSocket::Reply owed;
  ControlFixture fixture{[&owed](std::string_view line, ControlSocket::Reply reply) {
    CHECK(line.find(R"("server":"acme/web")") != std::string_view::npos);
    owed = std::move(reply);
  }};
  std::string out;
  std::atomic<bool> done = false;
  std::jthread client{[&] {
    out = control_call(fixture.folder.path / "a.sock", "stop", {{"server", "acme/web"}});
    done = true;
  }};
  REQUIRE(run_until(fixture.io, [&] { return static_cast<bool>(owed); }));
  owed(R"({"ok":true,"result":[]})");
  owed = {};
  REQUIRE(run_until(fixture.io, [&] { return done.load(); }));
  CHECK(out == "[]");
}

TEST_CASE("control socket: private like its registry, made again when it was removed") {
  ControlFixture fixture{
      [](std::string_view, const ControlSocket::Reply& reply) { reply(R"({"ok":true})"); }};
  const auto path = fixture.folder.path / "a.sock";
  struct stat info {};
  REQUIRE(::stat(path.c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
  std::filesystem::remove(path);
  CHECK(fixture.call("ping").starts_with("error: no daemon answers"));
  ::chmod((fixture.folder.path / "a.db").c_str(), 0660);
  fixture.control.ensure();
  REQUIRE(::stat(path.c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0660);
  CHECK(fixture.call("ping") == "null");
}

// threats: control-orders
TEST_CASE("control socket: who may give orders") {
  const auto allowed = [](uid_t uid, gid_t gid, std::vector<gid_t> groups, mode_t mode) {
    return is_peer_allowed({.pid = 1, .uid = uid, .gid = gid}, groups, 1000, 500, mode);
  };
  CHECK(allowed(0, 0, {}, 0600));
  CHECK(allowed(1000, 1000, {}, 0600));
  CHECK(allowed(1001, 500, {}, 0660));
  CHECK(allowed(1001, 1001, {7, 500}, 0660));
  CHECK_FALSE(allowed(1001, 500, {500}, 0600));
  CHECK_FALSE(allowed(1001, 1001, {7}, 0660));
}

TEST_CASE("control client: nobody there is no_daemon, also when only a dead socket file is left") {
  const TestFolder folder;
  for (const bool leave_file : {false, true}) {
    if (leave_file) {
      asio::io_context io;
      asio::local::stream_protocol::acceptor dead{io, {(folder.path / "a.sock").string()}};
    }
    try {
      control_call(folder.path / "a.sock", "ping");
      FAIL("answered");
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::no_daemon);
    }
  }
  CHECK_FALSE(wake_daemon(folder.path / "a.db"));
}
