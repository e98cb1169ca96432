#include "deepsad/interchange/torch_checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "deepsad/core/error.h"
#include "deepsad/data/split.h"
#include "deepsad/detectors/deep_generative.h"
#include "deepsad/detectors/deep_sad.h"
#include "deepsad/model/train_options.h"
#include "deepsad/nn/catalogue.h"
#include "deepsad/nn/generative_network.h"
#include "deepsad/storage/safetensors.h"
#include "interchange/recognise_network.h"
#include "interchange/torch_container.h"
#include "model/data_source.h"
#include "nn/stored_state.h"

namespace deepsad {
namespace {

using Json = nlohmann::ordered_json;

// Keys of a checkpoint.
constexpr const char* kCenter = "c";
constexpr const char* kNetwork = "net_dict";
constexpr const char* kAutoencoder = "ae_net_dict";
constexpr const char* kOurs = "deepsad";
// Prefix of texts that hold a tensor of the model file that no network has: quantiles, calibration scores,
// training rows.
constexpr std::string_view kTensorText = "tensor.";

/// What stands in a checkpoint, whoever wrote it.
struct Checkpoint {
  std::vector<float> center;  // empty: none
  StateDict network, autoencoder;
  std::map<std::string, std::string> ours;  // empty: not written by deepsad
};

[[noreturn]] void refuse(const std::string& path, const std::string& what) {
  throw ModelError(fmt::format("{}: {}", path, what));
}

Checkpoint read_checkpoint(const std::string& path) {
  TorchFile file = TorchFile::read(path);
  const Pickle& pickle = file.pickle();
  const PickleNode& top = pickle.top();
  if (top.kind != PickleKind::dict)
    refuse(path,
           fmt::format("holds {}, wanted the reference's dict of c, net_dict, ae_net_dict", in_words(top)));
  Checkpoint checkpoint;
  for (std::size_t i = 0; i + 1 < top.items.size(); i += 2) {
    const PickleNode& key = pickle[top.items[i]];
    const PickleNode& value = pickle[top.items[i + 1]];
    if (key.text == kCenter) {
      checkpoint.center = file.numbers(value, kCenter);
    } else if (key.text == kNetwork) {
      checkpoint.network = file.state_dict(value, kNetwork);
    } else if (key.text == kAutoencoder) {
      if (value.kind != PickleKind::none) checkpoint.autoencoder = file.state_dict(value, kAutoencoder);
    } else if (key.text == kOurs) {
      checkpoint.ours = file.texts(value, kOurs);
    } else {
      refuse(path,
             fmt::format(
                 "has the key {}; the reference's checkpoints have c, net_dict and ae_net_dict (Deep SAD), "
                 "or net_dict alone (deep generative models)",
                 key.kind == PickleKind::text ? printable(key.text) : in_words(key)));
    }
  }
  return checkpoint;
}

// Calls f with a value of the C++ type that the elements have.
template <class F>
auto with_element_type(TensorType type, F f) {
  switch (type) {
    case TensorType::f32:
      return f(float{});
    case TensorType::f64:
      return f(double{});
    case TensorType::i64:
      return f(std::int64_t{});
    case TensorType::u8:
      break;
  }
  return f(std::uint8_t{});
}

// As JSON, which gives every number back to the bit.
std::string tensor_text(const NamedTensor& tensor) {
  Json json{{"shape", tensor.shape}, {"type", type_name(tensor.type)}};
  json["values"] = with_element_type(tensor.type, [&](auto element) -> Json {
    return tensor_values<decltype(element)>(tensor, tensor.name);
  });
  return json.dump();
}

NamedTensor tensor_from_text(const std::string& name, const std::string& text) {
  const Json json = Json::parse(text);
  const auto shape = json.at("shape").get<std::vector<std::size_t>>();
  const std::string type = json.at("type").get<std::string>();
  for (const TensorType known : {TensorType::f32, TensorType::f64, TensorType::i64, TensorType::u8}) {
    if (type != type_name(known)) continue;
    return with_element_type(known, [&](auto element) {
      const auto values = json.at("values").get<std::vector<decltype(element)>>();
      return make_tensor(name, shape, std::span<const decltype(element)>(values));
    });
  }
  throw InvalidArgument(fmt::format("the tensor {} has elements of the type {}, wanted F32, F64, I64 or U8",
                                    printable(name), printable(type)));
}

/// A model that torch_checkpoint() wrote: the tensors and texts of its model file.
Model own_model(const Checkpoint& checkpoint, const std::string& path) {
  Safetensors content;
  if (!checkpoint.center.empty()) {
    content.tensors.push_back(
        make_tensor(kCenter, {checkpoint.center.size()}, std::span<const float>(checkpoint.center)));
  }
  for (const StateDict* state : {&checkpoint.network, &checkpoint.autoencoder})
    for (const StateTensor& tensor : *state) content.tensors.push_back(to_stored(tensor));
  try {
    for (const auto& [key, text] : checkpoint.ours) {
      if (key.starts_with(kTensorText))
        content.tensors.push_back(tensor_from_text(key.substr(kTensorText.size()), text));
      else
        content.metadata[key] = text;
    }
    return Model::from_bytes(write_safetensors(content), path);
  } catch (const InvalidArgument& error) {
    throw ModelError(fmt::format("{}: {}", path, error.what()));
  } catch (const Json::exception& error) {
    throw ModelError(fmt::format("{}: damaged: {}", path, error.what()));
  }
}

/// The detector of a foreign checkpoint, with the options of the reference.
std::unique_ptr<Detector> foreign_detector(const Checkpoint& checkpoint, const std::string& network,
                                           const std::string& path, Shape& sample_shape) {
  StateDict tensors;
  if (!checkpoint.center.empty()) {
    const NetworkDefinition definition =
        recognise_network(checkpoint.network, checkpoint.autoencoder, network);
    sample_shape = definition.encoder.input;
    tensors.push_back({.name = kCenter, .shape = {checkpoint.center.size()}, .values = checkpoint.center});
    tensors.insert(tensors.end(), checkpoint.network.begin(), checkpoint.network.end());
    tensors.insert(tensors.end(), checkpoint.autoencoder.begin(), checkpoint.autoencoder.end());
    const auto untrained = make_deep_sad(definition, {.pretrain = !checkpoint.autoencoder.empty(),
                                                      .transfer = false,
                                                      .center_rows = CenterRows::all,
                                                      .clamp_zeros = false,
                                                      .reference_quirks = true});
    return restore_detector(untrained->method(), untrained->description(), std::move(tensors), path);
  }
  const auto [definition, kind] = recognise_generative_network(checkpoint.network, network);
  sample_shape = definition.input;
  const BoundOptions published{.log_variance = LogVarianceForm::softplus, .kl = KlForm::single_sample};
  const auto untrained =
      make_deep_generative(definition, kind, {.bound = published, .pretraining = {.bound = published}});
  return restore_detector(untrained->method(), untrained->description(), checkpoint.network, path);
}

/// What the rows that a model takes look like, and where they come from.
struct Origin {
  Scaler scaler;
  DataSetup setup;
  std::vector<std::string> feature_names;
};

Scaler no_scaling(std::size_t n) {
  return Scaler::table_from_parts(std::vector<double>(n, 0), std::vector<double>(n, 1),
                                  std::vector<double>(n, 0), std::vector<double>(n, 0), Scaling::none);
}

Origin origin_without_set(const TorchImportOptions& options, const Shape& sample_shape) {
  const bool images = sample_shape.size() == 3;
  if (!images && !options.rows_are_scaled) {
    throw InvalidArgument(
        "a checkpoint of a table does not say how the rows were scaled: the reference fits that anew in "
        "every run. Give "
        "the set and the seed that it was trained with (--dataset cardio --seed 1), or --scaling none if "
        "your rows will "
        "come scaled as in training");
  }
  if (images && options.rows_are_scaled)
    throw InvalidArgument(
        "the checkpoint is of images, which are always bytes, x / 255; leave --scaling out");
  if (options.seed)
    throw InvalidArgument("a seed says something only together with the set that was split by it");
  DataSetup setup;
  setup.dataset = "unknown";
  const std::size_t n = n_elements(sample_shape);
  return {images ? Scaler::pixels(n) : no_scaling(n), std::move(setup), {}};
}

Origin origin_in_set(const TorchImportOptions& options, const Shape& sample_shape, ThreadPool& pool) {
  const SourceData source = load_source(options.dataset, options.data_dir, pool);
  if (source.train.sample_shape != sample_shape) {
    throw InvalidArgument(fmt::format("the checkpoint's network takes samples of {}, but {} has {}",
                                      to_string(sample_shape), options.dataset,
                                      to_string(source.train.sample_shape)));
  }
  DataSetup setup;
  setup.dataset = options.dataset;
  setup.normal_classes = options.normal_class;
  setup.data_checksum = source.checksum;
  setup.seed = options.seed.value_or(0);
  if (source.test) {
    if (options.rows_are_scaled)
      throw InvalidArgument("images are always bytes, x / 255; leave --scaling out");
    return {Scaler::pixels(source.train.n_features()), std::move(setup), {}};
  }
  if (options.rows_are_scaled)
    throw InvalidArgument("--dataset gives the scaling of its rows; leave --scaling none out");
  if (!options.seed || *options.seed > kMaxReferenceSeed) {
    throw InvalidArgument(fmt::format(
        "the rows that the reference trained on, and with them its scaling, follow from the seed of its run: "
        "give --seed, 0 to {}",
        kMaxReferenceSeed));
  }
  setup.reference_split = true;
  ReferenceSplits splits = split_table_reference(source.train.labels, *options.seed);
  setup.test_rows = std::move(splits.second.test);
  return {Scaler::fit_table(source.train, splits.first.train), std::move(setup), source.train.feature_names};
}

Model foreign_model(const Checkpoint& checkpoint, const TorchImportOptions& options, const std::string& path,
                    ThreadPool& pool) {
  if (checkpoint.network.empty()) refuse(path, "has no net_dict, so there is no network");
  if (checkpoint.center.empty() && !checkpoint.autoencoder.empty())
    refuse(path,
           "has an autoencoder but no centre c; of these only the checkpoints of a finished run are read");
  Shape sample_shape;
  std::unique_ptr<Detector> detector = [&] {
    try {
      return foreign_detector(checkpoint, options.network, path, sample_shape);
    } catch (const InvalidArgument& error) {
      if (!options.network.empty()) throw;  // the option may be what is wrong
      throw ModelError(fmt::format("{}: {}", path, error.what()));
    }
  }();
  Origin origin = options.dataset.empty() ? origin_without_set(options, sample_shape)
                                          : origin_in_set(options, sample_shape, pool);
  return {std::move(detector),
          std::move(origin.scaler),
          sample_shape,
          std::move(origin.feature_names),
          std::move(origin.setup),
          Json{{"imported_from", "a checkpoint of PyTorch"}}.dump()};
}

}  // namespace

Model import_torch(const std::string& path, const TorchImportOptions& options, ThreadPool& pool) {
  const Checkpoint checkpoint = [&] {
    try {
      return read_checkpoint(path);
    } catch (const DataError& error) {
      throw ModelError(error.what());
    }
  }();
  if (checkpoint.ours.empty()) return foreign_model(checkpoint, options, path, pool);
  if (!options.network.empty() || !options.dataset.empty() || options.seed || options.rows_are_scaled)
    throw InvalidArgument(
        fmt::format("{} was written by deepsad and says everything itself; give no options", path));
  return own_model(checkpoint, path);
}

std::vector<std::uint8_t> torch_checkpoint(const Model& model) {
  const std::string method = model.detector().method();
  if (is_shallow_method(method)) {
    throw InvalidArgument(
        fmt::format("a model of the method {} has no network of its own that PyTorch could hold; those "
                    "that can be exported are deep_sad, deep_svdd, autoencoder, classifier, vae, dgm_m2 "
                    "and dgm_m1m2",
                    method));
  }
  TorchWriter writer;
  StateDict network, autoencoder;
  const std::vector<DetectorTensor> of_detector = model.detector().tensors();
  for (const DetectorTensor& tensor : of_detector) {
    if (tensor.name == kCenter)
      writer.numbers(kCenter, tensor.values);
    else if (is_generative_method(method) ||
             !(tensor.name.starts_with("encoder.") || tensor.name.starts_with("decoder.")))
      network.push_back(tensor);
    else
      autoencoder.push_back(tensor);
  }
  if (!network.empty()) writer.state_dict(kNetwork, network);
  if (!autoencoder.empty()) writer.state_dict(kAutoencoder, autoencoder);
  const Safetensors stored = read_safetensors(model.to_bytes(), "model");
  std::map<std::string, std::string> texts = stored.metadata;
  for (const NamedTensor& tensor : stored.tensors) {
    if (find_tensor(of_detector, tensor.name) == nullptr)
      texts[std::string(kTensorText) + tensor.name] = tensor_text(tensor);
  }
  writer.texts(kOurs, texts);
  return writer.bytes();
}

}  // namespace deepsad
