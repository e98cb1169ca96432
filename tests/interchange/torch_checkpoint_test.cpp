// Checkpoints of PyTorch as files: what goes out comes back, and what is damaged or hostile is refused. What
// PyTorch itself makes of them: check_torch.py.
#include "deepsad/interchange/torch_checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "deepsad/core/error.h"
#include "interchange/cases.h"
#include "support/files.h"

namespace deepsad {
namespace {

using namespace std::string_literals;
using ::testing::AllOf;
using testing::Bytes;
using testing::bytes_of;
using ::testing::HasSubstr;
using testing::message_of;
using testing::TempDir;
using testing::write_file;

Model import_bytes(const Bytes& bytes, const TorchImportOptions& options = {}) {
  const TempDir dir;
  write_file(dir.at("model.tar"), bytes);
  ThreadPool pool(1);
  return import_torch(dir.at("model.tar"), options, pool);
}

TorchImportOptions rows_are_scaled() {
  TorchImportOptions options;
  options.rows_are_scaled = true;
  return options;
}

std::string refusal_of(const Bytes& bytes) {
  return message_of<ModelError>([&] { (void)import_bytes(bytes, rows_are_scaled()); });
}

Model model_of(const std::string& method, const std::string& network = "") {
  const testing::ExportCase wanted{.name = method, .method = method, .network = network, .sample_shape = {5}};
  return testing::trained(wanted, testing::raw_rows({5}, 60, 1));
}

TEST(TorchCheckpoint, EveryMethodWithANetworkComesBackToTheBit) {
  for (const char* method : {"deep_sad", "deep_svdd", "autoencoder", "classifier", "vae", "dgm_m2"}) {
    SCOPED_TRACE(method);
    const Model model = model_of(method);
    EXPECT_EQ(import_bytes(torch_checkpoint(model)).to_bytes(), model.to_bytes());
  }
}

TEST(TorchCheckpoint, QuantilesAndCalibrationScoresComeBackToTheBit) {
  const testing::ExportCase wanted{
      .name = "q", .method = "deep_sad", .network = "", .sample_shape = {5}, .scaling = "quantile"};
  Model model = testing::trained(wanted, testing::raw_rows({5}, 60, 1));
  Decision decision = model.decision();
  decision.calibration = ConformalCalibration::from_parts({0.1F, 0.25F, 1.0F / 3.0F}, 0);
  decision.calibration_rows = "three rows";
  model = model.with_decision(decision);
  EXPECT_EQ(import_bytes(torch_checkpoint(model)).to_bytes(), model.to_bytes());
}

TEST(TorchCheckpoint, MethodsWithoutANetworkAreRefusedByName) {
  for (const char* method : {"oc_svm", "ssad", "kde", "isolation_forest"}) {
    const Model model = model_of(method);
    EXPECT_THAT(message_of<InvalidArgument>([&] { (void)torch_checkpoint(model); }), HasSubstr(method));
  }
}

TEST(TorchCheckpoint, OwnFilesNeedNoOptions) {
  const Bytes bytes = torch_checkpoint(model_of("deep_sad"));
  EXPECT_THAT(message_of<InvalidArgument>([&] { (void)import_bytes(bytes, rows_are_scaled()); }),
              HasSubstr("was written by deepsad and says everything itself; give no options"));
}

TEST(TorchCheckpoint, AFileCutShortAnywhereIsRefused) {
  const Bytes whole = torch_checkpoint(model_of("deep_sad"));
  for (std::size_t n = 0; n < whole.size(); n += n < 200 ? 1 : 37)
    EXPECT_FALSE(refusal_of(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n))).empty())
        << n;
  Bytes longer = whole;
  longer.push_back(0);
  EXPECT_THAT(refusal_of(longer), HasSubstr("1 bytes follow the last storage"));
}

std::string little_endian(std::uint64_t value, std::size_t n) {
  std::string bytes;
  for (std::size_t i = 0; i < n; ++i) bytes += static_cast<char>(value >> (8 * i));
  return bytes;
}

std::string text(const std::string& value) {
  return "X" + little_endian(value.size(), 4) + value;
}

std::string tuple(const std::vector<std::uint32_t>& values) {
  std::string bytes = "(";
  for (const std::uint32_t value : values) bytes += "J" + little_endian(value, 4);
  return bytes + "t";
}

/// A tensor of the storage "0", which has `n_stored` elements.
struct Tensor {
  std::uint32_t offset = 0;
  std::vector<std::uint32_t> shape{1, 2}, strides{2, 1};
  std::uint32_t n_stored = 2;
  std::string type = "FloatStorage";
  std::string identity{};  // instead of the storage's

