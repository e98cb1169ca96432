#include <variant>
#include <vector>

#include "deepsad/data/labels.h"
#include "deepsad/data/schema.h"
#include "deepsad/data/table_file.h"
#include "deepsad/evaluation/data_check.h"
#include "fuzz/support.h"

namespace deepsad::fuzz {
namespace {

// The first byte chooses among the options, the rest is the file.
TableOptions options_of(std::uint8_t choice) {
  TableOptions options;
  constexpr std::array kSeparators = {',', ';', '\t', '|', ' '};
  if (const std::size_t k = choice % 8; k < kSeparators.size()) options.separator = kSeparators[k];
  if ((choice & 8) != 0) options.header = (choice & 16) != 0;
  options.dates = (choice & 32) != 0;
  if ((choice & 64) != 0) options.label_column = "1";
  if ((choice & 128) != 0) options.max_categories = 3;
  return options;
}

}  // namespace

void csv(Input input) {
  if (input.empty()) return;
  const TableOptions options = options_of(input[0]);
  const Input file = input.subspan(1);
  Table table;
  if (!accepted([&] { table = read_table(open_bytes(file, "input"), options); })) return;
  const auto& values = std::get<std::vector<double>>(table.data.values);
  require(values.size() == table.lines.size() * table.schema.n_features(), "a row has all its features");
  const Table in_portions = read_table(std::make_unique<PortionStream>(file, 3), options);
  require(std::get<std::vector<double>>(in_portions.data.values) == values, "portions do not matter");
  require(in_portions.lines == table.lines, "portions do not matter to lines");
  require(Schema::from_toml(table.schema.to_toml(), "schema") == table.schema, "TOML keeps a schema");
  require(Schema::from_json(table.schema.to_json(), "schema") == table.schema, "JSON keeps a schema");
  if (!options.header) return;  // with a schema, a header is told by its names
  TableOptions again = options;
  again.schema = table.schema;
  const Table encoded = read_table(open_bytes(file, "input"), again);
  require(std::get<std::vector<double>>(encoded.data.values) == values,
          "the schema encodes the rows it came from");
  require(encoded.semi == table.semi, "labels do not depend on the schema");
}

void rows(Input input) {
  if (input.empty()) return;
  const Schema schema(
      {{.name = "x", .missing = MissingPolicy::impute, .imputed = 1, .categories = {}, .why = {}},
       {.name = "c", .kind = ColumnKind::one_hot, .categories = {"a", "1"}, .why = {}},
       {.name = "o", .kind = ColumnKind::ordinal, .categories = {"low", "high"}, .why = {}},
       {.name = "d", .kind = ColumnKind::date, .categories = {}, .why = {}},
       {.name = "id", .kind = ColumnKind::id, .categories = {}, .why = {}}},
      {"na"});
  TableRowOptions options;
  options.reject_rows = true;
  options.text.eager = (input[0] & 1) != 0;
  options.text.max_record_bytes = 100;
  const std::size_t portion = 1 + input[0] / 16;
  static_cast<void>(accepted([&] {
    TableRowReader reader(std::make_unique<PortionStream>(input.subspan(1), portion), schema, options);
    TableChunk chunk;
    std::uint64_t last_line = 0;
    while (reader.next_chunk(1 + input[0] % 8, chunk)) {
      require(chunk.values.size() == chunk.size() * schema.n_features(), "a row has all its features");
      for (const std::uint64_t line : chunk.lines) {
        require(line > last_line, "lines rise");
        last_line = line;
      }
      for (const RejectedRow& row : chunk.rejected)
        require(!row.reason.empty(), "a rejected row has a reason");
    }
  }));
}

void data_check(Input input) {
  if (input.empty()) return;
  DataCheckOptions options;
  options.table = options_of(input[0]);
  options.today = 20'000;
  options.max_sample_cells = 8;  // fewer rows than some inputs have
  options.max_distinct_rows = 3;
  static_cast<void>(accepted([&] {
    const DataCheck check = check_data(open_bytes(input.subspan(1), "input"), options);
    require(check.n_sampled <= check.n_rows, "a sample is no more than all rows");
    for (const DataFinding& finding : check.findings)
      require(!finding.seen.empty() && !finding.why.empty() && !finding.advice.empty(), "a finding says all");
    static_cast<void>(data_check_text(check));
    require(!data_check_json(check).empty(), "any text can stand in JSON");
  }));
}

void schema(Input input) {
  const std::string text = text_of(input);
  static_cast<void>(accepted([&] {
    const Schema from_toml = Schema::from_toml(text, "schema.toml");
    require(Schema::from_toml(from_toml.to_toml(), "again") == from_toml, "TOML keeps a schema");
    static_cast<void>(from_toml.describe());
  }));
  static_cast<void>(accepted([&] {
    const Schema from_json = Schema::from_json(text, "schema.json");
    require(Schema::from_json(from_json.to_json(), "again") == from_json, "JSON keeps a schema");
  }));
}

void label_map(Input input) {
  static_cast<void>(accepted([&] {
    const LabelMap map = LabelMap::parse(text_of(input));
    require(LabelMap::parse(map.text()) == map, "text keeps a map");
  }));
}

}  // namespace deepsad::fuzz
