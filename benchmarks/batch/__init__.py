"""`despliegue score` against what people would write instead, and against scoring alone, on the same files in one run.

peers.py is what they would write, with pandas, polars, and the csv and json modules. It runs in an environment of its
own below build/ and imports nothing of this repository.
"""
