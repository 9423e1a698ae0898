"""The cpu executor: a compiler from graphs to native code, in pure Python."""

from nervure.errors import MachineError, explain

try:
    import llvmlite.binding  # noqa: F401
except (ImportError, OSError) as error:
    raise MachineError(
        explain(
            f"the cpu executor needs llvmlite, which cannot be loaded: {error}",
            fix="install it again (pip install --force-reinstall llvmlite), or choose "
            "the reference executor with NERVURE_EXECUTOR=reference",
        )
    ) from error

from nervure.exec.cpu.executor import CpuExecutor

__all__ = ["CpuExecutor"]
