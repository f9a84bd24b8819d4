"""Where gin meets the library: names, files, and the configuration that was used."""
