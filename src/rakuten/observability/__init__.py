"""What watches the system, as text: rules and routes, and dashboards, for other programs."""
