"""Programs that one can look into: what is computed, by which kernels, where."""
