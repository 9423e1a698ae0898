"""The tutorial for experts: a network of two convolutions on MNIST.

Written for TensorFlow 1, in words of our own; only the imports name Nervure.
`python mnist_deep.py` makes 20,000 steps and reaches about 0.992.
"""

import argparse
import sys

import nervure.tf1 as tf
from nervure.tf1.examples.tutorials.mnist import input_data

ARGUMENTS = None


def weight_variable(shape):
    return tf.Variable(tf.truncated_normal(shape, stddev=0.1))


def bias_variable(shape):
    return tf.Variable(tf.constant(0.1, shape=shape))


def conv2d(x, w):
    return tf.nn.conv2d(x, w, strides=[1, 1, 1, 1], padding="SAME")


def max_pool_2x2(x):
    return tf.nn.max_pool(x, ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="SAME")


def deepnn(x):
    """Return the logits, and the placeholder for the chance to keep a unit."""
    with tf.name_scope("reshape"):
        x_image = tf.reshape(x, [-1, 28, 28, 1])
    with tf.name_scope("conv1"):
        w_conv1, b_conv1 = weight_variable([5, 5, 1, 32]), bias_variable([32])
        h_conv1 = tf.nn.relu(conv2d(x_image, w_conv1) + b_conv1)
    with tf.name_scope("pool1"):
        h_pool1 = max_pool_2x2(h_conv1)
    with tf.name_scope("conv2"):
        w_conv2, b_conv2 = weight_variable([5, 5, 32, 64]), bias_variable([64])
        h_conv2 = tf.nn.relu(conv2d(h_pool1, w_conv2) + b_conv2)
    with tf.name_scope("pool2"):
        h_pool2 = max_pool_2x2(h_conv2)
    with tf.name_scope("fc1"):
        w_fc1, b_fc1 = weight_variable([7 * 7 * 64, 1024]), bias_variable([1024])
        flat = tf.reshape(h_pool2, [-1, 7 * 7 * 64])
        h_fc1 = tf.nn.relu(tf.matmul(flat, w_fc1) + b_fc1)
    with tf.name_scope("dropout"):
        keep_prob = tf.placeholder(tf.float32)
        h_fc1_drop = tf.nn.dropout(h_fc1, keep_prob)
    with tf.name_scope("fc2"):
        w_fc2, b_fc2 = weight_variable([1024, 10]), bias_variable([10])
        y_conv = tf.matmul(h_fc1_drop, w_fc2) + b_fc2
    return y_conv, keep_prob


def main(_):
    mnist = input_data.read_data_sets(ARGUMENTS.data_dir, one_hot=True)
    x = tf.placeholder(tf.float32, [None, 784])
    y_ = tf.placeholder(tf.float32, [None, 10])
    y_conv, keep_prob = deepnn(x)

    with tf.name_scope("loss"):
        cross_entropy = tf.nn.softmax_cross_entropy_with_logits(
            labels=y_, logits=y_conv
        )
    cross_entropy = tf.reduce_mean(cross_entropy)
    with tf.name_scope("adam_optimizer"):
        train_step = tf.train.AdamOptimizer(1e-4).minimize(cross_entropy)
    with tf.name_scope("accuracy"):
        correct_prediction = tf.equal(tf.argmax(y_conv, 1), tf.argmax(y_, 1))
        correct_prediction = tf.cast(correct_prediction, tf.float32)
    accuracy = tf.reduce_mean(correct_prediction)

    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for i in range(ARGUMENTS.steps):
            batch = mnist.train.next_batch(50)
            if i % 100 == 0:
                train_accuracy = accuracy.eval(
                    feed_dict={x: batch[0], y_: batch[1], keep_prob: 1.0}
                )
                print(f"step {i}, training accuracy {train_accuracy:g}", flush=True)
            train_step.run(feed_dict={x: batch[0], y_: batch[1], keep_prob: 0.5})
        rows = slice(ARGUMENTS.test_images)
        images, labels = mnist.test.images[rows], mnist.test.labels[rows]
        test = {x: images, y_: labels, keep_prob: 1.0}
        print(f"test accuracy {accuracy.eval(feed_dict=test):g}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--data_dir", default="/tmp/tensorflow/mnist/input_data")
    parser.add_argument("--steps", type=int, default=20000)
    parser.add_argument("--test_images", type=int, default=10000)
    ARGUMENTS, unparsed = parser.parse_known_args()
    tf.app.run(main=main, argv=[sys.argv[0], *unparsed])
