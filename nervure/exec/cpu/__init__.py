"""The cpu executor: a compiler from graphs to native code, in pure Python."""

from nervure.exec.cpu.executor import CpuExecutor

__all__ = ["CpuExecutor"]
