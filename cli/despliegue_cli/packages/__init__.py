"""Versions of models as they lie in the repository: made, improved, described, verified, removed.

What converts a model is in `despliegue_cli.convert`, what compares the two in `despliegue_cli.proof`.
"""
