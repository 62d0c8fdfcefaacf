"""One file of weights: in come a model and its record, out goes a verified safetensors file."""
