"""Drawings of results: arrays in, one self-contained Bokeh page out. Imports no Keras or TensorFlow."""
