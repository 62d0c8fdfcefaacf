"""How others, and we, load weights into a model, for :mod:`benchmarks.weights.peers`."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
import json
import logging
from pathlib import Path
from typing import Any
from typing import NamedTuple
import warnings

import safetensors.torch
import torch
from torch import nn
from torch import Tensor

from benchmarks.weights.peers_cases import Case
from benchmarks.weights.peers_cases import Net
from benchmarks.weights.peers_cases import source_state
from optuna_meta.weights import Checkpoint
from optuna_meta.weights import initialize


__all__ = ["judge", "Loader", "LOADERS"]

State = dict[str, Tensor]

# Of code that did not foresee the case.
_CRASHES = (AssertionError, AttributeError, LookupError, TypeError)


class Loader(NamedTuple):
    """A way to load weights.

    Args:
        name: As the table has it.
        package: What it needs.
        suffix: Of its files.
        save: Writes tensors to a file.
        load: Loads a file into a model and returns the model that it leaves, and what it tells.
    """

    name: str
    package: str
    suffix: str
    save: Callable[[State, Path], Any]
    load: Callable[[Net, Path], tuple[nn.Module, str]]


def judge(loader: Loader, case: Case, folder: Path) -> str:
    """What a loader does with a case, in a few words."""
    written = case.change(source_state())
    path = folder / f"model{loader.suffix}"
    loader.save(written, path)
    if case.damage:
        case.damage(path)
    model = Net()
    before = _copy(model)
    failed: Exception | None = None
    with _listening() as heard:
        try:
            found, told = loader.load(model, path)
        except Exception as error:
            found, told, failed = model, "", error
    told = " ".join([told, *heard])
    if failed is not None:
        return _refusal(failed, told, case, path, before, model)
    return _outcome(found, case, written, told)


def _refusal(
    error: Exception, told: str, case: Case, path: Path, before: State, model: Net
) -> str:
    text = f"{error} {told}"
    known = (*before, *case.concerned, path.name, str(path.parent))
    kind = "crashes" if isinstance(error, _CRASHES) else "refuses"
    named = any(name in text for name in known)
    unclear = "" if named else f" without naming what ({type(error).__name__})"
    half = any(not _equal(before[n], t) for n, t in model.state_dict().items())
    return f"{kind}{unclear}{', **model half loaded**' if half else ''}"


def _outcome(model: nn.Module, case: Case, written: State, told: str) -> str:
    state = model.state_dict()
    empty = [name for name, tensor in state.items() if tensor.is_meta]
    ending = f", **{' and '.join(empty)} left without memory**" if empty else ""
    says = any(name in told for name in case.concerned)
    if case.damage:
        return "**loads damaged weights, silent**"
    source = {name.removeprefix(case.dropped_prefix): t for name, t in written.items()}
    source.setdefault("out.weight", source.get("embed.weight", torch.empty(0)))
    loaded = [n for n, t in state.items() if n in source and _equal(t, source[n])]
    if not loaded:
        named = says or "embed.weight" in told
        return ("loads nothing, told" if named else "**loads nothing, silent**") + ending
    if case.fits is None:
        return "loads them, told" if says else "**loads them, silent**"
    if lost := [name for name in case.fits if name not in loaded]:
        return f"**loads all but {', '.join(lost)}**"
    if state["hidden.weight"].dtype != torch.float32:
        return "loads; the model takes the file's dtype"
    if case.concerned:
        return "loads the rest, told" if says else "**loads the rest, silent**"
    return "loads" if "out.weight" not in told else "loads, but calls `out.weight` missing"


def _equal(a: Tensor, b: Tensor) -> bool:
    if a.is_meta or a.shape != b.shape:
        return False
    return torch.allclose(a.float(), b.float(), 0.0, 0.0, equal_nan=True)


def _copy(model: nn.Module) -> State:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


@contextmanager
def _listening() -> Iterator[list[str]]:
    """What is logged or warned inside."""
    heard: list[str] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            heard.append(record.getMessage())

    ear, root = (
        Ear(level=logging.WARNING),
        [logging.getLogger(), logging.getLogger("transformers")],
    )
    for logger in root:
        logger.addHandler(ear)
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            yield heard
    finally:
        for logger in root:
            logger.removeHandler(ear)
        heard += [str(warning.message) for warning in warned]


def _save_safetensors(state: State, path: Path) -> None:
    # The format holds no tensor twice.
    tied = state.get("out.weight") is not None and "embed.weight" in state
    kept = {n: t for n, t in state.items() if not (tied and n == "out.weight")}
    safetensors.torch.save_file(_whole(kept), path, {"format": "pt"})


def _whole(state: State) -> State:
    return {name: tensor.contiguous().clone() for name, tensor in state.items()}


def _save_both_names(state: State, path: Path) -> None:
    safetensors.torch.save_file(_whole(state), path, {"format": "pt"})


def _torch(strict: bool) -> Callable[[Net, Path], tuple[nn.Module, str]]:
    def load(model: Net, path: Path) -> tuple[nn.Module, str]:
        state = torch.load(path, weights_only=True)
        return model, str(model.load_state_dict(state, strict=strict))

    return load


def _timm(strict: bool) -> Callable[[Net, Path], tuple[nn.Module, str]]:
    def load(model: Net, path: Path) -> tuple[nn.Module, str]:
        load_checkpoint = import_module("timm.models").load_checkpoint
        return model, str(load_checkpoint(model, str(path), strict=strict))

    return load


def _transformers(ignore: bool) -> Callable[[Net, Path], tuple[nn.Module, str]]:
    def load(model: Net, path: Path) -> tuple[nn.Module, str]:
        kind = _transformers_model()
        config = {"model_type": "benchmark_net", "tie_word_embeddings": True}
        (path.parent / "config.json").write_text(json.dumps(config))
        found, info = kind.from_pretrained(
            path.parent, ignore_mismatched_sizes=ignore, output_loading_info=True
        )
        left = {name: value for name, value in info.items() if value}
        return found, str(left) if left else ""

    return load


def _transformers_model() -> Any:
    """The same model as a class of transformers."""
    transformers: Any = import_module("transformers")
    quiet = import_module("transformers.utils.logging")
    quiet.disable_default_handler()  # The reports are listened to instead.
    quiet.disable_progress_bar()

    class Config(transformers.PretrainedConfig):  # type: ignore[misc]
        model_type = "benchmark_net"

    class Model(transformers.PreTrainedModel):  # type: ignore[misc]
        config_class = Config
        _tied_weights_keys = {"out.weight": "embed.weight"}

        def __init__(self, config: Any) -> None:
            super().__init__(config)
            net = Net()
            self.embed, self.hidden, self.norm = net.embed, net.hidden, net.norm
            self.out, self.head = net.out, net.head
            self.post_init()

        def get_input_embeddings(self) -> nn.Module:
            return self.embed

        def get_output_embeddings(self) -> nn.Module:
            return self.out

    return Model


def _skorch(model: Net, path: Path) -> tuple[nn.Module, str]:
    skorch, callbacks = import_module("skorch"), import_module("skorch.callbacks")
    kept = callbacks.Checkpoint(
        dirname=str(path.parent), f_params=path.name, f_optimizer=None, f_criterion=None,
        f_history=None, monitor=None, event_name=None,
    )  # fmt: skip
    net = skorch.NeuralNet(model, nn.MSELoss, callbacks=None, verbose=0).initialize()
    net.history.new_epoch()  # Without, it cannot name its file.
    net.history.new_batch()
    start = callbacks.LoadInitState(kept).initialize()
    start.on_train_begin(net)
    return net.module_, ""


def _ours(partial: Any) -> Callable[[Net, Path], tuple[nn.Module, str]]:
    def load(model: Net, path: Path) -> tuple[nn.Module, str]:
        report = initialize(model, Checkpoint.load_file(path), partial=partial)
        left = (report.missing, report.mismatched, report.unexpected)
        return model, str(report) if any(left) else ""

    return load


def _save_ours(state: State, path: Path) -> None:
    Checkpoint(state).save_file(path)


LOADERS = (
    Loader("optuna_meta `initialize`", "optuna_meta", ".ours", _save_ours, _ours("skip")),
    Loader('the same, `partial="error"`', "optuna_meta", ".ours", _save_ours, _ours("error")),
    Loader("torch `load_state_dict`", "torch", ".pt", torch.save, _torch(True)),
    Loader("torch `strict=False`", "torch", ".pt", torch.save, _torch(False)),
    Loader("timm `load_checkpoint`", "timm", ".safetensors", _save_both_names, _timm(True)),
    Loader("timm `strict=False`", "timm", ".safetensors", _save_both_names, _timm(False)),
    Loader(
        "transformers `from_pretrained`",
        "transformers", ".safetensors", _save_safetensors, _transformers(False),
    ),
    Loader(
        "transformers `ignore_mismatched_sizes`",
        "transformers", ".safetensors", _save_safetensors, _transformers(True),
    ),
    Loader("skorch `LoadInitState`", "skorch", ".pt", torch.save, _skorch),
)  # fmt: skip
