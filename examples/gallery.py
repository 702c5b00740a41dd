"""Well-known networks, built layer by layer: the documentation draws them, and the tests too.

    from gallery import MODELS
    model = MODELS["resnet50"]()

Nothing is trained and no weight is made; describing the largest of them takes under a second.
"""

from collections.abc import Callable
from typing import Any

import lamina as keras

layers = keras.layers


def chain() -> Any:
    """The first model of the lecture: a chain of three dense layers."""
    return keras.Sequential(
        [
            keras.Input((10,)),
            layers.Dense(10, activation="relu", name="Layer1"),
            layers.Dense(20, activation="relu", name="Layer2"),
            layers.Dense(5, activation="softmax", name="Output"),
        ],
        name="chain",
    )


def graph() -> Any:
    """The lecture's graph: branches of different length that meet in a sum."""
    inputs = keras.Input((10,), name="Input")
    one = layers.Dense(10, name="Layer1")(inputs)
    two = layers.Dense(10, name="Layer2")(inputs)
    four = layers.Dense(10, name="Layer4")(layers.Dense(10, name="Layer3")(two))
    five = layers.Dense(10, name="Layer5")(two)
    total = layers.Add(name="SumLayer")([one, four, five])
    return keras.Model(inputs, layers.Dense(10, name="Output")(total), name="graph")


def lenet() -> Any:
    """LeNet-5 (LeCun et al. 1998), with the layers of today."""
    return keras.Sequential(
        [
            keras.Input((32, 32, 1), name="image"),
            layers.Conv2D(6, 5, activation="tanh", name="C1"),
            layers.AveragePooling2D(name="S2"),
            layers.Conv2D(16, 5, activation="tanh", name="C3"),
            layers.AveragePooling2D(name="S4"),
            layers.Conv2D(120, 5, activation="tanh", name="C5"),
            layers.Flatten(name="flatten"),
            layers.Dense(84, activation="tanh", name="F6"),
            layers.Dense(10, activation="softmax", name="output"),
        ],
        name="lenet",
    )


def _normed(x: Any, filters: int, size: int, strides: int, name: str) -> Any:
    x = layers.Conv2D(filters, size, strides, padding="same", use_bias=False, name=f"{name}_conv")(
        x
    )
    return layers.BatchNormalization(name=f"{name}_norm")(x)


def _bottleneck(x: Any, filters: int, strides: int, first: bool, name: str) -> Any:
    shortcut = _normed(x, 4 * filters, 1, strides, f"{name}_shortcut") if first else x
    y = layers.ReLU(name=f"{name}_relu1")(_normed(x, filters, 1, strides, f"{name}_1"))
    y = layers.ReLU(name=f"{name}_relu2")(_normed(y, filters, 3, 1, f"{name}_2"))
    y = _normed(y, 4 * filters, 1, 1, f"{name}_3")
    return layers.ReLU(name=f"{name}_out")(layers.Add(name=f"{name}_add")([shortcut, y]))


def resnet50() -> Any:
    """ResNet-50 (He et al. 2015, table 1), flat: 16 bottleneck blocks in four stages."""
    image = keras.Input((224, 224, 3), name="image")
    x = layers.ReLU(name="stem_relu")(_normed(image, 64, 7, 2, "stem"))
    x = layers.MaxPooling2D(3, 2, padding="same", name="stem_pool")(x)
    for stage, (filters, blocks) in enumerate([(64, 3), (128, 4), (256, 6), (512, 3)], 2):
        for block in range(blocks):
            strides = 2 if stage > 2 and block == 0 else 1
            x = _bottleneck(x, filters, strides, block == 0, f"stage{stage}_block{block + 1}")
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.Dense(1000, activation="softmax", name="classes")(x)
    return keras.Model(image, x, name="resnet50")


def inception() -> Any:
    """One Inception block (Szegedy et al. 2014, block 3a): four branches side by side."""
    x = keras.Input((28, 28, 192), name="features")

    def conv(y: Any, filters: int, size: int, name: str) -> Any:
        return layers.Conv2D(filters, size, padding="same", activation="relu", name=name)(y)

    branches = [
        conv(x, 64, 1, "one"),
        conv(conv(x, 96, 1, "three_reduce"), 128, 3, "three"),
        conv(conv(x, 16, 1, "five_reduce"), 32, 5, "five"),
        conv(layers.MaxPooling2D(3, 1, padding="same", name="pool")(x), 32, 1, "pool_project"),
    ]
    return keras.Model(x, layers.Concatenate(name="joined")(branches), name="inception")


def unet(depth: int = 4) -> Any:
    """U-Net (Ronneberger et al. 2015) with padding: a skip at each of its four scales."""
    image = keras.Input((256, 256, 1), name="image")

    def twice(y: Any, filters: int, name: str) -> Any:
        for index in (1, 2):
            y = layers.Conv2D(
                filters, 3, padding="same", activation="relu", name=f"{name}_conv{index}"
            )(y)
        return y

    x, skips = image, []
    for level in range(depth):
        skips.append(twice(x, 64 << level, f"down{level + 1}"))
        x = layers.MaxPooling2D(name=f"down{level + 1}_pool")(skips[-1])
    x = twice(x, 64 << depth, "bottom")
    for level in reversed(range(depth)):
        up = layers.Conv2DTranspose(64 << level, 2, 2, name=f"up{level + 1}")(x)
        x = layers.Concatenate(name=f"up{level + 1}_skip")([skips[level], up])
        x = twice(x, 64 << level, f"up{level + 1}")
    return keras.Model(image, layers.Conv2D(2, 1, name="classes")(x), name="unet")


