"""Graphs with the shapes of known networks: what the drawings of this project are judged by."""

from lamina.view.model_graph import Box, Edge, Group, ModelGraph


class Sketch:
    """A ModelGraph in the making: ``add`` makes a box that reads others and answers its id."""

    def __init__(self, name: str):
        self.graph = ModelGraph(name)

    def add(self, label: str, *sources: str, group: str | None = None) -> str:
        name = f"{label.lower()}_{len(self.graph.boxes)}"
        self.graph.boxes.append(Box(name, label, name, group=group))
        self.graph.edges += [Edge(source, name, "batch × 64") for source in sources]
        return name

    def chain(self, labels: str, source: str, group: str | None = None) -> str:
        for label in labels.split():
            source = self.add(label, source, group=group)
        return source

    def group(self, name: str, parent: str | None = None) -> str:
        self.graph.groups.append(Group(f"g{len(self.graph.groups)}", name, parent))
        return self.graph.groups[-1].id


def resnet(blocks: tuple[int, ...] = (3, 4, 6, 3)) -> ModelGraph:
    """A residual network; with these blocks it is ResNet-50: 177 boxes."""
    s = Sketch("resnet")
    x = s.chain(
        "Input ZeroPadding2D Conv2D BatchNorm ReLU ZeroPadding2D MaxPooling2D", s.add("Data")
    )
    for count in blocks:
        for index in range(count):
            short = x if index else s.chain("Conv2D BatchNorm", x)
            y = s.chain("Conv2D BatchNorm ReLU Conv2D BatchNorm ReLU Conv2D BatchNorm", x)
            x = s.add("ReLU", s.add("Add", short, y))
    s.chain("GlobalAveragePooling2D Dense", x)
    return s.graph


def inception(blocks: int = 3) -> ModelGraph:
    """Blocks of four branches that are joined."""
    s = Sketch("inception")
    x = s.add("Input")
    for _ in range(blocks):
        branches = [s.chain(way, x) for way in ("Conv2D", "Conv2D Conv2D", "Conv2D Conv2D Conv2D")]
        x = s.add("Concatenate", *branches, s.chain("MaxPooling2D Conv2D", x))
    s.chain("GlobalAveragePooling2D Dense", x)
    return s.graph


def unet(depth: int = 4) -> ModelGraph:
    """Down and up again, with a connection across at each of ``depth`` sizes."""
    s = Sketch("unet")
    x, kept = s.add("Input"), []
    for _ in range(depth):
        x = s.chain("Conv2D Conv2D", x)
        kept.append(x)
        x = s.add("MaxPooling2D", x)
    x = s.chain("Conv2D Conv2D", x)
    while kept:
        x = s.chain("Conv2D Conv2D", s.add("Concatenate", kept.pop(), s.add("Conv2DTranspose", x)))
    s.add("Conv2D", x)
    return s.graph


def siamese() -> ModelGraph:
    """Two inputs through one nested model."""
    s = Sketch("siamese")
    a, b = s.add("Input"), s.add("Input")
    tower = s.group("encoder")
    first = s.add("Conv2D", a, b, group=tower)
    x = s.chain("MaxPooling2D Flatten Dense", first, group=tower)
    s.chain("Abs Dense", s.add("Subtract", x, x))
    return s.graph


def towers() -> ModelGraph:
    """Two embeddings of many features, compared."""
    s = Sketch("towers")
    tops = []
    for count in (4, 3):
        parts = [s.chain("Input Embedding Flatten", s.add("Lookup")) for _ in range(count)]
        tops.append(s.chain("Dense Dense UnitNorm", s.add("Concatenate", *parts)))
    s.chain("Dense", s.add("Dot", *tops))
    return s.graph


def _attend(s: Sketch, x: str, other: str, group: str | None) -> str:
    sources = (x, x, x) if other == x else (x, other, other)
    y = s.add("Dropout", s.add("MultiHeadAttention", *sources, group=group), group=group)
    return s.add("LayerNorm", s.add("Add", x, y, group=group), group=group)


def _feed(s: Sketch, x: str, group: str | None) -> str:
    y = s.chain("Dense Dense Dropout", x, group)
    return s.add("LayerNorm", s.add("Add", x, y, group=group), group=group)


def transformer(blocks: int = 3) -> ModelGraph:
    """Encoder and decoder, each block a nested model in a nested model."""
    s = Sketch("transformer")
    tokens, target = s.add("Input"), s.add("Input")
    encoder, decoder = s.group("encoder"), s.group("decoder")
    x = s.add("Embedding", tokens, group=encoder)
    for index in range(blocks):
        group = s.group(f"encoder_block_{index}", encoder)
        x = _feed(s, _attend(s, x, x, group), group)
    y = s.add("Embedding", target, group=decoder)
    for index in range(blocks):
        group = s.group(f"decoder_block_{index}", decoder)
        y = _feed(s, _attend(s, _attend(s, y, y, group), x, group), group)
    s.add("Dense", y)
    return s.graph


def decoder(blocks: int = 4) -> ModelGraph:
    """A decoder of pre-normalised blocks without groups; each has 9 boxes."""
    s = Sketch("decoder")
    x = s.add("Embedding", s.add("Input"))
    for _ in range(blocks):
        y = s.add("LayerNorm", x)
        x = s.add("Add", x, s.add("Dropout", s.add("MultiHeadAttention", y, y, y)))
        x = s.add("Add", x, s.chain("LayerNorm Dense Dense Dropout", x))
    s.chain("LayerNorm Dense", x)
    return s.graph


def densenet(layers: int = 6) -> ModelGraph:
    """Every layer reads all before it."""
    s = Sketch("densenet")
    found = [s.add("Input")]
    for _ in range(layers):
        joined = s.add("Concatenate", *found) if len(found) > 1 else found[0]
        found.append(s.chain("BatchNorm ReLU Conv2D", joined))
    s.add("Dense", found[-1])
    return s.graph


GALLERY = [resnet, inception, unet, siamese, towers, transformer, decoder, densenet]
