"""The playground: small networks on a plane, after playground.tensorflow.org.

| file | what is in it |
|---|---|
| ``points`` | the data sets of the original, and tables of the user |
| ``named_sets`` | data sets of scikit-learn |
| ``choices`` | what the page asks for, checked |
| ``network`` | the model that the choices describe, and what its neurons answer |
| ``trainer`` | training it between two pictures |
| ``frames`` | a picture of all that as bytes |
| ``session`` | the thread that trains, and what it is told |
| ``script`` | the same network as a Python file |
"""
