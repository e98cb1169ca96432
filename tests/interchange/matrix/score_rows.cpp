// score_rows MODEL ROWS double|uint8 N OUT: scores N rows of raw memory with the library in C++ and writes
// the float32 scores.
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "deepsad/model/model.h"

namespace {

template <class T>
std::vector<float> score(const deepsad::Model& model, const char* path, std::size_t n) {
  const std::size_t d = model.scaler().n_features();
  std::vector<T> rows(n * d);
  std::ifstream in(path, std::ios::binary);
  if (!in.read(reinterpret_cast<char*>(rows.data()), static_cast<std::streamsize>(rows.size() * sizeof(T))))
    std::exit(1);
  deepsad::ThreadPool pool(2);
  return model.score(
      deepsad::RawRows{.values = deepsad::MatrixView<const T>(rows.data(), n, d), .feature_names = {}}, pool);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) return 2;
  const deepsad::Model model = deepsad::Model::load(argv[1]);
  const std::size_t n = std::strtoul(argv[4], nullptr, 10);
  const std::vector<float> scores = std::string(argv[3]) == "uint8" ? score<std::uint8_t>(model, argv[2], n)
                                                                    : score<double>(model, argv[2], n);
  std::ofstream out(argv[5], std::ios::binary);
  out.write(reinterpret_cast<const char*>(scores.data()), static_cast<std::streamsize>(n * sizeof(float)));
  return out.flush() ? 0 : 1;
}
