"""The Higgs boson machine learning challenge of 2014."""
