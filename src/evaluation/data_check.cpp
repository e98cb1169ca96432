#include "deepsad/evaluation/data_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <unordered_map>
#include <utility>

#include "data/bad_record.h"
#include "data/cell_text.h"
#include "data/label_file.h"
#include "deepsad/core/error.h"
#include "deepsad/core/percent_text.h"
#include "deepsad/data/file_formats.h"
#include "deepsad/data/row_file.h"
#include "deepsad/evaluation/conformal.h"
#include "deepsad/evaluation/drift.h"
#include "deepsad/evaluation/interval.h"
#include "deepsad/storage/byte_stream.h"
#include "evaluation/column_findings.h"
#include "evaluation/label_leaks.h"
#include "evaluation/quantile.h"
#include "evaluation/table_profile.h"

namespace deepsad {
namespace {

constexpr std::size_t kBatchSize = 128;  // of training, unless told otherwise
// The smallest share of labelled anomalies in the paper's experiments (arXiv 1906.02694, section 4.3 and
// figure 2); Deep SAD is ahead of its unsupervised form from there on.
constexpr double kSmallestShareInPaper = 0.01;

struct CheckedTable {
  std::string name;
  std::unique_ptr<TableProfile> profile;
  std::vector<std::string> roles;  // "" for features
  std::optional<LabelCounts> semi{}, truth{};
  std::uint64_t n_bad_rows = 0;
  std::vector<std::string> bad_rows{};  // the first few, as their errors
};

void count(LabelCounts& counts, SemiLabel label) {
  ++(label == SemiLabel::anomaly  ? counts.anomaly
     : label == SemiLabel::normal ? counts.normal
                                  : counts.unlabelled);
}

ProfileOptions profile_options(const DataCheckOptions& options) {
  ProfileOptions result{.max_sample_cells = options.max_sample_cells,
                        .max_distinct_rows = options.max_distinct_rows};
  if (options.today) result.today = *options.today;
  return result;
}

// Columns with a role. Of a second file they may be missing.
class Roles {
 public:
  Roles(const DelimitedReader& reader, const TableOptions& options, bool may_be_missing)
      : reader_(reader), may_be_missing_(may_be_missing), roles(reader.column_names().size()) {
    label = give(options.label_column, "the label column", "label");
    truth = give(options.truth_column, "the column of true labels", "truth");
    give(options.id_column, "the id column", "id");
    for (const std::string& name : options.ignore_columns) give(name, "ignored columns", "ignored");
  }

 private:
  std::optional<std::size_t> give(const std::string& wanted, const char* what, const char* role) {
    if (wanted.empty()) return {};
    if (may_be_missing_ && std::ranges::find(reader_.column_names(), wanted) == reader_.column_names().end())
      return {};
    const std::size_t cell = find_column(reader_, wanted, what);
    if (!roles[cell].empty()) {
      throw InvalidArgument(fmt::format("{}: column {} is to be both {} and {}", reader_.name(),
                                        shown(reader_.column_names()[cell]), roles[cell], role));
    }
    roles[cell] = role;
    return cell;
  }
  const DelimitedReader& reader_;
  bool may_be_missing_;

