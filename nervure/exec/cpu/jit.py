"""From LLVM text to machine code in this process, with a cache of object files."""

from __future__ import annotations

import ctypes
import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import llvmlite
import llvmlite.binding as llvm
from llvmlite.binding import ffi
from llvmlite.binding.context import create_context
from llvmlite.binding.module import ModuleRef

from nervure.config import config, thread_count
from nervure.exec.cpu.cache import ObjectCache
from nervure.exec.cpu.forking import compiling
from nervure.exec.cpu.target import Target

# How hard the code generator tries, 0 to 3.
_LEVEL: Final = 1
# The debug level from which the text of every module is printed.
_SHOW_FROM: Final = 4


class Code:
    """Loaded machine code; it is freed when the object is dropped."""

    def __init__(self, object_files: Sequence[bytes], target: Target) -> None:
        machine = _machine(target)
        self._engine: Any = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
        for one in object_files:
            self._engine.add_object_file(llvm.ObjectFileRef.from_data(one))
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
        cpu=target.cpu, features=target.features, opt=_LEVEL, jit=True
    )


def define_symbol(name: str, function: Any) -> None:
    """Let native code call a C function by name."""
    address = ctypes.cast(function, ctypes.c_void_p).value
    llvm.add_symbol(name, address)


def cache_key(text: str, target: Target) -> str:
    """Return the digest of all that an object file depends on."""
    version = ".".join(map(str, llvm.llvm_version_info))
    parts = (
        f"llvmlite {llvmlite.__version__} LLVM {version} level {_LEVEL}",
        llvm.get_process_triple(),
        target.key,
        text,
    )
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def compile_modules(texts: Sequence[str], target: Target) -> Code:
    """Compile modules that call each other, and load them.

    What the cache does not have is compiled by several threads.  At debug level 4 the
    texts are printed.
    """
    if config.debug >= _SHOW_FROM:
        for text in texts:
            print(f"nervure: LLVM\n{text}")
    cache = ObjectCache.default()
    keys = [cache_key(text, target) for text in texts]
    known = [cache.load(key) for key in keys]
    missing = [place for place, one in enumerate(known) if one is None]

    def compile_one(place: int) -> None:
        made = known[place] = object_file(texts[place], target)
        cache.store(keys[place], made)

    threads = min(len(missing), thread_count())
    if threads > 1:
        with ThreadPoolExecutor(threads) as executor:
            list(executor.map(compile_one, missing))
    else:
        for place in missing:
            compile_one(place)
    return Code([one for one in known if one is not None], target)


def object_file(text: str, target: Target) -> bytes:
    """Compile a module."""
    with compiling():
        return _object_file(text, target)


def _object_file(text: str, target: Target) -> bytes:
    """Compile a module, in a context of its own.

    Nothing of earlier ones piles up there, and no other thread uses it: that is what
    LLVM asks of threads that work at the same time (its Programmer's Manual, "Threads
    and LLVM").  The code generator, too, is this call's own.
    """
    text_bytes = ctypes.c_char_p(text.encode())
    context = create_context()
    with ffi.OutputString() as message:
        pointer = _unlocked("LLVMPY_ParseAssembly")(context, text_bytes, message)
        module = ModuleRef(pointer, context)
        if message:
            raise RuntimeError(f"the text is not correct: {message}")
    machine = _machine(target)
    with ffi.OutputString() as message:
        emit = _unlocked("LLVMPY_TargetMachineEmitToMemory")
        buffer = emit(machine, module, 1, message)
        if not buffer:
            raise RuntimeError(f"the code generator failed: {message}")
    try:
        size = ffi.lib.LLVMPY_GetBufferSize(buffer)
        return ctypes.string_at(ffi.lib.LLVMPY_GetBufferStart(buffer), size)
    finally:
        ffi.lib.LLVMPY_DisposeMemoryBuffer(buffer)


def _unlocked(name: str) -> Any:
    """Return a function of LLVM without llvmlite's lock around it, if we can.

    Only for functions that touch nothing but the context and the generator they get.
    """
    locked = getattr(ffi.lib, name)
    return getattr(locked, "_cfn", locked)
