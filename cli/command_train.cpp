// deepsad train: options from command line, config file and preset; one library call; a run folder.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <future>
#include <iterator>
#include <map>
#include <optional>

#include "commands.h"
#include "deepsad/core/error.h"
#include "deepsad/core/percent_text.h"
#include "deepsad/core/random.h"
#include "deepsad/model/options_file.h"
#include "deepsad/model/own_file.h"
#include "deepsad/model/train_options.h"
#include "deepsad/model/train_run.h"
#include "deepsad/model/unused_options.h"
#include "deepsad/nn/generative_network.h"
#include "deepsad/report/run_report.h"
#include "deepsad/report/training_curve.h"
#include "deepsad/storage/atomic_file.h"
#include "deepsad/storage/run_folder.h"
#include "option_text.h"
#include "run_log.h"
#include "shared_options.h"
#include "train_grid.h"

namespace deepsad::cli {
namespace {

// The positional arguments and the option that says the same.
struct PositionalOption {
  const char* positional;
  const char* option;
};
constexpr PositionalOption kPositionalOptions[] = {
    {"DATASET", "dataset"}, {"NETWORK", "network"}, {"DATA", "data_dir"}};

// @param method what a baseline command trains; "" = what --method says
OptionLayer given_options(const Arguments& arguments, const std::string& method) {
  OptionLayer layer = command_line_layer(arguments);
  if (!method.empty()) {
    if (arguments.has("method") && arguments.text("method") != method)
      throw InvalidArgument(
          fmt::format("--method: this command trains {}; `deepsad train --method {}` trains the other",
                      method, arguments.text("method")));
    if (!arguments.has("method")) layer.push_back({find_train_option("method"), method, "the command"});
  }
  for (const auto& [positional, name] : kPositionalOptions) {
    if (!arguments.has(positional)) continue;
    if (arguments.has(name))
      throw InvalidArgument(
          fmt::format("--{} and the argument {} say the same; give one of them", name, positional));
    layer.push_back({find_train_option(name), arguments.text(positional), positional});
  }
  return layer;
}

// Config file and command line, in this order. @param method as given_options()
std::vector<OptionLayer> option_layers(const Arguments& arguments, const std::string& method) {
  if (arguments.has("load_model"))
    throw InvalidArgument(
        "--load-model: training always starts anew; use `deepsad evaluate MODEL` or `deepsad score MODEL "
        "FILE` for a "
        "stored model");
  std::vector<OptionLayer> layers;
  if (arguments.has("config")) layers.push_back(read_options_file(arguments.text("config")));
  layers.push_back(given_options(arguments, method));
  return layers;
}

void complete(TrainOptions& options, const Arguments& arguments) {
  if (options.dataset.empty())
    throw InvalidArgument(
        "nothing to train on is given; `deepsad train FILE` takes one's own table, `deepsad train DATASET` a "
        "set with a name, which `deepsad data list` shows");
  if (options.data_dir.empty()) options.data_dir = data_dir(arguments);
}

constexpr const char* kCheckpoint = "checkpoint.safetensors";
// What may be given along with --resume besides where and how to compute.
constexpr std::string_view kWithResume[] = {"resume", "model", "quiet", "verbose"};

// Refuses what would change the run that is to go on.
void check_resumable(const Arguments& arguments) {
  for (const std::string& name : arguments.names()) {
    const OptionDeclaration* option = find_train_option(name);
    if ((option != nullptr && option->of_the_machine && name != "preset") ||
        std::find(std::begin(kWithResume), std::end(kWithResume), name) != std::end(kWithResume))
      continue;
    const bool is_positional = name.front() >= 'A' && name.front() <= 'Z';
    throw InvalidArgument(
        fmt::format("{}: --resume goes on with one run, and with the options that it was begun with (its "
                    "config.json); leave this one out",
                    is_positional ? name : "--" + dashed(name)));
  }
}

// The options of the broken-off run, as its config.json holds them, under what may be given anew.
TrainOptions resumed_options(const Arguments& arguments) {
  return merge_options(
      {read_options_file(arguments.text("resume") + "/config.json"), command_line_layer(arguments)});
}

void write_config(RunFolder& folder, const TrainOptions& options) {
  try {
    folder.write("config.json", options_to_json(options));
  } catch (const Error&) {
    folder.abandon();
    throw;
  }
}

void log_options(RunLog& log, const TrainOptions& options, bool on_console) {
  for (const OptionDeclaration& option : train_option_declarations()) {
    const std::string line = fmt::format("{}: {}", option.name, option_value_text(option.get(options)));
    if (on_console)
      log.message(LogLevel::info, line);
    else
      log.keep(LogLevel::info, line);
  }
}

std::string own_text(const OwnResult& own) {
  const OwnRows& rows = *own.rows;
  std::string text =
      fmt::format("rows               {} to train on, {} to calibrate, {} to test\n",
                  rows.parts.training.size(), rows.parts.calibration.size(), rows.parts.test.size());
  if (own.at_threshold) {
    const ThresholdMetrics& m = *own.at_threshold;
    text += fmt::format(
        "at the threshold   {} of {} anomalies found, {} false alarms among {} normal rows\n"
        "                   precision {}, recall {}, F1 {}, false-alarm rate {}\n",
        m.true_alarms, m.true_alarms + m.missed, m.false_alarms, m.false_alarms + m.quiet,
        percent_text(m.precision), percent_text(m.recall), percent_text(m.f1),
        percent_text(m.false_alarm_rate));
  }
  if (own.decision.threshold)
    text += fmt::format("threshold          {:.6g} ({})\n", own.decision.threshold->value,
                        threshold_request_text(own.decision.threshold->request));
  for (const std::string& note : own.notes) text += note + "\n";
  return text;
}

std::string names_of(const std::vector<Finding>& findings) {
  std::string names;
  for (const Finding& finding : findings) names += (names.empty() ? "" : ", ") + finding.name;
  return names;
}

// "orders" for "data/orders.csv.gz".
std::string stem(const std::string& dataset) {
  if (!is_own_file(dataset)) return dataset;
  std::filesystem::path path = std::filesystem::path(dataset).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  const std::string name = path.filename().string();
  const std::string word = name.substr(0, name.find('.', 1));
  return dataset == "-" || word.empty() || word == "." || word == ".." ? "own" : word;
}

// Reads one's own file, says what was found in it, and puts the options that its shape suggests below those
// that were given.
OwnFile open_own_file(const Arguments& arguments, TrainOptions& options, std::vector<OptionLayer> layers,
                      RunLog& log) {
  if (arguments.has("resume") && options.dataset == "-")
    throw InvalidArgument("--resume: the rows came from standard input, which cannot be read again");
  if (!options.seed) options.seed = seed_from_entropy();
  OwnFile file = read_own_file(options);
  if (file.rows->schema) {
    const Schema& schema = file.rows->schema->schema;
    std::string text = schema.describe();
    text.pop_back();
    constexpr std::size_t kMostColumns = 60;
    if (schema.columns().size() <= kMostColumns) {
      log.message(LogLevel::info, text);
    } else {
      log.keep(LogLevel::info, text);
      log.message(LogLevel::info,
                  fmt::format("{} columns, {} features", schema.columns().size(), schema.n_features()));
    }
  }
  if (arguments.has("write_schema")) {
    if (!file.rows->schema)
      throw InvalidArgument(fmt::format("--write-schema: {} holds images, which have none", options.dataset));
    write_file(arguments.text("write_schema"), file.rows->schema->schema.to_toml());
  }
  if (arguments.has("resume")) return file;
  OptionLayer suggested;
  std::vector<SuggestedOption> suggestions = suggested_options(options, file);
  for (const SuggestedOption& suggestion : suggestions) suggested.push_back(suggestion.assignment);
  layers.insert(layers.begin(), std::move(suggested));
  const std::uint64_t seed = *options.seed;
  const std::string data_folder = options.data_dir;
  options = merge_options(layers);
  options.seed = seed;
  options.data_dir = data_folder;
  for (const SuggestedOption& suggestion : suggestions) {
    const OptionDeclaration& option = *suggestion.assignment.option;
    if (!why_unused(option.name, options).empty() || option.get(options) != suggestion.assignment.value)
      continue;
    log.message(LogLevel::info,
                fmt::format("chosen from the data: {} {} ({})", option.name,
                            option_value_text(suggestion.assignment.value), suggestion.reason));
  }
  if (options.scaling == "auto" && file.rows->schema && options.init.empty())
    log.message(
        LogLevel::info,
        fmt::format("chosen from the data: scaling {} ({})", resolved_scaling(options),
                    is_generative_method(options.method) ? "the decoder gives values in [0, 1]"
                                                         : "a table; --scaling robust or quantile suit "
                                                           "features with wild values"));
  return file;
}

// What the shapes of one's own files suggest to the runs of a grid. A file is read once for all runs that
// differ in the seed or in nothing that has a say in how it is divided.
class SuggestionsOfFiles {
 public:
  OptionLayer operator()(const TrainOptions& options) {
    OptionLayer layer;
    if (!is_own_file(options.dataset) || options.dataset == "-") return layer;
    std::string key = options.dataset;
    const std::string& group = find_train_option("label_column")->group;
    for (const OptionDeclaration& option : train_option_declarations())
      if (option.group == group || option.name == "threshold" || option.name == "init")
        key += fmt::format("\n{}={}", option.name, option_value_text(option.get(options)));
    auto found = files_.find(key);
    if (found == files_.end()) found = files_.emplace(std::move(key), read_own_file(options)).first;
    for (const SuggestedOption& suggestion : suggested_options(options, found->second))
      layer.push_back(suggestion.assignment);
    return layer;
  }

