#include "follow_scores.h"

#include <fmt/format.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <optional>
#include <vector>

#include "commands.h"
#include "deepsad/core/error.h"
#include "deepsad/evaluation/martingale.h"
#include "deepsad/model/table_scorer.h"
#include "deepsad/storage/follow_stream.h"
#include "scored_output.h"
#include "shared_options.h"
#include "table_options.h"

namespace deepsad::cli {
namespace {

constexpr std::size_t kMostRowsAtOnce = 1024;
// A quote that is opened by mistake takes no more than this with it.
constexpr std::size_t kMaxRecordBytes = std::size_t{1} << 20;
// Scores that the drift test starts from if the model has no calibration rows.
constexpr std::size_t kFirstRows = 1000;
constexpr double kDriftAlpha = 0.001;

volatile std::sig_atomic_t reload_wanted = 0;

extern "C" void want_reload(int) {
  reload_wanted = 1;
}

void reload_on_hangup() {
  struct sigaction action {};
  action.sa_handler = want_reload;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(SIGHUP, &action, nullptr);
}

// Thrown out of a read that waits, to do something else first.
struct WakeUp {};

// Rejected rows, each on the disk as soon as it is known.
class LiveRejects {
 public:
  explicit LiveRejects(const std::string& path) : path_(path), file_(std::fopen(path.c_str(), "wxe")) {
    if (file_ == nullptr) {
      throw IoError(
          errno == EEXIST
              ? fmt::format(
                    "{}: exists already and is never overwritten; move it away or choose another name", path)
              : fmt::format("{}: cannot be written: {}", path, std::strerror(errno)));
    }
    write(kRejectsHeader);
  }
  ~LiveRejects() { std::fclose(file_); }
  LiveRejects(const LiveRejects&) = delete;
  LiveRejects& operator=(const LiveRejects&) = delete;

  void write(const std::string& text) {
    if (std::fputs(text.c_str(), file_) < 0 || std::fflush(file_) != 0)
      throw IoError(fmt::format("{}: cannot be written: {}", path_, std::strerror(errno)));
  }

 private:
  std::string path_;
  std::FILE* file_;
};

// Whether scores still look like those of the calibration rows, or of the first rows.
class DriftWatch {
 public:
  DriftWatch(double alpha, const Model& model) : alpha_(alpha) {
    if (alpha_ == 0 || !model.decision().calibration) return;
    reference_ = fmt::format("those of the calibration rows ({})", model.decision().calibration_rows);
    alarm_.emplace(model.decision().calibration->scores(), alpha_);
  }
  // @returns the position in `scores` of the row that set the alarm off
  std::optional<std::size_t> add(const std::vector<float>& scores) {
    if (alpha_ == 0) return {};
    for (std::size_t i = 0; i < scores.size(); ++i) {
      if (alarm_) {
        if (alarm_->add(scores[i])) return i;
        continue;
      }
      first_.push_back(scores[i]);
      if (first_.size() < kFirstRows) continue;
      reference_ = fmt::format("those of the first {} rows", first_.size());
      alarm_.emplace(first_, alpha_);
      first_.clear();
    }
    return {};
  }
  [[nodiscard]] std::string text(const std::string& row) const {
    return fmt::format(
        "deepsad: drift: at row {} the scores have stopped looking like {}; without a change this alarm "
        "rings in at "
        "most {:g} % of all streams. Look for what changed in the data; if the world did, train and "
        "calibrate anew.",
        row, reference_, 100 * alpha_);
  }

