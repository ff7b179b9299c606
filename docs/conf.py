"""Sphinx: API pages from the docstrings, a gallery from the scripts in examples/."""

import fastreg

project = "fastreg"
author = copyright = "fastreg developers"
version = release = fastreg.__version__

extensions = ["numpydoc", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx_gallery.gen_gallery"]
exclude_patterns = ["_build", "examples", "templates"]
templates_path = ["templates"]
html_theme = "alabaster"
html_theme_options = {"description": "Regularised regression, fast and certified"}

autosummary_generate = True
autosummary_ignore_module_all = False  # names are loaded at first use: only __all__ lists them
# What scikit-learn's base classes bring is documented there.
autodoc_default_options = {
    "members": True,
    "inherited-members": "BaseEstimator,RegressorMixin,ClassifierMixin,MultiOutputMixin",
    "exclude-members": "path, get_metadata_routing, set_output, set_fit_request, set_partial_fit_request, "
    "set_predict_request, set_score_request",
}
numpydoc_show_class_members = False

sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": "",
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_memory": False,
}
