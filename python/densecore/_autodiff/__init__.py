"""Derivatives of Python functions of arrays: reverse mode over NumPy, for custom losses."""
