"""Write the versions of everything that is installed here to constraints.txt.

    python tools/lock.py

Run it in an environment with the extras dev and docs in which all tests pass.  ``make
venv`` then installs these versions and no others, also of what the extras need.
"""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

FILE = Path(__file__).resolve().parents[1] / "constraints.txt"
HEAD = """\
# Every version that development uses: what passes today passes tomorrow.
# Written by tools/lock.py; pyproject.toml says what is wanted, and why is in
# docs/dependencies.md.  Users are not bound by it.
"""
# Part of every environment, or of this repository.
NOT_LOCKED = ("nervure", "pip")


def main() -> None:
    """Write the file."""
    found = {
        re.sub(r"[-_.]+", "-", one.metadata["Name"]).lower(): one.version
        for one in metadata.distributions()
    }
    # A build of its own ("2.13.0+cpu") is one of the release that it was made of.
    lines = [
        f"{name}=={version.partition('+')[0]}"
        for name, version in sorted(found.items())
        if name not in NOT_LOCKED
    ]
    FILE.write_text(HEAD + "\n".join(lines) + "\n")
    print(f"{FILE.name}: {len(lines)} versions")


if __name__ == "__main__":
    main()
