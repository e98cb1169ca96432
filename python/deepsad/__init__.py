"""Deep semi-supervised anomaly detection.

Trained models::

    model = deepsad.load("model.safetensors")
    scores = model.score(X)                  # larger = more anomalous

Estimators with scikit-learn's conventions (larger = more normal, +1 / -1)::

    detector = deepsad.DeepSAD(random_state=1).fit(X, y)   # y: +1 normal, -1 anomalous, 0 unlabelled
    detector.predict(X_new)

PyOD's conventions (larger = more anomalous, 0 / 1) are those of deepsad.PyODDetector.
"""
from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING

from ._core import (
    DataError,
    Error,
    Fit,
    InvalidArgument,
    IoError,
    LeakError,
    Model,
    ModelError,
    NumericError,
    Progress,
    __version__,
    fit,
)

if TYPE_CHECKING:
    from .estimators import (
        KDE,
        M1M2,
        M2,
        OCSVM,
        SSAD,
        VAE,
        Autoencoder,
        Classifier,
        DeepSAD,
        DeepSVDD,
        IsolationForest,
        LabelWarning,
        TrainingWarning,
    )
    from .pyod import PyODDetector

# In modules of their own, loaded when first used: they need scikit-learn, models do not.
_LAZY = {
    name: ".estimators"
    for name in (
        "DeepSAD", "DeepSVDD", "Autoencoder", "VAE", "M2", "M1M2", "Classifier", "OCSVM", "SSAD", "KDE",
        "IsolationForest", "LabelWarning", "TrainingWarning",
    )
}
_LAZY["PyODDetector"] = ".pyod"

__all__ = [
    "DataError", "Error", "Fit", "InvalidArgument", "IoError", "LeakError", "Model", "ModelError", "NumericError",
    "Progress", "__version__", "fit", "load", *_LAZY,
]


def load(path: str | os.PathLike[str]) -> Model:
    """The model in a file that `deepsad train`, Model.save() or an estimator's save() wrote.

    Raises ModelError (truncated, altered, foreign, newer) or IoError (cannot be read).
    """
    return Model.load(os.fspath(path))


def __getattr__(name: str):
    if name in _LAZY:
        value = getattr(importlib.import_module(_LAZY[name], __name__), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
