// A second opinion: what llhttp in strict mode refuses is never forwarded, and what is forwarded means the
// same to it. Its list of methods aside. Built only where Debian's node-llhttp has put its sources.
#include <llhttp.h>

#include <array>
#include <string>

#include "lib/http/chunked.h"
#include "lib/http/write.h"
#include "tests/fuzz/fuzz.h"

using namespace arcus::http;
using arcus::fuzz::require;

namespace {

/// What llhttp made of some bytes.
struct Opinion {
  bool refused = false;
  bool has_head = false;
  bool whole = false;  ///< the message ended
  bool chunked = false;
  bool has_length = false;
  std::uint64_t length = 0;
  std::string body;
};

}  // namespace

static Opinion& opinion_of(llhttp_t* parser) { return *static_cast<Opinion*>(parser->data); }

static int on_head(llhttp_t* parser) {
  Opinion& opinion = opinion_of(parser);
  opinion.has_head = true;
  opinion.chunked = (parser->flags & F_CHUNKED) != 0;
  opinion.has_length = (parser->flags & F_CONTENT_LENGTH) != 0;
  opinion.length = opinion.has_length ? parser->content_length : 0;
  parser->upgrade = 0;  // the body is of interest, not the tunnel
  return 0;
}

static int on_bytes(llhttp_t* parser, const char* at, size_t length) {
  opinion_of(parser).body.append(at, length);
  return 0;
}

static int on_end(llhttp_t* parser) {
  opinion_of(parser).whole = true;
  return HPE_PAUSED;
}

static Opinion ask(llhttp_type_t type, std::string_view text) {
  static const llhttp_settings_t settings = [] {
    llhttp_settings_t made;
    llhttp_settings_init(&made);
    made.on_headers_complete = on_head;
    made.on_body = on_bytes;
    made.on_message_complete = on_end;
    return made;
  }();
  Opinion opinion;
  llhttp_t parser;
  llhttp_init(&parser, type, &settings);
  parser.data = &opinion;
  const llhttp_errno_t result = llhttp_execute(&parser, text.data(), text.size());
  opinion.refused = result != HPE_OK && result != HPE_PAUSED;
  return opinion;
}

static void check_framing(const Head& head, const Opinion& opinion) {
  require(opinion.has_head, "its head ends where ours does");
  require((head.framing == Framing::chunked) == opinion.chunked, "chunked means chunked");
  if (head.framing != Framing::length) return;
  require(opinion.has_length && opinion.length == head.content_length, "lengths are the same");
}

/// The message with a method that llhttp knows.
static std::string with_known_method(std::string_view in, const RequestHead& head) {
  std::string text{in};
  if (head.method == Method::other || head.method == Method::connect)
    text.replace(static_cast<std::size_t>(head.method_name.data() - in.data()), head.method_name.size(),
                 head.method == Method::connect ? "CONNECT" : "GET");
  return text;
}

static void check_request(std::string_view in) {
  static RequestHead head;
  if (parse_request(in, head) != Parse::done) return;
  const std::string asked = with_known_method(in.substr(0, head.size), head);
  const Opinion received = ask(HTTP_REQUEST, asked);
  require(!received.refused, "a request that is accepted is one to llhttp");
  check_framing(head, received);
  if (head.method == Method::connect) return;

  static std::array<char, 2 * max_head_size + 4096> out;
  const bool absolute = head.target.form == TargetForm::absolute;
  const std::string_view authority = absolute ? head.target.authority.text : head.host.text;
  const std::size_t size = write_request(
      head, {.authority = authority.empty() ? "a.test" : authority, .via = "arcus-x", .client = "1.2.3.4"},
      out);
  require(size > head.method_name.size(), "it fits");
  std::string sent{out.data(), size};
  if (head.method == Method::other) sent.replace(0, head.method_name.size(), "GET");
  const Opinion forwarded = ask(HTTP_REQUEST, sent);
  require(!forwarded.refused, "what is sent on is a request to llhttp");
  check_framing(head, forwarded);
}