  [[nodiscard]] std::string pickled() const {
    const std::string stored = identity.empty()
                                   ? "(" + text("storage") + "ctorch\n" + type + "\n" + text("0") +
                                         text("cpu") + "J" + little_endian(n_stored, 4) + "tQ"
                                   : identity;
    return "ctorch._utils\n_rebuild_tensor_v2\n(" + stored + "J" + little_endian(offset, 4) + tuple(shape) +
           tuple(strides) + "\x89" + "ccollections\nOrderedDict\n)RtR";
  }
};

/// {"c": [0.5], "net_dict": {"code.weight": tensor}}, the network of an MLP without hidden layers, which none
/// is.
std::string checkpoint_of(const Tensor& tensor) {
  return "\x80\x02}(" + text("c") + "](G" + "\x3f\xe0"s + std::string(6, '\0') + "e" + text("net_dict") +
         "}" + text("code.weight") + tensor.pickled() + "su.";
}

/// The same in the ZIP container, with the storage's bytes.
Bytes zipped(const std::string& pickle, const std::string& storage, const std::string& byteorder = "little") {
  return testing::make_archive("zip", "none",
                               {{"archive/data.pkl", bytes_of(pickle)},
                                {"archive/byteorder", bytes_of(byteorder)},
                                {"archive/data/0", bytes_of(storage)},
                                {"archive/version", bytes_of("3\n")}});
}

const std::string kTwoFloats(8, '\0');
// What a checkpoint of Tensor{} is refused with: everything in it is right, but no network is so.
constexpr const char* kRightButUnknown = "no network has the checkpoint's tensors: code.weight (1x2)";

TEST(TorchCheckpoint, ATensorMustLieInItsStorage) {
  EXPECT_THAT(refusal_of(zipped(checkpoint_of({}), kTwoFloats)), HasSubstr(kRightButUnknown));
  const std::vector<Tensor> outside{
      {.offset = 1},
      {.offset = 3},
      {.offset = 0xffffffff},  // as BININT it is -1
      {.shape = {2, 2}},
      {.shape = {1, 3}},
      {.strides = {2, 2}},
      {.strides = {0x7fffffff, 0x7fffffff}},
      {.shape = {0x7fffffff, 0x7fffffff}, .strides = {0, 0}},
      {.shape = {3, 1}, .strides = {0, 1}},
      {.shape = {0x7fffffff, 2}, .strides = {0x7fffffff, 1}},
      {.shape = {2}, .strides = {2, 1}},
      {.shape = {1, 2}, .strides = {1}},
      {.shape = std::vector<std::uint32_t>(9, 1), .strides = std::vector<std::uint32_t>(9, 1)},
  };
  for (const Tensor& tensor : outside) {
    EXPECT_THAT(refusal_of(zipped(checkpoint_of(tensor), kTwoFloats)),
                AllOf(HasSubstr("net_dict: \"code.weight\""), ::testing::Not(HasSubstr(kRightButUnknown))))
        << ::testing::PrintToString(tensor.shape) << ::testing::PrintToString(tensor.strides)
        << tensor.offset;
  }
  // Rows in the other order, and one element of many, lie in it.
  EXPECT_THAT(refusal_of(zipped(checkpoint_of({.strides = {7, 1}}), kTwoFloats)),
              HasSubstr(kRightButUnknown));
  EXPECT_THAT(refusal_of(zipped(checkpoint_of({.offset = 3, .n_stored = 5}), std::string(20, '\0'))),
              HasSubstr(kRightButUnknown));
}

// Small files of many names, each for all of the storage: memory must not be their product.
TEST(TorchCheckpoint, NamesThatShareAStorageAreRefusedBeyondAFewTimesItsSize) {
  const auto checkpoint = [](std::size_t n_names) {
    std::string names;
    for (std::size_t i = 0; i < n_names; ++i) names += text("layer" + std::to_string(i)) + Tensor{}.pickled();
    return zipped("\x80\x02}" + text("net_dict") + "}(" + names + "us.", kTwoFloats);
  };
  EXPECT_THAT(refusal_of(checkpoint(4)), HasSubstr("none has its tensors: layer0 (1x2)"));
  EXPECT_THAT(refusal_of(checkpoint(5)),
              HasSubstr("net_dict: \"layer4\": with it the tensors have more than 4 times the elements"));
  const auto twice = "}(" + text("a") + Tensor{}.pickled() + text("a") + Tensor{}.pickled() + "u";
  EXPECT_THAT(refusal_of(zipped("\x80\x02}" + text("net_dict") + twice + "s.", kTwoFloats)),
              HasSubstr("net_dict has \"a\" twice"));
  // Texts of a file of ours that are one text: memo 0, then taken from there.
  std::string texts = text("deepsad.0") + text(std::string(5000, 'x')) + "q" + std::string(1, '\0');
  for (int i = 1; i < 9; ++i) texts += text("deepsad." + std::to_string(i)) + "h" + std::string(1, '\0');
  EXPECT_THAT(refusal_of(zipped("\x80\x02}" + text("deepsad") + "}(" + texts + "us.", kTwoFloats)),
              HasSubstr("deepsad: with \"deepsad.4\" its texts have more than 4 times the bytes"));
}

