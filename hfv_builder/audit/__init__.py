"""Findings on a data set: functions of tables that say what a careful reviewer would object to."""
