"""The 1,797 small handwritten digits that scikit-learn's examples use.

The test part of "Optical Recognition of Handwritten Digits" by E. Alpaydin and
C. Kaynak, UCI Machine Learning Repository, 1998, https://doi.org/10.24432/C50P49;
licence Creative Commons Attribution 4.0 (CC BY 4.0).  Taken from scikit-learn's
``load_digits``.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nervure.datasets.packed import PackedDataset

_PACKED = PackedDataset(
    name="digits",
    shapes=((1797, 8, 8), (1797,)),
    sha256="87ff0c9e40dc7e2c0e34e7257799c2e3f3aec1a016363bb11cad869ec428a826",
)


def load_data() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Load the digits; neither a network nor scikit-learn is needed.

    Returns
    -------
    x, y
        ``x`` is ``uint8[1797, 8, 8]``: each pixel counts the inked dots, 0 to 16, in a
        4x4 block of the 32x32 original.  ``y``, ``uint8[1797]``, are the digits, 0 to
        9.  Order and values are those of ``sklearn.datasets.load_digits``; there is no
        division into training and test part.  The arrays belong to the caller.

    Raises
    ------
    FileFormatError
        The file inside the installed package is damaged.

    Notes
    -----
    The data are by E. Alpaydin and C. Kaynak, licence CC BY 4.0.

    Examples
    --------
    >>> from nervure.datasets import digits
    >>> x, y = digits.load_data()
    >>> x.shape, int(x.max()), y[:4].tolist()
    ((1797, 8, 8), 16, [0, 1, 2, 3])
    """
    x, y = _PACKED.load()
    return x, y
