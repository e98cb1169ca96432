// deepsad score: a stored model on new rows or images.
#include <fmt/format.h>

#include "commands.h"
#include "deepsad/core/parallel.h"
#include "deepsad/data/file_formats.h"
#include "deepsad/model/model.h"
#include "deepsad/storage/atomic_file.h"
#include "shared_options.h"

namespace deepsad::cli {

int run_score(const Arguments& arguments, Console& console) {
  ThreadPool pool(threads(arguments));
  const Model model = Model::load(arguments.text("MODEL"));
  SampleFileOptions options;
  options.member = arguments.text("member");
  options.mat.samples = arguments.text("mat_variable", options.mat.samples);
  const Dataset samples = read_samples(arguments.text("FILE"), options);
  const std::vector<float> scores = model.score(samples, pool);
  fmt::memory_buffer text;
  fmt::format_to(std::back_inserter(text), "row,score\n");
  for (std::size_t i = 0; i < scores.size(); ++i)
    fmt::format_to(std::back_inserter(text), "{},{}\n", i, scores[i]);
  const std::string_view csv(text.data(), text.size());
  if (arguments.has("out"))
    write_file(arguments.text("out"), csv);
  else
    console.print(csv);
  return kDone;
}

}  // namespace deepsad::cli
