"""The layers of the design: imports go downward only, optional packages stay optional.

The source is parsed, not run, so imports inside functions are seen as well.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "nervure"

# A *unit* is a module or folder directly under nervure/.
LAYERS = {
    0: ["_version", "config", "device_names", "dtypes", "errors"],
    1: ["ir"],
    2: ["prims"],
    3: ["autodiff", "passes"],
    4: ["exec"],
    5: [
        "array",
        "array_devices",
        "control_flow",
        "evaluation",
        "numpy_methods",
        "ops",
        "placing",
        "program",
        "random",
        "recompiles",
        "result",
        "signal",
        "signatures",
        "state",
        "step",
        "tracing",
        "transforms",
        "tree",
    ],
    6: ["nn"],
    7: ["train"],
    8: [
        "adversarial",
        "datasets",
        "distribute",
        "explain",
        "exporters",
        "importers",
        "inspect",
        "pretrained",
        "sklearn",
        "studio",
        "tblog",
        "tf1",
        "wrappers",
    ],
    # The command uses everything, and nothing uses the command.
    9: ["__main__", "cli"],
}
LAYER = {unit: layer for layer, units in LAYERS.items() for unit in units}

# Layers in which the units form one whole; elsewhere each stands on its own.
SHARED_LAYERS = {0, 5, 9}
# Layer 8 consists of neighbours that do not know each other; studio shows them all,
# Keras' wrappers are estimators as those of nervure.sklearn are, and TensorFlow 1 came
# with summaries and with the reader of MNIST that its tutorials use.
READS_NEIGHBOURS = {"studio", "tf1", "wrappers"}

# Public names gathered from several layers. They hold no code of their own, and only
# what stands above the layers of the library may read them.
FACADES = {
    "__init__",
    "activations",
    "callbacks",
    "constraints",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "models",
    "optimizers",
    "regularizers",
    "utils",
}
LOWEST_READER_OF_FACADES = 8

# The Array API wants `Array.__array_namespace__` to return the whole public package.
ALLOWED = {("nervure/array.py", "nervure")}

# optional package -> the folders that may import it at module level
OPTIONAL = {
    "dask": ["nervure/distribute"],
    "h5py": ["nervure/importers"],
    "jax": ["nervure/exec/xla"],
    "jaxlib": ["nervure/exec/xla"],
    "keras": [],
    "matplotlib": [],
    "onnx": ["nervure/exporters", "nervure/importers"],
    "pandas": [],
    "polars": [],
    "ray": ["nervure/distribute"],
    "scipy": [],
    "sklearn": [
        "nervure/pretrained/transfer",
        "nervure/sklearn",
        "nervure/wrappers",
    ],
    "starlette": ["nervure/studio"],
    "tensorboard": ["nervure/tblog"],
    "tensorflow": [],
    "torch": [],
    "uvicorn": ["nervure/studio"],
}
# Always installed, but too slow to load before they are needed.
LOADED_LATE = ["llvmlite", "rich", "safetensors"]

MOST_LINES = 600


@dataclass(frozen=True)
class Import:
    """One imported module: its dotted name and the circumstances."""

    target: str
    line: int
    in_function: bool
    type_checking: bool


def source_files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def unit_of(name: str) -> str:
    """Return the unit of a file such as ``nervure/ir/node.py``."""
    return name.split("/")[1].removesuffix(".py")


def is_type_checking(test: ast.expr) -> bool:
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )


def imports(
    node: ast.AST, package: str, in_function: bool = False, checking: bool = False
) -> Iterator[Import]:
    """Yield the imports below ``node`` in a module of ``package``, a dotted name."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield Import(alias.name, node.lineno, in_function, checking)
    elif isinstance(node, ast.ImportFrom):
        parts = package.split(".")
        base = parts[: len(parts) - node.level + 1] if node.level else []
        origin = ".".join([*base, *([node.module] if node.module else [])])
        for alias in node.names:
            yield Import(f"{origin}.{alias.name}", node.lineno, in_function, checking)
    elif isinstance(node, ast.If) and is_type_checking(node.test):
        for child in node.body:
            yield from imports(child, package, in_function, True)
        for child in node.orelse:
            yield from imports(child, package, in_function, checking)
    else:
        function = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
        inside = in_function or isinstance(node, function)
        for child in ast.iter_child_nodes(node):
            yield from imports(child, package, inside, checking)


