"""One thread for linear algebra.

OpenBLAS divides a product among all processors and lets its threads spin while they wait. The
products here are small: on one thread they are faster, and where other programs run beside it, by
a factor of ten. And sums do not depend on how many processors a computer has.
"""

from __future__ import annotations

from functools import cache


@cache
def one_thread() -> None:
    """Make it so for this process; numpy is loaded by it. Once is enough."""
    import numpy  # noqa: F401, PLC0415 (its library must be there to be told)
    from threadpoolctl import threadpool_limits  # noqa: PLC0415 (most programs never multiply)

    threadpool_limits(1, user_api="blas")
