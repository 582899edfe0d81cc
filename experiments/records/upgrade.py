"""Records of earlier schemas, read for good: a pure function a step, from the JSON of one schema to that of the next.

Whoever moves a class that a config names, renames a key or adds one that tells settings apart raises SCHEMA in
record.py and writes the step here. A key that came later gets what every run did before one could choose, so that
old runs and new ones of a setting are repetitions of each other. (No record of schema 1 was ever published.)
"""

from experiments.records.json_value import JSON

Values = dict[str, JSON]
FCF = "pruning.methods.fcf.FCF"
L1 = "pruning.methods.l1.L1"
GROUP2D = "pruning.methods.group2d.Group2D"
BUDGET: Values = {"round_to": 1}
METHODS: dict[str, Values] = {
    FCF: {"start": "one"},
    GROUP2D: {"form": "split"},
}
TRAINER: Values = {
    "deterministic": True,
    "callbacks": [],
}  # all that lack it were made on CPUs, where it changes nothing
REPAIR: Values = {"steps": [], "images": 400}
FILTERS: dict[str, Values] = {  # what methods may remove besides whole convolutions' filters
    FCF: {"linear": False},
    "pruning.methods.l1.L1": {"grouped": None, "linear": False},
    "pruning.methods.random.Random": {"grouped": None, "linear": False},
}
GRADUAL: Values = {"cross": False, "gate": "norm", "start": "l1"}  # the values of FCF that made it gradual L1
OBSERVE: Values = {"images": 400}
RECIPE: Values = {"optimizer": "sgd"}
GLOBAL, SHARE, PER_LAYER = (f"pruning.budget.{name}" for name in ("Global", "Share", "PerLayer"))
ALLOCATIONS: dict[str, Values] = {
    "uniform": {"_target_": "pruning.budget.Uniform"},
    "l1": {"_target_": "pruning.budget.MeanMagnitude"},
}


def upgrade(record: Values) -> Values:
    """To the newest schema that its own leads to."""
    while (schema := record.get("schema")) in STEPS and isinstance(schema, int):
        record = STEPS[schema](record) | {"schema": schema + 1}
    return record


def from_2(record: Values) -> Values:
    """Budgets round widths, FCF has a start, group-wise pruning a form, and kernels may be deterministic."""
    config = record.get("config")
    if not isinstance(config, dict):
        return record
    method = config.get("method")
    if isinstance(method, dict):
        method = METHODS.get(str(method.get("_target_")), {}) | method
        method |= {"budget": with_defaults(method["budget"], BUDGET)} if "budget" in method else {}
    nodes = {"budget": with_defaults(config.get("budget"), BUDGET), "method": method}
    nodes["trainer"] = with_defaults(config.get("trainer"), TRAINER)
    nodes["recipe"] = with_defaults(config.get("recipe"), RECIPE)
    return record | {"config": config | {name: node for name, node in nodes.items() if name in config}}


def from_3(record: Values) -> Values:
    """The ladder of group-wise pruning is `levels`: `steps` are the optimiser's."""
    config = record.get("config")
    method = config.get("method") if isinstance(config, dict) else None
    if not (isinstance(config, dict) and isinstance(method, dict) and method.get("_target_") == GROUP2D):
        return record
    method = {"levels" if name == "steps" else name: value for name, value in method.items()}
    return record | {"config": config | {"method": method}}


def from_4(record: Values) -> Values:
    """What is left may be mended before it is fine-tuned; filters may be cut inside groups, and of linear layers."""
    config = record.get("config")
    if not isinstance(config, dict):
        return record
    nodes: Values = {"repair": REPAIR}
    method = config.get("method")
    if isinstance(method, dict):
        config = config | {"method": FILTERS.get(str(method.get("_target_")), {}) | method}
    return record | {"config": nodes | config}


def from_5(record: Values) -> Values:
    """Budgets have an allocation, and macs is the default; gradual L1 has a name and a class of its own, until now
    `fcf_ours`; FCF may start by lot. What networks say since then of their answers (nll, ece, flips) older records
    lack. Methods may look at images before they choose; L1 has a greedy variant."""
    return with_gradual(with_variant(with_allocation(with_controls(with_rounds(record)))))


