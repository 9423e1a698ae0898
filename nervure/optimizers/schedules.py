"""The learning-rate schedules of Keras, under the same names.

>>> import nervure as nv
>>> schedule = nv.optimizers.schedules.CosineDecay(0.1, decay_steps=1000)
>>> nv.optimizers.SGD(schedule).get_config()["learning_rate"]["class_name"]
'CosineDecay'
"""

from nervure.nn.optimizers.schedules import *  # noqa: F403
from nervure.nn.optimizers.schedules import __all__ as __all__
