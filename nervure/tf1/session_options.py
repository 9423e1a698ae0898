"""How a session of TensorFlow 1 is configured: taken, kept and not used.

Programs set these before they make a session.  Where Nervure computes, and with how
many threads, ``nervure.config`` says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(slots=True)
class GPUOptions:
    """What a program says about the memory of GPUs; not used.

    Parameters
    ----------
    per_process_gpu_memory_fraction
        The part of a GPU's memory that TensorFlow would take.
    allow_growth
        Whether TensorFlow would take memory as it needs it.
    visible_device_list
        The numbers of the GPUs that TensorFlow would see, as text.

    >>> import nervure.tf1 as tf
    >>> tf.GPUOptions(allow_growth=True).allow_growth
    True
    """

    per_process_gpu_memory_fraction: float = 0.0
    allow_growth: bool = False
    visible_device_list: str = ""


@dataclass(slots=True)
class ConfigProto:
    """The configuration of a session, which is kept and not used.

    Another attribute than these raises ``AttributeError``.

    Parameters
    ----------
    device_count
        How many devices of a kind TensorFlow would use.
    intra_op_parallelism_threads, inter_op_parallelism_threads
        Numbers of threads; Nervure's is ``nervure.config.num_threads``.
    log_device_placement, allow_soft_placement
        What TensorFlow would say and do about devices.
    gpu_options
        What concerns GPUs.

    >>> import nervure.tf1 as tf
    >>> config = tf.ConfigProto(log_device_placement=True)
    >>> config.gpu_options.allow_growth = True
    >>> with tf.Graph().as_default(), tf.Session(config=config) as session:
    ...     print(session.run(tf.constant(2.0)))
    2.0
    """

    device_count: Mapping[str, int] = field(default_factory=dict)
    intra_op_parallelism_threads: int = 0
    inter_op_parallelism_threads: int = 0
    log_device_placement: bool = False
    allow_soft_placement: bool = False
    gpu_options: GPUOptions = field(default_factory=GPUOptions)
