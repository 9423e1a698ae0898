"""
Grid search
===========

A network is an estimator of scikit-learn: a grid of settings with cross-validation, as
in the lecture. Settings with the same graph share one compiled program.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV

import nervure as nv
from nervure.sklearn import NeuralClassifier

X, y = load_digits(return_X_y=True)
X = (X / 16).astype("float32")


def network(n_classes_, units=32, rate=0.0):
    return [
        nv.layers.Dense(units, activation="relu"),
        nv.layers.Dropout(rate),
        nv.layers.Dense(n_classes_, activation="softmax"),
    ]


# %%
# Four widths and four learning rates; three folds each: 48 trainings.

units, rates = [4, 8, 16, 64], [0.001, 0.003, 0.01, 0.03]
search = GridSearchCV(
    NeuralClassifier(network, optimizer="adam", epochs=12, random_state=0),
    {"model__units": units, "optimizer__learning_rate": rates},
    cv=3,
)
search.fit(X, y)
print(search.best_params_, f"{search.best_score_:.3f}")

# %%
# The heat map: dark is good.

scores = {
    (setting["model__units"], setting["optimizer__learning_rate"]): score
    for setting, score in zip(
        search.cv_results_["params"],
        search.cv_results_["mean_test_score"],
        strict=True,
    )
}
table = [[scores[one, rate] for rate in rates] for one in units]
figure, axes = plt.subplots(figsize=(6, 4.5), layout="constrained")
picture = axes.imshow(table, cmap="viridis_r", vmin=0.5, vmax=1)
for row, line in enumerate(table):
    for column, score in enumerate(line):
        colour = "white" if score > 0.8 else "black"
        axes.text(column, row, f"{score:.2f}", ha="center", va="center", color=colour)
axes.set_xticks(range(4), rates)
axes.set_yticks(range(4), units)
axes.set(xlabel="learning rate", ylabel="units", title="Accuracy, mean of three folds")
figure.colorbar(picture)
assert search.best_score_ > 0.9
