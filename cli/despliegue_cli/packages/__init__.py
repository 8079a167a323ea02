"""A version of a model as it lies in the repository: made from a model file, proven, improved, described, checked again.

What converts a model is in `despliegue_cli.convert`; what serves it is in `despliegue`.
"""
