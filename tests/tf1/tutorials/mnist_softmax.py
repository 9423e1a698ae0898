"""The tutorial for beginners: softmax regression on MNIST, with a graph and a session.

Written for TensorFlow 1, in words of our own; only the imports name Nervure.
`python mnist_softmax.py` reaches about 0.92.
"""

import argparse
import sys

import nervure.tf1 as tf
from nervure.tf1.examples.tutorials.mnist import input_data

ARGUMENTS = None


def main(_):
    mnist = input_data.read_data_sets(ARGUMENTS.data_dir, one_hot=True)

    # The model: one weight for each pixel and digit.
    x = tf.placeholder(tf.float32, [None, 784])
    weights = tf.Variable(tf.zeros([784, 10]))
    bias = tf.Variable(tf.zeros([10]))
    y = tf.matmul(x, weights) + bias

    # The loss and its optimizer.
    y_ = tf.placeholder(tf.float32, [None, 10])
    cross_entropy = tf.reduce_mean(
        tf.nn.softmax_cross_entropy_with_logits(labels=y_, logits=y)
    )
    train_step = tf.train.GradientDescentOptimizer(0.5).minimize(cross_entropy)

    sess = tf.InteractiveSession()
    tf.global_variables_initializer().run()
    for _ in range(ARGUMENTS.steps):
        batch_xs, batch_ys = mnist.train.next_batch(100)
        sess.run(train_step, feed_dict={x: batch_xs, y_: batch_ys})

    correct = tf.equal(tf.argmax(y, 1), tf.argmax(y_, 1))
    accuracy = tf.reduce_mean(tf.cast(correct, tf.float32))
    print(sess.run(accuracy, feed_dict={x: mnist.test.images, y_: mnist.test.labels}))
    sess.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--data_dir", default="/tmp/tensorflow/mnist/input_data")
    parser.add_argument("--steps", type=int, default=1000)
    ARGUMENTS, unparsed = parser.parse_known_args()
    tf.app.run(main=main, argv=[sys.argv[0], *unparsed])
