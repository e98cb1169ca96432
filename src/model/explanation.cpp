#include "deepsad/model/explanation.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <nlohmann/json.hpp>

#include "deepsad/core/csv_text.h"
#include "deepsad/core/error.h"
#include "deepsad/model/scoring.h"
#include "model/columns.h"

namespace deepsad {
namespace {

using Json = nlohmann::ordered_json;

void check(const ExplainOptions& options) {
  if (options.n_baselines == 0) throw InvalidArgument("[explain] wanted at least one row to compare with");
}

double squared_distance(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (std::size_t j = 0; j < a.size(); ++j) {
    const double difference = static_cast<double>(a[j]) - static_cast<double>(b[j]);
    sum += difference * difference;
  }
  return sum;
}

/// Positions of the examples that keep(position) names, with their squared distances, the nearest first.
template <class Keep>
std::vector<std::pair<double, std::size_t>> nearest(const ExampleRows& examples, std::span<const float> row,
                                                    const Keep& keep) {
  std::vector<std::pair<double, std::size_t>> order;
  for (std::size_t k = 0; k < examples.size(); ++k)
    if (keep(k)) order.emplace_back(squared_distance(row, examples.x.row(k)), k);
  std::sort(order.begin(), order.end());
  return order;
}

/// The rows that one row is compared with.
class Baselines {
 public:
  Baselines(const Model& model, std::size_t n) : n_(n) {
    const TrainingRows& rows = model.training_rows();
    if (rows.examples && rows.examples->n_typical > 0) {
      examples_ = rows.examples.get();
      return;
    }
    const std::size_t d = model.scaler().n_features();
    middle_ = Matrix<float>(1, d);
    kind_ = rows.profile ? BaselineKind::medians : BaselineKind::means;
    for (std::size_t j = 0; j < d; ++j) {
      middle_.row(0)[j] = rows.profile ? sketch_quantile(rows.profile->features[j], 0.5)
                                       : static_cast<float>(model.scaler().scaled_mean(j));
    }
  }
  [[nodiscard]] BaselineKind kind() const { return kind_; }
  [[nodiscard]] Matrix<float> of(std::span<const float> row) const {
    std::vector<std::span<const float>> chosen;
    if (examples_ == nullptr) {
      chosen.push_back(middle_.row(0));
    } else {
      auto order = nearest(*examples_, row, [&](std::size_t k) { return k < examples_->n_typical; });
      // A training row is not compared with itself.
      const auto other =
          std::find_if(order.begin(), order.end(), [](const auto& entry) { return entry.first > 0; });
      if (other != order.end()) order.erase(order.begin(), other);
      for (std::size_t k = 0; k < std::min(n_, order.size()); ++k)
        chosen.push_back(examples_->x.row(order[k].second));
    }
    Matrix<float> rows(chosen.size(), row.size());
    for (std::size_t k = 0; k < chosen.size(); ++k) std::ranges::copy(chosen[k], rows.row(k).begin());
    return rows;
  }

