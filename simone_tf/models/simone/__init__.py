"""SIMONe (Kabra et al., 2021)."""
