"""Code written for TensorFlow or Keras, run on Lamina without changing a line of it.

After `install`, ``import tensorflow as tf``, ``from tensorflow.keras.layers import Dense`` and
``import keras`` find a facade of Lamina instead of the packages of these names, which are then
not imported. Inside the facade results are tensors that print as TensorFlow's do and have
``.numpy()``. `uninstall` takes everything back. Without the call nothing is changed.

What TensorFlow has and the facade has not says so when it is asked for, and what to use.

>>> import lamina.compat
>>> lamina.compat.install()
>>> import tensorflow as tf
>>> print(tf.reduce_sum(tf.constant([1.0, 2.0])))
tf.Tensor(3.0, shape=(), dtype=float32)
>>> lamina.compat.uninstall()
"""

from lamina.compat.switch import install, installed, uninstall

__all__ = ["install", "installed", "uninstall"]
