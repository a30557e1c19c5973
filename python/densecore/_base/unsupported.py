"""Names of Keras that densecore does not have, and the errors for them.

A script that was written for Keras stops at such a name, with the reason, and not at a later error
that hides it.
"""

import sys
from collections.abc import Iterable
from types import FrameType
from typing import Any

from .lazy import imports

_ONE_ROW = "a row of data is a vector of numbers here"
_BEFORE = "prepare the data before they reach the model, with NumPy, pandas or scikit-learn"
_TENSORS = "there are no tensors or graphs here: data are NumPy arrays, and so are results"

# Reason → names, for each module; a name that ends with * stands for all that begin with it.
_REASONS: dict[str, list[tuple[str, str]]] = {
    "layers": [
        (
            f"{_ONE_ROW}, without neighbourhood; Flatten makes one of an image",
            "Conv* Separable* Depthwise* MaxPool* AveragePool* GlobalMax* GlobalAverage* Adaptive* "
            "ZeroPadding* Cropping* UpSampling* SpatialDropout2D SpatialDropout3D",
        ),
        (
            f"{_ONE_ROW}, without order; give a window of a series as one row",
            "LSTM* GRU* SimpleRNN* RNN StackedRNNCells Bidirectional",
        ),
        (
            f"{_ONE_ROW}; give a category as columns of 0 and 1, see utils.to_categorical",
            "ReversibleEmbedding",
        ),
        (_TENSORS, "Wrapper TFSMLayer TorchModuleWrapper FlaxLayer JaxLayer"),
        (
            _BEFORE,
            "HashedCrossing "
            "Random* CenterCrop Resizing Rescale AutoContrast CutMix MixUp Equalization "
            "Solarization MelSpectrogram STFTSpectrogram Pipeline",
        ),
        (
            "what normalises are the layers named ...Normalization",
            "SpectralNormalization",
        ),
    ],
    "optimizers": [
        ("a step here changes each weight by its own gradient and moments, or those of its layer's "
         "array; AdamW, Lion and Lamb are nearest",
         "Muon ScheduleFreeAdamW"),
        ("one optimizer trains a model; layers take learning_rate_multiplier and "
         "weight_decay_multiplier, and trainable=False",
         "MultiOptimizer OptimizerMap"),
    ],
    "callbacks": [
        ("CSVLogger, TensorBoard and LambdaCallback tell what happens", "RemoteMonitor"),
        ("ModelCheckpoint and BackupAndRestore write files", "OrbaxCheckpoint"),
    ],
    "preprocessing": [
        (_BEFORE + "; TextVectorization makes numbers of texts",
         "image text image_dataset* text_dataset* audio_dataset*"),
    ],
    "losses": [
        (f"{_ONE_ROW}, without order", "CTC ctc"),
    ],
    "ops": [
        (f"{_ONE_ROW}, without neighbourhood",
         "conv* depthwise_conv separable_conv adaptive_* average_pool max_pool fold unfold image "
         "depth_to_space space_to_depth psnr"),
        ("NumPy has it: numpy.fft, numpy.linalg, scipy.linalg and scipy.special",
         "fft fft2 ifft2 rfft irfft stft istft erfinv cdist cholesky_inverse lu_factor polar "
         "solve_triangular view_as_* extract_sequences"),
        (f"{_ONE_ROW}, without order", "ctc_*"),
        ("model.jvp, model.vjp and model.jacobian differentiate models; a loss (y_true, y_pred) -> "
         "(loss, gradient) brings its own derivative",
         "custom_gradient jvp"),
    ],
    "initializers": [
        (_ONE_ROW, "STFT* stft*"),
    ],
    "utils": [
        (_BEFORE, "load_img img_to_array array_to_img save_img "
         "get_file FeatureSpace text_dataset* image_dataset* audio_dataset* "
         "split_dataset bounding_boxes"),
        ("nothing in a model file is executed; a configuration holds numbers and names", "legacy"),
        ("model.plot() draws a model", "model_to_dot"),
    ],
    "datasets": [
        ("it would have to be downloaded, and no dense network is for it",
         "cifar10 cifar100 imdb reuters"),
    ],
    "": [
        ("there are no trained models of images here", "applications"),
        (_BEFORE, "data image io strings feature_column"),
        ("numbers are float32, or float64 with Sequential(dtype='float64')",
         "quantizers Quantizer"),
        ("the processor is all there is; set_num_threads() says how much of it",
         "distribution distribute"),
        ("a compute_loss that calls the teacher distils it", "distillation"),
        ("model.plot() draws a model, history.plot() a training", "visualization"),
        ("densecore takes the place of Keras itself: import densecore as keras", "keras"),
        ("gradients come from the core: out = model.forward(x), then model.backward(gradient of "
         "the loss by out) and model.apply_gradients() make a custom loop",
         "GradientTape"),
        (_TENSORS, "function constant Tensor convert_to_tensor cast math nn "
         "reduce_* linalg Module Function Operation StatelessScope "
         "SymbolicScope RematScope remat estimator compat float32 float64 int32 int64"),
    ],
}  # fmt: skip


def _reason(area: str, name: str) -> str | None:
    for reason, names in _REASONS.get(area, ()):
        for known in names.split():
            if name == known or (known.endswith("*") and name.startswith(known[:-1])):
                return reason
    return None


def find(module: str, name: str, known: Iterable[str]) -> Any:
    """A module's ``__getattr__`` for a class of Keras's that is not there.

    Scripts import classes that they do not use: ``from module import name`` gets a class that
    raises when an object of it is made. Anything else raises as `error` says.
    """
    importing = _is_import(sys._getframe(2))
    found = _error(module, name, known, importing)
    if importing and name[:1].isupper() and _reason(module.partition(".")[2], name) is not None:
        text = str(found)

        def refuse(cls: type, *arguments: Any, **named: Any) -> Any:
            raise TypeError(text)

        return type(name, (), {"__new__": refuse, "__doc__": text, "__module__": module})
    raise found


def error(module: str, name: str, known: Iterable[str]) -> Exception:
    """The exception for a name that a module has not, for its ``__getattr__`` to raise.

    An AttributeError; but an ImportError where ``from module import name`` asks, as Python would
    replace the message of an AttributeError by its own there.
    """
    return _error(module, name, known, _is_import(sys._getframe(2)))


def _error(module: str, name: str, known: Iterable[str], importing: bool) -> Exception:
    if name.startswith("_"):  # Python itself asks for some of these
        return AttributeError(f"module '{module}' has no attribute '{name}'")
    area = module.partition(".")[2]
    reason = _reason(area, name)
    if reason is not None:
        public = sorted(name for name in known if area != "layers" or name[0].isupper())
        there = f" There are: {', '.join(public)}."
        text = f"{module} has no {name}, which Keras has: {reason}.{there}"
    elif importing:
        text = name  # Python looks for a submodule next, and has a text of its own
    else:
        with imports:
            import difflib  # only an error pays for its import

        close = difflib.get_close_matches(name, list(known), n=1)
        hint = f"; did you mean '{close[0]}'?" if close else ""
        text = f"module '{module}' has no attribute '{name}'{hint}"
    if reason is not None and importing:
        return ImportError(text, name=module)
    return AttributeError(text)


def _is_import(frame: FrameType) -> bool:
    """Whether a frame is at ``from package import name``, or looks there for Python."""
    with imports:
        from opcode import opmap

    code = frame.f_code
    return code.co_name == "_handle_fromlist" or code.co_code[frame.f_lasti] == opmap["IMPORT_FROM"]
