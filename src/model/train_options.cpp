#include "deepsad/model/train_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <type_traits>

#include "deepsad/core/error.h"
#include "deepsad/core/words.h"
#include "deepsad/data/delimited.h"
#include "deepsad/evaluation/threshold.h"

namespace deepsad {
namespace {

constexpr double kUnbounded = std::numeric_limits<double>::infinity();
// Bounds beyond which a value is a slip of the pen, not a wish; they keep sizes far from overflow.
constexpr double kMaxEpochs = 1e6;
constexpr std::size_t kWarmStartEpochs = 10;  // a model that goes on needs few
constexpr double kMaxBatch = 1e6;
constexpr double kMaxClass = 1e6;
constexpr double kMaxThreads = 1024;
constexpr double kMaxCodes = 1e4;
constexpr double kMaxExamples = 1e4;

constexpr const char* kOwnGroup = "One's own file";
constexpr const char* kM2 = "dgm_m2";
constexpr const char* kM1M2 = "dgm_m1m2";
constexpr double kMaxTrees = 1e5;
constexpr double kMaxTreeRows = 1 << 23;
constexpr double kMaxGigabytes = 1e6;

/// An interval of numbers, as a test and in words.
struct Range {
  double low = -kUnbounded, high = kUnbounded;
  bool low_open = false, high_open = false;

  bool contains(double x) const {
    return std::isfinite(x) && (low_open ? x > low : x >= low) && (high_open ? x < high : x <= high);
  }
  std::string words() const {
    const std::string left = fmt::format("{}", low), right = fmt::format("{:.17g}", high);
    if (high == kUnbounded) return fmt::format("{} {}", low_open ? ">" : ">=", left);
    return fmt::format("{} {} x {} {}", left, low_open ? "<" : "<=", high_open ? "<" : "<=", right);
  }
};

constexpr Range above(double low) {
  return {.low = low, .low_open = true};
}
constexpr Range at_least(double low) {
  return {.low = low};
}
constexpr Range between(double low, double high) {
  return {.low = low, .high = high};
}

template <class List>
std::string joined(const List& list, const char* separator) {
  std::string text;
  for (const auto& entry : list) text += fmt::format("{}{}", text.empty() ? "" : separator, entry);
  return text;
}

std::string quoted(const std::string& text) {
  return fmt::format("\"{}\"", text);
}

std::string value_for_message(const OptionValue& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return quoted(*text);
  if (const auto* list = std::get_if<std::vector<std::int64_t>>(&value))
    return fmt::format("[{}]", joined(*list, ", "));
  return option_value_text(value);
}

[[noreturn]] void refuse(const OptionValue& got, const std::string& wanted) {
  throw InvalidArgument(fmt::format("got {}, wanted {}", value_for_message(got), wanted));
}

// What a member of TrainOptions is as an OptionValue: one overload of to_value/store per kind of member.
template <class T>
constexpr bool is_integer = std::is_integral_v<T> && !std::is_same_v<T, bool>;

template <class T>
OptionType type_of() {
  if constexpr (std::is_same_v<T, bool>)
    return OptionType::boolean;
  else if constexpr (is_integer<T>)
    return OptionType::integer;
  else if constexpr (std::is_same_v<T, double>)
    return OptionType::real;
  else if constexpr (std::is_same_v<T, std::string>)
    return OptionType::text;
  else
    return OptionType::integer_list;
}

template <class T>
OptionValue to_value(const T& member) {
  if constexpr (std::is_same_v<T, bool> || std::is_same_v<T, double> || std::is_same_v<T, std::string>)
    return member;
  else if constexpr (is_integer<T>)
    return static_cast<std::int64_t>(member);
  else
    return std::vector<std::int64_t>(member.begin(), member.end());
}

std::string wanted_type(OptionType type) {
  switch (type) {
    case OptionType::boolean:
      return "true or false";
    case OptionType::integer:
      return "a whole number";
    case OptionType::real:
      return "a number";
    case OptionType::text:
      return "a text";
    case OptionType::integer_list:
      return "whole numbers";
  }
  return "";
}

// Files may write 150.0 for 150 and 1 for 1.0 or [1]; the value itself never changes. Anything else must have
// the type.
OptionValue converted(const OptionValue& value, OptionType type) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) {
    if (type == OptionType::real) return static_cast<double>(*integer);
    if (type == OptionType::integer_list) return std::vector<std::int64_t>{*integer};
  }
  constexpr double kExact = 9007199254740992.0;  // 2^53
  if (const auto* real = std::get_if<double>(&value))
    if (type == OptionType::integer && std::trunc(*real) == *real && std::abs(*real) <= kExact)
      return static_cast<std::int64_t>(*real);
  const bool fits =
      (type == OptionType::boolean && std::holds_alternative<bool>(value)) ||
      (type == OptionType::integer && std::holds_alternative<std::int64_t>(value)) ||
      (type == OptionType::real && std::holds_alternative<double>(value)) ||
      (type == OptionType::text && std::holds_alternative<std::string>(value)) ||
      (type == OptionType::integer_list && std::holds_alternative<std::vector<std::int64_t>>(value));
  if (!fits) refuse(value, wanted_type(type));
  return value;
}

template <class T>
void store(T& member, const OptionValue& value) {
  if constexpr (std::is_same_v<T, bool> || std::is_same_v<T, double> || std::is_same_v<T, std::string>) {
    member = std::get<T>(value);
  } else if constexpr (is_integer<T>) {
    member = static_cast<T>(std::get<std::int64_t>(value));
  } else {
    member.clear();
    for (const std::int64_t entry : std::get<std::vector<std::int64_t>>(value))
      member.push_back(static_cast<typename T::value_type>(entry));
  }
}

