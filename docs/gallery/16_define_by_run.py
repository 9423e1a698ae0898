"""
A network whose depth depends on the data
=========================================

Python's ``if`` and ``while`` may look at values: the graph is what happened. Here an
iteration goes on until it is done, for each starting point, and gradients flow through
as many steps as there were. Compiled, the same loop is one native function.
"""

import matplotlib.pyplot as plt
import numpy as np

import nervure as nv

# %%
# Plain Python: a recurrent cell is applied until its state has come to rest.


def settle(w, x):
    before, state, steps = nv.zeros(2), nv.tanh(x), 1
    while float(nv.max(nv.abs(state - before))) > 1e-3:
        before, steps = state, steps + 1
        state = nv.tanh(w @ before + x)
    return state, steps


w = nv.asarray([[0.75, -0.6], [0.6, 0.7]])
for x in ([0.0, 2.0], [0.2, 0.1]):
    state, steps = settle(w, nv.asarray(x))
    slope = nv.grad(lambda w, x=x: nv.sum(settle(w, nv.asarray(x))[0]))(w)
    print(f"x {x}: depth {steps}, gradient {np.asarray(slope).ravel()}")

# %%
# ``nv.while_loop`` says the same in the graph: one program does all points of a plane.


def depth(w, x):
    def goes_on(state, change, steps):
        return (nv.max(change) > 1e-3) & (steps < 60)

    def body(state, change, steps):
        after = nv.tanh(w @ state + x)
        return after, nv.abs(after - state), steps + 1

    return nv.while_loop(goes_on, body, (nv.zeros(2), nv.ones(2), nv.asarray(0)))[2]


depths = nv.compile(lambda w, points: nv.map(lambda x: depth(w, x), points))
ticks = np.linspace(-2, 2, 60, dtype="float32")
plane = np.stack(np.meshgrid(ticks, ticks), -1).reshape(-1, 2)
plane = np.asarray(depths(w, plane)).reshape(60, 60)
figure, axes = plt.subplots(figsize=(6, 4.8), layout="constrained")
picture = axes.imshow(plane, origin="lower", extent=(-2, 2, -2, 2), cmap="inferno")
axes.set(title="How deep the network is", xlabel="x[0]", ylabel="x[1]")
figure.colorbar(picture, label="steps until rest")
assert len(np.unique(plane)) > 5
