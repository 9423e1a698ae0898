"""The command ``nervure``."""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from nervure._version import __version__
from nervure.errors import FileFormatError, nearest_names

if TYPE_CHECKING:
    from nervure.ir.attrs import NDArray
    from nervure.models import Model
    from nervure.train.history import History

# What a shell reports for a program that Ctrl-C ended: 128 + SIGINT.
_INTERRUPTED = 130
# The shorter side of a photo before its middle is cut out, and the size of that.
_PHOTO_SIDE: Final = 256
_PHOTO_CUT: Final = 224


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status.

    Parameters
    ----------
    arguments
        The words after ``nervure``, those of the process by default.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        return int(options.run(options))
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return _INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone (``nervure info | head -1``).
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nervure", description="Neural networks that train fast on a CPU."
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    mnist = commands.add_parser(
        "mnist", help="train the lecture's first network on handwritten digits"
    )
    mnist.add_argument(
        "--epochs", type=_at_least(1), default=10, help="passes over the data (10)"
    )
    mnist.add_argument(
        "--out",
        type=Path,
        default=Path("learning_curve.png"),
        help="where the picture goes (learning_curve.png)",
    )
    mnist.add_argument(
        "--no-plot", action="store_true", help="do not write the picture"
    )
    mnist.add_argument(
        "--seed", type=int, default=0, help="the same seed, the same result (0)"
    )
    mnist.set_defaults(run=_mnist)

    ostrich = commands.add_parser(
        "ostrich", help="change a photo invisibly, until a network sees an ostrich"
    )
    ostrich.add_argument("photo", type=Path, help="the photo: JPEG or PNG")
    ostrich.add_argument("out", type=Path, help="where the picture goes: out.png")
    ostrich.add_argument(
        "--target", default="ostrich", help="another class of ImageNet (ostrich)"
    )
    ostrich.set_defaults(run=_ostrich)

    studio = commands.add_parser(
        "studio", help="playground, graphs, training runs and networks in a browser"
    )
    studio.add_argument(
        "subject",
        type=Path,
        nargs="?",
        help="a model (.nv, .keras), a graph (.json) or a folder of runs (logs)",
    )
    studio.add_argument("--port", type=int, default=0, help="0 takes a free one (0)")
    studio.add_argument(
        "--host",
        default="127.0.0.1",
        help="another address than this machine's own, for others to see (127.0.0.1)",
    )
    studio.add_argument(
        "--no-browser", action="store_true", help="print the address, open nothing"
    )
    studio.set_defaults(run=_studio)

    info = commands.add_parser("info", help="show version, executors, devices, threads")
    info.set_defaults(run=_info)

    launch = commands.add_parser(
        "launch", help="run a script in several processes that train together"
    )
    launch.add_argument(
        "-n", type=_at_least(1), default=1, metavar="N", help="how many processes (1)"
    )
    launch.add_argument(
        "--restarts",
        type=_at_least(0),
        default=0,
        help="how often all are started again after one has failed (0)",
    )
    launch.add_argument(
        "script", nargs=argparse.REMAINDER, help="the script and its arguments"
    )
    launch.set_defaults(run=_launch)

    help_ = commands.add_parser(
        "help", help="explain a class of errors, with code before and after"
    )
    help_.add_argument("name", nargs="?", help="such as ShapeError; all if left out")
    help_.set_defaults(run=_help)

    doctor = commands.add_parser(
        "doctor", help="say why a GPU is not used, and what mends it"
    )
    doctor.set_defaults(run=_doctor)
    return parser


def _at_least(least: int) -> Callable[[str], int]:
    """Return how an argument is read that is a whole number of at least ``least``."""

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if number < least:
            raise argparse.ArgumentTypeError(
                f"expected a whole number of at least {least}, got {text!r}"
            )
        return number

    return read


# --- nervure mnist ------------------------------------------------------------------


