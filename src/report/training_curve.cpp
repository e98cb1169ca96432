#include "deepsad/report/training_curve.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <new>
#include <nlohmann/json.hpp>

#include "deepsad/core/error.h"
#include "report/axis.h"
#include "report/cairo_library.h"

namespace deepsad {
namespace {

struct Color {
  double red, green, blue;
};
constexpr Color kBackground{1, 1, 1};
constexpr Color kInk{0.13, 0.15, 0.18};    // titles
constexpr Color kText{0.34, 0.37, 0.41};   // labels
constexpr Color kFrame{0.62, 0.65, 0.69};  // axis lines
constexpr Color kGrid{0.91, 0.92, 0.93};
constexpr Color kLine{0.11, 0.39, 0.67};
constexpr Color kMark{0.76, 0.42, 0.12};  // changes of the learning rate

// Sizes in pixels.
constexpr double kPanelWidth = 600;
constexpr double kPanelHeight = 440;
constexpr double kTitleHeight = 48;
constexpr double kMarginLeft = 100;
constexpr double kMarginRight = 34;
constexpr double kMarginTop = 64;
constexpr double kMarginBottom = 62;
constexpr double kTickLength = 5;
constexpr double kTitleSize = 19;
constexpr double kPanelTitleSize = 16;
constexpr double kLabelSize = 13;
constexpr double kLineWidth = 2;
constexpr double kDotRadius = 3.5;

constexpr std::size_t kEpochTicks = 8;
constexpr std::size_t kLossTicks = 8;
constexpr std::size_t kMaxDots = 30;  // up to so many epochs every one gets a dot of its own

enum class Align { left, center, right };
enum class Weight { normal, bold };

// A drawing surface with the few operations a plot needs. Coordinates are pixels from the top left.
class Canvas {
 public:
  Canvas(int width, int height)
      : surface_(cairo().image_surface_create(CAIRO_FORMAT_RGB24, width, height)),
        cairo_(cairo().create(surface_.get())) {
    // Grey anti-aliasing and unhinted letters: the same on every screen, whatever the desktop is set to.
    const std::unique_ptr<cairo_font_options_t, Free> options(cairo().font_options_create());
    cairo().font_options_set_antialias(options.get(), CAIRO_ANTIALIAS_GRAY);
    cairo().font_options_set_hint_style(options.get(), CAIRO_HINT_STYLE_NONE);
    cairo().font_options_set_hint_metrics(options.get(), CAIRO_HINT_METRICS_OFF);
    cairo().set_font_options(cairo_.get(), options.get());
    color(kBackground);
    cairo().paint(cairo_.get());
    cairo().set_line_join(cairo_.get(), CAIRO_LINE_JOIN_ROUND);
  }

  void text(double x, double y, const std::string& content, double size, Color ink, Align align = Align::left,
            Weight weight = Weight::normal) {
    font(size, weight);
    const double shift = align == Align::left ? 0 : width_of(content) * (align == Align::center ? 0.5 : 1);
    color(ink);
    cairo().move_to(cairo_.get(), x - shift, y);
    cairo().show_text(cairo_.get(), content.c_str());
  }
  // Upwards, centred at y.
  void vertical_text(double x, double y, const std::string& content, double size, Color ink) {
    font(size, Weight::normal);
    color(ink);
    cairo().save(cairo_.get());
    cairo().move_to(cairo_.get(), x, y + width_of(content) / 2);
    cairo().rotate(cairo_.get(), -std::acos(-1.0) / 2);
    cairo().show_text(cairo_.get(), content.c_str());
    cairo().restore(cairo_.get());
  }
  double text_width(const std::string& content, double size, Weight weight = Weight::normal) {
    font(size, weight);
    return width_of(content);
  }

