#include "lib/http/write.h"

#include <doctest/doctest.h>

#include <array>
#include <string>

using namespace arcus;
using namespace arcus::http;

static std::string request(const std::string& text, const RequestRewrite& rewrite) {
  RequestHead head;
  REQUIRE(parse_request(text, head) == Parse::done);
  std::array<char, 4096> out;
  return {out.data(), write_request(head, rewrite, out)};
}

static std::string response(std::string text, const ResponseRewrite& rewrite) {
  ResponseHead head;
  REQUIRE(parse_response(text, head) == Parse::done);
  std::array<char, 4096> out;
  return {out.data(), write_response(head, rewrite, out)};
}

TEST_CASE("write request: what belongs to the client's connection stays here") {
  const std::string text = request(
      "GET http://a.test:81/x HTTP/1.1\r\nHost: other\r\nAccept: */*\r\nConnection: X-Hop, Accept-Nothing, "
      "authorization\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nProxy-Connection: keep-alive\r\nProxy-Authorization: "
      "Basic "
      "x\r\nAuthorization: keep\r\nTE: gzip, trailers\r\nUpgrade: h2c\r\nHTTP2-Settings: "
      "x\r\nX-Forwarded-For: "
      "1.1.1.1\r\nForwarded: for=1\r\nVia: 1.0 other\r\n\r\n",
      {.authority = "a.test:81", .via = "arcus-1"});
  CHECK(text ==
        "GET /x HTTP/1.1\r\nHost: a.test:81\r\nAccept: */*\r\nAuthorization: keep\r\nVia: 1.0 other\r\n"
        "Via: 1.1 arcus-1\r\nTE: trailers\r\nConnection: TE\r\n\r\n");
}

