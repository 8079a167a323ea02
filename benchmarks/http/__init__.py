"""`despliegue serve` against what people would use instead, over HTTP, on the same work in one run.

peers/ has a folder for each server: its code, why it is configured so, and what is installed for it. It runs in an
environment of its own below build/ and imports nothing of this repository.
"""
