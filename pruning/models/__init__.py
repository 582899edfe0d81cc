"""Plain networks: the CIFAR ResNets, VGG-16 and ZFNet ourselves, torchvision's and timm's for the rest."""

from pruning.models.init import initialise
from pruning.models.library import timm_network, torchvision_network
from pruning.models.registry import Origin
from pruning.models.resnet import resnet
from pruning.models.vgg import vgg16
from pruning.models.zfnet import zfnet

__all__ = ["Origin", "initialise", "resnet", "timm_network", "torchvision_network", "vgg16", "zfnet"]
