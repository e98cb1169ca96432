#include "deepsad/experiment/grid.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <numeric>
#include <optional>
#include <set>
#include <sstream>
#include <string_view>

#include "core/toml_text.h"
#include "deepsad/core/error.h"
#include "deepsad/core/random.h"
#include "deepsad/data/named_sets.h"
#include "deepsad/detectors/detector.h"
#include "deepsad/model/options_file.h"
#include "experiment/identity.h"

namespace deepsad {
namespace {

constexpr std::size_t kMaxSeeds = 100'000;
constexpr std::size_t kMaxRuns = 1'000'000;

// Options that the grid itself gives to every run.
constexpr const char* kAxisOptions[] = {"dataset",
                                        "normal_class",
                                        "known_outlier_class",
                                        "ratio_pollution",
                                        "seed",
                                        "n_known_outlier_classes",
                                        "method",
                                        "ratio_known_outlier"};

/// What a method does with labelled rows: it learns from them, never looks at them (so that cells with other
/// ratios are answered by the training without any), or cannot do without.
enum class Labels { used, ignored, required };

struct Method {
  std::string column, variant, name;
  Labels labels = Labels::used;
  OptionLayer options;
};

enum class KnownClasses { each, drawn, listed };

struct Axis {
  std::string name;
  std::vector<OptionAssignment> values;
};

/// A grid file with its subset in place.
struct Description {
  std::string name, title;
  std::vector<std::string> datasets;
  std::optional<std::vector<int>> normal_classes;  // nothing = each
  KnownClasses known_classes = KnownClasses::each;
  std::vector<int> listed_known_classes;
  std::vector<std::size_t> n_known_classes{1};
  std::vector<double> gamma_l{0}, gamma_p{0};
  std::vector<std::uint64_t> seeds;
  OptionLayer options;
  std::vector<Axis> vary;
  std::vector<Method> methods;
};

/// A table of the file, with what its messages need.
class Table {
 public:
  Table(const toml::table& table, std::string file, std::string where)
      : table_(table), file_(std::move(file)), where_(std::move(where)) {}

  [[nodiscard]] std::string place(const toml::node& node, const std::string& key) const {
    return fmt::format("{}:{}: key \"{}{}\"", file_, node.source().begin.line, where_, key);
  }
  [[noreturn]] void refuse(const toml::node& node, const std::string& key, const std::string& wanted) const {
    std::ostringstream found;
    node.visit([&](const auto& value) {
      using Node = std::decay_t<decltype(value)>;
      if constexpr (std::is_same_v<Node, toml::table>)
        found << "a table";
      else if constexpr (std::is_same_v<Node, toml::array>)
        found << toml::toml_formatter{value};
      else
        found << toml::toml_formatter{value};
    });
    throw InvalidArgument(fmt::format("{}: got {}, wanted {}", place(node, key), found.str(), wanted));
  }

  void allow(std::initializer_list<const char*> keys) const {
    for (auto&& [key, node] : table_) {
      const std::string name(key.str());
      if (std::any_of(keys.begin(), keys.end(), [&](const char* known) { return name == known; })) continue;
      const std::vector<std::string> known(keys.begin(), keys.end());
      const std::string near = nearest_name(name, known.data(), known.size());
      throw InvalidArgument(fmt::format("{}:{}: unknown key \"{}{}\"; {}", file_, key.source().begin.line,
                                        where_, name,
                                        near.empty() ? fmt::format("known here: {}", fmt::join(known, ", "))
                                                     : fmt::format("did you mean \"{}\"?", near)));
    }
  }
  [[nodiscard]] const toml::node* find(const char* key) const { return table_.get(key); }

