"""The detectors as scikit-learn estimators: larger scores are more normal, predictions are +1 and -1."""
from __future__ import annotations

import os
import warnings
from typing import Any, Callable, Optional, Sequence, Union

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.exceptions import NotFittedError
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, column_or_1d

from . import _core
from ._core import InvalidArgument, Model, Progress

RandomState = Union[None, int, np.random.RandomState]
ProgressCallback = Optional[Callable[[Progress], Any]]
Start = Union[None, Model, "_Detector", str, "os.PathLike[str]"]

# Types whose rows the library reads where they are; scikit-learn converts others to the first.
_DTYPES = (np.float64, np.float32, np.uint8)
_SEEDS = 2**31 - 1


class LabelWarning(UserWarning):
    """Labels that are none of +1, -1 and 0; their rows count as unlabelled."""


class TrainingWarning(UserWarning):
    """Something noticed in training that must not be overlooked (docs/checks.md)."""


def _semi_labels(y: ArrayLike, n_rows: int) -> NDArray[np.int8]:
    y = column_or_1d(np.asarray(y), warn=True)
    if len(y) != n_rows:
        raise ValueError(f"y has {len(y)} labels, but X has {n_rows} rows")
    try:
        y = y.astype(np.float64)
    except (TypeError, ValueError):
        raise InvalidArgument(
            f"y: Unknown label type: got {y.dtype}, wanted +1 (normal), -1 (anomalous) or 0 (unlabelled)"
        ) from None
    known = np.isin(y, (-1, 0, 1))
    if not known.all():
        first = int(np.flatnonzero(~known)[0])
        warnings.warn(
            f"y: {np.count_nonzero(~known)} rows are labelled otherwise than +1 (normal), -1 (anomalous) or 0 (unlabelled), "
            f"the first is row {first} with {float(y[first]):g}; they count as unlabelled",
            LabelWarning,
            stacklevel=4,
        )
    return np.where(known, y, 0).astype(np.int8)


def _rows_in_place(X: NDArray[Any]) -> NDArray[Any]:
    """X itself if its rows can be read where they are, else a copy."""
    inner = X.shape[1] == 1 or X.strides[1] == X.itemsize
    outer = X.shape[0] == 1 or (X.strides[0] >= X.shape[1] * X.itemsize and X.strides[0] % X.itemsize == 0)
    return X if inner and outer and X.flags.aligned else np.ascontiguousarray(X)


