"""The stage that divides labelled clips into train, val and test."""
