// deepsad export: a stored model for other programs.
#include <fmt/format.h>

#include <filesystem>

#include "commands.h"
#include "deepsad/core/error.h"
#include "deepsad/core/parallel.h"
#include "deepsad/interchange/onnx.h"
#include "deepsad/interchange/torch_checkpoint.h"
#include "deepsad/model/model.h"
#include "deepsad/storage/atomic_file.h"
#include "shared_options.h"

namespace deepsad::cli {
namespace {

// The kind of file: as said, else as the ending of its name says.
std::string kind_of(const Arguments& arguments) {
  const std::string kind = arguments.text("to");
  if (kind == "onnx" || kind == "torch") return kind;
  if (!kind.empty()) throw InvalidArgument(fmt::format("--to: got {}, wanted onnx or torch", kind));
  const std::string ending = std::filesystem::path(arguments.text("out")).extension().string();
  if (ending == ".onnx") return "onnx";
  if (ending == ".tar" || ending == ".pt" || ending == ".pth") return "torch";
  throw InvalidArgument(fmt::format(
      "{}: the ending of its name does not say which kind of file to write; give --to onnx or --to "
      "torch",
      arguments.text("out")));
}

}  // namespace

int run_export(const Arguments& arguments, Console& console) {
  const bool verify = arguments.has("verify");
  if (verify == arguments.has("out")) {
    throw InvalidArgument(
        verify ? "--out and --verify exclude each other: one writes a file, the other reads one"
               : "give the file to write, --out FILE, or one to check, --verify FILE.onnx");
  }
  if (verify && arguments.has("to")) throw InvalidArgument("--verify reads ONNX files only; leave --to out");
  const std::string kind = verify ? "" : kind_of(arguments);
  require_new_file(arguments, "out");
  ThreadPool pool(threads(arguments));
  const Model model = Model::load(model_path(arguments));
  if (verify) {
    const std::string path = arguments.text("verify");
    const OnnxCheck check = check_onnx(read_file(path), path, &model, pool);
    console.print(
        fmt::format("probe rows                      {}\n"
                    "graph against scores in file    {:.2g} of the tolerance\n"
                    "model against scores in file    {:.2g} of the tolerance\n",
                    check.n_rows, check.graph_difference, *check.model_difference));
    return kDone;
  }
  const std::string path = arguments.text("out");
  if (kind == "torch") {
    write_file(path, torch_checkpoint(model));
    return kDone;
  }
  const std::vector<std::uint8_t> bytes = to_onnx(model, pool);
  (void)check_onnx(bytes, path, &model, pool);  // a graph that computes something else is never written
  write_file(path, bytes);
  return kDone;
}

}  // namespace deepsad::cli