  [[nodiscard]] std::string text(const char* key, const std::string& otherwise = "") const {
    const toml::node* node = find(key);
    if (node == nullptr) return otherwise;
    if (!node->is_string()) refuse(*node, key, "a text");
    return node->as_string()->get();
  }
  [[nodiscard]] std::vector<std::string> texts(const toml::node& node, const char* key) const {
    return list<std::string>(node, key, "a list of texts", [](const toml::node& entry) {
      return entry.is_string() ? std::optional(entry.as_string()->get()) : std::nullopt;
    });
  }
  [[nodiscard]] std::vector<std::int64_t> integers(const toml::node& node, const char* key,
                                                   const char* wanted, std::int64_t low,
                                                   std::int64_t high) const {
    return list<std::int64_t>(node, key, wanted, [&](const toml::node& entry) -> std::optional<std::int64_t> {
      if (!entry.is_integer()) return std::nullopt;
      const std::int64_t value = entry.as_integer()->get();
      return value >= low && value <= high ? std::optional(value) : std::nullopt;
    });
  }
  [[nodiscard]] std::vector<double> ratios(const toml::node& node, const char* key) const {
    return list<double>(node, key, "a list of numbers 0 <= x < 1",
                        [](const toml::node& entry) -> std::optional<double> {
                          if (!entry.is_number()) return std::nullopt;
                          const auto value = *entry.value<double>();
                          return value >= 0 && value < 1 ? std::optional(value) : std::nullopt;
                        });
  }
  [[nodiscard]] const toml::table& raw() const { return table_; }
  [[nodiscard]] const std::string& file() const { return file_; }
  [[nodiscard]] Table below(const toml::table& table, const std::string& key) const {
    return {table, file_, where_ + key + "."};
  }
  /// The value of an option, as in config files.
  [[nodiscard]] OptionAssignment assignment(const std::string& key, const toml::node& node) const {
    toml::table one;
    node.visit([&](const auto& value) { one.insert(key, value); });
    std::ostringstream text;
    text << one;
    try {
      OptionAssignment given = parse_options_text(text.str(), file_).at(0);
      given.place = place(node, key);
      check_not_axis(given, node, key);
      TrainOptions scratch;
      given.option->set(scratch, given.value);
      return given;
    } catch (const InvalidArgument& error) {
      // The text that was parsed is this one line; its place is not the file's.
      const std::string message = error.what();
      const std::string prefix = fmt::format("{}:1: ", file_);
      if (message.starts_with(prefix))
        throw InvalidArgument(
            fmt::format("{}:{}: {}", file_, node.source().begin.line, message.substr(prefix.size())));
      if (message.starts_with("got "))
        throw InvalidArgument(fmt::format("{}: {}", place(node, key), message));
      throw;
    }
  }
  [[nodiscard]] OptionLayer assignments() const {
    OptionLayer layer;
    for (auto&& [key, node] : table_) layer.push_back(assignment(std::string(key.str()), node));
    return layer;
  }

 private:
  void check_not_axis(const OptionAssignment& given, const toml::node& node, const std::string& key) const {
    for (const char* axis : kAxisOptions)
      if (given.option->name == axis)
        throw InvalidArgument(fmt::format(
            "{}: the grid gives this option to every run; its own keys (datasets, seeds, gamma_l, ...) say "
            "which values it takes",
            place(node, key)));
    if (given.option->of_the_machine && given.option->name != "preset")
      throw InvalidArgument(
          fmt::format("{}: an option of the machine, not of the experiment", place(node, key)));
  }

  template <class Value, class Read>
  std::vector<Value> list(const toml::node& node, const char* key, const char* wanted, Read&& read) const {
    const toml::array* array = node.as_array();
    if (array == nullptr || array->empty()) refuse(node, key, wanted);
    std::vector<Value> values;
    for (const toml::node& entry : *array) {
      const std::optional<Value> value = read(entry);
      if (!value) refuse(entry, key, wanted);
      if (std::find(values.begin(), values.end(), *value) != values.end())
        refuse(entry, key, "every value once");
      values.push_back(*value);
    }
    return values;
  }

