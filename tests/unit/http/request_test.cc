#include <doctest/doctest.h>

#include <string>
#include <tuple>

#include "lib/http/head.h"

using namespace arcus;
using namespace arcus::http;

static std::string with_fields(const std::string& fields) {
  return "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n" + fields + "\r\n";
}

TEST_CASE("request: every shorter prefix needs more, the whole parses") {
  const std::string wholes[] = {
      "GET http://a.test:8080/x?y=1 HTTP/1.1\r\nHost: a.test:8080\r\nAccept: */*\r\nX:\r\n\r\n",
      "\r\nPOST http://[::1]/ HTTP/1.1\r\nHost: [::1]\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
      "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\nProxy-Connection: keep-alive\r\n\r\n",
      "PUT http://a.test/ HTTP/1.1\r\nTransfer-Encoding:\tchunked \r\nHost: b.test\r\n\r\n",
      "OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n",
      "PROPFIND http://a.test HTTP/1.0\r\n\r\n",
  };
  for (const std::string& whole : wholes) {
    CAPTURE(whole);
    RequestHead head;
    for (std::size_t n = 0; n < whole.size(); ++n) {
      CAPTURE(n);
      CHECK(parse_request(std::string_view{whole}.substr(0, n), head) == Parse::need_more);
    }
    REQUIRE(parse_request(whole, head) == Parse::done);
    CHECK(head.size == whole.size());
    CHECK(parse_request(whole + "GET junk", head) == Parse::done);
    CHECK(head.size == whole.size());
  }
}

TEST_CASE("request: what is read from a head") {
  const std::string text =
      "POST http://A.test:8080/x?y HTTP/1.1\r\nhOsT: a.test:8080\r\nContent-Length: 007\r\n"
      "Connection: keep-alive, X-Secret , Host\r\nX-Secret:  v \t\r\nExpect: 100-Continue\r\n\r\n";
  RequestHead head;
  REQUIRE(parse_request(text, head) == Parse::done);
  CHECK(head.method == Method::post);
  CHECK(head.method_name == "POST");
  CHECK(head.minor == 1);
  CHECK(head.target.form == TargetForm::absolute);
  CHECK(head.target.authority.host == "A.test");
  CHECK(head.target.authority.port == 8080);
  CHECK(head.target.path == "/x?y");
  CHECK(head.host.text == "a.test:8080");
  CHECK(head.framing == Framing::length);
  CHECK(head.content_length == 7);
  CHECK(head.expects_continue);
  CHECK(head.keep_alive);
  REQUIRE(head.fields.count == 5);
  CHECK(head.fields.items[3].value == "v");
  CHECK(is_nominated(head, head.fields.items[3]));
  CHECK_FALSE(is_nominated(head, head.fields.items[0]));  // Host cannot be named away
}

TEST_CASE("request: persistence follows version and Connection") {
  struct Row {
    const char* version;
    const char* connection;
    bool keeps;
  };
  for (const Row& row : {Row{"1.1", "", true}, Row{"1.1", "Connection: close\r\n", false},
                         Row{"1.1", "Connection: x, CLOSE\r\n", false}, Row{"1.0", "", false},
                         Row{"1.0", "Connection: Keep-Alive\r\n", true},
                         Row{"1.0", "Connection: keep-alive, close\r\n", false}}) {
    CAPTURE(row.version);
    CAPTURE(row.connection);
    RequestHead head;
    const std::string text = std::string{"GET http://a.test/ HTTP/"} + row.version + "\r\nHost: a.test\r\n" +
                             row.connection + "\r\n";
    REQUIRE(parse_request(text, head) == Parse::done);
    CHECK(head.keep_alive == row.keeps);
  }
}

