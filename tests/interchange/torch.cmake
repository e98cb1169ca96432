# Checkpoints between PyTorch and deepsad, both ways.
#   cmake -DPYTHON=... -DPROGRAM=... -DDATA=... -DSOURCE=... -DWORK=... -P torch.cmake
include(${CMAKE_CURRENT_LIST_DIR}/../support/run.cmake)
if(NOT PYTHON)
  message(FATAL_ERROR "/usr/bin/python3 was not found when the build was configured; run scripts/install_packages.sh test and cmake again")
endif()
file(REMOVE_RECURSE ${WORK})
file(MAKE_DIRECTORY ${WORK})
run(${PYTHON} ${SOURCE}/check_torch.py --program ${PROGRAM} --data ${DATA} --work ${WORK})
