"""Numeric and relational building blocks that know no table and no setting; every room may use them."""
