"""Ask pip-audit for known holes in everything that is installed here.

    python tools/audit.py

pip-audit by itself passes what it could not look up: without the advisories of PyPI
it says "No known vulnerabilities found" and ends with 0.  Here that is a failure.  The
end status is 0 where all was looked up and nothing is known, 1 where something is
known, 2 where something could not be looked up.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

# What is looked at is the working copy, which no advisory is about.
OURS = "nervure"


def installed() -> list[str]:
    """Return what is installed, as exact requirements.

    A build of its own ("2.13.0+cpu") is looked up as the release that it was made of.
    """
    found = {
        one.metadata["Name"].lower(): one.version.partition("+")[0]
        for one in metadata.distributions()
    }
    return sorted(f"{name}=={version}" for name, version in found.items()
                  if name != OURS)  # fmt: skip


def ask(requirements: Iterable[str]) -> tuple[list[dict[str, Any]], str]:
    """Return what pip-audit found for each, and what it said."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "requirements.txt"
        file.write_text("\n".join(requirements) + "\n")
        options = ["--progress-spinner", "off", "--format", "json"]
        options += ["--disable-pip", "--no-deps", "--requirement", str(file)]
        done = subprocess.run(
            [sys.executable, "-m", "pip_audit", *options],
            capture_output=True,
            text=True,
            check=False,
        )
    try:
        return json.loads(done.stdout)["dependencies"], done.stderr
    except (ValueError, KeyError, TypeError):
        return [], done.stderr


def judge(
    requirements: list[str], found: list[dict[str, Any]], said: str
) -> tuple[int, list[str]]:
    """Return the end status and the lines to print."""
    holes = [
        f"{one['name']} {one['version']}: {hole['id']}, mended in "
        f"{', '.join(hole['fix_versions']) or 'no version'}"
        for one in found
        for hole in one.get("vulns", [])
    ]
    seen = {_plain(one["name"]) for one in found if "vulns" in one}
    names = [one.partition("==")[0] for one in requirements]
    unseen = [name for name in names if _plain(name) not in seen]
    if not unseen:
        return int(bool(holes)), holes or [
            f"audit: {len(names)} packages, no known holes"
        ]
    reasons = [one["skip_reason"] for one in found if "skip_reason" in one]
    reasons = reasons or said.strip().splitlines()[-1:]
    more = ", ..." if len(unseen) > 5 else ""
    return 1 if holes else 2, [
        *holes,
        f"audit: {len(unseen)} of {len(names)} packages could not be looked up: "
        f"{', '.join(unseen[:5])}{more}",
        *(f"audit: pip-audit says: {one}" for one in reasons[:1]),
        "audit: nothing is known about these; run it where pypi.org answers",
    ]


def _plain(name: str) -> str:
    """Return a name as PyPI compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    _wanted = installed()
    _status, _lines = judge(_wanted, *ask(_wanted))
    print("\n".join(_lines), file=sys.stderr if _status else sys.stdout)
    sys.exit(_status)
