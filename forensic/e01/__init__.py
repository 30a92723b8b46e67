"""The disk as E01 (EWF), the container that examiners' tools exchange: written here, and read by none of ours."""
