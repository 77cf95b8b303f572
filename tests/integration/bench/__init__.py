"""The test bench: real registries, a faulty one, images and certificates, all on loopback and gone afterwards."""
