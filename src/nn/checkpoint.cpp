#include "deepsad/nn/checkpoint.h"

#include <fmt/format.h>

#include <cmath>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>

#include "deepsad/core/error.h"
#include "deepsad/core/version.h"
#include "deepsad/storage/atomic_file.h"
#include "nn/stored_state.h"

namespace deepsad {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kVersion = "deepsad.checkpoint_version";
constexpr const char* kIdentity = "deepsad.checkpoint_identity";
constexpr const char* kPhases = "deepsad.checkpoint_phases";
constexpr const char* kState = "state/";
constexpr const char* kBest = "best/";
constexpr const char* kCarried = "carried";

// A loss may be infinite (held-out rows), which JSON does not know.
Json number(double value) {
  return std::isfinite(value) ? Json(value) : Json(nullptr);
}
double number_from(const Json& json) {
  return json.is_null() ? std::numeric_limits<double>::infinity() : json.get<double>();
}

Json to_json(const PhaseProgress& phase) {
  Json epochs = Json::array();
  for (const EpochRecord& epoch : phase.history.epochs) {
    Json record{{"loss", epoch.loss}, {"learning_rate", epoch.learning_rate}, {"seconds", epoch.seconds}};
    if (epoch.validation_loss) record["validation_loss"] = number(*epoch.validation_loss);
    epochs.push_back(std::move(record));
  }
  return {{"finished", phase.finished},
          {"seconds", phase.history.seconds},
          {"best_epoch", phase.history.best_epoch},
          {"best_loss", number(phase.best_loss)},
          {"epochs", std::move(epochs)}};
}

PhaseProgress progress_from_json(const Json& json) {
  PhaseProgress phase;
  phase.finished = json.at("finished").get<bool>();
  phase.history.seconds = json.at("seconds").get<double>();
  phase.history.best_epoch = json.at("best_epoch").get<std::size_t>();
  phase.best_loss = number_from(json.at("best_loss"));
  for (const Json& record : json.at("epochs")) {
    EpochRecord epoch{.loss = record.at("loss").get<double>(),
                      .learning_rate = record.at("learning_rate").get<double>(),
                      .seconds = record.at("seconds").get<double>()};
    if (record.contains("validation_loss")) epoch.validation_loss = number_from(record.at("validation_loss"));
    phase.history.epochs.push_back(epoch);
  }
  return phase;
}

Safetensors read_container(const std::string& path) {
  try {
    return read_deepsad_safetensors(read_file(path), path);
  } catch (const ModelError& error) {
    throw ModelError(fmt::format("{}; delete it to begin the training anew", error.what()));
  }
}

}  // namespace

RunCheckpoint::RunCheckpoint(std::size_t every) : every_(every) {
  if (every == 0) throw InvalidArgument("[checkpoint] epochs between two saves must be at least 1, got 0");
}

void RunCheckpoint::open(std::string path) {
  path_ = std::move(path);
  if (!std::filesystem::exists(path_)) return;
  const Safetensors file = read_container(path_);
  const auto text = [&](const char* key) -> const std::string& {
    return metadata_text(file, key, path_ + ": not a checkpoint of a training run");
  };
  if (text(kVersion) != version()) {
    throw ModelError(fmt::format(
        "{}: the checkpoint was written by deepsad {}, and only that version can go on from it; this "
        "is {}. Train anew, or use that version",
        path_, text(kVersion), version()));
  }
  try {
    identity_read_ = Json::parse(text(kIdentity)).get<std::map<std::string, std::string>>();
    const Json phases = Json::parse(text(kPhases));
    for (const auto& [name, json] : phases.items()) phases_.emplace(name, progress_from_json(json));
  } catch (const Json::exception& error) {
    throw ModelError(fmt::format("{}: damaged metadata: {}", path_, error.what()));
  }
  for (const NamedTensor& stored : file.tensors) {
    const std::size_t slash = stored.name.find('/');
    const auto phase = phases_.find(stored.name.substr(0, slash));
    if (slash == std::string::npos || phase == phases_.end())
      throw ModelError(fmt::format("{}: tensor \"{}\" belongs to no phase", path_, stored.name));
    const std::string rest = stored.name.substr(slash + 1);
    StateTensor tensor = from_stored(stored, path_);
    if (rest == kCarried) {
      phase->second.carried = std::move(tensor.values);
      continue;
    }
    const bool best = rest.starts_with(kBest);
    if (!best && !rest.starts_with(kState))
      throw ModelError(fmt::format("{}: tensor \"{}\" is unknown", path_, stored.name));
    tensor.name = rest.substr(std::string_view(best ? kBest : kState).size());
    (best ? phase->second.best_weights : phase->second.state).push_back(std::move(tensor));
  }
}

void RunCheckpoint::bind(std::map<std::string, std::string> identity) {
  identity_ = std::move(identity);
  if (!identity_read_) return;
  for (const auto& [key, value] : identity_) {
    const auto read = identity_read_->find(key);
    const std::string found = read == identity_read_->end() ? "nothing" : read->second;
    if (found == value) continue;
    throw InvalidArgument(
        fmt::format("{}: the run was begun with {} = {}, but now it is {}; the same bits need the same {}",
                    path_, key, found, value, key));
  }
}

const PhaseProgress* RunCheckpoint::find(const std::string& phase) const {
  const auto found = phases_.find(phase);
  return found == phases_.end() ? nullptr : &found->second;
}

void RunCheckpoint::save(const std::string& phase, PhaseProgress progress) {
  phases_[phase] = std::move(progress);
  if (path_.empty()) return;
  Safetensors file;
  Json phases = Json::object();
  const auto add = [&](const std::string& prefix, const StateDict& tensors) {
    for (const StateTensor& tensor : with_prefix(tensors, prefix)) file.tensors.push_back(to_stored(tensor));
  };
  for (const auto& [name, saved] : phases_) {
    phases[name] = to_json(saved);
    add(name + "/" + kState, saved.state);
    add(name + "/" + kBest, saved.best_weights);
    if (!saved.carried.empty())
      file.tensors.push_back(
          make_tensor(name + "/" + kCarried, {saved.carried.size()}, std::span<const float>(saved.carried)));
  }
  file.metadata = {
      {kVersion, std::string(version())}, {kIdentity, Json(identity_).dump()}, {kPhases, phases.dump()}};
  replace_file(path_, write_safetensors(file));
}

}  // namespace deepsad