 public:
  std::vector<std::string> roles;
  std::optional<std::size_t> label, truth;
};

CheckedTable read_text(std::unique_ptr<ByteStream> in, const DataCheckOptions& options, bool is_other) {
  const TableOptions& table = options.table;
  DelimitedReader reader(std::move(in), delimited_options(table));
  Roles found(reader, table, is_other);
  CheckedTable result{.name = reader.name(), .profile = nullptr, .roles = found.roles};
  std::vector<bool> is_feature;
  for (const std::string& role : found.roles) is_feature.push_back(role.empty());
  result.profile =
      std::make_unique<TableProfile>(reader.column_names(), std::move(is_feature), profile_options(options));
  if (found.label) result.semi.emplace();
  if (found.truth) result.truth.emplace();
  std::vector<CellValue> row(reader.column_names().size());
  const MissingWords missing_words(table.missing_words);
  std::optional<LabelColumn> labels, truths;
  if (found.label) labels.emplace(table.label_map, *found.label);
  if (found.truth) truths.emplace(table.truth_map, *found.truth);
  for (;;) {
    try {
      if (!reader.next()) break;
    } catch (const BadRecord& error) {
      constexpr std::size_t kShown = 3;
      if (result.n_bad_rows++ < kShown) result.bad_rows.emplace_back(error.what());
      continue;
    }
    for (std::size_t j = 0; j < row.size(); ++j) {
      const std::string_view text = reader.cells()[j].text;
      const auto number = parse_number(text);
      if (number && !missing_words.contains(*number))
        row[j] = {CellValue::Kind::number, *number, trimmed(text)};
      else
        row[j] = {number || missing_words.contains(text) ? CellValue::Kind::missing : CellValue::Kind::text,
                  0, text};
    }
    SemiLabel label = SemiLabel::unlabelled;
    if (labels) {
      label = labels->semi(reader);
      count(*result.semi, label);
    }
    if (truths) {
      const TrueLabel truth = truths->truth(reader);
      label = truth == TrueLabel::normal ? SemiLabel::normal : SemiLabel::anomaly;
      count(*result.truth, label);
    }
    result.profile->add(row, label, reader.line());
  }
  return result;
}

CheckedTable read_numbers(const std::string& path, const DataCheckOptions& options) {
  const Dataset data = read_samples(path);
  if (data.is_image() || !std::holds_alternative<std::vector<double>>(data.values)) {
    throw DataError(fmt::format("{}: holds images; the check is for tables", path));
  }
  const auto& values = std::get<std::vector<double>>(data.values);
  const std::size_t d = data.n_features();
  std::vector<std::string> names = data.feature_names;
  for (std::size_t j = names.size(); j < d; ++j) names.push_back(fmt::format("column{}", j + 1));
  CheckedTable result{.name = path, .profile = nullptr, .roles = std::vector<std::string>(d)};
  result.profile =
      std::make_unique<TableProfile>(names, std::vector<bool>(d, true), profile_options(options));
  if (!data.labels.empty()) result.truth.emplace();
  std::vector<CellValue> row(d);
  for (std::size_t i = 0; i < data.size(); ++i) {
    for (std::size_t j = 0; j < d; ++j) row[j] = {CellValue::Kind::number, values[i * d + j], {}};
    SemiLabel label = SemiLabel::unlabelled;
    if (!data.labels.empty()) {
      label = data.labels[i] == TrueLabel::normal ? SemiLabel::normal : SemiLabel::anomaly;
      count(*result.truth, label);
    }
    result.profile->add(row, label, i + 1);
  }
  return result;
}

void require_rows(const CheckedTable& table) {
  if (table.profile->n_rows() > 0) return;
  throw DataError(fmt::format(
      "{}: holds no rows that can be read{}{}", table.name,
      table.bad_rows.empty() ? "" : "; the first: ", table.bad_rows.empty() ? "" : table.bad_rows[0]));
}

CheckedTable read_checked(const std::string& path, const DataCheckOptions& options, bool is_other) {
  if (std::unique_ptr<ByteStream> text = open_text(path))
    return read_text(std::move(text), options, is_other);
  return read_numbers(path, options);
}

std::string column_kind(const ColumnProfile& column, const std::string& role) {
  if (!role.empty()) return role;
  if (column.n_numbers + column.n_texts == 0) return "empty";
  if (column.n_texts == 0) return "number";
  if (column.n_numbers > 0) return "mixed";
  return column.n_dates == column.n_texts ? "date" : "text";
}

ColumnSummary summary_of(const TableProfile& profile, std::size_t j, const std::string& role) {
  const ColumnProfile& column = profile.columns()[j];
  ColumnSummary summary{
      .name = column.name, .kind = column_kind(column, role), .n_missing = column.n_missing};
  std::unordered_map<std::uint64_t, bool> distinct;
  for (std::size_t i = 0; i < profile.rows().size(); ++i) {
    const SampleCell cell = profile.cell(profile.rows(), i, j);
    if (!cell.is_missing()) distinct.try_emplace(cell.bits(), true);
  }
  summary.n_distinct = distinct.size();
  if (column.n_numbers == 0) return summary;
  const std::vector<double> values = sorted_numbers(profile, profile.rows(), j);
  summary.min = column.min;
  summary.max = column.max;
  if (!values.empty()) summary.median = quantile_of(values, 0.5);
  return summary;
}

// Notes of one kind on many columns become one.
void merge_notes(std::vector<DataFinding>& findings) {
  constexpr std::size_t kMostOfAKind = 5, kShown = 3;
  std::vector<DataFinding> merged;
  for (DataFinding& finding : findings) {
    const auto n = static_cast<std::size_t>(std::ranges::count(findings, finding.name, &DataFinding::name));
    if (finding.severity != Severity::note || finding.columns.size() != 1 || n <= kMostOfAKind) {
      merged.push_back(finding);
      continue;
    }
    const auto first = std::ranges::find(merged, finding.name, &DataFinding::name);
    if (first == merged.end()) {
      merged.push_back(finding);
      merged.back().seen = fmt::format("{} columns: {}: {}", n, finding.columns[0], finding.seen);
      continue;
    }
    first->columns.push_back(finding.columns[0]);
    if (first->columns.size() <= kShown)
      first->seen += fmt::format("; {}: {}", finding.columns[0], finding.seen);
    if (first->columns.size() == n) first->seen += "; ...";
  }
  findings = std::move(merged);
}

class Checker {
 public:
  Checker(const CheckedTable& table, DataCheck& check)
      : table_(table), profile_(*table.profile), check_(check) {}