 private:
  std::size_t n_;
  BaselineKind kind_ = BaselineKind::typical_rows;
  const ExampleRows* examples_ = nullptr;
  Matrix<float> middle_;
};

std::vector<Neighbour> neighbours_of(const Model& model, std::span<const float> row, std::size_t n) {
  std::vector<Neighbour> neighbours;
  const ExampleRows* examples = model.training_rows().examples.get();
  if (examples == nullptr) return neighbours;
  for (const auto& [distance, k] :
       nearest(*examples, row, [&](std::size_t i) { return examples->labels[i] != SemiLabel::unlabelled; })) {
    if (neighbours.size() == n) break;
    neighbours.push_back({.row = examples->rows[k],
                          .label = examples->labels[k],
                          .distance = std::sqrt(distance),
                          .score = static_cast<double>(examples->scores[k])});
  }
  return neighbours;
}

// A 0 that came through float32 is a 0 still, not -1.1e-08.
std::vector<double> raw_mean(const Matrix<float>& rows, const Scaler& scaler) {
  constexpr double kRounding = 1e-6;
  std::vector<double> mean(rows.cols);
  for (std::size_t j = 0; j < rows.cols; ++j) {
    double sum = 0;
    for (std::size_t i = 0; i < rows.rows; ++i) sum += static_cast<double>(rows.row(i)[j]);
    mean[j] = scaler.raw_value(j, sum / static_cast<double>(rows.rows));
    const double unit = scaler.raw_value(j, 1) - scaler.raw_value(j, 0);
    if (std::abs(mean[j]) < kRounding * std::abs(unit)) mean[j] = 0;
  }
  return mean;
}

std::vector<double> raw_row(const RawRows& rows, std::size_t row) {
  return std::visit(
      [row](const auto& view) {
        const auto values = view.row(row);
        return std::vector<double>(values.begin(), values.end());
      },
      rows.values);
}

std::vector<ColumnContribution> columns_of(const std::vector<ExplainedColumn>& columns, const Model& model,
                                           const Attribution& attribution, std::span<const double> row,
                                           std::span<const double> baseline) {
  std::vector<ColumnContribution> result;
  double total = 0;
  for (const double contribution : attribution.contributions)
    if (std::isfinite(contribution)) total += std::abs(contribution);
  for (std::uint32_t c = 0; c < columns.size(); ++c) {
    const double contribution = attribution.contributions[c];
    result.push_back({.column = c,
                      .contribution = contribution,
                      .share = total > 0 && std::isfinite(contribution) ? std::abs(contribution) / total : 0,
                      .value = column_value(model, columns[c], row),
                      .baseline = column_value(model, columns[c], baseline)});
  }
  const auto size = [](const ColumnContribution& c) {
    return std::isnan(c.contribution) ? -1 : std::abs(c.contribution);
  };
  std::stable_sort(result.begin(), result.end(),
                   [&](const auto& a, const auto& b) { return size(a) > size(b); });
  return result;
}

const char* label_word(SemiLabel label) {
  return label == SemiLabel::anomaly ? "anomaly" : "normal";
}

Json number(double value) {
  return std::isfinite(value) ? Json(value) : Json(nullptr);
}

const char* baseline_name(BaselineKind kind) {
  constexpr std::array kNames{"typical_rows", "medians", "means"};
  return kNames.at(static_cast<std::size_t>(kind));
}

std::string baseline_words(const Explanations& all) {
  switch (all.baseline) {
    case BaselineKind::typical_rows:
      return fmt::format("the nearest of the model's {} typical training rows", all.n_typical);
    case BaselineKind::medians:
      return "the medians of the training rows (the model holds no example rows)";
    case BaselineKind::means:
      return "the means of the training rows (the model holds no example rows)";
  }
  return {};
}

}  // namespace

Explanations explain(const Model& model, const RawRows& data, std::span<const std::uint32_t> rows,
                     const ExplainOptions& options, ThreadPool& pool) {
  check(options);
  for (const std::uint32_t row : rows) {
    if (row >= data.size())
      throw InvalidArgument(fmt::format("row {} is outside {}, which has {} rows (counted from 0)", row,
                                        data.name, data.size()));
  }
  Matrix<float> x(rows.size(), model.scaler().n_features());
  const MatrixView<float> view(x.values.data(), x.rows, x.cols);
  for (std::size_t i = 0; i < rows.size(); ++i) model.scaler().transform(data, rows[i], view.rows_from(i, 1));
  const Detector& detector = model.detector();
  std::vector<float> scores(rows.size());
  detector.score(view, scores, pool);
  const ScoredRows decided = decide(model, scores);
  const Baselines baselines(model, options.n_baselines);
  Explanations all{.method = options.method.value_or(detector.has_score_gradient()
                                                         ? AttributionMethod::integrated_gradients
                                                         : AttributionMethod::leave_one_out),
                   .baseline = baselines.kind(),
                   .n_typical = 0,
                   .columns = explained_columns(model),
                   .rows = {}};
  if (model.training_rows().examples) all.n_typical = model.training_rows().examples->n_typical;
  std::vector<std::uint32_t> groups(x.cols);
  for (std::uint32_t c = 0; c < all.columns.size(); ++c)
    for (const std::uint32_t feature : all.columns[c].features) groups[feature] = c;

  // Some at a time, whose baselines are held together.
  constexpr std::size_t kTogether = 256;
  std::vector<Matrix<float>> references;
  std::vector<Attribution> attributions;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (i % kTogether == 0) {
      const std::size_t n = std::min(kTogether, rows.size() - i);
      references.clear();
      for (std::size_t k = i; k < i + n; ++k) references.push_back(baselines.of(x.row(k)));
      attributions = attribute(detector, view.rows_from(i, n), references, groups,
                               {.method = all.method,
                                .tolerance = options.tolerance,
                                .max_steps = options.max_steps,
                                .stop = options.stop},
                               pool);
    }
    const Attribution& attribution = attributions[i % kTogether];
    const std::vector<double> values = raw_row(data, rows[i]),
                              middle = raw_mean(references[i % kTogether], model.scaler());
    Explanation explanation{.row = rows[i],
                            .score = static_cast<double>(scores[i]),
                            .baseline_score = attribution.baseline_score,
                            .steps = attribution.steps,
                            .completeness_error = attribution.completeness_error,
                            .complete = attribution.complete,
                            .columns = columns_of(all.columns, model, attribution, values, middle),
                            .contributions = attribution.contributions,
                            .baseline = middle,
                            .values = values,
                            .neighbours = neighbours_of(model, x.row(i), options.n_neighbours)};
    if (!decided.anomalous.empty()) explanation.is_anomaly = decided.anomalous[i] != 0;
    if (!decided.p_values.empty()) explanation.p_value = decided.p_values[i];
    all.rows.push_back(std::move(explanation));
  }
  return all;
}

