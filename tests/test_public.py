"""The Python interface of the package. A change here breaks users' programs."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

import clearer

PYTHON = {
    "Architecture": "(*, cells, space=None, **fields)",
    "Recipe": None,  # settings are listed by `clearer fit --show`
    "RestorationNetwork": "(architecture)",
    "Restorer": "(network, card=None, *, device='auto', precision='auto')",
    "SearchSpace": "(*, channels=1, width=32, scales=4, modules_per_cell=4, operations='supplement', norm='batch', "
    "residual=False, unshuffle=1, candidates='PF', condition='none', topology='streams')",
    "Supernet": "(space, fusion_input='same')",
    "UserError": None,
    "__version__": None,
    "describe": "(target, **fields)",
    "evaluate": "(model, data, protocol, *, limit=None, ensemble=False, seed=0, layout='auto', out=None, "
    "progress=None, **machine)",
    "export": "(model, *, onnx=None, pt2=None, half=False, int8=False, calibrate=None, layout='auto', opset=None)",
    "fit": "(recipe=None, out=None, overrides=None, *, stages=('search', 'train', 'evaluate'), tensorboard=False, "
    "console=None)",
    "load": "(name_or_path, device='auto', precision='auto')",
    "load_recipe": "(name_or_path, overrides=None)",
    "models": "()",
    "verdict": "(run, out=None, settings=VerdictSettings(budget='full', overrides=None, seeds=2, random=4, "
    "sample=None, patches=128, statistics='batch', jobs=None, train=True, test=None), *, console=None, **changes)",
}


def bare_signature(function: object) -> str:
    """Return a signature without annotations."""
    found = inspect.signature(function)
    bare = [p.replace(annotation=inspect.Parameter.empty) for p in found.parameters.values()]
    return str(found.replace(parameters=bare, return_annotation=inspect.Signature.empty))


def test_the_python_interface_is_as_published():
    assert sorted(PYTHON) == sorted(clearer.__all__)
    assert set(PYTHON) <= set(dir(clearer))
    found = {name: bare_signature(getattr(clearer, name)) if form else None for name, form in PYTHON.items()}
    assert found == PYTHON


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'fitt'"):
        _ = clearer.fitt


@pytest.mark.slow
def test_functions_are_not_hidden_by_modules_of_their_name():
    modules = "fit", "describe", "evaluate", "quickstart"
    code = "import clearer.cli.main, " + ", ".join(f"clearer.pipeline.{name}" for name in modules) + "\n"
    code += "assert all(callable(getattr(clearer, n)) for n in ('fit', 'describe', 'evaluate', 'load'))"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_verdict_takes_its_settings_by_name_as_in_version_0_1():
    with pytest.raises(clearer.UserError, match="seeds 0"):
        clearer.verdict("no-such-run", seeds=0)
    with pytest.raises(TypeError, match="speed"):
        clearer.verdict("no-such-run", speed=1)
