"""What a newcomer sees in the first hour, word for word; numbers are masked.

Each step is a process of its own.  ``screens/`` holds the text that was reviewed; with
``NERVURE_WRITE_SCREENS=1`` it is written again.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nervure.device_names import ACCELERATORS

ROOT = Path(__file__).resolve().parents[2]
SCREENS = Path(__file__).parent / "screens"
NETWORK = """
import numpy as np
import nervure as nv
nv.utils.set_random_seed(0)
x = np.random.default_rng(0).normal(size=(256, 4)).astype("float32")
y = (x.sum(axis=1) > 0).astype("int64")
model = nv.models.Sequential([
    nv.layers.Dense(8, activation="relu", input_shape=(4,)),
    nv.layers.Dense(2, activation="softmax"),
])
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
"""
README = re.findall(
    r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL
)[0]
STEPS = {
    # Without the graph, which changes with the passes; tests/replay has graphs.
    "readme": README.replace("print(model.train", "_ = str(model.train"),
    "load": "import nervure as nv\n"
    "model = nv.models.load_model('model.nv')\nmodel.summary()\n",
    "no_gpu": "import nervure as nv\n"
    "with nv.device('gpu'):\n    print(nv.ones(3) + 1)\n",
    "number_and_text": "import nervure as nv\nprint(nv.asarray([1.0]) + 'one')\n",
    "shapes_of_a_product": "import nervure as nv\n"
    "print(nv.ones((2, 3)) @ nv.ones((2, 3)))\n",
    "train": NETWORK + "model.summary()\nmodel.fit(x, y, epochs=2, verbose=2)\n",
    "wrong_shape": NETWORK + "model.fit(x[:, :3], y)\n",
    "nan": NETWORK + "x[5, 2] = np.nan\nmodel.fit(x, y)\n",
    "wrong_label": NETWORK + "y[7] = 2\nmodel.fit(x, y)\n",
    "unknown_loss": NETWORK + "model.compile('adam', 'sparse_crossentropy')\n",
    "save": NETWORK
    + "model.save('model.nv')\nprint(model.predict(x[:1], verbose=0))\n",
    "no_file": "import nervure as nv\nnv.models.load_model('nothing.nv')\n",
}


COMMANDS = {
    "mnist": ["mnist", "--epochs", "1", "--no-plot"],
    "doctor": ["doctor"],
    "no_command": ["mnits"],
}
HAS_ACCELERATOR = any(one.is_here for one in ACCELERATORS)


def run(code: str, folder: Path) -> str:
    """Run a script as a newcomer would, and return the last part of the screen."""
    script = folder / "first.py"
    script.write_text(code)
    done = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=folder,
        env=environment(folder),
    )
    trace = done.stderr.split("\nnervure.errors.")
    error = f"nervure.errors.{trace[-1]}" if len(trace) > 1 else done.stderr
    if error.startswith("Traceback"):
        error = error.splitlines()[-1] + "\n"
    return done.stdout + error


def environment(folder: Path) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "NERVURE_CACHE_DIR": str(folder / "cache"),
        "COLUMNS": "100",
    }


def masked(text: str, folder: Path) -> str:
    text = text.replace(str(folder), "FOLDER")
    text = re.sub(r"(ok|--)  JAX .*\n", "", text)  # whether it is installed
    text = re.sub(r"\d+(\.\d+)?(e[+-]?\d+)?", "#", text)
    return re.sub(r"#(s|ms|us)/step", "#/step", text)


def compared(step: str, text: str, folder: Path) -> None:
    """Compare with the screen that was reviewed, or write it anew."""
    text = masked(text, folder)
    kept = SCREENS / f"{step}.txt"
    if os.environ.get("NERVURE_WRITE_SCREENS"):
        kept.parent.mkdir(exist_ok=True)
        kept.write_text(text)
    assert text == kept.read_text()


@pytest.mark.parametrize("step", STEPS)
def test_screen(step: str, tmp_path: Path) -> None:
    if step == "load":
        run(STEPS["save"], tmp_path)
    if step == "no_gpu" and HAS_ACCELERATOR:
        pytest.skip("there is a GPU")
    compared(step, run(STEPS[step], tmp_path), tmp_path)


@pytest.mark.parametrize("step", COMMANDS)
def test_command(step: str, tmp_path: Path) -> None:
    if step == "doctor" and HAS_ACCELERATOR:
        pytest.skip("there is a GPU")
    done = subprocess.run(
        [sys.executable, "-m", "nervure", *COMMANDS[step]],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=tmp_path,
        env=environment(tmp_path),
    )
    compared(step, done.stdout + done.stderr, tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX here")
def test_studio_says_where_it_is_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    pytest.importorskip("starlette")
    pytest.importorskip("uvicorn")
    with subprocess.Popen(
        [sys.executable, "-m", "nervure", "studio", "--no-browser", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(tmp_path),
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=60)
    text = re.sub(r"(token=|#|/\?)[\w-]{16,}", r"\1SECRET", first + rest)
    compared("studio", text, tmp_path)
    assert process.returncode == 0


def test_a_new_process_predicts_the_same(tmp_path: Path) -> None:
    first = run(STEPS["save"], tmp_path)
    load = NETWORK + "model = nv.models.load_model('model.nv')\n"
    assert run(load + "print(model.predict(x[:1], verbose=0))\n", tmp_path) == first


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX here")
def test_ctrl_c_ends_training_soon(tmp_path: Path) -> None:
    script = tmp_path / "long.py"
    script.write_text(
        NETWORK
        + "from nervure.callbacks import LambdaCallback\n"
        + "say = LambdaCallback(on_epoch_begin=lambda e, logs: print(e, flush=True))\n"
        + "model.fit(x, y, epochs=10**7, verbose=0, callbacks=[say])\n"
    )
    with subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(tmp_path),
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "0\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert errors.rstrip().splitlines()[-1].startswith("KeyboardInterrupt")
