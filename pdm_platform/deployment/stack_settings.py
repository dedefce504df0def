"""Settings that only the compose file and the scripts around it read, from the environment or `.env`."""

from pydantic import Field

from pdm_platform.runtime.settings import BaseEnvSettings, Port, PositiveSeconds


class StackSettings(BaseEnvSettings):
    """How the stack in containers is reached, what it is made of, and who hears of its alerts."""

    bind: str = Field("127.0.0.1", description="address that the broker and Grafana are published on")
    bind_without_login: str = Field(
        "127.0.0.1", description="address that Dagster and the reports, which ask for no password, are published on"
    )
    mqtt_tls_port: Port = Field(8883, description="published port of the broker, TLS")
    grafana_port: Port = Field(3001, description="published port of Grafana")
    dagster_port: Port = Field(3000, description="published port of the Dagster UI")
    reports_port: Port = Field(3002, description="published port of the reports")
    grafana_url: str = Field("", description="address of Grafana as people reach it, for the links in alerts")
    alert_webhook_url: str = Field("", description="where alerts are posted as JSON; empty: nowhere")
    alert_email: str = Field("", description="who gets alerts by e-mail; empty: nobody. Needs `GF_SMTP_…` of Grafana")
    up_timeout_s: PositiveSeconds = Field(300, description="how long `make up` waits for all services to be healthy")
    tag: str = Field("local", description="tag of the platform's own image")
    demo_pumps: int = Field(24, ge=1, description="simulated pumps of `make up DEMO=1`")
    demo_failing: int = Field(5, ge=0, description="how many of them fail")
    dagster_postgres_url: str = Field(
        "", description="Dagster's storage, without its password; set by the compose file"
    )
    dagster_logs: str = Field("", description="folder of what runs print; set by the compose file")
    influx_url: str = Field("", description="InfluxDB as Grafana reaches it; set by the compose file")
    dashboards: str = Field("", description="folder of the dashboards in Grafana's container; set by the compose file")