 private:
  double alpha_;
  std::string reference_;
  std::vector<float> first_;
  std::optional<DriftAlarm> alarm_;
};

double drift_option(const Arguments& arguments) {
  if (!arguments.has("drift_alpha")) return kDriftAlpha;
  const auto alpha = parse_number(arguments.text("drift_alpha"));
  if (!alpha || !(*alpha >= 0 && *alpha < 1))
    throw InvalidArgument(
        fmt::format("--drift-alpha: got \"{}\", wanted a share, 0 <= x < 1", arguments.text("drift_alpha")));
  return *alpha;
}

void refuse_batch_options(const Arguments& arguments) {
  const auto refuse = [&](const char* name, const char* why) {
    if (arguments.has(name)) throw InvalidArgument(fmt::format("--{}: {}; leave out --follow", name, why));
  };
  refuse("out", "a file appears when it is complete, which a stream never is");
  refuse("fdr", "the false-discovery rate is that of a whole batch, which a stream is not");
  refuse("member", "archives cannot be followed");
}

class Follower {
 public:
  Follower(const Arguments& arguments, std::shared_ptr<const Model> model, Console& console)
      : arguments_(arguments),
        console_(console),
        stop_(stop_on_signals()),
        drift_alpha_(drift_option(arguments)),
        drift_(drift_alpha_, *model),
        columns_(score_columns(*model, threshold_option(arguments, *model), false)),
        model_(std::move(model)) {
    refuse_batch_options(arguments);
    if (arguments.has("rejects")) rejects_.emplace(arguments.text("rejects"));
    reload_on_hangup();
  }

  int run() {
    try {
      start();
      while (step()) {
      }
    } catch (const Interrupted&) {
      console_.note(fmt::format("deepsad: told to stop after {} rows", n_rows_));
    }
    console_.flush();
    return drifted_ && arguments_.flag("exit_on_drift") ? kCheckFailed : kDone;
  }

 private:
  void start() {
    TableRowOptions options{.text = delimited_options(table_options(arguments_))};
    options.text.eager = true;
    options.text.max_record_bytes = kMaxRecordBytes;
    options.reject_rows = rejects_.has_value();
    auto in = open_followed(arguments_.text("FILE"), [this] {
      if (stop_.stop_requested()) throw Interrupted("told to stop");
      if (scorer_ && reload_wanted != 0) throw WakeUp();
    });
    scorer_.emplace(model_, std::move(in), threshold_option(arguments_, *model_), options);
    console_.print(scores_csv_header(columns_));
    console_.flush();
  }

  // @returns whether to go on
  bool step() {
    if (stop_.stop_requested()) throw Interrupted("told to stop");
    if (reload_wanted != 0) reload();
    ScoredChunk chunk;
    try {
      if (!scorer_->next(kMostRowsAtOnce, chunk, pool_)) return false;
    } catch (const WakeUp&) {
      return true;
    }
    for (const RejectedRow& row : chunk.rejected) rejects_->write(rejects_csv_line(row));
    std::string text;
    append_scores_csv(chunk.rows, chunk.names, columns_, {}, text);
    console_.print(text);
    console_.flush();
    n_rows_ += chunk.rows.size();
    if (const auto at = drift_.add(chunk.rows.scores)) {
      drifted_ = true;
      console_.say(drift_.text(chunk.names[*at]));
    }
    return !(drifted_ && arguments_.flag("exit_on_drift"));
  }

  void reload() {
    reload_wanted = 0;
    const std::string path = model_path(arguments_);
    try {
      auto model = std::make_shared<const Model>(Model::load(path));
      scorer_->set_model(model, threshold_option(arguments_, *model));
      model_ = std::move(model);
    } catch (const Error& error) {
      console_.say(fmt::format("deepsad: warning: the model stays as it was: {}", error.what()));
      return;
    }
    drift_ = DriftWatch(drift_alpha_, *model_);
    console_.note(fmt::format("deepsad: {} read anew after {} rows", path, n_rows_));
  }

  const Arguments& arguments_;
  Console& console_;
  const StopToken& stop_;
  double drift_alpha_;
  DriftWatch drift_;
  ScoreColumns columns_;  // of the header, whatever models follow
  std::shared_ptr<const Model> model_;
  ThreadPool pool_{threads(arguments_)};
  std::optional<LiveRejects> rejects_;
  std::optional<TableScorer> scorer_;
  std::uint64_t n_rows_ = 0;
  bool drifted_ = false;
};

}  // namespace

int follow_scores(const Arguments& arguments, std::shared_ptr<const Model> model, Console& console) {
  return Follower(arguments, std::move(model), console).run();
}

}  // namespace deepsad::cli
