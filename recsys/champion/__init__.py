"""Which model serves: the gate a challenger has to pass, what is guarded, and the record of each decision."""
