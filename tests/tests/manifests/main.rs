//! The Kubernetes manifests, checked without a cluster: they build, images are pinned, secrets stay out of sight, names agree, and alerts
//! and dashboard ask for what there is. What only an API server can say is in the tests of the cluster.

mod kustomize;
mod monitoring;
mod pods;
mod promql;
