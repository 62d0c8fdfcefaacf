"""One model's weights: in come its tensors and metadata, out goes one hashed file, and back."""
