#include "model/warm_start.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>

#include "deepsad/core/error.h"
#include "deepsad/data/row_file.h"
#include "deepsad/data/scaler.h"
#include "deepsad/model/own_rows.h"
#include "deepsad/model/seen_rows.h"
#include "deepsad/nn/catalogue.h"
#include "deepsad/nn/network_spec.h"

namespace deepsad {
namespace {

using Json = nlohmann::ordered_json;

// A mean rank that is worse by more than this share of the unlabelled rows is reported.
constexpr double kForgottenRank = 0.02;
// A single row counts as worse from this share on.
constexpr double kWorseRank = 0.1;
// Unlabelled rows that examples are ranked among.
constexpr std::size_t kMostOthers = 10000;
// So many rows compared without a match: with 95 % confidence fewer than 3 % are training rows.
constexpr std::size_t kEnoughCompared = 100;

// Layers and shapes; names of networks do not matter.
Json network_of(const Detector& detector) {
  Json network = Json::parse(detector.description()).at("network");
  network.erase("name");
  return network;
}

std::string network_name(const Detector& detector) {
  return Json::parse(detector.description()).at("network").value("name", "");
}

// Share of `sorted` below the score; ties count half.
double rank_in(const std::vector<float>& sorted, float score) {
  const auto [low, high] = std::equal_range(sorted.begin(), sorted.end(), score);
  return (static_cast<double>(low - sorted.begin()) + static_cast<double>(high - sorted.begin())) /
         (2 * static_cast<double>(sorted.size()));
}

void check_kept(const std::optional<KeptLabels>& kept, const char* label, const char* wanted,
                std::vector<Finding>& findings, bool anomalous) {
  if (!kept) return;
  const double loss = anomalous ? kept->rank_before - kept->rank_after : kept->rank_after - kept->rank_before;
  if (!(loss > kForgottenRank)) return;
  findings.push_back(
      {"labels_forgotten",
       fmt::format(
           "the {} rows that the old model knew to be {} rank {} among its unlabelled rows than before: "
           "mean rank {:.3f}, was {:.3f} ({} of them much worse). Give their labels to this run, too, or "
           "train fewer epochs or with a lower lr",
           kept->n_rows, label, wanted, kept->rank_after, kept->rank_before, kept->n_worse)});
}

std::string untold(const std::string& name) {
  return fmt::format(
      "option init: {} keeps no profile of its training rows (it, or a model that it goes on from, was "
      "trained with training_profile false, imported, or made by an early version), so whether it saw rows "
      "that would be held out cannot be told; go on from a model with a profile, or, with a file of one's "
      "own, hold nothing out: test_share 0, calibration_share 0",
      name);
}

}  // namespace

StartModel start_from(std::shared_ptr<const Model> model, std::string name, const Shape& sample_shape,
                      const std::string& rows, TrainOptions& options) {
  const Detector& old = model->detector();
  if (old.method() != options.method) {
    throw InvalidArgument(
        fmt::format("option init: {} is a model of method {}, but this run trains {}; give "
                    "--method {}",
                    name, old.method(), options.method, old.method()));
  }
  if (model->sample_shape() != sample_shape) {
    throw InvalidArgument(fmt::format("option init: {} takes samples of {}, but {} has {}", name,
                                      to_string(model->sample_shape()), rows, to_string(sample_shape)));
  }
  if (model->scaler().kind() == Scaler::Kind::table) {
    const char* const scaling = scaling_name(model->scaler().scaling());
    if (options.scaling != "auto" && options.scaling != scaling) {
      throw InvalidArgument(fmt::format(
          "option init: {} knows features scaled as {}, with constants of its own training rows, but "
          "scaling is {}; leave it out",
          name, scaling, options.scaling));
    }
    options.scaling = scaling;
  }
  if (const std::string network = network_name(old);
      options.network.empty() && std::ranges::count(network_names(), network) > 0)
    options.network = network;
  StateDict tensors = old.tensors();
  return {std::move(model), std::move(name), std::move(tensors)};
}

void check_network(const StartModel& start, const Detector& detector) {
  const Detector& old = start.model->detector();
  if (network_of(old) == network_of(detector)) return;
  throw InvalidArgument(fmt::format(
      "option init: {} has the network {}, which differs from this run's {}; give network, rep_dim and "
      "leaky_relu_slope as that model was trained with",
      start.name, network_name(old), network_name(detector)));
}

void check_unseen(const StartModel& start, const SourceData& source, const Dataset& tested,
                  const std::vector<std::uint32_t>& test_rows, const std::string& name, ThreadPool& pool) {
  const DataSetup& setup = start.model->setup();
  if (test_rows.empty() || source.own) return;  // of one's own file see train_on_seen_rows()
  if (setup.data_checksum == source.checksum) {
    if (source.test || (setup.test_rows == test_rows && !setup.reference_split)) return;
    throw InvalidArgument(fmt::format(
        "option init: {} was trained on another split of {} (seed {}), so rows that would be tested were "
        "among its training rows; give --seed {}",
        start.name, name, setup.seed, setup.seed));
  }
  const std::optional<SeenRows> seen = rows_seen_in_training(*start.model, raw_rows(tested), test_rows, pool);
  if (!seen) throw InvalidArgument(untold(start.name));
  if (seen->share() <= kOverlapShare) return;
  throw InvalidArgument(fmt::format(
      "option init: {} was trained on other data than {}, but with {} of the {} test rows compared, such as "
      "row {}; go on from a model that never saw them",
      start.name, name, seen->found.size(), seen->compared.size(), seen->found.front()));
}

void train_on_seen_rows(const Model& start, const std::string& name, const Dataset& data, OwnRows& rows,
                        ThreadPool& pool) {
  HoldOut& parts = rows.parts;
  std::vector<std::uint32_t> held_out;
  std::ranges::merge(parts.calibration, parts.test, std::back_inserter(held_out));
  if (held_out.empty()) return;
  const std::optional<SeenRows> seen = rows_seen_in_training(start, raw_rows(data), held_out, pool);
  if (!seen) throw InvalidArgument(untold(name));
  const std::size_t n_compared = seen->compared.size();
  if (seen->found.empty() && (seen->all || n_compared >= kEnoughCompared)) {
    rows.messages.push_back(
        seen->all ? fmt::format("none of the {} held-out rows is a training row of {}", held_out.size(), name)
                  : fmt::format("none of {} held-out rows that could be compared is a training row of {}",
                                n_compared, name));
    return;
  }
  // Where only a sample of the old training rows is known, rows count that it would hold had they been seen.
  std::vector<std::uint32_t> unseen;
  std::ranges::set_difference(seen->compared, seen->found, std::back_inserter(unseen));
  std::vector<std::uint32_t> moved;
  std::ranges::set_difference(held_out, unseen, std::back_inserter(moved));
  for (std::vector<std::uint32_t>* part : {&parts.calibration, &parts.test})
    std::erase_if(*part, [&](std::uint32_t row) { return std::ranges::binary_search(moved, row); });
  std::vector<std::uint32_t> training;
  std::ranges::merge(parts.training, moved, std::back_inserter(training));
  parts.training = std::move(training);
  rows.messages.push_back(fmt::format(
      "{} of {} held-out rows {} training rows of {}, and are trained on: {} are left to calibrate on, {} to "
      "test on",
      moved.size(), held_out.size(), seen->all ? "are" : "are, or may be,", name, parts.calibration.size(),
      parts.test.size()));
}

KeptLabels kept_labels(std::span<const float> labelled_before, std::span<const float> others_before,
                       std::span<const float> labelled_after, std::span<const float> others_after,
                       bool anomalous) {
  std::vector<float> before(others_before.begin(), others_before.end());
  std::vector<float> after(others_after.begin(), others_after.end());
  std::sort(before.begin(), before.end());
  std::sort(after.begin(), after.end());
  KeptLabels kept{.n_rows = labelled_before.size()};
  for (std::size_t i = 0; i < labelled_before.size(); ++i) {
    const double old_rank = rank_in(before, labelled_before[i]), new_rank = rank_in(after, labelled_after[i]);
    kept.rank_before += old_rank / static_cast<double>(kept.n_rows);
    kept.rank_after += new_rank / static_cast<double>(kept.n_rows);
    if ((anomalous ? old_rank - new_rank : new_rank - old_rank) > kWorseRank) ++kept.n_worse;
  }
  return kept;
}

void compare_examples(const Model& old, const Detector& detector, const TrainingSet& training,
                      ThreadPool& pool, WarmStart& result) {
  const std::shared_ptr<const ExampleRows>& examples = old.training_rows().examples;
  if (!examples) return;
  std::vector<std::uint32_t> others;
  std::vector<bool> mended(examples->size());
  for (std::uint32_t i = 0; i < training.x.rows(); ++i) {
    if (training.semi[i] == SemiLabel::unlabelled) others.push_back(i);
    for (std::size_t k = 0; k < examples->size(); ++k) {
      if (training.semi[i] != SemiLabel::unlabelled && training.semi[i] != examples->labels[k] &&
          std::ranges::equal(training.x.row(i), examples->x.row(k)))
        mended[k] = true;
    }
  }
  if (others.empty()) return;
  if (others.size() > kMostOthers) {  // evenly spaced
    for (std::size_t k = 0; k < kMostOthers; ++k) others[k] = others[k * others.size() / kMostOthers];
    others.resize(kMostOthers);
  }
  const auto scores = [&](const auto& x, const std::vector<std::uint32_t>& rows) {
    Matrix<float> chosen(rows.size(), training.x.cols());
    for (std::size_t i = 0; i < rows.size(); ++i) std::ranges::copy(x.row(rows[i]), chosen.row(i).begin());
    const MatrixView<const float> view(chosen.values.data(), chosen.rows, chosen.cols);
    std::pair both{std::vector<float>(rows.size()), std::vector<float>(rows.size())};
    old.detector().score(view, both.first, pool);
    detector.score(view, both.second, pool);
    return both;
  };
  const auto [others_before, others_after] = scores(training.x, others);
  for (const SemiLabel label : {SemiLabel::anomaly, SemiLabel::normal}) {
    std::vector<std::uint32_t> rows;
    for (std::uint32_t k = 0; k < examples->size(); ++k)
      if (examples->labels[k] == label && !mended[k]) rows.push_back(k);
    if (rows.empty()) continue;
    const auto [before, after] = scores(examples->x, rows);
    const bool anomalous = label == SemiLabel::anomaly;
    (anomalous ? result.anomalies : result.normals) =
        kept_labels(before, others_before, after, others_after, anomalous);
  }
}

void check_labels_kept(const WarmStart& warm_start, std::vector<Finding>& findings) {
  check_kept(warm_start.anomalies, "anomalous", "lower", findings, true);
  check_kept(warm_start.normals, "normal", "higher", findings, false);
}

}  // namespace deepsad
