"""Export a trained network to ONNX or torch.export (.pt2), and verify the file.

The files take images of any size: height, width and batch are dynamic, and padding to the network's multiple is
part of the graph. The file of a network that takes the noise level has a second input, a map of the image's size.
Each file is compared with PyTorch before it is kept.
"""

from __future__ import annotations

import contextlib
import copy
import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NotRequired, Required, TypedDict, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from clearer.core.errors import UserError
from clearer.core.files import utf8_path, written_whole
from clearer.deploy.export_options import OPSET, PACKAGES, check_layout, check_opset, check_options, require
from clearer.deploy.quantize import Calibration, QuantizationLoss, quantize, read_calibration
from clearer.inference.onnx_network import INPUT, LEVEL, OUTPUT, OnnxNetwork, metadata_of
from clearer.inference.restorer import Restorer, load
from clearer.network.modules import LayerSequence
from clearer.network.network import RestorationNetwork
from clearer.zoo.card import ModelCard

TOLERANCE = 1e-4
"""Largest difference from PyTorch of an fp32 file, for images in [0, 1]."""
HALF_TOLERANCE = 1 / 255
"""The same for fp16: one gray level. fp16 holds three decimals."""
SIZES = ((2, 45, 61), (1, 64, 96), (1, 7, 129), (1, 1, 1))
"""Batch, height and width of the comparison: odd, a multiple of every network's, smaller than the multiple."""
Run = Callable[..., Tensor]
"""A network: takes the image, and the noise level map if it takes one."""


class Comparison(TypedDict):
    """The comparison of a file with PyTorch.

    Keys:
        sizes: batch, height and width of the images compared.
        largest_difference: of the outputs, for images in [0, 1].
        tolerance: the largest difference allowed; None for int8, whose loss in dB is measured instead.
    """

    sizes: list[list[int]]
    largest_difference: float
    tolerance: float | None


class ExportedFile(Comparison, total=False):
    """A file that was written, and its comparison with PyTorch. int8 adds the keys of `QuantizationLoss`."""

    path: Required[str]
    precision: Required[str]
    bytes: Required[int]
    calibrated_with: str
    held_out: int
    input_psnr: float
    psnr_fp32: float
    psnr: float
    loss: float
    worst_loss: float


class ExportResult(TypedDict):
    """The result of `export`: the model's path, its architecture, and the files that were written."""

    model: str
    architecture: str
    onnx: NotRequired[ExportedFile]
    pt2: NotRequired[ExportedFile]


def export(
    model: str | Path | Restorer,
    *,
    onnx: str | Path | None = None,
    pt2: str | Path | None = None,
    half: bool = False,
    int8: bool = False,
    calibrate: str | Path | None = None,
    layout: str = "auto",
    opset: int | None = None,
) -> ExportResult:
    """Export a trained network to ONNX, to torch.export, or to both.

    Args:
        model: a model's name, a weight file, a run folder, or a restorer; it is not changed.
        onnx: the ``.onnx`` file to write. `clearer.load` and ``clearer restore`` run it.
        pt2: the ``.pt2`` file to write, in fp32, for ``torch.export.load``. That function unpickles and
            evaluates parts of the file: load only files from sources that you trust.
        half: store weights and features of the ONNX file as fp16; input and output stay float32.
        int8: quantize the ONNX file statically, from the first convolution to the last, both excluded.
        calibrate: folder of images for ``int8``: clean ones, which are degraded as the model card states, or pairs
            for a model that was trained on pairs. A quarter of them is held out to measure the loss.
        layout: of that folder, see `clearer.data.folders.find_items`.
        opset: version of the ONNX operators, from `OPSET`, the default, to the newest that the installed onnx knows.

    Returns:
        The files that were written, each with its comparison with PyTorch; see `ExportResult`.

    Raises:
        UserError: the model or the images cannot be read, the options contradict each other, a package is
            missing, or a file differs too much from PyTorch; that file is not kept.
    """
    check_options(onnx, pt2, half, int8, calibrate)
    check_layout(layout, calibrate)
    if opset is not None:
        check_opset(opset, onnx)
    restorer = model if isinstance(model, Restorer) else load(model, "cpu", "fp32")
    network = folded_copy(network_of(restorer, model))
    result: ExportResult = {
        "model": "" if isinstance(model, Restorer) else str(model),
        "architecture": str(restorer.architecture),
    }
    if onnx is not None:
        require(*PACKAGES)
        calibration = None
        if int8:
            assert calibrate is not None
            calibration = read_calibration(calibrate, restorer.card, restorer.architecture.channels, layout)
        result["onnx"] = _write_onnx(network, restorer.card, Path(onnx), half, calibration, opset)
    if pt2 is not None:
        result["pt2"] = _write_pt2(network, restorer.card, Path(pt2))
    return result