TEST_CASE("write request: framing, expectation and upgrade are written anew") {
  CHECK(request("POST http://a.test HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0005\r\nExpect: "
                "100-continue\r\nMax-Forwards: 3\r\n\r\n",
                {.authority = "a.test", .max_forwards = 2}) ==
        "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\nExpect: 100-continue\r\nMax-Forwards: "
        "2\r\n\r\n");
  CHECK(request("PUT http://a.test?q HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: CHUNKED\r\n\r\n",
                {.authority = "a.test"}) ==
        "PUT /?q HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n");
  CHECK(
      request(
          "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
          {.authority = "a.test", .upgrade = "websocket"}) ==
      "GET / HTTP/1.1\r\nHost: a.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
  CHECK(request("OPTIONS http://a.test HTTP/1.1\r\nHost: a.test\r\n\r\n", {.authority = "a.test"}) ==
        "OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n");
}

TEST_CASE("write request: each way with X-Forwarded-For") {
  const std::string text = "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 9.9.9.9\r\n\r\n";
  const std::string head = "GET / HTTP/1.1\r\nHost: a\r\n";
  const std::string theirs = "X-Forwarded-For: 9.9.9.9\r\n", mine = "X-Forwarded-For: 1.2.3.4\r\n";
  const auto with = [&](ForwardedFor mode) {
    return request(text, {.authority = "a", .client = "1.2.3.4", .forwarded_for = mode});
  };
  CHECK(with(ForwardedFor::remove) == head + "\r\n");
  CHECK(with(ForwardedFor::keep) == head + theirs + "\r\n");
  CHECK(with(ForwardedFor::append) == head + theirs + mine + "\r\n");
  CHECK(with(ForwardedFor::replace) == head + mine + "\r\n");
}

TEST_CASE("write response: per client version, framing and method") {
  const std::string chunked = "HTTP/1.1 200 Fine\r\nTransfer-Encoding: chunked\r\nX: y\r\n\r\n";
  CHECK(response(chunked, {.via = "arcus-1", .framing = Framing::chunked}) ==
        "HTTP/1.1 200 Fine\r\nX: y\r\nVia: 1.1 arcus-1\r\nTransfer-Encoding: chunked\r\n\r\n");
  CHECK(response(chunked, {.framing = Framing::until_close, .client_minor = 0, .keep_alive = false}) ==
        "HTTP/1.1 200 Fine\r\nX: y\r\nConnection: close\r\n\r\n");
  const std::string length = "HTTP/1.0 200 \r\nContent-Length: 5\r\nConnection: X\r\nX: y\r\n\r\n";
  CHECK(response(length, {.framing = Framing::length, .client_minor = 0}) ==
        "HTTP/1.1 200 \r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n");
  CHECK(response(length, {.framing = Framing::none, .bodiless = true}) ==
        "HTTP/1.1 200 \r\nContent-Length: 5\r\n\r\n");
  CHECK(response("HTTP/1.1 101 Go\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
                 {.upgrade = "websocket"}) ==
        "HTTP/1.1 101 Go\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
  CHECK(response("HTTP/1.1 103 Hints\r\nLink: x\r\nContent-Length: 3\r\n\r\n", {}) ==
        "HTTP/1.1 103 Hints\r\nLink: x\r\n\r\n");
}

TEST_CASE("write: a buffer too small gives nothing") {
  RequestHead head;
  REQUIRE(parse_request("GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n", head) == Parse::done);
  std::array<char, 256> out;
  const std::size_t whole = write_request(head, {.authority = "a.test"}, out);
  REQUIRE(whole > 0);
  for (std::size_t n = 0; n < whole; ++n)
    CHECK(write_request(head, {.authority = "a.test"}, std::span{out}.first(n)) == 0);
  CHECK(write_request(head, {.authority = "a.test"}, std::span{out}.first(whole)) == whole);
}

TEST_CASE("error reply: fixed text, reason and status") {
  std::array<char, 2048> out;
  const OwnField retry[] = {{"Retry-After", "1"}};
  const std::string text{
      out.data(),
      write_error(
          {.status = 503, .reason = Reason::limit_server, .proxy = "arcus-1", .date = "D", .fields = retry},
          out)};
  CHECK(text ==
        "HTTP/1.1 503 Service Unavailable\r\nDate: D\r\nContent-Type: text/plain; "
        "charset=utf-8\r\nContent-Length: "
        "80\r\nCache-Control: no-store\r\nRetry-After: 1\r\nProxy-Status: arcus-1; "
        "error=connection_limit_reached\r\nX-Arcus-Error: limit_server\r\nConnection: close\r\n\r\n"
        "503 Service Unavailable: limit_server: the server's connection limit is reached\n");
  const std::string head{
      out.data(),
      write_error({.status = 403, .reason = Reason::acl_denied, .keep_alive = true, .head_only = true}, out)};
  CHECK(head.ends_with("\r\n\r\n"));
  CHECK(head.find("Connection") == std::string::npos);
}

TEST_CASE("error reply: every reason has a status with a phrase, and an error type") {
  for (const ReasonInfo& row : reasons()) {
    CAPTURE(row.name);
    CHECK(phrase_of(status_of(row.reason)) != "Error");
    CHECK((row.reason == Reason::ok || !proxy_error_of(row.reason).empty()));
  }
}

TEST_CASE("via: our own token is found wherever it stands") {
  const auto passed = [](const std::string& via) {
    const std::string text = "GET / HTTP/1.1\r\nHost: a\r\nVia: 1.0 x\r\n" + via + "\r\n";
    RequestHead head;
    REQUIRE(parse_request(text, head) == Parse::done);
    return has_passed(head, "arcus-1");
  };
  CHECK(passed("Via: 1.1 arcus-1\r\n"));
  CHECK(passed("Via: 1.1 a, HTTP/1.1\tarcus-1 (x), 1.1 b\r\n"));
  CHECK_FALSE(passed("Via: 1.1 arcus-12\r\n"));
  CHECK_FALSE(passed("Via: arcus-1\r\n"));
}
