//! The daemon's decision about a Job of terraform-controller, with the built-in policy.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::{Deserialize, Serialize, de::IgnoredAny};

const SERVICE_ACCOUNT: &str = "tf-executor-service-account";
const EXECUTOR: &str = "terraform-executor";
const OPT_OUT: &str = "terraform.job.kb.io/keep-retries";
pub const MARK: &str = "terraform.job.kb.io/capped";
pub const RULE: &str = "terraform";
const DEFAULT_LIMIT: i32 = 6;
// The API server refuses an object with more than 256 KiB of annotations. A mark has fewer than 256 bytes.
const MOST_ANNOTATIONS: usize = 1_000;
const MOST_ANNOTATION_BYTES: usize = 256 * 1024 - 256;

type Text<'a> = Cow<'a, str>;

/// The fields of an admission request that a decision reads.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request<'a> {
    #[serde(borrow)]
    pub uid: Text<'a>,
    #[serde(borrow)]
    resource: Resource<'a>,
    #[serde(borrow)]
    sub_resource: Option<Text<'a>>,
    #[serde(borrow)]
    pub operation: Text<'a>,
    #[serde(borrow)]
    pub namespace: Option<Text<'a>>,
    #[serde(borrow)]
    pub name: Option<Text<'a>>,
    pub dry_run: Option<bool>,
    #[serde(borrow)]
    pub object: Option<Job<'a>>,
    #[serde(borrow)]
    old_object: Option<Job<'a>>,
}

#[derive(Deserialize)]
struct Resource<'a> {
    #[serde(borrow)]
    group: Text<'a>,
    #[serde(borrow)]
    version: Text<'a>,
    #[serde(borrow)]
    resource: Text<'a>,
}

/// The fields of a batch/v1 Job that a decision reads. An object of another kind can lack each of them.
#[derive(Deserialize)]
pub struct Job<'a> {
    #[serde(borrow, default)]
    pub metadata: Metadata<'a>,
    #[serde(borrow, default)]
    pub spec: Spec<'a>,
    #[serde(default)]
    status: Status,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub struct Metadata<'a> {
    #[serde(borrow)]
    pub annotations: Option<HashMap<Text<'a>, Text<'a>>>,
    deletion_timestamp: Option<IgnoredAny>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub struct Spec<'a> {
    pub backoff_limit: Option<i32>,
    parallelism: Option<i32>,
    completions: Option<i32>,
    #[serde(borrow)]
    managed_by: Option<Text<'a>>,
    #[serde(borrow)]
    pod_failure_policy: Option<FailurePolicy<'a>>,
    #[serde(borrow, default)]
    template: Template<'a>,
}

#[derive(Deserialize)]
struct FailurePolicy<'a> {
    #[serde(borrow)]
    rules: Option<Vec<FailureRule<'a>>>,
}

#[derive(Deserialize)]
struct FailureRule<'a> {
    #[serde(borrow)]
    action: Text<'a>,
}

#[derive(Deserialize, Default)]
struct Template<'a> {
    #[serde(borrow, default)]
    spec: PodSpec<'a>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct PodSpec<'a> {
    #[serde(borrow)]
    service_account_name: Option<Text<'a>>,
    #[serde(borrow)]
    restart_policy: Option<Text<'a>>,
    #[serde(borrow)]
    init_containers: Option<Vec<Container<'a>>>,
    #[serde(borrow)]
    containers: Option<Vec<Container<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Container<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    restart_policy: Option<Text<'a>>,
    restart_policy_rules: Option<Vec<IgnoredAny>>,
}

#[derive(Deserialize, Default)]
struct Status {
    active: Option<i32>,
}

/// What a decision makes of a Job.
pub struct Change {
    /// The new limit, or `None` if the limit stays.
    pub backoff_limit: Option<i32>,
    /// Whether restartPolicy becomes Never.
    pub sets_never: bool,
    /// The value of the annotation `MARK`, or `None` if none is added.
    pub mark: Option<String>,
    pub warnings: Vec<String>,
    pub changes: String,
    /// False for an UPDATE in which only the stored restartPolicy is put back.
    pub is_logged: bool,
}

/// Returns the change of the Job, or `None` if it stays.
pub fn decide(request: &Request) -> Option<Change> {
    let job = request.object.as_ref()?;
    if !is_job(request) || !is_terraform(job) {
        return None;
    }
    let is_create = request.operation == "CREATE";
    let stored = request.old_object.as_ref();
    let is_opted_out = annotation(job, OPT_OUT) == "true";
    let is_deleted = stored.is_some_and(|stored| stored.metadata.deletion_timestamp.is_some());

    let from = job.spec.backoff_limit;
    let to = limit_of_run(request);
    let lowers = !is_opted_out && !is_deleted && from.unwrap_or(DEFAULT_LIMIT) > to;
    let may_restart = if is_create {
        !is_opted_out
    } else {
        stored.is_some_and(|stored| restart_policy(stored) == "Never")
    };
    let sets_never = restart_policy(job) == "OnFailure" && may_restart && !must_keep_restart_policy(job);
    if !lowers && !sets_never {
        return None;
    }

    let mut changes = String::new();
    if lowers {
        let from = from.map_or("unset".to_string(), |limit| limit.to_string());
        changes = format!("backoffLimit {from} -> {to}");
    }
    if sets_never {
        changes += if lowers { ", " } else { "" };
        changes += "restartPolicy OnFailure -> Never";
    }
    let is_logged = is_create || lowers;
    let limit = if lowers { Some(to) } else { from };
    let policy = if sets_never { "Never" } else { restart_policy(job) };
    let warnings = if is_logged {
        warnings(job, limit, (policy, is_create), &changes)
    } else {
        Vec::new()
    };
    Some(Change {
        backoff_limit: lowers.then_some(to),
        sets_never,
        mark: mark(job, if lowers { from } else { None }, sets_never),
        warnings,
        changes,
        is_logged,
    })
}