class _Detector(OutlierMixin, BaseEstimator):
    """What all estimators share."""

    _method: str
    # Parameters of the constructor and the options of `deepsad train` that they are; every estimator adds its own.
    _options: dict[str, str] = {}
    # Options of a hybrid's autoencoder: of no meaning without hybrid=True.
    _hybrid_options: dict[str, str] = {}

    def _keep(self, arguments: dict[str, Any]) -> None:
        """Keeps the arguments of the constructor, its locals(), as scikit-learn wants it: by their names, as they came."""
        for name, value in arguments.items():
            if name not in ("self", "__class__"):
                setattr(self, name, value)

    def _train_options(self) -> dict[str, Any]:
        names = dict(self._options)
        if self._hybrid_options and self.hybrid:
            names.update(self._hybrid_options)
        options = {"method": self._method}
        for parameter, option in names.items():
            value = getattr(self, parameter)
            # None is the library's default, which for some options depends on the data.
            if value is not None:
                options[option] = list(value) if isinstance(value, tuple) else value
        random_state = self.random_state
        whole = isinstance(random_state, (int, np.integer)) and not isinstance(random_state, bool)
        options["seed"] = int(random_state) if whole else int(check_random_state(random_state).randint(_SEEDS))
        options["num_threads"] = {-1: 0}.get(self._n_threads(), self._n_threads())
        return options

    def _check_labels(self, y: ArrayLike | None) -> None:
        """Raises InvalidArgument if there are too few labels for the method."""

    def _start(self) -> Model | None:
        """The model that training goes on from."""
        init = getattr(self, "init", None)
        if isinstance(init, _Detector):
            if not hasattr(init, "model_"):
                raise NotFittedError("init: the estimator is not fitted (clone() forgets what was learnt); give its model_")
            return init.model_
        return init if init is None or isinstance(init, Model) else Model.load(os.fspath(init))

    def _n_threads(self) -> int:
        return 1 if self.n_jobs is None else self.n_jobs

    def fit(self, X: ArrayLike, y: ArrayLike | None = None):
        """Trains on the rows of X; nothing is held out (but for patience, where the estimator has it).

        X : array of shape (n_rows, n_features); raw values, scaled inside. Rows of float64, float32 and uint8 that lie in
            memory row by row are not copied.
        y : +1 (known normal), -1 (known anomaly) or 0 (unlabelled) for each row; None: all are unlabelled. Rows with other
            labels count as unlabelled, under a LabelWarning.

        Raises InvalidArgument or DataError, both ValueErrors. Ctrl-C ends the training after its current step.
        """
        self._fit_scores(X, y)
        return self

    def _fit_scores(self, X: ArrayLike, y: ArrayLike | None) -> NDArray[np.float64]:
        """fit(), and score_samples() of the rows that it trained on."""
        self._check_labels(y)
        X = self._validate_data(X, dtype=_DTYPES, ensure_min_samples=2)
        labels = None if y is None else _semi_labels(y, X.shape[0])
        if not 0 < self.contamination <= 0.5:
            raise InvalidArgument(f"contamination: got {self.contamination!r}, wanted a number in (0, 0.5]")
        rows = _rows_in_place(X)
        fitted = _core.fit(
            self._train_options(),
            rows,
            labels,
            sample_shape=list(self.sample_shape or ()),
            feature_names=[str(name) for name in getattr(self, "feature_names_in_", ())],
            init=self._start(),
            on_progress=self.progress,
        )
        self.options_ = fitted.options
        self.phases_ = fitted.phases
        self.findings_ = fitted.findings
        for name, text in self.findings_:
            warnings.warn(f"{name}: {text}", TrainingWarning, stacklevel=3)
        scores = -fitted.model.score(rows, n_jobs=self._n_threads()).astype(np.float64)
        self.offset_ = float(np.percentile(scores, 100.0 * self.contamination))
        # The same threshold for whoever loads the model, score > -offset_ being score_samples < offset_.
        self.model_ = fitted.model._with_contamination_threshold(-self.offset_, self.contamination, len(scores))
        return scores

    def _scores(self, X: ArrayLike) -> NDArray[np.float32]:
        check_is_fitted(self, "model_")
        X = self._validate_data(X, dtype=_DTYPES, reset=False)
        return self.model_.score(_rows_in_place(X), n_jobs=self._n_threads())

    def score_samples(self, X: ArrayLike) -> NDArray[np.float64]:
        """The negative of the anomaly score of each row, so that larger = more normal.

        -score_samples(X) holds the very numbers of model_.score(X) and of `deepsad score`.
        """
        return -self._scores(X).astype(np.float64)

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """score_samples(X) - offset_: negative for rows that predict() calls anomalous."""
        return self.score_samples(X) - self.offset_

    def _predicted(self, scores: NDArray[np.float64]) -> NDArray[np.int64]:
        return np.where(scores - self.offset_ < 0, -1, 1)

    def predict(self, X: ArrayLike) -> NDArray[np.int64]:
        """+1 for normal rows, -1 for anomalous ones."""
        return self._predicted(self.score_samples(X))

    def fit_predict(self, X: ArrayLike, y: ArrayLike | None = None) -> NDArray[np.int64]:
        """fit(X, y).predict(X)."""
        return self._predicted(self._fit_scores(X, y))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the model file, which deepsad.load(), `deepsad score` and the C interface read.

        Raises IoError if the file exists: nothing is overwritten.
        """
        check_is_fitted(self, "model_")
        self.model_.save(os.fspath(path))


_COMMON = """
    scaling : how features are scaled: "auto", "min-max", "standardise", "robust", "quantile", "none"; images are always x / 255
    contamination : share of the training rows that predict() calls anomalous, in (0, 0.5]
    sample_shape : (channels, height, width) if rows are images; None: a table
    random_state : an int is the seed, the same as `deepsad train --seed`; None draws one
    n_jobs : threads; None: 1, -1: all processors. Results do not depend on it
    progress : called with a deepsad.Progress after every epoch; what it raises ends the training

    Attributes
    ----------
    model_ : deepsad.Model, with the threshold
    offset_ : score_samples of rows below it are anomalous: the contamination-quantile of the training rows
    options_ : every option as it was used
    phases_ : name and losses of every phase of training
    findings_ : what training noticed, as (name, text); also given as TrainingWarning
    n_features_in_, feature_names_in_ : as in scikit-learn
