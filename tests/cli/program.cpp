#include "cli/program.h"

#include <fcntl.h>
#include <matio.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace deepsad::test {
namespace {

constexpr std::chrono::seconds kPatience{300};
constexpr std::chrono::milliseconds kPoll{2};

[[noreturn]] void become_deepsad(const std::vector<std::string>& arguments, const RunSetup& setup,
                                 const std::string& out, const std::string& err) {
  const int out_file = open(out.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  const int err_file = open(err.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  const int in_file = open("/dev/null", O_RDONLY | O_CLOEXEC);
  dup2(in_file, STDIN_FILENO);
  dup2(setup.stdout_descriptor >= 0 ? setup.stdout_descriptor : out_file, STDOUT_FILENO);
  dup2(err_file, STDERR_FILENO);
  if (setup.close_stdout) close(STDOUT_FILENO);
  if (!setup.folder.empty() && chdir(setup.folder.c_str()) != 0) _exit(126);
  if (setup.max_file_bytes > 0) {
    signal(SIGXFSZ, SIG_IGN);  // the write fails with EFBIG, as on a full disk
    const rlimit limit{setup.max_file_bytes, setup.max_file_bytes};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  for (const std::string& variable : setup.environment) {
    const std::size_t equals = variable.find('=');
    setenv(variable.substr(0, equals).c_str(), variable.substr(equals + 1).c_str(), 1);
  }
  std::vector<std::string> words{DEEPSAD_PROGRAM};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  execv(argv[0], argv.data());
  _exit(127);
}

}  // namespace

Outcome run_deepsad(const std::vector<std::string>& arguments, const RunSetup& setup) {
  const TemporaryFolder folder;
  const std::string out = setup.stdout_file.empty() ? folder.path("out") : setup.stdout_file;
  const std::string err = folder.path("err");
  const pid_t child = fork();
  if (child == 0) become_deepsad(arguments, setup, out, err);
  if (child < 0) throw std::runtime_error("fork failed");

  const auto end = std::chrono::steady_clock::now() + kPatience;
  bool interrupted = setup.interrupt_when_exists.empty();
  int status = 0;
  while (waitpid(child, &status, WNOHANG) == 0) {
    if (!interrupted && std::filesystem::exists(setup.interrupt_when_exists)) {
      kill(child, SIGINT);
      interrupted = true;
    }
    if (std::chrono::steady_clock::now() > end) kill(child, SIGKILL);
    std::this_thread::sleep_for(kPoll);
  }
  Outcome outcome;
  outcome.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  if (setup.stdout_file.empty()) outcome.out = read_text(out);
  outcome.err = read_text(err);
  return outcome;
}

TemporaryFolder::TemporaryFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "deepsad-test-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make a temporary folder");
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TemporaryFolder::path(const std::string& name) const {
  return name.empty() ? path_.string() : (path_ / name).string();
}

std::string read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

void write_text(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

void write_mat_matrix(const std::string& path, const std::string& name, const std::vector<double>& values,
                      std::size_t rows, std::size_t columns) {
  std::vector<double> column_major(values.size());
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t j = 0; j < columns; ++j) column_major[j * rows + i] = values[i * columns + j];
  std::size_t extents[] = {rows, columns};
  mat_t* file = Mat_CreateVer(path.c_str(), nullptr, MAT_FT_MAT5);
  if (file == nullptr) throw std::runtime_error("cannot write " + path);
  matvar_t* variable = Mat_VarCreate(name.c_str(), MAT_C_DOUBLE, MAT_T_DOUBLE, 2, extents,
                                     column_major.data(), MAT_F_DONT_COPY_DATA);
  Mat_VarWrite(file, variable, MAT_COMPRESSION_NONE);
  Mat_VarFree(variable);
  Mat_Close(file);
}

}  // namespace deepsad::test
