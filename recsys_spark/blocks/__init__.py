"""Every scorer as a dot product of a user block and an item block, or as a sparse table of boosts.

``layout`` says which block lies where, ``maps`` learns what attributes predict, ``content`` and ``demographic`` make
their parts, ``assemble`` puts them side by side, ``boosts`` makes what is sparse.
"""