/// Builds one line of the table below.
template <class T>
class Declare {
 public:
  Declare(std::string name, T TrainOptions::*member, std::string group, std::string help) {
    option_.name = std::move(name);
    option_.group = std::move(group);
    option_.help = std::move(help);
    option_.type = type_of<T>();
    const TrainOptions defaults;
    option_.default_text = option_value_text(to_value(defaults.*member));
    option_.get = [member](const TrainOptions& options) { return to_value(options.*member); };
    member_ = member;
    if (option_.type == OptionType::boolean) option_.range = "true or false";
  }
  Declare& alias(std::string name) { return option_.aliases.push_back(std::move(name)), *this; }
  Declare& unit(std::string unit) { return option_.unit = std::move(unit), *this; }
  Declare& of_the_machine() { return option_.of_the_machine = true, *this; }
  Declare& shown_default(std::string text) { return option_.default_text = std::move(text), *this; }
  Declare& range(Range range) { return range_ = range, option_.range = range.words(), *this; }
  Declare& range_in_words(std::string words) { return option_.range = std::move(words), *this; }
  Declare& one_of(std::vector<std::string> choices) {
    option_.range = "one of " + joined(choices, ", ");
    option_.choices = std::move(choices);
    return *this;
  }
  /// An extra check for what Range and one_of cannot say; throws through refuse().
  Declare& check(std::function<void(const OptionValue&)> f) { return check_ = std::move(f), *this; }

  OptionDeclaration done() {
    const OptionType type = option_.type;
    const std::string words = option_.range;
    option_.set = [type, words, range = range_, choices = option_.choices, check = check_, member = member_](
                      TrainOptions& options, const OptionValue& given) {
      if (std::holds_alternative<std::monostate>(given)) return;
      const OptionValue value = converted(given, type);
      if (const auto* real = std::get_if<double>(&value))
        if (!range.contains(*real)) refuse(value, "a number " + words);
      if (const auto* integer = std::get_if<std::int64_t>(&value))
        if (!range.contains(static_cast<double>(*integer))) refuse(value, "a whole number " + words);
      if (const auto* list = std::get_if<std::vector<std::int64_t>>(&value))
        for (const std::int64_t entry : *list)
          if (!range.contains(static_cast<double>(entry))) refuse(value, "whole numbers " + words);
      if (const auto* text = std::get_if<std::string>(&value))
        if (!choices.empty() && std::find(choices.begin(), choices.end(), *text) == choices.end()) {
          const std::string near = nearest_name(*text, choices.data(), choices.size());
          refuse(value, words + (near.empty() ? "" : fmt::format(" (did you mean {}?)", near)));
        }
      if (check) check(value);
      store(options.*member, value);
    };
    return option_;
  }

 private:
  OptionDeclaration option_;
  T TrainOptions::*member_;
  Range range_;
  std::function<void(const OptionValue&)> check_;
};

// std::from_chars: the whole word, C notation, no locale, no leading blank or plus sign.
template <class T>
bool parse_c_number(const std::string& word, T& value) {
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  return error == std::errc() && end == word.data() + word.size();
}

void check_ascending(const OptionValue& value) {
  const auto& list = std::get<std::vector<std::int64_t>>(value);
  if (std::adjacent_find(list.begin(), list.end(), std::greater_equal<>()) != list.end())
    refuse(value, "epochs in ascending order, each once");
}

void check_classes(const OptionValue& value) {
  auto list = std::get<std::vector<std::int64_t>>(value);
  if (list.empty()) refuse(value, "at least one class");
  std::sort(list.begin(), list.end());
  if (std::adjacent_find(list.begin(), list.end()) != list.end()) refuse(value, "every class once");
}

void check_alpha(const OptionValue& value) {
  const double alpha = std::get<double>(value);
  if (alpha < 0 && alpha != -1) refuse(value, "a number >= 0, or -1 for the default");
}

void check_gamma(const OptionValue& value) {
  const auto& text = std::get<std::string>(value);
  if (text == "grid" || text == "scale" || text == "median") return;
  double gamma = 0;
  if (!parse_c_number(text, gamma) || !above(0).contains(gamma))
    refuse(value, "grid, scale, median, or a number > 0");
}

void check_image_size(const OptionValue& value) {
  const auto& text = std::get<std::string>(value);
  if (!text.empty() && !parse_image_size(text)) refuse(value, "HEIGHTxWIDTH in pixels, as 32x32");
}

void check_separator(const OptionValue& value) {
  const auto& text = std::get<std::string>(value);
  if (text != "auto") static_cast<void>(separator_from_name(text));
}

void check_threshold(const OptionValue& value) {
  const auto& text = std::get<std::string>(value);
  if (text != "auto" && text != "none") static_cast<void>(parse_threshold_request(text));
}

void check_contamination(const OptionValue& value) {
  const auto& text = std::get<std::string>(value);
  double share = 0;
  if (text != "auto" && !(parse_c_number(text, share) && share >= 0 && share < 0.5))
    refuse(value, "auto, or a number 0 <= x < 0.5");
}

