// deepsad score: a stored model on new rows or images.
#include <fmt/format.h>

#include <limits>

#include "commands.h"
#include "deepsad/core/error.h"
#include "deepsad/core/parallel.h"
#include "deepsad/data/file_formats.h"
#include "deepsad/data/row_file.h"
#include "deepsad/model/table_scorer.h"
#include "deepsad/storage/byte_stream.h"
#include "follow_scores.h"
#include "option_text.h"
#include "scored_output.h"
#include "shared_options.h"
#include "table_options.h"

namespace deepsad::cli {
namespace {

// Rows of a text table that are parsed, scored and written together: enough to keep all threads busy.
constexpr std::size_t kChunkRows = 8192;

std::optional<double> fdr_option(const Arguments& arguments, const Model& model) {
  if (!arguments.has("fdr")) return {};
  const auto level = parse_number(arguments.text("fdr"));
  if (!level || !(*level > 0 && *level < 1))
    throw InvalidArgument(fmt::format("--fdr: got \"{}\", wanted a share above 0 and below 1, such as 0.05",
                                      arguments.text("fdr")));
  if (!model.decision().calibration)
    throw InvalidArgument(
        "--fdr: the false-discovery rate is controlled by p-values, which come from calibration rows, and "
        "the model has "
        "none");
  return level;
}

// Scores on their way to the output; with --fdr they wait for the last one, because q-values depend on all.
class Results {
 public:
  Results(ScoredOutput& output, ScoreColumns columns, std::optional<double> fdr)
      : output_(output), columns_(columns), fdr_(fdr), text_(scores_csv_header(columns)) {}
  void add(ScoredRows rows, std::vector<std::string> names) {
    if (!fdr_) {
      write(rows, names, {});
      return;
    }
    waiting_.scores.insert(waiting_.scores.end(), rows.scores.begin(), rows.scores.end());
    waiting_.anomalous.insert(waiting_.anomalous.end(), rows.anomalous.begin(), rows.anomalous.end());
    waiting_.p_values.insert(waiting_.p_values.end(), rows.p_values.begin(), rows.p_values.end());
    std::move(names.begin(), names.end(), std::back_inserter(waiting_names_));
  }
  void finish() {
    if (fdr_) write(waiting_, waiting_names_, {benjamini_hochberg_adjusted(waiting_.p_values), *fdr_});
    output_.append(text_);
    output_.finish();
  }

 private:
  void write(const ScoredRows& rows, std::span<const std::string> names, const BatchDecisions& batch) {
    append_scores_csv(rows, names, columns_, batch, text_);
    output_.append(text_);
    text_.clear();
  }

  ScoredOutput& output_;
  ScoreColumns columns_;
  std::optional<double> fdr_;
  ScoredRows waiting_;
  std::vector<std::string> waiting_names_;
  std::string text_;  // not written yet: the header, until there are rows
};

TableRowOptions row_options(const Arguments& arguments) {
  return {.text = delimited_options(table_options(arguments)), .reject_rows = arguments.has("rejects")};
}

// Rows of any length, chunk by chunk. @returns rows set aside
std::uint64_t score_text(TableScorer scorer, const Arguments& arguments, Console& console, Results& results,
                         ThreadPool& pool) {
  const auto rejects =
      arguments.has("rejects") ? std::make_unique<NewFile>(arguments.text("rejects")) : nullptr;
  if (rejects) rejects->append(kRejectsHeader);
  note_messages(arguments.text("FILE"), scorer.messages(), console);
  std::uint64_t n_rejected = 0;
  ScoredChunk chunk;
  while (scorer.next(kChunkRows, chunk, pool)) {
    for (const RejectedRow& row : chunk.rejected) rejects->append(rejects_csv_line(row));
    n_rejected += chunk.rejected.size();
    if (chunk.rows.size() > 0) results.add(std::move(chunk.rows), std::move(chunk.names));
  }
  for (const std::string& message : scorer.unseen_messages()) console.note("deepsad: warning: " + message);
  if (rejects) rejects->commit();
  return n_rejected;
}

// Arrays and images, whole.
ScoredRows score_samples(const Model& model, const Arguments& arguments,
                         const std::optional<Threshold>& threshold, ThreadPool& pool) {
  for (const char* name : {"rejects", "separator", "header", "skip_lines"})
    if (arguments.has(name))
      throw InvalidArgument(
          fmt::format("--{}: is for text tables, and {} is none", dashed(name), arguments.text("FILE")));
  RowFileOptions options;
  options.samples.member = arguments.text("member");
  options.samples.mat.samples = arguments.text("mat_variable", options.samples.mat.samples);
  if (!model.schema()) {
    return decide(model, model.score(read_samples(arguments.text("FILE"), options.samples), pool), threshold);
  }
  options.table.schema = model.schema()->schema;
  const Table table = read_rows(arguments.text("FILE"), options);
  return score_and_decide(model, raw_rows(table.data), threshold, pool);
}

}  // namespace

int run_score(const Arguments& arguments, Console& console) {
  if (arguments.flag("quiet")) console.set_verbosity(Verbosity::quiet);
  for (const char* option : {"out", "rejects"}) require_new_file(arguments, option);
  require_different_files(arguments, "out", "rejects");
  const auto model = std::make_shared<const Model>(Model::load(model_path(arguments)));
  if (arguments.flag("follow")) return follow_scores(arguments, model, console);
  for (const char* name : {"drift_alpha", "exit_on_drift"})
    if (arguments.has(name))
      throw InvalidArgument(fmt::format("--{}: is for streams; give --follow, too", dashed(name)));
  ThreadPool pool(threads(arguments));
  const std::optional<Threshold> threshold = threshold_option(arguments, *model);
  const std::optional<double> fdr = fdr_option(arguments, *model);
  std::unique_ptr<ByteStream> text = arguments.has("member") ? nullptr : open_text(arguments.text("FILE"));
  ScoredOutput output(arguments.text("out"), console);
  Results results(output, score_columns(*model, threshold, fdr.has_value()), fdr);
  std::uint64_t n_rejected = 0;
  if (text) {
    text->set_max_bytes(std::numeric_limits<std::uint64_t>::max());  // nothing is kept
    n_rejected = score_text(TableScorer(model, std::move(text), threshold, row_options(arguments)), arguments,
                            console, results, pool);
  } else {
    ScoredRows rows = score_samples(*model, arguments, threshold, pool);
    std::vector<std::string> names;
    for (std::size_t i = 0; i < rows.size(); ++i) names.push_back(std::to_string(i));
    results.add(std::move(rows), std::move(names));
  }
  results.finish();
  if (n_rejected > 0)
    console.note(fmt::format("deepsad: warning: {} rows could not be used; they are in {}, with reasons",
                             n_rejected, arguments.text("rejects")));
  return kDone;
}

}  // namespace deepsad::cli
