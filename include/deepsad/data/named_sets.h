// The benchmark sets that deepsad knows by name: what they hold, where their files lie and where they come
// from. All facts are in one table in named_sets.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "deepsad/data/dataset.h"

namespace deepsad {

class ThreadPool;

enum class SetKind {
  idx_images,    ///< four IDX files: training and test images and labels
  cifar_images,  ///< six CIFAR-10 batches or the official archive
  table,         ///< one MAT file with X and y; no official test part
};

/// One file of a set as its authors publish it. Digests are of the content, after decompression, so that they
/// hold for plain, .gz and .xz alike.
struct NamedSetFile {
  std::string_view name;            ///< without .gz or .xz: "train-images-idx3-ubyte", "cardio.mat"
  std::string_view sha256;          ///< of the official content
  std::string_view variant_sha256;  ///< of another copy in circulation, or empty
  std::string_view variant_note;    ///< how that copy differs
};

/// One file to download. A mirror that ends in '/' is a folder: the file's name is appended.
struct NamedSetDownload {
  std::string_view path;    ///< under the data folder: "mnist/train-images-idx3-ubyte.gz"
  std::string_view sha256;  ///< of the file as downloaded
  std::uint64_t bytes;
  std::span<const std::string_view> mirrors;
};

/// What is known about a set before any file is opened.
struct NamedSetInfo {
  std::string_view name;
  std::string_view description;
  SetKind kind;
  std::span<const std::size_t> sample_shape;      ///< {C, H, W} or {d}
  std::span<const std::string_view> class_names;  ///< name of class k at position k; tables: normal, anomaly
  std::span<const std::size_t> train_counts;      ///< samples of class k; tables: of the whole set
  std::span<const std::size_t> test_counts;       ///< empty for tables
  std::span<const NamedSetFile> files;
  std::span<const std::string_view> folders;  ///< where to look under the data folder, in this order
  std::span<const NamedSetDownload> downloads;
  std::string_view homepage;
  std::string_view licence;

  [[nodiscard]] std::size_t n_train() const;
  [[nodiscard]] std::size_t n_test() const;
};

/// All sets, images first.
[[nodiscard]] std::span<const NamedSetInfo> named_sets();

/// @throws InvalidArgument for an unknown name, listing the known ones and the nearest
[[nodiscard]] const NamedSetInfo& named_set(const std::string& name);

/// Where a set was found.
struct FoundSet {
  std::string folder;
  std::vector<std::string>
      paths;                ///< one for each of NamedSetInfo::files, in that order; or the archive alone
  bool is_archive = false;  ///< paths holds cifar-10-binary.tar.gz
};

/// Looks through the known layouts under @p data_dir: this project's (mnist/, fmnist/, cifar10/,
/// odds/NAME.mat), torchvision's (MNIST/raw, FashionMNIST/raw, cifar-10-batches-bin), the Deep SAD authors'
/// (MyMNIST/raw, ...), and files that lie in @p data_dir itself; image files plain, .gz or .xz. The first
/// folder that holds all files wins; files of different folders are never mixed. Opens nothing.
[[nodiscard]] std::optional<FoundSet> find_named_set(const NamedSetInfo& set, const std::string& data_dir);

enum class ChecksumState {
  official,       ///< the content is the official one, bit for bit
  known_variant,  ///< a known copy that differs from it; FileCheck::note says how
  unknown,        ///< neither; shape and counts may still be right
};

struct FileCheck {
  std::string path;  ///< "dir/mnist/t10k-images-idx3-ubyte.gz", "dir/cifar-10-binary.tar.gz:test_batch.bin"
  std::string content_sha256;  ///< after decompression
  ChecksumState state = ChecksumState::unknown;
  std::string note;
};

/// Computes the checksums of a found set without reading its meaning. @throws DataError if a file cannot be
/// read
[[nodiscard]] std::vector<FileCheck> check_named_set(const NamedSetInfo& set, const FoundSet& found);

enum class SetPart { train_and_test, train, test };

struct LoadOptions {
  SetPart part = SetPart::train_and_test;  ///< tables have one part and ignore this
  bool verify_checksums = false;  ///< true: content that is neither official nor a known variant is refused
  ThreadPool* pool = nullptr;     ///< decompresses files at the same time; null: one after the other
};

struct LoadedSet {
  Dataset train;                ///< tables: all rows. Empty if only the test part was asked for
  std::optional<Dataset> test;  ///< the official test part of image sets
  std::vector<FileCheck> files;
};

/// Reads a set and checks shape and samples per class against the table. Images: Dataset::classes hold the
/// original classes, labels stay empty (which class is normal is decided later). Tables: labels and classes
/// from y.
/// @throws InvalidArgument for an unknown name; DataError if files are missing (naming every place looked at
/// and the command that fetches them), damaged, or not what the table says
[[nodiscard]] LoadedSet load_named_set(const std::string& name, const std::string& data_dir,
                                       const LoadOptions& options = {});

}  // namespace deepsad
