"""The inspector: what a network sees in a picture that somebody draws or drops.

| file | what is in it |
|---|---|
| ``subject`` | the model that is looked at; by default one that reads digits |
| ``pictures`` | arrays as bytes for the page, and back |
| ``answers`` | scores, activations, maps of importance, filters, attacks |
"""
