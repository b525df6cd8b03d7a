#include "tests/bench/plan.h"

#include <openssl/ssl.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string_view>

namespace bench {
namespace {

constexpr std::string_view bulk_path = "/bytes/104857600";

[[noreturn]] void refuse(std::string_view why, std::string_view what) {
  std::fprintf(stderr, "load: %.*s '%.*s'\n", static_cast<int>(why.size()), why.data(),
               static_cast<int>(what.size()), what.data());
  std::exit(2);
}

template <typename T>
struct Word {
  std::string_view name;
  T value;
};
constexpr Word<Mode> modes[] = {{"bulk", Mode::bulk},
                                {"connections", Mode::connections},
                                {"hold", Mode::hold},
                                {"requests", Mode::requests}};
constexpr Word<Preface> prefaces[] = {{"connect", Preface::connect},
                                      {"hello", Preface::hello},
                                      {"none", Preface::none},
                                      {"socks", Preface::socks}};

template <typename T>
T look_up(std::span<const Word<T>> words, std::string_view name) {
  for (const Word<T>& word : words)
    if (word.name == name) return word.value;
  refuse("no such word:", name);
}

double number(const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || value < 0) refuse("not a number:", text);
  return value;
}

/// A ClientHello as OpenSSL writes it.
std::string client_hello(const std::string& name) {
  const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context{SSL_CTX_new(TLS_client_method()),
                                                                  SSL_CTX_free};
  const std::unique_ptr<SSL, decltype(&SSL_free)> session{SSL_new(context.get()), SSL_free};
  BIO* const out = BIO_new(BIO_s_mem());
  SSL_set_bio(session.get(), BIO_new(BIO_s_mem()), out);  // both are the session's now
  SSL_set_tlsext_host_name(session.get(), name.c_str());
  SSL_connect(session.get());
  std::array<char, 4096> hello{};
  const int n = BIO_read(out, hello.data(), static_cast<int>(hello.size()));
  if (n <= 0) refuse("no ClientHello for", name);
  return {hello.data(), static_cast<std::size_t>(n)};
}

std::vector<Exchange> exchanges_of(const Plan& plan) {
  const std::string where = "127.0.0.1:" + std::to_string(plan.origin);
  const std::string address{
      '\x7f', '\0', '\0', '\x01', static_cast<char>(plan.origin >> 8), static_cast<char>(plan.origin & 0xff)};
  switch (plan.preface) {
    case Preface::none:
      return {};
    case Preface::connect:
      return {{"CONNECT " + where + " HTTP/1.1\r\nHost: " + where + "\r\n\r\n", 0, 9, "200"}};
    case Preface::socks:
      return {{{'\x05', '\x01', '\0'}, 2, 1, std::string(1, '\0')},
              {std::string{'\x05', '\x01', '\0', '\x01'} + address, 10, 1, std::string(1, '\0')}};
    case Preface::hello:
      return {{client_hello(plan.server_name), 7, 0, ""}};
  }
  return {};
}

std::string request_of(const Plan& plan) {
  const std::string where = "127.0.0.1:" + std::to_string(plan.origin);
  const std::string path = plan.mode == Mode::bulk ? std::string{bulk_path} : "/small";
  return "GET " + (plan.is_absolute ? "http://" + where : "") + path + " HTTP/1.1\r\nHost: " + where +
         "\r\nUser-Agent: load\r\nAccept: */*\r\n\r\n";
}

}  // namespace

Plan read_plan(std::span<char* const> args) {
  Plan plan;
  for (std::size_t i = 0; i < args.size(); ++i) {
    const std::string_view name = args[i];
    const auto value = [&] {
      if (++i == args.size()) refuse("no value for", name);
      return std::string{args[i]};
    };
    if (name == "--port")
      plan.port = static_cast<std::uint16_t>(number(value()));
    else if (name == "--origin")
      plan.origin = static_cast<std::uint16_t>(number(value()));
    else if (name == "--mode")
      plan.mode = look_up<Mode>(modes, value());
    else if (name == "--preface")
      plan.preface = look_up<Preface>(prefaces, value());
    else if (name == "--connections")
      plan.connections = static_cast<std::size_t>(number(value()));
    else if (name == "--seconds")
      plan.seconds = number(value());
    else if (name == "--warm-up")
      plan.warm_up = number(value());
    else if (name == "--rate")
      plan.rate = number(value());
    else if (name == "--tls")
      plan.has_tls = true;
    else if (name == "--resume")
      plan.resumes = true;
    else if (name == "--refused-too")
      plan.takes_refusals = true;
    else if (name == "--absolute")
      plan.is_absolute = true;
    else
      refuse("no such option:", name);
  }
  if (plan.port == 0 || plan.origin == 0 || plan.connections == 0)
    refuse("--port, --origin and --connections", "not 0");
  plan.exchanges = exchanges_of(plan);
  plan.request = request_of(plan);
  return plan;
}

}  // namespace bench
