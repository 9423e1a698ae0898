"""Models in files.

A file is a *container*: a zip of JSON and safetensors with a list of checksums, made in
one move and verified when it is read.  It holds data only; nothing in it is executed
and no name in it is imported.

| file | what is in it |
|---|---|
| ``atomic`` | writing a file in one move |
| ``container`` | the zip, its checksums and everything that can be wrong with it |
| ``tensors`` | arrays and plain data as bytes |
| ``architecture``, ``compiling`` | layers, and what ``compile`` was given, as data |
| ``files``, ``methods`` | what users call |
| ``state`` | what changes in training: weights, optimizer, random counters, metrics |
"""
