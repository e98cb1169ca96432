// Writes a store of made-up runs, for looking at reports without hours of training:
//   make_store FILE
// A scenario of images (labels from 0 to 20 %, two data sets), the six tables, and an option that is varied;
// with competing variants, failures, findings, and names that would break a page which does not escape them.
#include <cmath>
#include <cstdio>
#include <exception>
#include <map>
#include <string>
#include <vector>

#include "deepsad/core/random.h"
#include "deepsad/experiment/store.h"

namespace {

using deepsad::RunRecord;

class Writer {
 public:
  explicit Writer(const std::string& path) : store_(deepsad::Store::open(path)) {}

  RunRecord run(const char* experiment, const std::string& dataset, const std::string& column,
                std::uint64_t seed) {
    RunRecord record;
    char id[17];
    std::snprintf(id, sizeof id, "%016llx", static_cast<unsigned long long>(++n_));
    record.setup.id = id;
    record.setup.experiment = experiment;
    record.setup.dataset = dataset;
    record.setup.column = column;
    record.setup.method = "deep_sad";
    record.setup.normal_classes = {0};
    record.setup.n_known_classes = 1;
    record.setup.gamma_l = 0.01;
    record.setup.seed = seed;
    record.setup.options = "{}";
    record.started = "2026-01-31T12:00:00Z";
    record.seconds = 5 + 300 * random_.uniform();
    record.version = "0.1.0";
    return record;
  }
  // An AUC around `mean`; a setup is as hard for every method.
  void add(RunRecord record, double mean, double hardness) {
    const double noise = 0.015 * (random_.uniform() - 0.5);
    const double auc = std::min(0.9995, mean - hardness + noise);
    record.metrics = {{"test_auc", auc}, {"test_ap", auc * auc}};
    if (record.setup.column == "Deep SAD") {
      record.metrics["untrained_auc"] = 0.55 + 0.1 * random_.uniform();
      record.metrics["untrained_ap"] = 0.3;
    }
    store_.add(record);
  }
  void fail(RunRecord record, const std::string& error) {
    record.state = deepsad::RunState::failed;
    record.error = error;
    store_.add(record);
  }
  double uniform() { return random_.uniform(); }

 private:
  deepsad::Store store_;
  deepsad::RandomStream random_{1, "made-up runs"};
  std::uint64_t n_ = 0;
};

void scenario(Writer& writer) {
  const std::vector<std::pair<const char*, double>> methods{
      {"OC-SVM raw", 0.960},  {"OC-SVM hybrid", 0.963}, {"IF raw", 0.854},   {"KDE raw", 0.950},
      {"SSAD hybrid", 0.972}, {"Deep SAD", 0.964},      {"Supervised", 0.94}};
  for (const auto& [dataset, shift] : {std::pair("mnist", 0.0), std::pair("fmnist", -0.06)}) {
    for (const int normal : {0, 1, 2, 7}) {
      for (const int known : {3, 5, 8}) {
        const double hardness = 0.012 * normal * writer.uniform();
        for (const double gamma_l : {0.0, 0.01, 0.05, 0.1, 0.2}) {
          for (const auto& [column, mean] : methods) {
            if (gamma_l == 0 && std::string(column) == "Supervised") continue;
            RunRecord record = writer.run("scenario i", dataset, column, 1);
            record.setup.normal_classes = {normal};
            record.setup.known_class = known;
            record.setup.gamma_l = gamma_l;
            const bool labels = std::string(column) == "Deep SAD" || std::string(column) == "SSAD hybrid";
            if (std::string(column) == "OC-SVM raw") record.findings = {"test_leak"};
            writer.add(std::move(record), mean + shift + (labels ? 0.1 * gamma_l : 0), hardness);
          }
        }
      }
    }
  }
}

void tables(Writer& writer) {
  const std::vector<std::pair<const char*, double>> sets{{"arrhythmia", 0.76}, {"cardio", 0.95},
                                                         {"satellite", 0.91},  {"satimage-2", 0.99},
                                                         {"shuttle", 0.98},    {"thyroid", 0.98}};
  for (const auto& [dataset, mean] : sets) {
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
      const double hardness = 0.01 * writer.uniform();
      for (const auto& [column, shift] :
           {std::pair("OC-SVM raw", 0.02), std::pair("OC-SVM hybrid", -0.08), std::pair("CAE", -0.04),
            std::pair("SSAD raw", 0.03), std::pair("SSAD hybrid", -0.03), std::pair("SS-DGM", -0.25),
            std::pair("Deep SAD", 0.0), std::pair("Supervised", -0.1)})
        writer.add(writer.run("classic", dataset, column, seed), mean + shift, hardness);
      for (const auto& [variant, shift] :
           {std::pair("one-class", -0.09), std::pair("soft-boundary", -0.07)}) {
        RunRecord record = writer.run("classic", dataset, "Deep SVDD", seed);
        record.setup.variant = variant;
        writer.add(std::move(record), mean + shift, hardness);
      }
    }
  }
  RunRecord failed = writer.run("classic", "shuttle", "Deep SAD", 9);
  writer.fail(std::move(failed),
              "training diverged: loss is nan in epoch 3, batch 7, <layer> \"conv1\" & beyond");
  RunRecord odd = writer.run("classic", "<b>mine</b>", "Deep SAD", 1);
  odd.findings = {"collapse"};
  writer.add(std::move(odd), 0.5, 0);
}

void sensitivity(Writer& writer) {
  for (const char* eta : {"0.01", "0.1", "1", "10", "100"}) {
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
      RunRecord record = writer.run("eta", "cardio", "Deep SAD", seed);
      record.setup.varied = {{"eta", eta}};
      writer.add(std::move(record), 0.94 + 0.005 * std::log10(std::stod(eta)), 0.01 * writer.uniform());
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  try {
    Writer writer(argv[1]);
    scenario(writer);
    tables(writer);
    sensitivity(writer);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "make_store: %s\n", error.what());
    return 1;
  }
}
