#include <vector>

#include "deepsad/model/doctor.h"
#include "deepsad/model/model.h"
#include "deepsad/storage/safetensors.h"
#include "fuzz/support.h"

namespace deepsad::fuzz {

void safetensors(Input input) {
  static_cast<void>(accepted([&] {
    const Safetensors content = read_safetensors(input, "input");
    require(read_safetensors(write_safetensors(content), "again") == content, "writing keeps the content");
  }));
}

void model(Input input) {
  std::vector<std::uint8_t> file;
  if (!accepted([&] { file = write_safetensors(read_safetensors(input, "input")); })) return;
  static_cast<void>(accepted([&] {
    const Model read = Model::from_bytes(file, "model");
    require(Model::from_bytes(read.to_bytes(), "again").to_bytes() == read.to_bytes(),
            "saving keeps a model");
    static_cast<void>(read.inspect_json());
    ThreadPool pool(1);
    DoctorReport report;
    examine_model(read, pool, report);
  }));
}

}  // namespace deepsad::fuzz
