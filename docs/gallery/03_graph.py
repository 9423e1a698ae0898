"""
The graph, before and after
===========================

Everything in Nervure is one graph of small operations. You can read it, see what the
passes made of it, and what runs in the end.
"""

import matplotlib.pyplot as plt

import nervure as nv

# %%
# A loss with its gradient, as the program that will be compiled for these shapes.


def loss(w, x):
    return nv.sum(nv.tanh(x @ w) ** 2)


program = nv.compile(nv.value_and_grad(loss)).program(
    nv.ones((256, 32)), nv.ones((64, 256))
)
print(program.graph)

# %%
# The same after the passes: the backward pass reads what the forward pass has computed,
# and elementwise operations are joined to the product before them.

print(program.diff())

# %%
# Three kernels are left of them, each with its floating-point operations and bytes.

print(program.cost())

# %%
# The memory of a training step: values are born in the forward pass, wait, and die in
# the backward pass. Bars that share a height share memory.

layers = [nv.layers.Dense(128, activation="relu") for _ in range(6)]
model = nv.models.Sequential(
    [nv.layers.Input((64,)), *layers, nv.layers.Dense(10, activation="softmax")]
)
model.compile("adam", "sparse_categorical_crossentropy")
memory = model.train_program(batch_size=256).memory()

figure, axes = plt.subplots(figsize=(9, 4.5), layout="constrained")
colours = {"forward": "steelblue", "backward": "darkorange", "update": "seagreen"}
for buffer in memory.buffers:
    if buffer.offset is None or not buffer.space:
        continue
    axes.broken_barh(
        [(buffer.birth, buffer.death - buffer.birth + 0.9)],
        (buffer.offset / 1000, buffer.space / 1000),
        facecolor=colours.get(buffer.role, "lightgray"),
        edgecolor="white",
    )
for role, colour in colours.items():
    axes.bar(0, 0, color=colour, label=role)
axes.legend()
axes.set(xlabel="moment", ylabel="place in the arena, kB", title="One training step")
assert len(program.optimized) < len(program.graph)
