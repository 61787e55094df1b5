"""Models to and from the Hugging Face Hub, by its own conventions.

A model there is a folder: ``model.safetensors`` (the weight file as it is), ``config.json`` (the
architecture), and ``README.md`` (the model card: what it is for, results, data, license, cost).
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clearer.core.errors import UserError
from clearer.core.files import write_json, write_text
from clearer.network.network import RestorationNetwork
from clearer.zoo.card import card_lines, data_name, ensemble_of, sentence
from clearer.zoo.weights import save_weights

if TYPE_CHECKING:
    from huggingface_hub import HfApi

    from clearer.inference.restorer import Restorer

WEIGHTS, CONFIG, CARD = "model.safetensors", "config.json", "README.md"


def save_pretrained(
    restorer: Restorer,
    folder: str | Path,
    *,
    name: str | None = None,
    results: Sequence[Mapping[str, Any]] = (),
    data: str | None = None,
    license: str | None = None,
) -> Path:
    """Write a model as a folder for the Hub; return the folder.

    Args:
        restorer: of a weight file or a run.
        folder: made if missing; its three files are replaced.
        name: by which others will load it (its last part is the card's title); by default the folder's name.
        results: what `clearer.evaluate` returns, or the JSON files in a run's ``evaluation`` say.
        data: what it was trained on, in words.
        license: of the weights, as the Hub writes it, such as ``"apache-2.0"``. The images they
            were trained on have a say in it; so nothing is assumed.

    Raises:
        UserError: huggingface-hub is not installed, the model was exported, or the folder cannot be written.
    """
    _hub()
    if not isinstance(restorer.network, RestorationNetwork):
        raise UserError(f"{folder}: an exported model cannot be saved as weights; load its weight file or run instead")
    folder = Path(folder)
    name = name or folder.resolve().name
    card = model_card(restorer, name, results=results, data=data, license=license)
    architecture = restorer.architecture
    save_weights(folder / WEIGHTS, restorer.network, restorer.card)
    config = {
        "model_type": "clearer",
        **architecture.to_dict(),
        "multiple": architecture.multiple,
        "range": [0, 1],
        "card": restorer.card,
    }
    write_json(folder / CONFIG, config)
    write_text(folder / CARD, card)
    return folder


def from_pretrained(
    name_or_folder: str | Path,
    *,
    revision: str | None = None,
    token: str | bool | None = None,
    cache_dir: str | Path | None = None,
    local_files_only: bool = False,
    device: str = "auto",
    precision: str = "auto",
) -> Restorer:
    """Return the restorer of a folder that `save_pretrained` wrote, or of a model on the Hub.

    Only ``model.safetensors`` is fetched and read; it says everything. No code of the model runs.

    Args:
        name_or_folder: a folder, or a name such as ``"someone/denoise-gray"``.
        revision, token, cache_dir, local_files_only: as of ``huggingface_hub.hf_hub_download``.
        device, precision: as of `clearer.load`.

    Raises:
        UserError: there is no such folder or model, it is not one of this program, or the Hub cannot be reached.
    """
    from clearer.inference.restorer import load

    path = Path(name_or_folder)
    if path.is_dir():
        return load(path, device, precision)
    hub = _hub()
    where = {"revision": revision, "token": token, "cache_dir": cache_dir, "local_files_only": local_files_only}
    try:
        weights = hub.hf_hub_download(str(name_or_folder), WEIGHTS, library_name="clearer", **where)
    except _faults() as error:
        raise UserError(
            f"{name_or_folder}: no such folder, and not to be had from the Hub ({_short(error)}); "
            "check the name, the network, and that you may read it"
        ) from error
    return load(weights, device, precision)


def push_to_hub(
    restorer: Restorer,
    repo_id: str,
    *,
    results: Sequence[Mapping[str, Any]] = (),
    data: str | None = None,
    license: str | None = None,
    private: bool | None = None,
    token: str | bool | None = None,
    commit_message: str = "Upload a model of clearer",
    api: HfApi | None = None,
) -> str:
    """Make the model's repository on the Hub if it is missing, put the model there, and return the commit's URL.

    Args:
        restorer, results, data, license: as of `save_pretrained`.
        repo_id: ``NAMESPACE/NAME``.
        private: whether a new repository is.
        token: None is what ``hf auth login`` keeps.
        commit_message: of the upload, which is one commit.
        api: what talks to the Hub, if not one made with ``token``.

    Raises:
        UserError: as of `save_pretrained`, or the Hub cannot be reached or refuses.
    """
    hub = _hub()
    with tempfile.TemporaryDirectory() as folder:
        save_pretrained(restorer, folder, name=repo_id, results=results, data=data, license=license)
        try:
            api = api or hub.HfApi(token=token, library_name="clearer")
            repo = api.create_repo(repo_id, private=private, exist_ok=True)
            commit = api.upload_folder(repo_id=repo.repo_id, folder_path=folder, commit_message=commit_message)
        except _faults() as error:
            raise UserError(
                f"{repo_id}: not uploaded ({_short(error)}); check the name, the network and your token"
            ) from error
    return str(commit)


def model_card(
    restorer: Restorer,
    name: str,
    *,
    results: Sequence[Mapping[str, Any]] = (),
    data: str | None = None,
    license: str | None = None,
) -> str:
    """Return the text of the model card, metadata for the Hub and words for people; see `save_pretrained`."""
    hub = _hub()
    a, facts = restorer.architecture, restorer.card
    task = str(facts.get("task") or "restoration")
    # A shipped model brings these along.
    results, license = results or facts.get("results") or (), license or facts.get("license")
    title = name.split("/")[-1]
    known: dict[str, Any] = {"model_name": title, "eval_results": _eval_results(hub, results)} if results else {}
    if license is not None:
        # The Hub knows licenses by a word; what is said of them besides stands in the text.
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
        f"{sentence(facts.get('description') or task)} Found and trained with `clearer` (CLEARER, NeurIPS 2020).",
        "",
        "```python",
        "import clearer",
        "",
        f'restorer = clearer.Restorer.from_pretrained("{name}")',
        "clean = restorer.restore(image)  # numpy, PIL or torch in, the same kind out",
        "```",
        "",
        f"Images have {a.channels} channel(s), values in [0, 1] or whole levels, and any size.",
        "",
        *card_lines(restorer, results=results, data=data, license=license),
    ]
    return str(hub.ModelCard(f"---\n{metadata.to_yaml()}\n---\n\n" + "\n".join(lines) + "\n"))


def _eval_results(hub: Any, results: Sequence[Mapping[str, Any]]) -> list[Any]:
    # The Hub keeps figures apart by type and configuration, and not by name: without one, results of several
    # protocols on the same images would all stand under the first.
    return [
        hub.EvalResult(
            task_type="image-to-image",
            dataset_type=data_name(result),
            dataset_name=f"{data_name(result)}, {result['protocol']}{ensemble_of(result)}",
            dataset_config=f"{result['protocol']}{'-x8' if result.get('ensemble') else ''}",
            metric_type=metric,
            metric_name=metric.upper(),
            metric_value=result[metric],
        )
        for result in results
        for metric in ("psnr", "ssim")
    ]


def _faults() -> tuple[type[Exception], ...]:
    """Return what huggingface_hub raises where the Hub cannot be reached or refuses.

    Its own errors, what it makes of a failed upload (RuntimeError), and the errors of its HTTP library. Which one
    that is depends on its version, and not all errors of each are an OSError; but the first of its own is one of them.
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
        raise UserError("hub: huggingface-hub is not installed; pip install 'clearer[hub]'") from None
    return huggingface_hub
