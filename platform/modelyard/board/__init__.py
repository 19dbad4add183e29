"""The board: draws the yard at a glance and the panels of dashboards/json in a browser, with plotly.js.

`definitions` reads dashboards, `windows` chooses times, `queries` asks Prometheus, `frames` makes tables, `panels`
answers a panel, `watching` looks at the yard, `metrics` tells Prometheus of it, `app` serves; the page is in static/.
"""
