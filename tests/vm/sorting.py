"""Sorts random numbers of many lengths; prints how many of the orders are wrong.

numpy sorts by vector instructions where the processor says that it has them, so a
processor that QEMU imitates wrongly shows here first, and clusters follow from it.
"""

import numpy as np

draw = np.random.default_rng(20261121)
wrong = 0
for _ in range(500):
    values = draw.random(int(draw.integers(1, 400)))
    order = np.argsort(values)
    permutation = np.array_equal(np.sort(order, kind="stable"), np.arange(len(values)))
    wrong += not (permutation and (np.diff(values[order]) >= 0).all())
print(wrong)  # noqa: T201