 private:
  std::map<std::string, OwnFile> files_;
};

// What going on from a model changed; nothing for other runs.
std::string warm_start_text(const TrainRun& run) {
  if (!run.warm_start) return "";
  std::string text;
  if (!run.test.rows.empty()) {
    text = fmt::format("test AUC before    {}, average precision {} ({})\n",
                       percent_text(run.warm_start->before.roc_auc),
                       percent_text(run.warm_start->before.average_precision), run.options.init);
  }
  const auto add = [&](const std::optional<KeptLabels>& kept, const char* what) {
    if (!kept) return;
    text += fmt::format("its {} mean rank {:.3f}, was {:.3f} ({} rows, {} much worse)\n", what,
                        kept->rank_after, kept->rank_before, kept->n_rows, kept->n_worse);
  };
  add(run.warm_start->anomalies, "anomalies     ");
  add(run.warm_start->normals, "normal rows   ");
  return text;
}

}  // namespace

RunFolder claim_folder(const Arguments& arguments, const TrainOptions& options) {
  if (arguments.has("out") && arguments.has("OUT"))
    throw InvalidArgument("--out and the argument OUT say the same; give one of them");
  const std::string out = arguments.text("out", arguments.text("OUT"));
  if (out.empty())
    return RunFolder::create_beside(fmt::format("runs/{}-{}", stem(options.dataset), options.method));
  return arguments.flag("new_run") ? RunFolder::create_beside(out) : RunFolder::create(out);
}

namespace {

// Refuses options that no run looks at; the published programs take them, so that their commands get a
// warning.
// @param given the command line and what it varies
void judge_unused(const OptionLayer& given, const std::vector<TrainOptions>& runs, bool published,
                  RunLog& log) {
  if (!published) return refuse_unused(given, runs);
  for (const std::string& unused : unused_options(given, runs)) log.message(LogLevel::warning, unused);
}

// @param published whether the command is one of the published programs, which take options without a use
int train_with(const Arguments& arguments, const std::vector<OptionLayer>& layers, bool published,
               Console& console) {
  if (arguments.flag("verbose")) console.set_verbosity(Verbosity::verbose);
  if (arguments.flag("quiet")) console.set_verbosity(Verbosity::quiet);
  const bool resumes = arguments.has("resume");
  if (resumes) check_resumable(arguments);
  if (arguments.has("seeds") || arguments.has("vary")) {
    std::vector<VariedRun> runs = grid_runs(arguments, layers, SuggestionsOfFiles());
    for (VariedRun& run : runs) {
      if (run.options.checkpoint_every > 0)
        throw InvalidArgument(
            "--checkpoint-every: is for one run; the runs of --seeds and --vary begin anew, run by run");
      complete(run.options, arguments);
    }
    OptionLayer given = layers.back();
    std::vector<TrainOptions> options;
    for (const VariedRun& run : runs) {
      given.insert(given.end(), run.varied.begin(), run.varied.end());
      options.push_back(run.options);
    }
    RunLog log(console);
    judge_unused(given, options, published, log);
    for (const char* option : {"model", "write_schema"})
      if (arguments.has(option))
        throw InvalidArgument(fmt::format("--{} is for one run, not for --seeds and --vary", dashed(option)));
    return train_grid(arguments, std::move(runs), console);
  }
  if (arguments.has("jobs"))
    throw InvalidArgument("--jobs is for several runs; give --seeds or --vary as well");
  TrainOptions options = resumes ? resumed_options(arguments) : merge_options(layers);
  complete(options, arguments);
  for (const char* option : {"model", "write_schema"}) require_new_file(arguments, option);
  // With --model alone nothing but the model is left.
  const bool has_folder = resumes || !arguments.has("model") || arguments.has("out") || arguments.has("OUT");
  if (!has_folder && options.checkpoint_every > 0)
    throw InvalidArgument("--checkpoint-every: checkpoints lie in the run folder; give --out, too");
  if (arguments.has("write_schema") && !is_own_file(options.dataset))
    throw InvalidArgument(
        fmt::format("--write-schema: {} is a data set with a name, which has no schema", options.dataset));
  std::optional<RunCheckpoint> checkpoint;
  if (resumes || options.checkpoint_every > 0)
    checkpoint.emplace(options.checkpoint_every > 0 ? options.checkpoint_every : options.n_epochs + 1);
  const StopToken& stop = stop_on_signals();
  RunLog log(console);
  if (!resumes) judge_unused(layers.back(), {options}, published, log);
  std::optional<RunFolder> folder;
  std::future<void> pictures;  // what drawing needs comes while the network trains
  const auto on_resolved = [&](const TrainOptions& resolved) {
    if (!has_folder) {
      log_options(log, resolved, console.verbosity() == Verbosity::verbose);
      return;
    }
    folder = resumes ? RunFolder::resume(arguments.text("resume")) : claim_folder(arguments, resolved);
    if (!resumes) write_config(*folder, resolved);
    log.open(*folder);
    if (checkpoint) checkpoint->open(folder->file(kCheckpoint));
    log_options(log, resolved, console.verbosity() == Verbosity::verbose);
    if (!is_shallow_method(resolved.method))
      pictures = std::async(std::launch::async | std::launch::deferred, prepare_training_curve);
  };
  try {
    std::optional<OwnFile> own;
    if (is_own_file(options.dataset)) own = open_own_file(arguments, options, layers, log);
    RunCheckpoint* const progress = checkpoint ? &*checkpoint : nullptr;
    const TrainRun run = own ? train_run(options, *own, log.observer(), &stop, on_resolved, progress)
                             : train_run(options, log.observer(), &stop, on_resolved, progress);
    own.reset();
    if (folder) write_run(*folder, run);
    if (arguments.has("model")) run.model->save(arguments.text("model"));
    if (checkpoint) (void)std::remove(folder->file(kCheckpoint).c_str());  // of no use any more
    const bool tested = !run.own || run.own->rows->has_truth;
    if (tested)
      log.keep(LogLevel::info, fmt::format("test AUC {}, average precision {}", run.metrics.roc_auc,
                                           run.metrics.average_precision));
    if (run.own)
      for (const std::string& note : run.own->notes) log.keep(LogLevel::info, note);
    std::string text = tested ? metrics_text(run.metrics) : "";
    text += warm_start_text(run);
    if (run.own) text += own_text(*run.own);
    if (arguments.has("model")) text += fmt::format("model              {}\n", arguments.text("model"));
    if (folder)
      text += fmt::format("run folder         {}\npage               {}\n", folder->path(),
                          folder->file("page.html"));
    console.print(text);
    if (options.strict && !run.findings.empty()) {
      console.say(fmt::format("deepsad: error: --strict: checks that failed: {}{}", names_of(run.findings),
                              folder ? "; see " + folder->file("log.txt") : ""));
      return kCheckFailed;
    }
    return kDone;
  } catch (const std::exception& error) {
    // What is whole stays: the folder has its config and log, and no results.json, so nobody takes it for a
    // finished run.
    if (folder) {
      console.note(fmt::format("deepsad: {} keeps what was written until here", folder->path()));
      if (checkpoint && dynamic_cast<const Interrupted*>(&error) != nullptr)
        console.note(fmt::format("deepsad: go on with `deepsad train --resume {}`", folder->path()));
      log.keep_if_possible(LogLevel::warning, error.what());
    }
    throw;
  }
}

}  // namespace

int run_train(const Arguments& arguments, Console& console) {
  return train_with(arguments, option_layers(arguments, ""), arguments.has("NETWORK"), console);
}

int run_baseline_semidgm(const Arguments& arguments, Console& console) {
  std::vector<OptionLayer> layers = option_layers(arguments, "");
  // The published program tells M2 from M1+M2 by the network's name.
  std::string network;
  for (const OptionLayer& layer : layers) {
    for (const OptionAssignment& given : layer) {
      if (given.option->name == "network") network = option_value_text(given.value);
      if (given.option->name == "method")
        throw InvalidArgument(
            fmt::format("{}: the network's name says the method of `deepsad baseline semidgm`; leave it out",
                        given.place));
    }
  }
  const std::optional<GenerativeKind> kind = generative_kind_of(network);
  if (!kind || *kind == GenerativeKind::vae)
    throw InvalidArgument(
        fmt::format("NETWORK: got \"{}\", wanted SET_DGM_M2 or SET_DGM_M1M2, SET the data set's name; with "
                    "other networks use "
                    "`deepsad train --method dgm_m2` or dgm_m1m2",
                    network));
  layers.insert(layers.begin(),
                OptionLayer{{find_train_option("method"),
                             std::string(*kind == GenerativeKind::m2 ? "dgm_m2" : "dgm_m1m2"), "NETWORK"}});
  return train_with(arguments, layers, true, console);
}

int run_baseline_ocsvm(const Arguments& arguments, Console& console) {
  return train_with(arguments, option_layers(arguments, "oc_svm"), true, console);
}

int run_baseline_isoforest(const Arguments& arguments, Console& console) {
  return train_with(arguments, option_layers(arguments, "isolation_forest"), true, console);
}

int run_baseline_kde(const Arguments& arguments, Console& console) {
  return train_with(arguments, option_layers(arguments, "kde"), true, console);
}

int run_baseline_ssad(const Arguments& arguments, Console& console) {
  return train_with(arguments, option_layers(arguments, "ssad"), true, console);
}

}  // namespace deepsad::cli
