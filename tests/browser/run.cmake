# Makes one page of every kind with the program itself and looks at all of them in the browser.
#   cmake -DPROGRAM=... -DMAKE_STORE=... -DPYTHON=... -DCHROMIUM=... -DSOURCE=... -DWORK=... -P run.cmake
include(${CMAKE_CURRENT_LIST_DIR}/../support/run.cmake)
file(REMOVE_RECURSE ${WORK})
file(MAKE_DIRECTORY ${WORK})
set(quick --seed 1 --quiet)
set(short --n-epochs 3 --ae-n-epochs 2)
set(labels --n-known-outlier-classes 1 --ratio-known-outlier 0.01 --ratio-pollution 0.05)
run(${PROGRAM} train glyphs --out ${WORK}/images --lr-milestone 1,2 ${quick} ${short} ${labels})
run(${PROGRAM} train toy2d --out ${WORK}/forest --method isolation_forest ${quick})
run(${PROGRAM} train toy2d --out ${WORK}/soft --method deep_svdd --objective soft-boundary --warm-up-epochs 1 ${quick} ${short} ${labels})
run(${PROGRAM} evaluate ${WORK}/images/model.safetensors --page ${WORK}/evaluation.html)
run(${MAKE_STORE} ${WORK}/experiments.sqlite)
run(${PROGRAM} experiment report ${WORK}/experiments.sqlite --out ${WORK}/experiments)
run(${PYTHON} ${SOURCE}/check_pages.py --chromium "${CHROMIUM}" --screenshots ${WORK}/screenshots
    ${WORK}/images/page.html ${WORK}/forest/page.html ${WORK}/soft/page.html ${WORK}/evaluation.html
    ${WORK}/experiments/report.html)
