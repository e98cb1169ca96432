#include "deepsad/data/synthetic.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <set>

#include "deepsad/core/error.h"
#include "deepsad/data/semi_supervised.h"
#include "deepsad/evaluation/roc_auc.h"

namespace deepsad {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

constexpr std::size_t kPixels = 784;

const std::vector<std::uint8_t>& bytes(const Dataset& data) {
  return std::get<std::vector<std::uint8_t>>(data.values);
}
const std::vector<double>& numbers(const Dataset& data) {
  return std::get<std::vector<double>>(data.values);
}

// FNV-1a, 64 bit.
std::uint64_t checksum(const void* data, std::size_t n) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (std::size_t i = 0; i < n; ++i) {
    hash ^= static_cast<const unsigned char*>(data)[i];
    hash *= 0x100000001b3ULL;
  }
  return hash;
}

SyntheticSet small_glyphs(std::size_t n_train, std::size_t n_test, std::size_t n_threads = 1,
                          std::uint64_t seed = 0) {
  ThreadPool pool(n_threads);
  return glyphs({.n_train_per_class = n_train, .n_test_per_class = n_test, .seed = seed}, pool);
}

// AUC of the distance to the nearest of the normal rows of `train`, over the rows of `test`.
template <class T>
double nearest_neighbour_auc(const std::vector<T>& train, const std::vector<TrueLabel>& train_labels,
                             const std::vector<T>& test, const std::vector<TrueLabel>& test_labels,
                             std::size_t d) {
  std::vector<double> scores;
  for (std::size_t i = 0; i < test_labels.size(); ++i) {
    double nearest = std::numeric_limits<double>::infinity();
    for (std::size_t k = 0; k < train_labels.size(); ++k) {
      if (train_labels[k] != TrueLabel::normal) continue;
      // Plain pointers: checked access takes minutes under the thread sanitizer.
      const T* a = test.data() + i * d;
      const T* b = train.data() + k * d;
      double distance = 0;
      for (std::size_t j = 0; j < d; ++j) {
        const auto difference = static_cast<double>(a[j]) - static_cast<double>(b[j]);
        distance += difference * difference;
      }
      nearest = std::min(nearest, distance);
    }
    scores.push_back(nearest);
  }
  return roc_auc(scores, test_labels);
}

TEST(Glyphs, HaveTheShapeOfMnist) {
  const SyntheticSet set = small_glyphs(3, 2);
  EXPECT_EQ(GlyphsOptions{}.n_train_per_class, 6000U);
  EXPECT_EQ(GlyphsOptions{}.n_test_per_class, 1000U);
  EXPECT_EQ(set.train.size(), 30U);
  EXPECT_EQ(set.test.size(), 20U);
  EXPECT_EQ(set.train.sample_shape, (std::vector<std::size_t>{1, 28, 28}));
  EXPECT_TRUE(set.train.is_image());
  EXPECT_EQ(set.train.class_names.size(), 10U);
  EXPECT_EQ(std::set<std::string>(set.train.class_names.begin(), set.train.class_names.end()).size(), 10U);
  for (int c = 0; c < 10; ++c) {
    EXPECT_EQ(std::count(set.train.classes.begin(), set.train.classes.end(), c), 3);
    EXPECT_EQ(std::count(set.test.classes.begin(), set.test.classes.end(), c), 2);
  }
}

// Pins the pictures: figures in papers and in the documentation rest on these bytes.
TEST(Glyphs, AreTheSameBytesEverywhere) {
  const SyntheticSet set = small_glyphs(100, 20);
  EXPECT_EQ(checksum(bytes(set.train).data(), bytes(set.train).size()), 3699464414550591394ULL);
  EXPECT_EQ(checksum(bytes(set.test).data(), bytes(set.test).size()), 5405493145167804692ULL);
}

TEST(Glyphs, DoNotDependOnTheNumberOfThreads) {
  const SyntheticSet one = small_glyphs(13, 3, 1);
  for (const std::size_t threads : {2U, 3U, 8U}) {
    const SyntheticSet many = small_glyphs(13, 3, threads);
    EXPECT_EQ(bytes(one.train), bytes(many.train)) << threads;
    EXPECT_EQ(bytes(one.test), bytes(many.test)) << threads;
    EXPECT_EQ(one.train.classes, many.train.classes) << threads;
  }
}

TEST(Glyphs, ASmallerSetIsTheBeginningOfALargerOne) {
  const auto small = bytes(small_glyphs(2, 1).train);
  const auto large = bytes(small_glyphs(5, 1).train);
  EXPECT_TRUE(std::equal(small.begin(), small.end(), large.begin()));
}

TEST(Glyphs, SeedsAndPartsDiffer) {
  const SyntheticSet a = small_glyphs(2, 2, 1, 0);
  const SyntheticSet b = small_glyphs(2, 2, 1, 1);
  EXPECT_NE(bytes(a.train), bytes(b.train));
  EXPECT_NE(bytes(a.train), bytes(a.test));
}

TEST(Glyphs, EveryImageShowsASignAndNoTwoAreEqual) {
  const SyntheticSet set = small_glyphs(50, 1);
  std::set<std::vector<std::uint8_t>> distinct;
  for (std::size_t i = 0; i < set.train.size(); ++i) {
    const auto* image = bytes(set.train).data() + i * kPixels;
    // Half ink or more, on as many pixels as the shortest stroke is long; but by no means everywhere.
    const auto inked = std::count_if(image, image + kPixels, [](std::uint8_t v) { return v > 90; });
    EXPECT_GT(inked, 15) << "image " << i;
    EXPECT_LT(inked, 400) << "image " << i;
    distinct.insert(std::vector<std::uint8_t>(image, image + kPixels));
  }
  EXPECT_EQ(distinct.size(), set.train.size());
}

