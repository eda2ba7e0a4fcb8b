"""From scores and reviews to labels and splits: functions of tables."""
