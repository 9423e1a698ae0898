"""The network of the page as a Python file that trains the same without it."""

from __future__ import annotations

from nervure.studio.playground.choices import Choices
from nervure.studio.playground.points import REGRESSION

_EPOCHS = 200


def script(choices: Choices) -> str:
    r"""Return a program that does what the page does.

    >>> "layers.Dense(3" in script(Choices(hidden=(3,)))
    True
    """
    return "\n".join(
        [
            '"""A network of the playground; made by nervure studio."""',
            "",
            "import numpy as np",
            "",
            "import nervure as nv",
            "from nervure import layers, models, optimizers",
            *_imports(choices),
            "",
            f"nv.utils.set_random_seed({choices.seed})",
            "",
            *_data(choices),
            f"x = features(points.x, {list(choices.features)!r})",
            f"count = round({choices.train_part:g} * len(x))",
            "x_train, x_test = x[:count], x[count:]",
            "y_train, y_test = points.y[:count], points.y[count:]",
            "",
            *_model(choices),
            "",
            "",
            "def half_square(y_true, y_pred):",
            "    return nv.square(y_true - y_pred) / 2",
            "",
            "",
            f"model.compile({_optimizer(choices)}, half_square)",
            "model.fit(",
            "    x_train,",
            "    y_train,",
            f"    batch_size={choices.batch},",
            f"    epochs={_EPOCHS},",
            "    verbose=0,",
            ")",
            "prediction = model.predict(x_test, verbose=0)",
            "test_loss = float(np.mean((prediction - y_test) ** 2) / 2)",
            'print(f"Test loss: {test_loss:.4f}")',
            "",
        ]
    )


def _imports(choices: Choices) -> list[str]:
    if choices.data == "csv":
        return [
            "from pathlib import Path",
            "",
            "from nervure.studio.playground.points import features, of_table",
        ]
    if choices.data.startswith("sklearn:"):
        return [
            "from nervure.studio.playground.named_sets import named_set",
            "from nervure.studio.playground.points import features",
        ]
    return ["from nervure.studio.playground.points import dataset, features"]


def _data(choices: Choices) -> list[str]:
    if choices.data == "csv":
        return [
            "# The file that was given to the page.",
            f'points = of_table(Path("points.csv").read_text(), {choices.seed})',
        ]
    name, function = choices.data, "dataset"
    if name.startswith("sklearn:"):
        name, function = name.removeprefix("sklearn:"), "named_set"
    options = f"noise={choices.noise:g}, seed={choices.seed}"
    return [f"points = {function}({name!r}, {options})"]


def _model(choices: Choices) -> list[str]:
    penalty = _penalty(choices)
    lines = [f"layers.Input(({len(choices.features)},)),"]
    for size in choices.hidden:
        lines.append(f"layers.Dense({size}{penalty}),")
        if choices.batch_norm:
            lines.append("layers.BatchNormalization(momentum=0.9),")
        lines.append(f"layers.Activation({choices.activation!r}),")
        if choices.dropout:
            lines.append(f"layers.Dropout({choices.dropout:g}),")
    lines.append(f"layers.Dense(1{penalty}),")
    if choices.problem != REGRESSION:
        lines.append("layers.Activation('tanh'),")
    return [
        "model = models.Sequential(",
        "    [",
        *(f"        {line}" for line in lines),
        "    ]",
        ")",
    ]


def _penalty(choices: Choices) -> str:
    if choices.penalty == "none" or not choices.penalty_rate:
        return ""
    kind = choices.penalty.upper()
    return f", kernel_regularizer=nv.regularizers.{kind}({choices.penalty_rate:g})"


def _optimizer(choices: Choices) -> str:
    rate = f"{choices.rate:g}"
    if choices.optimizer == "momentum":
        return f"optimizers.SGD({rate}, momentum=0.9)"
    kinds = {
        "sgd": "SGD",
        "adam": "Adam",
        "adamw": "AdamW",
        "rmsprop": "RMSprop",
        "adagrad": "Adagrad",
        "lion": "Lion",
    }
    return f"optimizers.{kinds[choices.optimizer]}({rate})"
