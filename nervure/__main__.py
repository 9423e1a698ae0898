"""``python -m nervure`` is the command ``nervure``."""

import sys

from nervure.cli import main

if __name__ == "__main__":
    sys.exit(main())
