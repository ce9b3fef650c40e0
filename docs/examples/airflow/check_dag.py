"""Loads the DAG as Airflow would, and looks at the objects that its tasks would send to Kubernetes. No cluster is asked.

python check_dag.py, with Airflow and its Kubernetes provider installed (see README.md).
"""

import os
import tempfile
from pathlib import Path

NOWHERE = """
apiVersion: v1
kind: Config
current-context: nowhere
contexts: [{name: nowhere, context: {cluster: nowhere, user: nobody}}]
clusters: [{name: nowhere, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: nobody, user: {}}]
"""

home = Path(tempfile.mkdtemp())
(home / "kubeconfig").write_text(NOWHERE)
os.environ |= {"AIRFLOW_HOME": str(home), "AIRFLOW__CORE__LOAD_EXAMPLES": "False", "KUBECONFIG": str(home / "kubeconfig")}

from airflow.dag_processing.dagbag import DagBag  # noqa: E402  (reads the variables above)


def main():
    bag = DagBag(str(Path(__file__).with_name("pixelmill_etl.py")))
    assert not bag.import_errors, bag.import_errors
    dag = bag.dags["pixelmill_etl"]
    etl, work, verify = (dag.get_task(name) for name in ["etl", "work", "verify"])
    assert etl.downstream_task_ids == {"work"} and work.downstream_task_ids == {"verify"} and not verify.downstream_task_ids
    assert dag.max_active_runs == 1 and not dag.catchup

    for task in [etl, verify]:
        pod = task.build_pod_request_obj()
        (container,) = pod.spec.containers
        assert container.command == ["producer"] and container.args[0] == task.task_id, container
        assert container.env_from and not container.env, "secrets come from the Secret, not from Airflow"
        assert container.security_context.read_only_root_filesystem and pod.spec.security_context.run_as_non_root
        assert pod.spec.automount_service_account_token is False and pod.spec.restart_policy == "Never"
    assert list(verify.skip_on_exit_code) == [64] and verify.retries == 0, "1 fails the run, at once"

    job = work.build_job_request_obj()
    template = work.deserialize_job_template_file(work.job_template_file)
    (container,) = job.spec.template.spec.containers
    assert (job.spec.parallelism, job.spec.completions) == (2, 2)
    assert job.spec.pod_failure_policy == template.spec.pod_failure_policy and job.spec.pod_failure_policy.rules
    assert job.spec.pod_replacement_policy == "Failed" and job.spec.backoff_limit == template.spec.backoff_limit
    assert job.spec.template.spec.restart_policy == "Never"
    assert container.name == "worker" and container.args == ["run", "--queue", "etl", "--until-complete"], container.args
    for kept in ["env_from", "resources", "security_context", "liveness_probe", "readiness_probe", "startup_probe", "ports"]:
        assert getattr(container, kept) == getattr(template.spec.template.spec.containers[0], kept), kept
    print("pixelmill_etl: loads, and its pods are what the manifests say")


if __name__ == "__main__":
    main()
