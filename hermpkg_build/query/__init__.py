"""The query language: expressions over a graph of targets, what they mean, and how answers are printed."""
