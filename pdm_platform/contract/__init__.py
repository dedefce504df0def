"""All that crosses a process: topics, payloads, channels, states, measurement names. A leaf: it does no I/O."""
