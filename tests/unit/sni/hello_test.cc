#include <doctest/doctest.h>

#include <random>

#include "lib/base/address.h"
#include "lib/tls/client_hello.h"
#include "lib/tls/name_witness.h"
#include "tests/unit/sni/hellos.h"

using namespace arcus;
using namespace arcus::test;
using arcus::tls::Alert;
using arcus::tls::ClientHelloReader;
using Status = ClientHelloReader::Status;

static Status read_whole(ClientHelloReader& reader, const std::string& bytes) { return reader.read(bytes); }

static std::string protocols_of(const tls::ClientHello& hello) {
  std::string all;
  for (std::size_t at = 0; at < hello.alpn.size();) {
    const auto length = static_cast<unsigned char>(hello.alpn[at]);
    all.append(all.empty() ? "" : ",").append(hello.alpn.substr(at + 1, length));
    at += 1U + length;
  }
  return all;
}

/// The reader's whole answer as one text, to compare ways of reading.
static std::string answer(Status status, const ClientHelloReader& reader) {
  switch (status) {
    case Status::need_more:
      return "need more";
    case Status::not_tls:
      return "not TLS";
    case Status::bad:
      return "bad: " + std::string{reader.fault()};
    case Status::done:
      break;
  }
  const tls::ClientHello hello = reader.hello();
  return "done: " + std::string{hello.server_name} + " " + protocols_of(hello);
}

static std::string answer_to(const std::string& bytes, std::size_t limit = ClientHelloReader::max_message) {
  ClientHelloReader reader(limit);
  const Status status = reader.read(bytes);
  return answer(status, reader);
}

TEST_CASE("client hello: name and protocols of real clients are found") {
  for (const RealHello& real : real_hellos()) {
    CAPTURE(real.made_by);
    ClientHelloReader reader;
    const std::string bytes = from_hex(real.hex);
    REQUIRE(read_whole(reader, bytes) == Status::done);
    CHECK(reader.hello().server_name == real.server_name);
    CHECK(protocols_of(reader.hello()) == real.protocols);
    CHECK(reader.hello().offers("h2") == (real.protocols.find("h2") != std::string_view::npos));
    CHECK_FALSE(reader.hello().offers("h"));
    CHECK_FALSE(reader.hello().offers(""));
    CHECK(reader.hello().version == 0x0303);
  }
}

TEST_CASE("client hello: every shorter prefix needs more, and what follows is not looked at") {
  for (const RealHello& real : real_hellos()) {
    CAPTURE(real.made_by);
    const std::string bytes = from_hex(real.hex);
    for (std::size_t n = 0; n < bytes.size(); ++n) {
      CAPTURE(n);
      CHECK(answer_to(bytes.substr(0, n)) == "need more");
    }
    CHECK(answer_to(bytes + record("early data", 23)) == answer_to(bytes));
    CHECK(answer_to(bytes + "\x16") == answer_to(bytes));
  }
}

TEST_CASE("client hello: in two segments cut anywhere, and byte by byte, it says the same") {
  for (const RealHello& real : real_hellos()) {
    CAPTURE(real.made_by);
    const std::string bytes = from_hex(real.hex), wanted = answer_to(bytes);
    for (std::size_t n = 1; n < bytes.size(); ++n) {
      ClientHelloReader reader;
      CHECK(reader.read(std::string_view{bytes}.substr(0, n)) == Status::need_more);
      CHECK(answer(reader.read(bytes), reader) == wanted);
    }
    ClientHelloReader reader;
    for (std::size_t n = 1; n < bytes.size(); ++n)
      CHECK(reader.read(std::string_view{bytes}.substr(0, n)) == Status::need_more);
    CHECK(answer(reader.read(bytes), reader) == wanted);
  }
}

