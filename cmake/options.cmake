# What is built, and how strictly. Consumers of the library get only the library and its program.
option(DEEPSAD_DEVELOPER_MODE "Build tests and benchmarks" OFF)
option(DEEPSAD_BUILD_CLI "Build the deepsad program" ON)
option(DEEPSAD_BUILD_TESTS "Build the tests" ${DEEPSAD_DEVELOPER_MODE})
option(DEEPSAD_BUILD_BENCHMARKS "Build the benchmarks" ${DEEPSAD_DEVELOPER_MODE})
# Not together with sanitizers: g++ warns falsely in instrumented code.
option(DEEPSAD_WARNINGS_AS_ERRORS "Treat warnings as errors" OFF)
set(DEEPSAD_SANITIZE "" CACHE STRING "Sanitizers: empty, 'address,undefined' or 'thread'")
option(DEEPSAD_FUZZ "Build the fuzzers with clang's libFuzzer" OFF)
if(DEEPSAD_FUZZ AND NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  message(FATAL_ERROR "DEEPSAD_FUZZ needs clang++ (libFuzzer), found ${CMAKE_CXX_COMPILER_ID}; use the preset fuzz")
endif()
set(DEEPSAD_SHARED_DATA "${PROJECT_SOURCE_DIR}/../shared" CACHE PATH
    "Folder with spec/ and data/ that the golden-value and real-data tests read")

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