"""
_NETWORK = """
    network : name of the catalogue (docs/networks.md) or a TOML file; None: chosen from the data
    rep_dim : width of the code; None: that of the network
    init : a Model, a fitted estimator of this class or a model file to go on from, when labels or rows have come in: its
        weights and scaling, no pretraining; few epochs are enough (n_epochs=10; docs/warm-start.md). It stays as it is
    n_epochs, lr, lr_milestone, batch_size, weight_decay : training; the learning rate is a tenth from each milestone on
    patience, validation_share : early stopping on a share of the rows; 0 = none
"""
_PRETRAINING = """
    pretrain : train an autoencoder first; transfer: start from its encoder
    ae_n_epochs, ae_lr, ae_lr_milestone, ae_batch_size, ae_weight_decay : training of the autoencoder
"""
_HYBRID = """
    hybrid : train on the code of an autoencoder, which is trained first
    network, rep_dim, ae_n_epochs, ae_lr, ae_batch_size : of that autoencoder
"""
_OF_NETWORK = {"scaling": "scaling", "network": "network", "rep_dim": "rep_dim"}
_OF_PHASES = {"patience": "patience", "validation_share": "validation_share"}
_OF_HYBRID = {name: name for name in ("network", "rep_dim", "ae_n_epochs", "ae_lr", "ae_batch_size")}


def _training(prefix: str = "") -> dict[str, str]:
    names = ("n_epochs", "lr", "lr_milestone", "batch_size", "weight_decay")
    return {name: prefix + name for name in names}


def _pretraining(prefix: str = "ae_") -> dict[str, str]:
    return {"pretrain": "pretrain", **{prefix + name: prefix + name for name in _training()}}


def _same(*names: str) -> dict[str, str]:
    return {name: name for name in names}


def _documented(*parts: str):
    def decorate(cls):
        cls.__doc__ = cls.__doc__.rstrip() + "\n\n    Parameters\n    ----------" + "".join(p.rstrip() for p in parts) + "\n"
        return cls

    return decorate


@_documented(
    """
    eta : weight of the labelled rows in the loss, > 0
    center_rows : "without-labelled-anomalies" or "all": rows whose mean output the centre is
    clamp_center : push components of the centre away from 0""",
    _NETWORK, _PRETRAINING, _COMMON,
)
class DeepSAD(_Detector):
    """Deep SAD (Ruff et al., ICLR 2020): the squared distance to a centre that normal rows are drawn to and known
    anomalies driven from."""

    _method = "deep_sad"
    _options = {**_same("eta", "center_rows", "clamp_center", "transfer"), **_OF_NETWORK, **_training(), **_pretraining(),
                **_OF_PHASES}

    def __init__(self, *, eta: float = 1.0, network: str | None = None, rep_dim: int | None = None, init: Start = None,
                 n_epochs: int = 50, lr: float = 0.001, lr_milestone: Sequence[int] = (), batch_size: int = 128,
                 weight_decay: float = 1e-6, pretrain: bool = True, transfer: bool = True, ae_n_epochs: int = 100,
                 ae_lr: float = 0.001, ae_lr_milestone: Sequence[int] = (), ae_batch_size: int = 128,
                 ae_weight_decay: float = 1e-6, center_rows: str = "without-labelled-anomalies", clamp_center: bool = True,
                 patience: int = 0, validation_share: float = 0.1, scaling: str = "auto", contamination: float = 0.1,
                 sample_shape: Sequence[int] | None = None, random_state: RandomState = None, n_jobs: int | None = None,
                 progress: ProgressCallback = None):
        self._keep(locals())


@_documented(
    """
    objective : "one-class" or "soft-boundary"
    nu : soft boundary: share of training rows that may lie outside, in (0, 1)
    warm_up_epochs : soft boundary: epochs before the radius follows the data
    clamp_center : push components of the centre away from 0""",
    _NETWORK, _PRETRAINING, _COMMON,
)
class DeepSVDD(_Detector):
    """Deep SVDD (Ruff et al., ICML 2018): the squared distance to a centre. Knows no labels, but leaves rows labelled -1 out
    of its training."""

    _method = "deep_svdd"
    _options = {**_same("objective", "nu", "warm_up_epochs", "clamp_center", "transfer"), **_OF_NETWORK, **_training(),
                **_pretraining(), **_OF_PHASES}

    def __init__(self, *, objective: str = "one-class", nu: float = 0.1, warm_up_epochs: int = 10,
                 network: str | None = None, rep_dim: int | None = None, init: Start = None, n_epochs: int = 50,
                 lr: float = 0.001, lr_milestone: Sequence[int] = (), batch_size: int = 128, weight_decay: float = 1e-6,
                 pretrain: bool = True, transfer: bool = True, ae_n_epochs: int = 100, ae_lr: float = 0.001,
                 ae_lr_milestone: Sequence[int] = (), ae_batch_size: int = 128, ae_weight_decay: float = 1e-6,
                 clamp_center: bool = True, patience: int = 0, validation_share: float = 0.1, scaling: str = "auto",
                 contamination: float = 0.1, sample_shape: Sequence[int] | None = None, random_state: RandomState = None,
                 n_jobs: int | None = None, progress: ProgressCallback = None):
        self._keep(locals())


@_documented(
    """
    exclude_labelled_anomalies : leave rows labelled -1 out of the training""",
    _NETWORK, _COMMON,
)
class Autoencoder(_Detector):
    """An autoencoder: the mean squared error of a row's reconstruction."""

    _method = "autoencoder"
    _options = {"exclude_labelled_anomalies": "ae_exclude_labelled_anomalies", **_OF_NETWORK, **_training("ae_"), **_OF_PHASES}

    def __init__(self, *, network: str | None = None, rep_dim: int | None = None, init: Start = None, n_epochs: int = 100,
                 lr: float = 0.001, lr_milestone: Sequence[int] = (), batch_size: int = 128, weight_decay: float = 1e-6,
                 exclude_labelled_anomalies: bool = True, patience: int = 0, validation_share: float = 0.1,
                 scaling: str = "auto", contamination: float = 0.1, sample_shape: Sequence[int] | None = None,
                 random_state: RandomState = None, n_jobs: int | None = None, progress: ProgressCallback = None):
        self._keep(locals())


