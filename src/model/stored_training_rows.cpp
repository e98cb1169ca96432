#include "model/stored_training_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "deepsad/core/error.h"

namespace deepsad {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kExamples = "deepsad.examples";
constexpr const char* kProfile = "deepsad.profile";
constexpr const char* kExampleRows = "examples.rows";
constexpr const char* kExampleScores = "examples.scores";
constexpr const char* kSizes = "profile.sizes";
constexpr const char* kSmallest = "profile.smallest";
constexpr const char* kEdges = "profile.edges";
constexpr const char* kShares = "profile.shares";
constexpr const char* kHashes = "profile.hashes";
constexpr float kPixelMax = 255;

class Reader {
 public:
  Reader(Safetensors& file, const std::string& name) : file_(file), name_(name) {}

  [[nodiscard]] const std::string& name() const { return name_; }
  [[noreturn]] void damaged(const std::string& what) const {
    throw ModelError(fmt::format("{}: damaged: {}", name_, what));
  }
  void expect(bool holds, const char* what) const {
    if (!holds) damaged(what);
  }
  [[nodiscard]] bool has_section(const char* key) const { return file_.metadata.contains(key); }
  [[nodiscard]] Json section(const char* key) const { return Json::parse(file_.metadata.at(key)); }
  [[nodiscard]] NamedTensor tensor(const char* name) {
    const auto found = find(name);
    if (found == file_.tensors.end()) damaged(fmt::format("the tensor \"{}\" is missing", name));
    NamedTensor tensor = std::move(*found);
    file_.tensors.erase(found);
    return tensor;
  }
  template <class T>
  [[nodiscard]] std::vector<T> values(const char* name) {
    return tensor_values<T>(tensor(name), name_);
  }
  void refuse_without_section(const char* key, std::initializer_list<const char*> tensors) {
    for (const char* name : tensors)
      if (find(name) != file_.tensors.end())
        damaged(fmt::format("the tensor \"{}\" and the metadata \"{}\" belong together", name, key));
  }

 private:
  [[nodiscard]] std::vector<NamedTensor>::iterator find(const char* name) {
    return std::find_if(file_.tensors.begin(), file_.tensors.end(),
                        [name](const NamedTensor& tensor) { return tensor.name == name; });
  }
  Safetensors& file_;
  const std::string& name_;
};

ExampleRows read_examples(Reader& reader, const Scaler& scaler) {
  const Json json = reader.section(kExamples);
  ExampleRows examples;
  for (const int label : json.at("labels").get<std::vector<int>>()) {
    reader.expect(label >= -1 && label <= 1, "a label of an example is none of -1, 0 and 1");
    examples.labels.push_back(static_cast<SemiLabel>(label));
  }
  examples.rows = json.at("rows").get<std::vector<std::uint32_t>>();
  examples.n_typical = json.at("typical").get<std::size_t>();
  examples.scores = reader.values<float>(kExampleScores);
  const std::size_t n = examples.size(), d = scaler.n_features();
  const NamedTensor rows = reader.tensor(kExampleRows);
  reader.expect(examples.rows.size() == n && examples.scores.size() == n && examples.n_typical <= n,
                "the examples have other numbers of labels, rows and scores");
  reader.expect(rows.shape == std::vector<std::size_t>{n, d}, "the examples are no rows of the model");
  examples.x = Matrix<float>(n, d);
  if (rows.type == TensorType::u8) {
    const MatrixView<const std::uint8_t> bytes(rows.bytes.data(), n, d);
    scaler.transform(RawRows{.values = bytes, .name = reader.name(), .feature_names = {}}, 0,
                     {examples.x.values.data(), n, d});
  } else {
    const std::vector<float> values = tensor_values<float>(rows, reader.name());
    reader.expect(std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); }),
                  "a value of an example is not finite");
    std::copy(values.begin(), values.end(), examples.x.values.begin());
  }
  return examples;
}

