"""The benchmark of `dataengine eval`: six tasks, asked by text, by spans and by what is seen."""
