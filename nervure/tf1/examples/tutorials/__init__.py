"""The readers of the tutorials."""
