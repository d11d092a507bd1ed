"""One script per step: settings, session, read, call one room, write. Only jobs compose rooms."""

from recsys_spark.blas import ask_for_kernels

ask_for_kernels()  # before a job loads NumPy
