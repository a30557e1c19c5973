"""Files of parameters and of whole models."""
