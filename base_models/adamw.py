"""AdamW that goes over the weights a few times a step, where TensorFlow computes."""

import keras


def adamw(**arguments):
    """Keras's AdamW (Loshchilov and Hutter 2019), under TensorFlow in fewer passes. Arguments are Keras's."""
    return (FewPasses if keras.backend.backend() == "tensorflow" else keras.optimizers.AdamW)(**arguments)


class FewPasses(keras.optimizers.AdamW):
    """The same numbers, but for rounding, for float32 weights under TensorFlow, without amsgrad.

    Keras's own writes every weight, moment and gradient to memory and reads it back some fifteen times a step, a third
    of a step's operations where matrices are fast. TensorFlow has one operation for all of Adam, and one for a
    gradient's norm. Other backends compile Keras's own as a whole.
    """

    def _clip_gradients(self, grads):
        if not self.global_clipnorm:
            return super()._clip_gradients(grads)
        import tensorflow as tf

        return tf.clip_by_global_norm(grads, self.global_clipnorm)[0]

    def _apply_weight_decay(self, variables):
        if not self.weight_decay:
            return
        keep = 1 - self.weight_decay * keras.ops.cast(self.learning_rate, "float32")
        for variable in filter(self._use_weight_decay, variables):
            variable.assign(variable * keep)

    def update_step(self, gradient, variable, learning_rate):
        """Keras asks for it once per variable: `gradient` has the shape of `variable`, both TensorFlow's own."""
        import tensorflow as tf

        place, steps = self._get_variable_index(variable), tf.cast(self.iterations, "float32") + 1
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[place].value.handle,
            v=self._velocities[place].value.handle,
            beta1_power=self.beta_1**steps,
            beta2_power=self.beta_2**steps,
            lr=tf.cast(learning_rate, "float32"),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=gradient,
        )
