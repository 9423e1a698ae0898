"""State dicts with torchvision's names give the outputs that torch computes."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import nervure as nv
from nervure.errors import ArgumentError, FileFormatError
from tests.pretrained import torch_networks as others

slow = pytest.mark.slow
CLASSES = 7
# The name, the network in torch, the size of the images.
CASES = {
    "lenet5": (others.LeNet, 32),
    "resnet18": (lambda n: others.ResNet((2, 2, 2, 2), 1, n), 64),
    "mobilenet_v2": (others.MobileNetV2, 96),
    "resnet50": (lambda n: others.ResNet((3, 4, 6, 3), 4, n), 65),
    "resnet34": (lambda n: others.ResNet((3, 4, 6, 3), 1, n), 64),
    "resnet101": (lambda n: others.ResNet((3, 4, 23, 3), 4, n), 64),
    "efficientnet_b0": (others.EfficientNetB0, 64),
    "densenet121": (lambda n: others.DenseNet((6, 12, 24, 16), n), 64),
    "inception_v3": (others.Inception, 107),
    "alexnet": (others.AlexNet, 224),
    "vgg16": (lambda n: others.VGG((2, 2, 3, 3, 3), n), 64),
    "vgg19": (lambda n: others.VGG((2, 2, 4, 4, 4), n), 224),
    "vit_b_16": (lambda n: others.ViT(32, n), 32),
}
QUICK = ("lenet5", "resnet18", "mobilenet_v2")


def arrays(network):
    return {name: one.numpy() for name, one in network.state_dict().items()}


def compare(name, weights, network, size):
    channels = 1 if name == "lenet5" else 3
    x = torch.randn((2, channels, size, size), generator=torch.manual_seed(1))
    with torch.no_grad():
        expected = network(x).numpy()
    model = getattr(nv.pretrained, name)(
        weights=weights,
        input_shape=(size, size, channels),
        classes=CLASSES,
        classifier_activation=None,
    )
    got = model.predict(x.numpy().transpose(0, 2, 3, 1), verbose=0)
    assert expected.std() > 1e-2  # or the comparison says nothing
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-4 * abs(expected).max())
    return model


@pytest.mark.parametrize(
    "name", [one if one in QUICK else pytest.param(one, marks=slow) for one in CASES]
)
def test_outputs_equal_torch(name, tmp_path):
    make, size = CASES[name]
    network = others.with_random_state(make(CLASSES))
    path = tmp_path / f"{name}.safetensors"
    save_file(network.state_dict(), path)
    model = compare(name, path, network, size)
    counted = sum(
        one.numel()
        for label, one in network.named_parameters()
        if not label.startswith("AuxLogits")
    )
    assert sum(one.size for one in model.trainable_weights) == counted


def test_half_precision_is_computed_in_float32(tmp_path):
    network = others.with_random_state(others.LeNet(CLASSES))
    halves = {name: one.half() for name, one in network.state_dict().items()}
    network.load_state_dict(halves)
    save_file(halves, tmp_path / "half.safetensors")
    model = compare("lenet5", tmp_path / "half.safetensors", network, 32)
    assert {one.dtype.name for one in model.weights} == {"float32"}


@slow
def test_old_names_are_understood():
    network = others.with_random_state(others.DenseNet((6, 12, 24, 16), 3))
    state = arrays(network)
    old = {
        name.replace(".norm1.", ".norm.1.").replace(".conv2.", ".conv.2."): one
        for name, one in state.items()
    }
    assert old.keys() != state.keys()
    made = [
        nv.pretrained.densenet121(weights=one, include_top=False).get_weights()
        for one in (state, old)
    ]
    for left, right in zip(*made):
        np.testing.assert_array_equal(left, right)


def test_without_the_top_the_file_may_have_one():
    network = others.with_random_state(others.LeNet(CLASSES))
    model = nv.pretrained.lenet5(weights=arrays(network), include_top=False)
    assert model.output_shape == (None, 84)
    np.testing.assert_array_equal(
        model.get_layer("c1").get_weights()[1], network.conv1.bias.detach().numpy()
    )


def test_weights_of_another_network_are_refused():
    state = arrays(others.LeNet(CLASSES))
    with pytest.raises(FileFormatError, match=r"'conv1.weight' is missing|is missing"):
        nv.pretrained.resnet18(weights=state)
    missing = {name: one for name, one in state.items() if name != "fc2.bias"}
    with pytest.raises(FileFormatError, match=r"'fc2.bias' is missing"):
        nv.pretrained.lenet5(weights=missing, classes=CLASSES)
    further = {**state, "fc4.weight": np.zeros((2, 2), np.float32)}
    with pytest.raises(FileFormatError, match=r"'fc4.weight' has no place"):
        nv.pretrained.lenet5(weights=further, classes=CLASSES)
    with pytest.raises(FileFormatError, match="pass classes="):
        nv.pretrained.lenet5(weights=state)
    flat = {**state, "conv1.weight": state["conv1.weight"].reshape(6, -1)}
    with pytest.raises(FileFormatError, match="fits a weight of shape"):
        nv.pretrained.lenet5(weights=flat, classes=CLASSES)
    whole = {**state, "fc3.bias": np.zeros(CLASSES, np.int32)}
    with pytest.raises(FileFormatError, match="int32"):
        nv.pretrained.lenet5(weights=whole, classes=CLASSES)


def test_files_that_are_not_read(tmp_path):
    (tmp_path / "broken.safetensors").write_bytes(b"\xff" * 40)
    with pytest.raises(FileFormatError, match="safetensors"):
        nv.pretrained.lenet5(weights=tmp_path / "broken.safetensors")
    with pytest.raises(FileNotFoundError):
        nv.pretrained.lenet5(weights=tmp_path / "none.safetensors")
    with pytest.raises(ArgumentError, match="is a pickle, as torch writes them"):
        nv.pretrained.lenet5(weights=tmp_path / "weights.pth")
    with pytest.raises(ArgumentError, match="ends in"):
        nv.pretrained.lenet5(weights="weights.bin.txt")
    with pytest.raises(ArgumentError, match="got int"):
        nv.pretrained.lenet5(weights=3)


def test_a_style_without_a_state_dict_says_so():
    with pytest.raises(ArgumentError, match="for the style 'torchvision'"):
        nv.pretrained.resnet50(weights={}, style="keras")
    with pytest.raises(ArgumentError, match="for the style 'keras'"):
        nv.pretrained.resnet50(weights="weights.h5", style="torchvision")
    with pytest.raises(ArgumentError, match=r"no state dict of torch has: 's2_scale"):
        nv.pretrained.lenet5(weights={}, style="paper")


def test_training_changes_the_network_and_not_the_arrays():
    state = arrays(others.with_random_state(others.LeNet(10)))
    before = {name: one.copy() for name, one in state.items()}
    model = nv.pretrained.lenet5(weights=state)
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(np.ones((4, 32, 32, 1)), np.arange(4), epochs=2, verbose=0)
    for name, one in state.items():
        np.testing.assert_array_equal(one, before[name])
    assert (model.get_layer("c5").get_weights()[1] != before["fc1.bias"]).any()
