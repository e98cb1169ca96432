#include "deepsad/experiment/published.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "deepsad/core/error.h"
#include "experiment/published_text.h"

namespace deepsad {
namespace {

using Json = nlohmann::json;

template <class T>
std::optional<T> value_or_any(const Json& value) {
  return value.is_null() ? std::nullopt : std::optional<T>(value.get<T>());
}

// Ratios are written with few digits, but may have been computed.
bool same_ratio(double a, double b) {
  return std::abs(a - b) < 1e-9;
}

}  // namespace

const PublishedFigure* PublishedFigures::find(const std::string& dataset, double gamma_l, double gamma_p,
                                              std::size_t n_known_classes, const std::string& column) const {
  const bool unlabelled = gamma_l == 0 || n_known_classes == 0;
  const PublishedFigure* doubtful = nullptr;
  for (const PublishedFigure& figure : figures) {
    if (figure.dataset != dataset || figure.column != column || !same_ratio(figure.gamma_p, gamma_p))
      continue;
    if (figure.gamma_l) {
      const bool figure_unlabelled = *figure.gamma_l == 0 || figure.n_known_classes == std::size_t{0};
      if (figure_unlabelled != unlabelled) continue;
      if (!unlabelled && (!same_ratio(*figure.gamma_l, gamma_l) || figure.n_known_classes != n_known_classes))
        continue;
    }
    if (!figure.doubtful) return &figure;
    doubtful = &figure;
  }
  return doubtful;
}

const PublishedFigures& published_figures() {
  static const PublishedFigures figures =
      parse_published_figures(kPublishedText, "experiments/paper/published.json");
  return figures;
}

PublishedFigures parse_published_figures(const std::string& text, const std::string& name) {
  try {
    const Json json = Json::parse(text);
    PublishedFigures result{.source = json.at("source").get<std::string>(),
                            .columns = json.at("columns").get<std::vector<std::string>>(),
                            .figures = {}};
    for (const Json& entry : json.at("entries")) {
      result.figures.push_back({.table = entry.at("table").get<std::string>(),
                                .dataset = entry.at("dataset").get<std::string>(),
                                .gamma_l = value_or_any<double>(entry.at("gamma_l")),
                                .gamma_p = entry.at("gamma_p").get<double>(),
                                .n_known_classes = value_or_any<std::size_t>(entry.at("k")),
                                .column = entry.at("column").get<std::string>(),
                                .mean = entry.at("mean").get<double>() / 100,
                                .standard_deviation = entry.at("sd").get<double>() / 100,
                                .n = entry.at("n").get<std::size_t>(),
                                .doubtful = entry.value("doubtful", false)});
    }
    return result;
  } catch (const Json::exception& error) {
    throw DataError(fmt::format("{}: not a file of published figures: {}", name, error.what()));
  }
}

}  // namespace deepsad
