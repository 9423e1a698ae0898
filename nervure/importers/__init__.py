"""Reading what other libraries have written; data only, nothing is executed."""
