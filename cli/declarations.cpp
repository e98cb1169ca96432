// What each command accepts: the arguments and options of the whole program, in one place.
#include "commands.h"
#include "shared_options.h"
#include "table_options.h"

namespace deepsad::cli {
namespace {

constexpr const char* kBaselineDetails =
    "The arguments and options of the published programs baseline_ocsvm.py, baseline_isoforest.py, "
    "baseline_kde.py\n"
    "and baseline_ssad.py; otherwise as `deepsad train --method`, whose options it takes, too.\n"
    "\n"
    "  deepsad baseline ssad mnist OUT DATA --kernel rbf --kappa 1.0 --ratio_known_outlier 0.01 \\\n"
    "    --n_known_outlier_classes 1";

constexpr const char* kTrainDetails =
    "Of one's own table: infers what its columns mean, holds rows out to choose a threshold on (and, with\n"
    "--truth-column, to test on), and trains on the rest. Labels are not needed, but a few help much.\n"
    "\n"
    "  deepsad train orders.csv --label-column status -o orders.deepsad\n"
    "  deepsad train orders.csv --label-column code --label-map '1=anomaly,0=normal,=unlabeled' --out run\n"
    "\n"
    "Of a data set with a name: splits it, builds the semi-supervised training set, pretrains an "
    "autoencoder,\n"
    "trains the detector, scores the test part, and leaves all of it in a new run folder:\n"
    "config.json, log.txt, results.json, scores.csv, model.safetensors, pictures. Nothing is overwritten.\n"
    "\n"
    "  deepsad train glyphs --n-known-outlier-classes 1 --ratio-known-outlier 0.05\n"
    "  deepsad train mnist --normal-class 3 --data-dir DATA --preset paper\n"
    "  deepsad train --config RUN/config.json\n"
    "  deepsad train cardio --seeds 1-10 --vary lr=0.001,0.0001\n"
    "\n"
    "With NETWORK, OUT and DATA it takes the arguments of the published Deep SAD program.";

constexpr const char* kSemiDgmDetails =
    "Takes the arguments of the published program baseline_SemiDGM: `deepsad train` with the method that "
    "the\n"
    "network's name says (dgm_m2, dgm_m1m2). M1+M2 trains its VAE first (--pretrain, --vae-...); M2 has "
    "none.\n"
    "\n"
    "  deepsad baseline semidgm mnist mnist_DGM_M1M2 OUT DATA --pretrain True --ratio_known_outlier 0.05\n"
    "      --n_known_outlier_classes 1";

// What `deepsad train` and `deepsad baseline` share: where the run goes, and every option of a training run.
std::vector<Option> run_options() {
  std::vector<Option> options = {
      {.name = "out",
       .value = "DIR",
       .help = "run folder; must be missing or empty",
       .default_text = "runs/DATASET-METHOD, then -2, -3, ...",
       .range = "a folder",
       .group = "Output"},
      {.name = "model",
       .value = "FILE",
       .help = "write the model into a new file; without --out nothing else is left",
       .default_text = "none: model.safetensors in the run folder",
       .range = "a file that does not exist",
       .group = "Output",
       .short_name = "o"},
      {.name = "write_schema",
       .value = "FILE",
       .help = "write the schema of one's own table into a new TOML file, to change it and give it with "
               "--schema",
       .default_text = "none",
       .range = "a file that does not exist",
       .group = "Output"},
      {.name = "new_run",
       .help = "if the run folder holds something, make a new one beside it: DIR-2, DIR-3, ...",
       .default_text = "false",
       .range = "true or false",
       .group = "Output"},
      {.name = "seeds",
       .value = "LIST",
       .help = "a run for each of these seeds, side by side, each in a folder of its own below the run "
               "folder",
       .default_text = "none",
       .range = "numbers and ranges: 1-10,20",
       .group = "Several runs"},
      {.name = "vary",
       .value = "NAME=LIST",
       .help = "a run for each of these values of an option, eta=0.1,1,10; given several times: every "
               "combination",
       .default_text = "none",
       .range = "an option and its values",
       .group = "Several runs",
       .repeatable = true},
      {.name = "jobs",
       .value = "N",
       .help = "runs at a time",
       .default_text = "as many as processors and memory allow",
       .range = ">= 1, or 0 for the default",
       .unit = "runs",
       .group = "Several runs"},
      {.name = "config",
       .aliases = {"load_config"},
       .value = "FILE",
       .help = "read options from a TOML or JSON file; the command line overrides it",
       .default_text = "none",
       .range = "a file",
       .group = "Output"},
      {.name = "resume",
       .value = "DIR",
       .help =
           "go on with a run that was broken off, with the options it was begun with, to the same bits as "
           "without a break; from its last checkpoint (--checkpoint-every), else from its start",
       .default_text = "none",
       .range = "the run's folder",
       .group = "Output"},
      {.name = "quiet",
       .help = "on standard error nothing but errors",
       .default_text = "false",
       .range = "true or false",
       .group = "Output",
       .short_name = "q"},
      {.name = "verbose",
       .help = "on standard error every epoch and the resolved options",
       .default_text = "false",
       .range = "true or false",
       .group = "Output",
       .short_name = "v"},
      {.name = "load_model",
       .value = "FILE",
       .help = "refused: training always starts anew; see `deepsad evaluate`",
       .default_text = "none",
       .range = "none",
       .group = "Output"}};
  for (const OptionDeclaration& declaration : train_option_declarations())
    options.push_back(command_line_option(declaration));
  return options;
}

constexpr const char* kStreams = "Streams";

Option subset_option() {
  return {.name = "subset",
          .value = "NAME",
          .help = "a [subset.NAME] of the file: fewer classes, seeds or columns",
          .default_text = "the whole grid",
          .range = "a subset of the file"};
}

Command with_options(Command command, const std::vector<Option>& options) {
  command.options.insert(command.options.end(), options.begin(), options.end());
  return command;
}

Option store_option() {
  return {.name = "store",
          .value = "FILE",
          .help = "where results are kept; experiments may share it, and with it their common runs",
          .default_text = "runs/experiments.sqlite",
          .range = "a file, not on a network file system"};
}

Command declare_baseline(const char* name, const char* summary) {
  return {.name = name,
          .summary = summary,
          .details = kBaselineDetails,
          .positionals = {{"DATASET", "a named or built-in set; `deepsad data list` shows them", false},
                          {"OUT", "as --out", false},
                          {"DATA", "as --data-dir", false}},
          .options = run_options()};
}

}  // namespace

Command declare_baseline_semidgm() {
  Command command = declare_train();
  command.name = "baseline semidgm";
  command.summary = "Train a semi-supervised deep generative model, spelt as published.";
  command.details = kSemiDgmDetails;
  return command;
}

Command declare_train() {
  return {.name = "train",
          .summary = "Train a detector on one's own table or on a data set.",
          .details = kTrainDetails,
          .positionals = {{"DATASET",
                           "one's own file (with / or . in its path, - for standard input), or a set of "
                           "`deepsad data list`",
                           false},
                          {"NETWORK", "as --network", false},
                          {"OUT", "as --out", false},
                          {"DATA", "as --data-dir", false}},
          .options = run_options()};
}

Command declare_baseline_ocsvm() {
  return declare_baseline("baseline ocsvm", "Train a one-class SVM and evaluate it.");
}

Command declare_baseline_isoforest() {
  return declare_baseline("baseline isoforest", "Train an isolation forest and evaluate it.");
}

Command declare_baseline_kde() {
  return declare_baseline("baseline kde", "Estimate the density of a data set and evaluate it.");
}

Command declare_baseline_ssad() {
  return declare_baseline("baseline ssad", "Train kernel SSAD and evaluate it.");
}

Command declare_evaluate() {
  Command command = {
      .name = "evaluate",
      .summary = "Compare a stored model's scores with the truth.",
      .details =
          "On the test part of the set it was trained on: takes the split from the model, so that no "
          "training row is\n"
          "scored, and refuses data other than those it was trained on. The AUC of the run comes out again, "
          "to the last\n"
          "bit. Or on a file of one's own with a column of labels, read through the model's schema.\n"
          "\n"
          "AUC and average precision with bootstrap intervals; at the threshold false alarms, recall, "
          "precision and F1\n"
          "with exact intervals; each class, known and novel anomalies apart (docs/evaluation.md).\n"
          "\n"
          "  deepsad evaluate runs/cardio\n"
          "  deepsad evaluate runs/orders labelled.csv --truth-column fraud --truth-map 1=anomaly,0=normal",
      .positionals = {model_positional(),
                      {"DATA", "a file with labels, or the set the model was trained on; without it that set",
                       false}},
      .options = {
          data_dir_option(),
          threads_option(),
          {.name = "threshold",
           .value = "THRESHOLD",
           .help = "judge this threshold instead of the model's",
           .default_text = "the model's, if it has one",
           .range = "a score, target-fpr:RATE, quantile:Q, contamination:SHARE"},
          {.name = "bootstrap",
           .value = "N",
           .help = "repetitions behind the intervals of AUC and average precision; fewer for very many rows",
           .default_text = "1000",
           .range = "0 <= x <= 1000000; 0: no intervals",
           .unit = "repetitions"},
          {.name = "class_column",
           .value = "COLUMN",
           .help = "text files: report each text of this column by itself",
           .default_text = "the column of labels, if it has more than two texts",
           .range = "a name, or a position from 1"},
          {.name = "known_classes",
           .value = "LIST",
           .help = "files: classes whose anomalies training was shown, to tell known from novel anomalies",
           .default_text = "none",
           .range = "classes, separated by commas"},
          keep_training_rows_option(),
          {.name = "scores",
           .value = "FILE",
           .help = "write index, label, class and score of every test row to a new CSV file",
           .default_text = "none",
           .range = "a file that does not exist"},
          {.name = "page",
           .value = "FILE",
           .help = "data sets: write curves, histogram and pictures as a new HTML page",
           .default_text = "none",
           .range = "a file that does not exist"},
          {.name = "json", .help = "print JSON", .default_text = "false", .range = "true or false"}}};
  for (const Option& option : column_options())
    if (option.name.starts_with("label") || option.name.starts_with("truth"))
      command.options.push_back(option);
  const std::vector<Option> text = text_options();
  command.options.insert(command.options.end(), text.begin(), text.end());
  return command;
}

Command declare_score() {
  Command command = {
      .name = "score",
      .summary = "Score the rows or images of a file with a stored model.",
      .details =
          "FILE is delimited text (- for standard input), read row by row as the model's schema says, so "
          "that its\n"
          "length does not matter; or an MAT, NPY or NPZ table, IDX images, a CIFAR-10 batch, a folder of "
          "images. Its\n"
          "content tells which.\n"
          "\n"
          "Prints CSV (docs/score-output.md): row, score (the larger, the more anomalous); label, if there "
          "is a\n"
          "threshold; p_value, if the model is calibrated; q_value and fdr_label with --fdr.\n"
          "\n"
          "With --follow a line is out as soon as its row is in. SIGHUP reads the model anew, SIGINT and "
          "SIGTERM end it.\n"
          "\n"
          "  deepsad score runs/orders new.csv > scores.csv\n"
          "  tail -f live.csv | deepsad score runs/orders - --follow --rejects bad.csv\n"
          "  deepsad score runs/orders new.csv --threshold target-fpr:0.001 --rejects bad.csv -o scores.csv",
      .positionals = {model_positional(), {"FILE", "the samples", true}},
      .options = {
          {.name = "out",
           .value = "FILE",
           .help = "write a new file, which appears when it is complete",
           .default_text = "standard output",
           .range = "a file that does not exist",
           .short_name = "o"},
          {.name = "threshold",
           .value = "THRESHOLD",
           .help = "call rows of a larger score anomalous, instead of by the model's threshold",
           .default_text = "the model's, if it has one",
           .range = "a score, target-fpr:RATE, quantile:Q, contamination:SHARE"},
          {.name = "fdr",
           .value = "SHARE",
           .help =
               "add q_value and fdr_label: anomalies of this batch such that on average at most this share "
               "of them is normal (Benjamini-Hochberg); holds all scores in memory",
           .default_text = "none",
           .range = "0 < x < 1"},
          {.name = "rejects",
           .value = "FILE",
           .help = "set rows aside that cannot be used, with line and reason; else the first is an error",
           .default_text = "none",
           .range = "a file that does not exist"},
          {.name = "follow",
           .help = "score rows as they come, from a pipe or a file that grows, and watch for drift",
           .default_text = "false",
           .range = "true or false",
           .group = kStreams},
          {.name = "drift_alpha",
           .value = "SHARE",
           .help =
               "warn once when scores stop looking like those of the calibration rows; of streams without "
               "a change at most this share is warned of; 0: no test",
           .default_text = "0.001",
           .range = "0 <= x < 1",
           .group = kStreams},
          {.name = "exit_on_drift",
           .help = "end with code 5 at that warning",
           .default_text = "false",
           .range = "true or false",
           .group = kStreams},
          {.name = "member",
           .value = "NAME",
           .help = "which file of an archive to score",
           .default_text = "its only one",
           .range = "a file in the archive"},
          {.name = "mat_variable",
           .value = "NAME",
           .help = "array of a MAT or NPZ file that holds the samples, one a row",
           .default_text = "X",
           .range = "a variable of the file"},
          threads_option(),
          {.name = "quiet",
           .help = "on standard error nothing but errors",
           .default_text = "false",
           .range = "true or false",
           .short_name = "q"}}};
  const std::vector<Option> text = text_options();
  command.options.insert(command.options.end(), text.begin(), text.end());
  return command;
}

Command declare_threshold() {
  Command command{
      .name = "threshold",
      .summary = "Give a model another threshold, from other rows if wanted.",
      .details =
          "Scores ROWS, which training must not have seen, and chooses a threshold on them; without ROWS on "
          "the\n"
          "scores that the model keeps of its own calibration rows. Writes a new model; the old one stays\n"
          "(docs/thresholds.md).\n"
          "\n"
          "  deepsad threshold orders.deepsad --threshold target-fpr:0.001 -o strict.deepsad\n"
          "  deepsad threshold orders.deepsad june.csv --threshold best-f1 --label-column checked -o "
          "june.deepsad",
      .positionals = {model_positional(),
                      {"ROWS", "a table as the model was trained on, - for standard input", false}},
      .options = {
          {.name = "threshold",
           .value = "KIND:VALUE",
           .help = "score above which a row is called anomalous",
           .default_text = "auto",
           .range = "auto, none, target-fpr:RATE, quantile:Q, contamination:SHARE, best-f1 or manual:SCORE"},
          {.name = "calibration_contamination",
           .value = "SHARE",
           .help = "share of anomalies among the unlabelled rows: so many of the largest scores are left "
                   "out; auto: those that stand clear of the others",
           .default_text = "0",
           .range = "auto, or 0 <= x < 0.5"},
          {.name = "model",
           .value = "FILE",
           .help = "the new model; must be given",
           .default_text = "none",
           .range = "a file that does not exist",
           .short_name = "o"},
          {.name = "samples",
           .value = "NAME",
           .help = "variable of an NPZ or MAT file that holds the samples, one a row",
           .default_text = "X",
           .range = "a name"},
          keep_training_rows_option(),
          threads_option()}};
  for (Option option : column_options())
    if (option.name == "label_column" || option.name == "label_map")
      command.options.push_back(std::move(option));
  for (const Option& option : text_options()) command.options.push_back(option);
  return command;
}

Command declare_explain() {
  Command command{
      .name = "explain",
      .summary = "Show which columns or pixels make rows anomalous.",
      .details =
          "Compares each row with the nearest normal training rows that the model holds and says what each\n"
          "column contributes to the difference of the scores. FILE is as for `deepsad score`, or the name "
          "of\n"
          "a data set: of the model's own the held-out rows. Without --rows the most anomalous rows.\n"
          "\n"
          "  deepsad explain runs/cardio cardio --top 3\n"
          "  deepsad explain runs/mnist mnist --rows 5,17 --out why",
      .positionals = {model_positional(), {"FILE", "the samples, or a data set", true}},
      .options = {
          {.name = "rows",
           .value = "LIST",
           .help = "explain these rows, counted from 0",
           .default_text = "the rows of --top",
           .range = "numbers and ranges: 0,5,10-12"},
          {.name = "top",
           .value = "N",
           .help = "explain the N rows with the highest scores, the highest first",
           .default_text = "5",
           .range = "1 <= x <= 10000",
           .unit = "rows"},
          {.name = "attribution",
           .value = "METHOD",
           .help =
               "integrated-gradients: contributions sum to the score's difference; leave-one-out: what the "
               "score loses when a column gets a normal value; auto: the former where the score has a "
               "derivative (all but the isolation forest and some kernels of kde)",
           .default_text = "auto",
           .range = "one of auto, integrated-gradients, leave-one-out",
           .choices = {"auto", "integrated-gradients", "leave-one-out"}},
          {.name = "baselines",
           .value = "N",
           .help = "normal training rows to compare each row with, the nearest",
           .default_text = "5",
           .range = "1 <= x <= 1000",
           .unit = "rows"},
          {.name = "columns",
           .value = "N",
           .help = "columns shown in the table, the largest contributions; files and JSON have all",
           .default_text = "10; 5 pixels of images",
           .range = ">= 1"},
          {.name = "out",
           .value = "DIR",
           .help = "write explanations.json, explanations.csv and, of images, heat maps as PNG",
           .default_text = "none",
           .range = "a folder; nothing in it is overwritten",
           .short_name = "o"},
          {.name = "json", .help = "print JSON", .default_text = "false", .range = "true or false"},
          threads_option()}};
  return with_options(std::move(command), model_rows_option_list());
}

Command declare_doctor() {
  Command command{
      .name = "doctor",
      .summary = "Show what is wrong with a run, a model, or the rows that it is to score.",
      .details =
          "RUN is the folder of a finished run, or a model file. With FILE (as for `deepsad score`, or the "
          "name\n"
          "of a data set) also whether its rows differ from the training rows, or are training rows. Each\n"
          "finding says what was seen, why it matters and what to do.\n"
          "\n"
          "  deepsad doctor runs/cardio\n"
          "  deepsad doctor runs/cardio new.mat --strict",
      .positionals = {{"RUN", "a run folder, or a model.safetensors", true},
                      {"FILE", "rows that are scored, or a data set", false}},
      .options = {{.name = "json", .help = "print JSON", .default_text = "false", .range = "true or false"},
                  {.name = "strict",
                   .help = "end with exit code 5 if anything was found",
                   .default_text = "false",
                   .range = "true or false"},
                  threads_option()}};
  return with_options(std::move(command), model_rows_option_list());
}

Command declare_inspect() {
  return {
      .name = "inspect",
      .summary = "Show what a model file holds.",
      .details =
          "Method, network, scaler, class set-up, training summary and tensors. Nothing in the file is "
          "executed.",
      .positionals = {model_positional()},
      .options = {{.name = "json", .help = "print JSON", .default_text = "false", .range = "true or false"}}};
}

Command declare_export() {
  return {.name = "export",
          .summary = "Write a stored model as an ONNX file or a PyTorch checkpoint.",
          .details =
              "onnx   scaling, network, score and, if the model has a threshold, the label, and 32 probe "
              "rows with\n"
              "       their scores (docs/onnx.md). It is checked before it is written; --verify checks it "
              "again,\n"
              "       wherever it has been since, by computing its graph for these rows and comparing with "
              "MODEL.\n"
              "torch  a checkpoint that PyTorch and the published code read (docs/pytorch.md).\n"
              "\n"
              "  deepsad export runs/mnist --out model.onnx\n"
              "  deepsad export runs/mnist --verify model.onnx\n"
              "  deepsad export model.safetensors --to torch --out model.tar",
          .positionals = {model_positional()},
          .options = {{.name = "to",
                       .value = "KIND",
                       .help = "the kind of file",
                       .default_text = "by the ending of its name: .onnx; .tar, .pt, .pth",
                       .range = "onnx or torch",
                       .choices = {"onnx", "torch"}},
                      {.name = "out",
                       .value = "FILE",
                       .help = "the file to write",
                       .default_text = "none",
                       .range = "a file that does not exist",
                       .short_name = "o"},
                      {.name = "verify",
                       .value = "FILE",
                       .help = "check an exported ONNX file instead",
                       .default_text = "none",
                       .range = "an ONNX file of deepsad"},
                      threads_option()}};
}

Command declare_import() {
  std::vector<Option> options{{.name = "out",
                               .value = "FILE",
                               .help = "the model file to write",
                               .default_text = "none",
                               .range = "a file that does not exist",
                               .short_name = "o"}};
  for (const char* name :
       {"network", "dataset", "data_dir", "normal_class", "seed", "scaling", "num_threads"}) {
    options.push_back(command_line_option(*find_train_option(name)));
    options.back().group = "Options";
  }
  return {
      .name = "import",
      .summary = "Turn a checkpoint of the published PyTorch code into a model file.",
      .details =
          "FILE is a model.tar of the published Deep SAD or of its deep generative models, or what `deepsad\n"
          "export --to torch` wrote. Nothing in it is executed. The network is told by its tensors. A "
          "checkpoint\n"
          "does not say which data it belongs to; with --dataset (and --normal-class, for tables --seed, "
          "both as\n"
          "in the run) `deepsad evaluate` gives the AUC of the run. Without, images can be scored, and "
          "tables with\n"
          "--scaling none, whose rows must come scaled (docs/pytorch.md).\n"
          "\n"
          "  deepsad import model.tar --dataset mnist --normal-class 3 --data-dir DATA -o mnist.safetensors\n"
          "  deepsad import model.tar --dataset cardio --seed 1 --data-dir DATA -o cardio.safetensors",
      .positionals = {{"FILE", "a checkpoint", true}},
      .options = std::move(options)};
}

Command declare_experiment_run() {
  return {
      .name = "experiment run",
      .summary = "Train all runs of a grid that are not done yet.",
      .details =
          "GRID is a TOML file (docs/experiments.md). Results go at once into the store, so that the same\n"
          "command goes on after any interruption; a changed grid adds only what is new. Several processes\n"
          "may work on one store.\n"
          "\n"
          "  deepsad experiment run experiments/paper/classic.toml --subset laptop\n"
          "  deepsad experiment status experiments/paper/classic.toml",
      .positionals = {{"GRID", "a TOML file", true}},
      .options = {subset_option(),
                  store_option(),
                  data_dir_option(),
                  {.name = "jobs",
                   .value = "N",
                   .help = "runs at a time",
                   .default_text = "as many as processors and memory allow",
                   .range = ">= 1, or 0 for the default",
                   .unit = "runs"},
                  {.name = "retry_failed",
                   .help = "train runs that failed again",
                   .default_text = "false",
                   .range = "true or false"},
                  {.name = "dry_run",
                   .help = "show what would be trained, and train nothing",
                   .default_text = "false",
                   .range = "true or false"},
                  {.name = "serve",
                   .help = "also hand out runs to processes that --join; their command is printed",
                   .default_text = "false; true for rank 0 of mpirun",
                   .range = "true or false"},
                  {.name = "join",
                   .value = "ADDRESS",
                   .help = "train runs that the process at ADDRESS hands out; there is no store here",
                   .default_text = "none; rank 0 for the other ranks of mpirun",
                   .range = "as --serve prints it"},
                  {.name = "folders",
                   .value = "DIR",
                   .help = "leave the run folder of every run below this folder",
                   .default_text = "none",
                   .range = "a folder"},
                  {.name = "quiet",
                   .help = "on standard error nothing but errors",
                   .default_text = "false",
                   .range = "true or false",
                   .short_name = "q"}}};
}

Command declare_experiment_list() {
  return {.name = "experiment list",
          .summary = "List the runs of a grid, with their state.",
          .details = "CSV: one setup a line, with the identity and the state of the run that answers it.",
          .positionals = {{"GRID", "a TOML file", true}},
          .options = {subset_option(), store_option()}};
}

Command declare_experiment_status() {
  return {.name = "experiment status",
          .summary = "Show what of a grid is done, and why runs failed.",
          .details = "",
          .positionals = {{"GRID", "a TOML file", true}},
          .options = {subset_option(), store_option()}};
}

Command declare_data_list() {
  return {.name = "data list",
          .summary = "List the data sets that can be trained on by name.",
          .details = "",
          .positionals = {},
          .options = {data_dir_option()}};
}

Command declare_data_info() {
  return {.name = "data info",
          .summary = "Show shape, classes, counts and checksums of a data set.",
          .details = "Reads the files that are there to compare their content with the published one.",
          .positionals = {{"NAME", "a set of `deepsad data list`", true}},
          .options = {data_dir_option()}};
}

Command declare_data_fetch() {
  return {.name = "data fetch",
          .summary = "Download a data set.",
          .details =
              "A file gets its name only after its SHA-256 was found right; what was cut off is resumed by "
              "the next\n"
              "attempt; nothing that exists is overwritten.",
          .positionals = {{"NAME", "a set of `deepsad data list`", true}},
          .options = {data_dir_option(),
                      {.name = "mirror",
                       .value = "URL",
                       .help = "download from this folder instead of the known mirrors",
                       .default_text = "the known mirrors",
                       .range = "http:// or https://",
                       .repeatable = true},
                      {.name = "quiet",
                       .help = "on standard error nothing but errors",
                       .default_text = "false",
                       .range = "true or false",
                       .short_name = "q"}}};
}

Command declare_data_check() {
  Command command = {
      .name = "data check",
      .summary = "Look for what is wrong with a table before training on it.",
      .details =
          "Leaks of the label, copies, clashing labels, columns that say nothing or the wrong thing, and "
          "what the\n"
          "labels are enough for (docs/data-check.md). Reads a file of any size once, in bounded memory, and "
          "changes\n"
          "nothing.\n"
          "\n"
          "  deepsad data check orders.csv --label-column status\n"
          "  deepsad data check train.csv --against test.csv --truth-column fraud --truth-map "
          "1=anomaly,0=normal",
      .positionals = {{"FILE", "the table: delimited text (- for standard input), MAT, NPY or NPZ", true}},
      .options = {{.name = "against",
                   .value = "FILE",
                   .help = "another table, such as the test part: are rows in both, are columns alike?",
                   .default_text = "none",
                   .range = "a file"},
                  {.name = "json", .help = "print JSON", .default_text = "false", .range = "true or false"},
                  {.name = "strict",
                   .help = "exit with code 5 if there are warnings or problems",
                   .default_text = "false",
                   .range = "true or false"}}};
  for (const auto& group : {column_options(), text_options()})
    command.options.insert(command.options.end(), group.begin(), group.end());
  return command;
}

Command declare_experiment_report() {
  return {
      .name = "experiment report",
      .summary = "Make tables, statistics and a page of the runs in a store.",
      .details =
          "Writes report.html, tables.md, tables.tex, cells.csv, comparisons.csv and setups.csv: mean and\n"
          "standard deviation of each cell beside the paper's figures, tests between the methods, curves.\n"
          "Runs that have not ended yet are left out; the report can be made again at any time.",
      .positionals = {{"STORE",
                       "the SQLite file of `deepsad experiment run`; default: runs/experiments.sqlite",
                       false}},
      .options = {{.name = "out",
                   .value = "DIR",
                   .help = "folder of the report; must be missing or empty, or --replace be given",
                   .default_text = "the store's name with -report instead of its ending",
                   .range = "a folder"},
                  {.name = "replace",
                   .help = "write over a report that lies in the folder, file by file",
                   .default_text = "false",
                   .range = "true or false"},
                  {.name = "reference",
                   .value = "NAME",
                   .help = "the column that the others are compared with",
                   .default_text = "Deep SAD, or an experiment's first column where it has none",
                   .range = "a column of the experiment"},
                  {.name = "published",
                   .value = "FILE",
                   .help = "figures to stand beside ours, in the form of experiments/paper/published.json",
                   .default_text = "the paper's, built in",
                   .range = "a JSON file"}}};
}

Command declare_completion() {
  return {.name = "completion",
          .summary = "Print what a shell needs to complete command lines of deepsad.",
          .details =
              "  bash:  source <(deepsad completion bash)\n"
              "  zsh:   deepsad completion zsh > ~/.zfunc/_deepsad    (a folder in $fpath)\n"
              "  fish:  deepsad completion fish > ~/.config/fish/completions/deepsad.fish",
          .positionals = {{"SHELL", "bash, zsh or fish"}},
          .options = {}};
}

Command declare_manual() {
  return {.name = "manual",
          .summary = "Print the manual page, in roff.",
          .details = "  deepsad manual | man -l -",
          .positionals = {},
          .options = {}};
}

Command declare_version() {
  return {.name = "version",
          .summary = "Show the version, the compiler, the instruction sets and the threads.",
          .details =
              "The environment variable DEEPSAD_FORCE_ISA (scalar, avx2, avx512) replaces the choice of the\n"
              "instruction set.",
          .positionals = {},
          .options = {}};
}

}  // namespace deepsad::cli
