"""The scikit-learn estimators: scikit-learn's own checks, signs, labels, bits."""
import inspect
import pickle
import subprocess
import sys
import tempfile
import unittest
import warnings
from pathlib import Path
from unittest import mock

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import NotFittedError, SkipTestWarning
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import check_estimator

import deepsad
from deepsad import estimators

# Every estimator with settings under which scikit-learn's fifty checks take seconds.
EPOCHS = {"n_epochs": 2}
ALL = {
    "DeepSAD": {**EPOCHS, "ae_n_epochs": 2},
    "DeepSVDD": {**EPOCHS, "ae_n_epochs": 2},
    "Autoencoder": EPOCHS,
    "VAE": EPOCHS,
    "M2": EPOCHS,
    "M1M2": {**EPOCHS, "vae_n_epochs": 2},
    "Classifier": EPOCHS,
    "OCSVM": {},
    "SSAD": {},
    "KDE": {},
    "IsolationForest": {"n_estimators": 20},
}
NEED_LABELS = ("M2", "M1M2", "Classifier")


def quick(name, **parameters):
    return getattr(deepsad, name)(**{**ALL[name], "random_state": 1, **parameters})


def data(n=200, n_anomalies=20, d=4, seed=0):
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, d))
    x[:n_anomalies] += 4
    y = np.zeros(n, dtype=int)
    y[: n_anomalies // 2] = -1
    y[n_anomalies : n_anomalies + 10] = 1
    return x, y


class Labelled:
    """Gives rows labels of its own, where a check gives labels or expects none to be needed."""

    _checks_without_labels = ()

    def _fit_scores(self, X, y):
        if y is not None or getattr(X, "shape", np.shape(np.asarray(X)))[0] > 50:
            y = np.arange(getattr(X, "shape", np.shape(np.asarray(X)))[0]) % 3 - 1
        return super()._fit_scores(X, y)


class LabelledM2(Labelled, deepsad.M2):
    pass


class LabelledM1M2(Labelled, deepsad.M1M2):
    pass


class LabelledClassifier(Labelled, deepsad.Classifier):
    pass


class Checks(unittest.TestCase):
    def test_all_estimators_are_here(self):
        found = {name for name, value in vars(estimators).items()
                 if inspect.isclass(value) and issubclass(value, estimators._Detector) and not name.startswith("_")}
        self.assertEqual(found, set(ALL))
        for name in ALL:
            self.assertIn(name, deepsad.__all__)

    def test_check_estimator(self):
        for name in ALL:
            with self.subTest(name), warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("ignore")
                warnings.simplefilter("always", SkipTestWarning)
                check_estimator(quick(name))
                skipped = [str(w.message) for w in caught if w.category is SkipTestWarning]
                if name in NEED_LABELS:
                    self.assertTrue(all("needs labelled rows" in text for text in skipped), skipped)
                else:
                    self.assertEqual(skipped, [])

    def test_check_estimator_where_labels_are_needed(self):
        # All checks, none left out, on the same estimators with labels of the test's own.
        for name, labelled in (("M2", LabelledM2), ("M1M2", LabelledM1M2), ("Classifier", LabelledClassifier)):
            with self.subTest(name), warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("ignore")
                warnings.simplefilter("always", SkipTestWarning)
                check_estimator(labelled(**ALL[name], random_state=1))
                self.assertEqual([str(w.message) for w in caught if w.category is SkipTestWarning], [])

    def test_every_parameter_is_kept_documented_and_reaches_the_library(self):
        from deepsad._core import fit

        for name in ALL:
            with self.subTest(name):
                estimator = quick(name)
                for parameter in estimator.get_params():
                    self.assertIn(parameter, type(estimator).__doc__)
                unused = (set(estimator.get_params()) - set(type(estimator)._options) - set(type(estimator)._hybrid_options)
                          - {"contamination", "sample_shape", "random_state", "n_jobs", "progress", "bandwidth", "init"})
                self.assertEqual(unused, set())
                x, y = data(60)
                options = fit(estimator._train_options(), x, y).options
                self.assertEqual(options["seed"], 1)

    def test_defaults_are_the_programs(self):
        x, y = data(60)
        for name in ALL:
            with self.subTest(name):
                cls = getattr(deepsad, name)
                ours = cls(random_state=1)._train_options()
                # No epochs: only the resolved options count.
                none = {k: 0 for k in ("n_epochs", "ae_n_epochs", "vae_n_epochs")}
                base = {"method": cls._method, "seed": 1, "num_threads": 1}
                wanted = deepsad.fit({**base, **none}, x, y).options
                got = deepsad.fit({**ours, **none}, x, y).options
                self.assertEqual(got, wanted)
                for key in none:
                    if key in ours:
                        option = getattr(cls(), next(p for p, o in cls._options.items() if o == key))
                        self.assertEqual(ours[key], option)


class Estimators(unittest.TestCase):
    def test_signs_scores_and_the_model(self):
        x, y = data()
        for name in ALL:
            with self.subTest(name), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                longer = {key: 40 for key in ALL[name] if key.endswith("n_epochs")}
                estimator = quick(name, contamination=0.1, **longer).fit(x, y)
                scores = estimator.score_samples(x)
                np.testing.assert_array_equal(-scores, estimator.model_.score(x).astype(float))
                np.testing.assert_array_equal(estimator.decision_function(x), scores - estimator.offset_)
                predicted = estimator.predict(x)
                self.assertEqual(set(np.unique(predicted)), {-1, 1})
                np.testing.assert_array_equal(predicted == -1, estimator.model_.is_anomalous(estimator.model_.score(x)))
                self.assertEqual(np.count_nonzero(predicted == -1), 20)
                self.assertGreater(scores[20:].mean(), scores[:20].mean(), "normal rows must score higher")
                self.assertEqual(estimator.n_features_in_, 4)

    def test_labels_count(self):
        x, y = data()
        flipped = np.where(np.abs(y) == 1, -y, 0)
        one = quick("DeepSAD", n_epochs=20).fit(x, y).score_samples(x)
        other = quick("DeepSAD", n_epochs=20).fit(x, flipped).score_samples(x)
        self.assertFalse(np.array_equal(one, other))
        np.testing.assert_array_equal(quick("DeepSAD").fit(x).score_samples(x),
                                      quick("DeepSAD").fit(x, np.zeros(len(x))).score_samples(x))
        np.testing.assert_array_equal(quick("DeepSAD").fit_predict(x, y), quick("DeepSAD").fit(x, y).predict(x))

    def test_training_rows_are_scored_once(self):
        x, y = data()
        for estimator in (quick("IsolationForest"), deepsad.PyODDetector(quick("IsolationForest"))):
            known = y if isinstance(estimator, deepsad.IsolationForest) else y == -1
            calls = []
            score = estimators.Model.score
            with mock.patch.object(estimators.Model, "score", lambda *a, **k: calls.append(1) or score(*a, **k)):
                estimator.fit_predict(x, known)
            self.assertEqual(len(calls), 1)

    def test_other_labels_are_named(self):
        x, y = data()
        y[5] = 7
        with self.assertWarnsRegex(deepsad.LabelWarning, "1 rows .* the first is row 5 with 7; they count as unlabelled"):
            quick("IsolationForest").fit(x, y)
        with self.assertRaisesRegex(ValueError, "y: Unknown label type"):
            quick("IsolationForest").fit(x, np.where(y == 0, "a", "b"))
        with self.assertRaisesRegex(ValueError, "3 labels, but X has 200"):
            quick("IsolationForest").fit(x, [0, 1, -1])
        for name in NEED_LABELS:
            with self.assertRaisesRegex(deepsad.InvalidArgument, f"{name} requires y to be passed.*label rows"):
                quick(name).fit(x)
        with self.assertRaisesRegex(deepsad.InvalidArgument, "label rows -1"):
            quick("Classifier").fit(x, np.ones(len(x)))

    def test_wrong_parameters_are_named(self):
        x, y = data()
        for name, parameters, text in (
            ("DeepSAD", {"eta": -1.0}, "option eta: got -1, wanted a number > 0"),
            ("DeepSAD", {"contamination": 0.6}, "contamination: got 0.6"),
            ("OCSVM", {"kernel": "cosine"}, "option kernel"),
            ("DeepSAD", {"network": "no_net"}, "no_net"),
            ("DeepSAD", {"sample_shape": (1, 8, 8)}, "1x8x8"),
        ):
            with self.subTest(parameters), self.assertRaisesRegex(ValueError, text):
                quick(name, **parameters).fit(x, y)
        with self.assertRaises(NotFittedError):
            quick("DeepSAD").save("nowhere")

    def test_findings_are_warnings(self):
        x = np.zeros((30, 3))
        x[0, 0] = 1e-30
        with self.assertWarns(deepsad.TrainingWarning):
            fitted = quick("DeepSAD", n_epochs=0, ae_n_epochs=0).fit(x)
        self.assertTrue(fitted.findings_)

    def test_hybrids_images_and_random_states(self):
        x, y = data()
        hybrid = quick("KDE", hybrid=True, ae_n_epochs=2).fit(x, y)
        self.assertEqual([phase["name"] for phase in hybrid.phases_], ["pretraining"])
        images = np.random.default_rng(1).integers(0, 256, size=(40, 64)).astype(np.uint8)
        self.assertEqual(quick("DeepSVDD", sample_shape=(1, 8, 8)).fit(images).model_.sample_shape, (1, 8, 8))
        state = np.random.RandomState(5)
        first = quick("DeepSAD", random_state=state).fit(x, y)
        second = quick("DeepSAD", random_state=state).fit(x, y)
        self.assertNotEqual(first.options_["seed"], second.options_["seed"])
        np.testing.assert_array_equal(quick("DeepSAD", n_jobs=2).fit(x, y).score_samples(x),
                                      quick("DeepSAD", n_jobs=-1).fit(x, y).score_samples(x))

    def test_with_other_tools(self):
        import pandas

        x, y = data()
        frame = pandas.DataFrame(x, columns=list("abcd"))
        estimator = quick("IsolationForest").fit(frame, y)
        self.assertEqual(estimator.model_.feature_names, list("abcd"))
        again = pickle.loads(pickle.dumps(estimator))
        np.testing.assert_array_equal(again.predict(frame), estimator.predict(frame))
        pipeline = make_pipeline(FunctionTransformer(np.abs), clone(estimator)).fit(x, y)
        self.assertEqual(pipeline.predict(x).shape, (200,))
        is_normal = np.r_[np.zeros(20), np.ones(180)]
        auc = cross_val_score(quick("IsolationForest"), x, is_normal, cv=StratifiedKFold(3), scoring="roc_auc",
                              error_score="raise")
        self.assertGreater(auc.mean(), 0.9)

    def test_going_on_from_a_model(self):
        x, y = data()
        for name in ("DeepSAD", "DeepSVDD", "Autoencoder", "VAE", "M2", "M1M2", "Classifier"):
            with self.subTest(name), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                old = quick(name).fit(x, y)
                before = old.model_.to_bytes()
                # No epochs: the old weights, behind the old scaling, whatever the new rows.
                none = {key: 0 for key in ALL[name] if key.endswith("n_epochs")}
                same = quick(name, init=old, **none).fit(x[5:] * 2, y[5:])
                np.testing.assert_array_equal(same.score_samples(x), old.score_samples(x))
                self.assertTrue(all(phase["name"] != "pretraining" for phase in same.phases_))
                on = quick(name, init=old.model_).fit(x, y)
                self.assertFalse(np.array_equal(on.score_samples(x), old.score_samples(x)))
                with tempfile.TemporaryDirectory() as folder:
                    path = Path(folder) / "old.safetensors"
                    old.save(path)
                    from_file = clone(quick(name, init=path)).fit(x, y)
                np.testing.assert_array_equal(from_file.score_samples(x), on.score_samples(x))
                self.assertEqual(old.model_.to_bytes(), before)

    def test_what_cannot_be_gone_on_from_is_refused(self):
        x, y = data()
        old = quick("DeepSAD").fit(x, y)
        for parameters, rows, text in (
            ({"rep_dim": 3}, x, "option init: the model has the network"),
            ({"scaling": "robust"}, x, "scaling is robust; leave it out"),
            ({}, x[:, :3], "takes samples of 4, but X has 3"),
        ):
            with self.subTest(text), self.assertRaisesRegex(deepsad.InvalidArgument, text):
                quick("DeepSAD", init=old, **parameters).fit(rows, y)
        with self.assertRaisesRegex(deepsad.InvalidArgument, "is a model of method deep_sad"):
            quick("DeepSVDD", init=old).fit(x, y)
        with self.assertRaisesRegex(NotFittedError, "give its model_"):
            quick("DeepSAD", init=clone(old)).fit(x, y)
        with self.assertRaises(OSError):
            quick("DeepSAD", init="nowhere").fit(x, y)

    def test_labels_that_are_forgotten_are_a_finding(self):
        x, y = data()
        old = quick("DeepSAD", n_epochs=40).fit(x, y)
        with self.assertWarnsRegex(deepsad.TrainingWarning, "labels_forgotten: the 10 rows that the old model knew to be anom"):
            quick("DeepSAD", init=old, n_epochs=60, lr=0.01).fit(x)

    def test_save_and_load(self):
        x, y = data()
        estimator = quick("SSAD").fit(x, y)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.safetensors"
            estimator.save(path)
            model = deepsad.load(path)
        np.testing.assert_array_equal(model.score(x), estimator.model_.score(x))
        self.assertEqual(model.threshold, -estimator.offset_)


class Example(unittest.TestCase):
    def test_runs(self):
        import os

        script = Path(os.environ["DEEPSAD_EXAMPLES"]) / "detectors.py"
        result = subprocess.run([sys.executable, script, "--quick"], capture_output=True, text=True)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("AUC", result.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