static void check_response(std::string_view in) {
  static ResponseHead head;
  std::string bytes{in};
  if (parse_response(bytes, head) != Parse::done) return;
  // RFC 9110, 2.5: a later minor version is read as 1.1, and sent on as that.
  const bool known_version = in.substr(5, 3) == "1.0" || in.substr(5, 3) == "1.1";
  if (head.repairs == 0 && known_version) {
    const Opinion received = ask(HTTP_RESPONSE, in.substr(0, head.size));
    require(!received.refused, "an answer that needs no mending is one to llhttp");
    check_framing(head, received);
  }
  const Framing framing = response_framing(head, Method::get);
  static std::array<char, 2 * max_head_size + 4096> out;
  const std::size_t size =
      write_response(head, {.via = "arcus-x", .framing = framing, .bodiless = head.status == 304}, out);
  require(size > 0, "it fits");
  const Opinion sent = ask(HTTP_RESPONSE, {out.data(), size});
  require(!sent.refused && sent.has_head, "what is sent on is an answer to llhttp");
  require(sent.chunked == (framing == Framing::chunked), "chunked when it is");
  require(framing != Framing::length || (sent.has_length && sent.length == head.content_length),
          "as long as it is");
}

static constexpr std::string_view chunked_head =
    "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n";

/// True when llhttp may be stricter about `coding`: its chunk extensions are narrower than RFC 9112's, and it
/// judges framing fields among the trailers. Both are dropped here.
static bool has_what_we_drop(std::string_view coding, std::string_view trailers) {
  std::string lower{trailers};
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return coding.find(';') != std::string_view::npos || lower.find("transfer-encoding") != std::string::npos ||
         lower.find("content-length") != std::string::npos;
}

/// What is sent on for that body.
static std::string recoded(const std::string& body, std::string_view trailers) {
  std::string text{chunked_head};
  std::array<char, 18> head;
  if (!body.empty())
    text.append(head.data(), write_chunk_head(body.size(), head.data())).append(body).append("\r\n");
  static std::array<char, 2 * ChunkDecoder::max_trailers + 64> end;
  const std::size_t size = write_chunk_end(trailers, end);
  require(size > 0, "the end fits");
  return text.append(end.data(), size);
}

static void check_chunked(std::string_view in) {
  ChunkDecoder decoder;
  std::string body, trailers;
  std::string_view left = in;
  ChunkStep step{.kind = ChunkStep::Kind::data};
  while (step.kind == ChunkStep::Kind::data) {
    step = decoder.next(left);
    if (step.kind == ChunkStep::Kind::data) body += step.data;
    if (step.kind == ChunkStep::Kind::done) trailers = step.data;
    left.remove_prefix(step.consumed);
  }
  if (step.kind == ChunkStep::Kind::bad) return;
  const bool done = step.kind == ChunkStep::Kind::done;
  const std::string_view used = in.substr(0, in.size() - left.size());
  const Opinion received = ask(HTTP_REQUEST, std::string{chunked_head}.append(used));
  if (!received.refused || !has_what_we_drop(used, trailers)) {
    require(!received.refused, "a coding that is accepted is one to llhttp");
    require(received.whole == done, "it ends where ours ends");
    require(received.body == body, "and has the same body");
  }
  if (!done) return;
  const Opinion sent = ask(HTTP_REQUEST, recoded(body, trailers));
  require(!sent.refused && sent.whole, "what is sent on is a coding to llhttp");
  require(sent.body == body, "of the same body");
}

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view in = arcus::fuzz::text_of(data + 1, size - 1);
  switch (data[0] % 3) {
    case 0:
      check_request(in);
      break;
    case 1:
      check_response(in);
      break;
    default:
      check_chunked(in);
  }
  return 0;
}
