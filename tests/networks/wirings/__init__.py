"""Forms of the popular collections' wirings, written anew and small: each function makes one network of list.toml."""

from importlib import import_module
from pkgutil import iter_modules

from torch import nn

MODULES = tuple(import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__))


def build(name: str) -> nn.Module:
    return next(vars(module)[name] for module in MODULES if name in vars(module))()
