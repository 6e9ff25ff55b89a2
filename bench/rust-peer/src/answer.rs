//! Reads an AdmissionReview, and returns the AdmissionReview with the response and the log line about it.

use std::borrow::Cow;
use std::time::SystemTime;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::decide::{Change, MARK, RULE, Request, decide};

const API_VERSION: &str = "admission.k8s.io/v1";
const KIND: &str = "AdmissionReview";
const LONGEST_FIELD: usize = 256;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Review<'a> {
    #[serde(borrow)]
    api_version: Cow<'a, str>,
    #[serde(borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    request: Request<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    api_version: &'static str,
    kind: &'static str,
    response: Response<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Response<'a> {
    uid: &'a str,
    allowed: bool,
    #[serde(flatten)]
    patched: Option<Patched<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Patched<'a> {
    patch_type: &'static str,
    /// JSON as base64.
    patch: String,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    warnings: &'a [String],
    audit_annotations: AuditAnnotations<'a>,
}

#[derive(Serialize)]
struct AuditAnnotations<'a> {
    rule: &'static str,
    changes: &'a str,
}

#[derive(Serialize)]
struct Operation {
    op: &'static str,
    path: Cow<'static, str>,
    value: Value,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    level: &'static str,
    timestamp: String,
    message: &'static str,
    namespace: &'a str,
    name: &'a str,
    operation: &'a str,
    uid: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    dry_run: Option<bool>,
    rule: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    backoff_limit: Option<Option<i32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    restart_policy: Option<&'static str>,
}

/// The texts to send and, for a capped Job, to log.
pub struct Texts {
    pub answer: Vec<u8>,
    pub line: Option<Vec<u8>>,
}

/// Returns `Err` with the problem if the body is no AdmissionReview v1 with a uid.
pub fn answer(body: &[u8]) -> Result<Texts, String> {
    let Review {
        api_version,
        kind,
        request,
    } = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    if api_version != API_VERSION || kind != KIND || request.uid.is_empty() {
        return Err("body: must be an AdmissionReview v1 with a uid".to_string());
    }
    let change = decide(&request);
    let response = Response {
        uid: &request.uid,
        allowed: true,
        patched: change.as_ref().map(|change| patched(&request, change)),
    };
    let answer = Answer {
        api_version: API_VERSION,
        kind: KIND,
        response,
    };
    Ok(Texts {
        answer: json_of(&answer),
        line: change
            .filter(|change| change.is_logged)
            .map(|change| json_of(&line(&request, &change))),
    })
}

fn json_of(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("structs of texts and numbers always have a JSON text")
}

fn patched<'a>(request: &Request, change: &'a Change) -> Patched<'a> {
    Patched {
        patch_type: "JSONPatch",
        patch: STANDARD.encode(json_of(&patch_of(request, change))),
        warnings: &change.warnings,
        audit_annotations: AuditAnnotations {
            rule: RULE,
            changes: &change.changes,
        },
    }
}

fn patch_of(request: &Request, change: &Change) -> Vec<Operation> {
    let mut patch = Vec::with_capacity(3);
    let mut add = |path: Cow<'static, str>, value| patch.push(Operation { op: "add", path, value });
    if let Some(limit) = change.backoff_limit {
        add("/spec/backoffLimit".into(), limit.into());
    }
    if change.sets_never {
        add("/spec/template/spec/restartPolicy".into(), "Never".into());
    }
    if let Some(mark) = &change.mark {
        if request
            .object
            .as_ref()
            .is_some_and(|job| job.metadata.annotations.is_some())
        {
            add(
                format!("/metadata/annotations/{}", MARK.replace('/', "~1")).into(),
                mark.as_str().into(),
            );
        } else {
            add("/metadata/annotations".into(), json!({ MARK: mark }));
        }
    }
    patch
}

fn line<'a>(request: &'a Request, change: &Change) -> Line<'a> {
    let name = request.name.as_deref().unwrap_or_default();
    Line {
        level: "info",
        timestamp: humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
        message: "admission request patched",
        namespace: request.namespace.as_deref().unwrap_or_default(),
        name: name
            .char_indices()
            .nth(LONGEST_FIELD)
            .map_or(name, |(end, _)| &name[..end]),
        operation: &request.operation,
        uid: &request.uid,
        dry_run: request.dry_run.filter(|is_dry| *is_dry),
        rule: RULE,
        backoff_limit: change
            .backoff_limit
            .map(|_| request.object.as_ref().and_then(|job| job.spec.backoff_limit)),
        restart_policy: change.sets_never.then_some("OnFailure"),
    }
}
