# Models of every method, written by the whole library, are scored by a C program with the scoring library.
#   cmake -DWRITER=... -DCLIENT=... -DWORK=... -P run_scoring.cmake
include(${CMAKE_CURRENT_LIST_DIR}/../support/run.cmake)
file(REMOVE_RECURSE ${WORK})
file(MAKE_DIRECTORY ${WORK})
run(${WRITER} ${WORK})
file(GLOB models ${WORK}/*.safetensors)
set(arguments "")
foreach(model IN LISTS models)
  string(REPLACE .safetensors .expected expected ${model})
  list(APPEND arguments ${model} ${expected})
endforeach()
run(${CLIENT} ${arguments})
