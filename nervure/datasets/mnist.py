"""MNIST: 70,000 handwritten digits, shipped inside the package.

Made by Yann LeCun and Corinna Cortes from NIST's special databases 1 and 3; licence
Creative Commons Attribution-ShareAlike 3.0 (CC BY-SA 3.0).  Source:
http://yann.lecun.com/exdb/mnist/.  Y. LeCun, L. Bottou, Y. Bengio, P. Haffner,
"Gradient-based learning applied to document recognition", Proceedings of the IEEE,
86(11), 1998.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nervure.datasets.packed import PackedDataset

_PACKED = PackedDataset(
    name="mnist",
    shapes=((60000, 28, 28), (60000,), (10000, 28, 28), (10000,)),
    sha256="06b0d1f124c4e5fa796686ade41a9b778edacc8622f2195a352ef479ad44fc16",
    cached=True,
)

Part = tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]


def load_data() -> tuple[Part, Part]:
    """Load MNIST; no network is needed.

    The first call unpacks the data (about 0.7 s) and keeps them in the user's cache
    folder (``nervure.config.cache_directory``, 55 MB); later calls read that file in
    less than 0.1 s.  The content is the same in either case: both are checked against
    one SHA-256.

    Returns
    -------
    (x_train, y_train), (x_test, y_test)
        ``x_train`` is ``uint8[60000, 28, 28]`` and ``x_test`` ``uint8[10000, 28, 28]``:
        the ink of each pixel from 0 (paper) to 255.  ``y_train``, ``uint8[60000]``, and
        ``y_test``, ``uint8[10000]``, are the digits, 0 to 9.  The arrays belong to the
        caller, who may write to them.

    Raises
    ------
    FileFormatError
        The file inside the installed package is damaged.

    Notes
    -----
    The data are by Yann LeCun and Corinna Cortes, licence CC BY-SA 3.0: whoever passes
    them on names the authors and keeps the licence.

    Examples
    --------
    >>> from nervure.datasets import mnist
    >>> (x_train, y_train), (x_test, y_test) = mnist.load_data()
    >>> x_train.shape, x_test.shape
    ((60000, 28, 28), (10000, 28, 28))
    >>> y_train[:5].tolist()
    [5, 0, 4, 1, 9]
    """
    x_train, y_train, x_test, y_test = _PACKED.load()
    return (x_train, y_train), (x_test, y_test)
