"""Every format that Nervure reads, with good files and the reader of one.

A target puts an input where its reader finds it and reads it.  Formats with checksums
occur twice: as they are, and with the input signed, so that damage gets past the sum.
"""

from __future__ import annotations

import contextlib
import io
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import nervure as nv
from nervure.layers import Dense
from nervure.models import Sequential, load_model
from nervure.train.saving.container import write_container

GOLDEN = Path(__file__).parents[2] / "importers" / "keras" / "golden"


class Target(NamedTuple):
    """A format under attack.

    Attributes
    ----------
    seeds
        Good files, written by the libraries that own the format.
    place
        Puts an input where ``read`` finds it.
    read
        Reads it, as a user would.
    """

    seeds: Sequence[bytes]
    place: Callable[[bytes], object]
    read: Callable[[], object]


def of_file(path: Path, seeds: Sequence[bytes], read: Callable[[Path], Any]) -> Target:
    """Return the target of a reader that takes the name of a file."""
    return Target(seeds, path.write_bytes, lambda: read(path))


def model() -> Sequential:
    """Return a small model with all kinds of entries."""
    made = Sequential([Dense(3, "relu", input_shape=(2,)), Dense(1)])
    made.compile("adam", "mse")
    return made


def written(folder: Path, name: str, write: Callable[[Path], object]) -> bytes:
    """Return what somebody writes into a file."""
    path = folder / name
    write(path)
    content = path.read_bytes()
    path.unlink()
    return content


# --- files of ours -------------------------------------------------------------------


def nv_file(folder: Path) -> Target:
    """A model of ours: a zip with checksums."""
    seed = written(folder, "seed.nv", model().save)
    return of_file(folder / "m.nv", [seed], load_model)


def rich_model() -> nv.models.Model:
    """Return a model with two inputs, words, pictures, a schedule and a wrapper."""
    layers = nv.layers
    words, picture = layers.Input((4,), dtype="int64"), layers.Input((5, 5, 1))
    read = layers.Bidirectional(layers.LSTM(2))(layers.Embedding(4, 2)(words))
    scaled = layers.Normalization(mean=0.5, variance=2.0)(picture)
    seen = layers.Conv2D(2, 3, activation="relu", kernel_regularizer="l2")(scaled)
    seen = layers.Flatten()(layers.BatchNormalization()(seen))
    both = layers.Dropout(0.5)(layers.Concatenate()([read, seen]))
    made = nv.models.Model([words, picture], layers.Dense(3, "softmax")(both))
    schedule = nv.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)
    made.compile(nv.optimizers.SGD(schedule, 0.9), "sparse_categorical_crossentropy")
    return made


def nv_entry(
    folder: Path, entry: str, make: Callable[[], nv.models.Model] = model
) -> Target:
    """An entry of a model of ours; its damage is signed with right checksums."""
    packed = folder / "packed.nv"
    content = written(folder, "seed.nv", make().save)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = {one: archive.read(one) for one in archive.namelist()}
    del entries["manifest.json"]
    return Target(
        [entries[entry]],
        lambda data: write_container(packed, "model", {**entries, entry: data}),
        lambda: load_model(packed),
    )


def safetensors_file(folder: Path) -> Target:
    """Weights by name, in a plain file of safetensors."""
    taught = model()
    seed = written(folder, "seed.safetensors", taught.save_weights)
    return of_file(folder / "w.safetensors", [seed], taught.load_weights)


def backup_file(folder: Path) -> Target:
    """The backup of a training: what ``BackupAndRestore`` goes on from."""
    from nervure.callbacks import BackupAndRestore, LambdaCallback

    x, y = np.ones((8, 2), "float32"), np.ones(8, "float32")

    def stop(epoch: int, logs: Any) -> None:
        if epoch:
            raise KeyboardInterrupt

    callbacks = [BackupAndRestore(folder), LambdaCallback(on_epoch_begin=stop)]
    with contextlib.suppress(KeyboardInterrupt):
        model().fit(x, y, epochs=2, verbose=0, callbacks=callbacks)

    def read(path: Path) -> None:
        backup = BackupAndRestore(path.parent, delete_checkpoint=False)
        more = [backup, LambdaCallback(on_epoch_begin=lambda epoch, logs: None)]
        with nv.config.override(executor="reference"):
            model().fit(x, y, epochs=1, verbose=0, callbacks=more)

    path = folder / "training.backup"
    return of_file(path, [path.read_bytes()], read)


