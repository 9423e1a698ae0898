"""
Training within a memory budget
===============================

A training step keeps what the forward pass has computed until the backward pass needs
it. With a budget some of it is dropped and computed again; not one bit of the result
changes.
"""

import matplotlib.pyplot as plt

import nervure as nv

nv.utils.set_random_seed(0)
layers = [nv.layers.Dense(256, activation="tanh") for _ in range(16)]
model = nv.models.Sequential([nv.layers.Input((256,)), *layers, nv.layers.Dense(1)])
model.compile("sgd", "mse")

# %%
# Three plans for one step. Planning compiles nothing, so this is quick.

full = model.train_program(batch_size=1024)
peak = full.memory().peak_bytes
plans = {"no budget": full}
for share in (0.7, 0.5):
    plans[f"{share:.0%} of it"] = model.train_program(
        batch_size=1024, memory_budget=int(share * peak)
    )

# %%
# Memory over the step: up in the forward pass, down in the backward pass. A budget cuts
# off the top, and kernels that run twice make the step longer.

figure, axes = plt.subplots(figsize=(9, 4), layout="constrained")
for name, program in plans.items():
    memory = program.memory()
    again = sum(kernel.recomputed for kernel in program.optimized)
    alive = [
        sum(
            b.space
            for b in memory.buffers
            if b.offset is not None and b.birth <= moment <= b.death
        )
        / 1e6
        for moment in range(max(b.death for b in memory.buffers) + 1)
    ]
    axes.step(range(len(alive)), alive, where="mid", label=f"{name}: {again} run again")
    print(f"{name}: {memory.peak_bytes / 1e6:.1f} MB, {again} kernels run again")
axes.set(
    xlabel="moment", ylabel="MB in use", ylim=0, title="Memory in one training step"
)
axes.legend()
axes.grid(alpha=0.3)
peaks = [program.memory().peak_bytes for program in plans.values()]
assert peaks[1] <= 0.7 * peaks[0] and peaks[2] <= 0.5 * peaks[0]
