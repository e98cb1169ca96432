#include "train_grid.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <memory>
#include <optional>
#include <set>

#include "commands.h"
#include "deepsad/core/csv_text.h"
#include "deepsad/core/error.h"
#include "deepsad/core/random.h"
#include "deepsad/core/words.h"
#include "deepsad/experiment/grid.h"
#include "deepsad/model/options_file.h"
#include "deepsad/model/train_many.h"
#include "deepsad/report/run_report.h"
#include "deepsad/storage/run_folder.h"
#include "run_log.h"
#include "shared_options.h"

namespace deepsad::cli {
namespace {

constexpr std::size_t kMaxRuns = 100'000;

std::optional<std::uint64_t> whole_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

// One axis of the grid: an option and the values it takes.
struct Axis {
  const OptionDeclaration* option;
  std::vector<std::string> values;
};

std::vector<Axis> parse_axes(const Arguments& arguments) {
  std::vector<Axis> axes;
  for (const std::string& word : arguments.words("vary")) {
    const std::size_t equals = word.find('=');
    if (equals == std::string::npos)
      throw InvalidArgument(
          fmt::format("--vary: got \"{}\", wanted NAME=VALUE,VALUE,... such as eta=0.1,1,10", word));
    const std::string name = word.substr(0, equals);
    const OptionDeclaration* option = find_train_option(name);
    if (option == nullptr) {
      std::vector<std::string> known;
      for (const OptionDeclaration& declaration : train_option_declarations())
        known.push_back(declaration.name);
      const std::string near = nearest_name(name, known.data(), known.size());
      throw InvalidArgument(fmt::format("--vary: unknown option \"{}\"{}", name,
                                        near.empty() ? "" : fmt::format(", did you mean \"{}\"?", near)));
    }
    if (option->name == "seed") throw InvalidArgument("--vary seed: use --seeds 1-10");
    if (option->type == OptionType::integer_list)
      throw InvalidArgument(fmt::format(
          "--vary {}: an option that is a list cannot be varied; give a config file for each", name));
    for (const Axis& axis : axes)
      if (axis.option == option) throw InvalidArgument(fmt::format("--vary {}: given twice", name));
    axes.push_back({option, comma_words(word.substr(equals + 1))});
  }
  return axes;
}

// A value as part of a folder's name.
std::string folder_word(std::string text) {
  for (char& c : text)
    if (c == '/' || c == ' ') c = '-';
  return text;
}

struct Outcome {
  bool finished = false;
  double roc_auc = 0, average_precision = 0, train_seconds = 0;
  std::uint64_t seed = 0;
  std::vector<std::string> findings;
  std::string error;
};

std::string number_or_empty(double value) {
  return std::isnan(value) ? "" : fmt::format("{}", value);
}

std::string summary_csv(const std::vector<VariedRun>& runs, const std::vector<Outcome>& outcomes) {
  std::string text = "folder,setting,seed,test_auc,test_average_precision,train_time,findings,error\n";
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const Outcome& o = outcomes[i];
    const bool done = o.finished;
    text +=
        fmt::format("{},{},{},{},{},{},{},{}\n", csv_field(runs[i].name), csv_field(runs[i].setting), o.seed,
                    done ? number_or_empty(o.roc_auc) : "", done ? number_or_empty(o.average_precision) : "",
                    done ? fmt::format("{}", o.train_seconds) : "",
                    csv_field(fmt::format("{}", fmt::join(o.findings, " "))), csv_field(o.error));
  }
  return text;
}

// "97.40 ± 1.50": mean and standard deviation (divisor n - 1) in percent.
std::string mean_and_spread(const std::vector<double>& values) {
  if (values.empty()) return "-";
  double mean = 0, squares = 0;
  for (const double v : values) mean += v / static_cast<double>(values.size());
  for (const double v : values) squares += (v - mean) * (v - mean);
  if (values.size() == 1) return fmt::format("{:.2f}", 100 * mean);
  return fmt::format("{:.2f} ± {:.2f}", 100 * mean,
                     100 * std::sqrt(squares / static_cast<double>(values.size() - 1)));
}

// Settings in their order; runs whose AUC is undefined do not enter a mean.
std::string summary_table(const std::vector<VariedRun>& runs, const std::vector<Outcome>& outcomes) {
  std::vector<std::string> settings;
  std::size_t width = std::string_view("setting").size();
  for (const VariedRun& run : runs) {
    if (std::find(settings.begin(), settings.end(), run.setting) == settings.end())
      settings.push_back(run.setting);
    width = std::max(width, run.setting.size());
  }
  std::string text = fmt::format("{:<{}}  {:>5}  {:>16}  {:>20}\n", "setting", width, "runs", "test AUC %",
                                 "average precision %");
  for (const std::string& setting : settings) {
    std::vector<double> auc, precision;
    std::size_t n = 0;
    for (std::size_t i = 0; i < runs.size(); ++i) {
      if (runs[i].setting != setting || !outcomes[i].finished) continue;
      ++n;
      if (!std::isnan(outcomes[i].roc_auc)) auc.push_back(outcomes[i].roc_auc);
      if (!std::isnan(outcomes[i].average_precision)) precision.push_back(outcomes[i].average_precision);
    }
    text += fmt::format("{:<{}}  {:>5}  {:>16}  {:>20}\n", setting.empty() ? "-" : setting, width, n,
                        mean_and_spread(auc), mean_and_spread(precision));
  }
  return text;
}

}  // namespace