def state_file(folder: Path) -> Target:
    """The file that names the checkpoints of a folder, in TensorFlow 1's form."""
    import nervure.tf1 as tf

    seed = (
        b'model_checkpoint_path: "m-2"\nall_model_checkpoint_paths: "m-1"\n'
        b'all_model_checkpoint_paths: "m-2"\n'
    )
    read = tf.train.get_checkpoint_state
    return of_file(folder / "checkpoint", [seed], lambda path: read(path.parent))


# --- models of others ----------------------------------------------------------------


def keras_file(folder: Path) -> Target:
    """A model that Keras has saved, as a zip."""
    return of_file(folder / "m.keras", _golden("nested.keras"), load_model)


def keras_entry(folder: Path, entry: str) -> Target:
    """An entry of such a zip, which has no checksum but that of the zip."""
    packed = folder / "packed.keras"
    with zipfile.ZipFile(GOLDEN / "dense.keras") as archive:
        entries = {one: archive.read(one) for one in archive.namelist()}

    def place(data: bytes) -> None:
        with zipfile.ZipFile(packed, "w") as archive:
            for name, one in {**entries, entry: data}.items():
                archive.writestr(name, one)

    return Target([entries[entry]], place, lambda: load_model(packed))


def hdf5_file(folder: Path) -> Target:
    """A model that Keras has saved in its older format."""
    return of_file(folder / "m.h5", _golden("nested.h5", "dense.h5"), load_model)


def _golden(*names: str) -> list[bytes]:
    """Return files of Keras that the importer's tests have."""
    return [(GOLDEN / name).read_bytes() for name in names]


def onnx_file(folder: Path) -> Target:
    """A model of ONNX: one of ours, and one of the onnx package with a loop."""
    from nervure.importers.onnx import load_model as load_onnx

    convolution = Sequential(
        [
            nv.layers.Conv2D(2, 3, activation="relu", input_shape=(6, 6, 1)),
            nv.layers.MaxPooling2D(),
            nv.layers.Flatten(),
            Dense(2, "softmax"),
        ]
    )
    seeds = [
        written(folder, "seed.onnx", model().export),
        written(folder, "seed.onnx", convolution.export),
        _onnx_with_a_loop(),
    ]
    return of_file(folder / "m.onnx", seeds, load_onnx)


def _onnx_with_a_loop() -> bytes:
    from onnx import TensorProto, helper, numpy_helper

    value = helper.make_tensor_value_info
    truth, whole, number = TensorProto.BOOL, TensorProto.INT64, TensorProto.FLOAT
    body = helper.make_graph(
        [
            helper.make_node("Add", ["last", "last"], ["next"]),
            helper.make_node("Identity", ["on"], ["going"]),
        ],
        "body",
        [value("i", whole, []), value("on", truth, []), value("last", number, None)],
        [value("going", truth, []), value("next", number, None)],
    )
    graph = helper.make_graph(
        [
            helper.make_node("Reshape", ["x", "sizes"], ["flat"]),
            helper.make_node("Loop", ["most", "", "flat"], ["y"], body=body),
        ],
        "g",
        [value("x", number, [2, 2])],
        [value("y", number, None)],
        [
            numpy_helper.from_array(np.asarray([4], "int64"), "sizes"),
            numpy_helper.from_array(np.asarray(3, "int64"), "most"),
        ],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])
    return made.SerializeToString()


# --- all of them ---------------------------------------------------------------------


def _data_targets() -> dict[str, Callable[[Path], Target]]:
    from tests.trust.fuzz import data_targets as data

    return {
        "idx": data.idx_file,
        "idx.gz": data.idx_gzip_file,
        "png": lambda folder: data.photo_file(folder, "PNG"),
        "png-signed": data.signed_png_file,
        "jpeg": lambda folder: data.photo_file(folder, "JPEG"),
        "csv": data.table,
        "csv-log": data.csv_log,
        "vocabulary": data.vocabulary,
        "events": data.event_file,
        "events-signed": data.signed_event,
        "cache": data.cache_file,
        "peaks": data.peaks_file,
    }


FORMATS: dict[str, Callable[[Path], Target]] = {
    "nv": nv_file,
    "nv-json": lambda folder: nv_entry(folder, "model.json"),
    "nv-json-rich": lambda folder: nv_entry(folder, "model.json", rich_model),
    "nv-tensors": lambda folder: nv_entry(folder, "variables.safetensors"),
    "safetensors": safetensors_file,
    "backup": backup_file,
    "tf1-state": state_file,
    "keras": keras_file,
    "keras-json": lambda folder: keras_entry(folder, "config.json"),
    "keras-hdf5": lambda folder: keras_entry(folder, "model.weights.h5"),
    "h5": hdf5_file,
    "onnx": onnx_file,
    **_data_targets(),
}