TEST_CASE("request: each fault in the request line has its status") {
  struct Row {
    std::string line;
    std::uint16_t status;
  };
  const Row rows[] = {
      {"GET / HTTP/0.9", 505},
      {"GET http://a.test/ HTTP/1.2", 505},
      {"GET http://a.test/ HTTP/2.0", 505},
      {"GET http://a.test/ HTTP/11", 400},
      {"GET http://a.test/ http/1.1", 400},
      {"GET http://a.test/ HTTP/1.1 ", 400},
      {"GET http://a.test/", 400},
      {"GET", 400},
      {"PRI * HTTP/2.0", 400},
      {" GET http://a.test/ HTTP/1.1", 400},
      {"GET  http://a.test/ HTTP/1.1", 400},
      {"GET\thttp://a.test/ HTTP/1.1", 400},
      {"GET http://a.test/ x HTTP/1.1", 400},
      {"G(T http://a.test/ HTTP/1.1", 400},
      {std::string{"GET http://a.test/\0 HTTP/1.1", 28}, 400},
      {"GET http://a.test/\x7f HTTP/1.1", 400},
      {"GET http://a.test/\r HTTP/1.1", 400},
      {"GET http://u:p@a.test/ HTTP/1.1", 400},
      {"GET http://a.test\\@b.test/ HTTP/1.1", 400},
      {"GET http://a.test/#f HTTP/1.1", 400},
      {"GET http:///x HTTP/1.1", 400},
      {"GET http://a.test:0/ HTTP/1.1", 400},
      {"GET http://a.test:65536/ HTTP/1.1", 400},
      {"GET http://a.test:/ HTTP/1.1", 400},
      {"GET http://a.test:80a/ HTTP/1.1", 400},
      {"GET ftp://a.test/ HTTP/1.1", 400},
      {"GET a.test:80 HTTP/1.1", 400},
      {"GET * HTTP/1.1", 400},
      {"GET https://a.test/ HTTP/1.1", 501},
      {"CONNECT a.test HTTP/1.1", 400},
      {"CONNECT a.test:0 HTTP/1.1", 400},
      {"CONNECT http://a.test:443/ HTTP/1.1", 400},
      {"CONNECT u@a.test:443 HTTP/1.1", 400},
      {"GET http://a.test/" + std::string(max_request_line, 'x') + " HTTP/1.1", 414},
      {"GET /caf\xc3\xa9 HTTP/1.1", 400},
      {"GET /?q=\x80 HTTP/1.1", 400},
  };
  for (const Row& row : rows) {
    CAPTURE(row.line);
    RequestHead head;
    CHECK(parse_request(row.line + "\r\nHost: a.test\r\n\r\n", head) == Parse::bad);
    CHECK(head.fault.status == row.status);
  }
}

