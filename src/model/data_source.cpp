#include "model/data_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "deepsad/core/error.h"
#include "deepsad/data/named_sets.h"
#include "deepsad/data/synthetic.h"
#include "deepsad/storage/checksum.h"

namespace deepsad {
namespace {

void add_to(Sha256& digest, const Dataset& data, std::span<const TrueLabel> labels) {
  const auto add = [&digest](const auto& values) {
    using Value = typename std::decay_t<decltype(values)>::value_type;
    digest.update({reinterpret_cast<const std::uint8_t*>(values.data()), values.size() * sizeof(Value)});
  };
  std::visit(add, data.values);
  add(labels);
  add(data.classes);
}

}  // namespace

std::vector<std::string> data_set_names() {
  std::vector<std::string> names{"glyphs", "toy2d"};
  for (const NamedSetInfo& info : named_sets()) names.emplace_back(info.name);
  return names;
}

std::string data_checksum(const Dataset& train, const Dataset* test) {
  Sha256 digest;
  add_to(digest, train, train.labels);
  if (test != nullptr) add_to(digest, *test, test->labels);
  return digest.hex();
}

std::string data_checksum(const Dataset& data, std::span<const TrueLabel> truth,
                          std::span<const SemiLabel> semi) {
  Sha256 digest;
  add_to(digest, data, truth);
  digest.update({reinterpret_cast<const std::uint8_t*>(semi.data()), semi.size()});
  return digest.hex();
}

SourceData load_source(const std::string& dataset, const std::string& data_dir, ThreadPool& pool) {
  SourceData source;
  if (dataset == "glyphs" || dataset == "toy2d") {
    SyntheticSet set = dataset == "glyphs" ? glyphs({}, pool) : toy2d({});
    source.train = std::move(set.train);
    source.test = std::move(set.test);
  } else {
    if (is_own_file(dataset)) {
      throw InvalidArgument(fmt::format(
          "{} is no data set with a name, but a file of one's own, which only `deepsad train` takes",
          dataset));
    }
    const std::vector<std::string> names = data_set_names();
    if (std::find(names.begin(), names.end(), dataset) == names.end()) {
      const std::string nearest = nearest_name(dataset, names.data(), names.size());
      throw InvalidArgument(
          fmt::format("unknown data set \"{}\"{}; known: {}; a file of one's own is a path "
                      "with / or . in it, as ./{}",
                      dataset, nearest.empty() ? "" : fmt::format(", did you mean \"{}\"?", nearest),
                      fmt::join(names, ", "), dataset));
    }
    LoadedSet set = load_named_set(dataset, data_dir, {.pool = &pool});
    source.train = std::move(set.train);
    source.test = std::move(set.test);
  }
  source.checksum = data_checksum(source.train, source.test ? &*source.test : nullptr);
  return source;
}

}  // namespace deepsad
