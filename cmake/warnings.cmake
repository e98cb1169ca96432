# Warnings for our own code; linked PRIVATE, so that consumers never inherit them.
add_library(deepsad_warnings INTERFACE)
target_compile_options(deepsad_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wdouble-promotion
  -Wold-style-cast -Wnon-virtual-dtor -Woverloaded-virtual
  $<$<CXX_COMPILER_ID:GNU>:-Wduplicated-cond;-Wlogical-op>
  # False positives of g++ 12 inside std::string and fmt at -O3 (GCC bugs 105329, 105651).
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict;-Wno-stringop-overflow>
  $<$<BOOL:${DEEPSAD_WARNINGS_AS_ERRORS}>:-Werror>)
