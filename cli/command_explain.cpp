// deepsad explain: which columns or pixels make rows anomalous.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <numeric>
#include <span>

#include "commands.h"
#include "deepsad/core/error.h"
#include "deepsad/core/parallel.h"
#include "deepsad/model/explanation.h"
#include "deepsad/model/model_rows.h"
#include "deepsad/report/heat_map.h"
#include "deepsad/storage/atomic_file.h"
#include "shared_options.h"

namespace deepsad::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kTop = 5;          // rows, if none are named
constexpr std::size_t kMaxRows = 10000;  // of one call
constexpr std::size_t kShownColumns = 10, kShownPixels = 5;

std::size_t count_option(const Arguments& arguments, const char* name, std::size_t otherwise,
                         std::size_t least, std::size_t most) {
  if (!arguments.has(name)) return otherwise;
  const std::string text = arguments.text(name);
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < least || value > most) {
    throw InvalidArgument(
        fmt::format("--{}: got \"{}\", wanted a whole number from {} to {}", name, text, least, most));
  }
  return value;
}

// "0,5,17" and ranges "10-12".
std::vector<std::uint32_t> row_list(const std::string& text) {
  std::vector<std::uint32_t> rows;
  const auto refuse = [&] {
    throw InvalidArgument(fmt::format(
        "--rows: got \"{}\", wanted at most {} row numbers and ranges, counted from 0, such as 0,5,10-12",
        text, kMaxRows));
  };
  const char* at = text.data();
  const char* const end = at + text.size();
  const auto number = [&] {
    std::uint32_t value = 0;
    const auto [next, error] = std::from_chars(at, end, value);
    if (error != std::errc()) refuse();
    at = next;
    return value;
  };
  for (;;) {
    const std::uint32_t first = number();
    std::uint32_t last = first;
    if (at != end && *at == '-') {
      ++at;
      last = number();
    }
    if (last < first || last - first >= kMaxRows || rows.size() + (last - first) >= kMaxRows) refuse();
    for (std::uint32_t row = first;; ++row) {
      rows.push_back(row);
      if (row == last) break;
    }
    if (at == end) return rows;
    if (*at != ',') refuse();
    ++at;
  }
}

std::optional<AttributionMethod> method_option(const Arguments& arguments) {
  const std::string name = arguments.text("attribution", "auto");
  if (name == "auto") return std::nullopt;
  for (const AttributionMethod method :
       {AttributionMethod::integrated_gradients, AttributionMethod::leave_one_out})
    if (name == attribution_method_name(method)) return method;
  throw InvalidArgument(
      fmt::format("--attribution: got \"{}\", wanted auto, integrated-gradients or leave-one-out", name));
}

// The rows with the highest scores, the highest first.
std::vector<std::uint32_t> top_rows(const Model& model, const ModelRows& source, std::size_t n,
                                    ThreadPool& pool) {
  const std::vector<float> scores = model.score(source.rows, pool);
  std::vector<std::uint32_t> order = source.chosen;
  std::stable_sort(order.begin(), order.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return scores[a] > scores[b]; });
  order.resize(std::min(n, order.size()));
  return order;
}

// That nothing of one of these names lies in the folder, which need not be there.
void require_new(const std::string& folder, std::span<const std::string> names) {
  std::error_code unknown;
  if (fs::exists(folder, unknown) && !fs::is_directory(folder, unknown))
    throw IoError(fmt::format("--out: {} is no folder; give another name", folder));
  for (const std::string& name : names)
    if (fs::symlink_status(fs::path(folder) / name, unknown).type() != fs::file_type::not_found)
      throw IoError(fmt::format("{}/{} exists already; give another folder", folder, name));
}

constexpr const char* kJsonFile = "explanations.json";
constexpr const char* kCsvFile = "explanations.csv";

void write_files(const std::string& folder, const Explanations& explanations, const Model& model) {
  std::vector<ReportFile> files;
  const auto add = [&](const char* name, const std::string& text) {
    files.push_back({name, {text.begin(), text.end()}});
  };
  add(kJsonFile, explanations_json(explanations));
  add(kCsvFile, explanations_csv(explanations));
  const std::vector<std::size_t>& shape = model.sample_shape();
  if (shape.size() == 3 && (shape[0] == 1 || shape[0] == 3))
    for (ReportFile& file : heat_map_files(explanations, shape)) files.push_back(std::move(file));
  std::vector<std::string> names;
  for (const ReportFile& file : files) names.push_back(file.name);
  require_new(folder, names);
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) throw IoError(fmt::format("{}: cannot be created: {}", folder, error.message()));
  for (const ReportFile& file : files) write_file((fs::path(folder) / file.name).string(), file.bytes);
}

}  // namespace

int run_explain(const Arguments& arguments, Console& console) {
  if (arguments.has("rows") && arguments.has("top"))
    throw InvalidArgument("--rows and --top: give one of them");
  ExplainOptions options{.method = method_option(arguments)};
  options.n_baselines = count_option(arguments, "baselines", options.n_baselines, 1, 1000);
  options.stop = &stop_on_signals();
  const std::size_t n_top = count_option(arguments, "top", kTop, 1, kMaxRows);
  if (arguments.has("out")) {
    const std::array<std::string, 2> names{kJsonFile, kCsvFile};  // those of every model
    require_new(arguments.text("out"), names);
  }
  ThreadPool pool(threads(arguments));
  const Model model = Model::load(model_path(arguments));
  const bool images = model.sample_shape().size() == 3;
  const std::size_t n_columns =
      count_option(arguments, "columns", images ? kShownPixels : kShownColumns, 1, 1000000);
  const ModelRows source =
      load_model_rows(model, arguments.text("FILE"), model_rows_options(arguments), pool);
  const std::vector<std::uint32_t> rows =
      arguments.has("rows") ? row_list(arguments.text("rows")) : top_rows(model, source, n_top, pool);
  Explanations explanations = explain(model, source.rows, rows, options, pool);
  if (!source.ids.empty())
    for (Explanation& row : explanations.rows) row.id = source.ids[row.row];
  if (arguments.has("out")) write_files(arguments.text("out"), explanations, model);
  console.print(arguments.flag("json") ? explanations_json(explanations)
                                       : explanations_text(explanations, n_columns));
  const auto n_incomplete = std::count_if(explanations.rows.begin(), explanations.rows.end(),
                                          [](const Explanation& row) { return !row.complete; });
  if (n_incomplete > 0) {
    console.note(
        fmt::format("deepsad: warning: the contributions of {} of {} rows sum to the score only with an "
                    "error of more than "
                    "{:g} %",
                    n_incomplete, explanations.rows.size(), 100 * options.tolerance));
  }
  return kDone;
}

}  // namespace deepsad::cli
