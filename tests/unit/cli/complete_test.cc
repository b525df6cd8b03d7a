#include <doctest/doctest.h>

#include "cli/core/complete.h"
#include "tests/unit/cli/table_of_nouns.h"

using namespace arcus::cli;

/// The words offered, without their descriptions; the directive last.
static std::vector<std::string> offered(const std::vector<std::string>& words) {
  std::vector<std::string> list;
  const std::string text = completion(words);
  std::size_t start = 0;
  for (std::size_t end = text.find('\n'); end != std::string::npos;
       start = end + 1, end = text.find('\n', start)) {
    const std::string line = text.substr(start, end - start);
    list.push_back(line.substr(0, line.find('\t')));
  }
  return list;
}
using Words = std::vector<std::string>;

TEST_CASE("completion: nouns, verbs, options by what is typed so far") {
  CHECK(offered({""}) == Words{"thing", "look", ":"});
  CHECK(offered({"th"}) == Words{"thing", ":"});
  CHECK(offered({"thing", "s"}) == Words{"show", "set", ":"});
  CHECK(offered({"-t", "acme", "thing", "l"}) == Words{"list", ":"});
  CHECK(offered({"thing", "set", "--po"}) == Words{"--port", ":"});
  CHECK(offered({"thing", "set", "--no-"}) == Words{"--no-tls", "--no-wait", ":"});
}

TEST_CASE("completion: values of options, also when bash cuts the word at the equals sign") {
  CHECK(offered({"thing", "show", "-m", "fa"}) == Words{"fast", "faster", ":"});
  CHECK(offered({"thing", "show", "--mode=fa"}) == Words{"--mode=fast", "--mode=faster", ":"});
  CHECK(offered({"thing", "show", "--mode", "=", "fa"}) == Words{"fast", "faster", ":"});
  CHECK(offered({"thing", "list", "--db", ""}) == Words{":files"});
  CHECK(offered({"thing", "list", "-o", "js"}) == Words{"json", "jsonl", ":"});
}

TEST_CASE("completion: columns come in lists") {
  CHECK(offered({"thing", "list", "-c", "name,s"}) == Words{"name,size", ":"});
  CHECK(offered({"thing", "list", "--sort", "-s"}) == Words{"-size", ":"});
}

TEST_CASE("completion: a variant's own options") {
  CHECK(offered({"thing", "add", "red", "x", "--po"}) == Words{"--port", ":"});
  CHECK(offered({"thing", "add", "blue", "x", "--po"}) == Words{":"});
  CHECK(offered({"thing", "add", ""}) == Words{"http", ":"});
}

TEST_CASE("completion: without a registry there is nothing, and nothing is made") {
  CHECK(offered({"thing", "show", "--db", "/nonexistent/arcus.db", ""}) == Words{":"});
}
