"""Derivatives of Python functions of arrays: reverse mode over NumPy, for losses of one's own."""
