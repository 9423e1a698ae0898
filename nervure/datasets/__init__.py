"""Data sets for examples, tests and lessons.

| module | content | where it comes from |
|---|---|---|
| ``mnist`` | 70,000 handwritten digits, 28x28 | shipped inside the package |
| ``digits`` | 1,797 handwritten digits, 8x8 | shipped inside the package |
| ``fashion_mnist`` | 70,000 pictures of clothes, 28x28 | this machine, or a download |
| ``idx`` | reads and writes any file in the IDX format | |

>>> from nervure.datasets import digits
>>> x, y = digits.load_data()
>>> x.shape, y.shape
((1797, 8, 8), (1797,))
"""

from nervure.datasets import digits, fashion_mnist, idx, mnist

__all__ = ["digits", "fashion_mnist", "idx", "mnist"]
