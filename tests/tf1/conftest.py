"""Every test of TensorFlow 1's names begins with an empty graph."""

import pytest

import nervure.tf1 as tf


@pytest.fixture(autouse=True)
def _empty_graph():
    graph = tf.Graph()
    with graph.as_default():
        yield graph
