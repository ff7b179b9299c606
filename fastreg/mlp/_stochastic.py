"""Training in batches: epochs, progress, early stopping. The epoch itself is compiled."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from fastreg.mlp._schedule import Schedule
from fastreg.networks import SGD, Adam, Trainer


def batch_rows(batch_size, n_rows):
    """Rows of a batch: of all `n_rows`, at most 200 where the user doesn't say."""
    return min(200, n_rows) if batch_size == "auto" else min(int(batch_size), n_rows)


def split(model, y, rows, stratify, random_state):
    """Rows to train on and rows to validate with, as scikit-learn draws them."""
    train, held_out = train_test_split(
        rows, random_state=random_state, test_size=model.validation_fraction, stratify=y[rows] if stratify else None
    )
    if len(held_out) < 2:
        raise ValueError("The validation set is too small. Increase 'validation_fraction' or the size of your dataset.")
    return train, held_out


def make_trainer(model, net, charges):
    """A Trainer, with the state that an earlier one left where `partial_fit` goes on."""
    if model.solver == "sgd":
        optimizer = SGD(model.momentum, model.nesterovs_momentum)
    else:
        optimizer = Adam(model.beta_1, model.beta_2, model.epsilon)
    return Trainer(
        net,
        optimizer,
        list(charges.weights),
        bias_penalties=list(charges.biases),
        dropout=charges.dropout,
        activity=charges.activity,
        clip=model.clip,
        decoupled_decay=model.weight_decay,
    )


class Progress:
    """Counts epochs without progress, of the loss or of the validation score, and keeps the best weights.

    Attributes
    ----------
    on_score : bool
        Whether validation scores decide, and the best weights are kept.
    count : int
    """

    def __init__(self, model, net, on_score):
        self.model, self.net, self.on_score, self.count = model, net, on_score, 0
        self.best = None

    def epoch_ended(self, loss, score):
        """Take note of an epoch's objective and validation score (None without a validation set)."""
        model = self.model
        if self.on_score:
            self.count = self.count + 1 if score < model.best_validation_score_ + model.tol else 0
            if score > model.best_validation_score_:
                model.best_validation_score_ = score
                self.best = [np.array(a) for a in self.net.weights + self.net.biases]
        else:
            self.count = self.count + 1 if loss > model.best_loss_ - model.tol else 0
            model.best_loss_ = min(model.best_loss_, loss)

    def restore(self):
        """Put the best weights back."""
        if self.best is not None:
            for now, best in zip(self.net.weights + self.net.biases, self.best, strict=True):
                now[...] = best


def train(model, net, trainer, charges, data, validate, random_state, incremental, task):
    """Epochs until progress ends or `max_iter`; one if incremental.

    Parameters
    ----------
    model : estimator
        Whose `loss_curve_`, `best_loss_`, `n_iter_`, ... are kept.
    net, trainer : Network, Trainer
    charges : Charges
    data : tuple
        X, Y, sample_weight (None or array), rows to train on (intp), batch size.
    validate : callable or None
        Gives the validation score of the network as it is.
    random_state : RandomState
    incremental : bool
    task : FitTask

    Raises
    ------
    ValueError
        The loss is not finite: the network has the weights of the last whole epoch.
    """
    X, Y, weight, rows, batch = data
    n_rows = len(rows)
    n_batches = -(-n_rows // batch)
    schedule = Schedule(
        model.learning_rate,
        model.learning_rate_init,
        model.power_t,
        model.warmup,
        model.max_iter,
        model.solver == "sgd",
    )
    progress = Progress(model, net, model.early_stopping)
    first = 0
    if incremental and model.t_:  # on from where the last call ended
        first = model.t_ // n_rows
        progress.count, schedule.current = model._standing or (0, schedule.current)
        schedule.epoch_ends(model.t_)
    order = rows
    model.n_iter_ = 0
    try:
        for epoch in range(1 if incremental else model.max_iter):
            task.begin()
            if model.shuffle:
                turn = np.arange(n_rows)
                random_state.shuffle(turn)
                order = order[turn]
            seed = int(random_state.randint(2**31)) if charges.dropout else 0
            rates = schedule.rates(first + epoch, n_batches)
            try:
                loss = trainer.epoch(X, Y, weight, order, batch, rates, seed)
            except FloatingPointError:
                raise ValueError(_diverged(model, epoch)) from None
            loss = loss / model._averaged(net) + charges.value(net)
            if not np.isfinite(loss):
                raise ValueError(_diverged(model, epoch))
            model.n_iter_ += 1
            model.t_ += n_rows
            model.loss_ = loss
            model.loss_curve_.append(loss)
            _say(model, f"Iteration {model.n_iter_}, loss = {loss:.8f}")
            score = None
            if validate is not None:
                score = validate()
                model.validation_scores_.append(score)
                _say(model, f"Validation score: {score:f}")
            progress.epoch_ended(loss, score)
            schedule.epoch_ends(model.t_)
            if task.end():
                break
            if progress.count > model.n_iter_no_change:
                what = "Validation score" if progress.on_score else "Training loss"
                _say(
                    model,
                    f"{what} did not improve more than tol={model.tol:f} for {model.n_iter_no_change} consecutive "
                    "epochs.",
                )
                if schedule.no_progress():
                    break
                progress.count = 0
        else:
            # a cosine is at 0 by then: that is the end it was made for
            if not incremental and schedule.kind != "cosine":
                warnings.warn(
                    f"Stochastic Optimizer: Maximum iterations ({model.max_iter}) reached and the optimization hasn't "
                    "converged yet. Increase max_iter or tol.",
                    ConvergenceWarning,
                    stacklevel=5,
                )
    except KeyboardInterrupt:
        warnings.warn("Training interrupted by user.", stacklevel=5)
    progress.restore()
    model._standing = progress.count, schedule.current


def _diverged(model, epoch):
    return (
        f"Training diverged in epoch {epoch + 1}: the loss is not finite with learning_rate_init="
        f"{model.learning_rate_init:g}. coefs_ and intercepts_ are those of the last whole epoch. Lower "
        "learning_rate_init, put X (and y, in regression) on one scale, or set clip."
    )


def _say(model, message):
    if model.verbose:
        print(message)
