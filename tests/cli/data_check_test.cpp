// deepsad data check, as a user runs it.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "cli/program.h"
#include "cli/refusals.h"

namespace deepsad::test {
namespace {

using Json = nlohmann::ordered_json;

// Rows whose column `loss` gives the status away.
std::string leaking() {
  std::string text = "x;loss;status\n";
  for (int i = 0; i < 200; ++i)
    text += std::to_string(i * 37 % 211) + ".5;" + std::to_string(i % 8 == 0 ? 900 + i % 31 : i % 29) +
            (i % 8 == 0 ? ";1\n" : ";0\n");
  return text;
}

TEST(DataCheck, SaysWhatItFindsAndEndsAsTold) {
  const TemporaryFolder folder;
  write_text(folder.path("t.csv"), leaking());
  std::vector<std::string> words{"data",   "check",       folder.path("t.csv"), "--label-column",
                                 "status", "--label-map", "1=anomaly,0=normal"};
  const Outcome text = run_deepsad(words);
  EXPECT_EQ(text.exit_code, 0) << text.err;
  EXPECT_EQ(text.err, "");
  EXPECT_NE(text.out.find("warning: label_leak: loss\n"), std::string::npos) << text.out;
  words.emplace_back("--strict");
  EXPECT_EQ(run_deepsad(words).exit_code, 5);
  words.emplace_back("--json");
  const Json json = Json::parse(run_deepsad(words).out);
  EXPECT_EQ(json.at("rows"), 200);
  EXPECT_EQ(json.at("findings").at(0).at("name"), "label_leak");
  words.insert(words.end(), {"--ignore-columns", "loss"});
  EXPECT_EQ(run_deepsad(words).exit_code, 0);
  words.insert(words.end(), {"--against", folder.path("t.csv")});
  const Outcome same = run_deepsad(words);
  EXPECT_EQ(same.exit_code, 5);
  EXPECT_EQ(Json::parse(same.out).at("rows_in_both"), 200);
}

TEST(DataCheck, RefusesWithPlaceAndRemedy) {
  const TemporaryFolder folder;
  write_text(folder.path("t.csv"), leaking());
  const std::string file = folder.path("t.csv");
  expect_refusals({"data", "check"},
                  {{{file, "--label-column", "states"}, 2, "did you mean \"status\""},
                   {{file, "--label-column", "status"}, 3, "t.csv:2:"},
                   {{file, "--label-column", "x", "--id-column", "x"}, 2, "\"x\" is to be both label and id"},
                   {{file, "--label-map", "1=evil"}, 2, "--label-map: "},
                   {{file, "--separator", "slash"}, 2, "--separator: "},
                   {{file, "--skip-lines", "-1"}, 2, "--skip-lines: got -1"},
                   {{file, "--header", "perhaps"}, 2, "perhaps"},
                   {{"-", "--against", "-"}, 2, "--against: got -"},
                   {{folder.path("none.csv")}, 3, "none.csv"},
                   {{folder.path()}, 3, folder.path()}});
}

}  // namespace
}  // namespace deepsad::test
