"""The judgement of models: what was told of unseen pumps against what was true, as figures, as a page, as evidence."""