  void find() {
    find_bad_rows();
    find_copies();
    find_label_defects();
    find_column_defects(profile_, table_.semi || table_.truth, check_.findings);
    if (table_.semi || table_.truth) find_label_leaks(profile_, check_.findings);
    say_what_labels_allow();
  }

  void compare(const CheckedTable& other) {
    find_common_rows(other);
    compare_columns(other);
  }

 private:
  void add(const char* name, Severity severity, std::vector<std::string> columns, std::string seen,
           const char* why, std::string advice) {
    check_.findings.push_back({name, severity, std::move(columns), std::move(seen), why, std::move(advice)});
  }

  void find_bad_rows() {
    if (table_.n_bad_rows > 0) {
      std::string list;
      for (const std::string& row : table_.bad_rows) list += (list.empty() ? "" : "; ") + row;
      add("bad_rows", Severity::problem, {},
          fmt::format("{} rows cannot be read: {}", table_.n_bad_rows, list),
          "Training refuses the file at the first of them; scoring can set them aside (--rejects).",
          "repair these lines, or the export: an unquoted separator or quote is the usual cause");
    }
    if (profile_.n_empty_rows() > 0) {
      add("empty_rows", Severity::warning, {},
          fmt::format("{} rows have no value in any feature", profile_.n_empty_rows()),
          "They say nothing, and together they look like a dense group of normal rows.", "remove them");
    }
  }

