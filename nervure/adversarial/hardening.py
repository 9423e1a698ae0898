"""Training on adversarial samples."""

from __future__ import annotations

from typing import Any, Final

from nervure import ops, random, tree
from nervure.adversarial.problem import loss_direction, read_norm, read_size
from nervure.adversarial.projected_gradient import direction, lengths, within_ball
from nervure.array import Array
from nervure.errors import ArgumentError, explain
from nervure.nn.registry import register_keras_serializable
from nervure.nn.seed import SeedGenerator
from nervure.train.checks import whole_number
from nervure.train.model import Model
from nervure.train.rows import pack_x_y_sample_weight, unpack_x_y_sample_weight
from nervure.train.scores import class_scores
from nervure.transforms import stop_gradient

_MOST_SHARE: Final = 1.0


@register_keras_serializable("nervure")
class AdversarialTraining(Model):
    """A classifier that is trained on samples attacked while it learns.

    In each step the samples of the batch are moved by projected gradient descent from
    a random point of the ball around them, and the model learns from the moved ones.
    (Madry et al., 2018; one step is the "fast" training of Wong, Rice, Kolter, "Fast is
    better than free", 2020.)  The attack is part of the compiled training step.

    Compile and fit the wrapper; the model inside has the weights, and predicts and
    evaluates as ever.

    Parameters
    ----------
    model
        A classifier with one input.
    eps
        The radius of the ball: how much an attack may change.
    steps
        The steps of the attack; 1 is fast, 7 or more are stronger.
    step_size
        The length of a step; by default ``1.25 * eps`` for one step and
        ``2.5 * eps / steps`` for several.
    norm
        "inf" or 2.
    share
        Which part of the samples of a batch is attacked, the others stay as they are.
    clip_min, clip_max
        The limits of every number of a sample.
    seed
        Of the random starts; None draws one from the process's generator.
    name
        The name of the wrapper.

    Raises
    ------
    ArgumentError, UnknownNameError
        For what is no model, and sizes or norms that do not exist.

    >>> import numpy as np
    >>> import nervure as nv
    >>> model = nv.models.Sequential([
    ...     nv.layers.Dense(2, input_shape=(4,), activation="softmax")])
    >>> hardened = nv.adversarial.AdversarialTraining(model, eps=0.1)
    >>> hardened.compile("adam", "sparse_categorical_crossentropy")
    >>> history = hardened.fit(np.eye(4, dtype="float32"), [0, 1, 0, 1], verbose=0)
    >>> model.predict(np.eye(4, dtype="float32")).shape
    (4, 2)
    """

    def __init__(
        self,
        model: Model,
        eps: float = 0.1,
        steps: int = 1,
        *,
        step_size: float | None = None,
        norm: str | float = "inf",
        share: float = 1.0,
        clip_min: float = 0.0,
        clip_max: float = 1.0,
        seed: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        if not isinstance(model, Model):
            raise ArgumentError(
                explain(
                    f"expected a model to train, got {type(model).__name__}",
                    fix="pass a Sequential or another nervure.models.Model",
                )
            )
        self.model = model
        self.eps = read_size(eps, "eps", 0.1)
        self.steps = whole_number(steps, "steps", 1, 7)
        usual = 1.25 * self.eps if self.steps == 1 else 2.5 * self.eps / self.steps
        self.step_size = (
            usual if step_size is None else read_size(step_size, "step_size", 0.01)
        )
        self.norm = read_norm(norm)
        self.share = read_size(share, "share", 0.5)
        if self.share > _MOST_SHARE:
            raise ArgumentError(
                explain(
                    f"share must be at most 1, got {share!r}",
                    fix="it is the part of a batch that is attacked: share=0.5 is half",
                )
            )
        self.clip_min, self.clip_max = float(clip_min), float(clip_max)
        self.seed = seed
        self.seed_generator = SeedGenerator(seed)

    @property
    def input_structure(self) -> tree.Structure | None:
        """How the inputs of the model inside are arranged."""
        return self.model.input_structure

    @property
    def inputs(self) -> list[Any]:
        """The symbolic inputs of the model inside."""
        return self.model.inputs

    @property
    def input_names(self) -> list[str]:
        """The names of the inputs of the model inside."""
        return self.model.input_names

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Compute what the model inside does."""
        return self.model(inputs) if mask is None else self.model(inputs, mask=mask)

    def train_step(self, data: Any) -> dict[str, Any]:
        """Attack the samples of a batch, then take a training step on them."""
        x, y, weights = unpack_x_y_sample_weight(data)
        attacked = self.attacked(ops.asarray(x), ops.asarray(y))
        return super().train_step(pack_x_y_sample_weight(attacked, y, weights))

    def attacked(self, x: Array, y: Array) -> Array:
        """Return samples of a batch after the attack; a constant for derivatives."""
        labels = _as_labels(y, int(class_scores(self.model, x).shape[1]))
        sample = ops.clip(x + self._start(x), self.clip_min, self.clip_max)
        for _ in range(self.steps):
            gradient = loss_direction(self.model, sample, labels)
            moved = sample + self.step_size * direction(gradient, self.norm)
            change = within_ball(moved - x, self.eps, self.norm)
            sample = ops.clip(x + change, self.clip_min, self.clip_max)
        count = round(self.share * x.shape[0])
        if count < x.shape[0]:
            sample = ops.concat([sample[:count], x[count:]], axis=0)
        fixed: Array = stop_gradient(sample)
        return fixed

    def _start(self, x: Array) -> Array:
        """Return a random change within the ball for each sample."""
        key = self.seed_generator.next()
        if self.norm == "inf":
            drawn = random.uniform(x.shape, -self.eps, self.eps, key=key)
            return drawn.astype(x.dtype)
        drawn = random.normal(x.shape, key=key).astype(x.dtype)
        reach = random.uniform((x.shape[0],), key=random.fold_in(key, 1))
        reach = ops.reshape(reach, (x.shape[0], *(1,) * (x.ndim - 1)))
        features = x.size // x.shape[0]
        radius = self.eps * ops.pow(reach, 1.0 / features).astype(x.dtype)
        return drawn * (radius / ops.maximum(lengths(drawn), 1e-30))


def _as_labels(y: Array, classes: int) -> Array:
    """Return targets of a batch as labels ``int32[rows]``."""
    if y.ndim == 2 and y.shape[1] == classes and classes > 1:
        return ops.argmax(y, axis=1).astype("int32")
    if y.ndim == 2 and y.shape[1] == 1:
        y = ops.squeeze(y, 1)
    return y.astype("int32")
