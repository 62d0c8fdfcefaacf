"""One small model and the mismatches of ``peers``, put through the loaders of others and ours."""

from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
import logging
from logging.handlers import BufferingHandler
from pathlib import Path
import re
from typing import Any
from typing import NamedTuple
import warnings

from safetensors.torch import save_file
import torch
from torch import nn

from optuna_meta.weights import Checkpoint
from optuna_meta.weights import initialize


State = dict[str, torch.Tensor]
Loaded = tuple[nn.Module, str]  # The model that is left, and what is told.

_CRASHES = (AssertionError, AttributeError, LookupError, TypeError)  # Of a case not foreseen.


class Net(nn.Module):
    """Embedding, hidden layer, normalisation, head, and an output tied to the embedding."""

    def __init__(self, classes: int = 3, seed: int = 1) -> None:
        super().__init__()
        with torch.random.fork_rng([]):
            torch.manual_seed(seed)
            self.embed = nn.Embedding(12, 8)
            self.hidden = nn.Linear(8, 8)
            self.norm = nn.LayerNorm(8)
            self.out = nn.Linear(8, 12, bias=False)
            self.out.weight = self.embed.weight
            self.head = nn.Linear(8, classes)


class Case(NamedTuple):
    name: str  # As the table has it.
    change: Callable[[State], State] = lambda state: state  # Of a model's tensors.
    concerned: tuple[str, ...] = ()  # What a report names, one of these; empty if there is none.
    damage: Callable[[bytearray], bytearray] | None = None  # Of the file's content.


class Loader(NamedTuple):
    package: str
    name: str
    load: Callable[[Net, Path], Loaded]


def source_state() -> State:
    """Return a trained model's tensors, under both names where tied."""
    model = Net(seed=2)
    with torch.no_grad():
        model.norm.weight.add_(0.5)
        model.norm.bias.add_(0.25)
    return _copy(model)


def _prefixed(prefix: str) -> Callable[[State], State]:
    return lambda state: {prefix + name: tensor for name, tensor in state.items()}


def _without(name: str) -> Callable[[State], State]:
    return lambda state: {n: tensor for n, tensor in state.items() if n != name}


def _with(name: str, value: float) -> Callable[[State], State]:
    return lambda state: state | {name: torch.full((8, 8), value)}


