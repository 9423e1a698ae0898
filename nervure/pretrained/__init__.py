"""Networks that others have designed and trained, and how to learn from them.

``efficientnet_lite0`` has its weights in the package.  The other architectures start
with random weights, or read those that torchvision or Keras publish (``weights=`` and
the path of a file).

>>> import numpy as np
>>> import nervure as nv
>>> model = nv.pretrained.efficientnet_lite0()
>>> photo = np.zeros((1, 224, 224, 3), np.uint8)
>>> scores = model.predict(nv.pretrained.preprocess_input(photo), verbose=0)
>>> len(nv.pretrained.decode_predictions(scores)[0])
5

| file | what is in it |
|---|---|
| ``architectures/`` | the networks, a file for each family |
| ``options``, ``parts`` | their arguments; the layers that networks consist of |
| ``weights`` | state dicts of torch and files of Keras |
| ``images`` | pixels in, names of classes out |
| ``transfer/`` | linear models on features; training further |
"""

from typing import TYPE_CHECKING, Any

from nervure.pretrained.architectures.alexnet import alexnet
from nervure.pretrained.architectures.densenet import densenet121
from nervure.pretrained.architectures.efficientnet import (
    efficientnet_b0,
    efficientnet_lite0,
)
from nervure.pretrained.architectures.inception import inception_v3
from nervure.pretrained.architectures.lenet import (
    PartlyConnectedConv2D,
    ScaledTanh,
    lenet5,
)
from nervure.pretrained.architectures.mobilenet import mobilenet_v2
from nervure.pretrained.architectures.resnet import (
    resnet18,
    resnet34,
    resnet50,
    resnet101,
)
from nervure.pretrained.architectures.vgg import vgg16, vgg19
from nervure.pretrained.architectures.vision_transformer import (
    ClassToken,
    PositionEmbedding,
    vit_b_16,
)
from nervure.pretrained.images import (
    decode_predictions,
    imagenet_classes,
    preprocess_input,
)
from nervure.pretrained.transfer.fine_tuning import (
    FineTuned,
    fine_tune,
    learning_rate_multipliers,
)

if TYPE_CHECKING:
    from nervure.pretrained.transfer.features import FeatureExtractor

__all__ = [
    "FeatureExtractor",
    "FineTuned",
    "ClassToken",
    "PartlyConnectedConv2D",
    "PositionEmbedding",
    "ScaledTanh",
    "alexnet",
    "decode_predictions",
    "densenet121",
    "efficientnet_b0",
    "efficientnet_lite0",
    "fine_tune",
    "imagenet_classes",
    "inception_v3",
    "learning_rate_multipliers",
    "lenet5",
    "mobilenet_v2",
    "preprocess_input",
    "resnet101",
    "resnet18",
    "resnet34",
    "resnet50",
    "vgg16",
    "vgg19",
    "vit_b_16",
]


def __getattr__(name: str) -> Any:
    # A transformer of scikit-learn, which is loaded only when it is wanted.
    if name == "FeatureExtractor":
        from nervure.pretrained.transfer.features import FeatureExtractor

        return FeatureExtractor
    raise AttributeError(f"module 'nervure.pretrained' has no attribute {name!r}")
