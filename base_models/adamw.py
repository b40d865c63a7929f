"""AdamW that goes over the weights a few times a step, where TensorFlow computes."""

import keras


class AdamW(keras.optimizers.AdamW):
    """Keras's AdamW (Loshchilov and Hutter 2019) with the same numbers, but for rounding.

    Keras's own writes every weight, moment and gradient to memory and reads it back some fifteen times a step, a third
    of a step's operations where matrices are fast. TensorFlow has one operation for all of Adam, and one for a
    gradient's norm. Other backends compile Keras's own into as few. Arguments are Keras's; weights are float32.
    """

    def _clip_gradients(self, grads):
        if not self.global_clipnorm or not _on_tensorflow():
            return super()._clip_gradients(grads)
        import tensorflow as tf

        return tf.clip_by_global_norm(grads, self.global_clipnorm)[0]

    def _apply_weight_decay(self, variables):
        if not self.weight_decay:
            return
        if not _on_tensorflow():
            super()._apply_weight_decay(variables)
            return
        keep = 1 - self.weight_decay * keras.ops.cast(self.learning_rate, "float32")
        for variable in filter(self._use_weight_decay, variables):
            variable.assign(variable * keep)

    def update_step(self, gradient, variable, learning_rate):
        """Keras asks for it once per variable: `gradient` has the shape of `variable`, a backend's own."""
        if self.amsgrad or not _on_tensorflow():
            super().update_step(gradient, variable, learning_rate)
            return
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


def _on_tensorflow():
    return keras.backend.backend() == "tensorflow"
