// The functions of Cairo that pictures are drawn with.
#pragma once

#include <cairo.h>

#include "core/shared_library.h"

namespace deepsad {

/// cairo_NAME is the member NAME.
struct Cairo {
  SharedLibrary library{"libcairo.so.2", "libcairo2"};
  decltype(&::cairo_arc) arc = library.function("cairo_arc");
  decltype(&::cairo_create) create = library.function("cairo_create");
  decltype(&::cairo_destroy) destroy = library.function("cairo_destroy");
  decltype(&::cairo_fill) fill = library.function("cairo_fill");
  decltype(&::cairo_font_options_create) font_options_create = library.function("cairo_font_options_create");
  decltype(&::cairo_font_options_destroy) font_options_destroy =
      library.function("cairo_font_options_destroy");
  decltype(&::cairo_font_options_set_antialias) font_options_set_antialias =
      library.function("cairo_font_options_set_antialias");
  decltype(&::cairo_font_options_set_hint_metrics) font_options_set_hint_metrics =
      library.function("cairo_font_options_set_hint_metrics");
  decltype(&::cairo_font_options_set_hint_style) font_options_set_hint_style =
      library.function("cairo_font_options_set_hint_style");
  decltype(&::cairo_image_surface_create) image_surface_create =
      library.function("cairo_image_surface_create");
  decltype(&::cairo_image_surface_get_data) image_surface_get_data =
      library.function("cairo_image_surface_get_data");
  decltype(&::cairo_image_surface_get_height) image_surface_get_height =
      library.function("cairo_image_surface_get_height");
  decltype(&::cairo_image_surface_get_stride) image_surface_get_stride =
      library.function("cairo_image_surface_get_stride");
  decltype(&::cairo_image_surface_get_width) image_surface_get_width =
      library.function("cairo_image_surface_get_width");
  decltype(&::cairo_line_to) line_to = library.function("cairo_line_to");
  decltype(&::cairo_move_to) move_to = library.function("cairo_move_to");
  decltype(&::cairo_paint) paint = library.function("cairo_paint");
  decltype(&::cairo_rectangle) rectangle = library.function("cairo_rectangle");
  decltype(&::cairo_restore) restore = library.function("cairo_restore");
  decltype(&::cairo_rotate) rotate = library.function("cairo_rotate");
  decltype(&::cairo_save) save = library.function("cairo_save");
  decltype(&::cairo_select_font_face) select_font_face = library.function("cairo_select_font_face");
  decltype(&::cairo_set_dash) set_dash = library.function("cairo_set_dash");
  decltype(&::cairo_set_font_options) set_font_options = library.function("cairo_set_font_options");
  decltype(&::cairo_set_font_size) set_font_size = library.function("cairo_set_font_size");
  decltype(&::cairo_set_line_join) set_line_join = library.function("cairo_set_line_join");
  decltype(&::cairo_set_line_width) set_line_width = library.function("cairo_set_line_width");
  decltype(&::cairo_set_source_rgb) set_source_rgb = library.function("cairo_set_source_rgb");
  decltype(&::cairo_show_text) show_text = library.function("cairo_show_text");
  decltype(&::cairo_status) status = library.function("cairo_status");
  decltype(&::cairo_status_to_string) status_to_string = library.function("cairo_status_to_string");
  decltype(&::cairo_stroke) stroke = library.function("cairo_stroke");
  decltype(&::cairo_surface_destroy) surface_destroy = library.function("cairo_surface_destroy");
  decltype(&::cairo_surface_flush) surface_flush = library.function("cairo_surface_flush");
  decltype(&::cairo_text_extents) text_extents = library.function("cairo_text_extents");
};

/// @throws Error if it cannot be loaded
inline const Cairo& cairo() {
  static const Cairo loaded;
  return loaded;
}

}  // namespace deepsad
