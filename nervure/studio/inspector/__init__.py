"""The inspector: what a network sees in a picture that somebody draws or drops.

| file | what is in it |
|---|---|
| ``subject`` | the model that is looked at: one that reads digits, one for photos |
| ``networks`` | those that can be chosen |
| ``pictures`` | arrays as bytes for the page, and back |
| ``answers`` | scores, activations, maps of importance, filters, attacks |
"""
