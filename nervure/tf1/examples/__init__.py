"""What TensorFlow's tutorials import beside TensorFlow itself."""
