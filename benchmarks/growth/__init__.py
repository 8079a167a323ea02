"""How cost grows with rows, features, models, file size and concurrent requests: a curve and its exponent for each.

A module for each kind of process: `handler` (rows and features, in this one), `repository` (a child for each start),
`files` (`despliegue score`), `concurrency` (`despliegue serve`). `fit` turns measured points into exponents.
"""
