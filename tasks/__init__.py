"""Prefect tasks: each calls one function of the library, passes references, and logs."""
