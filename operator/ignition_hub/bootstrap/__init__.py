"""
Make once what a chart would make at every rendering: keys. Two programs, which hooks of the chart run.

``material`` makes keys and certificates and knows no cluster. ``keys`` runs before the hub: it creates each
Secret that does not exist yet. ``authority`` runs after it: it gives the authority's certificate to builders
and to the webhook. Both may run at any time and any number of times: what exists is kept. ``exit_codes`` is
how they end.

Nothing here runs beside the hub, so no process that answers requests has the right to create Secrets.
"""
