"""A pruned network to and from disk: its folder, ONNX, files that outlive a kill."""

WEIGHTS, DESCRIPTION = "model.safetensors", "model.json"  # what the folder holds
