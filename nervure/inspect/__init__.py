"""Looking inside networks: what layers respond to, and what decides an answer.

Every function takes a model and NumPy arrays and returns NumPy arrays; beside each is
``plot_...`` with the same parameters, which returns a figure of matplotlib.

| file | what is in it |
|---|---|
| ``seen``, ``responses`` | the layers of a model by name; their ``activations`` |
| ``kernels`` | ``first_layer_filters`` |
| ``reconstruction`` | ``deconvnet``, ``guided_backpropagation`` (``rectifiers``: how) |
| ``attribution`` | gradients: ``saliency``, ``smooth_grad``, ``integrated_gradients`` |
| ``class_activation`` | ``grad_cam``, ``grad_cam_plus_plus`` |
| ``occluding`` | ``occlusion`` |
| ``optimized`` | ``feature_visualization`` |
| ``embedding`` | ``nearest_training_samples``, ``embedding_projection`` |
| ``question``, ``pictures`` | what all maps are asked; arrays as pictures |

>>> import nervure as nv
>>> model = nv.models.Sequential([nv.layers.Dense(2, input_shape=(3,), name="dense")])
>>> list(nv.inspect.activations(model, [[0.0, 1.0, 2.0]]))
['dense']
"""

from nervure.inspect.attribution import (
    integrated_gradients,
    plot_integrated_gradients,
    plot_saliency,
    plot_smooth_grad,
    saliency,
    smooth_grad,
)
from nervure.inspect.class_activation import (
    grad_cam,
    grad_cam_plus_plus,
    plot_grad_cam,
    plot_grad_cam_plus_plus,
)
from nervure.inspect.embedding import (
    embedding_projection,
    nearest_training_samples,
    plot_embedding_projection,
    plot_nearest_training_samples,
)
from nervure.inspect.kernels import first_layer_filters, plot_first_layer_filters
from nervure.inspect.occluding import occlusion, plot_occlusion
from nervure.inspect.optimized import feature_visualization, plot_feature_visualization
from nervure.inspect.reconstruction import (
    deconvnet,
    guided_backpropagation,
    plot_deconvnet,
    plot_guided_backpropagation,
)
from nervure.inspect.responses import activations, plot_activations

__all__ = [
    "activations",
    "deconvnet",
    "embedding_projection",
    "feature_visualization",
    "first_layer_filters",
    "grad_cam",
    "grad_cam_plus_plus",
    "guided_backpropagation",
    "integrated_gradients",
    "nearest_training_samples",
    "occlusion",
    "plot_activations",
    "plot_deconvnet",
    "plot_embedding_projection",
    "plot_feature_visualization",
    "plot_first_layer_filters",
    "plot_grad_cam",
    "plot_grad_cam_plus_plus",
    "plot_guided_backpropagation",
    "plot_integrated_gradients",
    "plot_nearest_training_samples",
    "plot_occlusion",
    "plot_saliency",
    "plot_smooth_grad",
    "saliency",
    "smooth_grad",
]