  void box(double x, double y, double width, double height, Color ink) {
    color(ink);
    cairo().rectangle(cairo_.get(), x, y, width, height);
    cairo().fill(cairo_.get());
  }
  // A one-pixel line; horizontal and vertical ones are put onto whole pixels and stay sharp.
  void thin_line(double x1, double y1, double x2, double y2, Color ink, bool dashed = false) {
    const auto sharp = [](double v) { return std::floor(v) + 0.5; };
    constexpr double kDashes[] = {5, 4};
    color(ink);
    cairo().set_dash(cairo_.get(), kDashes, dashed ? 2 : 0, 0);
    cairo().set_line_width(cairo_.get(), 1);
    cairo().move_to(cairo_.get(), sharp(x1), sharp(y1));
    cairo().line_to(cairo_.get(), sharp(x2), sharp(y2));
    cairo().stroke(cairo_.get());
    cairo().set_dash(cairo_.get(), nullptr, 0, 0);
  }
  void dot(double x, double y, double radius, Color ink) {
    color(ink);
    cairo().arc(cairo_.get(), x, y, radius, 0, 2 * std::acos(-1.0));
    cairo().fill(cairo_.get());
  }

  // A path of straight pieces: begin_curve, then points, then end_curve. lift() leaves a gap.
  void begin_curve() { pen_down_ = false; }
  void point(double x, double y) {
    pen_down_ ? cairo().line_to(cairo_.get(), x, y) : cairo().move_to(cairo_.get(), x, y);
    pen_down_ = true;
  }
  void lift() { pen_down_ = false; }
  void end_curve(double width, Color ink) {
    color(ink);
    cairo().set_line_width(cairo_.get(), width);
    cairo().stroke(cairo_.get());
  }

  [[nodiscard]] double width() const { return cairo().image_surface_get_width(surface_.get()); }
  // What was drawn. @throws if Cairo failed anywhere on the way: it remembers and draws nothing more.
  [[nodiscard]] Picture picture() {
    cairo().surface_flush(surface_.get());
    const cairo_status_t status = cairo().status(cairo_.get());
    if (status == CAIRO_STATUS_NO_MEMORY) throw std::bad_alloc();
    if (status != CAIRO_STATUS_SUCCESS) {
      throw Error(fmt::format("[training_curve] cannot draw: {}", cairo().status_to_string(status)));
    }
    const auto height = static_cast<std::size_t>(cairo().image_surface_get_height(surface_.get()));
    const auto width = static_cast<std::size_t>(cairo().image_surface_get_width(surface_.get()));
    const auto stride = static_cast<std::size_t>(cairo().image_surface_get_stride(surface_.get()));
    const unsigned char* data = cairo().image_surface_get_data(surface_.get());
    Picture result{height, width, 3, {}};
    result.pixels.reserve(height * width * 3);
    for (std::size_t y = 0; y < height; ++y) {
      for (std::size_t x = 0; x < width; ++x) {
        // One 32-bit word a pixel in the machine's byte order, 0x00RRGGBB.
        const auto pixel = *reinterpret_cast<const std::uint32_t*>(data + y * stride + 4 * x);
        for (const unsigned shift : {16U, 8U, 0U})
          result.pixels.push_back(static_cast<std::uint8_t>(pixel >> shift));
      }
    }
    return result;
  }

