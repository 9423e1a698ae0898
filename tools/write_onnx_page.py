"""Writes docs/onnx.md: which node tests of the onnx package Nervure passes.

To be run as ``python -m tools.write_onnx_page`` after operators were added; a test
checks it.
"""

from __future__ import annotations

import pathlib
from collections import Counter

from nervure.exporters.onnx.model import OPSET
from tests.importers.onnx.backend import (
    Outcome,
    Result,
    node_cases,
    operator_of,
    outcome_of,
)

ROOT = pathlib.Path(__file__).parent.parent
PAGE = ROOT / "docs/onnx.md"

HEAD = """\
# Nervure and ONNX

Written by `python -m tools.write_onnx_page`, and checked by the tests.

```python
model = nv.models.load_model("resnet50.onnx")  # needs nervure[onnx]
model.predict(images)  # channels first, as in the file
model.compile("adam", "mse")  # weights are weights
model.export("mine.onnx")  # any model of Nervure
```

## Reading

A graph becomes a `Model`. Floating-point data that an operator uses as a parameter
(kernels, biases, tables) are its weights, under the names of the file; everything
else is constant. What depends on no input is computed once, and sizes are computed
while a program is made, so graphs with `Shape`, `Gather` and `Concat` become static.
`If`, `Loop` and `Scan` become `nv.cond`, `nv.while_loop` and `nv.scan`. Operators
without code of their own run by the definition in terms of others that the standard
gives.

`nervure.importers.onnx.load_model` takes `known={{name: value}}` for inputs that
decide shapes, `input_shapes={{name: (None, 3, 224, 224)}}` for another batch than the
file's, and `outputs=[name]` for any value inside the graph, such as features.

Nothing in a file is executed. External data must lie below the model's folder, links
followed, and have the bytes that their shape says. Refused, always with the operator
named: strings, quantised numbers, 2- and 4-bit and 8-bit floating-point types,
`ai.onnx.ml` and preview operators, images that are still encoded, results whose shape
depends on values while a program is made (`NonZero` on an input, for example; on
values such operators work). `Dropout` is off, also in training, unless the file sets
`training_mode`.

## Writing

`model.export` writes the graph of primitives (operators of version {opset}), so every
layer can be written; all layer cases of `tests/parity` are compared with onnxruntime
to 1e-5. The file takes any batch size; `batch_size=` fixes it. Random numbers, and
sizes other than the batch that vary, are refused.

## Node tests of onnx {version}

{passed} of {total} pass and none is wrong; {refused} are refused; {drawn} compare
random numbers of NumPy with ours and cannot agree. Tolerances are those of the onnx
package's own runner (1e-3, relative; two units in the last place for bfloat16), and
two units in the last place for float16 as well. Two inverse Fourier transforms, whose
expected zeros carry rounding errors of 2e-7, are compared to 1e-6. An operator's
`expanded` variants count with it.

| operator | passed | refused | random | total | why refused |
|---|---|---|---|---|---|
"""


def results() -> dict[str, Result]:
    """Return what became of each node test."""
    return {name: outcome_of(case) for name, case in node_cases().items()}


def page(found: dict[str, Result]) -> str:
    """Return the text of the page."""
    import onnx

    cases = node_cases()
    by_operator: dict[str, list[Result]] = {}
    for name, result in found.items():
        by_operator.setdefault(operator_of(cases[name]), []).append(result)
    counts = Counter(result.outcome for result in found.values())
    head = HEAD.format(
        opset=OPSET,
        version=onnx.__version__,
        passed=counts[Outcome.PASSED],
        total=len(found),
        refused=counts[Outcome.REFUSED],
        drawn=counts[Outcome.RANDOM],
    )
    lines = [_line(name, by_operator[name]) for name in sorted(by_operator)]
    return head + "\n".join(lines) + "\n"


def _line(operator: str, outcomes: list[Result]) -> str:
    counts = Counter(result.outcome for result in outcomes)
    reasons = Counter(
        result.why.removeprefix(f"{operator}: ")
        for result in outcomes
        if result.outcome is Outcome.REFUSED
    )
    why = "; ".join(reason.replace("|", "/") for reason, _ in sorted(reasons.items()))
    cells = [
        str(counts[kind] or "")
        for kind in (Outcome.PASSED, Outcome.REFUSED, Outcome.RANDOM)
    ]
    return f"| `{operator}` | {' | '.join(cells)} | {len(outcomes)} | {why} |"


if __name__ == "__main__":
    PAGE.write_text(page(results()), encoding="utf-8")
