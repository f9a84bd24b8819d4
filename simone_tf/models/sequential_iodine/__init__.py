"""Sequential IODINE, the video baseline of the SIMONe paper: IODINE (Greff et al., 2019) with a refinement a frame."""

PARTS = {"RefinementNetwork": "simone_tf.models.sequential_iodine.refinement:RefinementNetwork"}
"""Name in configurations -> where it is, of the parts that only Sequential IODINE has; see `models.MODELS`."""
