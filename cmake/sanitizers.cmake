# One INTERFACE target that turns the chosen sanitizers on for everything that links it.
add_library(deepsad_sanitizers INTERFACE)
if(DEEPSAD_SANITIZE)
  if(DEEPSAD_SANITIZE MATCHES "thread" AND DEEPSAD_SANITIZE MATCHES "address")
    message(FATAL_ERROR "DEEPSAD_SANITIZE: address and thread cannot be combined; choose one of them")
  endif()
  target_compile_options(deepsad_sanitizers INTERFACE
    -fsanitize=${DEEPSAD_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(deepsad_sanitizers INTERFACE -fsanitize=${DEEPSAD_SANITIZE})
endif()
# What libFuzzer steers by: which branches an input reaches.
if(DEEPSAD_FUZZ)
  target_compile_options(deepsad_sanitizers INTERFACE -fsanitize=fuzzer-no-link)
endif()