  const toml::table& table_;
  std::string file_, where_;
};

bool is_word(const toml::node& node, std::string_view word) {
  return node.is_string() && node.as_string()->get() == word;
}

std::size_t n_classes_of(const std::string& dataset) {
  if (dataset == "glyphs") return 10;
  if (dataset == "toy2d") return 2;
  return named_set(dataset).class_names.size();
}

Labels default_labels(const std::string& method) {
  if (method == "deep_sad" || method == "ssad") return Labels::used;
  return method == "classifier" || method == "dgm_m2" || method == "dgm_m1m2" ? Labels::required
                                                                              : Labels::ignored;
}

Method read_method(const Table& table) {
  table.allow({"column", "variant", "method", "labels", "options"});
  Method method{.column = table.text("column"),
                .variant = table.text("variant"),
                .name = table.text("method", "deep_sad"),
                .labels = Labels::used,
                .options = {}};
  const std::vector<std::string>& known = detector_methods();
  if (std::find(known.begin(), known.end(), method.name) == known.end()) {
    table.refuse(*table.find("method"), "method", fmt::format("one of {}", fmt::join(known, ", ")));
  }
  if (method.column.empty()) method.column = method.name;
  method.labels = default_labels(method.name);
  if (const toml::node* node = table.find("labels")) {
    if (is_word(*node, "used"))
      method.labels = Labels::used;
    else if (is_word(*node, "ignored"))
      method.labels = Labels::ignored;
    else if (is_word(*node, "required"))
      method.labels = Labels::required;
    else
      table.refuse(*node, "labels", "one of used, ignored, required");
  }
  if (const toml::node* node = table.find("options")) {
    if (!node->is_table()) table.refuse(*node, "options", "a table of options");
    method.options = table.below(*node->as_table(), "options").assignments();
  }
  return method;
}

std::vector<Axis> read_vary(const Table& table) {
  std::vector<Axis> axes;
  for (auto&& [key, node] : table.raw()) {
    const std::string name(key.str());
    const toml::array* values = node.as_array();
    if (values == nullptr || values->empty()) table.refuse(node, name, "a list of values");
    Axis axis{.name = name, .values = {}};
    for (const toml::node& value : *values) {
      if (value.is_array() || value.is_table()) table.refuse(value, name, "a single value");
      axis.values.push_back(table.assignment(name, value));
    }
    axes.push_back(std::move(axis));
  }
  return axes;
}

// The keys that a subset may replace.
void read_axes(const Table& table, Description& grid) {
  constexpr int kMaxClass = 1'000'000;
  if (const toml::node* node = table.find("datasets")) {
    grid.datasets = table.texts(*node, "datasets");
    for (const std::string& dataset : grid.datasets) {
      try {
        (void)n_classes_of(dataset);
      } catch (const InvalidArgument& error) {
        throw InvalidArgument(fmt::format("{}: {}", table.place(*node, "datasets"), error.what()));
      }
    }
  }
  if (const toml::node* node = table.find("normal_classes")) {
    grid.normal_classes.reset();
    if (!is_word(*node, "each")) {
      const auto classes =
          table.integers(*node, "normal_classes", "\"each\" or a list of class numbers", 0, kMaxClass);
      grid.normal_classes.emplace(classes.begin(), classes.end());
    }
  }
  if (const toml::node* node = table.find("known_classes")) {
    grid.listed_known_classes.clear();
    if (is_word(*node, "each")) {
      grid.known_classes = KnownClasses::each;
    } else if (is_word(*node, "drawn")) {
      grid.known_classes = KnownClasses::drawn;
    } else {
      grid.known_classes = KnownClasses::listed;
      const auto classes = table.integers(*node, "known_classes",
                                          "\"each\", \"drawn\" or a list of class numbers", 0, kMaxClass);
      grid.listed_known_classes.assign(classes.begin(), classes.end());
    }
  }
  if (const toml::node* node = table.find("n_known_classes")) {
    const auto counts =
        table.integers(*node, "n_known_classes", "a list of numbers of classes, 0 or more", 0, kMaxClass);
    grid.n_known_classes.assign(counts.begin(), counts.end());
  }
  if (const toml::node* node = table.find("gamma_l")) grid.gamma_l = table.ratios(*node, "gamma_l");
  if (const toml::node* node = table.find("gamma_p")) grid.gamma_p = table.ratios(*node, "gamma_p");
  if (const toml::node* node = table.find("seeds")) {
    if (node->is_string()) {
      try {
        grid.seeds = parse_seeds(node->as_string()->get());
      } catch (const InvalidArgument& error) {
        throw InvalidArgument(fmt::format("{}: {}", table.place(*node, "seeds"), error.what()));
      }
    } else {
      const auto seeds =
          table.integers(*node, "seeds", "a list of whole numbers >= 0, or a text such as \"1-10,20\"", 0,
                         static_cast<std::int64_t>(kMaxSeed));
      grid.seeds.assign(seeds.begin(), seeds.end());
    }
  }
  if (const toml::node* node = table.find("vary")) {
    if (!node->is_table()) table.refuse(*node, "vary", "a table of options, each with a list of values");
    grid.vary = read_vary(table.below(*node->as_table(), "vary"));
  }
}

void read_subset(const Table& file, const std::string& subset, Description& grid) {
  const toml::node* subsets = file.find("subset");
  if (subsets != nullptr && !subsets->is_table()) file.refuse(*subsets, "subset", "tables [subset.NAME]");
  std::vector<std::string> names;
  if (subsets != nullptr)
    for (auto&& [key, node] : *subsets->as_table()) names.emplace_back(key.str());
  if (subset.empty()) return;
  const toml::node* found = subsets == nullptr ? nullptr : subsets->as_table()->get(subset);
  if (found == nullptr || !found->is_table()) {
    throw InvalidArgument(fmt::format(
        "{}: no subset \"{}\"; {}", file.file(), subset,
        names.empty() ? "the file has none" : fmt::format("there are {}", fmt::join(names, ", "))));
  }
  const Table table = file.below(*found->as_table(), "subset." + subset);
  table.allow({"datasets", "normal_classes", "known_classes", "n_known_classes", "gamma_l", "gamma_p",
               "seeds", "vary", "columns"});
  read_axes(table, grid);
  if (const toml::node* node = table.find("columns")) {
    const std::vector<std::string> columns = table.texts(*node, "columns");
    for (const std::string& column : columns) {
      if (std::none_of(grid.methods.begin(), grid.methods.end(),
                       [&](const Method& method) { return method.column == column; }))
        table.refuse(*node, "columns", fmt::format("columns of the file; it has no \"{}\"", column));
    }
    std::erase_if(grid.methods, [&](const Method& method) {
      return std::find(columns.begin(), columns.end(), method.column) == columns.end();
    });
  }
}

Description read_description(const toml::table& document, const std::string& name,
                             const std::string& subset) {
  const Table file(document, name, "");
  file.allow({"name", "title", "datasets", "normal_classes", "known_classes", "n_known_classes", "gamma_l",
              "gamma_p", "seeds", "options", "vary", "method", "subset"});
  Description grid;
  grid.name = file.text("name");
  grid.title = file.text("title");
  if (grid.name.empty()) throw InvalidArgument(fmt::format("{}: key \"name\" is missing", name));
  if (const toml::node* node = file.find("options")) {
    if (!node->is_table()) file.refuse(*node, "options", "a table of options");
    grid.options = file.below(*node->as_table(), "options").assignments();
  }
  const toml::node* methods = file.find("method");
  const bool is_list = methods != nullptr && methods->is_array_of_tables();
  if (!is_list) throw InvalidArgument(fmt::format("{}: no [[method]] is given; wanted at least one", name));
  for (const toml::node& node : *methods->as_array()) {
    grid.methods.push_back(read_method(file.below(*node.as_table(), "method")));
    const Method& last = grid.methods.back();
    for (std::size_t i = 0; i + 1 < grid.methods.size(); ++i) {
      if (grid.methods[i].column == last.column && grid.methods[i].variant == last.variant)
        throw InvalidArgument(fmt::format(
            "{}:{}: column \"{}\" is there already; give another column, or a variant if the two compete",
            name, node.source().begin.line, last.column));
    }
  }
  read_axes(file, grid);
  read_subset(file, subset, grid);
  if (grid.datasets.empty()) throw InvalidArgument(fmt::format("{}: key \"datasets\" is missing", name));
  if (grid.seeds.empty()) throw InvalidArgument(fmt::format("{}: key \"seeds\" is missing", name));
  return grid;
}

/// The cell of a run, besides data set, seed and further axes.
struct Cell {
  int normal_class = 0;
  std::optional<int> known_class;
  std::size_t n_known = 0;
  double gamma_l = 0, gamma_p = 0;
};

std::vector<int> normal_classes_of(const Description& grid, std::size_t n_classes) {
  if (n_classes == 2) return {0};  // a table: 0 normal, 1 anomalous
  if (grid.normal_classes) return *grid.normal_classes;
  std::vector<int> all(n_classes);
  std::iota(all.begin(), all.end(), 0);
  return all;
}

// What the cells of k known classes go through: each known class, or nothing where the seed draws them.
std::vector<std::optional<int>> known_classes_of(const Description& grid, std::size_t n_classes, int normal,
                                                 std::size_t n_known, std::uint64_t seed) {
  if (n_known != 1) return {std::nullopt};
  std::vector<int> anomalous;
  for (int c = 0; c < static_cast<int>(n_classes); ++c)
    if (c != normal) anomalous.push_back(c);
  std::vector<std::optional<int>> known;
  if (anomalous.size() == 1) return {anomalous[0]};
  switch (grid.known_classes) {
    case KnownClasses::each:
      known.assign(anomalous.begin(), anomalous.end());
      break;
    case KnownClasses::drawn:  // the first of those that choose_known_classes() would draw
      known = {anomalous[RandomStream(seed, "known_classes").permutation(anomalous.size())[0]]};
      break;
    case KnownClasses::listed:
      for (const int c : grid.listed_known_classes)
        if (c != normal) known.emplace_back(c);
      break;
  }
  return known;
}

class Expansion {
 public:
  Expansion(const Description& grid, std::string file) : grid_(grid), file_(std::move(file)) {}