TrainingProfile read_profile(Reader& reader, std::size_t d) {
  const Json json = reader.section(kProfile);
  TrainingProfile profile;
  profile.n_rows = json.at("rows").get<std::size_t>();
  profile.hashes.all = json.at("all_hashes").get<bool>();
  const auto sizes = reader.values<std::uint8_t>(kSizes);
  const auto smallest = reader.values<float>(kSmallest), edges = reader.values<float>(kEdges),
             shares = reader.values<float>(kShares);
  reader.expect(profile.n_rows > 0 && sizes.size() == d + 1 && smallest.size() == d + 1,
                "the profile is not of the model's features");
  std::size_t total = 0;
  for (const std::uint8_t size : sizes) total += size;
  reader.expect(edges.size() == total && shares.size() == total, "the profile's sizes disagree");
  std::size_t begin = 0;
  for (std::size_t j = 0; j <= d; ++j) {
    const auto first = static_cast<std::ptrdiff_t>(begin),
               last = static_cast<std::ptrdiff_t>(begin + sizes[j]);
    DistributionSketch sketch{.smallest = smallest[j],
                              .edges = {edges.begin() + first, edges.begin() + last},
                              .shares = {shares.begin() + first, shares.begin() + last}};
    const auto ascends = [](const std::vector<float>& values) {
      return std::adjacent_find(values.begin(), values.end(), [](float a, float b) { return !(a < b); }) ==
             values.end();
    };
    reader.expect(!sketch.edges.empty() && ascends(sketch.edges) && ascends(sketch.shares) &&
                      sketch.smallest <= sketch.edges.front() && sketch.shares.front() > 0 &&
                      sketch.shares.back() == 1,
                  "a distribution of the profile does not ascend from 0 to 1");
    (j < d ? profile.features.emplace_back() : profile.scores) = std::move(sketch);
    begin += sizes[j];
  }
  for (const std::int64_t hash : reader.values<std::int64_t>(kHashes))
    profile.hashes.smallest.push_back(std::bit_cast<std::uint64_t>(hash));
  reader.expect(std::is_sorted(profile.hashes.smallest.begin(), profile.hashes.smallest.end()),
                "the hashes of the profile do not ascend");
  return profile;
}

}  // namespace

void store_training_rows(const TrainingRows& rows, const Scaler& scaler, Safetensors& file) {
  if (rows.examples) {
    const ExampleRows& examples = *rows.examples;
    Json labels = Json::array();
    for (const SemiLabel label : examples.labels) labels.push_back(static_cast<int>(label));
    file.metadata[kExamples] =
        Json{{"typical", examples.n_typical}, {"labels", labels}, {"rows", examples.rows}}.dump();
    const std::vector<std::size_t> shape{examples.size(), examples.x.cols};
    if (scaler.kind() == Scaler::Kind::pixels) {
      std::vector<std::uint8_t> bytes;
      for (const float value : examples.x.values)
        bytes.push_back(static_cast<std::uint8_t>(std::lround(value * kPixelMax)));
      file.tensors.push_back(make_tensor(kExampleRows, shape, std::span<const std::uint8_t>(bytes)));
    } else {
      file.tensors.push_back(
          make_tensor(kExampleRows, shape, std::span<const float>(examples.x.values.span())));
    }
    file.tensors.push_back(
        make_tensor(kExampleScores, {examples.size()}, std::span<const float>(examples.scores)));
  }
  if (rows.profile) {
    const TrainingProfile& profile = *rows.profile;
    file.metadata[kProfile] = Json{{"rows", profile.n_rows}, {"all_hashes", profile.hashes.all}}.dump();
    std::vector<std::uint8_t> sizes;
    std::vector<float> smallest, edges, shares;
    std::vector<std::int64_t> hashes;
    const auto add = [&](const DistributionSketch& sketch) {
      sizes.push_back(static_cast<std::uint8_t>(sketch.edges.size()));
      smallest.push_back(sketch.smallest);
      edges.insert(edges.end(), sketch.edges.begin(), sketch.edges.end());
      shares.insert(shares.end(), sketch.shares.begin(), sketch.shares.end());
    };
    for (const DistributionSketch& sketch : profile.features) add(sketch);
    add(profile.scores);
    for (const std::uint64_t hash : profile.hashes.smallest)
      hashes.push_back(std::bit_cast<std::int64_t>(hash));
    file.tensors.push_back(make_tensor(kSizes, {sizes.size()}, std::span<const std::uint8_t>(sizes)));
    file.tensors.push_back(make_tensor(kSmallest, {smallest.size()}, std::span<const float>(smallest)));
    file.tensors.push_back(make_tensor(kEdges, {edges.size()}, std::span<const float>(edges)));
    file.tensors.push_back(make_tensor(kShares, {shares.size()}, std::span<const float>(shares)));
    file.tensors.push_back(make_tensor(kHashes, {hashes.size()}, std::span<const std::int64_t>(hashes)));
  }
}

TrainingRows take_training_rows(Safetensors& file, const Scaler& scaler, const std::string& name) {
  Reader reader(file, name);
  TrainingRows rows;
  if (reader.has_section(kExamples))
    rows.examples = std::make_shared<const ExampleRows>(read_examples(reader, scaler));
  else
    reader.refuse_without_section(kExamples, {kExampleRows, kExampleScores});
  if (reader.has_section(kProfile))
    rows.profile = std::make_shared<const TrainingProfile>(read_profile(reader, scaler.n_features()));
  else
    reader.refuse_without_section(kProfile, {kSizes, kSmallest, kEdges, kShares, kHashes});
  return rows;
}

}  // namespace deepsad
