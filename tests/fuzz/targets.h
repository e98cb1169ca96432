// The readers as fuzzers and the replay of their corpus call them: bytes in, and nothing may come out but a
// result or a deepsad::Error.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace deepsad::fuzz {

using Input = std::span<const std::uint8_t>;

// Delimited text to a table with an inferred schema; the same text through that schema must give the same
// rows, whatever portions it comes in.
void csv(Input input);
// Delimited text to a stream of rows under a fixed schema, bad rows set aside.
void rows(Input input);
// Delimited text through the data check.
void data_check(Input input);
void schema(Input input);
void label_map(Input input);
void idx(Input input);
void cifar(Input input);
void mat(Input input);
void npy(Input input);
void image(Input input);
void options(Input input);
void network(Input input);
void safetensors(Input input);
// A model file whose checksum is right whatever else it holds.
void model(Input input);
void pickle(Input input);
// A checkpoint of PyTorch; the model that comes out goes out again and comes back the same.
void torch(Input input);
// An ONNX file, and its graph on one row.
void onnx(Input input);

struct Target {
  const char* name;
  void (*run)(Input input);
};
inline constexpr std::array kTargets = {Target{"csv", csv},
                                        Target{"rows", rows},
                                        Target{"data_check", data_check},
                                        Target{"schema", schema},
                                        Target{"label_map", label_map},
                                        Target{"idx", idx},
                                        Target{"cifar", cifar},
                                        Target{"mat", mat},
                                        Target{"npy", npy},
                                        Target{"image", image},
                                        Target{"options", options},
                                        Target{"network", network},
                                        Target{"safetensors", safetensors},
                                        Target{"model", model},
                                        Target{"pickle", pickle},
                                        Target{"torch", torch},
                                        Target{"onnx", onnx}};

}  // namespace deepsad::fuzz
