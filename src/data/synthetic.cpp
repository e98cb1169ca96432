#include "deepsad/data/synthetic.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <string>
#include <utility>
#include <vector>

#include "deepsad/core/error.h"
#include "deepsad/core/random.h"

namespace deepsad {
namespace {

// This file is compiled without fused multiply-add (see CMakeLists.txt), draws with +, -, *, / and sqrt only,
// and rounds what it needs of sine and cosine to float: that is what makes the bytes the same everywhere.

constexpr double kPi = std::numbers::pi;

float sine(double turns) {
  return static_cast<float>(std::sin(2 * kPi * turns));
}
float cosine(double turns) {
  return static_cast<float>(std::cos(2 * kPi * turns));
}

float uniform(RandomStream& random, float low, float high) {
  return low + (high - low) * static_cast<float>(random.uniform());
}

// ---- the signs ----

struct Point {
  float x = 0;
  float y = 0;
};
Point operator+(Point a, Point b) {
  return {a.x + b.x, a.y + b.y};
}
Point operator-(Point a, Point b) {
  return {a.x - b.x, a.y - b.y};
}
Point operator*(float s, Point a) {
  return {s * a.x, s * a.y};
}

// A cubic Bezier curve.
using Curve = std::array<Point, 4>;

struct Sign {
  std::string name;
  std::vector<Curve> curves;  // in [-1, 1] x [-1, 1], x to the right, y down
};

void add_line(Sign& sign, Point a, Point b) {
  sign.curves.push_back({a, a + (1.0F / 3) * (b - a), b - (1.0F / 3) * (b - a), b});
}

void add_polyline(Sign& sign, const std::vector<Point>& points) {
  for (std::size_t i = 1; i < points.size(); ++i) add_line(sign, points[i - 1], points[i]);
}

// An arc round `center` from angle `from` to angle `to`, in turns (0 right, 1/4 down), while the radius goes
// evenly from `radius_from` to `radius_to`; its height is `stretch` times its width.
void add_arc(Sign& sign, Point center, float radius_from, float radius_to, double from, double to,
             float stretch = 1) {
  const int pieces =
      std::max(1, static_cast<int>(std::ceil(std::abs(to - from) * 4 - 1e-6)));  // quarters at most
  const double step = (to - from) / pieces;
  const float radius_step = (radius_to - radius_from) / static_cast<float>(pieces);
  // Hermite to Bezier: inner control points lie a third of the derivative away.
  const auto at = [&](int i) {
    const double angle = from + i * step;
    const float r = radius_from + static_cast<float>(i) * radius_step;
    return std::pair(Point{center.x + r * cosine(angle), center.y + stretch * r * sine(angle)},
                     Point{radius_step * cosine(angle) - r * static_cast<float>(2 * kPi * step) * sine(angle),
                           stretch * (radius_step * sine(angle) +
                                      r * static_cast<float>(2 * kPi * step) * cosine(angle))});
  };
  for (int i = 0; i < pieces; ++i) {
    const auto [p0, d0] = at(i);
    const auto [p1, d1] = at(i + 1);
    sign.curves.push_back({p0, p0 + (1.0F / 3) * d0, p1 - (1.0F / 3) * d1, p1});
  }
}

std::vector<Sign> make_signs() {
  std::vector<Sign> signs;
  const auto add = [&signs](const char* name) -> Sign& { return signs.emplace_back(Sign{name, {}}); };
  add_arc(add("ring"), {0, 0}, 0.8F, 0.8F, 0, 1, 1.1F);
  add_arc(add("horseshoe"), {0, 0}, 0.8F, 0.8F, 0.12, 0.88, 1.1F);
  add_polyline(add("square"),
               {{-0.75F, -0.75F}, {0.75F, -0.75F}, {0.75F, 0.75F}, {-0.75F, 0.75F}, {-0.75F, -0.75F}});
  add_polyline(add("triangle"), {{0, -0.9F}, {0.85F, 0.75F}, {-0.85F, 0.75F}, {0, -0.9F}});
  {
    Sign& sign = add("cross");
    add_line(sign, {-0.8F, 0}, {0.8F, 0});
    add_line(sign, {0, -0.9F}, {0, 0.9F});
  }
  add_polyline(add("zigzag"), {{-0.85F, 0.8F}, {-0.35F, -0.8F}, {0.35F, 0.8F}, {0.85F, -0.8F}});
  add_arc(add("spiral"), {0, 0}, 0.9F, 0.1F, 0.1, 1.85);
  {
    Sign& sign = add("arrow");
    add_line(sign, {0, 0.9F}, {0, -0.85F});
    add_polyline(sign, {{-0.6F, -0.25F}, {0, -0.85F}, {0.6F, -0.25F}});
  }
  {
    Sign& sign = add("hook");  // a T whose stem ends in a tail
    add_line(sign, {-0.65F, -0.75F}, {0.65F, -0.75F});
    add_line(sign, {0, -0.75F}, {0, 0.5F});
    add_arc(sign, {0.35F, 0.5F}, 0.35F, 0.35F, 0.5, 0.1);
  }
  {
    Sign& sign = add("gate");
    add_line(sign, {-0.6F, -0.85F}, {-0.6F, 0.85F});
    add_line(sign, {0.6F, -0.85F}, {0.6F, 0.85F});
    add_line(sign, {-0.6F, 0}, {0.6F, 0});
  }
  return signs;
}

const std::vector<Sign>& signs() {
  static const std::vector<Sign> all = make_signs();
  return all;
}

// ---- the drawing ----

constexpr std::size_t kSide = 28;
constexpr std::size_t kPixels = kSide * kSide;
constexpr float kCenter = 13.5F;    // middle of the pixel grid
constexpr int kPiecesPerCurve = 6;  // straight pieces a curve is drawn with: at most 4 pixels each
constexpr std::size_t kMaxPerClass = 1000000;

// Ranges of the distortions, chosen so that one-class AUC on raw pixels tells methods and classes apart; see
// docs/built-in-data.md for the figures.
constexpr float kHalfSize = 10.5F;  // pixels from the middle to the edge of an unscaled sign
constexpr float kScaleLow = 0.65F;
constexpr float kScaleHigh = 1.05F;
constexpr double kTurn = 0.055;  // rotation, in turns to either side
constexpr float kShear = 0.25F;
constexpr float kShift = 2.0F;    // pixels
constexpr float kBend = 0.16F;    // quadratic bend of the plane, at the sign's edge
constexpr float kJitter = 0.07F;  // of each control point
constexpr float kPenLow = 0.6F;   // radius, pixels
constexpr float kPenHigh = 1.6F;
constexpr float kInkLow = 0.6F;
constexpr float kNoiseHigh = 0.1F;      // standard deviation of the noise, in units of full ink
constexpr std::uint64_t kMaxMarks = 3;  // stray marks
constexpr float kMarkInkHigh = 0.7F;

using Canvas = std::array<float, kPixels>;  // ink, 0 to 1

// Draws the straight piece from a to b with a round pen: full ink up to `pen` from the axis, falling to none
// one pixel further. Pixels keep the larger ink, so that pieces and strokes join without seams.
void draw_piece(Canvas& canvas, Point a, Point b, float pen, float ink) {
  const float reach = pen + 0.5F;
  const auto first = [reach](float u, float v) {
    return std::max(0, static_cast<int>(std::ceil(std::min(u, v) - reach)));
  };
  const auto last = [reach](float u, float v) {
    return std::min(static_cast<int>(kSide) - 1, static_cast<int>(std::floor(std::max(u, v) + reach)));
  };
  const Point along = b - a;
  const float length2 = along.x * along.x + along.y * along.y;
  const float inverse = length2 > 0 ? 1 / length2 : 0;
  const int x_last = last(a.x, b.x);
  const int y_last = last(a.y, b.y);
  for (int y = first(a.y, b.y); y <= y_last; ++y) {
    for (int x = first(a.x, b.x); x <= x_last; ++x) {
      const Point from_a = Point{static_cast<float>(x), static_cast<float>(y)} - a;
      const float t = std::clamp((from_a.x * along.x + from_a.y * along.y) * inverse, 0.0F, 1.0F);
      const Point off = from_a - t * along;
      const float coverage = std::clamp(reach - std::sqrt(off.x * off.x + off.y * off.y), 0.0F, 1.0F);
      float& pixel = canvas[static_cast<std::size_t>(y) * kSide + static_cast<std::size_t>(x)];
      pixel = std::max(pixel, ink * coverage);
    }
  }
}

Point on_curve(const Curve& c, float t) {
  const float s = 1 - t;
  return (s * s * s) * c[0] + (3 * s * s * t) * c[1] + (3 * s * t * t) * c[2] + (t * t * t) * c[3];
}

// The plane's own distortion for one image: a quadratic bend, then an affine map to pixels.
struct Distortion {
  explicit Distortion(RandomStream& random) {
    for (float& b : bend) b = uniform(random, -kBend, kBend);
    const double angle = random.uniform(-kTurn, kTurn);
    const float shear = uniform(random, -kShear, kShear);
    const float width = kHalfSize * uniform(random, kScaleLow, kScaleHigh);
    const float height = kHalfSize * uniform(random, kScaleLow, kScaleHigh);
    // rotation x shear x scale
    xx = width * cosine(angle);
    xy = height * (shear * cosine(angle) - sine(angle));
    yx = width * sine(angle);
    yy = height * (shear * sine(angle) + cosine(angle));
    shift = {kCenter + uniform(random, -kShift, kShift), kCenter + uniform(random, -kShift, kShift)};
  }
  Point operator()(Point p) const {
    const float xx2 = p.x * p.x, xy2 = p.x * p.y, yy2 = p.y * p.y;
    const Point q = {p.x + bend[0] * xx2 + bend[1] * xy2 + bend[2] * yy2,
                     p.y + bend[3] * xx2 + bend[4] * xy2 + bend[5] * yy2};
    return {shift.x + xx * q.x + xy * q.y, shift.y + yx * q.x + yy * q.y};
  }
  std::array<float, 6> bend{};
  float xx, xy, yx, yy;
  Point shift;
};

void draw_sign(Canvas& canvas, const Sign& sign, RandomStream& random) {
  const Distortion distort(random);
  const float pen = uniform(random, kPenLow, kPenHigh);
  const float ink = uniform(random, kInkLow, 1);
  for (const Curve& curve : sign.curves) {
    Curve drawn = curve;
    for (Point& p : drawn) {
      p.x += uniform(random, -kJitter, kJitter);
      p.y += uniform(random, -kJitter, kJitter);
    }
    Point from = distort(drawn[0]);
    for (int i = 1; i <= kPiecesPerCurve; ++i) {
      const Point to = distort(on_curve(drawn, static_cast<float>(i) / kPiecesPerCurve));
      draw_piece(canvas, from, to, pen, ink);
      from = to;
    }
  }
}

// Short straight marks anywhere in the picture.
void draw_marks(Canvas& canvas, RandomStream& random) {
  constexpr float kLength = 4.0F;  // pixels, at most, in each direction
  const auto edge = static_cast<float>(kSide - 1);
  for (std::uint64_t n = random.below(kMaxMarks + 1); n > 0; --n) {
    const Point a = {uniform(random, 0, edge), uniform(random, 0, edge)};
    const Point b = a + Point{uniform(random, -kLength, kLength), uniform(random, -kLength, kLength)};
    const float pen = uniform(random, kPenLow, 1);
    draw_piece(canvas, a, b, pen, uniform(random, 0, kMarkInkHigh));
  }
}

// Adds noise and rounds to bytes. The sum of four uniform bytes stands for a normal variable: it needs one
// draw and no logarithm, and nobody can tell at this strength.
void develop(const Canvas& canvas, RandomStream& random, std::uint8_t* pixels) {
  constexpr float kMeanOfSum = 4 * 127.5F;
  constexpr float kDeviationOfSum = 147.80393F;  // sqrt(4 (256^2 - 1) / 12)
  const float noise = uniform(random, 0, kNoiseHigh) / kDeviationOfSum;
  for (std::size_t i = 0; i < kPixels; ++i) {
    const std::uint32_t bits = random.next_u32();
    const std::uint32_t sum = (bits & 0xffU) + ((bits >> 8) & 0xffU) + ((bits >> 16) & 0xffU) + (bits >> 24);
    const float value = canvas[i] + noise * (static_cast<float>(sum) - kMeanOfSum);
    // NOLINTNEXTLINE(bugprone-incorrect-roundings): never negative, and the byte below 1/2 is as good
    pixels[i] = static_cast<std::uint8_t>(std::clamp(value, 0.0F, 1.0F) * 255.0F + 0.5F);
  }
}

Dataset draw_glyphs(std::uint64_t seed, const char* stream, std::size_t n_per_class, ThreadPool& pool) {
  if (n_per_class == 0 || n_per_class > kMaxPerClass) {
    throw InvalidArgument(
        fmt::format("[glyphs] {} images per class; wanted 1 to {}", n_per_class, kMaxPerClass));
  }
  const std::size_t n = n_per_class * signs().size();
  Dataset data;
  data.name = "glyphs";
  data.sample_shape = {1, kSide, kSide};
  for (const Sign& sign : signs()) data.class_names.push_back(sign.name);
  data.classes.resize(n);
  std::vector<std::uint8_t> pixels(n * kPixels);
  pool.parallel_for(n, [&](std::size_t i) {
    const std::size_t sign = i % signs().size();
    RandomStream random(seed, stream, i);
    Canvas canvas{};
    draw_marks(canvas, random);
    draw_sign(canvas, signs()[sign], random);
    develop(canvas, random, pixels.data() + i * kPixels);
    data.classes[i] = static_cast<int>(sign);
  });
  data.values = std::move(pixels);
  return data;
}

// ---- points ----

constexpr std::size_t kMinPoints = 20;
constexpr std::size_t kMaxPoints = 10000000;

// Standard normal: the sum of twelve uniform variables, minus 6.
float rough_normal(RandomStream& random) {
  double sum = -6;
  for (int i = 0; i < 12; ++i) sum += random.uniform();
  return static_cast<float>(sum);
}

Point banana(RandomStream& random) {
  constexpr float kRadius = 2.0F;
  constexpr float kSpread = 0.25F;
  const bool upper = random.below(2) == 0;
  const double angle = random.uniform(0.0, 0.5) + (upper ? 0.0 : 0.5);  // in turns, from the x axis
  const Point center = upper ? Point{0, 0} : Point{2.0F, 0.8F};
  return center + Point{kRadius * cosine(angle) + kSpread * rough_normal(random),
                        kRadius * sine(angle) + kSpread * rough_normal(random)};
}

Point cloud(RandomStream& random, Point center, float spread) {
  return center + Point{spread * rough_normal(random), spread * rough_normal(random)};
}

constexpr Point kKnownCenter = {3.2F, 2.0F};
constexpr Point kNovelCenter = {-1.8F, -1.4F};
constexpr float kCloudSpread = 0.45F;

// sizes: normal, known anomalous and novel anomalous points, in this order.
Dataset draw_points(std::uint64_t seed, const char* stream, std::array<std::size_t, 3> sizes) {
  Dataset data;
  data.name = "toy2d";
  data.sample_shape = {2};
  data.feature_names = {"x", "y"};
  data.class_names = {"normal", "known anomaly", "novel anomaly"};
  std::vector<double> values;
  for (std::size_t sample_class = 0; sample_class < sizes.size(); ++sample_class) {
    for (std::size_t i = 0; i < sizes[sample_class]; ++i) {
      RandomStream random(seed, stream, data.classes.size());
      const Point p = sample_class == 0   ? banana(random)
                      : sample_class == 1 ? cloud(random, kKnownCenter, kCloudSpread)
                                          : cloud(random, kNovelCenter, kCloudSpread);
      values.push_back(static_cast<double>(p.x));
      values.push_back(static_cast<double>(p.y));
      data.classes.push_back(static_cast<int>(sample_class));
      data.labels.push_back(sample_class == 0 ? TrueLabel::normal : TrueLabel::anomaly);
    }
  }
  data.values = std::move(values);
  return data;
}

}  // namespace

SyntheticSet glyphs(const GlyphsOptions& options, ThreadPool& pool) {
  SyntheticSet set;
  set.train = draw_glyphs(options.seed, "glyphs/train", options.n_train_per_class, pool);
  set.test = draw_glyphs(options.seed, "glyphs/test", options.n_test_per_class, pool);
  return set;
}

SyntheticSet toy2d(const Toy2dOptions& options) {
  for (const std::size_t n : {options.n_train, options.n_test}) {
    if (n < kMinPoints || n > kMaxPoints) {
      throw InvalidArgument(fmt::format("[toy2d] {} points; wanted {} to {}", n, kMinPoints, kMaxPoints));
    }
  }
  const std::size_t known_train = options.n_train / 10;
  const std::size_t quarter = options.n_test / 4;
  SyntheticSet set;
  set.train = draw_points(options.seed, "toy2d/train", {options.n_train - known_train, known_train, 0});
  set.test = draw_points(options.seed, "toy2d/test", {options.n_test - 2 * quarter, quarter, quarter});
  return set;
}

}  // namespace deepsad
