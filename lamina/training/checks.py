"""What is wrong with a run, found on the host before its first step.

Each check is a function of `Seen` that yields findings: those of losses and metrics stand in
`check_outputs`, those of arrays, layers and callbacks in `check_inputs`.
"""

import math
import sys
import warnings
from pathlib import Path
from typing import Any

from lamina.core.errors import ArgumentError, LaminaError, LaminaWarning
from lamina.training import check_inputs, check_outputs
from lamina.training.program import prepare
from lamina.training.seen import Finding, Findings, Seen

_ROOM = str(Path(__file__).parent.parent)


def before_training(model: Any, data: Any, check: Any, callbacks: Any) -> None:
    """Raise what is certainly wrong with a run, and warn of what probably is.

    Raises:
        ArgumentError: with all that is certainly wrong.
    """
    found = _found(Seen(model, data, check, callbacks.callbacks))
    for finding in found:
        if not finding.certain:
            warn(finding)
    certain = [finding for finding in found if finding.certain]
    if certain:
        raise ArgumentError("\n".join(f"{each.message} [{each.code}]" for each in certain))


def _found(seen: Seen) -> Findings:
    return Findings(dict.fromkeys([*check_inputs.findings(seen), *check_outputs.findings(seen)]))


def warn(finding: Finding) -> None:
    """Give a finding as a warning at the user's line."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_ROOM):
        frame, level = frame.f_back, level + 1
    warnings.warn(f"{finding.message} [{finding.code}]", LaminaWarning, stacklevel=level)


def examine(model: Any, data: Any, callbacks: Any) -> Findings:
    """What `Trainer.check` gives: losses and metrics are tried, and are as they were after."""
    parts = [each for each in (model.compiled_loss, model.compiled_metrics) if each is not None]
    kept = [dict(vars(part)) for part in parts]
    try:
        prepare(model, "test", data.first())
        return _found(Seen(model, data, None, callbacks))
    except LaminaError as error:
        return Findings([Finding("does-not-fit", str(error), certain=True)])
    finally:
        for part, old in zip(parts, kept, strict=True):
            vars(part).clear()
            vars(part).update(old)


def nan_hint(epoch: int, logs: dict[str, Any], callbacks: list[Any]) -> bool:
    """Warn of an epoch whose loss is NaN or inf; whether that was due."""
    loss = logs.get("loss", 0.0)
    if math.isfinite(loss) or any(each.expects_nan for each in callbacks):
        return False
    text = (
        f"The loss became {loss} in epoch {epoch + 1}, and with it most likely the weights. "
        "fit(..., check_numerics=True) says in which batch and layer it begins, and keeps the "
        "weights before it; a lower learning rate or clipnorm=1.0 often helps."
    )
    warn(Finding("nan-loss", text))
    return True