def imports_of(name: str, source: str) -> Iterator[Import]:
    package = ".".join(name.split("/")[:-1])
    return imports(ast.parse(source, name), package)


def target_unit(target: str) -> str:
    """Return the unit that ``nervure.x.y`` belongs to.

    ``from nervure import x`` reads a module when there is one of that name, else a name
    of ``nervure/__init__.py``.
    """
    parts = target.split(".")
    if len(parts) > 1:
        unit = parts[1]
        known = unit in LAYER or unit in FACADES
        if known or (PACKAGE / unit).is_dir() or (PACKAGE / f"{unit}.py").exists():
            return unit
    return "__init__"


def may_import(unit: str, other: str) -> bool:
    """Say whether a module of ``unit`` may import from the different unit ``other``."""
    layer = LAYER[unit]
    if other in FACADES:
        return layer >= LOWEST_READER_OF_FACADES
    if other not in LAYER:
        return True  # test_every_module_has_a_layer complains
    if LAYER[other] == layer:
        return layer in SHARED_LAYERS or unit in READS_NEIGHBOURS
    return LAYER[other] < layer


def layer_problems(name: str, source: str) -> list[str]:
    unit = unit_of(name)
    if unit in FACADES or unit not in LAYER:
        return []
    problems = []
    for found in imports_of(name, source):
        if found.target.split(".")[0] != "nervure" or (name, found.target) in ALLOWED:
            continue
        other = target_unit(found.target)
        if other != unit and not may_import(unit, other):
            height = f"of layer {LAYER[other]}" if other in LAYER else "a facade"
            problems.append(
                f"{name}:{found.line}: {unit} of layer {LAYER[unit]} imports "
                f"{found.target} ({height}); imports go downward only"
            )
    return problems


def optional_problems(name: str, source: str) -> list[str]:
    problems = []
    for found in imports_of(name, source):
        package = found.target.split(".")[0]
        if package not in OPTIONAL or found.in_function or found.type_checking:
            continue
        if not any(name.startswith(f"{folder}/") for folder in OPTIONAL[package]):
            problems.append(
                f"{name}:{found.line}: imports the optional package {package} as soon "
                "as the module is loaded; import it in the function that needs it"
            )
    return problems


def facade_problems(name: str, source: str) -> list[str]:
    """A facade only passes names on: no classes, no functions but the two for that."""
    if unit_of(name) not in FACADES:
        return []
    problems = []
    for node in ast.walk(ast.parse(source, name)):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and (
            node.name not in ("__getattr__", "__dir__")
        ):
            problems.append(
                f"{name}:{node.lineno}: {node.name} is defined in a facade; "
                "define it in the layer it belongs to and import it here"
            )
    return problems


def size_problems(name: str, source: str) -> list[str]:
    count = len(source.splitlines())
    if count <= MOST_LINES:
        return []
    return [f"{name}: {count} lines, at most {MOST_LINES}: one concept a file"]


def test_every_module_has_a_layer() -> None:
    units = {unit_of(relative(path)) for path in source_files()}
    unknown = sorted(units - set(LAYER) - FACADES)
    assert not unknown, (
        f"no layer is known for nervure/{unknown[0]}: put it into LAYERS of "
        f"{relative(Path(__file__))}, in accordance with docs/architecture.md, or into "
        f"FACADES if it only re-exports; all unknown: {', '.join(unknown)}"
    )


@pytest.mark.parametrize(
    "check", [layer_problems, optional_problems, facade_problems, size_problems]
)
def test_source(check) -> None:
    problems = [
        problem
        for path in source_files()
        for problem in check(relative(path), path.read_text(encoding="utf-8"))
    ]
    assert not problems, "\n" + "\n".join(problems)


