// Built-in data sets that need no file: drawn from a seed, the same bytes on every machine and at any thread
// count.
#pragma once

#include <cstddef>
#include <cstdint>

#include "deepsad/core/parallel.h"
#include "deepsad/data/dataset.h"

namespace deepsad {

struct SyntheticSet {
  Dataset train;
  Dataset test;
};

struct GlyphsOptions {
  std::size_t n_train_per_class = 6000;
  std::size_t n_test_per_class = 1000;
  std::uint64_t seed =
      0;  ///< of the data, not of a run: the default is the one set that everybody means by "glyphs"
};

/// Ten classes of stroke-drawn signs on 28 x 28 grey pixels (0 background, 255 ink), of the shape and size of
/// MNIST and about as hard, but made here: 0 ring, 1 horseshoe, 2 square, 3 triangle, 4 cross, 5 zigzag, 6
/// spiral, 7 arrow, 8 hook, 9 gate. Some are alike on purpose (ring, horseshoe and square; arrow and hook).
/// Every image has its own bend, rotation, shear, scale, shift, pen, ink, stray marks and noise. Sample i is
/// of class i mod 10 and is drawn from the stream ("glyphs/train" or "glyphs/test", i) alone, so that a
/// smaller set is the beginning of a larger one. Classes are set, true labels are not: they follow from the
/// normal classes, see true_labels(). Cost: about 25 microseconds an image and thread.
/// @throws InvalidArgument if a number per class is 0 or above 10^6
[[nodiscard]] SyntheticSet glyphs(const GlyphsOptions& options, ThreadPool& pool);

struct Toy2dOptions {
  std::size_t n_train = 1000;
  std::size_t n_test = 1000;
  std::uint64_t seed = 0;  ///< of the data, not of a run
};

/// Points of the plane, the kind of picture that Ruff et al. 2020 open with (figure 1). Features x and y, as
/// drawn. Class 0, normal: two bananas. Class 1, known anomaly: a cloud beside one of them, 10 % of the
/// training rows, 25 % of the test rows; labelled anomalies come from here. Class 2, novel anomaly: a cloud
/// elsewhere, 25 % of the test rows and no training row, so that only a method that keeps normal data
/// together finds it. True labels are set.
/// @throws InvalidArgument if n_train or n_test is below 20 or above 10^7
[[nodiscard]] SyntheticSet toy2d(const Toy2dOptions& options);

}  // namespace deepsad
