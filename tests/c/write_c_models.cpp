// write_c_models DIR: a calibrated model of every method and what this library says of the example rows
// (DIR/METHOD.safetensors, DIR/METHOD.expected), for c_scoring_client.
#include <cstdint>
#include <fstream>

#include "c/c_models.h"

namespace {

template <class T>
void write(std::ofstream& out, const std::vector<T>& values) {
  out.write(reinterpret_cast<const char*>(values.data()),
            static_cast<std::streamsize>(values.size() * sizeof(T)));
}

}  // namespace

int main(int argc, char** argv) {
  using namespace deepsad;
  using namespace deepsad::testing;
  if (argc != 2) return 2;
  const std::vector<double> rows = example_rows();
  ThreadPool pool;
  for (const std::string& method : detector_methods()) {
    const Model model = calibrated(plain_model(method));
    const std::string base = std::string(argv[1]) + "/" + method;
    model.save(base + ".safetensors");
    const ScoredRows scored = score_and_decide(model, view_of(rows), {}, pool);
    std::ofstream out(base + ".expected", std::ios::binary);
    write(out, std::vector<std::uint64_t>{kRows, kFeatures});
    write(out, rows);
    write(out, scored.scores);
    write(out, std::vector<double>{model.decision().threshold->value});
    write(out, scored.anomalous);
    write(out, scored.p_values);
    if (!out.flush()) return 1;
  }
  return 0;
}
