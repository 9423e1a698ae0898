"""Models and how they are trained.

Read in this order: ``model`` (the public methods), ``plan`` (what arguments and data
must be), ``steps`` (what one step computes), ``loop`` (the one loop that runs them).

| file | what is in it |
|---|---|
| ``model``, ``sequential`` | models |
| ``compile`` | what ``compile`` was given, looked up |
| ``data``, ``labels`` | what users pass, turned into arrays |
| ``checks``, ``targets``, ``prediction`` | everything that can be wrong, found first |
| ``plan`` | from arguments to what will be run |
| ``steps``, ``loop``, ``shuffle``, ``pace`` | running it |
| ``callbacks``, ``history``, ``progress``, ``summary`` | telling about it |
"""