@_documented(
    """
    log_variance : "bounded" or "softplus"; kl: "closed-form" or "single-sample"
    n_score_codes : codes drawn for a row's score, with the same noise for every row; 0 = its mean code
    exclude_labelled_anomalies : leave rows labelled -1 out of the training""",
    _NETWORK, _COMMON,
)
class VAE(_Detector):
    """A variational autoencoder: the negative evidence lower bound of a row (docs/methods/deep-generative.md)."""

    _method = "vae"
    _options = {"exclude_labelled_anomalies": "vae_exclude_labelled_anomalies", "n_score_codes": "score_samples",
                **_same("log_variance", "kl"), **_OF_NETWORK, **_training("vae_"), **_OF_PHASES}

    def __init__(self, *, network: str | None = None, rep_dim: int | None = None, init: Start = None, n_epochs: int = 100,
                 lr: float = 0.001, lr_milestone: Sequence[int] = (), batch_size: int = 128, weight_decay: float = 1e-6,
                 log_variance: str = "bounded", kl: str = "closed-form", n_score_codes: int = 0,
                 exclude_labelled_anomalies: bool = True, patience: int = 0, validation_share: float = 0.1,
                 scaling: str = "auto", contamination: float = 0.1, sample_shape: Sequence[int] | None = None,
                 random_state: RandomState = None, n_jobs: int | None = None, progress: ProgressCallback = None):
        self._keep(locals())


