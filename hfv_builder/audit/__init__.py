"""Findings on a data set: functions of tables that report what a careful reviewer would object to."""