std::vector<VariedRun> grid_runs(const Arguments& arguments, const std::vector<OptionLayer>& layers,
                                 const SuggestOptions& suggest) {
  if (arguments.has("seeds") && arguments.has("seed"))
    throw InvalidArgument("--seed and --seeds say the same; give one of them");
  const std::vector<Axis> axes = parse_axes(arguments);
  std::vector<std::uint64_t> seeds;
  if (arguments.has("seeds")) {
    try {
      seeds = parse_seeds(arguments.text("seeds"));
    } catch (const InvalidArgument& error) {
      throw InvalidArgument(fmt::format("--seeds: {}", error.what()));
    }
  }
  std::size_t n = std::max<std::size_t>(1, seeds.size());
  for (const Axis& axis : axes) {
    n *= axis.values.size();
    if (n > kMaxRuns) throw InvalidArgument(fmt::format("--vary: more than {} runs", kMaxRuns));
  }
  std::vector<VariedRun> runs;
  for (std::size_t k = 0; k < n; ++k) {
    VariedRun run;
    std::vector<OptionLayer> all = layers;
    OptionLayer varied;
    std::size_t rest = k / std::max<std::size_t>(1, seeds.size());
    std::vector<std::size_t> position(axes.size());
    for (std::size_t a = axes.size(); a-- > 0;) {
      position[a] = rest % axes[a].values.size();
      rest /= axes[a].values.size();
    }
    for (std::size_t a = 0; a < axes.size(); ++a) {
      const OptionDeclaration& option = *axes[a].option;
      const std::string& value = axes[a].values[position[a]];
      const std::string place = fmt::format("--vary {}", option.name);
      try {
        varied.push_back({&option, parse_option_value(option, {value}), place});
      } catch (const InvalidArgument& error) {
        throw InvalidArgument(fmt::format("{}: {}", place, error.what()));
      }
      run.setting += fmt::format("{}{}-{}", run.setting.empty() ? "" : "_", option.name, folder_word(value));
    }
    run.varied = varied;
    all.push_back(std::move(varied));
    run.options = merge_options(all);
    // Without --seeds all settings have the same seed, so that they differ in nothing else.
    if (seeds.empty()) seeds.push_back(run.options.seed.value_or(seed_from_entropy()));
    run.options.seed = seeds[k % seeds.size()];
    all.insert(all.begin(), suggest(run.options));
    run.options = merge_options(all);
    run.options.seed = seeds[k % seeds.size()];
    run.name = fmt::format("{}{}seed-{}", run.setting, run.setting.empty() ? "" : "_", *run.options.seed);
    runs.push_back(std::move(run));
  }
  std::set<std::string> names;
  for (const VariedRun& run : runs)
    if (!names.insert(run.name).second)
      throw InvalidArgument(fmt::format("--vary: the same value is given twice ({})", run.name));
  return runs;
}