std::string explanations_text(const Explanations& all, std::size_t n_columns) {
  std::string text =
      fmt::format("Contributions to the score by {}, compared with {}.\n",
                  all.method == AttributionMethod::integrated_gradients ? "integrated gradients"
                                                                        : "leaving one column out",
                  baseline_words(all));
  const auto out = std::back_inserter(text);
  for (const Explanation& row : all.rows) {
    fmt::format_to(out, "\nrow {}{}: score {:.6g}", row.row,
                   row.id.empty() ? "" : fmt::format(" ({})", row.id), row.score);
    if (row.is_anomaly) text += *row.is_anomaly ? ", anomaly" : ", normal";
    if (row.p_value) fmt::format_to(out, ", p-value {:.3g}", *row.p_value);
    fmt::format_to(out, " (of the normal rows {:.4g})\n", row.baseline_score);
    const std::size_t shown = std::min(n_columns, row.columns.size());
    std::size_t name_width = 6, value_width = 5, baseline_width = 6;
    for (std::size_t k = 0; k < shown; ++k) {
      const ColumnContribution& column = row.columns[k];
      name_width = std::max(name_width, all.columns[column.column].name.size());
      value_width = std::max(value_width, column.value.size());
      baseline_width = std::max(baseline_width, column.baseline.size());
    }
    fmt::format_to(out, "  {:<{}}  {:>{}}  {:>{}}  contribution  share\n", "column", name_width, "value",
                   value_width, "normal", baseline_width);
    double rest = 0, rest_share = 0;
    for (std::size_t k = 0; k < row.columns.size(); ++k) {
      const ColumnContribution& column = row.columns[k];
      if (k >= shown) {
        if (std::isfinite(column.contribution)) rest += column.contribution;
        rest_share += column.share;
        continue;
      }
      fmt::format_to(out, "  {:<{}}  {:>{}}  {:>{}}  {:>+12.4g}  {:>3.0f} %\n",
                     all.columns[column.column].name, name_width, column.value, value_width, column.baseline,
                     baseline_width, column.contribution, 100 * column.share);
    }
    if (row.columns.size() > shown) {
      fmt::format_to(out, "  {:<{}}  {:>+12.4g}  {:>3.0f} %\n",
                     fmt::format("the other {}", row.columns.size() - shown),
                     name_width + value_width + baseline_width + 4, rest, 100 * rest_share);
    }
    if (all.method == AttributionMethod::integrated_gradients) {
      fmt::format_to(out, "  completeness error {:.2g} % after {} steps{}\n", 100 * row.completeness_error,
                     row.steps, row.complete ? "" : ": more than wanted; the contributions are approximate");
    }
    if (!row.neighbours.empty()) {
      text += "  nearest labelled training rows:\n";
      for (const Neighbour& neighbour : row.neighbours) {
        fmt::format_to(out, "    row {:<8} {:<8} distance {:<8.3g} score {:.4g}\n", neighbour.row,
                       label_word(neighbour.label), neighbour.distance, neighbour.score);
      }
    }
  }
  return text;
}

std::string explanations_json(const Explanations& all) {
  Json rows = Json::array();
  for (const Explanation& row : all.rows) {
    Json columns = Json::array();
    for (const ColumnContribution& column : row.columns) {
      columns.push_back({{"column", all.columns[column.column].name},
                         {"value", column.value},
                         {"baseline", column.baseline},
                         {"contribution", number(column.contribution)},
                         {"share", column.share}});
    }
    Json neighbours = Json::array();
    for (const Neighbour& neighbour : row.neighbours) {
      neighbours.push_back({{"row", neighbour.row},
                            {"label", label_word(neighbour.label)},
                            {"distance", neighbour.distance},
                            {"score", number(neighbour.score)}});
    }
    rows.push_back({{"row", row.row},
                    {"id", row.id.empty() ? Json(nullptr) : Json(row.id)},
                    {"score", number(row.score)},
                    {"anomaly", row.is_anomaly ? Json(*row.is_anomaly) : Json(nullptr)},
                    {"p_value", row.p_value ? Json(*row.p_value) : Json(nullptr)},
                    {"baseline_score", number(row.baseline_score)},
                    {"steps", row.steps},
                    {"completeness_error", number(row.completeness_error)},
                    {"complete", row.complete},
                    {"columns", columns},
                    {"neighbours", neighbours}});
  }
  return Json{{"method", attribution_method_name(all.method)},
              {"baseline", baseline_name(all.baseline)},
              {"typical_rows", all.n_typical},
              {"rows", rows}}
             .dump(2) +
         "\n";
}

std::string explanations_csv(const Explanations& all) {
  std::string text = "row,column,value,baseline,contribution,share\n";
  for (const Explanation& row : all.rows) {
    for (const ColumnContribution& column : row.columns) {
      fmt::format_to(std::back_inserter(text), "{},{},{},{},{},{}\n",
                     row.id.empty() ? std::to_string(row.row) : csv_field(row.id),
                     csv_field(all.columns[column.column].name), csv_field(column.value),
                     csv_field(column.baseline),
                     std::isfinite(column.contribution) ? fmt::format("{:.9g}", column.contribution) : "",
                     fmt::format("{:.6g}", column.share));
    }
  }
  return text;
}

}  // namespace deepsad
