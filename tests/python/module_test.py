"""deepsad._core: models, training, errors, threads, signals."""
import gc
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import unittest
from pathlib import Path

import numpy as np

import deepsad

PROGRAM = os.environ["DEEPSAD_PROGRAM"]
QUICK = {"n_epochs": 2, "ae_n_epochs": 2, "vae_n_epochs": 2, "seed": 3, "num_threads": 1}


def rows(n=120, d=4, seed=0):
    # Eighths: float32 holds them exactly.
    return np.random.default_rng(seed).integers(0, 200, size=(n, d)) / 8


def labels(n=120):
    y = np.zeros(n, dtype=int)
    y[:8] = [1, -1] * 4
    return y


def fitted(method="isolation_forest", x=None, **options):
    x = rows() if x is None else x
    return deepsad.fit({"method": method, **QUICK, **options}, x, labels(len(x)))


class Scores(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.path = Path(self.folder.name)

    def program_scores(self, model_path, x):
        np.save(self.path / "rows.npy", x)
        text = subprocess.run([PROGRAM, "score", model_path, self.path / "rows.npy"], check=True, capture_output=True,
                              text=True).stdout.splitlines()
        column = text[0].split(",").index("score")
        return np.array([np.float32(line.split(",")[column]) for line in text[1:]])

    def test_few_epochs_are_the_default_when_training_goes_on(self):
        x = rows()
        old = fitted("deep_svdd", x).model
        options = {"method": "deep_svdd", "seed": 3, "num_threads": 1}
        self.assertEqual(deepsad.fit(options, x, init=old).options["n_epochs"], 10)
        self.assertEqual(deepsad.fit({**options, "n_epochs": 2}, x, init=old).options["n_epochs"], 2)
        with self.assertRaisesRegex(deepsad.InvalidArgument, "method kde has no weights to go on from"):
            deepsad.fit({**options, "method": "kde"}, x, init=old)

    def test_every_method_gives_the_programs_bits(self):
        x = rows(seed=1)
        for method in ("deep_sad", "deep_svdd", "autoencoder", "vae", "dgm_m2", "dgm_m1m2", "classifier", "oc_svm", "ssad",
                       "kde", "isolation_forest"):
            with self.subTest(method):
                model = fitted(method).model
                file = self.path / f"{method}.safetensors"
                model.save(str(file))
                scores = model.score(x)
                self.assertEqual(scores.dtype, np.float32)
                np.testing.assert_array_equal(scores, self.program_scores(file, x))
                np.testing.assert_array_equal(scores, deepsad.load(file).score(x, n_jobs=2))

    def test_a_model_that_the_program_trained(self):
        subprocess.run([PROGRAM, "train", "toy2d", "--n-epochs", "3", "--ae-n-epochs", "3", "--seed", "2", "--out",
                        self.path / "run"], check=True, capture_output=True)
        file = self.path / "run" / "model.safetensors"
        x = np.random.default_rng(4).normal(size=(500, 2))
        np.testing.assert_array_equal(deepsad.load(file).score(x), self.program_scores(file, x))

    def test_layouts_and_types_are_read_where_they_lie(self):
        model = fitted().model
        x = rows()
        expected = model.score(x)
        wide = np.zeros((240, 9))
        wide[::2, 3:7] = x
        for same in (x.astype(np.float32), wide[::2, 3:7], wide[:, 3:7][::2]):
            np.testing.assert_array_equal(model.score(same), expected)
        readonly = x.copy()
        readonly.flags.writeable = False
        np.testing.assert_array_equal(model.score(readonly), expected)
        bytes_ = np.random.default_rng(5).integers(0, 256, size=(30, 4)).astype(np.uint8)
        np.testing.assert_array_equal(model.score(bytes_), model.score(bytes_.astype(float)))
        for other in (np.asfortranarray(x), x[:, ::-1], x[::-1], x.astype(np.int64), x[0]):
            with self.assertRaisesRegex(deepsad.InvalidArgument, r"numpy\.ascontiguousarray\(X, dtype=float\)"):
                model.score(other)

    def test_no_copy_is_made(self):
        model = fitted().model
        x = np.zeros((400_000, 4))
        before = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        gc.collect()
        peak_before = peak_bytes()
        model.score(x)
        # The scores are 1.6 MB, the rows 12.8.
        self.assertLess(peak_bytes() - max(peak_before, before), 10e6)

    def test_images(self):
        x = np.random.default_rng(6).integers(0, 256, size=(40, 1, 8, 8)).astype(np.uint8)
        model = deepsad.fit({"method": "deep_svdd", **QUICK}, x, sample_shape=(1, 8, 8)).model
        self.assertEqual(model.sample_shape, (1, 8, 8))
        self.assertEqual(model.n_features, 64)
        np.testing.assert_array_equal(model.score(x), model.score(x.reshape(40, 64)))

    def test_pickle_goes_through_the_model_file(self):
        model = fitted("deep_sad").model
        again = pickle.loads(pickle.dumps(model))
        self.assertEqual(again.to_bytes(), model.to_bytes())
        np.testing.assert_array_equal(again.score(rows()), model.score(rows()))
        self.assertEqual(deepsad.Model.from_bytes(model.to_bytes()).to_bytes(), model.to_bytes())

    def test_many_threads_score_at_once(self):
        model = fitted("deep_sad").model
        x = rows(n=2000, seed=7)
        expected = model.score(x)
        results = [None] * 6

        def work(i):
            results[i] = model.score(x, n_jobs=1 + i % 2)

        threads = [threading.Thread(target=work, args=(i,)) for i in range(len(results))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for result in results:
            np.testing.assert_array_equal(result, expected)


def peak_bytes():
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmHWM")


class Training(unittest.TestCase):
    def test_progress_comes_in_the_callers_thread(self):
        seen, threads, messages = [], set(), []

        def on_progress(progress):
            seen.append((progress.phase, progress.done, progress.total))
            threads.add(threading.get_ident())
            self.assertTrue(np.isfinite(progress.loss))

        fit = deepsad.fit({"method": "deep_sad", **QUICK}, rows(), labels(), on_progress=on_progress,
                          on_message=lambda level, text: messages.append((level, text)))
        self.assertEqual([s for s in seen if s[0] == "training"][-1], ("training", 2, 2))
        self.assertEqual(threads, {threading.get_ident()})
        self.assertTrue(any(level == "info" and "centre" in text for level, text in messages))
        self.assertEqual([phase["name"] for phase in fit.phases], ["pretraining", "training"])
        self.assertEqual(len(fit.phases[1]["losses"]), 2)
        self.assertEqual(fit.options["seed"], 3)
        self.assertEqual(fit.options["method"], "deep_sad")

    def test_the_same_seed_gives_the_same_model_at_any_number_of_threads(self):
        one = fitted("deep_sad").model
        two = fitted("deep_sad", num_threads=2).model
        x = rows(seed=9)
        np.testing.assert_array_equal(one.score(x), two.score(x))
        self.assertFalse(np.array_equal(one.score(x), fitted("deep_sad", seed=4).model.score(x)))

    def test_what_a_callback_raises_ends_the_training(self):
        calls = []

        def on_progress(progress):
            calls.append(progress)
            raise RuntimeError("enough")

        with self.assertRaisesRegex(RuntimeError, "enough"):
            deepsad.fit({"method": "deep_sad", **QUICK, "n_epochs": 1_000_000}, rows(), labels(), on_progress=on_progress)
        self.assertEqual(len(calls), 1)

    def test_ctrl_c_ends_the_training(self):
        for method in ("deep_sad", "vae"):
            with self.subTest(method):
                started = threading.Event()

                def interrupt():
                    if started.wait(60):
                        os.kill(os.getpid(), signal.SIGINT)

                killer = threading.Thread(target=interrupt)
                killer.start()
                with self.assertRaises(KeyboardInterrupt):
                    deepsad.fit({"method": method, **QUICK, "n_epochs": 1_000_000, "vae_n_epochs": 1_000_000}, rows(),
                                labels(), on_progress=lambda progress: started.set())
                killer.join()

    def test_other_threads_run_meanwhile(self):
        counted, stop = [0], threading.Event()

        def count():
            while not stop.is_set():
                counted[0] += 1

        counter = threading.Thread(target=count)
        counter.start()
        self.addCleanup(counter.join)
        self.addCleanup(stop.set)
        # With the GIL held the counter could not move between two epochs.
        at_epoch = []
        deepsad.fit({"method": "deep_sad", **QUICK, "n_epochs": 200}, rows(n=2000), labels(2000),
                    on_progress=lambda progress: at_epoch.append(counted[0]))
        self.assertGreater(at_epoch[-1], at_epoch[0])


class Errors(unittest.TestCase):
    def test_each_is_the_nearest_python_exception_with_the_librarys_text(self):
        x = rows()
        model = fitted().model
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "model.safetensors"
            with self.assertRaisesRegex(OSError, str(file)) as raised:
                deepsad.load(file)
            self.assertIsInstance(raised.exception, deepsad.IoError)
            model.save(str(file))
            with self.assertRaisesRegex(deepsad.IoError, "exists"):
                model.save(str(file))
            file.write_bytes(file.read_bytes()[:-1])
            with self.assertRaises(ValueError) as raised:
                deepsad.load(str(file))
            self.assertIsInstance(raised.exception, deepsad.ModelError)
            # The very text of the program.
            program = subprocess.run([PROGRAM, "inspect", file], capture_output=True, text=True)
            self.assertEqual(program.returncode, 4)
            self.assertIn(str(raised.exception), program.stderr)
        x[7, 2] = np.nan
        with self.assertRaisesRegex(ValueError, r"X: row 7, feature 2 .*: found nan") as raised:
            model.score(x)
        self.assertIsInstance(raised.exception, deepsad.DataError)
        far = np.zeros((20000, 4))  # scored in several parts, whose rows keep their numbers
        far[17000, 3] = np.inf
        with self.assertRaisesRegex(deepsad.DataError, r"X: row 17000, feature 3 .*: found inf"):
            model.score(far)
        with self.assertRaisesRegex(deepsad.DataError, "3 features but the model was trained on 4"):
            model.score(np.zeros((2, 3)))
        for error in (deepsad.InvalidArgument, deepsad.DataError, deepsad.ModelError, deepsad.NumericError, deepsad.IoError):
            self.assertTrue(issubclass(error, deepsad.Error))

    def test_options(self):
        for options, text in (
            ({"lr": -1.0}, "option lr: got -1, wanted a number > 0"),
            ({"n_epochs": 2.5}, "option n_epochs"),
            ({"learning": 1}, 'unknown option "learning"'),
            ({"eta": "much"}, "option eta"),
            ({"lr_milestone": [1.5]}, "option lr_milestone: got \\[1.5\\], wanted whole numbers"),
            ({"eta": object()}, "option eta: got <object"),
        ):
            with self.subTest(options), self.assertRaisesRegex(deepsad.InvalidArgument, text):
                deepsad.fit({"method": "deep_sad", **options}, rows())

    def test_labels(self):
        with self.assertRaisesRegex(deepsad.InvalidArgument, "y: row 3 is labelled 2.0, wanted"):
            deepsad.fit({"method": "kde"}, rows(), [0, 1, -1, 2] + [0] * 116)
        with self.assertRaisesRegex(deepsad.InvalidArgument, "2 labels for 120 rows"):
            deepsad.fit({"method": "kde"}, rows(), [0, 1])
        with self.assertRaisesRegex(deepsad.InvalidArgument, "one label a row"):
            deepsad.fit({"method": "kde"}, rows(), "normal")
        with self.assertRaisesRegex(deepsad.InvalidArgument, "no row is labelled"):
            deepsad.fit({"method": "dgm_m2"}, rows())
        with self.assertRaisesRegex(deepsad.InvalidArgument, "label rows -1"):
            deepsad.fit({"method": "classifier"}, rows())

    def test_decisions_without_calibration(self):
        model = fitted().model
        self.assertIsNone(model.threshold)
        self.assertFalse(model.is_calibrated)
        with self.assertRaisesRegex(deepsad.InvalidArgument, "no threshold"):
            model.is_anomalous([1.0])
        with self.assertRaisesRegex(deepsad.InvalidArgument, "no calibration scores"):
            model.p_values([1.0])
        with self.assertRaisesRegex(deepsad.InvalidArgument, "n_jobs: got 0"):
            model.score(rows(), n_jobs=0)


class Import(unittest.TestCase):
    def test_models_need_no_scikit_learn(self):
        code = "import sys; sys.modules['sklearn'] = None; import deepsad; deepsad.Model; print(deepsad.__version__)"
        result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        self.assertRegex(result.stdout, r"^\d+\.\d+\.\d+$")


if __name__ == "__main__":
    unittest.main(verbosity=2)
