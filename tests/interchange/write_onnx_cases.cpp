// Writes what check_onnx_runtime.mjs and check_onnx_files.py look at: for every case NAME.onnx, 1,000 raw
// rows in the type of the graph's input, and the model's scores of them in float32.
//   write_onnx_cases DATA_DIR OUT_DIR
#include <cstdio>
#include <nlohmann/json.hpp>
#include <span>

#include "deepsad/interchange/onnx.h"
#include "deepsad/storage/atomic_file.h"
#include "interchange/cases.h"
#include "model/data_source.h"

namespace {

using namespace deepsad;
using namespace deepsad::testing;

constexpr std::size_t kTrainingRows = 1500, kScoredRows = 1000;

struct Rows {
  std::vector<double> train, score;
};

std::vector<double> first_rows(const Dataset& data, std::size_t n) {
  std::vector<double> values;
  std::visit(
      [&](const auto& all) {
        values.assign(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(n * data.n_features()));
      },
      data.values);
  return values;
}

Rows rows_for(const ExportCase& wanted, const SourceData& mnist, const SourceData& cardio) {
  if (wanted.sample_shape == mnist.train.sample_shape)
    return {first_rows(mnist.train, kTrainingRows), first_rows(*mnist.test, kScoredRows)};
  if (wanted.sample_shape == cardio.train.sample_shape)
    return {first_rows(cardio.train, kTrainingRows), first_rows(cardio.train, kScoredRows)};
  return {raw_rows(wanted.sample_shape, 200, 1), raw_rows(wanted.sample_shape, kScoredRows, 2)};
}

template <class T>
void write_values(const std::string& path, const std::vector<T>& values) {
  write_file(path,
             std::span(reinterpret_cast<const std::uint8_t*>(values.data()), values.size() * sizeof(T)));
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 3) return 2;
  const std::string out = argv[2];
  ThreadPool pool(1);
  const SourceData mnist = load_source("mnist", argv[1], pool);
  const SourceData cardio = load_source("cardio", argv[1], pool);
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const ExportCase& wanted : export_cases()) {
    const Rows rows = rows_for(wanted, mnist, cardio);
    const Model model = trained(wanted, rows.train, 2);
    const std::string base = out + "/" + wanted.name;
    const std::vector<std::uint8_t> bytes = to_onnx(model, pool);
    (void)check_onnx(bytes, wanted.name, &model, pool);
    write_file(base + ".onnx", bytes);
    if (wanted.sample_shape.size() == 3)
      write_values(base + ".rows", std::vector<std::uint8_t>(rows.score.begin(), rows.score.end()));
    else
      write_values(base + ".rows", rows.score);
    write_values(base + ".scores", model.score(view_of(rows.score, n_elements(wanted.sample_shape)), pool));
    list.push_back({{"name", wanted.name},
                    {"sample_shape", wanted.sample_shape},
                    {"type", wanted.sample_shape.size() == 3 ? "uint8" : "float64"},
                    {"threshold", model.decision().threshold->value}});
  }
  write_file(out + "/cases.json", list.dump(1));
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "write_onnx_cases: %s\n", error.what());
  return 1;
}
