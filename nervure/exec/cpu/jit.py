"""From LLVM text to machine code in this process, with a cache of object files."""

from __future__ import annotations

import ctypes
import functools
import hashlib
from typing import Any

import llvmlite.binding as llvm

from nervure.exec.cpu.cache import ObjectCache
from nervure.exec.cpu.target import Target


class Code:
    """Loaded machine code; it is freed when the object is dropped."""

    def __init__(self, object_file: bytes, target: Target) -> None:
        machine = _machine(target)
        self._engine: Any = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
        self._engine.add_object_file(llvm.ObjectFileRef.from_data(object_file))
        self._engine.finalize_object()

    def address(self, name: str) -> int:
        """Return where a function begins."""
        address = int(self._engine.get_function_address(name))
        if not address:
            raise KeyError(name)
        return address


def _machine(target: Target) -> Any:
    """Return LLVM's code generator for a target; an engine takes it over."""
    triple = llvm.Target.from_triple(llvm.get_process_triple())
    return triple.create_target_machine(
        cpu=target.cpu, features=target.features, opt=1, jit=True
    )


@functools.cache
def _generator(target: Target) -> Any:
    return _machine(target)


def define_symbol(name: str, function: Any) -> None:
    """Let native code call a C function by name."""
    address = ctypes.cast(function, ctypes.c_void_p).value
    llvm.add_symbol(name, address)


def object_file(text: str, target: Target) -> bytes:
    """Compile text to an object file, or take it from the cache."""
    key = hashlib.sha256(f"{target.key}\n{text}".encode()).hexdigest()
    cache = ObjectCache.default()
    known = cache.load(key)
    if known is not None:
        return known
    module = llvm.parse_assembly(text)
    made: bytes = _generator(target).emit_object(module)
    cache.store(key, made)
    return made


def compile_text(text: str, target: Target) -> Code:
    """Compile a module and load it."""
    return Code(object_file(text, target), target)
