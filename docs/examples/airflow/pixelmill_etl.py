"""What is new below a prefix becomes one batch, a Job of workers finishes it, and the last task fails unless every image has its row.

The three tasks run the same programs as CronJob `etl` of k8s-jobs/base; what Airflow adds is its own: retries that people see,
backfills, dependencies on other DAGs. Each task can be repeated at any time: a run that is named again adds nothing, workers do only
what is missing, `verify` only reads.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path

from airflow.providers.cncf.kubernetes.operators.job import KubernetesJobOperator
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.sdk import DAG, Param

HERE = Path(__file__).parent
NAMESPACE = os.environ.get("PIXELMILL_NAMESPACE", "pixelmill")
IMAGE = os.environ.get("PIXELMILL_IMAGE", "localhost/pixelmill:dev")
WORKERS = int(os.environ.get("PIXELMILL_WORKERS", "2"))

# The ids of batches have small letters, digits and '-'. One run of the DAG is one batch, whatever is repeated of it.
BATCH = "airflow-{{ dag_run.run_after.strftime('%Y%m%dt%H%M%S') }}"
# A queue of its own, so that the Job's workers do this batch and no other.
QUEUE = "etl"


def producer(task_id: str, arguments: list[str], **more) -> KubernetesPodOperator:
    """A task that is one `producer` command; what the pod looks like is in producer-pod.yaml."""
    return KubernetesPodOperator(
        task_id=task_id,
        name=f"airflow-{task_id}",
        namespace=NAMESPACE,
        image=IMAGE,
        pod_template_file=str(HERE / "producer-pod.yaml"),
        base_container_name="producer",
        cmds=["producer"],
        arguments=arguments,
        on_finish_action="delete_succeeded_pod",
        startup_timeout_seconds=600,
        **more,
    )


with DAG(
    dag_id="pixelmill_etl",
    doc_md=__doc__,
    schedule="@hourly",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    params={
        "name": Param("photos", type="string", description="Name of the ETL: its runs and its ledger go by it"),
        "source": Param("s3://photos/incoming/", type="string", description="Where images arrive"),
    },
    tags=["pixelmill"],
) as dag:
    etl = producer(
        "etl",
        ["etl", "{{ params.name }}", "--source", "{{ params.source }}", "--batch", BATCH, "--queue", QUEUE],
        retries=3,
        retry_delay=timedelta(minutes=2),
    )

    # base/worker-job.yaml, with other arguments: its failure policy, probes and limits are what was tested. Nothing new to do:
    # the workers end at once.
    work = KubernetesJobOperator(
        task_id="work",
        name="airflow-work",
        namespace=NAMESPACE,
        image=IMAGE,
        job_template_file=str(HERE / "worker-job.yaml"),
        base_container_name="worker",
        cmds=["worker"],
        arguments=["run", "--queue", QUEUE, "--until-complete"],
        parallelism=WORKERS,
        completions=WORKERS,
        wait_until_job_complete=True,
        # Logs belong to the pods: with many workers, and workers that are replaced, Airflow would follow the wrong ones.
        get_logs=False,
        discover_pods_retry_number=60,
        on_finish_action="keep_pod",
        retries=2,
        retry_delay=timedelta(minutes=2),
        execution_timeout=timedelta(hours=12),
    )

    # Exit code 1, with a list in the log, if a row is missing, double or wrong: the run has failed. 64 means that there is no such batch, since
    # nothing was new: skipped. (Wrong settings are 64 too, but then `etl` failed with them before.)
    verify = producer("verify", ["verify", BATCH], skip_on_exit_code=64, retries=0)

    etl >> work >> verify