def _mnist(options: argparse.Namespace) -> int:
    """Train the network 784-32-10 of the lecture and show how it went."""
    from nervure import layers, models, utils
    from nervure.datasets import mnist

    if not options.no_plot and not _writable(options.out):
        return 2
    utils.set_random_seed(options.seed)
    (images, y_train), (test_images, y_test) = mnist.load_data()
    x_train = images.reshape(-1, 784).astype("float32") / 255
    x_test = test_images.reshape(-1, 784).astype("float32") / 255
    model = models.Sequential(
        [
            layers.Dense(32, input_shape=(784,), activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.summary()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(
        x_train, y_train, batch_size=128, epochs=options.epochs, validation_split=0.1
    )
    loss, accuracy = model.evaluate(x_test, y_test, batch_size=128, verbose=0)
    print(f"Test loss: {loss:.3f}")
    print(f"Test accuracy: {accuracy:.3f}")
    if not options.no_plot:
        _plot(history, options.out)
    return 0


def _writable(path: Path) -> bool:
    """Say before training, not after it, that the picture has nowhere to go."""
    if path.is_dir() or not path.absolute().parent.is_dir():
        print(
            f"nervure: cannot write {path}: "
            + ("it is a folder" if path.is_dir() else "there is no such folder"),
            file=sys.stderr,
        )
        return False
    return True


def _plot(history: History, path: Path) -> None:
    """Write the learning curves as a picture, if matplotlib is there to draw it."""
    if importlib.util.find_spec("matplotlib") is None:
        print("No picture: matplotlib is not installed (pip install nervure[plot])")
        return
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # Not through pyplot, which would look for a screen.
    figure = Figure(figsize=(9, 3.5), layout="constrained")
    FigureCanvasAgg(figure)
    epochs = [epoch + 1 for epoch in history.epoch]
    for axes, name in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        axes.plot(epochs, history.history[name], marker=".", label="training")
        axes.plot(
            epochs, history.history[f"val_{name}"], marker=".", label="validation"
        )
        axes.set(xlabel="epoch", title=name)
        axes.grid(alpha=0.3)
        axes.legend()
    try:
        figure.savefig(path, dpi=120)
    except (OSError, ValueError) as error:  # ValueError: an unknown kind of picture
        print(f"nervure: cannot write {path}: {error}", file=sys.stderr)
        return
    print(f"Learning curves: {path.absolute()}")


# --- nervure ostrich ----------------------------------------------------------------


def _ostrich(options: argparse.Namespace) -> int:
    """Draw a photo, the change that turns it into an ostrich, and the sum of both."""
    from nervure import adversarial, pretrained
    from nervure.train.figures import new_figure

    if importlib.util.find_spec("matplotlib") is None:
        return _refused("matplotlib is not installed (pip install nervure[plot])")
    if not _writable(options.out):
        return 2
    kinds = new_figure(1, 1).canvas.get_supported_filetypes()
    if options.out.suffix.lower().lstrip(".") not in kinds:
        return _refused(
            f"cannot write {options.out}: pictures are {', '.join(sorted(kinds))}"
        )
    classes = pretrained.imagenet_classes()
    if options.target not in classes:
        near = nearest_names(options.target, classes) or ["ostrich"]
        return _refused(
            f"ImageNet has no class {options.target!r}; is it {' or '.join(near)}?"
        )
    try:
        pixels = _square_photo(options.photo)
    except FileFormatError as error:
        return _refused(str(error))
    except OSError as error:
        return _refused(f"cannot read {options.photo}: {error}")
    model = pretrained.efficientnet_lite0()
    x = pretrained.preprocess_input(pixels[None])
    low, high = pretrained.preprocess_input(np.array([[[0] * 3, [255] * 3]], np.uint8))[
        0, :, 0
    ]
    changed = adversarial.lbfgs(
        *(model, x, classes.index(options.target)),
        confidence=0.5,
        steps=30,
        search_steps=6,
        clip_min=float(low),
        clip_max=float(high),
    )
    figure = adversarial.plot_comparison(
        *(x, changed),
        *([_answer(model, one)] for one in (x, changed)),
        clip_min=float(low),
        clip_max=float(high),
    )
    try:
        figure.savefig(options.out, dpi=150)
    except OSError as error:
        return _refused(f"cannot write {options.out}: {error}")
    print(f"Before: {_answer(model, x)}\nAfter: {_answer(model, changed)}")
    print(f"Picture: {options.out.absolute()}")
    return 0


def _square_photo(path: Path) -> NDArray:
    """Return the middle of a photo as the network takes it, ``uint8[224, 224, 3]``.

    Its shorter side becomes 256 pixels, of which the middle 224 are kept.
    """
    from nervure.pretrained.photos import read_photo

    cut = (_PHOTO_SIDE - _PHOTO_CUT) // 2
    upright = read_photo(path, _PHOTO_SIDE)
    return np.asarray(upright.crop((cut, cut, cut + _PHOTO_CUT, cut + _PHOTO_CUT)))


def _answer(model: Model, x: NDArray) -> str:
    """Return what a network of ImageNet sees: ``"daisy, 36 %"``."""
    from nervure import pretrained

    scores = model.predict(x, verbose=0)
    _, name, probability = pretrained.decode_predictions(scores, top=1)[0][0]
    return f"{name}, {100 * probability:.0f} %"


# --- nervure studio -----------------------------------------------------------------


def _studio(options: argparse.Namespace) -> int:
    """Serve the studio until Ctrl-C."""
    from nervure.errors import NervureError

    missing = [
        name
        for name in ("starlette", "uvicorn", "websockets")
        if importlib.util.find_spec(name) is None
    ]
    if missing:
        return _refused(f"{missing[0]} is not installed (pip install nervure[studio])")
    from nervure.studio.opening import open_studio

    try:
        open_studio(options.subject, options.host, options.port, not options.no_browser)
    except (NervureError, OSError) as error:
        return _refused(str(error))
    return 0


def _refused(reason: str) -> int:
    print(f"nervure: {reason}", file=sys.stderr)
    return 2


# --- nervure info -------------------------------------------------------------------


def _info(options: argparse.Namespace) -> int:
    """Print what this installation can do and where it keeps things."""
    del options
    import numpy

    from nervure.config import cache_directory, config, thread_count
    from nervure.exec import executors
    from nervure.placing import devices

    rows: list[tuple[str, Any]] = [
        ("nervure", __version__),
        ("python", f"{platform.python_version()} ({sys.executable})"),
        ("numpy", numpy.__version__),
        ("system", platform.platform()),
        ("executors", ", ".join(executors())),
        ("executor", config.executor),
        ("devices", ", ".join(devices())),
        ("threads", thread_count()),
        ("cache folder", cache_directory()),
    ]
    width = max(len(name) for name, _ in rows) + 2
    for name, value in rows:
        print(f"{name:<{width}}{value}")
    return 0


# --- nervure launch -----------------------------------------------------------------


def _launch(options: argparse.Namespace) -> int:
    """Run a script in several processes and watch over them."""
    from nervure.distribute.launch import launch

    script = options.script[1:] if options.script[:1] == ["--"] else options.script
    if not script:
        print("nervure launch: name a script", file=sys.stderr)
        return 2
    return launch(script, options.n, options.restarts)


# --- nervure help -------------------------------------------------------------------


def _help(options: argparse.Namespace) -> int:
    """Print the page of a class of errors, or the list of the pages."""
    from nervure.errors import UnknownNameError
    from nervure.explain.pages import error_page, page_names, summary

    if options.name is None:
        width = max(map(len, page_names()))
        for name in page_names():
            print(f"{name:<{width}}  {summary(name)}")
        return 0
    try:
        print(error_page(options.name), end="")
    except UnknownNameError as error:
        return _refused(f"{error}")
    return 0


# --- nervure doctor -----------------------------------------------------------------


def _doctor(options: argparse.Namespace) -> int:
    """Name the first layer below a GPU that does not work, and what mends it."""
    del options
    from nervure.exec.doctor import examine, uses_accelerator

    findings = examine()
    width = max(len(one.layer) for one in findings)
    for one in findings:
        print(f"{'ok' if one.works else '--'}  {one.layer:<{width}}  {one.text}")
    last = findings[-1]
    if not last.works:
        print(f"fix: {last.fix}")
        return 1
    if uses_accelerator(findings):
        print("Programs run on the accelerator; NERVURE_EXECUTOR=cpu chooses the CPU.")
    else:
        print("Programs run on the CPU.")
    return 0
