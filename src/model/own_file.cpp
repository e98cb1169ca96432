#include "deepsad/model/own_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <utility>

#include "data/cell_text.h"
#include "deepsad/core/error.h"
#include "deepsad/core/words.h"
#include "deepsad/model/model_rows.h"
#include "deepsad/storage/atomic_file.h"
#include "deepsad/storage/run_folder.h"
#include "model/data_source.h"
#include "model/train_on_source.h"
#include "model/warm_start.h"

namespace deepsad {
namespace {

std::vector<std::string> words_of(const std::string& list) {
  std::vector<std::string> words = comma_words(list);
  std::erase(words, "");
  return words;
}

std::optional<char> separator_of(const std::string& name) {
  return name == "auto" ? std::nullopt : std::optional(separator_from_name(name));
}

std::optional<bool> header_of(const std::string& word) {
  return word == "auto" ? std::nullopt : std::optional(word == "true");
}

LabelMap label_map(const std::string& text, const char* option) {
  if (text.empty()) return {};
  try {
    return LabelMap::parse(text);
  } catch (const InvalidArgument& error) {
    throw InvalidArgument(fmt::format("option {}: {}", option, error.what()));
  }
}

Schema schema_from_file(const std::string& path) {
  const std::vector<std::uint8_t> bytes = read_file(path);
  return Schema::from_toml(std::string(bytes.begin(), bytes.end()), path);
}

std::string base_name(const std::string& path) {
  if (path == "-") return "standard input";
  std::filesystem::path plain = std::filesystem::path(path).lexically_normal();
  if (!plain.has_filename()) plain = plain.parent_path();  // "images/"
  return plain.filename().string();
}

// The columns of labels that a model was trained with need not be in every file.
void say_what_is_not_labelled(const Model& start, OwnRows& rows) {
  if (!start.schema()) return;
  for (const ColumnSchema& column : start.schema()->schema.columns()) {
    if (column.kind == ColumnKind::label && !rows.has_labels)
      rows.messages.push_back(fmt::format(
          "there is no column {}, which labelled rows of the model to go on from; no row is labelled",
          shown(column.name)));
    if (column.kind == ColumnKind::truth && !rows.has_truth)
      rows.messages.push_back(
          fmt::format("there is no column {}, which held the true labels; no row is held out for a test",
                      shown(column.name)));
  }
}

// Takes rows that the schema refuses out of the parts that are held out.
void leave_out(const std::vector<RefusedRow>& refused, OwnRows& rows) {
  if (refused.empty()) return;
  for (std::vector<std::uint32_t>* part : {&rows.parts.calibration, &rows.parts.test}) {
    std::erase_if(*part, [&](std::uint32_t row) {
      return std::ranges::binary_search(refused, row, {}, &RefusedRow::row);
    });
  }
  rows.left_out = refused;
  rows.messages.push_back(
      fmt::format("{} held-out row{} left out, because no training row is like {}: {}; to have such values "
                  "accepted, write the schema with --write-schema, change it, and give it with --schema",
                  refused.size(), refused.size() == 1 ? " is" : "s are", refused.size() == 1 ? "it" : "them",
                  refused.front().reason));
}

}  // namespace

RowFileOptions row_file_options(const TrainOptions& options) {
  RowFileOptions file;
  TableOptions& table = file.table;
  table.separator = separator_of(options.separator);
  table.header = header_of(options.header);
  table.skip_lines = options.skip_lines;
  table.label_column = options.label_column;
  table.truth_column = options.truth_column;
  table.id_column = options.id_column;
  table.labels_path = options.label_file;
  table.label_map = label_map(options.label_map, "label_map");
  table.truth_map = options.truth_map.empty() ? table.label_map : label_map(options.truth_map, "truth_map");
  table.ignore_columns = words_of(options.ignore_columns);
  table.category_columns = words_of(options.category_columns);
  if (!options.schema.empty()) table.schema = schema_from_file(options.schema);
  if (!options.missing_words.empty()) table.missing_words = words_of(options.missing_words);
  table.dates = options.dates;
  file.samples.mat.samples = options.samples;
  if (const std::optional<ImageSize> size = parse_image_size(options.image_size)) {
    file.samples.images.height = size->height;
    file.samples.images.width = size->width;
  }
  file.samples.images.fit = options.image_fit == "stretch" ? ImageFit::stretch
                            : options.image_fit == "crop"  ? ImageFit::crop
                                                           : ImageFit::exact;
  return file;
}

OwnFile read_own_file(const TrainOptions& options) {
  if (!options.seed) throw InvalidArgument("[read_own_file] the options have no seed");
  RowFileOptions file_options = row_file_options(options);
  std::optional<Model> start;
  if (!options.init.empty()) {
    start.emplace(Model::load(model_file(options.init)));
    file_options = with_schema_of(*start, std::move(file_options));
  }
  auto rows = std::make_shared<OwnRows>();
  rows->name = base_name(options.dataset);
  const bool best_f1 = options.threshold == threshold_kind_name(ThresholdKind::best_f1);
  const auto choose = [&](const Table& table) {
    rows->semi = table.semi;
    rows->has_labels = !table.semi.empty();
    rows->has_truth = !table.truth.empty();
    const std::size_t n = table.lines.size();
    rows->semi.resize(n, SemiLabel::unlabelled);
    rows->parts = hold_out(rows->semi, table.truth,
                           {.test_share = options.test_share,
                            .calibration_share = options.calibration_share,
                            .calibrate_on_anomalies = best_f1},
                           *options.seed, options.dataset);
    std::vector<bool> is_training(n);
    for (const std::uint32_t row : rows->parts.training) is_training[row] = true;
    return is_training;
  };
  Table table = read_rows(options.dataset, file_options, choose);
  rows->lines = std::move(table.lines);
  rows->messages = std::move(table.messages);
  if (start) say_what_is_not_labelled(*start, *rows);
  leave_out(table.refused, *rows);
  if (!table.data.is_image()) {
    rows->schema = TableSchema{.schema = std::move(table.schema),
                               .label_map = file_options.table.label_map,
                               .truth_map = file_options.table.truth_map,
                               .source = rows->name};
  }
  auto source = std::make_shared<SourceData>();
  source->train = std::move(table.data);
  source->train.labels = std::move(table.truth);
  if (start) {
    ThreadPool pool(options.num_threads);
    train_on_seen_rows(*start, options.init, source->train, *rows, pool);
  }
  source->checksum = data_checksum(source->train, source->train.labels, rows->semi);
  source->own = rows;
  return {.seed = *options.seed, .rows = rows, .data = std::move(source)};
}

std::vector<SuggestedOption> suggested_options(const TrainOptions& options, const OwnFile& file) {
  std::vector<SuggestedOption> suggestions;
  if (options.preset != "none" || (is_shallow_method(options.method) && !options.hybrid)) return suggestions;
  // Deep SAD and Deep SVDD draw everything towards one point, in the end also what is anomalous; methods that
  // learn to reconstruct gain from long training.
  const bool one_class = options.method == "deep_sad" || options.method == "deep_svdd";
  // On images they do so more slowly than they learn, given a low rate.
  const bool slowly = one_class && file.data->train.is_image();
  constexpr double kSlowRate = 1e-4;
  constexpr std::size_t kBatchesAnEpoch = 16, kLargestBatch = 128, kSmallestBatch = 16;
  constexpr std::size_t kOneClassSteps = 300, kPretrainingSteps = 1000, kSteps = 2000;
  const std::size_t n = file.rows->parts.training.size();
  const std::size_t batch = std::clamp(std::bit_floor(std::max<std::size_t>(1, n / kBatchesAnEpoch)),
                                       kSmallestBatch, kLargestBatch);
  const std::size_t steps_an_epoch = (n + batch - 1) / batch;
  const auto suggest = [&](const char* name, const OptionValue& value, const std::string& reason) {
    suggestions.push_back({{find_train_option(name), value, "chosen from the data"}, reason});
  };
  const auto suggest_epochs = [&](const char* name, std::size_t steps, std::size_t fewest, std::size_t most) {
    const std::size_t epochs = std::clamp((steps + steps_an_epoch - 1) / steps_an_epoch, fewest, most);
    suggest(name, static_cast<std::int64_t>(epochs),
            fmt::format("{} steps of {} rows an epoch, {} steps in all", steps_an_epoch, batch,
                        epochs * steps_an_epoch));
  };
  for (const char* name : {"batch_size", "ae_batch_size", "vae_batch_size"})
    suggest(name, static_cast<std::int64_t>(batch), fmt::format("{} training rows", n));
  if (!options.init.empty()) return suggestions;  // few epochs go on from a trained model
  if (slowly) {
    for (const char* name : {"lr", "ae_lr"}) suggest(name, kSlowRate, "images");
  }
  const bool few = one_class && !slowly;
  suggest_epochs("n_epochs", few ? kOneClassSteps : kSteps, one_class ? 10 : 20, few ? 50 : 200);
  const std::size_t before = few || options.hybrid ? kPretrainingSteps : kSteps;
  suggest_epochs("ae_n_epochs", before, 30, 200);
  suggest_epochs("vae_n_epochs", before, 30, 200);
  return suggestions;
}

TrainRun train_run(const TrainOptions& options, const OwnFile& file, const Observer& observer,
                   const StopToken* stop, const std::function<void(const TrainOptions&)>& on_resolved,
                   RunCheckpoint* checkpoint) {
  validate(options);
  if (options.seed != file.seed)
    throw InvalidArgument(fmt::format("[train_run] the file was divided with seed {}, not the options' {}",
                                      file.seed, options.seed.value_or(0)));
  ThreadPool pool(options.num_threads);
  SharedWork alone;
  alone.checkpoint = checkpoint;
  return train_on_source(file.data, options, 0, pool, observer, stop, on_resolved, alone);
}

}  // namespace deepsad