class _NeedsLabels:
    """Estimators that learn what is anomalous from labels alone: without any they are refused."""

    # Checks of scikit-learn that train without labels, or with none of +1 and -1.
    _checks_without_labels: tuple[str, ...] = ("check_outliers_fit_predict", "check_outliers_train")

    def _more_tags(self):
        reason = f"{type(self).__name__} needs labelled rows, which this check does not give"
        return {"requires_y": True, "_xfail_checks": {check: reason for check in self._checks_without_labels}}

    def _check_labels(self, y: ArrayLike | None) -> None:
        if y is None:
            raise InvalidArgument(
                f"{type(self).__name__} requires y to be passed, but the target y is None; label rows +1 (normal) or -1 "
                "(anomalous), 0 being unlabelled"
            )


@_documented(
    """
    alpha : weight of the classification term; None: 0.1 x unlabelled rows / labelled rows
    dgm_weights : "means" weighs the labelled and the unlabelled rows of a batch as two wholes, "counts" every row the same
    log_variance : "bounded" or "softplus"; kl: "closed-form" or "single-sample\"""",
    _NETWORK, _COMMON,
)
class M2(_NeedsLabels, _Detector):
    """The deep generative model M2 (Kingma et al., NeurIPS 2014): the probability of the anomalous class. Needs labelled
    rows; with labels of one kind only it finds the other one poorly."""

    _method = "dgm_m2"
    _options = {"alpha": "dgm_alpha", **_same("dgm_weights", "log_variance", "kl"), **_OF_NETWORK, **_training(), **_OF_PHASES}

    def __init__(self, *, network: str | None = None, rep_dim: int | None = None, init: Start = None, n_epochs: int = 50,
                 lr: float = 0.001, lr_milestone: Sequence[int] = (), batch_size: int = 128, weight_decay: float = 1e-6,
                 alpha: float | None = None, dgm_weights: str = "means", log_variance: str = "bounded",
                 kl: str = "closed-form", patience: int = 0, validation_share: float = 0.1, scaling: str = "auto",
                 contamination: float = 0.1, sample_shape: Sequence[int] | None = None, random_state: RandomState = None,
                 n_jobs: int | None = None, progress: ProgressCallback = None):
        self._keep(locals())


@_documented(
    """
    vae_n_epochs, vae_lr, vae_lr_milestone, vae_batch_size, vae_weight_decay : training of the VAE (M1)
    alpha : weight of the classification term; None: 0.1 x unlabelled rows / labelled rows
    dgm_weights : "means" weighs the labelled and the unlabelled rows of a batch as two wholes, "counts" every row the same
    log_variance : "bounded" or "softplus"; kl: "closed-form" or "single-sample\"""",
    _NETWORK, _COMMON,
)
class M1M2(_NeedsLabels, _Detector):
    """M2 on the code of a VAE (M1+M2), the SS-DGM of Ruff et al. 2020. Needs labelled rows."""

    _method = "dgm_m1m2"
    _options = {"alpha": "dgm_alpha", **_same("dgm_weights", "log_variance", "kl"), **_OF_NETWORK, **_training(),
                **{"vae_" + name: "vae_" + name for name in _training()}, **_OF_PHASES}

    def __init__(self, *, network: str | None = None, rep_dim: int | None = None, init: Start = None, n_epochs: int = 50,
                 lr: float = 0.001, lr_milestone: Sequence[int] = (), batch_size: int = 128, weight_decay: float = 1e-6,
                 vae_n_epochs: int = 100, vae_lr: float = 0.001, vae_lr_milestone: Sequence[int] = (),
                 vae_batch_size: int = 128, vae_weight_decay: float = 1e-6, alpha: float | None = None,
                 dgm_weights: str = "means", log_variance: str = "bounded", kl: str = "closed-form", patience: int = 0,
                 validation_share: float = 0.1, scaling: str = "auto", contamination: float = 0.1,
                 sample_shape: Sequence[int] | None = None, random_state: RandomState = None, n_jobs: int | None = None,
                 progress: ProgressCallback = None):
        self._keep(locals())


