"""Writing models in the formats of others, a folder for each."""
