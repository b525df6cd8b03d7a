#include <doctest/doctest.h>

#include <string>

#include "lib/http/head.h"

using namespace arcus::http;

static Parse parse(std::string& text, ResponseHead& head) { return parse_response(text, head); }

TEST_CASE("response: every shorter prefix needs more, the whole parses") {
  const std::string wholes[] = {
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\n",
      "HTTP/1.0 404\r\nServer: x\r\n\r\n",
      "HTTP/1.1 204 \r\n\r\n",
      "HTTP/1.1 200 OK\nX : a\n folded\nContent-Length: 5, 5\nContent-Length: 5\n\n",
  };
  for (const std::string& whole : wholes) {
    CAPTURE(whole);
    for (std::size_t n = 0; n < whole.size(); ++n) {
      CAPTURE(n);
      std::string prefix = whole.substr(0, n);
      ResponseHead head;
      CHECK(parse(prefix, head) == Parse::need_more);
    }
    std::string text = whole + "rest";
    ResponseHead head;
    REQUIRE(parse(text, head) == Parse::done);
    CHECK(head.size == whole.size());
  }
}

TEST_CASE("response: what a proxy may mend is mended and counted") {
  std::string text =
      "HTTP/1.1 200 OK\nX : a\r\n  b\r\n\tc\r\nContent-Length: 7, 7\r\nContent-Length: 7\r\n\r\n";
  ResponseHead head;
  REQUIRE(parse(text, head) == Parse::done);
  REQUIRE(head.fields.count == 3);
  CHECK(head.fields.items[0].name == "X");
  CHECK(head.fields.items[0].value.starts_with("a "));
  CHECK(head.fields.items[0].value.ends_with("c"));
  CHECK(head.fields.items[0].value.find_first_of("\r\n") == std::string_view::npos);
  CHECK(head.content_length == 7);
  CHECK(head.repairs == 6);
}

TEST_CASE("response: a length may have blanks behind it; a tab is mended, and counted") {
  for (const auto& [behind, repairs] : {std::pair{"", 0U}, {" ", 0U}, {"\t", 1U}, {" \t ", 1U}}) {
    CAPTURE(behind);
    std::string text = std::string{"HTTP/1.1 200 OK\r\nContent-Length: 4"} + behind + "\r\n\r\n";
    ResponseHead head;
    CHECK(parse_response(text, head) == Parse::done);
    CHECK(head.content_length == 4);
    CHECK(head.repairs == repairs);
  }
}

TEST_CASE("response: each fault is a 502") {
  const std::string texts[] = {
      "ICY 200 OK\r\n\r\n",
      "HTTP/2.0 200 OK\r\n\r\n",
      "HTTP/1.1 20 OK\r\n\r\n",
      "HTTP/1.1 2000 OK\r\n\r\n",
      "HTTP/1.1 099 OK\r\n\r\n",
      "HTTP/1.1  200 OK\r\n\r\n",
      "HTTP/1.1 200 O\rK\r\n\r\n",
      "HTTP/1.1 200 OK\r\n folded: first\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
      "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
      "HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n",
      std::string{"HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n", 27},
      "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
      "HTTP/1.1 200 OK\r\n: x\r\n\r\n",
      "HTTP/1.1 200 OK\r\nX: " + std::string(max_head_size, 'x'),
      "<html>",
  };
  for (std::string text : texts) {
    CAPTURE(text);
    ResponseHead head;
    CHECK(parse(text, head) == Parse::bad);
    CHECK(head.fault.status == 502);
  }
}

TEST_CASE("response: framing depends on status and method") {
  struct Row {
    const char* head;
    Method method;
    Framing framing;
  };
  const char* length = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
  for (const Row& row :
       {Row{length, Method::get, Framing::length}, Row{length, Method::head, Framing::none},
        Row{length, Method::connect, Framing::none},
        Row{"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n", Method::post, Framing::chunked},
        Row{"HTTP/1.1 200 OK\r\n\r\n", Method::get, Framing::until_close},
        Row{"HTTP/1.1 204 OK\r\nContent-Length: 5\r\n\r\n", Method::get, Framing::none},
        Row{"HTTP/1.1 304 OK\r\nContent-Length: 5\r\n\r\n", Method::get, Framing::none},
        Row{"HTTP/1.1 103 Hints\r\n\r\n", Method::get, Framing::none}}) {
    CAPTURE(row.head);
    std::string text = row.head;
    ResponseHead head;
    REQUIRE(parse(text, head) == Parse::done);
    CHECK(response_framing(head, row.method) == row.framing);
  }
}
