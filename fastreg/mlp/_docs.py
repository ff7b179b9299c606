"""Texts that the docstrings of MLPClassifier, MLPRegressor and their methods share."""

from fastreg._docs import documented

PARAMETERS = """hidden_layer_sizes : int or array-like of int, default=(100,)
        Numbers of neurons. An empty one makes a linear model.
    activation : str or list of str, one for each hidden layer, default='relu'
        'identity', 'logistic', 'tanh', 'relu', 'leaky_relu' (0.01 below 0), 'elu', 'gelu', 'silu' or 'softplus'.
    solver : {'adam', 'sgd', 'lbfgs'}, default='adam'
        'adam' and 'sgd' train in batches, 'lbfgs' on all rows at once: by L-BFGS-B where the penalty is made of L1, L2
        and bounds, by accelerated proximal gradients under any other.
    alpha : float, default=0.0001
        Alone, what scikit-learn means by it: an L2 penalty of strength alpha / (weight of a batch), on weights only.
        Where a penalty is given by its name, its strength, divided by nothing. Otherwise it makes no difference.
    batch_size : int or 'auto', default='auto'
        'auto' is min(200, n_samples).
    learning_rate : {'constant', 'invscaling', 'adaptive', 'cosine'}, default='constant'
        'invscaling' and 'adaptive' (a fifth of it, whenever progress ends) are for 'sgd', as in scikit-learn; 'cosine'
        falls to 0 at `max_iter`.
    learning_rate_init : float, default=0.001
    power_t : float, default=0.5
        Exponent of 'invscaling'.
    max_iter : int, default=200
        Most epochs; of 'lbfgs', iterations.
    shuffle : bool, default=True
        Whether rows come in another order each epoch.
    random_state : int, RandomState or None, default=None
        Draws the first weights, the order of rows, the validation set and dropout. The same one gives the same bits on
        one machine, whatever the number of threads.
    tol : float, default=1e-4
        What counts as progress of the objective or of the validation score; of 'lbfgs', the largest entry of the
        gradient to end with.
    verbose : bool, default=False
        Print each epoch.
    warm_start : bool, default=False
        `fit` goes on from the weights of the last one. Penalties, losses and learning rates may have changed: a network
        trained without a penalty can be made sparse.
    momentum : float, default=0.9
        Of 'sgd'.
    nesterovs_momentum : bool, default=True
    early_stopping : bool, default=False
        Stop when the validation score no longer rises, and put the best weights back.
    validation_fraction : float, default=0.1
        Rows held out for that, unless `fit` gets a validation set.
    beta_1, beta_2, epsilon : float, default=0.9, 0.999, 1e-8
        Of 'adam'.
    n_iter_no_change : int, default=10
        Epochs without progress before training stops.
    max_fun : int, default=15000
        Most gradients of 'lbfgs'.
    penalty : penalty, str, list of these (one a layer) or None, default=None
        What the weights are charged: `L1`, `L2`, `L1L2`, `GroupL1`, `NonNegative`, `Bounds`, `MaxNorm`, `MCP`, `SCAD`
        or `ExpAbs`, or a name as Keras has them, 'l1', 'l2' or 'l1_l2' with `alpha` as strength. Applied by its prox,
        so zeros are exact.
    bias_penalty : as `penalty`, default=None
        Biases are charged nothing unless this says so.
    activity_penalty : L1, L2, L1L2, str, list of these (one a hidden layer) or None, default=None
        What the outputs of hidden layers are charged, as a mean over rows.
    dropout : float or list of float, one for each hidden layer, default=0.0
        Share of a hidden layer's outputs that is dropped in training; the others are scaled up.
    clip : float or None, default=None
        Bound of the 2-norm of a batch's gradient.
    weight_decay : float, default=0.0
        Decoupled: weights are multiplied by 1 - learning rate * weight_decay at each step. Unlike a penalty this has
        no objective: what it converges to depends on the optimizer.
    warmup : int, default=0
        Epochs in which the learning rate rises to `learning_rate_init`."""

ATTRIBUTES = """coefs_ : list of ndarray of shape (n_in, n_out)
        Weights of each layer, of X's float type (float32 for integers).
    intercepts_ : list of ndarray of shape (n_out,)
    loss_ : float
        Objective of the last epoch: mean (weighted) loss while training, and the penalties after it. As in
        scikit-learn the squared loss is averaged over targets here, though the gradient is that of their sum, and
        batches count by their rows, whatever these weigh.
    best_loss_ : float or None
        The least of them; None with early stopping.
    loss_curve_ : list of float
        `loss_` after each epoch. Not with 'lbfgs'.
    validation_scores_ : list of float or None
        Score on the validation set after each epoch.
    best_validation_score_ : float or None
    stationarity_ : float or None
        How far the weights are from a stationary point of mean loss + penalties: the largest
        ``|w - prox(w - gradient)|``, with the gradient on all rows; without a penalty, the largest entry of the
        gradient. None after dropout, activity penalties and weight decay, which have another objective. Set by `fit`.
    n_zeros_ : int
        Weights that are exactly 0.
    n_iter_ : int
        Epochs (of 'lbfgs', iterations).
    t_ : int
        Rows trained on, counted each time.
    n_layers_, n_outputs_ : int
        Layers, the input among them; outputs of the last one.
    out_activation_ : str
        What makes predictions of raw ones.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features,)
        Only when X had string column names."""

TRAINED = """X : array-like, dataframe or sparse of shape (n_samples, n_features)
            Computed on in its own float type; integers become float32. CSR stays sparse."""

VALIDATION = """sample_weight : array-like of shape (n_samples,), default=None
            Non-negative. A row of weight 0 is no row.
        X_val, y_val : as X and y, default=None
            A validation set: scored after each epoch, and what early stopping goes by.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            Invalid parameters or data, or a loss that is not finite: then `coefs_` are those of the last whole
            epoch."""

shared = documented(parameters=PARAMETERS, attributes=ATTRIBUTES)
fit = documented(trained=TRAINED, validation=VALIDATION)
