"""Clusters three groups of points and noise; prints versions and labels as JSON.

The same file runs on the computer that tests and on the machines: what it prints
must be equal, because stored assignments move between appliances.
"""

import json

import hdbscan
import numpy as np
import scipy
import sklearn

# Points from integers, so that every machine has the same bits to begin with.
STATE = 20261121


def points() -> np.ndarray:
    """60 points in 8 dimensions: three dense groups of 18, and 6 far away."""
    state, values = STATE, []
    for _ in range(60 * 8):
        state = (state * 1103515245 + 12345) % 2**31
        values.append(state / 2**31)
    made = np.array(values).reshape(60, 8)
    for group in range(3):
        made[group * 18 : (group + 1) * 18] = made[group * 18 : (group + 1) * 18] * 0.1 + group
    made[54:] = made[54:] * 40 - 20
    return made


labels = hdbscan.HDBSCAN(min_cluster_size=3).fit_predict(points())
versions = {m.__name__: m.__version__ for m in (np, scipy, sklearn)}
print(json.dumps({"versions": versions, "labels": [int(label) for label in labels]}))  # noqa: T201