def network_of(restorer: Restorer, model: object) -> RestorationNetwork:
    """Return the network of a restorer that can be exported, called ``model``; raise a UserError if it is exported."""
    if not isinstance(restorer.network, RestorationNetwork):
        raise UserError(f"{model}: already exported; name the weight file or the run that it was made from")
    return restorer.network


def folded_copy(network: RestorationNetwork) -> RestorationNetwork:
    """Return a copy on the CPU in float32, with each batch norm folded into the convolution before it."""
    network = copy.deepcopy(network).to(device="cpu", dtype=torch.float32).eval()
    # With channels_last weights, the exported program would not accept a batch of one.
    network = network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    for sequence in [m for m in network.modules() if isinstance(m, LayerSequence)]:
        for k, layer in enumerate(sequence):
            before = sequence[k - 1]
            if k and isinstance(layer, nn.BatchNorm2d) and isinstance(before, nn.Conv2d):
                sequence[k - 1] = fuse_conv_bn_eval(before, layer)
                sequence[k] = nn.Identity()
    return network.requires_grad_(False)


def largest_difference(run: Run, network: RestorationNetwork) -> float:
    """Return the largest difference between ``run`` and the network at `SIZES`; NaN counts as infinity.

    The images are smooth and noisy, and the noise leaves [0, 1]. Levels differ from pixel to pixel.
    """
    generator = torch.Generator().manual_seed(0)
    largest = 0.0
    for batch, height, width in SIZES:
        shape = (batch, network.architecture.channels, height, width)
        coarse = torch.rand((*shape[:2], 4, 4), generator=generator)
        smooth = nn.functional.interpolate(coarse, (height, width), mode="bilinear")
        x = smooth + 0.1 * torch.randn(shape, generator=generator)
        level = (0.3 * torch.rand((batch, 1, height, width), generator=generator),)
        inputs = (x, *level) if network.takes_level else (x,)
        with torch.no_grad():
            expected = network(*inputs)
        found = run(*inputs)
        if found.shape != expected.shape or not bool(torch.isfinite(found).all()):
            return float("inf")
        largest = max(largest, (found - expected).abs().max().item())
    return largest


