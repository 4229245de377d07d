"""A third party's package with a model that goes wrong as it is told to: installed by a line on PYTHONPATH."""