// Hard, and differently hard by class: that is what the set is for. Bounds are wide, for 40 images a class.
TEST(Glyphs, AreNeitherTrivialNorHopelessForRawPixels) {
  const SyntheticSet set = small_glyphs(40, 10);
  double sum = 0, low = 1, high = 0;
  for (int c = 0; c < 10; ++c) {
    const std::vector<int> normal = {c};
    const double auc = nearest_neighbour_auc(bytes(set.train), true_labels(set.train.classes, normal),
                                             bytes(set.test), true_labels(set.test.classes, normal), kPixels);
    EXPECT_GT(auc, 0.55) << set.train.class_names[static_cast<std::size_t>(c)];
    EXPECT_LT(auc, 0.999) << set.train.class_names[static_cast<std::size_t>(c)];
    sum += auc;
    low = std::min(low, auc);
    high = std::max(high, auc);
  }
  EXPECT_GT(sum / 10, 0.75);
  EXPECT_LT(sum / 10, 0.97);
  EXPECT_GT(high - low, 0.05);
}

TEST(Glyphs, RefusesEmptyAndAbsurdSizes) {
  EXPECT_THAT([] { (void)small_glyphs(0, 1); },
              ThrowsMessage<InvalidArgument>(HasSubstr("[glyphs] 0 images per class; wanted 1 to 1000000")));
  EXPECT_THROW((void)small_glyphs(1, 0), InvalidArgument);
  EXPECT_THROW((void)small_glyphs(1000001, 1), InvalidArgument);
}

TEST(Toy2d, HasNovelAnomaliesInTheTestPartOnly) {
  const SyntheticSet set = toy2d({});
  const auto count = [](const Dataset& data, int sample_class) {
    return std::count(data.classes.begin(), data.classes.end(), sample_class);
  };
  EXPECT_EQ(set.train.size(), 1000U);
  EXPECT_EQ(set.test.size(), 1000U);
  EXPECT_EQ(set.train.sample_shape, (std::vector<std::size_t>{2}));
  EXPECT_EQ((std::vector{count(set.train, 0), count(set.train, 1), count(set.train, 2)}),
            (std::vector{900L, 100L, 0L}));
  EXPECT_EQ((std::vector{count(set.test, 0), count(set.test, 1), count(set.test, 2)}),
            (std::vector{500L, 250L, 250L}));
  EXPECT_EQ(set.test.labels, true_labels(set.test.classes, std::vector{0}));
  EXPECT_EQ(set.train.labels, true_labels(set.train.classes, std::vector{0}));
  EXPECT_EQ(toy2d({.n_train = 37, .n_test = 41}).train.size(), 37U);
  EXPECT_EQ(toy2d({.n_train = 37, .n_test = 41}).test.size(), 41U);
}

TEST(Toy2d, IsTheSameEverywhereAndAnotherForAnotherSeed) {
  const SyntheticSet set = toy2d({});
  const auto& values = numbers(set.train);
  EXPECT_EQ(checksum(values.data(), values.size() * sizeof(double)), 500297287299196839ULL);
  EXPECT_NE(numbers(toy2d({.seed = 1}).train), values);
  EXPECT_NE(numbers(set.test), values);
}

TEST(Toy2d, NormalPointsFollowTheBananasAndCloudsLieApart) {
  const SyntheticSet set = toy2d({});
  const auto& x = numbers(set.test);
  double mean[3][2] = {};
  double count[3] = {};
  for (std::size_t i = 0; i < set.test.size(); ++i) {
    const auto c = static_cast<std::size_t>(set.test.classes[i]);
    mean[c][0] += x[2 * i];
    mean[c][1] += x[2 * i + 1];
    count[c] += 1;
    if (c == 0) {
      // Six standard deviations from one of the two half circles of radius 2.
      const double to_upper = std::abs(std::hypot(x[2 * i], x[2 * i + 1]) - 2);
      const double to_lower = std::abs(std::hypot(x[2 * i] - 2, x[2 * i + 1] - 0.8) - 2);
      EXPECT_LT(std::min(to_upper, to_lower), 6 * 0.25);
    }
  }
  // Five standard errors of a cloud of 250 points.
  const double tolerance = 5 * 0.45 / std::sqrt(250.0);
  EXPECT_NEAR(mean[1][0] / count[1], 3.2, tolerance);
  EXPECT_NEAR(mean[1][1] / count[1], 2.0, tolerance);
  EXPECT_NEAR(mean[2][0] / count[2], -1.8, tolerance);
  EXPECT_NEAR(mean[2][1] / count[2], -1.4, tolerance);
  const double auc = nearest_neighbour_auc(numbers(set.train), set.train.labels, x, set.test.labels, 2);
  EXPECT_GT(auc, 0.95);
  EXPECT_LT(auc, 1.0);
}

TEST(Toy2d, RefusesTooFewAndTooManyPoints) {
  EXPECT_THAT([] { (void)toy2d({.n_train = 19}); },
              ThrowsMessage<InvalidArgument>(HasSubstr("[toy2d] 19 points; wanted 20 to 10000000")));
  EXPECT_THROW((void)toy2d({.n_test = 10000001}), InvalidArgument);
}

}  // namespace
}  // namespace deepsad
