"""What a face set is, where it comes from, how it is split, augmented and stored. Imports no Keras or TensorFlow."""
