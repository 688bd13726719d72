"""Competitions, a folder each."""
