"""Decides which records an artifact has."""
