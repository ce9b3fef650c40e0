//! Metrics, health, logs and traces of a real worker.

use serde_json::Value;
use tests::http::Inbox;
use tests::proxy::TcpProxy;
use tests::rabbitmq;

use super::worker::{Worker, until};
use tests::scene::{PATIENT, Scene};

#[tokio::test(flavor = "multi_thread")]
async fn metrics_and_logs_say_what_a_worker_did() {
    let node = rabbitmq::shared().await;
    let scene = Scene::start(node.url()).await;
    scene.put_images(24);
    scene.s3.put("photos", "00003.png", "no image");
    scene.s3.put("photos", "00009.png", "PIXELMILL-TEST:abort");
    // Nothing is done twice, as it would be where a task takes longer than it may.
    scene.enqueue_with("seen", &PATIENT).await;
    let mut worker = Worker::start(&scene, &node.url(), &[], &[]);
    until("the finished batch", async || worker.metric("pixelmill_batches_finished_total").await == 1.0).await;
    assert_eq!(worker.page("/livez").await.0, 200);
    until("readiness", async || worker.page("/readyz").await.0 == 200).await;
    until("the end of every task", async || worker.metric("pixelmill_tasks_in_flight").await == 0.0).await;
    assert_eq!(worker.page("/nothing").await.0, 404);
    for (metric, value) in [
        ("pixelmill_images_total{outcome=\"ok\"}", 22.0),
        ("pixelmill_images_total{outcome=\"unsupported\"}", 1.0),
        ("pixelmill_images_total{outcome=\"crashed\"}", 1.0),
        ("pixelmill_tasks_started_total{source=\"queue\"}", 3.0),
        ("pixelmill_tasks_total{outcome=\"done\"}", 3.0),
        ("pixelmill_images_in_flight", 0.0),
        ("pixelmill_queue_connected", 1.0),
        ("pixelmill_queue_deliveries_total", 3.0),
        ("pixelmill_stage_seconds_count{stage=\"store\"}", 3.0),
        ("pixelmill_engine_deaths_total{reason=\"crashed\"}", 1.0),
        ("pixelmill_trials_total{result=\"crashed\"}", 2.0),
        ("pixelmill_model_lookups_total{found=\"builtin\"}", 1.0),
        ("pixelmill_ready", 1.0),
    ] {
        assert_eq!(worker.metric(metric).await, value, "{metric}");
    }
    for metric in [
        "pixelmill_stage_seconds_sum{stage=\"fetch\"}",
        "pixelmill_stage_seconds_sum{stage=\"decode\"}",
        "pixelmill_stage_seconds_sum{stage=\"infer\"}",
        "pixelmill_cpu_seconds_total{process=\"engine\"}",
        "pixelmill_store_attempts_total",
        "pixelmill_last_progress_timestamp_seconds",
    ] {
        assert!(worker.metric(metric).await > 0.0, "{metric}");
    }
    worker.terminate();
    assert_eq!(worker.ended().await, Some(143));
    assert!(worker.last_words().contains("handed back"), "{}", worker.last_words());

    let log = worker.log();
    let manifest = scene.s3.objects("results")["store/batches/seen/manifest.json"].clone();
    let digest = batch_digest(&manifest);
    let line = |message: &str| log.iter().find(|line| line["message"] == message).expect(message);
    let hello = line("the worker starts");
    assert!(hello["broker"].as_str().unwrap().contains("guest:***@") && hello["version"].is_string(), "{hello:?}");
    let stored = line("part stored");
    assert_eq!((&stored["batch"], &stored["trace_id"]), (&Value::from("seen"), &Value::from(&digest[..32])));
    assert!(stored["task"].is_u64(), "{stored:?}");
    let poison = line("the image is poison; it gets an error row");
    let image = Value::from("s3://photos/00009.png");
    assert_eq!((&poison["batch"], &poison["task"], &poison["image"]), (&"seen".into(), &1.into(), &image));
    assert!(log.iter().all(|line| line["timestamp"].is_string() && line["level"].is_string()));
    assert!(!format!("{log:?}").contains("guest:guest"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_broker_or_store_is_no_reason_to_end_a_worker() {
    let node = rabbitmq::shared().await;
    let scene = Scene::start(node.url()).await;
    scene.put_images(8);
    scene.enqueue("batch").await;
    let proxy = TcpProxy::start(node.address()).unwrap();
    let url = format!("amqp://guest:guest@{}", proxy.address());
    let worker = Worker::start(&scene, &url, &[], &[]);
    until("the finished batch", async || worker.metric("pixelmill_batches_finished_total").await == 1.0).await;
    proxy.refuse(true);
    proxy.reset();
    until("a lost connection", async || worker.metric("pixelmill_queue_connected").await == 0.0).await;
    until("work from the manifests", async || worker.page("/readyz").await.1.contains("manifests: looked at")).await;
    let (ready, text) = worker.page("/readyz").await;
    assert_eq!((ready, worker.page("/livez").await.0), (200, 200), "{text}");
    assert!(text.contains("broker: ") && !text.contains("guest:guest"), "{text}");
    proxy.refuse(false);
    until("a new connection", async || worker.metric("pixelmill_queue_reconnects_total").await >= 1.0).await;
    scene.s3.faults().set(|plan| plan.outage = true);
    let faults = "pixelmill_store_faults_total{kind=\"transient\"}";
    until("a store that is away", async || worker.metric(faults).await >= 1.0).await;
    assert_eq!(worker.page("/livez").await.0, 200);
    scene.s3.faults().heal();
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_of_producer_and_workers_go_to_a_collector_as_one_trace() {
    let node = rabbitmq::shared().await;
    let scene = Scene::start(node.url()).await;
    let inbox = Inbox::start().await;
    scene.put_images(10);
    let collector =
        [("OTEL_EXPORTER_OTLP_ENDPOINT", &*inbox.url()), ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20x")];
    let args = ["enqueue", "s3://photos/", "--batch", "traced", "--task-size", "8"];
    assert!(scene.try_produce_with(&args, &collector).await.status.success());
    let goal = ["--until-complete", "--batch", "traced"];
    assert_eq!(Worker::start(&scene, &node.url(), &goal, &collector).ended().await, Some(0));

    let posted = inbox.posted();
    assert!(posted.iter().all(|(head, _)| head.starts_with("POST /v1/traces ") && head.contains("Bearer x")));
    let spans: Vec<(String, Value)> = posted.iter().flat_map(|(_, body)| spans(body)).collect();
    let named = |name: &str| spans.iter().filter(|(_, span)| span["name"] == name).collect::<Vec<_>>();
    let digest = batch_digest(&scene.s3.objects("results")["store/batches/traced/manifest.json"]);
    let (trace, root) = (&digest[..32], &digest[32..48]);
    let [(service, enqueue)] = named("enqueue")[..] else { panic!("{spans:?}") };
    assert_eq!((&**service, &enqueue["spanId"]), ("pixelmill-producer", &Value::from(root)));
    assert_eq!((named("task").len(), named("image").len(), named("store").len()), (2, 10, 2));
    for (service, task) in named("task") {
        assert_eq!((&**service, &task["parentSpanId"]), ("pixelmill-worker", &Value::from(root)));
    }
    let tasks: Vec<_> = named("task").iter().map(|(_, task)| &task["spanId"]).collect();
    for (_, image) in named("image") {
        assert!(tasks.contains(&&image["parentSpanId"]), "{image}");
        assert!(image["attributes"].to_string().contains("s3://photos/"), "{image}");
    }
    for (_, span) in
        spans.iter().filter(|(_, span)| ["enqueue", "task", "image", "store"].contains(&span["name"].as_str().unwrap()))
    {
        assert_eq!(span["traceId"], trace, "{span}");
        let nanoseconds = |name: &str| span[name].as_str().unwrap().parse::<u128>().unwrap();
        assert!(nanoseconds("startTimeUnixNano") <= nanoseconds("endTimeUnixNano"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_taken_is_a_usage_error_and_nothing_is_served_unasked() {
    let node = rabbitmq::shared().await;
    let scene = Scene::start(node.url()).await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let mut worker = Worker::start(&scene, &node.url(), &[], &[("PIXELMILL_LISTEN", &taken)]);
    assert_eq!(worker.ended().await, Some(64));
    assert!(worker.last_words().contains(&taken), "{}", worker.last_words());
    assert_eq!(worker.address(), None);
}

/// The digest of a manifest, as messages and traces carry it.
fn batch_digest(manifest: &[u8]) -> String {
    models::Digest::of(manifest).to_string()
}

/// The spans of one request, with the name of their service.
fn spans(body: &Value) -> Vec<(String, Value)> {
    let mut spans = Vec::new();
    for resource in body["resourceSpans"].as_array().unwrap() {
        let attributes = resource["resource"]["attributes"].as_array().unwrap();
        let name = attributes.iter().find(|attribute| attribute["key"] == "service.name").unwrap();
        let name = name["value"]["stringValue"].as_str().unwrap().to_owned();
        for scope in resource["scopeSpans"].as_array().unwrap() {
            spans.extend(scope["spans"].as_array().unwrap().iter().map(|span| (name.clone(), span.clone())));
        }
    }
    spans
}