  void find_copies() {
    // Row numbers make all rows different.
    const std::vector<std::size_t> ids =
        profile_.is_whole() ? id_like_columns(profile_) : std::vector<std::size_t>{};
    const RowSketch::Copies copies =
        ids.empty() ? profile_.sketch().copies() : profile_.sketch_without(ids).copies();
    const char* about = profile_.sketch().scale() > 1 ? "about " : "";
    const char* apart = ids.empty() ? "" : " (columns that look like ids apart)";
    check_.n_duplicates = copies.n_copies;
    constexpr double kManyCopies = 0.01;
    constexpr std::uint64_t kFewCopies = 3;
    if (copies.n_copies > kFewCopies &&
        static_cast<double>(copies.n_copies) >= kManyCopies * static_cast<double>(profile_.n_rows())) {
      add("duplicate_rows", Severity::warning, {},
          fmt::format("{}{} of {} rows ({}) are copies of another{}, such as lines {} and {}; the commonest "
                      "row is there "
                      "{} times",
                      about, copies.n_copies, profile_.n_rows(),
                      short_percent_text(copies.n_copies, profile_.n_rows()), apart, copies.first_line,
                      copies.second_line, copies.largest),
          "A random split puts copies on both sides: the test then asks for rows that were trained on. And "
          "what was "
          "copied weighs more in training.",
          "remove copies that come from the export or a join; if equal rows are different events, split by "
          "time or "
          "source instead of by chance");
    }
    if (copies.n_clashing > 0) {
      add("label_clash", Severity::warning, {},
          fmt::format(
              "{}{} rows have the same features as rows of the other label{}, such as lines {} and {}", about,
              copies.n_clashing, apart, copies.first_clash_line, copies.second_clash_line),
          "No model can tell them apart: one of the labels is wrong, or the features that would explain it "
          "are missing.",
          "check these labels; a few in a hundred cost accuracy, more make the labelled anomalies pull both "
          "ways");
    }
  }

  void find_label_defects() {
    if (table_.truth && (table_.truth->normal == 0 || table_.truth->anomaly == 0)) {
      add("one_class_truth", Severity::warning, {},
          fmt::format("true labels: {} normal, {} anomalous", table_.truth->normal, table_.truth->anomaly),
          "AUC, precision and recall are not defined without both kinds.",
          "nothing if the rows are for training or calibration; for a test add rows of the other kind");
    }
    const LabelCounts& counts = table_.truth ? *table_.truth : table_.semi ? *table_.semi : LabelCounts{};
    const std::uint64_t n = profile_.n_rows();
    if (2 * counts.anomaly > n) {
      add("anomalies_in_majority", Severity::warning, {},
          fmt::format("{} of {} rows ({}) are anomalous", counts.anomaly, n,
                      short_percent_text(counts.anomaly, n)),
          "Anomaly detection learns what most rows look like. The labels may be swapped: 1 means anomaly in "
          "some tools "
          "and normal in others.",
          "check --label-map; if anomalies really are the most, train a classifier");
    }
    constexpr std::size_t kFewLabels = 10;
    if (table_.semi && table_.semi->anomaly > 0 && table_.semi->anomaly < kFewLabels) {
      add("few_labelled_anomalies", Severity::note, {},
          fmt::format("{} of {} rows are labelled anomalous", table_.semi->anomaly, n),
          "So few say little about anomalies in general, and the model may learn these very rows.",
          "label more of different kinds, or hold the gain against a run without labels");
    }
  }

