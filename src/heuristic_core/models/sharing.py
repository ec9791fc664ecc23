"""Layers that share one set of weights, turned into separate modules.

ALBERT calls one layer repeatedly. Hooks, traces and compaction must distinguish the calls, so each
call gets its own module with the same parameters. Saved weights stay the one set.
"""

from __future__ import annotations

import copy
from typing import Any

from torch import nn

from ..errors import InputError


class Repeated(nn.ModuleList):
    """Layers of which some share their parameters; each set is saved once.

    Args:
        sets: The layers whose parameters are shared, in order.
        n_layers: How many layers there are: each set serves the same number, in sequence.
    """

    def __init__(self, sets: nn.ModuleList, n_layers: int) -> None:
        n_each = n_layers // len(sets)
        # The first of each set is the layer itself.
        super().__init__(
            one if i == 0 else _sharing(one) for one in sets.children() for i in range(n_each)
        )
        self.n_each = n_each

    def state_dict(self, *args: Any, destination: Any = None, **kwargs: Any) -> Any:
        """Return every set of parameters once, named as in the original layers."""
        prefix, keep_vars = kwargs.get("prefix", ""), kwargs.get("keep_vars", False)
        destination = {} if destination is None else destination
        for i, layer in enumerate(list(self)[:: self.n_each]):
            layer.state_dict(destination=destination, prefix=f"{prefix}{i}.", keep_vars=keep_vars)
        return destination

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        # What was saved once belongs to every layer that shares it; children are loaded after this.
        every: dict[str, Any] = {}
        for name in [name for name in state_dict if name.startswith(prefix)]:
            place, rest = name.removeprefix(prefix).split(".", 1)
            first = int(place) * self.n_each
            value = state_dict.pop(name)
            shared = {f"{prefix}{first + i}.{rest}": value for i in range(self.n_each)}
            every.update(shared)
        state_dict.update(every)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)


def separate_layers(hf: Any) -> None:
    """Give every layer of an ALBERT its own module; leave other models alone.

    Raises:
        InputError: If a group has several layers, as in no released model.
    """
    config = hf.config
    if config.model_type != "albert":
        return
    if config.inner_group_num != 1:
        raise InputError(
            f"an ALBERT with inner_group_num {config.inner_group_num} is not supported; only 1 is"
        )
    encoder = hf.albert.encoder
    groups = encoder.albert_layer_groups
    if isinstance(groups, Repeated) or len(groups) == config.num_hidden_layers:
        return
    if config.num_hidden_layers % len(groups):
        raise InputError(
            f"an ALBERT of {config.num_hidden_layers} layers in {len(groups)} groups is not "
            "supported; the groups must be of one size"
        )
    encoder.albert_layer_groups = Repeated(groups, config.num_hidden_layers)
    # The encoder chooses the group by this number; the model's own configuration stays.
    encoder.config = copy.copy(config)
    encoder.config.num_hidden_groups = config.num_hidden_layers


def share_nothing(hf: Any) -> None:
    """Give every layer of an ALBERT its own parameters, also in its configuration."""
    if hf.config.model_type == "albert":
        encoder = hf.albert.encoder
        n_layers = hf.config.num_hidden_layers
        # Copied one by one, so that no copy knows of another.
        layers = [copy.deepcopy(layer) for layer in encoder.albert_layer_groups]
        encoder.albert_layer_groups = nn.ModuleList(layers)
        hf.config.num_hidden_groups = n_layers
        encoder.config = hf.config


def _sharing(module: nn.Module) -> nn.Module:
    """Copy a module and those in it, with the same parameters."""
    twin = copy.copy(module)
    twin._modules = {
        name: None if child is None else _sharing(child) for name, child in module._modules.items()
    }
    # Hooks belong to one copy; parameters and buffers to all.
    twin._forward_hooks = type(module._forward_hooks)()
    twin._forward_pre_hooks = type(module._forward_pre_hooks)()
    return twin