 private:
  struct Free {
    void operator()(cairo_surface_t* p) const noexcept { cairo().surface_destroy(p); }
    void operator()(cairo_t* p) const noexcept { cairo().destroy(p); }
    void operator()(cairo_font_options_t* p) const noexcept { cairo().font_options_destroy(p); }
  };
  void color(Color c) { cairo().set_source_rgb(cairo_.get(), c.red, c.green, c.blue); }
  void font(double size, Weight weight) {
    cairo().select_font_face(cairo_.get(), "sans-serif", CAIRO_FONT_SLANT_NORMAL,
                             weight == Weight::bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
    cairo().set_font_size(cairo_.get(), size);
  }
  double width_of(const std::string& content) {
    cairo_text_extents_t extents{};
    cairo().text_extents(cairo_.get(), content.c_str(), &extents);
    return extents.x_advance;
  }

  std::unique_ptr<cairo_surface_t, Free> surface_;
  std::unique_ptr<cairo_t, Free> cairo_;
  bool pen_down_ = false;
};

// "pretraining" is what the phase is called in files; a reader of the picture may not know of what.
std::string panel_title(const std::string& phase) {
  if (phase == "pretraining") return "Autoencoder pretraining";
  std::string title = phase;
  if (!title.empty())
    title[0] = static_cast<char>(title[0] >= 'a' && title[0] <= 'z' ? title[0] - 'a' + 'A' : title[0]);
  return title;
}

// Cairo draws nothing at all after a byte that is not UTF-8, and a title may hold the name of a file.
std::string valid_utf8(const std::string& text) {
  using Json = nlohmann::json;
  return Json::parse(Json(text).dump(-1, ' ', false, Json::error_handler_t::replace)).get<std::string>();
}

// One phase, drawn into the panel whose top left corner is (left, top).
class Panel {
 public:
  Panel(Canvas& canvas, const PhaseRecord& phase, double left, double top)
      : canvas_(canvas),
        phase_(phase),
        epochs_(phase.history.epochs),
        x0_(left + kMarginLeft),
        x1_(left + kPanelWidth - kMarginRight),
        y0_(top + kPanelHeight - kMarginBottom),
        y1_(top + kMarginTop) {}

  void draw() {
    double low = 0;
    double high = 0;
    bool any = false;
    for (const EpochRecord& epoch : epochs_) {
      if (!std::isfinite(epoch.loss)) continue;
      low = any ? std::min(low, epoch.loss) : epoch.loss;
      high = any ? std::max(high, epoch.loss) : epoch.loss;
      any = true;
    }
    draw_title(any);
    if (!any) {
      canvas_.thin_line(x0_, y0_, x1_, y0_, kFrame);
      canvas_.text((x0_ + x1_) / 2, (y0_ + y1_) / 2, "no epochs to show", kLabelSize, kText, Align::center);
      return;
    }
    epoch_axis_ = epoch_axis(epochs_.size(), kEpochTicks);
    loss_axis_ = value_axis(low, high, kLossTicks);
    draw_axes();
    draw_rate_changes();
    draw_losses();
  }

 private:
  [[nodiscard]] double x_of(double epoch) const { return x0_ + (x1_ - x0_) * epoch_axis_.position(epoch); }
  [[nodiscard]] double y_of(double loss) const { return y0_ + (y1_ - y0_) * loss_axis_.position(loss); }

  void draw_title(bool any) {
    canvas_.text(x0_, y1_ - 36, valid_utf8(panel_title(phase_.name)), kPanelTitleSize, kInk, Align::left,
                 Weight::bold);
    if (!any) return;
    const std::string facts = fmt::format("{} epoch{}, last loss {}, learning rate {}", epochs_.size(),
                                          epochs_.size() == 1 ? "" : "s", short_number(epochs_.back().loss),
                                          short_number(epochs_.front().learning_rate));
    canvas_.text(x0_, y1_ - 16, facts, kLabelSize, kText);
  }

  void draw_axes() {
    constexpr double kHalfDigit = 0.36 * kLabelSize;  // puts the middle of a digit onto its tick
    double widest = 0;
    for (const Tick& tick : loss_axis_.ticks) {
      const double y = y_of(tick.value);
      canvas_.thin_line(x0_, y, x1_, y, kGrid);
      canvas_.text(x0_ - 9, y + kHalfDigit, tick.label, kLabelSize, kText, Align::right);
      widest = std::max(widest, canvas_.text_width(tick.label, kLabelSize));
    }
    canvas_.thin_line(x0_, y0_, x1_, y0_, kFrame);
    for (const Tick& tick : epoch_axis_.ticks) {
      const double x = x_of(tick.value);
      canvas_.thin_line(x, y0_, x, y0_ + kTickLength, kFrame);
      canvas_.text(x, y0_ + kTickLength + 16, tick.label, kLabelSize, kText, Align::center);
    }
    canvas_.text((x0_ + x1_) / 2, y0_ + kTickLength + 40, "epoch", kLabelSize, kText, Align::center);
    canvas_.vertical_text(std::max(x0_ - widest - 22, x0_ - kMarginLeft + 14), (y0_ + y1_) / 2,
                          loss_axis_.logarithmic ? "loss (log scale)" : "loss", kLabelSize, kText);
  }

