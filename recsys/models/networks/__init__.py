"""The torch modules of the models; importing one imports torch."""
