#include "report/html.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <cmath>

#include "deepsad/core/error.h"

namespace deepsad {
namespace {

// Length of the well-formed UTF-8 sequence at the start of text, 0 if there is none (Unicode 15, table 3-7).
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xC2 && first <= 0xDF   ? 2
                             : first >= 0xE0 && first <= 0xEF ? 3
                             : first >= 0xF0 && first <= 0xF4 ? 4
                                                              : 0;
  if (length == 0 || length > text.size()) return 0;
  const unsigned char second_low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
  const unsigned char second_high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
  if (byte(1) < second_low || byte(1) > second_high) return 0;
  for (std::size_t i = 2; i < length; ++i)
    if ((byte(i) & 0xC0) != 0x80) return 0;
  return length;
}

std::string escaped(std::string_view plain) {
  constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD
  std::string text;
  text.reserve(plain.size());
  while (!plain.empty()) {
    std::size_t length = utf8_length(plain);
    const char c = plain.front();
    if (length == 0) {
      text += kReplacement;
      length = 1;
    } else if (c == '&') {
      text += "&amp;";
    } else if (c == '<') {
      text += "&lt;";
    } else if (c == '>') {
      text += "&gt;";
    } else if (c == '"') {
      text += "&quot;";
    } else if (c == '\'') {
      text += "&#39;";
    } else if (length == 1 && (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) && c != '\n' && c != '\t') {
      text += kReplacement;
    } else {
      text += plain.substr(0, length);
    }
    plain.remove_prefix(length);
  }
  return text;
}

std::string opening(const char* name, const Attributes& attributes) {
  std::string text = fmt::format("<{}", name);
  for (const auto& [attribute, value] : attributes)
    text += fmt::format(" {}=\"{}\"", attribute, escaped(value));
  return text;
}

constexpr const char* kPolicy =
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'";

constexpr const char* kStyle = R"css(
:root{color-scheme:light dark;--paper:#fff;--card:#f4f6f8;--ink:#1b2026;--soft:#535c67;--line:#d3d9e0;--frame:#7a838e;
--link:#0b5cad;--heat:#8fc1ee;--good:#0a6b45;--bad:#a63200;--c0:#0b62a8;--c1:#c4500a;--c2:#0a7d5a;--c3:#7d45ad;
--c4:#8f6400;--c5:#b83378;--c6:#0b7a8c;--c7:#5b6470}
@media (prefers-color-scheme:dark){:root{--paper:#14181d;--card:#1e242b;--ink:#e7ebef;--soft:#aab4bf;--line:#37404a;
--frame:#8a95a1;--link:#7cb8f5;--heat:#1d5c96;--good:#5fd39f;--bad:#ff9a66;--c0:#5aabf2;--c1:#ff8f55;--c2:#45c795;
--c3:#c398ee;--c4:#dcb04a;--c5:#f183b8;--c6:#4cc3d6;--c7:#a9b2bd}}
@media print{:root{color-scheme:light;--paper:#fff;--card:#fff;--ink:#000;--soft:#333;--line:#bbb;--frame:#555;
--heat:#a9cdf0;--good:#0a6b45;--bad:#a63200;--c0:#0b62a8;--c1:#c4500a;--c2:#0a7d5a;--c3:#7d45ad;--c4:#8f6400;--c5:#b83378;
--c6:#0b7a8c;--c7:#5b6470}}
*{box-sizing:border-box}
body{margin:0 auto;padding:1rem 1rem 3rem;max-width:76rem;background:var(--paper);color:var(--ink);
font:16px/1.5 system-ui,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
h1{font-size:1.6rem;line-height:1.25;margin:.5rem 0 .25rem;overflow-wrap:anywhere}
h2{font-size:1.2rem;margin:2rem 0 .75rem;padding-top:.75rem;border-top:1px solid var(--line)}
h3{font-size:1rem;margin:1.25rem 0 .5rem}
p{max-width:46rem;margin:.5rem 0}
a{color:var(--link)}
.soft,.subtitle,figcaption .note{color:var(--soft)}
.good{color:var(--good)}.bad{color:var(--bad)}
.facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,9.5rem),1fr));gap:.75rem;margin:1rem 0}
.facts div{background:var(--card);border:1px solid var(--line);border-radius:.5rem;padding:.5rem .75rem;break-inside:avoid}
.facts dt{color:var(--soft);font-size:.85rem}
.facts dd{margin:0;font-size:1.15rem;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
.figures{margin:1rem 0;display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,23rem),1fr));gap:1.5rem 2rem;align-items:start}
figure{margin:0;break-inside:avoid;max-width:34rem;min-width:0}
figure.wide{margin:1.5rem 0;max-width:none;overflow-x:auto}
figure.wide svg{min-width:34rem;max-width:48rem}
figcaption{font-weight:600;margin-bottom:.25rem}
figcaption .note{font-weight:400;display:block;font-size:.85rem}
svg{display:block;width:100%;height:auto;font-family:inherit}
svg text{fill:var(--ink);font-size:13px}
svg .tick{fill:var(--soft);font-size:12px}
svg .axis{stroke:var(--frame);stroke-width:1;fill:none}
svg .grid{stroke:var(--line);stroke-width:1;fill:none}
svg .mark{stroke:var(--c1);stroke-width:1.25;stroke-dasharray:5 4;fill:none}
svg .marktext{fill:var(--c1);font-size:12px}
svg .guide{stroke:var(--frame);stroke-width:1;stroke-dasharray:2 4;fill:none}
svg .halo{paint-order:stroke;stroke:var(--paper);stroke-width:4px;stroke-linejoin:round}
.l{fill:none;stroke-width:1.75;stroke-linejoin:round}.l.strong{stroke-width:3}.l.dash{stroke-dasharray:7 4}
.area{stroke:none;fill-opacity:.14}.bars{fill-opacity:.3;stroke-width:1.5}
.s0{stroke:var(--c0)}.s1{stroke:var(--c1)}.s2{stroke:var(--c2)}.s3{stroke:var(--c3)}
.s4{stroke:var(--c4)}.s5{stroke:var(--c5)}.s6{stroke:var(--c6)}.s7{stroke:var(--c7)}
.f0{fill:var(--c0)}.f1{fill:var(--c1)}.f2{fill:var(--c2)}.f3{fill:var(--c3)}
.f4{fill:var(--c4)}.f5{fill:var(--c5)}.f6{fill:var(--c6)}.f7{fill:var(--c7)}
.bar{stroke:var(--ink);stroke-width:4;stroke-linecap:round}
.lead{stroke:var(--frame);stroke-width:1;fill:none}
.legend{display:flex;flex-wrap:wrap;gap:.15rem 1rem;list-style:none;margin:.25rem 0 0;padding:0;font-size:.85rem}
.legend li{display:flex;align-items:center;gap:.4rem;white-space:nowrap}
.legend svg{width:28px;height:12px;flex:none}
.scroll{overflow-x:auto;margin:.75rem 0}
table{border-collapse:collapse;font-size:.9rem}
caption{text-align:left;font-weight:600;padding:.25rem 0 .4rem;max-width:46rem}
th,td{padding:.3rem .7rem;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}
thead th{border-bottom:2px solid var(--frame);vertical-align:bottom}
tbody th{font-weight:500}tbody th,thead th:first-child{position:sticky;left:0;background:var(--paper)}
.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
td small{display:block;font-weight:400}.outside{color:var(--bad)}.best{font-weight:700}.long{overflow-wrap:anywhere;min-width:10rem}
.heat{background:color-mix(in srgb,var(--heat) calc(var(--v)*100%),var(--paper));print-color-adjust:exact;
-webkit-print-color-adjust:exact}
th button{font:inherit;color:inherit;background:none;border:0;padding:.1rem 0;cursor:pointer;text-align:inherit}
th button::after{content:"\2195";color:var(--soft);margin-left:.3em;font-weight:400}
th[aria-sort=ascending] button::after{content:"\2191"}
th[aria-sort=descending] button::after{content:"\2193"}
th button:focus-visible,summary:focus-visible,.scroll:focus-visible{outline:2px solid var(--link);outline-offset:2px}
pre{background:var(--card);border:1px solid var(--line);border-radius:.5rem;padding:.75rem;white-space:pre-wrap;
overflow-wrap:anywhere;font:.85rem/1.5 ui-monospace,"DejaVu Sans Mono",monospace}
code{font:.9em ui-monospace,"DejaVu Sans Mono",monospace;overflow-wrap:anywhere}
@media (max-width:30rem){svg text{font-size:15px}svg .tick,svg .marktext{font-size:14px}}
details{margin:1rem 0}summary{cursor:pointer;font-weight:600}
img{max-width:100%;height:auto;image-rendering:pixelated;border-radius:.25rem}
ul.findings{padding-left:1.2rem}
@media print{body{font-size:11pt;max-width:none;padding:0}th button::after{content:""}.scroll,figure.wide{overflow:visible}
h2{break-after:avoid}tr{break-inside:avoid}}
)css";

