"""Where cells are computed: in this process, in local workers, on a Ray cluster.

An executor only says where and when a cell is computed. What is computed together is laid down by
the plan, so the numbers are the same whatever the executor.
"""