@_documented(
    """
    class_weights : "balanced" gives the rows labelled -1 as a whole the weight of all others, "none" every row the same;
        "auto": balanced on tables, none on images""",
    _NETWORK, _COMMON,
)
class Classifier(_NeedsLabels, _Detector):
    """The supervised classifier of Ruff et al. 2020: rows labelled -1 against all others (docs/methods/classifier.md).
    Needs rows labelled -1."""

    _method = "classifier"
    # Hardly any check labels a row -1.
    _checks_without_labels = (
        "check_classifier_data_not_an_array", "check_dict_unchanged", "check_dont_overwrite_parameters", "check_dtype_object",
        "check_estimators_dtypes", "check_estimators_fit_returns_self", "check_estimators_nan_inf",
        "check_estimators_overwrite_params", "check_estimators_pickle", "check_fit2d_1feature", "check_fit2d_predict1d",
        "check_fit_check_is_fitted", "check_fit_idempotent", "check_fit_score_takes_y",
        "check_methods_sample_order_invariance", "check_methods_subset_invariance", "check_n_features_in",
        "check_outliers_fit_predict", "check_outliers_train", "check_pipeline_consistency",
    )
    _options = {**_same("class_weights"), **_OF_NETWORK, **_training(), **_OF_PHASES}

    def __init__(self, *, network: str | None = None, rep_dim: int | None = None, init: Start = None, n_epochs: int = 50,
                 lr: float = 0.001, lr_milestone: Sequence[int] = (), batch_size: int = 128, weight_decay: float = 1e-6,
                 class_weights: str = "auto", patience: int = 0, validation_share: float = 0.1, scaling: str = "auto",
                 contamination: float = 0.1, sample_shape: Sequence[int] | None = None, random_state: RandomState = None,
                 n_jobs: int | None = None, progress: ProgressCallback = None):
        self._keep(locals())


@_documented(
    """
    kernel : "rbf" (auto), "linear" or "poly"
    gamma : width of the kernel: a number, "scale", "median", or "grid" (chosen inside the training rows)
    nu : bounds the share of rows outside, in (0, 1); nu_grid: choose it, too
    solver_tolerance : largest violation of optimality
    exclude_labelled_anomalies : leave rows labelled -1 out of the training""",
    _HYBRID, _COMMON,
)
class OCSVM(_Detector):
    """The one-class support vector machine (Schoelkopf et al. 2001; docs/methods/oc_svm.md)."""

    _method = "oc_svm"
    _options = {**_same("kernel", "nu", "nu_grid", "solver_tolerance", "exclude_labelled_anomalies", "hybrid", "scaling"),
                "gamma": "gamma"}
    _hybrid_options = _OF_HYBRID

    def __init__(self, *, kernel: str = "auto", gamma: float | str = "grid", nu: float = 0.1, nu_grid: bool = False,
                 solver_tolerance: float = 1e-6, exclude_labelled_anomalies: bool = True, hybrid: bool = False,
                 network: str | None = None, rep_dim: int | None = None, ae_n_epochs: int = 100, ae_lr: float = 0.001,
                 ae_batch_size: int = 128, scaling: str = "auto", contamination: float = 0.1,
                 sample_shape: Sequence[int] | None = None, random_state: RandomState = None, n_jobs: int | None = None,
                 progress: ProgressCallback = None):
        self._keep(locals())