// Sorts a table by the column whose heading was pressed: numbers as numbers, the empty last.
constexpr const char* kScript = R"js(
"use strict";
function key(row,i){const c=row.cells[i];return c.dataset.sort??c.textContent.trim()}
function sortBy(th){
  const table=th.closest("table"),body=table.tBodies[0],i=th.cellIndex;
  const up=th.getAttribute("aria-sort")!=="ascending",rows=[...body.rows];
  const numeric=rows.every(r=>{const k=key(r,i);return k===""||k==="nan"||!isNaN(k)});
  const missing=k=>k===""||k==="nan";
  rows.sort((a,b)=>{const x=key(a,i),y=key(b,i);
    if(missing(x)||missing(y))return missing(x)-missing(y);
    const d=numeric?x-y:x.localeCompare(y,"en",{numeric:true});return up?d:-d});
  body.append(...rows);
  for(const other of th.parentNode.cells)other.setAttribute("aria-sort",other===th?(up?"ascending":"descending"):"none");
}
for(const th of document.querySelectorAll("table.sortable thead th"))
  th.querySelector("button").addEventListener("click",()=>sortBy(th));
addEventListener("beforeprint",()=>{for(const d of document.querySelectorAll("details"))d.open=true});
)js";

}  // namespace

Html::Html(std::string_view plain) : text_(escaped(plain)) {}

