"""Preparing data: stands beside the house, needs no more than its ground floor."""
