"""The data contract: schemas, identifiers, media, and from recordings to manifests."""
