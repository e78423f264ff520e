"""What watches the system: rules, routes, runbooks."""
