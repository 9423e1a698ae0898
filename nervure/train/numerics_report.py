"""What is said about the step in which numbers stopped being finite."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from nervure.errors import explain
from nervure.exec.origins import Origin

# operation -> how to mend what it did
_LOGARITHM: Final = (
    "the logarithm of 0 or less: add a small number, or let the loss take logits "
    "(from_logits=True) instead of probabilities"
)
_EXPONENTIAL: Final = (
    "exp overflows above 88: scale the inputs, or use nervure.ops.nn.softmax, "
    "softplus or sigmoid, which cannot overflow"
)
_ROOT: Final = "the root of a negative number: use nervure.abs or nervure.maximum first"
_ADVICE: Final = {
    "div": "a division by 0 (or 0 / 0): add a small number to the denominator",
    "exp": _EXPONENTIAL,
    "expm1": _EXPONENTIAL,
    "gather": "the data hold NaN or infinities: look at the rows named above",
    "log": _LOGARITHM,
    "log1p": _LOGARITHM,
    "pow": "a power of 0 or of a negative number, or one that is too large",
    "sqrt": _ROOT,
}
_GROWN: Final = (
    "the numbers have grown too large: use a smaller learning rate or "
    "clipnorm=1.0; nervure.utils.gradient_flow(model, x, y) shows where they grow"
)
# How many rows are named.
_MOST_ROWS: Final = 10


@dataclass(frozen=True)
class NumericsReport:
    """The step in which the loss or a weight stopped being finite, and why.

    Attributes
    ----------
    model
        The name of the model.
    epoch, step
        Which step it was, both counted from 1; the epoch is 0 for ``train_on_batch``.
    seen_in
        Where it showed: ``"the loss"``, or the path of a weight.
    operation
        The operation that made the first NaN or infinity; empty if the reference
        executor computed finite numbers only.
    layer
        For which layer the operation was made, empty for none (the loss, the
        optimizer).
    is_gradient
        Whether it is part of a gradient.
    line
        The user's line that asked for it, ``file.py:12``.
    rows
        The rows of the data (of the batch, where batches come ready) that made it;
        all of the batch if one cannot tell.
    batch_file
        Where the batch is kept, or why it is not.
    text
        All of this, for people.
    """

    model: str
    epoch: int
    step: int
    seen_in: str
    operation: str
    layer: str
    is_gradient: bool
    line: str
    rows: tuple[int, ...]
    batch_file: str
    text: str

    def __str__(self) -> str:
        return self.text


def report_of(
    origin: Origin | None,
    *,
    model: str,
    epoch: int,
    step: int,
    seen_in: str,
    rows: Sequence[int],
    row_name: str,
    some_rows: bool,
    batch_file: str,
) -> NumericsReport:
    """Put into words what was found.

    Parameters
    ----------
    origin
        Where the first number stopped being finite, or None.
    model, epoch, step, seen_in, batch_file
        As in :class:`NumericsReport`.
    rows
        The rows that made it.
    row_name
        What rows are counted in: ``"data"`` or ``"batch"``.
    some_rows
        Whether other rows of the batch did not.
    """
    when = f"epoch {epoch}, step {step}" if epoch else f"a batch (step {step})"
    head = f"{seen_in} of the model {model!r} is not finite after {when}"
    lines: list[tuple[str, str, str]] = []
    if origin is None:
        what = (
            "computed again by the reference executor all numbers are finite: the "
            "largest come close to what float32 can hold"
        )
        fix = _GROWN
        operation, layer, line, is_gradient = "", "", "", False
    else:
        node, site = origin.node, origin.node.site
        operation, layer = node.op.name, site.scope
        line, is_gradient = f"{site.file}:{site.line}", site.gradient
        what = _what(origin)
        names = node.op.operands if not node.op.variadic else ()
        for place, extent in enumerate(origin.operands):
            name = names[place] if place < len(names) else f"x{place}"
            lines.append((name, extent.type_text, str(extent)))
        lines.append(("result", origin.result.type_text, str(origin.result)))
        fix = _ADVICE.get(operation, _GROWN)
        if operation == "input":
            fix = "it was so before the step: look at what was loaded or assigned"
    named = ", ".join(map(str, rows[:_MOST_ROWS]))
    more = f" and {len(rows) - _MOST_ROWS} more" if len(rows) > _MOST_ROWS else ""
    whole = "" if some_rows else " (the whole batch)"
    lines.append(("rows", f"of the {row_name}", f"{named}{more}{whole}"))
    lines.append(("batch", "kept in", batch_file))
    text = explain(f"{head}: {what}", operands=lines, made_at=line or None, fix=fix)
    return NumericsReport(
        model, epoch, step, seen_in, operation, layer, is_gradient, line,
        tuple(map(int, rows)), batch_file, text,
    )  # fmt: skip


def _what(origin: Origin) -> str:
    """Say which operation made the first number that is not finite, and for what."""
    node = origin.node
    if node.op.name == "input":
        return f"{node.attrs['name']!r} holds {origin.kind} before the step"
    purpose = node.site.purpose
    where = f" in the {purpose}" if node.site.gradient else ""
    if purpose and not node.site.gradient:
        where = f" in {purpose}"
    article = "the first NaN" if origin.kind == "NaN" else "the first infinity"
    return f"{node.op.name}{where} makes {article}"
