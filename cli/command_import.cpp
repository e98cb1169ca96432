// deepsad import: a checkpoint of the published PyTorch code as a model file.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "commands.h"
#include "deepsad/core/error.h"
#include "deepsad/core/parallel.h"
#include "deepsad/interchange/torch_checkpoint.h"
#include "shared_options.h"

namespace deepsad::cli {

int run_import(const Arguments& arguments, Console& console) {
  const TrainOptions given = merge_options({command_line_layer(arguments)});
  if (!arguments.has("out")) throw InvalidArgument("give the model file to write: --out MODEL.safetensors");
  require_new_file(arguments, "out");
  if (arguments.has("scaling") && given.scaling != "none") {
    throw InvalidArgument(
        fmt::format("--scaling: got {}, wanted none: the network knows only rows as it was trained on, and "
                    "what they were scaled by "
                    "follows from --dataset and --seed",
                    given.scaling));
  }
  TorchImportOptions options{.network = given.network,
                             .dataset = given.dataset,
                             .data_dir = data_dir(arguments),
                             .normal_class = given.normal_class,
                             .seed = given.seed,
                             .rows_are_scaled = arguments.has("scaling")};
  ThreadPool pool(given.num_threads);
  const Model model = import_torch(arguments.text("FILE"), options, pool);
  model.save(arguments.text("out"));
  const auto description = nlohmann::json::parse(model.detector().description());
  console.note(fmt::format("{}: a model of {} with the network {}", arguments.text("out"),
                           model.detector().method(),
                           description.at("network").at("name").get<std::string>()));
  return kDone;
}

}  // namespace deepsad::cli
