"""Plain networks: the CIFAR ResNets and VGG-16 ourselves, torchvision's for the rest."""

from pruning.models.init import initialise
from pruning.models.resnet import resnet
from pruning.models.vgg import vgg16

__all__ = ["initialise", "resnet", "vgg16"]
