"""Several processes that train together: who they are, and how they find each other."""

from __future__ import annotations

import os
from typing import Final

import numpy as np

from nervure.errors import MachineError, explain

# Set by `nervure launch` for every process that it starts.
COORDINATOR: Final = "NERVURE_COORDINATOR"
PROCESSES: Final = "NERVURE_PROCESSES"
PROCESS: Final = "NERVURE_PROCESS"
# A process that does not answer for so long is dead; JAX's own limit is 100 s.
HEARTBEAT_SECONDS: Final = 10
START_SECONDS: Final = 120
# Schedulers where JAX itself finds out who takes part: a variable that each of their
# processes has, and one that tells how many there are. Kubernetes tells that to nobody
# but JAX, and a TPU pod lists its hosts.
_CLUSTERS: Final = (
    ("SLURM_PROCID", "SLURM_NTASKS"),
    ("OMPI_MCA_orte_hnp_uri", "OMPI_COMM_WORLD_SIZE"),
    ("JOB_COMPLETION_INDEX", ""),
    ("TPU_WORKER_HOSTNAMES", "TPU_WORKER_HOSTNAMES"),
)

_initialized = False


def initialize() -> None:
    """Join the other processes of this training, if there are any.

    Called by the strategies; calling it first thing in a script does no harm.  Under
    ``nervure launch`` the processes find each other on this machine; on SLURM, Open
    MPI, Kubernetes and TPU pods as JAX does (``jax.distributed``).

    Raises
    ------
    MachineError
        If the others do not come, or JAX has been used already.

    >>> import nervure as nv
    >>> nv.distribute.initialize()
    >>> nv.distribute.process_count()
    1
    """
    global _initialized
    if _initialized:
        return
    arguments = _launched()
    if arguments is None and not _in_cluster():
        return
    from nervure.exec.xla.runtime import load_jax

    os.environ.setdefault("JAX_CPU_COLLECTIVES_IMPLEMENTATION", "gloo")
    jax = load_jax()
    try:
        jax.distributed.initialize(
            **(arguments or {}),
            initialization_timeout=START_SECONDS,
            heartbeat_timeout_seconds=HEARTBEAT_SECONDS,
        )
    except (RuntimeError, ValueError) as error:
        raise MachineError(
            explain(
                f"the processes of this training did not find each other: {error}",
                fix="make the strategy (nervure.distribute.DataParallel()) before "
                "anything is computed, and look whether all processes were started",
            )
        ) from error
    from nervure.exec import base

    base.process_index = jax.process_index()
    base.process_count = jax.process_count()
    _initialized = True
    _share_random_state()


def _share_random_state() -> None:
    """Let all processes draw the random numbers of the first one."""
    from nervure.array import Array
    from nervure.exec.xla.mesh import gathered
    from nervure.random import default_generator

    cell = default_generator().cell
    state = np.array(gathered(np.array(cell.stored.numpy()))[0])
    state.flags.writeable = False
    cell.store(Array.of_value(state))


def _launched() -> dict[str, object] | None:
    """Return the arguments that ``nervure launch`` has left, if it has."""
    address = os.environ.get(COORDINATOR)
    if not address:
        return None
    return {
        "coordinator_address": address,
        "num_processes": int(os.environ[PROCESSES]),
        "process_id": int(os.environ[PROCESS]),
        # By default it would listen on all networks, without asking who calls.
        "coordinator_bind_address": address,
    }


def _in_cluster() -> bool:
    """Tell whether a scheduler has started several processes."""
    for sign, size in _CLUSTERS:
        if sign in os.environ:
            text = os.environ.get(size, "1") if size else "unknown,"
            count = int(text) if text.isdigit() else text.count(",") + 1
            if count > 1:
                return True
    return False


def process_index() -> int:
    """Return the number of this process, from 0 on.

    >>> import nervure as nv
    >>> nv.distribute.process_index()
    0
    """
    from nervure.exec import base

    return base.process_index


def process_count() -> int:
    """Return how many processes train together.

    >>> import nervure as nv
    >>> nv.distribute.process_count()
    1
    """
    from nervure.exec import base

    return base.process_count