def test_import_stays_light() -> None:
    """A fresh ``import nervure`` loads no optional and no slow package."""
    command = "import sys, nervure; print(*sorted(sys.modules))"
    run = subprocess.run(
        [sys.executable, "-c", command],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    loaded = set(run.stdout.split())
    assert "nervure" in loaded
    assert not loaded.intersection([*OPTIONAL, *LOADED_LATE])


# The rules themselves, on sources made up for the purpose.


@pytest.mark.parametrize(
    "name, source",
    [
        ("nervure/ir/node.py", "from nervure.prims import unary"),
        ("nervure/ir/node.py", "import nervure.exec.base"),
        ("nervure/ir/node.py", "from nervure import array"),
        ("nervure/ir/node.py", "from .. import array"),
        ("nervure/ir/deep/node.py", "from ...array import Array"),
        ("nervure/ir/__init__.py", "from ..array import Array"),
        ("nervure/ir/node.py", "def f():\n    from nervure.nn import layers"),
        ("nervure/ir/node.py", "if TYPE_CHECKING:\n    from nervure.array import A"),
        ("nervure/passes/fuse.py", "from nervure.autodiff import reverse"),
        ("nervure/inspect/page.py", "from nervure.datasets import mnist"),
        ("nervure/train/loop.py", "import nervure"),
        ("nervure/train/loop.py", "from nervure import Array"),
        ("nervure/train/loop.py", "from nervure.layers import Dense"),
        ("nervure/config.py", "from nervure.ir.node import Node"),
        ("nervure/datasets/mnist.py", "from nervure.cli import main"),
    ],
)
def test_upward_imports_are_seen(name: str, source: str) -> None:
    (problem,) = layer_problems(name, source)
    assert problem.startswith(f"{name}:")


@pytest.mark.parametrize(
    "name, source",
    [
        ("nervure/prims/unary.py", "from nervure.ir.node import Node\nimport numpy"),
        ("nervure/prims/unary.py", "from . import binary\nfrom .binary import add"),
        ("nervure/prims/unary.py", "from ..ir.node import Node"),
        ("nervure/array.py", "from nervure.ops import math\nfrom nervure import tree"),
        ("nervure/exec/cpu/emit.py", "from nervure.exec.base import Executor"),
        ("nervure/studio/app.py", "from nervure.inspect import graph\nimport nervure"),
        ("nervure/tf1/__init__.py", "import nervure as nv\nfrom nervure import Array"),
        ("nervure/cli.py", "from nervure.datasets import mnist"),
        ("nervure/layers.py", "from nervure.nn.layers import Dense"),
    ],
)
def test_downward_imports_pass(name: str, source: str) -> None:
    assert layer_problems(name, source) == []


@pytest.mark.parametrize(
    "name, source, count",
    [
        ("nervure/train/plot.py", "import matplotlib.pyplot as plt", 1),
        ("nervure/train/plot.py", "try:\n    import pandas\nexcept Exception: pass", 1),
        ("nervure/train/plot.py", "class A:\n    from scipy import special", 1),
        ("nervure/train/plot.py", "def f():\n    import pandas", 0),
        ("nervure/train/plot.py", "if TYPE_CHECKING:\n    import pandas", 0),
        ("nervure/train/plot.py", "if TYPE_CHECKING: pass\nelse:\n    import torch", 1),
        ("nervure/exec/xla/lower.py", "import jax", 0),
        ("nervure/exec/base.py", "import jax", 1),
    ],
)
def test_optional_imports(name: str, source: str, count: int) -> None:
    assert len(optional_problems(name, source)) == count


@pytest.mark.parametrize(
    "name, source, count",
    [
        ("nervure/layers.py", "from nervure.nn.layers import Dense\n__all__ = []", 0),
        ("nervure/__init__.py", "def __getattr__(name):\n    return name", 0),
        ("nervure/__init__.py", "def compile(f):\n    return f", 1),
        ("nervure/utils.py", "class Progress: ...", 1),
        ("nervure/array.py", "class Array: ...", 0),
    ],
)
def test_facades_hold_no_code(name: str, source: str, count: int) -> None:
    assert len(facade_problems(name, source)) == count
