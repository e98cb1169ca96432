#include "interchange/onnx_scaler.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <span>

namespace deepsad {
namespace {

constexpr float kPixelMax = 255;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// What scaling by quantiles makes of one feature, as a function that is linear between borders: a value with
/// b borders below it lies in piece b and becomes start[b] + (x - base[b]) / width[b], counted in steps from
/// one quantile to the next.
struct Pieces {
  std::vector<double> borders;             // ascending
  std::vector<double> base, width, start;  // one more each

  void add(double from, double per_step, double steps_before) {
    base.push_back(from);
    width.push_back(per_step);
    start.push_back(steps_before);
  }
};

// As the scaler says (share_below): beyond the quantiles the mean slope goes on; a value that several
// quantiles share becomes the middle of theirs, for which it has a piece of its own, without other values.
Pieces pieces_of(std::span<const double> quantiles) {
  const double first = quantiles.front(), last = quantiles.back();
  Pieces pieces;
  // The largest number below a quantile, but none below the one before it; below 0 a normal one, which
  // runtimes that take subnormal numbers for 0 can tell from it.
  const auto below = [](double quantile, double before) {
    const double next =
        quantile == 0 ? -std::numeric_limits<double>::min() : std::nextafter(quantile, before);
    return std::max(next, before);
  };
  const auto steps = static_cast<double>(std::max<std::size_t>(quantiles.size(), 2) - 1);
  if (first == last) {  // constant: as if its range were 1
    pieces.add(first, 1 / steps, 0);
    return pieces;
  }
  const double beyond = std::max((last - first) / steps, std::numeric_limits<double>::denorm_min());
  pieces.add(first, beyond, 0);
  double value = first;
  for (auto from = quantiles.begin();;) {
    const auto next = std::upper_bound(from, quantiles.end(), *from);
    value = *from;
    const double following = *next;
    const auto position = static_cast<double>(next - 1 - quantiles.begin());
    // A border is the largest value of the piece before it.
    pieces.borders.push_back(value);
    pieces.add(value, following - value, position);
    if (following == last) break;
    from = next;
    const auto end = std::upper_bound(from, quantiles.end(), following);
    if (end - from == 1) continue;
    pieces.borders.push_back(below(following, value));
    pieces.add(following, 1, (position + 1 + static_cast<double>(end - 1 - quantiles.begin())) / 2);
  }
  pieces.borders.push_back(below(last, value));
  pieces.add(last, beyond, steps);
  return pieces;
}

/// In which piece of its feature each value lies is found by halving, with log2 n nodes of a kind, not by a
/// comparison with every border, which would need memory for all of them for every row.
std::string add_quantiles(GraphBuilder& graph, const Scaler& scaler, const std::string& rows) {
  const std::size_t d = scaler.n_features(), n = scaler.quantiles().size() / d;
  std::vector<Pieces> features;
  std::size_t most = 1;
  for (std::size_t j = 0; j < d; ++j) {
    features.push_back(pieces_of(std::span(scaler.quantiles()).subspan(j * n, n)));
    most = std::max(most, features.back().base.size());
  }
  // Every feature has as many borders as halving wants: no value is above those that are added.
  const std::size_t n_pieces = std::bit_ceil(most);
  Pieces all;
  for (Pieces& feature : features) {
    feature.borders.resize(n_pieces, kInfinity);
    feature.base.resize(n_pieces, 0);
    feature.width.resize(n_pieces, 1);
    feature.start.resize(n_pieces, 0);
    const auto append = [](std::vector<double>& to, const std::vector<double>& values) {
      to.insert(to.end(), values.begin(), values.end());
    };
    append(all.borders, feature.borders);
    append(all.base, feature.base);
    append(all.width, feature.width);
    append(all.start, feature.start);
  }
  const auto name = [](const char* what, std::size_t step) {
    return fmt::format("scaler.{}_{}", what, step);
  };
  // For each feature the place, in lists of n_pieces a feature, that lies so far in it.
  const auto places = [&](const std::string& called, std::size_t within) {
    std::vector<std::int64_t> values(d);
    for (std::size_t j = 0; j < d; ++j) values[j] = static_cast<std::int64_t>(j * n_pieces + within);
    return graph.constant(called, dims({d}), values);
  };
  const std::string borders = graph.constant("scaler.borders", dims({d * n_pieces}), all.borders);
  const OnnxAttribute from_list{"axis", std::int64_t{0}};
  std::string n_below;  // borders below each value that are found so far
  for (std::size_t step = n_pieces / 2; step > 0; step /= 2) {
    std::string place = places(name("place", step), step - 1);
    if (!n_below.empty()) place = graph.node(name("index", step), "Add", {n_below, place});
    const std::string border = graph.node(name("border", step), "Gather", {borders, place}, {from_list});
    const std::string above = graph.node(name("above", step), "Greater", {rows, border});
    std::string more = graph.node(name("is_above", step), "Cast", {above}, {cast_to(OnnxType::i64)});
    if (step > 1)
      more = graph.node(name("more", step), "Mul",
                        {more, graph.scalar(name("step", step), static_cast<std::int64_t>(step))});
    n_below = n_below.empty() ? more : graph.node(name("n_below", step), "Add", {n_below, more});
  }
  std::string piece = places("scaler.first_piece", 0);
  const auto of_piece = [&](const char* what, const std::vector<double>& values) {
    const std::string list = graph.constant(fmt::format("scaler.{}s", what), dims({d * n_pieces}), values);
    return graph.node(fmt::format("scaler.{}", what), "Gather", {list, piece}, {from_list});
  };
  if (!n_below.empty()) piece = graph.node("scaler.piece", "Add", {n_below, piece});
  const std::string within = graph.node("scaler.within", "Sub", {rows, of_piece("base", all.base)});
  const std::string share = graph.node("scaler.share", "Div", {within, of_piece("width", all.width)});
  const std::string steps = graph.node("scaler.steps", "Add", {of_piece("start", all.start), share});
  const auto n_steps = static_cast<double>(std::max<std::size_t>(n, 2) - 1);
  return graph.node("scaler.quantile", "Div", {steps, graph.scalar("scaler.n_steps", n_steps)});
}

}  // namespace

std::string add_scaler(GraphBuilder& graph, const Scaler& scaler, const std::string& rows,
                       const Shape& sample_shape) {
  if (scaler.kind() == Scaler::Kind::pixels) {
    const std::string pixels = graph.node("pixels", "Cast", {rows}, {cast_to(OnnxType::f32)});
    return graph.node("scaled", "Div", {pixels, graph.scalar("pixel_max", kPixelMax)});
  }
  const auto as_float = [&](const std::string& value) {
    return graph.node("scaled", "Cast", {value}, {cast_to(OnnxType::f32)});
  };
  if (scaler.scaling() == Scaling::quantile) return as_float(add_quantiles(graph, scaler, rows));
  // Every other one is (x - mean) / std, then (z - min) / (max - min).
  const auto step = [&](const char* op, const char* name, const std::string& input,
                        const std::vector<double>& values, double neutral) {
    if (std::all_of(values.begin(), values.end(), [neutral](double v) { return v == neutral; })) return input;
    const std::string constant = graph.constant(fmt::format("scaler.{}", name), dims(sample_shape), values);
    return graph.node(fmt::format("scaler_{}", name), op, {input, constant});
  };
  std::vector<double> range(scaler.n_features(), 1.0);  // a range of 0 divides by 1
  for (std::size_t j = 0; j < range.size(); ++j)
    if (scaler.max()[j] > scaler.min()[j]) range[j] = scaler.max()[j] - scaler.min()[j];
  std::string value = step("Sub", "mean", rows, scaler.mean(), 0);
  value = step("Div", "std", value, scaler.std(), 1);
  value = step("Sub", "min", value, scaler.min(), 0);
  value = step("Div", "range", value, range, 1);
  return as_float(value);
}

}  // namespace deepsad
