// deepsad data list, info, fetch: the data sets deepsad knows by name.
#include <fmt/format.h>

#include <array>

#include "commands.h"
#include "deepsad/core/error.h"
#include "deepsad/data/fetch.h"
#include "deepsad/data/named_sets.h"
#include "deepsad/data/synthetic.h"
#include "shared_options.h"

namespace deepsad::cli {
namespace {

// The sets that are drawn from a seed.
struct BuiltInSet {
  const char* name;
  const char* description;
  SyntheticSet (*draw)(ThreadPool& pool);
};
constexpr std::array kBuiltInSets{
    BuiltInSet{"glyphs", "images of stroke-drawn signs, of the size of MNIST and about as hard",
               [](ThreadPool& pool) { return glyphs({}, pool); }},
    BuiltInSet{"toy2d", "points of the plane: two bananas, a known and a novel anomaly",
               [](ThreadPool&) { return toy2d({}); }},
};

std::string shape_text(std::span<const std::size_t> shape) {
  std::string text;
  for (const std::size_t extent : shape) text += (text.empty() ? "" : " x ") + std::to_string(extent);
  return shape.size() == 1 ? text + " features" : text;
}

std::vector<std::size_t> class_counts(const Dataset& data) {
  std::vector<std::size_t> counts(data.class_names.size());
  for (const int c : data.classes)
    if (static_cast<std::size_t>(c) < counts.size()) ++counts[static_cast<std::size_t>(c)];
  return counts;
}

std::string class_line(std::size_t k, std::string_view name, std::size_t n_train) {
  return fmt::format("  {} {:<22} {:>7}", k, name, n_train);
}

std::string built_in_text(const BuiltInSet& set) {
  ThreadPool pool(0);
  const SyntheticSet drawn = set.draw(pool);
  std::string text = fmt::format(
      "{}: {}\nshape            {}\ntraining rows    {}\ntest rows        {}\nclasses\n", set.name,
      set.description, shape_text(drawn.train.sample_shape), drawn.train.size(), drawn.test.size());
  const std::vector<std::size_t> train = class_counts(drawn.train), test = class_counts(drawn.test);
  for (std::size_t k = 0; k < train.size(); ++k)
    text += fmt::format("{} + {}\n", class_line(k, drawn.train.class_names[k], train[k]), test[k]);
  return text + "files            none: drawn from a seed, the same on every machine\n";
}

std::string state_text(const FileCheck& check) {
  switch (check.state) {
    case ChecksumState::official:
      return "official content";
    case ChecksumState::known_variant:
      return "known variant: " + check.note;
    case ChecksumState::unknown:
      return "unknown content (SHA-256 " + check.content_sha256 + ")";
  }
  return "";
}

const char* outcome_text(FetchOutcome outcome) {
  switch (outcome) {
    case FetchOutcome::downloaded:
      return "downloaded";
    case FetchOutcome::resumed:
      return "download completed";
    case FetchOutcome::already_there:
      return "already there";
  }
  return "";
}

std::string missing_text(const NamedSetInfo& set, const std::string& folder) {
  return fmt::format("not found under {0}; `deepsad data fetch {1} --data-dir {0}` downloads it", folder,
                     set.name);
}

}  // namespace

int run_data_list(const Arguments& arguments, Console& console) {
  const std::string folder = data_dir(arguments);
  std::string text =
      fmt::format("{:<12} {:<13} {:>8} {:>8}  {}\n", "name", "shape", "train", "test", "where");
  for (const BuiltInSet& set : kBuiltInSets)
    text += fmt::format("{:<12} {:<13} {:>8} {:>8}  built in: {}\n", set.name, "", "", "", set.description);
  for (const NamedSetInfo& set : named_sets()) {
    const auto found = find_named_set(set, folder);
    text += fmt::format("{:<12} {:<13} {:>8} {:>8}  {}\n", set.name, shape_text(set.sample_shape),
                        set.n_train(), set.n_test() == 0 ? "split" : std::to_string(set.n_test()),
                        found ? found->folder : "not found");
  }
  console.print(text);
  return kDone;
}

int run_data_info(const Arguments& arguments, Console& console) {
  const std::string name = arguments.text("NAME");
  for (const BuiltInSet& set : kBuiltInSets) {
    if (name != set.name) continue;
    console.print(built_in_text(set));
    return kDone;
  }
  const NamedSetInfo& set = named_set(name);
  std::string text =
      fmt::format("{}: {}\nshape            {}\n", set.name, set.description, shape_text(set.sample_shape));
  text +=
      set.n_test() == 0
          ? fmt::format("rows             {}, split 60 to 40 into training and test part\n", set.n_train())
          : fmt::format("training rows    {}\ntest rows        {}\n", set.n_train(), set.n_test());
  text += "classes\n";
  for (std::size_t k = 0; k < set.class_names.size(); ++k) {
    text += class_line(k, set.class_names[k], set.train_counts[k]);
    if (!set.test_counts.empty()) text += fmt::format(" + {}", set.test_counts[k]);
    text += "\n";
  }
  text += fmt::format("source           {}\nlicence          {}\n", set.homepage, set.licence);
  const std::string folder = data_dir(arguments);
  const auto found = find_named_set(set, folder);
  if (!found) {
    console.print(text + "files            " + missing_text(set, folder) + "\n");
    return kDone;
  }
  text += "files\n";
  for (const FileCheck& check : check_named_set(set, *found))
    text += fmt::format("  {}: {}\n", check.path, state_text(check));
  console.print(text);
  return kDone;
}

int run_data_fetch(const Arguments& arguments, Console& console) {
  if (arguments.flag("quiet")) console.set_verbosity(Verbosity::quiet);
  const std::string name = arguments.text("NAME"), folder = data_dir(arguments);
  for (const BuiltInSet& set : kBuiltInSets)
    if (name == set.name)
      throw InvalidArgument(fmt::format("{} is built in: there is nothing to fetch", name));
  FetchOptions options;
  options.mirrors = arguments.words("mirror");
  options.stop = &stop_on_signals();
  options.observer.on_progress = [&console](const Progress& progress) { console.show(progress); };
  options.observer.on_message = [&console](LogLevel, const std::string& text) { console.note(text); };
  for (const FetchedFile& file : fetch_named_set(name, folder, options))
    console.print(fmt::format("{}: {}\n", file.path, outcome_text(file.outcome)));
  return kDone;
}

}  // namespace deepsad::cli
