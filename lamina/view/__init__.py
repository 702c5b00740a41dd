"""Pictures and tables of models."""

from lamina.view.cost import Cost, cost
from lamina.view.diff import Change, Difference, diff
from lamina.view.model_graph import Box, Edge, Group, ModelGraph
from lamina.view.plot import Picture, model_to_dot, plot_model
from lamina.view.summary import Row, summary, summary_rows

__all__ = ["Box", "Change", "Cost", "Difference", "Edge", "Group", "ModelGraph", "Picture", "Row",
           "cost", "diff", "model_to_dot", "plot_model", "summary", "summary_rows"]  # fmt: skip
