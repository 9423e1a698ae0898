"""
Writing a new primitive
=======================

Most new operations are functions of those that exist. One that is to be an operation of
its own needs a shape rule, a definition in NumPy, a gradient, and instructions. This is
the bell 1 / (1 + x * x), which then bends a network.
"""

import matplotlib.pyplot as plt
import numpy as np

import nervure as nv
from nervure import dtypes, prims
from nervure.exec.cpu.expressions import TABLE
from nervure.exec.cpu.llvm import constant
from nervure.ir.build import apply
from nervure.ir.primitive import Fusion, Primitive, register
from nervure.ops.operands import as_node

# %%
# The record. The gradient is made of nodes, so it can be differentiated again.


def bell_gradient(node, slope):
    square = prims.binary.mul(node, node)
    factor = prims.binary.mul(prims.leaf.full_like(node, -2), node.inputs[0])
    return (prims.binary.mul(slope, prims.binary.mul(factor, square)),)


BELL = register(
    Primitive(
        name="bell",
        operands=("x",),
        infer=lambda inputs, attrs: (inputs[0].shape, inputs[0].dtype),
        reference=lambda node, x: (1 / (1 + x * x)).astype(x.dtype),
        gradient=bell_gradient,
        fusion=Fusion.ELEMENTWISE,
        dtypes=dtypes.FLOATS,
    )
)

# %%
# Its instructions for the cpu executor, for as many numbers at once as a vector holds.
# Loops, fusion and threads come by themselves.


def bell_instructions(builder, node, operands):
    one = constant(1, operands[0].type)
    square = builder.binary("fmul", operands[0], operands[0], builder.flags)
    return builder.binary("fdiv", one, builder.binary("fadd", square, one))


def bell(x):
    return nv.Array.of_node(apply(BELL, as_node(x)))


TABLE["bell"] = bell_instructions
print(nv.graph(bell(nv.parameter([0.5, 1.0]))))
x = np.linspace(-4, 4, 200)
slope = np.asarray(nv.compile(nv.grad(lambda x: nv.sum(bell(x))))(x))
assert np.allclose(nv.compile(bell)(x), 1 / (1 + x * x), rtol=1e-12)
assert np.allclose(slope, -2 * x / (1 + x * x) ** 2, rtol=1e-12)

# %%
# As the activation of a network, which learns a jump with eight bells.

nv.utils.set_random_seed(0)
layers = [nv.layers.Dense(8, activation=bell, input_shape=(1,)), nv.layers.Dense(1)]
model = nv.models.Sequential(layers)
model.compile(nv.optimizers.Adam(0.03), "mse")
wave = np.where(np.abs(x) < 2, np.cos(3 * x), -0.5)[:, None]
history = model.fit(x[:, None], wave, batch_size=20, epochs=250, verbose=0)
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
left.plot(x, np.stack([np.asarray(bell(x)), slope], 1))
left.set_title("bell and its derivative")
right.plot(x, np.hstack([wave, model.predict(x[:, None], verbose=0)]))
right.set_title("a jump, and eight bells")
assert history.history["loss"][-1] < 0.05
