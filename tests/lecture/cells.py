# ruff: noqa: E501
"""The code cells of the founding lecture, in its order: ``(number, source)``."""

CELLS = [
    (
        1,
        r"""
import tensorflow as tf
tf.executing_eagerly()
""",
    ),
    (
        2,
        r"""
model = tf.keras.Model()
type(model)
""",
    ),
    (
        3,
        r"""
tf.keras.Model?
"`Model` groups layers into an object with training and inference features."
""",
    ),
    (
        4,
        r"""
from tensorflow.keras.layers import Dense
import numpy as np
#Dense?
""",
    ),
    (
        5,
        r"""
x = np.ones((4, 3)) # 4 объекта, 3 признака

dense_layer = Dense(units=2, input_shape=(3,))
output = dense_layer(x)
print(f"Output: {output}")
""",
    ),
    (
        6,
        r"""
w, b = dense_layer.get_weights()
print(f"Weights: {w}")
print(f"Bias: {b}")
""",
    ),
    (
        7,
        r"""
manual_output = np.matmul(x, w) + b
print(f"Manual output: {manual_output}")
""",
    ),
    (
        8,
        r"""
x = np.ones((4, 3))
dense_layer = Dense(2, input_shape=(3,), use_bias=False) # можно инициализировать слой без баеса
output = dense_layer(x)
print(dense_layer.get_weights())
""",
    ),
    (
        9,
        r"""
model = tf.keras.Sequential()
model.add(Dense(10, input_shape=(10,), activation="relu")) # скрытый слой 1
model.add(Dense(20, activation="relu",
                bias_initializer=tf.keras.initializers.Constant(2.0))) # скрытый слой 2, с не дефолтной инициализацией
model.add(Dense(5, activation="softmax")) # выходной слой
""",
    ),
    (
        10,
        r"""
sample_input = np.random.rand(2, 10)
output = model(sample_input)

print(output)
""",
    ),
    (
        11,
        r"""
print(output.numpy().sum(1)) # на выходе -- софтмакс, значит сумма == 1
""",
    ),
    (
        12,
        r"""
# проверим как инициализирован второй скрытый слой
# для этого обратимся к нему с помощью:
model.layers[1].get_weights()[1]
""",
    ),
    (
        13,
        r"""
model.summary() # None обозначает, что размер батча может быть произвольный
""",
    ),
    (
        14,
        r"""
# если не указать размер инпута в первом слое, то summary не сработает
model_no_input = tf.keras.Sequential()
model_no_input.add(Dense(10, activation="relu")) # скрытый слой 1
model_no_input.add(Dense(20, activation="relu"))
model_no_input.add(Dense(5, activation="softmax")) # выходной слой

model_no_input.summary() # None обозначает, что размер батча может быть произвольный
""",
    ),
    (
        15,
        r"""
tf.keras.utils.plot_model(model, show_shapes=True)
""",
    ),
    (
        16,
        r"""
# cпециальный Инпут слой, показывает keras куда "положить" данные при использовании модели
input_layer = tf.keras.layers.Input(shape=(10, ), name="Input")
l1 = Dense(10, name="Layer1") # определили первый слой
l1_output = l1(input_layer) # соеденили его с инпутом, "нарисовали" самую правую стрелку на картинке выше

l2_output = Dense(10, name="Layer2")(input_layer) # дальше будем определять чуть компактнее
l3_output = Dense(10, name="Layer3")(l2_output)
l4_output = Dense(10, name="Layer4")(l3_output)

l5_output = Dense(10, name="Layer5")(l2_output)

# специальный слой, который сложит выходы всех слоев, которые ему передали
sum_output = tf.keras.layers.Add(name="SumLayer")([l1_output, l4_output, l5_output])

# выходной слой
output = Dense(10, name="Output")(sum_output)

# создаем модель. нужно показать что мы считаем входом в нашу модель, а что выходом.
model = tf.keras.Model(inputs=input_layer, outputs=output)

tf.keras.utils.plot_model(model, show_shapes=False)
""",
    ),
    (
        17,
        r"""
model.summary()
""",
    ),
    (
        20,
        r"""
# если мы укажем в аутпутах слой, для вычисления которого не нужно было считать весь граф --
# keras автоматически обрежет граф.
model = tf.keras.Model(inputs=input_layer, outputs=l4_output)

tf.keras.utils.plot_model(model, show_shapes=True)
""",
    ),
    (
        19,
        r"""
# можно указать несколько выходов
model = tf.keras.Model(inputs=input_layer, outputs=[l4_output, l5_output, l1_output])

tf.keras.utils.plot_model(model, show_shapes=False)
""",
    ),
]