TEST_CASE("client hello: over 1 to 40 records, of 512 bytes to 64 KiB, byte by byte") {
  for (const std::size_t size :
       {std::size_t{512}, std::size_t{1'800}, std::size_t{16'384}, std::size_t{65'536}}) {
    const std::string plain = hello_for("x.example.org");
    const std::string whole = hello_for("x.example.org", size - plain.size());
    REQUIRE(whole.size() == size);
    for (std::size_t count = size > 16'384 ? 5 : 1; count <= 40; ++count) {
      CAPTURE(size);
      CAPTURE(count);
      const std::string bytes = in_records(whole, count);
      CHECK(answer_to(bytes) == "done: x.example.org ");
      if (size > 2'000 && count != 20) continue;
      ClientHelloReader reader;
      for (std::size_t n = 0; n < bytes.size(); ++n)
        REQUIRE(reader.read(std::string_view{bytes}.substr(0, n)) == Status::need_more);
      CHECK(answer(reader.read(bytes), reader) == "done: x.example.org ");
    }
  }
}

TEST_CASE("client hello: records of one byte each are read while they are few enough") {
  const std::string whole = hello_for("x.example.org");
  CHECK(answer_to(in_records(whole, whole.size())) == "done: x.example.org ");
  const std::string large = hello_for("x.example.org", 60'000);
  ClientHelloReader reader;
  const std::string bytes = in_records(large, large.size());
  std::size_t most = 0;
  for (std::size_t n = 0; n < bytes.size(); n += 7)
    if (reader.read(std::string_view{bytes}.substr(0, n)) == Status::need_more) most = n;
  CHECK(answer_to(bytes) == "bad: longer than allowed");
  CHECK(most < reader.max_received());
}

TEST_CASE("client hello: GREASE, unknown extensions and ECH beside the name change nothing") {
  const std::string name = server_name("outer.example.org");
  const std::string ech = extension(0xfe0d, std::string(300, '\x55')), grease = extension(0x0a0a, "");
  for (const std::string& extensions :
       {name, grease + name, name + ech, ech + grease + name + extension(0xfafa, "x"),
        extension(0xabcd, std::string(2'000, 'k')) + name}) {
    CHECK(answer_to(record(message(hello_body(extensions)))) == "done: outer.example.org ");
  }
}

TEST_CASE("client hello: names are lower-cased, lose one dot, may have underscores") {
  const std::string label(63, 'a');
  const std::string longest = label + "." + label + "." + label + "." + std::string(61, 'b');
  struct Row {
    std::string sent, found;
  };
  for (const Row& row :
       {Row{"EXAMPLE.Org", "example.org"}, Row{"example.org.", "example.org"},
        Row{"_dmarc.a_b.org", "_dmarc.a_b.org"}, Row{"localhost", "localhost"},
        Row{"xn--bcher-kva.example", "xn--bcher-kva.example"}, Row{longest, longest},
        Row{"1.example", "1.example"}, Row{"192.0.2.1", ""}, Row{"2001:db8::1", ""}, Row{"192.0.2.1.", ""}}) {
    CAPTURE(row.sent);
    CHECK(answer_to(record(hello_for(row.sent))) == "done: " + row.found + " ");
  }
}

TEST_CASE("client hello: what is no host name is refused as an illegal parameter") {
  using namespace std::string_literals;
  const std::string label(63, 'a');
  for (const std::string& name : {"."s,
                                  "a..b"s,
                                  ".a"s,
                                  "a.."s,
                                  "a\0b"s,
                                  "a.org\0.evil"s,
                                  "a b"s,
                                  "a/b"s,
                                  "a:443"s,
                                  "-a.org"s,
                                  "a-.org"s,
                                  "*.org"s,
                                  "[::1]"s,
                                  "b\xc3\xbc.org"s,
                                  label + "a.org",
                                  "127.1"s,
                                  "0x7f.1"s,
                                  "a.0x10"s,
                                  "1"s,
                                  "a.1."s,
                                  label + "." + label + "." + label + "." + std::string(62, 'b'),
                                  std::string(65'000, 'a')}) {
    CAPTURE(name);
    ClientHelloReader reader;
    CHECK(reader.read(in_records(hello_for(name), 4)) == Status::bad);
    CHECK(reader.alert() == Alert::illegal_parameter);
    CHECK(reader.hello().server_name.empty());
  }
}

TEST_CASE("client hello: broken lists and lengths are refused") {
  using namespace std::string_literals;
  const std::string one = "\0"s + block("a.org", 2);
  const std::string good = server_name("a.org");
  struct Row {
    std::string extensions;
    Alert alert;
  };
  for (const Row& row :
       {Row{good + server_name("b.org"), Alert::illegal_parameter},
        Row{good + good, Alert::illegal_parameter},
        Row{extension(0, block(one + one, 2)), Alert::illegal_parameter},
        Row{extension(0, ""), Alert::decode_error}, Row{extension(0, block("", 2)), Alert::decode_error},
        Row{extension(0, block(one, 2) + "x"), Alert::decode_error},
        Row{extension(0, number(99, 2) + one), Alert::decode_error},
        Row{extension(0, block("\0"s + block("", 2), 2)), Alert::decode_error},
        Row{extension(0, block("\0\xff\xff"s + "a", 2)), Alert::decode_error},
        Row{extension(0, block("\0"s, 2)), Alert::decode_error}, Row{good + "x", Alert::decode_error},
        Row{good + number(5, 2) + number(9, 2), Alert::decode_error},
        Row{extension(16, ""), Alert::decode_error}, Row{extension(16, block("", 2)), Alert::decode_error},
        Row{extension(16, block(block("", 1), 2)), Alert::decode_error},
        Row{extension(16, block("\x03h2", 2)), Alert::decode_error},
        Row{extension(16, block(block("h2", 1), 2) + "x"), Alert::decode_error},
        Row{extension(16, block(block("h2", 1), 2)) + extension(16, block(block("h2", 1), 2)),
            Alert::illegal_parameter}}) {
    ClientHelloReader reader;
    CHECK(reader.read(record(message(hello_body(row.extensions)))) == Status::bad);
    CHECK(reader.alert() == row.alert);
  }
  CHECK(answer_to(record(message(hello_body(extension(0, block("\x07" + block("other", 2) + one, 2)))))) ==
        "done: a.org ");
}

TEST_CASE("client hello: a body that breaks its own lengths is refused") {
  const std::string start = number(0x0303, 2) + std::string(32, 'r');
  const std::string session = block("", 1), suites = block(number(0x1301, 2), 2), null(2, '\1');
  CHECK(answer_to(record(message(start + session + suites + block(std::string(1, '\0'), 1)))) == "done:  ");
  for (const std::string& body :
       {std::string{}, number(0x0303, 2), start, start + session, start + session + suites,
        start + block(std::string(33, 's'), 1) + suites + block("\1", 1),
        start + session + block("", 2) + block("\1", 1), start + session + block("\x13", 2) + block("\1", 1),
        start + session + suites + block("", 1), start + session + suites + block("\1", 1) + "x",
        start + session + suites + block("\1", 1) + number(1, 2),
        start + session + suites + block("\1", 1) + block("", 2) + "x"}) {
    ClientHelloReader reader;
    CHECK(reader.read(record(message(body))) == Status::bad);
    CHECK(reader.alert() == Alert::decode_error);
  }
  ClientHelloReader reader;
  CHECK(reader.read(record(message(number(0x0503, 2) + start))) == Status::bad);
  CHECK(reader.alert() == Alert::protocol_version);
}

TEST_CASE("client hello: records that no hello may come in") {
  const std::string whole = hello_for("a.org"), half = whole.substr(0, 40), rest = whole.substr(40);
  CHECK(answer_to(record(half) + record(rest, 22, 0x0303)) == "done: a.org ");
  CHECK(answer_to(record(whole, 22, 0x0101)) == "done: a.org ");
  for (const std::string& bytes :
       {record(half) + record("", 20) + record(rest), record(half) + record("x", 23),
        record(half) + record(""), record(""), record(whole, 22, 0x0202), record(whole, 22, 0x4745),
        record(whole + "x"), record(half) + record(rest + "x"), record(message(hello_body(""), 2)),
        record("\2"), number(22, 1) + number(0x0301, 2) + number(16'385, 2)}) {
    ClientHelloReader reader;
    CHECK(reader.read(bytes) == Status::bad);
    CHECK_FALSE(reader.fault().empty());
  }
}

TEST_CASE("client hello: other first bytes are not TLS") {
  for (int first = 0; first < 256; ++first) {
    const std::string bytes = std::string(1, static_cast<char>(first)) + "ET / HTTP/1.1\r\n";
    CHECK((answer_to(bytes) == "not TLS") == (first != 22));
  }
  CHECK(answer_to("") == "need more");
}

TEST_CASE("client hello: one longer than the limit is refused as soon as it says so") {
  const std::string whole = hello_for("a.org", 600);
  CHECK(answer_to(record(whole), whole.size()) == "done: a.org ");
  CHECK(answer_to(record(whole), whole.size() - 1) == "bad: longer than allowed");
  CHECK(answer_to(record(whole).substr(0, 9), whole.size() - 1) == "bad: longer than allowed");
  CHECK(answer_to(in_records(hello_for("a.org", 65'400), 6)) == "done: a.org ");
  CHECK(answer_to(in_records(hello_for("a.org", 65'500), 6)) == "bad: longer than allowed");
}

TEST_CASE("client hello: mutations never give a bad name, and never depend on how the bytes came") {
  std::mt19937 random(7);
  for (const RealHello& real : real_hellos()) {
    const std::string bytes = from_hex(real.hex);
    for (int round = 0; round < 3'000; ++round) {
      std::string mutant = bytes;
      for (auto changes = 1 + random() % 3; changes > 0; --changes) {
        const std::size_t at = random() % mutant.size();
        if (random() % 4 == 0)
          mutant.insert(at, 1, static_cast<char>(random()));
        else if (random() % 4 == 0)
          mutant.erase(at, 1);
        else
          mutant[at] = static_cast<char>(random());
      }
      ClientHelloReader reader, slow;
      const Status status = reader.read(mutant);
      Status last = Status::need_more;
      for (std::size_t n = 0; n <= mutant.size() && last == Status::need_more; n += 1 + random() % 40)
        last = slow.read(std::string_view{mutant}.substr(0, n));
      if (last == Status::need_more) last = slow.read(mutant);
      CHECK(answer(last, slow) == answer(status, reader));
      const std::string_view name = reader.hello().server_name;
      if (status == Status::done && !name.empty()) CHECK(is_host_name(name));
    }
  }
}

TEST_CASE("client hello: the alert is one record that says what the client's version understands") {
  const auto text = [](std::array<char, 7> bytes) { return std::string(bytes.begin(), bytes.end()); };
  CHECK(text(tls::fatal_alert(Alert::unrecognized_name, 0x0303)) ==
        from_hex("1503030002") + from_hex("0270"));
  CHECK(text(tls::fatal_alert(Alert::decode_error, 0x0301)) == from_hex("15030100020232"));
  CHECK(text(tls::fatal_alert(Alert::access_denied, 0x0304)) == from_hex("15030300020231"));
  CHECK(text(tls::fatal_alert(Alert::unexpected_message, 0)) == from_hex("1503010002020a"));
}

TEST_CASE("name witness: the name of a hello in any two pieces, and nothing of anything else") {
  const std::string hello = in_records(hello_for("one.test"), 2);
  for (std::size_t cut = 1; cut < hello.size(); ++cut) {
    tls::NameWitness witness;
    CHECK(witness.take({hello.data(), cut}));
    CHECK_FALSE(witness.take({hello.data() + cut, hello.size() - cut}));
    CHECK(witness.name() == "one.test");
  }
  tls::NameWitness plain, broken, endless;
  CHECK_FALSE(plain.take("SSH-2.0-x\r\n"));
  CHECK_FALSE(broken.take("\x16\x03\x01\xff\xff\x01"));
  CHECK(plain.name() + broken.name() == "");
  const std::string large = in_records(hello_for("one.test", 20'000), 2);
  bool more = true;
  std::size_t taken = 0;
  for (; more && taken < large.size(); taken += 100)
    more = endless.take(std::string_view{large}.substr(taken, 100));
  CHECK_FALSE(more);
  CHECK(endless.name() == "");
  CHECK(taken < 16 * 1024);
}
