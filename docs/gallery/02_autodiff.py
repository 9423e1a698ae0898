"""
Gradients of anything
=====================

``nv.grad`` turns a function into its derivative. The derivative is a function like any
other, so it has a derivative too; and it may contain loops and branches.
"""

import matplotlib.pyplot as plt
import numpy as np

import nervure as nv

# %%
# Four derivatives of one function, each ``nv.grad`` of the one before.

x = np.linspace(-4, 4, 200, dtype="float32")
function = nv.tanh
curves = [np.asarray(function(nv.asarray(x)))]
for _ in range(4):
    function = nv.grad(lambda v, inner=function: nv.sum(inner(v)))
    curves.append(np.asarray(function(nv.asarray(x))))

# %%
# A derivative through a loop: ten steps of Newton's method for the root of a number.


def root(a):
    return nv.fori_loop(0, 10, lambda _, t: 0.5 * (t + a / t), nv.ones(()))


slope = float(nv.grad(root)(nv.asarray(2.0)))
assert abs(slope - 0.5 / np.sqrt(2)) < 1e-6
print(f"d sqrt(a) / da at 2: {slope:.6f}; by hand {0.5 / np.sqrt(2):.6f}")

# %%
# Himmelblau's function from one starting point: descent with the gradient finds a
# valley. Newton's method with the Hessian finds what it looks for, a point without
# slope: a saddle.


def hills(p):
    return (p[0] ** 2 + p[1] - 11) ** 2 + (p[0] + p[1] ** 2 - 7) ** 2


descent, newton = [np.array([4.5, 0.3])], [np.array([4.5, 0.3])]
slope, curvature = nv.compile(nv.grad(hills)), nv.compile(nv.hessian(hills))
for _ in range(40):
    descent.append(descent[-1] - 0.006 * np.asarray(slope(nv.asarray(descent[-1]))))
    here = nv.asarray(newton[-1])
    newton.append(newton[-1] - np.linalg.solve(curvature(here), slope(here)))

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
for order, curve in enumerate(curves):
    left.plot(x, curve, label="tanh" + "'" * order)
left.legend()
left.set(title="tanh and four derivatives")
left.grid(alpha=0.3)
grid = np.stack(np.meshgrid(np.linspace(0, 5, 120), np.linspace(-3, 4, 120)))
heights = np.asarray(hills(nv.asarray(grid)))
right.contour(*grid, np.log1p(heights), levels=25, cmap="viridis", alpha=0.7)
right.plot(*np.transpose(descent), ".-", color="crimson", label="gradient")
right.plot(*np.transpose(newton), ".-", color="black", label="Newton")
right.legend(loc="upper left")
right.set(title="Downhill with and without curvature", xlim=(0, 5), ylim=(-3, 4))
assert np.linalg.norm(slope(nv.asarray(newton[-1]))) < 1e-6
