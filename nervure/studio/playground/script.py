"""The network of the page as a Python file that trains the same without it."""

from __future__ import annotations

from nervure.studio.playground.choices import Choices
from nervure.studio.playground.points import REGRESSION

_EPOCHS = 200


def script(choices: Choices, outputs: int = 1) -> str:
    r"""Return a program that does what the page does.

    ``outputs`` is the number of classes, if there are more than two.

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
            f"y = points.y{'.astype(np.int32)' if outputs > 1 else ''}",
            "y_train, y_test = y[:count], y[count:]",
            "",
            *_model(choices, outputs),
            *_loss(outputs),
            f"model.compile({_optimizer(choices)}, loss)",
            "model.fit(",
            "    x_train,",
            "    y_train,",
            f"    batch_size={choices.batch},",
            f"    epochs={_EPOCHS},",
            "    verbose=0,",
            ")",
            "prediction = model.predict(x_test, verbose=0)",
            *_judgement(outputs),
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


def _loss(outputs: int) -> list[str]:
    if outputs > 1:
        return ["", 'loss = "sparse_categorical_crossentropy"']
    return [
        *("", "", "def loss(y_true, y_pred):"),
        *("    return nv.square(y_true - y_pred) / 2", "", ""),
    ]


def _judgement(outputs: int) -> list[str]:
    if outputs > 1:
        return [
            "chosen = np.take_along_axis(prediction, y_test, axis=1)",
            "test_loss = float(-np.log(np.maximum(chosen, 1e-7)).mean())",
        ]
    return ["test_loss = float(np.mean((prediction - y_test) ** 2) / 2)"]


def _model(choices: Choices, outputs: int) -> list[str]:
    penalty = _penalty(choices)
    lines = [f"layers.Input(({len(choices.features)},)),"]
    for size in choices.hidden:
        lines.append(f"layers.Dense({size}{penalty}),")
        if choices.batch_norm:
            lines.append("layers.BatchNormalization(momentum=0.9),")
        lines.append(f"layers.Activation({choices.activation!r}),")
        if choices.dropout:
            lines.append(f"layers.Dropout({choices.dropout:g}),")
    lines.append(f"layers.Dense({outputs}{penalty}),")
    if outputs > 1:
        lines.append("layers.Activation('softmax'),")
    elif choices.problem != REGRESSION:
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
