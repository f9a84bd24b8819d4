"""Every model at a size that tests can afford, for clips of 2 frames of 8x16 pixels."""

from simone_tf.models.gqn.annealed_scale import AnnealedScale
from simone_tf.models.gqn.conv_draw import ConvDraw
from simone_tf.models.gqn.model import GQN
from simone_tf.models.gqn.tower import Tower
from simone_tf.models.monet.component_encoder import ComponentEncoder
from simone_tf.models.monet.model import MONet
from simone_tf.models.monet.unet import AttentionUNet
from simone_tf.models.nerf_vae.model import NeRFVAE
from simone_tf.models.nerf_vae.radiance_field import RadianceField
from simone_tf.models.nerf_vae.ray_encoder import RayEncoder
from simone_tf.models.parts.broadcast_decoder import BroadcastDecoder
from simone_tf.models.parts.camera_vector import CameraVector
from simone_tf.models.parts.decoder import PixelDecoder
from simone_tf.models.parts.latents import LatentHead
from simone_tf.models.parts.objective import Geco
from simone_tf.models.parts.queries import RandomQueries
from simone_tf.models.parts.transformer import Transformer
from simone_tf.models.sequential_iodine.model import SequentialIODINE
from simone_tf.models.sequential_iodine.refinement import RefinementNetwork
from simone_tf.models.simone.encoder import Encoder
from simone_tf.models.simone.model import SIMONe
from simone_tf.models.simone.view_encoder import ViewEncoder
from simone_tf.models.simone.view_supervised import SIMONeVS
from simone_tf.models.slot_attention.attention import SlotAttentionModule
from simone_tf.models.slot_attention.decoder import SlotAttentionDecoder
from simone_tf.models.slot_attention.encoder import SlotAttentionEncoder
from simone_tf.models.slot_attention.model import SlotAttention

from colour_mixture import ColourMixture


def make_encoder():
    """SIMONe's, 4 slots, object latents of 5 numbers and frame latents of 3."""
    return Encoder(
        feature_map=(4, 8),
        slot_grid=(2, 2),
        conv_channels=4,
        width=12,
        first_transformer=Transformer(1, 2, 4, 8),
        second_transformer=Transformer(1, 2, 4, 8),
        object_head=LatentHead(5, 8),
        frame_head=LatentHead(3, 8),
    )


def make_view_encoder():
    """SIMONe-VS's, 4 slots, object latents of 5 numbers."""
    return ViewEncoder(
        feature_map=(4, 8),
        slot_grid=(2, 2),
        conv_channels=4,
        width=12,
        first_transformer=Transformer(1, 2, 4, 8),
        second_transformer=Transformer(1, 2, 4, 8),
        object_head=LatentHead(5, 8),
    )


def make_component_encoder():
    """MONet's, latents of 5 numbers."""
    return ComponentEncoder((4, 6), head=LatentHead(5, 8))


def make_slot_attention(cell_layers=(), **arguments):
    """3 slots of 6 numbers, decoded from a grid of 4x8."""
    return SlotAttention(
        SlotAttentionEncoder(5, (2, 1), 3),
        SlotAttentionModule(3, 6, 2, 7),
        SlotAttentionDecoder(1, 1, 5, 3, cell_layers),
        **arguments,
    )


SMALL_MODELS = {
    "GQN": lambda: GQN(
        Tower(4),
        ConvDraw(2, hidden_channels=5, latent_channels=2, canvas_channels=4, kernel_size=3),
        camera=CameraVector(relative_to=0),
    ),
    "GQN with one core": lambda: GQN(
        Tower(4, pooled=True, coordinates=True),
        ConvDraw(
            2,
            hidden_channels=5,
            latent_channels=2,
            canvas_channels=4,
            kernel_size=3,
            shares_cores=True,
            coordinates=True,
            scene_layers=(6, 5),
        ),
        annealing=AnnealedScale(num_steps=4),
    ),
    "MONet": lambda: MONet(
        attention=AttentionUNet((4, 6, 6), 8),
        encoder=make_component_encoder(),
        decoder=BroadcastDecoder((4, 6)),
        slots=3,
    ),
    "NeRFVAE": lambda: NeRFVAE(
        RayEncoder((4, 6), 3, 7, LatentHead(5, 8)),
        RadianceField(8, 2, 2, 1),
        queries=RandomQueries(10),
        coarse_points=4,
        fine_points=3,
        num_context_frames=1,
    ),
    "SIMONe": lambda: SIMONe(encoder=make_encoder(), decoder=PixelDecoder(8, 2), queries=RandomQueries(40)),
    "SIMONe under a constraint": lambda: SIMONe(
        encoder=make_encoder(), decoder=PixelDecoder(8, 2), queries=RandomQueries(40), objective=Geco(1.0)
    ),
    "SIMONeVS": lambda: SIMONeVS(
        encoder=make_view_encoder(),
        decoder=PixelDecoder(8, 2),
        queries=RandomQueries(40),
        camera=CameraVector(relative_to=0),
        num_context_frames=1,
    ),
    "SlotAttention": lambda: make_slot_attention(num_training_frames=1),
    "SlotAttention through the clip": lambda: make_slot_attention((6,), initial_slots="previous"),
    "SequentialIODINE": lambda: SequentialIODINE(
        num_slots=3,
        latent_size=5,
        refinement=RefinementNetwork((4, 6), 3, (8,), 7),
        decoder=BroadcastDecoder((6, 5), padding="same", activation="elu", output_kernel_size=3),
        burn_in=1,
    ),
    "ColourMixture": ColourMixture,
}
"""Name -> what makes it, unbuilt: the library's models, and one of the tests' own."""
