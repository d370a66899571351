"""Whether what stays of an order still meets the conditions of its prices."""
