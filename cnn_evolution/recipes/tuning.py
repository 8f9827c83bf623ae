"""Training that starts from trained weights."""

from dataclasses import replace

from cnn_evolution.recipes.config import AugmentConfig, Recipe, ScheduleConfig, Sgd

# Nesterov's momentum under a cosine that falls to 0 is how Kornblith et al. 2019 ("Do Better ImageNet Models Transfer
# Better?") fine-tune. They search rate and decay anew for every data set; those here are one choice for all.
OPTIMIZER = Sgd(learning_rate=0.01, nesterov=True, weight_decay=1e-4)
SCHEDULE = ScheduleConfig(name="cosine")
EPOCHS = 10.0
BATCH_SIZE = 64


def fine_tuning(recipe: Recipe) -> Recipe:
    """The recipe with which a network is trained further, from its recipe for training from nothing.

    That one's rate would destroy the weights, and its regularisation is made for many epochs. Network, images and size
    are kept; crops are of random areas of at least a quarter, flipped, and nothing is averaged, mixed or smoothed.
    """
    return replace(
        recipe,
        augment=AugmentConfig(crop="inception", min_area=0.25),
        optimizer=OPTIMIZER,
        schedule=SCHEDULE,
        epochs=EPOCHS,
        batch_size=BATCH_SIZE,
        accumulate_steps=1,
        label_smoothing=0.0,
        ema_decay=0.0,
    )
