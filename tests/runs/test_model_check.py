"""A model that does not do what it states is told in one sentence before it is trained."""

import pytest
import tensorflow as tf

from simone_tf.errors import UserError
from simone_tf.models.parts.latents import Posterior
from simone_tf.models.scene_model import Latent
from simone_tf.runs.model_check import check_model

from colour_mixture import ColourMixture
from small_models import SMALL_MODELS

FRAMES, SIZE = 2, (8, 16)


def built(model):
    model.build((None, FRAMES, *SIZE, 3))
    return model


@pytest.mark.parametrize("make", SMALL_MODELS.values())
def test_models_that_do_what_they_state_pass(make):
    check_model(built(make()), FRAMES, SIZE)


class LargerLatent(ColourMixture):
    @property
    def latents(self):
        return {"object": Latent(("slot", "frame"), 7)}


class MoreSlots(ColourMixture):
    num_slots = 4


class OtherTerms(ColourMixture):
    loss_terms = ("loss", "mistake")


class NoEncoder(ColourMixture):
    def encode(self, batch):
        raise NotImplementedError


class NoScale(ColourMixture):
    def encode(self, batch):
        return {"object": Posterior(super().encode(batch)["object"].mean, None)}

    def losses(self, batch, noise_seed, shared_seed):
        return dict.fromkeys(self.loss_terms, tf.reduce_mean(batch["video"]))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            LargerLatent,
            r"LargerLatent\) states for the mean of 'object' the shape \[1, 3, 2, 7\], but gives \[1, 3, 2, 5\]",
        ),
        (MoreSlots, r"\[1, 4, 2, 5\], but gives \[1, 3, 2, 5\]"),
        (OtherTerms, r"states the loss_terms loss, mistake, but its losses are loss, nats_per_pixel"),
        (NoEncoder, "cannot be computed with its settings: NotImplementedError"),
        (NoScale, r"the log scale of 'object' the shape \[1, 3, 2, 5\], but gives nothing"),
    ],
)
def test_a_model_that_does_not_is_told(model, message):
    with pytest.raises(UserError, match=message) as caught:
        check_model(built(model()), FRAMES, SIZE)
    assert len(str(caught.value).splitlines()) == 1


def test_a_setting_of_a_wrong_type_is_told():
    model = built(ColourMixture(beta="much"))
    with pytest.raises(UserError, match=r"train\.model \(ColourMixture\) cannot be computed with its settings: .+"):
        check_model(model, FRAMES, SIZE)


def test_a_mistake_that_the_model_tells_itself_is_told_as_it_is():
    class Refusing(ColourMixture):
        def losses(self, batch, noise_seed, shared_seed):
            raise UserError("Refusing.sizes is (3, 4): give two whole numbers.")

    with pytest.raises(UserError) as caught:
        check_model(built(Refusing()), FRAMES, SIZE)
    assert str(caught.value) == "Refusing.sizes is (3, 4): give two whole numbers."