TEST_CASE("request: each fault in the fields has its status") {
  struct Row {
    std::string fields;
    std::uint16_t status;
  };
  std::string many;
  for (std::size_t i = 0; i < max_fields; ++i) many += "X: y\r\n";
  std::string names = "Connection: ";
  for (int i = 0; i < 70; ++i) names += "x" + std::to_string(i) + ",";
  const Row rows[] = {
      {"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400},
      {"Content-Length: 5\r\nContent-Length: 5\r\n", 400},
      {"Content-Length: 5, 5\r\n", 400},
      {"Content-Length: +5\r\n", 400},
      {"Content-Length: -5\r\n", 400},
      {"Content-Length: 0x5\r\n", 400},
      {"Content-Length: 5 5\r\n", 400},
      {"Content-Length:\r\n", 400},
      {"Content-Length: 9223372036854775808\r\n", 400},
      {"Content-Length: 99999999999999999999999\r\n", 400},
      {"Transfer-Encoding: chunked, chunked\r\n", 400},
      {"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400},
      {"Transfer-Encoding: chunked, gzip\r\n", 400},
      {"Transfer-Encoding:\r\n", 400},
      {"Transfer-Encoding: chunked;q=1\r\n", 400},
      {"Transfer-Encoding: ,chunked\r\n", 400},
      {"Transfer-Encoding: \"chunked\"\r\n", 400},
      {"Transfer-Encoding: \x0b"
       "chunked\r\n",
       400},
      {"Transfer-Encoding: xchunked\r\n", 501},
      {"Transfer-Encoding: gzip, chunked\r\n", 501},
      {"Transfer-Encoding: identity\r\n", 501},
      {"Host: b.test\r\n", 400},
      {"X: a\r\n b\r\n", 400},
      {"X: a\nY: b\r\n", 400},
      {"X: a\rY: b\r\n", 400},
      {std::string{"X: a\0b\r\n", 8}, 400},
      {"X: a\x01\r\n", 400},
      {"X : a\r\n", 400},
      {": a\r\n", 400},
      {"X\r\n", 400},
      {"X(: a\r\n", 400},
      {"\xc3\xa9: a\r\n", 400},
      {"Expect: 200-maybe\r\n", 417},
      {many, 431},
      {"X: " + std::string(max_head_size, 'y') + "\r\n", 431},
      {names + "\r\n", 400},
  };
  for (const Row& row : rows) {
    CAPTURE(row.fields);
    RequestHead head;
    CHECK(parse_request(with_fields(row.fields), head) == Parse::bad);
    CHECK(head.fault.status == row.status);
  }
}

TEST_CASE("request: Host must be there once and be valid") {
  for (const char* host :
       {"", "Host:\r\n", "Host: a b\r\n", "Host: u@a.test\r\n", "Host: a.test:0\r\n", "Host: a.test/x\r\n",
        "Host: 127.1\r\n", "Host: [::1\r\n", "Host: a%41.test\r\n"}) {
    CAPTURE(host);
    RequestHead head;
    CHECK(parse_request(std::string{"GET http://a.test/ HTTP/1.1\r\n"} + host + "\r\n", head) == Parse::bad);
    CHECK(head.fault == bad_request);
  }
}

TEST_CASE("request: Host that says what the target says is read the same, but has no port of its own") {
  RequestHead head;
  std::string text_of_head;
  const auto parse = [&](const std::string& target, const std::string& host) {
    text_of_head = "GET http://" + target + "/ HTTP/1.1\r\nHost: " + host + "\r\n\r\n";
    return parse_request(text_of_head, head) == Parse::done;
  };
  for (const auto& [text, host, port] :
       {std::tuple{"a.test", "a.test", 0}, std::tuple{"a.test:80", "a.test", 80},
        std::tuple{"[::1]", "::1", 0}, std::tuple{"[::1]:8080", "::1", 8080},
        std::tuple{"127.0.0.1", "127.0.0.1", 0}}) {
    CAPTURE(text);
    const std::string other = "b.test";
    for (const std::string& target : {std::string{text}, other}) {
      REQUIRE(parse(target, text));
      CHECK(head.host.text == text);
      CHECK(head.host.host == host);
      CHECK(head.host.port == port);
      CHECK(head.host.literal == IpAddress::parse(host));
    }
    CHECK(head.target.authority.host == "b.test");
  }
  REQUIRE(parse("a.test", "a.test"));
  CHECK(head.target.authority.port == 80);
}

TEST_CASE("request: a length may have blanks behind it, no tab") {
  RequestHead head;
  const auto parse = [&](const std::string& behind) {
    return parse_request(
        "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nContent-Length: \t4" + behind + "\r\n\r\n", head);
  };
  for (const char* fine : {"", " ", "   "}) CHECK(parse(fine) == Parse::done);
  for (const char* bad : {"\t", " \t", "\t ", "\t\t\t"}) CHECK(parse(bad) == Parse::bad);
}

TEST_CASE("request: a coding in 1.0 and a body on CONNECT are refused") {
  RequestHead head;
  CHECK(parse_request("POST http://a.test/ HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", head) ==
        Parse::bad);
  CHECK(parse_request("CONNECT a.test:443 HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1\r\n\r\n", head) ==
        Parse::bad);
  CHECK(parse_request("CONNECT a.test:443 HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n", head) ==
        Parse::done);
}

TEST_CASE("request: bytes that are no request are refused before a line ends") {
  RequestHead head;
  for (const std::string_view text : {"\x16\x03\x01", "\r\r", "\n", " G", "G\x01"}) {
    CAPTURE(text);
    CHECK(parse_request(text, head) == Parse::bad);
  }
  const std::string endless = "GET http://a.test/" + std::string(max_request_line, 'x');
  CHECK(parse_request(endless, head) == Parse::bad);
  CHECK(head.fault.status == 414);
  const std::string head_text = "GET http://a.test/ HTTP/1.1\r\nX: " + std::string(max_head_size, 'x');
  CHECK(parse_request(head_text, head) == Parse::bad);
  CHECK(head.fault.status == 431);
}

TEST_CASE("request: exactly 128 fields and a 64 KiB head pass") {
  std::string fields;
  for (std::size_t i = 0; i < max_fields - 2; ++i) fields += "X: y\r\n";
  std::string text = with_fields(fields + "Pad: ");
  text.insert(text.size() - 2, std::string(max_head_size - text.size() - 2, 'p') + "\r\n");
  REQUIRE(text.size() == max_head_size);
  RequestHead head;
  CHECK(parse_request(text, head) == Parse::done);
  CHECK(head.fields.count == max_fields);
}

TEST_CASE("request: parsing again is put off until it can help") {
  std::string text;
  std::size_t tried = 0, times = 0;
  const std::string whole = with_fields("X: " + std::string(60'000, 'x') + "\r\n");
  for (const char c : whole) {
    text += c;
    if (worth_parsing(text, tried)) ++times;
  }
  CHECK(times < 24);
  CHECK(tried == whole.size());
}
