# %% [markdown]
# # Semi-supervised anomaly detection with deepsad
#
# Run it as a script, or cell by cell in an editor that knows `# %%`. `--quick` trains for a few epochs only.

# %%
import sys
import tempfile
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

import deepsad

EPOCHS = 5 if "--quick" in sys.argv else 50

# %% [markdown]
# ## Data
#
# Normal rows lie on a ring. Anomalies come in two kinds: some inside the ring, some outside. An expert has marked ten of the
# first kind; nobody has marked any of the second.

# %%
random = np.random.default_rng(0)


def ring(n, radius):
    angle = random.uniform(0, 2 * np.pi, n)
    return radius * np.column_stack([np.cos(angle), np.sin(angle)]) + random.normal(scale=0.1, size=(n, 2))


X = np.vstack([ring(1000, 1.0), ring(10, 0.3)])
y = np.r_[np.zeros(1000), -np.ones(10)]  # 0: unlabelled, -1: known anomaly, +1: known normal

X_test = np.vstack([ring(300, 1.0), ring(50, 0.3), ring(50, 1.7)])
is_anomaly = np.r_[np.zeros(300), np.ones(100)]

# %% [markdown]
# ## Training
#
# Every detector is a scikit-learn estimator: larger scores are more normal. What training notices arrives as a warning.

# %%
detectors = {
    "Deep SAD": deepsad.DeepSAD(n_epochs=EPOCHS, ae_n_epochs=EPOCHS, random_state=1),
    "SSAD": deepsad.SSAD(random_state=1),
    "isolation forest": deepsad.IsolationForest(random_state=1),
}
for name, detector in detectors.items():
    detector.fit(X, y)
    auc = roc_auc_score(is_anomaly, -detector.score_samples(X_test))
    found = np.mean(detector.predict(X_test)[is_anomaly == 1] == -1)
    print(f"{name:18} AUC {auc:.3f}, {found:.0%} of the anomalies found")

# %% [markdown]
# ## A long training can be watched and stopped
#
# Ctrl-C ends it after the current step; so does an exception from the callback.


# %%
def show(progress):
    if progress.done % 10 == 0 or progress.done == progress.total:
        print(f"{progress.phase}: epoch {progress.done} of {progress.total}, loss {progress.loss:.4f}")


deepsad.DeepSVDD(n_epochs=EPOCHS, ae_n_epochs=EPOCHS, random_state=1, progress=show).fit(X)

# %% [markdown]
# ## Models outlive the session
#
# The model file is what `deepsad score`, the C interface and `deepsad.load` read; the scores are the same to the last bit.
# A model's own scores are larger for what is more anomalous.

# %%
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "model.safetensors"
    detectors["Deep SAD"].save(path)
    model = deepsad.load(path)
scores = model.score(X_test)
assert np.array_equal(scores, -detectors["Deep SAD"].score_samples(X_test))
print(f"{model}: threshold {model.threshold:.4f}, {model.is_anomalous(scores).sum()} rows above it")

# %% [markdown]
# ## PyOD's conventions
#
# There 1 means anomaly, and larger scores are more anomalous.

# %%
adapter = deepsad.PyODDetector(deepsad.IsolationForest(random_state=1), contamination=0.05)
adapter.fit(X, (y == -1).astype(int))
print(f"PyOD: threshold {adapter.threshold_:.4f}, {adapter.labels_.sum()} training rows above it")