def siamese() -> Any:
    """Two towers with the same weights (Bromley et al. 1993), and the distance of their ends."""
    tower = keras.Sequential(
        [
            keras.Input((105, 105, 1), name="image"),
            layers.Conv2D(64, 10, activation="relu", name="conv1"),
            layers.MaxPooling2D(name="pool1"),
            layers.Conv2D(128, 7, activation="relu", name="conv2"),
            layers.GlobalAveragePooling2D(name="pool2"),
            layers.Dense(256, name="embedding"),
        ],
        name="tower",
    )
    left, right = keras.Input((105, 105, 1), name="left"), keras.Input((105, 105, 1), name="right")
    distance = keras.ops.abs(tower(left) - tower(right))
    same = layers.Dense(1, activation="sigmoid", name="same")(distance)
    return keras.Model([left, right], same, name="siamese")


def _feed_forward(x: Any, width: int, name: str) -> Any:
    y = layers.Dense(4 * width, activation="gelu", name=f"{name}_expand")(x)
    y = layers.Dense(width, name=f"{name}_contract")(y)
    return layers.LayerNormalization(name=f"{name}_norm")(layers.Add(name=f"{name}_add")([x, y]))


def _attend(x: Any, source: Any, heads: int, causal: bool, name: str) -> Any:
    y = layers.MultiHeadAttention(heads, x.shape[-1] // heads, name=f"{name}_attention")(
        x, source, use_causal_mask=causal
    )
    return layers.LayerNormalization(name=f"{name}_norm")(layers.Add(name=f"{name}_add")([x, y]))


def _encoder_block(width: int, heads: int, name: str) -> Any:
    x = keras.Input((None, width), name="tokens")
    y = _feed_forward(_attend(x, x, heads, False, "self"), width, "mlp")
    return keras.Model(x, y, name=name)


def _decoder_block(width: int, heads: int, name: str) -> Any:
    x = keras.Input((None, width), name="tokens")
    memory = keras.Input((None, width), name="memory")
    y = _attend(_attend(x, x, heads, True, "self"), memory, heads, False, "cross")
    return keras.Model([x, memory], _feed_forward(y, width, "mlp"), name=name)


def transformer(blocks: int = 6, width: int = 512, heads: int = 8, words: int = 32_000) -> Any:
    """Encoder and decoder (Vaswani et al. 2017), each a nested model of nested blocks."""
    inputs = keras.Input((None,), dtype="int32", name="source_tokens")
    x = layers.Embedding(words, width, name="source_embedding")(inputs)
    for index in range(blocks):
        x = _encoder_block(width, heads, f"encoder_block{index + 1}")(x)
    encoder = keras.Model(inputs, x, name="encoder")

    targets = keras.Input((None,), dtype="int32", name="target_tokens")
    memory = keras.Input((None, width), name="memory")
    y = layers.Embedding(words, width, name="target_embedding")(targets)
    for index in range(blocks):
        y = _decoder_block(width, heads, f"decoder_block{index + 1}")([y, memory])
    decoder = keras.Model([targets, memory], y, name="decoder")

    source = keras.Input((None,), dtype="int32", name="source")
    target = keras.Input((None,), dtype="int32", name="target")
    decoded = decoder([target, encoder(source)])
    logits = layers.Dense(words, name="logits")(decoded)
    return keras.Model([source, target], logits, name="transformer")


def decoder(blocks: int = 24, width: int = 1024, heads: int = 16, words: int = 50_257) -> Any:
    """A decoder of 24 equal blocks, flat, with norms before (as in GPT-2 medium)."""
    tokens = keras.Input((1024,), dtype="int32", name="tokens")
    x = layers.Embedding(words, width, name="embedding")(tokens)
    for index in range(1, blocks + 1):
        y = layers.LayerNormalization(name=f"block{index}_norm1")(x)
        y = layers.MultiHeadAttention(heads, width // heads, name=f"block{index}_attention")(
            y, y, use_causal_mask=True
        )
        x = layers.Add(name=f"block{index}_add1")([x, y])
        y = layers.LayerNormalization(name=f"block{index}_norm2")(x)
        y = layers.Dense(4 * width, activation="gelu", name=f"block{index}_expand")(y)
        y = layers.Dense(width, name=f"block{index}_contract")(y)
        x = layers.Add(name=f"block{index}_add2")([x, y])
    x = layers.LayerNormalization(name="norm")(x)
    logits = layers.Dense(words, use_bias=False, name="logits")(x)
    return keras.Model(tokens, logits, name="decoder")


MODELS: dict[str, Callable[[], Any]] = {
    "chain": chain,
    "graph": graph,
    "lenet": lenet,
    "inception": inception,
    "unet": unet,
    "resnet50": resnet50,
    "siamese": siamese,
    "transformer": transformer,
    "decoder": decoder,
}
"""Every model of the gallery by its name, as a function that builds it."""
