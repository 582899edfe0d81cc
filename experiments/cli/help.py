"""`--help`: what can be chosen, read from conf/, and how. Imports no Hydra, whose own takes a second."""

from collections.abc import Iterable

from experiments.config.choices import config_folders, explain
from experiments.system import checkout

GROUPS: tuple[str, ...] = ("method", "model", "data", "budget", "allocation", "repair", "deploy")
GROUPS += ("objective", "recipe", "tracking", "experiment")
EXAMPLES = """\
Prune a CNN: train or load it, cut it, prove the small one equal to the masked one, fine-tune, measure, record.

  python run.py method=fcf model=vgg16                       about three minutes on two cores
  python run.py method=l1 model=resnet20 data=cifar10 ratio=0.3
  python run.py -m method=random,l1,fcf ratio=0.25,0.5 seed=0,1,2
      each job a process; again: only what is missing; hydra.launcher.n_jobs=2: side by side

What to choose
"""
KEYS = """\
Then
  ratio=0.5        share removed, in [0, 1); of what says budget=
  seed=0           initial weights, order of images, augmentation
  baseline=PATH    instead of training: weights (.safetensors, a state dict), or a pruned outputs/RUN/network
  control=scratch  also train the pruned shape from fresh weights, as another row
  plan=true        show what would be cut and what cannot be, train nothing
  sensitivity=true prune each layer alone and show what it costs
  program=table    cut and repair one dense network in many ways, train nothing: table.criteria, table.repairs, ...
  export=onnx      also write a checked ONNX file
  store=false      recompute stages that are already stored
  folder=outputs   where records and finished stages go
  --config-dir DIR choices of your own, DIR/method/mine.yaml; PRUNING_TARGETS=package: what they may call
  recipe.baseline.epochs=5 (also prune, finetune; lr, momentum, weight_decay), recipe.batch=64, recipe.scale=0.1
  recipe.optimizer=sgd|adamw, trainer.callbacks=[...]
  trainer.accelerator=auto trainer.devices=1 trainer.precision=auto|32-true|bf16-mixed trainer.compile=auto|true|false
  method.*, model.*, data.*, objective.*  the values in conf/<group>/<choice>.yaml

All values of this run: python run.py ... --cfg job --resolve
"""


def is_requested(arguments: Iterable[str]) -> bool:
    """With Hydra's abbreviations."""
    return any(word in ("-h", "--he", "--hel", "--help") for word in arguments)


def text(arguments: Iterable[str] = ()) -> str:
    """With the choices of the folder that `--config-dir` among the arguments names."""
    folders = config_folders(list(arguments))
    groups = (explain(group, *folders) for group in GROUPS)
    return "\n".join([EXAMPLES, *groups, KEYS]).replace("python run.py", checkout.command())
