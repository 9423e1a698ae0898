"""Compile elementwise functions for a machine and call them on NumPy arrays."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import llvmlite.binding as llvm
import numpy as np

from nervure.exec.cpu import mathlib
from nervure.exec.cpu.llvm import FunctionBuilder, Value, constant, vector_type

llvm.initialize_native_target()
llvm.initialize_native_asmprinter()

ELEMENTS = {"float": np.float32, "double": np.float64}


@dataclass(frozen=True)
class Machine:
    """What to compile for."""

    name: str
    cpu: str
    features: str
    fma: bool
    avx512: bool = False

    def __str__(self) -> str:
        return self.name


def _machines() -> dict[str, Machine]:
    """Return the machines whose code runs here, the best first."""
    cpu = llvm.get_host_cpu_name()
    features: Any = llvm.get_host_cpu_features()
    flat = features.flatten()
    has_fma = bool(features.get("fma") or features.get("neon"))
    has_avx512 = all(features.get(f"avx512{part}") for part in ("f", "bw", "dq", "vl"))
    found = [Machine("host", cpu, flat, has_fma, has_avx512)]
    if has_avx512:
        found.append(Machine("host-generic", cpu, flat, True))
    found.append(Machine("host-no-fma", cpu, flat, False))
    if features.get("avx2") and features.get("fma"):
        found.append(Machine("avx2", "x86-64-v3", "+avx2,+fma,+f16c", True))
    if features.get("sse2"):
        found.append(Machine("baseline", "x86-64", "", False))
    return {machine.name: machine for machine in found}


MACHINES = _machines()


def target_machine(machine: Machine) -> Any:
    """Return LLVM's code generator, with the settings of the cpu executor."""
    target = llvm.Target.from_triple(llvm.get_process_triple())
    return target.create_target_machine(
        cpu=machine.cpu, features=machine.features, opt=1, jit=True
    )


def kernel_text(
    body: Callable[[FunctionBuilder, list[Value]], Value],
    element: str,
    operands: int,
    lanes: int,
    machine: Machine,
) -> str:
    """Return a module whose function ``kernel`` applies ``body`` to whole arrays."""
    parameters = [("ptr", f"p{place}") for place in range(operands + 1)]
    b = FunctionBuilder("kernel", [*parameters, ("i64", "n")])
    b.fma, b.avx512 = machine.fma, machine.avx512
    type_ = vector_type(element, lanes)
    align = ELEMENTS[element]().itemsize
    *pointers, output, n = b.parameters
    with b.loop(constant(0, "i64"), n, lanes) as loop:
        places = [b.address(pointer, element, loop.index) for pointer in pointers]
        values = [b.load(type_, place, align) for place in places]
        result = body(b, values)
        b.store(result, b.address(output, element, loop.index), align)
    return "\n".join([*b.declarations, b.text()])


class Compiled:
    """A compiled kernel; call it with arrays of equal size."""

    def __init__(self, text: str, element: str, operands: int, lanes: int, m: Machine):
        module = llvm.parse_assembly(text)
        module.verify()
        generator = target_machine(m)
        self.assembly = generator.emit_assembly(module)
        self._engine = llvm.create_mcjit_compiler(module, generator)
        self._engine.finalize_object()
        address = self._engine.get_function_address("kernel")
        signature = [ctypes.c_void_p] * (operands + 1) + [ctypes.c_int64]
        self._function = ctypes.CFUNCTYPE(None, *signature)(address)
        self._lanes = lanes
        self._dtype = ELEMENTS[element]

    def __call__(self, *arrays: Any) -> Any:
        """Apply the kernel, padded to whole vectors."""
        given = [np.asarray(one, self._dtype).ravel() for one in arrays]
        size = given[0].size
        padded = -(-size // self._lanes) * self._lanes
        if padded != size:
            given = [np.concatenate([x, x[-1:].repeat(padded - size)]) for x in given]
        given = [np.ascontiguousarray(one) for one in given]
        result = np.empty(padded, self._dtype)
        self.run(*given, result)
        return result[:size]

    def run(self, *arrays: Any) -> None:
        """Apply the kernel to whole vectors, the last array being the result."""
        pointers = [one.ctypes.data for one in arrays]
        self._function(*pointers, arrays[-1].size)


@functools.cache
def compiled(name: str, element: str, lanes: int, machine: str) -> Compiled:
    """Return a function of :mod:`mathlib` compiled for a machine."""
    function = getattr(mathlib, name)
    operands = 2 if name in ("pow", "atan2", "rem") else 1
    chosen = MACHINES[machine]
    text = kernel_text(
        lambda b, values: function(b, *values), element, operands, lanes, chosen
    )
    return Compiled(text, element, operands, lanes, chosen)