fn is_job(
    Request {
        resource,
        sub_resource,
        operation,
        ..
    }: &Request,
) -> bool {
    resource.group == "batch"
        && resource.version == "v1"
        && resource.resource == "jobs"
        && sub_resource.as_deref().unwrap_or_default().is_empty()
        && (operation == "CREATE" || operation == "UPDATE")
}

fn is_terraform(job: &Job) -> bool {
    let pod = &job.spec.template.spec;
    pod.service_account_name.as_deref() == Some(SERVICE_ACCOUNT)
        && containers(&pod.containers)
            .iter()
            .any(|container| container.name == EXECUTOR)
}

/// Returns the limit that an UPDATE must not lower while the stored Job has a Pod, or 0.
fn limit_of_run(request: &Request) -> i32 {
    match &request.old_object {
        Some(stored) if request.operation == "UPDATE" && stored.status.active.unwrap_or(0) > 0 => {
            stored.spec.backoff_limit.unwrap_or(0)
        }
        _ => 0,
    }
}

/// Returns the effect of the change, and what the user must know beside it.
fn warnings(job: &Job, limit: Option<i32>, (policy, is_create): (&str, bool), changes: &str) -> Vec<String> {
    let is_retried = limit != Some(0);
    let caveats = caveats_of(job, is_retried, policy);
    let effect = if is_retried {
        "patched to limit the retries"
    } else if is_create && policy == "Never" && caveats.is_empty() {
        "patched to run once"
    } else {
        "patched to allow no retry"
    };
    let mut texts = vec![format!("terraform-daemon: {effect} ({changes})")];
    texts.extend(caveats.iter().map(|caveat| format!("terraform-daemon: {caveat}")));
    texts
}

fn caveats_of(job: &Job, is_retried: bool, policy: &str) -> Vec<&'static str> {
    let spec = &job.spec;
    let pod = &spec.template.spec;
    let mut caveats = Vec::new();
    if !is_retried && policy == "OnFailure" {
        caveats.push("with restartPolicy OnFailure a container may start twice");
    }
    if ignores_failures(job) {
        caveats.push("podFailurePolicy ignores some failures, and their Pods are replaced");
    }
    if containers(&pod.containers).iter().any(restarts_itself)
        || containers(&pod.init_containers).iter().any(init_restarts)
    {
        caveats.push("a container has its own restartPolicy or restartPolicyRules, and may start again");
    }
    if spec
        .managed_by
        .as_ref()
        .is_some_and(|name| name != "kubernetes.io/job-controller")
    {
        caveats.push("spec.managedBy names another controller, which may retry");
    }
    if !is_retried
        && [spec.parallelism, spec.completions]
            .iter()
            .any(|pods| pods.unwrap_or(0) > 1)
    {
        caveats.push("the first Pod that fails ends the other Pods of the Job");
    }
    caveats
}

fn ignores_failures(job: &Job) -> bool {
    let rules = job
        .spec
        .pod_failure_policy
        .as_ref()
        .and_then(|policy| policy.rules.as_ref());
    rules.is_some_and(|rules| rules.iter().any(|rule| rule.action == "Ignore"))
}

fn must_keep_restart_policy(job: &Job) -> bool {
    let pod = &job.spec.template.spec;
    job.spec.pod_failure_policy.is_some()
        || containers(&pod.containers).iter().any(restarts_itself)
        || containers(&pod.init_containers).iter().any(has_restart_rules)
}

fn restarts_itself(container: &Container) -> bool {
    container
        .restart_policy
        .as_ref()
        .is_some_and(|policy| policy != "Never")
        || has_restart_rules(container)
}

fn init_restarts(container: &Container) -> bool {
    container.restart_policy.as_deref() == Some("OnFailure") || has_restart_rules(container)
}

fn has_restart_rules(container: &Container) -> bool {
    container
        .restart_policy_rules
        .as_ref()
        .is_some_and(|rules| !rules.is_empty())
}

fn containers<'a, 'b>(list: &'b Option<Vec<Container<'a>>>) -> &'b [Container<'a>] {
    list.as_deref().unwrap_or_default()
}

fn restart_policy<'b>(job: &'b Job) -> &'b str {
    job.spec.template.spec.restart_policy.as_deref().unwrap_or_default()
}

fn annotation<'b>(job: &'b Job, name: &str) -> &'b str {
    let found = job
        .metadata
        .annotations
        .as_ref()
        .and_then(|annotations| annotations.get(name));
    found.map(|value| value.as_ref()).unwrap_or_default()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Before {
    rule: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    backoff_limit: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    restart_policy: Option<&'static str>,
}

/// Returns the annotation with the values before, or `None` if the Job has a mark or no room for one.
fn mark(job: &Job, backoff_limit: Option<i32>, sets_never: bool) -> Option<String> {
    if let Some(annotations) = &job.metadata.annotations {
        let bytes: usize = annotations.iter().map(|(name, value)| name.len() + value.len()).sum();
        let is_full = annotations.len() > MOST_ANNOTATIONS || bytes > MOST_ANNOTATION_BYTES;
        if is_full || !annotation(job, MARK).is_empty() {
            return None;
        }
    }
    let before = Before {
        rule: RULE,
        backoff_limit,
        restart_policy: sets_never.then_some("OnFailure"),
    };
    serde_json::to_string(&before).ok()
}
