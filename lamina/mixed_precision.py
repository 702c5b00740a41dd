"""Mixed precision under its older names."""

from lamina.core.dtypes import DTypePolicy
from lamina.core.dtypes import DTypePolicy as Policy
from lamina.core.dtypes import default_policy as dtype_policy
from lamina.core.dtypes import default_policy as global_policy
from lamina.core.dtypes import set_default_policy as set_dtype_policy
from lamina.core.dtypes import set_default_policy as set_global_policy
from lamina.optimizers import LossScaleOptimizer

__all__ = ["DTypePolicy", "LossScaleOptimizer", "Policy", "dtype_policy", "global_policy",
           "set_dtype_policy", "set_global_policy"]  # fmt: skip
