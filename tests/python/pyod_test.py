"""The adapter with PyOD's conventions: 1 = anomaly, larger = more anomalous."""
import pickle
import unittest

import numpy as np
from sklearn.base import clone

import deepsad


def data():
    random = np.random.default_rng(0)
    x = random.normal(size=(200, 4))
    x[:20] += 4
    known = np.zeros(200, dtype=int)
    known[:10] = 1
    return x, known


class PyOD(unittest.TestCase):
    def setUp(self):
        self.x, self.known = data()
        self.forest = deepsad.IsolationForest(n_estimators=20, random_state=1)

    def test_attributes_of_the_convention(self):
        detector = deepsad.PyODDetector(self.forest, contamination=0.1).fit(self.x)
        np.testing.assert_array_equal(detector.decision_scores_, detector.estimator_.model_.score(self.x).astype(float))
        self.assertEqual(detector.labels_.sum(), 20)
        np.testing.assert_array_equal(detector.labels_, detector.decision_scores_ > detector.threshold_)
        np.testing.assert_array_equal(detector.predict(self.x), detector.labels_)
        np.testing.assert_array_equal(detector.predict(self.x) == 1, detector.estimator_.predict(self.x) == -1)
        self.assertGreater(detector.labels_[:20].mean(), 0.8)
        for method in ("linear", "unify"):
            proba = detector.predict_proba(self.x, method=method)
            np.testing.assert_allclose(proba.sum(axis=1), 1)
            self.assertTrue(((proba >= 0) & (proba <= 1)).all())
            self.assertGreater(proba[:20, 1].mean(), proba[20:, 1].mean())
        # Neither class has the other's signs.
        self.assertFalse(hasattr(detector, "score_samples") or hasattr(detector, "offset_"))
        self.assertFalse(hasattr(detector.estimator_, "decision_scores_"))

    def test_labels_are_turned_round(self):
        classifier = deepsad.Classifier(n_epochs=20, random_state=1)
        detector = deepsad.PyODDetector(classifier).fit(self.x, self.known)
        direct = clone(classifier).fit(self.x, -self.known)
        np.testing.assert_array_equal(detector.decision_function(self.x), -direct.score_samples(self.x))
        normal = deepsad.PyODDetector(deepsad.SSAD(random_state=1), zeros="normal").fit(self.x, self.known)
        direct = deepsad.SSAD(random_state=1).fit(self.x, np.where(self.known == 1, -1, 1))
        np.testing.assert_array_equal(normal.decision_function(self.x), -direct.score_samples(self.x))

    def test_refuses_other_labels(self):
        with self.assertRaisesRegex(deepsad.InvalidArgument, "1 for a known anomaly"):
            deepsad.PyODDetector(self.forest).fit(self.x, self.known - 1)
        with self.assertRaisesRegex(deepsad.InvalidArgument, "zeros: got 'maybe'"):
            deepsad.PyODDetector(self.forest, zeros="maybe").fit(self.x)
        with self.assertRaisesRegex(deepsad.InvalidArgument, "method: got 'x'"):
            deepsad.PyODDetector(self.forest).fit(self.x).predict_proba(self.x, method="x")

    def test_pickles_and_clones(self):
        detector = deepsad.PyODDetector(self.forest).fit(self.x)
        again = pickle.loads(pickle.dumps(detector))
        np.testing.assert_array_equal(again.decision_function(self.x), detector.decision_scores_)
        np.testing.assert_array_equal(clone(detector).fit_predict(self.x), detector.labels_)


if __name__ == "__main__":
    unittest.main(verbosity=2)