int train_grid(const Arguments& arguments, std::vector<VariedRun> runs, Console& console) {
  ManyRunsLimits limits;
  if (arguments.has("jobs")) {
    const auto jobs = whole_number(arguments.text("jobs"));
    if (!jobs)
      throw InvalidArgument(fmt::format("--jobs: got \"{}\", wanted a whole number", arguments.text("jobs")));
    limits.n_jobs = *jobs;
  }
  const StopToken& stop = stop_on_signals();
  std::vector<TrainOptions> options;
  for (const VariedRun& run : runs) options.push_back(run.options);

  RunLog log(console);
  std::optional<RunFolder> folder;
  std::vector<std::optional<RunFolder>> run_folders(runs.size());
  std::vector<std::unique_ptr<RunLog>> run_logs(runs.size());
  std::vector<Outcome> outcomes(runs.size());
  std::size_t n_ended = 0;
  const auto ended = [&](std::size_t i, const std::string& what) {
    ++n_ended;
    log.message(LogLevel::info, fmt::format("run {}/{} | {} | {}", n_ended, runs.size(), runs[i].name, what));
  };

  ManyRunsCallbacks callbacks;
  callbacks.on_planned = [&](const ManyRunsPlan& plan) {
    folder = claim_folder(arguments, options.front());
    log.open(*folder);
    log.message(LogLevel::info, fmt::format("{} runs, {} at a time with {} thread{} each; about {} MB a run",
                                            runs.size(), plan.n_jobs, plan.threads_per_run,
                                            plan.threads_per_run == 1 ? "" : "s", plan.bytes_per_run >> 20));
  };
  callbacks.on_resolved = [&](std::size_t i, const TrainOptions& resolved) {
    run_folders[i] = RunFolder::create(folder->file(runs[i].name));
    run_logs[i] = std::make_unique<RunLog>(console);
    run_logs[i]->open(*run_folders[i]);
    run_folders[i]->write("config.json", options_to_json(resolved));
    outcomes[i].seed = *resolved.seed;
  };
  callbacks.on_progress = [&](std::size_t i, const Progress& progress) {
    if (run_logs[i]) run_logs[i]->keep(LogLevel::info, epoch_line(progress));
  };
  callbacks.on_message = [&](std::size_t i, LogLevel level, const std::string& text) {
    if (run_logs[i]) run_logs[i]->keep(level, text);
    if (level == LogLevel::warning) log.message(level, fmt::format("{}: {}", runs[i].name, text));
  };
  callbacks.on_finished = [&](std::size_t i, const TrainRun& run) {
    write_run(*run_folders[i], run);
    Outcome& outcome = outcomes[i];
    outcome.finished = true;
    outcome.roc_auc = run.metrics.roc_auc;
    outcome.average_precision = run.metrics.average_precision;
    outcome.train_seconds = run.train_seconds;
    for (const Finding& finding : run.findings) outcome.findings.push_back(finding.name);
    ended(i, fmt::format("test AUC {:.2f} %", 100 * run.metrics.roc_auc));
    run_logs[i].reset();
    run_folders[i].reset();
  };
  callbacks.on_failed = [&](std::size_t i, const std::string& error) {
    outcomes[i].error = error;
    outcomes[i].seed = runs[i].options.seed.value_or(0);
    if (run_logs[i]) run_logs[i]->keep_if_possible(LogLevel::warning, error);
    ended(i, "failed: " + error);
  };
  try {
    train_many(options, limits, callbacks, &stop);
  } catch (const std::exception& error) {
    if (folder) {
      console.note(fmt::format("deepsad: {} keeps what was written until here", folder->path()));
      log.keep_if_possible(LogLevel::warning, error.what());
    }
    throw;
  }
  folder->write("summary.csv", summary_csv(runs, outcomes));
  console.print(summary_table(runs, outcomes));
  console.print(fmt::format("run folders  {}\n", folder->path()));

  const auto failed =
      std::count_if(outcomes.begin(), outcomes.end(), [](const Outcome& o) { return !o.finished; });
  if (failed > 0) {
    console.say(fmt::format("deepsad: error: {} of {} runs failed; {} says why", failed, runs.size(),
                            folder->file("summary.csv")));
    return kFailure;
  }
  const bool found =
      std::any_of(outcomes.begin(), outcomes.end(), [](const Outcome& o) { return !o.findings.empty(); });
  if (options.front().strict && found) {
    console.say(
        fmt::format("deepsad: error: --strict: checks failed; {} names them", folder->file("summary.csv")));
    return kCheckFailed;
  }
  return kDone;
}

}  // namespace deepsad::cli
