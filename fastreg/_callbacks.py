"""scikit-learn's callbacks (`set_callbacks`): a fit is a task, its epochs or iterations are tasks below it."""

from sklearn.callback import CallbackSupportMixin, with_callbacks

__all__ = ["CallbackSupportMixin", "FitTask", "task_data", "with_callbacks"]


class FitTask:
    """A fit as callbacks see it; without callbacks it does nothing.

    Parameters
    ----------
    model : CallbackSupportMixin
        Whose method that fits is decorated by `with_callbacks`.
    X, y, sample_weight
        What it is fitted to.
    name : str
        Of a round: an epoch, an iteration.
    n_rounds : int
        Most of them; 0, where the fit is one piece.
    state : callable
        Gives the attributes of the model as if the fit ended now. Called where a callback wants such a model.
    """

    def __init__(self, model, X, y, sample_weight, name="", n_rounds=0, state=dict):
        self._on = hasattr(model, "_skl_callbacks") or hasattr(model, "_parent_callback_ctx")
        if not self._on:
            return
        self._given = task_data(model, X, y, sample_weight)
        self._name, self._state, self._round = name, state, None
        self._fit = model._init_callback_context(max_subtasks=n_rounds)
        self._fit.call_on_fit_task_begin(**self._given)

    def begin(self):
        """A round begins."""
        if self._on:
            self._round = self._fit.subcontext(task_name=self._name)
            self._round.call_on_fit_task_begin(reconstruction_attributes=self._state, **self._given)

    def end(self):
        """A round has ended; True if a callback asks to stop here."""
        if not self._on:
            return False
        ended, self._round = self._round, None
        return ended.call_on_fit_task_end(reconstruction_attributes=self._state, **self._given)

    def close(self):
        """The fit has ended."""
        if self._on:
            if self._round is not None:  # begun, and not gone through with
                self._round.call_on_fit_task_end(estimator=self._given["estimator"])
            self._fit.call_on_fit_task_end(reconstruction_attributes=dict, **self._given)


def task_data(model, X, y, sample_weight):
    """What callbacks are given of a task on these rows."""
    metadata = None if sample_weight is None else {"sample_weight": sample_weight}
    return {"estimator": model, "X": X, "y": y, "metadata": metadata}
