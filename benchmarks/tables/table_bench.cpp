// How fast tables in text are read on one core, and in how much memory.
//
//   table_bench write FILE ROWS        a table of 10 columns: numbers of 3 to 17 digits, a category, a label
//   table_bench read FILE              cells; rows through a schema; the whole table with its schema inferred
//   table_bench rows FILE              rows through a schema alone, for the peak of memory
//
// Prints JSON: {"what", "megabytes", "seconds" (of processor time, so that a busy machine does not count),
// "megabytes_per_second", "peak_megabytes"}.
#include <sys/resource.h>

#include <cinttypes>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "deepsad/core/random.h"
#include "deepsad/data/table_file.h"
#include "deepsad/storage/byte_stream.h"

namespace {

using namespace deepsad;

rusage usage() {
  rusage result{};
  getrusage(RUSAGE_SELF, &result);
  return result;
}

double processor_seconds() {
  const rusage now = usage();
  return static_cast<double>(now.ru_utime.tv_sec + now.ru_stime.tv_sec) +
         1e-6 * static_cast<double>(now.ru_utime.tv_usec + now.ru_stime.tv_usec);
}

int write_table(const char* path, std::uint64_t n_rows) {
  std::FILE* const file = std::fopen(path, "wx");
  if (file == nullptr) return EXIT_FAILURE;
  RandomStream random(1, "table_bench");
  std::fputs("id,amount,balance,age,rate,x1,x2,x3,kind,status\n", file);
  constexpr const char* kKinds[] = {"transfer", "cash", "card", "debit"};
  for (std::uint64_t i = 0; i < n_rows; ++i) {
    std::fprintf(file, "%" PRIu64 ",%.2f,%.2f,%d,%.4f,%.6f,%.6f,%.17g,%s,%s\n", i,
                 std::exp(4 + 2 * random.normal()), 10'000 * random.normal(),
                 static_cast<int>(18 + random.below(70)), random.uniform(), random.normal(), random.normal(),
                 random.normal(), kKinds[random.below(4)], random.below(200) == 0 ? "fraud" : "ok");
  }
  return std::fclose(file) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

template <class Work>
void measure(const char* what, const std::string& path, Work&& work) {
  const double start = processor_seconds();
  const double check = work();
  const double seconds = processor_seconds() - start;
  const double megabytes = 1e-6 * static_cast<double>(std::filesystem::file_size(path));
  std::printf(
      "{\"what\": \"%s\", \"megabytes\": %.1f, \"seconds\": %.3f, \"megabytes_per_second\": %.1f, "
      "\"peak_megabytes\": %.1f, \"check\": %g}\n",
      what, megabytes, seconds, megabytes / seconds, 1024e-6 * static_cast<double>(usage().ru_maxrss), check);
  std::fflush(stdout);
}

double scan_cells(const std::string& path) {
  DelimitedReader reader(open_input(path));
  double n = 0;
  while (reader.next()) n += static_cast<double>(reader.cells().size());
  return n;
}

double read_rows_by_schema(const std::string& path, const Schema& schema) {
  TableRowReader reader(open_input(path), schema);
  TableChunk chunk;
  double sum = 0;
  while (reader.next_chunk(8192, chunk))
    for (const double value : chunk.values) sum += value;
  return sum;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "";
  if (mode == "write" && argc == 4) return write_table(argv[2], std::strtoull(argv[3], nullptr, 10));
  if ((mode != "read" && mode != "rows") || argc != 3) return 2;
  const std::string path = argv[2];
  TableOptions options;
  options.label_column = "status";
  options.id_column = "id";
  options.max_rows = 10'000;
  const Schema schema = read_table(path, options).schema;
  if (mode == "read") measure("cells", path, [&] { return scan_cells(path); });
  measure("rows through a schema", path, [&] { return read_rows_by_schema(path, schema); });
  if (mode == "rows") return 0;
  options.max_rows = TableOptions{}.max_rows;
  options.id_column.clear();
  options.ignore_columns = {"id"};
  measure("whole table, schema inferred", path,
          [&] { return static_cast<double>(read_table(path, options).lines.size()); });
  return 0;
}
