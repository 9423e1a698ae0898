"""The executors: each turns a graph into something that can be called."""

from nervure.exec.base import (
    Executor,
    Program,
    StepProgram,
    choose_executor,
    executor_named,
    executors,
)

__all__ = [
    "Executor",
    "Program",
    "StepProgram",
    "choose_executor",
    "executor_named",
    "executors",
]
