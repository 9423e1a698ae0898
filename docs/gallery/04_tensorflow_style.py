"""
TensorFlow style: a graph and a session
=======================================

The lecture's TensorFlow program, with placeholders and a session. Only the import is
another one.
"""

import matplotlib.pyplot as plt
import numpy as np

import nervure.tf1 as tf
from nervure.tf1.examples.tutorials.mnist import input_data

mnist = input_data.read_data_sets("MNIST_data", one_hot=True)

# %%
# First the graph: nothing is computed here.

tf.set_random_seed(0)
x = tf.placeholder(tf.float32, [None, 784])
weights = tf.Variable(tf.zeros([784, 10]))
bias = tf.Variable(tf.zeros([10]))
logits = tf.matmul(x, weights) + bias
labels = tf.placeholder(tf.float32, [None, 10])
loss = tf.reduce_mean(
    tf.nn.softmax_cross_entropy_with_logits(labels=labels, logits=logits)
)
train = tf.train.GradientDescentOptimizer(0.5).minimize(loss)
right = tf.equal(tf.argmax(logits, 1), tf.argmax(labels, 1))
accuracy = tf.reduce_mean(tf.cast(right, tf.float32))

# %%
# Then a session, which runs the parts that are asked for.

with tf.Session() as session:
    session.run(tf.global_variables_initializer())
    losses = []
    for _ in range(400):
        images, digits = mnist.train.next_batch(100)
        _, value = session.run([train, loss], {x: images, labels: digits})
        losses.append(value)
    score = session.run(accuracy, {x: mnist.test.images, labels: mnist.test.labels})
    learnt = session.run(weights)
    print(f"accuracy {score:.3f}, {session.compilations} programs were compiled")

# %%
# What it has learnt: one picture for each digit. Red pixels speak for it.

figure, axes = plt.subplots(2, 5, figsize=(9, 4), layout="constrained")
limit = np.abs(learnt).max() * 0.7
for digit, place in enumerate(axes.flat):
    picture = learnt[:, digit].reshape(28, 28)
    place.imshow(picture, cmap="RdBu_r", vmin=-limit, vmax=limit)
    place.set_title(str(digit))
    place.axis("off")
assert score > 0.85
