#include "deepsad/data/named_sets.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>
#include <numeric>
#include <utility>

#include "deepsad/core/error.h"
#include "deepsad/core/parallel.h"
#include "deepsad/data/cifar.h"
#include "deepsad/data/idx.h"
#include "deepsad/data/mat.h"
#include "deepsad/storage/byte_stream.h"

namespace deepsad {
namespace {

// ---- The table
// ---------------------------------------------------------------------------------------------------
// Digests: MNIST and Fashion-MNIST are those of the files whose md5 sums torchvision and Keras check;
// CIFAR-10's are those that TensorFlow Datasets (archive) and torchvision's Ruby port (batches) check; the
// ODDS files' are those that the Julia package ODDS.jl checks for the links below. Counts: Ruff et al., ICLR
// 2020, table 1, and the sets' homepages.

constexpr std::array<std::size_t, 3> kMnistShape = {1, 28, 28};
constexpr std::array<std::size_t, 3> kCifarShape = {3, 32, 32};

constexpr std::array<std::string_view, 10> kDigits = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
constexpr std::array<std::string_view, 10> kFmnistClasses = {
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"};
constexpr std::array<std::string_view, 10> kCifarClassNames = {
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"};
constexpr std::array<std::string_view, 2> kTableClasses = {"normal", "anomaly"};

constexpr std::array<std::size_t, 10> kMnistTrain = {5923, 6742, 5958, 6131, 5842,
                                                     5421, 5918, 6265, 5851, 5949};
constexpr std::array<std::size_t, 10> kMnistTest = {980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009};
constexpr std::array<std::size_t, 10> k6000Each = {6000, 6000, 6000, 6000, 6000,
                                                   6000, 6000, 6000, 6000, 6000};
constexpr std::array<std::size_t, 10> k5000Each = {5000, 5000, 5000, 5000, 5000,
                                                   5000, 5000, 5000, 5000, 5000};
constexpr std::array<std::size_t, 10> k1000Each = {1000, 1000, 1000, 1000, 1000,
                                                   1000, 1000, 1000, 1000, 1000};

// The first folder of each list is the one that downloads go to; "" is the data folder itself.
constexpr std::array<std::string_view, 4> kMnistFolders = {"mnist", "MNIST/raw", "MyMNIST/raw", ""};
constexpr std::array<std::string_view, 4> kFmnistFolders = {"fmnist", "FashionMNIST/raw",
                                                            "MyFashionMNIST/raw", ""};
constexpr std::array<std::string_view, 6> kCifarFolders = {"cifar10",
                                                           "cifar10/cifar-10-batches-bin",
                                                           "cifar-10-batches-bin",
                                                           "cifar10/cifar-10-batches-py",
                                                           "cifar-10-batches-py",
                                                           ""};
constexpr std::array<std::string_view, 2> kTableFolders = {"odds", ""};

constexpr std::array<std::string_view, 3> kMnistMirrors = {
    "https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "http://yann.lecun.com/exdb/mnist/"};
constexpr std::array<std::string_view, 2> kFmnistMirrors = {
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/"};
constexpr std::array<std::string_view, 1> kCifarMirrors = {"https://www.cs.toronto.edu/~kriz/"};

constexpr std::array<NamedSetFile, 4> kMnistFiles = {{
    {"train-images-idx3-ubyte", "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db", "", ""},
    {"train-labels-idx1-ubyte", "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5", "", ""},
    {"t10k-images-idx3-ubyte", "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7", "", ""},
    {"t10k-labels-idx1-ubyte", "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2", "", ""},
}};
constexpr std::array<NamedSetFile, 4> kFmnistFiles = {{
    {"train-images-idx3-ubyte", "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888", "", ""},
    {"train-labels-idx1-ubyte", "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9", "", ""},
    {"t10k-images-idx3-ubyte", "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b", "", ""},
    {"t10k-labels-idx1-ubyte", "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34", "", ""},
}};
constexpr std::array<NamedSetFile, 6> kCifarFiles = {{
    {"data_batch_1.bin", "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
     "0def081c410489f98b3935c2d405fc7436d23377894a5d6a710ce1fad8082588",
     "a copy in which 10 of 10000 images are not exact"},
    {"data_batch_2.bin", "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
     "69cda47c0145e3c217e9d41887b354db05bc67d8e824a0007c909625de6c9935",
     "a copy in which 5 of 10000 images are not exact"},
    {"data_batch_3.bin", "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
     "1a4d0920ea06101641902b09fdac800cad7b5105963deee31ddff8e83fbabe6c",
     "a copy in which 9 of 10000 images are not exact"},
    {"data_batch_4.bin", "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
     "7f8e9534c4aa91fa34cb7cb4561b126eac16e9a5aff31f1fdb6b38d83f3b92d6",
     "a copy in which 27 of 10000 images are not exact"},
    {"data_batch_5.bin", "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
     "ace578a129b1d9695ee4254afb079a7573b408a36f818d5d96062484607c1619",
     "a copy in which 26 of 10000 images are not exact"},
    {"test_batch.bin", "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
     "b7a8afae140bbcc0153185efcbd5d6b73bc11a49943288e23ba94c44c391c169",
     "a copy in which 21 of 10000 images are not exact"},
}};

constexpr std::array<NamedSetDownload, 4> kMnistDownloads = {{
    {"mnist/train-images-idx3-ubyte.gz", "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
     9912422, kMnistMirrors},
    {"mnist/train-labels-idx1-ubyte.gz", "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
     28881, kMnistMirrors},
    {"mnist/t10k-images-idx3-ubyte.gz", "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
     1648877, kMnistMirrors},
    {"mnist/t10k-labels-idx1-ubyte.gz", "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
     4542, kMnistMirrors},
}};
constexpr std::array<NamedSetDownload, 4> kFmnistDownloads = {{
    {"fmnist/train-images-idx3-ubyte.gz", "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
     26421880, kFmnistMirrors},
    {"fmnist/train-labels-idx1-ubyte.gz", "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
     29515, kFmnistMirrors},
    {"fmnist/t10k-images-idx3-ubyte.gz", "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
     4422102, kFmnistMirrors},
    {"fmnist/t10k-labels-idx1-ubyte.gz", "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
     5148, kFmnistMirrors},
}};
constexpr std::array<NamedSetDownload, 1> kCifarDownloads = {{
    {"cifar10/cifar-10-binary.tar.gz", "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
     170052171, kCifarMirrors},
}};

constexpr std::array<NamedSetFile, 1> kArrhythmiaFiles = {
    {{"arrhythmia.mat", "e4d47e499591ae31e5d7f0cd983367092353eac240f48e14c9b36457edb3460d", "", ""}}};
constexpr std::array<std::string_view, 2> kArrhythmiaMirrors = {
    "https://www.dropbox.com/s/lmlwuspn1sey48r/arrhythmia.mat?dl=1",
    "https://github.com/yzhao062/pyod/raw/master/notebooks/data/arrhythmia.mat"};
constexpr std::array<NamedSetDownload, 1> kArrhythmiaDownloads = {
    {{"odds/arrhythmia.mat", kArrhythmiaFiles[0].sha256, 105540, kArrhythmiaMirrors}}};
constexpr std::array<std::size_t, 1> kArrhythmiaShape = {274};
constexpr std::array<std::size_t, 2> kArrhythmiaCounts = {386, 66};

constexpr std::array<NamedSetFile, 1> kCardioFiles = {
    {{"cardio.mat", "5e568b6a73711012c481fa6cc984ab9c68e9a4fa44d6aeb3b43efa381c3f695b", "", ""}}};
constexpr std::array<std::string_view, 2> kCardioMirrors = {
    "https://www.dropbox.com/s/galg3ihvxklf0qi/cardio.mat?dl=1",
    "https://github.com/yzhao062/pyod/raw/master/notebooks/data/cardio.mat"};
constexpr std::array<NamedSetDownload, 1> kCardioDownloads = {
    {{"odds/cardio.mat", kCardioFiles[0].sha256, 68318, kCardioMirrors}}};
constexpr std::array<std::size_t, 1> kCardioShape = {21};
constexpr std::array<std::size_t, 2> kCardioCounts = {1655, 176};

constexpr std::array<NamedSetFile, 1> kSatelliteFiles = {
    {{"satellite.mat", "6feac3112b9c14e1c3e60afc437f2f3d29dc1000119c9f950c628078778d6aa0", "", ""}}};
constexpr std::array<std::string_view, 2> kSatelliteMirrors = {
    "https://www.dropbox.com/s/dpzxp8jyr9h93k5/satellite.mat?dl=1",
    "https://github.com/yzhao062/pyod/raw/b247c08568cbc8147f3fe873a925c4deff89b8b9/notebooks/data/"
    "satellite.mat"};
constexpr std::array<NamedSetDownload, 1> kSatelliteDownloads = {
    {{"odds/satellite.mat", kSatelliteFiles[0].sha256, 144833, kSatelliteMirrors}}};
constexpr std::array<std::size_t, 1> kSatelliteShape = {36};
constexpr std::array<std::size_t, 2> kSatelliteCounts = {4399, 2036};

constexpr std::array<NamedSetFile, 1> kSatimage2Files = {
    {{"satimage-2.mat", "95c37a07cea2cb201f6900d14f521510e10b6b2f0074c06ac46d3157440ec67b", "", ""}}};
constexpr std::array<std::string_view, 2> kSatimage2Mirrors = {
    "https://www.dropbox.com/s/hckgvu9m6fs441p/satimage-2.mat?dl=1",
    "https://github.com/yzhao062/pyod/raw/ef6d5e8dc828615f498286c1d6a22cbd02fd4cd2/notebooks/data/"
    "satimage-2.mat"};
constexpr std::array<NamedSetDownload, 1> kSatimage2Downloads = {
    {{"odds/satimage-2.mat", kSatimage2Files[0].sha256, 181220, kSatimage2Mirrors}}};
constexpr std::array<std::size_t, 1> kSatimage2Shape = {36};
constexpr std::array<std::size_t, 2> kSatimage2Counts = {5732, 71};

constexpr std::array<NamedSetFile, 1> kShuttleFiles = {
    {{"shuttle.mat", "b6e396c92354d5dcf5036901e36dc58e2913f2d1a5e138c35a2bedf9c69db899", "", ""}}};
constexpr std::array<std::string_view, 2> kShuttleMirrors = {
    "https://www.dropbox.com/s/mk8ozgisimfn3dw/shuttle.mat?dl=1",
    "https://github.com/yzhao062/pyod/raw/b247c08568cbc8147f3fe873a925c4deff89b8b9/notebooks/data/"
    "shuttle.mat"};
constexpr std::array<NamedSetDownload, 1> kShuttleDownloads = {
    {{"odds/shuttle.mat", kShuttleFiles[0].sha256, 345184, kShuttleMirrors}}};
constexpr std::array<std::size_t, 1> kShuttleShape = {9};
constexpr std::array<std::size_t, 2> kShuttleCounts = {45586, 3511};

constexpr std::array<NamedSetFile, 1> kThyroidFiles = {
    {{"thyroid.mat", "49155d7861b977e90808faf68343ff67a67f63090c2744d514dbb67ac68e7e33", "", ""}}};
constexpr std::array<std::string_view, 2> kThyroidMirrors = {
    "https://www.dropbox.com/s/bih0e15a0fukftb/thyroid.mat?dl=1",
    "https://github.com/yzhao062/pyod/raw/ef6d5e8dc828615f498286c1d6a22cbd02fd4cd2/notebooks/data/"
    "thyroid.mat"};
constexpr std::array<NamedSetDownload, 1> kThyroidDownloads = {
    {{"odds/thyroid.mat", kThyroidFiles[0].sha256, 39704, kThyroidMirrors}}};
constexpr std::array<std::size_t, 1> kThyroidShape = {6};
constexpr std::array<std::size_t, 2> kThyroidCounts = {3679, 93};

constexpr std::string_view kOddsHomepage = "http://odds.cs.stonybrook.edu";
constexpr std::string_view kOddsLicence =
    "ODDS asks to be cited (Rayana 2016); derived from UCI sets (CC BY 4.0)";

constexpr std::array<NamedSetInfo, 9> kNamedSets = {{
    {"mnist", "handwritten digits, grey", SetKind::idx_images, kMnistShape, kDigits, kMnistTrain, kMnistTest,
     kMnistFiles, kMnistFolders, kMnistDownloads, "http://yann.lecun.com/exdb/mnist/",
     "none named; commonly CC BY-SA 3.0"},
    {"fmnist", "Fashion-MNIST: Zalando's articles of clothing, grey", SetKind::idx_images, kMnistShape,
     kFmnistClasses, k6000Each, k1000Each, kFmnistFiles, kFmnistFolders, kFmnistDownloads,
     "https://github.com/zalandoresearch/fashion-mnist", "MIT"},
    {"cifar10", "CIFAR-10: small photographs of animals and vehicles, colour", SetKind::cifar_images,
     kCifarShape, kCifarClassNames, k5000Each, k1000Each, kCifarFiles, kCifarFolders, kCifarDownloads,
     "https://www.cs.toronto.edu/~kriz/cifar.html", "none named"},
    {"arrhythmia",
     "UCI Arrhythmia: features of electrocardiograms; the eight smallest diagnoses are the anomalies",
     SetKind::table,
     kArrhythmiaShape,
     kTableClasses,
     kArrhythmiaCounts,
     {},
     kArrhythmiaFiles,
     kTableFolders,
     kArrhythmiaDownloads,
     kOddsHomepage,
     kOddsLicence},
    {"cardio",
     "UCI Cardiotocography: fetal heart rate and contractions; pathologic records are the anomalies",
     SetKind::table,
     kCardioShape,
     kTableClasses,
     kCardioCounts,
     {},
     kCardioFiles,
     kTableFolders,
     kCardioDownloads,
     kOddsHomepage,
     kOddsLicence},
    {"satellite",
     "UCI Statlog Landsat: 3x3 neighbourhoods in four bands; the three smallest soil classes are the "
     "anomalies",
     SetKind::table,
     kSatelliteShape,
     kTableClasses,
     kSatelliteCounts,
     {},
     kSatelliteFiles,
     kTableFolders,
     kSatelliteDownloads,
     kOddsHomepage,
     kOddsLicence},
    {"satimage-2",
     "UCI Statlog Landsat: 3x3 neighbourhoods in four bands; 71 samples of the cotton class are the "
     "anomalies",
     SetKind::table,
     kSatimage2Shape,
     kTableClasses,
     kSatimage2Counts,
     {},
     kSatimage2Files,
     kTableFolders,
     kSatimage2Downloads,
     kOddsHomepage,
     kOddsLicence},
    {"shuttle",
     "UCI Statlog Shuttle: sensor readings; flight states other than the regular one are the anomalies",
     SetKind::table,
     kShuttleShape,
     kTableClasses,
     kShuttleCounts,
     {},
     kShuttleFiles,
     kTableFolders,
     kShuttleDownloads,
     kOddsHomepage,
     kOddsLicence},
    {"thyroid",
     "UCI Thyroid Disease: six real features of patients; hyperfunction is the anomaly",
     SetKind::table,
     kThyroidShape,
     kTableClasses,
     kThyroidCounts,
     {},
     kThyroidFiles,
     kTableFolders,
     kThyroidDownloads,
     kOddsHomepage,
     kOddsLicence},
}};

// ---- Finding and reading
// -------------------------------------------------------------------------------------------

constexpr std::array<std::string_view, 3> kSuffixes = {"", ".gz", ".xz"};
constexpr std::array<std::string_view, 2> kCifarArchives = {"cifar-10-binary.tar.gz",
                                                            "cifar-10-python.tar.gz"};
constexpr std::uint64_t kPickleAllowance = std::uint64_t{1} << 20;  // names of files, labels
constexpr std::uint64_t kHeaderAllowance = 4096;  // more than any header of the formats here

std::size_t total(std::span<const std::size_t> counts) {
  return std::accumulate(counts.begin(), counts.end(), std::size_t{0});
}

std::string join_path(const std::string& folder, std::string_view name) {
  return name.empty() ? folder : (std::filesystem::path(folder) / name).string();
}

bool is_file(const std::string& path) {
  std::error_code error;
  return std::filesystem::is_regular_file(path, error);
}

bool exists(const std::string& path) {
  std::error_code error;
  return std::filesystem::exists(path, error);
}

// Of a pickled batch that of the same records in the binary version.
std::string checksum_of(ByteStream& content, SetKind kind) {
  if (kind == SetKind::cifar_images && is_pickled_cifar_batch(content))
    return read_cifar_batch(content).sources.front().sha256;
  content.skip_to_end();
  return content.content_sha256();
}

// The file in one of its compressions, or "". matio needs plain MAT files.
std::string find_file(const NamedSetInfo& set, const std::string& folder, std::string_view name) {
  for (const std::string_view suffix : kSuffixes) {
    if (set.kind == SetKind::table && !suffix.empty()) break;
    const std::string path = join_path(folder, fmt::format("{}{}", name, suffix));
    if (is_file(path)) return path;
  }
  return {};
}

[[noreturn]] void fail_missing(const NamedSetInfo& set, const std::string& data_dir) {
  std::string text = fmt::format("{}: does not hold the set {}; looked in", data_dir, set.name);
  if (!exists(data_dir)) text = fmt::format("{}: is not there; looked for the set {} in", data_dir, set.name);
  for (const std::string_view sub : set.folders) {
    const std::string folder = join_path(data_dir, sub);
    if (!exists(folder)) {
      text += fmt::format("\n  {}: no such folder", folder);
      continue;
    }
    std::string lacking;
    for (const NamedSetFile& file : set.files) {
      if (find_file(set, folder, file.name).empty())
        lacking += fmt::format("{}{}", lacking.empty() ? "" : ", ", file.name);
    }
    text += fmt::format("\n  {}: lacks {}", folder, lacking);
    if (set.kind == SetKind::cifar_images) text += fmt::format(" and {}", fmt::join(kCifarArchives, ", "));
  }
  if (set.kind != SetKind::table) text += "\n(each plain, .gz or .xz)";
  throw DataError(
      fmt::format("{}\nget it with `deepsad data fetch {} --data-dir {}`", text, set.name, data_dir));
}

// The name of the set whose counts these are, or "".
std::string_view set_with_counts(std::span<const std::size_t> counts) {
  for (const NamedSetInfo& set : kNamedSets) {
    if (std::ranges::equal(set.train_counts, counts) || std::ranges::equal(set.test_counts, counts))
      return set.name;
  }
  return {};
}

void check_against_table(const NamedSetInfo& set, const Dataset& data, std::span<const std::size_t> wanted) {
  const std::string& path = data.sources.front().path;
  if (!std::ranges::equal(data.sample_shape, set.sample_shape)) {
    throw DataError(fmt::format("{}: found samples of shape {}, wanted {} ({})", path,
                                fmt::join(data.sample_shape, " x "), fmt::join(set.sample_shape, " x "),
                                set.name));
  }
  std::vector<std::size_t> counts(set.class_names.size());
  for (const int c : data.classes) ++counts[static_cast<std::size_t>(c)];
  if (std::ranges::equal(counts, wanted)) return;
  const std::string_view other = set_with_counts(counts);
  throw DataError(fmt::format("{}: found samples per class {}, wanted {} ({}){}", path,
                              fmt::join(counts, " "), fmt::join(wanted, " "), set.name,
                              other.empty() ? "" : fmt::format("; these are the counts of {}", other)));
}

FileCheck classify(const NamedSetFile& file, std::string path, std::string sha256) {
  FileCheck check{std::move(path), std::move(sha256), ChecksumState::unknown, "content of unknown origin"};
  if (check.content_sha256 == file.sha256) {
    check.state = ChecksumState::official;
    check.note = "official";
  } else if (!file.variant_sha256.empty() && check.content_sha256 == file.variant_sha256) {
    check.state = ChecksumState::known_variant;
    check.note = file.variant_note;
  }
  return check;
}

// Reads one part's image and label file; fills the two checks.
Dataset load_idx_part(const NamedSetInfo& set, const std::string& images_path, const std::string& labels_path,
                      std::span<const std::size_t> counts, std::span<FileCheck> checks,
                      std::size_t first_file) {
  const std::size_t n = total(counts);
  const std::size_t image_bytes = set.sample_shape[1] * set.sample_shape[2];
  const auto images = open_file(images_path, n * image_bytes + kHeaderAllowance);
  const auto labels = open_file(labels_path, n + kHeaderAllowance);
  images->want_content_sha256();
  labels->want_content_sha256();
  Dataset data = read_idx(*images, *labels, static_cast<int>(set.class_names.size()));
  checks[first_file] = classify(set.files[first_file], images_path, images->content_sha256());
  checks[first_file + 1] = classify(set.files[first_file + 1], labels_path, labels->content_sha256());
  check_against_table(set, data, counts);
  return data;
}

void finish(Dataset& data, const NamedSetInfo& set) {
  data.name = set.name;
  data.class_names.assign(set.class_names.begin(), set.class_names.end());
}

// f(0), ..., f(n - 1), at the same time if there is a pool.
template <class F>
void for_each_index(ThreadPool* pool, std::size_t n, F&& f) {
  if (pool != nullptr) {
    pool->parallel_for(n, f);
  } else {
    for (std::size_t i = 0; i < n; ++i) f(i);
  }
}

void load_idx_set(const NamedSetInfo& set, const FoundSet& found, const LoadOptions& options,
                  LoadedSet& loaded) {
  const bool with_train = options.part != SetPart::test;
  const bool with_test = options.part != SetPart::train;
  Dataset test;
  for_each_index(options.pool, 2, [&](std::size_t part) {
    if (part == 0 && with_train) {
      loaded.train = load_idx_part(set, found.paths[0], found.paths[1], set.train_counts, loaded.files, 0);
    } else if (part == 1 && with_test) {
      test = load_idx_part(set, found.paths[2], found.paths[3], set.test_counts, loaded.files, 2);
    }
  });
  if (with_test) loaded.test = std::move(test);
}

void load_cifar_set(const NamedSetInfo& set, const FoundSet& found, const LoadOptions& options,
                    LoadedSet& loaded) {
  const bool with_train = options.part != SetPart::test;
  const bool with_test = options.part != SetPart::train;
  CifarParts parts;
  if (found.is_archive) {
    parts = read_cifar_archive(found.paths.front());
    // The sources of the parts are the members, in the order of set.files.
    for (std::size_t i = 0; i < kCifarBatches; ++i) {
      const SourceFile& source = i + 1 < kCifarBatches ? parts.train.sources[i] : parts.test.sources.front();
      loaded.files[i] = classify(set.files[i], source.path, source.sha256);
    }
  } else {
    std::array<Dataset, kCifarBatches> batches;
    for_each_index(options.pool, kCifarBatches, [&](std::size_t i) {
      if (i + 1 < kCifarBatches ? !with_train : !with_test) return;
      constexpr std::uint64_t kRecords = 10000;
      const auto in = open_file(found.paths[i], kRecords * kCifarRecordBytes + kPickleAllowance);
      in->want_content_sha256();
      const bool pickled = is_pickled_cifar_batch(*in);
      batches[i] = read_cifar_batch(*in);
      loaded.files[i] = classify(set.files[i], found.paths[i],
                                 pickled ? batches[i].sources.front().sha256 : in->content_sha256());
    });
    parts = join_cifar_batches(batches);
  }
  if (with_train) {
    check_against_table(set, parts.train, set.train_counts);
    loaded.train = std::move(parts.train);
  }
  if (with_test) {
    check_against_table(set, parts.test, set.test_counts);
    loaded.test = std::move(parts.test);
  }
}

}  // namespace

std::size_t NamedSetInfo::n_train() const {
  return total(train_counts);
}
std::size_t NamedSetInfo::n_test() const {
  return total(test_counts);
}

std::span<const NamedSetInfo> named_sets() {
  return kNamedSets;
}

const NamedSetInfo& named_set(const std::string& name) {
  std::vector<std::string> known;
  for (const NamedSetInfo& set : kNamedSets) {
    if (set.name == name) return set;
    known.emplace_back(set.name);
  }
  const std::string nearest = nearest_name(name, known.data(), known.size());
  throw InvalidArgument(fmt::format("unknown set \"{}\"{}; known sets: {}", name,
                                    nearest.empty() ? "" : fmt::format("; did you mean \"{}\"?", nearest),
                                    fmt::join(known, ", ")));
}

std::optional<FoundSet> find_named_set(const NamedSetInfo& set, const std::string& data_dir) {
  for (const std::string_view sub : set.folders) {
    FoundSet found{join_path(data_dir, sub), {}, false};
    for (const NamedSetFile& file : set.files) {
      std::string path = find_file(set, found.folder, file.name);
      if (path.empty() && set.kind == SetKind::cifar_images)
        path = find_file(set, found.folder, file.name.substr(0, file.name.rfind('.')));  // the Python version
      if (path.empty()) break;
      found.paths.push_back(std::move(path));
    }
    if (found.paths.size() == set.files.size()) return found;
    if (set.kind != SetKind::cifar_images) continue;
    for (const std::string_view name : kCifarArchives) {
      const std::string archive = join_path(found.folder, name);
      if (!is_file(archive)) continue;
      found.paths = {archive};
      found.is_archive = true;
      return found;
    }
  }
  return {};
}

std::vector<FileCheck> check_named_set(const NamedSetInfo& set, const FoundSet& found) {
  std::vector<FileCheck> checks;
  if (found.is_archive) {
    for_each_member(
        found.paths.front(), kDefaultMaxBytes, [&](const std::string& member, ByteStream& content) {
          const auto batch = cifar_batch_of(std::filesystem::path(member).filename().string());
          if (batch) {
            checks.push_back(classify(set.files[*batch], content.name(), checksum_of(content, set.kind)));
          }
          return true;
        });
    if (checks.size() != set.files.size()) {
      throw DataError(fmt::format("{}: holds {} of the {} files of {}", found.paths.front(), checks.size(),
                                  set.files.size(), set.name));
    }
    return checks;
  }
  for (std::size_t i = 0; i < found.paths.size(); ++i) {
    const auto content = open_file(found.paths[i]);
    content->want_content_sha256();
    checks.push_back(classify(set.files[i], found.paths[i], checksum_of(*content, set.kind)));
  }
  return checks;
}

LoadedSet load_named_set(const std::string& name, const std::string& data_dir, const LoadOptions& options) {
  const NamedSetInfo& set = named_set(name);
  const std::optional<FoundSet> found = find_named_set(set, data_dir);
  if (!found) fail_missing(set, data_dir);
  LoadedSet loaded;
  loaded.files.resize(set.files.size());
  switch (set.kind) {
    case SetKind::idx_images:
      load_idx_set(set, *found, options, loaded);
      break;
    case SetKind::cifar_images:
      load_cifar_set(set, *found, options, loaded);
      break;
    case SetKind::table:
      loaded.train = read_mat(found->paths.front());
      loaded.files[0] = classify(set.files[0], found->paths.front(), loaded.train.sources.front().sha256);
      check_against_table(set, loaded.train, set.train_counts);
      break;
  }
  // Files of a part that was not asked for were not read.
  std::erase_if(loaded.files, [](const FileCheck& check) { return check.path.empty(); });
  for (std::size_t i = 0; options.verify_checksums && i < loaded.files.size(); ++i) {
    const FileCheck& check = loaded.files[i];
    if (check.state == ChecksumState::unknown) {
      throw DataError(fmt::format(
          "{}: found content with SHA-256 {}, wanted the official one of {}; move it away and get "
          "the official file with `deepsad data fetch {} --data-dir {}`",
          check.path, check.content_sha256, set.name, set.name, data_dir));
    }
  }
  if (loaded.train.size() > 0) finish(loaded.train, set);
  if (loaded.test) finish(*loaded.test, set);
  return loaded;
}

}  // namespace deepsad