  // Taken from the rates that were in force, not from the milestones asked for.
  void draw_rate_changes() {
    std::vector<std::size_t> changes;
    for (std::size_t i = 1; i < epochs_.size(); ++i) {
      if (epochs_[i].learning_rate != epochs_[i - 1].learning_rate) changes.push_back(i);
    }
    // Between the epochs i and i + 1, counted from 1.
    const auto x_of_change = [&](std::size_t i) { return x_of(static_cast<double>(i) + 0.5); };
    for (const std::size_t i : changes)
      canvas_.thin_line(x_of_change(i), y0_, x_of_change(i), y1_, kMark, true);

    constexpr double kGap = 5;
    constexpr double kRowHeight = 16;
    double free_from = x0_;  // right end of the labels so far: one that starts before it goes a row down
    int row = 0;
    for (const std::size_t i : changes) {
      const double x = x_of_change(i);
      const std::string label = "rate " + short_number(epochs_[i].learning_rate);
      const double width = canvas_.text_width(label, kLabelSize);
      const double start = x + kGap + width <= x1_ ? x + kGap : x - kGap - width;
      row = start < free_from ? row + 1 : 0;
      const double baseline = y1_ + 12 + row * kRowHeight;
      canvas_.box(start - 2, baseline - 12, width + 4, 16, kBackground);  // no line through the letters
      canvas_.text(start, baseline, label, kLabelSize, kMark);
      free_from = std::max(free_from, start + width + kGap);
    }
  }

  void draw_losses() {
    canvas_.begin_curve();
    for (std::size_t i = 0; i < epochs_.size(); ++i) {
      if (std::isfinite(epochs_[i].loss)) {
        canvas_.point(x_of(static_cast<double>(i + 1)), y_of(epochs_[i].loss));
      } else {
        canvas_.lift();
      }
    }
    canvas_.end_curve(kLineWidth, kLine);
    const std::size_t first_dot = epochs_.size() <= kMaxDots ? 0 : epochs_.size() - 1;
    for (std::size_t i = first_dot; i < epochs_.size(); ++i) {
      if (std::isfinite(epochs_[i].loss)) {
        canvas_.dot(x_of(static_cast<double>(i + 1)), y_of(epochs_[i].loss), kDotRadius, kLine);
      }
    }
  }

  Canvas& canvas_;
  const PhaseRecord& phase_;
  const std::vector<EpochRecord>& epochs_;
  double x0_, x1_;  // the plot's left and right
  double y0_, y1_;  // its bottom and top
  Axis epoch_axis_;
  Axis loss_axis_;
};

}  // namespace

Picture training_curve(std::span<const PhaseRecord> phases, const std::string& title) {
  if (phases.empty()) throw InvalidArgument("[training_curve] no phases; wanted at least one");
  const double top = title.empty() ? 0 : kTitleHeight;
  Canvas canvas(static_cast<int>(kPanelWidth) * static_cast<int>(phases.size()),
                static_cast<int>(kPanelHeight + top));
  if (!title.empty()) {
    const std::string text = valid_utf8(title);
    const double room = canvas.width() - kMarginLeft - kMarginRight;
    const double size = kTitleSize * std::min(1.0, room / canvas.text_width(text, kTitleSize, Weight::bold));
    canvas.text(kMarginLeft, kTitleHeight - 12, text, size, kInk, Align::left, Weight::bold);
  }
  for (std::size_t i = 0; i < phases.size(); ++i) {
    Panel(canvas, phases[i], kPanelWidth * static_cast<double>(i), top).draw();
  }
  return canvas.picture();
}

void prepare_training_curve() noexcept {
  try {
    Canvas canvas(1, 1);
    for (const Weight weight : {Weight::normal, Weight::bold})
      canvas.text(0, 1, "0", kLabelSize, kText, Align::right, weight);
  } catch (const std::exception&) {  // drawing will say it
  }
}

}  // namespace deepsad
