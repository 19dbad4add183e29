"""The Knative Pod Autoscaler as pure functions and small state objects: no clock, no socket, no process.

Who wants a revision scaled gives `revision.RevisionScaler` one sum a second and asks it every two seconds; `prediction`
asks the same object what it would do under a load that has not happened yet.
Source: knative/serving pkg/autoscaler and pkg/reconciler/autoscaling/kpa.
"""
