"""The studio: playground, graphs, training runs and a look into networks, in a browser.

``nervure studio`` starts it.  The server listens on this machine only; whoever has not
the address with its token gets nothing, and the pages ask no other machine for
anything.

| file or folder | what is in it |
|---|---|
| ``access`` | who may ask what: hosts, origins, methods, token, sizes, time |
| ``application`` | the addresses, as an application of Starlette |
| ``server`` | running it, in the foreground or in a thread |
| ``assets``, ``static/`` | the web application, built from ``studio/`` |
| ``playground/`` | small networks on points of the plane |
| ``runs`` | event files as curves, histograms and pictures |
| ``programs`` | graphs of models |
| ``inspector/`` | what a network sees in a picture |
| ``callback`` | ``callbacks.Studio``, which writes the event files |
| ``notebook`` | ``nervure.playground()`` |
"""
