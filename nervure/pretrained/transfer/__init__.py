"""Learning from networks that have learnt already."""
