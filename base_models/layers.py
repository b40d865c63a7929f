"""Layers of our own. `keras.ops` only, so that they run on every Keras backend."""

import math

import keras
from keras import ops


@keras.saving.register_keras_serializable("keypoints")
class ScheduledDropout(keras.layers.Layer):
    """Dropout whose rate may change between epochs.

    A stock Dropout's rate is frozen into the traced step, so a schedule over epochs would do nothing. Here rate and
    seed are non-trainable weights: `set_epoch` writes both, which also makes an epoch a pure function of its number.

    Args:
        rate: share of the values set to zero in training, in [0, 1); survivors are scaled by 1 / (1 - rate).
    """

    def __init__(self, rate, **kwargs):
        super().__init__(**kwargs)
        if not 0 <= rate < 1:
            raise ValueError(f"{self.name}: expected a dropout rate in [0, 1). Received: rate={rate}")
        self.full_rate = rate
        self.seed_generator = keras.random.SeedGenerator(0)

    def build(self, input_shape):
        self.rate = self.add_weight(
            shape=(),
            initializer=keras.initializers.Constant(self.full_rate),
            trainable=False,
            name="rate",
            dtype="float32",
            autocast=False,
        )

    def set_epoch(self, seed, factor):
        """Use `factor` times the full rate and noise from `seed`, two ints below 2**32."""
        self.rate.assign(self.full_rate * factor)
        self.seed_generator.state.assign(ops.convert_to_tensor(seed, self.seed_generator.state.dtype))

    def call(self, inputs, training=False):
        if not training or self.full_rate == 0:
            return inputs
        dropped = _chosen(ops.shape(inputs), self.rate, self.seed_generator)
        scale = ops.cast(1.0 / (1.0 - self.rate), inputs.dtype)
        return inputs * ops.where(dropped, ops.cast(0.0, inputs.dtype), scale)

    def get_config(self):
        return {**super().get_config(), "rate": self.full_rate}


def _chosen(shape, rate, generator):
    """Bools, True with the probability `rate`, below 1. TensorFlow takes half as long to draw 16 bits for each as it
    takes for a float."""
    if keras.backend.backend() != "tensorflow":
        return keras.random.uniform(shape, dtype="float32", seed=generator) < rate
    import tensorflow as tf

    count, seed = tf.reduce_prod(shape), tf.cast(generator.next(), "int32")
    words = tf.random.stateless_uniform(((count + 1) // 2,), seed, None, None, "int32")
    halves = tf.reshape(tf.bitcast(words, "uint16"), (-1,))[:count]
    return tf.reshape(halves, shape) < tf.cast(rate * 2.0**16, "uint16")


@keras.saving.register_keras_serializable("keypoints")
class BatchNorm(keras.layers.BatchNormalization):
    """Batch norm of maps [b, h, w, C], in training by TensorFlow's one operation for it.

    Keras's own takes half a dozen passes over the maps there, a tenth of a training step's time. All else is Keras's.
    """

    def call(self, inputs, training=None, mask=None):
        usual = self.center and self.scale and not self.renorm and self.axis in (-1, 3) and mask is None
        maps_in_training = training and self.trainable and len(inputs.shape) == 4
        if not (usual and maps_in_training and keras.backend.backend() == "tensorflow"):
            return super().call(inputs, training=training, mask=mask)
        import tensorflow as tf

        maps = ops.cast(inputs, "float32")
        arguments = {"epsilon": self.epsilon, "is_training": True}
        outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(maps, self.gamma, self.beta, **arguments)
        count = ops.cast(tf.size(maps) // maps.shape[-1], "float32")
        variance *= (count - 1) / count  # Keras keeps that of the batch itself, not what it says of all maps
        for kept, now in ((self.moving_mean, mean), (self.moving_variance, variance)):
            kept.assign(kept * self.momentum + now * (1 - self.momentum))
        return ops.cast(outputs, self.compute_dtype)


@keras.saving.register_keras_serializable("keypoints")
class Standardize(keras.layers.Layer):
    """Each image to mean 0 and standard deviation 1, so that light and contrast matter less. Input: 0..255."""

    def call(self, inputs):
        mean = ops.mean(inputs, axis=(1, 2, 3), keepdims=True)
        spread = ops.std(inputs, axis=(1, 2, 3), keepdims=True)
        return (inputs - mean) / (spread + 4.0)  # 4 grey levels: a flat image stays flat instead of exploding


@keras.saving.register_keras_serializable("keypoints")
class Range(keras.layers.Layer):
    """Values 0..255 to a fixed range, the same for every image.

    Args:
        values: "unit", to 0..1; "centred", to -0.5..0.5; "imagenet", by the mean and standard deviation of ImageNet's
            red, green and blue, or their averages for grey images (He et al. 2015 and after).
    """

    RANGES = {
        "unit": ((0.0,), (1.0,)),
        "centred": ((0.5,), (1.0,)),
        "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    }

    def __init__(self, values, **kwargs):
        super().__init__(**kwargs)
        self.values = values

    def call(self, inputs):
        mean, spread = (ops.convert_to_tensor(numbers, "float32") for numbers in self.RANGES[self.values])
        if inputs.shape[-1] != len(self.RANGES[self.values][0]):
            mean, spread = ops.mean(mean), ops.mean(spread)
        return (ops.cast(inputs, "float32") / 255.0 - mean) / spread

    def get_config(self):
        return {**super().get_config(), "values": self.values}


@keras.saving.register_keras_serializable("keypoints")
class Positions(keras.layers.Layer):
    """Numbers of a head to positions: `anchor + scale * x`, in px.

    Args:
        slots: how many points come out.
        scale: px per unit of the input; about the spread of the labels, so that a head's numbers are near 1.
        numbers: per slot; 2, or 3 where the logarithm of the error's standard deviation, px, comes last.

    The anchor is a non-trainable weight [slots, 2], set from the mean of the training labels.
    """

    def __init__(self, slots, scale, numbers=2, **kwargs):
        super().__init__(**kwargs)
        self.slots, self.scale, self.numbers = slots, scale, numbers

    def build(self, input_shape):
        self.anchor = self.add_weight(
            shape=(self.slots, 2), initializer="zeros", trainable=False, name="anchor", dtype="float32", autocast=False
        )

    def call(self, inputs):
        shaped = ops.reshape(ops.cast(inputs, "float32"), (-1, self.slots, self.numbers))
        positions = self.anchor + self.scale * shaped[..., :2]
        if self.numbers == 2:
            return positions
        spread = shaped[..., 2:] + math.log(self.scale)  # a fresh network errs as much as the labels spread
        return ops.concatenate([positions, spread], axis=-1)

    def get_config(self):
        return {**super().get_config(), "slots": self.slots, "scale": self.scale, "numbers": self.numbers}