def _flip(content: bytearray) -> bytearray:
    numbers = source_state()["embed.weight"].numpy().tobytes()
    content[content.index(numbers) + len(numbers) // 2] ^= 64
    return content


CASES = (
    Case("nothing wrong"),
    Case("renamed prefix `encoder.`", _prefixed("encoder."), ("encoder.", "embed.weight")),
    Case(
        "head of another shape",
        lambda state: state | {n: t for n, t in _copy(Net(5, 2)).items() if "head" in n},
        ("head.",),
    ),
    Case("other dtype (half)", lambda state: {name: t.half() for name, t in state.items()}),
    Case("missing key", _without("hidden.bias"), ("hidden.bias",)),
    Case("unexpected key", _with("extra.weight", 1.0), ("extra.weight",)),
    Case("tied weights under one name", _without("out.weight")),
    Case("prefix `module.`", _prefixed("module.")),
    Case("prefix `_orig_mod.`", _prefixed("_orig_mod.")),
    Case(
        "wrong architecture",
        lambda state: {f"blocks.{i}.weight": torch.randn(6, 6) for i in range(4)},
        ("blocks.", "embed.weight"),
    ),
    Case("weights that are NaN", _with("hidden.weight", torch.nan), ("hidden.weight",)),
    Case("bit flip", damage=_flip),
    Case("truncated file", damage=lambda content: content[:-100]),
)


def judge(loader: Loader, case: Case, folder: Path) -> str:
    """Return what a loader does with a case, in a few words."""
    written, model = case.change(source_state()), Net()
    path = _save(written, loader.package, folder)
    if case.damage:
        path.write_bytes(case.damage(bytearray(path.read_bytes())))
    before, failed = _copy(model), None
    with _listening() as heard:
        try:
            found, told = loader.load(model, path)
        except Exception as error:
            found, told, failed = model, str(error), error
    told = " ".join([told, *heard])
    if failed is None:
        return _outcome(found, case, written, told)
    named = any(name in told for name in (*before, *case.concerned, path.name, str(folder)))
    verdict = "crashes" if isinstance(failed, _CRASHES) else "refuses"
    unclear = "" if named else f" without naming what ({type(failed).__name__})"
    half = any(not _equal(before[name], tensor) for name, tensor in model.state_dict().items())
    return f"{verdict}{unclear}{', **model half loaded**' if half else ''}"


def _outcome(model: nn.Module, case: Case, written: State, told: str) -> str:
    state = model.state_dict()
    empty = [name for name, tensor in state.items() if tensor.is_meta]
    ending = f", **{' and '.join(empty)} left without memory**" if empty else ""
    says = any(name in told for name in case.concerned)
    if case.damage:
        return "**loads damaged weights, silent**"
    source = {re.sub(r"^(module|_orig_mod)\.", "", name): t for name, t in written.items()}
    if "embed.weight" in source:
        source.setdefault("out.weight", source["embed.weight"])
    fits = [n for n, t in state.items() if n in source and source[n].shape == t.shape]
    loaded = [name for name in fits if _equal(state[name], source[name])]
    if not loaded:
        named = says or "embed.weight" in told
        return ("loads nothing, told" if named else "**loads nothing, silent**") + ending
    if any(tensor.isnan().any() for tensor in written.values()):
        return "loads them, told" if says else "**loads them, silent**"
    if lost := [name for name in fits if name not in loaded]:
        return f"**loads all but {', '.join(lost)}**"
    if state["hidden.weight"].dtype != torch.float32:
        return "loads; the model takes the file's dtype"
    if case.concerned:
        return "loads the rest, told" if says else "**loads the rest, silent**"
    return "loads" if "out.weight" not in told else "loads, but calls `out.weight` missing"


def _equal(a: torch.Tensor, b: torch.Tensor) -> bool:
    if a.is_meta or a.shape != b.shape:
        return False
    return torch.allclose(a.float(), b.float(), 0.0, 0.0, equal_nan=True)


def _copy(model: nn.Module) -> State:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


@contextmanager
def _listening() -> Iterator[list[str]]:
    """Collect what is logged or warned inside; it is known at the end."""
    heard: list[str] = []
    ear = BufferingHandler(capacity=1_000_000)
    ear.setLevel(logging.WARNING)
    loggers = [logging.getLogger(), logging.getLogger("transformers")]
    for logger in loggers:
        logger.addHandler(ear)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        yield heard
    for logger in loggers:
        logger.removeHandler(ear)
    heard += [record.getMessage() for record in ear.buffer]
    heard += [str(warning.message) for warning in warned]


def _save(state: State, package: str, folder: Path) -> Path:
    path = folder / ("model.pt" if package in ("torch", "skorch") else "model.safetensors")
    if package == "optuna_meta":
        Checkpoint(state).save_file(path)
    elif package in ("timm", "transformers"):
        # The format holds no tensor twice; transformers expects none under a second name.
        second = "out.weight" if package == "transformers" and "embed.weight" in state else ""
        kept = {name: tensor.clone() for name, tensor in state.items() if name != second}
        save_file(kept, path, {"format": "pt"})
    else:
        torch.save(state, path)
    return path


def _ours(model: Net, path: Path, partial: Any) -> Loaded:
    report = initialize(model, Checkpoint.load_file(path), partial=partial)
    left = (report.missing, report.mismatched, report.unexpected)
    return model, str(report) if any(left) else ""


def _torch(model: Net, path: Path, strict: bool) -> Loaded:
    return model, str(model.load_state_dict(torch.load(path, weights_only=True), strict=strict))


def _timm(model: Net, path: Path, strict: bool) -> Loaded:
    timm = import_module("timm.models")
    return model, str(timm.load_checkpoint(model, str(path), strict=strict))


def _transformers(_: Net, path: Path, ignore: bool) -> Loaded:
    """Load into the same model as a class of transformers."""
    transformers: Any = import_module("transformers")
    quiet = import_module("transformers.utils.logging")
    quiet.disable_default_handler()  # The reports are listened to instead.
    quiet.disable_progress_bar()

    class Model(transformers.PreTrainedModel):  # type: ignore[misc]
        config_class = transformers.PretrainedConfig
        _tied_weights_keys = {"out.weight": "embed.weight"}

        def __init__(self, config: Any) -> None:
            super().__init__(config)
            for name, layer in Net().named_children():
                setattr(self, name, layer)
            self.post_init()

        def get_input_embeddings(self) -> Any:
            return self.embed

        def get_output_embeddings(self) -> Any:
            return self.out

    options = {"ignore_mismatched_sizes": ignore, "output_loading_info": True}
    config = transformers.PretrainedConfig(tie_word_embeddings=True)
    found, info = Model.from_pretrained(path.parent, config=config, **options)
    left = {name: value for name, value in info.items() if value}
    return found, str(left) if left else ""


def _skorch(model: Net, path: Path) -> Loaded:
    skorch, callbacks = import_module("skorch"), import_module("skorch.callbacks")
    others = dict.fromkeys(("f_optimizer", "f_criterion", "f_history", "monitor", "event_name"))
    kept = callbacks.Checkpoint(dirname=str(path.parent), f_params=path.name, **others)
    net = skorch.NeuralNet(model, nn.MSELoss, callbacks=None, verbose=0).initialize()
    net.history.new_epoch()  # Without, it cannot name its file.
    net.history.new_batch()
    callbacks.LoadInitState(kept).initialize().on_train_begin(net)
    return net.module_, ""


LOADERS = (
    Loader("optuna_meta", "`initialize`", partial(_ours, partial="skip")),
    Loader("optuna_meta", '`partial="error"`', partial(_ours, partial="error")),
    Loader("torch", "`load_state_dict`", partial(_torch, strict=True)),
    Loader("torch", "`strict=False`", partial(_torch, strict=False)),
    Loader("timm", "`load_checkpoint`", partial(_timm, strict=True)),
    Loader("timm", "`strict=False`", partial(_timm, strict=False)),
    Loader("transformers", "`from_pretrained`", partial(_transformers, ignore=False)),
    Loader("transformers", "`ignore_mismatched_sizes`", partial(_transformers, ignore=True)),
    Loader("skorch", "`LoadInitState`", _skorch),
)
