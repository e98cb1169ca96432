// shallow_bench FOLDER N_FEATURES METHOD N_THREADS: trains one shallow detector on FOLDER/train.f32 (float32
// rows) with the labels FOLDER/semi.i8 (+1, 0, -1), scores FOLDER/test.f32, writes FOLDER/METHOD.scores
// (float32), and prints {"fit": s, "score": s, "report": ...} in seconds of processor time. compare.py runs
// it beside the peers.
//
// METHOD: oc_svm_grid and ssad_grid solve the ten problems of the grid of widths on the whole training set,
// one after the other, as the reference does; kde; isolation_forest; oc_svm and ssad: gamma 1/128.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "deepsad/detectors/isolation_forest.h"
#include "deepsad/detectors/kde.h"
#include "deepsad/detectors/kernel_machines.h"

namespace {

using namespace deepsad;

template <class T>
std::vector<T> read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(in)), {});
  std::vector<T> values(bytes.size() / sizeof(T));
  std::copy_n(bytes.data(), values.size() * sizeof(T), reinterpret_cast<char*>(values.data()));
  return values;
}

/// Processor time of all threads since the program began: what else the machine does hardly changes it.
double seconds() {
  return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
}

std::unique_ptr<Detector> make(const std::string& method) {
  // All rows are trained on, as by the peers, which know no labels.
  if (method == "kde") return make_kde({.exclude_labelled_anomalies = false});
  if (method == "isolation_forest") return make_isolation_forest({.exclude_labelled_anomalies = false});
  KernelChoice kernel{.width = KernelWidth::value, .gamma = 1.0 / 128};
  if (method.ends_with("_grid")) kernel.width = KernelWidth::grid;
  if (method.starts_with("oc_svm"))
    return make_one_class_svm({.kernel = kernel, .exclude_labelled_anomalies = false});
  return make_ssad({.kernel = kernel});
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fprintf(stderr, "usage: shallow_bench FOLDER N_FEATURES METHOD N_THREADS\n");
    return 2;
  }
  const std::string folder = argv[1], method = argv[3];
  const auto d = static_cast<std::size_t>(std::atol(argv[2]));
  const std::vector<float> train = read<float>(folder + "/train.f32"),
                           test = read<float>(folder + "/test.f32");
  const auto marks = read<signed char>(folder + "/semi.i8");
  std::vector<SemiLabel> semi;
  for (const signed char mark : marks) semi.push_back(static_cast<SemiLabel>(mark));
  const MatrixView<const float> x(train.data(), train.size() / d, d), t(test.data(), test.size() / d, d);

  ThreadPool pool(static_cast<std::size_t>(std::atol(argv[4])));
  Observer observer;
  if (std::getenv("VERBOSE") != nullptr)
    observer.on_message = [](LogLevel, const std::string& text) {
      std::fprintf(stderr, "%s\n", text.c_str());
    };
  // The grid's choice is made on a few training rows: choosing costs nothing beside solving, and what is
  // timed is the ten problems of the whole training set.
  std::vector<TrueLabel> labels;
  for (std::size_t i = 0; i < x.rows(); ++i)
    labels.push_back(semi[i] == SemiLabel::anomaly ? TrueLabel::anomaly : TrueLabel::normal);
  const std::size_t some = std::min<std::size_t>(100, x.rows());
  const LabelledRows chosen{x.rows_from(x.rows() - some, some), std::span(labels).last(some)};
  FitContext context{.pool = pool, .seed = 1, .observer = observer};
  if (method.ends_with("_grid")) context.leaked = &chosen;

  auto detector = make(method);
  double begin = seconds();
  detector->fit({.x = x, .semi = semi}, context);
  const double fit = seconds() - begin;
  std::vector<float> scores(t.rows());
  begin = seconds();
  detector->score(t, scores, pool);
  const double score = seconds() - begin;
  std::ofstream(folder + "/" + method + ".scores", std::ios::binary)
      .write(reinterpret_cast<const char*>(scores.data()),
             static_cast<std::streamsize>(scores.size() * sizeof(float)));
  std::printf("{\"fit\": %.6f, \"score\": %.6f, \"report\": %s}\n", fit, score,
              detector->fit_report().c_str());
}
