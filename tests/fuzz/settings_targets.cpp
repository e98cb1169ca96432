#include "deepsad/model/options_file.h"
#include "deepsad/nn/generative_network.h"
#include "deepsad/nn/network_spec.h"
#include "fuzz/support.h"

namespace deepsad::fuzz {

void options(Input input) {
  static_cast<void>(accepted([&] { static_cast<void>(parse_options_text(text_of(input), "options")); }));
}

void network(Input input) {
  const std::string text = text_of(input);
  for (const Shape& input_shape : {Shape{4}, Shape{1, 8, 8}}) {
    static_cast<void>(
        accepted([&] { static_cast<void>(network_from_toml(text, "network.toml", input_shape)); }));
    for (const GenerativeKind kind : {GenerativeKind::vae, GenerativeKind::m2}) {
      static_cast<void>(accepted(
          [&] { static_cast<void>(generative_network_from_toml(text, "network.toml", input_shape, kind)); }));
    }
  }
  static_cast<void>(accepted([&] { static_cast<void>(network_widths_from_toml(text, "network.toml")); }));
  static_cast<void>(accepted([&] { static_cast<void>(network_from_json(text, "network.json")); }));
  static_cast<void>(accepted([&] { static_cast<void>(generative_network_from_json(text, "network.json")); }));
}

}  // namespace deepsad::fuzz
