//! A Job ends when its batch does, neither earlier nor later.

use crate::cluster::{LIMIT, scene};

#[test]
fn three_pods_finish_a_batch_and_end_with_it() {
    let scene = scene(0);
    let batch = scene.enqueue("calm", 600);
    let job = scene.job(&batch, &["--parallelism", "3"]);
    let status = job.complete(LIMIT);
    assert_eq!(status["succeeded"], 3, "{status}");
    assert_eq!(job.failures(), 0);
    assert_eq!(job.pods().len(), 3);
    scene.verify(&batch);
}

#[test]
fn a_job_that_ran_out_of_time_is_made_again_and_does_the_rest() {
    let scene = scene(0);
    let batch = scene.enqueue("deadline", 1200);
    let job = scene.job(&batch, &["--parallelism", "1"]);
    scene.work_has_begun(&batch);
    job.has_run_for_too_long();
    assert_eq!(job.failed(LIMIT), "DeadlineExceeded");
    let before = scene.parts(&batch);
    assert!(before.len() < batch.images / 12, "the batch was finished before the deadline");
    job.delete();

    let job = scene.job(&batch, &["--parallelism", "3"]);
    job.complete(LIMIT);
    assert!(scene.parts(&batch).is_superset(&before));
    scene.verify(&batch);
}
