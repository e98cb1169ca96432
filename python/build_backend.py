"""Builds the wheel of the Python module (PEP 517) with CMake and Python's own library alone, so that `pip install .` needs no
network. Wants CMake, a C++ compiler, pybind11 and the packages of `scripts/install_packages.sh build`.

The metadata are those of pyproject.toml's [project], of which this reads what it needs; the version is CMakeLists.txt's.
"""
import base64
import hashlib
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILES = ("__init__.py", "estimators.py", "pyod.py", "_core.pyi", "py.typed")


def _version():
    return re.search(r"^project\(deepsad VERSION ([0-9.]+)", (ROOT / "CMakeLists.txt").read_text(), re.MULTILINE)[1]


def _project(key):
    value = re.search(rf"^{key} = (.+)$", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)[1]
    return re.findall(r'"([^"]*)"', value)


def _metadata():
    lines = ["Metadata-Version: 2.1", "Name: deepsad", f"Version: {_version()}", f"Summary: {_project('description')[0]}",
             "License: MIT", f"Requires-Python: {_project('requires-python')[0]}"]
    lines += [f"Requires-Dist: {requirement}" for requirement in _project("dependencies")]
    lines += ["Description-Content-Type: text/markdown", "", (ROOT / "README.md").read_text()]
    return "\n".join(lines)


def _tag():
    python = f"cp{sys.version_info.major}{sys.version_info.minor}"
    return f"{python}-{python}-{re.sub(r'[-.]', '_', sysconfig.get_platform())}"


def _info():
    return f"deepsad-{_version()}.dist-info"


def _about():
    """The files of _info() that say what the wheel is."""
    wheel = f"Wheel-Version: 1.0\nGenerator: deepsad\nRoot-Is-Purelib: false\nTag: {_tag()}\n"
    return {"METADATA": _metadata(), "WHEEL": wheel}


def _build(build_dir):
    """The extension module's bytes and its file name."""
    commands = (
        ["cmake", "-S", str(ROOT), "-B", str(build_dir), "-DCMAKE_BUILD_TYPE=Release", "-DDEEPSAD_PYTHON=ON",
         "-DDEEPSAD_BUILD_CLI=OFF", f"-DPython_EXECUTABLE={sys.executable}"],
        ["cmake", "--build", str(build_dir), "--target", "deepsad_python", "--parallel", str(os.cpu_count() or 1)],
    )
    for command in commands:
        try:
            subprocess.run(command, check=True)
        except FileNotFoundError:
            raise SystemExit("deepsad: CMake is not there; scripts/install_packages.sh build installs what is needed")
        except subprocess.CalledProcessError as error:
            raise SystemExit(f"deepsad: {' '.join(command)} ended with {error.returncode}; its messages are above")
    (module,) = (build_dir / "python" / "deepsad").glob("_core*.so")
    return module.name, module.read_bytes()


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    """Without it pip would build a wheel to see what it would be."""
    folder = Path(metadata_directory) / _info()
    folder.mkdir()
    for name, text in _about().items():
        (folder / name).write_text(text)
    return folder.name


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    """config_settings: build-dir=DIR keeps the build folder, so that the next build is quick; module=FILE takes the extension
    module that is built already."""
    settings = config_settings or {}
    if "module" in settings:
        module_name, module = Path(settings["module"]).name, Path(settings["module"]).read_bytes()
    else:
        with tempfile.TemporaryDirectory() as temporary:
            module_name, module = _build(Path(settings.get("build-dir", temporary)).resolve())
    info = _info()
    entries = {f"deepsad/{name}": (ROOT / "python" / "deepsad" / name).read_bytes() for name in FILES}
    entries[f"deepsad/{module_name}"] = module
    entries |= {f"{info}/{name}": text.encode() for name, text in _about().items()}
    entries[f"{info}/LICENSE"] = (ROOT / "LICENSE").read_bytes()
    record = "".join(
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b'=').decode()},{len(data)}\n"
        for name, data in entries.items()
    )
    entries[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    wheel = f"deepsad-{_version()}-{_tag()}.whl"
    with zipfile.ZipFile(Path(wheel_directory) / wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return wheel


def build_sdist(sdist_directory, config_settings=None):
    """Everything that git knows, as a source archive."""
    files = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z"], check=True, capture_output=True, text=True).stdout
    base = f"deepsad-{_version()}"
    with tarfile.open(Path(sdist_directory) / f"{base}.tar.gz", "w:gz", format=tarfile.PAX_FORMAT) as archive:
        for name in filter(None, files.split("\0")):
            archive.add(ROOT / name, f"{base}/{name}", recursive=False)
        with tempfile.NamedTemporaryFile("w") as info:
            info.write(_metadata())
            info.flush()
            archive.add(info.name, f"{base}/PKG-INFO")
    return f"{base}.tar.gz"
