// How each method is rebuilt from a model file. A new detector adds its function here and its line in
// registry.cpp.
#pragma once

#include <memory>
#include <string>

#include "deepsad/detectors/detector.h"
#include "detectors/network_detector.h"

namespace deepsad {

// Each throws InvalidArgument, ModelError or a JSON exception; restore_detector() turns all of them into
// ModelError.
[[nodiscard]] std::unique_ptr<Detector> restore_deep_sad(const std::string& method, const Json& description,
                                                         StateDict tensors, const std::string& source);
[[nodiscard]] std::unique_ptr<Detector> restore_autoencoder(const std::string& method,
                                                            const Json& description, StateDict tensors,
                                                            const std::string& source);
[[nodiscard]] std::unique_ptr<Detector> restore_vae(const std::string& method, const Json& description,
                                                    StateDict tensors, const std::string& source);
[[nodiscard]] std::unique_ptr<Detector> restore_deep_generative(const std::string& method,
                                                                const Json& description, StateDict tensors,
                                                                const std::string& source);
[[nodiscard]] std::unique_ptr<Detector> restore_classifier(const std::string& method, const Json& description,
                                                           StateDict tensors, const std::string& source);
[[nodiscard]] std::unique_ptr<Detector> restore_one_class_svm(const std::string& method,
                                                              const Json& description, StateDict tensors,
                                                              const std::string& source);
[[nodiscard]] std::unique_ptr<Detector> restore_ssad(const std::string& method, const Json& description,
                                                     StateDict tensors, const std::string& source);
[[nodiscard]] std::unique_ptr<Detector> restore_kde(const std::string& method, const Json& description,
                                                    StateDict tensors, const std::string& source);
[[nodiscard]] std::unique_ptr<Detector> restore_isolation_forest(const std::string& method,
                                                                 const Json& description, StateDict tensors,
                                                                 const std::string& source);

}  // namespace deepsad