def onnx_model(network: RestorationNetwork, opset: int | None = None) -> Any:
    """Return a network without batch norms as an ``onnx.ModelProto`` in fp32, with dynamic sizes.

    Raises:
        UserError: the installed torch and onnxscript do not write this opset.
    """
    opset = OPSET if opset is None else opset
    with quiet():
        program = torch.onnx.export(
            network,
            _example(network),
            dynamo=True,
            dynamic_shapes=_open_sizes(network),
            input_names=[INPUT, LEVEL] if network.takes_level else [INPUT],
            output_names=[OUTPUT],
            opset_version=opset,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    written = {entry.domain: entry.version for entry in model.opset_import}.get("")
    if written != opset:  # the exporter falls back to another one
        raise UserError(f"--opset {opset}: torch {torch.__version__} writes opset {written} instead; leave it out")
    # The exporter's notes on the source name this machine's folders.
    graph = model.graph
    for noted in (*graph.node, *graph.input, *graph.output, *graph.initializer, graph):
        del noted.metadata_props[:]
        noted.doc_string = ""
    del graph.value_info[:]
    for value in (*graph.input, *graph.output):
        for axis, name in ((0, "batch"), (2, "height"), (3, "width")):
            value.type.tensor_type.shape.dim[axis].dim_param = name
    return model


def _write_onnx(
    network: RestorationNetwork,
    card: ModelCard,
    path: Path,
    half: bool,
    calibration: Calibration | None,
    opset: int | None,
) -> ExportedFile:
    import onnx

    architecture = network.architecture
    precision = "int8" if calibration else "fp16" if half else "fp32"
    model = onnx_model(network, opset)
    losses: QuantizationLoss | None = None
    if half:
        from onnxruntime.transformers.float16 import convert_float_to_float16
        from onnxruntime.transformers.onnx_model import OnnxModel

        with quiet():
            model = convert_float_to_float16(model, keep_io_types=True)
            OnnxModel.graph_topological_sort(model.graph, is_deterministic=True)  # its casts come last
    if calibration is not None:
        with quiet():
            model, losses = quantize(model, metadata_of(architecture, card, "fp32"), calibration)
    with written_whole(path) as temporary:
        _set_metadata(model, metadata_of(architecture, card, precision))
        onnx.save(model, str(temporary))
        check = {**(losses or {}), **_compared(OnnxNetwork(temporary), network, path, precision)}
        _set_metadata(model, metadata_of(architecture, card, precision, check=check))
        onnx.save(model, str(temporary))
    facts = {"path": str(path), "precision": precision, **check, "bytes": path.stat().st_size}
    return cast(ExportedFile, facts)


def _write_pt2(network: RestorationNetwork, card: ModelCard, path: Path) -> ExportedFile:
    with quiet(), _no_size_is_special():
        program = torch.export.export(network, _example(network), dynamic_shapes=_open_sizes(network))
    if hasattr(program, "_guards_code"):
        # They concern layouts in memory, and would refuse images of a pixel or a position; the comparison sees these.
        program._guards_code = []
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # it names this machine's folders
    facts = json.dumps(metadata_of(network.architecture, card, "fp32"))
    data = io.BytesIO()  # a file's name would go into the archive, and the temporary one differs each time
    with quiet():
        torch.export.save(program, data, extra_files={"clearer.json": facts})
    with written_whole(path) as temporary:
        temporary.write_bytes(data.getvalue())
        with quiet(), utf8_path(temporary) as named:
            module = torch.export.load(named).module()  # safe: the file was just written here

        def run(x: Tensor, *level: Tensor) -> Tensor:
            try:
                with torch.no_grad():
                    restored: Tensor = module(x, *level)
                return restored
            except (AssertionError, RuntimeError) as error:  # the program does not accept this size
                raise UserError(
                    f"{path}: torch {torch.__version__} cannot export this network for sizes such as "
                    f"{tuple(x.shape)}; nothing was written; use a newer torch"
                ) from error

        check = _compared(run, network, path, "fp32")
    written = {"path": str(path), "precision": "fp32", **check, "bytes": path.stat().st_size}
    return cast(ExportedFile, written)


def _compared(run: Run, network: RestorationNetwork, path: Path, precision: str) -> Comparison:
    """Compare a file with PyTorch. int8 only has to be finite: its PSNR is measured instead.

    Raises:
        UserError: the difference exceeds the tolerance.
    """
    difference = largest_difference(run, network)
    tolerance = {"fp32": TOLERANCE, "fp16": HALF_TOLERANCE}.get(precision)
    if not difference <= (3.0e38 if tolerance is None else tolerance):
        raise UserError(
            f"{path}: the {precision} file differs from PyTorch by {difference:.2g}, where "
            f"{'infinity is not' if tolerance is None else f'{tolerance:.2g} is'} allowed; nothing was written; "
            f"{'report this' if precision == 'fp32' else 'export it in fp32'}"
        )
    sizes = [list(size) for size in SIZES]
    return {"sizes": sizes, "largest_difference": difference, "tolerance": tolerance}


def _example(network: RestorationNetwork) -> tuple[Tensor, ...]:
    # No side divides another or the multiple: torch.export would take sizes that agree by chance as equal.
    channels = (network.architecture.channels, *((1,) if network.takes_level else ()))
    return tuple(torch.rand(2, c, 53, 45, generator=torch.Generator().manual_seed(0)) for c in channels)


def _open_sizes(network: RestorationNetwork) -> tuple[dict[int, Any], ...]:
    return tuple(dict.fromkeys((0, 2, 3), torch.export.Dim.DYNAMIC) for _ in _example(network))


def _set_metadata(model: Any, metadata: dict[str, str]) -> None:
    del model.metadata_props[:]
    for key, value in metadata.items():
        model.metadata_props.add(key=key, value=value)


@contextlib.contextmanager
def _no_size_is_special() -> Iterator[None]:
    """Keep torch.export from specializing on sizes 0 and 1, which the program would then refuse."""
    from torch.fx.experimental import _config

    if not hasattr(_config, "backed_size_oblivious"):
        yield
        return
    patched: Any = _config
    with patched.patch(backed_size_oblivious=True):
        yield


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence the exporters' log messages and warnings, such as about torchvision."""
    previous = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(previous)
