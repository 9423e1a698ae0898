"""Models and how they are trained.

Read in this order: ``model`` (the public methods), ``trainer`` (what a step does),
``plan`` (what arguments and data must be), ``steps`` (a step, captured), ``loop`` (the
one loop that runs them).  A ``Model`` is a ``Trainer``, which is a ``Network``, which
is a ``Layer``.

| file | what is in it |
|---|---|
| ``network``, ``trainer``, ``model``, ``sequential`` | models |
| ``compile``, ``objectives`` | what ``compile`` was given, for each output |
| ``data``, ``labels``, ``arrange``, ``inputs``, ``rows`` | data, turned into arrays |
| ``checks``, ``targets``, ``prediction``, ``examples`` | what can be wrong |
| ``feed``, ``streams``, ``material`` | batches, from memory, files and programs |
| ``plan`` | from arguments to what will be run |
| ``steps``, ``loop``, ``shuffle``, ``pace`` | running it |
| ``report``, ``callbacks``, ``history``, ``progress``, ``summary`` | telling about it |
| ``cloning``, ``json_form``, ``saving`` | copies, and models as data |
"""