  std::vector<GridRun> runs() {
    for (const std::string& dataset : grid_.datasets) {
      const std::size_t n_classes = n_classes_of(dataset);
      for (const std::uint64_t seed : grid_.seeds)
        for (const int normal : normal_classes_of(grid_, n_classes))
          for (const std::size_t n_known : grid_.n_known_classes)
            for (const std::optional<int> known : known_classes_of(grid_, n_classes, normal, n_known, seed))
              for (const double gamma_l : grid_.gamma_l)
                for (const double gamma_p : grid_.gamma_p)
                  add_cell(dataset, seed, {normal, known, n_known, gamma_l, gamma_p});
    }
    return std::move(runs_);
  }

 private:
  void add_cell(const std::string& dataset, std::uint64_t seed, const Cell& cell) {
    std::size_t n_points = 1;
    for (const Axis& axis : grid_.vary) n_points *= axis.values.size();
    for (std::size_t point = 0; point < n_points; ++point) {
      OptionLayer varied;
      std::size_t rest = point;
      for (std::size_t a = grid_.vary.size(); a-- > 0;) {
        varied.push_back(grid_.vary[a].values[rest % grid_.vary[a].values.size()]);
        rest /= grid_.vary[a].values.size();
      }
      for (const Method& method : grid_.methods) add_run(dataset, seed, cell, method, varied);
    }
  }

