#include "console.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "deepsad/core/error.h"

namespace deepsad::cli {
namespace {

constexpr int kExitInterrupted = 130;
constexpr std::size_t kLinesPerPhase = 10;
constexpr std::chrono::milliseconds kRedrawAfter{100};

std::size_t terminal_width() {
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

double rows_per_second(const Progress& p) {
  return p.seconds > 0 ? static_cast<double>(p.rows) / p.seconds : 0;
}

void put(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
}

StopToken& stop_token() {
  static StopToken token;
  return token;
}

extern "C" void handle_signal(int) {
  if (stop_token().stop_requested()) _exit(kExitInterrupted);
  stop_token().request_stop();
}

}  // namespace

std::string duration_text(double seconds) {
  const auto s = static_cast<long>(std::max(0.0, seconds) + 0.5);
  if (s >= 3600) return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
  return fmt::format("{}:{:02}", s / 60, s % 60);
}

void Console::draw_lines(const std::vector<std::string>& lines) {
  const std::size_t width = terminal_width() - 1;
  for (const std::string& line : lines) {
    // Cut between characters: continuation bytes of UTF-8 take no column.
    std::size_t end = 0, columns = 0;
    while (end < line.size()) {
      const bool starts_character = (static_cast<unsigned char>(line[end]) & 0xC0U) != 0x80U;
      if (starts_character && ++columns > width) break;
      ++end;
    }
    put(line.substr(0, end) + "\n");
  }
  std::fflush(stderr);
}

void Console::erase_lines(std::size_t n) {
  put(fmt::format("\033[{}A\033[J", n));
}

Console::Console() : is_terminal_(isatty(STDERR_FILENO) == 1) {}
Console::~Console() {
  clear_bar();
}

void Console::print(std::string_view text) {
  clear_bar();
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) flush();
}

void Console::flush() {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return;
  const int error = errno;
  if (error == EPIPE) throw BrokenPipe();
  throw IoError(fmt::format("cannot write to standard output: {}", std::strerror(error)));
}

void Console::say(std::string_view text) {
  clear_bar();
  put(fmt::format("{}\n", text));
}

void Console::note(std::string_view text) {
  if (verbosity_ != Verbosity::quiet) say(text);
}

std::string epoch_line(const Progress& p) {
  std::string line = fmt::format("{} | epoch {:03}/{:03}", p.phase, p.done, p.total);
  if (!std::isnan(p.loss)) line += fmt::format(" | loss {:.6f}", p.loss);
  return line + fmt::format(" | {:.3f} s | {:.0f} rows/s", p.seconds, rows_per_second(p));
}

void Console::show(const Progress& p) {
  if (verbosity_ == Verbosity::quiet) return;
  const bool is_training = p.rows > 0;  // else bytes are counted
  if (!is_terminal_) {
    if (p.phase != last_phase_) tenths_shown_ = 0;
    last_phase_ = p.phase;
    const std::size_t tenths = p.total == 0 ? 0 : kLinesPerPhase * p.done / p.total;
    if (tenths <= tenths_shown_ && !(verbosity_ == Verbosity::verbose && is_training)) return;
    tenths_shown_ = tenths;
    say(is_training ? epoch_line(p) : fmt::format("{} | {} of {} bytes", p.phase, p.done, p.total));
    return;
  }
  const auto now = std::chrono::steady_clock::now();
  if (bar_shown_ && p.done != p.total && now - last_drawn_ < kRedrawAfter) return;
  last_drawn_ = now;

  constexpr double kMega = 1e6;
  std::string text;
  if (is_training) {
    text = fmt::format("{} {}/{}", p.phase, p.done, p.total);
    if (!std::isnan(p.loss)) text += fmt::format("  loss {:.6g}", p.loss);
    text += fmt::format("  {:.0f} rows/s", rows_per_second(p));
  } else {
    text = fmt::format("{} {:.1f}/{:.1f} MB", p.phase, static_cast<double>(p.done) / kMega,
                       static_cast<double>(p.total) / kMega);
  }
  if (p.done > 0 && p.total > p.done)
    text += fmt::format("  {} left", duration_text(p.seconds / static_cast<double>(p.done) *
                                                   static_cast<double>(p.total - p.done)));
  const std::size_t width = terminal_width();
  std::string bar;
  if (p.total > 0 && width > text.size() + 14) {
    const std::size_t cells = std::min<std::size_t>(30, width - text.size() - 4);
    const std::size_t full = cells * std::min(p.done, p.total) / p.total;
    bar = "[" + std::string(full, '#') + std::string(cells - full, '.') + "] ";
  }
  // Carriage return, then erase to the end of the line: the line is redrawn in place.
  put(fmt::format("\r{}\033[K", (bar + text).substr(0, width - 1)));
  std::fflush(stderr);
  bar_shown_ = true;
}

void Console::clear_bar() {
  if (!bar_shown_) return;
  put("\r\033[K");
  bar_shown_ = false;
}

const StopToken& stop_on_signals() {
  StopToken& token = stop_token();
  struct sigaction action {};
  action.sa_handler = handle_signal;
  action.sa_flags =
      SA_RESTART;  // a read or write under way is not torn; work looks at the token between steps
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  return token;
}

}  // namespace deepsad::cli