@_documented(
    """
    kernel : "rbf" (auto) or "linear"
    gamma : width of the kernel: a number, "scale", "median", or "grid" (chosen inside the training rows)
    kappa : weight of the margin of labelled rows
    c_normal, c_unlabelled, c_anomaly : bounds of the weights of rows by label
    solver_tolerance : largest violation of optimality""",
    _HYBRID, _COMMON,
)
class SSAD(_Detector):
    """Semi-supervised anomaly detection with kernels (Goernitz et al., JAIR 2013; docs/methods/ssad.md)."""

    _method = "ssad"
    _options = _same("kernel", "gamma", "kappa", "c_normal", "c_unlabelled", "c_anomaly", "solver_tolerance", "hybrid",
                     "scaling")
    _hybrid_options = _OF_HYBRID

    def __init__(self, *, kernel: str = "auto", gamma: float | str = "grid", kappa: float = 1.0, c_normal: float = 1.0,
                 c_unlabelled: float = 1.0, c_anomaly: float = 1.0, solver_tolerance: float = 1e-6, hybrid: bool = False,
                 network: str | None = None, rep_dim: int | None = None, ae_n_epochs: int = 100, ae_lr: float = 0.001,
                 ae_batch_size: int = 128, scaling: str = "auto", contamination: float = 0.1,
                 sample_shape: Sequence[int] | None = None, random_state: RandomState = None, n_jobs: int | None = None,
                 progress: ProgressCallback = None):
        self._keep(locals())


@_documented(
    """
    kernel : "gaussian" (auto), "tophat", "epanechnikov", "exponential", "linear" or "cosine"
    bandwidth : a number; None: chosen by cross-validated likelihood
    exclude_labelled_anomalies : leave rows labelled -1 out of the training""",
    _HYBRID, _COMMON,
)
class KDE(_Detector):
    """Kernel density estimation: the negative log density of a row (docs/methods/kde.md)."""

    _method = "kde"
    _options = _same("kernel", "bandwidth", "exclude_labelled_anomalies", "hybrid", "scaling")
    _hybrid_options = _OF_HYBRID

    def __init__(self, *, kernel: str = "auto", bandwidth: float | None = None, exclude_labelled_anomalies: bool = True,
                 hybrid: bool = False, network: str | None = None, rep_dim: int | None = None, ae_n_epochs: int = 100,
                 ae_lr: float = 0.001, ae_batch_size: int = 128, scaling: str = "auto", contamination: float = 0.1,
                 sample_shape: Sequence[int] | None = None, random_state: RandomState = None, n_jobs: int | None = None,
                 progress: ProgressCallback = None):
        self._keep(locals())

    def _train_options(self) -> dict[str, Any]:
        return {**super()._train_options(), "grid_search_cv": self.bandwidth is None}


@_documented(
    """
    n_estimators : trees
    max_samples : rows that a tree is grown on
    exclude_labelled_anomalies : leave rows labelled -1 out of the training""",
    _HYBRID, _COMMON,
)
class IsolationForest(_Detector):
    """The isolation forest (Liu et al., ICDM 2008; docs/methods/isolation_forest.md)."""

    _method = "isolation_forest"
    _options = _same("n_estimators", "max_samples", "contamination", "exclude_labelled_anomalies", "hybrid", "scaling")
    _hybrid_options = _OF_HYBRID

    def __init__(self, *, n_estimators: int = 100, max_samples: int = 256, exclude_labelled_anomalies: bool = True,
                 hybrid: bool = False, network: str | None = None, rep_dim: int | None = None, ae_n_epochs: int = 100,
                 ae_lr: float = 0.001, ae_batch_size: int = 128, scaling: str = "auto", contamination: float = 0.1,
                 sample_shape: Sequence[int] | None = None, random_state: RandomState = None, n_jobs: int | None = None,
                 progress: ProgressCallback = None):
        self._keep(locals())