Html Html::trusted(std::string_view markup) {
  Html html;
  html.text_ = markup;
  return html;
}

Html element(const char* name, const Attributes& attributes, const Html& content) {
  return Html::trusted(fmt::format("{}>{}</{}>", opening(name, attributes), content.text(), name));
}

Html element(const char* name, const Attributes& attributes, std::string_view plain) {
  return element(name, attributes, Html(plain));
}

Html empty_element(const char* name, const Attributes& attributes) {
  return Html::trusted(opening(name, attributes) + "/>");
}

HtmlCell text_cell(std::string_view plain) {
  return {.content = Html(plain)};
}

HtmlCell number_cell(std::string_view plain, double value) {
  return {.content = Html(plain),
          .sort_key = std::isnan(value) ? "nan" : fmt::format("{}", value),
          .number = true};
}

Html html_table(const HtmlTable& table) {
  const auto is_number = [&](std::size_t column) {
    return !table.rows.empty() && column < table.rows.front().size() && table.rows.front()[column].number;
  };
  Html heading;
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    Attributes attributes{{"scope", "col"}};
    if (is_number(i)) attributes.emplace_back("class", "n");
    if (table.sortable) attributes.emplace_back("aria-sort", "none");
    heading += element(
        "th", attributes,
        table.sortable ? element("button", {{"type", "button"}}, table.columns[i]) : Html(table.columns[i]));
  }
  Html body;
  for (const std::vector<HtmlCell>& row : table.rows) {
    Html cells;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const HtmlCell& cell = row[i];
      Attributes attributes;
      if (i == 0) attributes.emplace_back("scope", "row");
      std::string classes = cell.number ? "n" : "";
      if (!cell.style.empty()) classes += (classes.empty() ? "" : " ") + cell.style;
      if (cell.heat >= 0) {
        classes += classes.empty() ? "heat" : " heat";
        attributes.emplace_back("style", fmt::format("--v:{:.3f}", cell.heat));
      }
      if (!classes.empty()) attributes.emplace_back("class", classes);
      if (!cell.sort_key.empty()) attributes.emplace_back("data-sort", cell.sort_key);
      cells += element(i == 0 ? "th" : "td", attributes, cell.content);
    }
    body += element("tr", {}, cells) + Html::trusted("\n");
  }
  const Html content = element("caption", {}, table.caption) +
                       element("thead", {}, element("tr", {}, heading)) + Html::trusted("\n") +
                       element("tbody", {}, body);
  // The box can be scrolled by keyboard, so it needs a name of its own.
  return element(
             "div",
             {{"class", "scroll"}, {"tabindex", "0"}, {"role", "region"}, {"aria-label", table.caption}},
             element("table", table.sortable ? Attributes{{"class", "sortable"}} : Attributes{}, content)) +
         Html::trusted("\n");
}

