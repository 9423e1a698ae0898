"""The machine to compile for: its CPU's name, features and vector width.

The features are chosen when the program runs.  ``NERVURE_CPU_LEVEL`` (for tests) forces
a lower level than the machine has: ``baseline``, ``avx2`` or ``avx512``.
"""

from __future__ import annotations

import functools
import os
import platform
from dataclasses import dataclass, replace
from typing import Any

import llvmlite.binding as llvm

from nervure.config import config
from nervure.errors import SettingError, explain


@dataclass(frozen=True)
class Target:
    """What the code generators need to know about the machine.

    Attributes
    ----------
    level
        ``avx512``, ``avx2``, ``neon`` or ``baseline``.
    cpu, features
        As LLVM names them.
    vector_bytes
        The width of a vector register.
    registers
        The number of vector registers.
    fma
        Whether there is a fused multiply-add.
    half
        Whether there are conversions from and to float16.
    bfloat16
        Whether there are dot products of pairs of bfloat16 numbers.
    check
        Whether code checks every address before it uses it; see ``checks/``.
    """

    level: str
    cpu: str
    features: str
    vector_bytes: int
    registers: int
    fma: bool
    half: bool
    bfloat16: bool
    check: bool = False

    @property
    def lanes(self) -> int:
        """The number of 4-byte elements in a vector."""
        return self.vector_bytes // 4

    @property
    def key(self) -> str:
        """What distinguishes compiled code for this target in a cache."""
        return f"{self.cpu}|{self.features}" + ("|check" if self.check else "")


def _levels(features: dict[str, bool]) -> list[str]:
    """Return the levels this machine has, best first."""
    levels = ["baseline"]
    if features.get("neon"):
        levels.insert(0, "neon")
    if features.get("avx2") and features.get("fma"):
        levels.insert(0, "avx2")
        if all(features.get(f"avx512{part}") for part in ("f", "bw", "dq", "vl")):
            levels.insert(0, "avx512")
    return levels


@functools.cache
def _host() -> tuple[str, dict[str, bool], str]:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    try:
        features: Any = llvm.get_host_cpu_features()
    except RuntimeError:  # LLVM does not know this CPU; the lowest level runs on it
        return "generic", {}, ""
    return llvm.get_host_cpu_name(), dict(features), features.flatten()


def target() -> Target:
    """Return the target to compile for now."""
    return _target(os.environ.get("NERVURE_CPU_LEVEL", ""), config.check)


@functools.cache
def _target(wanted: str, check: bool) -> Target:
    machine = _machine(wanted)
    return replace(machine, check=True) if check else machine


def _machine(wanted: str) -> Target:
    cpu, features, flat = _host()
    levels = _levels(features)
    level = wanted or levels[0]
    if level not in levels:
        raise SettingError(
            explain(
                f"NERVURE_CPU_LEVEL={wanted!r}: this machine has {', '.join(levels)}",
                fix="choose one of these, or leave the variable unset for the best",
            )
        )
    if level == "avx512":
        bfloat16 = bool(features.get("avx512bf16"))
        return Target(level, cpu, flat, 64, 32, True, True, bfloat16)
    if level == "avx2":
        return Target(level, "x86-64-v3", "+avx2,+fma,+f16c", 32, 16, True, True, False)
    if level == "neon":
        return Target(level, cpu, flat, 16, 32, True, True, False)
    generic = "x86-64" if platform.machine() in ("x86_64", "AMD64") else "generic"
    return Target(level, generic, "", 16, 16, False, False, False)
