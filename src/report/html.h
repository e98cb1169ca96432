// Self-contained HTML pages: markup that cannot be injected into, tables, and the page around them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace deepsad {

/// Markup. Plain text becomes markup only by being escaped, so that names of files, data sets or classes can
/// never be read as tags.
class Html {
 public:
  Html() = default;
  /// Plain text, escaped; bytes that are not UTF-8, and control characters, are replaced.
  explicit Html(std::string_view plain);
  /// Text that is markup already: constants of this program only.
  [[nodiscard]] static Html trusted(std::string_view markup);

  Html& operator+=(const Html& more) {
    text_ += more.text_;
    return *this;
  }
  friend Html operator+(Html a, const Html& b) { return a += b; }
  [[nodiscard]] const std::string& text() const { return text_; }
  [[nodiscard]] bool empty() const { return text_.empty(); }

 private:
  std::string text_;
};

/// Names are constants, values plain text.
using Attributes = std::vector<std::pair<const char*, std::string>>;

/// <name attributes>content</name>
[[nodiscard]] Html element(const char* name, const Attributes& attributes, const Html& content);
[[nodiscard]] Html element(const char* name, const Attributes& attributes, std::string_view plain);
/// <name attributes/>, for elements without content.
[[nodiscard]] Html empty_element(const char* name, const Attributes& attributes);

/// A cell of a table.
struct HtmlCell {
  Html content;
  std::string sort_key{};  ///< what it is sorted by; "" = its text
  bool number = false;     ///< right-aligned, with digits of one width
  std::string style{};     ///< further CSS class, or ""
  double heat = -1;        ///< 0 to 1: strength of the background; negative = none
};
[[nodiscard]] HtmlCell text_cell(std::string_view plain);
/// @param value sorts; NaN sorts last
[[nodiscard]] HtmlCell number_cell(std::string_view plain, double value);

struct HtmlTable {
  std::string caption;
  std::vector<std::string> columns;
  std::vector<std::vector<HtmlCell>> rows;  ///< the first cell of each is its heading
  bool sortable = true;
};
/// With caption and scopes for screen readers, inside a box that scrolls where the window is narrow.
[[nodiscard]] Html html_table(const HtmlTable& table);

/// <section> with a heading of level 2.
[[nodiscard]] Html section(const std::string& heading, const Html& content);
/// Facts side by side: name above value.
[[nodiscard]] Html fact_list(const std::vector<std::pair<std::string, std::string>>& facts);
/// A folded part; it is printed unfolded.
[[nodiscard]] Html folded(const std::string& summary, const Html& content);
/// A command to copy.
[[nodiscard]] Html command_box(const std::string& command);

/// A PNG file inside the page, in its own size where there is room.
/// @throws InvalidArgument if it is no PNG file
[[nodiscard]] Html png_image(std::span<const std::uint8_t> png, const std::string& alternative);

/// The whole document: style and script are inside, and its content security policy forbids the browser to
/// load anything from elsewhere. @param title plain; also the heading  @param subtitle plain, or ""
[[nodiscard]] std::string html_document(const std::string& title, const std::string& subtitle,
                                        const Html& body);

/// "0.36 ms", "123 ms", "1.23 s", "3 min 05 s", "2 h 07 min".
[[nodiscard]] std::string duration_text(double seconds);

}  // namespace deepsad