  // Rows that a false-alarm rate can be promised with.
  void say_what_labels_allow() {
    const std::uint64_t n = profile_.n_rows();
    std::vector<std::string>& allow = check_.allowances;
    const LabelCounts* labels = table_.truth ? &*table_.truth : table_.semi ? &*table_.semi : nullptr;
    // Calibration rows are known normals or, without any, rows that are not known to be anomalous.
    const bool known = labels != nullptr && labels->normal > 0;
    const std::uint64_t n_normal = known ? labels->normal : n - (labels != nullptr ? labels->anomaly : 0);
    constexpr std::uint64_t kHeldOutOf = 5;
    const std::uint64_t held_out = n_normal / kHeldOutOf;
    if (held_out > 0) {
      std::string rates;
      for (const double rate : {0.1, 0.05, 0.01, 0.001})
        if (calibration_rows_needed(rate) <= held_out)
          rates += fmt::format("{}{} %", rates.empty() ? "" : ", ", 100 * rate);
      allow.push_back(
          fmt::format("Thresholds: a fifth of the {} {} rows is {} for calibration. That is enough to "
                      "promise false-alarm rates down "
                      "to {:.3g} %{}; 1 % needs 99 rows, 0.1 % needs 999.",
                      n_normal,
                      known               ? "normal"
                      : labels != nullptr ? "other"
                                          : "unlabelled",
                      held_out, 100.0 / static_cast<double>(held_out + 1),
                      rates.empty() ? "" : " (of the usual ones: " + rates + ")"));
    }
    if (table_.semi) {
      const double share = static_cast<double>(table_.semi->anomaly) / static_cast<double>(n);
      if (table_.semi->anomaly == 0) {
        allow.push_back(
            "Training: no anomaly is labelled, so that Deep SAD is Deep SVDD; labelled normal rows weigh "
            "more "
            "than unlabelled ones, no more.");
      } else {
        allow.push_back(fmt::format(
            "Training: {} labelled anomalies are {:.3g} % of the rows, {:.2g} in a batch of {}. {}",
            table_.semi->anomaly, 100 * share, share * kBatchSize, kBatchSize,
            share >= kSmallestShareInPaper ? "In the paper's experiments labels helped from 1 % on."
                                           : "The paper's experiments begin at 1 %; below that expect little "
                                             "from them: raise --eta, and compare "
                                             "with a run without labels."));
      }
    } else if (table_.truth) {
      allow.push_back("Training: no column of labels that the training may see was named (--label-column).");
    } else {
      allow.push_back(
          "Training: no labels, so that Deep SAD is Deep SVDD. Nothing here can tell leaks of a label.");
    }
    if (labels != nullptr && labels->anomaly > 0) {
      const std::size_t tested = std::max<std::size_t>(1, labels->anomaly * 2 / 5);
      const Interval range = clopper_pearson(tested * 4 / 5, tested);
      allow.push_back(
          fmt::format("Evaluation: two fifths of the anomalies are {} test rows. If {} of them are found, "
                      "the recall lies "
                      "between {:.0f} % and {:.0f} % (95 % confidence).",
                      tested, tested * 4 / 5, 100 * range.low, 100 * range.high));
    }
  }

  void find_common_rows(const CheckedTable& other) {
    const RowSketch::Common common = profile_.sketch().common_rows(other.profile->sketch());
    check_.n_in_other = common.n_rows;
    if (common.n_rows == 0) return;
    constexpr double kManyRows = 0.01;
    const std::uint64_t n = other.profile->n_rows();
    const bool many = static_cast<double>(common.n_rows) >= kManyRows * static_cast<double>(n);
    add("rows_in_both", many ? Severity::problem : Severity::note, {},
        fmt::format("{} of {} rows of {} ({}) are in {}, too, such as its line {} and line {} here",
                    common.n_rows, n, other.name, short_percent_text(common.n_rows, n), table_.name,
                    common.other_line, common.line),
        "A test on rows that were trained on says nothing about new rows.",
        many ? "remove them from one of the two files"
             : "nothing, if so few may be equal by chance; else remove them from one of the two files");
  }

  void compare_columns(const CheckedTable& other) {
    const auto& theirs = other.profile->columns();
    for (std::size_t j = 0; j < profile_.columns().size(); ++j) {
      if (!profile_.is_feature(j)) continue;
      const ColumnProfile& column = profile_.columns()[j];
      const auto found = std::ranges::find(theirs, column.name, &ColumnProfile::name);
      if (found == theirs.end()) {
        add("missing_column", Severity::problem, {column.name}, fmt::format("not in {}", other.name),
            "A model trained on one of the files refuses the other.",
            "rename or add it, or leave it out of both");
        continue;
      }
      const auto k = static_cast<std::size_t>(found - theirs.begin());
      if ((column.n_numbers > column.n_texts) != (found->n_numbers > found->n_texts) &&
          found->n_numbers + found->n_texts > 0 && column.n_numbers + column.n_texts > 0) {
        add("retyped_column", Severity::problem, {column.name},
            fmt::format("{} here, {} in {}", column.n_numbers > column.n_texts ? "numbers" : "texts",
                        found->n_numbers > found->n_texts ? "numbers" : "texts", other.name),
            "A model trained on one of the files cannot read the other.", "write both alike");
        continue;
      }
      if (column.n_numbers > column.n_texts) find_drift(other, j, k);
    }
    for (std::size_t k = 0; k < theirs.size(); ++k) {
      if (!other.profile->is_feature(k) ||
          std::ranges::find(profile_.columns(), theirs[k].name, &ColumnProfile::name) !=
              profile_.columns().end())
        continue;
      add("missing_column", Severity::problem, {theirs[k].name}, fmt::format("in {} only", other.name),
          "A model trained on one of the files refuses the other.",
          "rename or remove it, or leave it out of both");
    }
  }

