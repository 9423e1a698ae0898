"""Nervure's products and convolutions: graphs of one node, on the default executor.

It also measures how many multiply-adds the machine can do: its peak.
"""

from __future__ import annotations

import ctypes
import math
import os
import threading
import time
from collections.abc import Callable

from llvmlite import binding as llvm

from benchmarks import machine
from benchmarks.kernel_shapes import Kernel, Product
from benchmarks.peers.kernel_server import Call, serve_kernels
from benchmarks.peers.server import Answer, NDArray
from nervure import dtypes
from nervure.exec import choose_executor
from nervure.ir.graph import Graph
from nervure.prims.contract import dot
from nervure.prims.convolution import conv, conv_input_grad, conv_kernel_grad
from nervure.prims.leaf import input_leaf


def make(
    kernel: Kernel, left: NDArray, right: NDArray
) -> tuple[Call, Callable[[], NDArray]]:
    """Return the calls for a kernel."""
    x, y = (input_leaf(one.shape, dtypes.float32) for one in (left, right))
    if isinstance(kernel, Product):
        inner = (0 if kernel.form[0] == "T" else 1, 1 if kernel.form[1] == "T" else 0)
        output = dot(x, y, contract=((inner[0],), (inner[1],)))
    else:
        pads = ((kernel.padding,) * 2,) * 2
        steps = (kernel.stride,) * 2, pads, (1, 1), 1
        output = {
            "output": lambda: conv(x, y, *steps),
            "input": lambda: conv_input_grad(x, y, kernel.images[1:3], *steps),
            "kernel": lambda: conv_kernel_grad(x, y, kernel.kernel[:2], *steps),
        }[kernel.of]()
    graph = Graph([output], [x, y])
    program = choose_executor(graph).compile(graph)
    return (lambda: program([left, right])), (lambda: program([left, right])[0])


# --- the peak -----------------------------------------------------------------------

# Enough independent sums to hide the latency of a multiply-add.
_SUMS = 12
_ROUNDS = 20_000_000


def peak() -> Answer:
    """Return the most multiply-adds a second, counted twice, in float32."""
    lanes = 16 if "avx512f" in machine.features() else 8
    threads = int(os.environ["NERVURE_NUM_THREADS"])
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=llvm.get_host_cpu_features().flatten(),
        opt=1,
    )
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(_source(lanes)), target)
    engine.finalize_object()
    function = ctypes.CFUNCTYPE(ctypes.c_float, ctypes.c_int64, ctypes.c_float)(
        engine.get_function_address("peak")
    )
    best = math.inf
    for _ in range(5):
        workers = [
            threading.Thread(target=function, args=(_ROUNDS, 0.5))
            for _ in range(threads)
        ]
        start = time.perf_counter()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        best = min(best, time.perf_counter() - start)
    return {"operations": 2 * lanes * _SUMS * _ROUNDS * threads / best}


def _source(lanes: int) -> str:
    """Return LLVM code for a loop of independent multiply-adds in registers."""
    vector, numbers = f"<{lanes} x float>", range(_SUMS)
    starts = (
        f"%s{n} = phi {vector} [splat (float {n}.0), %entry], [%t{n}, %loop]"
        for n in numbers
    )
    fused = f"call {vector} @llvm.fma.v{lanes}f32({vector} %s{{0}}, {vector} %f, "
    steps = (f"%t{n} = {fused.format(n)}{vector} %f)" for n in numbers)
    totals = (
        f"%u{n + 1} = fadd {vector} %{'t0' if n == 0 else f'u{n}'}, %t{n + 1}"
        for n in range(_SUMS - 1)
    )
    newline = "\n  "
    return f"""
declare {vector} @llvm.fma.v{lanes}f32({vector}, {vector}, {vector})
define float @peak(i64 %rounds, float %factor) {{
entry:
  %one = insertelement {vector} poison, float %factor, i32 0
  %f = shufflevector {vector} %one, {vector} poison, <{lanes} x i32> zeroinitializer
  br label %loop
loop:
  %i = phi i64 [0, %entry], [%j, %loop]
  {newline.join(starts)}
  {newline.join(steps)}
  %j = add i64 %i, 1
  %more = icmp ult i64 %j, %rounds
  br i1 %more, label %loop, label %end
end:
  {newline.join(totals)}
  %first = extractelement {vector} %u{_SUMS - 1}, i32 0
  ret float %first
}}
"""


if __name__ == "__main__":
    serve_kernels(make, "llvmlite", "numpy", peak=peak)
