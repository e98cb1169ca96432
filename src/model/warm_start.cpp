#include "model/warm_start.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "deepsad/core/error.h"
#include "deepsad/data/scaler.h"
#include "deepsad/nn/network_spec.h"

namespace deepsad {
namespace {

using Json = nlohmann::ordered_json;

// A mean rank that is worse by more than this share of the unlabelled rows is reported.
constexpr double kForgottenRank = 0.02;
// A single row counts as worse from this share on.
constexpr double kWorseRank = 0.1;

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

}  // namespace

StartModel load_start(const TrainOptions& options, const Detector& detector, const SourceData& source,
                      const std::vector<std::uint32_t>& test_rows) {
  auto model = std::make_shared<const Model>(Model::load(options.init));
  const Detector& old = model->detector();
  if (old.method() != options.method) {
    throw InvalidArgument(
        fmt::format("option init: {} is a model of method {}, but this run trains {}; give "
                    "--method {}",
                    options.init, old.method(), options.method, old.method()));
  }
  if (model->sample_shape() != source.train.sample_shape) {
    throw InvalidArgument(fmt::format("option init: {} takes samples of {}, but {} has {}", options.init,
                                      to_string(model->sample_shape()), source.train.name,
                                      to_string(source.train.sample_shape)));
  }
  if (network_of(old) != network_of(detector)) {
    throw InvalidArgument(fmt::format(
        "option init: {} has the network {}, which differs from this run's {}; give network, rep_dim and "
        "leaky_relu_slope as that model was trained with",
        options.init, network_name(old), network_name(detector)));
  }
  const char* const scaling = scaling_name(model->scaler().scaling());
  if (!source.train.is_image() && options.scaling != "auto" && options.scaling != scaling) {
    throw InvalidArgument(fmt::format(
        "option init: {} knows features scaled as {}, with constants of its own training rows, but "
        "scaling is {}; leave it out",
        options.init, scaling, options.scaling));
  }
  if (!source.test && model->setup().data_checksum == source.checksum &&
      (model->setup().test_rows != test_rows || model->setup().reference_split)) {
    throw InvalidArgument(fmt::format(
        "option init: {} was trained on another split of {} (seed {}), so rows that would be tested were "
        "among its training rows; give --seed {}",
        options.init, options.dataset, model->setup().seed, model->setup().seed));
  }
  StateDict tensors = old.tensors();
  return {std::move(model), std::move(tensors)};
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

void check_labels_kept(const WarmStart& warm_start, std::vector<Finding>& findings) {
  check_kept(warm_start.anomalies, "anomalous", "lower", findings, true);
  check_kept(warm_start.normals, "normal", "higher", findings, false);
}

}  // namespace deepsad
