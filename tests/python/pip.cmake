# pip install of the source folder, without a network, into a folder of its own; the wheel's own files are what is imported.
#   cmake -DPYTHON=... -DSOURCE=... -DMODULE=... -DWORK=... -P pip.cmake
include(${CMAKE_CURRENT_LIST_DIR}/../support/run.cmake)
file(REMOVE_RECURSE ${WORK})
run(${PYTHON} -m pip install --no-index --no-deps --no-cache-dir --disable-pip-version-check --target ${WORK} --config-settings=module=${MODULE} ${SOURCE})
set(ENV{PYTHONPATH} ${WORK})
set(ENV{PYTHONDONTWRITEBYTECODE} 1)
run(${PYTHON} -c "
import importlib.metadata as m, pathlib, deepsad
assert pathlib.Path(deepsad.__file__).is_relative_to('${WORK}'), deepsad.__file__
about = m.distribution('deepsad')
assert about.version == deepsad.__version__, about.version
assert sorted(about.requires) == ['numpy', 'scikit-learn>=1.2,<1.6', 'scipy'], about.requires
files = {str(f) for f in about.files}
assert {'deepsad/py.typed', 'deepsad/_core.pyi', 'deepsad/estimators.py', 'deepsad/pyod.py'} <= files, files
deepsad.IsolationForest(n_estimators=5).fit([[0.0], [1.0], [2.0], [9.0]])
print('installed', about.version)
")
