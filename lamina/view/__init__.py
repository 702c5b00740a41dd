"""Pictures and tables of models."""

from lamina.view.charts import Panels, activations, weights
from lamina.view.confusion import Confusion, confusion
from lamina.view.cost import Cost, cost
from lamina.view.diff import Change, Difference, diff
from lamina.view.explorer import explore
from lamina.view.model_graph import Box, Edge, Facts, Group, ModelGraph, Spec
from lamina.view.plot import Picture, model_to_dot, plot_model
from lamina.view.profile import Profile, Timing, profile
from lamina.view.summary import Row, summary, summary_rows

__all__ = [
    "Box", "Change", "Confusion", "Cost", "Difference", "Edge", "Facts", "Group", "ModelGraph",
    "Panels", "Picture", "Profile", "Row", "Spec", "Timing", "activations", "confusion", "cost",
    "diff", "explore", "model_to_dot", "plot_model", "profile", "summary", "summary_rows",
    "weights",
]  # fmt: skip
