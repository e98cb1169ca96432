#include "deepsad/model/evaluate_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "data/cell_text.h"
#include "data/label_file.h"
#include "deepsad/core/error.h"
#include "deepsad/model/model_rows.h"
#include "deepsad/model/seen_rows.h"

namespace deepsad {
namespace {

std::string count_text(std::size_t n, const char* what) {
  return fmt::format("{} {}{}", n, what, n == 1 ? "" : "s");
}

}  // namespace

FileEvaluation evaluate_file(const Model& model, const std::string& path, const EvaluateFileOptions& options,
                             ThreadPool& pool) {
  const std::string& truth_column = options.file.table.truth_column;
  const std::string& label_column = options.file.table.label_column;
  if (truth_column.empty() && label_column.empty())
    throw InvalidArgument(
        fmt::format("{}: an evaluation needs the truth: name the column of true labels", path));
  RowFileOptions file = options.file;
  file.table.class_column = options.class_column;
  file.table.classes_of_labels = true;
  Table table = read_labelled_rows(model, path, file);
  FileEvaluation result;
  result.messages = table.messages;
  const std::vector<float> all = model.score(raw_rows(table.data), pool);
  const bool named = !options.class_column.empty();
  if (named && table.classes.empty())
    throw InvalidArgument(fmt::format("{}: column {} has more than {} different texts, too many to report",
                                      path, shown(options.class_column), kMaxClasses));
  // Two texts of labels are the two classes that are reported anyway.
  const bool has_classes = named || !options.known_classes.empty() || table.class_names.size() > 2;
  const std::vector<int> classes_of_row = has_classes ? std::move(table.classes) : std::vector<int>();
  ScoresToReport rows{.scores = {}, .labels = {}};
  if (has_classes) rows.class_names = std::move(table.class_names);
  if (!options.known_classes.empty() && rows.class_names.empty())
    throw InvalidArgument(
        fmt::format("{}: known classes are texts of a column of labels, of at most {} "
                    "different ones, and the file has no such column",
                    path, kMaxClasses));
  for (const std::string& known : options.known_classes) {
    if (std::ranges::find(rows.class_names, known) == rows.class_names.end()) {
      const std::string nearest = nearest_name(known, rows.class_names.data(), rows.class_names.size());
      throw InvalidArgument(
          fmt::format("{}: no row is of the class {}{}", path, shown(known),
                      nearest.empty() ? "" : fmt::format("; did you mean {}?", shown(nearest))));
    }
  }
  rows.known_classes = options.known_classes;
  TestScores& test = result.test;
  const UnseenRows unseen = unseen_rows(model, table, HeldOutPart::test, options.keep_training_rows, pool);
  result.messages.insert(result.messages.end(), unseen.messages.begin(), unseen.messages.end());
  const std::vector<std::uint32_t>& compared = unseen.rows;
  for (const std::uint32_t i : compared) {
    if (truth_column.empty() && table.semi[i] == SemiLabel::unlabelled) continue;
    const bool anomaly =
        truth_column.empty() ? table.semi[i] == SemiLabel::anomaly : table.truth[i] == TrueLabel::anomaly;
    test.rows.push_back(i);
    test.labels.push_back(anomaly ? TrueLabel::anomaly : TrueLabel::normal);
    test.scores.push_back(all[i]);
    if (!classes_of_row.empty()) test.classes.push_back(classes_of_row[i]);
  }
  if (test.rows.empty())
    throw DataError(fmt::format("{}: no row has a label, wanted some to compare with", path));
  if (test.rows.size() < compared.size())
    result.messages.push_back(
        fmt::format("{} without a label left out", count_text(compared.size() - test.rows.size(), "row")));
  rows.scores = test.scores;
  rows.labels = test.labels;
  rows.classes = test.classes;
  result.report = report_scores(rows, options.threshold ? options.threshold : model.decision().threshold,
                                options.n_repetitions, pool);
  return result;
}

}  // namespace deepsad