Html section(const std::string& heading, const Html& content) {
  return element("section", {}, element("h2", {}, heading) + Html::trusted("\n") + content) +
         Html::trusted("\n");
}

Html fact_list(const std::vector<std::pair<std::string, std::string>>& facts) {
  Html content;
  for (const auto& [name, value] : facts)
    content += element("div", {}, element("dt", {}, name) + element("dd", {}, value));
  return element("dl", {{"class", "facts"}}, content) + Html::trusted("\n");
}

Html folded(const std::string& summary, const Html& content) {
  return element("details", {}, element("summary", {}, summary) + content) + Html::trusted("\n");
}

Html command_box(const std::string& command) {
  return element("pre", {}, command) + Html::trusted("\n");
}

Html png_image(std::span<const std::uint8_t> png, const std::string& alternative) {
  // Width and height follow the signature and the head of the first chunk (ISO/IEC 15948, 5.2 and 11.2.1).
  constexpr std::size_t kWidthAt = 16, kHeightAt = 20, kHeaderEnd = 24;
  if (png.size() < kHeaderEnd || png[1] != 'P' || png[2] != 'N' || png[3] != 'G')
    throw InvalidArgument(fmt::format("[png_image] {} bytes that are no PNG file", png.size()));
  const auto big_endian = [&](std::size_t at) {
    return std::uint32_t{png[at]} << 24 | std::uint32_t{png[at + 1]} << 16 | std::uint32_t{png[at + 2]} << 8 |
           std::uint32_t{png[at + 3]};
  };
  std::string base64(4 * ((png.size() + 2) / 3) + 1, '\0');
  const int length = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(base64.data()), png.data(),
                                     static_cast<int>(png.size()));
  base64.resize(static_cast<std::size_t>(length));
  return empty_element("img", {{"src", "data:image/png;base64," + base64},
                               {"alt", alternative},
                               {"width", std::to_string(big_endian(kWidthAt))},
                               {"height", std::to_string(big_endian(kHeightAt))}});
}

std::string html_document(const std::string& title, const std::string& subtitle, const Html& body) {
  Html heading = element("h1", {}, title);
  if (!subtitle.empty()) heading += element("p", {{"class", "subtitle"}}, subtitle);
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"{}\"/>\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
      "<title>{}</title>\n<style>{}</style>\n</head>\n<body>\n<main>\n<header>{}</header>\n{}</main>\n"
      "<script>{}</script>\n</body>\n</html>\n",
      kPolicy, Html(title).text(), kStyle, heading.text(), body.text(), kScript);
}

std::string duration_text(double seconds) {
  if (!std::isfinite(seconds)) return "unknown";
  if (seconds < 1) return fmt::format("{:.{}f} ms", 1000 * seconds, seconds < 0.01 ? 2 : 0);
  if (seconds < 60) return fmt::format("{:.{}f} s", seconds, seconds < 10 ? 2 : 1);
  const auto whole = static_cast<long long>(std::llround(seconds));
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  return fmt::format("{} h {:02} min", whole / 3600, whole / 60 % 60);
}

}  // namespace deepsad
