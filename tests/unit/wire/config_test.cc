#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "lib/base/error.h"
#include "lib/wire/messages.h"

using namespace arcus;
using namespace arcus::wire;

TEST_CASE("wire config: every field of a server survives the way to the worker") {
  WorkerConfig sent;
  sent.tenants.push_back({.id = "aaaaaaaaaaaa",
                          .name = "acme",
                          .enabled = false,
                          .max_connections = 5,
                          .egress_addr = "127.0.0.9",
                          .access_log_format = "json",
                          .rules = {{.number = 7, .allow = true, .client = "10.0.0.0/8", .port_last = 99}}});
  ServerConfig server;
  server.id = "bbbbbbbbbbbb";
  server.name = "web";
  server.type = "tcp";
  server.generation = 41;
  server.listen_port = 65535;
  server.idle_timeout_ms = 1;
  server.tls = {.enabled = true,
                .certificates = {{.name = "a.pem", .cert_pem = "C", .key_pem = "K"}},
                .min_version = "1.3",
                .alpn = "http/1.1",
                .client_auth = "require",
                .client_ca_pem = "A",
                .ticket_keys = {"00"}};
  server.proxy_protocol_in = "any";
  server.proxy_protocol_from = "10.0.0.0/8";
  server.proxy_protocol_out = "v2";
  server.system_ca_pem = "S";
  server.routes = {{.pattern = "*.example", .target = "reject"}};
  server.lb = "failover";
  server.access_log = false;
  server.config = {{"mode", "reverse"}, {"x_note", "line\nbreak \" quote"}};
  server.backends.push_back(
      {.id = "b1", .host = "::1", .port = 53, .weight = 256, .backup = true, .tls = true});
  server.rules.push_back(
      {.number = 1, .host = "*.example", .method = "CONNECT", .time_window = "08:00-18:00"});
  server.counter_segment = 2;
  server.counter_slot = 9;
  sent.servers.push_back(server);

  const auto received = from_json<WorkerConfig>(to_json(sent));
  CHECK(received.tenants == sent.tenants);
  CHECK(received.servers == sent.servers);
}

TEST_CASE("wire config: missing keys keep their default, unknown ones are ignored") {
  const auto hello = from_json<Hello>(R"({"version":"1","novelty":[1,2,3]})");
  CHECK(hello.version == "1");
  CHECK(hello.threads == 1);
  CHECK(hello.sandbox == "auto");
}

TEST_CASE("wire config: what a peer must not send is refused") {
  const std::vector<std::string> bad{"",
                                     "{",
                                     "[]",
                                     "null",
                                     "7",
                                     R"({"source_port":70000})",
                                     R"({"source_port":-1})",
                                     R"({"source_port":1.5})",
                                     R"({"source_port":"80"})",
                                     R"({"source_port":18446744073709551615})",
                                     R"({"server_id":7})",
                                     R"({"seq":true})"};
  for (const std::string& text : bad) {
    CAPTURE(text);
    CHECK_THROWS_AS(from_json<ProbeFrame>(text), Error);
  }
  CHECK_THROWS_AS(from_json<WorkerConfig>(R"({"servers":{}})"), Error);
  CHECK_THROWS_AS(from_json<WorkerConfig>(R"({"servers":[{"config":[]}]})"), Error);
}

TEST_CASE("wire config: bytes that are no UTF-8 do not stop a frame") {
  const Event sent{.kind = "error",
                   .detail =
                       "a\xff"
                       "b"};
  CHECK(from_json<Event>(to_json(sent)).detail ==
        "a\xef\xbf\xbd"
        "b");
}

TEST_CASE("wire config: every kind of frame body reads what was written") {
  CHECK(from_json<Hello>(to_json(Hello{.uid = 65534, .memory_limit_bytes = 9})).uid == 65534);
  CHECK(from_json<Ready>(to_json(Ready{.pid = 9, .seccomp = true})).seccomp);
  CHECK(from_json<ResolverConfig>(to_json(ResolverConfig{.hosts = "h", .local_addresses = {"::1"}})) ==
        ResolverConfig{.hosts = "h", .local_addresses = {"::1"}});
  CHECK(from_json<CountersFrame>(to_json(CountersFrame{.segment = 3})).segment == 3);
  CHECK(from_json<AccessLogFrame>(to_json(AccessLogFrame{.tenant_id = "t"})).tenant_id == "t");
  CHECK(from_json<ListenFrame>(to_json(ListenFrame{.seq = 4, .forget = true})).forget);
  CHECK(from_json<ProbeFrame>(to_json(ProbeFrame{.source_port = 65535})).source_port == 65535);
  CHECK(from_json<DrainFrame>(to_json(DrainFrame{.drain_timeout_ms = 0})).drain_timeout_ms == 0);
  CHECK(from_json<Ack>(to_json(Ack{.generation = 5, .error = "no"})).error == "no");
  CHECK(from_json<WorkerStatus>(to_json(WorkerStatus{.open_fds = 12})).open_fds == 12);
}
