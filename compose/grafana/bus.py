"""Messages on their way."""

from typing import Final

from compose.grafana.panels import Dashboard, Panel, Query, rate

DASHBOARD: Final = Dashboard(
    "autograph-bus",
    "Bus",
    "Messages on the broker: waiting, retried, parked.",
    (
        Panel(
            "Deliveries by outcome",
            "done and refused are well; retried and duplicate happen; parked and failed are not well.",
            "ops",
            (Query("sum by (outcome) (autograph:deliveries:rate5m)", "{{outcome}}"),),
            stacked=True,
        ),
        Panel(
            "Queue wait, p95",
            "From the creation of a message to its delivery. At ten seconds clients time out.",
            "s",
            (Query("autograph:queue_wait_seconds:p95_5m", "{{service}} {{message}}"),),
            limit=5,
        ),
        Panel(
            "Outbox, oldest",
            "Age of the oldest unpublished event. Milliseconds are normal.",
            "s",
            (Query("max by (service) (autograph_outbox_oldest_seconds)", "{{service}}"),),
            limit=60,
        ),
        Panel(
            "Outbox, depth",
            "Events committed and not yet published.",
            "short",
            (Query("max by (service) (autograph_outbox_depth)", "{{service}}"),),
        ),
        Panel(
            "Retries",
            "Messages scheduled for a retry, by delay.",
            "ops",
            (
                Query(
                    rate("autograph_retries_total", "service", "message", "rung"),
                    "{{service}} {{message}} {{rung}}",
                ),
            ),
        ),
        Panel(
            "Parked",
            "Messages parked in the last hour.",
            "short",
            (
                Query(
                    "sum by (service, message, reason) (increase(autograph_parked_total[1h]))",
                    "{{service}} {{message}}: {{reason}}",
                ),
            ),
            limit=1,
        ),
        Panel(
            "Consumers",
            "Consumers of each queue. 0: its messages are not processed.",
            "short",
            (Query("sum by (queue) (autograph_consumers)", "{{queue}}"),),
        ),
        Panel(
            "Messages in the broker",
            "Ready and in flight, over all queues.",
            "short",
            (
                Query("sum(rabbitmq_queue_messages_ready)", "ready"),
                Query("sum(rabbitmq_queue_messages_unacked)", "in flight"),
            ),
        ),
        Panel(
            "Broker alarms",
            "1: it is short of memory or disk, and takes nothing.",
            "none",
            (
                Query("max(rabbitmq_alarms_memory_used_watermark)", "memory"),
                Query("max(rabbitmq_alarms_free_disk_space_watermark)", "disk"),
            ),
            limit=1,
        ),
        Panel(
            "Broker memory",
            "Resident memory of the broker's process.",
            "bytes",
            (Query("sum by (instance) (rabbitmq_process_resident_memory_bytes)", "{{instance}}"),),
        ),
    ),
)
