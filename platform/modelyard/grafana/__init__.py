"""Whether the dashboards are sound (`lint`), have arrived in Grafana (`arrival`), and are answered (`answers`)."""