TEST(TorchCheckpoint, StoragesMustBeWhatTheFileHolds) {
  const auto refused = [](const Tensor& tensor, const std::string& storage, const char* why) {
    EXPECT_THAT(refusal_of(zipped(checkpoint_of(tensor), storage)), HasSubstr(why));
  };
  refused({}, std::string(7, '\0'), "the storage \"0\" has 7 bytes, wanted 2 elements of 4");
  refused({}, std::string(12, '\0'), "has 12 bytes, wanted 2 elements of 4");
  refused({.n_stored = 0x7fffffff}, kTwoFloats, "wanted 2147483647 elements of 4");
  refused({.type = "HalfStorage"}, kTwoFloats, "refused: the global \"torch.HalfStorage\"");
  refused({.type = "LongStorage"}, std::string(16, '\0'), "is a tensor of integers");
  refused({}, "\0\0\xc0\x7f"s + std::string(4, '\0'), "holds nan");
  refused({.identity = "K\x05Q"}, kTwoFloats, "a persistent identity that is the integer 5");
  refused({.identity = "N"}, kTwoFloats, "lies in None, wanted a storage");
  refused({.identity = "(" + text("module") + "NNNNtQ"}, kTwoFloats, "a persistent identity");
}

TEST(TorchCheckpoint, AZipArchiveMustBeOneOfPyTorch) {
  EXPECT_THAT(refusal_of(testing::make_archive("zip", "none", {{"a/code/model.py", bytes_of("x")}})),
              HasSubstr("not of torch.save: it has no data.pkl"));
  EXPECT_THAT(refusal_of(zipped(checkpoint_of({}), kTwoFloats, "big")), HasSubstr("big-endian"));
  EXPECT_THAT(refusal_of(zipped(checkpoint_of({}) + "N.", kTwoFloats)), HasSubstr("bytes follow the pickle"));
  EXPECT_THAT(refusal_of(testing::make_archive("zip", "none", {{"a/data.pkl", bytes_of(checkpoint_of({}))}})),
              HasSubstr("the values of its storage \"0\" are not in the file"));
  EXPECT_THAT(refusal_of(testing::make_archive("tar", "none", {{"storages", bytes_of("x")}})),
              HasSubstr("tar container of PyTorch before 0.2"));
  EXPECT_THAT(refusal_of(bytes_of("no checkpoint")), HasSubstr("is no file of torch.save"));
  EXPECT_THAT(refusal_of(bytes_of("\x80\x02N.")), HasSubstr("its first value is not PyTorch's magic number"));
}

TEST(TorchCheckpoint, WhatStandsInItIsNamedWhereItIsWrong) {
  const auto refused = [](const std::string& value, const char* why) {
    EXPECT_THAT(refusal_of(zipped("\x80\x02" + value + ".", kTwoFloats)), HasSubstr(why));
  };
  refused("]", "holds a list of 0, wanted the reference's dict");
  refused("}" + text("optimizer") + "}s", "has the key \"optimizer\"");
  refused("}K\x01}s", "has the key the integer 1");
  refused("}" + text("net_dict") + "Ns", "net_dict is None, wanted a state dict");
  refused("}" + text("net_dict") + "}K\x01Nss", "net_dict has the integer 1 for a key");
  refused("}" + text("net_dict") + "}" + text("a") + "Nss", "net_dict: \"a\" is None, wanted a tensor");
  refused("}" + text("deepsad") + "]s", "deepsad is a list of 0, wanted a dict of texts");
  refused("}" + text("deepsad") + "}" + text("a") + "K\x01ss",
          "deepsad holds the integer 1 under the text \"a\", wanted texts");
  refused("}" + text("c") + "](" + text("x") + "es", "c holds the text \"x\", wanted numbers");
  refused("}" + text("c") + "](G" + "\x7f\xf0"s + std::string(6, '\0') + "es",
          "c holds inf, wanted finite numbers");
  refused("}", "has no net_dict");
  refused("}(" + text("c") +
              "](K\x01"
              "e" +
              text("net_dict") + "}" + "u",
          "has no net_dict, so there is no network");
}

}  // namespace
}  // namespace deepsad