  void add_run(const std::string& dataset, std::uint64_t seed, const Cell& cell, const Method& method,
               const OptionLayer& varied) {
    const bool any_labels = cell.gamma_l > 0 && cell.n_known > 0;
    if (method.labels == Labels::required && !any_labels) return;
    if (runs_.size() >= kMaxRuns)
      throw InvalidArgument(fmt::format("{}: the grid has more than {} runs", file_, kMaxRuns));
    // A run without labels is the same for every known class and ratio.
    const bool labelled = any_labels && method.labels != Labels::ignored;
    OptionLayer axes;
    const auto give = [&](const char* option, OptionValue value) {
      axes.push_back({find_train_option(option), std::move(value), file_});
    };
    give("dataset", dataset);
    give("method", method.name);
    give("seed", static_cast<std::int64_t>(seed));
    give("normal_class", std::vector<std::int64_t>{cell.normal_class});
    give("ratio_pollution", cell.gamma_p);
    if (labelled) {
      give("ratio_known_outlier", cell.gamma_l);
      give("n_known_outlier_classes", static_cast<std::int64_t>(cell.n_known));
      if (cell.known_class) give("known_outlier_class", std::int64_t{*cell.known_class});
    }
    GridRun run;
    try {
      run.options = merge_options({grid_.options, varied, method.options, axes});
    } catch (const InvalidArgument& error) {
      throw InvalidArgument(fmt::format("{}: method \"{}\": {}", file_, method.column, error.what()));
    }
    run.group = run_group(run.options);
    run.setup = {.id = run_identity(run.options),
                 .experiment = grid_.name,
                 .dataset = dataset,
                 .column = method.column,
                 .variant = method.variant,
                 .method = method.name,
                 .preset = run.options.preset,
                 .compat = run.options.compat,
                 .normal_classes = run.options.normal_class,
                 .known_class = cell.known_class,
                 .n_known_classes = cell.n_known,
                 .gamma_l = cell.gamma_l,
                 .gamma_p = cell.gamma_p,
                 .varied = {},
                 .seed = seed,
                 .options = options_to_json(run.options)};
    for (const OptionAssignment& value : varied)
      run.setup.varied[value.option->name] = option_value_text(value.value);
    runs_.push_back(std::move(run));
  }

