"""Formulations that are faster than XLA's own choice on a platform, with the numbers."""
