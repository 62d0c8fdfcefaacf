"""Fine-tuning of a language model by adapters; ``python -m examples.finetuning`` runs it."""