void check_device(const OptionValue& value) {
  const auto& text = std::get<std::string>(value);
  if (text == "auto" || text == "cpu") return;
  const bool numbered =
      text.size() > 5 && text.starts_with("cuda:") &&
      std::all_of(text.begin() + 5, text.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (text != "cuda" && !numbered) refuse(value, "one of auto, cpu, cuda, cuda:N");
  throw InvalidArgument(
      fmt::format("got {}, but this build of deepsad has no CUDA; use auto or cpu", quoted(text)));
}

// The seed is the one optional member, and -1 is the reference's word for "not given".
OptionDeclaration declare_seed() {
  OptionDeclaration option;
  option.name = "seed";
  option.group = "Run";
  option.type = OptionType::integer;
  option.range = fmt::format("-1 <= x <= {}; -1 = draw one", kMaxSeed);
  option.default_text = "drawn, logged and stored";
  option.help = "seed of everything random; the same seed, data and options give the same bits";
  option.get = [](const TrainOptions& options) -> OptionValue {
    if (!options.seed) return std::monostate{};
    return static_cast<std::int64_t>(*options.seed);
  };
  option.set = [range = option.range](TrainOptions& options, const OptionValue& given) {
    if (std::holds_alternative<std::monostate>(given)) return;
    const std::int64_t seed = std::get<std::int64_t>(converted(given, OptionType::integer));
    if (seed < -1 || seed > static_cast<std::int64_t>(kMaxSeed)) refuse(given, "a whole number " + range);
    if (seed == -1)
      options.seed.reset();
    else
      options.seed = static_cast<std::uint64_t>(seed);
  };
  return option;
}

std::vector<OptionDeclaration> declare_options() {
  using T = TrainOptions;
  const Range share{.low = 0, .high = 1, .high_open = true};
  std::vector<OptionDeclaration> table;
  const auto add = [&table](auto&& declaration) { table.push_back(declaration.done()); };

  const std::string data = "Data";
  add(Declare(
          "dataset", &T::dataset, data,
          "what to train on: a data set, `deepsad data list` shows the names; or one's own table or images")
          .alias("dataset_name")
          .shown_default("none, must be given")
          .range_in_words("a name, a path with / or . in it, or - for standard input"));
  add(Declare("data_dir", &T::data_dir, data, "folder in which the named sets lie")
          .alias("data_path")
          .shown_default("$DEEPSAD_DATA_DIR, else data")
          .range_in_words("a folder")
          .of_the_machine());
  add(Declare("normal_class", &T::normal_class, data,
              "classes that count as normal; all others are anomalous")
          .unit("class numbers")
          .range(between(0, kMaxClass))
          .check(check_classes));
  add(Declare("known_outlier_class", &T::known_outlier_class, data,
              "class the labelled anomalies come from if n_known_outlier_classes is 1")
          .unit("class number")
          .range(between(0, kMaxClass)));
  add(Declare("n_known_outlier_classes", &T::n_known_outlier_classes, data,
              "number of classes the labelled anomalies come from; with more than 1 they are drawn")
          .unit("classes")
          .range(between(0, kMaxClass)));
  add(Declare("ratio_known_normal", &T::ratio_known_normal, data,
              "labelled normal rows as a share of the whole training set")
          .range(share));
  add(Declare("ratio_known_outlier", &T::ratio_known_outlier, data,
              "labelled anomalous rows as a share of the whole training set")
          .range(share));
  add(Declare("ratio_pollution", &T::ratio_pollution, data,
              "anomalies as a share of the unlabelled part of the training set")
          .range(share));
  add(Declare(
          "scaling", &T::scaling, data,
          "how the features of a table are scaled, with constants of the training rows; auto: standardise "
          "for preset paper and for one's own file, else min-max. Images are always x / 255")
          .one_of({"auto", "min-max", "standardise", "robust", "quantile", "none"}));

  const std::string own = kOwnGroup;
  const char* const a_column = "a column's name, or its position from 1";
  const char* const columns = "names or positions, separated by commas";
  add(Declare("label_column", &T::label_column, own,
              "what training may know of each row: normal, anomaly or nothing; of an NPZ or MAT file the "
              "variable, of a folder of images \"class\", its subfolders")
          .shown_default("none: no row is labelled")
          .range_in_words(a_column));
  add(Declare("label_file", &T::label_file, own,
              "labels from a file of their own: in the order of the rows, or joined by the id column")
          .shown_default("none")
          .range_in_words("a file"));
  add(Declare("label_map", &T::label_map, own,
              "what labels mean, as fraud=anomaly,ok=normal,=unlabeled; needed for numbers and rare words")
          .shown_default("plain words are understood (docs/labels.md)")
          .range_in_words("WORD=CLASS,WORD=CLASS,..."));
  add(Declare("truth_column", &T::truth_column, own,
              "what each row really is, for the test alone; training never sees it")
          .shown_default("none: no test")
          .range_in_words(a_column));
  add(Declare("truth_map", &T::truth_map, own, "what the words of the true labels mean")
          .shown_default("label_map")
          .range_in_words("WORD=CLASS,WORD=CLASS,..."));
  add(Declare("id_column", &T::id_column, own, "names of the rows")
          .shown_default("none")
          .range_in_words(a_column));
  add(Declare("ignore_columns", &T::ignore_columns, own, "columns that become no feature")
          .shown_default("none")
          .range_in_words(columns));
  add(Declare("category_columns", &T::category_columns, own,
              "columns that hold categories even if they look like numbers or have many")
          .shown_default("none")
          .range_in_words(columns));
  add(Declare("schema", &T::schema, own,
              "what the columns mean, as --write-schema writes it (docs/schema.md)")
          .shown_default("inferred from the training rows")
          .range_in_words("a TOML file"));
  add(Declare("missing_words", &T::missing_words, own,
              "words that stand for a missing value, in any letter case")
          .shown_default("na,n/a,#n/a,nan,null,<na>,?")
          .range_in_words("words, separated by commas"));
  add(Declare("dates", &T::dates, own,
              "turn ISO dates into numbers, days since 1970; else they are ignored"));
  add(Declare("separator", &T::separator, own, "what stands between two cells")
          .range_in_words("auto, comma, semicolon, tab, bar, space, or the character itself")
          .check(check_separator));
  add(Declare("header", &T::header, own, "whether the first line holds the names of the columns")
          .one_of({"auto", "true", "false"}));
  add(Declare("skip_lines", &T::skip_lines, own, "lines before the table")
          .unit("lines")
          .range(between(0, 1e9)));
  add(Declare("samples", &T::samples, own, "variable of an NPZ or MAT file that holds the samples, one a row")
          .range_in_words("a name"));
  add(Declare("image_size", &T::image_size, own, "height and width that images of a folder must have or get")
          .shown_default("those of the first image")
          .range_in_words("HEIGHTxWIDTH, as 32x32")
          .unit("pixels")
          .check(check_image_size));
  add(Declare("image_fit", &T::image_fit, own,
              "what becomes of an image of another size: an error, stretched, or its middle cut out")
          .one_of({"exact", "stretch", "crop"}));
  add(Declare(
          "calibration_share", &T::calibration_share, own,
          "share of the rows not labelled anomalous that training does not see: the threshold and p-values "
          "come from their scores; 0: none")
          .range(share));
  add(Declare("test_share", &T::test_share, own,
              "share of the rows held out to test on, if there are true labels; 0: no test")
          .range(share));
  add(Declare("threshold", &T::threshold, own,
              "score above which a row is called anomalous (docs/thresholds.md)")
          .range_in_words(
              "auto, none, target-fpr:RATE, quantile:Q, contamination:SHARE, best-f1 or manual:SCORE")
          .check(check_threshold));
  add(Declare(
          "calibration_contamination", &T::calibration_contamination, own,
          "share of anomalies among the unlabelled calibration rows: so many of the largest scores are left "
          "out; auto: those that stand clear of the others")
          .range_in_words("auto, or 0 <= x < 0.5")
          .check(check_contamination));

  const std::string method = "Method and network";
  add(Declare("method", &T::method, method, "detector to train")
          .one_of({"deep_sad", "deep_svdd", "autoencoder", "vae", "dgm_m2", "dgm_m1m2", "classifier",
                   "oc_svm", "ssad", "kde", "isolation_forest"}));
  add(Declare("network", &T::network, method, "network of the catalogue, or a TOML file that describes one")
          .alias("net_name")
          .shown_default("chosen from the data")
          .range_in_words("a name or a file"));
  add(Declare("init", &T::init, method,
              "go on from this model instead of from fresh weights: same method and network, its scaling, no "
              "pretraining, 10 epochs if no other number is given")
          .shown_default("none")
          .range_in_words("a model file of a deep method, or its run folder"));
  add(Declare("rep_dim", &T::rep_dim, method, "width of the network's code; 0 = that of the network")
          .unit("values")
          .range(between(0, kMaxCodes)));
  add(Declare("leaky_relu_slope", &T::leaky_relu_slope, method, "slope of the leaky ReLU units below zero")
          .range(between(0, 1)));
  add(Declare("eta", &T::eta, method, "weight of the labelled rows in the loss of deep_sad").range(above(0)));
  add(Declare("objective", &T::objective, method, "objective of deep_svdd")
          .one_of({"one-class", "soft-boundary"}));
  add(Declare("nu", &T::nu, method,
              "share of training rows that may lie outside: soft boundary of deep_svdd, oc_svm")
          .range({.low = 0, .high = 1, .low_open = true, .high_open = true}));
  add(Declare("warm_up_epochs", &T::warm_up_epochs, method,
              "soft boundary: epochs before the radius follows the data")
          .unit("epochs")
          .range(between(0, kMaxEpochs)));
  add(Declare("center_rows", &T::center_rows, method, "training rows whose mean the center is")
          .one_of({"without-labelled-anomalies", "all"}));
  add(Declare("clamp_center", &T::clamp_center, method,
              "push components of the center that are closer to 0 than 0.1 to that distance"));

  add(Declare("class_weights", &T::class_weights, method,
              "classifier: balanced gives labelled anomalies as a whole the weight of all other rows; auto: "
              "balanced on tables, none on images")
          .one_of({"none", "balanced", "auto"})
          .shown_default("auto; --preset paper: none"));

  const std::string shallow = "Shallow detectors";
  add(Declare(
          "kernel", &T::kernel, shallow,
          "oc_svm: rbf, linear, poly; ssad: rbf, linear; kde: gaussian, tophat, epanechnikov, exponential, "
          "linear, cosine")
          .one_of({"auto", "rbf", "linear", "poly", "gaussian", "tophat", "epanechnikov", "exponential",
                   "cosine"}));
  add(Declare("gamma", &T::gamma, shallow, "oc_svm, ssad: width of the kernels rbf and poly")
          .range_in_words("grid (the best of 2^-7 ... 2^2), scale, median, or a number > 0")
          .check(check_gamma));
  add(Declare("nu_grid", &T::nu_grid, shallow, "oc_svm: also choose nu, from 0.01, 0.05, 0.1, 0.2, 0.5"));
  add(Declare(
          "selection", &T::selection, shallow,
          "rows that gamma and nu are chosen on; test-leak: a tenth of the test part with its labels, as the "
          "paper did, for comparison only")
          .one_of({"training", "test-leak"}));
  add(Declare("solver_tolerance", &T::solver_tolerance, shallow,
              "oc_svm, ssad: largest violation of optimality, relative to the largest kernel value; ssad: "
              "times a tenth of the sum of its weights, if that is more than 1")
          .range({.low = 0, .high = 0.1, .low_open = true}));
  add(Declare("kappa", &T::kappa, shallow, "ssad: weight of the margin of labelled rows").range(at_least(0)));
  add(Declare("c_normal", &T::c_normal, shallow, "ssad: bound of the weight of a row labelled normal")
          .alias("c_p")
          .range(above(0)));
  add(Declare("c_unlabelled", &T::c_unlabelled, shallow, "ssad: bound of the weight of an unlabelled row")
          .alias("c_u")
          .range(above(0)));
  add(Declare("c_anomaly", &T::c_anomaly, shallow, "ssad: bound of the weight of a row labelled anomalous")
          .alias("c_n")
          .range(above(0)));
  add(Declare("grid_search_cv", &T::grid_search_cv, shallow,
              "kde: choose the bandwidth from 2^0.5 ... 2^5 by cross-validated likelihood"));
  add(Declare("bandwidth", &T::bandwidth, shallow, "kde: bandwidth if it is not chosen").range(above(0)));
  add(Declare("n_estimators", &T::n_estimators, shallow, "isolation_forest: trees")
          .unit("trees")
          .range(between(1, kMaxTrees)));
  add(Declare("max_samples", &T::max_samples, shallow, "isolation_forest: rows a tree is grown on")
          .unit("rows")
          .range(between(2, kMaxTreeRows)));
  add(Declare("contamination", &T::contamination, shallow,
              "isolation_forest: share of training rows at or above the reported threshold")
          .range({.low = 0, .high = 0.5, .low_open = true}));
  add(Declare("exclude_labelled_anomalies", &T::exclude_labelled_anomalies, shallow,
              "oc_svm, kde, isolation_forest: leave labelled anomalies out of the training"));
  add(Declare("hybrid", &T::hybrid, shallow, "train on the code of an autoencoder"));
  add(Declare("load_ae", &T::load_ae, shallow, "model file with the autoencoder of a hybrid")
          .shown_default("none: one is trained first")
          .range_in_words("a model file of deep_sad, deep_svdd or autoencoder"));
  add(Declare(
          "memory_budget", &T::memory_budget, shallow,
          "oc_svm, ssad: memory for kernel matrices; 0 = half of the machine's; results do not depend on it")
          .unit("GB")
          .range(between(0, kMaxGigabytes))
          .of_the_machine());
  add(Declare("n_jobs_model", &T::n_jobs_model, shallow, "accepted and without effect; see num_threads")
          .unit("processes")
          .range(between(-1, kMaxThreads))
          .of_the_machine());

  const std::string training = "Training";
  add(Declare("optimizer_name", &T::optimizer_name, training, "optimiser").one_of({"adam"}));
  add(Declare("lr", &T::lr, training, "learning rate").range(above(0)));
  add(Declare("n_epochs", &T::n_epochs, training, "passes over the training set")
          .unit("epochs")
          .range(between(0, kMaxEpochs)));
  add(Declare("lr_milestone", &T::lr_milestone, training,
              "epochs (counted from 0) from which on the learning rate is a tenth; ascending")
          .unit("epochs")
          .range(between(1, kMaxEpochs))
          .shown_default("none")
          .check(check_ascending));
  add(Declare("batch_size", &T::batch_size, training, "rows of one step")
          .unit("rows")
          .range(between(1, kMaxBatch)));
  add(Declare(
          "patience", &T::patience, training,
          "early stopping of every phase: end after so many epochs without a lower loss on rows held out of "
          "the training rows, and go back to the best epoch; 0: train all epochs on all rows")
          .unit("epochs")
          .range(between(0, kMaxEpochs)));
  add(Declare("validation_share", &T::validation_share, training,
              "share of the training rows of each label held out for early stopping")
          .range({.low = 0, .high = 1, .low_open = true, .high_open = true}));
  add(Declare("weight_decay", &T::weight_decay, training, "L2 penalty: gradient += weight_decay * weight")
          .range(at_least(0)));

  const std::string pretraining = "Pretraining of the autoencoder";
  add(Declare(
      "pretrain", &T::pretrain, pretraining,
      "train an autoencoder first and start from its encoder; dgm_m1m2: the VAE on whose code it works; "
      "dgm_m2 has none, so there it is false"));
  add(Declare("transfer", &T::transfer, pretraining,
              "start deep_sad and deep_svdd from the pretrained encoder; false: from fresh weights"));
  add(Declare("ae_optimizer_name", &T::ae_optimizer_name, pretraining, "optimiser").one_of({"adam"}));
  add(Declare("ae_lr", &T::ae_lr, pretraining, "learning rate").range(above(0)));
  add(Declare("ae_n_epochs", &T::ae_n_epochs, pretraining, "passes over the training set")
          .unit("epochs")
          .range(between(0, kMaxEpochs)));
  add(Declare("ae_lr_milestone", &T::ae_lr_milestone, pretraining,
              "epochs (counted from 0) from which on the learning rate is a tenth; ascending")
          .unit("epochs")
          .range(between(1, kMaxEpochs))
          .shown_default("none")
          .check(check_ascending));
  add(Declare("ae_batch_size", &T::ae_batch_size, pretraining, "rows of one step")
          .unit("rows")
          .range(between(1, kMaxBatch)));
  add(Declare("ae_weight_decay", &T::ae_weight_decay, pretraining,
              "L2 penalty: gradient += weight_decay * weight")
          .range(at_least(0)));
  add(Declare("ae_exclude_labelled_anomalies", &T::ae_exclude_labelled_anomalies, pretraining,
              "leave the labelled anomalies out of the autoencoder's training")
          .shown_default("false; method autoencoder: true"));

  const std::string vae = "Training of the VAE (vae, dgm_m1m2)";
  add(Declare("vae_optimizer_name", &T::vae_optimizer_name, vae, "optimiser").one_of({"adam"}));
  add(Declare("vae_lr", &T::vae_lr, vae, "learning rate").range(above(0)));
  add(Declare("vae_n_epochs", &T::vae_n_epochs, vae, "passes over the training set")
          .unit("epochs")
          .range(between(0, kMaxEpochs)));
  add(Declare("vae_lr_milestone", &T::vae_lr_milestone, vae,
              "epochs (counted from 0) from which on the learning rate is a tenth; ascending")
          .unit("epochs")
          .range(between(1, kMaxEpochs))
          .shown_default("none")
          .check(check_ascending));
  add(Declare("vae_batch_size", &T::vae_batch_size, vae, "rows of one step")
          .unit("rows")
          .range(between(1, kMaxBatch)));
  add(Declare("vae_weight_decay", &T::vae_weight_decay, vae, "L2 penalty: gradient += weight_decay * weight")
          .range(at_least(0)));
  add(Declare("vae_exclude_labelled_anomalies", &T::vae_exclude_labelled_anomalies, vae,
              "leave the labelled anomalies out of the VAE's training")
          .shown_default("false; method vae: true"));

  const std::string generative = "Deep generative models";
  add(Declare("log_variance", &T::log_variance, generative,
              "form of the posterior's log-variance; softplus keeps it above 0, as the published code does")
          .one_of({"bounded", "softplus"}));
  add(Declare("kl", &T::kl, generative, "how the posterior's divergence from the prior is computed")
          .one_of({"closed-form", "single-sample"}));
  add(Declare("score_samples", &T::score_samples, generative,
              "vae: codes drawn for a row's score, with the same noise for every row; 0 = its mean code")
          .unit("codes")
          .range(between(0, kMaxCodes)));
  add(Declare("dgm_alpha", &T::dgm_alpha, generative, "dgm_m2, dgm_m1m2: weight of the classification term")
          .range(at_least(-1))
          .range_in_words(">= 0, or -1 for the default")
          .shown_default("0.1 x unlabelled rows / labelled rows")
          .check(check_alpha));
  add(Declare("dgm_weights", &T::dgm_weights, generative,
              "dgm_m2, dgm_m1m2: means weighs the labelled and the unlabelled rows of a batch as two wholes, "
              "counts "
              "every row the same")
          .one_of({"means", "counts"}));

  const std::string run = "Run";
  add(Declare("preset", &T::preset, run, "recipe the other options start from")
          .one_of({"none", "readme", "paper"})
          .of_the_machine());
  add(Declare("compat", &T::compat, run,
              "reference: as the published code, defects included, for comparison only")
          .one_of({"none", "reference"}));
  table.push_back(declare_seed());
  add(Declare("device", &T::device, run, "where to compute")
          .range_in_words("one of auto, cpu, cuda, cuda:N")
          .check(check_device)
          .of_the_machine());
  add(Declare("num_threads", &T::num_threads, run, "threads; 0 = all processors; results do not depend on it")
          .alias("threads")
          .unit("threads")
          .range(between(0, kMaxThreads))
          .of_the_machine());
  add(Declare("n_jobs_dataloader", &T::n_jobs_dataloader, run,
              "accepted and without effect: the data lie in memory")
          .unit("processes")
          .range(between(0, kMaxThreads))
          .of_the_machine());
  add(Declare("checkpoint_every", &T::checkpoint_every, run,
              "deep methods: write the state of the training into the run folder so often, for `train "
              "--resume`; 0: "
              "never")
          .unit("epochs")
          .range(between(0, kMaxEpochs))
          .of_the_machine());
  add(Declare("example_rows", &T::example_rows, run,
              "training rows that the model file keeps for `deepsad explain`: so many typical ones, and as "
              "many labelled ones; 0: none (whoever has the file can read them)")
          .unit("rows")
          .range(between(0, kMaxExamples))
          .of_the_machine());
  add(Declare(
          "training_profile", &T::training_profile, run,
          "keep in the model file for `deepsad doctor`: quantiles of features and scores over the training "
          "rows, and 64-bit hashes of rows")
          .of_the_machine());
  add(Declare("strict", &T::strict, run, "end with exit code 5 if a check of the trained model fails")
          .of_the_machine());
  return table;
}

std::string with_underscores(std::string name) {
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

std::string lower(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

bool parse_boolean(const std::string& word, bool& value) {
  const std::string w = lower(word);
  const auto is = [&w](const char* other) { return w == other; };
  value = is("true") || is("t") || is("1") || is("yes") || is("y");
  return value || is("false") || is("f") || is("0") || is("no") || is("n");
}

std::vector<std::int64_t> parse_list(const std::vector<std::string>& words) {
  std::vector<std::int64_t> list;
  for (const std::string& word : words) {
    if (word.empty()) continue;  // an empty word is the empty list
    for (const std::string& part : comma_words(word)) {
      std::int64_t entry = 0;
      if (!parse_c_number(part, entry)) refuse(word, "whole numbers, separated by commas");
      list.push_back(entry);
    }
  }
  return list;
}

// What the deep generative models cannot do, said before any work.
void validate_generative(const TrainOptions& options) {
  const std::string scaling = resolved_scaling(options);
  if (is_generative_method(options.method) && scaling != "min-max" && scaling != "quantile")
    throw InvalidArgument(fmt::format(
        "option scaling: got {}, but the decoder of {} gives values in [0, 1]; leave it at min-max",
        options.scaling, options.method));
  if (options.method == kM2 && options.pretrain)
    throw InvalidArgument(
        "option pretrain: got true, but dgm_m2 has no VAE to pretrain; leave it out, or take "
        "dgm_m1m2");
  if (options.method == kM1M2 && !options.pretrain)
    throw InvalidArgument(
        "option pretrain: got false, but dgm_m1m2 works on the code of a VAE, which must be "
        "trained first; leave it out, or take dgm_m2");
  if (options.method != kM2 && options.method != kM1M2) return;
  if (is_own_file(options.dataset)) return;  // its labels are not known yet
  const double labelled = options.ratio_known_normal + options.ratio_known_outlier;
  if (labelled == 0)
    throw InvalidArgument(fmt::format(
        "options ratio_known_outlier and ratio_known_normal: both are 0, but {} learns from labels "
        "which of its two classes is the anomalous one; give one of them, or take the method vae",
        options.method));
  if (labelled >= 1 && options.dgm_alpha < 0)
    throw InvalidArgument(
        "options ratio_known_normal and ratio_known_outlier: every row would be labelled, so "
        "that the default dgm_alpha is 0 and the classifier would learn nothing; give "
        "dgm_alpha, or leave rows unlabelled");
}

}  // namespace

const std::vector<OptionDeclaration>& train_option_declarations() {
  static const std::vector<OptionDeclaration> table = declare_options();
  return table;
}

const OptionDeclaration* find_train_option(const std::string& name) {
  const std::string key = with_underscores(name);
  for (const OptionDeclaration& option : train_option_declarations())
    if (option.name == key ||
        std::find(option.aliases.begin(), option.aliases.end(), key) != option.aliases.end())
      return &option;
  return nullptr;
}

OptionValue parse_option_value(const OptionDeclaration& option, const std::vector<std::string>& words) {
  if (option.type == OptionType::integer_list) return parse_list(words);
  if (words.size() != 1)
    throw InvalidArgument(fmt::format("got {} values ({}), wanted one", words.size(), joined(words, ", ")));
  const std::string& word = words[0];
  bool boolean = false;
  std::int64_t integer = 0;
  double real = 0;
  switch (option.type) {
    case OptionType::boolean:
      if (parse_boolean(word, boolean)) return boolean;
      refuse(word, "true, t, 1, yes, y or false, f, 0, no, n");
    case OptionType::integer:
      if (parse_c_number(word, integer)) return integer;
      refuse(word, "a whole number" + (option.range.empty() ? "" : " " + option.range));
    case OptionType::real:
      if (parse_c_number(word, real)) return real;
      refuse(word, "a number" + (option.range.empty() ? "" : " " + option.range));
    default:
      return word;
  }
}

std::string option_value_text(const OptionValue& value) {
  return std::visit(
      [](const auto& v) -> std::string {
        using V = std::decay_t<decltype(v)>;
        if constexpr (std::is_same_v<V, std::monostate>)
          return "";
        else if constexpr (std::is_same_v<V, std::vector<std::int64_t>>)
          return joined(v, ",");
        else
          return fmt::format("{}", v);
      },
      value);
}

namespace {

// Whether the published program of the method chooses its kernel's width on test rows.
bool chooses_width(const std::string& method) {
  return method == "oc_svm" || method == "ssad";
}

}  // namespace

TrainOptions starting_options(const std::string& preset, const std::string& compat,
                              const std::string& method) {
  TrainOptions options;
  find_train_option("preset")->set(options, preset);
  find_train_option("compat")->set(options, compat);
  find_train_option("method")->set(options, method);
  // Methods that ignore labels do not learn known anomalies as if they were normal.
  options.ae_exclude_labelled_anomalies = method == "autoencoder";
  options.vae_exclude_labelled_anomalies = method == "vae";
  if (preset == "readme") {
    options.lr = 1e-4;
    options.n_epochs = 150;
    options.lr_milestone = {50};
    options.batch_size = 128;
    options.weight_decay = 0.5e-6;
    options.pretrain = true;
    options.ae_lr = 1e-4;
    options.ae_n_epochs = 150;
    options.ae_batch_size = 128;
    options.ae_weight_decay = 0.5e-3;
  } else if (preset == "paper") {
    options.leaky_relu_slope = 0.1;
    options.eta = 1.0;
    options.center_rows = "without-labelled-anomalies";
    options.pretrain = true;
    // 50 epochs at 1e-4, then 100 at 1e-5, for all phases. The paper's lambda / 2 |W|^2 with lambda = 1e-6
    // is Adam's coupled decay 1e-6, for its gradient is lambda W.
    options.lr = options.ae_lr = options.vae_lr = 1e-4;
    options.n_epochs = options.ae_n_epochs = options.vae_n_epochs = 150;
    options.lr_milestone = options.ae_lr_milestone = options.vae_lr_milestone = {50};
    options.batch_size = options.ae_batch_size = options.vae_batch_size = 200;
    options.weight_decay = options.ae_weight_decay = options.vae_weight_decay = 1e-6;
  }
  if (compat == "reference") {
    options.center_rows = "all";
    options.log_variance = "softplus";
    options.kl = "single-sample";
    options.score_samples = 1;
    options.exclude_labelled_anomalies = options.vae_exclude_labelled_anomalies = false;
    if (chooses_width(method)) options.selection = "test-leak";
  }
  if (method == kM2) options.pretrain = false;  // it has nothing to pretrain
  if (method == "classifier" && preset != "paper") options.class_weights = "auto";
  return options;
}

void apply_layer(TrainOptions& options, const OptionLayer& layer) {
  for (const OptionAssignment& assignment : layer) {
    try {
      assignment.option->set(options, assignment.value);
    } catch (const InvalidArgument& error) {
      throw InvalidArgument(fmt::format("{}: {}", assignment.place, error.what()));
    }
  }
}

TrainOptions merge_unchecked(const std::vector<OptionLayer>& layers) {
  TrainOptions start;
  for (const OptionLayer& layer : layers)
    for (const OptionAssignment& assignment : layer)
      if (assignment.option->name == "preset" || assignment.option->name == "compat" ||
          assignment.option->name == "method" || assignment.option->name == "init")
        apply_layer(start, {assignment});
  TrainOptions options = starting_options(start.preset, start.compat, start.method);
  if (!start.init.empty()) {
    options.n_epochs = options.ae_n_epochs = options.vae_n_epochs = kWarmStartEpochs;
    options.lr_milestone = options.ae_lr_milestone = options.vae_lr_milestone = {};
  }
  for (const OptionLayer& layer : layers) apply_layer(options, layer);
  return options;
}

TrainOptions merge_options(const std::vector<OptionLayer>& layers) {
  TrainOptions options = merge_unchecked(layers);
  validate(options);
  return options;
}

std::string resolved_scaling(const TrainOptions& options) {
  if (options.scaling != "auto") return options.scaling;
  const bool standardise = options.preset == "paper" || is_own_file(options.dataset);
  return standardise && !is_generative_method(options.method) ? "standardise" : "min-max";
}

std::string resolved_class_weights(const TrainOptions& options, bool images) {
  if (options.class_weights != "auto") return options.class_weights;
  return images ? "none" : "balanced";
}

bool is_own_file(const std::string& dataset) {
  return dataset == "-" || dataset.find_first_of("/.") != std::string::npos;
}

std::optional<ImageSize> parse_image_size(const std::string& text) {
  constexpr std::size_t kMostPixels = 1 << 14;
  const std::size_t cross = text.find('x');
  if (cross == std::string::npos) return {};
  ImageSize size;
  if (!parse_c_number(text.substr(0, cross), size.height) ||
      !parse_c_number(text.substr(cross + 1), size.width))
    return {};
  const auto is_side = [](std::size_t side) { return side >= 1 && side <= kMostPixels; };
  return is_side(size.height) && is_side(size.width) ? std::optional(size) : std::nullopt;
}

bool is_generative_method(const std::string& method) {
  return method == "vae" || method == kM2 || method == kM1M2;
}

namespace {

// What the shallow detectors have, and what goes with what.
struct ShallowMethod {
  const char* name;
  const char* default_kernel;  // "" = no kernel at all
  std::vector<std::string> kernels;
};

const std::vector<ShallowMethod>& shallow_methods() {
  static const std::vector<ShallowMethod> methods{
      {"oc_svm", "rbf", {"rbf", "linear", "poly"}},
      {"ssad", "rbf", {"rbf", "linear"}},
      {"kde", "gaussian", {"gaussian", "tophat", "epanechnikov", "exponential", "linear", "cosine"}},
      {"isolation_forest", "", {}}};
  return methods;
}

const ShallowMethod* find_shallow(const std::string& method) {
  for (const ShallowMethod& entry : shallow_methods())
    if (method == entry.name) return &entry;
  return nullptr;
}

void validate_shallow(const TrainOptions& options) {
  const ShallowMethod* method = find_shallow(options.method);
  if (options.kernel != "auto") {
    if (method == nullptr || method->kernels.empty())
      throw InvalidArgument(fmt::format("option kernel: got {}, but method {} has no kernel",
                                        quoted(options.kernel), options.method));
    if (std::find(method->kernels.begin(), method->kernels.end(), options.kernel) == method->kernels.end())
      throw InvalidArgument(fmt::format("option kernel: got {}, but {} has the kernels {}",
                                        quoted(options.kernel), options.method,
                                        joined(method->kernels, ", ")));
  }
  if (options.selection == "test-leak" && !chooses_width(options.method))
    throw InvalidArgument(fmt::format(
        "option selection: test-leak is for the methods oc_svm and ssad, but method is {}", options.method));
  if (options.hybrid && method == nullptr)
    throw InvalidArgument(
        fmt::format("option hybrid: only shallow methods have hybrids, but method is {}", options.method));
  if (!options.hybrid && !options.load_ae.empty())
    throw InvalidArgument("option load_ae: an autoencoder is used by hybrids only; give hybrid true, too");
  const bool has_network = method == nullptr || (options.hybrid && options.load_ae.empty());
  if (!has_network && !options.network.empty())
    throw InvalidArgument(
        fmt::format("option network: got {}, but {}", quoted(options.network),
                    options.hybrid ? "a hybrid with load_ae has the network of that model"
                                   : fmt::format("method {} has no network of its own", options.method)));
  if ((!has_network || is_generative_method(options.method)) && options.rep_dim > 0)
    throw InvalidArgument(fmt::format("option rep_dim: got {}, but {}", options.rep_dim,
                                      options.hybrid
                                          ? "a hybrid with load_ae has the network of that model"
                                          : fmt::format("method {} takes no such network", options.method)));
}

}  // namespace

bool is_shallow_method(const std::string& method) {
  return find_shallow(method) != nullptr;
}

std::string resolved_kernel(const TrainOptions& options) {
  const ShallowMethod* method = find_shallow(options.method);
  return options.kernel == "auto" && method != nullptr ? method->default_kernel : options.kernel;
}

namespace {

// One's own file has no classes to draw from, a named set no columns.
void validate_own_file(const TrainOptions& options) {
  static const TrainOptions defaults;
  const bool own = is_own_file(options.dataset);
  for (const OptionDeclaration& option : train_option_declarations()) {
    if (option.get(options) == option.get(defaults)) continue;
    if (!own && option.group == kOwnGroup && !options.dataset.empty())
      throw InvalidArgument(
          fmt::format("option {}: got {}, but {} is no file of one's own (a path with / or . "
                      "in it)",
                      option.name, value_for_message(option.get(options)), options.dataset));
    constexpr std::array kOfNamedSets{"normal_class",       "known_outlier_class", "n_known_outlier_classes",
                                      "ratio_known_normal", "ratio_known_outlier", "ratio_pollution"};
    if (own && std::find(kOfNamedSets.begin(), kOfNamedSets.end(), option.name) != kOfNamedSets.end())
      throw InvalidArgument(
          fmt::format("option {}: got {}, but the rows of {} are normal or anomalous as its labels say; see "
                      "label_column",
                      option.name, value_for_message(option.get(options)), options.dataset));
  }
  if (!own) return;
  for (const char* name : {"schema", "ignore_columns", "category_columns", "missing_words", "dates"}) {
    const OptionDeclaration& option = *find_train_option(name);
    if (options.init.empty() || option.get(options) == option.get(defaults)) continue;
    throw InvalidArgument(fmt::format(
        "option {}: got {}, but the columns are read by the schema of the model to go on from (init)", name,
        value_for_message(option.get(options))));
  }
  const auto refuse_if = [&](bool given, const char* option, const char* why) {
    if (given)
      throw InvalidArgument(
          fmt::format("option {}: {}, but {} is one's own file", option, why, options.dataset));
  };
  refuse_if(options.compat != "none", "compat", "reference stands for runs on the published data sets");
  refuse_if(options.selection == "test-leak", "selection", "test-leak stands for the paper's data sets");
  refuse_if(!options.load_ae.empty(), "load_ae",
            "whether another model saw the held-out rows cannot be told");
  if (!options.label_file.empty() && options.label_file == options.dataset)
    throw InvalidArgument("option label_file: is the table itself; see label_column");
  if (!options.label_map.empty() && options.label_column.empty() && options.label_file.empty() &&
      options.schema.empty() && options.truth_column.empty())
    throw InvalidArgument(
        "option label_map: there is no label column that it could be for; give label_column");
  if (options.threshold != "auto" && options.threshold != "none" && options.calibration_share == 0 &&
      parse_threshold_request(options.threshold).kind != ThresholdKind::manual)
    throw InvalidArgument(fmt::format(
        "option threshold: got {}, but calibration_share is 0, so that no rows are there to choose it on",
        options.threshold));
}

}  // namespace

void validate(const TrainOptions& options) {
  for (const OptionDeclaration& option : train_option_declarations()) {
    TrainOptions scratch;
    try {
      // The seed is unsigned in the struct: what exceeds an int64 must not wrap into the range.
      if (option.name == "seed" && options.seed.value_or(0) > kMaxSeed)
        throw InvalidArgument(fmt::format("got {}, wanted a whole number {}", *options.seed, option.range));
      option.set(scratch, option.get(options));
    } catch (const InvalidArgument& error) {
      throw InvalidArgument(fmt::format("option {}: {}", option.name, error.what()));
    }
  }
  const auto is_normal = [&](int c) {
    return std::find(options.normal_class.begin(), options.normal_class.end(), c) !=
           options.normal_class.end();
  };
  if (options.n_known_outlier_classes == 1 && is_normal(options.known_outlier_class))
    throw InvalidArgument(
        fmt::format("option known_outlier_class: class {} is also a normal class; labelled anomalies must "
                    "come from another class",
                    options.known_outlier_class));
  if (options.ratio_known_outlier > 0 && options.n_known_outlier_classes == 0)
    throw InvalidArgument(fmt::format(
        "option ratio_known_outlier: got {}, but n_known_outlier_classes is 0, so there is no class to take "
        "labelled anomalies from; give n_known_outlier_classes 1 (or more)",
        options.ratio_known_outlier));
  if (options.ratio_known_normal + options.ratio_known_outlier > 1)
    throw InvalidArgument(fmt::format(
        "options ratio_known_normal and ratio_known_outlier: {} + {} is more than 1, the whole training set",
        options.ratio_known_normal, options.ratio_known_outlier));
  if (options.objective == "soft-boundary" && options.method != "deep_svdd")
    throw InvalidArgument(fmt::format(
        "option objective: soft-boundary belongs to method deep_svdd, but method is {}", options.method));
  validate_own_file(options);
  validate_generative(options);
  validate_shallow(options);
  if (!options.init.empty() && is_shallow_method(options.method))
    throw InvalidArgument(fmt::format(
        "option init: method {} has no weights to go on from; deep methods have", options.method));
  if (options.compat == "reference") {
    if (!options.init.empty())
      throw InvalidArgument("option init: the published programs (compat reference) always begin anew");
    if (options.method != "deep_sad" && options.method != "classifier" &&
        !is_generative_method(options.method) && !is_shallow_method(options.method))
      throw InvalidArgument(fmt::format(
          "option compat: reference stands for the published programs of Deep SAD, of the deep generative "
          "models and of the shallow detectors, and for a classifier on their rows, but method is {}",
          options.method));
    if (options.seed.value_or(0) > kMaxReferenceSeed)
      throw InvalidArgument(
          fmt::format("option seed: got {}, but the generators of compat reference take at most {}",
                      *options.seed, kMaxReferenceSeed));
    if (options.normal_class.size() != 1)
      throw InvalidArgument(fmt::format("option normal_class: got {} classes, but compat reference knows one",
                                        options.normal_class.size()));
  }
}

}  // namespace deepsad
