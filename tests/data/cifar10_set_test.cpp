// The real CIFAR-10: 139 MB of xz take seconds, so this is not a unit test.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "deepsad/core/parallel.h"
#include "deepsad/data/named_sets.h"
#include "deepsad/storage/byte_stream.h"
#include "support/files.h"

namespace deepsad {
namespace {

using testing::Bytes;
using testing::TempDir;
using testing::write_file;

const std::string kData = std::string(DEEPSAD_SHARED_DIR) + "/data";

// Shape and counts of the set's homepage; the copy beside the project is known to have 98 images that are not
// exact.
TEST(Cifar10, IsWholeAndItsKnownVariantIsRecognised) {
  ThreadPool pool(2);
  const LoadedSet set = load_named_set("cifar10", kData, {.verify_checksums = true, .pool = &pool});
  EXPECT_EQ(set.train.sample_shape, (std::vector<std::size_t>{3, 32, 32}));
  EXPECT_EQ(set.train.size(), 50000U);
  ASSERT_EQ(set.test->size(), 10000U);
  std::vector<int> train(10);
  std::vector<int> test(10);
  for (const int c : set.train.classes) ++train.at(static_cast<std::size_t>(c));
  for (const int c : set.test->classes) ++test.at(static_cast<std::size_t>(c));
  EXPECT_EQ(train, std::vector<int>(10, 5000));
  EXPECT_EQ(test, std::vector<int>(10, 1000));
  EXPECT_EQ(set.train.class_names.at(8), "ship");
  ASSERT_EQ(set.files.size(), 6U);
  for (const FileCheck& check : set.files) {
    // not_exact.txt lists images of every batch.
    EXPECT_EQ(check.state, ChecksumState::known_variant) << check.path;
  }
  EXPECT_EQ(set.files[5].note, "a copy in which 21 of 10000 images are not exact");

  // The same batches in an archive like the official one (not compressed, to save the time).
  std::vector<std::pair<std::string, Bytes>> members;
  for (const char* name :
       {"test_batch", "data_batch_3", "data_batch_1", "data_batch_2", "data_batch_5", "data_batch_4"}) {
    members.emplace_back(std::string("cifar-10-batches-bin/") + name + ".bin",
                         open_file(kData + "/cifar10/" + name + ".bin.xz")->read_all());
  }
  const TempDir dir;
  write_file(dir.at("cifar10/cifar-10-binary.tar.gz"), testing::make_archive("tar", "none", members));
  const LoadedSet again = load_named_set("cifar10", dir.path(), {.verify_checksums = true});
  EXPECT_EQ(again.train.values, set.train.values);
  EXPECT_EQ(again.train.classes, set.train.classes);
  EXPECT_EQ(again.test->values, set.test->values);
  EXPECT_EQ(again.files.at(1).path,
            dir.path() + "/cifar10/cifar-10-binary.tar.gz:cifar-10-batches-bin/data_batch_2.bin");
  EXPECT_EQ(again.files.at(1).content_sha256, set.files.at(1).content_sha256);
}

}  // namespace
}  // namespace deepsad
