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

constexpr std::size_t kMostClasses = 1000;

struct Classes {
  std::vector<int> of_row;
  std::vector<std::string> names;
};

// The texts of a column, in the order of their first rows. @returns nothing if there are too many
std::optional<Classes> read_classes(const std::string& path, const std::string& column,
                                    const TableOptions& options) {
  const std::unique_ptr<ByteStream> probe = open_text(path);
  if (!probe)
    throw InvalidArgument(fmt::format("{}: classes are a column of a text table, which this is not", path));
  DelimitedReader reader(open_text(path), {.separator = options.separator,
                                           .header = options.header,
                                           .skip_lines = options.skip_lines,
                                           .missing_words = options.missing_words});
  const std::size_t cell = find_column(reader, column, "the class column");
  Classes classes;
  TextMap<int> known;
  while (reader.next()) {
    std::string scratch;
    const std::string_view text = as_utf8(trimmed(reader.cells()[cell].text), scratch);
    auto found = known.find(text);
    if (found == known.end()) {
      if (known.size() == kMostClasses) return {};
      found = known.emplace(text, static_cast<int>(classes.names.size())).first;
      classes.names.emplace_back(text.empty() ? "(empty)" : text);
    }
    classes.of_row.push_back(found->second);
  }
  return classes;
}

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
  const Table table = read_labelled_rows(model, path, options.file);
  FileEvaluation result;
  result.messages = table.messages;
  const std::vector<float> all = model.score(raw_rows(table.data), pool);
  std::vector<int> classes_of_row;
  ScoresToReport rows{.scores = {}, .labels = {}};
  const bool named = !options.class_column.empty();
  const std::string class_column = named                  ? options.class_column
                                   : truth_column.empty() ? label_column
                                                          : truth_column;
  if (named && path == "-")
    throw InvalidArgument("standard input: classes are read in a second pass; give the file's path");
  if (named || (path != "-" && open_text(path))) {
    auto classes = read_classes(path, class_column, options.file.table);
    if (!classes && named)
      throw InvalidArgument(fmt::format("{}: column {} has more than {} different texts, too many to report",
                                        path, shown(class_column), kMostClasses));
    if (classes && (named || classes->names.size() > 2)) {
      classes_of_row = std::move(classes->of_row);
      rows.class_names = std::move(classes->names);
    }
  }
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
  const bool keep = options.keep_training_rows;
  if (!keep && model.setup().test_rows.empty() && is_training_table(model, table)) {
    throw DataError(fmt::format(
        "{}: is the table that the model was trained on, and no row was held out for a test; wanted other "
        "rows, or a training with a column of true labels, which holds some out",
        table.data.name));
  }
  const UnseenRows unseen = unseen_rows(model, table, keep, pool);
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
