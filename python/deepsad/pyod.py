"""The detectors with PyOD's conventions: larger scores are more anomalous, 1 is an anomaly and 0 is none."""
from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import erf
from sklearn.base import BaseEstimator, clone
from sklearn.utils.validation import check_is_fitted, column_or_1d

from ._core import InvalidArgument
from .estimators import DeepSAD, _Detector


class PyODDetector(BaseEstimator):
    """Any estimator of this package behind the interface of PyOD's BaseDetector.

    Parameters
    ----------
    estimator : one of this package's estimators, which is cloned, not changed; None: DeepSAD()
    contamination : share of the training rows that count as anomalous, in (0, 0.5]; the estimator's own has no say
    zeros : what the label 0 says of a row in fit(): "unlabelled" or "normal"

    Attributes
    ----------
    decision_scores_ : scores of the training rows, larger = more anomalous
    threshold_ : the (1 - contamination)-quantile of these
    labels_ : 1 for training rows above the threshold, else 0
    estimator_ : the fitted estimator; estimator_.model_ is the model
    """

    def __init__(self, estimator: _Detector | None = None, *, contamination: float = 0.1, zeros: str = "unlabelled"):
        self.estimator = estimator
        self.contamination = contamination
        self.zeros = zeros

    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> PyODDetector:
        """Trains on the rows of X. y: 1 for a known anomaly, 0 for other rows (see zeros); None: nothing is known."""
        if self.zeros not in ("unlabelled", "normal"):
            raise InvalidArgument(f'zeros: got {self.zeros!r}, wanted "unlabelled" or "normal"')
        semi = None
        if y is not None:
            y = column_or_1d(np.asarray(y))
            if not np.isin(y, (0, 1)).all():
                raise InvalidArgument("y: wanted 1 for a known anomaly and 0 for every other row")
            semi = np.where(y == 1, -1, 1 if self.zeros == "normal" else 0)
        estimator = DeepSAD() if self.estimator is None else clone(self.estimator)
        self.estimator_ = estimator.set_params(contamination=self.contamination)
        self.decision_scores_ = -self.estimator_._fit_scores(X, semi)
        self.n_features_in_ = self.estimator_.n_features_in_
        self.threshold_ = -self.estimator_.offset_
        self.labels_ = (self.decision_scores_ > self.threshold_).astype(int)
        self._mu = float(np.mean(self.decision_scores_))
        self._sigma = float(np.std(self.decision_scores_))
        return self

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Anomaly scores, larger = more anomalous: the very numbers of `deepsad score`."""
        check_is_fitted(self, "estimator_")
        return -self.estimator_.score_samples(X)

    def predict(self, X: ArrayLike) -> NDArray[np.int64]:
        """1 for anomalous rows, 0 for others."""
        scores = self.decision_function(X)
        return (scores > self.threshold_).astype(int)

    def fit_predict(self, X: ArrayLike, y: ArrayLike | None = None) -> NDArray[np.int64]:
        """fit(X, y), then labels_."""
        return self.fit(X, y).labels_

    def predict_proba(self, X: ArrayLike, method: str = "linear") -> NDArray[np.float64]:
        """Columns: how normal, how anomalous, from 0 to 1; they are scaled scores, not calibrated probabilities.

        method : "linear" maps the training scores' range to [0, 1]; "unify" is Kriegel et al. 2011.
        """
        scores = self.decision_function(X)
        if method == "linear":
            low, high = self.decision_scores_.min(), self.decision_scores_.max()
            anomalous = (scores - low) / (high - low if high > low else 1.0)
        elif method == "unify":
            anomalous = erf((scores - self._mu) / ((self._sigma or 1.0) * np.sqrt(2)))
        else:
            raise InvalidArgument(f'method: got {method!r}, wanted "linear" or "unify"')
        anomalous = np.clip(anomalous, 0, 1)
        return np.column_stack([1 - anomalous, anomalous])
