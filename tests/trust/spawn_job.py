"""Predicts in spawned processes and compares: see ``test_concurrency``."""

from __future__ import annotations

import multiprocessing
import sys

from tests.trust.test_concurrency import LIMIT, predicted

if __name__ == "__main__":
    if sys.argv[1] == "1":
        predicted(5)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        found = pool.map_async(predicted, [3, 3, 4]).get(LIMIT)
    assert found[0] == found[1] != found[2]
    assert predicted(3) == found[0]
    print("right")
