# Installs this build into a folder of its own, builds the consumer project against it and runs it.
#   cmake -DBUILD=... -DSOURCE=... -DWORK=... -DCXX=... -DCC=... -DFLAGS=... -DLIBDIR=... -P run.cmake
include(${CMAKE_CURRENT_LIST_DIR}/../support/run.cmake)
file(REMOVE_RECURSE ${WORK})
run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${WORK}/prefix)
run(${CMAKE_COMMAND} -S ${SOURCE}/tests/install/consumer -B ${WORK}/build -G Ninja -DCMAKE_CXX_COMPILER=${CXX}
    -DCMAKE_CXX_FLAGS=${FLAGS} -DCMAKE_PREFIX_PATH=${WORK}/prefix -DEXAMPLES=${SOURCE}/examples)
run(${CMAKE_COMMAND} --build ${WORK}/build)
run(${WORK}/build/consumer)
run(${WORK}/prefix/bin/deepsad version)

# The example in C: against the scoring library, through CMake and through pkg-config, on a model that the program trained.
run(${WORK}/prefix/bin/deepsad train toy2d --method isolation_forest --seed 1 --out ${WORK}/run)
file(WRITE ${WORK}/rows.txt "0.25,0.5\n3 -4\n")
set(ENV{PKG_CONFIG_PATH} ${WORK}/prefix/${LIBDIR}/pkgconfig)
run(sh -c "'${CC}' -std=c99 -Wall -Wextra -pedantic -Werror '${SOURCE}/examples/score.c' $(pkg-config --cflags --libs deepsad-scoring) -o '${WORK}/score'")
foreach(program ${WORK}/build/score ${WORK}/score)
  execute_process(COMMAND ${program} ${WORK}/run/model.safetensors INPUT_FILE ${WORK}/rows.txt
                  RESULT_VARIABLE result OUTPUT_VARIABLE scores_${program} ERROR_VARIABLE message)
  if(NOT result EQUAL 0 OR NOT scores_${program} MATCHES "^0\\.[0-9]+\n0\\.[0-9]+\n$")
    message(FATAL_ERROR "${program} ended with ${result}:\n${scores_${program}}${message}")
  endif()
endforeach()
if(NOT scores_${WORK}/build/score STREQUAL scores_${WORK}/score)
  message(FATAL_ERROR "${scores_${WORK}/build/score} is not ${scores_${WORK}/score}")
endif()
file(WRITE ${WORK}/bad.txt "0.25,0.5\n1\n")
execute_process(COMMAND ${WORK}/score ${WORK}/run/model.safetensors INPUT_FILE ${WORK}/bad.txt
                RESULT_VARIABLE result OUTPUT_QUIET ERROR_VARIABLE message)
if(NOT result EQUAL 3 OR NOT message STREQUAL "line 2: wanted 2 numbers\n")
  message(FATAL_ERROR "the example ended with ${result} for a short row: ${message}")
endif()
