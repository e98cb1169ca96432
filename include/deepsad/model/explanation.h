// Why rows are anomalous: what each column contributes to the score, compared with normal training rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "deepsad/core/parallel.h"
#include "deepsad/core/progress.h"
#include "deepsad/data/dataset.h"
#include "deepsad/data/raw_rows.h"
#include "deepsad/detectors/attribution.h"
#include "deepsad/model/model.h"

namespace deepsad {

struct ExplainOptions {
  /// Empty: integrated gradients where the score's derivative is known, else leave-one-out.
  std::optional<AttributionMethod> method{};
  /// Rows to compare with: the nearest of the model's typical training rows (Euclidean, scaled), >= 1.
  std::size_t n_baselines = 5;
  std::size_t n_neighbours = 3;  ///< nearest labelled training rows that are named
  double tolerance = 0.01;       ///< of integrated gradients, AttributionOptions
  std::size_t max_steps = 4096;
  const StopToken* stop = nullptr;
};

/// What rows are compared with.
enum class BaselineKind {
  typical_rows,  ///< the nearest typical training rows that the model holds
  medians,       ///< a model without such rows: the median of each feature over the training rows,
  means          ///< or, without a profile, the mean; black images
};

struct ColumnContribution {
  std::uint32_t column = 0;  ///< position in Explanations::columns
  double contribution = 0;   ///< to the score; positive: makes the row more anomalous. NaN if undefined
  /// |contribution| over the sum of the columns' |contribution|, 0 if all are 0.
  double share = 0;
  /// What the row has there, and the rows that it is compared with: a number (of those the mean), the name of
  /// a category (of those the commonest), or "missing".
  std::string value{}, baseline{};
};

/// A labelled training row.
struct Neighbour {
  std::uint32_t row = 0;  ///< where it lay in the training data
  SemiLabel label = SemiLabel::unlabelled;
  double distance = 0;  ///< Euclidean, of scaled features
  double score = 0;
};

struct Explanation {
  std::uint32_t row = 0;
  std::string id{};  ///< its name in the file, if whoever asks knows one
  double score = 0;
  std::optional<bool> is_anomaly{};  ///< if the model has a threshold
  std::optional<double> p_value{};   ///< if it is calibrated
  double baseline_score = 0;
  std::size_t steps = 0;                    ///< Attribution
  double completeness_error = 0;            ///< Attribution
  bool complete = true;                     ///< Attribution
  std::vector<ColumnContribution> columns;  ///< all, the largest |contribution| first
  std::vector<double> contributions;        ///< of each of Explanations::columns, in their order
  std::vector<double> baseline;             ///< raw mean of the rows compared with, by feature
  std::vector<double> values;               ///< the row's own, by feature, raw
  std::vector<Neighbour> neighbours;        ///< nearest first
};

/// A column of the table that the model was trained on, or a feature, or a pixel.
struct ExplainedColumn {
  std::string name;
  std::vector<std::uint32_t> features;           ///< whose contributions it sums
  std::optional<std::uint32_t> schema_column{};  ///< position in the model's schema, if it has one
};

struct Explanations {
  AttributionMethod method{};
  BaselineKind baseline{};
  std::size_t n_typical = 0;             ///< typical rows that the model holds
  std::vector<ExplainedColumn> columns;  ///< in the order of the data
  std::vector<Explanation> rows;         ///< as asked for
};

/// Explains rows `rows` of raw data, whose features are the model's. A row's explanation depends on nothing
/// but that row and the model.
/// @throws DataError as Model::score; InvalidArgument for a row that is not there, an option out of its
/// range, or integrated gradients of a detector without derivative; Interrupted
[[nodiscard]] Explanations explain(const Model& model, const RawRows& data,
                                   std::span<const std::uint32_t> rows, const ExplainOptions& options,
                                   ThreadPool& pool);

/// For a person: a table a row, of at most n_columns columns.
[[nodiscard]] std::string explanations_text(const Explanations& explanations, std::size_t n_columns);
/// One JSON object; numbers that are not finite are null.
[[nodiscard]] std::string explanations_json(const Explanations& explanations);
/// "row,column,value,baseline,contribution,share", a line a row and column, columns as in the text; rows by
/// their ids, as in the output of `deepsad score`, if they have them.
[[nodiscard]] std::string explanations_csv(const Explanations& explanations);

}  // namespace deepsad
