// The estimate by which train_many() decides how many runs fit, against what a run takes.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>

#include "deepsad/core/parallel.h"
#include "model/data_source.h"
#include "model/train_on_source.h"

namespace deepsad {
namespace {

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

/// A line of /proc/self/status in bytes: "VmRSS" (now), "VmHWM" (most since the mark was set).
double status_bytes(const std::string& name) {
  std::ifstream file("/proc/self/status");
  for (std::string word; file >> word;) {
    double kilobytes = 0;
    if (word == name + ":" && file >> kilobytes) return kilobytes * 1024;
  }
  return 0;
}

struct Case {
  const char* name;
  const char* dataset;
  const char* method;
  const char* network;
};

void PrintTo(const Case& c, std::ostream* os) {
  *os << c.name;
}

class MemoryEstimate : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }

  /// In a process of its own, whose memory nobody else has touched: 0 if the estimate holds.
  [[noreturn]] static void run(const Case& c) {
    TrainOptions options;
    options.dataset = c.dataset;
    options.method = c.method;
    options.network = c.network;
    options.seed = 1;
    options.n_epochs = options.ae_n_epochs = options.vae_n_epochs = 1;
    options.n_known_outlier_classes = 1;
    options.ratio_known_outlier = 0.05;
    ThreadPool pool(2);
    const auto source = std::make_shared<const SourceData>(load_source(options.dataset, "", pool));
    const auto estimate = static_cast<double>(estimated_run_bytes(*source, options));
    std::ofstream("/proc/self/clear_refs") << "5";  // sets the mark to what is held now
    const double before = status_bytes("VmRSS");
    const TrainRun result = train_on_source(source, options, 0, pool, Observer{}, nullptr, {});
    const double growth = status_bytes("VmHWM") - before;
    std::fprintf(stderr, "growth %.1f MB, estimate %.1f MB", growth / 1e6, estimate / 1e6);
    // 1.7 to 2.3 times the growth in these cases; fixed parts of 8 MB make up most of a small run's estimate.
    std::exit(growth > 0 && growth <= estimate && estimate <= 3 * growth + 10e6 ? 0 : 1);
  }
};

TEST_P(MemoryEstimate, IsAboveWhatARunTakesButNotFar) {
  EXPECT_EXIT(run(GetParam()), testing::ExitedWithCode(0), "growth");
}

INSTANTIATE_TEST_SUITE_P(Runs, MemoryEstimate,
                         testing::Values(Case{"ImagesFewChannels", "glyphs", "deep_sad", "mnist_LeNet"},
                                         Case{"ImagesManyChannels", "glyphs", "deep_sad", "fmnist_LeNet"},
                                         Case{"ImagesVae", "glyphs", "vae", ""},
                                         Case{"ImagesM2", "glyphs", "dgm_m2", ""},
                                         Case{"Table", "toy2d", "deep_sad", ""}),
                         [](const auto& test) { return std::string(test.param.name); });

#endif

}  // namespace
}  // namespace deepsad
