"""The BLAS that the Python peers run on, at its best.

OpenBLAS chooses its kernels by the processor's model. Of models newer than itself it knows nothing and takes
those of a Prescott (SSE3, of 2004), five times slower: Debian 12's 0.3.21 does so on Emerald Rapids.
"""

import ctypes
import functools
import os
import subprocess
import sys

OLD = {"Prescott", "Core2", "Penryn", "Dunnington", "Nehalem", "Atom", "Generic"}


def print_core():
    library = ctypes.CDLL("libblas.so.3")
    library.openblas_get_corename.restype = ctypes.c_char_p
    print(library.openblas_get_corename().decode())


@functools.lru_cache
def chosen_core():
    """The name of the processor whose kernels OpenBLAS takes here; None if the system's BLAS is another one."""
    # In a process of its own: one that has loaded the library has chosen for good.
    found = subprocess.run([sys.executable, __file__], capture_output=True, text=True, check=False)
    return found.stdout.strip() if found.returncode == 0 else None


def best_core():
    """What OPENBLAS_CORETYPE must say for a process that should run on this processor's kernels; None: nothing."""
    if chosen_core() not in OLD:
        return None
    with open("/proc/cpuinfo", encoding="utf-8") as lines:
        flags = next((line.split() for line in lines if line.startswith("flags")), [])
    if all(flag in flags for flag in ("avx512f", "avx512dq", "avx512bw", "avx512vl")):
        return "SkylakeX"
    return "Haswell" if "avx2" in flags and "fma" in flags else None


def with_best_core(environment):
    """The environment for a peer; a core that the user chose stays."""
    core = best_core()
    return environment if core is None else {"OPENBLAS_CORETYPE": core, **environment}


def used_core():
    """What a peer with that environment runs on; None if the system's BLAS is not OpenBLAS."""
    return with_best_core(dict(os.environ)).get("OPENBLAS_CORETYPE", chosen_core())


if __name__ == "__main__":
    print_core()
