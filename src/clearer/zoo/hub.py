"""Models to and from the Hugging Face Hub, in its own layout.

A model on the Hub is a folder with ``model.safetensors`` (the weight file), ``config.json`` (the
architecture) and ``README.md`` (the model card: purpose, results, data, license, cost).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clearer.core.errors import UserError
from clearer.core.files import write_json, write_text
from clearer.core.leftovers import temporary_folder
from clearer.network.architecture import Architecture
from clearer.network.network import RestorationNetwork
from clearer.zoo.card import CardResult, ModelCard
from clearer.zoo.card_text import card_lines, dataset_name, ensemble_note, sentence
from clearer.zoo.weights import save_weights

if TYPE_CHECKING:
    from huggingface_hub import HfApi

WEIGHTS, CONFIG, CARD = "model.safetensors", "config.json", "README.md"


def save_folder(
    network: RestorationNetwork,
    card: ModelCard,
    folder: str | Path,
    *,
    name: str | None = None,
    results: Sequence[CardResult] = (),
    data: str | None = None,
    license: str | None = None,
) -> Path:
    """Write a model as a folder for the Hub; return the folder.

    Args:
        network: in evaluation mode.
        card: of its weight file.
        folder: created if missing; its three files are replaced.
        name: by which others load the model; its last part is the title. Default: the folder's name.
        results, data, license: see `clearer.Restorer.save_pretrained`.

    Raises:
        UserError: huggingface-hub is not installed, or the folder cannot be written.
    """
    _hub()
    folder = Path(folder)
    name = name or folder.resolve().name
    architecture = network.architecture
    text = readme(architecture, card, name, results=results, data=data, license=license)
    save_weights(folder / WEIGHTS, network, card)
    config = {
        "model_type": "clearer",
        **architecture.to_dict(),
        "multiple": architecture.multiple,
        "range": [0, 1],
        "card": card.to_dict(),
    }
    write_json(folder / CONFIG, config)
    write_text(folder / CARD, text)
    return folder


def download(
    name: str | Path,
    *,
    revision: str | None = None,
    token: str | bool | None = None,
    cache_dir: str | Path | None = None,
    local_files_only: bool = False,
) -> Path:
    """Download the weight file of a model on the Hub; return where it is cached.

    Only ``model.safetensors`` is fetched. It holds the architecture and the card; no code of the model runs.

    Args:
        name: such as ``"someone/denoise-gray"``.
        revision, token, cache_dir, local_files_only: see ``huggingface_hub.hf_hub_download``.

    Raises:
        UserError: huggingface-hub is not installed, there is no such model, or the Hub cannot be reached.
    """
    hub = _hub()
    options = {"revision": revision, "token": token, "cache_dir": cache_dir, "local_files_only": local_files_only}
    try:
        return Path(hub.hf_hub_download(str(name), WEIGHTS, library_name="clearer", **options))
    except _hub_errors() as error:
        raise UserError(
            f"{name}: no such folder, and not available from the Hub ({_short(error)}); "
            "check the name, the network connection and your access rights"
        ) from error


def upload(
    network: RestorationNetwork,
    card: ModelCard,
    repo_id: str,
    *,
    results: Sequence[CardResult] = (),
    data: str | None = None,
    license: str | None = None,
    private: bool | None = None,
    token: str | bool | None = None,
    commit_message: str = "Upload a model of clearer",
    api: HfApi | None = None,
) -> str:
    """Create the model's repository on the Hub if it is missing, upload the model, return the commit's URL.

    Args:
        network, card, results, data, license: see `save_folder`.
        repo_id: ``NAMESPACE/NAME``.
        private: whether a new repository is private.
        token: access token; None uses the one that ``hf auth login`` stored.
        commit_message: of the upload, which is one commit.
        api: the Hub client; by default a new one with ``token``.

    Raises:
        UserError: huggingface-hub is not installed, or the Hub cannot be reached or refuses.
    """
    hub = _hub()
    with temporary_folder("upload") as folder:
        save_folder(network, card, folder, name=repo_id, results=results, data=data, license=license)
        try:
            api = api or hub.HfApi(token=token, library_name="clearer")
            repo = api.create_repo(repo_id, private=private, exist_ok=True)
            commit = api.upload_folder(repo_id=repo.repo_id, folder_path=folder, commit_message=commit_message)
        except _hub_errors() as error:
            raise UserError(
                f"{repo_id}: not uploaded ({_short(error)}); check the name, the network connection and your token"
            ) from error
    return str(commit)


def readme(
    architecture: Architecture,
    card: ModelCard,
    name: str,
    *,
    results: Sequence[CardResult] = (),
    data: str | None = None,
    license: str | None = None,
) -> str:
    """Return the README of a model: metadata for the Hub, then the card as text; see `save_folder`."""
    hub = _hub()
    task = card.task or "restoration"
    results, license = results or card.results, license or card.license
    title = name.split("/")[-1]
    known: dict[str, Any] = {"model_name": title, "eval_results": _eval_results(hub, results)} if results else {}
    if license is not None:
        # The Hub identifies a license by one word; the text states the whole.
        known["license"] = license.split(maxsplit=1)[0].lower()
    metadata = hub.ModelCardData(
        library_name="clearer",
        pipeline_tag="image-to-image",
        tags=["image-restoration", task],
        **known,
    )
    lines = [
        f"# {title}",
        "",
        f"{sentence(card.description or task)} Found and trained with `clearer` (CLEARER, NeurIPS 2020).",
        "",
        "```python",
        "import clearer",
        "",
        f'restorer = clearer.Restorer.from_pretrained("{name}")',
        "clean = restorer.restore(image)  # numpy, PIL or torch in, the same type out",
        "```",
        "",
        f"Images have {architecture.channels} channel(s), any size, and values in [0, 1] or 8- or 16-bit integers.",
        "",
        *card_lines(architecture, card, results=results, data=data, license=license),
    ]
    return str(hub.ModelCard(f"---\n{metadata.to_yaml()}\n---\n\n" + "\n".join(lines) + "\n"))


def _eval_results(hub: Any, results: Sequence[CardResult]) -> list[Any]:
    # The Hub tells results apart by type and configuration, not by name. Without a configuration, results
    # of several protocols on the same images would all appear under the first.
    return [
        hub.EvalResult(
            task_type="image-to-image",
            dataset_type=dataset_name(result),
            dataset_name=f"{dataset_name(result)}, {result.protocol}{ensemble_note(result)}",
            dataset_config=f"{result.protocol}{'-x8' if result.ensemble else ''}",
            metric_type=metric,
            metric_name=metric.upper(),
            metric_value=value,
        )
        for result in results
        for metric, value in (("psnr", result.psnr), ("ssim", result.ssim))
    ]


def _hub_errors() -> tuple[type[Exception], ...]:
    """Return the exceptions that huggingface_hub raises if the Hub cannot be reached or refuses.

    These are its own errors, RuntimeError (failed uploads), and the errors of its HTTP library. Which library
    that is depends on its version, and its errors need not be an OSError; but HfHubHTTPError derives from one of them.
    """
    from huggingface_hub import errors

    own = (found for found in vars(errors).values() if isinstance(found, type) and issubclass(found, Exception))
    return (OSError, ValueError, RuntimeError, *own, *errors.HfHubHTTPError.__bases__)


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:160]


def _hub() -> Any:
    try:
        import huggingface_hub
    except ImportError:
        raise UserError("hub: huggingface-hub is not installed; run pip install 'clearer[hub]'") from None
    return huggingface_hub
