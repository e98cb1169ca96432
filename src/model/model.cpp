#include "deepsad/model/model.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "deepsad/core/error.h"
#include "deepsad/core/version.h"
#include "deepsad/nn/network_spec.h"
#include "deepsad/storage/atomic_file.h"
#include "deepsad/storage/safetensors.h"
#include "model/stored_training_rows.h"
#include "nn/stored_state.h"

namespace deepsad {
namespace {

using Json = nlohmann::ordered_json;

// Rows scaled and scored at a time: 1024 CIFAR images are 12 MB.
constexpr std::size_t kChunkRows = 1024;
constexpr std::size_t kScaledRows = 64;  // scaled by one thread at a time

// Keys of the file's metadata (docs/model-file.md).
constexpr const char* kFormatVersion = "deepsad.format_version";
constexpr const char* kMethod = "deepsad.method";
constexpr const char* kDetector = "deepsad.detector";
constexpr const char* kScaler = "deepsad.scaler";
constexpr const char* kSchema = "deepsad.schema";
constexpr const char* kSetup = "deepsad.setup";
constexpr const char* kSummary = "deepsad.summary";
constexpr const char* kWriter = "deepsad.writer";
// Since version 2.
constexpr const char* kCalibration = "deepsad.calibration";
constexpr const char* kThreshold = "deepsad.threshold";
constexpr const char* kCalibrationScores = "calibration.scores";  // a tensor
// Since version 3.
constexpr const char* kTable = "deepsad.table";
constexpr const char* kScalerQuantiles = "scaler.quantiles";  // a tensor, features x quantiles

Json to_json(const Scaler& scaler) {
  if (scaler.kind() == Scaler::Kind::pixels) return {{"kind", "pixels"}, {"n_features", scaler.n_features()}};
  if (scaler.scaling() == Scaling::quantile) {
    return {{"kind", "table"},
            {"scaling", "quantile"},
            {"n_features", scaler.n_features()},
            {"quantiles", scaler.quantiles().size() / scaler.n_features()}};
  }
  return {{"kind", "table"},       {"scaling", scaling_name(scaler.scaling())},
          {"mean", scaler.mean()}, {"std", scaler.std()},
          {"min", scaler.min()},   {"max", scaler.max()}};
}

Scaler scaler_from_json(const Json& json, const std::optional<NamedTensor>& quantiles,
                        const std::string& name) {
  const auto kind = json.at("kind").get<std::string>();
  if (kind == "pixels") return Scaler::pixels(json.at("n_features").get<std::size_t>());
  if (kind != "table") throw InvalidArgument(fmt::format("unknown scaler \"{}\"", kind));
  const auto numbers = [&](const char* key) { return json.at(key).get<std::vector<double>>(); };
  // Files of the first version do not name it: there was one scaling.
  const Scaling scaling = scaling_from_name(json.value("scaling", scaling_name(Scaling::min_max)));
  if ((scaling == Scaling::quantile) != quantiles.has_value())
    throw InvalidArgument(fmt::format("damaged: scaling is {}, but the tensor {} is {}there",
                                      scaling_name(scaling), kScalerQuantiles, quantiles ? "" : "not "));
  if (quantiles) {
    return Scaler::quantile_from_parts(tensor_values<double>(*quantiles, name),
                                       json.at("n_features").get<std::size_t>());
  }
  return Scaler::table_from_parts(numbers("mean"), numbers("std"), numbers("min"), numbers("max"), scaling);
}

Json to_json(const DataSetup& setup) {
  return {{"dataset", setup.dataset},
          {"normal_classes", setup.normal_classes},
          {"known_anomaly_classes", setup.known_anomaly_classes},
          {"ratio_known_normal", setup.ratio_known_normal},
          {"ratio_known_outlier", setup.ratio_known_outlier},
          {"ratio_pollution", setup.ratio_pollution},
          {"seed", setup.seed},
          {"test_rows", setup.test_rows},
          {"reference_split", setup.reference_split},
          {"data_checksum", setup.data_checksum}};
}

DataSetup setup_from_json(const Json& json) {
  return {.dataset = json.at("dataset").get<std::string>(),
          .normal_classes = json.at("normal_classes").get<std::vector<int>>(),
          .known_anomaly_classes = json.at("known_anomaly_classes").get<std::vector<int>>(),
          .ratio_known_normal = json.at("ratio_known_normal").get<double>(),
          .ratio_known_outlier = json.at("ratio_known_outlier").get<double>(),
          .ratio_pollution = json.at("ratio_pollution").get<double>(),
          .seed = json.at("seed").get<std::uint64_t>(),
          .test_rows = json.at("test_rows").get<std::vector<std::uint32_t>>(),
          .reference_split = json.at("reference_split").get<bool>(),
          .data_checksum = json.at("data_checksum").get<std::string>()};
}

Json to_json(const TableSchema& table) {
  return {{"source", table.source},
          {"label_map", table.label_map.text()},
          {"truth_map", table.truth_map.text()},
          {"schema", Json::parse(table.schema.to_json())}};
}

TableSchema table_schema_from_json(const Json& json, const std::string& name) {
  const auto map = [&](const char* key) {
    const auto text = json.at(key).get<std::string>();
    return text.empty() ? LabelMap() : LabelMap::parse(text);
  };
  return {.schema = Schema::from_json(json.at("schema").dump(), name + ": schema"),
          .label_map = map("label_map"),
          .truth_map = map("truth_map"),
          .source = json.at("source").get<std::string>()};
}

// Scores of n rows, of which scale(first, dst) writes those from `first` on, as many as dst has, scaled.
template <class Scale>
std::vector<float> score_chunks(const Detector& detector, const Scaler& scaler, std::size_t n_rows,
                                const Scale& scale, ThreadPool& pool) {
  std::vector<float> scores(n_rows);
  Matrix<float> chunk(std::min(kChunkRows, n_rows), scaler.n_features());
  for (std::size_t first = 0; first < n_rows; first += kChunkRows) {
    const std::size_t n = std::min(kChunkRows, n_rows - first);
    const MatrixView<float> x(chunk.values.data(), n, chunk.cols);
    pool.parallel_for((n + kScaledRows - 1) / kScaledRows, [&](std::size_t piece) {
      const std::size_t begin = piece * kScaledRows;
      scale(first + begin, x.rows_from(begin, std::min(kScaledRows, n - begin)));
    });
    detector.score(x, std::span<float>(scores).subspan(first, n), pool);
  }
  return scores;
}

// The oldest version that holds all of it.
int format_version(const Model& model) {
  if (model.schema() || model.scaler().scaling() == Scaling::quantile || model.training_rows().examples ||
      model.training_rows().profile)
    return 3;
  return model.decision().threshold || model.decision().calibration ? 2 : 1;
}

bool is_readable_version(const std::string& format) {
  for (int version = 1; version <= kModelFormatVersion; ++version)
    if (format == std::to_string(version)) return true;
  return false;
}

// Takes the tensor of that name out of the list.
std::optional<NamedTensor> take_tensor(std::vector<NamedTensor>& tensors, const char* name) {
  const auto found = std::find_if(tensors.begin(), tensors.end(),
                                  [name](const NamedTensor& tensor) { return tensor.name == name; });
  if (found == tensors.end()) return std::nullopt;
  NamedTensor tensor = std::move(*found);
  tensors.erase(found);
  return tensor;
}

}  // namespace

std::vector<float> score_rows(const Detector& detector, const Scaler& scaler, const Dataset& data,
                              std::span<const std::uint32_t> rows, ThreadPool& pool) {
  return score_chunks(
      detector, scaler, rows.size(),
      [&](std::size_t first, MatrixView<float> dst) {
        scaler.transform(data, rows.subspan(first, dst.rows()), dst);
      },
      pool);
}

Model::Model(std::unique_ptr<Detector> detector, Scaler scaler, std::vector<std::size_t> sample_shape,
             std::vector<std::string> feature_names, DataSetup setup, std::string summary_json)
    : detector_(std::move(detector)),
      scaler_(std::move(scaler)),
      sample_shape_(std::move(sample_shape)),
      feature_names_(std::move(feature_names)),
      setup_(std::move(setup)),
      summary_(std::move(summary_json)) {
  if (scaler_.n_features() != detector_->n_features() ||
      n_elements(sample_shape_) != detector_->n_features()) {
    throw InvalidArgument(
        fmt::format("[model] samples of {}, a scaler of {} features and a detector of {} do not fit",
                    to_string(sample_shape_), scaler_.n_features(), detector_->n_features()));
  }
}

const Detector& Model::detector() const {
  return *detector_;
}
const Scaler& Model::scaler() const {
  return scaler_;
}
const std::vector<std::size_t>& Model::sample_shape() const {
  return sample_shape_;
}
const std::vector<std::string>& Model::feature_names() const {
  return feature_names_;
}
const DataSetup& Model::setup() const {
  return setup_;
}
const std::string& Model::summary() const {
  return summary_;
}
const Decision& Model::decision() const {
  return decision_;
}

Model Model::with_decision(Decision decision) const {
  Model model = *this;
  model.decision_ = std::move(decision);
  return model;
}

const std::optional<TableSchema>& Model::schema() const {
  return schema_;
}

Model Model::with_schema(TableSchema schema) const {
  if (sample_shape_ != std::vector<std::size_t>{schema.schema.n_features()}) {
    throw InvalidArgument(fmt::format("[model] a schema of {} features and samples of {} do not fit",
                                      schema.schema.n_features(), to_string(sample_shape_)));
  }
  if (!feature_names_.empty() && feature_names_ != schema.schema.feature_names())
    throw InvalidArgument("[model] the features of the schema have other names than the model's");
  Model model = *this;
  model.schema_ = std::move(schema);
  return model;
}

const TrainingRows& Model::training_rows() const {
  return training_rows_;
}

Model Model::with_training_rows(TrainingRows rows) const {
  const std::size_t d = scaler_.n_features();
  if ((rows.examples && rows.examples->x.cols != d) || (rows.profile && rows.profile->features.size() != d))
    throw InvalidArgument(fmt::format("[model] the training rows are not of the model's {} features", d));
  Model model = *this;
  model.training_rows_ = std::move(rows);
  return model;
}

std::vector<float> Model::score(const Dataset& data, std::span<const std::uint32_t> rows,
                                ThreadPool& pool) const {
  if (data.sample_shape != sample_shape_) {
    const auto text = [](const std::vector<std::size_t>& shape) {
      return shape.size() == 1 ? fmt::format("{} features", shape[0]) : "shape " + to_string(shape);
    };
    throw DataError(fmt::format("{}: its samples have {} but the model was trained on {}", data.name,
                                text(data.sample_shape), text(sample_shape_)));
  }
  return score_rows(*detector_, scaler_, data, rows, pool);
}

std::vector<float> Model::score(const Dataset& data, ThreadPool& pool) const {
  std::vector<std::uint32_t> rows(data.size());
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<std::uint32_t>(i);
  return score(data, rows, pool);
}

std::vector<float> Model::score(const RawRows& rows, ThreadPool& pool) const {
  if (rows.n_features() != scaler_.n_features()) {
    throw DataError(fmt::format("{}: its samples have {} features but the model was trained on {}", rows.name,
                                rows.n_features(), scaler_.n_features()));
  }
  return score_chunks(
      *detector_, scaler_, rows.size(),
      [&](std::size_t first, MatrixView<float> dst) { scaler_.transform(rows, first, dst); }, pool);
}

std::vector<std::uint8_t> Model::to_bytes() const {
  Safetensors file;
  file.metadata = {{kFormatVersion, std::to_string(format_version(*this))},
                   {kWriter, fmt::format("deepsad {}", version())},
                   {kMethod, detector_->method()},
                   {kDetector, detector_->description()},
                   {kScaler, to_json(scaler_).dump()},
                   {kSchema, Json{{"sample_shape", sample_shape_}, {"feature_names", feature_names_}}.dump()},
                   {kSetup, to_json(setup_).dump()},
                   {kSummary, summary_}};
  for (const DetectorTensor& tensor : detector_->tensors()) file.tensors.push_back(to_stored(tensor));
  if (decision_.threshold) file.metadata[kThreshold] = threshold_to_json(*decision_.threshold);
  if (decision_.calibration) {
    const ConformalCalibration& calibration = *decision_.calibration;
    file.metadata[kCalibration] =
        Json{{"rows", decision_.calibration_rows}, {"rows_trimmed", calibration.n_trimmed()}}.dump();
    file.tensors.push_back(
        make_tensor(kCalibrationScores, {calibration.size()}, std::span<const float>(calibration.scores())));
  }
  if (!scaler_.quantiles().empty()) {
    const std::size_t d = scaler_.n_features();
    file.tensors.push_back(make_tensor(kScalerQuantiles, {d, scaler_.quantiles().size() / d},
                                       std::span<const double>(scaler_.quantiles())));
  }
  if (schema_) file.metadata[kTable] = to_json(*schema_).dump();
  store_training_rows(training_rows_, scaler_, file);
  return write_safetensors(file);
}

void Model::save(const std::string& path) const {
  write_file(path, to_bytes());
}

Model Model::load(const std::string& path) {
  return from_bytes(read_file(path), path);
}

Model Model::from_bytes(std::span<const std::uint8_t> bytes, const std::string& name) {
  // The version is looked at before the checksum, so that a file of a later version is called that.
  Safetensors file = read_safetensors(bytes, name);
  const auto text = [&](const char* key) -> const std::string& {
    return metadata_text(file, key, name + ": not a deepsad model");
  };
  const std::string& format = text(kFormatVersion);
  if (!is_readable_version(format)) {
    throw ModelError(
        fmt::format("{}: model format version {} (written by {}), but this is deepsad {}, which reads up to "
                    "version {}; update deepsad",
                    name, format, file.metadata.contains(kWriter) ? text(kWriter) : "an unknown program",
                    version(), kModelFormatVersion));
  }
  (void)read_deepsad_safetensors(bytes, name);
  const std::optional<NamedTensor> calibration_scores = take_tensor(file.tensors, kCalibrationScores);
  if (calibration_scores.has_value() != file.metadata.contains(kCalibration)) {
    throw ModelError(fmt::format("{}: damaged: the tensor {} and the metadata \"{}\" belong together", name,
                                 kCalibrationScores, kCalibration));
  }
  const std::optional<NamedTensor> quantiles = take_tensor(file.tensors, kScalerQuantiles);
  std::optional<Scaler> scaler;
  TrainingRows training_rows;
  try {
    scaler = scaler_from_json(Json::parse(text(kScaler)), quantiles, name);
    training_rows = take_training_rows(file, *scaler, name);
  } catch (const Json::exception& error) {
    throw ModelError(fmt::format("{}: damaged metadata: {}", name, error.what()));
  } catch (const InvalidArgument& error) {
    throw ModelError(fmt::format("{}: {}", name, error.what()));
  }
  std::vector<DetectorTensor> tensors;
  for (const NamedTensor& tensor : file.tensors) tensors.push_back(from_stored(tensor, name));
  std::unique_ptr<Detector> detector =
      restore_detector(text(kMethod), text(kDetector), std::move(tensors), name);
  try {
    const Json schema = Json::parse(text(kSchema));
    const Json summary = Json::parse(text(kSummary));
    Model model(std::move(detector), *scaler, schema.at("sample_shape").get<std::vector<std::size_t>>(),
                schema.at("feature_names").get<std::vector<std::string>>(),
                setup_from_json(Json::parse(text(kSetup))), summary.dump());
    if (file.metadata.contains(kThreshold)) model.decision_.threshold = threshold_from_json(text(kThreshold));
    if (calibration_scores) {
      const Json calibration = Json::parse(text(kCalibration));
      model.decision_.calibration_rows = calibration.at("rows").get<std::string>();
      model.decision_.calibration = ConformalCalibration::from_parts(
          tensor_values<float>(*calibration_scores, name), calibration.at("rows_trimmed").get<std::size_t>());
    }
    if (file.metadata.contains(kTable))
      model = model.with_schema(table_schema_from_json(Json::parse(text(kTable)), name));
    model.training_rows_ = std::move(training_rows);
    return model;
  } catch (const Json::exception& error) {
    throw ModelError(fmt::format("{}: damaged metadata: {}", name, error.what()));
  } catch (const InvalidArgument& error) {
    throw ModelError(fmt::format("{}: {}", name, error.what()));
  }
}

std::string Model::inspect_json() const {
  Json tensors = Json::array();
  for (const DetectorTensor& tensor : detector_->tensors()) {
    tensors.push_back(
        {{"name", tensor.name}, {"shape", tensor.shape}, {"dtype", tensor.is_count ? "I64" : "F32"}});
  }
  Json decision{{"threshold", nullptr}, {"calibration", nullptr}};
  if (decision_.threshold) decision["threshold"] = Json::parse(threshold_to_json(*decision_.threshold));
  if (decision_.calibration) {
    decision["calibration"] = {{"rows", decision_.calibration_rows},
                               {"scores", decision_.calibration->size()},
                               {"rows_trimmed", decision_.calibration->n_trimmed()}};
  }
  Json training_rows{{"examples", nullptr}, {"profile", nullptr}};
  if (const ExampleRows* examples = training_rows_.examples.get())
    training_rows["examples"] = {{"rows", examples->size()}, {"typical", examples->n_typical}};
  if (const TrainingProfile* profile = training_rows_.profile.get()) {
    training_rows["profile"] = {{"rows", profile->n_rows}, {"row_hashes", profile->hashes.smallest.size()}};
  }
  return Json{{"format_version", format_version(*this)},
              {"method", detector_->method()},
              {"detector", Json::parse(detector_->description())},
              {"sample_shape", sample_shape_},
              {"feature_names", feature_names_},
              {"scaler", to_json(scaler_)},
              {"setup", to_json(setup_)},
              {"summary", Json::parse(summary_)},
              {"decision", decision},
              {"table", schema_ ? to_json(*schema_) : Json(nullptr)},
              {"training_rows", training_rows},
              {"tensors", tensors}}
      .dump(2);
}

}  // namespace deepsad