def with_controls(record: Values) -> Values:
    """Groups of group2d may be drawn by lot, and are fine-tuned at full size under the mask: until now in small."""
    config = record.get("config")
    seed = config.get("seed") if isinstance(config, dict) else None
    return with_values(record, GROUP2D, {"assignment": "learned", "seed": seed, "tune": "small"})


def with_rounds(record: Values) -> Values:
    """All were pruned once."""
    config = record.get("config")
    return record | {"config": {"rounds": 1} | config} if isinstance(config, dict) else record


def with_variant(record: Values) -> Values:
    """Of L1, whose norms were those of all kernels."""
    return with_values(record, L1, {"variant": "independent"})


def with_values(record: Values, target: str, values: Values) -> Values:
    """That a method's node of this target lacks."""
    config = record.get("config")
    method = config.get("method") if isinstance(config, dict) else None
    if not (isinstance(config, dict) and isinstance(method, dict) and method.get("_target_") == target):
        return record
    return record | {"config": config | {"method": values | method}}


def with_allocation(record: Values) -> Values:
    """`budget=global` ranked by mean |W|, whatever the method scored; commands without a budget had that of layers."""
    config, budget, command = (record.get(name) for name in ("config", "budget", "command"))
    changed: Values = {}
    of = budget.get("of") if isinstance(budget, dict) else None
    allocation = "l1" if of == "global" else "uniform"
    if isinstance(budget, dict):
        changed["budget"] = budget | {"of": "filters" if of == "global" else of, "allocation": allocation}
    if isinstance(command, str):
        changed["command"] = renamed_budget(command)
    if isinstance(config, dict):
        changed["config"] = config | config_with_allocation(config)
    return record | changed


def renamed_budget(command: str) -> str:
    if "budget=" not in command and "experiment=" not in command:
        return f"{command} budget=layer"
    return command.replace("budget=global", "budget=filters allocation=l1")


def config_with_allocation(config: Values) -> Values:
    """The nodes that change."""
    choice, method = config.get("choice"), config.get("method")
    was = choice.get("budget") if isinstance(choice, dict) else None
    nodes: Values = {"allocation": ALLOCATIONS["l1" if was == "global" else "uniform"], "observe": OBSERVE}
    if isinstance(choice, dict):
        names: Values = {"allocation": "l1", "budget": "filters"} if was == "global" else {"allocation": "uniform"}
        nodes["choice"] = choice | names
    if "budget" in config:
        nodes["budget"] = allocated(config["budget"])
    if isinstance(method, dict) and "budget" in method:
        nodes["method"] = method | {"budget": allocated(method["budget"])}
    return nodes


def allocated(budget: JSON) -> JSON:
    """A budget's node."""
    if not isinstance(budget, dict):
        return budget
    target = budget.get("_target_")
    if target == GLOBAL:
        return budget | {"_target_": SHARE, "of": "filters", "allocation": ALLOCATIONS["l1"]}
    bounds: Values = {"ceiling": 1.0} if target == SHARE else {}
    return (bounds | {"allocation": ALLOCATIONS["uniform"]} if target in (SHARE, PER_LAYER) else {}) | budget


def with_gradual(record: Values) -> Values:
    """By what it was."""
    config = record.get("config")
    method = config.get("method") if isinstance(config, dict) else None
    if not (isinstance(config, dict) and isinstance(method, dict) and method.get("_target_") == FCF):
        return record
    if record.get("method") != "fcf_ours":
        return record | {"config": config | {"method": {"seed": config.get("seed")} | method}}
    return renamed_gradual(record, config, method)


def renamed_gradual(record: Values, config: Values, method: Values) -> Values:
    """By what it was: FCF, where its own values had been changed."""
    is_gradual = GRADUAL.items() <= method.items()
    name = "gradual" if is_gradual else "fcf"
    values = {key: value for key, value in method.items() if key not in GRADUAL}
    values |= {"_target_": "pruning.methods.gradual.Gradual"}
    node = values if is_gradual else {"seed": config.get("seed")} | method
    choice = config.get("choice")
    nodes: Values = {"method": node, "choice": choice | {"method": name} if isinstance(choice, dict) else choice}
    return record | {"method": name, "config": config | nodes}


def with_defaults(node: JSON, defaults: Values) -> JSON:
    return defaults | node if isinstance(node, dict) else node


STEPS = {2: from_2, 3: from_3, 4: from_4, 5: from_5}
