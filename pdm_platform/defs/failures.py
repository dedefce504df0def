"""What a failed step has to say, for the sensor that reports it and for whoever waits at a terminal."""

import dagster as dg


def description_of(event: dg.DagsterEvent) -> str:
    """The words of the Failure that ended a step, else the innermost error's message."""
    data = event.step_failure_data
    if data.user_failure_data is not None and data.user_failure_data.description:
        return data.user_failure_data.description
    error = data.error
    while error is not None and error.cause is not None:
        error = error.cause
    return (error.message.strip() if error is not None else event.message) or "no reason was given"
