"""Models in the form that other libraries expect."""
