"""What the doctor finds, on machines that are made up; and what is said about GPUs."""

from __future__ import annotations

from typing import Any

import pytest

from nervure import cli, device_names
from nervure.config import config
from nervure.device_names import Accelerator, checked_name
from nervure.errors import MachineError, UnknownNameError
from nervure.exec import accelerators, base, choose_executor, doctor
from nervure.exec.xla import runtime
from nervure.ir import Graph
from nervure.prims.leaf import const


class Gpu:
    """A device as JAX describes it."""

    platform, device_kind, id = "gpu", "NVIDIA H100", 0


class Cpu:
    platform, device_kind, id = "cpu", "cpu", 0


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.delenv("NERVURE_EXECUTOR", raising=False)
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    accelerators.accelerator_to_use.cache_clear()
    yield
    accelerators.accelerator_to_use.cache_clear()


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that makes up a machine."""

    def made(
        driver: str | None = "580.65",
        plugin: str | None = "jax_cuda13_plugin",
        versions: dict[str, str] | None = None,
        devices: Any = None,
    ) -> None:
        known = {"jax": "0.10.2", "jaxlib": "0.10.2", "jax-cuda13-plugin": "0.10.2"}
        known |= versions or {}
        monkeypatch.setattr(
            Accelerator, "is_here", property(lambda self: self.make == "NVIDIA GPU")
        )
        monkeypatch.setattr(Accelerator, "plugin", property(lambda self: plugin))
        monkeypatch.setattr(doctor, "_driver_version", lambda: driver)
        monkeypatch.setattr(doctor, "_version", known.get)
        found = [Gpu(), Cpu()] if devices is None else devices

        def local() -> Any:
            if isinstance(found, Exception):
                raise found
            return found

        monkeypatch.setattr(runtime, "local_devices", local)

    return made


def last_of(findings: list[doctor.Finding]) -> doctor.Finding:
    assert all(one.works for one in findings[:-1])
    return findings[-1]


def test_all_is_well(machine: Any, capsys: pytest.CaptureFixture[str]) -> None:
    machine()
    assert doctor.uses_accelerator(doctor.examine())
    assert cli.main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "ok  hardware" in out and "NVIDIA H100" in out
    assert out.endswith("NERVURE_EXECUTOR=cpu chooses the CPU.\n")


@pytest.mark.parametrize(
    "changes, layer, text, fix",
    [
        ({"driver": None}, "driver", "does not answer", "nvidia-driver"),
        ({"versions": {"jax": None}}, "JAX", "not installed",
         'pip install "nervure[cuda13]"'),
        ({"versions": {"jaxlib": "0.9.0"}}, "JAX", "do not fit together",
         'pip install --upgrade "nervure[cuda13]"'),
        ({"plugin": None}, "JAX's package for the NVIDIA GPU", "not installed",
         'pip install "nervure[cuda13]"'),
        ({"versions": {"jax-cuda13-plugin": "0.9.1"}},
         "JAX's package for the NVIDIA GPU",
         "jax_cuda13_plugin 0.9.1 does not fit jax 0.10.2",
         'pip install --upgrade "nervure[cuda13]"'),
        ({"driver": "550.10"}, "JAX's package for the NVIDIA GPU",
         "needs a driver of 580 or newer, this one is 550.10", "nvidia-driver-580"),
        ({"devices": MachineError("CUDA_ERROR_UNKNOWN")}, "backend",
         "CUDA_ERROR_UNKNOWN", "driver's libraries"),
        ({"devices": [Cpu()]}, "backend", "does not use the NVIDIA GPU",
         "JAX_PLATFORMS"),
    ],
)  # fmt: skip
def test_the_first_layer_that_fails_is_named(
    machine: Any, capsys: Any, changes: Any, layer: str, text: str, fix: str
) -> None:
    machine(**changes)
    found = last_of(doctor.examine())
    assert (found.works, found.layer) == (False, layer)
    assert text in found.text and fix in str(found.fix)
    assert cli.main(["doctor"]) == 1
    assert f"fix: {found.fix}" in capsys.readouterr().out


def test_a_machine_without_a_gpu_is_well(capsys: pytest.CaptureFixture[str]) -> None:
    if any(one.is_here for one in device_names.ACCELERATORS):
        pytest.skip("this machine has an accelerator")
    assert cli.main(["doctor"]) == 0
    assert capsys.readouterr().out.endswith("Programs run on the CPU.\n")


def test_a_gpu_is_chosen_by_itself_and_that_is_said_once(
    machine: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    machine()
    monkeypatch.setattr(runtime, "name_of", lambda device: "gpu:0")
    chosen: list[str] = []
    monkeypatch.setattr(base, "executor_named", chosen.append)
    graph = Graph([const(1.0)])
    choose_executor(graph)
    choose_executor(graph)
    with config.override(executor="cpu"):
        choose_executor(graph)
    with config.override(device="cpu"):
        choose_executor(graph)
    choose_executor(graph, implicit=True)
    assert chosen == ["xla", "xla", "cpu", "cpu", "reference"]
    assert capsys.readouterr().err == (
        "nervure: using gpu:0 (NVIDIA H100) through XLA; NERVURE_EXECUTOR=cpu chooses "
        "the CPU\n"
    )


@pytest.mark.parametrize("devices", [[Cpu()], MachineError("libcuda is missing")])
def test_falling_back_to_the_cpu_is_loud(machine: Any, devices: Any) -> None:
    machine(devices=devices)
    graph = Graph([const(1.0)])
    with pytest.warns(RuntimeWarning, match="nervure doctor"):
        assert choose_executor(graph).name == "cpu"
    assert choose_executor(graph).name == "cpu"  # said once
    with pytest.warns(RuntimeWarning, match="everything runs on the CPU"):
        accelerators.warn_about_the_cpu("cpu")


def test_who_asks_for_the_cpu_is_not_warned(
    machine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(devices=[Cpu()])
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    accelerators.warn_about_the_cpu("cpu")
    accelerators.warn_about_the_cpu("gpu")


@pytest.mark.parametrize("name", ["gpu:", "gpu:01", "cuda:0", "", "GPU:0", 3])
def test_names_that_are_none(name: Any) -> None:
    with pytest.raises(UnknownNameError, match="unknown device"):
        checked_name(name)


def test_jax_that_is_missing_or_old_is_explained(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import jax

    monkeypatch.setattr(jax, "__version__", "0.4.38")
    with pytest.raises(MachineError, match=r"needs JAX 0\.10 or newer, got 0\.4\.38"):
        runtime.load_jax()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MachineError, match=r'pip install "nervure\[xla\]"'):
        runtime.load_jax()