  const Description& grid_;
  std::string file_;
  std::vector<GridRun> runs_;
};

}  // namespace

std::vector<std::uint64_t> parse_seeds(const std::string& text) {
  const auto number = [](std::string_view word) -> std::optional<std::uint64_t> {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error != std::errc() || end != word.data() + word.size() || word.empty()) return std::nullopt;
    return value;
  };
  std::vector<std::uint64_t> seeds;
  std::set<std::uint64_t> seen;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t comma = std::min(text.find(',', begin), text.size());
    const std::string_view part = std::string_view(text).substr(begin, comma - begin);
    begin = comma + 1;
    const std::size_t dash = part.find('-');
    const auto first = number(part.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : number(part.substr(dash + 1));
    if (!first || !last || *first > *last || *last > kMaxSeed)
      throw InvalidArgument(
          fmt::format("got \"{}\" in \"{}\", wanted whole numbers from 0 to {} and ranges, such as 1-10,20",
                      part, text, kMaxSeed));
    if (*last - *first >= kMaxSeeds || seeds.size() + (*last - *first) >= kMaxSeeds)
      throw InvalidArgument(fmt::format("\"{}\" is more than {} seeds", text, kMaxSeeds));
    for (std::uint64_t seed = *first; seed <= *last; ++seed) {
      if (!seen.insert(seed).second) throw InvalidArgument(fmt::format("seed {} is given twice", seed));
      seeds.push_back(seed);
    }
  }
  return seeds;
}

Grid parse_grid(const std::string& text, const std::string& name, const std::string& subset) {
  const toml::table document = parse_toml_text(text, name);
  const Description description = read_description(document, name, subset);
  return {.name = description.name, .title = description.title, .runs = Expansion(description, name).runs()};
}

Grid read_grid(const std::string& path, const std::string& subset) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw InvalidArgument(fmt::format("{}: cannot open the grid: {}", path, std::strerror(errno)));
  std::ostringstream text;
  text << file.rdbuf();
  return parse_grid(text.str(), path, subset);
}

}  // namespace deepsad