  void find_drift(const CheckedTable& other, std::size_t j, std::size_t k) {
    const std::vector<double> a = sorted_numbers(profile_, profile_.rows(), j),
                              b = sorted_numbers(*other.profile, other.profile->rows(), k);
    if (a.empty() || b.empty()) return;
    // Large enough to matter, and beyond chance in all columns together.
    constexpr double kMatters = 0.15, kChance = 1e-6;
    const double largest = kolmogorov_smirnov_distance(a, b);
    const double chance = kolmogorov_smirnov_p_value(largest, a.size(), b.size()) *
                          static_cast<double>(profile_.columns().size());
    if (largest < kMatters || chance > kChance) return;
    add("drift", Severity::warning, {profile_.columns()[j].name},
        fmt::format("medians {:.6g} here and {:.6g} in {}; the two distributions differ by up to {:.0f} % of "
                    "the rows "
                    "(Kolmogorov-Smirnov)",
                    quantile_of(a, 0.5), quantile_of(b, 0.5), other.name, 100 * largest),
        "Rows of the other file will look unusual for this alone, and thresholds lose their promise.",
        "if one file is meant to be like the other, look for a changed unit or source; if the world changed, "
        "train anew");
  }

  const CheckedTable& table_;
  const TableProfile& profile_;
  DataCheck& check_;
};

}  // namespace

const char* severity_name(Severity severity) {
  switch (severity) {
    case Severity::note:
      return "note";
    case Severity::warning:
      return "warning";
    default:
      return "problem";
  }
}

std::optional<Severity> DataCheck::worst() const {
  if (findings.empty()) return {};
  return std::ranges::max_element(findings, {}, &DataFinding::severity)->severity;
}

namespace {

DataCheck checked(CheckedTable table, const CheckedTable* other) {
  require_rows(table);
  table.profile->finish();
  DataCheck check{.file = table.name,
                  .n_rows = table.profile->n_rows(),
                  .n_bad_rows = table.n_bad_rows,
                  .n_sampled = table.profile->rows().size()};
  check.semi = table.semi;
  check.truth = table.truth;
  for (std::size_t j = 0; j < table.profile->columns().size(); ++j)
    check.columns.push_back(summary_of(*table.profile, j, table.roles[j]));
  Checker checker(table, check);
  checker.find();
  if (other != nullptr) checker.compare(*other);
  merge_notes(check.findings);
  std::ranges::stable_sort(check.findings, std::greater(), &DataFinding::severity);
  return check;
}

}  // namespace

DataCheck check_data(const std::string& path, const DataCheckOptions& options, const std::string& against) {
  CheckedTable table = read_checked(path, options, false);
  if (against.empty()) return checked(std::move(table), nullptr);
  CheckedTable other = read_checked(against, options, true);
  require_rows(other);
  other.profile->finish();
  return checked(std::move(table), &other);
}

DataCheck check_data(std::unique_ptr<ByteStream> in, const DataCheckOptions& options) {
  return checked(read_text(std::move(in), options, false), nullptr);
}

}  // namespace deepsad
