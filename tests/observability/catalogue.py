"""The metrics and recorded series that a dashboard may read."""

from typing import Final

SERVICE: Final = """
rakuten_build_info rakuten_requests_total rakuten_problems_total
rakuten_queue_products rakuten_queue_limit_products rakuten_lane_busy_seconds_total
rakuten_predictions_total rakuten_predictions_by_type_total
rakuten_model_ready rakuten_model_info rakuten_model_swaps_total rakuten_model_refusals_total
rakuten_model_failures_total rakuten_model_confirmed_timestamp_seconds rakuten_registry_up
rakuten_store_up rakuten_spool_records rakuten_spool_bytes rakuten_spool_limit_bytes
process_cpu_seconds_total process_resident_memory_bytes process_open_fds process_max_fds
process_start_time_seconds
""".split()
HISTOGRAMS: Final = """
rakuten_request_duration_seconds rakuten_phase_duration_seconds rakuten_batch_products
rakuten_prediction_confidence_ratio
""".split()
EXPORTER: Final = """
rakuten_exporter_store_up rakuten_exporter_read_duration_seconds
rakuten_exporter_last_read_timestamp_seconds
rakuten_monitor_runs_total rakuten_monitor_last_run_timestamp_seconds
rakuten_monitor_last_success_timestamp_seconds rakuten_monitor_last_duration_seconds
rakuten_monitor_window_products
rakuten_drift_state rakuten_drift_effect_size rakuten_drift_severity
rakuten_decisions_total rakuten_decision_last_timestamp_seconds
rakuten_retraining_open rakuten_retraining_open_age_seconds
rakuten_delayed_score_ratio rakuten_delayed_labels rakuten_delayed_unknown_ratio
rakuten_delayed_reference_ratio
rakuten_performance_violated rakuten_estimated_score_ratio
rakuten_review_queue_products rakuten_review_oldest_age_seconds
rakuten_feedback_total rakuten_feedback_last_timestamp_seconds
rakuten_pipeline_runs_total rakuten_pipeline_last_run_timestamp_seconds
rakuten_pipeline_last_success_timestamp_seconds rakuten_pipeline_last_duration_seconds
rakuten_stage_last_duration_seconds rakuten_stage_last_run_timestamp_seconds
""".split()
WINDOWS: Final = "5m 30m 1h 2h 6h 1d 3d".split()
RECORDED: Final = [
    *(f"rakuten:requests:error_ratio_rate{window}" for window in WINDOWS),
    *(f"rakuten:predict:slow_ratio_rate{window}" for window in WINDOWS),
    *"""
    rakuten:requests:rate5m rakuten:predict:p50_seconds rakuten:predict:p95_seconds
    rakuten:predict:p99_seconds rakuten:predictions:review_ratio_rate1h
    rakuten:predictions:image_missing_ratio_rate30m rakuten:predictions:image_missing_ratio_rate1d
    rakuten:predictions:type_ratio_rate1h rakuten:spool:used_ratio rakuten:queue:used_ratio
    """.split(),
]
OWN: Final = ["up", "ALERTS"]
"""Series that Prometheus makes itself."""
PARTS: Final = [f"{name}_{part}" for name in HISTOGRAMS for part in ("bucket", "count", "sum")]
KNOWN: Final = frozenset([*SERVICE, *PARTS, *EXPORTER, *RECORDED, *OWN])
